"""What the machine has counted and proposes as coaching (docs/clinical.md section 4, Coaching triggers): a person
listens and confirms it before the agent sees it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of, settings_of
from recordings import subjects
from recordings.coaching_rows import open_task
from recordings.models import FindingRow, Recording
from recordings.qa_shapes import DeskFigures
from recordings.review_models import CoachingTask

PHRASES_IN: Final = timedelta(days=7)
UNHAPPY_IN: Final = timedelta(days=30)
UNHAPPY: Final = 2
TWICE: Final = 2
NOT_COACHED: Final = ("red_flag", "missing")
"""What the patient said; and what a required phrase's absence may have other reasons for: a person marks that."""
BEFORE_S, AFTER_S = 5.0, 10.0
"""A hit's clip."""


def look(session: Session, now: datetime) -> None:
    """All of them."""
    _phrases(session, now)
    _unhappy(session, now)


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
            open_task(
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
            open_task(
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
