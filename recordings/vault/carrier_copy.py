"""The carrier's copy of a recording, deleted once ours is proven (hospital.toml `delete_at_carrier`).

Nothing is deleted there before our file was read back from the disk and its hash was that of the file that came. A
try that fails comes again, ever more seldom, and never ends: `next_delete_at` is the timer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import jobs
from core.house import settings_of
from core.models import record
from recordings.machine import delete_wait
from recordings.models import Recording
from recordings.rows import locked

DELETE = jobs.declare("delete_at_carrier", "recordings")

LEASE = timedelta(minutes=12)
"""Longer than reading back, fetching anew and deleting may take together."""
OURS_IS_GOOD = ("fetched", "waiting_for_model", "transcribed", "screened", "kept", "failed")
"""States in which our file, if there is one, is the recording. An unreadable one may be better at the carrier: it stays
there until ours is purged."""


@dataclass(frozen=True)
class DeleteWork:
    sid: str
    sha256: str | None
    """What our file must be; None: ours is purged, and nothing is to be compared."""


def want_gone(session: Session, row: Recording, now: datetime) -> None:
    """Ours is stored, or was purged: the carrier's is to go, if this house wants that."""
    if not settings_of(session).recordings.delete_at_carrier or row.sid is None:
        return
    if row.carrier_deleted_at is None and row.next_delete_at is None:
        row.next_delete_at = now + LEASE
        jobs.defer(session, DELETE, recording_id=row.id)


def want_all_gone(session: Session, now: datetime) -> int:
    """The setting may be younger than the recordings: those that still lie there are asked for as well."""
    if not settings_of(session).recordings.delete_at_carrier:
        return 0
    changed = session.scalars(
        sa.update(Recording)
        .where(
            Recording.sid.is_not(None),
            Recording.carrier_deleted_at.is_(None),
            Recording.next_delete_at.is_(None),
            sa.or_(
                Recording.state == "purged",
                sa.and_(Recording.state.in_(OURS_IS_GOOD), Recording.sha256.is_not(None)),
            ),
        )
        .values(next_delete_at=now)
        .returning(Recording.id)
    ).all()
    return len(changed)


def due(session: Session, now: datetime, limit: int) -> int:
    rows = session.scalars(
        sa.select(Recording)
        .where(Recording.next_delete_at.is_not(None), Recording.next_delete_at <= now)
        .order_by(Recording.next_delete_at, Recording.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    for row in rows:
        row.next_delete_at = now + LEASE
        jobs.defer(session, DELETE, recording_id=row.id)
    return len(rows)


def begin(session: Session, recording_id: uuid.UUID, now: datetime) -> DeleteWork | None:
    """What is to be done, if it still is. Done twice, it does no harm."""
    row = locked(session, recording_id)
    if row is None or row.sid is None or row.next_delete_at is None or row.carrier_deleted_at is not None:
        return None
    if row.state == "purged":
        sha256 = None
    elif row.state in OURS_IS_GOOD and row.sha256 is not None:
        sha256 = row.sha256
    else:
        row.next_delete_at = None
        return None
    row.delete_tries += 1
    row.next_delete_at = now + LEASE
    return DeleteWork(row.sid, sha256)


def verified(session: Session, recording_id: uuid.UUID, now: datetime) -> bool:
    """Our copy was read back and is whole; False if it has been purged meanwhile, or nothing is to be deleted any
    more."""
    row = locked(session, recording_id)
    if row is None or row.next_delete_at is None or row.state not in OURS_IS_GOOD:
        return False
    if row.verified_at is None:
        record(session, "recording", row.id, "copy verified", now, sha256=row.sha256)
    row.verified_at = now
    return True


def deleted(session: Session, recording_id: uuid.UUID, now: datetime) -> None:
    """The carrier has it no more: it says so, or it knows no such recording."""
    row = locked(session, recording_id)
    if row is not None and row.carrier_deleted_at is None:
        row.carrier_deleted_at, row.next_delete_at = now, None
        record(session, "recording", row.id, "deleted at the carrier", now, tries=row.delete_tries)


def in_vain(session: Session, recording_id: uuid.UUID, why: str, now: datetime) -> None:
    """Not verified, or not deleted: the carrier's copy is still there, and another try comes."""
    row = locked(session, recording_id)
    if row is not None and row.next_delete_at is not None:
        row.next_delete_at = now + delete_wait(max(1, row.delete_tries))
        record(session, "recording", row.id, "not deleted at the carrier", now, why=why, tries=row.delete_tries)
