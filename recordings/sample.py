"""The day's draw in the database: who could be drawn, the seed, who was; and the same again."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.calendar import within
from core.house import settings_of
from core.models import new_id, record
from dialer.models import Call
from recordings.draw import Candidate, Draw, draw
from recordings.models import DrawPick, DrawRow, FindingRow, Recording

AUDIBLE: Final = ("fetched", "waiting_for_model", "transcribed", "screened", "kept")
"""What a listener can listen to; a transcript helps and is not needed."""
SHORT_S: Final = 10.0
LONG_S: Final = 600.0


class ReplayDiffers(Exception):
    """A stored draw and the same draw made again are not the same: the record or the algorithm was
    changed."""


def draw_day(session: Session, day: date, seed: int | None, now: datetime) -> DrawRow:
    """The draw of a local day of the hospital.

    The same day and seed give the stored draw, checked by drawing it again. Without a seed, the day's
    newest draw; only if there is none, a new one with a seed of chance: nobody can draw until they like the
    result unseen.
    """
    db.lock(session, f"draw {day}")
    stored = _stored(session, day, seed)
    if stored is not None:
        _check(session, stored)
        return stored
    qa = settings_of(session).qa
    chosen = seed if seed is not None else secrets.randbits(31)
    pool = candidates(session, day)
    result = draw(pool, chosen, qa.draw, qa.random_share)
    row = DrawRow(
        id=new_id(),
        day=day,
        seed=chosen,
        size=qa.draw,
        random_share=qa.random_share,
        drawn_at=now,
        whole_day=result.whole_day,
        candidates=[{"id": c.id, "stratum": list(c.stratum), "risk": sorted(c.risk)} for c in pool],
    )
    session.add(row)
    session.flush()
    for position, pick in enumerate(result.picked):
        session.add(
            DrawPick(
                draw_id=row.id,
                position=position,
                recording_id=uuid.UUID(pick.id),
                part=pick.part,
                why=pick.why,
            )
        )
    session.flush()
    record(session, "draw", row.id, "drawn", now, picked=len(result.picked), of=len(pool), seed=chosen)
    return row


def again(row: DrawRow) -> Draw:
    """The stored draw, drawn anew from its seed and its candidates."""
    pool = [Candidate(c["id"], tuple(c["stratum"]), frozenset(c["risk"])) for c in row.candidates]
    return draw(pool, row.seed, row.size, row.random_share)


def picks(session: Session, row: DrawRow) -> Sequence[DrawPick]:
    return session.scalars(sa.select(DrawPick).where(DrawPick.draw_id == row.id).order_by(DrawPick.position)).all()


def candidates(session: Session, day: date) -> list[Candidate]:
    """The day's audible recordings, with stratum (kind of call, purpose, language, shift) and risks
    (docs/clinical.md section 4, Sampling)."""
    zone = settings_of(session).hospital.timezone
    start = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    rows = session.execute(
        sa.select(Recording, Call.kind)
        .outerjoin(Call, Call.id == Recording.call_id)
        .where(Recording.state.in_(AUDIBLE), Recording.announced_at >= start, Recording.announced_at < end)
        .order_by(Recording.id)
    ).all()
    hits = _hits(session, [row for row, _ in rows])
    return [_candidate(session, row, kind or "unknown", hits.get(row.id, set())) for row, kind in rows]


def _candidate(session: Session, row: Recording, kind: str, hits: set[str]) -> Candidate:
    settings = settings_of(session)
    night = within(row.announced_at, settings.hospital.timezone.key, settings.hotline.night)
    risk = {f"phrase: {category}" for category in hits}
    if row.keep_class in ("escalation", "complaint"):
        risk.add(row.keep_class)
    if night:
        risk.add("night")
    if row.purpose == "call" and row.seconds is not None:
        risk |= {"very short"} if row.seconds < SHORT_S else {"very long"} if row.seconds > LONG_S else set()
    stratum = (kind, row.purpose, row.language, "night" if night else "day")
    return Candidate(str(row.id), stratum, frozenset(risk))


def _hits(session: Session, rows: Iterable[Recording]) -> dict[uuid.UUID, set[str]]:
    found: dict[uuid.UUID, set[str]] = {}
    for recording_id, category in session.execute(
        sa.select(FindingRow.recording_id, FindingRow.category)
        .where(FindingRow.recording_id.in_([row.id for row in rows]))
        .distinct()
    ):
        found.setdefault(recording_id, set()).add(category)
    return found


def _stored(session: Session, day: date, seed: int | None) -> DrawRow | None:
    query = sa.select(DrawRow).where(DrawRow.day == day).order_by(DrawRow.drawn_at.desc(), DrawRow.id)
    return session.scalar((query if seed is None else query.where(DrawRow.seed == seed)).limit(1))


def _check(session: Session, row: DrawRow) -> None:
    drawn = [(uuid.UUID(pick.id), pick.part) for pick in again(row).picked]
    if drawn != [(pick.recording_id, pick.part) for pick in picks(session, row)]:
        raise ReplayDiffers(f"the draw of {row.day} with seed {row.seed} does not come out as it is stored")
