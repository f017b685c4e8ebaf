"""What is reviewed: a recorded call or a written chat, with what a review has to know of it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of
from recordings.call_facts import CallFact, CallFacts
from recordings.models import FindingRow, Recording

Key = tuple[str, uuid.UUID]
"""("call", recording id) or ("chat", chat id)"""
UNKNOWN = CallFact()


@dataclass(frozen=True)
class Subject:
    kind: str
    id: uuid.UUID
    happened_at: datetime
    language: str
    seconds: float | None
    agent_id: uuid.UUID | None
    fact: CallFact


CHATS: Final = sa.table(
    "chats",
    *(sa.column(name) for name in ("language", "started_at", "answer_s", "satisfaction", "transfers", "complaint")),
    sa.column("id", sa.Uuid),
    sa.column("agent_id", sa.Uuid),
)
CHAT_FINDINGS: Final = sa.table(
    "chat_findings",
    *(sa.column(name) for name in ("id", "category", "phrase", "speaker", "start_s")),
    sa.column("chat_id", sa.Uuid),
)
"""Chats by the columns a review needs: the rest of them is recordings.sampling.chats' alone."""


@dataclass(frozen=True)
class Hit:
    """A hit of the phrase list on the agent's side."""

    category: str
    phrase: str
    start_s: float


def found(session: Session, keys: Collection[Key]) -> dict[Key, Subject]:
    """Those that are there, in a fixed number of statements."""
    calls = [key_id for kind, key_id in keys if kind == "call"]
    chats = [key_id for kind, key_id in keys if kind == "chat"]
    subjects = [*(_calls(session, calls) if calls else ()), *(_chats(session, chats) if chats else ())]
    return {(one.kind, one.id): one for one in subjects}


def one(session: Session, key: Key) -> Subject | None:
    return found(session, [key]).get(key)


def hits(session: Session, subject: Subject) -> list[Hit]:
    """What the phrase list found on the agent's side (or on a mono recording), by time."""
    table: Any = FindingRow if subject.kind == "call" else CHAT_FINDINGS.c
    its = table.recording_id if subject.kind == "call" else table.chat_id
    rows = session.execute(
        sa.select(table.category, table.phrase, table.start_s)
        .where(its == subject.id, table.speaker.in_(("line", "both")))
        .order_by(table.start_s, table.id)
    )
    return [Hit(category, phrase, start_s) for category, phrase, start_s in rows]


def _calls(session: Session, ids: Collection[uuid.UUID]) -> list[Subject]:
    rows = session.execute(
        sa.select(Recording.id, Recording.call_id, Recording.announced_at, Recording.language, Recording.seconds).where(
            Recording.id.in_(ids)
        )
    ).all()
    facts = facts_of(session, {row.call_id for row in rows if row.call_id is not None})
    subjects = []
    for row in rows:
        fact = facts.get(row.call_id, UNKNOWN) if row.call_id is not None else UNKNOWN
        subjects.append(Subject("call", row.id, row.announced_at, row.language, row.seconds, fact.agent_id, fact))
    return subjects


def _chats(session: Session, ids: Collection[uuid.UUID]) -> list[Subject]:
    subjects = []
    for row in session.execute(sa.select(CHATS).where(CHATS.c.id.in_(ids))):
        fact = CallFact(
            agent_id=row.agent_id,
            answer_s=row.answer_s,
            transfers=row.transfers,
            satisfaction=row.satisfaction,
            complaint=row.complaint,
        )
        subjects.append(Subject("chat", row.id, row.started_at, row.language, None, row.agent_id, fact))
    return subjects


def facts_of(session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, CallFact]:
    if not call_ids:
        return {}
    facts: CallFacts = of(session).service(CallFacts)  # type: ignore[type-abstract]
    return facts.of(session, call_ids)
