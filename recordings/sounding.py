"""A stored recording as somebody may hear it: a plain WAV of 16 bits, made piece by piece from the encrypted file.

The sound is cut into blocks of fifteen seconds, counted from its beginning. A block is decoded with a second more at
both ends, masked, and cut back, so that a tone across a seam is masked on both sides of it, and any byte of the WAV is
the same however it is asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from recordings import audio
from recordings.audio import Samples

BLOCK_S: Final = 15
MARGIN_S: Final = 1
_LOOK: Final = 64 * 1024
"""Bytes in which the header of a recording ends."""

Mask = Callable[[Samples, int], Samples]


class Readable(Protocol):
    size: int

    def read(self, start: int, stop: int) -> bytes: ...


class NoSound(Exception):
    """The file is no sound that can be played; a person may ask for an export of it as it is."""


@dataclass(frozen=True)
class _Source:
    """Where in the file the sound lies."""

    header: bytes
    """All before the sound, without the four bytes that say its size."""
    at: int
    size: int
    channels: int
    rate: int
    step: int
    """Bytes of one moment, all channels."""


class Sounding:
    """The WAV somebody hears. `size` is in bytes, `seconds` its length."""

    def __init__(self, reader: Readable, mask: Mask | None) -> None:
        """`mask` None: as it came, but still as plain 16 bits. Raises NoSound."""
        self._reader, self._mask = reader, mask
        self._source = _source_of(reader)
        self._moments = self._source.size // self._source.step
        self._frame = 2 * self._source.channels
        data = self._moments * self._frame
        self._header = _header(self._source.channels, self._source.rate, data)
        self.size = len(self._header) + data
        self.seconds = self._moments / self._source.rate

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop` of the whole WAV."""
        return b"".join(self.pieces(start, stop))

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The same, a block at a time."""
        if start < len(self._header):
            yield self._header[start:stop]
        first, last = max(0, start - len(self._header)), min(stop, self.size) - len(self._header)
        block = BLOCK_S * self._source.rate * self._frame
        while first < last:
            number, skip = divmod(first, block)
            piece = self._block(number)[skip : skip + last - first]
            yield piece
            first += len(piece)

    def span(self, start: int, stop: int) -> tuple[float, float]:
        """Which seconds these bytes hold."""
        moments = [max(0, at - len(self._header)) / self._frame for at in (start, min(stop, self.size))]
        return moments[0] / self._source.rate, moments[1] / self._source.rate

    def _block(self, number: int) -> bytes:
        rate = self._source.rate
        first, last = number * BLOCK_S * rate, min((number + 1) * BLOCK_S * rate, self._moments)
        margin = MARGIN_S * rate if self._mask is not None else 0
        before, after = max(0, first - margin), min(self._moments, last + margin)
        at, step = self._source.at, self._source.step
        raw = self._reader.read(at + before * step, at + after * step)
        _, heard = audio.channels(self._source.header + struct.pack("<I", len(raw)) + raw)
        if self._mask is not None:
            heard = [self._mask(channel, rate) for channel in heard]
        cut = np.stack([channel[first - before : last - before] for channel in heard], axis=1)
        return np.clip(np.rint(cut * 32768), -32768, 32767).astype("<i2").tobytes()


def _source_of(reader: Readable) -> _Source:
    look = reader.read(0, _LOOK)
    form, at = b"", 12
    while look.startswith(b"RIFF") and at + 8 <= len(look):
        name, size = look[at : at + 4], struct.unpack_from("<I", look, at + 4)[0]
        body = at + 8
        if name == b"data" and len(form) >= 16:
            return _checked(reader, look[: body - 4], body, size, form)
        if name == b"fmt ":
            form = look[body : body + size]
        at = body + size + size % 2
    raise NoSound("the file is no WAV file")


def _checked(reader: Readable, header: bytes, at: int, size: int, form: bytes) -> _Source:
    _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    there, step = reader.size - at, max(1, channels * (bits // 8))
    # a size nobody knew when it was written (0, or all ones) is what is there
    size = there if size in (0, 0xFFFFFFFF) else min(size, there)
    size -= size % step
    # one moment is decoded: what audio cannot read is found here and not in the middle of an answer
    probe = header + struct.pack("<I", step) + reader.read(at, at + step)
    if size < step or isinstance(audio.check_wav(probe, None), audio.Unreadable):
        raise NoSound("the file holds no sound we can read")
    return _Source(header, at, size, channels, rate, step)


def _header(channels: int, rate: int, data: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + data, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", data)
    )
