"""The WAV format: where in a file the sound lies, how it is coded, and its numbers.

Read here, not by a library, because each way a file can be wrong has to be said in plain words, and because a file of
two hours is read a piece at a time. RIFF, RF64 and BW64 (EBU Tech 3306), PCM of 8, 16, 24 and 32 bits, floats of 32
and 64 bits, mu-law and A-law (G.711), one or two channels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from core.said import kept

Samples = NDArray[np.float32]

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_CODINGS: Final = frozenset(
    [(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64), (_ALAW, 8), (_ULAW, 8)]
)
_NOT_KNOWN: Final = (0, 0xFFFFFFFF)
"""What a program writes as the size of data whose end it did not know when it began."""
_MOST_CHUNKS: Final = 1000
"""More parts than any program writes before the sound; random bytes may look like millions."""
_OTHERS: Final = {
    b"ID3": "MP3", b"\xff\xfb": "MP3", b"\xff\xf3": "MP3", b"\xff\xf2": "MP3",
    b"OggS": "Ogg", b"fLaC": "FLAC", b"#!AMR": "AMR", b"RIFX": "RIFX",
    b"<": "HTML", b"{": "JSON",
}  # fmt: skip


def even_step(rate: int, most: int) -> int:
    """The largest number of moments, `most` at most, that divides a second: pieces of a sound that begin at whole
    seconds are then cut at the same moments as the whole."""
    return max((n for n in range(1, most + 1) if rate % n == 0), default=1)


class Readable(Protocol):
    """Bytes that are read piece by piece; `read` is as slicing them."""

    size: int

    def read(self, start: int, stop: int) -> bytes: ...


class InMemory:
    """Bytes as a Readable."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, start: int, stop: int) -> bytes:
        return self._data[start:stop]


@dataclass(frozen=True)
class Unreadable:
    """Why a file is no recording: a code of recordings.sound_words."""

    reason: str


@dataclass(frozen=True)
class Layout:
    """A file whose header makes sense: `moments` of `step` bytes each lie from byte `at` on."""

    codec: int
    channels: int
    rate: int
    width: int
    """Bytes a sample."""
    at: int
    moments: int

    @property
    def step(self) -> int:
        """Bytes of one moment, all channels."""
        return self.width * self.channels

    @property
    def seconds(self) -> float:
        return self.moments / self.rate

    def read(self, source: Readable, first: int, last: int) -> list[Samples]:
        """Each channel from moment `first` up to `last`, in -1..1."""
        raw = source.read(self.at + first * self.step, self.at + last * self.step)
        flat = _decode(raw, self.codec, self.width)
        return [np.ascontiguousarray(flat[n :: self.channels]) for n in range(self.channels)]


def locate(source: Readable) -> Layout | Unreadable:
    """Where the sound is; reads the header only."""
    if not source.size:
        return Unreadable("empty")
    head = source.read(0, 12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        other = next((name for sign, name in _OTHERS.items() if head.startswith(sign)), None)
        return Unreadable(kept("no_wav_but", other=other) if other else "no_wav")
    form, long_size, at = b"", None, 12
    for _ in range(_MOST_CHUNKS):
        chunk = source.read(at, at + 8)
        if len(chunk) < 8:
            return Unreadable("cut_before_sound")
        name, size = chunk[:4], struct.unpack_from("<I", chunk, 4)[0]
        body = at + 8
        if name == b"data":
            return _layout(form, source.size - body, body, _real_size(size, long_size))
        if body + size > source.size:
            return Unreadable("cut_in_header")
        if name == b"fmt ":
            form = source.read(body, body + min(size, 64))
        elif name == b"ds64" and size >= 16:
            long_size = struct.unpack("<Q", source.read(body + 8, body + 16))[0]
        at = body + size + size % 2
    return Unreadable("endless_header")


def _real_size(size: int, long_size: int | None) -> int | None:
    """Bytes of sound as the header says; None: it does not say."""
    if size == 0xFFFFFFFF and long_size:
        return long_size
    return None if size in _NOT_KNOWN else size


def _layout(form: bytes, there: int, at: int, size: int | None) -> Layout | Unreadable:
    if len(form) < 16:
        return Unreadable("no_coding")
    codec, count, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if codec == _EXTENSIBLE and len(form) >= 26:
        codec = struct.unpack_from("<H", form, 24)[0]
    if (codec, bits) not in _CODINGS:
        return Unreadable(kept("coding", codec=codec, bits=bits))
    if not 1 <= count <= 2:
        return Unreadable(kept("channels", count=count))
    if not 4_000 <= rate <= 192_000:
        return Unreadable(kept("rate", rate=rate))
    if size is not None and size > there:
        return Unreadable(kept("cut_off", there=there, size=size))
    width = bits // 8
    moments = (there if size is None else size) // (width * count)
    return Layout(codec, count, rate, width, at, moments) if moments else Unreadable("no_sound")


def _decode(raw: bytes, codec: int, width: int) -> Samples:
    if codec == _FLOAT:
        values = np.frombuffer(raw, f"<f{width}").astype(np.float32)
        return np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
    octets = np.frombuffer(raw, np.uint8)
    if codec in (_ULAW, _ALAW):
        decoded: Samples = (_ulaw_table() if codec == _ULAW else _alaw_table())[octets]
        return decoded
    if width == 1:
        return (octets.astype(np.float32) - np.float32(128)) / np.float32(128)
    if width == 3:
        low, middle, high = (octets[n::3].astype(np.int32) for n in range(3))
        return ((low << 8 | middle << 16 | high << 24) >> 8).astype(np.float32) / np.float32(1 << 23)
    scale = np.float32(1 << (8 * width - 1))
    return np.frombuffer(raw, f"<i{width}").astype(np.float32) / scale


@cache
def _ulaw_table() -> Samples:
    """G.711 mu-law: sign, 3 bits of exponent, 4 of mantissa, all inverted."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return _table(np.where(code & 0x80, -size, size))


@cache
def _alaw_table() -> Samples:
    """G.711 A-law: as mu-law, with every other bit inverted and a straight first segment."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return _table(np.where(code & 0x80, size, -size))


def _table(values: NDArray[np.int32]) -> Samples:
    table: Samples = np.divide(values, 32768, dtype=np.float64).astype(np.float32)
    return table
