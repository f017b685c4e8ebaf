"""The music of the waiting line: a few calm bars of our own, made here, so that nobody owns them but the hospital.

Every tone of the last bar rings into the first one, so the file can be played again and again without a seam.
"""

from __future__ import annotations

import io
import wave
from functools import cache

import numpy as np
import numpy.typing as npt

RATE = 8000
"""Samples a second: a telephone carries no more."""
BEAT_S = 0.5
LEVEL_DBFS = -20.0
"""Loudness as the square mean, below full scale: under a voice, above the noise of the line."""
CHORDS = ((262, 330, 392, 523), (220, 262, 330, 440), (175, 220, 262, 349), (196, 247, 294, 392))
"""C, A minor, F, G in Hz; each is taken up, down and up again in eight beats."""
PATTERN = (0, 1, 2, 3, 2, 1, 2, 1)
OCTAVE = 2
"""A telephone swallows what is below 300 Hz."""


@cache
def wav() -> bytes:
    """16 s, mono, 16 bit."""
    data = io.BytesIO()
    with wave.open(data, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE)
        target.writeframes((_bars() * 32767).astype("<i2").tobytes())
    return data.getvalue()


def _bars() -> npt.NDArray[np.float64]:
    beats = [chord[step] for chord in CHORDS for step in PATTERN]
    whole = np.zeros(round(len(beats) * BEAT_S * RATE))
    for number, frequency in enumerate(beats):
        tone = _tone(frequency * OCTAVE)
        at = (np.arange(len(tone)) + round(number * BEAT_S * RATE)) % len(whole)
        np.add.at(whole, at, tone)
    return np.asarray(whole * 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(whole**2)))


def _tone(frequency: float) -> npt.NDArray[np.float64]:
    """One soft stroke that fades away in three seconds."""
    t = np.arange(3 * RATE) / RATE
    fading = np.minimum(t / 0.04, 1.0) * np.exp(-t / 0.7) * np.minimum((3 - t) / 0.2, 1.0)
    return np.asarray(fading * (np.sin(2 * np.pi * frequency * t) + 0.2 * np.sin(4 * np.pi * frequency * t)))
