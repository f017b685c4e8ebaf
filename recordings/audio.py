"""Sound as numbers: whether a file is what was announced, its channels, its level, and 16 kHz for models.

The header is read here, not by a library, because each way a file can be wrong has to be said in plain words.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

MODEL_RATE: Final = 16_000
TOLERANCE_S: Final = 2.0
"""A carrier announces whole seconds and may trim silence; a wider gap means another or a damaged file."""
SILENCE_DBFS: Final = -120.0

_PCM, _ALAW, _ULAW, _EXTENSIBLE = 0x0001, 0x0006, 0x0007, 0xFFFE
_UNKNOWN_SIZE: Final = (0, 0xFFFFFFFF)
"""What a program writes as the size of data whose end it did not know when it began."""


@dataclass(frozen=True)
class Sound:
    """A file that was checked. `sha256` is of the whole file."""

    rate: int
    channels: int
    seconds: float
    sha256: str


@dataclass(frozen=True)
class Unreadable:
    """Why a file is no recording, in a sentence for a person."""

    reason: str


@dataclass(frozen=True)
class _Wave:
    codec: int
    channels: int
    rate: int
    width: int
    """Bytes a sample."""
    data: bytes


def check_wav(data: bytes, announced_s: int | None) -> Sound | Unreadable:
    """Whether `data` is a WAV file we can hear, of about the announced length."""
    wave = _parse(data)
    if isinstance(wave, Unreadable):
        return wave
    seconds = len(wave.data) / (wave.width * wave.channels) / wave.rate
    if announced_s is not None and abs(seconds - announced_s) > TOLERANCE_S:
        return Unreadable(f"the file lasts {seconds:.1f} s, but the carrier announced {announced_s} s")
    return Sound(wave.rate, wave.channels, seconds, hashlib.sha256(data).hexdigest())


def channels(data: bytes) -> tuple[int, list[Samples]]:
    """The rate and each channel's samples in -1..1 of a file that `check_wav` accepted."""
    wave = _parse(data)
    if isinstance(wave, Unreadable):
        raise ValueError(f"not a checked file: {wave.reason}")
    flat = _decode(wave)
    return wave.rate, [np.ascontiguousarray(flat[n :: wave.channels]) for n in range(wave.channels)]


def to_model(samples: Samples, rate: int, to: int = MODEL_RATE) -> Samples:
    """The same sound at 16 kHz, as speech models want it, or at another rate of theirs."""
    if rate == to or not len(samples):
        return samples
    import av  # here: only the process that transcribes loads FFmpeg

    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to)
    pieces = [out.to_ndarray()[0] for given in (frame, None) for out in resampler.resample(given)]
    return np.concatenate(pieces).astype(np.float32, copy=False)


def level(samples: Samples) -> float:
    """Mean loudness in dBFS: 0 is a full-scale square wave, -120 stands for silence."""
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DBFS, 10 * float(np.log10(power))) if power > 0 else SILENCE_DBFS


def _parse(data: bytes) -> _Wave | Unreadable:
    if not data:
        return Unreadable("the file is empty")
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return Unreadable("the file is not a WAV file")
    form: bytes | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        body = at + 8
        if name == b"data":
            return _wave(form, data, body, size)
        if body + size > len(data):
            return Unreadable("the file is cut off in its header")
        if name == b"fmt ":
            form = data[body : body + size]
        at = body + size + size % 2
    return Unreadable("the file is cut off before its sound begins")


def _wave(form: bytes | None, data: bytes, body: int, size: int) -> _Wave | Unreadable:
    if form is None or len(form) < 16:
        return Unreadable("the file does not say how its sound is coded")
    codec, count, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if codec == _EXTENSIBLE and len(form) >= 26:
        codec = struct.unpack_from("<H", form, 24)[0]
    if (codec, bits) not in ((_PCM, 16), (_PCM, 8), (_ALAW, 8), (_ULAW, 8)):
        return Unreadable(f"the sound is coded in a way we do not read (format {codec}, {bits} bits)")
    if not 1 <= count <= 2:
        return Unreadable(f"the file has {count} channels; one or two were expected")
    if not 4_000 <= rate <= 192_000:
        return Unreadable(f"the file's sampling rate of {rate} Hz is not one of a telephone")
    there = len(data) - body
    if size in _UNKNOWN_SIZE and there:
        size = there
    if size > there:
        return Unreadable(f"the file is cut off: {there} of {size} bytes of sound are there")
    width = bits // 8
    whole = size - size % (width * count)
    if not whole:
        return Unreadable("the file holds no sound")
    return _Wave(codec, count, rate, width, data[body : body + whole])


def _decode(wave: _Wave) -> Samples:
    if wave.codec == _PCM and wave.width == 2:
        return np.frombuffer(wave.data, "<i2").astype(np.float32) / np.float32(32768)
    raw = np.frombuffer(wave.data, np.uint8)
    if wave.codec == _PCM:
        return (raw.astype(np.float32) - np.float32(128)) / np.float32(128)
    table = _ulaw_table() if wave.codec == _ULAW else _alaw_table()
    decoded: Samples = table[raw]
    return decoded


def _ulaw_table() -> Samples:
    """G.711 mu-law: sign, 3 bits of exponent, 4 of mantissa, all inverted."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return _table(np.where(code & 0x80, -size, size))


def _alaw_table() -> Samples:
    """G.711 A-law: as mu-law, with every other bit inverted and a straight first segment."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return _table(np.where(code & 0x80, size, -size))


def _table(values: NDArray[np.int32]) -> Samples:
    table: Samples = np.divide(values, 32768, dtype=np.float64).astype(np.float32)
    return table
