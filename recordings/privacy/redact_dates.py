"""Dates in what was said, and which of them are birthdays. Pure.

A date is one of a birth when a word before it says so, when its year is long past (`born_before`), or when it is on
file. Other dates stay readable: an appointment's, an operation's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Final

from recordings.privacy.redact_lists import Page, Span, Taken, either, lists

_NEAR: Final = 14
"""Characters between the word that names a birthday and the date."""


@dataclass(frozen=True)
class Day:
    """`year` None: it was not said."""

    start: int
    end: int
    year: int | None
    month: int
    day: int | None


def spans(page: Page, days: Collection[Day], births: Collection[str]) -> list[Span]:
    """`births`: ISO dates on file."""
    on_file = {(int(one[5:7]), int(one[8:10])) for one in births}
    named = [hit.end() for hit in _label().finditer(page.low)]  # in order
    found = []
    for day in days:
        old = day.year is not None and day.day is not None and day.year < int(lists()["born_before"])
        before = bisect_right(named, day.start)
        near = before > 0 and day.start - named[before - 1] <= _NEAR
        if old or near or (day.month, day.day) in on_file:
            found.append(Span(day.start, day.end, "birth"))
    for end in named:
        if bare := _BARE.match(page.low, end):
            found.append(Span(bare.start(1), bare.end(1), "birth"))
    keyed = {f"{month:02d}{day:02d}" for month, day in on_file}
    found += [Span(hit.start(), hit.end(), "birth") for hit in _FOUR.finditer(page.low) if _four(hit[0]) in keyed]
    return found


def days(page: Page) -> list[Day]:
    """All dates with at least year and month, or month and day."""
    found: list[Day] = []
    for pattern in _patterns():
        taken = Taken((one.start, one.end) for one in found)  # by patterns before; its own hits do not overlap
        for hit in pattern.finditer(page.low):
            if taken.touches(*hit.span()):
                continue
            part = hit.groupdict()
            year = _year(part["y"]) if part.get("y") else None
            month, day = _number(part["m"]), _number(part["d"]) if part.get("d") else None
            if month and 1 <= month <= 12 and (day is None or 1 <= day <= 31):
                found.append(Day(hit.start(), hit.end(), year, month, day))
    return found


_ZH: Final = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "幺": 1}
_HAN: Final = "零〇一二三四五六七八九幺"
_BARE: Final = re.compile(
    rf"[\s,.:，：是为号在]{{0,6}}((?:\d[\s-]?){{8}}|(?:\d[\s-]?){{6}}|(?:\d[\s-]?){{4}}|[{_HAN}]{{4,8}})(?![\d年])"
)
_FOUR: Final = re.compile(rf"(?<![\d.])\d{{4}}(?![\d年])|(?<![{_HAN}十])[{_HAN}]{{4}}(?![{_HAN}十百年])")


def _four(text: str) -> str:
    return "".join(str(_ZH.get(character, character)) for character in text)


def _number(text: str) -> int | None:
    text = text.strip()
    if text.isdecimal():
        return int(text)
    if text in lists()["months"]:
        return int(lists()["months"][text])
    if re.fullmatch(r"[零〇一二三四五六七八九十两幺]+", text):
        if "十" not in text:
            return int(_four(text))
        tens, ones = text.split("十", 1)
        return 10 * (_ZH[tens] if tens else 1) + (_ZH[ones] if ones else 0)
    return _spoken(text)


def _spoken(text: str) -> int | None:
    """ "twenty first", "six", "sixth"."""
    words, total = re.split(r"[\s-]+", text), 0
    for word in words:
        value = lists()["ordinals"].get(word, lists()["digits"]["en"].get(word))
        if value is None:
            return None
        total += int(value)
    return total


def _year(text: str) -> int | None:
    text = text.strip()
    digits = _four(text)
    if digits.isdecimal():
        year = int(digits)
        return year if year > 99 else year + (1900 if year > 30 else 2000)
    words = [word for word in re.split(r"[\s-]+", text) if word != "and"]
    if words[:2] == ["two", "thousand"]:
        return 2000 + (_spoken(" ".join(words[2:])) or 0)
    head = _spoken(words[0])
    return None if head is None else head * 100 + (_spoken(" ".join(words[1:])) or 0)


@cache
def _label() -> re.Pattern[str]:
    return re.compile(either(lists()["births"]))


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    zh = r"(?:\d{1,2}|[零〇一二三四五六七八九十两幺]{1,3})"
    zh_year = r"(?:(?:19|20)?\d\d|[零〇一二三四五六七八九幺]{4}|[零〇一二三四五六七八九]{2})"
    number = either(w for w in lists()["digits"]["en"] if w not in ("o", "oh", "null"))
    ordinal = either(lists()["ordinals"])
    day = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|(?:(?:twenty|thirty)[\s-]+)?(?:{ordinal}|{number}))"
    ending = r"(?:st|nd|rd|th)?"
    month = either(lists()["months"])
    spoken = rf"(?:nineteen|twenty)[\s-]++(?:(?:{number}|oh|o)[\s-]*+){{1,2}}"
    since = rf"two thousand(?:\s+and)?(?:\s+(?:{number})){{0,2}}"
    # possessive where two gaps meet: a long run of blanks is read once, not once for each way to share it out
    low_year = rf"\s*+,?\s*+(?:of\s+|in\s+)?(?P<y>(?:19|20)\d\d|{spoken}|{since})"
    plain = day.replace(ending, "")
    return (
        re.compile(rf"(?<!\d)(?P<y>{zh_year})\s*年\s*(?P<m>{zh})\s*月(?:份)?(?:\s*(?P<d>{zh})\s*[日号]?)?"),
        re.compile(r"(?<![\d-])(?P<y>(?:19|20)\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?![\d-])"),
        re.compile(r"(?<![\d-])(?P<d>\d{1,2})[-/.](?P<m>\d{1,2})[-/.](?P<y>(?:19|20)\d\d)(?![\d-])"),
        re.compile(rf"(?P<m>{month})\.?\s+(?:the\s+)?(?P<d>{plain}){ending}{low_year}"),
        re.compile(rf"(?P<d>{plain}){ending}\s+(?:of\s+)?(?P<m>{month})\.?{low_year}"),
        re.compile(rf"(?P<m>{zh})\s*月\s*(?P<d>{zh})\s*[日号]"),
        re.compile(rf"(?P<m>{month})\s+(?:the\s+)?(?P<d>{plain}){ending}(?![a-z0-9])"),
        re.compile(rf"(?<![a-z0-9])(?P<d>{plain}){ending}\s+(?:of\s+)?(?P<m>{month})"),
    )  # fmt: skip
