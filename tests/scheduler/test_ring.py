"""What becomes of a follow-up after each ring: another hour, another number, a word by SMS, a nurse."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from core import people
from core.events import InterviewEnded, ScoreStands
from core.models import Contact, Patient, SpecialDay
from dialer import attempt as attempts
from dialer import call as calls
from dialer.models import Attempt, Escalation
from scheduler.models import FollowUp
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward, hospital

EVENING_FALLS = datetime(2031, 3, 7, 12, 40, tzinfo=UTC)
"""20:40 on Friday in Shanghai: ten minutes after calling hours, before quiet hours."""
MORNING = datetime(2031, 3, 8, 0, 30, tzinfo=UTC)


def due_at_night(ward: Ward, **more: str) -> uuid.UUID:
    ward.now = EVENING_FALLS
    return ward.due_patient(**more)


# ---- when it is tried again -----------------------------------------------------------------------------
def test_a_ring_in_vain_is_tried_at_another_part_of_the_day(ward: Ward) -> None:
    procedure = ward.due_patient()  # 10:00
    ward.ends(ward.rung(), "no_answer")
    assert ward.first(procedure).next_try_at == datetime(2031, 3, 7, 6, 0, tzinfo=UTC), "14:00, after the rest"


def test_a_busy_line_is_tried_again_two_hours_later_at_the_same_number(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE, SECOND_PHONE)
    ward.ends(ward.rung(), "busy")
    row = ward.first(procedure)
    assert row.next_try_at - ward.now >= timedelta(hours=2)
    ward.now = row.next_try_at
    assert ward.rung().to == PHONE


def test_a_number_that_does_not_exist_is_not_rung_again_for_this_wave(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE, SECOND_PHONE)
    ward.ends(ward.rung(), "failed_for_good")
    ward.now = ward.first(procedure).next_try_at
    second = ward.rung()
    assert second.to == SECOND_PHONE
    ward.ends(second, "failed_for_good")
    ward.now = ward.first(procedure).next_try_at
    assert ward.tick() == 0
    assert (ward.first(procedure).status, ward.first(procedure).reason) == ("unreached", "no_number")


def test_a_stranger_who_says_so_ends_that_number_for_this_patient_only(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE, SECOND_PHONE)
    other = ward.operation(ward.patient(PHONE, mrn="S-2"), timedelta(hours=6))
    attempt = ward.rung()
    ward.ends(attempt, "answered", "wrong_number")
    ward.now = max(ward.first(procedure).next_try_at, ward.first(other).next_try_at)
    numbers = set()
    for _ in range(2):
        ward.tick()
        for live in ward.live():
            numbers.add((live.patient_id == attempt.patient_id, live.to))
            ward.ends(live, "no_answer")
        ward.forward(minutes=1)
    assert (True, SECOND_PHONE) in numbers
    assert (True, PHONE) not in numbers
    assert (False, PHONE) in numbers, "the other patient of this number is still there"
    with ward.house.transaction() as session:
        assert not people.on_do_not_call(session, PHONE)


def test_a_machine_is_no_conversation_and_the_next_number_is_tried(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE, SECOND_PHONE)
    attempt = ward.rung()
    ward.post(attempt)
    ward.answer(attempt)
    with ward.house.transaction() as session:
        row = attempts.locked(session, attempt.id)
        assert row is not None
        attempts.answered_by(session, row, "machine", ward.now)
    ward.hear(attempt, "completed")
    assert (ward.first(procedure).status, ward.first(procedure).reason) == ("waiting", "machine")
    ward.now = ward.first(procedure).next_try_at
    assert ward.rung().to == SECOND_PHONE


def test_the_end_of_an_older_ring_moves_nothing(ward: Ward) -> None:
    """A ring given up as lost comes to life again while the next one rings."""
    procedure = ward.due_patient()
    old = ward.rung()
    ward.ends(old, "not_placed")
    ward.now = ward.first(procedure).next_try_at
    new = ward.rung()
    with ward.house.transaction() as session:
        row = session.get_one(FollowUp, new.subject_id)
        assert row.current_attempt_id == new.id
        ward.house.bus.publish(session, InterviewEnded(uuid.uuid4(), old.id, "completed"), ward.now)
    assert ward.first(procedure).interview is None
    assert ward.first(procedure).status == "calling"


# ---- the night ------------------------------------------------------------------------------------------
def test_a_wave_that_falls_in_the_night_is_written_now_and_rung_at_opening(ward: Ward) -> None:
    procedure = due_at_night(ward)
    for _ in range(3):
        assert ward.tick() == 0
    [message] = ward.messages()
    assert (message.kind, message.due_at, message.clinical) == ("night_notice", EVENING_FALLS, True)
    assert message.subject_id == ward.first(procedure).id
    assert ward.first(procedure).next_try_at == MORNING
    ward.now = MORNING
    assert ward.tick() == 1


def test_the_midday_rest_is_no_night(ward: Ward) -> None:
    ward.now = datetime(2031, 3, 7, 4, 30, tzinfo=UTC)  # 12:30
    procedure = ward.due_patient()
    assert ward.tick() == 0
    assert ward.messages() == []
    assert ward.first(procedure).next_try_at == datetime(2031, 3, 7, 6, 0, tzinfo=UTC)


def test_only_a_wave_hours_after_the_operation_is_written_about(ward: Ward) -> None:
    ward.now = EVENING_FALLS
    procedure = ward.operation(ward.patient(), timedelta(hours=48))
    assert ward.tick() == 0
    assert ward.waves(procedure)["48h"].status == "waiting"
    assert ward.messages() == []


def test_a_holiday_has_hours_of_its_own(ward: Ward) -> None:
    with ward.house.transaction() as session:
        session.add(SpecialDay(day=date(2031, 3, 8), kind="holiday", at=ward.now))
    ward.now = datetime(2031, 3, 8, 0, 30, tzinfo=UTC)  # 08:30
    procedure = ward.due_patient()
    assert ward.tick() == 0
    assert ward.first(procedure).next_try_at == datetime(2031, 3, 8, 1, 30, tzinfo=UTC), "09:30 on a holiday"


# ---- the end of its time ----------------------------------------------------------------------------------
def test_who_was_rung_in_vain_is_asked_by_sms_to_ring_us(ward: Ward) -> None:
    hospital(ward.house, followup={"tries": 1})
    procedure = ward.due_patient()
    ward.ends(ward.rung(), "no_answer")
    assert ward.first(procedure).status == "unreached"
    [message] = ward.messages()
    assert (message.kind, message.to, message.clinical) == ("missed", PHONE, True)
    assert [event.why for event in ward.unreached] == ["no_answer"]


@pytest.mark.parametrize(("tried", "status"), [(False, "expired"), (True, "unreached")])
def test_a_wave_out_of_time_is_closed_even_while_no_line_is_free(ward: Ward, tried: bool, status: str) -> None:
    procedure = ward.due_patient()
    if tried:
        ward.ends(ward.rung(), "busy")
    hospital(ward.house, calling={"lines": 1, "lines_reserved": 0})
    with ward.house.transaction() as session:
        calls.open_inbound(session, "CA" + "f" * 32, "", "hotline", ward.now)
    ward.now = ward.first(procedure).deadline_at
    assert ward.tick() == 0
    assert ward.first(procedure).status == status
    assert len(ward.unreached) == 1


def test_a_held_wave_is_not_rung_and_still_ends_for_a_nurse(ward: Ward) -> None:
    procedure = ward.due_patient()
    with ward.house.transaction() as session:
        session.execute(sa.update(FollowUp).values(held=True))
    assert ward.tick() == 0
    ward.now = ward.first(procedure).deadline_at
    ward.tick()
    assert ward.first(procedure).status == "expired"
    assert len(ward.unreached) == 1


# ---- one number, several people ----------------------------------------------------------------------------
def test_a_family_on_one_number_is_never_rung_twice_at_once_nor_more_than_the_day_allows(ward: Ward) -> None:
    for number in range(3):
        ward.operation(ward.patient(PHONE, mrn=f"F-{number}"), timedelta(hours=6))
    rung = []
    for _ in range(60):
        ward.tick()
        live = ward.live()
        assert len(live) <= 1
        for attempt in live:
            rung.append(attempt.patient_id)
            ward.ends(attempt, "answered", "completed")
        ward.forward(minutes=4)
    assert len(rung) == len(set(rung)) == 2, "the third is rung tomorrow"


def test_two_operations_of_one_patient_share_the_rings_of_a_day(ward: Ward) -> None:
    patient = ward.patient(PHONE, SECOND_PHONE)
    for number in range(3):
        ward.operation(patient, timedelta(hours=6), external_id=f"OP-{number}")
    rung = 0
    for _ in range(40):
        ward.tick()
        for attempt in ward.live():
            rung += 1
            ward.ends(attempt, "no_answer")
        ward.forward(minutes=9)
    assert rung == 2


# ---- children ------------------------------------------------------------------------------------------------
def make_child(ward: Ward, patient_id: uuid.UUID, relation: str) -> None:
    with ward.house.transaction() as session:
        session.get_one(Patient, patient_id).birth_date = "2024-05-06"
        second = session.scalars(
            sa.select(Contact).where(Contact.patient_id == patient_id, Contact.position == 1)
        ).one()
        second.relation = relation


def test_for_a_child_the_guardian_is_rung_and_nobody_else(ward: Ward) -> None:
    patient = ward.patient(PHONE, SECOND_PHONE)
    make_child(ward, patient, "guardian")
    ward.operation(patient, timedelta(hours=6))
    attempt = ward.rung()
    assert (attempt.to, attempt.brief["guardian"], attempt.brief["slow"]) == (SECOND_PHONE, True, False)


def test_a_child_without_a_guardians_number_is_work_for_a_nurse(ward: Ward) -> None:
    patient = ward.patient(PHONE, SECOND_PHONE)
    make_child(ward, patient, "aunt")
    procedure = ward.operation(patient, timedelta(hours=6))
    assert ward.tick() == 0
    assert ward.first(procedure).status == "unreached"


# ---- what the flow is told -----------------------------------------------------------------------------------
def test_pain_that_rose_since_the_last_wave_lowers_the_doctors_threshold(ward: Ward) -> None:
    hospital(ward.house, followup={"responder": "nurse", "threshold": 4, "doctor_from": 7})
    procedure = ward.due_patient()
    attempt = ward.rung()
    assert (attempt.brief["threshold"], attempt.brief["nurse_from"]) == (7, 4)
    ward.post(attempt)
    call = ward.answer(attempt)
    ward.score(call, 2)
    ward.interview(attempt, call, "completed")
    ward.hear(attempt, "completed")
    ward.now = ward.waves(procedure)["48h"].due_at.replace(hour=2)
    ward.now += timedelta(days=1) if ward.now < ward.waves(procedure)["48h"].due_at else timedelta(0)
    second: Attempt = ward.rung()
    assert second.brief["wave"] == "48h"
    assert (second.brief["threshold"], second.brief["nurse_from"]) == (5, 4)


def test_pain_when_moving_is_judged_and_does_not_become_the_waves_score(ward: Ward) -> None:
    procedure = ward.due_patient()
    attempt = ward.rung()
    ward.post(attempt)
    call = ward.answer(attempt)
    ward.score(call, 1)
    with ward.house.transaction() as session:
        ward.house.bus.publish(session, ScoreStands(call, 6, ward.now, "key", "pain_moving"), ward.now)
    assert ward.first(procedure).score == "1"


def test_half_an_interview_and_then_no_answer_ends_partial(ward: Ward) -> None:
    hospital(ward.house, calling={"rings_per_day": 10})
    procedure = ward.due_patient()
    for interview in ("partial", None, None):
        ward.now = max(ward.now, ward.first(procedure).next_try_at)
        ward.ends(ward.rung(), "answered" if interview else "no_answer", interview)
    assert ward.first(procedure).status == "partial"


def test_a_relative_the_patient_said_no_to_is_not_rung_even_when_no_other_number_is_left(ward: Ward) -> None:
    patient = ward.patient(PHONE, SECOND_PHONE)
    with ward.house.transaction() as session:
        second = session.scalars(sa.select(Contact).where(Contact.patient_id == patient, Contact.position == 1)).one()
        second.relation = "brother"
        people.set_consent(session, patient, "family", False, "staff", ward.now)
    procedure = ward.operation(patient, timedelta(hours=6))
    ward.ends(ward.rung(), "answered", "wrong_number")
    ward.now = ward.first(procedure).next_try_at
    assert ward.tick() == 0
    assert ward.first(procedure).status == "unreached"


def test_who_waits_for_a_doctor_is_not_rung_for_anything_else(ward: Ward) -> None:
    with ward.house.transaction() as session:
        caller = calls.open_inbound(session, "CA" + "f" * 32, PHONE, "hotline", ward.now)
        ward.house.bus.publish(session, ScoreStands(caller.id, 9, ward.now, "key"), ward.now)
        calls.carrier_says(session, caller, "completed", ward.now)
    procedure = ward.due_patient()
    assert ward.tick() == 0
    assert ward.refusals(ward.first(procedure)) == [("doctor_coming", 1)]
    with ward.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="closed"))
    ward.forward(minutes=1)
    assert ward.tick() == 1


@pytest.mark.parametrize(("slow_age", "slow"), [(69, True), (70, False), (0, False)])
def test_from_which_age_we_speak_slowly_and_that_nought_turns_it_off(ward: Ward, slow_age: int, slow: bool) -> None:
    hospital(ward.house, followup={"slow_age": slow_age})
    ward.due_patient()  # born on 6 May 1961: 69 in March 2031
    assert ward.rung().brief["slow"] is slow
