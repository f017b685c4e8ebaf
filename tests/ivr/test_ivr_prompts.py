"""The words themselves: length, first sentence, recording words, house rules (docs/clinical.md 3 and 5)."""

from __future__ import annotations

import re

import pytest
from ivr_call import ALL_FACTS, FLOWS, GONE_ON_IN, PROMPTS, Call

from ivr.flow import FlowError
from ivr.lengths import menus
from ivr.prompts import load_prompts
from ivr.talk import Join

VALUES = {
    **{"hospital": "安和医院", "sender": "安和服务中心", "surname": "王", "title": "先生", "dept": "骨科"},
    **{"emergency": "1 2 0", "hotline": "9 6 1 2 0", "minutes": "5", "score": "7", "hours": "48"},
    **{"band": "重度疼痛", "age": "52", "allergy": "青霉素", "signs": "胸痛、气短"},
    **{"day": "3月8日星期六", "time": "上午9点05分", "place": "门诊二楼"},
    "heard": "敷料渗血，3小时前所说",
    **{"slot": "12月28日星期日下午2点30分", "when": "12月28日星期日下午2点30分", "doctor": "欧阳一二"},
    **{"option": "12月28日星期日下午2点30分，正在改期", "key": "5"},
    **{"moving": "8", "answers": "没有量体温、没有渗血、没有呕吐", "later": "2", "number": "1 3 8 0 0 0 0 0 0 0 1"},
    **{"theme": "过敏专病门诊", "ahead": "12", "option": "耳鼻喉科", "key": "3"},
    **{"opening_hours": "周一至周五上午八点到下午五点。"},
    **{"insurance": "本市医保和新农合都可以。", "parking": "地下停车场，北门进。", "way": "地铁二号线到人民路站。"},
    **{"emergency_room": "从西门进，一楼右手边。", "holiday_words": "请在八点前或十四点后到院。"},
    **{"ticket": "0 0 0 1 2 3 4 5", "ticket_minutes": "30", "ticket_hours": "24", "ticket_days": "3"},
    **{"progress_department": "骨科", "progress_minutes": "30", "progress_hours": "24", "progress_days": "3"},
    **{"late_minutes": "12", "late_hours": "24", "late_days": "3", "more": "12"},
    **{"ahead": "12", "reason": "医疗投诉", "tongue": "普通话", "ticket": "0 0 0 0 0 1 1 7"},
}
VALUES_EN = {
    **VALUES,
    **{"hospital": "Anhe Hospital", "sender": "Anhe Service Centre", "surname": "Wang", "title": "Mr."},
    **{"band": "severe pain", "dept": "Orthopaedics", "allergy": "penicillin"},
    "progress_department": "Orthopaedics",
    **{"answers": "temperature not measured, no bleeding, no vomiting"},
    **{"theme": "The allergy clinic", "option": "Ear, nose and throat"},
    **{"opening_hours": "Monday to Friday, eight to five."},
    **{"insurance": "All city plans.", "parking": "Below the house.", "way": "Line two, People's Road."},
    **{"emergency_room": "West gate, ground floor.", "holiday_words": "Come before eight or after two."},
    **{"slot": "Wednesday, September 28, 2:30 p.m.", "when": "Wednesday, September 28, 2:30 p.m."},
    "heard": "bleeding through the dressing, said 3 hours ago",
    **{"option": "Wednesday, September 28, 2:30 p.m., being changed", "doctor": "Dr. Example"},
    **{"signs": "chest pain", "day": "Saturday, March 8", "time": "9:05 a.m.", "place": "second floor"},
    **{"reason": "a complaint about treatment", "tongue": "Mandarin"},
}
BANNED = (
    "保证",
    "放心",
    "没问题",
    "最好",
    "第一",
    "无痛",
    "根治",
    "百分之百",
    "guarantee",
    "promise",
    "painless",
    "you'll be fine",
)
MENUS = menus(FLOWS)
RECORDED = {name for name, flow in FLOWS.items() if "recording_on" in flow.facts}


def seconds(text: str, language: str) -> float:
    """Normal speed: five Chinese characters, or 2.8 English words (170 a minute), a second."""
    if language == "en":
        return len(re.findall(r"[A-Za-z0-9']+", text)) / 2.8
    return len(re.findall(r"[一-鿿]|\d", text)) / 5 + 0.2 * len(re.findall(r"[，。；？：]", text))


@pytest.mark.parametrize("language", PROMPTS.languages)
def test_prompts_are_short(language: str) -> None:
    values = VALUES_EN if language == "en" else VALUES
    for key in PROMPTS.voices[language].prompts:
        limit = 15 if key in MENUS else 8
        spoken = PROMPTS.line(key, language, values).text
        assert seconds(spoken, language) <= limit, f"{key}: {seconds(spoken, language):.1f} s"


@pytest.mark.parametrize("language", PROMPTS.languages)
def test_no_prompt_promises_or_boasts(language: str) -> None:
    for key, text in PROMPTS.voices[language].prompts.items():
        assert not [word for word in BANNED if word in text.lower()], key


@pytest.mark.parametrize("recording_on", [True, False])
@pytest.mark.parametrize("language", PROMPTS.languages)
@pytest.mark.parametrize("flow", sorted(FLOWS.keys() - GONE_ON_IN))
def test_every_call_begins_by_naming_the_automated_voice(flow: str, language: str, recording_on: bool) -> None:
    first = Call(flow, language, recording_on=recording_on).text
    sentence = re.split(r"[。.]", first)[0]
    assert ("automated voice" if language == "en" else "智能语音") in sentence.lower()


@pytest.mark.parametrize("language", PROMPTS.languages)
@pytest.mark.parametrize("flow", sorted(RECORDED - GONE_ON_IN))
def test_recording_is_spoken_of_exactly_when_it_is_done(flow: str, language: str) -> None:
    for recording_on in (True, False):
        call = Call(flow, language, recording_on=recording_on)
        told = call.text
        if not isinstance(call.turn.output, Join):
            told += " " + call.press("1").text if flow in ("doctor", "agent") else ""
        words = "record" if language == "en" else "录音"
        assert (words in told) == (recording_on and flow != "test_ring")


def test_both_languages_hear_facts_in_their_own_words() -> None:
    assert "Anhe Hospital" in Call("hotline", "en").text
    assert "安和医院" in Call("hotline", "zh-CN").text
    assert "1 2 0" in Call("hotline", "en").text


def test_bands_are_those_of_the_scale() -> None:
    """docs/clinical.md 2, Scale: 0 none, 1-3 mild, 4-6 moderate, 7-10 severe."""
    bands = [PROMPTS.voices["en"].bands.of(score).split()[0] for score in range(11)]
    assert bands == ["no", *["mild"] * 3, *["moderate"] * 3, *["severe"] * 4]


def test_voices_fit_their_languages() -> None:
    """docs/twilio.md 4.2 Say: a voice with a language it does not speak may fail (13511)."""
    spoken = {(voice.say_language, voice.voice) for voice in PROMPTS.voices.values()}
    assert spoken == {("cmn-CN", "Polly.Zhiyu"), ("en-US", "Polly.Joanna")}


GOOD = """
language: xx
say_language: xx-XX
voice: V
bands: {none: a, mild: b, moderate: c, severe: d}
titles: {male: a, female: b, unknown: c}
prompts: {hello: Hello}
"""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("language: xx", "language: yy"), "xx.yaml: language: is 'yy', but must be the file's name"),
        (("{hello: Hello}", "{hello: ''}"), "xx.yaml: prompts: 'hello' says nothing"),
        (("Hello}", "'{a.b}'}"), "xx.yaml: prompts: 'hello': '{a.b}' is not a plain variable"),
        (("Hello}", "'{'}"), "xx.yaml: prompts: 'hello': "),
        (("severe: d", "severe: d, awful: e"), "xx.yaml: bands awful: extra inputs are not permitted"),
        (("Hello}", "Hello, hello: Bye}"), "'hello' is defined twice"),
        (("voice: V", "voice: ["), "xx.yaml: is not readable YAML"),
    ],
)
def test_a_wrong_prompt_file_is_one_sentence(tmp_path, change: tuple[str, str], sentence: str) -> None:  # type: ignore[no-untyped-def]
    assert change[0] in GOOD
    (tmp_path / "xx.yaml").write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(FlowError) as caught:
        load_prompts(tmp_path, ["xx"])
    assert sentence in str(caught.value)


def test_a_missing_prompt_file_is_one_sentence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FlowError, match=r"fr\.yaml: cannot be read"):
        load_prompts(tmp_path, ["fr"])


def test_every_flow_has_facts_in_these_tests() -> None:
    for name, flow in FLOWS.items():
        assert flow.fact_problems(ALL_FACTS[name]) == []
