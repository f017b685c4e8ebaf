"""What the machine has counted and proposes as coaching (docs/clinical.md section 4, Coaching triggers): a person
listens and confirms it before the agent sees it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of, settings_of
from recordings.models import FindingRow, Recording
from recordings.quality import qa_figures, qa_statistics, review_rows
from recordings.quality.coaching_rows import open_task
from recordings.quality.qa_shapes import DeskFigures
from recordings.review_models import CoachingTask, Review
from recordings.sampling import subjects

PHRASES_IN: Final = timedelta(days=7)
UNHAPPY_IN: Final = timedelta(days=30)
UNHAPPY: Final = 2
TWICE: Final = 2
REPEATED_IN: Final = timedelta(days=30)
FIRST_CONTACT_IN: Final = timedelta(days=30)
BEHIND: Final = 0.10
"""Ten points under the team's share of callers who did not have to ring again."""
FIRST_MONTH: Final = timedelta(days=30)
FIRST_MONTH_LOOKED_AT: Final = timedelta(days=7)
"""So long after it has ended: scores keyed late are in it, and a day on which nothing ran here loses nobody."""
SATISFIED, OF_FIVE = 4, 5
SATISFIED_SHARE: Final = 0.95
MONTH_IS_JUDGED: Final = 8
"""The day of the next month on which its reviews are final: rated, and no dispute open any more."""
NOT_COACHED: Final = ("red_flag", "missing")
"""What the patient said; and what a required phrase's absence may have other reasons for: a person marks that."""
BEFORE_S, AFTER_S = 5.0, 10.0
"""A hit's clip."""


def look(session: Session, now: datetime) -> None:
    """All of them."""
    _phrases(session, now)
    _unhappy(session, now)
    _repeated(session, now)
    _first_contact(session, now)
    _new_agents(session, now)
    _lowest(session, now)


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


def _repeated(session: Session, now: datetime) -> None:
    """The same item of the card missed twice in a month by calls that passed: a call that did not has its task."""
    rows = session.scalars(
        sa.select(Review)
        .where(
            Review.state == "final", Review.seat == 1, Review.part != "recheck", Review.agent_id.is_not(None),
            Review.happened_at > now - REPEATED_IN, Review.happened_at <= now,
        )
        .order_by(Review.happened_at, Review.id)
    ).all()  # fmt: skip
    marks = review_rows.marks(session, [row.id for row in rows])
    found: dict[tuple[uuid.UUID, str], list[Review]] = {}
    for row in rows:
        for item, mark in marks[row.id].items():
            if mark.value == "no" and mark.cause == "agent" and row.agent_id is not None:
                found.setdefault((row.agent_id, item), []).append(row)
    covered = _covered(session, "repeated", "score", "auto_fail")
    for (agent_id, item), missed in found.items():
        until = covered.get((agent_id, item))
        fresh = [row for row in missed if until is None or row.happened_at > until]
        if len(fresh) >= TWICE:
            newest = fresh[-1]
            mark = marks[newest.id][item]
            open_task(
                session, f"repeated {agent_id} {item} {newest.id}", "repeated", item, now, review=newest,
                clip=(mark.start_s, mark.end_s), agent_id=agent_id, item=item, covers=newest.happened_at, proposed=True,
            )  # fmt: skip


def _first_contact(session: Session, now: datetime) -> None:
    """Callers of one agent ring again for the same reason more often than the team's: by ten points, and by more than
    chance (the team's share lies above the agent's whole interval). Once a month, however long it lasts."""
    desk: DeskFigures = of(session).service(DeskFigures)  # type: ignore[type-abstract]
    found = desk.first_contact(session, now, FIRST_CONTACT_IN)
    settled, talks = (sum(column) for column in zip(*found.values(), strict=True)) if found else (0, 0)
    covered = _covered(session, "first_contact")
    for agent_id, (its, count) in sorted(found.items()):
        until = covered.get((agent_id, "first_contact"))
        others = talks - count
        if not others or (until is not None and until > now - FIRST_CONTACT_IN):
            continue
        team, own = (settled - its) / others, qa_statistics.share(its, count)
        if own.value is not None and own.high is not None and team - own.value >= BEHIND and own.high < team:
            open_task(session, f"first_contact {agent_id} {now:%Y-%m-%d}", "first_contact", "first_contact", now,
                      agent_id=agent_id)  # fmt: skip


def _new_agents(session: Session, now: datetime) -> None:
    """In an agent's first month fewer than 95 of 100 scores were 4 or 5 of 5 (docs/clinical.md QA24)."""
    desk: DeskFigures = of(session).service(DeskFigures)  # type: ignore[type-abstract]
    ended = now - FIRST_MONTH
    new = {
        agent_id: at
        for agent_id, at in desk.first_talks(session).items()
        if ended - FIRST_MONTH_LOOKED_AT <= at <= ended
    }
    if not new:
        return
    scores: dict[uuid.UUID, list[int]] = {}
    for agent_id, _, at, score in desk.unhappy(session, min(new.values()), now, OF_FIVE):
        if agent_id in new and at < new[agent_id] + FIRST_MONTH:
            scores.setdefault(agent_id, []).append(score)
    for agent_id, keyed in sorted(scores.items()):
        if sum(score >= SATISFIED for score in keyed) < SATISFIED_SHARE * len(keyed):
            open_task(session, f"new_agent {agent_id}", "new_agent", "new_agent", now, agent_id=agent_id)


def _lowest(session: Session, now: datetime) -> None:
    """The lowest mean two months running: for a manager to look at, who alone decides (docs/clinical.md QA12)."""
    today = now.astimezone(settings_of(session).hospital.timezone).date()
    if today.day < MONTH_IS_JUDGED:
        return
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    for agent_id in sorted(qa_figures.lowest_twice(session, month)):
        open_task(session, f"lowest {agent_id} {month:%Y-%m}", "lowest", "lowest", now, agent_id=agent_id)


def _covered(session: Session, *causes: str) -> dict[tuple[uuid.UUID, str], datetime]:
    """Up to when an agent's occurrences have led to a task already, whatever became of it."""
    rows = session.execute(
        sa.select(CoachingTask.agent_id, CoachingTask.about, sa.func.max(CoachingTask.covers_until))
        .where(CoachingTask.cause.in_(causes), CoachingTask.agent_id.is_not(None))
        .group_by(CoachingTask.agent_id, CoachingTask.about)
    )
    return {(agent_id, about): until for agent_id, about, until in rows if agent_id is not None}
