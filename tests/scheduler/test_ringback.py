"""A patient who missed our ring rings the hotline, and what happens to the ring that is on its way."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import people
from core.models import Contact, Patient, Procedure, new_id
from dialer import attempt as attempts
from dialer import call as calls
from dialer.models import LIVE_ATTEMPT, Attempt, Call
from scheduler.models import FollowUp
from scheduler.ringback import RingBack
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward

BIRTHDAY = "0506"


def rings_us(ward: Ward, phone: str = PHONE) -> uuid.UUID:
    with ward.house.transaction() as session:
        return calls.open_inbound(session, f"CA{new_id().hex}", phone, "hotline", ward.now).id


def begins(ward: Ward, call_id: uuid.UUID, birthday: str = BIRTHDAY) -> bool:
    with ward.house.transaction() as session:
        call = calls.locked(session, call_id)
        assert call is not None
        return RingBack().begin(session, call, birthday, ward.now)


def waiting(ward: Ward, phone: str = PHONE) -> bool:
    with ward.house.transaction() as session:
        return RingBack().waiting(session, phone, ward.now)


def missed(ward: Ward, *phones: str) -> uuid.UUID:
    procedure = ward.due_patient(*phones)
    ward.ends(ward.rung(), "no_answer")
    return procedure


def call_of(ward: Ward, call_id: uuid.UUID) -> Call:
    with ward.house.transaction() as session:
        return session.get_one(Call, call_id)


def test_who_was_not_rung_has_nothing_waiting(ward: Ward) -> None:
    ward.due_patient()
    assert not waiting(ward)
    assert not waiting(ward, "")
    assert not waiting(ward, "+8613800000099")


def test_a_missed_ring_waits_until_it_is_over(ward: Ward) -> None:
    procedure = missed(ward)
    assert waiting(ward)
    ward.now = ward.first(procedure).deadline_at
    assert not waiting(ward)


@pytest.mark.parametrize("birthday", ["0605", "", "05061"])
def test_another_birthday_gets_nothing(ward: Ward, birthday: str) -> None:
    missed(ward)
    call = rings_us(ward)
    assert not begins(ward, call, birthday)
    assert call_of(ward, call).kind == "hotline"


def test_the_patients_own_call_is_the_interview_and_nothing_more_is_rung(ward: Ward) -> None:
    procedure = missed(ward)
    call_id = rings_us(ward)
    assert begins(ward, call_id)
    call, row = call_of(ward, call_id), ward.first(procedure)
    assert (call.kind, call.patient_id, row.status) == ("followup", row.patient_id, "calling")
    with ward.house.transaction() as session:
        attempt = session.get_one(Attempt, call.attempt_id)
    assert (attempt.via, attempt.status, attempt.brief["wave"]) == ("inbound", "answered", "6h")
    ward.now = max(ward.now, row.next_try_at)
    assert ward.tick() == 0
    ward.interview(attempt, call_id, "completed")
    ward.hear(attempt, "completed")
    assert ward.first(procedure).status == "completed"
    assert call_of(ward, call_id).status == "completed"
    assert not waiting(ward)


def test_who_hangs_up_halfway_is_rung_again(ward: Ward) -> None:
    procedure = missed(ward)
    call_id = rings_us(ward)
    begins(ward, call_id)
    with ward.house.transaction() as session:
        attempt = session.get_one(Attempt, call_of(ward, call_id).attempt_id)
    ward.interview(attempt, call_id, "partial")
    ward.hear(attempt, "completed")
    assert (ward.first(procedure).status, ward.first(procedure).reason) == ("waiting", "partial")


def test_the_family_of_one_number_is_told_apart_by_the_birthday(ward: Ward) -> None:
    first = ward.due_patient(mrn="F-1")
    ward.ends(ward.rung(), "no_answer")
    second = ward.due_patient(mrn="F-2")
    with ward.house.transaction() as session:
        patient = session.get_one(Patient, ward.first(second).patient_id)
        patient.birth_date = "1999-12-24"
    ward.ends(ward.rung(), "no_answer")
    assert begins(ward, rings_us(ward), "1224")
    assert (ward.first(first).status, ward.first(second).status) == ("waiting", "calling")


# ---- the race with a ring in flight ---------------------------------------------------------------------------
def test_a_ring_nobody_has_answered_is_taken_back_and_its_end_moves_nothing(ward: Ward) -> None:
    procedure = missed(ward, PHONE, SECOND_PHONE)
    ward.now = ward.first(procedure).next_try_at
    flying = ward.rung()
    ward.post(flying)
    ward.hear(flying, "ringing")
    assert flying.to == SECOND_PHONE
    call_id = rings_us(ward, PHONE)
    assert begins(ward, call_id)
    ward.hang_up(flying)
    with ward.house.transaction() as session:
        assert attempts.may_speak(session, flying.id, str(session.get_one(Attempt, flying.id).sid)) is None
    ward.hear(flying, "no_answer")
    row = ward.first(procedure)
    assert (row.status, row.current_attempt_id) == ("calling", call_of(ward, call_id).attempt_id)
    assert row.tries == 1, "the ring that was taken back is not one of the tries"


def test_a_ring_that_is_being_answered_keeps_the_interview(ward: Ward) -> None:
    procedure = missed(ward, PHONE, SECOND_PHONE)
    ward.now = ward.first(procedure).next_try_at
    flying = ward.rung()
    ward.post(flying)
    ward.answer(flying)
    assert not waiting(ward)
    call_id = rings_us(ward, PHONE)
    assert not begins(ward, call_id)
    assert call_of(ward, call_id).kind == "hotline"
    assert ward.first(procedure).current_attempt_id == flying.id


def test_two_callers_at_once_one_interview(ward: Ward) -> None:
    missed(ward, PHONE, SECOND_PHONE)
    lines = [rings_us(ward, PHONE), rings_us(ward, SECOND_PHONE)]
    barrier, began = threading.Barrier(2), []

    def key(call_id: uuid.UUID) -> None:
        barrier.wait()
        began.append(begins(ward, call_id))

    threads = [threading.Thread(target=key, args=(call_id,)) for call_id in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(began) == [False, True]
    with ward.house.transaction() as session:
        live = session.scalars(sa.select(Attempt).where(Attempt.status.in_(LIVE_ATTEMPT))).all()
    assert len(live) == 1


def test_a_ring_and_a_caller_at_the_same_moment(ward: Ward) -> None:
    """Whoever is first, there is one interview, and no second ring while the patient talks."""
    for number in range(6):
        phone = f"+86138000001{number:02}"
        procedure = ward.operation(ward.patient(phone, mrn=f"R-{number}"), timedelta(hours=6))
        ward.ends(ward.rung(), "no_answer")
        ward.now = ward.first(procedure).next_try_at
        call_id = rings_us(ward, phone)
        barrier = threading.Barrier(2)

        def tick(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            ward.tick()

        def key(barrier: threading.Barrier = barrier, call_id: uuid.UUID = call_id) -> None:
            barrier.wait()
            begins(ward, call_id)

        threads = [threading.Thread(target=tick), threading.Thread(target=key)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        row = ward.first(procedure)
        wanted = [one for one in ward.live() if one.subject_id == row.id]
        assert row.status == "calling"
        assert [one.id for one in wanted] == [row.current_attempt_id], "the number is in use: nobody rings it"
        ward.hear(wanted[0], "completed")
        with ward.house.transaction() as session:
            session.execute(sa.update(FollowUp).values(held=True))


# ---- who may answer ---------------------------------------------------------------------------------------------
def relative(ward: Ward, procedure: uuid.UUID, relation: str, **patient: str) -> None:
    with ward.house.transaction() as session:
        row = session.get_one(Patient, ward.first(procedure).patient_id)
        for name, value in patient.items():
            setattr(row, name, value)
        contact = session.scalars(sa.select(Contact).where(Contact.patient_id == row.id, Contact.position == 1)).one()
        contact.relation = relation
        people.set_consent(session, row.id, "family", False, "staff", ward.now)


def test_a_relative_the_patient_said_no_to_gets_no_interview(ward: Ward) -> None:
    procedure = missed(ward, PHONE, SECOND_PHONE)
    relative(ward, procedure, "brother")
    assert not waiting(ward, SECOND_PHONE)
    assert not begins(ward, rings_us(ward, SECOND_PHONE))
    assert begins(ward, rings_us(ward, PHONE))


def test_for_a_child_only_the_guardian_gets_it(ward: Ward) -> None:
    procedure = missed(ward, PHONE, SECOND_PHONE)
    relative(ward, procedure, "guardian", birth_date="2025-05-06")
    assert not begins(ward, rings_us(ward, PHONE))
    assert begins(ward, rings_us(ward, SECOND_PHONE))


def test_an_operation_that_was_cancelled_has_no_interview(ward: Ward) -> None:
    procedure = missed(ward)
    with ward.house.transaction() as session:
        session.get_one(Procedure, procedure).status = "cancelled"
    assert not waiting(ward)


def test_however_the_end_of_the_call_is_learnt_the_ring_it_stands_for_ends_with_it(ward: Ward) -> None:
    """Told by the carrier, or asked of it because nothing was told."""
    procedure = missed(ward)
    call_id = rings_us(ward)
    begins(ward, call_id)
    with ward.house.transaction() as session:
        call = calls.locked(session, call_id)
        assert call is not None
        attempts.conversation_says(session, call, "completed", ward.now)
    with ward.house.transaction() as session:
        assert session.get_one(Attempt, call_of(ward, call_id).attempt_id).status == "ended"
    assert call_of(ward, call_id).status == "completed"
    assert ward.first(procedure).status == "waiting"
