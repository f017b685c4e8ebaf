"""Strict periods of the findings (docs/clinical.md KEY2, the compliance month): the only writer of `strict_periods`.

A call recorded within one is screened strictly: mild and negated hits are shown as well. A period may lie ahead, or be
ended before its time; what was screened by then stays as it was until it is screened again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import new_id, record
from recordings.screen_models import StrictPeriod

NORMAL: Final = "normal"
STRICT: Final = "strict"
LONGEST_REASON: Final = 500


class StrictProblem(Exception):
    """A period cannot be set or ended; one sentence."""


def mode_at(session: Session, moment: datetime) -> str:
    """How a recording made at `moment` is screened: normal | strict."""
    within = sa.exists().where(StrictPeriod.starts_at <= moment, StrictPeriod.ends_at > moment)
    return STRICT if session.scalar(sa.select(within)) else NORMAL


def begin(session: Session, start: datetime, end: datetime, reason: str, who: str, now: datetime) -> StrictPeriod:
    """Strict from `start` until `end`, not included. Raises StrictProblem."""
    if end <= start:
        raise StrictProblem("A strict period ends after it begins.")
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise StrictProblem(f"A strict period needs a reason of at most {LONGEST_REASON} characters.")
    if not who.strip():
        raise StrictProblem("Who sets it?")
    row = StrictPeriod(id=new_id(), starts_at=start, ends_at=end, reason=reason.strip(), set_by=who, set_at=now)
    session.add(row)
    session.flush()
    record(session, "strict_period", row.id, "set", now, who=who, begins=start.isoformat(), ends=end.isoformat())
    return row


def end(session: Session, period_id: uuid.UUID, who: str, now: datetime) -> StrictPeriod:
    """It is over now, or never begins. Raises StrictProblem."""
    if not who.strip():
        raise StrictProblem("Who ends it?")
    row = session.get(StrictPeriod, period_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise StrictProblem("There is no such strict period.")
    if row.ends_at <= now or row.ended_by:
        raise StrictProblem("This strict period is over already.")
    # one that has not begun becomes empty
    row.ends_at, row.ended_by = max(now, row.starts_at), who
    record(session, "strict_period", row.id, "ended", now, who=who)
    return row


def periods(session: Session) -> Sequence[StrictPeriod]:
    """All there were, are and will be, newest first."""
    return session.scalars(sa.select(StrictPeriod).order_by(StrictPeriod.starts_at.desc(), StrictPeriod.id)).all()
