"""What a second reader of the green channel found: states in which a patient waited, or a doctor was rung, wrongly."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from core import events
from dialer import escalation_due
from dialer.models import Attempt, Call, Escalation, Shift
from tests.dialer.channel import (
    HOSPITAL,
    NIGHT,
    OTHER_PHONE,
    alarm,
    decides,
    forward,
    of,
    picks_up,
    ring_at,
    rung,
    tick,
)
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward


@pytest.fixture
def ward(ward: Ward) -> Ward:
    ward.settings(HOSPITAL)
    return ward


def rung_by_both(ward: Ward) -> tuple[uuid.UUID, Attempt]:
    """A doctor said he rings later; another, on the phone for somebody else, then took the patient."""
    ward.settings(HOSPITAL + "[escalation]\nlater_s = 900\npromise_s = 3600\n")
    ward.doctor(1)
    ward.doctor(2)
    patient = alarm(ward, 5)
    ward.work()
    first = ring_at(ward, 1)
    picks_up(ward, first)
    decides(ward, first, "accepted")
    other = alarm(ward, 9, OTHER_PHONE)
    ward.work()
    second = ring_at(ward, 2)
    picks_up(ward, second)
    decides(ward, second, "accepted")
    assert of(ward, other).owner_attempt_id == second.id
    ward.publish(events.DoctorSaid(first.id, "call_later"))
    ward.says(first.id, "completed")
    ward.publish(events.DoctorSaid(second.id, "advice"))
    ward.publish(events.NextWanted(second.id))
    decides(ward, second, "accepted")
    assert of(ward, patient).owner_attempt_id == second.id
    return patient, second


def two_patients_of_one_doctor(ward: Ward) -> Call:
    """He stands in the one's chain by his shift in surgery, in the other's by the one for all. Returns the other's
    call."""
    ward.doctor(1, department="surgery")
    ward.doctor(2)
    ward.doctor(1)
    alarm(ward, 9)
    stranger = ward.inbound(OTHER_PHONE)
    with ward.house.transaction() as session:
        session.get_one(Call, stranger.id).status = "completed"
    ward.score(5, stranger)
    ward.work()
    return stranger


def test_a_patient_given_back_before_the_next_round_holds_up_nobody(ward: Ward) -> None:
    patient, second = rung_by_both(ward)
    decides(ward, second, "no_pin")
    lost = of(ward, patient)
    assert lost.status == "open"
    assert lost.next_step_at == lost.round_at
    ward.forward(seconds=70)
    with ward.house.transaction() as session:
        assert escalation_due.overdue_steps(session, ward.now) == 0


def test_while_lines_are_short_the_front_moves_on_with_the_doctor_it_rang(ward: Ward) -> None:
    """A ring beside the front that found no line must not make the next doctor rung after two seconds."""
    ward.settings(HOSPITAL.replace("lines = 9", "lines = 4") + "[escalation]\nagain_s = 20\n")
    for number in (1, 2, 3, 4):
        ward.doctor(number)
    alarm(ward, 7)
    ward.work()
    ward.says(ring_at(ward, 1).id, "no_answer")
    tick(ward)
    assert rung(ward) == [1, 2]
    for number in (50, 51):
        ward.inbound(f"+8610555501{number}")
    ward.says(ring_at(ward, 2).id, "ringing")
    forward(ward, 34)
    assert rung(ward) == [1, 2]
    forward(ward, 1)
    assert rung(ward) == [1, 2, 3]
    with ward.house.transaction() as session:
        assert session.get_one(Escalation, ring_at(ward, 3).subject_id).step == 2
    ward.says(ring_at(ward, 2).id, "no_answer")
    forward(ward, 10)
    assert 4 not in rung(ward)


def test_a_doctor_is_not_rung_at_one_number_while_he_is_rung_at_another(ward: Ward) -> None:
    shift = ward.doctor(1)
    with ward.house.transaction() as session:
        session.get_one(Shift, shift.id).phone2 = DOCTOR_PHONES[11]
    ward.doctor(2)
    alarm(ward, 7)
    ward.work()
    ward.says(ring_at(ward, 1).id, "no_answer")
    tick(ward)
    alarm(ward, 9, OTHER_PHONE)  # another patient's chain rings the same doctor, at the first number
    ward.work()
    again = ring_at(ward, 1)
    picks_up(ward, again)
    decides(ward, again, "accepted")
    forward(ward, 90)
    assert 11 not in rung(ward)


def test_who_rings_again_is_not_left_waiting_for_the_next_round(ward: Ward) -> None:
    ward.settings(HOSPITAL + "[escalation]\nlater_s = 900\npromise_s = 3600\n")
    ward.doctor(1)
    patient = alarm(ward, 5)
    ward.work()
    first = ring_at(ward, 1)
    picks_up(ward, first)
    decides(ward, first, "accepted")
    ward.publish(events.DoctorSaid(first.id, "call_later"))
    ward.says(first.id, "completed")
    forward(ward, 5)
    assert rung(ward) == [1]
    ward.score(9, ward.inbound(PATIENT_PHONE))
    ward.work()
    assert (of(ward, patient).score, rung(ward)) == (9, [1, 1])


def test_a_promise_that_broke_in_a_doctors_hands_is_hurried_when_he_loses_the_patient(ward: Ward) -> None:
    ward.settings(HOSPITAL + "[escalation]\npromise_s = 30\ntalk_s = 15\n")
    ward.doctor(1)
    ward.doctor(2)
    ward.doctor(3, "head")
    patient = alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    forward(ward, 31)
    assert of(ward, patient).breached_at is not None
    assert NIGHT not in ward.carrier.rung()
    ward.says(ring.id, "completed")
    forward(ward, 5)
    assert sorted(rung(ward)) == [1, 2, 3]
    assert NIGHT in ward.carrier.rung()


def test_who_passed_on_a_patient_is_left_alone_whatever_shift_he_was_rung_for(ward: Ward) -> None:
    two_patients_of_one_doctor(ward)
    assert rung(ward) == [1, 2]
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    ward.publish(events.DoctorSaid(ring.id, "advice"))
    ward.publish(events.NextWanted(ring.id))
    decides(ward, ring, "declined")
    ward.says(ring.id, "completed")
    ward.says(ring_at(ward, 2).id, "no_answer")
    forward(ward, 15)
    assert rung(ward) == [1, 2]


def test_who_rings_later_comes_first_whatever_shift_he_was_rung_for(ward: Ward) -> None:
    stranger = two_patients_of_one_doctor(ward)
    ward.says(ring_at(ward, 2).id, "no_answer")
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "declined")
    ward.publish(events.NextWanted(ring.id))
    decides(ward, ring, "accepted")
    ward.publish(events.DoctorSaid(ring.id, "call_later"))
    with ward.house.transaction() as session:
        row = session.scalars(sa.select(Escalation).where(Escalation.call_id == stranger.id)).one()
        assert [session.get_one(Shift, uuid.UUID(step["shift"])).doctor for step in row.chain] == ["Dr 1", "Dr 2"]


@pytest.mark.parametrize("presses", [True, False])
def test_the_night_target_is_not_woken_while_the_only_doctor_listens(ward: Ward, presses: bool) -> None:
    ward.doctor(1)
    alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    forward(ward, 24)
    picks_up(ward, ring)
    forward(ward, 20)
    if presses:
        decides(ward, ring, "accepted")
    assert NIGHT not in ward.carrier.rung()
    forward(ward, 15)
    assert (NIGHT in ward.carrier.rung()) != presses
