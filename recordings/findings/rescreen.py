"""Screening again: stored transcripts with the phrase lists as they are now, in steps that a dead worker cannot lose.

    asked -> (one transcript after the other, each in its transaction, with the place reached) -> done

Only words are read, no sound and no model. The findings of an older version are replaced (`screen`); alarms are
not raised. A recording that was purged meanwhile is passed over.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db, jobs
from core.models import new_id, record
from recordings.findings import screen
from recordings.machine import HEARD
from recordings.models import SegmentRow, Transcript
from recordings.rows import locked
from recordings.screen_models import Rescreen
from recordings.sound.conversation import Line, Word

RESCREEN = jobs.declare("rescreen_step", "recordings", priority=-10)
STEP: Final = 50
"""Transcripts in one job: other recordings come in between."""
LEASE: Final = timedelta(seconds=30)


def ask(session: Session, since: datetime, who: str, now: datetime) -> Rescreen:
    """Go over all transcripts made since then, up to now."""
    row = Rescreen(id=new_id(), since=since, asked_by=who, asked_at=now, due_at=now + LEASE)
    session.add(row)
    session.flush()
    record(session, "rescreen", row.id, "asked", now, who=who, since=since.isoformat())
    jobs.defer(session, RESCREEN, rescreen_id=row.id)
    return row


def one(session: Session, rescreen_id: uuid.UUID, now: datetime) -> bool:
    """The next transcript of this rescreen; False: there is none, it is done."""
    row = _LOCK(session, rescreen_id)
    if row is None or row.done_at is not None:
        return False
    transcript = session.scalar(_next(row))
    if transcript is None:
        row.done_at, row.due_at = now, None
        record(session, "rescreen", row.id, "done", now, seen=row.seen, changed=row.changed)
        return False
    row.after_at, row.after_id, row.due_at = transcript.made_at, transcript.id, now + LEASE
    row.seen += 1
    row.changed += _again(session, transcript, now)
    return True


def go_on(session: Session, rescreen_id: uuid.UUID, now: datetime) -> None:
    """Another step, after what else waits."""
    row = _LOCK(session, rescreen_id)
    if row is not None and row.done_at is None:
        row.due_at = now + LEASE
        jobs.defer(session, RESCREEN, rescreen_id=row.id)


def due(session: Session, now: datetime, limit: int = 10) -> int:
    """Those whose job was lost. Returns how many."""
    rows = session.scalars(
        sa.select(Rescreen).where(Rescreen.due_at <= now).limit(limit).with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.due_at = now + LEASE
        jobs.defer(session, RESCREEN, rescreen_id=row.id)
    return len(rows)


def asked(session: Session) -> Sequence[Rescreen]:
    """All of them, newest first."""
    return session.scalars(sa.select(Rescreen).order_by(Rescreen.asked_at.desc(), Rescreen.id)).all()


def _next(row: Rescreen) -> sa.Select[Transcript]:
    query = sa.select(Transcript).where(Transcript.made_at >= row.since, Transcript.made_at <= row.asked_at)
    if row.after_at is not None:
        query = query.where(sa.tuple_(Transcript.made_at, Transcript.id) > sa.tuple_(row.after_at, row.after_id))
    return query.order_by(Transcript.made_at, Transcript.id).limit(1)


def _again(session: Session, transcript: Transcript, now: datetime) -> bool:
    """Whether its findings were made anew."""
    recording = locked(session, transcript.recording_id)
    if recording is None or recording.state not in HEARD:
        return False
    session.refresh(transcript)
    screened = screen.of_recording(session, recording.id, _lines(session, transcript))
    if (transcript.lexicon, transcript.mode) == (screened.version, screened.mode):
        return False
    before = transcript.lexicon
    gone = screen.replace_findings(session, recording.id, screened)
    transcript.lexicon, transcript.mode = screened.version, screened.mode
    told = {"findings": len(screened.findings), "before": gone, "lexicon": screened.version, "was": before}
    record(session, "recording", recording.id, "screened again", now, data=told | {"mode": screened.mode})
    return True


def _lines(session: Session, transcript: Transcript) -> list[Line]:
    segments = session.scalars(
        sa.select(SegmentRow).where(SegmentRow.transcript_id == transcript.id).order_by(SegmentRow.position)
    )
    return [
        Line(one.speaker, one.start_s, one.end_s, one.text, one.confidence or None, _words(one)) for one in segments
    ]


def _words(row: SegmentRow) -> tuple[Word, ...]:
    return tuple(Word(*word) for word in row.words or ())


_LOCK = db.RowLock(Rescreen)
