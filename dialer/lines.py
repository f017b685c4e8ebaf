"""Telephone lines and pace: how many are busy, who may have the next one, when the next POST may leave.

A placed call is one line from its POST to its end, a Dial leg one more, and inbound calls count. The
escalation lane may use every line; the routine lane only what leaves `lines_reserved` free, so that a doctor
and a patient can always be joined (docs/design.md section 4).

The pace has two halves. A routine ring gets a place in the pace when it is placed: one every 1/calls_per_second,
at most HORIZON ahead, so that rings leave evenly. Just before each POST, of either lane and on any worker, the
POSTs of the last second are counted once more: above the limit nothing leaves, whatever delayed the ones before.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import lock
from core.house import settings_of
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Attempt, Call, Pace

HORIZON = timedelta(seconds=1)
"""How far ahead a place in the pace is given away: until the timetable looks again, with room."""
JITTER = timedelta(milliseconds=80)
"""What may pass between the count and the moment the request reaches the carrier."""
YIELD = timedelta(milliseconds=250)
"""How long a routine POST stands back while an escalation waits for its own."""


def hold_the_count(session: Session) -> None:
    """Nobody else counts or takes a line until this transaction ends: a count that is acted on stays true."""
    lock(session, "lines")


def in_use(session: Session, *, besides: uuid.UUID | None = None) -> int:
    """Busy lines now, not counting the attempt `besides`."""
    placed = sa.select(sa.func.count()).select_from(Attempt).where(Attempt.status.in_(LIVE_ATTEMPT))
    if besides is not None:
        placed = placed.where(Attempt.id != besides)
    inbound = sa.select(sa.func.count()).select_from(Call).where(Call.status.in_(LIVE_CALL), Call.attempt_id.is_(None))
    return int(session.scalar(sa.select(placed.scalar_subquery() + inbound.scalar_subquery())) or 0)


def has_free(session: Session, lane: str, *, besides: uuid.UUID | None = None) -> bool:
    calling = settings_of(session).calling
    limit = calling.lines if lane == "escalation" else calling.lines - calling.lines_reserved
    return in_use(session, besides=besides) < limit


def has_spare(session: Session, wanted: int) -> bool:
    """Whether so many lines are free at all."""
    return in_use(session) + wanted <= settings_of(session).calling.lines


# ---- pace ---------------------------------------------------------------------------------------
def routine_may(session: Session, now: datetime) -> bool:
    """Whether it is worth while to look for routine rings at all: a line is free, and a place within the horizon."""
    next_at = session.scalar(sa.select(Pace.next_at).where(Pace.id == 1))
    return (next_at is None or next_at <= now + HORIZON) and has_free(session, "routine")


def routine_turn(session: Session, now: datetime) -> datetime | None:
    """Take the next place in the pace for a routine POST: its moment, now or up to HORIZON ahead; None if the
    places within the horizon are all taken."""
    row = _pace(session, now)
    turn = max(row.next_at, now)
    if turn > now + HORIZON:
        return None
    row.next_at = turn + _gap(session)
    return turn


def escalation_turn(session: Session, now: datetime) -> datetime:
    """An escalation does not wait for a place; the routine rings after it do."""
    row = _pace(session, now)
    row.next_at = max(row.next_at, now) + _gap(session)
    return now


def may_leave(session: Session, lane: str, now: datetime) -> datetime:
    """When a POST of `lane` may leave: `now`, or later if the last second is full, or if the escalation lane has
    one waiting. Call it while holding the count."""
    most, span = _limit(session)
    recent = session.scalars(
        sa.select(Attempt.posted_at)
        .where(Attempt.via == "api", Attempt.posted_at > now - span)
        .order_by(Attempt.posted_at.desc())
        .limit(most)
    ).all()
    if len(recent) >= most and recent[-1] is not None:
        return recent[-1] + span
    if lane == "routine" and _escalation_waits(session):
        return now + YIELD
    return now


def _escalation_waits(session: Session) -> bool:
    waiting = sa.exists().where(
        Attempt.status == "placing", Attempt.lane == "escalation", Attempt.via == "api", Attempt.posted_at.is_(None)
    )
    return bool(session.scalar(sa.select(waiting)))


def _limit(session: Session) -> tuple[int, timedelta]:
    """So many POSTs, and no more, in any span of this length."""
    pace = settings_of(session).calling.calls_per_second
    return max(1, int(pace)), timedelta(seconds=max(1.0, 1 / pace)) + JITTER


def _gap(session: Session) -> timedelta:
    most, span = _limit(session)
    return span / most


def _pace(session: Session, now: datetime) -> Pace:
    row = session.get(Pace, 1, with_for_update=True)
    if row is None:
        row = Pace(id=1, next_at=now)
        session.add(row)
        session.flush()
    return row
