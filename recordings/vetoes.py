"""Upheld complaints against an agent's month. (Signatures; the bodies follow.)"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy.orm import Session


def uphold(session: Session, login: str, ticket: str, day: date, who: str, why: str, now: datetime) -> uuid.UUID:
    """A person has found the complaint of ticket number `ticket` about agent `login` right."""
    raise NotImplementedError


def appeal(session: Session, veto_id: uuid.UUID, agent_login: str, why: str, now: datetime) -> None:
    raise NotImplementedError


def decide(session: Session, veto_id: uuid.UUID, who: str, why: str, now: datetime, *, lift: bool) -> None:
    raise NotImplementedError
