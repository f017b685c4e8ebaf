"""Coaching: a talk with an agent about a clip, what should have been said, and three later calls that show whether it
helped (docs/clinical.md QA4, section 4, Coaching triggers). One task per cause, however often it is looked for.

What a person has found (a review below the pass, an automatic fail) is open at once. What the machine has counted (the
same kind of phrase twice in seven days, a low score twice in thirty) is proposed, and a person confirms it before the
agent sees it; the whole list is in coaching_causes. A process's fault goes to who owns the process, and no agent is
blamed (PERF16).
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import settings_of
from dialer.models import Agent
from recordings.quality import coaching_causes, review_rows
from recordings.quality.coaching_pages import open_tasks
from recordings.quality.coaching_rechecks import draw_rechecks, dropped, final
from recordings.quality.coaching_rows import due_at, locked, move, open_task, put_note
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.scorecards import Card
from recordings.review_models import CoachingTask, Review

__all__ = [
    "confirm", "daily", "dismiss", "done", "draw_rechecks", "dropped", "final", "of_review", "open_tasks", "settled",
]  # fmt: skip


# ---- what opens one -----------------------------------------------------------------------------------------


def of_review(session: Session, row: Review, card: Card, now: datetime) -> None:
    """A review was submitted: its faults become tasks."""
    marks = review_rows.marks(session, [row.id])[row.id]
    for item, mark in marks.items():
        if mark.value == "no" and mark.cause == "process":
            # the service owns what nobody else is known to own (hospital.toml [tickets])
            owner = settings_of(session).tickets.service
            clip = (mark.start_s, mark.end_s)
            open_task(
                session, f"process {row.id} {item}", "process", item, now, review=row, clip=clip, owner=owner, item=item
            )
    if row.part == "recheck" or row.agent_id is None or row.passed is not False:
        return
    faults = [
        item for key, item in card.items.items() if (m := marks.get(key)) and m.value == "no" and m.cause == "agent"
    ]
    worst = row.failed_items[0] if row.failed_items else max(faults, key=lambda item: item.points).key
    clip = (marks[worst].start_s, marks[worst].end_s)
    cause = "auto_fail" if row.failed_items else "score"
    open_task(session, f"review {row.id}", cause, worst, now, review=row, clip=clip, agent_id=row.agent_id, item=worst)


def daily(session: Session, now: datetime) -> None:
    """What the machine has counted since it last looked; and re-checks for whom there are calls enough."""
    coaching_causes.look(session, now)
    draw_rechecks(session, now)


# ---- what people do -----------------------------------------------------------------------------------------


def confirm(session: Session, task_id: uuid.UUID, who: str, now: datetime) -> None:
    """A person has listened and agrees with what the machine proposed. Raises ReviewProblem."""
    row = _task(session, task_id)
    _not_themselves(session, row, who)
    _must(session, row, "confirm", now, who)
    row.due_at = due_at(session, now)


def dismiss(session: Session, task_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """There is nothing in it. Raises ReviewProblem."""
    row = _task(session, task_id)
    _not_themselves(session, row, who)
    if not why.strip():
        raise ReviewProblem("no_comment")
    _must(session, row, "dismiss", now, who)
    row.closed_at = now
    put_note(session, row, "dismissed", why, who, now)


def done(session: Session, task_id: uuid.UUID, who: str, note: str, now: datetime) -> None:
    """The talk was held: three of the agent's later calls are drawn to see whether it helped. Or the process is mended.
    Raises ReviewProblem."""
    row = _task(session, task_id)
    _not_themselves(session, row, who)
    if not note.strip():
        raise ReviewProblem("no_comment")
    if row.cause == "process":
        _must(session, row, "mend", now, who)
        row.closed_at = now
    else:
        _must(session, row, "coach", now, who)
    row.coached_at, row.coached_by = now, who
    put_note(session, row, "coached", note, who, now)


def _task(session: Session, task_id: uuid.UUID) -> CoachingTask:
    row = locked(session, task_id)
    if row is None:
        raise ReviewProblem("no_task")
    return row


def _not_themselves(session: Session, row: CoachingTask, who: str) -> None:
    if row.agent_id is not None and session.get_one(Agent, row.agent_id).login == who:
        raise ReviewProblem("own_coach")


def _must(session: Session, row: CoachingTask, event: str, now: datetime, who: str) -> None:
    # a process is mended and an agent coached: the table alone cannot tell them apart
    wrong = (event == "coach") == (row.cause == "process") and event in ("coach", "mend")
    if wrong or not move(session, row, event, now, who):
        raise ReviewProblem("task_state", state=row.state)


def settled(session: Session, row: Review, card: Card, now: datetime) -> None:
    """A dispute was decided: what the review had opened falls if its reason has."""
    tasks = session.scalars(
        sa.select(CoachingTask).where(CoachingTask.review_id == row.id).order_by(CoachingTask.id).with_for_update()
    ).all()
    marks = review_rows.marks(session, [row.id])[row.id]
    for task in tasks:
        mark = marks.get(task.about)
        process = task.cause == "process" and mark is not None and (mark.value, mark.cause) == ("no", "process")
        agents = task.cause != "process" and row.passed is False
        if not process and not agents and move(session, task, "overturn", now):
            task.closed_at = now
    of_review(session, row, card, now)
