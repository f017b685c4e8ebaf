"""Follow-ups and reminders as a nurse reads them: states, reasons, times."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import Patient, Procedure
from dialer.models import Message
from scheduler.models import Appointment, FollowUp, Reminder


def followups(
    session: Session, patient_id: uuid.UUID | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """One row per follow-up, by due time; `mrn` is the only thing that names the patient."""
    query = (
        sa.select(FollowUp, Procedure.external_id, Patient.mrn)
        .join(Procedure, Procedure.id == FollowUp.procedure_id)
        .join(Patient, Patient.id == FollowUp.patient_id)
        .order_by(FollowUp.due_at, FollowUp.id)
    )
    if patient_id is not None:
        query = query.where(FollowUp.patient_id == patient_id)
    if since is not None:
        query = query.where(FollowUp.due_at >= since)
    return [
        {
            "mrn": mrn,
            "procedure": external_id,
            "wave": row.wave,
            "due_at": row.due_at,
            "status": row.status,
            "tries": row.tries,
            "next_try_at": row.next_try_at if row.closed_at is None else None,
            "reason": row.reason,
        }
        for row, external_id, mrn in session.execute(query)
    ]


def reminders(
    session: Session, patient_id: uuid.UUID | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """One row per reminder, by due time; `sms` is how far its message has come, `visit` what the patient answered."""
    query = (
        sa.select(Reminder, Appointment, Message.status, Patient.mrn)
        .join(Patient, Patient.id == Reminder.patient_id)
        .outerjoin(Appointment, Appointment.id == Reminder.appointment_id)
        .outerjoin(Message, (Message.subject_id == Reminder.id) & Message.kind.in_(("reminder", "medicine")))
        .order_by(Reminder.due_at, Reminder.id)
    )
    if patient_id is not None:
        query = query.where(Reminder.patient_id == patient_id)
    if since is not None:
        query = query.where(Reminder.due_at >= since)
    return [
        {
            "mrn": mrn,
            "kind": row.kind,
            "of": visit.external_id if visit is not None else row.subject,
            "starts_at": row.deadline_at,
            "visit": visit.status if visit is not None else "",
            "channel": row.channel,
            "due_at": row.due_at,
            "status": row.status,
            "sms": message or "",
            "tries": row.tries,
            "next_try_at": row.next_try_at if row.closed_at is None else None,
            "reason": row.reason,
        }
        for row, visit, message, mrn in session.execute(query)
    ]
