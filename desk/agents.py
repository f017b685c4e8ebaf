"""STAND-IN of the console's builder, for its tests alone: the lead takes desk/agents.py of the queue's builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import record
from dialer.models import Agent


class AgentProblem(Exception):
    """One sentence."""


@dataclass(frozen=True)
class AgentRow:
    login: str
    name: str
    status: str
    since: datetime
    department: str
    languages: Sequence[str]
    skills: Sequence[str]


def board(session: Session, now: datetime) -> list[AgentRow]:
    rows = session.scalars(sa.select(Agent).where(Agent.active).order_by(Agent.login))
    return [AgentRow(a.login, a.name, a.status, a.since, a.department, a.languages, a.skills) for a in rows]


def sign(session: Session, login: str, state: str, who: str, now: datetime) -> Agent:
    agent = session.scalar(sa.select(Agent).where(Agent.login == login).with_for_update())
    if agent is None:
        raise AgentProblem("There is no agent with this login.")
    if agent.status in ("ringing", "talking"):
        raise AgentProblem("This agent is on a call just now.")
    record(session, "agent", agent.id, "signed", now, from_state=agent.status, to_state=state, who=who)
    agent.status, agent.since = state, now
    return agent
