"""The small lists of words a caller may be limited to (digits, yes and no), per language, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from recordings.sound.conversation import Word

_DATA: Final = Path(__file__).with_name("grammars.yaml")


def words(name: str, language: str) -> tuple[str, ...]:
    """What may be said; KeyError for a list or language there is none of."""
    return tuple(_load()[name][language])


def meanings(name: str, language: str, heard: Iterable[Word], *, sure: float = 0.0) -> list[str]:
    """What was meant, in order: digits "0" … "10", or "yes" and "no". Words outside the list, or heard with less
    confidence than `sure`, mean nothing."""
    means = _load()[name][language]
    return [means[word.text] for word in heard if word.text in means and (word.confidence or 0.0) >= sure]


@cache
def _load() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    loaded: Mapping[str, Mapping[str, Mapping[str, str]]] = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return loaded
