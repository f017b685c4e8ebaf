"""Words of warning, proven on text. A miss is worse than a false alarm: each rule that takes one back has its limit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from recordings.findings.flags import in_text
from recordings.findings.lexicon import load
from recordings.findings.machine_flags import Sign, is_screened, signs
from recordings.sound.conversation import Line

LISTS = {"en": load("en"), "zh-CN": load("zh-CN")}
CASES = yaml.safe_load(Path(__file__).with_name("lexicon_cases.yaml").read_text(encoding="utf-8"))["patient"]

SAID = yaml.safe_load(Path(__file__).with_name("patients_say.yaml").read_text(encoding="utf-8"))


def heard(text: str, language: str = "en", speaker: str = "patient") -> dict[str, str]:
    return {one.question: one.level for one in signs([Line(speaker, 0, 1, text, 0.9)], LISTS[language])}


@pytest.mark.parametrize(("language", "text", "wanted"), CASES, ids=range(len(CASES)))
def test_what_a_patient_says(language: str, text: str, wanted: dict[str, str]) -> None:
    assert heard(text, language) == wanted


def test_only_on_the_patients_own_channel() -> None:
    for speaker in ("line", "both"):
        assert heard("is the wound bleeding or do you have chest pain", speaker=speaker) == {}


def test_the_worst_level_of_a_sign_counts_once_and_the_worst_sign_comes_first() -> None:
    lines = [
        Line("patient", 1, 2, "it is bleeding and I have a fever", 0.9),
        Line("patient", 5, 6, "the bleeding won't stop", 0.9),
    ]
    assert signs(lines, LISTS["en"]) == [Sign("bleeding", "A", 5), Sign("fever", "C", 1)]


def test_a_denial_and_then_the_sign_is_the_sign() -> None:
    assert heard("no bleeding yesterday. now there is bleeding") == {"bleeding": "B"}
    assert heard("昨天没有出血，今天出血了", "zh-CN") == {"bleeding": "B"}


@pytest.mark.parametrize(
    ("level", "said", "left"), [("A", "chest pain", "A"), ("B", "vomiting", "C"), ("C", "fever", "")]
)
@pytest.mark.parametrize("before", ["what if I have", "years ago I had", "my neighbour has"])
def test_what_is_said_of_other_days_or_people_weighs_by_level(before: str, level: str, said: str, left: str) -> None:
    lexicon = LISTS["en"]
    [hit] = in_text(lexicon.normal(f"{before} {said}"), lexicon)
    assert (hit.flag.level, hit.level) == (level, left)
    assert hit.doubt


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("en", "I put a towel on it and the towel is red with blood", {"bleeding": "B"}),
        ("en", "my calf is fine and my calf was hard", {"chest": "A"}),
        ("zh-CN", "腿没事就是小腿肿", {"chest": "A"}),
    ],
)
def test_a_first_part_that_a_break_follows_hides_no_nearer_one(
    language: str, text: str, wanted: dict[str, str]
) -> None:
    assert heard(text, language) == wanted


@pytest.mark.parametrize(
    ("language", "text"), [("en", "my calf is sore and i had chest pain "), ("zh-CN", "腿有点疼胸口闷昨天吐了")]
)
def test_a_long_answer_is_screened_in_time_that_grows_with_its_length(language: str, text: str) -> None:
    """Each word of a class is looked for once, and a pattern is tried only where both its sides are there."""
    lexicon = LISTS[language]

    def took(times: int) -> float:
        begun = time.perf_counter()
        in_text(lexicon.without_allowed(lexicon.normal(text * times)), lexicon)
        return time.perf_counter() - begun

    took(1)
    assert min(took(40) for _ in range(3)) < 40 * min(took(4) for _ in range(3))


@pytest.mark.parametrize(
    ("purpose", "kind", "screened"),
    [
        ("open_answer", "followup", True),
        ("message", "hotline", True),
        ("open_answer", None, True),
        ("call", "followup", True),
        ("call", "hotline", False),  # an agent heard it, or a message has it
        ("bridge", "doctor", False),
    ],
)
def test_which_recordings_may_raise_an_alarm(purpose: str, kind: str | None, screened: bool) -> None:
    assert is_screened(purpose, kind) is screened


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_patients_in_danger_say_rings_a_doctor_and_what_others_say_nobody(language: str) -> None:
    danger, harmless = SAID[language]["danger"], SAID[language]["harmless"]
    assert [text for text in danger if not set(heard(text, language).values()) & {"A", "B"}] == []
    assert {text: found for text in harmless if (found := heard(text, language))} == {}
    assert min(len(danger), len(harmless)) >= 50


@pytest.mark.parametrize(
    ("language", "lines", "wanted"),
    [
        ("en", ["I have chest", "pain since noon"], {"chest": "A"}),
        ("en", ["the bleeding", "won't stop"], {"bleeding": "A"}),
        ("en", ["no", "urine is fine"], {}),  # an answer, and then another sentence
        ("en", ["no bleeding", "no fever"], {}),
        ("zh-CN", ["我喘不", "上气"], {"chest": "A"}),
        ("zh-CN", ["出血没有", "发烧也没有"], {}),
    ],
)
def test_who_pauses_for_breath_in_a_phrase_is_heard_all_the_same(
    language: str, lines: list[str], wanted: dict[str, str]
) -> None:
    """The words of one who is in pain come in pieces, and a pause ends a line (recordings.sound.conversation)."""
    said = [Line("patient", 3 * n, 3 * n + 1, text, 0.9) for n, text in enumerate(lines)]
    found = signs(said, LISTS[language])
    assert {one.question: one.level for one in found} == wanted
    assert {one.start_s for one in found} <= {0}, "it was said when it began"
    far = [Line("patient", 60 * n, 60 * n + 1, text, 0.9) for n, text in enumerate(lines)]
    assert not [one for one in signs(far, LISTS[language]) if one.level == "A"]
