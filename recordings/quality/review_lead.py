"""What a lead does about reviews that lie still: another rater for one whose rater left or is ill, and an end for what
nobody can judge. No mark, no score and no agent is shown here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recordings.models import Recording
from recordings.quality import coaching, review_rows
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_day import Assignment
from recordings.quality.review_machine import TO_MARK
from recordings.review_models import QaNote, Review, ReviewMark

MOST: Final = 500


@dataclass(frozen=True)
class OpenLine:
    """A review somebody has in hand, or nobody. It does not say which rating of a conversation it is."""

    review_id: uuid.UUID
    state: str
    subject_kind: str
    day: date
    language: str
    seconds: float | None
    rater: str
    """Empty: it waits for somebody."""
    gone: bool
    """Its rater may not review any more."""
    opened_at: datetime


@dataclass(frozen=True)
class DroppedLine:
    review_id: uuid.UUID
    subject_kind: str
    day: date
    rater: str
    by: str
    why: str
    """Empty once the recording's time was over."""
    at: datetime


def in_hand(session: Session) -> list[OpenLine]:
    """What is not handed in: whose rater is gone first, then the oldest."""
    raters = Assignment(session).raters
    rows = session.execute(
        sa.select(Review, Recording.seconds)
        .outerjoin(Recording, sa.and_(Recording.id == Review.subject_id, Review.subject_kind == "call"))
        .where(Review.state.in_(TO_MARK))
        .order_by(Review.rater.in_(list(raters)), Review.opened_at, Review.id)
        .limit(MOST)
    ).all()
    return [
        OpenLine(
            row.id, row.state, row.subject_kind, row.day, row.language, seconds, row.rater, row.rater not in raters,
            row.opened_at,
        )
        for row, seconds in rows
    ]  # fmt: skip


def dropped(session: Session, since: datetime) -> list[DroppedLine]:
    """What was dropped since then with the reason, the newest first: nobody drops unseen what they do not like."""
    rows = session.execute(
        sa.select(Review, QaNote)
        .join(QaNote, sa.and_(QaNote.review_id == Review.id, QaNote.kind == "dropped"))
        .where(Review.state == "dropped", QaNote.at >= since)
        .order_by(QaNote.at.desc(), Review.id)
        .limit(MOST)
    ).all()
    return [
        DroppedLine(row.id, row.subject_kind, row.day, row.rater, note.by, note.text, note.at) for row, note in rows
    ]


def hand_over(session: Session, review_id: uuid.UUID, to: str, who: str, why: str, now: datetime) -> str:
    """Give a review that is not handed in to another rater, who is neither its agent nor another rater of the same
    conversation; `to` empty: to the one of them with the least in hand. What was marked is gone: a second pair of ears
    that has seen the first one's marks is none. Returns who has it now. Raises ReviewProblem."""
    row = review_rows.of_id(session, review_id)
    if not why.strip():
        raise ReviewProblem("no_comment")
    if row.state not in TO_MARK:
        raise ReviewProblem("closed", state=row.state)
    desk = Assignment(session)
    taken = {row.rater} | set(
        session.scalars(
            sa.select(Review.rater).where(
                Review.subject_kind == row.subject_kind, Review.subject_id == row.subject_id, Review.id != row.id
            )
        )
    )
    if not to:
        to = desk.instead(row.agent_id, taken, second=row.seat == 2)
        if not to:
            raise ReviewProblem("nobody_else")
    if to not in desk.raters:
        raise ReviewProblem("no_rater", login=to)
    if to in taken or (row.agent_id is not None and to == desk.logins[row.agent_id]):
        raise ReviewProblem("same_person", login=to)
    marks = session.scalar(sa.select(sa.func.count()).where(ReviewMark.review_id == row.id)) or 0
    session.execute(sa.delete(ReviewMark).where(ReviewMark.review_id == row.id))
    session.execute(sa.delete(QaNote).where(QaNote.review_id == row.id))
    was, row.rater, row.version = row.rater, to, row.version + 1
    review_rows.move(session, row, "hand over", now, who=who, **{"from": was, "to": to, "marks": marks})
    _say_why(session, row, "handed over", why, who, now)
    return to


def hand_over_all(session: Session, rater: str, to: str, who: str, why: str, now: datetime) -> tuple[int, int]:
    """Everything `rater` has in hand, as `hand_over`; (given, left where nobody else can take it)."""
    given = left = 0
    rows: Sequence[uuid.UUID] = session.scalars(
        sa.select(Review.id).where(Review.rater == rater, Review.state.in_(TO_MARK)).order_by(Review.id)
    ).all()
    for review_id in rows:
        try:
            hand_over(session, review_id, to, who, why, now)
            given += 1
        except ReviewProblem as problem:
            if problem.key not in ("nobody_else", "same_person"):
                raise
            left += 1
    return given, left


def drop(session: Session, review_id: uuid.UUID, who: str, why: str, now: datetime) -> int:
    """It cannot be judged (nothing to hear, a wrong number): with it go all ratings of the same conversation that are
    not handed in; how many. Nothing is drawn in its place, but for a re-check of coaching. Raises ReviewProblem."""
    row = session.get(Review, review_id)
    if row is None:
        raise ReviewProblem("no_review")
    if not why.strip():
        raise ReviewProblem("no_comment")
    if row.agent_id is not None and Assignment(session).logins[row.agent_id] == who:
        raise ReviewProblem("own_talk")
    fall = session.scalars(
        sa.select(Review)
        .where(
            Review.subject_kind == row.subject_kind,
            Review.subject_id == row.subject_id,
            Review.state.in_(TO_MARK),
        )
        .order_by(Review.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if row not in fall:
        session.refresh(row)
        raise ReviewProblem("closed", state=row.state)
    for one in fall:
        review_rows.move(session, one, "drop", now, who=who)
        one.version += 1
        _say_why(session, one, "dropped", why, who, now)
        coaching.dropped(session, one, now)
    return len(fall)


def _say_why(session: Session, row: Review, kind: str, why: str, who: str, now: datetime) -> None:
    """Words about a recording that was purged are not kept either; that it was done, and by whom, is in the ledger."""
    if row.subject_kind != "call" or review_rows.words_may_stay(session, row.subject_id):
        review_rows.put_notes(session, row, {kind: why}, who, now)
