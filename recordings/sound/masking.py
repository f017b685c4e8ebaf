"""What QA must not hear: the tones of keys, found in the sound and silenced. Pure.

Who listens to a call could read a birthday or a PIN off its tones. Each tone is two sines, one of four low and one of
four high frequencies (ITU-T Q.23). Every five milliseconds the strongest sine of both groups is looked for in a window
of thirty; it is a key if both are within 2.2 % of one of ours (Q.24: 1.5 % must be taken, 3.5 % must not), neither is
10 dB stronger than the other, and hardly anything else sounds within their groups. Speech has its own sound beside
them and does not hold still, so what sounds outside the groups matters less.

Under a loud voice some tones pass for a vowel, and vowels taken for tones everywhere would cost too many words. But
keys come in runs: two seconds around a tone that is certain less is asked for, around two that follow each other hardly
anything, and between those two all is silenced.

Found are tones of 40 ms and more from -40 dBFS up (each of the two sines from -48). Measured limits and false alarms:
tests/recordings/test_masking.py and docs/sound.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recordings.sound.wav import Samples, even_step

Flags = NDArray[np.bool_]

LOW: Final = (697.0, 770.0, 852.0, 941.0)
HIGH: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_GROUPS: Final = ((LOW, 620.0, 1030.0), (HIGH, 1110.0, 1760.0))

WINDOW_S: Final = 0.03
HOP_S: Final = 0.005
MARGIN_S: Final = 0.02
"""Silenced before and after a tone, for its beginning and its echo in the window."""
FADE_S: Final = 0.005
TOGETHER_S: Final = 0.06
"""Two finds of the same key nearer than this are one tone: a word fell over it. A finger is slower: Q.24 has 40 ms
between tones at least, but those are two keys, and both are found."""
AROUND_S: Final = 2.0
"""How far around a tone others are looked for more keenly, and how long a pause between two keys of a run may be."""
FAINTER_DB: Final = 15.0
"""Those others are at most so much fainter: one telephone sends all its tones alike."""
CONTEXT_S: Final = 5
"""Whole seconds on both sides on which it depends what of a sound is silenced: a tone two seconds away, another two
seconds further, and their length."""
OFF: Final = 0.022
TWIST_DB: Final = 10.0
_OFF_AT_MOST: Final = 0.03
_TWIST_DB_AT_MOST: Final = 14.0
"""A voice over the tone pulls at both."""
FLOOR: Final = 10 ** (-48 / 10)
_BINS: Final = 512


@dataclass(frozen=True)
class _Proof:
    """How sure a window has to be: the part of its group's energy that a sine has, the part of all energy that both
    have, whether OFF and TWIST_DB hold or only the wider limits, and how many windows in a row."""

    alone: float
    pure: float
    exact: bool
    windows: int


_CERTAIN: Final = _Proof(0.6, 0.1, True, 3)
"""A tone wherever it is."""
_NEAR_ONE: Final = _Proof(0.2, 0.02, True, 2)
"""One beside a certain tone, and what of that tone goes on."""
_IN_A_RUN: Final = _Proof(0.1, 0.02, False, 1)
"""One beside two certain tones."""


@dataclass(frozen=True)
class _Windows:
    """What each window holds: a key 0..15 or -1, and how sure it is."""

    key: NDArray[np.int64]
    alone: NDArray[np.float64]
    pure: NDArray[np.float64]
    exact: Flags
    weaker: NDArray[np.float64]
    """Mean square of the weaker of both sines."""

    def beside(self, runs: Sequence[_Run], reach: int) -> Flags:
        """Which are at most `reach` from one of the runs, or in it, and not much fainter."""
        least = np.full(len(self.key), np.inf)
        for first, last, _ in runs:
            around = slice(max(0, first - reach), last + reach)
            faintest = self.weaker[first:last].max() * 10 ** (-FAINTER_DB / 10)
            least[around] = np.minimum(least[around], faintest)
        near: Flags = self.weaker >= least
        return near

    def runs(self, proof: _Proof, where: Flags | None = None) -> list[_Run]:
        """Windows in a row that hold one key surely enough, `where` it is True."""
        good = (self.key >= 0) & (self.alone >= proof.alone) & (self.pure >= proof.pure)
        if proof.exact:
            good &= self.exact
        if where is not None:
            good &= where
        key = np.where(good, self.key, -1)
        edges = np.flatnonzero(np.diff(np.concatenate([[-2], key, [-2]])))
        return [_Run(int(a), int(b), int(key[a])) for a, b in pairwise(edges) if key[a] >= 0 and b - a >= proof.windows]


class _Run(NamedTuple):
    """First window, one past the last, and the key."""

    first: int
    last: int
    key: int


class _Found(NamedTuple):
    """First and one past the last moment of each certain tone, in order, and of all else that is to be silenced."""

    tones: list[tuple[int, int]]
    besides: list[tuple[int, int]]


def masked(samples: Samples, rate: int) -> Samples:
    """`samples` with silence where a key sounds. The same array if there is none. What a moment becomes depends on
    CONTEXT_S around it only, if `samples` begins at a whole number of seconds."""
    found = [span for spans in _found(samples, rate) for span in spans]
    if not found:
        return samples
    loud = np.ones(len(samples), np.float32)
    margin, fade = round(MARGIN_S * rate), max(1, round(FADE_S * rate))
    ramp = np.linspace(1, 0, fade, endpoint=False, dtype=np.float32)
    for start, stop in found:
        first, last = max(0, start - margin), min(len(samples), stop + margin)
        before, after = max(0, first - fade), min(len(samples), last + fade)
        loud[first:last] = 0
        loud[before:first] *= ramp[fade - (first - before) :]
        loud[last:after] *= ramp[::-1][: after - last]
    return samples * loud


def tones(samples: Samples, rate: int) -> list[tuple[int, int]]:
    """First and one past the last moment of each tone that is certain, in order; which key it is, nobody is told.
    Judged by what lies within a tenth of a second."""
    return _found(samples, rate).tones


def _found(samples: Samples, rate: int) -> _Found:
    narrow, factor = _narrowed(samples, rate)
    slow = rate // factor
    window, hop = round(WINDOW_S * slow), even_step(slow, round(HOP_S * slow))
    padded = np.concatenate([np.zeros(window, np.float32), narrow, np.zeros(window, np.float32)])
    windows = _judged(padded, slow, window, hop)
    certain = windows.runs(_CERTAIN)
    if not certain:
        return _Found([], [])
    reach, together = round(AROUND_S * slow / hop), (TOGETHER_S * slow + window) / hop - 1
    whole, others = _tones(certain, windows.runs(_NEAR_ONE, windows.beside(certain, reach)), together)
    pairs = [(a, b) for a, b in pairwise(whole) if b.first - a.last < reach]
    others += certain + [_Run(a.first, b.last, -1) for a, b in pairs]
    others += windows.runs(_IN_A_RUN, windows.beside([run for pair in pairs for run in pair], reach))

    def moments(runs: list[_Run]) -> list[tuple[int, int]]:
        cut = [(max(0, a * hop - window), min(len(narrow), (b - 1) * hop)) for a, b, _ in runs]
        return [(a * factor, min(len(samples), b * factor)) for a, b in cut if a < b]

    return _Found(moments(whole), moments(others))


def _tones(certain: list[_Run], runs: list[_Run], together: float) -> tuple[list[_Run], list[_Run]]:
    """`runs` in which a certain one lies, those of the same key as good as `together` made one; and the other runs."""
    ends = np.array([run.last for run in certain])
    whole: list[_Run] = []
    others: list[_Run] = []
    for run in runs:
        next_ = int(np.searchsorted(ends, run.first, side="right"))
        if next_ == len(ends) or certain[next_].first >= run.last:
            others.append(run)
        elif whole and whole[-1].key == run.key and run.first - whole[-1].last < together:
            whole.append(run._replace(first=whole.pop().first))
        else:
            whole.append(run)
    return whole, others


def _narrowed(samples: Samples, rate: int) -> tuple[Samples, int]:
    """At 8 kHz or a little more, and by which whole number it was thinned out. Of what lies over the tones' highest
    neighbour nothing may fold back onto them: a Hann-windowed low-pass at 2,900 Hz, 40 dB down at 4,500."""
    factor = even_step(rate, max(1, rate // 8000))
    if factor == 1 or not len(samples):
        return samples, 1
    reach = 8 * factor
    at = np.arange(-reach, reach + 1)
    taps = np.sinc(2 * 2900 / rate * at) * np.hanning(2 * reach + 3)[1:-1]
    taps = (taps / taps.sum()).astype(np.float32)
    around = np.pad(samples, reach)
    return np.lib.stride_tricks.sliding_window_view(around, len(taps))[::factor] @ taps, factor


_AT_ONCE: Final = 4096
"""Windows judged together: bounds the memory."""


def _judged(samples: Samples, rate: float, window: int, hop: int) -> _Windows:
    if len(samples) < window:
        return _Windows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, bool), np.zeros(0))
    views = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    shape = np.hanning(window + 2)[1:-1].astype(np.float32)
    key = np.full(len(views), -1, np.int64)
    alone, pure, exact = np.zeros(len(views)), np.zeros(len(views)), np.zeros(len(views), bool)
    weaker = np.zeros(len(views))
    for at in range(0, len(views), _AT_ONCE):
        some = views[at : at + _AT_ONCE]
        energy = np.einsum("ij,ij->i", some, some) / window
        loud = np.flatnonzero(energy > FLOOR)
        if len(loud):
            held, to = _keys(some[loud], rate, shape), at + loud
            key[to], alone[to], pure[to], exact[to] = held.key, held.alone, held.pure, held.exact
            weaker[to] = held.weaker
    return _Windows(key, alone, pure, exact, weaker)


def _keys(views: Samples, rate: float, shape: Samples) -> _Windows:
    shaped = views * shape
    spectrum = np.fft.rfft(shaped, _BINS, axis=1)[:, : round(2100 * _BINS / rate)]  # nothing above is looked at
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    low, high = (_strongest(power, rate, len(shape), *group) for group in _GROUPS)
    scale = 2 / float(shape.sum()) ** 2  # from a peak of the spectrum to the mean square of a sine
    one, two = low.peak * scale, high.peak * scale
    everything = np.einsum("ij,ij->i", shaped, shaped) / float(np.sum(shape**2)) + 1e-12
    twist = np.abs(10 * np.log10((two + 1e-12) / (one + 1e-12)))
    weaker = np.minimum(one, two).astype(np.float64)
    good = (low.which >= 0) & (high.which >= 0) & (twist <= _TWIST_DB_AT_MOST) & (weaker >= FLOOR)
    return _Windows(
        key=np.where(good, 4 * low.which + high.which, -1),
        alone=np.minimum(low.alone, high.alone),
        pure=(one + two) / everything,
        exact=(np.maximum(low.off, high.off) <= OFF) & (twist <= TWIST_DB),
        weaker=weaker,
    )


@dataclass(frozen=True)
class _Sine:
    """The strongest sine of a group in each window: which of the four (-1: none), how far off (0.01 is 1 %), the square
    of its spectrum's peak, and its part of the group's energy."""

    which: NDArray[np.int64]
    off: NDArray[np.float64]
    peak: NDArray[np.float64]
    alone: NDArray[np.float64]


def _strongest(
    power: NDArray[Any], rate: float, window: int, four: tuple[float, ...], lowest: float, highest: float
) -> _Sine:
    width = rate / _BINS
    first, last = round(lowest / width), round(highest / width)
    rows = np.arange(len(power))
    top = power[:, first : last + 1].argmax(axis=1) + first
    left, middle, right = (np.log(power[rows, top + n] + 1e-20) for n in (-1, 0, 1))
    bend = left - 2 * middle + right
    aside = np.clip(0.5 * (left - right) / np.where(np.abs(bend) > 1e-9, bend, -1), -0.5, 0.5)
    frequency = (top + aside) * width  # of a parabola through the three highest points
    ratios = frequency[:, None] / np.array(four) - 1
    nearest = np.abs(ratios).argmin(axis=1)
    off = np.abs(ratios[rows, nearest])
    is_peak = (left <= middle) & (right <= middle) & (off <= _OFF_AT_MOST)
    # a sine fills two bins of the window's own on either side of its frequency
    reach = 2 * rate / window
    base = max(0, round((lowest - reach) / width) - 1)
    near = power[:, base : round((highest + reach) / width) + 2]
    sums = np.zeros((len(near), near.shape[1] + 1))
    np.cumsum(near, axis=1, dtype=np.float64, out=sums[:, 1:])
    begins = np.maximum(0, np.rint((frequency - reach) / width).astype(np.int64) - base)
    ends = np.minimum(near.shape[1], np.rint((frequency + reach) / width).astype(np.int64) + 1 - base)
    group = sums[:, last + 5 - base] - sums[:, first - 4 - base]
    alone = np.minimum(1, (sums[rows, ends] - sums[rows, begins]) / (group + 1e-20))
    peak = np.exp(middle - 0.25 * (left - right) * aside)
    return _Sine(np.where(is_peak, nearest, -1), off, peak, alone)
