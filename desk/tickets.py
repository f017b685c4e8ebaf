"""STAND-IN of the console's builder, for its tests alone: the lead takes desk/tickets.py of the tickets' builder."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow, record
from core.people import phone_index
from desk.kinds import KINDS
from desk.models import Ticket, TicketClock, TicketWatcher

MINUTES = {"red": 30, "yellow": 120, "blue": 1440}


class TicketProblem(Exception):
    """One sentence."""


@dataclass(frozen=True)
class TicketRow:
    number: str


def open_(
    session: Session, kind: str, now: datetime, *, call: Any = None, patient_id: uuid.UUID | None = None,
    subject_id: uuid.UUID | None = None, contact: str = "", language: str | None = None, words: str | None = None,
    channel: str = "phone", department: str | None = None, external_id: str | None = None, colour: str | None = None,
    link: str | None = None, problem: str | None = None, nature: str | None = None, who: str = "service",
) -> Ticket:  # fmt: skip
    known = KINDS[kind]
    serial = (session.scalar(sa.select(sa.func.max(Ticket.serial))) or 0) + 1
    row = Ticket(
        number=f"{serial:06d}42", kind=kind, colour=colour or known.colour, medical=known.medical,
        link=link or known.link, problem=problem or known.problem, nature=nature or known.nature, channel=channel,
        department=department or "", language=language or "zh-CN", patient_id=patient_id, subject_id=subject_id,
        external_id=external_id, contact=contact, contact_index=phone_index(contact) if contact else None,
        words=words, status="open", opened_at=now, preset="A",
    )  # fmt: skip
    row.due_at = now + timedelta(minutes=MINUTES[row.colour])
    session.add(row)
    session.flush()
    session.add(TicketClock(ticket_id=row.id, name="solve", rule={}, started_at=now, due_at=row.due_at, calendar=""))
    record(session, "ticket", row.id, "opened", now, to_state="open", who=who, data={"kind": kind})
    session.flush()
    return row


def _move(session: Session, ticket_id: uuid.UUID, what: str, to: str, who: str, now: datetime, *of: str) -> Ticket:
    row = session.get_one(Ticket, ticket_id, with_for_update=True)
    if of and row.status not in of:
        raise TicketProblem(f"This ticket is {row.status}: that cannot be done now.")
    record(session, "ticket", row.id, what, now, from_state=row.status, to_state=to, who=who)
    row.status = to
    return row


def assign(session: Session, ticket_id: uuid.UUID, owner: str, who: str, now: datetime) -> Ticket:
    row = _move(session, ticket_id, "assigned", "assigned", who, now, "open", "assigned", "in_progress", "reopened")
    row.owner, row.first_owner, row.assigned_at = owner, row.first_owner or owner, now
    session.merge(TicketWatcher(ticket_id=row.id, login=owner, since=now))
    return row


def start(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    return _move(session, ticket_id, "started", "in_progress", who, now, "assigned", "reopened")


def respond(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    row = session.get_one(Ticket, ticket_id)
    record(session, "ticket", row.id, "responded", now, who=who)
    return row


def classify(
    session: Session, ticket_id: uuid.UUID, who: str, now: datetime, *, link: str | None = None,
    problem: str | None = None, nature: str | None = None, medical: bool | None = None,
) -> Ticket:  # fmt: skip
    row = session.get_one(Ticket, ticket_id)
    row.link, row.problem, row.nature = link or row.link, problem or row.problem, nature or row.nature
    row.medical = row.medical if medical is None else medical
    record(session, "ticket", row.id, "classified", now, who=who)
    return row


def propose(
    session: Session, ticket_id: uuid.UUID, solution: str, compensation: str | None, who: str, now: datetime
) -> Ticket:
    row = session.get_one(Ticket, ticket_id)
    row.solution, row.compensation = solution, compensation
    record(session, "ticket", row.id, "proposed", now, who=who)
    return row


def resolve(
    session: Session, ticket_id: uuid.UUID, solution: str, who: str, now: datetime, compensation: str | None = None
) -> Ticket:
    if not solution.strip():
        raise TicketProblem("A solution is needed: what was done?")
    row = _move(session, ticket_id, "resolved", "resolved", who, now, "assigned", "in_progress")
    row.solution, row.compensation, row.resolved_at = solution, compensation, now
    return row


def tell(session: Session, ticket_id: uuid.UUID, how: str, who: str, now: datetime) -> Ticket:
    row = session.get_one(Ticket, ticket_id)
    row.told_at, row.told_how = now, how
    record(session, "ticket", row.id, "told", now, who=who)
    return row


def confirm(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    row = session.get_one(Ticket, ticket_id)
    if row.told_at is None:
        raise TicketProblem("Whoever asked has not been told yet what came of it.")
    return _move(session, ticket_id, "confirmed", "confirmed", who, now, "resolved")


def reopen(session: Session, ticket_id: uuid.UUID, why: str, who: str, now: datetime) -> Ticket:
    return _move(session, ticket_id, "reopened", "reopened", who, now, "resolved", "confirmed")


def find(session: Session, number: str) -> Ticket | None:
    return session.scalar(sa.select(Ticket).where(Ticket.number == number))


def history(session: Session, ticket_id: uuid.UUID) -> Sequence[EventRow]:
    told = sa.select(EventRow).where(EventRow.kind == "ticket", EventRow.subject_id == ticket_id)
    return session.scalars(told.order_by(EventRow.id)).all()
