"""Tones of keys for the tests, calls full of them, and two decoders sharing no idea with recordings.sound.masking: one
correlates each 10 ms with the eight sines and asks for two in a row; the other knows the phone's error and hardly
asks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recordings.sound.wav import Samples

Wave = NDArray[np.float64]
Mark = tuple[int, int, str]
"""First and one past the last moment of a tone, and its key."""

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


def read_off(samples: Samples, rate: int, pressed: list[Mark]) -> int:
    """How many of the tones that were pressed somebody who takes every chance still reads: for 30 ms the sines of the
    key are 2 dB over the others of their group and an eighth of all the sound. This decoder hears keys in any speech;
    counted is what it gets right."""
    size, hop = round(rate * 0.02), round(rate * 0.005)
    pieces = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(samples, size)[::hop])
    t, mean = np.arange(size) / rate, np.mean(pieces**2, axis=1)
    sines = np.zeros((len(pieces), 8))
    for off in (-0.012, 0.0, 0.012):
        bank = np.exp(-2j * np.pi * np.outer(t, np.array(LOWS + HIGHS) * (1 + off))).astype(np.complex64)
        sines = np.maximum(sines, np.abs(pieces @ bank) / size * np.sqrt(2))
    low, high = np.sort(sines[:, :4], axis=1), np.sort(sines[:, 4:], axis=1)
    is_key = (
        (mean > 10**-5.6)
        & (low[:, 3] > 1.3 * low[:, 2])
        & (high[:, 3] > 1.3 * high[:, 2])
        & (low[:, 3] ** 2 + high[:, 3] ** 2 > 0.12 * mean)
        & (np.abs(20 * np.log10((high[:, 3] + 1e-9) / (low[:, 3] + 1e-9))) < 14)
    )
    which = np.where(is_key, sines[:, :4].argmax(axis=1) * 4 + sines[:, 4:].argmax(axis=1), -1)
    read = 0
    for first, last, name in pressed:
        within = which[-(-first // hop) : (last - size) // hop + 1] == KEYS.index(name)
        read += bool((within[:-2] & within[1:-1] & within[2:]).any())
    return read


def keyed(talk: Wave, voice_db: float, seed: int, *, shortest: float = 0.04) -> tuple[Samples, list[Mark]]:
    """Numbers of 4 to 12 keys, keyed over a voice at 8 kHz, so many dB louder than they are: tones of 40 to 200 ms with
    gaps of 40 to 800, up to 1.8 % off, from -8 to +4 dB of twist, -30 to 0 dBFS, on a line with noise at -62 dBFS."""
    draw = np.random.default_rng(seed)
    cells = np.square(talk[: len(talk) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    dbfs = draw.uniform(-30, 0)
    spoken = np.sqrt(cells[cells > cells.max() / 1000].mean())
    sound = talk / spoken * 10 ** ((dbfs + voice_db) / 20) + draw.normal(0, 10 ** (-62 / 20), len(talk))
    pressed: list[Mark] = []
    at = draw.uniform(0.5, 1.5)
    while at < len(talk) / 8000 - 6:
        off, twist = draw.uniform(-0.018, 0.018), draw.uniform(-8, 4)
        length, gap = (draw.choice(of) for of in ((shortest, 0.05, 0.07, 0.1, 0.15, 0.2), (0.04, 0.08, 0.15, 0.3, 0.5)))
        for name in draw.choice(list(KEYS), draw.integers(4, 13)):
            tone = key(name, length, 8000, dbfs, off=off, twist_db=twist)
            first = round(at * 8000)
            if first + len(tone) > len(talk):
                break
            sound[first : first + len(tone)] += tone
            pressed.append((first, first + len(tone), str(name)))
            at += length + gap * draw.uniform(1, 1.6)
        at += draw.uniform(2, 5)
    return np.clip(sound, -1, 1).astype(np.float32), pressed
