"""Unpacking somebody else's archive: files and folders below one place and nothing else, with limits."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

_PIECE: Final = 1024 * 1024
_LONGEST_NAME: Final = 200
TWO_OF_ONE_NAME: Final = "it has two files of one name"


class BadArchive(Exception):
    """The archive is not unpacked; a sentence that says why."""


@dataclass(frozen=True)
class Limits:
    """Of what an archive may become."""

    bytes: int
    files: int = 5_000


def unpack(archive: Path, folder: Path, limits: Limits) -> None:
    """The files of a .zip or .tar.bz2 below `folder`, which is empty. Raises BadArchive; what was unpacked until then
    is the caller's to delete."""
    with archive.open("rb") as file:
        head = file.read(4)
    room = _Room(folder, limits)
    try:
        if head.startswith(b"PK\x03\x04"):
            _unzip(archive, room)
        elif head.startswith(b"BZh"):
            _untar(archive, room)
        else:
            raise BadArchive("it is neither a .zip nor a .tar.bz2 file")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise BadArchive(f"it is damaged ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's trouble, not the archive's
        raise BadArchive(f"it is damaged ({error})") from error  # bz2 says so


class _Room:
    """Where files are written, and how much more of them."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._bytes = self._files = 0

    def place(self, name: str) -> Path:
        """Where an entry goes; raises BadArchive if that is anywhere but below the folder."""
        self._files += 1
        if self._files > self._limits.files:
            raise BadArchive(f"it has more than {self._limits.files} entries")
        path = PurePosixPath(name)
        if not name or len(name) > _LONGEST_NAME or path.is_absolute() or ".." in path.parts:
            raise BadArchive("a name in it leads out of the folder")
        if "\\" in name or ":" in name or any(ord(letter) < 32 for letter in name):
            raise BadArchive("a name in it is none we would give a file")
        return self._folder.joinpath(*path.parts)

    def folder(self, name: str) -> None:
        try:
            self.place(name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(TWO_OF_ONE_NAME) from error

    def file(self, name: str, source: IO[bytes]) -> None:
        path = self.place(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            out = path.open("xb")
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(TWO_OF_ONE_NAME) from error
        with out:
            while piece := source.read(_PIECE):
                self._bytes += len(piece)  # as it comes: what the archive says of sizes may be a lie
                if self._bytes > self._limits.bytes:
                    raise BadArchive(f"it unpacks to more than {self._limits.bytes:,} bytes")
                out.write(piece)


def _unzip(archive: Path, room: _Room) -> None:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadArchive("it has a link or a device in it")
            if entry.flag_bits & 1:
                raise BadArchive("it is locked with a password")
            if entry.is_dir():
                room.folder(entry.filename)
                continue
            with opened.open(entry) as source:
                room.file(entry.filename, source)


def _untar(archive: Path, room: _Room) -> None:
    with tarfile.open(archive, "r|bz2") as opened:
        for entry in _entries(opened):
            if entry.isdir():
                room.folder(entry.name)
                continue
            source = opened.extractfile(entry)
            assert source is not None
            room.file(entry.name, source)


def _entries(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for entry in opened:
        if not (entry.isdir() or entry.isreg()):
            raise BadArchive("it has a link or a device in it")
        yield entry
