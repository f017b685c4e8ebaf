"""Simplified characters for traditional ones, one for one, so that a place in the text stays the same place. Pure but
for reading the table (recordings/simplified.txt).

Whisper writes one sentence of Mandarin in the one script and the next in the other, and who types a chat may write
either; lists of phrases, names and what a listener searches for are in simplified ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("simplified.txt")


def simplified(text: str) -> str:
    """Character by character: 發 is 发 also where it is hair."""
    return text if text.isascii() else text.translate(table())


@cache
def table() -> Mapping[int, str]:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    pairs = [pair for line in lines if not line.startswith("#") for pair in line.split()]
    return {ord(pair[0]): pair[1] for pair in pairs}
