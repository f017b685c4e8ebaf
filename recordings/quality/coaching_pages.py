"""Coaching tasks as they are shown."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dialer.models import Agent
from recordings.quality import scorecard_rows
from recordings.quality.qa_shapes import TaskLine
from recordings.quality.scorecards import Item
from recordings.review_models import CoachingRecheck, CoachingTask, Review


def open_tasks(session: Session, login: str | None = None, *, now: datetime) -> list[TaskLine]:
    """All that are not over, the next due first; with `login`, what this agent may see: their own, but not what is only
    proposed."""
    query = (
        sa.select(CoachingTask, Agent.login)
        .outerjoin(Agent, Agent.id == CoachingTask.agent_id)
        .where(CoachingTask.closed_at.is_(None))
        .order_by(CoachingTask.due_at, CoachingTask.id)
    )
    if login is not None:
        query = query.where(Agent.login == login, CoachingTask.state != "proposed")
    rows = session.execute(query).all()
    cards = scorecard_rows.cards(session, {task.card_id for task, _ in rows if task.card_id is not None})
    rechecks = _rechecks(session, [task.id for task, _ in rows])
    lines = []
    for task, agent in rows:
        item: Item | None = cards[task.card_id].items.get(task.item) if task.card_id is not None else None
        lines.append(
            TaskLine(
                task_id=task.id,
                cause=task.cause,
                about=task.about,
                agent=agent or "",
                owner=task.owner,
                subject_kind=task.subject_kind,
                subject_id=task.subject_id,
                start_s=task.start_s,
                end_s=task.end_s,
                state=task.state,
                round=task.round,
                opened_at=task.opened_at,
                due_at=task.due_at,
                overdue=task.state in ("proposed", "open") and task.due_at < now,
                text=item.text if item is not None else {},
                expected=item.say if item is not None else {},
                rechecks=tuple(rechecks.get((task.id, task.round), ())),
            )
        )
    return lines


def _rechecks(session: Session, tasks: list[uuid.UUID]) -> dict[tuple[uuid.UUID, int], list[str]]:
    found: dict[tuple[uuid.UUID, int], list[str]] = {}
    for task_id, number, state, passed in session.execute(
        sa.select(CoachingRecheck.task_id, CoachingRecheck.round, Review.state, Review.passed)
        .join(Review, Review.id == CoachingRecheck.review_id)
        .where(CoachingRecheck.task_id.in_(tasks), Review.state != "dropped")
        .order_by(CoachingRecheck.position)
    ):
        decided = {True: "passed", False: "failed", None: "passed"}[passed] if state == "final" else "waiting"
        found.setdefault((task_id, number), []).append(decided)
    return found
