"""A stored recording as somebody may hear it: a plain WAV of 16 bits, made piece by piece from the encrypted file.

The sound is cut into blocks of fifteen seconds, counted from its beginning. A block is decoded with some seconds more
at both ends, masked, brought to one loudness, and cut back, so that keys across a seam are masked on both sides of it
as if there were none, and any byte of the WAV is the same however it is asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from recordings.sound import audio, loudness
from recordings.sound.masking import CONTEXT_S
from recordings.sound.wav import Readable, Samples, Unreadable, locate

BLOCK_S: Final = 15
MARGIN_S: Final = CONTEXT_S

Mask = Callable[[Samples, int], Samples]


class NoSound(Exception):
    """The file is no sound that can be played; a person may ask for an export of it as it is."""


class Sounding:
    """The WAV somebody hears. `size` is in bytes, `seconds` its length."""

    def __init__(self, reader: Readable, mask: Mask | None, gains: Sequence[float] = ()) -> None:
        """`mask` None: as it came, but still as plain 16 bits. `gains`: by how many dB each channel is played louder;
        none: as loud as it came. Raises NoSound."""
        found = locate(reader)
        if isinstance(found, Unreadable):
            raise NoSound(found.reason)
        self._reader, self._mask, self._layout = reader, mask, found
        self._gains = gains or (0.0,) * found.channels
        self._margin = MARGIN_S * found.rate if mask is not None or any(self._gains) else 0
        self._frame = 2 * found.channels
        data = found.moments * self._frame
        self._header = _header(found.channels, found.rate, data)
        self.size = len(self._header) + data
        self.seconds = found.seconds

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop` of the whole WAV."""
        return b"".join(self.pieces(start, stop))

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The same, a block at a time."""
        if start < len(self._header):
            yield self._header[start:stop]
        first, last = max(0, start - len(self._header)), min(stop, self.size) - len(self._header)
        block = BLOCK_S * self._layout.rate * self._frame
        while first < last:
            number, skip = divmod(first, block)
            piece = self._block(number)[skip : skip + last - first]
            yield piece
            first += len(piece)

    def span(self, start: int, stop: int) -> tuple[float, float]:
        """Which seconds these bytes hold."""
        moments = [max(0, at - len(self._header)) / self._frame for at in (start, min(stop, self.size))]
        return moments[0] / self._layout.rate, moments[1] / self._layout.rate

    def _block(self, number: int) -> bytes:
        layout = self._layout
        first = number * BLOCK_S * layout.rate
        last = min(first + BLOCK_S * layout.rate, layout.moments)
        piece = audio.piece(self._reader, layout, first, last, self._margin)
        heard = [piece.own(self._played(*one)) for one in zip(piece.channels, self._gains, strict=True)]
        return np.clip(np.rint(np.stack(heard, axis=1) * 32768), -32768, 32767).astype("<i2").tobytes()

    def _played(self, channel: Samples, decibels: float) -> Samples:
        shown = channel if self._mask is None else self._mask(channel, self._layout.rate)
        return loudness.levelled(shown, self._layout.rate, decibels)


def _header(channels: int, rate: int, data: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + data, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", data)
    )
