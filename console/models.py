"""Tables of the console: who may sign in, and the tokens programs use."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class User(Base):
    """Somebody who may sign in to the console. An agent of the desk and their console user share the login."""

    __tablename__ = "users"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(Encrypted("users.name"))
    role: Mapped[str]
    """agent | nurse | supervisor | qa | it"""
    language: Mapped[str]
    password: Mapped[str]
    """Argon2 hash."""
    active: Mapped[bool] = mapped_column(default=True)
    session_key: Mapped[str]
    """Part of every cookie of theirs: changed, it signs them out everywhere."""
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords in a row."""
    locked_until: Mapped[datetime | None] = mapped_column(AwareDateTime)
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class ApiToken(Base):
    """A program that may use the API. The token itself is shown once and never stored."""

    __tablename__ = "api_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of the token, which has 32 random bytes."""
    scopes: Mapped[str]
    """Words with blanks between: feedback tickets agents"""
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    used_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class View(Base):
    """Who looked at whose data, when (docs/clinical.md section 3: view log)."""

    __tablename__ = "views"
    __table_args__ = (sa.Index("ix_views_subject", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    login: Mapped[str]
    what: Mapped[str]
    """ticket | caller | worklist | chat"""
    subject_id: Mapped[uuid.UUID | None]
    why: Mapped[str] = mapped_column(default="")
