"""Telephone lines and pace: how many are busy, who may have the next one, when the next POST may leave.

A placed call is one line from its POST to its end, a Dial leg one more, and inbound calls count. The
escalation lane may use every line; the routine lane only what leaves `lines_reserved` free, so that a doctor
and a patient can always be joined (docs/design.md section 4).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import lock
from core.house import settings_of
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Attempt, Call, Pace


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


def routine_turn(session: Session, now: datetime) -> bool:
    """Take the next place in the pace for a routine POST, if its moment has come. Never reserves ahead."""
    row = _pace(session, now)
    if row.next_at > now:
        return False
    row.next_at = now + _gap(session)
    return True


def escalation_turn(session: Session, now: datetime) -> None:
    """An escalation does not wait for the pace; the routine lane waits for it instead."""
    row = _pace(session, now)
    row.next_at = max(row.next_at, now) + _gap(session)


def _gap(session: Session) -> timedelta:
    return timedelta(seconds=1 / settings_of(session).calling.calls_per_second)


def _pace(session: Session, now: datetime) -> Pace:
    row = session.get(Pace, 1, with_for_update=True)
    if row is None:
        row = Pace(id=1, next_at=now)
        session.add(row)
        session.flush()
    return row
