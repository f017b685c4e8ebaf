"""Coaching tasks as rows: the one function that opens them, the one that moves their state, notes. Used by the coaching
modules alone."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.house import settings_of
from core.models import new_id, record
from recordings.quality import review_rows, scorecard_rows
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_machine import COACHING, step
from recordings.review_models import CoachingTask, QaNote, Review

locked = db.RowLock(CoachingTask)


def open_task(
    session: Session,
    cause_key: str,
    cause: str,
    about: str,
    now: datetime,
    *,
    review: Review | None = None,
    subject: tuple[str, uuid.UUID] | None = None,
    clip: tuple[float | None, float | None] = (None, None),
    agent_id: uuid.UUID | None = None,
    owner: str = "",
    item: str = "",
    covers: datetime | None = None,
    of_today: date | None = None,
    proposed: bool = False,
) -> None:
    """Nothing happens for a cause that has its task. Without a review, or where `proposed` says so, a person has to
    confirm it. `of_today`: a category has its wording on that day's card."""
    db.lock(session, f"coaching {cause_key}")
    if session.scalar(sa.select(CoachingTask.id).where(CoachingTask.cause_key == cause_key)) is not None:
        return
    if review is not None:
        subject = (review.subject_kind, review.subject_id)
    kind, subject_id = subject or ("call", None)
    card_id = review.card_id if review is not None else None
    if of_today is not None:
        card, body = scorecard_rows.in_force(session, of_today, now)
        item = next((key for key, one in body.items.items() if about in one.suggest.get("categories", ())), "")
        card_id = card.id if item else None
    row = CoachingTask(
        id=new_id(),
        cause=cause,
        cause_key=cause_key,
        about=about,
        card_id=card_id,
        item=item,
        agent_id=agent_id,
        owner=owner,
        review_id=review.id if review is not None else None,
        subject_kind=kind,
        subject_id=subject_id,
        start_s=clip[0],
        end_s=clip[1],
        state="proposed" if proposed or review is None else "open",
        round=1,
        covers_until=covers or now,
        opened_at=now,
        due_at=due_at(session, now),
    )
    session.add(row)
    session.flush()
    record(session, "coaching", row.id, "opened", now, to_state=row.state, why=cause)


def due_at(session: Session, now: datetime) -> datetime:
    return now + timedelta(days=settings_of(session).qa.coaching_days)


def move(session: Session, row: CoachingTask, event: str, now: datetime, who: str = "service") -> bool:
    """The only writer of a task's state."""
    to_state = step(COACHING, row.state, event)
    if to_state is None:
        return False
    from_state, row.state = row.state, to_state
    record(session, "coaching", row.id, event, now, from_state=from_state, to_state=to_state, who=who, round=row.round)
    return True


def put_note(session: Session, row: CoachingTask, kind: str, text: str, who: str, now: datetime) -> None:
    if len(text) > review_rows.LONGEST:
        raise ReviewProblem("long", most=review_rows.LONGEST)
    about_call = row.subject_kind == "call"
    session.add(
        QaNote(
            task_id=row.id,
            recording_id=row.subject_id if about_call else None,
            chat_id=None if about_call else row.subject_id,
            kind=kind,
            text=text.strip(),
            by=who,
            at=now,
        )
    )
    session.flush()
