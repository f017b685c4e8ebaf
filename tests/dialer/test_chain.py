"""Whom the chain rings next: rules without a store or a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hospital import Escalation as Rules
from dialer import chain
from dialer.chain import Plan, Policy, Ring, decide

NOW = datetime(2027, 3, 2, 3, 0, tzinfo=UTC)
POLICY = Policy.of(Rules())
TIERS = ["1", "1", "2", "head"]
STEP = timedelta(seconds=POLICY.ring_s) + chain.STEP_GRACE
AGAIN = timedelta(seconds=POLICY.again_s)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def missed(step: int, ended: float, began: float = -300) -> Ring:
    return Ring(step, at(began), live=False, ended_at=at(ended))


def test_the_first_doctor_is_rung_at_once() -> None:
    assert decide(TIERS, -1, [], POLICY, NOW) == Plan(front=0)


def test_while_a_doctor_rings_nobody_else_is() -> None:
    assert decide(TIERS, 0, [Ring(0, at(-10))], POLICY, NOW) == Plan(look_at=at(-10) + STEP)


@pytest.mark.parametrize(
    "ring",
    [
        missed(0, ended=0),
        Ring(0, at(-10), doubtful=True),
        Ring(0, at(-10), decided=True),
        Ring(0, at(-10), decided=True, declined=True),
        Ring(0, NOW - STEP),
    ],
    ids=["ended", "in doubt", "decided", "declined", "silent too long"],
)
def test_the_next_doctor_is_rung_when_the_one_before_is_not_waited_for(ring: Ring) -> None:
    assert decide(TIERS, 0, [ring], POLICY, NOW).front == 1


def test_who_missed_the_ring_is_rung_again_beside_the_next() -> None:
    rings = [missed(0, ended=-60, began=-90), Ring(1, at(-5))]
    assert decide(TIERS, 1, rings, POLICY, NOW) == Plan(beside=(0,), look_at=at(-5) + STEP)


def test_not_before_the_wait_is_over() -> None:
    rings = [missed(0, ended=-59, began=-90), Ring(1, at(-1))]
    assert decide(TIERS, 1, rings, POLICY, NOW) == Plan(look_at=at(1))


def test_who_passed_on_is_not_rung_again() -> None:
    rings = [Ring(0, at(-200), live=False, ended_at=at(-190), decided=True, declined=True), Ring(1, at(-5))]
    assert decide(TIERS, 1, rings, POLICY, NOW).beside == ()


def test_nobody_is_rung_more_often_than_tries_says() -> None:
    rings = [missed(0, ended=-200), missed(0, ended=-100), Ring(1, at(-5))]
    assert decide(TIERS, 1, rings, POLICY, NOW).beside == ()


def test_the_only_doctor_is_rung_again_soon() -> None:
    assert decide(["1"], 0, [missed(0, ended=-5)], POLICY, NOW) == Plan(look_at=at(15))
    assert decide(["1"], 0, [missed(0, ended=-20)], POLICY, NOW) == Plan(beside=(0,))


def test_the_round_is_over_when_everybody_was_tried_as_often_as_may_be() -> None:
    rings = [missed(0, ended=-50, began=-80), missed(0, ended=-1, began=-20)]
    assert decide(["1"], 0, rings, POLICY, NOW) == Plan(over=True)


def test_with_nobody_on_duty_the_round_is_over_at_once() -> None:
    assert decide([], -1, [], POLICY, NOW) == Plan(over=True)


def test_in_a_hurry_the_next_tier_is_rung_beside_whoever_rings() -> None:
    plan = decide(TIERS, 0, [Ring(0, at(-5))], POLICY, NOW, hurry=True)
    assert (plan.front, plan.beside) == (None, (2,))


def test_in_a_hurry_nobody_is_rung_twice() -> None:
    rings = [Ring(0, at(-5)), Ring(2, at(-3)), Ring(3, at(-2))]
    assert decide(TIERS, 0, rings, POLICY, NOW, hurry=True).beside == ()


def test_the_front_passes_over_whoever_was_rung_beside_it() -> None:
    rings = [missed(0, ended=-1), missed(1, ended=-1), Ring(2, at(-20))]
    assert decide(TIERS, 1, rings, POLICY, NOW).front == 3


def test_a_snapshot_is_the_policy_again() -> None:
    assert Policy.stored(POLICY.snapshot(), Rules(ring_s=99)) == POLICY


def test_an_escalation_of_before_the_snapshots_goes_by_the_settings() -> None:
    assert Policy.stored({}, Rules(ring_s=99)).ring_s == 99


# ---- any night -------------------------------------------------------------------------------------
@st.composite
def nights(draw: st.DrawFn) -> tuple[list[str], dict[tuple[int, int], tuple[str, float]]]:
    """Doctors, and how each would take his nth ring."""
    tiers = draw(st.lists(st.sampled_from(["1", "2", "head"]), max_size=5))
    takes = st.tuples(st.sampled_from(["misses", "busy", "passes on", "listens"]), st.floats(0.5, 25))
    return sorted(tiers), {(step, n): draw(takes) for step in range(len(tiers)) for n in range(POLICY.tries)}


@given(nights(), st.integers(0, 400))
def test_every_doctor_is_tried_none_too_often_and_the_round_ends(
    night: tuple[list[str], dict[tuple[int, int], tuple[str, float]]], hurry_at: int
) -> None:
    """Played by the second until the round is over."""
    tiers, takes = night
    step, rings, ends = -1, list[Ring](), dict[int, datetime]()
    hurried = False
    for second in range(1200):
        now = at(second)
        for index, moment in list(ends.items()):
            if moment <= now:
                how = takes[rings[index].step, _nth(rings, index)][0]
                over = how != "listens"
                rings[index] = Ring(
                    rings[index].step, rings[index].at, live=not over, ended_at=now if over else None,
                    decided=how == "passes on", declined=how == "passes on",
                )  # fmt: skip
                del ends[index]
        hurry = not hurried and second >= hurry_at
        hurried = hurried or hurry
        plan = decide(tiers, step, rings, POLICY, now, hurry=hurry)
        if plan.over:
            break
        for wanted in [*plan.beside, *([] if plan.front is None else [plan.front])]:
            assert not any(r.step == wanted and r.live for r in rings), "rung twice at once"
            rings.append(Ring(wanted, now))
            ends[len(rings) - 1] = now + timedelta(seconds=takes[wanted, _nth(rings, len(rings) - 1)][1])
        step = plan.front if plan.front is not None else step
        assert plan.look_at is not None or plan.front is not None or plan.beside
    else:
        raise AssertionError("the round never ended")
    assert {ring.step for ring in rings} == set(range(len(tiers)))
    for index in range(len(tiers)):
        his = [ring for ring in rings if ring.step == index]
        assert len(his) <= POLICY.tries
        assert not any(ring.declined for ring in his[:-1])


def _nth(rings: list[Ring], index: int) -> int:
    return sum(ring.step == rings[index].step for ring in rings[:index])
