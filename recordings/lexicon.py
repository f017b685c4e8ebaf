"""The phrase list: what a listener should look at first. Pure, apart from `load`.

Hits are shown to a person and punish nobody (docs/clinical.md QA7 and section 4, Lexicon use). Staff
categories are looked for on the line's side only, red flags on the patient's. A phrase behind a negation
("we cannot guarantee") is dropped, or, where missing one would be worse than a false alarm, kept at the
lowest severity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

CATEGORIES: Final = ("impatience", "evasion", "over_promise", "unsafe_advice", "red_flag")
FOLDER: Final = Path(__file__).resolve().parent.parent / "lexicon"
CUT: Final = "|"
"""Stands for any punctuation in normalised text: no phrase and no negation reaches across it."""

_HAN: Final = re.compile(r"[\u3400-\u9fff]")


class LexiconError(Exception):
    """A phrase list cannot be used; the text says which part of which file."""


class Spoken(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def speaker(self) -> str: ...


@dataclass(frozen=True)
class Finding:
    """One hit. `phrase` is the list's wording, not the caller's."""

    category: str
    phrase: str
    start_s: float
    speaker: str
    severity: int


@dataclass(frozen=True)
class Category:
    name: str
    severity: int
    speakers: frozenset[str]
    negated: str
    """drop | lower"""
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """One language's list."""

    language: str
    version: str
    categories: tuple[Category, ...]
    window: int
    """How far before a phrase a negation counts: characters of Chinese, words of English."""
    negations: tuple[str, ...]
    adjacent: tuple[str, ...]
    """Short negations that count only right before the phrase."""
    allowed: tuple[str, ...]
    """Terms that hold a phrase but mean something else: 无痛胃镜."""
    variants: Mapping[str, str]
    """Traditional characters that a model may write, to the simplified ones of the list."""

    @cached_property
    def by_characters(self) -> bool:
        return self.language.startswith("zh")

    def normal(self, text: str) -> str:
        """One form for text and phrases: no case, no width, no traditional forms, punctuation as a cut."""
        plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
        plain = plain.translate({ord(old): new for old, new in self.variants.items()})
        kept = (c if c.isalnum() or c == "'" else " " if c.isspace() else CUT for c in plain)
        words = "".join(kept).replace(CUT, f" {CUT} ").split()
        return "".join(words) if self.by_characters else f" {' '.join(words)} "


def find(lines: Iterable[Spoken], lexicon: Lexicon) -> list[Finding]:
    """All hits, by time and then by place in the text; a phrase inside a longer hit of its category counts
    once, as the longer one."""
    return [finding for line in lines for finding in _in_line(line, lexicon)]


def load(language: str, folder: Path = FOLDER) -> Lexicon:
    """The list of a language, `lexicon/<language>.yaml`; LexiconError if there is none or it is not right."""
    path = folder / f"{language}.yaml"
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _lexicon(body, language)
    except FileNotFoundError:
        raise LexiconError(f"{path}: there is no phrase list for {language}") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LexiconError(f"{path}: the phrase list cannot be used: {error}") from error


def _in_line(line: Spoken, lexicon: Lexicon) -> list[Finding]:
    text = _without_allowed(lexicon.normal(line.text), lexicon)
    hits: list[tuple[int, Finding]] = []
    for category in lexicon.categories:
        if line.speaker not in category.speakers:
            continue
        for at, phrase in _hits(text, category.phrases, lexicon):
            severity = category.severity
            if _negated(text[:at], lexicon):
                if category.negated == "drop":
                    continue
                severity = 1
            hits.append((at, Finding(category.name, phrase, line.start_s, line.speaker, severity)))
    return [finding for _, finding in sorted(hits, key=lambda hit: hit[0])]


def _hits(text: str, phrases: Sequence[str], lexicon: Lexicon) -> list[tuple[int, str]]:
    """Where which phrase stands; longer phrases first, and nothing is counted twice."""
    found: list[tuple[int, str]] = []
    for phrase in sorted(phrases, key=len, reverse=True):
        wanted = lexicon.normal(phrase)
        at = text.find(wanted)
        while at >= 0:
            found.append((at, phrase))
            # Blanks stay where they were: two neighbouring phrases share one.
            mask = "".join(c if c == " " else CUT for c in wanted)
            text = text[:at] + mask + text[at + len(wanted) :]
            at = text.find(wanted)
    return found


def _negated(before: str, lexicon: Lexicon) -> bool:
    clause = before.rsplit(CUT, 1)[-1]
    if lexicon.by_characters:
        near = clause[-lexicon.window :]
        return any(word in near for word in lexicon.negations) or clause.endswith(lexicon.adjacent)
    near = f" {' '.join(clause.split()[-lexicon.window :])} "
    return any(f" {word} " in near for word in lexicon.negations)


def _without_allowed(text: str, lexicon: Lexicon) -> str:
    for term in lexicon.allowed:
        wanted = lexicon.normal(term)
        text = text.replace(wanted, CUT if lexicon.by_characters else f" {CUT} ")
    return text


def _lexicon(body: Any, language: str) -> Lexicon:
    if body["language"] != language:
        raise ValueError(f"it says language {body['language']}")
    negation = body["negation"]
    lexicon = Lexicon(
        language=language,
        version=str(body["version"]),
        categories=tuple(_category(name, part) for name, part in body["categories"].items()),
        window=int(negation["window"]),
        negations=_texts(negation["words"]),
        adjacent=_texts(negation.get("adjacent", [])),
        allowed=_texts(body.get("allow", [])),
        variants={old: new for pair in body.get("variants", "").split() for old, new in [pair]},
    )
    for category in lexicon.categories:
        for phrase in category.phrases:
            if not lexicon.normal(phrase).strip() or CUT in lexicon.normal(phrase):
                raise ValueError(f"{category.name}: {phrase!r} is empty or holds punctuation")
    return lexicon


def _category(name: str, part: Mapping[str, Any]) -> Category:
    if name not in CATEGORIES:
        raise ValueError(f"there is no category {name}")
    severity, negated = part["severity"], part.get("negated", "drop")
    if severity not in (1, 2, 3) or negated not in ("drop", "lower"):
        raise ValueError(f"{name}: severity is 1, 2 or 3, and negated is drop or lower")
    phrases = _texts(part["phrases"])
    if len(set(phrases)) != len(phrases):
        raise ValueError(f"{name}: a phrase stands twice")
    return Category(name, severity, frozenset(_texts(part["speakers"])), negated, phrases)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        # An unquoted `no` or `100` in YAML is not a text.
        raise ValueError(f"{values!r} is not a list of texts (quote numbers and words such as 'no')")
    return tuple(values)
