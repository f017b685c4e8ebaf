"""Stands in for the room of the tickets until it is merged: what the line tells it."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from core.models import record


def talked(session: Session, ticket_id: uuid.UUID, seconds: int, login: str, now: datetime) -> None:
    """An agent and whoever the ticket is about were joined for so many seconds."""
    record(session, "ticket", ticket_id, "talked", now, who=login, data={"seconds": seconds})
