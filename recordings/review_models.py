"""Tables of quality review: scorecards and since when they are used, reviews with their marks, coaching, vetoes.

Free words about a recording are in `QaNote` alone and end with it (recordings.vault.retention); marks, points and
states stay, so that a year's figures do not change when the sound is purged.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class ScorecardRow(Base):
    """A scorecard as it was when it was first used: never changed, so an old review shows what it was made with."""

    __tablename__ = "scorecards"
    __table_args__ = (sa.UniqueConstraint("key", "version"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str]
    version: Mapped[int]
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """As recordings.quality.scorecards reads it, its items in the card's order (JSONB would put them in another)."""
    stored_at: Mapped[datetime] = mapped_column(AwareDateTime)


class ScorecardUse(Base):
    """From this day of the hospital on calls are reviewed with this card, until a later day's card."""

    __tablename__ = "scorecard_uses"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    card_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scorecards.id"))
    from_day: Mapped[date]
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class Review(Base):
    """One person's judgement of one call or chat. Only writer of `state`: recordings.quality.review_rows."""

    __tablename__ = "reviews"
    __table_args__ = (
        sa.UniqueConstraint("subject_kind", "subject_id", "part", "seat"),
        sa.Index("ix_reviews_rater", "rater", postgresql_where=sa.text("state IN ('drawn','draft','revealed')")),
        sa.Index("ix_reviews_timer", "dispute_until", postgresql_where=sa.text("state = 'submitted'")),
        sa.Index("ix_reviews_agent", "agent_id", "happened_at"),
        sa.Index("ix_reviews_happened", "happened_at"),
        sa.Index("ix_reviews_day", "day"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    subject_kind: Mapped[str]
    """call | chat"""
    subject_id: Mapped[uuid.UUID]
    """Of the recording, or of the chat."""
    draw_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("draws.id"), index=True)
    """Null for a re-check after coaching."""
    day: Mapped[date]
    """The hospital's day it happened on."""
    happened_at: Mapped[datetime] = mapped_column(AwareDateTime)
    part: Mapped[str]
    """random (feeds scores) | risk | recheck (neither does)"""
    seat: Mapped[int]
    """1, or 2 for the second rater, who is for agreement only."""
    card_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scorecards.id"))
    language: Mapped[str]
    agent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("agents.id"))
    rater: Mapped[str] = mapped_column(default="")
    """Login; empty while there is nobody to give it to."""
    state: Mapped[str]
    """recordings.quality.review_machine.MOVES"""
    version: Mapped[int] = mapped_column(default=0)
    """Goes up with every save: who saves an older one is refused."""
    opened_at: Mapped[datetime] = mapped_column(AwareDateTime)
    submitted_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    dispute_until: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When a submitted review becomes final by itself."""
    disputed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    settled_by: Mapped[str] = mapped_column(default="")
    overturned: Mapped[bool] = mapped_column(default=False)
    """The dispute was right: it had failed, and does not any more."""
    final_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    points: Mapped[float | None]
    """0 to 100, of what was applicable; null until submitted, and where nothing was."""
    passed: Mapped[bool | None]
    failed_items: Mapped[list[str]] = mapped_column(JSONB, default=list)
    """Automatic fails."""
    na_share: Mapped[float | None]
    """Share of items marked not applicable (or laid to a process)."""


class ReviewMark(Base):
    """What a person decided on one item. A settled mark stands beside the rater's, which is kept."""

    __tablename__ = "review_marks"

    review_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("reviews.id"), primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)
    settled: Mapped[bool] = mapped_column(primary_key=True)
    """False: the rater's; true: who settled a dispute decided otherwise."""
    value: Mapped[str]
    """yes | no | na"""
    cause: Mapped[str] = mapped_column(default="agent")
    """agent | process: a "no" that no agent could have helped (docs/clinical.md PERF16)"""
    start_s: Mapped[float | None]
    end_s: Mapped[float | None]
    """Where in the recording it is heard."""
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class QaNote(Base):
    """Free words of staff about a review or a coaching task; gone with the recording or chat they are about."""

    __tablename__ = "qa_notes"
    __table_args__ = (
        sa.Index("ix_qa_notes_review", "review_id", "id"),
        sa.Index("ix_qa_notes_task", "task_id", "id"),
        sa.Index("ix_qa_notes_recording", "recording_id"),
        sa.Index("ix_qa_notes_chat", "chat_id"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    review_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("reviews.id"))
    task_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("coaching_tasks.id"))
    veto_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("vetoes.id"))
    recording_id: Mapped[uuid.UUID | None]
    chat_id: Mapped[uuid.UUID | None]
    kind: Mapped[str]
    """comment | dispute | settled | coached | dismissed | upheld | appeal | decided | dropped |
    handed over | item <key>"""
    text: Mapped[str] = mapped_column(Encrypted("qa_notes.text"))
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class CoachingTask(Base):
    """Something to practise with an agent, or a process to mend; once per cause. Only writer of `state`:
    recordings.quality.coaching."""

    __tablename__ = "coaching_tasks"
    __table_args__ = (
        sa.Index("ix_coaching_tasks_open", "due_at", postgresql_where=sa.text("closed_at IS NULL")),
        sa.Index("ix_coaching_tasks_agent", "agent_id", "cause", "covers_until"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    cause: Mapped[str]
    """score | auto_fail | phrases | satisfaction | repeated | first_contact | new_agent | lowest | process"""
    cause_key: Mapped[str] = mapped_column(unique=True)
    """What must not open a second task: "review <id>", "process <id> <item>", "phrases <agent> <category> <id>" …"""
    about: Mapped[str] = mapped_column(default="")
    """An item of the card, or a category of the phrase list."""
    card_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("scorecards.id"))
    item: Mapped[str] = mapped_column(default="")
    """Where on that card the wording stands that is expected."""
    agent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("agents.id"))
    """Null for a process, whose `owner` mends it."""
    owner: Mapped[str] = mapped_column(default="")
    """A login or a department, for a process; whoever coaches takes the others."""
    review_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("reviews.id"))
    subject_kind: Mapped[str]
    subject_id: Mapped[uuid.UUID | None]
    start_s: Mapped[float | None]
    end_s: Mapped[float | None]
    """The clip."""
    state: Mapped[str]
    """recordings.quality.review_machine.COACHING"""
    round: Mapped[int] = mapped_column(default=1)
    covers_until: Mapped[datetime] = mapped_column(AwareDateTime)
    """What happened up to here is dealt with by this task."""
    opened_at: Mapped[datetime] = mapped_column(AwareDateTime)
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    coached_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    coached_by: Mapped[str] = mapped_column(default="")
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class CoachingRecheck(Base):
    """One of the later calls that show whether coaching helped."""

    __tablename__ = "coaching_rechecks"

    task_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("coaching_tasks.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("reviews.id"), unique=True)


class Veto(Base):
    """A complaint somebody has found to be right, set against an agent's month (docs/clinical.md PERF21). Only writer
    of `state`: recordings.quality.vetoes."""

    __tablename__ = "vetoes"
    __table_args__ = (
        sa.UniqueConstraint("ticket", "agent_id"),
        sa.Index("ix_vetoes_month", "month"),
        sa.Index("ix_vetoes_timer", "appeal_until", postgresql_where=sa.text("state = 'upheld'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    agent_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("agents.id"))
    month: Mapped[date]
    """Its first day."""
    ticket: Mapped[str]
    """The number of the ticket the complaint is."""
    ticket_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    recording_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    """Of the talk that is complained about, where there is one: what people wrote of it ends with it."""
    state: Mapped[str]
    """recordings.quality.review_machine.VETO"""
    upheld_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(AwareDateTime)
    appeal_until: Mapped[datetime] = mapped_column(AwareDateTime)
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
