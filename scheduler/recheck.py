"""The recheck: some hours after a doctor's contact the patient is asked again how strong the pain is (docs/clinical.md
ESC: closed is not yet well), and whether the warning signs that rang the doctor are still there.

A follow-up like any other, by the same gate and in the same hours; where no call of ours may ask it is a nurse's.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.house import settings_of
from core.models import Patient, Procedure
from dialer import alarm
from dialer.models import Escalation
from scheduler import store
from scheduler.machine import WAITING
from scheduler.models import FollowUp

NEW_ALARM = "the patient has raised another alarm"
NO_NEED = "the doctor says there was no need"
NOTHING_TO_ASK = frozenset({"no_need"})
"""Outcomes (dialer.escalation.OUTCOMES) after which nobody asks again."""


def on_escalation_closed(session: Session, event: events.EscalationClosed, now: datetime) -> None:
    """Planned once per escalation, `recheck_h` after the contact; taken back when there was no need."""
    escalation = session.get_one(Escalation, event.escalation_id)
    if escalation.outcome in NOTHING_TO_ASK:
        _take_back(session, FollowUp.escalation_id == escalation.id, NO_NEED, now)
        return
    if _planned(session, escalation.id):
        return
    patient = session.get(Patient, event.patient_id) if event.patient_id else None
    if patient is not None and patient.status in store.NOT_AT_HOME:
        return
    hindrance = _hindrance(session, patient, event.procedure_id)
    if hindrance is None and event.procedure_id is not None:
        at = now + timedelta(hours=settings_of(session).escalation.recheck_h)
        store.add_wave(session, event.procedure_id, at, "service", "", now, recheck_of=escalation.id)
    else:
        wanted = events.WorkWanted("recheck", event.patient_id, escalation.id, hindrance or "")
        events.publish(session, wanted, now)


def _planned(session: Session, escalation_id: uuid.UUID) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(FollowUp.escalation_id == escalation_id))))


def _hindrance(session: Session, patient: Patient | None, procedure_id: uuid.UUID | None) -> str | None:
    """Why no call of ours can ask this patient; None: one can."""
    if patient is None:
        return "caller_not_on_file"
    procedure = session.get(Procedure, procedure_id) if procedure_id else None
    if procedure is None or procedure.status != "active":
        return "no_operation"
    agreed = people.has_consent(session, patient.id, "followup")
    return None if agreed else "no_consent_to_calls"


def on_escalation_opened(session: Session, event: events.EscalationOpened, now: datetime) -> None:
    """Another alarm: the doctor asks now, and the recheck comes after that contact. One that is being asked at this
    moment, and rang the doctor, goes on."""
    patient_id = session.scalar(sa.select(Escalation.patient_id).where(Escalation.id == event.escalation_id))
    if patient_id is None:
        return
    _take_back(session, FollowUp.patient_id == patient_id, NEW_ALARM, now)


def _take_back(session: Session, whose: sa.ColumnElement[bool], why: str, now: datetime) -> None:
    rows = session.scalars(
        sa.select(FollowUp)
        .where(whose, FollowUp.origin == "recheck", FollowUp.status.in_(WAITING))
        .order_by(FollowUp.id)
        .with_for_update()
    ).all()
    for row in rows:
        store.move(session, row, "cancelled", now, why=why)


def questions(session: Session, row: FollowUp) -> list[str]:
    """What a recheck asks besides the pain: the warning signs of the alarm it comes after."""
    flags = session.get_one(Escalation, row.escalation_id).flags
    return [flag for flag in flags if flag not in alarm.NOT_ASKED]
