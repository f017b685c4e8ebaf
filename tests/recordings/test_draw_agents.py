"""The draw by agents: everybody once, shares, no repeats, and the same everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.sampling.draw import Candidate, Draw
from recordings.sampling.draw_agents import agent_of, draw
from tests.house import ROOT

RISKS = ("night", "complaint", "escalation", "phrase: evasion", "very long")


def conversation(number: int, agent: int, kind: int, risks: int, scored: bool = True) -> Candidate:
    name = f"a{agent:02}" if agent else ""
    stratum = (name, f"reason{kind % 3}", "night" if kind % 2 else "day", "hotline")
    return Candidate(f"r{number:05}", stratum, frozenset(RISKS[:risks]), scored)


days = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=150
).map(lambda drawn: [conversation(at, *about) for at, about in enumerate(drawn)])


def parts(result: Draw) -> Counter[str]:
    return Counter(pick.part for pick in result.picked)


def agents(candidates: Sequence[Candidate]) -> set[str]:
    return {agent_of(one.stratum) for one in candidates if one.scored} - {""}


def agents_heard(candidates: Sequence[Candidate], result: Draw) -> set[str]:
    stratum = {one.id: one.stratum for one in candidates}
    return {agent_of(stratum[pick.id]) for pick in result.picked if pick.part == "random"} - {""}


# ---- what always holds ---------------------------------------------------------------------------------
@given(days, st.integers(0, 2**31), st.integers(0, 60), st.sampled_from([0.0, 0.1, 0.6, 0.95, 1.0]))
def test_every_draw_is_full_without_repeats_and_nothing_unscored_feeds_scores(
    candidates: list[Candidate], seed: int, size: int, share: float
) -> None:
    result = draw(candidates, seed, size, share)
    ids = [pick.id for pick in result.picked]
    assert len(ids) == len(set(ids)) == min(size, len(candidates))
    assert result.whole_day == (len(candidates) <= size)
    by_id = {one.id: one for one in candidates}
    assert all(by_id[pick.id].scored for pick in result.picked if pick.part == "random")
    assert sum(drawn for _, drawn in result.strata.values()) == parts(result)["random"]
    assert sum(of for of, _ in result.strata.values()) == sum(one.scored for one in candidates)


@given(days, st.integers(0, 2**31), st.integers(1, 60), st.sampled_from([0.1, 0.6, 1.0]))
def test_every_agent_is_heard_while_there_are_places(
    candidates: list[Candidate], seed: int, size: int, share: float
) -> None:
    result = draw(candidates, seed, size, share)
    theirs = agents(candidates)
    if int(size * share + 0.5) == 0 and not result.whole_day:
        return  # no random part is wanted at all
    assert len(agents_heard(candidates, result)) >= min(len(theirs), size)


@given(days, st.integers(0, 2**31), st.integers(1, 60))
def test_the_random_part_has_its_share_and_more_only_for_agents_or_empty_places(
    candidates: list[Candidate], seed: int, size: int
) -> None:
    result = draw(candidates, seed, size, 0.6)
    if result.whole_day:
        return
    scored = sum(one.scored for one in candidates)
    wanted = min(max(int(size * 0.6 + 0.5), min(len(agents(candidates)), size)), scored)
    filled = sum(pick.why == "place left" and pick.part == "random" for pick in result.picked)
    assert parts(result)["random"] == wanted + filled
    at_random = {pick.id for pick in result.picked if pick.part == "random"}
    risky_left = [one for one in candidates if one.risk and one.id not in at_random]
    if filled:
        assert {one.id for one in risky_left} <= {pick.id for pick in result.picked}, "a risk gave way to a filler"


@given(days, st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_changes_nothing(
    candidates: list[Candidate], seed: int, shuffled: random.Random
) -> None:
    other = list(candidates)
    shuffled.shuffle(other)
    assert draw(other, seed, 20) == draw(candidates, seed, 20) == draw(iter(candidates), seed, 20)


@given(days, st.integers(0, 2**31))
def test_the_most_risks_come_first(candidates: list[Candidate], seed: int) -> None:
    result = draw(candidates, seed, 15)
    by_id = {one.id: one for one in candidates}
    if result.whole_day:
        return
    taken = {pick.id for pick in result.picked}
    at_risk = [len(by_id[pick.id].risk) for pick in result.picked if pick.part == "risk"]
    assert at_risk == sorted(at_risk, reverse=True)
    left = [len(one.risk) for one in candidates if one.id not in taken]
    if at_risk:
        assert max(left, default=0) <= min(at_risk)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.integers(0, 2**31), st.integers(1, 60))
def test_without_agents_each_stratum_gets_its_share_rounded_down_or_up(sizes: list[int], seed: int, size: int) -> None:
    candidates = [
        Candidate(f"{stratum:02}-{number:03}", ("", f"s{stratum:02}", "day", "hotline"))
        for stratum, of in enumerate(sizes) for number in range(of)
    ]  # fmt: skip
    result = draw(candidates, seed, size, 1.0)
    if result.whole_day:
        return
    for of, drawn in result.strata.values():
        exact = size * of / len(candidates)
        assert int(exact) <= drawn <= int(exact) + 1


# ---- examples ------------------------------------------------------------------------------------------
def test_more_agents_than_random_places_take_places_from_the_risk_part() -> None:
    candidates = [conversation(at, agent=1 + at % 45, kind=0, risks=2) for at in range(400)]
    result = draw(candidates, 3)
    assert len(agents_heard(candidates, result)) == 45
    assert parts(result) == {"random": 45, "risk": 5}


def test_more_agents_than_places_are_drawn_by_chance() -> None:
    candidates = [Candidate(f"r{at:03}", (f"a{at % 80:02}", "", "day", "hotline")) for at in range(400)]
    heard = [agents_heard(candidates, draw(candidates, seed)) for seed in range(40)]
    assert all(len(one) == 50 for one in heard)
    assert set.union(*heard) == agents(candidates)


def test_small_strata_are_heard_in_their_turn() -> None:
    """Three thousand strata of one call beside ten of a hundred: by the largest remainders they would never be."""
    many = [Candidate(f"big{s}-{n:03}", ("", f"big{s}", "day", "hotline")) for s in range(10) for n in range(100)]
    many += [Candidate(f"one{s:04}", ("", f"one{s:04}", "day", "hotline")) for s in range(3000)]
    small = sum(
        pick.id.startswith("one") for seed in range(40) for pick in draw(many, seed, 40, 1.0).picked
    )
    assert 1080 < small < 1320, "three quarters of 1,600, by chance"


def test_fillers_are_not_the_calm_ones_alone() -> None:
    """300 calls, 15 of them risky: the random part is as risky as the day, although all risky ones are drawn."""
    risky_at_random = 0
    for seed in range(60):
        candidates = [conversation(at, agent=0, kind=0, risks=1 if at < 15 else 0) for at in range(300)]
        result = draw(candidates, seed)
        assert {f"r{at:05}" for at in range(15)} <= {pick.id for pick in result.picked}
        at_random = [pick.id for pick in result.picked if pick.part == "random"]
        risky_at_random += sum(one < "r00015" for one in at_random)
        assert len(at_random) >= 35
    # each of some 37 random picks is risky with 15 in 300
    assert 60 < risky_at_random < 165


def test_what_is_not_for_scores_is_drawn_by_risk_and_else_last() -> None:
    candidates = [conversation(at, agent=1, kind=0, risks=0) for at in range(30)]
    candidates += [conversation(at, agent=0, kind=0, risks=at % 2, scored=False) for at in range(30, 50)]
    result = draw(candidates, 5, size=45)
    drawn = {pick.id: pick for pick in result.picked}
    unscored = {one.id for one in candidates if not one.scored}
    assert {drawn[one].part for one in unscored & set(drawn)} == {"risk"}
    risky = {one.id for one in candidates if one.risk}
    assert risky <= set(drawn)
    assert [pick.why for pick in result.picked][-5:] == ["place left"] * 5


def test_a_short_day_is_drawn_whole_and_says_so() -> None:
    candidates = [conversation(at, agent=at % 3, kind=at, risks=0, scored=at != 4) for at in range(12)]
    result = draw(candidates, 9)
    assert result.whole_day
    assert {pick.why for pick in result.picked} == {"whole day: 12"}
    assert {pick.id for pick in result.picked if pick.part == "risk"} == {"r00004"}


def test_a_recording_cannot_stand_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        draw([Candidate("a", ("x",)), Candidate("a", ("y",))], 1)


@pytest.mark.parametrize(("size", "share"), [(-1, 0.5), (5, 1.5), (5, -0.1)])
def test_impossible_sizes(size: int, share: float) -> None:
    with pytest.raises(ValueError, match="not negative"):
        draw([], 1, size, share)


# ---- for good, and everywhere --------------------------------------------------------------------------
def a_day_of(count: int) -> list[Candidate]:
    """The same on every machine: no chance in it."""
    return [
        conversation(at, at * 7 % 23, at * 5 % 6, (at % 10 == 0) + (at % 37 == 0), at % 11 != 5) for at in range(count)
    ]


TELL = """
import json, sys
from recordings.sampling.draw_agents import draw
from tests.recordings.test_draw_agents import a_day_of
result = draw(reversed(a_day_of(10_000)), 20261122)
print(json.dumps([[p.id, p.part, p.why] for p in result.picked] + [[list(k), *v] for k, v in result.strata.items()]))
"""


def test_ten_thousand_are_drawn_alike_in_processes_of_every_hash() -> None:
    told = set()
    for number in ("0", "1", "424242"):
        environment = os.environ | {"PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run([sys.executable, "-c", TELL], env=environment, capture_output=True, text=True, check=True)
        told.add(ran.stdout)
    (only,) = told
    here = draw(set(a_day_of(10_000)), 20261122)
    assert json.loads(only)[:50] == [[pick.id, pick.part, pick.why] for pick in here.picked]
    assert len(here.picked) == 50
    assert len(agents_heard(a_day_of(10_000), here)) == 22


def test_the_algorithm_is_fixed_for_good() -> None:
    """A draw of years ago must come out the same: if this changes, stored draws cannot be replayed."""
    few = [conversation(at, at % 4, at % 2, (at % 5 == 0) + (at % 9 == 0), at != 7) for at in range(40)]
    result = draw(few, seed=20261122, size=12)
    assert [(pick.id, pick.part, pick.why) for pick in result.picked] == GOLDEN
    many = draw(a_day_of(3000), seed=7, size=90)
    told = json.dumps([[pick.id, pick.part, pick.why] for pick in many.picked])
    assert hashlib.sha256(told.encode()).hexdigest() == GOLDEN_OF_MANY


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_another_seed_is_another_draw(seed: int) -> None:
    day = a_day_of(500)
    assert draw(day, seed) != draw(day, seed + 1)


GOLDEN = [
    ("r00005", "random", "agent: 1 of 10"),
    ("r00006", "random", "agent: 1 of 10"),
    ("r00027", "random", "agent: 1 of 9"),
    ("r00016", "random", "stratum: 1 of 10"),
    ("r00033", "random", "stratum: 1 of 10"),
    ("r00002", "random", "stratum: 1 of 10"),
    ("r00023", "random", "stratum: 1 of 9"),
    ("r00000", "risk", "complaint, night"),
    ("r00036", "risk", "night"),
    ("r00030", "risk", "night"),
    ("r00015", "risk", "night"),
    ("r00010", "risk", "night"),
]
GOLDEN_OF_MANY = "8e6fa9bc641c5fe3fda5004dd6c309b4786f083c92e9df2c4cdd85ce489d63b0"
