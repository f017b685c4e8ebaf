"""What a process has loaded to speak: flows (with their questions) and prompts, together one version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ivr import flow, prompts
from ivr.flow import Flow
from ivr.prompts import Prompts
from ivr.questions import Questionnaire
from ivr.sounds import Sound, SoundProblem, Sounds, digest_of, seconds


@dataclass(frozen=True)
class Book:
    """The flows and prompts of a house, by name and language."""

    flows: dict[str, Flow]
    prompts: Prompts
    version: str = ""
    """The same for the same words and ways, whatever the order and the comments in the files; empty for a book that
    was not read from files."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """All its files say, as plain JSON: `flows` by name, `questions` or null, `prompts` by language, the
    `languages` in the hospital's order, and the `sounds` of recorded prompts by their digests."""

    @property
    def questions(self) -> Questionnaire:
        """What patients may be asked; empty when no flow asks anything."""
        return next((flow.asked for flow in self.flows.values() if flow.asks()), Questionnaire())


def read(
    root: Path, languages: Sequence[str] = ("zh-CN", "en"), *, sounds: Sounds | None = None, url: str = ""
) -> Book:
    """The book of the files under `root`/flows and `root`/prompts. Raises FlowError; a recorded prompt that cannot be
    played is spoken, and stands in `prompts.faults`."""
    flows, asked = flow.read_flows(root / "flows"), flow.read_questions(root / "flows")
    if not flows:
        raise flow.FlowError(f"{root / 'flows'}: holds no flow")
    spoken = prompts.read_prompts(root / "prompts", languages)
    made = Book(flow.parse_flows(flows, asked), prompts.parse_prompts(spoken))
    recorded, faults = _recorded(root / "prompts" / "audio", made.prompts, sounds)
    said = {"flows": flows, "questions": asked, "prompts": spoken, "languages": list(languages), "sounds": recorded}
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
    version = hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:16]
    heard = replace(made.prompts, sounds=_playable(recorded, sounds, url), faults=faults)
    return Book(made.flows, heard, version, json.loads(canonical))


def rebuilt(version: str, content: Mapping[str, Any], sounds: Sounds | None = None, url: str = "") -> Book:
    """The book that once had this content. Raises FlowError when this release cannot read it any more."""
    flows = flow.parse_flows(content["flows"], content["questions"])
    spoken = prompts.parse_prompts({language: content["prompts"][language] for language in content["languages"]})
    heard = replace(spoken, sounds=_playable(content["sounds"], sounds, url))
    return Book(flows, heard, version, content)


def with_words_of(book: Book, newer: Book) -> Book:
    """The book, with prompts it has not from a newer one: what the house itself says, beside any flow, may be newer
    than the book."""
    voices = {
        language: voice.model_copy(update={"prompts": {**newer.prompts.voices[language].prompts, **voice.prompts}})
        if language in newer.prompts.voices
        else voice
        for language, voice in book.prompts.voices.items()
    }
    return replace(book, prompts=replace(book.prompts, voices=voices))


def spoken_only(book: Book) -> Book:
    """The book with every prompt spoken: for listeners that understand words."""
    return replace(book, prompts=replace(book.prompts, sounds={}))


# ---- recorded prompts ----------------------------------------------------------------------------------
Recorded = dict[str, dict[str, tuple[str, float]]]
"""By language and prompt: the digest of the file, and its seconds."""


def _recorded(folder: Path, said: Prompts, sounds: Sounds | None) -> tuple[Recorded, tuple[str, ...]]:
    """The recorded prompts with a file that can be played, each kept; and what is wrong with the others."""
    found: Recorded = {language: {} for language in said.languages}
    faults = []
    for language, voice in said.voices.items():
        for key, name in voice.played.items():
            try:
                data = (folder / language / name).read_bytes()
                lasts = round(seconds(data), 2)
                digest = sounds.keep(data) if sounds is not None else digest_of(data)
            except (OSError, SoundProblem) as error:
                why = f"cannot be read or kept ({error.strerror})" if isinstance(error, OSError) else str(error)
                faults.append(f"{language}.yaml: {key}: audio/{language}/{name} {why}")
            else:
                found[language][key] = (digest, lasts)
    return found, tuple(faults)


def _playable(recorded: Mapping[str, Any], sounds: Sounds | None, url: str) -> dict[str, dict[str, Sound]]:
    """With their addresses; none where there is no address or no copy (any more)."""

    def address(language: str, digest: str) -> str:
        there = url and sounds is not None and sounds.find(digest) is not None
        return f"{url}/{language}/{digest}.wav" if there else ""

    return {
        language: {key: Sound(digest, lasts, address(language, digest)) for key, (digest, lasts) in keys.items()}
        for language, keys in recorded.items()
    }
