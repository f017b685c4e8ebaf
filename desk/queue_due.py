"""The clocks of the line: agents are rung for who waits, and whoever was forgotten is seen to.

One worker matches at a time (an advisory lock), and rows somebody else holds are left for the next second: an agent
has one ring, a caller one agent. The database says so too (desk.models.QueueOffer).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays
from core.db import survives, try_lock
from core.house import settings_of
from desk import agents, put_through, queue
from desk.line import Caller, Free, pairs
from desk.models import QueueEntry, QueueOffer
from dialer import attempt as attempts
from dialer import gate
from dialer.machine import ATTEMPT_OVER
from dialer.models import ATTEMPT_LIVES, CALL_LIVES, LIVE_CALL, Agent, Attempt, Call

FLOW = "agent"
MOST = 50
"""Callers looked at in one second; more do not get an agent in it."""
NOT_AGAIN = timedelta(seconds=60)
"""An agent who passed on a caller is not asked about the same one sooner."""
WANTED_OFFERS = 3
"""So often one certain agent is asked to ring somebody."""
GIVE_UP = {
    "asked": timedelta(hours=2),
    "abandoned": timedelta(hours=24),
    "again": timedelta(hours=24),
    "desk": timedelta(hours=1),
}
"""By origin of a call back: nobody could ring for so long, so it becomes a ticket."""


def due(session: Session, now: datetime) -> int:
    """The tick. Returns how many entries were looked at, or rung for."""
    if not try_lock(session, "the line"):
        return 0  # another worker is at it
    return _steps(session, now) + agents.wrap_ups(session, now) + _match(session, now)


# ---- steps that are due --------------------------------------------------------------------------
DUE = (
    sa.select(QueueEntry)
    .where(QueueEntry.next_step_at.is_not(None), QueueEntry.next_step_at <= sa.bindparam("moment"))
    .order_by(QueueEntry.next_step_at, QueueEntry.id)
    .limit(MOST)
    .with_for_update(key_share=True, skip_locked=True)
)


def _steps(session: Session, now: datetime) -> int:
    rows = session.scalars(DUE, {"moment": now}).all()
    for entry in rows:

        def work(entry: QueueEntry = entry) -> None:
            _step(session, entry, now)

        if not survives(session, work, "a caller in line could not be seen to", entry=str(entry.id)):
            session.execute(
                sa.update(QueueEntry).where(QueueEntry.id == entry.id).values(next_step_at=now + put_through.HELD_UP)
            )
    return len(rows)


def _step(session: Session, entry: QueueEntry, now: datetime) -> None:
    if entry.status == "waiting":
        _number_to_come(session, entry, now)
    elif entry.status in ("offered", "joined"):
        _is_it_still_so(session, entry, now)
    elif entry.status in ("message", "cancelled"):
        queue.look_after(session, entry, now)
    else:
        entry.next_step_at = None


def _number_to_come(session: Session, entry: QueueEntry, now: datetime) -> None:
    """A call back whose moment has come is in line from now on; one without a number waits for it to be keyed."""
    entry.next_step_at = None
    if entry.mode == "callback" and not entry.party:
        queue.take_number(session, entry, now)
    elif entry.mode == "callback" and put_through.count_rings(session, entry):
        # the carrier told only now that the last one went out
        queue.unreached(session, entry, now, "not reached")


def _is_it_still_so(session: Session, entry: QueueEntry, now: datetime) -> None:
    """The ring at the agent, or the talk, has lasted longer than anything does: was its end lost?"""
    ring = session.get(Attempt, entry.attempt_id) if entry.attempt_id is not None else None
    if ring is not None and ring.status not in ATTEMPT_OVER:
        entry.next_step_at = now + put_through.ASKED
        return
    agent_id = entry.agent_id
    put_through.forgotten(session, entry, now)
    if agent_id is not None and ring is not None:
        agents.let_go(session, agent_id, ring.id, now, missed=False)


# ---- who is rung for whom ------------------------------------------------------------------------
WAITING = (
    sa.select(QueueEntry)
    .where(
        QueueEntry.status.in_([sa.literal_column("'waiting'"), sa.literal_column("'offered'")]),
        QueueEntry.status == "waiting",
        QueueEntry.next_step_at.is_(None),
    )
    .order_by(QueueEntry.priority.desc(), QueueEntry.entered_at)
    .limit(MOST)
    .with_for_update(key_share=True, skip_locked=True)
)
FREE = (
    sa.select(Agent)
    .where(
        Agent.status == sa.literal_column("'ready'"),
        Agent.active,
        ~sa.exists().where(ATTEMPT_LIVES, Attempt.to_index == Agent.phone_index),
        ~sa.exists().where(CALL_LIVES, Call.party_index == Agent.phone_index),
    )
    .order_by(Agent.idle_since, Agent.id)
    .with_for_update(key_share=True, skip_locked=True, of=Agent)
)


def _match(session: Session, now: datetime) -> int:
    waiting = {entry.id: entry for entry in session.scalars(WAITING)}
    if not waiting:
        return 0
    # one whose telephone is never let ring would stand in front of the others for good: idle longest
    free = {agent.id: agent for agent in session.scalars(FREE) if gate.unringable(session, agent.phone, now) is None}
    passed = _passed(session, list(waiting), now)
    callers = [
        _as_caller(entry, passed.get(entry.id, frozenset()))
        for entry in waiting.values()
        if _may_be_rung_for(session, entry, now)
    ]
    rung = 0
    for caller, agent in pairs(callers, [_as_free(agent, now) for agent in free.values()], now):

        def work(entry: QueueEntry = waiting[caller.id], agent: Agent = free[agent.id]) -> None:
            _ring(session, entry, agent, now)

        rung += survives(session, work, "no agent could be rung for a caller", entry=str(caller.id))
    return rung


def _ring(session: Session, entry: QueueEntry, agent: Agent, now: datetime) -> None:
    ring = attempts.place(
        session,
        gate.Ring("agent", agent.phone, entry.id),
        flow=FLOW,
        language=agent.languages[0] if agent.languages else entry.language,
        brief={},
        ring_s=settings_of(session).desk.ring_s,
        now=now,
    )
    if isinstance(ring, Attempt):
        put_through.offered(session, entry, agent, ring, now)


def _may_be_rung_for(session: Session, entry: QueueEntry, now: datetime) -> bool:
    """Callers on the line always; call backs that are due now. One that has waited too long is given up here."""
    if entry.mode == "line":
        return True
    asked = session.scalar(
        sa.select(sa.func.count()).select_from(QueueOffer).where(QueueOffer.entry_id == entry.id)
    ) if entry.wanted_agent_id is not None else 0  # fmt: skip
    if now - entry.entered_at >= GIVE_UP[entry.origin] or (asked or 0) >= WANTED_OFFERS:
        queue.unreached(session, entry, now, "no agent could ring in time")
        return False
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    if call is not None and call.status in LIVE_CALL:
        return False  # still on the telephone with us, in a menu
    if entry.origin not in ("abandoned", "again"):
        return _can_be_rung(session, entry, now)
    zone, hours = settings_of(session).hospital.timezone.key, holidays.hours(session)
    hung_up_at = call.ended_at if call is not None else None
    if (hung_up_at is not None and now - hung_up_at < queue.AT_ONCE) or calendar.in_window(now, zone, hours):
        return _can_be_rung(session, entry, now)
    entry.next_step_at = calendar.next_open(now, zone, hours)
    return False


def _can_be_rung(session: Session, entry: QueueEntry, now: datetime) -> bool:
    """No agent is rung for somebody whose own telephone the gate would not let ring then."""
    refused = gate.may_dial(session, put_through.ring_at(entry), now)
    if refused is None:
        return True
    if refused.again_at is None:
        queue.unreached(session, entry, now, refused.reason)
    else:
        entry.next_step_at = refused.again_at
    return False


def _passed(session: Session, waiting: list[uuid.UUID], now: datetime) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """Which agents were asked about each caller a moment ago."""
    rows = session.execute(
        sa.select(QueueOffer.entry_id, QueueOffer.agent_id).where(
            QueueOffer.entry_id.in_(waiting), QueueOffer.decided_at > now - NOT_AGAIN
        )
    ).all()
    return {entry_id: frozenset(row.agent_id for row in rows if row.entry_id == entry_id) for entry_id in waiting}


def _as_caller(entry: QueueEntry, passed: frozenset[uuid.UUID]) -> Caller:
    return Caller(
        entry.id, entry.priority, entry.entered_at, entry.reason, entry.department, entry.language,
        entry.wanted_agent_id, passed,
    )  # fmt: skip


def _as_free(agent: Agent, now: datetime) -> Free:
    return Free(agent.id, frozenset(agent.languages), frozenset(agent.skills), agent.idle_since or now)
