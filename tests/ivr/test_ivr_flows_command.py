"""`carecall flows check | show | walk`, as typed at a terminal or piped."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from ivr_call import FLOWS, PROMPTS

import app
from commands import cli
from commands.joined import Joined
from ivr.book import read
from ivr.draw import mermaid
from ivr.lengths import menus, seconds, warnings
from ivr.nodes import Edge, Pick, Queue, edges, needs_operator
from tests.house import ROOT


def carecall(*words: str, typed: str | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> int:
    if typed is not None and monkeypatch is not None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return app.main(["flows", *words])


def test_check_says_that_all_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert carecall("check") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "flows and prompts are in order"
    assert all(line.startswith("warning: ") for line in told[:-1])


@pytest.mark.parametrize("language", PROMPTS.languages)
@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_the_drawing_has_every_node_and_every_way(flow: str, language: str) -> None:
    drawn = mermaid(FLOWS[flow], PROMPTS.voices[language])
    first, *lines = drawn.splitlines()
    assert first == "flowchart TD"
    boxes = {found.group(1) for line in lines if (found := re.match(r"    (n_\w+)[\[{(>]", line))}
    assert boxes == {f"n_{name}" for name in FLOWS[flow].nodes}
    ways = [found.groups() for line in lines if (found := re.match(r"    (n_\w+) -\.?->\|.*\| (n_\w+)$", line))]
    expected = sum(len(edges(node)) for node in FLOWS[flow].nodes.values())
    expected += sum(needs_operator(node) for node in FLOWS[flow].nodes.values())
    assert len(ways) == expected
    assert {end for way in ways for end in way} <= boxes
    for line in lines:
        label = re.search(r'"(.*)"', line)
        if label:
            assert not set('"{}') & set(label.group(1)), line
            assert re.sub(r"<br/>", "", label.group(1)).count("<") == 0, line


def test_show_prints_the_words_of_a_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert carecall("show", "hotline", "--language", "en") == 0
    assert "Pain or problems after surgery, press 2" in capsys.readouterr().out
    assert carecall("show", "hotline") == 0
    assert "术后疼痛或不适请按2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show",), "which flow?: the flows are agent, agent_sign, appointments"),
        (("show", "nowhere"), "there is no flow 'nowhere': the flows are"),
        (("show", "hotline", "--language", "fr"), "--language fr: the languages are zh-CN, en"),
        (("walk", "hotline", "--fact", "colour=red"), "--fact colour=red: not name=value with a fact of the flow"),
        (("walk", "hotline", "--fact", "known=maybe"), "--fact known=maybe: is yes or no"),
        (("walk", "hotline", "--fact", "minutes=five"), "--fact minutes=five: is a number"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carecall(*words) == 2
    assert sentence in capsys.readouterr().err


def test_an_interview_is_walked_with_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed = "\n1\n0506\n2#\n1\n" + "2\n2\n1\n2\n2\n" + "all is well\n"
    assert carecall("walk", "followup", "--language", "en", typed=typed, monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().out
    for words in (
        "[pain]",
        "* score_keyed: question pain, score 2",
        "[interview: bleeding]",
        "* answer: question urine, value yes",
        "* open_answer",
        "* outcome: outcome completed",
        "the call is over",
    ):
        assert words in told


@pytest.mark.parametrize(("typed", "last"), [("\nh\n", "hung up"), ("", "hung up"), ("\n" * 20, "the call is over")])
def test_a_walk_ends(
    typed: str, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carecall("walk", "hotline", typed=typed, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_facts_and_waves_may_be_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("walk", "followup", "--fact", "wave=90d", "--fact", "surname=李", "--fact", "slow=yes")
    assert carecall(*words, typed="\n1\n0506\n2\n1\n", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().out
    assert "李女士" in told
    assert "[interview: concern] slowly" in told


def test_a_ring_back_is_walked_into_the_follow_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("walk", "hotline", "--fact", "ring_back=yes")
    assert carecall(*words, typed="\n1\n0506\n7\n1\n\n", monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().out
    assert "* identity_confirmed" in told
    assert "* outcome: outcome handed_over" in told


@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_every_flow_can_be_walked_in_silence(
    flow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carecall("walk", flow, typed="\n" * 40, monkeypatch=monkeypatch) == 0
    assert "the call is over" in capsys.readouterr().out


def test_prompts_that_take_long_are_named() -> None:
    """150 English words a minute, 4.5 Chinese characters a second."""
    assert seconds("one two three four five", "en") == pytest.approx(2.0)
    assert seconds("一二三四五六七八九", "zh-CN") == pytest.approx(2.0)
    assert [told for told in warnings(FLOWS, PROMPTS) if ".yaml: " in told] == []
    english = PROMPTS.voices["en"]
    long = english.model_copy(update={"prompts": {**english.prompts, "goodbye": "well " * 21, "main": "well " * 21}})
    assert "main" in menus(FLOWS)
    changed = type(PROMPTS)({**PROMPTS.voices, "en": long})
    named = [told for told in warnings(FLOWS, changed) if ".yaml: " in told]
    assert named == ["en.yaml: goodbye: takes about 8 s to say, more than 8 s"]


# ---- the check for programs ----------------------------------------------------------------------------
def checked(root: Path, *words: str) -> int:
    """`carecall flows check` in a house with other files."""
    return cli.run(["flows", "check", *words], Joined(root, app.open_house, [], app.web))


def test_the_check_says_the_same_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert carecall("check", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["problems"], told["version"]) == (True, [], read(ROOT).version)
    assert carecall("check") == 0
    warned = [line.removeprefix("warning: ") for line in capsys.readouterr().out.splitlines()[:-1]]
    assert told["warnings"] == warned


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("flows/test_ring.yaml", "test_thanks", "test_thank", "speaks 'test_thank', which zh-CN.yaml does not have"),
        ("flows/test_ring.yaml", "failed: missed", "failed: mist", "failed leads to 'mist', which does not exist"),
        ("prompts/en.yaml", "  goodbye: ", "  goodby: ", "en.yaml: goodbye: the prompt is missing"),
        ("prompts/en.yaml", "language: en", "language en", "en.yaml: is not readable YAML"),
    ],
)
def test_a_problem_ends_the_check_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, sentence: str
) -> None:
    for folder in ("flows", "prompts"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert checked(tmp_path) == 1
    told = capsys.readouterr().out
    assert sentence in told
    assert "in order" not in told
    assert checked(tmp_path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert any(sentence in problem for problem in found["problems"])


def test_lists_and_waits_count_as_choices() -> None:
    """A `pick` reads out its list between the words before and after it; a `queue` says its words in one go."""
    flow = FLOWS["test_ring"]
    end = {"bye": flow.nodes["thanks"]}
    pick = Pick(
        type="pick", options="rooms", speak=("before",), option="item", after=("after",), next="bye", none="bye",
        failed=Edge(to="bye"),
    )  # fmt: skip
    queue = Queue(
        type="queue", speak=("before", "after"), news=("item",), served="bye", callback="bye", message="bye",
        closed="bye", lost="bye",
    )  # fmt: skip
    made = flow.model_copy(update={"name": "made", "nodes": {"pick": pick, "queue": queue, **end}})
    words = {"before": "well " * 20, "item": "{option} {key} " + "well " * 4, "after": "well " * 20}
    voices = {
        language: voice.model_copy(update={"prompts": {**voice.prompts, **words}})
        for language, voice in PROMPTS.voices.items()
    }
    told = warnings({"made": made}, type(PROMPTS)(voices))
    assert "made: pick: its words together take up to 32.0 s in en, more than 15 s" in told
    assert "made: queue: its words together take up to 16.0 s in en, more than 15 s" in told
    assert not [line for line in told if ".yaml: before" in line or ".yaml: after" in line], "they offer keys"
