"""Recordings whose callback never came: found in the carrier's own list, or known to be absent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow
from dialer.models import Call
from recordings.findings import machine_flags
from recordings.models import Recording
from recordings.rows import locked, move, of_call
from recordings.store import FETCH_LEASE, SPOKEN_INTO, adopt, wait_or_give_up
from recordings.vault.fetch import Listed

ABSENT_AFTER: Final = timedelta(minutes=5)
"""The carrier's list may lag; what it does not show so long after the call's end was never recorded."""

_VERB: Final = {"RecordVerb": ("message", "open_answer"), "DialVerb": ("bridge",)}
_NO_START: Final = datetime.min.replace(tzinfo=UTC)


def call_to_search(session: Session, recording_id: uuid.UUID, now: datetime) -> str | None:
    """The SID of the call whose recordings are to be listed, if this one is still being looked for."""
    row = locked(session, recording_id)
    if row is None or row.state != "announced" or row.sid is not None:
        return None
    row.fetch_tries += 1
    row.next_fetch_at = now + FETCH_LEASE
    sid = session.scalar(sa.select(Call.sid).where(Call.id == row.call_id)) if row.call_id else None
    if sid is None:
        wait_or_give_up(session, row, "its call has no carrier SID to look it up by", True, now)
    return sid


def search_in_vain(session: Session, recording_id: uuid.UUID, reason: str, now: datetime) -> None:
    """The list could not be read."""
    row = locked(session, recording_id)
    if row is not None and row.state == "announced" and row.sid is None:
        wait_or_give_up(session, row, reason, True, now)


def searched(session: Session, recording_id: uuid.UUID, listed: Sequence[Listed], now: datetime) -> None:
    """The carrier's list of the call, shared out over all its recordings that still wait for a callback."""
    asked = session.get(Recording, recording_id)
    if asked is None or asked.call_id is None:
        return
    rows = of_call(session, asked.call_id)
    known = {row.sid for row in rows}
    free = sorted((one for one in listed if one.sid not in known), key=lambda one: one.started_at or _NO_START)
    for row in rows:
        if row.state != "announced" or row.sid is not None:
            continue
        found = next((one for one in free if row.purpose in _purposes(one.source)), None)
        if found is not None:
            free.remove(found)
        _apply(session, row, found, now, asked=row.id == recording_id)


def _apply(session: Session, row: Recording, found: Listed | None, now: datetime, *, asked: bool) -> None:
    if found is not None and found.status == "completed":
        adopt(session, row, found.sid, found.seconds, now)
    elif found is not None and found.status in ("absent", "deleted"):
        if move(session, row, "absent", now, why=f"listed_{found.status}", who="carrier"):
            machine_flags.unheard(session, row, "absent", now)
    elif found is None and now - (row.fetch_since or now) >= ABSENT_AFTER:
        gone = move(session, row, "absent", now, why="not_recorded", who="carrier")
        if gone and _spoken_into(session, row):
            machine_flags.unheard(session, row, "absent", now)
    elif asked:  # the others have looks of their own
        wait_or_give_up(session, row, "the carrier has not finished it yet", True, now)


def _spoken_into(session: Session, row: Recording) -> bool:
    """Most of whom the carrier knows nothing hung up before the beep; of these the flow was told that they spoke."""
    told = EventRow.kind == "recording", EventRow.subject_id == row.id, EventRow.what == SPOKEN_INTO
    return bool(session.scalar(sa.select(sa.exists().where(*told))))


def _purposes(source: str) -> tuple[str, ...]:
    """What a recording of this source can be; a source that is not a verb's is a recording of the call."""
    return _VERB.get(source, ("call", "bridge"))
