"""People who must never be found again: invented names, numbers and identity cards, planted wherever people say them,
and a search for them in every spelling a byte can have."""

from __future__ import annotations

import base64
import json
import random
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

_FIRST = ("Qarvo", "Tizzi", "Wemblo", "Zorfu", "Blixa", "Druvo", "Flonz", "Grupto", "Hyzel", "Jaxqui", "Kvorti")
_LAST = ("Nelquist", "Zickbaum", "Vandoorp", "Muckleroy", "Throssfitch", "Wobbleyard", "Quenchbury", "Spindlarke")
_SURNAMES = "王李张刘陈杨赵吴徐孙朱郭罗宋郑谢韩唐冯董萧曹袁邓彭吕蒋蔡贾魏薛潘杜"
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛超秀霞平刚桂英华玉兰红建国文辉海燕玲鹏志慧莉斌波鑫"
    "浩宇轩梓涵欣怡萱诗晨思博雅佳琪嘉俊昊泽睿哲瑶婷"
)

VOWELS, OTHERS = "aeiou", "bdfgklmnprstvz"


@dataclass(frozen=True)
class Planted:
    mrn: str
    name: str
    phone: str
    """E.164."""
    card: str
    """Eighteen digits."""
    birth_date: str
    language: str

    @property
    def national(self) -> str:
        return self.phone.removeprefix("+86")


def people(count: int, seed: int = 6) -> list[Planted]:
    """So many, all different; every second one Chinese."""
    luck = random.Random(seed)
    made: dict[str, Planted] = {}
    while len(made) < count:
        chinese = len(made) % 2 == 0
        name = (
            luck.choice(_SURNAMES) + luck.choice(_GIVEN) + luck.choice(_GIVEN)
            if chinese
            else f"{luck.choice(_FIRST)}{luck.choice(VOWELS)}{luck.choice(OTHERS)} {luck.choice(_LAST)}"
        )
        born = f"{luck.randrange(1931, 2009)}{luck.randrange(1, 13):02d}{luck.randrange(1, 29):02d}"
        body = f"11010{luck.randrange(1, 9)}{born}{luck.randrange(1000):03d}"
        check = "10X98765432"[sum(2 ** (17 - at) % 11 * int(digit) for at, digit in enumerate(body)) % 11]
        made.setdefault(
            name,
            Planted(
                f"PL{len(made):03d}{luck.randrange(10**6):06d}", name, f"+8619{luck.randrange(10**9):09d}",
                body + check, f"{born[:4]}-{born[4:6]}-{born[6:]}", "zh-CN" if chinese else "en",
            ),
        )  # fmt: skip
    return list(made.values())


# ---- how people say it ---------------------------------------------------------------------------------

_HAN = dict(zip("0123456789X", "零幺二三四五六七八九叉", strict=True))
_ENGLISH = dict(
    zip("0123456789X", ["oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "x"], strict=True)
)


def spoken(digits: str, language: str) -> str:
    if language.startswith("zh"):
        return "".join(_HAN[digit] for digit in digits)
    return " ".join(_ENGLISH[digit] for digit in digits)


def sentence(one: Planted, way: int) -> str:
    """Name, telephone, card and record number in one of three ways: written, spoken, broken up."""
    if one.language == "zh-CN":
        return (
            f"我叫{one.name}，电话{one.national}，身份证{one.card}，病历号{one.mrn}，疼痛七分",
            f"您好，我是{one.name}，手机{spoken(one.national, 'zh')}，身份证号是{spoken(one.card, 'zh')}，"
            f"住院号 {one.mrn}，疼痛七分",
            f"病人叫{one.name}，电话{one.national[:3]} {one.national[3:7]}，嗯，{one.national[7:]}，{one.name}疼七分",
        )[way % 3]
    return (
        f"My name is {one.name}, phone {one.national}, ID {one.card}, record number {one.mrn}, my pain is seven",
        f"this is {one.name.lower()} calling, my number is {spoken(one.national, 'en')}, my identity card is "
        f"{spoken(one.card, 'en')}, my pain is seven",
        f"It's {one.name} here, {one.national[:3]}-{one.national[3:7]}-{one.national[7:]}, {one.name} again, seven",
    )[way % 3]


# ---- the search ----------------------------------------------------------------------------------------

LEAST = 6


def spellings(text: str) -> Iterator[bytes]:
    """The bytes in which `text` may lie somewhere: as it is, in UTF-16, hex, base64, URL and JSON escapes, PostgreSQL's
    and the rest in lower and upper case."""
    plain = text.encode()
    for form in {text, text.lower(), text.upper()}:
        raw = form.encode()
        yield from (raw, form.encode("utf-16-le"), form.encode("utf-16-be"))
        yield from (raw.hex().encode(), raw.hex().upper().encode())
        yield urllib.parse.quote(form, safe="").encode()
        yield urllib.parse.quote_plus(form).encode()
        yield json.dumps(form)[1:-1].encode()
    for skip in range(3):
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            whole = code(b"\0" * skip + plain)
            # what the characters before and after the text would change is left off
            yield whole[(skip * 8 + 5) // 6 : (skip + len(plain)) * 8 // 6]


class Search:
    """Finds any of many texts, in any spelling, in megabytes: by the first bytes of each, six at a time."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.by_start: dict[int, list[tuple[bytes, str]]] = {}
        for text in texts:
            for form in set(spellings(text)):
                assert len(form) >= LEAST, "too short to be told from chance"
                self.by_start.setdefault(int.from_bytes(form[:LEAST], "little"), []).append((form, text))
        self.starts = np.array(sorted(self.by_start), dtype=np.uint64)

    def found(self, data: bytes) -> list[str]:
        """What stands in `data`, each text once."""
        if len(data) < LEAST:
            return []
        padded = np.frombuffer(data + b"\0" * 16, np.uint8)
        hits: set[str] = set()
        for offset in range(8):
            windows = padded[offset : offset + (len(data) - offset + 7) // 8 * 8].view("<u8") & np.uint64(2**48 - 1)
            for at in np.flatnonzero(np.isin(windows, self.starts)):
                place = offset + 8 * int(at)
                for form, text in self.by_start[int(windows[at])]:
                    if data.startswith(form, place):
                        hits.add(text)
        return sorted(hits)
