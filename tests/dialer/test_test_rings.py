"""Test rings: placed like a routine ring, held back like one, and each with an end that is written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import events
from core.models import Pause
from dialer import test_rings
from dialer.models import LIVE_ATTEMPT, Attempt, TestRing
from tests.dialer.ward import DOCTOR_PHONES, Ward
from tests.house import OPERATOR

PHONE = DOCTOR_PHONES[1]


def ask(ward: Ward, number: str = PHONE) -> TestRing:
    with ward.house.transaction() as session:
        return test_rings.ask(session, number, "en", "anna", ward.now)


def wish(ward: Ward) -> TestRing:
    with ward.house.transaction() as session:
        return session.scalars(sa.select(TestRing)).one()


def look(ward: Ward) -> int:
    with ward.house.transaction() as session:
        return test_rings.due(session, ward.now)


def pause(ward: Ward, lane: str) -> None:
    with ward.house.transaction() as session:
        session.add(Pause(lane=lane, reason="x", who="x", started_at=ward.now))


def placed(ward: Ward) -> Attempt:
    [attempt] = ward.attempts(kind="test")
    ward.work()
    return ward.attempt(attempt.id)


def test_it_rings_in_the_routine_lane_and_speaks_its_own_flow(ward: Ward) -> None:
    made = ask(ward)
    attempt = placed(ward)
    assert (attempt.lane, attempt.flow, made.attempt_id) == ("routine", "test_ring", attempt.id)
    assert (attempt.status, attempt.to) == ("placed", PHONE)
    call = ward.answers(attempt.id)
    assert call is not None
    assert call.kind == "test"


@pytest.mark.parametrize(
    ("word", "result"), [("no_answer", "no_answer"), ("busy", "busy"), ("failed", "failed"), ("cancelled", "refused")]
)
def test_how_it_ends_unanswered(ward: Ward, word: str, result: str) -> None:
    ask(ward)
    ward.says(placed(ward).id, word)
    assert (wish(ward).result, wish(ward).ended_at) == (result, ward.now)


def test_answered_without_the_key_is_no_key(ward: Ward) -> None:
    ask(ward)
    attempt = placed(ward)
    ward.answers(attempt.id)
    assert wish(ward).result is None
    ward.says(attempt.id, "completed")
    assert wish(ward).result == "no_key"


def test_the_key_confirms_it_and_the_end_of_the_call_does_not_undo_that(ward: Ward) -> None:
    made = ask(ward)
    attempt = placed(ward)
    ward.answers(attempt.id)
    ward.publish(events.TestConfirmed(attempt.id))
    ward.says(attempt.id, "completed")
    assert wish(ward).result == "confirmed"
    assert ward.ledger(made.id) == ["asked for", "confirmed"]


def test_a_pause_of_the_patients_calls_is_none_of_it_and_a_pause_of_all_holds_it_back(ward: Ward) -> None:
    pause(ward, "routine")
    assert ask(ward).attempt_id is not None
    pause(ward, "all")
    assert (ask(ward, OPERATOR).attempt_id, ask(ward, OPERATOR).result) == (None, None)


def test_what_is_held_back_is_rung_when_it_may_and_given_up_after_half_an_hour(ward: Ward) -> None:
    ward.inbound(PHONE)  # the doctor is on the line with us
    assert ask(ward).attempt_id is None
    ward.forward(minutes=5)
    assert look(ward) == 1
    assert wish(ward).result is None
    ward.forward(minutes=25)
    look(ward)
    assert wish(ward).result == "refused"
    assert look(ward) == 0
    with ward.house.transaction() as session:
        assert [row.reason for row in test_rings.refusals(session, [wish(ward).id])] == ["number_in_use"]


def test_a_held_back_ring_is_placed_by_the_tick(ward: Ward) -> None:
    pause(ward, "all")
    ask(ward)
    with ward.house.transaction() as session:
        session.execute(sa.update(Pause).values(ended_at=ward.now))
    ward.forward(seconds=5)
    look(ward)
    assert wish(ward).attempt_id is not None


def test_a_number_that_cannot_be_is_refused_at_once(ward: Ward) -> None:
    assert ask(ward, "+86").result == "refused"


def test_asked_twice_it_is_one_ring(ward: Ward) -> None:
    assert ask(ward).id == ask(ward).id
    assert len(ward.attempts(kind="test")) == 1


def test_the_gate_may_still_refuse_when_the_turn_has_come(ward: Ward) -> None:
    ask(ward)
    pause(ward, "all")
    placed(ward)
    assert wish(ward).result == "refused"


def test_it_is_no_ring_of_a_patient_with_that_number(ward: Ward) -> None:
    """No consent, no hours, no machine detection, no cap: it is night, and the number is nobody's."""
    ward.forward(hours=14)
    ask(ward)
    attempt = placed(ward)
    assert attempt.status in LIVE_ATTEMPT
    assert attempt.patient_id is None
    assert ward.answers(attempt.id) is not None


def test_the_last_result_of_each_number(ward: Ward) -> None:
    for result in ("no_answer", "busy"):
        ask(ward)
        [attempt] = ward.attempts(kind="test", live=True)
        ward.work()
        ward.says(attempt.id, result)
        ward.forward(minutes=1)
    with ward.house.transaction() as session:
        last = test_rings.last_results(session, {PHONE, OPERATOR})
    assert {number: row.result for number, row in last.items()} == {PHONE: "busy"}
    assert timedelta() < ward.now - last[PHONE].asked_at


# ---- an alarm goes before ------------------------------------------------------------------------------
def test_an_alarm_rings_the_doctor_whose_number_is_being_tested_and_ends_the_test(ward: Ward) -> None:
    shift = ward.doctor(1)
    ask(ward, shift.phone)
    tested = placed(ward)
    assert ward.score(8, ward.inbound(patient=ward.patient())) is not None
    [alarm] = ward.attempts(kind="doctor", live=True)
    assert alarm.to == shift.phone, "the test does not hold the number"
    ward.work()
    assert ward.attempt(tested.id).unwanted
    assert ward.carrier.hung_up == [tested.sid]


def test_nothing_is_tested_while_somebody_waits_for_a_doctor(ward: Ward) -> None:
    ward.score(8, ward.inbound(patient=ward.patient()))
    made = ask(ward)
    assert (made.attempt_id, made.result) == (None, None)
    with ward.house.transaction() as session:
        assert [row.reason for row in test_rings.refusals(session, [made.id])] == ["alarm_open"]
