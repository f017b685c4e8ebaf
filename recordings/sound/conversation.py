"""Two channels, one conversation: who said what, in the order of time. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Protocol

PATIENT: Final = "patient"
LINE: Final = "line"
"""What the patient heard: prompts, the operator, the doctor."""
BOTH: Final = "both"
"""A single channel on which everybody speaks."""


@dataclass(frozen=True)
class Word:
    """One word (of Chinese: one character or word, as the engine cuts it), in seconds from the start of the sound;
    `confidence` 0..1, None where the engine does not tell."""

    start_s: float
    end_s: float
    text: str
    confidence: float | None


class Heard(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def confidence(self) -> float | None: ...
    @property
    def words(self) -> tuple[Word, ...]: ...


@dataclass(frozen=True)
class Line:
    """One thing one side said."""

    speaker: str
    start_s: float
    end_s: float
    text: str
    confidence: float | None
    words: tuple[Word, ...] = ()


def speakers(purpose: str, call_kind: str | None, channels: int) -> tuple[str, ...]:
    """Who is on each channel. Channel 1 is the call's own party, channel 2 what it heard (docs/twilio.md 4,
    Dial): on a call to a doctor the party is the hospital's side, and the patient is what the doctor
    heard."""
    if channels == 2:
        return (LINE, PATIENT) if call_kind == "doctor" else (PATIENT, LINE)
    return (PATIENT,) if purpose in ("message", "open_answer") else (BOTH,)


PAUSE_S: Final = 1.0
"""Who is silent for so long has ended a line, whatever the engine took together."""
BREATH_S: Final = 0.3
"""A shorter silence ends one if the other side speaks in it."""
LONGEST_S: Final = 20.0
"""A longer line is cut at its longest breath."""


def join(heard: Mapping[str, Sequence[Heard]]) -> list[Line]:
    """All sides in one list by time; at the same moment the patient comes first. Where words have times, a segment is
    cut where its speaker pauses, so that what the other said meanwhile stands between; every word stays, in its
    order. A segment without words stays whole."""
    lines: list[Line] = []
    for speaker, segments in heard.items():
        others = _Others(heard, speaker)
        lines += [line for segment in segments for line in _lines(speaker, segment, others)]
    return sorted(lines, key=lambda line: (line.start_s, line.speaker != PATIENT, line.end_s))


class _Others:
    """When anybody but `speaker` speaks."""

    def __init__(self, heard: Mapping[str, Sequence[Heard]], speaker: str) -> None:
        said = sorted(
            (one.start_s, one.end_s)
            for other, segments in heard.items()
            if other != speaker
            for segment in segments
            for one in (segment.words or (segment,))
        )
        self._starts = [start for start, _ in said]
        self._last_ends = list(accumulate((end for _, end in said), max))

    def speak(self, start: float, stop: float) -> bool:
        """At some moment between the two."""
        begun = bisect_left(self._starts, stop)
        return begun > 0 and self._last_ends[begun - 1] > start


def _lines(speaker: str, segment: Heard, others: _Others) -> Iterator[Line]:
    words = segment.words
    cuts = _cuts(words, others)
    if not cuts:
        yield Line(speaker, segment.start_s, segment.end_s, segment.text, segment.confidence, words)
        return
    places = _places(segment.text, words)
    for first, last in pairwise([0, *cuts, len(words)]):
        some = words[first:last]
        yield Line(
            speaker,
            some[0].start_s,
            max(word.end_s for word in some),
            segment.text[places[first] : places[last]].strip() if places else _spelt(some),
            _mean(some),
            some,
        )


def _mean(words: Sequence[Word]) -> float | None:
    told = [word.confidence for word in words if word.confidence is not None]
    return sum(told) / len(told) if told else None


def _cuts(words: Sequence[Word], others: _Others) -> list[int]:
    """Before which words a new line begins."""
    found = [
        n
        for n in range(1, len(words))
        if (gap := words[n].start_s - words[n - 1].end_s) >= PAUSE_S
        or (gap >= BREATH_S and others.speak(words[n - 1].end_s, words[n].start_s))
    ]
    cuts: list[int] = []
    for first, last in pairwise([0, *found, len(words)]):
        cuts += [first, *_shortened(words, first, last)]
    return [cut for cut in cuts if cut]


def _shortened(words: Sequence[Word], first: int, last: int) -> list[int]:
    if last - first < 2 or words[last - 1].end_s - words[first].start_s <= LONGEST_S:
        return []
    gap, at = max((words[n].start_s - words[n - 1].end_s, n) for n in range(first + 1, last))
    if gap <= 0:
        return []
    return [*_shortened(words, first, at), at, *_shortened(words, at, last)]


def _places(text: str, words: Sequence[Word]) -> list[int]:
    """Where in the text each word begins and, last, where it ends; the first begins with the text. Empty where the
    engine spells its words otherwise than its text."""
    places, at = [], 0
    for word in words:
        at = text.find(word.text.strip(), at)
        if at < 0:
            return []
        places.append(at)
        at += len(word.text.strip())
    return [0, *places[1:], len(text)]


def _spelt(words: Sequence[Word]) -> str:
    """Chinese is written without spaces, anything else with."""
    texts = [word.text.strip() for word in words]
    return ("" if any("\u4e00" <= sign <= "\u9fff" for sign in "".join(texts)) else " ").join(texts)
