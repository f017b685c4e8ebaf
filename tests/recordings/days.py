"""The draw of a day in tests whose clock still stands in that day."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from core.house import settings_of
from recordings.models import DrawRow
from recordings.sampling import draw_pool, sample
from recordings.sampling.sample import Kind


def draw_day(session: Session, day: date, seed: int | None, now: datetime, kind: Kind = "calls") -> DrawRow:
    """As sample.draw_day, in the first moment at which a day may be drawn, or now if that is later."""
    return sample.draw_day(session, day, seed, max(now, draw_pool.day_of(settings_of(session), day)[1]), kind)
