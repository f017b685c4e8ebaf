"""Scorecards: what a set of marks comes to, and what a wrong card is told."""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recordings.quality import scorecards
from recordings.quality.scorecards import Card, ScorecardError, card, folder, read, score, tenth

A, B = folder()
YES = ("yes", "agent")
NO = ("no", "agent")
NA = ("na", "agent")


def marks(of: Card = A, **other: tuple[str, str]) -> dict[str, tuple[str, str]]:
    return {key: other.get(key, YES) for key in of.items}


def test_the_presets() -> None:
    assert (A.title, [(d.key, d.weight) for d in A.dimensions]) == (
        "A-1",
        [("response", 15), ("resolution", 25), ("tone", 15), ("compliance", 15), ("satisfaction", 30)],
    )
    assert (B.title, [d.weight for d in B.dimensions]) == ("B-1", [30, 30, 40])
    fails = {
        "recording_notice", "identity_first", "no_medical_advice", "no_guarantee", "red_flag_seen", "not_hung_up",
    }  # fmt: skip
    for one in (A, B):
        assert {key for key, item in one.items.items() if item.fails} == fails
        assert len(one.items) <= 12
        assert [key for key, item in one.items.items() if item.hidden] == ["caller_content"]


def test_points() -> None:
    assert score(A, marks()).points == 100
    assert score(A, marks(caller_content=NO)).points == 70
    # resolution is 25 over need_met 2, information_right 1, red_flag_seen 1
    assert score(A, marks(need_met=NO)).points == Fraction(100) - 25 * Fraction(2, 4)
    everything = score(A, dict.fromkeys(A.items, NO))
    assert (everything.points, len(everything.failed)) == (0, 6)


def test_what_does_not_apply_leaves_its_dimension_to_the_rest() -> None:
    without = score(A, marks(red_flag_seen=NA, information_right=NA, need_met=NO))
    assert without.dimensions["resolution"] == 0, "need_met alone is the dimension now"
    assert without.points == 75
    assert without.na_share == Fraction(2, 12)


def test_a_dimension_in_which_nothing_applies_leaves_the_count() -> None:
    found = score(A, marks(caller_content=NA, need_met=NO))
    assert found.dimensions["satisfaction"] is None
    assert found.points == Fraction(100 * (70 - Fraction(25, 2)), 70), "the others keep their proportions"
    nothing = score(A, dict.fromkeys(A.items, NA))
    assert (nothing.points, nothing.passed(90), nothing.na_share) == (None, None, 1)


def test_an_automatic_fail_fails_whatever_the_points() -> None:
    found = score(A, marks(recording_notice=NO))
    assert found.failed == ("recording_notice",)
    assert found.points is not None
    assert found.points > 90
    assert found.passed(90) is False


def test_a_processs_fault_is_not_the_agents() -> None:
    found = score(A, marks(recording_notice=("no", "process"), need_met=("no", "process")))
    assert (found.failed, found.points, found.passed(90)) == ((), 100, True)
    assert found.na_share == Fraction(2, 12)


def test_passing_is_exact_and_paper_is_rounded() -> None:
    just_below = scorecards.Score(Fraction(8999, 100), {}, (), Fraction(0))
    assert tenth(just_below.points or Fraction(0)) == 90.0
    assert just_below.passed(90) is False
    assert (tenth(Fraction(1, 20)), tenth(Fraction(1, 3))) == (0.1, 0.3)


VERDICTS = st.tuples(st.sampled_from(["yes", "no", "na"]), st.sampled_from(["agent", "process"]))


@given(st.fixed_dictionaries(dict.fromkeys(A.items, VERDICTS)), st.sampled_from(sorted(A.items)))
def test_points_are_a_share_and_a_yes_never_costs(verdicts: dict[str, tuple[str, str]], item: str) -> None:
    found = score(A, verdicts)
    assert found.points is None or 0 <= found.points <= 100
    if verdicts[item] == NO:
        better = score(A, {**verdicts, item: YES})
        assert found.points is not None
        assert better.points is not None
        assert better.points > found.points
        assert set(better.failed) <= set(found.failed)


# ---- a card of one's own ------------------------------------------------------------------------------------


def body() -> dict[str, Any]:
    return copy.deepcopy(dict(A.body))


def broken(change: str, to: Any) -> list[str]:
    """The problems of preset A with the value at dotted path `change` replaced; ... takes it out."""
    made = body()
    place: Any = made
    *path, last = change.split("/")
    for step in path:
        place = place[step]
    if to is ...:
        del place[last]
    else:
        place[last] = to
    with pytest.raises(ScorecardError) as raised:
        card(made, "mine.yaml")
    return raised.value.problems


TONE = "dimensions/tone/items/patient_tone"


@pytest.mark.parametrize(
    ("change", "to", "words"),
    [
        ("dimensions/tone/weight", 10, "the weights sum to 95 (response 15, resolution 25, tone 10"),
        ("dimensions/tone/weight", 15.5, "the weight of tone is 15.5; it must be a whole number"),
        ("dimensions/tone/weight", ..., "the weight of tone is None"),
        ("dimensions/tone/items", {}, "tone has no items"),
        (f"{TONE}/text/zh-CN", ..., "text of patient_tone has no text for zh-CN"),
        (f"{TONE}/example", ..., "example of patient_tone is missing"),
        (f"{TONE}/say/en", "x" * 401, "say of patient_tone has 401 characters in en"),
        (f"{TONE}/points", 0, "the points of patient_tone are 0"),
        (f"{TONE}/fails", "yes", "fails of patient_tone is 'yes'; it must be true or false"),
        (f"{TONE}/weigth", 3, "patient_tone says 'weigth', which is not known here; known are example, fails"),
        (f"{TONE}/suggest", {"measure": "mood"}, "names the measure 'mood'; there are answer_time, findings"),
        (f"{TONE}/suggest", {"measure": "findings"}, "needs categories: a list of words"),
        (f"{TONE}/suggest", {"measure": "satisfaction", "from": 4}, "it must say hidden: true"),
        ("version", 0, "version is 0; it must be a whole number from 1 on"),
        ("key", "my card", "key is 'my card'"),
        ("from", "soon", "from is 'soon'; it must be a day such as 2026-01-01"),
        ("dimensions", [], "dimensions is missing"),
    ],
)
def test_a_wrong_card_is_told_in_its_own_words(change: str, to: Any, words: str) -> None:
    problems = broken(change, to)
    assert any(words in problem for problem in problems), problems
    assert all(problem.startswith("mine.yaml: ") for problem in problems)


def test_thirteen_items_are_too_many_and_a_name_stands_once() -> None:
    item = body()["dimensions"]["tone"]["items"]["patient_tone"]
    assert "it has 13 items; 12 are the most" in broken("dimensions/tone/items/one_more", item)[0]
    made = body()
    made["dimensions"]["response"]["items"]["patient_tone"] = item
    del made["dimensions"]["tone"]["items"]["own_name"]
    with pytest.raises(ScorecardError, match="patient_tone stands in two dimensions"):
        card(made, "mine.yaml")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    made = body()
    made["dimensions"]["tone"]["weight"] = 10
    del made["dimensions"]["tone"]["items"]["patient_tone"]["say"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ScorecardError) as raised:
        read(path)
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("key: [", "this is not YAML: line 1"), ("- 1", "must begin with key"), ("", "must begin with key")],
)
def test_what_is_no_card_at_all(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScorecardError, match=words):
        read(path)
    with pytest.raises(ScorecardError, match="cannot be read"):
        read(tmp_path / "nowhere.yaml")


def test_two_files_of_one_card(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(body(), allow_unicode=True), encoding="utf-8")
    with pytest.raises(ScorecardError, match="two files hold the card A-1"):
        folder(tmp_path)
