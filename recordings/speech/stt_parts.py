"""A stored recording, one channel at a time, in parts a model can hear in minutes: two hours are never in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from recordings.sound.audio import Samples
from recordings.vault.sounding import Sounding

PART_S: Final = 300
LOOK_S: Final = 20
"""A part ends at the quietest moment of its last seconds, so that no word is cut in two."""
_QUIET_S: Final = 0.1


@dataclass(frozen=True)
class Part:
    """Some sound of one channel, and where in the recording it begins."""

    at_s: float
    samples: Samples


class Source:
    """What `Sounding` makes of a file: plain 16-bit samples, read from wherever they are wanted."""

    def __init__(self, sounding: Sounding) -> None:
        self._sounding = sounding
        header = sounding.read(0, _HEADER)
        self.channels = int.from_bytes(header[22:24], "little")
        self.rate = int.from_bytes(header[24:28], "little")
        self._frame = 2 * self.channels
        self._moments = (sounding.size - _HEADER) // self._frame

    def parts(self, channel: int) -> Iterator[Part]:
        """The channel from beginning to end, in order and without a gap."""
        at = 0
        while at < self._moments:
            stop = min(at + PART_S * self.rate, self._moments)
            samples = self._samples(channel, at, stop)
            if stop < self._moments:
                samples = samples[: quietest(samples, self.rate)]
            yield Part(at / self.rate, samples)
            at += len(samples)

    def _samples(self, channel: int, start: int, stop: int) -> Samples:
        raw = self._sounding.read(_HEADER + start * self._frame, _HEADER + stop * self._frame)
        both = np.frombuffer(raw, "<i2").reshape(-1, self.channels)
        return both[:, channel].astype(np.float32) / np.float32(32768)


_HEADER: Final = 44
"""Bytes of the plain header that Sounding writes."""


def quietest(samples: Samples, rate: int) -> int:
    """The middle of the quietest tenth of a second in the last LOOK_S, as a number of samples; of equals the last."""
    step = int(_QUIET_S * rate)
    first = max(0, len(samples) - LOOK_S * rate)
    blocks = (len(samples) - first) // step
    if blocks == 0:
        return len(samples)
    tail = samples[first : first + blocks * step].reshape(blocks, step)
    power = np.mean(np.square(tail, dtype=np.float64), axis=1)
    quiet = blocks - 1 - int(np.argmin(power[::-1]))
    return first + quiet * step + step // 2
