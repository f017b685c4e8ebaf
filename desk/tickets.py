"""Tickets: a stand-in with what the alarms, the surveys and the hotline's facts call, until the real module is merged
in its place."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.db import RowLock
from core.house import settings_of
from core.models import new_id, record
from desk.kinds import KINDS
from desk.models import Ticket
from desk.numbers import number_of
from dialer.models import Call

MINUTES = {"red": 30, "yellow": 120, "blue": 1440}


class TicketProblem(Exception):
    """One sentence."""


def open_(session: Session, kind: str, now: datetime, *, call: Call | None = None, who: str = "service") -> Ticket:
    if call is not None:
        same = sa.select(Ticket).where(Ticket.kind == kind, Ticket.call_id == call.id, Ticket.status == "open")
        if (known := session.scalar(same)) is not None:
            return known
    about, id = KINDS[kind], new_id()
    contact = call.party if call is not None else ""
    ticket = Ticket(
        id=id, number=str(id), kind=kind, colour=about.colour, medical=about.medical, link=about.link,
        problem=about.problem, nature=about.nature, channel="phone", language="en", status="open", preset="A",
        department=settings_of(session).tickets.medical_affairs if about.medical else "service centre",
        patient_id=call.patient_id if call else None, call_id=call.id if call else None, contact=contact,
        contact_index=people.phone_index(contact) if contact else None, opened_at=now,
        due_at=now + timedelta(minutes=MINUTES[about.colour]), reopened=0,
    )  # fmt: skip
    session.add(ticket)
    session.flush()
    session.refresh(ticket)
    ticket.number = number_of(ticket.serial)
    session.flush()
    record(session, "ticket", ticket.id, "opened", now, to_state="open", who=who)
    return ticket


def find(session: Session, number: str) -> Ticket | None:
    return session.scalar(sa.select(Ticket).where(Ticket.number == number))


def reopen(session: Session, ticket_id: uuid.UUID, why: str, who: str, now: datetime) -> None:
    ticket = _LOCK(session, ticket_id)
    if ticket is None or ticket.status not in ("resolved", "confirmed"):
        raise TicketProblem("The ticket is not resolved.")
    ticket.status, ticket.reopened = "reopened", ticket.reopened + 1
    record(session, "ticket", ticket_id, "reopened", now, to_state="reopened", who=who, why=why)


def confirm(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> None:
    ticket = _LOCK(session, ticket_id)
    if ticket is None or ticket.status != "resolved":
        raise TicketProblem("The ticket is not resolved.")
    ticket.status = "confirmed"
    record(session, "ticket", ticket_id, "confirmed", now, to_state="confirmed", who=who)


_LOCK = RowLock(Ticket)
