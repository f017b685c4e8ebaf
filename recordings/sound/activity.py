"""Who speaks when, from loudness alone: voice activity of a channel, and what two channels say of each other. Pure.

Voice is what is louder than the channel's own noise and moves as speech does. The noise is measured anew every second
(the 10th percentile of the half minute around it), so a loud hum asks for a louder voice; what hardly moves for most of
a second is a hum, hiss, dial tone or beep and no voice. What it cannot tell: music on hold, a radio or people talking
behind a caller sound like voice and are counted as such, and so is a quick busy tone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recordings.sound.wav import Samples

Flags = NDArray[np.bool_]
Span = tuple[float, float]

CELL_S: Final = 0.02
"""Length of a cell: sound is judged by fiftieths of a second."""
BAND: Final = (250.0, 3400.0)
"""Of a telephone; below it the mains hum."""
LEAST_DB: Final = -55.0
"""dBFS below which nothing is a voice: quieter than the quietest telephone, louder than mu-law's own hiss."""
OVER_NOISE_DB: Final = 7.0
RANGE_DB: Final = 30.0
"""How far below its loud moments a voice goes; what is fainter is the other side's echo."""
NOISE_WINDOW_S: Final = 15
STEADY_DB: Final = 1.5
"""Standard deviation over STEADY_S below which a sound is no voice. Noise of 20 ms cells has 0.7 dB, speech over 4."""
STEADY_S: Final = 0.8
GAP_S: Final = 0.2
"""A shorter gap belongs to the word: closed consonants are silent for up to 0.15 s."""
SHORTEST_S: Final = 0.1
"""A shorter sound is a click."""
BACKCHANNEL_S: Final = 0.5
"""Default: who says less than this while the other speaks ("mhm", "对") takes no turn."""
GIVES_WAY_S: Final = 2.0
"""Default: how soon the other has to fall silent for it to be an interruption."""
TURN_END_S: Final = 0.2
"""Default: beginning in the last moment of the other's turn is ordinary taking of turns."""


@dataclass(frozen=True)
class Cells:
    """One channel in cells: mean power in dBFS of all of it and of the telephone band, and which cells hold the tone
    of a key. `seconds` is the length of one cell."""

    seconds: float
    whole: Samples
    band: Samples
    tone: Flags


def cell_of(rate: int) -> int:
    """Moments of one cell."""
    return max(1, round(rate * CELL_S))


def powers(samples: Samples, rate: int) -> tuple[Samples, Samples]:
    """Mean power of each whole cell, of all of it and of the telephone band; the last cell is filled up with
    silence. 1.0 is a full-scale square wave."""
    cell = cell_of(rate)
    count = -(-len(samples) // cell)
    cells = np.zeros((count, cell), np.float32)
    cells.reshape(-1)[: len(samples)] = samples
    whole = np.einsum("ij,ij->i", cells, cells) / np.float32(cell)
    window = np.hanning(cell + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(cells * window, axis=1)
    first, last = (round(edge * cell / rate) for edge in BAND)
    part = spectrum[:, first : last + 1]
    band = 2 * (part.real**2 + part.imag**2).sum(axis=1) / (cell * float(np.sum(window**2)))
    return whole.astype(np.float32), band.astype(np.float32)


def decibels(power: Samples) -> Samples:
    return (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def noise_floor(band: Samples, seconds: float) -> Samples:
    """For each cell, the noise under it: the 10th percentile of the half minute around."""
    if not len(band):
        return band
    a_second = max(1, round(1 / seconds))
    blocks = -(-len(band) // a_second)
    floors = np.empty(blocks, np.float32)
    for n in range(blocks):
        around = band[max(0, n - NOISE_WINDOW_S) * a_second : (n + NOISE_WINDOW_S + 1) * a_second]
        floors[n] = np.percentile(around, 10)
    return np.repeat(floors, a_second)[: len(band)]


def voice(cells: Cells) -> Flags:
    """Which cells hold a voice."""
    floor = noise_floor(cells.band, cells.seconds)
    loud: Flags = (cells.band > np.maximum(floor + OVER_NOISE_DB, LEAST_DB)) & ~cells.tone
    loud &= ~_steady(cells.band, cells.seconds)
    if not loud.any():
        return loud
    loud &= cells.band > np.percentile(cells.band[loud], 95) - RANGE_DB
    closed = _without_short(~loud, round(GAP_S / cells.seconds), inner=True)
    return _without_short(~closed, round(SHORTEST_S / cells.seconds), inner=False) & ~cells.tone


def _steady(band: Samples, seconds: float) -> Flags:
    """Cells that lie in a stretch in which the sound hardly moves."""
    width = round(STEADY_S / seconds)
    found = np.zeros(len(band), bool)
    if len(band) < width:
        return found
    values = band.astype(np.float64)
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (values, values**2))
    mean = (sums[width:] - sums[:-width]) / width
    moves = np.sqrt(np.maximum(0, (squares[width:] - squares[:-width]) / width - mean**2))
    marks = np.zeros(len(band) + 1, np.int32)
    starts = np.flatnonzero(moves < STEADY_DB)
    np.add.at(marks, starts, 1)
    np.add.at(marks, starts + width, -1)
    covered: Flags = np.cumsum(marks[:-1]) > 0
    return covered


def _without_short(flags: Flags, least: int, *, inner: bool) -> Flags:
    """`flags` without runs shorter than `least`; `inner`: those at the ends stay."""
    kept = flags.copy()
    for first, last in runs(flags):
        if last - first < least and not (inner and (first == 0 or last == len(flags))):
            kept[first:last] = False
    return kept


def runs(flags: Flags) -> list[tuple[int, int]]:
    """First and one past the last cell of each unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def spans(flags: Flags, seconds: float) -> list[Span]:
    """The same in seconds."""
    return [(round(first * seconds, 2), round(last * seconds, 2)) for first, last in runs(flags)]


def longest_pause(flags: Sequence[Flags], seconds: float) -> float:
    """The longest time in which nobody speaks, between the first voice and the last."""
    anybody = np.logical_or.reduce(flags)
    there = np.flatnonzero(anybody)
    if not len(there):
        return 0.0
    silent = runs(~anybody[there[0] : there[-1] + 1])
    return max(((last - first) * seconds for first, last in silent), default=0.0)


def interruptions(mine: Sequence[Span], theirs: Sequence[Span]) -> int:
    """How often I begin to speak in the middle of the other's turn, and the other gives way: falls silent within
    GIVES_WAY_S while I go on, for BACKCHANNEL_S at least."""
    count, at = 0, 0
    for start, end in mine:
        while at < len(theirs) and theirs[at][1] <= start:
            at += 1
        if at == len(theirs):
            break
        began, stopped = theirs[at]
        gave_way = TURN_END_S <= stopped - start <= GIVES_WAY_S and stopped < end
        silent = at + 1 == len(theirs) or theirs[at + 1][0] - stopped >= BACKCHANNEL_S
        if began + BACKCHANNEL_S <= start and gave_way and silent and end - start >= BACKCHANNEL_S:
            count += 1
    return count
