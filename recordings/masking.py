"""What QA must not hear: the tones of keys, found in the sound and silenced. Pure.

Who listens to a call could read a birthday or a PIN off its tones. Each tone is two sines, one of four low and one of
four high frequencies (ITU-T Q.23). Every five milliseconds the strongest sine of both groups is looked for in a window
of thirty; it is a key if both are within 2.2 % of one of ours (Q.24: 1.5 % must be taken, 3.5 % must not), neither is
10 dB stronger than the other, and hardly anything else sounds within their groups. Speech has its own sound beside
them and does not hold still, so what sounds outside the groups matters less: a tone is found under a voice as well.

Found are tones of 40 ms and more from -40 dBFS up (each of the two sines from -48). Measured limits and false alarms:
tests/recordings/test_masking.py and docs/sound.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recordings.wav import Samples, even_step

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
OFF: Final = 0.022
TWIST_DB: Final = 10.0
FLOOR: Final = 10 ** (-48 / 10)
_BINS: Final = 512


@dataclass(frozen=True)
class _Proof:
    """How sure a window has to be: the part of its group's energy that a sine has, the part of all energy that both
    have, and how many windows in a row."""

    alone: float
    pure: float
    windows: int


_ENOUGH: Final = (_Proof(0.7, 0.3, 2), _Proof(0.6, 0.1, 3))
"""One of these makes a tone."""
_GOES_ON: Final = _Proof(0.3, 0.02, 1)
"""This lets one that was made go on, in windows beside it with the same key."""


@dataclass(frozen=True)
class _Windows:
    """What each window holds: a key 0..15 or -1, and how sure it is."""

    key: NDArray[np.int64]
    alone: NDArray[np.float64]
    pure: NDArray[np.float64]

    def pass_(self, proof: _Proof) -> NDArray[np.bool_]:
        good: NDArray[np.bool_] = (self.key >= 0) & (self.alone >= proof.alone) & (self.pure >= proof.pure)
        return good


def masked(samples: Samples, rate: int) -> Samples:
    """`samples` with silence where a key sounds. The same array if there is none."""
    found = tones(samples, rate)
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
    """First and one past the last moment of each tone of a key, in order; which key it is, nobody is told. Judged by
    what lies within a tenth of a second, so a part of a sound gives what the whole would."""
    narrow, factor = _narrowed(samples, rate)
    slow = rate // factor
    window, hop = round(WINDOW_S * slow), even_step(slow, round(HOP_S * slow))
    padded = np.concatenate([np.zeros(window, np.float32), narrow, np.zeros(window, np.float32)])
    found: list[tuple[int, int, int]] = []
    for first, last, key in _runs(_judged(padded, slow, window, hop)):
        start, stop = first * hop - window, (last - 1) * hop
        if found and found[-1][2] == key and start - found[-1][1] < TOGETHER_S * slow:
            start = found.pop()[0]
        found.append((start, stop, key))
    return [(max(0, a * factor), min(len(samples), b * factor)) for a, b, _ in found if b > 0 and a < len(narrow)]


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
        return _Windows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    views = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    shape = np.hanning(window + 2)[1:-1].astype(np.float32)
    key = np.full(len(views), -1, np.int64)
    alone, pure = np.zeros(len(views)), np.zeros(len(views))
    for at in range(0, len(views), _AT_ONCE):
        some = views[at : at + _AT_ONCE]
        energy = np.einsum("ij,ij->i", some, some) / window
        loud = np.flatnonzero(energy > FLOOR)
        if len(loud):
            key[at + loud], alone[at + loud], pure[at + loud] = _keys(some[loud], rate, shape)
    return _Windows(key, alone, pure)


def _keys(
    views: Samples, rate: float, shape: Samples
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    shaped = views * shape
    spectrum = np.fft.rfft(shaped, _BINS, axis=1)[:, : round(2100 * _BINS / rate)]  # nothing above is looked at
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    low, high = (_strongest(power, rate, len(shape), *group) for group in _GROUPS)
    scale = 2 / float(shape.sum()) ** 2  # from a peak of the spectrum to the mean square of a sine
    one, two = low.peak * scale, high.peak * scale
    everything = np.einsum("ij,ij->i", shaped, shaped) / float(np.sum(shape**2)) + 1e-12
    twist = np.abs(10 * np.log10((two + 1e-12) / (one + 1e-12)))
    good = (low.which >= 0) & (high.which >= 0) & (twist <= TWIST_DB) & (np.minimum(one, two) >= FLOOR)
    key = np.where(good, 4 * low.which + high.which, -1)
    return key, np.minimum(low.alone, high.alone), (one + two) / everything


@dataclass(frozen=True)
class _Sine:
    """The strongest sine of a group in each window: which of the four (-1: none), the square of its spectrum's peak,
    and its part of the group's energy."""

    which: NDArray[np.int64]
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
    is_peak = (left <= middle) & (right <= middle) & (np.abs(ratios[rows, nearest]) <= OFF)
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
    return _Sine(np.where(is_peak, nearest, -1), peak, alone)


def _runs(windows: _Windows) -> list[tuple[int, int, int]]:
    """First window, one past the last, and key of each tone: windows in a row that let one key go on, among them enough
    in a row that make it one."""
    goes_on = windows.pass_(_GOES_ON)
    key = np.where(goes_on, windows.key, -1)
    edges = np.flatnonzero(np.diff(np.concatenate([[-2], key, [-2]])))
    proofs = [(windows.pass_(proof), proof.windows) for proof in _ENOUGH]
    return [
        (int(a), int(b), int(key[a]))
        for a, b in pairwise(edges)
        if key[a] >= 0 and any(_in_a_row(good[a:b]) >= least for good, least in proofs)
    ]


def _in_a_row(flags: NDArray[np.bool_]) -> int:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
