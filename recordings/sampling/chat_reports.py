"""The chats of a draw as they are printed (recordings.reports.draw_report): plain values, for people and for `--json`.
No agent and no satisfaction: whoever scores is to know neither (docs/clinical.md section 4, Blind)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recordings.chat_models import Chat, ChatFinding
from recordings.models import DrawRow
from recordings.sampling import chats, sample
from recordings.sampling.chats import Written


@dataclass(frozen=True)
class ChatLine:
    id: uuid.UUID
    started_at: datetime
    channel: str
    reason: str
    language: str
    lines: int
    keep: str
    purged_at: datetime | None


@dataclass(frozen=True)
class ChatHit:
    category: str
    phrase: str
    speaker: str
    start_s: float
    severity: int
    note: str = ""
    """Chats are screened without strict periods: nothing to note."""


@dataclass(frozen=True)
class ChatDrawn:
    """One chat of a draw with all a reader is shown."""

    position: int
    chat: ChatLine
    part: str
    why: str
    transcript: tuple[Written, ...]
    findings: tuple[ChatHit, ...]


def drawn(session: Session, row: DrawRow) -> tuple[ChatDrawn, ...]:
    """What was drawn of chats, in a fixed number of statements."""
    picked = [(pick, pick.chat_id) for pick in sample.picks(session, row) if pick.chat_id is not None]
    ids = [chat_id for _, chat_id in picked]
    lines = _lines(session, ids)
    said = chats.transcripts(session, ids)
    hits = findings(session, ids)
    return tuple(
        ChatDrawn(
            pick.position + 1, lines[one], pick.part, pick.why, tuple(said.get(one, ())), tuple(hits.get(one, ())),
        )
        for pick, one in picked
    )  # fmt: skip


def _lines(session: Session, ids: list[uuid.UUID]) -> dict[uuid.UUID, ChatLine]:
    rows = session.execute(
        sa.select(
            Chat.id, Chat.started_at, Chat.channel, Chat.reason, Chat.language, Chat.written, Chat.keep_class,
            Chat.purged_at,
        ).where(Chat.id.in_(ids))
    )  # fmt: skip
    return {row.id: ChatLine(*row) for row in rows}


def findings(session: Session, ids: list[uuid.UUID]) -> dict[uuid.UUID, list[ChatHit]]:
    """The hits of the phrase list, worst first."""
    rows = session.scalars(
        sa.select(ChatFinding)
        .where(ChatFinding.chat_id.in_(ids))
        .order_by(ChatFinding.severity.desc(), ChatFinding.start_s, ChatFinding.id)
    )
    found: dict[uuid.UUID, list[ChatHit]] = {}
    for row in rows:
        hit = ChatHit(row.category, row.phrase, row.speaker, row.start_s, row.severity)
        found.setdefault(row.chat_id, []).append(hit)
    return found
