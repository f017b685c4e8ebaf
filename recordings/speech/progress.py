"""How far the transcribing is: what waits, what is under way, what was done today and how fast."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recordings.machine import TO_TRANSCRIBE
from recordings.models import Recording, Transcript

PACE_OVER = timedelta(hours=24)
"""The speed is that of the transcripts of so long back."""


@dataclass(frozen=True)
class UnderWay:
    recording: uuid.UUID
    since: datetime
    sound_s: float


@dataclass(frozen=True)
class Progress:
    """Times are aware; sound and work in seconds."""

    waiting: int
    waiting_s: float
    without_model: int
    """Waiting, too, but for a model: nobody knows until when."""
    under_way: Sequence[UnderWay]
    done_today: int
    done_today_s: float
    speed: float | None
    """Seconds of sound in one real second of one child, over the last day; None if nothing was heard in it."""
    expected_end: datetime | None
    """Of all that waits and has a model, if as many are heard at once as now (at least one); None without a speed, or
    with nothing to do."""


def progress(session: Session, now: datetime, zone: ZoneInfo) -> Progress:
    """All machines together: claims are rows."""
    row, transcript = Recording, Transcript
    busy = sa.and_(row.claim.is_not(None), row.claimed_until > now)
    counted = session.execute(
        sa.select(row.state, sa.func.count(), sa.func.sum(row.seconds))
        .where(row.state.in_(TO_TRANSCRIBE), sa.not_(sa.func.coalesce(busy, sa.false())))
        .group_by(row.state)
    ).all()
    waits = {state: (count, seconds or 0.0) for state, count, seconds in counted}
    at_it = session.execute(
        sa.select(row.id, row.speech_since, row.seconds).where(row.state.in_(TO_TRANSCRIBE), busy).order_by(row.id)
    ).all()
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    done, done_s = session.execute(
        sa.select(sa.func.count(), sa.func.sum(row.seconds))
        .join(transcript, transcript.recording_id == row.id)
        .where(transcript.made_at >= midnight)
    ).one()
    sound_s, took_s = session.execute(
        sa.select(sa.func.sum(row.seconds), sa.func.sum(transcript.took_s))
        .join(transcript, transcript.recording_id == row.id)
        .where(transcript.made_at > now - PACE_OVER, transcript.took_s > 0)
    ).one()
    speed = sound_s / took_s if sound_s and took_s else None
    under_way = [UnderWay(one, since or now, seconds or 0.0) for one, since, seconds in at_it]
    waiting, waiting_s = waits.get("fetched", (0, 0.0))
    left_s = waiting_s + sum(_left(one, speed, now) for one in under_way)
    end = now + timedelta(seconds=left_s / speed / max(1, len(under_way))) if speed and left_s else None
    without = waits.get("waiting_for_model", (0, 0.0))[0]
    return Progress(waiting, waiting_s, without, under_way, done, done_s or 0.0, speed, end)


def _left(one: UnderWay, speed: float | None, now: datetime) -> float:
    """Seconds of its sound that are not heard yet, as far as time tells."""
    return max(0.0, one.sound_s - (speed or 0.0) * (now - one.since).total_seconds())
