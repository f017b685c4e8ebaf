"""Heads of department who have to hear of a ticket. A thin stand-in until the alarms are merged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from core.models import record
from desk.models import Ticket, TicketClock


def on_overdue(session: Session, ticket: Ticket, clock: TicketClock, now: datetime) -> None:
    """A clock of this ticket has run out."""
    record(session, "ticket", ticket.id, "alarm wanted", now, data={"clock": clock.name})


def on_medical(session: Session, ticket: Ticket, now: datetime) -> None:
    """A complaint about treatment came in."""
    record(session, "ticket", ticket.id, "alarm wanted", now, data={"clock": "medical"})
