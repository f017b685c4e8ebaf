"""Tones of keys for the tests, and a decoder of them that shares no idea with recordings.masking: it correlates each
10 ms with the eight sines, and asks for two in a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recordings.wav import Samples

Wave = NDArray[np.float64]

KEYS = "123A456B789C*0#D"
LOWS, HIGHS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


def level(wave: Wave | Samples) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def key(name: str, seconds: float, rate: int, dbfs: float, *, off: float = 0.0, twist_db: float = 0.0) -> Wave:
    """One tone, its level that of both sines together."""
    low, high = LOWS[KEYS.index(name) // 4], HIGHS[KEYS.index(name) % 4]
    t = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * low * (1 + off) * t) + 10 ** (twist_db / 20) * np.sin(2 * np.pi * high * (1 - off) * t)
    return np.asarray(wave / level(wave) * 10 ** (dbfs / 20))


def laid(under: Wave, rate: int, every_s: float, tones: list[Wave]) -> Samples:
    """`under` with the tones added from 0.3 s on, one every `every_s`."""
    sound = under.copy()
    for n, tone in enumerate(tones):
        at = round((0.3 + n * every_s) * rate)
        sound[at : at + len(tone)] += tone
    return np.clip(sound, -1, 1).astype(np.float32)


def decoded(samples: Samples, rate: int) -> str:
    """The keys that a listener with an ear for them hears."""
    size = round(rate * 0.01)
    if len(samples) < 2 * size:
        return ""
    t = np.arange(2 * size) / rate
    bank = np.exp(-2j * np.pi * np.outer(t, LOWS + HIGHS)).astype(np.complex64)
    pieces = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(samples, 2 * size)[::size])
    loud = np.sqrt(np.mean(pieces**2, axis=1))
    sines = np.abs(pieces @ bank) / size / np.sqrt(2)  # the root mean square of each
    low, high = np.sort(sines[:, :4], axis=1), np.sort(sines[:, 4:], axis=1)
    ratio = low[:, 3] / (high[:, 3] + 1e-12)
    is_key = (
        (loud > 10 ** (-50 / 20))
        & (low[:, 3] > 1.3 * low[:, 2])
        & (high[:, 3] > 1.3 * high[:, 2])
        & (low[:, 3] ** 2 + high[:, 3] ** 2 > 0.5 * loud**2)
        & (ratio > 0.25)
        & (ratio < 4)
    )
    which = sines[:, :4].argmax(axis=1) * 4 + sines[:, 4:].argmax(axis=1)
    heard = [KEYS[key] if good else " " for key, good in zip(which, is_key, strict=True)]
    said = ""
    for before, now, then in zip([" ", *heard], heard, [*heard[1:], " "], strict=False):
        if now != " " and now == then and now != before:
            said += now
    return said
