"""What is known of the people a call is about: names, numbers and dates that are masked wherever they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from recordings.privacy.redact_lists import HAN, Page, Span, lists, simplified
from recordings.privacy.redact_numbers import Run


@dataclass(frozen=True)
class Known:
    """Of one call; see `redact.known_of_call`. Hashable, so that what is worked out from it is worked out once."""

    names: frozenset[str] = frozenset()
    """As on file: of the patient, of staff; Chinese or Latin letters."""
    phones: frozenset[str] = frozenset()
    """E.164, or as on file."""
    ids: frozenset[str] = frozenset()
    """Record numbers, identity numbers."""
    births: frozenset[str] = frozenset()
    """ISO dates."""


NOBODY: Final = Known()
_GAP: Final = r"[\s,，、.·\-]{0,2}"
_SPLIT: Final = r"[\s\-]*"
_APART: Final = r"[\s.,\-]+"
_PART: Final = 5
"""So many digits of a known number give it away; four if they are its last."""
_LONG: Final = 6
"""Letters of a name from which one wrong, missing or added letter is taken for a mishearing."""


def spans(page: Page, runs: Iterable[Run], known: Known) -> list[Span]:
    if known == NOBODY:
        return []
    patterns = [pattern for name in known.names if (pattern := _pattern(name)) is not None]
    found = [Span(*hit.span(), "name") for pattern in patterns for hit in pattern.finditer(page.low)]
    found += [Span(start, end, "name") for start, end in _latin_words(page, known.names)]
    found += [Span(run.start, run.end, "phone") for run in runs if _is_of(run.digits, _digits(known.phones))]
    found += [Span(start, end, "record") for start, end in _ids(page, known.ids)]
    return found


# ---- numbers ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _digits(phones: frozenset[str]) -> tuple[str, ...]:
    return tuple(re.sub(r"\D", "", phone) for phone in phones)


def _is_of(digits: str, phones: tuple[str, ...]) -> bool:
    if len(digits) == _PART - 1:
        return any(phone.endswith(digits) for phone in phones) and digits != "0000"
    return len(digits) >= _PART and any(digits in phone or phone[-8:] in digits for phone in phones)


def _ids(page: Page, ids: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Letters and digits of an id in their order, whatever stands between them and however they are written."""
    wanted = [one for one in (re.sub(r"[^a-z0-9]", "", simplified(i).lower()) for i in ids) if len(one) >= 4]
    if not wanted:
        return
    text, places = _spelled_out(page.low)
    for one in wanted:
        for hit in re.finditer(re.escape(one), text):
            before, after = text[max(0, hit.start() - 1) : hit.start()], text[hit.end() : hit.end() + 1]
            first, last = places[hit.start()], places[hit.end() - 1]
            glued_before = before.isalnum() and places[hit.start() - 1][1] == first[0]
            glued_after = after.isalnum() and places[hit.end()][0] == last[1]
            if not (glued_before or glued_after):
                yield first[0], last[1]


def _spelled_out(low: str) -> tuple[str, list[tuple[int, int]]]:
    """Only letters and digits, spoken digits among them, each with its place; a word of letters stays whole."""
    out: list[str] = []
    places: list[tuple[int, int]] = []
    for hit in _atoms().finditer(low):
        text = hit[0]
        value = lists()["digits"]["en"].get(text) or _han_digits().get(text)
        for at, character in enumerate(value if value is not None else text):
            out.append(character)
            places.append(hit.span() if value is not None else (hit.start() + at, hit.start() + at + 1))
    return "".join(out), places


@cache
def _han_digits() -> dict[str, str]:
    return {simplified(character): digit for character, digit in lists()["digits"]["zh"].items()}


@cache
def _atoms() -> re.Pattern[str]:
    return re.compile(r"[a-z]+|\d|[" + "".join(_han_digits()) + "]")


# ---- names -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _pattern(name: str) -> re.Pattern[str] | None:
    """All ways to write one name. Worked out once a name, not once a call: staff are in every call."""
    plain = simplified(name).strip()
    if re.search(HAN, plain):
        chinese = re.sub(r"[\s·]", "", plain)
        ways = list(_chinese_ways(chinese)) if len(chinese) >= 2 else []
    else:
        ways = list(_latin_ways(tuple(_parts(plain))))
    return re.compile("|".join(sorted(ways, key=len, reverse=True))) if ways else None


def _chinese_ways(name: str) -> Iterator[str]:
    """Whole, its characters apart, without its surname, one of its three characters misheard, in pinyin."""
    yield _GAP.join(name)
    family = 2 if name[:2] in lists()["compound"] else 1
    given = name[family:]
    if len(given) >= 2 and given not in lists()["words"]:
        yield given
    if len(name) == 3:
        for at in range(1, 3):
            yield name[:at] + HAN + name[at + 1 :]
    sounds = [_pinyin().get(character, ()) for character in name]
    if all(sounds):
        spoken = ["(?:" + "|".join(one) + ")" for one in sounds]
        first, last = _SPLIT.join(spoken[:family]), _SPLIT.join(spoken[family:])
        yield rf"(?<![a-z]){first}{_SPLIT}{last}(?![a-z])"
        if last:
            yield rf"(?<![a-z]){last}[\s,]+{first}(?![a-z])"


@cache
def _pinyin() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in lists()["pinyin"].split():
        sound, characters = entry.split(":")
        for character in simplified(characters):
            found[character] = (*found.get(character, ()), sound)
    return found


def _parts(name: str) -> list[str]:
    titles = lists()["english"]["titles"]
    return [part for part in re.findall(r"[a-z']+", name.lower()) if part not in titles]


def _latin_ways(parts: tuple[str, ...]) -> Iterator[str]:
    """Whole in either order, letters spelled, and with a title."""
    if not parts:
        return
    between = r"[\s,.\-]*(?:[a-z]\.?\s+)?"
    if len(parts) > 1:
        yield rf"(?<![a-z]){between.join(map(re.escape, parts))}(?![a-z])"
        yield rf"(?<![a-z]){between.join(map(re.escape, reversed(parts)))}(?![a-z])"
    for part in parts:
        if len(part) >= 3:
            yield rf"(?<![a-z]){_APART.join(map(re.escape, part))}(?![a-z])"
    yield rf"(?<=mr |ms |dr )(?:{re.escape(parts[-1])})(?![a-z])|(?<=mrs )(?:{re.escape(parts[-1])})(?![a-z])"
    yield rf"(?<=miss )(?:{re.escape(parts[-1])})(?![a-z])|(?<=doctor )(?:{re.escape(parts[-1])})(?![a-z])"


@lru_cache(maxsize=256)
def _single(names: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Parts of names that stand for themselves, and the long ones with a letter less."""
    parts = {part for name in names if not re.search(HAN, name) for part in _parts(name) if len(part) >= 2}
    return frozenset(parts), frozenset(less for part in parts if len(part) >= _LONG for less in _less(part))


def _less(word: str) -> Iterator[str]:
    yield word
    for at in range(1, len(word)):  # the first letter is heard right
        yield word[:at] + word[at + 1 :]


def _latin_words(page: Page, names: frozenset[str]) -> Iterator[tuple[int, int]]:
    parts, near = _single(names)
    if not parts:
        return
    for hit in _LATIN.finditer(page.cased):
        word = hit[0].lower().removesuffix("'s")
        capital = hit[0][0].isupper() and not _begins_a_sentence(page.cased, hit.start())
        if word in parts:
            if word not in lists()["english"]["common"] or capital:
                yield hit.span()
        elif (
            capital and len(word) >= _LONG - 1 and word not in lists()["english"]["common"]
            and word not in lists()["english"]["stop"] and any(less in near for less in _less(word))
        ):  # fmt: skip
            yield hit.span()


_LATIN: Final = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def _begins_a_sentence(text: str, at: int) -> bool:
    """A capital says nothing there. Looked at backwards: a pattern would read the whole text again for each word."""
    while at and text[at - 1] != "\n" and text[at - 1].isspace():
        at -= 1
    return not at or text[at - 1] in ".!?\n"
