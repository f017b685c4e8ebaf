"""Sound for the tests: WAV files good and bad, and the offline voice as a patient on an 8 kHz line."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
import numpy.typing as npt

from carrier import sound
from carrier.voice import Voice

Clip = npt.NDArray[np.int16]

MEDICINE = "I am calling about my medicine. Please call me back in the morning."
"""A sentence of which the model understands the offline voice well."""


def wav(
    body: bytes,
    *,
    rate: int = 8000,
    channels: int = 1,
    bits: int = 16,
    codec: int = 1,
    size: int | None = None,
) -> bytes:
    """A WAV file by hand, so that it can also be a wrong one."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", codec, channels, rate, rate * block, block, bits)
    data = b"data" + struct.pack("<I", len(body) if size is None else size) + body
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def tone(seconds: float, rate: int = 8000, level: int = 8000) -> Clip:
    return (level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype("<i2")


@cache
def said(text: str) -> Clip:
    """The text in English, at 8 kHz, as a person on a virtual phone says it."""
    voice = Voice()
    try:
        return voice.speak(text, "en", party=True).result()
    finally:
        voice.close()


def dual(first: Clip, second: Clip) -> bytes:
    """Two channels of a call, the shorter one padded with silence."""
    length = max(len(first), len(second))
    return sound.write_wav([np.pad(clip, (0, length - len(clip))) for clip in (first, second)])


def mono(clip: Clip) -> bytes:
    return sound.write_wav([clip])
