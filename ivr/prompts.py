"""The words of the hospital: prompt files per language, read whole and checked at start."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from ivr.flow import FlowError, first_sentence, read_yaml
from ivr.nodes import Name, Shape
from ivr.talk import Fact, Facts, Line

DERIVED = {"score", "band", "title"}
"""Variables a prompt may use that are worked out here: from the keyed or given score, and from `sex`."""


def variables(text: str) -> frozenset[str]:
    """The `{names}` a text uses; ValueError when a brace is not a plain name."""
    names = set()
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"'{{{name}}}' is not a plain variable")
        names.add(name)
    return frozenset(names)


class Bands(Shape):
    none: str
    mild: str
    moderate: str
    severe: str

    def of(self, score: int) -> str:
        """docs/clinical.md 2, Scale: 0 none, 1-3 mild, 4-6 moderate, 7-10 severe."""
        if score == 0:
            return self.none
        if score <= 3:
            return self.mild
        return self.moderate if score <= 6 else self.severe


class Titles(Shape):
    male: str
    female: str
    unknown: str

    def of(self, sex: Fact | None) -> str:
        return {"male": self.male, "female": self.female}.get(str(sex), self.unknown)


class Voice(Shape):
    """One file: `language` is ours (zh-CN), `say_language` and `voice` are the carrier's, which must
    fit each other (docs/twilio.md 4.2 Say)."""

    language: str
    say_language: str
    voice: str
    bands: Bands
    titles: Titles
    prompts: dict[Name, str] = Field(min_length=1)

    @field_validator("prompts")
    @classmethod
    def _speakable(cls, prompts: dict[str, str]) -> dict[str, str]:
        for key, text in prompts.items():
            if not text.strip():
                raise ValueError(f"'{key}' says nothing")
            try:
                variables(text)
            except ValueError as error:
                raise ValueError(f"'{key}': {error}") from error
        return prompts


@dataclass(frozen=True)
class Prompts:
    voices: Mapping[str, Voice]
    """In the hospital's order; the first is what a caller of unknown language hears."""

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.voices)

    def other(self, language: str) -> str | None:
        """The language key 8 leads to: the next one, round and round; None when there is only one."""
        order = self.languages
        if len(order) < 2 or language not in order:
            return None
        return order[(order.index(language) + 1) % len(order)]

    def line(self, key: str, language: str, values: Mapping[str, str]) -> Line:
        voice = self.voices[language]
        try:
            text = voice.prompts[key].format_map(dict(values))
        except KeyError as error:
            raise FlowError(f"{language}.yaml: {key}: cannot be spoken, {error} is not known") from error
        return Line(text=" ".join(text.split()), language=language, prompt=key)

    def values(self, language: str, facts: Facts, phones: frozenset[str], score: int | None) -> dict[str, str]:
        """Every variable a prompt may use, as it is spoken in `language`.

        `sender.en` beats `sender` while English is spoken, so that an English voice need not read Chinese.
        """
        voice = self.voices[language]
        spoken: dict[str, str] = {}
        for name, fact in _localised(facts, language):
            spoken[name] = _digits_apart(str(fact)) if name in phones else str(fact)
        if score is None and isinstance(given := facts.get("score"), int):
            score = given
        if score is not None:
            spoken["score"], spoken["band"] = str(score), voice.bands.of(score)
        spoken["title"] = voice.titles.of(facts.get("sex"))
        return spoken


def _localised(facts: Facts, language: str) -> Iterator[tuple[str, Fact]]:
    for name, fact in facts.items():
        if "." not in name:
            yield name, facts.get(f"{name}.{language}", fact)


def _digits_apart(number: str) -> str:
    """120 as 1 2 0: a voice must not read a telephone number as a quantity."""
    return " ".join(number.replace(" ", ""))


def load_prompts(directory: Path, languages: Sequence[str] = ("zh-CN", "en")) -> Prompts:
    """The prompt files of the hospital's languages (`[hospital] languages`), in that order."""
    return parse_prompts(read_prompts(directory, languages))


def read_prompts(directory: Path, languages: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What the prompt files say, by language, in this order."""
    return {language: read_yaml(directory / f"{language}.yaml") for language in languages}


def parse_prompts(files: Mapping[str, Mapping[str, Any]]) -> Prompts:
    voices: dict[str, Voice] = {}
    for language, raw in files.items():
        file = f"{language}.yaml"
        try:
            voice = Voice.model_validate(raw)
        except ValidationError as error:
            raise FlowError(first_sentence(file, error)) from error
        if voice.language != language:
            raise FlowError(f"{file}: language: is '{voice.language}', but must be the file's name")
        voices[language] = voice
    if not voices:
        raise FlowError("no language is set, so nothing can be said")
    return Prompts(voices)
