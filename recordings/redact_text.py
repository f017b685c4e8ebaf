"""(filled next)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from recordings.redact_known import NOBODY, Known

VERSION: Final = "1"
KINDS: Final = ("name",)


def masked(text: str, language: str, known: Known = NOBODY) -> str:
    """`text` with whoever and wherever masked; each mask says its kind in `language` (the reader's)."""
    return masked_lines([("", text)], language, known)[0]


def masked_lines(lines: Sequence[tuple[str, str]], language: str, known: Known = NOBODY) -> list[str]:
    return [text for _, text in lines]
