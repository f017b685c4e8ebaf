"""Three later calls that show whether coaching helped (docs/clinical.md section 4, Coaching triggers)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of
from recordings.models import Recording
from recordings.quality.coaching_rows import due_at, locked, move
from recordings.quality.qa_shapes import DeskFigures
from recordings.quality.review_day import Assignment, open_review
from recordings.quality.review_machine import COACHING_OVER
from recordings.review_models import CoachingRecheck, CoachingTask, Review
from recordings.sampling import subjects
from recordings.sampling.draw_pool import AUDIBLE

RECHECKS: Final = 3
BATCH: Final = 100
GOOD_FOR_NOTHING: Final = "dropped"
"""A review in this state has shown nothing: another call takes its place."""

_LIVE: Final = (
    sa.select(sa.func.count())
    .select_from(CoachingRecheck)
    .join(Review, Review.id == CoachingRecheck.review_id)
    .where(
        CoachingRecheck.task_id == CoachingTask.id,
        CoachingRecheck.round == CoachingTask.round,
        Review.state != GOOD_FOR_NOTHING,
    )
    .correlate(CoachingTask)
    .scalar_subquery()
)


def draw_rechecks(session: Session, now: datetime) -> None:
    """For each agent who was coached: three calls of theirs since then, as soon as there are three; and another in the
    place of one that could not be judged, as soon as there is one."""
    tasks = session.scalars(
        sa.select(CoachingTask)
        .where(
            CoachingTask.closed_at.is_(None),
            sa.or_(CoachingTask.state == "coached", sa.and_(CoachingTask.state == "rechecking", _LIVE < RECHECKS)),
        )
        .order_by(CoachingTask.coached_at, CoachingTask.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for task in tasks:
        _draw(session, task, now)


def _draw(session: Session, task: CoachingTask, now: datetime) -> None:
    there = session.execute(
        sa.select(CoachingRecheck.position, Review.state)
        .join(Review, Review.id == CoachingRecheck.review_id)
        .where(CoachingRecheck.task_id == task.id, CoachingRecheck.round == task.round)
    ).all()
    missing = RECHECKS - sum(state != GOOD_FOR_NOTHING for _, state in there)
    chosen = _later_calls(session, task, now)[:missing]
    if task.state == "coached" and len(chosen) < missing:
        return
    desk = Assignment(session)
    known = subjects.found(session, [("call", recording_id) for recording_id in chosen])
    first = 1 + max((position for position, _ in there), default=0)
    for position, recording_id in enumerate(chosen, start=first):
        review = open_review(session, desk, known[("call", recording_id)], "recheck", now)
        assert review is not None  # only a second one may find nobody
        session.flush()
        session.add(CoachingRecheck(task_id=task.id, round=task.round, position=position, review_id=review.id))
    session.flush()
    if task.state == "coached":
        move(session, task, "recheck", now)


def _later_calls(session: Session, task: CoachingTask, now: datetime) -> list[uuid.UUID]:
    """Recordings to choose from in an order that the task's id and round decide."""
    desk: DeskFigures = of(session).service(DeskFigures)  # type: ignore[type-abstract]
    assert task.agent_id is not None  # nobody coaches a process
    assert task.coached_at is not None
    calls = desk.calls_of(session, task.agent_id, task.coached_at, now)
    reviewed = sa.exists().where(Review.subject_kind == "call", Review.subject_id == Recording.id)
    pool = session.scalars(
        sa.select(Recording.id).where(
            Recording.call_id.in_(calls), Recording.purpose == "call", Recording.state.in_(AUDIBLE), ~reviewed
        )
    ).all()
    seed = f"{task.id} {task.round}"
    return sorted(pool, key=lambda one: hashlib.sha256(f"{seed} {one}".encode()).digest())


def final(session: Session, row: Review, now: datetime) -> None:
    """A review is final: if it is the last of a task's re-checks, the task is over, or begins again."""
    if row.part != "recheck":
        return
    session.flush()
    task = _task_of(session, row)
    if task is None or task.state in COACHING_OVER:
        return
    judged: Sequence[Review] = session.scalars(
        sa.select(Review)
        .join(CoachingRecheck, CoachingRecheck.review_id == Review.id)
        .where(
            CoachingRecheck.task_id == task.id,
            CoachingRecheck.round == task.round,
            Review.state != GOOD_FOR_NOTHING,
        )
    ).all()
    if len(judged) < RECHECKS or any(review.state != "final" for review in judged):
        return
    if any(review.passed is False for review in judged):
        move(session, task, "again", now)
        task.round, task.due_at, task.coached_at = task.round + 1, due_at(session, now), None
    elif move(session, task, "hold", now):
        task.closed_at = now


def dropped(session: Session, row: Review, now: datetime) -> None:
    """A re-check could not be judged. Nothing heard is nothing passed: another call takes its place, now or when there
    is one."""
    if row.part != "recheck":
        return
    session.flush()
    task = _task_of(session, row)
    if task is not None and task.state == "rechecking":
        _draw(session, task, now)


def _task_of(session: Session, row: Review) -> CoachingTask | None:
    task_id = session.scalar(sa.select(CoachingRecheck.task_id).where(CoachingRecheck.review_id == row.id))
    return locked(session, task_id) if task_id is not None else None
