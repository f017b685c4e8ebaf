"""The ring at the night target: what a nurse station hears before and after the key."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from ivr_call import Call

from core.house import House
from dialer import night
from dialer.models import Attempt, Escalation
from tests.ivr.ivr_line import Line, Switch
from tests.ivr.test_ivr_doctor_calls import alarm, goodbye, raised
from tests.scheduler.clinic import hospital

STATION = "+861055550199"


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house, hospital={"night_target": STATION})
    return Switch(house)


def rung(switch: Switch) -> tuple[Line, Attempt]:
    """A patient of the file waits, no doctor is on duty, and the station is rung."""
    switch.patient("followup")
    alarm(switch)
    now = switch.house.clock.now()
    with switch.house.transaction() as session:
        night.call_in(session, session.scalars(sa.select(Escalation)).one(), now, "nobody is on duty")
        assert night.due(session, now) == 1
        attempt = switch.posted(session, session.scalars(sa.select(Attempt).where(Attempt.kind == "night")).one())
    return switch.line_of(attempt), attempt


def test_the_station_hears_who_it_is_only_after_the_key_and_then_twice(switch: Switch) -> None:
    line, attempt = rung(switch)
    line.answers(attempt)
    first = line.english()
    assert "pain 7" in first.said
    assert "surgery" in first.said
    assert "minutes: 0" in first.said
    assert "Example" not in first.said
    assert raised(switch).acknowledged_at is None
    told = line.press("1")
    assert told.said.count("Ms. Example") == 2
    assert told.said.count("1 3 8 0 0 0 0 0 0 0 1") == 2
    assert goodbye(told)
    acknowledged = raised(switch)
    assert (acknowledged.acknowledged_at, acknowledged.night_step_at) == (switch.house.clock.now(), None)


def test_no_key_is_no_acknowledgement(switch: Switch) -> None:
    line, attempt = rung(switch)
    line.answers(attempt)
    line.english()
    line.does()
    heard = line.does()
    assert "ring again" in heard.said
    assert goodbye(heard)
    assert raised(switch).acknowledged_at is None
    assert raised(switch).night_step_at is not None


def test_a_doctor_who_took_the_patient_meanwhile_is_told_and_nobody_named(switch: Switch) -> None:
    line, attempt = rung(switch)
    line.answers(attempt)
    line.english()
    with switch.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="accepted"))
    heard = line.press("1")
    assert "has just taken" in heard.said
    assert "Example" not in heard.said
    assert goodbye(heard)


def test_a_stranger_has_a_number_and_no_name() -> None:
    call = Call.told("night", {"known": False, "score": 8, "minutes": 5, "waits": True, "number": "13800001111"})
    assert call.heard == ("night_call_unknown", "doc_score", "night_minutes", "night_keys")
    call.press("1")
    one = ("doc_patient_unknown", "night_number")
    assert call.heard == ("night_write", *one, "night_again", *one, "night_done")
    assert call.effects == [("acknowledged", {})]
    assert call.text.count("1 3 8 0 0 0 0 1 1 1 1") == 2
