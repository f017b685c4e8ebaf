"""Tables of the screen: words of warning a machine heard, strict periods of the phrase lists, and screening again."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class MachineFlag(Base):
    """One sign a machine heard in what a patient said. Written with the transcript, told to the dialer in a transaction
    of its own; only writer: recordings.findings.machine_flags."""

    __tablename__ = "machine_flags"
    __table_args__ = (
        sa.UniqueConstraint("recording_id", "question"),
        sa.Index("ix_machine_flags_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"))
    call_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("calls.id"))
    question: Mapped[str]
    """Key of the question it answers (flows/questions.yaml), or of words `sign_<key>`."""
    level: Mapped[str]
    """A | B | C, after what took weight away"""
    start_s: Mapped[float]
    said_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """When the patient said it."""
    found_at: Mapped[datetime] = mapped_column(AwareDateTime)
    due_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When telling it is looked at again; null: told."""
    told_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class StrictPeriod(Base):
    """A span in which findings are strict (docs/clinical.md KEY2): calls that were recorded in it show mild and negated
    hits as well."""

    __tablename__ = "strict_periods"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ends_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """Not included."""
    reason: Mapped[str] = mapped_column(Encrypted("strict_periods.reason"))
    set_by: Mapped[str]
    set_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ended_by: Mapped[str] = mapped_column(default="", server_default="")
    """Who ended it before its time; `ends_at` is then the moment they did."""


class Rescreen(Base):
    """Stored transcripts are gone over once more with the present phrase lists, in steps; a worker that dies loses the
    step it was at, and the next one goes on from `after_at`, `after_id`."""

    __tablename__ = "rescreens"
    __table_args__ = (sa.Index("ix_rescreens_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    since: Mapped[datetime] = mapped_column(AwareDateTime)
    """Transcripts made from here on."""
    asked_by: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(AwareDateTime)
    after_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    after_id: Mapped[uuid.UUID | None]
    """The transcript (made_at, id) that was seen last."""
    seen: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    """Recordings screened anew; the others had been seen with this version, in this mode, before."""
    due_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When a worker is looked for again; null: done."""
    done_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
