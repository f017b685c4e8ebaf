"""Sound as numbers: whether a file is what was announced, its channels, its level, and 16 kHz for models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.said import kept
from recordings.sound.wav import InMemory, Layout, Readable, Samples, Unreadable, locate

__all__ = [
    "MODEL_RATE", "SILENCE_DBFS", "TOLERANCE_S", "Piece", "Samples", "Sound", "Unreadable", "channels", "check_wav",
    "level", "piece", "pieces", "to_model",
]  # fmt: skip

MODEL_RATE: Final = 16_000
TOLERANCE_S: Final = 2.0
"""A carrier announces whole seconds and may trim silence; a wider gap means another or a damaged file."""
SILENCE_DBFS: Final = -120.0
_RESAMPLED_S: Final = 10
"""Seconds handed to the resampler at a time: a frame of two hours is more than it takes."""


@dataclass(frozen=True)
class Sound:
    """A file that was checked. `sha256` is of the whole file."""

    rate: int
    channels: int
    seconds: float
    sha256: str


@dataclass(frozen=True)
class Piece:
    """Some moments of a sound, from `first` up to `last`, with what lies around them."""

    first: int
    last: int
    before: int
    """Moments of margin that come before `first` in `channels`."""
    channels: list[Samples]

    def own(self, samples: Samples) -> Samples:
        """Without the margins."""
        return samples[self.before : self.before + self.last - self.first]


def check_wav(data: bytes, announced_s: int | None) -> Sound | Unreadable:
    """Whether `data` is a WAV file we can hear, of about the announced length."""
    layout = locate(InMemory(data))
    if isinstance(layout, Unreadable):
        return layout
    seconds = layout.seconds
    if announced_s is not None and abs(seconds - announced_s) > TOLERANCE_S:
        return Unreadable(kept("length", seconds=f"{seconds:.1f}", announced=announced_s))
    return Sound(layout.rate, layout.channels, seconds, hashlib.sha256(data).hexdigest())


def channels(data: bytes) -> tuple[int, list[Samples]]:
    """The rate and each channel's samples in -1..1 of a file that `check_wav` accepted."""
    source = InMemory(data)
    layout = locate(source)
    if isinstance(layout, Unreadable):
        raise ValueError(f"not a checked file: {layout.reason}")
    return layout.rate, layout.read(source, 0, layout.moments)


def pieces(source: Readable, layout: Layout, length: int, margin: int) -> Iterator[Piece]:
    """The sound in pieces of `length` moments, each with up to `margin` more at both ends."""
    for first in range(0, layout.moments, length):
        yield piece(source, layout, first, min(first + length, layout.moments), margin)


def piece(source: Readable, layout: Layout, first: int, last: int, margin: int) -> Piece:
    start, stop = max(0, first - margin), min(layout.moments, last + margin)
    return Piece(first, last, first - start, layout.read(source, start, stop))


def to_model(samples: Samples, rate: int, to: int = MODEL_RATE) -> Samples:
    """The same sound at 16 kHz, as speech models want it, or at another of their rates. From 300 to 3,400 Hz nothing is
    lost, and what is mirrored or folded stays 50 dB below (tests/recordings/test_audio.py; 52 at the very edge of a
    telephone's 8 kHz)."""
    if rate == to or not len(samples):
        return samples
    import av  # here: only the process that transcribes loads FFmpeg

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to)
    made: list[Samples] = []
    for first in range(0, len(samples), _RESAMPLED_S * rate):
        frame = av.AudioFrame.from_ndarray(
            samples[first : first + _RESAMPLED_S * rate].reshape(1, -1), format="fltp", layout="mono"
        )
        frame.sample_rate = rate
        made.extend(out.to_ndarray()[0] for out in resampler.resample(frame))
    made.extend(out.to_ndarray()[0] for out in resampler.resample(None))
    # of a millisecond nothing is left
    return np.concatenate(made or [samples[:0]]).astype(np.float32, copy=False)


def level(samples: Samples) -> float:
    """Mean loudness in dBFS: 0 is a full-scale square wave, -120 stands for silence."""
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DBFS, 10 * float(np.log10(power))) if power > 0 else SILENCE_DBFS
