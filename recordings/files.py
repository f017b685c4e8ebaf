"""Recordings at rest: one encrypted file each, under CARECALL_HOME/recordings.

A file is `CCREC1` + nonce + wrapped key + nonce + sound, both sealed with AES-256-GCM. Its own random key
is wrapped by a key derived from DATA_KEY, so that DATA_KEY can be changed one day by wrapping anew, not by
rewriting the sound. The associated data is the recording's id: a file put in another's place does not open.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.crypto import Keyring

_MAGIC: Final = b"CCREC1"
_NONCE: Final = 12
_TAG: Final = 16
_KEY: Final = 32
_HEADER: Final = len(_MAGIC) + _NONCE + _KEY + _TAG + _NONCE


class FileProblem(Exception):
    """A stored recording cannot be read. The text says which, why, and never what is in it."""


@dataclass(frozen=True)
class StoredFile:
    """What was stored: SHA-256 and size of the sound itself, before encryption."""

    sha256: str
    size: int


class FileStore:
    """Recordings by their id. Thread-safe and process-safe: a file appears whole or not at all."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._wrapping = AESGCM(keyring.derive("recordings"))

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
        key, bound = os.urandom(_KEY), _bound(recording_id)
        key_nonce, nonce = os.urandom(_NONCE), os.urandom(_NONCE)
        wrapped = self._wrapping.encrypt(key_nonce, key, bound)
        _write(path, _MAGIC + key_nonce + wrapped + nonce + AESGCM(key).encrypt(nonce, data, bound))
        return StoredFile(hashlib.sha256(data).hexdigest(), len(data))

    def get(self, recording_id: uuid.UUID) -> bytes:
        """The sound as it was put; FileProblem if it is gone, was changed, or belongs to another
        recording."""
        try:
            blob = self.path(recording_id).read_bytes()
        except FileNotFoundError:
            raise FileProblem(f"recording {recording_id}: its file is not in the store") from None
        if len(blob) < _HEADER + _TAG or not blob.startswith(_MAGIC):
            raise FileProblem(f"recording {recording_id}: its file was cut off or is not one of ours")
        bound = _bound(recording_id)
        at = len(_MAGIC)
        key_nonce, wrapped = blob[at : at + _NONCE], blob[at + _NONCE : _HEADER - _NONCE]
        try:
            key = self._wrapping.decrypt(key_nonce, wrapped, bound)
            return AESGCM(key).decrypt(blob[_HEADER - _NONCE : _HEADER], blob[_HEADER:], bound)
        except InvalidTag:
            raise FileProblem(
                f"recording {recording_id}: its file does not open: changed, moved from another recording, "
                "or written with another DATA_KEY"
            ) from None

    def delete(self, recording_id: uuid.UUID) -> bool:
        """Remove the file; False if there was none."""
        try:
            self.path(recording_id).unlink()
        except FileNotFoundError:
            return False
        return True


def _bound(recording_id: uuid.UUID) -> bytes:
    return _MAGIC + recording_id.bytes


def _write(path: Path, blob: bytes) -> None:
    """Temporary file, fsync, rename, fsync of the folder: a power cut leaves the old state or the new one."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
