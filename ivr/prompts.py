"""The words of the hospital: prompt files per language, read whole and checked at start."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ivr.flow import FlowError, first_sentence, read_yaml
from ivr.nodes import Name, Shape
from ivr.sounds import Sound
from ivr.talk import Fact, Facts, Line

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.wav")
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
    fit each other (docs/twilio.md 4.2 Say).

    A prompt may be recorded instead of spoken: `{play: file.wav, says: "the words"}`, with the file in
    prompts/audio/<language>/ (docs/prompts.md). The words then stand in `prompts`, the file in `played`.
    """

    language: str
    say_language: str
    voice: str
    bands: Bands
    titles: Titles
    prompts: dict[Name, str] = Field(min_length=1)
    played: dict[Name, str] = Field(default_factory=dict)
    """File names of recorded prompts; not written in the file by this name."""

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, raw: Any) -> Any:
        """The words of every prompt, and the files of those that are recorded."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("prompts"), Mapping):
            return raw
        if "played" in raw:
            raise ValueError("'played' cannot be written: a recorded prompt is {play: file.wav, says: the words}")
        recorded = {key: said for key, said in raw["prompts"].items() if isinstance(said, Mapping)}
        for key, said in recorded.items():
            if set(said) != {"play", "says"} or not all(isinstance(word, str) for word in said.values()):
                raise ValueError(f"'{key}' is recorded: it needs 'play', the file, and 'says', its words")
            if not FILE_NAME.fullmatch(said["play"]):
                raise ValueError(f"'{key}': '{said['play']}' is not the name of a WAV file, like greeting.wav")
        words = {key: recorded[key]["says"] if key in recorded else said for key, said in raw["prompts"].items()}
        return {**raw, "prompts": words, "played": {key: said["play"] for key, said in recorded.items()}}

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

    @model_validator(mode="after")
    def _recorded_whole(self) -> Self:
        for key in self.played:
            if names := sorted(variables(self.prompts[key])):
                raise ValueError(f"'{key}' is recorded, and a recording cannot say {{{names[0]}}}")
        return self


@dataclass(frozen=True)
class Prompts:
    voices: Mapping[str, Voice]
    """In the hospital's order; the first is what a caller of unknown language hears."""
    sounds: Mapping[str, Mapping[str, Sound]] = field(default_factory=dict)
    """The recorded prompts by language and name. One that is not here is spoken."""
    faults: tuple[str, ...] = field(default=(), compare=False)
    """What is wrong with recorded prompts' files, one sentence each."""

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

    def sound_url(self, line: Line) -> str:
        """Where the carrier finds this line as a recording; empty when it is to be spoken. A recording cannot be
        slowed: who needs it slowly hears the voice (docs/clinical.md 2, Elderly)."""
        sound = self.sounds.get(line.language, {}).get(line.prompt)
        return sound.url if sound is not None and not line.slow else ""

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
