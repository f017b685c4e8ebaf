"""Coaching: a talk with an agent about a clip, what should have been said, and three later calls that show whether it
helped (docs/clinical.md QA4, section 4, Coaching triggers). One task per cause, however often it is looked for.

What a person has found (a review below the pass, an automatic fail) is open at once. What the machine has counted (the
same kind of phrase twice in seven days, a low score twice in thirty) is proposed, and a person confirms it before the
agent sees it. A process's fault goes to who owns the process, and no agent is blamed (PERF16).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.house import of, settings_of
from core.models import new_id, record
from dialer.models import Agent
from recordings import review_rows, scorecard_rows, subjects
from recordings.coaching_pages import open_tasks
from recordings.draw_pool import AUDIBLE
from recordings.models import FindingRow, Recording
from recordings.qa_shapes import DeskFigures
from recordings.qa_words import ReviewProblem
from recordings.review_day import Assignment, open_review
from recordings.review_machine import COACHING, COACHING_OVER, step
from recordings.review_models import CoachingRecheck, CoachingTask, QaNote, Review
from recordings.scorecards import Card

__all__ = ["confirm", "daily", "dismiss", "done", "draw_rechecks", "final", "of_review", "open_tasks", "settled"]

RECHECKS: Final = 3
PHRASES_IN: Final = timedelta(days=7)
UNHAPPY_IN: Final = timedelta(days=30)
UNHAPPY: Final = 2
TWICE: Final = 2
NOT_COACHED: Final = ("red_flag", "missing")
"""What the patient said; and what a required phrase's absence may have other reasons for: a person marks that."""
BEFORE_S, AFTER_S = 5.0, 10.0
"""A hit's clip."""
BATCH: Final = 100

locked = db.RowLock(CoachingTask)


# ---- what opens one -----------------------------------------------------------------------------------------


def of_review(session: Session, row: Review, card: Card, now: datetime) -> None:
    """A review was submitted: its faults become tasks."""
    marks = review_rows.marks(session, [row.id])[row.id]
    for item, mark in marks.items():
        if mark.value == "no" and mark.cause == "process":
            # the service owns what nobody else is known to own (hospital.toml [tickets])
            owner = settings_of(session).tickets.service
            clip = (mark.start_s, mark.end_s)
            _open(
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
    _open(session, f"review {row.id}", cause, worst, now, review=row, clip=clip, agent_id=row.agent_id, item=worst)


def daily(session: Session, now: datetime) -> None:
    """What the machine has counted since it last looked; and re-checks for whom there are calls enough."""
    _phrases(session, now)
    _unhappy(session, now)
    draw_rechecks(session, now)


def _phrases(session: Session, now: datetime) -> None:
    rows = session.execute(
        sa.select(FindingRow.id, FindingRow.category, FindingRow.start_s, Recording.id, Recording.call_id,
                  Recording.announced_at)
        .join(Recording, Recording.id == FindingRow.recording_id)
        .where(
            Recording.announced_at > now - PHRASES_IN,
            Recording.announced_at <= now,
            Recording.call_id.is_not(None),
            FindingRow.speaker.in_(("line", "both")),
            FindingRow.category.not_in(NOT_COACHED),
        )
        .order_by(Recording.announced_at, FindingRow.start_s, FindingRow.id)
    ).all()  # fmt: skip
    facts = subjects.facts_of(session, {row[4] for row in rows if row[4] is not None})
    groups: dict[tuple[uuid.UUID, str], list[Any]] = {}
    for row in rows:
        fact = facts.get(row[4]) if row[4] is not None else None
        if fact is not None and fact.agent_id is not None:
            groups.setdefault((fact.agent_id, row[1]), []).append(row)
    covered = _covered(session, "phrases")
    today = now.astimezone(settings_of(session).hospital.timezone).date()
    for (agent_id, category), hits in groups.items():
        until = covered.get((agent_id, category))
        fresh = [hit for hit in hits if until is None or hit[5] > until]
        if len(fresh) >= TWICE:
            newest, start_s, recording_id, at = fresh[-1][0], fresh[-1][2], fresh[-1][3], fresh[-1][5]
            _open(
                session, f"phrases {agent_id} {category} {newest}", "phrases", category, now,
                subject=("call", recording_id), clip=(max(0.0, start_s - BEFORE_S), start_s + AFTER_S),
                agent_id=agent_id, covers=at, of_today=today,
            )  # fmt: skip


def _unhappy(session: Session, now: datetime) -> None:
    desk: DeskFigures = of(session).service(DeskFigures)  # type: ignore[type-abstract]
    by_agent: dict[uuid.UUID, list[tuple[uuid.UUID, datetime]]] = {}
    for agent_id, call_id, at, _ in desk.unhappy(session, now - UNHAPPY_IN, now, UNHAPPY):
        by_agent.setdefault(agent_id, []).append((call_id, at))
    covered = _covered(session, "satisfaction")
    for agent_id, calls in by_agent.items():
        until = covered.get((agent_id, "satisfaction"))
        fresh = [call for call in calls if until is None or call[1] > until]
        if len(fresh) >= TWICE:
            call_id, at = fresh[-1]
            recording_id = session.scalar(
                sa.select(Recording.id)
                .where(Recording.call_id == call_id, Recording.purpose == "call")
                .order_by(Recording.announced_at.desc())
                .limit(1)
            )
            _open(
                session, f"satisfaction {agent_id} {call_id}", "satisfaction", "satisfaction", now,
                subject=("call", recording_id) if recording_id else None, agent_id=agent_id, covers=at,
            )  # fmt: skip


def _covered(session: Session, cause: str) -> dict[tuple[uuid.UUID, str], datetime]:
    """Up to when an agent's occurrences have led to a task already, whatever became of it."""
    rows = session.execute(
        sa.select(CoachingTask.agent_id, CoachingTask.about, sa.func.max(CoachingTask.covers_until))
        .where(CoachingTask.cause == cause, CoachingTask.agent_id.is_not(None))
        .group_by(CoachingTask.agent_id, CoachingTask.about)
    )
    return {(agent_id, about): until for agent_id, about, until in rows if agent_id is not None}


def _open(
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
) -> None:
    """Nothing happens for a cause that has its task. `of_today`: a category has its wording on that day's card."""
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
        state="open" if review is not None else "proposed",
        round=1,
        covers_until=covers or now,
        opened_at=now,
        due_at=_due(session, now),
    )
    session.add(row)
    session.flush()
    record(session, "coaching", row.id, "opened", now, to_state=row.state, why=cause)


def _due(session: Session, now: datetime) -> datetime:
    return now + timedelta(days=settings_of(session).qa.coaching_days)


# ---- what people do -----------------------------------------------------------------------------------------


def confirm(session: Session, task_id: uuid.UUID, who: str, now: datetime) -> None:
    """A person has listened and agrees with what the machine proposed. Raises ReviewProblem."""
    row = _task(session, task_id)
    _not_themselves(session, row, who)
    _must(session, row, "confirm", now, who)
    row.due_at = _due(session, now)


def dismiss(session: Session, task_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """There is nothing in it. Raises ReviewProblem."""
    row = _task(session, task_id)
    _not_themselves(session, row, who)
    if not why.strip():
        raise ReviewProblem("no_comment")
    _must(session, row, "dismiss", now, who)
    row.closed_at = now
    _note(session, row, "dismissed", why, who, now)


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
    _note(session, row, "coached", note, who, now)


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
    if wrong or not _move(session, row, event, now, who):
        raise ReviewProblem("task_state", state=row.state)


def _move(session: Session, row: CoachingTask, event: str, now: datetime, who: str = "service") -> bool:
    """The only writer of a task's state."""
    to_state = step(COACHING, row.state, event)
    if to_state is None:
        return False
    from_state, row.state = row.state, to_state
    record(session, "coaching", row.id, event, now, from_state=from_state, to_state=to_state, who=who, round=row.round)
    return True


def _note(session: Session, row: CoachingTask, kind: str, text: str, who: str, now: datetime) -> None:
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


# ---- what follows -------------------------------------------------------------------------------------------


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
        if not process and not agents and _move(session, task, "overturn", now):
            task.closed_at = now
    of_review(session, row, card, now)


def draw_rechecks(session: Session, now: datetime) -> None:
    """For each agent who was coached: three calls of theirs since then, as soon as there are three."""
    tasks = session.scalars(
        sa.select(CoachingTask)
        .where(CoachingTask.state == "coached", CoachingTask.closed_at.is_(None))
        .order_by(CoachingTask.coached_at, CoachingTask.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for task in tasks:
        chosen = _later_calls(session, task, now)
        if len(chosen) < RECHECKS:
            continue
        desk = Assignment(session)
        known = subjects.found(session, [("call", recording_id) for recording_id in chosen])
        for position, recording_id in enumerate(chosen, start=1):
            review = open_review(session, desk, known[("call", recording_id)], "recheck", now)
            assert review is not None  # only a second one may find nobody
            session.flush()
            session.add(CoachingRecheck(task_id=task.id, round=task.round, position=position, review_id=review.id))
        session.flush()
        _move(session, task, "recheck", now)


def _later_calls(session: Session, task: CoachingTask, now: datetime) -> list[uuid.UUID]:
    """Recordings to choose from in an order that the task's id and round decide, as many as are needed."""
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
    return sorted(pool, key=lambda one: hashlib.sha256(f"{seed} {one}".encode()).digest())[:RECHECKS]


def final(session: Session, row: Review, now: datetime) -> None:
    """A review is final: if it is the last of a task's re-checks, the task is over, or begins again."""
    if row.part != "recheck":
        return
    session.flush()
    task_id = session.scalar(sa.select(CoachingRecheck.task_id).where(CoachingRecheck.review_id == row.id))
    task = locked(session, task_id) if task_id is not None else None
    if task is None or task.state in COACHING_OVER:
        return
    reviews: Sequence[Review] = session.scalars(
        sa.select(Review)
        .join(CoachingRecheck, CoachingRecheck.review_id == Review.id)
        .where(CoachingRecheck.task_id == task.id, CoachingRecheck.round == task.round)
    ).all()
    if any(review.state not in ("final", "dropped") for review in reviews):
        return
    if any(review.passed is False for review in reviews):
        _move(session, task, "again", now)
        task.round, task.due_at, task.coached_at = task.round + 1, _due(session, now), None
    elif _move(session, task, "hold", now):
        task.closed_at = now
