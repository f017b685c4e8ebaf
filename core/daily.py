"""Work that is done once a day, by whichever process comes first."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models import DailyRun


def once(session: Session, name: str, day: date, now: datetime) -> bool:
    """True for exactly one caller per `name` and `day`, whose transaction is the day's run: if it is rolled back
    the next caller gets the day. Two at the same moment: the second waits for the first to commit."""
    row = insert(DailyRun).values(name=name, day=day, at=now).on_conflict_do_nothing()
    return session.execute(row.returning(DailyRun.name)).first() is not None


def last_run(session: Session, name: str) -> datetime | None:
    """When `name` was last done; None: never."""
    return session.scalar(sa.select(sa.func.max(DailyRun.at)).where(DailyRun.name == name))
