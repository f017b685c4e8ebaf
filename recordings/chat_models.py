"""Tables of written conversations: what was written, and what the phrase list found in it."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class Chat(Base):
    """One chat that is over, as another system handed it in. It is never changed after that, only purged (and given to
    the survivor when two records of its patient become one). Only writer: recordings.sampling.chats."""

    __tablename__ = "chats"
    __table_args__ = (
        sa.Index("ix_chats_keep", "keep_until", postgresql_where=sa.text("purged_at IS NULL")),
        sa.Index("ix_chats_agent", "agent_id", "started_at", postgresql_where=sa.text("agent_id IS NOT NULL")),
        sa.Index("ix_chats_patient", "patient_id", postgresql_where=sa.text("patient_id IS NOT NULL")),
        sa.CheckConstraint("(purged_at IS NULL) = (lines IS NOT NULL)", name="purged_is_empty"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str] = mapped_column(unique=True)
    """The sender's own number of it: what the import goes by."""
    digest: Mapped[bytes]
    """Keyed, of all that was handed in: the same again changes nothing, something else under this number is refused."""
    channel: Mapped[str]
    """wechat | web | app | sms | other"""
    agent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("agents.id"))
    """Null: nobody of ours wrote in it."""
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    reason: Mapped[str] = mapped_column(default="")
    """dialer.machine.REASONS; empty when not known"""
    language: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime] = mapped_column(AwareDateTime)
    taken_at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    """When it was handed in: the day whose draw it is in."""
    written: Mapped[int]
    """How many lines."""
    lines: Mapped[list[list[object]] | None] = mapped_column(Encrypted("chats.lines", as_json=True))
    """[[seconds since the beginning, patient | agent | machine, text]] in order; null once purged."""
    answer_s: Mapped[float | None]
    """From the patient's first line to the agent's first after it."""
    satisfaction: Mapped[int | None]
    """1 to 5"""
    transfers: Mapped[int] = mapped_column(default=0)
    complaint: Mapped[bool] = mapped_column(default=False)
    escalated: Mapped[bool] = mapped_column(default=False)
    lexicon: Mapped[str] = mapped_column(default="")
    """Version of the phrase list it was screened with."""
    keep_class: Mapped[str]
    """ordinary | escalation | complaint"""
    keep_until: Mapped[datetime] = mapped_column(AwareDateTime)
    purged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class ChatFinding(Base):
    """A hit of the phrase list in a chat: the list's wording, never the writer's."""

    __tablename__ = "chat_findings"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    chat_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("chats.id"), index=True)
    category: Mapped[str]
    phrase: Mapped[str]
    speaker: Mapped[str]
    """patient | line"""
    start_s: Mapped[float]
    severity: Mapped[int]
    lexicon: Mapped[str]
