"""Fetching a model: streamed within a limit, checked before it is opened, unpacked aside, and moved into place whole.

All of it happens in one folder beside the models. It is deleted at the end, however that comes; what a killed fetch
left behind is deleted by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests

from recordings.speech import stt_models
from recordings.speech.models_store import LANGUAGES, PAPER, Entry, catalogue, named
from recordings.speech.models_store_unpack import BadArchive, Limits, unpack
from recordings.speech.weights import FOLDER, ModelMissing, only_one

Tell = Callable[[int, int], None]
"""Called with bytes that are here, and at most."""

UNPACKED: Final = 8
"""How many times its archive's size a model may unpack to: graphs pack well, but not without end."""
OWN_MOST: Final = 8_000_000_000
"""Bytes of an archive that is not in the catalogue."""
CONNECT_S, SILENT_S, TOTAL_S = 10.0, 60.0, 6 * 3600.0
_PIECE: Final = 256 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ASIDE: Final = ".fetch-"


class FetchProblem(Exception):
    """Nothing was fetched and nothing is changed; a sentence that says why."""


@dataclass(frozen=True)
class Wanted:
    """What is fetched, from where, and the checksum it must have."""

    name: str
    languages: tuple[str, ...]
    source: str
    sha256: str
    most: int
    engine: str | None
    """None: whichever its files are for."""


def wanted(language: str, name: str | None, sha256: str | None, source: str | None) -> Wanted:
    """What these words of a person mean. Raises FetchProblem, above all where nobody says what the file must be."""
    if language not in LANGUAGES:
        raise FetchProblem(f"there is no language {language} here: {', '.join(LANGUAGES)}")
    entry = _entry(language, name)
    given = (sha256 or "").strip().lower().removeprefix("sha256:") or None
    if given is not None and not _SHA256.fullmatch(given):
        raise FetchProblem("--sha256 is 64 digits of 0-9 and a-f")
    pinned = entry.sha256 if entry else None
    if given and pinned and given != pinned:
        raise FetchProblem(f"{entry.name if entry else name} is known with another checksum, {pinned}")
    told = given or pinned
    label = entry.name if entry else str(name)
    if told is None:
        raise FetchProblem(
            f"the checksum of {label} is not known here, so what comes could be anything: give it with --sha256"
        )
    where = source or (entry.url if entry else None)
    if where is None:
        at = f" (its publisher: {entry.publisher})" if entry else ""
        raise FetchProblem(f"no address of {label} is known here{at}: say from where with --from")
    if entry is None:
        return Wanted(label, (language,), where, told, OWN_MOST, None)
    return Wanted(label, entry.languages, where, told, entry.most, entry.engine)


def _entry(language: str, name: str | None) -> Entry | None:
    """Of the catalogue; None for a model of the hospital's own, which has a name."""
    if name is None:
        return next(one for one in catalogue() if language in one.languages)
    if not _NAME.fullmatch(name):
        raise FetchProblem("--model is a plain name of letters, digits, dots and dashes")
    if name.lower() == FOLDER:
        raise FetchProblem(f"{FOLDER} is the name of the model that comes along: give another with --model")
    entry = named(name)
    other = next((one.name for one in catalogue() if one.name.lower() == name.lower()), name)
    if entry is None and other != name:
        raise FetchProblem(f"{name} would be taken for {other} of the list: write it as there, or give another name")
    if entry is not None and language not in entry.languages:
        raise FetchProblem(f"{name} does not understand {language}")
    return entry


def fetch(models: Path, what: Wanted, tell: Tell = lambda here, most: None) -> Path:
    """The model's folder below `models`, complete. Raises FetchProblem."""
    models.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(models / ".lock-fetch"):
        _no_twin(models, what.name)
        for left in models.glob(f"{_ASIDE}*"):
            shutil.rmtree(left)
        with _aside(models) as work:
            archive = work / "archive"  # nothing in here has the model's name, whatever that is
            _bring(what, archive, tell)
            room = work / "model"
            room.mkdir(mode=0o700)
            try:
                unpack(archive, room, Limits(UNPACKED * archive.stat().st_size + _PIECE))
            except BadArchive as bad:
                raise FetchProblem(f"{what.name}: {bad}") from bad
            size = archive.stat().st_size
            archive.unlink()
            inner = _inner(room)
            made = inner.rename(work / "new")
            engine = _engine(made, what)
            paper = {"engine": engine, "languages": what.languages, "sha256": what.sha256, "bytes": size}
            (made / PAPER).write_text(json.dumps(paper), encoding="utf-8")
            _to_disk(made)
            return _in_place(made, models / what.name, work)


def _no_twin(models: Path, name: str) -> None:
    """Where upper and lower case are one, two names that differ by them alone are one folder; and whoever writes a
    setting should not have to tell them apart."""
    for one in models.iterdir():
        if one.name != name and one.name.lower() == name.lower():
            raise FetchProblem(f"there is a model {one.name} here already: write it so, or give another name")
    if (models / name).exists() and not (models / name / PAPER).is_file():
        raise FetchProblem(f"{models / name} was not fetched by us and stays as it is: give another name with --model")


@contextmanager
def _aside(models: Path) -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=models))
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _bring(what: Wanted, archive: Path, tell: Tell) -> None:
    """The archive, with the size and checksum it must have; nothing has been opened so far."""
    digest, here, began = hashlib.sha256(), 0, time.monotonic()
    with archive.open("xb") as out, _pieces(what.source) as pieces:
        try:
            for piece in pieces:
                here += len(piece)
                if here > what.most:
                    raise FetchProblem(f"{what.name}: more than {what.most:,} bytes came, and it was given up")
                if time.monotonic() - began > TOTAL_S:
                    raise FetchProblem(f"{what.name}: not here after {TOTAL_S / 3600:.0f} hours, and it was given up")
                digest.update(piece)
                out.write(piece)
                tell(here, what.most)
        except requests.RequestException as error:
            raise FetchProblem(f"{what.name}: cut off after {here:,} bytes ({type(error).__name__})") from error
    if digest.hexdigest() != what.sha256:
        raise FetchProblem(
            f"{what.name}: what came ({here:,} bytes) has the checksum {digest.hexdigest()}, "
            f"not {what.sha256}; it was not opened"
        )


@contextmanager
def _pieces(source: str) -> Iterator[Iterator[bytes]]:
    """The bytes at an address or in a file."""
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https"):
        path = Path(parts.path if parts.scheme == "file" else source).expanduser()
        try:
            with path.open("rb") as file:
                yield iter(lambda: file.read(_PIECE), b"")
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise FetchProblem(f"the file {path} cannot be read ({error.strerror})") from error
        return
    try:
        with requests.Session() as web:
            web.max_redirects = 5
            with web.get(source, stream=True, timeout=(CONNECT_S, SILENT_S), headers=_AS_IT_IS) as answer:
                if answer.status_code != 200:
                    raise FetchProblem(f"{parts.hostname} answers {answer.status_code} for this model")
                yield answer.iter_content(_PIECE)
    except requests.RequestException as error:
        raise FetchProblem(f"{parts.hostname} cannot be reached ({type(error).__name__})") from error


_AS_IT_IS: Final = {"Accept-Encoding": "identity"}
"""A server that packs the archive once more would make us unpack what we have not checked."""


def _inner(room: Path) -> Path:
    """An archive holds one folder with the model in it, or the model itself."""
    there = list(room.iterdir())
    return there[0] if len(there) == 1 and there[0].is_dir() else room


def _engine(folder: Path, what: Wanted) -> str:
    engine = what.engine or stt_models.engine_of(folder)
    if engine is None:
        raise FetchProblem(f"{what.name}: in the archive is no model of an engine we know")
    try:
        stt_models.model(engine, folder)
    except ModelMissing as missing:
        raise FetchProblem(f"{what.name}: {str(missing).replace(str(folder), what.name)}") from missing
    return engine


def _to_disk(folder: Path) -> None:
    """What is moved into place is whole after a power cut, too."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _in_place(made: Path, place: Path, work: Path) -> Path:
    """Moved in one step; an older copy goes first, and comes back if the new one cannot take its place."""
    old = work / "old"
    with suppress(FileNotFoundError):
        place.rename(old)
    try:
        made.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    return place
