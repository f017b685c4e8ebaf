"""The talk bar: who spoke when, as shapes for an SVG. Pure.

Everything is an attribute (the pages' policy lets no style in), and nothing is told by colour alone: each side has a
lane of its own with its name before it, and a mark has its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000
"""Units from the first second to the last."""
LEAST: Final = 2.0
"""The narrowest bar, in units: one word of an hour must still be seen."""
TICKS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MOST_TICKS: Final = 9
SIDES: Final = ("patient", "line", "both")


@dataclass(frozen=True)
class Bar:
    """From where, and how wide, in units."""

    x: float
    width: float


@dataclass(frozen=True)
class Lane:
    speaker: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Tick:
    """A line of the ruler."""

    x: float
    second: int


@dataclass(frozen=True)
class Mark:
    """Something that was found, at a second; `number` counts from 1 as the list beside it does."""

    x: float
    second: float
    number: int


@dataclass(frozen=True)
class TalkBar:
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]


def talk_bar(
    seconds: float, spans: Mapping[str, Iterable[tuple[float, float]]], marks: Sequence[float] = ()
) -> TalkBar | None:
    """`spans`: for each speaker, when they spoke, in seconds. None for a recording of no length."""
    if seconds <= 0:
        return None

    def x(second: float) -> float:
        return round(min(max(second, 0.0), seconds) / seconds * WIDTH, 1)

    lanes = tuple(
        Lane(side, tuple(_bar(x(start), x(end)) for start, end in _joined(spans[side])))
        for side in sorted(spans, key=_place)
    )
    every = next((step for step in TICKS if seconds / step <= MOST_TICKS), TICKS[-1])
    return TalkBar(
        lanes,
        tuple(Tick(x(second), second) for second in range(0, int(seconds) + 1, every)),
        tuple(Mark(x(second), second, number) for number, second in enumerate(marks, 1)),
    )


def _bar(start: float, end: float) -> Bar:
    width = max(LEAST, round(end - start, 1))
    return Bar(min(start, WIDTH - width), width)


def _joined(spans: Iterable[tuple[float, float]], near: float = 0.3) -> list[tuple[float, float]]:
    """In order, with breaths closed: fewer shapes, and the same picture."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= near:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _place(side: str) -> tuple[int, str]:
    return (SIDES.index(side) if side in SIDES else len(SIDES), side)


def clock(second: float) -> str:
    """As a clock: 1:05, 1:00:05."""
    minutes, rest = divmod(int(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
