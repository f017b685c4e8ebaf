"""Gaps of the roster, against counting every minute; and people whom no ring would reach."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core import holidays, people
from core.models import Procedure, new_id
from dialer import roster_gaps
from dialer.models import TestRing
from dialer.roster_gaps import Gap, find_gaps, folded
from tests.dialer.ward import DOCTOR_PHONES, Ward

NIGHT = datetime(2031, 3, 7, 12, 0, tzinfo=UTC)
CHAINS = {"*": ("1", "2"), "surgery": ("1", "2"), "eyes": ("1",)}
MINUTE = timedelta(minutes=1)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


# ---- against brute force -------------------------------------------------------------------------------
Shifts = st.lists(
    st.tuples(
        st.sampled_from(["*", "surgery", "eyes", "unknown"]),
        st.sampled_from(["1", "2", "president"]),
        st.integers(-90, 200),
        st.integers(1, 120),
    ),
    max_size=12,
)


@examples(max_examples=200, deadline=None)
@given(given_shifts=Shifts)
def test_the_gaps_are_those_that_counting_every_minute_finds(given_shifts: list[tuple[str, str, int, int]]) -> None:
    until = NIGHT + 180 * MINUTE
    shifts = sorted(
        (
            (department, tier, NIGHT + start * MINUTE, NIGHT + (start + length) * MINUTE)
            for department, tier, start, length in given_shifts
            if start < 180 and start + length > 0
        ),
        key=lambda shift: shift[2],
    )
    found = find_gaps(shifts, CHAINS, NIGHT, until)
    for department, chain in CHAINS.items():
        for tier in (*chain, None):
            missing = {
                minute
                for minute in range(180)
                if not any(
                    shift[0] in ("*", department)
                    and (shift[1] == tier or (tier is None and shift[1] in chain))
                    and shift[2] <= NIGHT + minute * MINUTE < shift[3]
                    for shift in shifts
                )
            }
            told = [gap for gap in found if (gap.department, gap.tier) == (department, tier)]
            counted = [
                minute
                for gap in told
                for minute in range((gap.starts_at - NIGHT) // MINUTE, (gap.ends_at - NIGHT) // MINUTE)
            ]
            assert sorted(counted) == sorted(missing)
            assert all(one.ends_at < other.starts_at for one, other in itertools.pairwise(told))


def test_nobody_at_all_comes_before_a_tier_and_is_not_told_again_for_each_tier_or_department() -> None:
    found = find_gaps([("*", "1", NIGHT, NIGHT + hours(1))], CHAINS, NIGHT, NIGHT + hours(3))
    assert found[0] == Gap("*", None, NIGHT + hours(1), NIGHT + hours(3))
    assert [gap.tier is None for gap in found] == sorted((gap.tier is None for gap in found), reverse=True)
    assert folded(found) == [
        Gap("*", None, NIGHT + hours(1), NIGHT + hours(3)),
        Gap("*", "2", NIGHT, NIGHT + hours(3)),
    ]


# ---- from the tables -----------------------------------------------------------------------------------
def found(ward: Ward, length: float = 24) -> list[Gap]:
    with ward.house.transaction() as session:
        return folded(roster_gaps.gaps(session, ward.now, ward.now + hours(length)))


def test_each_department_by_its_own_chain(ward: Ward) -> None:
    ward.settings('[escalation]\nchain = ["1"]\n[escalation.department."eyes"]\nchain = ["1", "head"]')
    ward.doctor(1)
    assert found(ward) == []
    ward.doctor(2, tier="head", department="eyes", ends=hours(2))
    assert found(ward) == [Gap("eyes", "head", ward.now + hours(2), ward.now + hours(24))]


def test_a_department_with_operations_and_no_doctor_is_told_of(ward: Ward) -> None:
    ward.settings('[escalation]\nchain = ["1"]')
    ward.doctor(1, ends=hours(10))
    patient = ward.patient(department="surgery")
    with ward.house.transaction() as session:
        session.add(
            Procedure(patient_id=patient.id, external_id="OLD", department="closed",
                      ended_at=ward.now - timedelta(days=200))
        )  # fmt: skip
        told = roster_gaps.gaps(session, ward.now, ward.now + hours(24))
    assert {gap.department for gap in told} == {"*", "surgery"}
    assert [gap.department for gap in folded(told)] == ["*"], "what is missing everywhere is told once"


def test_one_doctor_in_two_tiers_at_once_is_no_gap(ward: Ward) -> None:
    ward.settings('[escalation]\nchain = ["1", "2"]')
    ward.doctor(1, tier="1")
    ward.doctor(1, tier="2")
    assert found(ward) == []


# ---- people --------------------------------------------------------------------------------------------
def remarks(ward: Ward, *, faults: bool) -> list[tuple[str, str, str]]:
    with ward.house.transaction() as session:
        told = roster_gaps.unreachable(session, ward.now, ward.now + hours(24))
    return [(one.doctor, one.number, one.what) for one in told if one.fault is faults]


def rang(ward: Ward, number: str, *results: str | None) -> None:
    with ward.house.transaction() as session:
        for place, result in enumerate(results):
            session.add(
                TestRing(id=new_id(), phone=number, phone_index=people.phone_index(number), language="en",
                         asked_by="x", asked_at=ward.now - hours(9 - place), result=result)
            )  # fmt: skip


def test_a_number_that_was_confirmed_is_no_remark_and_one_that_was_not_is_a_fault(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    ward.doctor(3)
    rang(ward, DOCTOR_PHONES[1], "no_answer", "confirmed", None)
    rang(ward, DOCTOR_PHONES[2], "confirmed", "no_key")
    assert remarks(ward, faults=True) == [
        ("Dr 2", DOCTOR_PHONES[2], "the last test ring was not confirmed: no_key"),
    ]
    assert remarks(ward, faults=False) == [
        ("Dr 1", "", "has no second number"),
        ("Dr 2", "", "has no second number"),
        ("Dr 3", "", "has no second number"),
        ("Dr 3", DOCTOR_PHONES[3], "was never tested"),
    ]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+86", "the number cannot be a telephone number"),
        ("+19005550100", "the number is a premium-rate one"),
    ],
)
def test_a_number_nobody_may_ring_is_a_fault(ward: Ward, number: str, why: str) -> None:
    shift = ward.doctor(1)
    with ward.house.transaction() as session:
        session.merge(shift).phone = number
    assert remarks(ward, faults=True) == [("Dr 1", number, why)]


def test_before_it_is_live_only_the_allowed_numbers_reach_anybody(ward: Ward) -> None:
    ward.settings(f'[hospital]\nlive = false\nallow_numbers = ["{DOCTOR_PHONES[1]}"]')
    ward.doctor(1)
    ward.doctor(2)
    assert [doctor for doctor, _, _ in remarks(ward, faults=True)] == ["Dr 2"]


# ---- how far it looks ----------------------------------------------------------------------------------
def test_it_watches_to_the_end_of_the_day_after_tomorrow(ward: Ward) -> None:
    with ward.house.transaction() as session:
        [(start, until)] = roster_gaps.spans_to_watch(session, ward.now)
    assert (start, until) == (ward.now, datetime(2031, 3, 9, 16, 0, tzinfo=UTC)), "midnight in Shanghai"


def test_and_a_holiday_that_begins_within_a_week_as_a_whole(ward: Ward) -> None:
    with ward.house.transaction() as session:
        for day in (13, 14):
            holidays.set_day(session, datetime(2031, 3, day, tzinfo=UTC).date(), "holiday", "", "staff", ward.now)
        _, (start, until) = roster_gaps.spans_to_watch(session, ward.now)
    # the two days and the weekend they touch
    assert (start, until) == (datetime(2031, 3, 12, 16, tzinfo=UTC), datetime(2031, 3, 16, 16, tzinfo=UTC))
