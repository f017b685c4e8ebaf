"""Who is on duty: covers, swaps, each person once, nobody outside his hours."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from core.db import blind
from core.models import EventRow, new_id
from dialer import gate, roster, roster_covers
from dialer.models import Cover, Shift
from dialer.roster_covers import CoverProblem, Reach
from tests.dialer.ward import DOCTOR_PHONES, Ward, clear
from tests.house import MID_MORNING

TIERS = ("1", "2", "head")


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def reach(number: int) -> Reach:
    return Reach(DOCTOR_PHONES[number], "", "", "en")


def cover(ward: Ward, doctor: int, by: int, starts: float = 0, ends: float = 8) -> Cover:
    """`by` takes over from `doctor`, from and until so many hours from now."""
    with ward.house.transaction() as session:
        return roster_covers.cover(
            session, f"Dr {doctor}", f"Dr {by}", reach(by), ward.now + hours(starts), ward.now + hours(ends),
            who="anna", note="leave", now=ward.now,
        )  # fmt: skip


def names(ward: Ward, *, after: float = 0, department: str = "*") -> list[str]:
    """Who is in the chain so many hours from now."""
    at = ward.now + hours(after)
    with ward.house.transaction() as session:
        found = [roster.doctor_of(session, step, at) for step in roster.chain(session, department, TIERS, at)]
    assert None not in found, "a step of a fresh chain is somebody"
    return [person.doctor for person in found if person is not None]


def refused(ward: Ward, ring: gate.Ring, after: float = 0) -> str | None:
    with ward.house.transaction() as session:
        answer = gate.may_dial(session, ring, ward.now + hours(after))
    return answer.reason if answer else None


# ---- covers --------------------------------------------------------------------------------------------
def test_a_cover_replaces_the_doctor_from_its_first_moment_to_before_its_last(ward: Ward) -> None:
    ward.doctor(1)
    cover(ward, 1, 5, starts=2, ends=4)
    told = [names(ward, after=at) for at in (0, 1.999, 2, 3.999, 4)]
    assert told == [["Dr 1"], ["Dr 1"], ["Dr 5"], ["Dr 5"], ["Dr 1"]]


def test_whoever_covers_is_rung_at_his_own_number_in_the_tier_of_the_shift(ward: Ward) -> None:
    shift = ward.doctor(1, tier="2")
    made = cover(ward, 1, 5)
    with ward.house.transaction() as session:
        [person] = roster.on_duty(session, "surgery", "2", ward.now)
        assert roster.on_duty(session, "surgery", "1", ward.now) == []
    assert (person.shift_id, person.cover_id, person.tier) == (shift.id, made.id, "2")
    assert (person.doctor, person.instead_of, person.numbers) == ("Dr 5", "Dr 1", (DOCTOR_PHONES[5],))
    assert (person.starts_at, person.ends_at) == (ward.now, ward.now + hours(8))


def test_a_cover_reaches_into_every_tier_and_department(ward: Ward) -> None:
    ward.doctor(1, department="surgery")
    ward.doctor(1, tier="head", department="eyes")
    cover(ward, 1, 5)
    assert (names(ward, department="surgery"), names(ward, department="eyes")) == (["Dr 5"], ["Dr 5"])


def test_whoever_covers_and_is_on_duty_himself_is_rung_once_at_his_first_place(ward: Ward) -> None:
    ward.doctor(1, tier="2")
    ward.doctor(2, tier="1")
    ward.doctor(3, tier="head")
    cover(ward, 1, 2)
    assert names(ward) == ["Dr 2", "Dr 3"]


def test_a_cover_of_a_cover(ward: Ward) -> None:
    ward.doctor(1)
    cover(ward, 1, 2)
    cover(ward, 2, 3, starts=1, ends=2)
    assert [names(ward, after=at) for at in (0, 1, 2)] == [["Dr 2"], ["Dr 3"], ["Dr 2"]]


def test_two_who_swap_at_the_same_hours_serve_each_others_shifts(ward: Ward) -> None:
    ward.doctor(1, tier="1")
    ward.doctor(2, tier="2")
    cover(ward, 1, 2)
    cover(ward, 2, 1)
    assert names(ward) == ["Dr 2", "Dr 1"]


def test_a_swap_of_different_hours(ward: Ward) -> None:
    ward.doctor(1, starts=hours(0), ends=hours(8))
    ward.doctor(2, starts=hours(8), ends=hours(16))
    cover(ward, 1, 2, 0, 8)
    cover(ward, 2, 1, 8, 16)
    assert [names(ward, after=at) for at in (0, 7.9, 8, 15.9, 16)] == [["Dr 2"], ["Dr 2"], ["Dr 1"], ["Dr 1"], []]


def test_a_cancelled_cover_does_not_hold_and_both_changes_are_in_the_ledger(ward: Ward) -> None:
    ward.doctor(1)
    made = cover(ward, 1, 5)
    with ward.house.transaction() as session:
        roster_covers.uncover(session, made.id, who="bela", now=ward.now)
    assert names(ward) == ["Dr 1"]
    with ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.kind == "cover").order_by(EventRow.id)).all()
        assert [(row.what, row.who) for row in rows] == [("made", "anna"), ("cancelled", "bela")]
        with pytest.raises(CoverProblem, match="cancelled already"):
            roster_covers.uncover(session, made.id, who="bela", now=ward.now)
        with pytest.raises(CoverProblem, match="No such cover"):
            roster_covers.uncover(session, new_id(), who="bela", now=ward.now)


@pytest.mark.parametrize(
    ("doctor", "by", "starts", "ends", "sentence"),
    [
        (1, 1, 0, 8, "Nobody covers for himself"),
        (1, 5, 4, 4, "must be after --from"),
        (1, 5, -9, -1, "has passed"),
        (7, 5, 0, 8, "not on duty in those hours"),
        (1, 5, 100, 108, "not on duty in those hours"),
        (1, 5, 11, 13, "covered already"),
    ],
)
def test_a_cover_that_cannot_be(ward: Ward, doctor: int, by: int, starts: float, ends: float, sentence: str) -> None:
    ward.doctor(1, ends=hours(24))
    cover(ward, 1, 6, 12, 14)
    with pytest.raises(CoverProblem, match=sentence):
        cover(ward, doctor, by, starts, ends)


def test_covers_that_only_touch_are_two(ward: Ward) -> None:
    ward.doctor(1)
    cover(ward, 1, 5, 0, 2)
    cover(ward, 1, 6, 2, 4)
    assert [names(ward, after=at) for at in (1.9, 2)] == [["Dr 5"], ["Dr 6"]]


# ---- a step, later -------------------------------------------------------------------------------------
def test_a_step_means_its_person_only_as_long_as_the_person_is_on_duty(ward: Ward) -> None:
    shift = ward.doctor(1, ends=hours(6))
    cover(ward, 1, 5, 2, 4)
    plain = {"shift": str(shift.id), "tier": "1"}  # as snapshots before covers were
    with ward.house.transaction() as session:
        [covered] = roster.chain(session, "*", TIERS, ward.now + hours(3))
        at = {
            count: [roster.doctor_of(session, step, ward.now + hours(count)) for step in (plain, covered)]
            for count in (1, 3, 5, 6)
        }
    told = {count: [person.doctor if person else None for person in people] for count, people in at.items()}
    assert told == {1: ["Dr 1", None], 3: [None, "Dr 5"], 5: ["Dr 1", None], 6: [None, None]}


def test_a_step_whose_shift_or_cover_is_gone_is_nobody(ward: Ward) -> None:
    shift = ward.doctor(1)
    made = cover(ward, 1, 5)
    with ward.house.transaction() as session:
        [step] = roster.chain(session, "*", TIERS, ward.now)
        roster_covers.uncover(session, made.id, who="x", now=ward.now)
        assert roster.doctor_of(session, step, ward.now) is None
        session.delete(session.get_one(Shift, shift.id))
        session.flush()
        assert roster.doctor_of(session, {"shift": str(shift.id), "cover": None}, ward.now) is None


def test_the_gate_rings_whoever_serves_the_shift_and_nobody_else_in_its_name(ward: Ward) -> None:
    shift = ward.doctor(1)
    cover(ward, 1, 5, 2, 4)
    own, covering = (ward.ring("doctor", DOCTOR_PHONES[number], shift_id=shift.id) for number in (1, 5))
    assert [refused(ward, own, at) for at in (1, 3, 5)] == [None, "off_duty", None]
    assert [refused(ward, covering, at) for at in (1, 3, 5)] == ["off_duty", None, "off_duty"]


# ---- over a span ---------------------------------------------------------------------------------------
def test_the_duties_of_a_span_are_cut_where_covers_begin_and_end(ward: Ward) -> None:
    ward.doctor(1, starts=hours(-2), ends=hours(8), department="surgery")
    ward.doctor(2, starts=hours(1), ends=hours(3), tier="2")
    ward.doctor(3, starts=hours(1), ends=hours(3), department="eyes")
    cover(ward, 1, 5, 2, 4)
    with ward.house.transaction() as session:
        found = roster.duties(session, ward.now, ward.now + hours(24), department="surgery")
        only = roster.duties(session, ward.now, ward.now + hours(24), tier="2")
    told = [
        (person.doctor, (person.starts_at - ward.now) / hours(1), (person.ends_at - ward.now) / hours(1))
        for person in found
    ]
    assert told == [("Dr 1", -2, 2), ("Dr 2", 1, 3), ("Dr 5", 2, 4), ("Dr 1", 4, 8)]
    assert [person.doctor for person in only] == ["Dr 2"]


# ---- whatever the roster -------------------------------------------------------------------------------
Spans = st.tuples(st.integers(-6, 18), st.integers(1, 14))
Shifts = st.lists(st.tuples(st.integers(1, 5), st.sampled_from(TIERS), st.sampled_from(["*", "surgery"]), Spans))
Covers = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 7), Spans, st.booleans()), max_size=6)


def _fill(session: Session, shifts: list, covers: list, now: datetime) -> None:  # type: ignore[type-arg]
    """As they may stand in the tables: also overlapping covers, which the command refuses."""
    made: dict[tuple[object, ...], Shift] = {}
    for position, (doctor, tier, department, (start, length)) in enumerate(shifts):
        made[doctor, tier, department, start] = Shift(
            id=new_id(), department=department, tier=tier, position=position, doctor=f"Dr {doctor}",
            doctor_index=blind(f"Dr {doctor}", "doctor"), phone=DOCTOR_PHONES[doctor], language="en",
            starts_at=now + hours(start), ends_at=now + hours(start + length),
        )  # fmt: skip
    session.add_all(made.values())
    for doctor, by, (start, length), cancelled in covers:
        if doctor != by:
            session.add(
                Cover(
                    doctor=f"Dr {doctor}", doctor_index=blind(f"Dr {doctor}", "doctor"), by_doctor=f"Dr {by}",
                    by_doctor_index=blind(f"Dr {by}", "doctor"), phone=DOCTOR_PHONES[by], language="en",
                    starts_at=now + hours(start), ends_at=now + hours(start + length), made_by="x", made_at=now,
                    cancelled_at=now if cancelled else None,
                )
            )  # fmt: skip
    session.flush()


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shifts=Shifts, covers=Covers)
def test_whatever_the_roster_everybody_is_in_the_chain_once_and_only_in_his_hours(
    ward: Ward,
    shifts: list,
    covers: list,  # type: ignore[type-arg]
) -> None:
    clear(ward.house)
    with ward.house.transaction() as session:
        _fill(session, shifts, covers, MID_MORNING)
        rows = {row.id: row for row in session.scalars(sa.select(Shift))}
        holding = {row.id: row for row in session.scalars(sa.select(Cover).where(Cover.cancelled_at.is_(None)))}
        span = roster.duties(session, MID_MORNING - hours(8), MID_MORNING + hours(40))
        for hour in range(-8, 34, 3):
            at = MID_MORNING + hours(hour)
            steps = roster.chain(session, "surgery", TIERS, at)
            people = [roster.doctor_of(session, step, at) for step in steps]
            indexes = [person.doctor_index for person in people if person is not None]
            assert len(set(indexes)) == len(steps)
            assert bool(steps) == roster.anybody_on_duty(session, "surgery", TIERS, at)
            serving = [shift for shift in rows.values() if shift.starts_at <= at < shift.ends_at]
            assert sorted(str(piece.shift_id) for piece in span if piece.starts_at <= at < piece.ends_at) == sorted(
                str(shift.id) for shift in serving
            ), "a shift is somebody's at each of its moments, and nobody's at any other"
            for step in steps:
                shift = rows[uuid.UUID(str(step["shift"]))]
                assert shift in serving
                if step["cover"] is not None:
                    cover_row = holding[uuid.UUID(step["cover"])]
                    assert cover_row.starts_at <= at < cover_row.ends_at
                else:
                    mine = [c for c in holding.values() if c.doctor_index == shift.doctor_index]
                    assert not [c for c in mine if c.starts_at <= at < c.ends_at], "he is covered for"
