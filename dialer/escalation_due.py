"""Escalations whose moment has come: a step of the chain, or the promise.

Found by the timetable and by the watchdog (dialer.watchdog); what is done then is dialer.escalation's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import survives
from dialer import escalation as escalations
from dialer import night
from dialer.models import ALARM_OPEN, Escalation
from dialer.offers import WAITING

FAILED_AGAIN = timedelta(seconds=10)
MOST_FAILURES = 3
"""An escalation that could not be driven so many times is handed to the night target."""


def overdue_steps(session: Session, now: datetime, limit: int = 1) -> int:
    """Escalations whose step timer has run out: move on. Returns how many."""
    rows = _due(session, Escalation.next_step_at, now, limit, Escalation.next_step_at.is_not(None))
    for escalation in rows:
        take_step(session, escalation, now)
    return len(rows)


def breaches(session: Session, now: datetime, limit: int = 1) -> int:
    """Stamp the escalations that have just broken the promise, and ring the next tier for them at once. How many."""
    rows = _due(
        session,
        Escalation.promise_at,
        now,
        limit,
        Escalation.breached_at.is_(None),
        Escalation.bridged_at.is_(None),
    )
    for escalation in rows:
        escalations.breach(session, escalation, now)
        _carefully(session, escalation, _hurry, now)
    return len(rows)


def not_driven(now: datetime, late: timedelta) -> sa.ColumnElement[bool]:
    """Of the open ones: without a next step, or late for it by so much that the tick cannot have seen it."""
    return Escalation.next_step_at.is_(None) | (Escalation.next_step_at <= now - late)


def _due(
    session: Session,
    timer: sa.orm.InstrumentedAttribute[datetime] | sa.orm.InstrumentedAttribute[datetime | None],
    now: datetime,
    limit: int,
    *wanted: sa.ColumnElement[bool],
) -> list[Escalation]:
    return list(
        session.scalars(
            sa.select(Escalation)
            .where(ALARM_OPEN, timer <= now, *wanted)
            .order_by(timer)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
    )


def take_step(session: Session, escalation: Escalation, now: datetime) -> None:
    """The timer of this escalation (locked) has run out."""
    _carefully(session, escalation, _step, now)


def _step(session: Session, escalation: Escalation, now: datetime) -> None:
    if escalation.status in WAITING:
        escalations.drive(session, escalation, now)
    elif escalation.status != "closed":
        escalations.check_owner(session, escalation, now)


def _hurry(session: Session, escalation: Escalation, now: datetime) -> None:
    if escalation.status in WAITING:
        escalations.drive(session, escalation, now, hurry=True)
        night.call_in(session, escalation, now, "promise_broken")


def _carefully(
    session: Session, escalation: Escalation, work: Callable[[Session, Escalation, datetime], None], now: datetime
) -> None:
    """An error over one patient holds up no other: it is logged, what it did is undone, and the step is tried again
    until the night target is called in instead."""
    about = {"escalation": str(escalation.id)}
    if survives(session, lambda: work(session, escalation, now), "an escalation could not be driven", **about):
        escalation.failures = 0
        return
    escalation.failures += 1
    escalation.next_step_at = now + FAILED_AGAIN
    if escalation.failures >= MOST_FAILURES:
        night.call_in(session, escalation, now, "not_driven")
