"""The lists of redact.yaml beside it, and the small things the rules of redaction share. Pure but for reading them.

All rules read `Page`: the text with each character in one form (half width, simplified, lower case), so that a place in
it is the same place in what was said.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from recordings.simplified import table

_FILE: Final = Path(__file__).with_name("redact.yaml")
HAN: Final = r"[\u3400-\u9fff]"


class Span(NamedTuple):
    """Characters `start` up to `end` are of `kind` (a key of `kinds` in the lists)."""

    start: int
    end: int
    kind: str


class Taken:
    """Places of a text, asked one by one whether another touches them: a long text has as many of either."""

    def __init__(self, places: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(places)
        self._starts = [start for start, _ in ordered]
        self._reach = list(accumulate((end for _, end in ordered), max))

    def touches(self, start: int, end: int) -> bool:
        before = bisect_left(self._starts, end)
        return before > 0 and self._reach[before - 1] > start

    def start_of(self, start: int) -> int:
        """Where the last of these places begins that lies over `start` or ends there; `start` if there is none. Of
        places that do not overlap."""
        before = bisect_left(self._starts, start)
        return self._starts[before - 1] if before > 0 and self._reach[before - 1] >= start else start


@dataclass(frozen=True)
class Page:
    """`cased`: half width and simplified; `low`: the same in lower case. Both as long as what was said."""

    cased: str
    low: str


@cache
def lists() -> dict[str, Any]:
    """All texts: numbers among them are to be converted by who reads them."""
    body: dict[str, Any] = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return body


@cache
def _variants() -> dict[int, str]:
    return {**table(), **{ord(pair[0]): pair[1] for pair in lists()["variants"].split()}}


def page(text: str) -> Page:
    cased = "".join(_one(character) for character in text).translate(_variants())
    return Page(cased, "".join(low if len(low := c.lower()) == 1 else c for c in cased))


def simplified(text: str) -> str:
    return page(text).cased


def _one(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    if character == "\u2019":
        return "'"
    return plain if len(plain) == 1 else character


def either(words: Iterable[str]) -> str:
    """A pattern of any of these words, the longest first; Latin words whole."""
    return "|".join(word_pattern(simplified(word).lower()) for word in sorted(set(words), key=len, reverse=True))


def word_pattern(word: str) -> str:
    text = r"\s+".join(re.escape(part) for part in word.split())
    before = r"(?<![a-z0-9])" if re.match(r"[a-z0-9]", word) else ""
    after = r"(?![a-z0-9])" if re.search(r"[a-z0-9]$", word) else ""
    return before + text + after


def characters(name: str) -> str:
    """A list of single characters as a pattern's class."""
    body: str = lists()[name]
    return "[" + re.escape("".join(sorted(set(simplified("".join(body.split())))))) + "]"
