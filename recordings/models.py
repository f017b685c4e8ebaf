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
    """One sound file that is owed, or here. The file itself is in recordings.vault.files, under this id."""

    __tablename__ = "recordings"
    __table_args__ = (
        sa.Index("ix_recordings_fetch", "next_fetch_at", postgresql_where=sa.text("state = 'announced'")),
        sa.Index(
            "ix_recordings_speech",
            "next_speech_at",
            postgresql_where=sa.text("state IN ('fetched','waiting_for_model')"),
        ),
        sa.Index("ix_recordings_keep", "keep_until", postgresql_where=sa.text("state <> 'purged'")),
        sa.Index("ix_recordings_delete", "next_delete_at", postgresql_where=sa.text("next_delete_at IS NOT NULL")),
        # the vault's list, for what is rare among years of recordings
        sa.Index("ix_recordings_state_day", "state", "announced_at"),
        sa.Index("ix_recordings_purpose_day", "purpose", "announced_at"),
        sa.Index("ix_recordings_language_day", "language", "announced_at"),
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
    speech_since: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When whoever hears it, or heard it last, began."""
    claim: Mapped[uuid.UUID | None]
    """Whose work is under way; a result without it is nobody's and is dropped."""
    claimed_until: Mapped[datetime | None] = mapped_column(AwareDateTime)
    keep_class: Mapped[str]
    """ordinary | escalation | complaint | record"""
    keep_until: Mapped[datetime] = mapped_column(AwareDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When our copy was read back from the disk and was the file that came."""
    next_delete_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the carrier's copy is to be deleted, or that is tried again; null: not wanted, or done."""
    delete_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    carrier_deleted_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the carrier said that it has it no more."""
    purged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the file was seen to be gone and the words were deleted."""


class Hold(Base):
    """Somebody wants a recording, or a chat, kept whatever its time: while one hold is open it is never purged."""

    __tablename__ = "recording_holds"
    __table_args__ = (
        sa.Index("ix_recording_holds_open", "recording_id", postgresql_where=sa.text("released_at IS NULL")),
        sa.Index("ix_recording_holds_chat", "chat_id", postgresql_where=sa.text("released_at IS NULL")),
        sa.CheckConstraint("(recording_id IS NULL) <> (chat_id IS NULL)", name="one_subject"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("recordings.id"), index=True)
    chat_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("chats.id"))
    held_by: Mapped[str]
    held_at: Mapped[datetime] = mapped_column(AwareDateTime)
    reason: Mapped[str] = mapped_column(Encrypted("recording_holds.reason"))
    released_by: Mapped[str] = mapped_column(default="", server_default="")
    released_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    release_reason: Mapped[str | None] = mapped_column(Encrypted("recording_holds.release_reason"))


class Play(Base):
    """One permission to hear, or to take away, one recording: who, when, why, and which seconds were handed out.
    The row outlives the recording."""

    __tablename__ = "plays"
    __table_args__ = (
        sa.Index("ix_plays_login_at", "login", "at"),
        sa.Index("ix_plays_export", "at", postgresql_where=sa.text("kind = 'export'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), index=True)
    kind: Mapped[str]
    """listen | export | read (the words, unmasked)"""
    login: Mapped[str]
    why: Mapped[str] = mapped_column(Encrypted("plays.why"))
    at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    original: Mapped[bool]
    """True: the sound as it came; false: with the tones of keys masked."""
    approved_by: Mapped[str] = mapped_column(default="", server_default="")
    """The second login of an export."""
    approved_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    token: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the permit's word: a copy of the database opens nothing. Null while an export is not approved."""
    expires_at: Mapped[datetime] = mapped_column(AwareDateTime)
    seconds: Mapped[float]
    heard: Mapped[list[list[float]]] = mapped_column(JSONB, default=list)
    """[[from, to]] in seconds of the recording, in order and without overlap: what left the house."""


class RecordingPause(Base):
    """The recording of a live call that is silenced while identity is keyed, and goes on afterwards."""

    __tablename__ = "recording_pauses"
    __table_args__ = (sa.Index("ix_recording_pauses_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),)

    call_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("calls.id"), primary_key=True)
    wanted: Mapped[bool]
    """True: silence, now."""
    ordered: Mapped[bool | None] = mapped_column(default=False)
    """What the carrier has confirmed last; null while an order is under way or its answer was lost."""
    since: Mapped[datetime] = mapped_column(AwareDateTime)
    """When `wanted` last changed: what was late is `confirmed_at` minus this."""
    confirmed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the order is tried again; null while the carrier does what is wanted."""


class SoundMeasuresRow(Base):
    """A recording's sound in numbers (recordings.vault.measures); ends with the recording. `channels` is a list of
    recordings.vault.measures.ChannelMeasure as JSON, without words."""

    __tablename__ = "sound_measures"

    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), primary_key=True)
    measured_at: Mapped[datetime] = mapped_column(AwareDateTime)
    seconds: Mapped[float]
    overlap_s: Mapped[float | None]
    """Null: one channel cannot tell."""
    silence_s: Mapped[float]
    longest_pause_s: Mapped[float]
    interruptions: Mapped[dict[str, int]] = mapped_column(JSONB)
    channels: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Transcript(Base):
    """What a model heard in a recording."""

    __tablename__ = "transcripts"
    __table_args__ = (sa.Index("ix_transcripts_made_at", "made_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), unique=True)
    language: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    lexicon: Mapped[str]
    """Version of the phrase list it was screened with."""
    mode: Mapped[str] = mapped_column(default="normal", server_default="normal")
    """normal | strict: how it was screened."""
    engine: Mapped[str] = mapped_column(default="", server_default="")
    """Engine and model that heard it, such as "vosk vosk-model-small-cn-0.22"; empty before they were noted."""
    took_s: Mapped[float | None]
    """Real seconds the hearing took."""


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
    """0: the engine does not tell (docs/speech.md)."""
    words: Mapped[list[list[Any]] | None] = mapped_column(Encrypted("segments.words", as_json=True))
    """[[start_s, end_s, text, confidence]], each word; null for what was heard before words had times."""


class FindingRow(Base):
    """A hit of the phrase list: the list's wording, never the speaker's. `missing`: what was not said, by its key."""

    __tablename__ = "findings"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    recording_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("recordings.id"), index=True)
    category: Mapped[str]
    group: Mapped[str] = mapped_column(default="", server_default="")
    """Of an advertising word absolute | cure | safety | proof | lure; of a red flag the question it answers."""
    phrase: Mapped[str]
    speaker: Mapped[str]
    start_s: Mapped[float]
    """The start of the line it was said in."""
    word_at: Mapped[float | None]
    """The start of its first word; null where the engine gives words no times."""
    end_s: Mapped[float | None]
    """The end of the phrase, or of its line."""
    severity: Mapped[int]
    note: Mapped[str] = mapped_column(default="", server_default="")
    """Why it weighs less: negated, quoted, if, before, others, mono."""
    lexicon: Mapped[str]
    mode: Mapped[str] = mapped_column(default="normal", server_default="normal")
    """normal | strict"""


class DrawRow(Base):
    """A day's sample, with all that is needed to draw it again: the seed, the candidates as they were, and which
    algorithm it was. Only writer: recordings.sampling.sample."""

    __tablename__ = "draws"
    __table_args__ = (sa.UniqueConstraint("day", "kind", "seed"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(default="calls", server_default="calls")
    """calls | chats"""
    day: Mapped[date] = mapped_column(index=True)
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    algorithm: Mapped[int] = mapped_column(default=1, server_default="1")
    """recordings.sampling.sample.ALGORITHMS: a draw is replayed with the one it was drawn with."""
    size: Mapped[int]
    random_share: Mapped[float]
    drawn_at: Mapped[datetime] = mapped_column(AwareDateTime)
    whole_day: Mapped[bool]
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """[{"id", "stratum", "risk"}], and "scored": false where it holds: ids and codes, no names."""
    left_out: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict, server_default="{}")
    """What of the day could not be drawn, or only unheard, counted by why (recordings.sampling.sample.LEFT_OUT)."""


class DrawPick(Base):
    """One recording or chat of a draw, in drawn order."""

    __tablename__ = "draw_picks"
    __table_args__ = (
        sa.UniqueConstraint("draw_id", "recording_id"),
        sa.Index("ix_draw_picks_recording", "recording_id", postgresql_where=sa.text("recording_id IS NOT NULL")),
        sa.CheckConstraint("(recording_id IS NULL) <> (chat_id IS NULL)", name="one_subject"),
    )

    draw_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("draws.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(default="call", server_default="call")
    """call | chat"""
    recording_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("recordings.id"))
    chat_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("chats.id"))
    conversation_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)
    """The call (of a recording without a known call: itself) or the chat. Nobody is listened to twice: unique over all
    days. Null in draws from before there was this rule."""
    part: Mapped[str]
    """random | risk"""
    why: Mapped[str]
    """In codes; recordings.sampling.draw_words says it to a person."""
