"""Prompts that are recorded instead of spoken: their files, and the copies by which the carrier fetches them.

A copy of every recorded prompt there ever was is kept under CARECALL_HOME by the digest of its content. So a call that
began before a file was replaced goes on hearing the old one, and a path never comes from a request: what is asked for
is looked up among the copies.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RATE = 8000
"""Samples a second: a telephone carries no more."""
KINDS = {(1, 16): "16 bit PCM", (7, 8): "8 bit mu-law"}
"""Format tags of WAV with their bits a sample, as the carrier plays them unchanged."""
LARGEST = 4 * 1024 * 1024
"""Bytes; four minutes, and far more than anybody listens to."""


class SoundProblem(ValueError):
    """A file that cannot be played; the message is the end of a sentence about it."""


@dataclass(frozen=True)
class Sound:
    """One recorded prompt. `url` is empty where it cannot be played: then its words are spoken."""

    digest: str
    seconds: float
    url: str = ""


def address(public_url: str | None) -> str:
    """Where the recorded prompts of a house are found; empty when nobody can reach it."""
    return f"{public_url}/ivr/prompt" if public_url else ""


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def seconds(data: bytes) -> float:
    """How long a WAV of an allowed kind lasts. Raises SoundProblem."""
    if len(data) > LARGEST:
        raise SoundProblem("is larger than 4 MB")
    parts = dict(_chunks(data))
    if len(parts.get(b"fmt ", b"")) < 16 or b"data" not in parts:
        raise SoundProblem("is not a WAV file")
    tag, channels, rate, _per_second, _block, bits = struct.unpack("<HHIIHH", parts[b"fmt "][:16])
    if (tag, bits) not in KINDS or channels != 1 or rate != RATE:
        raise SoundProblem(f"must be mono, 8000 samples a second, {' or '.join(KINDS.values())}")
    lasts: float = len(parts[b"data"]) / (bits // 8) / RATE
    if lasts == 0:
        raise SoundProblem("holds no sound")
    return lasts


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a RIFF file; nothing for any other."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


class Sounds:
    """The copies of all recorded prompts, in a folder of this machine; made when the first one is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Path] = {}

    def keep(self, data: bytes) -> str:
        """Store a copy, if there is none. Returns its digest."""
        digest = digest_of(data)
        if self.find(digest) is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as part:
                part.write(data)
            os.replace(part.name, self._folder / f"{digest}.wav")
        return digest

    def find(self, digest: str) -> Path | None:
        """The copy with this digest, also one that another process has stored meanwhile."""
        if digest not in self._known:
            self._known = {path.stem: path for path in self._folder.glob("*.wav")}
        return self._known.get(digest)
