"""What a rater, an agent and a supervisor are shown of reviews; each only what they may see."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dialer.models import Agent
from recordings.quality import review_rows, scorecard_rows, suggestions
from recordings.quality.qa_shapes import (
    AgentReview,
    Disputed,
    Fault,
    Mark,
    Sheet,
    SheetItem,
    SheetPart,
    Suggestion,
)
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_machine import COUNTED, TOLD
from recordings.quality.review_rows import of_item
from recordings.quality.scorecards import Card, Item
from recordings.review_models import Review, ReviewMark
from recordings.sampling import subjects

MOST: Final = 200
"""Reviews an agent's page goes back."""


def sheet(session: Session, review_id: uuid.UUID, rater: str) -> Sheet:
    """The card with marks and suggestions, for its rater. Raises ReviewProblem for anybody else."""
    row = session.get(Review, review_id)
    if row is None:
        raise ReviewProblem("no_review")
    if row.rater != rater:
        raise ReviewProblem("not_yours")
    card = scorecard_rows.cards(session, [row.card_id])[row.card_id]
    marks = review_rows.marks(session, [row.id])[row.id]
    notes = review_rows.notes(session, [row.id])[row.id]
    suggested = _suggested(session, row, card)
    counted = row.state in COUNTED
    return Sheet(
        review_id=row.id,
        version=row.version,
        state=row.state,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        day=row.day,
        language=row.language,
        card=card.title,
        card_name=card.name,
        parts=tuple(
            SheetPart(
                part.key,
                part.name,
                part.weight,
                tuple(
                    _item(
                        item, row.state, suggested.get(item.key), marks.get(item.key), notes.get(of_item(item.key), "")
                    )
                    for item in part.items
                ),
            )
            for part in card.dimensions
        ),
        comment=notes.get("comment", ""),
        points=row.points if counted else None,
        passed=row.passed if counted else None,
    )


def _suggested(session: Session, row: Review, card: Card) -> dict[str, Suggestion]:
    """Of what is open now: the patient's satisfaction not before the blind marks are closed."""
    if row.state not in ("drawn", "draft", "revealed"):
        return {}
    subject = subjects.one(session, (row.subject_kind, row.subject_id))
    if subject is None:
        return {}
    return suggestions.of_subject(session, subject, card, hidden=row.state == "revealed")


def _item(item: Item, state: str, suggestion: Suggestion | None, mark: ReviewMark | None, note: str) -> SheetItem:
    is_open = item.hidden if state == "revealed" else state in ("drawn", "draft") and not item.hidden
    return SheetItem(
        key=item.key,
        text=item.text,
        example=item.example,
        fails=item.fails,
        points=item.points,
        closed=not is_open,
        suggestion=suggestion,
        mark=None if mark is None else Mark(mark.value, mark.cause, note, mark.start_s, mark.end_s),
    )


def of_agent(session: Session, login: str, now: datetime) -> list[AgentReview]:
    """What an agent may see: their own reviews once submitted, newest first. Never a draft, a second rating, or that a
    call of theirs was drawn."""
    rows = session.scalars(
        sa.select(Review)
        .join(Agent, Agent.id == Review.agent_id)
        .where(Agent.login == login, Review.seat == 1, Review.state.in_(TOLD))
        .order_by(Review.submitted_at.desc(), Review.id)
        .limit(MOST)
    ).all()
    ids = [row.id for row in rows]
    marks, notes = review_rows.marks(session, ids), review_rows.notes(session, ids)
    cards = scorecard_rows.cards(session, {row.card_id for row in rows})
    return [
        AgentReview(
            review_id=row.id,
            state=row.state,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            happened_at=row.happened_at,
            points=row.points,
            passed=row.passed,
            counts=row.part == "random",
            dispute_until=row.dispute_until if row.state == "submitted" else None,
            may_dispute=row.state == "submitted" and row.dispute_until is not None and now < row.dispute_until,
            faults=tuple(_faults(cards[row.card_id], marks[row.id], notes[row.id])),
        )
        for row in rows
    ]


def _faults(card: Card, marks: dict[str, ReviewMark], notes: dict[str, str]) -> list[Fault]:
    return [
        Fault(
            key, item.text, item.say, item.fails and mark.cause == "agent", mark.cause, notes.get(of_item(key), ""),
            mark.start_s, mark.end_s,
        )
        for key, item in card.items.items()
        if (mark := marks.get(key)) is not None and mark.value == "no"
    ]  # fmt: skip


def disputed(session: Session) -> list[Disputed]:
    """What waits for a supervisor, the oldest first."""
    rows = session.execute(
        sa.select(Review, Agent.login)
        .outerjoin(Agent, Agent.id == Review.agent_id)
        .where(Review.state == "disputed")
        .order_by(Review.disputed_at, Review.id)
    ).all()
    notes = review_rows.notes(session, [row.id for row, _ in rows])
    return [
        Disputed(
            review_id=row.id,
            version=row.version,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            happened_at=row.happened_at,
            agent=login or "",
            rater=row.rater,
            points=row.points,
            why=notes[row.id].get("dispute", ""),
            disputed_at=row.disputed_at,
        )
        for row, login in rows
        if row.disputed_at is not None
    ]
