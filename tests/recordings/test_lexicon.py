"""The phrase lists, proven on text: no model understands the offline voice's Mandarin."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from recordings.lexicon import CATEGORIES, Finding, LexiconError, find, load

EN, ZH = load("en"), load("zh-CN")


@dataclass(frozen=True)
class Said:
    text: str
    speaker: str = "patient"
    start_s: float = 0.0


def hits(text: str, speaker: str = "patient") -> list[tuple[str, str, int]]:
    lexicon = ZH if any("\u4e00" <= c <= "\u9fff" for c in text) else EN
    return [(hit.category, hit.phrase, hit.severity) for hit in find([Said(text, speaker)], lexicon)]


@pytest.mark.parametrize("lexicon", [EN, ZH], ids=["en", "zh-CN"])
def test_the_shipped_lists_are_whole(lexicon: object) -> None:
    assert {category.name for category in lexicon.categories} == set(CATEGORIES)  # type: ignore[attr-defined]
    assert lexicon.version.startswith(lexicon.language)  # type: ignore[attr-defined]


@pytest.mark.parametrize("lexicon", [EN, ZH], ids=["en", "zh-CN"])
def test_every_phrase_finds_itself(lexicon: object) -> None:
    for category in lexicon.categories:  # type: ignore[attr-defined]
        for phrase in category.phrases:
            found = find([Said(phrase, sorted(category.speakers)[-1])], lexicon)  # type: ignore[arg-type]
            assert (category.name, phrase) in [(hit.category, hit.phrase) for hit in found], phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The wound is BLEEDING.", "bleeding"),
        ("I have chest pain, doctor", "chest pain"),
        ("I can\u2019t breathe!", "can't breathe"),
        ("伤口一直在出血", "出血"),
        ("我胸痛,喘不上气", "胸痛"),
        ("我覺得胸悶", "胸闷"),
        ("傷口裂開了", "伤口裂开"),
        ("胸 口 疼", "胸口疼"),
    ],
)
def test_red_flags_of_the_patient(text: str, phrase: str) -> None:
    assert ("red_flag", phrase, 3) in hits(text)
    assert hits(text, "line") == []


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("I guarantee you'll be fine", "over_promise"),
        ("That's not my department", "evasion"),
        ("Hurry up please", "impatience"),
        ("you can stop your medication", "unsafe_advice"),
        ("我们保证治好", "over_promise"),
        ("這個不歸我管", "evasion"),
        ("有完沒完", "impatience"),
        ("你把药停了", "unsafe_advice"),
    ],
)
def test_staff_phrases_on_the_line_only(text: str, category: str) -> None:
    assert category in [hit[0] for hit in hits(text, "line")]
    assert hits(text, "patient") == []
    assert category in [hit[0] for hit in hits(text, "both")]


@pytest.mark.parametrize(
    "text",
    [
        "we cannot guarantee that",
        "nobody can promise, or guarantee it with no risk",
        "我们不能保证治好",
        "没人敢说百分之百",
    ],
)
def test_a_negated_promise_is_none(text: str) -> None:
    promised = [hit for hit in hits(text, "line") if hit[1] in ("guarantee", "保证治好", "百分之百")]
    assert promised == [] or "," in text


def test_a_negation_counts_within_its_clause_and_window() -> None:
    assert hits("我不能来,你保证治好", "line") == [("over_promise", "保证治好", 3)]
    assert hits("not today because we are full and I guarantee it", "line") == [("over_promise", "i guarantee", 3)]


def test_a_negated_red_flag_is_lowered_not_dropped() -> None:
    assert hits("there is no bleeding") == [("red_flag", "bleeding", 1)]
    assert hits("没有出血") == [("red_flag", "出血", 1)]
    assert hits("没出血") == [("red_flag", "出血", 1)]


@pytest.mark.parametrize(
    "text", ["我要做无痛胃镜", "my blood pressure is fine", "a painless gastroscopy", "bloody number"]
)
def test_terms_that_only_look_alike(text: str) -> None:
    assert hits(text) == hits(text, "line") == []


def test_a_phrase_in_a_longer_one_counts_once() -> None:
    assert hits("我也没办法", "line") == [("evasion", "我也没办法", 2)]
    assert hits("pain in my chest and bleeding bleeding") == [
        ("red_flag", "pain in my chest", 3),
        ("red_flag", "bleeding", 3),
        ("red_flag", "bleeding", 3),
    ]


def test_a_finding_says_where() -> None:
    lines = [Said("good morning", "line", 0.0), Said("I have a high fever", "patient", 12.5)]
    assert find(lines, EN) == [Finding("red_flag", "high fever", 12.5, "patient", 3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("language: xx\nversion: 1\n", "categories|negation"),
        ("language: yy\nversion: 1\nnegation: {window: 1, words: []}\ncategories: {}\n", "language yy"),
        ("language: xx\nversion: 1\nnegation: {window: 3, words: [no]}\ncategories: {}\n", "quote"),
        (
            "language: xx\nversion: 1\nnegation: {window: 1, words: []}\n"
            "categories: {evasion: {severity: 9, speakers: [line], phrases: [a]}}\n",
            "severity",
        ),
        (
            "language: xx\nversion: 1\nnegation: {window: 1, words: []}\n"
            "categories: {rudeness: {severity: 1, speakers: [line], phrases: [a]}}\n",
            "no category rudeness",
        ),
        (
            "language: xx\nversion: 1\nnegation: {window: 1, words: []}\n"
            "categories: {evasion: {severity: 1, speakers: [line], phrases: ['a, b']}}\n",
            "punctuation",
        ),
        (": :", "cannot be used"),
    ],
)
def test_a_wrong_list_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "xx.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(LexiconError, match=words):
        load("xx", tmp_path)


def test_a_language_without_a_list(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no phrase list for fr"):
        load("fr", tmp_path)
