"""Two channels, one conversation: who said what, in the order of time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

PATIENT: Final = "patient"
LINE: Final = "line"
"""What the patient heard: prompts, the operator, the doctor."""
BOTH: Final = "both"
"""A single channel on which everybody speaks."""


@dataclass(frozen=True)
class Word:
    """One word (of Chinese: one character or word, as the engine cuts it), in seconds from the start of the sound;
    `confidence` 0..1."""

    start_s: float
    end_s: float
    text: str
    confidence: float


class Heard(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def words(self) -> tuple[Word, ...]: ...


@dataclass(frozen=True)
class Line:
    """One thing one side said."""

    speaker: str
    start_s: float
    end_s: float
    text: str
    confidence: float
    words: tuple[Word, ...] = ()


def speakers(purpose: str, call_kind: str | None, channels: int) -> tuple[str, ...]:
    """Who is on each channel. Channel 1 is the call's own party, channel 2 what it heard (docs/twilio.md 4,
    Dial): on a call to a doctor the party is the hospital's side, and the patient is what the doctor
    heard."""
    if channels == 2:
        return (LINE, PATIENT) if call_kind == "doctor" else (PATIENT, LINE)
    return (PATIENT,) if purpose in ("message", "open_answer") else (BOTH,)


def join(heard: Mapping[str, Sequence[Heard]]) -> list[Line]:
    """All sides in one list by time; at the same moment the patient comes first."""
    lines = [
        Line(speaker, segment.start_s, segment.end_s, segment.text, segment.confidence, segment.words)
        for speaker, segments in heard.items()
        for segment in segments
    ]
    return sorted(lines, key=lambda line: (line.start_s, line.speaker != PATIENT, line.end_s))
