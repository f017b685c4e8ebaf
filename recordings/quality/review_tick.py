"""The timetable of quality review: what becomes final by itself, and once a day, when the night's recordings have been
heard, the reviews of what was drawn, and coaching."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from core import daily, db
from core.house import settings_of
from recordings.quality import coaching, review_day, reviews, vetoes

FROM: Final = time(6, 0)
"""Yesterday's calls have been fetched and heard by then, and drawn (recordings.sampling.sample.nightly)."""


def due(session: Session, now: datetime) -> int:
    count = reviews.due(session, now) + vetoes.due(session, now) + review_day.assign_waiting(session, now)
    local = now.astimezone(settings_of(session).hospital.timezone)
    if local.time() < FROM:
        return count
    # whatever was drawn, not yesterday alone: after down time, and where the hour of the draw is a late one, days are
    # drawn later; each on its own, so that one that cannot be opened keeps nothing else from being done
    for day, kind in review_day.unopened(session, local.date(), now):
        db.survives(session, partial(_open, session, day, now, kind), "reviews of a day failed")
    if daily.once(session, "reviews", local.date(), now):
        db.survives(session, partial(coaching.daily, session, now), "coaching failed")
    return count


def _open(session: Session, day: date, now: datetime, kind: str) -> None:
    review_day.open_day(session, day, now, kind)
