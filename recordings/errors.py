"""How wrong a transcript is: characters of Chinese, words of English, against what was said. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np

UNIT: Final = {"zh-CN": "CER", "en": "WER"}
_INSIDE_A_WORD: Final = "'’"


def units(text: str, language: str) -> list[str]:
    """What is counted. Width and case are made one and punctuation is left out; nothing else is: a number in digits is
    not the number in words, traditional characters are not simplified ones."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(letter if _counts(letter) else " " for letter in plain).replace("’", "'")
    if language == "zh-CN":
        return [letter for letter in kept if not letter.isspace() and letter != "'"]
    return [word for word in (part.strip("'") for part in kept.split()) if word]


def _counts(letter: str) -> bool:
    return letter in _INSIDE_A_WORD or unicodedata.category(letter)[0] in "LNM"


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest units to put in, leave out or replace to make one of the other (Levenshtein)."""
    ids = {unit: number for number, unit in enumerate({*said, *heard})}
    across = np.array([ids[unit] for unit in heard], dtype=np.int64)
    steps = np.arange(len(heard) + 1)
    row = steps.copy()
    for unit in said:
        best = row + 1  # left out
        best[1:] = np.minimum(best[1:], row[:-1] + (across != ids[unit]))  # kept or replaced
        # put in: from any place to the left, one each; a running minimum once the steps are taken off
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])
