"""The speech models Carecall knows by name (catalogue.yaml), and those that are on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

LANGUAGES: Final = ("zh-CN", "en")
PAPER: Final = "carecall.json"
"""In the folder of a fetched model: what it is, and the checksum of the archive it came in."""
_CATALOGUE: Final = Path(__file__).with_name("catalogue.yaml")
_UNITS: Final = {"MB": 1_000_000, "GB": 1_000_000_000}
_SLACK: Final = 1.25


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue."""

    name: str
    engine: str
    languages: tuple[str, ...]
    licence: str
    url: str | None = None
    publisher: str = ""
    bytes: int | None = None
    about: str = ""
    sha256: str | None = None
    stated: str = ""

    @property
    def most(self) -> int:
        """Bytes of archive beyond which it is another file than the catalogue speaks of."""
        if self.bytes is not None:
            return self.bytes
        number, unit = self.about.split()
        return int(float(number) * _UNITS[unit] * _SLACK)

    @property
    def size(self) -> str:
        return f"{self.bytes:,} bytes" if self.bytes is not None else f"about {self.about}"


@dataclass(frozen=True)
class Here:
    """A model that was fetched."""

    folder: Path
    engine: str
    languages: tuple[str, ...]
    sha256: str


@cache
def catalogue() -> tuple[Entry, ...]:
    return tuple(_entry(one) for one in yaml.safe_load(_CATALOGUE.read_text(encoding="utf-8")))


def _entry(told: Mapping[str, Any]) -> Entry:
    made = Entry(**{**told, "languages": tuple(told["languages"])})
    assert made.most > 0, made.name
    return made


def named(name: str) -> Entry | None:
    return next((one for one in catalogue() if one.name == name), None)


def here(models: Path) -> list[Here]:
    """What was fetched into `models`, in the catalogue's order, then by name."""
    order = {one.name: place for place, one in enumerate(catalogue())}
    found = []
    for paper in models.glob(f"*/{PAPER}"):
        told = json.loads(paper.read_text(encoding="utf-8"))
        found.append(Here(paper.parent, told["engine"], tuple(told["languages"]), told["sha256"]))
    return sorted(found, key=lambda one: (order.get(one.folder.name, len(order)), one.folder.name))


def fetched(models: Path, language: str, engine: str) -> list[Path]:
    """Folders of fetched models for a language and engine, the one to be preferred first."""
    return [one.folder for one in here(models) if one.engine == engine and language in one.languages]
