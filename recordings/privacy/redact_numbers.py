"""Numbers in what was said: telephones, identity cards, record numbers, cards, accounts, mail. Pure.

Digits may be written, spoken in Mandarin or English, grouped, broken by "uh" or a new line, doubled ("double five",
三个八) or misheard in the middle of a run. Seven digits and more are somebody's number; fewer are, when a word before
them says so. What is followed by a unit is a measure; decimals, clock times, blood pressures and dates never count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from recordings.privacy.redact_lists import Page, Span, Taken, either, lists, simplified

LEAST: Final = 7
"""Digits of a number that needs no word before it."""
LABELLED: Final = 3
_SHORT: Final = 4
"""A number of up to so many digits may be a measure."""
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"


@dataclass(frozen=True)
class Run:
    """One number with what stands between its digits."""

    start: int
    end: int
    digits: str
    """An identity card's last may be X."""


def spans(page: Page, blocked: Sequence[Span]) -> list[Span]:
    """`blocked`: places that are dates, whose digits are no number's."""
    found = runs(page, blocked)
    labelled, kept = _labelled(page, found)
    plain = [Span(run.start, run.end, kind_of(run.digits)) for run in found if len(run.digits) >= LEAST]
    # what a word says a number is goes before what its shape says
    named = Taken((span.start, span.end) for span in labelled)
    readable = {(run.start, run.end) for run in kept}
    readable |= {(run.start, run.end) for run in found if named.touches(run.start, run.end)}
    return [
        *(span for span in plain if (span.start, span.end) not in readable),
        *labelled,
        *_mail(page),
        *(Span(hit.start(), hit.end(), "number") for hit in _plate().finditer(page.cased)),
        *(Span(hit.start(), hit.end(), "id") for hit in _PASSPORT.finditer(page.cased)),
    ]


def kind_of(digits: str) -> str:
    """What a number of seven digits or more is, by its shape."""
    national = re.sub(r"^(?:00)?86(?=1[3-9]\d{9}$)", "", digits)
    if re.fullmatch(r"1[3-9]\d{9}|0\d{9,11}|[48]00\d{7}", national):
        return "phone"
    if len(digits) == 18 and (is_identity(digits) or _is_day(digits[6:14])):
        return "id"
    if len(digits) == 15 and _is_day("19" + digits[6:12]):
        return "id"
    if 16 <= len(digits) <= 19:
        return "bank"
    if len(digits) == 8 and _is_day(digits) and digits < f"{lists()['born_before']}0101":
        return "birth"
    return "phone" if len(digits) <= 13 else "number"


def is_identity(digits: str) -> bool:
    """Whether the last of eighteen is the check digit of the rest (GB 11643-1999)."""
    if not re.fullmatch(r"\d{17}[\dX]", digits):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:17], strict=True))
    return _CHECKS[total % 11] == digits[17]


def _is_day(text: str) -> bool:
    return bool(re.fullmatch(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", text))


# ---- runs of digits -------------------------------------------------------------------------------------


def runs(page: Page, blocked: Sequence[Span] = ()) -> list[Run]:
    """All numbers of the text, of any length, measures left out."""
    found: list[Run] = []
    start, end, digits, times, fillers = -1, -1, "", 1, 0
    taken = Taken((span.start, span.end) for span in blocked)

    def close() -> None:
        nonlocal start, digits, times, fillers
        if digits:
            found.append(Run(start, end, digits))
        start, digits, times, fillers = -1, "", 1, 0

    for hit in _token().finditer(page.low):
        kind, text = hit.lastgroup or "", hit.group()
        if kind == "gap":
            continue
        if taken.touches(*hit.span()):
            close()
            continue
        value = _digits_of(kind, text)
        if kind == "misheard" and not (len(digits) >= LABELLED and _goes_on(page.low, hit.end())):
            value = ""
        if value and _is_measure(page.low, hit.end(), value, digits):
            close()
        elif value:
            start = hit.start() if not digits and start < 0 else start
            digits, end = digits + value * times, hit.end()
            times, fillers = 1, 0
        elif kind == "times":
            start = hit.start() if not digits else start
            times = int(_times()[text])
        elif kind == "cross" and len(digits) == 17:
            digits, end = digits + "X", hit.end()
            close()
        elif kind in ("filler", "misheard") and digits and fillers < 3 and text in _fillers():
            fillers += 1
        else:
            close()
    close()
    return found


def _digits_of(kind: str, text: str) -> str:
    if kind == "written":
        return text
    if kind == "han":
        both = _han() | _misheard()
        return "".join(both[character] for character in text)
    if kind == "english":
        return str(lists()["digits"]["en"][text])
    if kind == "misheard":
        return str((_misheard() | lists()["digits"]["misheard_en"])[text])
    return ""


def _is_measure(low: str, end: int, value: str, before: str) -> bool:
    """Whether these digits count something. The last digit of a telephone number before 点 or 个 does not."""
    if len(value) > _SHORT or re.fullmatch(r"1[3-9]\d{9}", (before[-11:] + value)[-11:]):
        return False
    return bool(_unit().match(low, end))


def _goes_on(low: str, end: int) -> bool:
    following = _token().match(low, end)
    while following is not None and following.lastgroup == "gap":
        following = _token().match(low, following.end())
    return following is not None and following.lastgroup in ("written", "han", "english")


@cache
def _han() -> dict[str, str]:
    return {simplified(character): digit for character, digit in lists()["digits"]["zh"].items()}


@cache
def _misheard() -> dict[str, str]:
    return dict(lists()["digits"]["misheard"])


@cache
def _times() -> dict[str, str]:
    return {simplified(word): number for word, number in lists()["digits"]["times"].items()}


@cache
def _fillers() -> frozenset[str]:
    return frozenset(lists()["digits"]["fillers"])


@cache
def _unit() -> re.Pattern[str]:
    return re.compile(rf"[ \t]*(?:{either(lists()['units'])})")


@cache
def _token() -> re.Pattern[str]:
    digits = lists()["digits"]
    han = "[" + "".join(_han()) + "]"
    wrong = "[" + "".join(_misheard()) + "]"
    han_times = "|".join(word for word in _times() if not word.isascii())
    return re.compile(
        r"(?P<value>(?<![\d.])\d{1,3}\.\d{1,2}(?![\d.])|(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)|(?<![\d/])\d{2,3}/\d{2,3}(?![\d/]))"
        r"|(?P<written>\d+)"
        rf"|(?P<times>(?:{han_times})(?={han})|{either(w for w in digits['times'] if w.isascii())})"
        rf"|(?P<han>{han}+(?:{wrong}{han}+)*)"
        r"|(?P<cross>(?<![a-z])x(?![a-z])|叉|埃克斯)"
        rf"|(?P<english>{either(digits['en'])})"
        rf"|(?P<misheard>{wrong}|{either(digits['misheard_en'])})"
        rf"|(?P<filler>{either(digits['fillers'])})"
        r"|(?P<word>[a-z]+(?:'[a-z]+)*)"
        r"|(?P<gap>[\s\-,.()+/、，。·_~…]+)"
        r"|(?P<other>.)",
        re.DOTALL,
    )


# ---- numbers with a word before them ---------------------------------------------------------------------


def _labelled(page: Page, found: Iterable[Run]) -> tuple[list[Span], list[Run]]:
    """The numbers a word before them names, and those that such a word keeps readable."""
    by_start = {run.start: run for run in found}
    spans_: list[Span] = []
    kept: list[Run] = []
    for hit in _label().finditer(page.low):
        kind = hit.lastgroup or ""
        at = _after_joins(page.low, hit.end())
        letters = _LETTERS.match(page.low, at)
        run = by_start.get(at)
        if run is None and letters is not None:
            run = by_start.get(letters.end())
        if run is not None and kind == "keep":
            if len(run.digits) <= 10:
                kept.append(run)
        elif run is not None and run.digits not in lists()["service"]:
            if len(run.digits) >= LABELLED:
                spans_.append(Span(at, run.end, kind if len(run.digits) < 11 else kind_of(run.digits)))
        elif kind not in ("keep", "phone") and (code := _CODE.match(page.low, at)) is not None:
            spans_.append(Span(at, code.end(), kind))
        elif kind == "account" and (word := _WORD.match(page.low, at)) and _is_handle(page.low, hit.end(), word):
            spans_.append(Span(at, word.end(), kind))
    return spans_, kept


def _is_handle(low: str, end: int, word: re.Match[str]) -> bool:
    """In a Chinese sentence any Latin word after 微信 is a name there; in English one after "id is"."""
    between = low[end : word.start()]
    return bool(re.search(r"[\u3400-\u9fff]", low[max(0, end - 2) : end] + between) or re.search(r"\bis\b|:", between))


def _after_joins(low: str, at: int) -> int:
    for _ in range(6):
        hit = _join().match(low, at)
        if hit is None or hit.end() == at:
            break
        at = hit.end()
    return at


@cache
def _join() -> re.Pattern[str]:
    return re.compile(rf"[\s,.:，。：、…\-#]*(?:{either(lists()['joins'])})?[\s,.:，。：、…\-#]*")


@cache
def _label() -> re.Pattern[str]:
    groups = lists()["labels"]
    return re.compile("|".join(f"(?P<{kind}>{either(words)})" for kind, words in groups.items()))


_LETTERS: Final = re.compile(r"(?:(?<![a-z])[a-z](?![a-z])[\s\-.]{0,2}){1,4}")
_CODE: Final = re.compile(r"(?=[a-z]*+[\s_-]?[a-z]*+\d)[a-z]{0,12}[_-]?[a-z0-9]*\d[a-z0-9_-]*")
_WORD: Final = re.compile(r"[a-z][a-z0-9_.-]{3,30}")
_PASSPORT: Final = re.compile(r"(?<![A-Za-z0-9])[EGDSPHK][A-Z]?\d{7,8}(?!\d)")


@cache
def _plate() -> re.Pattern[str]:
    return re.compile(rf"[{lists()['plate']}][A-Z][\s·.]?[A-Z0-9]{{5,6}}(?![A-Z0-9])")


# ---- mail ------------------------------------------------------------------------------------------------


def _mail(page: Page) -> list[Span]:
    return [Span(hit.start(), hit.end(), "email") for pattern in _MAIL for hit in pattern.finditer(page.low)]


_END: Final = r"(?:com|cn|net|org|edu|gov|hk|tw|co|io|me)(?![a-z])"
_MAIL: Final = (
    re.compile(r"[a-z0-9][\w.+-]{0,80}\s?@\s?[\w-]+(?:\.[\w-]+)+"),
    re.compile(
        rf"(?:(?!(?:e?mail|my|is|address|the|it's|and)\s)(?<![a-z0-9])[a-z0-9]+(?:\s+(?:dot|underscore|dash|hyphen)\s+|[._-]|\s+)){{1,4}}at\s+(?:[a-z0-9]+\s+){{1,5}}?dot\s+{_END}"
        r"(?:\s+dot\s+(?:cn|hk|uk|tw))?"
    ),
    re.compile(
        rf"[a-z0-9一二三四五六七八九零幺][a-z0-9一二三四五六七八九零幺._\s-]{{1,40}}?(?:艾特|小老鼠|圈a|@|at)\s*+[a-z0-9一二三四五六七八九零幺.\s]{{1,20}}?(?:点|\.)\s*(?:{_END}|康姆)"
    ),
)
