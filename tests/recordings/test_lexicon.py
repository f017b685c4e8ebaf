"""The phrase lists, proven on text: no model understands the offline voice's Mandarin."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from dialer.alarm import NOT_ASKED
from ivr.flow import load_questions
from recordings.findings.lexicon import Finding, Lexicon, LexiconError, find, load, screen_line
from recordings.findings.lexicon_list import SPOKEN
from recordings.sound.conversation import Line, Word
from tests.house import ROOT

EN, ZH = load("en"), load("zh-CN")
LISTS = {"en": EN, "zh-CN": ZH}
CASES = yaml.safe_load(Path(__file__).with_name("lexicon_cases.yaml").read_text(encoding="utf-8"))
by_list = pytest.mark.parametrize("lexicon", [EN, ZH], ids=["en", "zh-CN"])


@dataclass(frozen=True)
class Said:
    text: str
    speaker: str = "patient"
    start_s: float = 0.0


def of(text: str) -> Lexicon:
    return ZH if any("\u4e00" <= c <= "\u9fff" for c in text) else EN


def hits(text: str, speaker: str = "patient", *, strict: bool = False) -> list[tuple[str, str, int]]:
    found = find([Said(text, speaker)], of(text), strict=strict)
    return [(hit.category, hit.phrase, hit.severity) for hit in found]


def notes(text: str, speaker: str = "line") -> list[tuple[str, str]]:
    return [(hit.phrase, hit.note) for hit in find([Said(text, speaker)], of(text), strict=True)]


# ---- the lists themselves --------------------------------------------------------------------------------
@by_list
def test_the_shipped_lists_are_whole(lexicon: Lexicon) -> None:
    assert {phrase.category for phrase in lexicon.phrases} == set(SPOKEN)
    assert lexicon.version.startswith(lexicon.language)
    assert {phrase.group for phrase in lexicon.phrases if phrase.category == "advertising"} == set(lexicon.instead)
    assert set(lexicon.instead) == {"absolute", "cure", "safety", "proof", "lure"}
    assert {flag.level for flag in lexicon.flags} == {"A", "B", "C"}


@by_list
def test_every_phrase_finds_itself(lexicon: Lexicon) -> None:
    for phrase in lexicon.phrases:
        found = find([Said(phrase.text, "line")], lexicon, strict=True)
        assert (phrase.category, phrase.text, "") in [(hit.category, hit.phrase, hit.note) for hit in found], phrase
    for flag in lexicon.flags:
        found = find([Said(flag.text)], lexicon)
        assert (flag.text, "") in [(hit.phrase, hit.note) for hit in found], flag


def test_every_sign_is_a_question_of_the_flows_and_has_words_for_the_doctor() -> None:
    asked = load_questions(ROOT / "flows")
    assert asked is not None
    for language, lexicon in LISTS.items():
        prompts = yaml.safe_load((ROOT / "prompts" / f"{language}.yaml").read_text(encoding="utf-8"))["prompts"]
        keys = {flag.question for flag in (*lexicon.flags, *lexicon.flag_pairs)}
        assert keys <= set(asked.questions) | NOT_ASKED
        for_a_doctor = {flag.question for flag in (*lexicon.flags, *lexicon.flag_pairs) if flag.level in ("A", "B")}
        assert {f"sign_{key}" for key in for_a_doctor} <= set(prompts), "the doctor would hear a key"
    assert {flag.question for flag in EN.flags} == {flag.question for flag in ZH.flags}


def test_the_words_of_the_compliance_list_are_in_ours() -> None:
    """docs/clinical.md section 3: the banned and gated words, with their groups."""
    text = (ROOT / "docs" / "clinical.md").read_text(encoding="utf-8")
    [told] = re.findall(r"Banned/gated words.*?others inferred\) – (.*?) The clinical term", text)
    ours = {(phrase.group, phrase.text) for phrase in ZH.phrases if phrase.category == "advertising"}
    wanted = {
        (group, word)
        for part in told.split(";")
        for group, words in [re.findall(r"\*(\w+):\* (.+)", part)[0]]
        for word in words.replace("†", "").rstrip(".").split()
    }
    assert len(wanted) > 50
    assert wanted - ours == set()


# ---- sentences -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("language", "text", "wanted"), CASES["line"], ids=range(len(CASES["line"])))
def test_what_our_side_says(language: str, text: str, wanted: list[str]) -> None:
    found = find([Said(text, "line")], LISTS[language])
    assert Counter(hit.category for hit in found) == Counter(wanted)
    theirs = {hit.category for hit in find([Said(text, "patient")], LISTS[language])}
    assert not theirs & set(SPOKEN), "the agent's channel only"


def test_precision_and_recall_on_our_own_sentences_are_whole() -> None:
    """On the fixture only, by category; what a list does with real talks is not known (docs/clinical.md section 4)."""
    right: Counter[str] = Counter()
    wrong, missed = Counter[str](), Counter[str]()
    for language, text, wanted in CASES["line"]:
        found = Counter(hit.category for hit in find([Said(text, "line")], LISTS[language]))
        right += found & Counter(wanted)
        wrong += found - Counter(wanted)
        missed += Counter(wanted) - found
    assert set(right) == set(SPOKEN), "each category has a case"
    for category, count in right.items():
        assert count / (count + wrong[category]) == count / (count + missed[category]) == 1.0, category


# ---- windows ---------------------------------------------------------------------------------------------
def test_a_negation_counts_within_its_clause_and_window() -> None:
    assert hits("我不能来,你保证治好", "line") == [("over_promise", "保证治好", 3)]
    assert hits("not today because we are full and I guarantee it", "line") == [("over_promise", "i guarantee", 3)]
    assert hits("没有" + "好" * 10 + "包好", "line") == []
    assert hits("没有" + "好" * 11 + "包好", "line") == [("over_promise", "包好", 3)], "twelve characters, not thirteen"


def test_what_the_agent_repeats_from_the_patient_is_no_promise() -> None:
    assert hits("您说包好", "line") == hits("you said it's guaranteed", "line") == []
    assert notes("您说包好") == [("包好", "quoted")]
    assert notes("you said it's guaranteed") == [("guaranteed", "quoted")]
    assert hits("you said so. it's guaranteed", "line") != []


def test_strict_shows_mild_and_negated_hits_and_says_why() -> None:
    assert hits("您最好明天来", "line") == []
    assert hits("您最好明天来", "line", strict=True) == [("advertising", "最好", 1)]
    assert hits("我们不能保证治好", "line", strict=True) == [("over_promise", "保证治好", 1)]
    assert notes("we cannot guarantee it") == [("guarantee", "negated")]
    assert hits("calm down", "line", strict=True) == [("impatience", "calm down", 1)]


def test_on_one_channel_the_finding_says_so_and_weighs_less() -> None:
    [both] = find([Said("we guarantee it", "both")], EN)
    [line] = find([Said("we guarantee it", "line")], EN)
    assert (line.severity, line.note) == (3, "")
    assert (both.severity, both.note, both.speaker) == (2, "mono", "both")
    [mild] = find([Said("hurry up", "both")], EN)
    assert (mild.severity, mild.note) == (1, "mono"), "shown all the same"


def test_a_negated_red_flag_is_lowered_not_dropped() -> None:
    assert hits("there is no bleeding") == [("red_flag", "bleeding", 1)]
    assert hits("没有出血") == [("red_flag", "出血", 1)]
    assert hits("没出血") == [("red_flag", "出血", 1)]
    assert notes("last year I had chest pain", "patient") == [("chest pain", "before")]


@pytest.mark.parametrize(
    "text", ["我要做无痛胃镜", "my blood pressure is fine", "a painless gastroscopy", "第一次来", "第一人民医院"]
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


# ---- marks -----------------------------------------------------------------------------------------------
def words(*told: tuple[float, str]) -> tuple[Word, ...]:
    return tuple(Word(at, at + 0.4, text, 0.9) for at, text in told)


def test_a_finding_is_marked_at_its_first_word_and_ends_with_its_last() -> None:
    told = words((1.0, "Well,"), (1.5, "I"), (2.0, "guarantee"), (2.5, "it"))
    [found] = screen_line(Line("line", 1.0, 3.0, "Well, I guarantee it.", 0.9, told), EN)
    assert (found.start_s, found.word_at, found.end_s) == (1.0, 1.5, 2.4)
    by_character = words(*[(n / 2, c) for n, c in enumerate("这个手术包好")])
    [found] = screen_line(Line("line", 0.0, 4.0, "这个手术，包好。", 0.9, by_character), ZH)
    assert (found.word_at, found.end_s) == (2.0, 2.9)


def test_without_words_the_mark_is_the_lines() -> None:
    [found] = screen_line(Line("line", 12.5, 15.0, "I guarantee it", 0.9), EN)
    assert (found.start_s, found.word_at, found.end_s) == (12.5, None, 15.0)
    other = words((12.5, "one"), (13.0, "guarantee"))
    [found] = screen_line(Line("line", 12.5, 15.0, "1 guarantee", 0.9, other), EN)
    assert (found.word_at, found.end_s) == (None, 15.0), "words that are not the text's give no mark"


def spaced(start_s: float, *texts: str) -> tuple[Word, ...]:
    return tuple(Word(start_s + n, start_s + n + 0.6, text, 0.9) for n, text in enumerate(texts))


@pytest.mark.parametrize(
    ("first", "second", "phrase", "marks"),
    [
        (("well", "my", "chest"), ("hurts", "so"), "my chest hurts", (11.0, 20.6)),
        (("我", "胸", "口"), ("很", "疼", "啊"), "胸口很疼", (11.0, 21.6)),
    ],
)
def test_a_pause_in_a_phrase_loses_no_finding_and_no_mark(
    first: tuple[str, ...], second: tuple[str, ...], phrase: str, marks: tuple[float, float]
) -> None:
    """From the first word to the last: what the alarm was raised for (test_flags.py) is shown to the listener."""
    lexicon = of("".join(first))
    join = ("" if lexicon is ZH else " ").join
    one = Line("patient", 10, 13, join(first), 0.9, spaced(10, *first))
    ours = Line("line", 14, 15, "yes", 0.9)
    two = Line("patient", 20, 22, join(second), 0.9, spaced(20, *second))
    [hit] = [hit for hit in find([one, ours, two], lexicon) if hit.phrase == phrase]
    assert (hit.category, hit.speaker, hit.severity, hit.group, hit.note) == ("red_flag", "patient", 3, "chest", "")
    assert (hit.start_s, hit.word_at, hit.end_s) == (10, *marks)
    bare = [replace(line, words=()) for line in (one, two)]
    [hit] = [hit for hit in find(bare, lexicon) if hit.phrase == phrase]
    assert (hit.start_s, hit.word_at, hit.end_s) == (10, None, 22)
    far = replace(two, start_s=41, end_s=43)
    assert phrase not in [hit.phrase for hit in find([one, far], lexicon)]


def test_our_own_words_make_no_phrase_with_the_patients() -> None:
    lines = [Line("line", 1, 2, "do you have chest", 0.9), Line("patient", 3, 4, "pain no", 0.9)]
    assert find(lines, EN) == []


def test_line_by_line_is_the_whole() -> None:
    lines = [Said("good morning", "line"), Said("I have a high fever", "patient", 12.5), Said("hurry up", "line", 14)]
    assert find(lines, EN) == [hit for line in lines for hit in screen_line(line, EN)]
    assert find(lines, EN)[0] == Finding("red_flag", "high fever", 12.5, "patient", 3, "fever")


# ---- our own words ---------------------------------------------------------------------------------------
OURS_MAY_SAY = {
    # prompts of ours that hold a phrase of staff, and why that is right
    "en": set[str](),
    "zh-CN": set[str](),
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_our_own_prompts_and_messages_pass_the_list(language: str) -> None:
    lexicon = LISTS[language]
    found = {}
    for folder in ("prompts", "texts"):
        body = yaml.safe_load((ROOT / folder / f"{language}.yaml").read_text(encoding="utf-8"))
        texts = list(_texts(body))
        assert len(texts) > 5
        for text in texts:
            for hit in find([Said(re.sub(r"\{\w+\}", " ", text), "line")], lexicon):
                found[text] = hit.phrase
    assert set(found) - OURS_MAY_SAY[language] == set(), found


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_no_prompt_of_ours_is_taken_for_an_agents_name(language: str) -> None:
    lexicon = LISTS[language]
    [name] = [one for one in lexicon.required if one.key == "own_name"]
    body = yaml.safe_load((ROOT / "prompts" / f"{language}.yaml").read_text(encoding="utf-8"))
    for text in _texts(body):
        assert not [told for told in name.said_by if lexicon.normal(told) in lexicon.normal(text)], text


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


# ---- wrong lists -----------------------------------------------------------------------------------------
HEAD = "language: xx\nversion: 1\nnegation: {window: 1, words: []}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("language: xx\nversion: 1\n", "categories|negation"),
        ("language: yy\nversion: 1\nnegation: {window: 1, words: []}\ncategories: {}\n", "language yy"),
        ("language: xx\nversion: 1\nnegation: {window: 3, words: [no]}\ncategories: {}\n", "quote"),
        (HEAD + "categories: {evasion: {severity: 9, phrases: [a]}}\n", "severity"),
        (HEAD + "categories: {rudeness: {severity: 1, phrases: [a]}}\n", "no category rudeness"),
        (HEAD + "categories: {evasion: {severity: 1, phrases: ['a, b']}}\n", "punctuation"),
        (HEAD + "categories: {evasion: {severity: 1, phrases: [a], mild: [a]}}\n", "stands twice"),
        (HEAD + "categories: {}\nflags: {chest: {D: [pain]}}\n", "A, B or C"),
        (HEAD + "categories: {}\nflags: {}\nflag_rules: {doubts: {maybe: [perhaps]}}\n", "no doubt maybe"),
        (
            HEAD + "categories: {}\nrequired: {a: {kinds: [], purposes: [], who: nobody, severity: 1, said_by: [a]}}\n",
            "who is line or agent",
        ),
        (": :", "cannot be used"),
    ],
)
def test_a_wrong_list_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "xx.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(LexiconError, match=told):
        load("xx", tmp_path)


def test_a_class_of_words_is_written_once_and_an_unknown_one_is_told(tmp_path: Path) -> None:
    text = """
language: xx
version: "1"
negation: {window: 0, words: []}
categories: {}
flag_classes: {limb: ["leg", "arm"]}
flag_pairs: [{question: limb, level: A, within: 1, of: ["@NAME", "arm", "foot"], with: ["blue"]}]
"""
    path = tmp_path / "xx.yaml"
    path.write_text(text.replace("NAME", "limb"), encoding="utf-8")
    [pair] = load("xx", tmp_path).flag_pairs
    assert pair.of == ("leg", "arm", "foot")
    path.write_text(text.replace("NAME", "limbs"), encoding="utf-8")
    with pytest.raises(LexiconError, match="there is no class @limbs"):
        load("xx", tmp_path)


def test_a_language_without_a_list(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no phrase list for fr"):
        load("fr", tmp_path)
