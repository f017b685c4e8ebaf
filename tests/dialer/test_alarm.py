"""Red flags bring the doctor as a score does; scores by the follow-up's own threshold."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core import events
from dialer import call as calls
from dialer.models import Call, Escalation
from scheduler.models import WorkItem
from tests.dialer.ward import Ward


def flag(ward: Ward, call: Call, question: str, level: str) -> None:
    ward.publish(events.RedFlag(call.id, question, level, ward.now))


def escalations(ward: Ward) -> list[Escalation]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(Escalation)))


@pytest.mark.parametrize(("level", "rings"), [("A", 1), ("B", 1), ("C", 0)])
def test_a_red_flag_of_level_a_or_b_rings_the_doctor_at_once(ward: Ward, level: str, rings: int) -> None:
    ward.doctor(1)
    flag(ward, ward.inbound(patient=ward.patient(department="surgery")), "breath", level)
    opened = escalations(ward)
    assert len(opened) == rings
    assert len(ward.attempts(kind="doctor")) == rings
    if opened:
        assert (opened[0].score, opened[0].flags, opened[0].status) == (None, ["breath"], "ringing")


def test_a_flag_and_a_score_of_one_patient_are_one_escalation(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    flag(ward, call, "breath", "A")
    flag(ward, call, "breath", "A")
    flag(ward, call, "wound", "B")
    ward.score(6, call)
    [only] = escalations(ward)
    assert (only.score, only.flags) == (6, ["breath", "wound"])
    assert len(ward.attempts(kind="doctor")) == 1


def test_a_flag_from_a_number_nobody_shows_is_in_the_ledger(ward: Ward) -> None:
    call = ward.inbound("")
    flag(ward, call, "breath", "A")
    assert escalations(ward) == []
    assert "alarm without a number to ring back" in ward.ledger(call.id)


@pytest.mark.parametrize(("score", "opens"), [(5, 0), (6, 1)])
def test_the_follow_ups_own_threshold_decides(ward: Ward, score: int, opens: int) -> None:
    patient = ward.patient()
    with ward.house.transaction() as session:
        attempt = ward.place_in(session, ward.ring(patient_id=patient.id))
        attempt.brief = {"threshold": 6, "nurse_from": 4}  # type: ignore[union-attr]
    ward.work()
    call = ward.answers(attempt.id)  # type: ignore[union-attr]
    assert call is not None
    ward.score(score, call)
    assert len(escalations(ward)) == opens


def test_two_patients_of_one_number_have_each_an_escalation(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    for score, patient in ((9, ward.patient()), (8, ward.patient())):
        ward.score(score, ward.inbound(patient=patient))
    assert sorted((one.score or 0, one.patient_id is not None) for one in escalations(ward)) == [(8, True), (9, True)]


@pytest.mark.parametrize(("before", "after", "opens"), [(3, 7, 1), (9, 7, 0), (7, 8, 0), (7, 2, 0)])
def test_a_correction_rings_the_doctor_only_for_what_he_did_not_know(
    ward: Ward, before: int, after: int, opens: int
) -> None:
    call = ward.inbound(patient=ward.patient())
    ward.publish(events.ScoreStands(call.id, after, ward.now, "corrected", "pain", before))
    assert len(escalations(ward)) == opens


def test_an_alarm_that_ends_without_a_number_is_somebodys_work(ward: Ward) -> None:
    call = ward.inbound("")
    ward.score(9, call)
    with ward.house.transaction() as session:
        row = calls.locked(session, call.id)
        assert row is not None
        calls.carrier_says(session, row, "completed", ward.now)
    with ward.house.transaction() as session:
        [item] = session.scalars(sa.select(WorkItem))
    assert (item.kind, item.subject_id) == ("call_wanted", call.id)


def test_a_doctor_who_accepts_finds_no_ring_of_ours_at_the_patient(ward: Ward) -> None:
    """One that was placed just before the alarm and nobody has picked up yet."""
    ward.settings("[calling]\nlines = 9")
    ward.doctor(1)
    patient = ward.patient()
    routine = ward.placed(ward.ring(patient_id=patient.id))
    ward.work("place_routine")
    ward.score(9, ward.inbound("+861055550119", patient=patient))
    ward.work("place_escalation")
    [doctor] = ward.attempts(kind="doctor")
    ward.answers(doctor.id)
    with ward.house.transaction() as session:
        session.scalars(sa.select(Escalation)).one().to_index = routine.to_index
    with ward.house.transaction() as session:
        session.scalars(sa.select(Escalation)).one().to = routine.to
    ward.publish(events.DoctorDecided(doctor.id, "accepted"))
    ward.work("hang_up")
    assert ward.attempt(routine.id).sid in ward.carrier.hung_up
