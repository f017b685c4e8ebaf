"""The clocks of the line: agents are rung for who waits, and whoever was forgotten is seen to.

One worker matches at a time (an advisory lock), and rows somebody else holds are left for the next second: an agent
has one ring, a caller one agent. The database says so too (desk.models.QueueOffer).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
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
ASK_AGAIN = timedelta(seconds=10)
"""A call back that may not be rung is not asked about sooner: the gate's refusals are rows."""
FOR_ALL = ("no_line", "paused")
"""Refusals of a ring at an agent that have nothing to do with the agent: the caller is looked at again when the gate
says so, and not every second."""
WANTED_OFFERS = 3
"""So often one certain agent is asked to ring somebody."""
CLINICAL = "postop"
"""The reason whose callers are rung back at any hour, wherever the number came from."""
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
    for entry_id in _given_up(session, waiting.values(), now):
        del waiting[entry_id]
    if not free or not waiting:
        return 0  # nothing more is asked about anybody before an agent is there for them
    passed = _passed(session, list(waiting), now)
    callers = {entry.id: _as_caller(entry, passed.get(entry.id, frozenset())) for entry in waiting.values()}
    rung = 0
    for caller, agent in _pairs(session, callers, waiting, [_as_free(agent, now) for agent in free.values()], now):

        def work(entry: QueueEntry = waiting[caller.id], agent: Agent = free[agent.id]) -> None:
            _ring(session, entry, agent, now)

        rung += survives(session, work, "no agent could be rung for a caller", entry=str(caller.id))
    return rung


def _pairs(
    session: Session,
    callers: dict[uuid.UUID, Caller],
    waiting: dict[uuid.UUID, QueueEntry],
    free: list[Free],
    now: datetime,
) -> list[tuple[Caller, Free]]:
    """Who is rung for whom. Only whose turn it is, is asked about, and once; who may not be rung now makes way for the
    next, and is not asked about again before their timer has run out."""
    asked: set[uuid.UUID] = set()
    while True:
        found = pairs(callers.values(), free, now)
        fresh = [caller.id for caller, _ in found if caller.id not in asked]
        if not fresh:
            return found
        asked.update(fresh)
        for entry_id in fresh:
            if not _may_be_rung_for(session, waiting[entry_id], now):
                del callers[entry_id]


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
    elif ring.reason in FOR_ALL:
        entry.next_step_at = ring.again_at


def _given_up(session: Session, entries: Iterable[QueueEntry], now: datetime) -> list[uuid.UUID]:
    """Call backs that waited too long, or that one certain agent was asked for often enough: tickets from here on.
    Returns which."""
    backs = [entry for entry in entries if entry.mode == "callback"]
    wanted = [entry.id for entry in backs if entry.wanted_agent_id is not None]
    asked = {row.entry_id: row.times for row in session.execute(_ASKED, {"wanted": wanted})} if wanted else {}
    came = [entry.call_id for entry in backs if entry.call_id is not None]
    calls = {call.id: call for call in session.scalars(sa.select(Call).where(Call.id.in_(came)))} if came else {}
    gone = []
    for entry in backs:
        call = calls.get(entry.call_id) if entry.call_id is not None else None
        give_up = GIVE_UP["abandoned" if _may_be_anybodys(call, entry) else entry.origin]
        if now - entry.entered_at >= give_up or asked.get(entry.id, 0) >= WANTED_OFFERS:
            queue.unreached(session, entry, now, "no agent could ring in time")
            gone.append(entry.id)
    return gone


_ASKED = (
    sa.select(QueueOffer.entry_id, sa.func.count().label("times"))
    .where(QueueOffer.entry_id.in_(sa.bindparam("wanted", expanding=True)))
    .group_by(QueueOffer.entry_id)
)


def _may_be_rung_for(session: Session, entry: QueueEntry, now: datetime) -> bool:
    """Callers on the line always; call backs that are due now."""
    if entry.mode == "line":
        return True
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    by_day = _may_be_anybodys(call, entry)
    if call is not None and call.status in LIVE_CALL:
        entry.next_step_at = now + queue.A_MOMENT
        return False  # still on the telephone with us, in a menu
    if entry.origin not in ("abandoned", "again") and not by_day:
        return _can_be_rung(session, entry, now)
    zone, hours = settings_of(session).hospital.timezone.key, holidays.hours(session)
    hung_up_at = call.ended_at if call is not None else None
    just_now = hung_up_at is not None and now - hung_up_at < queue.AT_ONCE and not by_day
    if just_now or calendar.in_window(now, zone, hours):
        return _can_be_rung(session, entry, now)
    entry.next_step_at = calendar.next_open(now, zone, hours)
    return False


def _may_be_anybodys(call: Call | None, entry: QueueEntry) -> bool:
    """The number was keyed by a caller who hides theirs: perhaps a stranger's, who must not be woken by us. Pain after
    an operation is rung back at any hour all the same (docs/clinical.md section 2)."""
    keyed = call is not None and bool(call.callback) and call.callback != call.party
    return keyed and entry.reason != CLINICAL


def _can_be_rung(session: Session, entry: QueueEntry, now: datetime) -> bool:
    """No agent is rung for somebody whose own telephone the gate would not let ring then."""
    refused = gate.may_dial(session, put_through.ring_at(entry), now)
    if refused is None:
        return True
    if refused.again_at is None:
        queue.unreached(session, entry, now, refused.reason)
    else:
        entry.next_step_at = max(refused.again_at, now + ASK_AGAIN)
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
