"""Agents: who answers callers, at which telephone, and whether they may be rung. Only writer of an agent's status.

Signing in and out by the console or the telephone; a ring, a talk and the wrap-up after it move the agent on by
themselves. Who does not answer twice running is paused: nobody is at that telephone.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.db import AwareDateTime, RowLock
from core.house import settings_of
from core.models import EventRow, record
from desk.problems import DeskProblem
from dialer import attempt as attempts
from dialer.machine import move
from dialer.models import Agent, Attempt, Call

MOVES: dict[tuple[str, str], str] = {
    # (status, event): next status
    ("off", "ready"): "ready",
    ("off", "paused"): "paused",
    ("ready", "paused"): "paused",
    ("ready", "off"): "off",
    ("paused", "ready"): "ready",
    ("paused", "off"): "off",
    ("ready", "ring"): "ringing",
    ("ringing", "let_go"): "ready",
    ("ringing", "nobody_home"): "paused",
    ("ringing", "joined"): "talking",
    ("ringing", "paused"): "paused",
    ("ringing", "off"): "off",
    # who pauses or signs off in the middle of a talk ends it in peace
    ("talking", "paused"): "paused",
    ("talking", "off"): "off",
    ("talking", "hung_up"): "wrap_up",
    ("wrap_up", "rested"): "ready",
    ("wrap_up", "ready"): "ready",
    ("wrap_up", "paused"): "paused",
    ("wrap_up", "off"): "off",
}
STATES = ("ready", "paused", "off")
"""What an agent can sign."""
SIGNED_IN = ("ready", "ringing", "talking", "wrap_up")
"""Can be waited for: who has paused may be gone for the day."""
MOST_MISSES = 2
PIN_WRONG = "pin wrong"
MOST_WRONG_PINS = 5
PIN_LOCKED_FOR = timedelta(minutes=15)
"""So many wrong PINs in this span, in however many calls, and none is right until the first of them is older."""

locked = RowLock(Agent)


class AgentProblem(DeskProblem):
    """What was asked for of an agent cannot be done."""


@dataclass(frozen=True)
class AgentRow:
    login: str
    name: str
    status: str
    since: datetime
    department: str
    languages: tuple[str, ...]
    skills: tuple[str, ...]


# ---- signing -------------------------------------------------------------------------------------
def sign(session: Session, login: str, state: str, who: str, now: datetime) -> Agent:
    """Sign an agent in (`ready`), out (`off`) or pause them. Raises AgentProblem. Nothing changes for who is in that
    state already, or is to be ready and is rung or talks."""
    if state not in STATES:
        raise AgentProblem("agent_state", allowed=", ".join(STATES), given=state)
    agent_id = session.scalar(sa.select(Agent.id).where(Agent.login == login))
    agent = locked(session, agent_id) if agent_id is not None else None
    if agent is None or not agent.active:
        raise AgentProblem("no_agent", login=login)
    if not agent.phone and state != "off":
        raise AgentProblem("agent_telephone", login=login)
    _sign(session, agent, state, who, now)
    return agent


def leaves(session: Session, agent: Agent, who: str, now: datetime) -> None:
    """The agent (locked) is not in the staff file any more."""
    agent.active = False
    _sign(session, agent, "off", who, now)
    record(session, "agent", agent.id, "not in the staff file any more", now, who=who)
    events.publish(session, events.StaffLeft(agent.login), now)


def on_agent_signed(session: Session, event: events.AgentSigned, now: datetime) -> None:
    """By telephone, on the hotline: the number that rings says who it is, and the PIN (asked for by the flow) that it
    is true. Whoever has none signs in only: anybody can show any number, and could empty the desk with it; a wrong
    sign-in ends by itself after two rings."""
    agent = _who_rings(session, event.call_id)
    if agent is None or event.state not in STATES:
        return
    if event.state == "ready" or agent.pin:
        _sign(session, agent, event.state, "telephone", now)
    else:
        record(session, "agent", agent.id, "not signed by telephone", now, who="telephone", why="no PIN on file")


def on_pin_wrong(session: Session, event: events.PinWrong, now: datetime) -> None:
    """Counted for the agent, over all calls; those keyed while it is locked count not, or it would never open."""
    agent = _who_rings(session, event.call_id)
    if agent is not None and not pin_locked(session, agent.id, now):
        record(session, "agent", agent.id, PIN_WRONG, now, who="telephone", call=str(event.call_id))


def pin_locked(session: Session, agent_id: uuid.UUID, now: datetime) -> bool:
    """Whether this agent's PIN was keyed wrong so often of late that it is not heard now."""
    return (session.scalar(_WRONG_PINS, {"agent_id": agent_id, "since": now - PIN_LOCKED_FOR}) or 0) >= MOST_WRONG_PINS


_WRONG_PINS = sa.select(sa.func.count()).where(
    EventRow.kind == "agent",
    EventRow.subject_id == sa.bindparam("agent_id"),
    EventRow.what == PIN_WRONG,
    EventRow.at > sa.bindparam("since", type_=AwareDateTime),
)


def _who_rings(session: Session, call_id: uuid.UUID) -> Agent | None:
    """The agent whose number this hotline call shows, locked."""
    call = session.get_one(Call, call_id)
    known = by_phone(session, call.party) if call.party else None
    return locked(session, known.id) if known is not None else None


def _sign(session: Session, agent: Agent, state: str, who: str, now: datetime) -> None:
    if not _move(session, agent, state, now, who=who):
        return
    agent.misses = 0
    ring = session.get(Attempt, agent.attempt_id) if agent.attempt_id is not None else None
    if state != "ready" and ring is not None and ring.status != "answered":
        attempts.take_back(session, ring.id)  # its end gives the caller to somebody else


# ---- what a ring does to them --------------------------------------------------------------------
def ring(session: Session, agent: Agent, attempt_id: uuid.UUID, now: datetime) -> None:
    """The telephone of a ready agent (locked) rings."""
    if _move(session, agent, "ring", now, attempt=str(attempt_id)):
        agent.attempt_id = attempt_id


def joined(session: Session, agent_id: uuid.UUID, now: datetime) -> None:
    agent = locked(session, agent_id)
    if agent is not None:
        _move(session, agent, "joined", now)


def let_go(session: Session, agent_id: uuid.UUID, attempt_id: uuid.UUID, now: datetime, *, missed: bool) -> None:
    """The ring at the agent is over; `missed`: nobody pressed a key."""
    agent = locked(session, agent_id)
    if agent is None or agent.attempt_id != attempt_id:
        return
    agent.attempt_id = None
    agent.misses = agent.misses + 1 if missed else 0
    if _move(session, agent, "hung_up", now):
        agent.until = now + timedelta(seconds=settings_of(session).desk.wrap_up_s)
    elif agent.misses >= MOST_MISSES:
        _move(session, agent, "nobody_home", now, why=f"{agent.misses} rings in a row were not answered")
    else:
        _move(session, agent, "let_go", now)


def wrap_ups(session: Session, now: datetime, limit: int = 50) -> int:
    """Agents whose wrap-up is over are ready again. Returns how many."""
    rows = session.scalars(
        sa.select(Agent)
        .where(Agent.until.is_not(None), Agent.until <= now)
        .order_by(Agent.until, Agent.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    for agent in rows:
        agent.until = None
        _move(session, agent, "rested", now)
    return len(rows)


def _move(session: Session, agent: Agent, event: str, now: datetime, *, who: str = "service", **more: str) -> bool:
    """The only writer of an agent's status. False: no such move, nothing changed."""
    to_state = move(MOVES, agent.status, event)
    if to_state is None:
        return False
    from_state, agent.status = agent.status, to_state
    agent.since, agent.until = now, None
    if to_state == "ready":
        agent.idle_since = now
    why = more.pop("why", "")
    record(
        session, "agent", agent.id, event, now, from_state=from_state, to_state=to_state, who=who, why=why, data=more
    )
    return True


# ---- asking --------------------------------------------------------------------------------------
def by_phone(session: Session, e164: str) -> Agent | None:
    """The agent whose telephone this is."""
    return session.scalar(_BY_PHONE, {"number": people.phone_index(e164)})


_BY_PHONE = (
    sa.select(Agent)
    .where(Agent.phone_index == sa.bindparam("number", type_=sa.LargeBinary), Agent.active)
    .order_by(Agent.login)
    .limit(1)
)


def anybody_on(session: Session) -> bool:
    """Whether somebody is signed in who can be waited for."""
    return bool(session.scalar(_ANYBODY))


ANYBODY = sa.exists().where(Agent.active, Agent.status.in_(SIGNED_IN))
"""`anybody_on` as a column of a larger question."""
_ANYBODY = sa.select(ANYBODY)


def signed_in(session: Session) -> int:
    """How many seats are taken; who has paused keeps theirs."""
    taken = sa.select(sa.func.count()).select_from(Agent).where(Agent.active, Agent.status != "off")
    return int(session.scalar(taken) or 0)


def board(session: Session, now: datetime) -> list[AgentRow]:
    """Everybody who can answer, by login."""
    rows: Sequence[Agent] = session.scalars(
        sa.select(Agent).where(Agent.active, Agent.phone_index.is_not(None)).order_by(Agent.login)
    ).all()
    return [
        AgentRow(
            agent.login, agent.name, agent.status, agent.since, agent.department,
            tuple(agent.languages), tuple(agent.skills),
        )
        for agent in rows
    ]  # fmt: skip
