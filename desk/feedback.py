"""STAND-IN of the console's builder, for its tests alone: the lead takes desk/feedback.py of the tickets' builder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import blind
from core.models import Patient
from desk import tickets
from desk.models import Ticket


@dataclass(frozen=True)
class Feedback:
    channel: str
    external_id: str
    words: str
    phone: str = ""
    mrn: str = ""
    link: str | None = None
    problem: str | None = None
    nature: str | None = None
    department: str | None = None
    at: datetime | None = None


def take(session: Session, feedback: Feedback, now: datetime, *, who: str) -> tuple[Ticket, bool]:
    """The ticket, and whether it is new."""
    external_id = f"{feedback.channel}:{feedback.external_id}"
    known = session.scalar(sa.select(Ticket).where(Ticket.external_id == external_id))
    if known is not None:
        return known, False
    patient = session.scalar(sa.select(Patient).where(Patient.mrn_index == blind(feedback.mrn, "mrn")))
    made = tickets.open_(
        session, "feedback", now, patient_id=patient.id if patient else None, contact=feedback.phone,
        words=feedback.words, channel=feedback.channel, external_id=external_id, department=feedback.department,
        link=feedback.link, problem=feedback.problem, nature=feedback.nature, who=who,
    )  # fmt: skip
    return made, True
