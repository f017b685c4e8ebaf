"""flows/questions.yaml: what each key of each question means, and one sentence for a wrong file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ivr_call import FLOWS, PROMPTS, ROOT

from core.hospital import HospitalFile
from ivr import questions
from ivr.check import check_flows
from ivr.flow import FlowError, load_flows, load_questions
from ivr.questions import Questionnaire

ASKED = FLOWS["followup"].asked

LEVELS: dict[str, dict[str, str]] = {
    # docs/clinical.md 2, "Escalation besides pain"; what is not written here is no alarm
    "chest": {"1": "A"},
    "faint": {"1": "A"},
    "reaction": {"1": "A"},
    "bleeding": {"1": "B", "4": "A"},
    "limb": {"1": "C", "4": "A"},
    "wound": {"1": "B"},
    "healed": {"4": "B"},
    "fluids": {"1": "B"},
    "urine": {"2": "B"},
    "relief": {"2": "B"},
    "doctor": {"1": "B"},
    "fever": {"1": "C", "4": "B"},
    "redness": {"1": "C"},
    "medicine": {"2": "C"},
    "bowel": {"2": "C"},
    "walking": {"2": "C"},
    "activity": {"2": "C"},
    "satisfaction": {"1": "C", "2": "C"},
}
MUST_ASK = {
    # docs/clinical.md 2, "Questions per wave", beside the pain
    "6h": {"bleeding", "fluids", "urine", "limb", "doctor"},
    "48h": {"pain_moving", "fever", "bleeding", "wound", "redness", "fluids", "urine", "bowel", "medicine"}
    | {"reaction", "walking", "chest", "instructions", "relief"},
    "7d": {"fever", "wound", "sutures", "supply", "activity", "bowel", "review", "satisfaction"},
    "30d": {"healed", "back_to_work", "elsewhere", "review_done", "satisfaction", "complaint"},
    "90d": {"concern", "treatment", "review", "satisfaction", "further_contact"},
}


@pytest.mark.parametrize("question", sorted(ASKED.questions))
def test_each_key_has_its_level(question: str) -> None:
    keys = ASKED.questions[question].keys
    assert {key: meaning.level for key, meaning in keys.items() if meaning.level} == LEVELS.get(question, {})


def test_yes_is_one_no_is_two_and_not_knowing_three() -> None:
    for name, question in ASKED.questions.items():
        values = {key: meaning.value for key, meaning in question.keys.items()}
        if name == "satisfaction":
            assert values == {key: key for key in "12345"}
        elif not question.scored:
            assert values["1"] in {"yes", "stops", "numb", "from_38.0"}
            assert values["2"] in {"no", "not_yet"}
            assert values.get("3", "unsure") not in {"yes", "no"}


@pytest.mark.parametrize("wave", sorted(MUST_ASK))
def test_each_wave_asks_what_it_must(wave: str) -> None:
    assert set(ASKED.of_wave(wave)) == MUST_ASK[wave]


def test_an_unknown_wave_asks_the_default_list() -> None:
    assert ASKED.of_wave("extra-1") == ASKED.waves["default"]


@pytest.mark.parametrize("language", PROMPTS.languages)
def test_every_key_of_a_question_is_spoken_and_no_other(language: str) -> None:
    for name, question in ASKED.questions.items():
        if question.speak is None or question.speak == "csat":
            continue
        text = PROMPTS.voices[language].prompts[question.speak]
        word = "按" if language == "zh-CN" else "press "
        for key in question.keys:
            said = f"{word}{key}" in text or f", {key}." in text
            assert said, f"{name}: key {key}"
        assert f"{word}5" not in text


SMALL: dict[str, Any] = yaml.safe_load("""
waves: {6h: [fever], default: [fever]}
questions:
  fever: {speak: q_fever, keys: {"1": yes C, "2": no}}
""")


def changed(path: str, value: Any) -> dict[str, Any]:
    raw = yaml.safe_load(yaml.safe_dump(SMALL))
    *parents, last = path.split(".")
    spot = raw
    for parent in parents:
        spot = spot[parent]
    spot[last] = value
    return dict(raw)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("waves.6h", ["fevr"], "questions.yaml: waves 6h: there is no question 'fevr'"),
        ("waves.6h", ["fever", "fever"], "questions.yaml: waves 6h: 'fever' is asked twice"),
        ("waves", {"6h": ["fever"]}, "questions.yaml: waves: there is no list 'default'"),
        ("questions.fever.keys", {}, "questions.yaml: questions fever: needs a prompt under 'speak'"),
        ("questions.fever.keys", {"0": "yes"}, "key 0 means the same at every question"),
        ("questions.fever.keys", {"11": "yes"}, "questions.yaml: questions fever keys 11"),
        ("questions.fever.keys", {"1": "yes D"}, "questions.yaml: questions fever keys 1 level: input should be"),
        ("questions.fever.sound", "x", "questions.yaml: questions fever sound: extra inputs are not permitted"),
        ("questions.cough", {"scored": True}, "cough: only pain_moving is answered by a score"),
        ("questions.fever.scored", True, "a scored question has neither words nor keys"),
        ("version", "1", "questions.yaml: version: is computed"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, path: str, value: Any, sentence: str) -> None:
    (tmp_path / "questions.yaml").write_text(yaml.safe_dump(changed(path, value)), encoding="utf-8")
    with pytest.raises(FlowError) as caught:
        load_questions(tmp_path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flow_that_asks_needs_the_file_and_changes_with_it(tmp_path: Path) -> None:
    for name in ("followup", "doctor"):
        (tmp_path / f"{name}.yaml").write_text((ROOT / f"flows/{name}.yaml").read_text(encoding="utf-8"))
    with pytest.raises(FlowError, match=r"followup\.yaml: asks questions, but there is no questions\.yaml"):
        load_flows(tmp_path)
    text = (ROOT / "flows/questions.yaml").read_text(encoding="utf-8")
    (tmp_path / "questions.yaml").write_text(text, encoding="utf-8")
    assert load_flows(tmp_path)["followup"].version == FLOWS["followup"].version
    (tmp_path / "questions.yaml").write_text(text.replace("faint: {speak: q_faint", "faint: {speak: q_breath"))
    changed = load_flows(tmp_path)
    assert changed["followup"].version != FLOWS["followup"].version
    assert changed["doctor"].version == FLOWS["doctor"].version


def with_question(key: str, **raw: Any) -> list[str]:
    """What `flows check` says about the follow-up with one more question."""
    more = questions.Question.model_validate(raw)
    asked = Questionnaire(questions={**ASKED.questions, key: more}, waves=ASKED.waves)
    flow = FLOWS["followup"].model_copy(update={"asked": asked})
    return check_flows({**FLOWS, "followup": flow}, PROMPTS)


def test_flows_check_looks_at_the_questions() -> None:
    assert check_flows(FLOWS, PROMPTS) == []
    assert any("speaks 'q_new'" in line for line in with_question("new", speak="q_new", keys={"1": "yes"}))
    assert any("sign_new" in line for line in with_question("new", speak="q_fever", keys={"1": "yes A"}))
    assert any("scores" in line for line in with_question("pain_resting", scored=True))


def test_a_question_the_hospital_names_and_nobody_can_ask_is_told() -> None:
    file = HospitalFile.model_validate(
        {
            "followup": {
                "wave": {"7d": {"questions": ["pain", "fever", "cough"]}},
                "procedure": {
                    "hernia repair": {"questions": ["hiccups"], "wave": {"6h": {"questions": ["wound", "sneeze"]}}}
                },
            }
        }
    )
    assert questions.unknown(file, ASKED) == [
        """[followup.wave."7d"] questions names 'cough': there is no such question in flows/questions.yaml.""",
        """[followup.procedure."hernia repair"] questions names 'hiccups': there is no such question"""
        " in flows/questions.yaml.",
        """[followup.procedure."hernia repair".wave."6h"] questions names 'sneeze': there is no such question"""
        " in flows/questions.yaml.",
    ]
    assert questions.unknown(HospitalFile(), ASKED) == []
