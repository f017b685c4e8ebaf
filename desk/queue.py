"""STAND-IN of the console's builder, for its tests alone: the lead takes desk/queue.py of the queue's builder."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import new_id
from desk.models import IN_LINE, QueueEntry, Ticket
from dialer.models import Agent


class QueueProblem(Exception):
    """One sentence."""


@dataclass(frozen=True)
class Waiting:
    id: uuid.UUID
    place: int
    mode: str
    reason: str
    department: str
    language: str
    waited_s: float
    status: str
    agent: str
    patient_id: uuid.UUID | None


def board(session: Session, now: datetime) -> list[Waiting]:
    rows = session.execute(
        sa.select(QueueEntry, Agent.login)
        .outerjoin(Agent, Agent.id == QueueEntry.agent_id)
        .where(QueueEntry.status.in_(IN_LINE))
        .order_by(QueueEntry.priority.desc(), QueueEntry.entered_at)
    ).all()
    return [
        Waiting(row.id, place, row.mode, row.reason, row.department, row.language,
                (now - row.entered_at).total_seconds(), row.status, login or "", row.patient_id)
        for place, (row, login) in enumerate(rows, 1)
    ]  # fmt: skip


def want_call(session: Session, ticket: Ticket, login: str, now: datetime) -> QueueEntry:
    agent = session.scalar(sa.select(Agent).where(Agent.login == login))
    if agent is None or agent.status != "ready":
        raise QueueProblem("You are not signed in to the line: sign in first, then your telephone is rung.")
    row = QueueEntry(
        id=new_id(), ticket_id=ticket.id, party=ticket.contact, language=ticket.language, mode="callback",
        origin="desk", status="waiting", entered_at=now, wanted_agent_id=agent.id, next_step_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row
