"""Addresses in what was said. Pure.

Mandarin: a road with a house number, a housing estate with a building or a room, a chain of two areas and more
(浙江省杭州市), and what follows 我住在. The hospital's own directions (门诊楼三楼, 3号楼2层) stay. English: a number, a
street, a flat; a post code after its word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from recordings.privacy.redact_lists import HAN, Page, Span, Taken, either, lists

_NUMBER: Final = r"(?:[\da-z\-]{1,6}|[零〇一二三四五六七八九十百两幺]{1,7})"
_BEFORE: Final = 8
_STOPS: Final = r"，,。；;！!？?\n"


def spans(page: Page) -> list[Span]:
    return [Span(start, end, "address") for start, end in (*_chinese(page.low), *_english(page))]


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    areas = Taken(hit.span() for hit in _areas_before().finditer(text))
    for hit in _road().finditer(text):
        yield areas.start_of(hit.start()), hit.end()
    for pattern in (_estate(), _BUILDING):
        for hit in pattern.finditer(text):
            if not _inside().search(text, max(0, hit.start() - _BEFORE), hit.end()):
                yield hit.span()
    for hit in _areas().finditer(text):
        yield hit.span()
    for hit in _at_home().finditer(text):
        if _any_place().search(hit[1]) and not _inside().search(hit[1]):
            yield hit.span(1)


def _english(page: Page) -> Iterator[tuple[int, int]]:
    for hit in _street().finditer(page.low):
        if not any(word in lists()["address"]["not_street"] for word in hit["name"].split()):
            yield hit.span()
    for hit in _capital_street().finditer(page.cased):
        yield hit.span()
    for pattern in (_UNIT, _POST_CODE, _BOX):
        for hit in pattern.finditer(page.low):
            yield hit.span(1)


def _tail() -> str:
    parts = "号楼|号院|栋|幢|座|单元|层|楼|室|号|户|房|弄|组"
    return rf"(?:\s*(?:附|第)?{_NUMBER}\s*(?:{parts})){{0,6}}(?:\s*[-、]?\d{{3,4}}(?!\d))?"


@cache
def _road() -> re.Pattern[str]:
    roads = either(lists()["address"]["roads"])
    name = rf"(?:(?![在到从去住是个的]){HAN}){{1,6}}(?:{roads})(?:[东西南北中]段?)?"
    return re.compile(rf"{name}\s*{_NUMBER}\s*(?:号|弄|巷|附){_tail()}")


@cache
def _areas_before() -> re.Pattern[str]:
    """浙江省杭州市: what may stand before a road. Looked for by itself: as the beginning of the road's own pattern it
    was tried in hundreds of ways at every character."""
    return re.compile(rf"(?:{HAN}{{1,5}}?(?:{either(lists()['address']['areas'])}))++")


@cache
def _estate() -> re.Pattern[str]:
    estates = either(lists()["address"]["estates"])
    name = rf"(?:(?![在到从去住是个的]){HAN}){{1,8}}(?:{estates})\s*(?:[东西南北]区)?"
    return re.compile(rf"{name}\s*{_NUMBER}\s*(?:号楼|号|栋|幢|座|单元|室){_tail()}")


_BUILDING: Final = re.compile(
    rf"{_NUMBER}\s*(?:栋|幢|号楼|座)\s*(?:{_NUMBER}\s*单元\s*)?(?:{_NUMBER}\s*(?:层|楼)\s*)?{_NUMBER}\s*(?:室|号|户|房)"
    rf"|{_NUMBER}\s*单元\s*{_NUMBER}\s*(?:室|号|户|房)?|{_NUMBER}\s*(?:栋|幢)\s*{_NUMBER}(?![\da-z个片次])"
)


@cache
def _areas() -> re.Pattern[str]:
    big = rf"(?:(?![在到从去住是个的这那本]){HAN}){{2,6}}?(?:省|自治区|市|自治州|区|县|旗)"
    small = rf"(?:(?![在到从去住是个的这那本]){HAN}){{1,6}}?(?:市|区|县|旗|镇|乡|街道|村|组|社区)"
    return re.compile(rf"{big}(?:{small})+{_tail()}")


@cache
def _at_home() -> re.Pattern[str]:
    labels = either(word for word in lists()["address"]["labels"] if not word.isascii())
    return re.compile(rf"(?:{labels})[\s:：是在]*([^{_STOPS}]{{2,40}})")


@cache
def _any_place() -> re.Pattern[str]:
    words = [word for name in ("roads", "estates", "areas") for word in lists()["address"][name]]
    words += ["栋", "幢", "单元", "室", "号"]
    return re.compile(either(word for word in words if word not in ("里", "道", "组", "城", "州")))


@cache
def _inside() -> re.Pattern[str]:
    return re.compile(either(lists()["address"]["inside"]))


_ONES: Final = "one|two|three|four|five|six|seven|eight|nine"
_MORE: Final = (
    "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|"
    "seventy|eighty|ninety|hundred|oh|and"
)
_DOOR: Final = rf"(?:\d{{1,5}}[a-z]?|(?:(?:{_ONES}|{_MORE})[\s-]++){{1,4}})"


@cache
def _street() -> re.Pattern[str]:
    streets = either(lists()["address"]["streets"])
    name = r"(?P<name>(?:[a-z'.]+\s+){1,3}?)"
    return re.compile(rf"(?<![a-z0-9]){_DOOR}\s*+,?\s*+{name}(?:{streets})(?:\s+(?:north|south|east|west))?")


@cache
def _capital_street() -> re.Pattern[str]:
    streets = "|".join(word.capitalize() for word in lists()["address"]["streets_if_capital"])
    return re.compile(rf"(?<![A-Za-z0-9])\d{{1,5}}[A-Za-z]?\s+(?:[A-Z][a-z']+\s+){{1,3}}(?:{streets})(?![A-Za-z])")


_UNIT: Final = re.compile(
    r"(?<![a-z])((?:apartment|apt|flat|suite)\.?\s+(?:number\s+)?"
    rf"(?:\d+\s?[a-z]?|[a-z]\s?\d+|{_DOOR}(?:[a-z](?![a-z]))?)(?![a-z]))"
)
_POST_CODE: Final = re.compile(
    r"(?:post ?code|zip(?: code)?|邮编|邮政编码)[\s,:]*+(?:is|是)?[\s,:]*+"
    r"([a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}|(?:\d[\s-]?){4,10}"
    rf"|(?:(?:zero|oh|{_ONES})[\s-]*){{4,9}}|[零一二三四五六七八九幺]{{5,6}})"
)
_BOX: Final = re.compile(r"(p\.?\s?o\.?\s+box\s+\d+)")
