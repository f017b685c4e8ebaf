"""Names in what was said, of people nobody has on file: by the words around them. Pure.

Mandarin: after 我叫 anything, after 我是 or 患者 only what begins with a surname and ends like a name; a surname before
a title (王先生); a sure surname before two characters that names are made of. English: after "my name is" whatever
follows, after "this is" what has a capital or is "calling". The lists, with the words that only look like names, are
data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from recordings.privacy.redact_lists import HAN, Page, Span, characters, either, lists

_NEAR: Final = 40


def spans(page: Page) -> list[Span]:
    return [Span(start, end, "name") for start, end in (*_chinese(page.low), *_english(page))]


# ---- Mandarin --------------------------------------------------------------------------------------------


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    for hit in _cue().finditer(text):
        yield from _after_cue(text, hit)
    for hit in _weak().finditer(text):
        name = _with_surname().match(text, hit.end())
        if name and not _is_word(text, name.start(1)) and _ends_like_a_name(text, name):
            yield name.span(1)
    for hit in _family().finditer(text):
        yield hit.span(1)
    for hit in _titled().finditer(text):
        which = hit.lastgroup or ""
        if _is_titled(text, hit.start(which)):
            yield hit.span(which)
    for hit in _bare().finditer(text):
        if not _is_word(text, hit.start()):
            yield hit.span()
    for hit in _spelled().finditer(text):
        yield hit.span()
    for hit in _CHARACTER.finditer(text):
        if _spelling_near().search(text, max(0, hit.start() - 20), hit.start()):
            yield hit.span()


def _after_cue(text: str, cue: re.Match[str]) -> Iterator[tuple[int, int]]:
    """A name with a surname of the list; after 我叫 one without, too."""
    at = cue.end()
    name = _with_surname().match(text, at)
    if name is not None and not _is_word(text, name.start(1)):
        yield name.span(1)
        return
    other = _other_name().match(text, at) or _LATIN.match(text, at) if cue[0].endswith("叫") else None
    if other is not None and not _is_word(text, other.start(1)):
        yield other.span(1)


def _ends_like_a_name(text: str, name: re.Match[str]) -> bool:
    return bool(_name_end().match(text, name.end(1)))


def _is_word(text: str, at: int) -> bool:
    return _words().match(text, at) is not None


def _is_titled(text: str, at: int) -> bool:
    surname, before = text[at], text[max(0, at - 1) : at]
    if surname in lists()["never_before_title"] or _is_word(text, at):
        return False
    return not before or before not in lists()["word_before"].get(surname, "")


@cache
def _surname() -> str:
    return f"(?:{either(lists()['compound'])}|{characters('surnames')})"


@cache
def _after() -> str:
    ends: str = lists()["after_name"]
    return "[" + re.escape(ends.strip()) + r"\s]"


@cache
def _given() -> str:
    """One or two characters; the second only if no sentence goes on with it."""
    return rf"(?:(?!{_after()}){HAN})(?:\s?(?!{_after()}){HAN})?"


@cache
def _with_surname() -> re.Pattern[str]:
    return re.compile(rf"[\s，,:：、]{{0,2}}({_surname()}\s?{_given()})")


@cache
def _other_name() -> re.Pattern[str]:
    """A name with a family name nobody listed: short, and something ends it."""
    not_this = "[" + re.escape(lists()["not_after_cue"]) + "]"
    return re.compile(rf"[\s，,:：]{{0,2}}((?!{not_this})(?:(?!{_after()}){HAN}|·){{2,8}}?)(?=$|{_after()})")


@cache
def _name_end() -> re.Pattern[str]:
    relation = either(lists()["relations"])
    ends = "[，,。.！!？?；;、:：\n我吗呢啊呀吧想要打今昨明住手电]"
    return re.compile(rf"\s*(?:$|{ends}|的(?:{relation})|(?:{relation})|先生|女士|本人)")


@cache
def _cue() -> re.Pattern[str]:
    return re.compile(either(lists()["cues"]))


@cache
def _weak() -> re.Pattern[str]:
    return re.compile(either(lists()["weak_cues"]))


@cache
def _family() -> re.Pattern[str]:
    after = rf"(?=$|{_after()}|{either(lists()['spelled'])})"
    return re.compile(rf"(?:{either(lists()['family_cues'])})[\s，,]?({_surname()}){after}")


@cache
def _titled() -> re.Pattern[str]:
    """王先生, 王小明医生; 王总 before a break; 小王说."""
    given, sure = characters("given"), characters("sure")
    family = f"(?:{either(lists()['compound'])}|{characters('surnames')})"
    return re.compile(
        rf"(?=(?P<long>{family}{given}{{0,2}})(?:{either(lists()['titles'])}))"
        rf"|(?=(?P<short>{sure})(?:{either(lists()['short_titles'])})(?:$|{_after()}))"
        rf"|(?<!{HAN})[老小](?=(?P<old>{sure})(?:$|[，,。说的]))"
    )


@cache
def _bare() -> re.Pattern[str]:
    given = characters("given")
    return re.compile(rf"(?:{either(lists()['compound'])}|{characters('sure')}){given}{given}(?={_after()}|$)")


@cache
def _spelled() -> re.Pattern[str]:
    return re.compile(either(lists()["spelled"]))


_LATIN: Final = re.compile(r"[\s，,:：]{0,2}([a-z][a-z'\-]+(?: [a-z][a-z'\-]+){0,2})")
"""我叫 Ann Example"""
_CHARACTER: Final = re.compile(rf"({HAN})({HAN})的(?:\1|\2)")
"""伟大的伟"""


@cache
def _spelling_near() -> re.Pattern[str]:
    before = [either(lists()[name]) for name in ("cues", "family_cues", "spelled")]
    return re.compile("|".join([*before, rf"{HAN}{HAN}的{HAN}"]))


@cache
def _words() -> re.Pattern[str]:
    return re.compile(either(lists()["words"]))


# ---- English ---------------------------------------------------------------------------------------------


def _english(page: Page) -> Iterator[tuple[int, int]]:
    cased = bool(_CAPITAL.search(page.cased))
    for hit in _cue_en().finditer(page.low):
        yield from _words_of_a_name(page, hit.end(), most=4, cased=cased, sure=True)
    for hit in _weak_en().finditer(page.low):
        yield from _words_of_a_name(page, hit.end(), most=3, cased=True, sure=False)
        if calling := _calling().match(page.low, hit.end()):
            name = calling[1].split()
            if not any(word in _stop() for word in name):
                yield calling.span(1)
    for hit in _title_en().finditer(page.low):
        sure = hit[1] in ("mr", "mrs", "ms", "mister", "missus")
        yield from _words_of_a_name(page, hit.end(), most=2, cased=cased or not sure, sure=sure)
    for hit in _SPELLED.finditer(page.low):
        letters = len(re.findall("[a-z]", hit[0]))
        if _spell().search(page.low, max(0, hit.start() - _NEAR), hit.start()) and letters >= 3:
            yield hit.span()


def _words_of_a_name(page: Page, at: int, *, most: int, cased: bool, sure: bool) -> Iterator[tuple[int, int]]:
    """The words from `at` on that are one; with `sure` the first counts however it is written."""
    start = end = -1
    for _ in range(most):
        word = _WORD.match(page.cased, at)
        if word is None or word[1].lower() in _stop():
            break
        if cased and not word[1][0].isupper() and not (sure and start < 0):
            break
        start, end, at = (word.start(1) if start < 0 else start), word.end(1), word.end()
    if start >= 0:
        yield start, end


_CAPITAL: Final = re.compile(r"(?<![A-Za-z])(?!I(?:'|\b))[A-Z][a-z]")
_WORD: Final = re.compile(r"[\s,:\"']{0,3}([A-Za-z][A-Za-z'\-]*)\.?(?![A-Za-z])")
_SPELLED: Final = re.compile(r"(?<![a-z])(?:[a-z][\s.\-,]{1,3}){2,}[a-z](?![a-z])")


@cache
def _stop() -> frozenset[str]:
    return frozenset(lists()["english"]["stop"])


@cache
def _cue_en() -> re.Pattern[str]:
    return re.compile(rf"(?:{either(lists()['english']['cues'])})(?:\s+(?:is|was|it's|uh|um|er)(?![a-z']))?")


@cache
def _weak_en() -> re.Pattern[str]:
    return re.compile(either(lists()["english"]["weak"]))


@cache
def _calling() -> re.Pattern[str]:
    return re.compile(rf"[\s,]+([a-z]+(?: [a-z]+)?)[\s,]+(?:{either(lists()['english']['calling'])})")


@cache
def _title_en() -> re.Pattern[str]:
    titles = "|".join(lists()["english"]["titles"])
    return re.compile(rf"(?<![a-z])({titles})(?![a-z])\.?")


@cache
def _spell() -> re.Pattern[str]:
    return re.compile(r"spell|spelt|name|called")
