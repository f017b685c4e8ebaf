"""Recordings at rest: one encrypted file each, under CARECALL_HOME/recordings.

    CCREC2 | size of the sound | slot | slot | chunk | chunk | … | last chunk

A file has its own random key. Each chunk of 64 KiB is sealed with it by AES-256-GCM, so that a listener who jumps to
the end opens the end only. Bound into each chunk are the recording's id, the chunk's number and whether it is the
last: a chunk that was changed, cut off, moved or taken from another file does not open, nor does a file in another's
place. The file's key stands in a slot, wrapped by a key derived from DATA_KEY. There are two slots because DATA_KEY
can be changed while the service runs: the key is wrapped anew into the free slot and made durable before the other
slot is emptied, so at each moment one of the two opens (`rewrap`).

CCREC1, the format before, was one sealed piece; such files are still read, and `rewrap` writes them as CCREC2.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.crypto import Keyring

CHUNK: Final = 64 * 1024
"""Bytes of sound sealed together."""

_OLD: Final = b"CCREC1"
_MAGIC: Final = b"CCREC2"
_NONCE: Final = 12
_TAG: Final = 16
_KEY: Final = 32
_SIZE: Final = struct.Struct(">Q")
_SLOT: Final = _NONCE + _KEY + _TAG
_SLOTS_AT: Final = len(_MAGIC) + _SIZE.size
_CHUNKS_AT: Final = _SLOTS_AT + 2 * _SLOT
_EMPTY: Final = bytes(_SLOT)
_OLD_HEADER: Final = len(_OLD) + _SLOT + _NONCE


class FileProblem(Exception):
    """A stored recording cannot be read. The text says which, why, and never what is in it."""


@dataclass(frozen=True)
class StoredFile:
    """What was stored: SHA-256 and size of the sound itself, before encryption."""

    sha256: str
    size: int


class _Opens(Protocol):
    """One file that was unlocked."""

    size: int

    def read(self, start: int, stop: int) -> bytes: ...

    def close(self) -> None: ...


class Reader:
    """One stored recording, open. `read` is as slicing the sound; only the chunks that are needed are opened."""

    def __init__(self, inner: _Opens) -> None:
        self._inner = inner
        self.size = inner.size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes from `start` up to, not including, `stop`; less where the sound ends. FileProblem if what is on the
        disk was changed."""
        if start < 0 or stop < start:
            raise ValueError("a range begins at 0 or later and does not end before it begins")
        return self._inner.read(min(start, self.size), min(stop, self.size))

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileStore:
    """Recordings by their id. Thread-safe and process-safe: a file appears whole or not at all."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._wrapping = [AESGCM(key) for key in keyring.openers("recordings")]

    def path(self, recording_id: uuid.UUID) -> Path:
        """Two levels of folders keep a directory short. The name is our own id: nothing a carrier or a
        person says."""
        name = recording_id.hex
        return self._folder / name[:2] / name[2:4] / f"{name}.rec"

    def put(self, recording_id: uuid.UUID, data: bytes) -> StoredFile:
        """Store, replacing what was there; on the disk for good when this returns."""
        path = self.path(recording_id)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = os.urandom(_KEY)
        size = _SIZE.pack(len(data))
        slot = _wrapped(self._wrapping[0], key, recording_id, size)
        _write(path, [_MAGIC, size, slot, _EMPTY, *_sealed(AESGCM(key), recording_id, data)])
        return StoredFile(hashlib.sha256(data).hexdigest(), len(data))

    def open(self, recording_id: uuid.UUID) -> Reader:
        """The sound, to be read piece by piece and closed; FileProblem if it is gone, was changed, or belongs to
        another recording."""
        try:
            handle = os.open(self.path(recording_id), os.O_RDONLY)
        except FileNotFoundError:
            raise FileProblem(f"recording {recording_id}: its file is not in the store") from None
        try:
            return Reader(self._unlock(recording_id, handle))
        except BaseException:
            os.close(handle)
            raise

    def get(self, recording_id: uuid.UUID) -> bytes:
        """The whole sound as it was put; FileProblem as in `open`."""
        with self.open(recording_id) as reader:
            return reader.read(0, reader.size)

    def exists(self, recording_id: uuid.UUID) -> bool:
        return self.path(recording_id).exists()

    def delete(self, recording_id: uuid.UUID) -> bool:
        """Remove the file, for good when this returns; False if there was none."""
        path = self.path(recording_id)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _sync_folder(path.parent)
        return True

    def ids(self) -> Iterator[uuid.UUID]:
        """Whose files are here, in no order."""
        for path in self._folder.glob("*/*/*.rec"):
            name = path.stem
            if len(name) == 32 and path == self._folder / name[:2] / name[2:4] / path.name:
                yield uuid.UUID(hex=name)

    def strays(self) -> list[Path]:
        """What lies in the store and is no recording: a half-written file of a process that was killed."""
        known = {self.path(one) for one in self.ids()}
        return sorted(path for path in self._folder.rglob("*") if path.is_file() and path not in known)

    def is_current(self, recording_id: uuid.UUID) -> bool:
        """Whether today's DATA_KEY alone opens it, in today's format. FileProblem as in `open`."""
        head = self._head(recording_id)
        found = self._slots(recording_id, head)
        if head.startswith(_MAGIC) and not found:
            raise _locked_out(recording_id)
        good = [at for at, number, _ in found if number == 0]
        return head.startswith(_MAGIC) and good != [] and _slot(head, 1 - good[0]) == _EMPTY

    def rewrap(self, recording_id: uuid.UUID) -> bool:
        """Wrap the file's key with today's DATA_KEY; False if it is already. The sound itself is neither opened nor
        written, except in a CCREC1 file, which is replaced. FileProblem as in `open`.

        Killed at any moment, a slot that opens is on the disk; run again, it ends the work. Whoever may delete the
        file meanwhile has to be kept out by the caller."""
        head = self._head(recording_id)
        if not head.startswith(_MAGIC):
            self.put(recording_id, self.get(recording_id))
            return True
        found = self._slots(recording_id, head)
        if not found:
            raise _locked_out(recording_id)
        good = [at for at, number, _ in found if number == 0]
        if good and _slot(head, 1 - good[0]) == _EMPTY:
            return False
        handle = os.open(self.path(recording_id), os.O_RDWR)
        try:
            if not good:
                stale, _, key = found[0]
                good = [1 - stale]
                size = head[len(_MAGIC) : _SLOTS_AT]
                _write_slot(handle, good[0], _wrapped(self._wrapping[0], key, recording_id, size))
                there = self._slots(recording_id, os.pread(handle, _CHUNKS_AT, 0))
                if (good[0], 0, key) not in there:
                    raise FileProblem(f"recording {recording_id}: what was written is not on the disk")
            _write_slot(handle, 1 - good[0], _EMPTY)
        finally:
            os.close(handle)
        return True

    def _head(self, recording_id: uuid.UUID) -> bytes:
        try:
            with self.path(recording_id).open("rb") as file:
                return file.read(_CHUNKS_AT)
        except FileNotFoundError:
            raise FileProblem(f"recording {recording_id}: its file is not in the store") from None

    def _slots(self, recording_id: uuid.UUID, head: bytes) -> list[tuple[int, int, bytes]]:
        """The slots that open: (slot, number of the key that opens it, the file's own key)."""
        bound, found = _bound(recording_id) + head[len(_MAGIC) : _SLOTS_AT], []
        for at in (0, 1):
            slot = _slot(head, at)
            for number, wrapping in enumerate(self._wrapping):
                key = _opened(wrapping, slot[:_NONCE], slot[_NONCE:], bound) if len(slot) == _SLOT else None
                if key is not None:
                    found.append((at, number, key))
        return found

    def _unlock(self, recording_id: uuid.UUID, handle: int) -> _Opens:
        head, length = os.pread(handle, _CHUNKS_AT, 0), os.fstat(handle).st_size
        if head.startswith(_OLD) and length >= _OLD_HEADER + _TAG:
            return self._whole(recording_id, handle, length)
        if not head.startswith(_MAGIC) or len(head) < _CHUNKS_AT:
            raise _cut_off(recording_id)
        found = self._slots(recording_id, head)
        if not found:
            raise _locked_out(recording_id)
        size: int = _SIZE.unpack(head[len(_MAGIC) : _SLOTS_AT])[0]
        if length != _CHUNKS_AT + size + _chunks(size) * _TAG:
            raise _cut_off(recording_id)
        opened = _Chunked(recording_id, handle, AESGCM(found[0][2]), size)
        if not size:
            opened.prove_empty()
        return opened

    def _whole(self, recording_id: uuid.UUID, handle: int, length: int) -> _Opens:
        """A CCREC1 file: one piece, opened at once."""
        blob, bound = os.pread(handle, length, 0), _OLD + recording_id.bytes
        at = len(_OLD)
        for wrapping in self._wrapping:
            key = _opened(wrapping, blob[at : at + _NONCE], blob[at + _NONCE : at + _SLOT], bound)
            if key is None:
                continue
            data = _opened(AESGCM(key), blob[at + _SLOT : _OLD_HEADER], blob[_OLD_HEADER:], bound)
            if data is not None:
                os.close(handle)
                return _InMemory(data)
        raise _locked_out(recording_id)


class _InMemory:
    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, start: int, stop: int) -> bytes:
        return self._data[start:stop]

    def close(self) -> None:
        return None


class _Chunked:
    """A CCREC2 file. The last chunk opened is kept: a player reads on where it was."""

    def __init__(self, recording_id: uuid.UUID, handle: int, cipher: AESGCM, size: int) -> None:
        self._id, self._handle, self._cipher, self.size = recording_id, handle, cipher, size
        self._last: tuple[int, bytes] = (-1, b"")

    def read(self, start: int, stop: int) -> bytes:
        if start == stop:
            return b""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        found = b"".join(self._chunk(number) for number in range(first, last + 1))
        return found[start - first * CHUNK : stop - first * CHUNK]

    def prove_empty(self) -> None:
        """Nothing will be read of it, so nothing else would notice a changed seal."""
        try:
            self._chunk(0)
        except FileProblem:
            self._handle = -1  # whoever opened it closes it
            raise

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()  # an answer nobody began to read

    def _chunk(self, number: int) -> bytes:
        if self._last[0] == number:
            return self._last[1]
        count = _chunks(self.size)
        length = min(CHUNK, self.size - number * CHUNK) + _TAG
        sealed = os.pread(self._handle, length, _CHUNKS_AT + number * (CHUNK + _TAG))
        plain = _opened(self._cipher, _nonce(number), sealed, _place(self._id, number, number == count - 1))
        if plain is None:
            raise FileProblem(f"recording {self._id}: its file does not open: a piece of it was changed or moved")
        self._last = (number, plain)
        return plain


def _chunks(size: int) -> int:
    """How many chunks a sound of `size` bytes has: an empty one has one, so that its emptiness is sealed too."""
    return max(1, -(-size // CHUNK))


def _sealed(cipher: AESGCM, recording_id: uuid.UUID, data: bytes) -> Iterator[bytes]:
    count = _chunks(len(data))
    for number in range(count):
        piece = data[number * CHUNK : (number + 1) * CHUNK]
        yield cipher.encrypt(_nonce(number), piece, _place(recording_id, number, number == count - 1))


def _nonce(number: int) -> bytes:
    """The chunk's number: never the same twice under one key, as each file written has a key of its own."""
    return number.to_bytes(_NONCE, "big")


def _place(recording_id: uuid.UUID, number: int, last: bool) -> bytes:
    return _bound(recording_id) + struct.pack(">Q?", number, last)


def _bound(recording_id: uuid.UUID) -> bytes:
    return _MAGIC + recording_id.bytes


def _wrapped(wrapping: AESGCM, key: bytes, recording_id: uuid.UUID, size: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + wrapping.encrypt(nonce, key, _bound(recording_id) + size)


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, bound: bytes) -> bytes | None:
    """None if it does not open; a piece shorter than its seal does not."""
    try:
        return cipher.decrypt(nonce, sealed, bound)
    except InvalidTag:
        return None


def _locked_out(recording_id: uuid.UUID) -> FileProblem:
    return FileProblem(
        f"recording {recording_id}: its file does not open: changed, moved from another recording, "
        "or written with another DATA_KEY"
    )


def _cut_off(recording_id: uuid.UUID) -> FileProblem:
    return FileProblem(f"recording {recording_id}: its file was cut off or is not one of ours")


def _slot(head: bytes, at: int) -> bytes:
    return head[_SLOTS_AT + at * _SLOT : _SLOTS_AT + (at + 1) * _SLOT]


def _write_slot(handle: int, at: int, slot: bytes) -> None:
    os.pwrite(handle, slot, _SLOTS_AT + at * _SLOT)
    os.fsync(handle)


def _write(path: Path, parts: Sequence[bytes]) -> None:
    """Temporary file, fsync, rename, fsync of the folder: a power cut leaves the old state or the new one."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
