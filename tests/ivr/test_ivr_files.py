"""Flow files: a wrong one is one sentence, and `check_flows` finds each way to strand a caller."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ivr_call import FLOWS, PROMPTS, ROOT

from ivr.check import check_flows
from ivr.flow import FlowError, load_flows, parse_flow, read_yaml
from ivr.prompts import Prompts

SMALL: dict[str, Any] = yaml.safe_load("""
name: small
start: hello
lost: end
over: end
operator: person
inbound: true
facts: {hospital: text, age: "number?", operator_on: flag}
nodes:
  hello: {type: menu, speak: greet, keys: {"1": end}, globals: [operator], failed: person}
  person: {type: take, speak: message, purpose: message, next: end}
  end: {type: bye, speak: goodbye}
""")


def small(path: str = "", value: Any = None) -> dict[str, Any]:
    """The small flow with one thing changed: `nodes.hello.failed`; None deletes it."""
    raw = copy.deepcopy(SMALL)
    if path:
        *parents, last = path.split(".")
        spot = raw
        for parent in parents:
            spot = spot[parent]
        if value is None:
            del spot[last]
        else:
            spot[last] = value
    return raw


def problems(path: str = "", value: Any = None, prompts: Prompts = PROMPTS) -> list[str]:
    flow = parse_flow(small(path, value), "small.yaml")
    return check_flows({"small": flow}, prompts)


def test_the_shipped_flows_are_clean() -> None:
    assert check_flows(FLOWS, PROMPTS) == []
    assert set(FLOWS) == {
        *("hotline", "followup", "reminder", "doctor", "night", "test_ring", "patient_join", "operator_join"),
        *("appointments", "complaints", "progress", "satisfaction", "ticket_alarm"),
        *("agent", "agent_sign", "caller_join"),
    }


def test_the_small_flow_is_clean() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("nodes.hello.failed", None, "small.yaml: node 'hello' failed: field required"),
        ("nodes.hello.speek", "x", "small.yaml: node 'hello' speek: extra inputs are not permitted"),
        ("nodes.hello.type", "menue", "small.yaml: node 'hello': input tag 'menue' found"),
        ("nodes.hello.keys", {}, "small.yaml: node 'hello' keys: dictionary should have at least 1 item"),
        ("nodes.hello.keys", {"10": "end"}, "small.yaml: node 'hello' keys 10"),
        ("nodes.hello.keys", {"0": "end"}, "key 0 is both a choice and the global key for operator"),
        ("nodes.hello.timeout_s", 0, "node 'hello' timeout_s: input should be greater than or equal to 1"),
        ("nodes.hello.speak", {"if": "maybe", "then": "x"}, "'maybe' is not a condition"),
        ("nodes.hello.failed", {"to": "end", "effect": {"name": "boom"}}, "'boom' is not an effect"),
        ("facts.age", "years", "small.yaml: facts age: input should be"),
        ("version", "abc", "small.yaml: version: is computed"),
        ("start", None, "small.yaml: start: field required"),
    ],
)
def test_a_wrong_file_is_one_sentence(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(FlowError) as caught:
        parse_flow(small(path, value), "small.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("nodes.hello.failed", "nowhere", "small: hello: failed leads to 'nowhere', which does not exist"),
        ("lost", "nowhere", "small: lost: there is no node 'nowhere'"),
        ("operator", "nowhere", "small: operator: there is no node 'nowhere'"),
        ("operator", None, "small: hello: a caller can ask for a person, but the flow names no operator"),
        ("nodes.attic", {"type": "bye", "speak": "goodbye"}, "small: attic: is never reached"),
        (
            "nodes.person",
            {"type": "say", "speak": "goodbye", "next": "person"},
            "small: person: is a dead end, no goodbye can be reached from it",
        ),
        (
            "nodes.person",
            {"type": "say", "speak": "goodbye", "next": "person"},
            "small: person: sayings and branches lead in a ring at this node",
        ),
        (
            "nodes.hello.failed",
            "hello",
            "small: hello: a caller who presses nothing never gets out of this node",
        ),
        (
            "nodes.person",
            {"type": "bye", "speak": "goodbye"},
            "small: hello: from here a caller reaches neither a person nor a message",
        ),
        ("nodes.end.speak", "wat", "small: end: speaks 'wat', which en.yaml does not have"),
        ("nodes.hello.invalid", "wat", "small: hello: speaks 'wat', which zh-CN.yaml does not have"),
        (
            "nodes.end.speak",
            "escalate",
            "speaks 'escalate' with {minutes} (en), which is not a declared fact",
        ),
        ("nodes.end.speak", "doc_age", "which may be unknown: speak it under 'if: known age'"),
        ("nodes.end.speak", {"if": "known hospital", "then": "doc_age"}, "which may be unknown"),
        ("nodes.end.speak", {"if": "known age", "else": "doc_age"}, "which may be unknown"),
        ("nodes.end.speak", "pain_confirm", "with {score} (zh-CN), which this flow cannot know"),
        (
            "nodes.end.speak",
            {"if": "fact night", "then": "goodbye"},
            "small: end: asks about the fact 'night'",
        ),
        ("nodes.end.speak", [], "small: end: hangs up without a word"),
        ("nodes.hello.speak", [], "small: hello: asks for keys without a word"),
        ("nodes.person.speak", [], "small: person: beeps without a word"),
    ],
)
def test_check_finds(path: str, value: Any, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(path, value)), problems(path, value)


def test_a_known_fact_may_be_spoken_and_a_silent_bye_be_meant() -> None:
    assert problems("nodes.end.speak", [{"if": "known age", "then": "doc_age"}, "goodbye"]) == []
    assert problems("nodes.end", {"type": "bye", "silent": True}) == []


def test_threshold_and_birthday_must_be_declared() -> None:
    branch = {"type": "branch", "if": "score_at_threshold", "then": "end", "else": "end"}
    assert "small: person: asks about the fact 'threshold', which the flow does not declare" in problems(
        "nodes.person", branch
    )
    number = {"type": "number", "kind": "month_day", "speak": "id_check", "wrong": "id_again"}
    number |= {"silent": "id_silent", "next": "end", "failed": "end"}
    assert any("'birth_mmdd'" in problem for problem in problems("nodes.person", number))


def with_english(key: str, text: str | None) -> Prompts:
    english = PROMPTS.voices["en"]
    texts = {k: v for k, v in english.prompts.items() if k != key} | ({key: text} if text else {})
    return Prompts({**PROMPTS.voices, "en": english.model_copy(update={"prompts": texts})})


def test_check_compares_the_languages() -> None:
    assert "en.yaml: goodbye: the prompt is missing" in problems(prompts=with_english("goodbye", None))
    assert "zh-CN.yaml: fresh: the prompt is missing" in problems(prompts=with_english("fresh", "Fresh."))
    assert "en.yaml: worse: differs from zh-CN in using emergency" in problems(
        prompts=with_english("worse", "Call us.")
    )


def test_the_version_is_of_the_content_not_of_the_layout(tmp_path: Path) -> None:
    text = (ROOT / "flows/doctor.yaml").read_text(encoding="utf-8")
    (tmp_path / "doctor.yaml").write_text("# a comment\n" + text, encoding="utf-8")
    assert load_flows(tmp_path)["doctor"].version == FLOWS["doctor"].version
    (tmp_path / "doctor.yaml").write_text(text.replace("pause_s: 3", "pause_s: 4"), encoding="utf-8")
    assert load_flows(tmp_path)["doctor"].version != FLOWS["doctor"].version
    assert len(FLOWS["doctor"].version) == 12


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("other.yaml", yaml.safe_dump(SMALL), "other.yaml: name: is 'small', but must be the file's name"),
        ("small.yaml", "[]", "small.yaml: is not a mapping of names"),
        ("small.yaml", "a: 1\na: 2", "small.yaml: is not readable YAML: 'a' is defined twice"),
        (
            "small.yaml",
            yaml.safe_dump(small("start", "nowhere")),
            "small.yaml: start: there is no node 'nowhere'",
        ),
        ("readme.txt", "", "holds no flow"),
    ],
)
def test_a_directory_is_loaded_whole_or_not_at_all(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(FlowError) as caught:
        load_flows(tmp_path)
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"gone\.yaml: cannot be read"):
        read_yaml(tmp_path / "gone.yaml")


# ---- ways over the borders of a flow, and keys -------------------------------------------------------
ELSEWHERE: dict[str, Any] = yaml.safe_load("""
name: elsewhere
start: choice
lost: choice
over: end
operator: person
inbound: true
nodes:
  choice: {type: menu, speak: main_lang, keys: {"1": end}, globals: [operator], failed: person}
  person: {type: continue, flow: small, node: person}
  end: {type: bye, speak: goodbye}
""")


def together(**changed: Any) -> list[str]:
    """The small flow, and another whose people are the small flow's."""
    raw = copy.deepcopy(ELSEWHERE)
    raw["nodes"] |= changed
    flows = {"small": parse_flow(SMALL, "small.yaml"), "elsewhere": parse_flow(raw, "elsewhere.yaml")}
    return check_flows(flows, PROMPTS)


def test_another_flows_person_is_a_person() -> None:
    assert together() == []


def test_going_on_where_nobody_helps_is_no_help() -> None:
    assert "elsewhere: choice: from here a caller reaches neither a person nor a message" in together(
        person={"type": "continue", "flow": "small", "node": "end"}
    )


def test_two_flows_that_only_send_a_caller_to_each_other_are_a_dead_end() -> None:
    first = {**copy.deepcopy(SMALL), "name": "first", "inbound": False, "start": "over_there", "lost": "over_there"}
    first |= {"over": "over_there", "operator": None, "facts": {}}
    second = copy.deepcopy(first) | {"name": "second"}
    first["nodes"] = {"over_there": {"type": "continue", "flow": "second", "node": "over_there"}}
    second["nodes"] = {"over_there": {"type": "continue", "flow": "first", "node": "over_there"}}
    found = check_flows({"first": parse_flow(first, "f.yaml"), "second": parse_flow(second, "s.yaml")}, PROMPTS)
    assert "first: over_there: is a dead end, no goodbye can be reached from it" in found
    assert "second: over_there: sayings and branches lead in a ring at this node" in found


def test_silence_that_goes_round_between_flows_is_found() -> None:
    round_and_round = {"type": "continue", "flow": "elsewhere", "node": "choice"}
    small_flow = parse_flow(small("nodes.person", round_and_round), "small.yaml")
    flows = {"small": small_flow, "elsewhere": parse_flow(ELSEWHERE, "elsewhere.yaml")}
    found = check_flows(flows, PROMPTS)
    assert "elsewhere: choice: a caller who presses nothing never gets out of this node" in found


def test_a_node_only_another_flow_leads_to_is_reached() -> None:
    inside = {"type": "bye", "speak": "goodbye"}
    lonely = parse_flow(small("nodes.attic", inside), "small.yaml")
    assert "small: attic: is never reached" in check_flows({"small": lonely}, PROMPTS)
    other = copy.deepcopy(ELSEWHERE)
    other["nodes"]["choice"]["keys"] = {"1": "attic"}
    other["nodes"]["attic"] = {"type": "continue", "flow": "small", "node": "attic"}
    flows = {"small": lonely, "elsewhere": parse_flow(other, "elsewhere.yaml")}
    assert "small: attic: is never reached" not in check_flows(flows, PROMPTS)


@pytest.mark.parametrize(
    ("keys", "skipped"),
    [
        (("1", "2", "3"), None),
        (("1", "2", "4"), "skips key 3 and goes on with 4"),
        (("2",), "skips key 1 and goes on with 2"),
        (("1", "3", "5"), "skips key 2 and goes on with 5"),
        (("1", "2", "7", "*"), None),  # 7 means "no more of these calls" wherever it is offered, star goes back
        (("7",), None),
    ],
)
def test_a_menu_that_skips_a_number_is_found(keys: tuple[str, ...], skipped: str | None) -> None:
    found = problems("nodes.hello.keys", dict.fromkeys(keys, "end"))
    assert found == ([] if skipped is None else [f"small: hello: {skipped}"])
