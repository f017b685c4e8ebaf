"""Tables of the recordings room: recordings, what was said in them, what was found, the day's draws."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class Recording(Base):
    """One sound file that is owed, or here. The file itself is in recordings.files, under this id."""

    __tablename__ = "recordings"
    __table_args__ = (
        sa.Index("ix_recordings_fetch", "next_fetch_at", postgresql_where=sa.text("state = 'announced'")),
        sa.Index(
            "ix_recordings_speech",
            "next_speech_at",
            postgresql_where=sa.text("state IN ('fetched','waiting_for_model')"),
        ),
        sa.Index("ix_recordings_keep", "keep_until", postgresql_where=sa.text("state <> 'purged'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    sid: Mapped[str | None] = mapped_column(unique=True)
    """The carrier's name for it; null until the carrier says the file is complete."""
    call_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("calls.id"), index=True)
    """Null only for a recording of a call we do not know: kept all the same, and listed as such."""
    purpose: Mapped[str]
    """call | message | open_answer | bridge"""
    language: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    """Why it is absent, unreadable, failed or waiting; or why the last fetch was in vain."""
    announced_at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    announced_s: Mapped[int | None]
    """Length in whole seconds, as the carrier says."""
    seconds: Mapped[float | None]
    channels: Mapped[int | None]
    rate: Mapped[int | None]
    levels: Mapped[list[float]] = mapped_column(JSONB, default=list)
    """Loudness of each channel in dBFS."""
    sha256: Mapped[str | None]
    size: Mapped[int | None]
    fetch_tries: Mapped[int] = mapped_column(default=0)
    fetch_since: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the first fetch was asked for: thirty minutes from here it is given up."""
    next_fetch_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    speech_tries: Mapped[int] = mapped_column(default=0)
    next_speech_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    claim: Mapped[uuid.UUID | None]
    """Whose work is under way; a result without it is nobody's and is dropped."""
    claimed_until: Mapped[datetime | None] = mapped_column(AwareDateTime)
    keep_class: Mapped[str]
    """ordinary | escalation | complaint"""
    keep_until: Mapped[datetime] = mapped_column(AwareDateTime)


class Transcript(Base):
    """What a model heard in a recording."""

    __tablename__ = "transcripts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), unique=True)
    language: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    lexicon: Mapped[str]
    """Version of the phrase list it was screened with."""


class SegmentRow(Base):
    """One thing one side said."""

    __tablename__ = "segments"
    __table_args__ = (sa.UniqueConstraint("transcript_id", "position"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    transcript_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("transcripts.id", ondelete="CASCADE"))
    position: Mapped[int]
    speaker: Mapped[str]
    """patient | line | both"""
    start_s: Mapped[float]
    end_s: Mapped[float]
    text: Mapped[str] = mapped_column(Encrypted("segments.text"))
    confidence: Mapped[float]


class FindingRow(Base):
    """A hit of the phrase list: the list's wording, never the speaker's."""

    __tablename__ = "findings"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), index=True)
    category: Mapped[str]
    phrase: Mapped[str]
    speaker: Mapped[str]
    start_s: Mapped[float]
    severity: Mapped[int]
    lexicon: Mapped[str]


class DrawRow(Base):
    """A day's sample, with all that is needed to draw it again: the seed and the candidates as they were."""

    __tablename__ = "draws"
    __table_args__ = (sa.UniqueConstraint("day", "seed"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    day: Mapped[date] = mapped_column(index=True)
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    size: Mapped[int]
    random_share: Mapped[float]
    drawn_at: Mapped[datetime] = mapped_column(AwareDateTime)
    whole_day: Mapped[bool]
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """[{"id", "stratum", "risk"}]: ids and codes, no names."""


class DrawPick(Base):
    """One recording of a draw, in drawn order."""

    __tablename__ = "draw_picks"
    __table_args__ = (sa.UniqueConstraint("draw_id", "recording_id"),)

    draw_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("draws.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"))
    part: Mapped[str]
    """random | risk"""
    why: Mapped[str]
