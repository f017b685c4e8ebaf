"""Programs that may use the API: a token of 32 random bytes each, shown once, kept as its digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from console.models import ApiToken
from core.models import record

SCOPES = ("feedback", "tickets", "agents", "chats")
MARK = "carecall_"
"""What every token begins with, so that one that leaked into a file is found."""
SEEN_EVERY = timedelta(minutes=1)


class TokenProblem(Exception):
    """What was asked for cannot be done; `str()` is one sentence."""


@dataclass(frozen=True)
class Bearer:
    title: str
    scopes: frozenset[str]


def add(session: Session, title: str, scopes: Collection[str], who: str, now: datetime) -> str:
    """The token itself: nobody can read it again. Raises TokenProblem."""
    if not title.strip():
        raise TokenProblem("A title is needed: it says whose token it is.")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise TokenProblem(f"{unknown[0]!r} is not a scope: it must be one of {', '.join(SCOPES)}.")
    if not scopes:
        raise TokenProblem(f"A token without a scope can do nothing: name one of {', '.join(SCOPES)}.")
    if session.scalar(sa.select(sa.exists().where(ApiToken.title == title.strip()))):
        raise TokenProblem(f"There is a token {title.strip()!r} already, perhaps a revoked one.")
    token = MARK + secrets.token_urlsafe(32)
    made = ApiToken(
        title=title.strip(),
        digest=_digest(token),
        scopes=" ".join(scope for scope in SCOPES if scope in scopes),
        made_by=who,
        made_at=now,
    )
    session.add(made)
    session.flush()
    record(session, "token", made.id, "added", now, who=who, data={"scopes": made.scopes.split()})
    return token


def listed(session: Session) -> Sequence[ApiToken]:
    return session.scalars(sa.select(ApiToken).order_by(ApiToken.made_at, ApiToken.title)).all()


def revoke(session: Session, title: str, who: str, now: datetime) -> None:
    """From the next request on. Raises TokenProblem."""
    token = session.scalar(sa.select(ApiToken).where(ApiToken.title == title).with_for_update())
    if token is None:
        raise TokenProblem(f"There is no token {title!r}.")
    if token.revoked_at is not None:
        raise TokenProblem(f"The token {title!r} is revoked already.")
    token.revoked_at = now
    record(session, "token", token.id, "revoked", now, who=who)


def bearer(session: Session, token: str, now: datetime) -> Bearer | None:
    """Whose token this is; None for one that is unknown or revoked."""
    row = session.scalar(sa.select(ApiToken).where(ApiToken.digest == _digest(token), ApiToken.revoked_at.is_(None)))
    if row is None:
        return None
    if row.used_at is None or now - row.used_at >= SEEN_EVERY:
        row.used_at = now
    return Bearer(row.title, frozenset(row.scopes.split()))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
