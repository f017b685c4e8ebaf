"""Scorecards: what a call is judged by, read from YAML and checked, and the points a set of marks comes to. Pure, apart
from `read` and `folder`.

A card has weighted dimensions (docs/clinical.md QA5, PERF1) and at most twelve items (PERF8), each yes, no or not
applicable. **Not applicable**: within a dimension the points of what applies are the whole of it; a dimension in which
nothing applies leaves the count, and the others keep their proportions. A "no" that is a process's fault counts as not
applicable for the agent (PERF16). **An automatic fail** fails the call whatever its points; the points stay as they
are, because a zero among six would outweigh a month of good calls in a mean (docs/decisions/0014).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import yaml

LANGUAGES: Final = ("zh-CN", "en")
FOLDER: Final = Path(__file__).resolve().parents[2] / "scorecards"
MOST_ITEMS: Final = 12
MEASURES: Final[Mapping[str, tuple[str, type]]] = {
    # measure: (what it needs, as what)
    "answer_time": ("within_s", int),
    "findings": ("categories", list),
    "missing": ("phrases", list),
    "satisfaction": ("from", int),
}
VALUES: Final = ("yes", "no", "na")
CAUSES: Final = ("agent", "process")
LONGEST: Final = 400
"""Characters of a text: it is read while listening."""

_OF_CARD: Final = {"key", "version", "from", "name", "dimensions"}
_OF_DIMENSION: Final = {"weight", "name", "items"}
_OF_ITEM: Final = {"points", "text", "example", "say", "fails", "hidden", "suggest"}


class ScorecardError(Exception):
    """A card cannot be used; `problems` has one sentence for each thing to mend, in the words of the file."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Item:
    key: str
    points: int
    text: Mapping[str, str]
    example: Mapping[str, str]
    say: Mapping[str, str]
    """The wording that is expected."""
    fails: bool
    hidden: bool
    suggest: Mapping[str, Any]
    """{} or {"measure": …, what it needs}."""


@dataclass(frozen=True)
class Dimension:
    key: str
    weight: int
    name: Mapping[str, str]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Card:
    key: str
    version: int
    valid_from: date
    name: Mapping[str, str]
    dimensions: tuple[Dimension, ...]
    body: Mapping[str, Any]
    """As it is stored: what the file said, dates as text."""

    @property
    def title(self) -> str:
        return f"{self.key}-{self.version}"

    @property
    def items(self) -> dict[str, Item]:
        return {item.key: item for dimension in self.dimensions for item in dimension.items}


@dataclass(frozen=True)
class Score:
    """`points` and `dimensions` are exact, from 0 to 100; None: nothing was applicable. `failed`: automatic fails.
    `na_share`: of all items, those that did not count."""

    points: Fraction | None
    dimensions: Mapping[str, Fraction | None]
    failed: tuple[str, ...]
    na_share: Fraction

    def passed(self, pass_mark: int) -> bool | None:
        """None: nothing was applicable, so it says nothing."""
        if self.failed:
            return False
        return None if self.points is None else self.points >= pass_mark


def score(card: Card, marks: Mapping[str, tuple[str, str]]) -> Score:
    """`marks` is {item: (value, cause)} with a value for every item; KeyError for one that is missing."""
    dimensions: dict[str, Fraction | None] = {}
    counted = weights = Fraction(0)
    failed, away = [], 0
    for dimension in card.dimensions:
        got = of = 0
        for item in dimension.items:
            value, cause = marks[item.key]
            if value == "na" or (value == "no" and cause == "process"):
                away += 1
                continue
            of += item.points
            got += item.points if value == "yes" else 0
            if item.fails and value == "no":
                failed.append(item.key)
        dimensions[dimension.key] = Fraction(100 * got, of) if of else None
        if of:
            counted += dimension.weight * Fraction(got, of)
            weights += dimension.weight
    points = 100 * counted / weights if weights else None
    return Score(points, dimensions, tuple(failed), Fraction(away, len(card.items)))


def tenth(value: Fraction) -> float:
    """To one decimal, halves up: 89.95 is 90.0 on paper, and still below 90."""
    return math.floor(value * 10 + Fraction(1, 2)) / 10


# ---- reading ----------------------------------------------------------------------------------------------


def folder(place: Path = FOLDER) -> list[Card]:
    """All cards of a folder. Raises ScorecardError with what is wrong in any of them."""
    cards, problems = [], []
    for path in sorted(place.glob("*.yaml")):
        try:
            cards.append(read(path))
        except ScorecardError as error:
            problems += error.problems
    twice = sorted({card.title for card in cards if [one.title for one in cards].count(card.title) > 1})
    problems += [f"{place}: two files hold the card {title}; raise the version of one." for title in twice]
    if problems:
        raise ScorecardError(problems)
    return cards


def read(path: Path) -> Card:
    """Raises ScorecardError."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScorecardError([f"{path}: the file cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError:
        raise ScorecardError([f"{path}: the file is not UTF-8 text."]) from None
    except yaml.YAMLError as error:
        raise ScorecardError([f"{path}: this is not YAML: {_where(error)}"]) from error
    return card(body, path.name)


def card(body: Any, where: str) -> Card:
    """A card from what YAML, or the database, holds. Raises ScorecardError with every problem found."""
    problems = list(_problems(body))
    if problems:
        raise ScorecardError([f"{where}: {problem}" for problem in problems])
    body = {**body, "from": str(body["from"])}
    return Card(
        key=body["key"],
        version=body["version"],
        valid_from=date.fromisoformat(body["from"]),
        name=body["name"],
        dimensions=tuple(
            Dimension(key, part["weight"], part["name"], tuple(_item(*pair) for pair in part["items"].items()))
            for key, part in body["dimensions"].items()
        ),
        body=body,
    )


def _item(key: str, part: Mapping[str, Any]) -> Item:
    return Item(
        key,
        part.get("points", 1),
        part["text"],
        part["example"],
        part["say"],
        part.get("fails", False),
        part.get("hidden", False),
        part.get("suggest", {}),
    )


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {text}." if mark else f"{text}."


# ---- checking ---------------------------------------------------------------------------------------------


def _problems(body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        yield "it must begin with key, version, from, name and dimensions."
        return
    yield from _unknown(body, _OF_CARD, "the card")
    key, version = body.get("key"), body.get("version")
    if not isinstance(key, str) or not key.isalnum() or len(key) > 20:
        yield f"key is {key!r}; it must be a short word of letters and digits such as A."
    if not _whole(version, 1, 10_000):
        yield f"version is {version!r}; it must be a whole number from 1 on."
    try:
        date.fromisoformat(str(body.get("from")))
    except ValueError:
        yield f"from is {body.get('from')!r}; it must be a day such as 2026-01-01."
    yield from _texts(body, "name", "the card")
    parts = body.get("dimensions")
    if not isinstance(parts, dict) or not parts:
        yield "dimensions is missing; it must hold at least one dimension with its items."
        return
    for name, part in parts.items():
        yield from _of_dimension(str(name), part)
    yield from _of_all(parts)


def _of_all(parts: Mapping[str, Any]) -> Iterator[str]:
    weights: dict[str, Any] = {name: part.get("weight") for name, part in parts.items() if isinstance(part, dict)}
    if all(_whole(weight, 1, 100) for weight in weights.values()) and sum(weights.values()) != 100:
        told = ", ".join(f"{name} {weight}" for name, weight in weights.items())
        yield f"the weights sum to {sum(weights.values())} ({told}); they must sum to 100."
    items = [
        str(item)
        for part in parts.values()
        if isinstance(part, dict) and isinstance(part.get("items"), dict)
        for item in part["items"]
    ]
    if len(items) > MOST_ITEMS:
        yield f"it has {len(items)} items; {MOST_ITEMS} are the most (docs/clinical.md PERF8). Leave some out."
    for item in sorted({item for item in items if items.count(item) > 1}):
        yield f"the item {item} stands in two dimensions; give one of them another name."


def _of_dimension(name: str, part: Any) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"{name} must hold weight, name and items."
        return
    yield from _unknown(part, _OF_DIMENSION, name)
    if not _whole(part.get("weight"), 1, 100):
        yield f"the weight of {name} is {part.get('weight')!r}; it must be a whole number from 1 to 100."
    yield from _texts(part, "name", name)
    items = part.get("items")
    if not isinstance(items, dict) or not items:
        yield f"{name} has no items; a dimension without any could never be scored."
        return
    for key, item in items.items():
        yield from _of_item(str(key), item)


def _of_item(key: str, part: Any) -> Iterator[str]:
    if not key.replace("_", "").isalnum() or not key.isascii() or len(key) > 40:
        yield f"the item {key!r} must be named by a short word such as patient_tone."
    if not isinstance(part, dict):
        yield f"{key} must hold text, example and say."
        return
    yield from _unknown(part, _OF_ITEM, key)
    for field in ("text", "example", "say"):
        yield from _texts(part, field, key)
    if not _whole(part.get("points", 1), 1, 100):
        yield f"the points of {key} are {part.get('points')!r}; they must be a whole number from 1 to 100."
    for field in ("fails", "hidden"):
        if not isinstance(part.get(field, False), bool):
            yield f"{field} of {key} is {part[field]!r}; it must be true or false."
    if "suggest" in part:
        yield from _of_suggestion(key, part)


def _of_suggestion(key: str, part: Mapping[str, Any]) -> Iterator[str]:
    suggest = part["suggest"]
    measure = suggest.get("measure") if isinstance(suggest, dict) else None
    if not isinstance(measure, str) or measure not in MEASURES:
        yield f"suggest of {key} names the measure {measure!r}; there are {', '.join(MEASURES)}."
        return
    needs, kind = MEASURES[measure]
    given = suggest.get(needs)
    yield from _unknown(suggest, {"measure", needs}, f"suggest of {key}")
    right = _whole(given, 1, 3600) if kind is int else bool(given) and isinstance(given, list)
    if not right:
        like = "a whole number" if kind is int else "a list of words"
        yield f"suggest of {key} needs {needs}: {like}, not {given!r}."
    if measure == "satisfaction" and part.get("hidden") is not True:
        yield f"{key} is about satisfaction, which no rater may see before judging: it must say hidden: true."


def _texts(part: Mapping[str, Any], field: str, of: str) -> Iterator[str]:
    """One text for each language, and for no other."""
    texts = part.get(field)
    if not isinstance(texts, dict):
        yield f"{field} of {of} is missing; it must have a text for {' and '.join(LANGUAGES)}."
        return
    for language in LANGUAGES:
        text = texts.get(language)
        if not isinstance(text, str) or not text.strip():
            yield f"{field} of {of} has no text for {language}."
        elif len(text) > LONGEST:
            yield f"{field} of {of} has {len(text)} characters in {language}; {LONGEST} are the most."
    yield from _unknown(texts, set(LANGUAGES), f"{field} of {of}")


def _unknown(part: Mapping[Any, Any], known: set[str], of: str) -> Iterator[str]:
    for name in part:
        if name not in known:
            yield f"{of} says {name!r}, which is not known here; known are {', '.join(sorted(known))}."


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
