"""How many sentences of danger the phrase lists find in sets nobody mended them from one by one, and how often they
ring a doctor for nothing. docs/quality.md has the figures; here is the floor under them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recordings.findings.lexicon import load
from recordings.findings.machine_flags import signs
from recordings.sound.conversation import Line

LISTS = {"en": load("en"), "zh-CN": load("zh-CN")}


def sentences(which: str, language: str, kind: str) -> list[str]:
    path = Path(__file__).with_name(f"held_out_{which}.yaml")
    return list(flat(yaml.safe_load(path.read_text(encoding="utf-8"))[language][kind]))


def flat(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
        return
    for one in part.values() if isinstance(part, dict) else part:
        yield from flat(one)


def ringing(said: list[str], language: str) -> float:
    """The share of these sentences that ring a doctor."""
    rung = [
        text
        for text in said
        if {one.level for one in signs([Line("patient", 0, 1, text, 0.9)], LISTS[language])} & {"A", "B"}
    ]
    return len(rung) / len(said)


@pytest.mark.parametrize(
    ("which", "language", "sizes", "found", "for_nothing"),
    [
        ("first", "en", (79, 68), 0.96, 0.13),
        ("first", "zh-CN", (84, 69), 0.96, 0.08),
        ("second", "en", (34, 30), 0.88, 0.01),
        ("second", "zh-CN", (33, 30), 0.90, 0.01),
        ("third", "en", (50, 50), 0.88, 0.03),
        ("third", "zh-CN", (50, 50), 0.90, 0.01),
        ("fourth", "en", (70, 40), 0.72, 0.13),
        ("fourth", "zh-CN", (70, 40), 0.76, 0.11),
    ],
)
def test_the_lists_find_no_less_than_was_measured(
    which: str, language: str, sizes: tuple[int, int], found: float, for_nothing: float
) -> None:
    danger, harmless = sentences(which, language, "danger"), sentences(which, language, "harmless")
    assert (len(set(danger)), len(set(harmless))) == sizes
    assert ringing(danger, language) >= found
    assert ringing(harmless, language) <= for_nothing
