"""The timetable of quality review: what becomes final by itself, and once a day, when the night's recordings have been
heard, yesterday's reviews and coaching."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from core import daily, db
from core.house import settings_of
from recordings import coaching, review_day, reviews, sample, vetoes

FROM: Final = time(6, 0)
"""Yesterday's calls have been fetched and heard by then."""


def due(session: Session, now: datetime) -> int:
    count = reviews.due(session, now) + vetoes.due(session, now) + review_day.assign_waiting(session, now)
    local = now.astimezone(settings_of(session).hospital.timezone)
    if local.time() >= FROM and daily.once(session, "reviews", local.date(), now):
        # each on its own: a day that cannot be drawn must not keep agents from being coached
        for name, work in (("reviews of yesterday", _open), ("coaching", coaching.daily)):
            db.survives(session, partial(work, session, now), f"{name} failed")
    return count


def _open(session: Session, now: datetime) -> None:
    """Yesterday is drawn, if nobody has drawn it, and reviewed."""
    local = now.astimezone(settings_of(session).hospital.timezone)
    yesterday = local.date() - timedelta(days=1)
    sample.draw_day(session, yesterday, None, now)
    for kind in review_day.drawn(session, yesterday):
        review_day.open_day(session, yesterday, now, kind)
