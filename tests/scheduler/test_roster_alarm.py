"""The evening's look at the roster: work for the ward and an SMS, once a day, and silence when all is well."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import holidays, people
from core.db import blind
from core.house import House
from core.models import EventRow, new_id
from dialer.models import Message, Shift, TestRing
from scheduler import roster_alarm
from scheduler.models import WorkItem
from tests.conftest import StandingClock
from tests.house import MID_MORNING, OPERATOR

EVENING = MID_MORNING + timedelta(hours=8)
"""18:00 in Shanghai."""
PHONE = "+8613800000021"
GAP = "gap department=* tier=- start=03-09%2000:00 end=03-10%2000:00"
TIERS = ("1", "2", "head", "president")


def doctor(house: House, *, ends: timedelta = timedelta(days=30)) -> None:
    """One doctor in every tier of the chain."""
    with house.transaction() as session:
        for tier in TIERS:
            session.add(
                Shift(
                    id=new_id(), department="*", tier=tier, position=1, doctor="Dr A", phone=PHONE, language="en",
                    doctor_index=blind("Dr A", "doctor"), starts_at=MID_MORNING, ends_at=EVENING + ends,
                )
            )  # fmt: skip


def look(house: House, *, days: float = 0, hours: float = 0) -> int:
    assert isinstance(house.clock, StandingClock)
    house.clock.at = EVENING + timedelta(days=days, hours=hours)
    with house.transaction() as session:
        return roster_alarm.daily_look(session, house.clock.now())


def told(house: House) -> tuple[list[WorkItem], list[Message]]:
    with house.transaction() as session:
        return list(session.scalars(sa.select(WorkItem))), list(session.scalars(sa.select(Message)))


def test_it_looks_once_a_day_at_the_hour_of_the_hospital(house: House) -> None:
    doctor(house)
    assert [look(house, hours=hours) for hours in (-0.1, 0, 0.1, 5)] == [0, 1, 0, 0]
    assert look(house, days=1) == 1


def test_a_roster_without_a_gap_is_one_ledger_row_and_nothing_else(house: House) -> None:
    doctor(house)
    look(house)
    assert told(house) == ([], [])
    with house.transaction() as session:
        [row] = session.scalars(sa.select(EventRow).where(EventRow.what == "roster looked at"))
        assert row.data == {"gaps": 0, "unreachable": 0}


def test_a_gap_is_work_for_the_ward_and_an_sms_to_the_operator(house: House) -> None:
    doctor(house, ends=timedelta(hours=30))
    look(house)
    [item], [message] = told(house)
    assert (item.kind, item.patient_id, item.why) == ("roster_gap", None, GAP)
    assert (message.to, message.kind, message.patient_id) == (OPERATOR, "roster_alarm", None)
    assert "值班表有1处空档，最早从3月9日周日00:00起" in message.body
    look(house, days=1)
    [item], messages = told(house)
    assert (item.times, len(messages)) == (2, 2), "one open item, and a word each evening"


def test_people_whom_no_ring_would_reach_are_told_of_without_their_names(house: House) -> None:
    doctor(house)
    with house.transaction() as session:
        session.add(
            TestRing(id=new_id(), phone=PHONE, phone_index=people.phone_index(PHONE), language="en", asked_by="x",
                     asked_at=MID_MORNING, result="no_key")
        )  # fmt: skip
    look(house)
    [item], [message] = told(house)
    assert item.why == "unreachable people=1"
    assert "有1位值班人员的电话打不通" in message.body
    assert "Dr A" not in message.body + item.why


@pytest.mark.parametrize(("ends", "gap"), [(4, True), (10, False)])
def test_a_holiday_within_a_week_is_looked_at_as_a_whole(house: House, ends: int, gap: bool) -> None:
    doctor(house, ends=timedelta(days=ends))
    look(house)
    assert told(house) == ([], []), "no holiday: only the next days count"
    with house.transaction() as session:
        for day in (13, 14):
            holidays.set_day(session, MID_MORNING.date().replace(day=day), "holiday", "", "staff", EVENING)
    with house.transaction() as session:
        roster_alarm.look(session, EVENING)
    items, _ = told(house)
    assert bool(items) is gap


def test_the_subject_is_the_roster(house: House) -> None:
    doctor(house, ends=timedelta(hours=1))
    look(house)
    assert told(house)[0][0].subject_id == uuid.UUID(str(roster_alarm.SUBJECT))
