"""How long recordings are kept: the class of a call, holds, the purge, and the proof that store and rows agree.

Whoever deletes a file holds its row's lock, and so does whoever sets a hold: a hold that was accepted always comes
before the purge, or the purge says that it was too late.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from core import db, jobs
from core.events import ReasonGiven, TicketWanted
from core.house import House
from core.models import record
from recordings.chat_models import Chat
from recordings.findings import machine_flags
from recordings.machine import HOLDS_FILE
from recordings.models import FindingRow, Hold, Recording, SegmentRow, SoundMeasuresRow, Transcript
from recordings.quality import review_rows
from recordings.review_models import QaNote
from recordings.rows import keep_longer, locked, move, of_call
from recordings.screen_models import MachineFlag
from recordings.vault import carrier_copy
from recordings.vault.files import FileProblem, FileStore
from recordings.vault.vault_words import HoldProblem as HoldProblem

PURGE = jobs.declare("purge_recording", "recordings")

GONE_WITH_IT: Final[tuple[InstrumentedAttribute[Any], ...]] = (
    Transcript.recording_id,  # and with it its segments
    FindingRow.recording_id,
    SoundMeasuresRow.recording_id,
    QaNote.recording_id,  # what listeners wrote about it; their marks stay
    MachineFlag.recording_id,
)
"""Rows that say what was said in a recording, by the column that names it: they end with it. Whoever adds a table of
words adds it here."""


class PurgeProblem(Exception):
    """Something of a purged recording is still there. The transaction must not be kept."""


# ---- classes --------------------------------------------------------------------------------------------


def on_reason_given(session: Session, event: ReasonGiven, now: datetime) -> None:
    """Somebody keyed that they ring to complain."""
    if event.reason.startswith("complaint"):
        _complained(session, event.call_id, now)


def on_ticket_wanted(session: Session, event: TicketWanted, now: datetime) -> None:
    """The desk is to deal with a complaint that was made in this call."""
    if event.kind.startswith("complaint") and event.call_id is not None:
        _complained(session, event.call_id, now)


def _complained(session: Session, call_id: uuid.UUID, now: datetime) -> None:
    session.flush()  # what this transaction has just heard of a recording
    for row in of_call(session, call_id):
        keep_longer(session, row, "complaint", now)


# ---- holds ----------------------------------------------------------------------------------------------


def hold(session: Session, subject_id: uuid.UUID, who: str, reason: str, now: datetime) -> Hold:
    """Keep this recording, or chat, until it is released. Several people may hold one; raises HoldProblem."""
    if not reason.strip():
        raise HoldProblem("why_hold")
    row = _to_hold(session, subject_id)
    kind = _kind(row)
    if row.purged_at is not None:
        raise HoldProblem("purged_no_hold")
    its = {"chat_id": row.id} if kind == "chat" else {"recording_id": row.id}
    made = Hold(**its, held_by=who, held_at=now, reason=reason.strip())
    session.add(made)
    session.flush()
    record(session, kind, row.id, "held", now, who=who, hold=str(made.id))
    return made


def release(session: Session, subject_id: uuid.UUID, who: str, reason: str, now: datetime) -> int:
    """End every hold on this recording or chat; its keeping time counts again, and may be over. Returns how many."""
    if not reason.strip():
        raise HoldProblem("why_release")
    kind = _kind(_to_hold(session, subject_id))
    rows = session.scalars(
        sa.select(Hold).where(_of(subject_id), Hold.released_at.is_(None)).order_by(Hold.held_at)
    ).all()
    if not rows:
        raise HoldProblem("not_held")
    for row in rows:
        row.released_by, row.released_at, row.release_reason = who, now, reason.strip()
        record(session, kind, subject_id, "released", now, who=who, hold=str(row.id))
    return len(rows)


def is_held(session: Session, subject_id: uuid.UUID) -> bool:
    """Of a recording or a chat."""
    return bool(session.scalar(sa.select(sa.exists().where(_of(subject_id), Hold.released_at.is_(None)))))


def _of(subject_id: uuid.UUID) -> sa.ColumnElement[bool]:
    return sa.or_(Hold.recording_id == subject_id, Hold.chat_id == subject_id)


def _kind(row: Recording | Chat) -> str:
    return "chat" if isinstance(row, Chat) else "recording"


def _to_hold(session: Session, subject_id: uuid.UUID) -> Recording | Chat:
    """Locked, whichever it is."""
    row = locked(session, subject_id) or _chat(session, subject_id)
    if row is None:
        raise HoldProblem("nothing_to_hold")
    return row


_chat = db.RowLock(Chat)


def _there(session: Session, recording_id: uuid.UUID) -> Recording:
    row = locked(session, recording_id)
    if row is None:
        raise HoldProblem("no_recording")
    return row


# ---- the end of the keeping time ------------------------------------------------------------------------


_HELD = sa.exists().where(Hold.recording_id == Recording.id, Hold.released_at.is_(None))


def over(session: Session, now: datetime, limit: int) -> list[uuid.UUID]:
    """Recordings whose time is over and that nobody holds, the longest over first."""
    query = (
        sa.select(Recording.id)
        .where(Recording.state.in_(HOLDS_FILE), Recording.keep_until <= now, ~_HELD)
        .order_by(Recording.keep_until, Recording.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def purge_due(session: Session, now: datetime, limit: int = 100) -> int:
    """Each goes by a job of its own. Returns how many."""
    found = over(session, now, limit)
    for recording_id in found:
        jobs.defer(session, PURGE, recording_id=recording_id)
    return len(found)


def end_now(session: Session, recording_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """Its time is over by somebody's decision (an erasure the law allows): the next purge takes it. HoldProblem if it
    is held. `why` is a word or a code, never a person's."""
    row = _there(session, recording_id)
    if is_held(session, recording_id):
        raise HoldProblem("held_stays")
    row.keep_until = min(row.keep_until, now)
    record(session, "recording", row.id, "time ended", now, who=who, why=why)


def purge(session: Session, files: FileStore, recording_id: uuid.UUID, now: datetime) -> bool:
    """Delete the file, look that it is gone, delete the words, look that they are gone. The row and its ledger stay.
    False if it may not be purged (any more, or not before its words of warning are told: docs/decisions/0004).

    If this dies in the middle the file may be gone and the words still there: the row then still says so, and the next
    run ends the work."""
    row = locked(session, recording_id)
    if row is None or row.state not in HOLDS_FILE or row.keep_until > now or is_held(session, recording_id):
        return False
    if machine_flags.untold(session, recording_id):
        return False
    files.delete(recording_id)
    if files.exists(recording_id):
        raise PurgeProblem(f"recording {recording_id}: its file is still there after it was deleted")
    review_rows.drop_open(session, "call", [recording_id], "purged", now)
    transcripts = session.scalars(sa.select(Transcript.id).where(Transcript.recording_id == recording_id)).all()
    for column in GONE_WITH_IT:
        session.execute(sa.delete(column.class_).where(column == recording_id))
    if left := _words_left(session, recording_id, transcripts):
        raise PurgeProblem(f"recording {recording_id}: {left} rows of words are still there")
    row.next_fetch_at = row.next_speech_at = None
    row.claim = row.claimed_until = None
    row.levels = []
    row.purged_at = now
    move(session, row, "purged", now, why=row.keep_class, file_gone=True, words_gone=True)
    carrier_copy.want_gone(session, row, now)
    return True


def _words_left(session: Session, recording_id: uuid.UUID, transcripts: Sequence[uuid.UUID]) -> int:
    asked = [
        *(sa.select(sa.func.count()).select_from(it.class_).where(it == recording_id) for it in GONE_WITH_IT),
        sa.select(sa.func.count()).select_from(SegmentRow).where(SegmentRow.transcript_id.in_(transcripts)),
    ]
    return sum(session.scalar(one) or 0 for one in asked)


# ---- the proof ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Discord:
    """Something in which the store and the rows do not agree."""

    what: str
    """no file | no row | purged but there | stray | bad file | words left"""
    recording: str
    """Its id, or the name of a file that is none of ours."""
    detail: str


def check(house: House, *, read: bool = False) -> list[Discord]:
    """Files without a row, rows without a file, leftovers; with `read` every file is opened and its hash compared.
    Changes nothing, and may run beside everything else."""
    files = house.service(FileStore)
    on_disk = set(files.ids())
    strays = files.strays()
    with house.transaction() as session:
        rows = {
            row.id: row
            for row in session.execute(
                sa.select(Recording.id, Recording.state, Recording.sha256, Recording.size, Recording.purged_at)
            )
        }
        words = session.scalars(
            sa.union(
                *(
                    sa.select(column).join(Recording, Recording.id == column).where(Recording.state == "purged")
                    for column in GONE_WITH_IT
                )
            )
        ).all()
    found = [Discord("words left", str(one), "it was purged") for one in words]
    for one in sorted(on_disk):
        row = rows.get(one)
        if row is None and files.exists(one):
            found.append(Discord("no row", str(one), "a file of which the database knows nothing"))
        elif row is not None and row.state in ("purged", "absent") and files.exists(one):
            found.append(Discord("purged but there", str(one), f"its state is {row.state}"))
    for one, row in rows.items():
        if row.state not in HOLDS_FILE or row.sha256 is None:
            continue
        if not files.exists(one):
            if _still(house, one):
                found.append(Discord("no file", str(one), f"its state is {row.state}"))
        elif read and (why := _bad(files, one, row.sha256)) and _still(house, one):
            found.append(Discord("bad file", str(one), why))
    return found + [Discord("stray", path.name, "half-written, or not ours") for path in strays if path.exists()]


def _still(house: House, recording_id: uuid.UUID) -> bool:
    """Whether it has not been purged since the rows were read."""
    with house.transaction() as session:
        state = session.scalar(sa.select(Recording.state).where(Recording.id == recording_id))
    return state in HOLDS_FILE


def _bad(files: FileStore, recording_id: uuid.UUID, sha256: str) -> str | None:
    try:
        is_it = file_hash(files, recording_id) == sha256
    except FileProblem as problem:
        return str(problem)
    return None if is_it else "its hash is not the one it came with"


def file_hash(files: FileStore, recording_id: uuid.UUID) -> str:
    """SHA-256 of the sound as it lies on the disk now. FileProblem if it does not open."""
    digest = hashlib.sha256()
    with files.open(recording_id) as reader:
        for at in range(0, reader.size, _PIECE):
            digest.update(reader.read(at, at + _PIECE))
    return digest.hexdigest()


_PIECE: Final = 1024 * 1024
