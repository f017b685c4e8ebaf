"""Review rows: locking, the one function that moves a state, marks and notes. Used by the review modules alone."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.models import record
from recordings import rows
from recordings.quality.qa_shapes import Mark
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_machine import REVIEW, TO_MARK, step
from recordings.review_models import QaNote, Review, ReviewMark

LONGEST = 2000
"""Characters of a note."""

locked = db.RowLock(Review)


def of_id(session: Session, review_id: uuid.UUID) -> Review:
    """Locked. Raises ReviewProblem."""
    row = locked(session, review_id)
    if row is None:
        raise ReviewProblem("no_review")
    return row


def move(session: Session, row: Review, event: str, now: datetime, *, who: str = "service", **data: Any) -> bool:
    """The only writer of a review's state; False if the event has no place there and nothing is changed."""
    to_state = step(REVIEW, row.state, event)
    if to_state is None:
        return False
    from_state, row.state = row.state, to_state
    record(session, "review", row.id, event, now, from_state=from_state, to_state=to_state, who=who, data=data)
    return True


def drop_open(session: Session, kind: str, subject_ids: Collection[uuid.UUID], why: str, now: datetime) -> int:
    """What nobody can judge any more leaves the raters' lists; what is submitted stays. `why`: a code, kept in the
    ledger, because notes end with their subject. Returns how many."""
    rows = session.scalars(
        sa.select(Review)
        .where(Review.subject_kind == kind, Review.subject_id.in_(subject_ids), Review.state.in_(TO_MARK))
        .order_by(Review.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for row in rows:
        move(session, row, "drop", now, why=why)
        row.version += 1
    session.flush()
    return len(rows)


def marks(session: Session, review_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, ReviewMark]]:
    """The marks that hold: a settled one goes before the rater's."""
    rows = session.scalars(
        sa.select(ReviewMark)
        .where(ReviewMark.review_id.in_(review_ids))
        .order_by(ReviewMark.review_id, ReviewMark.item, ReviewMark.settled)
    )
    held: dict[uuid.UUID, dict[str, ReviewMark]] = {review_id: {} for review_id in review_ids}
    for row in rows:
        held[row.review_id][row.item] = row
    return held


def of_item(item: str) -> str:
    """The kind of the note beside an item's mark: no item of a card is taken for a comment."""
    return f"item {item}"


def put_marks(
    session: Session, row: Review, given: Mapping[str, Mark], who: str, now: datetime, *, settled: bool = False
) -> None:
    """Each mark with its note; what stood there before of the same hand is replaced. Raises ReviewProblem."""
    of_these = sa.select(ReviewMark).where(
        ReviewMark.review_id == row.id, ReviewMark.settled == settled, ReviewMark.item.in_(given)
    )
    held = {mark.item: mark for mark in session.scalars(of_these)}
    for item, mark in given.items():
        kept = held.get(item)
        if kept is None:
            kept = ReviewMark(review_id=row.id, item=item, settled=settled)
            session.add(kept)
        kept.value, kept.cause = mark.value, mark.cause
        kept.start_s, kept.end_s = mark.start_s, mark.end_s
        kept.by, kept.at = who, now
    put_notes(session, row, {of_item(item): mark.note for item, mark in given.items()}, who, now)


def put_notes(session: Session, row: Review, texts: Mapping[str, str], who: str, now: datetime) -> None:
    """`texts` by kind; of each kind and person one note, the new one in the place of the old. Raises ReviewProblem."""
    if any(len(text) > LONGEST for text in texts.values()):
        raise ReviewProblem("long", most=LONGEST)
    session.execute(sa.delete(QaNote).where(QaNote.review_id == row.id, QaNote.kind.in_(texts), QaNote.by == who))
    session.add_all(
        QaNote(
            review_id=row.id,
            recording_id=row.subject_id if row.subject_kind == "call" else None,
            chat_id=row.subject_id if row.subject_kind == "chat" else None,
            kind=kind,
            text=text.strip(),
            by=who,
            at=now,
        )
        for kind, text in texts.items()
        if text.strip()
    )
    session.flush()


def words_may_stay(session: Session, recording_id: uuid.UUID) -> bool:
    """False once a recording was purged: nothing is written about it any more. Locks it against the purge."""
    row = rows.locked(session, recording_id)
    return row is not None and row.state != "purged"


def notes(session: Session, review_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, str]]:
    """{review: {kind: text}}, the newest of each kind."""
    found: dict[uuid.UUID, dict[str, str]] = {review_id: {} for review_id in review_ids}
    for row in session.scalars(sa.select(QaNote).where(QaNote.review_id.in_(review_ids)).order_by(QaNote.id)):
        assert row.review_id is not None  # the query asks for it
        found[row.review_id][row.kind] = row.text
    return found
