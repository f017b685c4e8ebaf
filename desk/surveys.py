"""Satisfaction calls after tickets. A thin stand-in until they are merged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from core.models import record
from desk.models import Ticket


def plan(session: Session, ticket: Ticket, now: datetime) -> None:
    """Whoever asked was told what came of it: how satisfied are they?"""
    record(session, "ticket", ticket.id, "survey wanted", now)
