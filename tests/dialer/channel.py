"""What the tests of the green channel do to a ward: raise alarms, let time pass by the second, pick up, decide."""

from __future__ import annotations

import uuid
from datetime import timedelta

import sqlalchemy as sa

from core import events
from dialer import attempt as attempts
from dialer import doctor as on_phone
from dialer import escalation_due, night
from dialer.models import Attempt, Call, Escalation
from scheduler.models import WorkItem
from tests.dialer.ward import DOCTOR_PHONES, Ward

NIGHT = "+861055550190"
OTHER_PHONE = "+861055550112"
HOSPITAL = f'[hospital]\nlive = true\nnight_target = "{NIGHT}"\n[calling]\nlines = 9\nlines_reserved = 2\n'


def alarm(ward: Ward, score: int, phone: str = "+861055550111", *, ago_s: float = 0) -> uuid.UUID:
    """A patient of this number keyed `score` some time ago, and hung up."""
    call = ward.inbound(phone, patient=ward.patient(phone, department="surgery"))
    with ward.house.transaction() as session:
        session.get_one(Call, call.id).status = "completed"
        events.publish(
            session, events.ScoreStands(call.id, score, ward.now - timedelta(seconds=ago_s), "key"), ward.now
        )
        return session.scalars(sa.select(Escalation.id).where(Escalation.call_id == call.id)).one()


def of(ward: Ward, escalation_id: uuid.UUID) -> Escalation:
    with ward.house.transaction() as session:
        return session.get_one(Escalation, escalation_id)


def tick(ward: Ward) -> None:
    for look in (escalation_due.overdue_steps, escalation_due.breaches, night.due, attempts.overdue):
        for _ in range(50):
            with ward.house.transaction() as session:
                if not look(session, ward.now):
                    break
    ward.work()


def forward(ward: Ward, seconds: int) -> None:
    """By the second, as the timetable looks."""
    for _ in range(seconds):
        ward.forward(seconds=1)
        tick(ward)


def picks_up(ward: Ward, attempt: Attempt) -> Call:
    call = ward.answers(attempt.id)
    assert call is not None
    with ward.house.transaction() as session:
        assert on_phone.picked_up(session, session.get_one(Attempt, attempt.id), ward.now)
    return call


def offered(ward: Ward, attempt: Attempt) -> uuid.UUID:
    with ward.house.transaction() as session:
        patient = on_phone.patient_of(session, attempt.id)
        assert patient is not None
        return patient.id


def ring_at(ward: Ward, number: int) -> Attempt:
    """The newest ring at this doctor."""
    return [a for a in ward.attempts(kind="doctor") if a.to == DOCTOR_PHONES[number]][-1]


def decides(ward: Ward, attempt: Attempt, decision: str) -> None:
    ward.publish(events.DoctorDecided(attempt.id, decision))


def joined(ward: Ward, doctors_call: Call) -> None:
    with ward.house.transaction() as session:
        leg = on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)
    assert isinstance(leg, Attempt), leg
    ward.answers(leg.id)
    ward.publish(events.PatientJoined(leg.id))
    ward.forward(seconds=30)
    ward.says(leg.id, "completed")
    with ward.house.transaction() as session:
        on_phone.talk_ended(session, doctors_call.attempt_id or uuid.uuid4(), 30, ward.now)


def rung(ward: Ward) -> list[int]:
    return [DOCTOR_PHONES.index(to) for to in ward.carrier.rung() if to in DOCTOR_PHONES]


def work_kinds(ward: Ward) -> list[str]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(WorkItem.kind).order_by(WorkItem.kind)))


def on_the_line(ward: Ward) -> tuple[Call, Escalation]:
    """A caller with pain who stays on the telephone for the doctor."""
    call = ward.inbound(patient=ward.patient(department="surgery"))
    ward.score(8, call)
    patient = ward.escalation()
    assert patient is not None
    ward.publish(events.CallerWaits(call.id, patient.id))
    ward.work()
    return call, patient
