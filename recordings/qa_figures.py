"""Agent-months, the red and black list. (Signatures; the bodies follow.)"""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from recordings.qa_shapes import AgentMonth, Lists


def month(session: Session, first: date) -> list[AgentMonth]:
    """`first`: any day of the month."""
    raise NotImplementedError


def lists(session: Session, day: date) -> Lists:
    raise NotImplementedError
