"""Who may sign in to the console: made by the IT person, checked here, shut out after too many wrong passwords."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy.orm import Session

from console.models import User
from console.roles import ROLES
from console.words import catalogue
from core import events
from core.house import House
from core.models import record
from core.said import Said
from core.values import KNOWN_LANGUAGES

WRONG_PASSWORDS = 5
LOCKED_FOR = timedelta(minutes=15)
SHORTEST, LONGEST = 12, 200
"""Characters of a password. No other rule: a long sentence is both safer and easier than a short riddle."""
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_hasher = PasswordHasher()


class UserProblem(Said):
    """What was asked for cannot be done."""

    SENTENCES = catalogue()


# ---- kept by the IT person ----------------------------------------------------------------------
def add(
    session: Session, login: str, role: str, name: str, language: str, password: str, who: str, now: datetime
) -> User:
    """Raises UserProblem."""
    if not _LOGIN.fullmatch(login):
        raise UserProblem("user.login")
    if role not in ROLES:
        raise UserProblem("user.role", role=role, allowed=", ".join(ROLES))
    if language not in KNOWN_LANGUAGES:
        raise UserProblem("user.language", language=language, allowed=", ".join(KNOWN_LANGUAGES))
    if not name.strip():
        raise UserProblem("user.name")
    if session.scalar(sa.select(sa.exists().where(sa.func.lower(User.login) == login.lower()))):
        raise UserProblem("user.there", login=login)
    user = User(
        login=login,
        name=name.strip(),
        role=role,
        language=language,
        password=_hashed(login, password),
        session_key=_new_key(),
        made_at=now,
    )
    session.add(user)
    session.flush()
    record(session, "user", user.id, "added", now, who=who, data={"role": role})
    return user


def listed(session: Session) -> Sequence[User]:
    return session.scalars(sa.select(User).order_by(User.login)).all()


def disable(session: Session, login: str, who: str, now: datetime) -> None:
    """Shut out at once, everywhere. Their name stays on what they did. Raises UserProblem."""
    user = _existing(session, login)
    user.active, user.session_key = False, _new_key()
    record(session, "user", user.id, "disabled", now, who=who)


def on_staff_left(session: Session, event: events.StaffLeft, now: datetime) -> None:
    """Who leaves the staff file leaves the console as well; a user who never stood in it is not asked about."""
    active = sa.select(sa.exists().where(User.login == event.login, User.active.is_(True)))
    if session.scalar(active):
        disable(session, event.login, "import", now)


def set_password(session: Session, login: str, password: str, who: str, now: datetime) -> None:
    """A new password signs them out everywhere, opens a lock, and lets a disabled user in again. Raises UserProblem."""
    user = _existing(session, login)
    user.password, user.session_key = _hashed(user.login, password), _new_key()
    user.active, user.failures, user.locked_until = True, 0, None
    record(session, "user", user.id, "password set", now, who=who)


def _existing(session: Session, login: str) -> User:
    user = session.scalar(sa.select(User).where(User.login == login).with_for_update())
    if user is None:
        raise UserProblem("user.nobody", login=login)
    return user


def _hashed(login: str, password: str) -> str:
    if len(password) < SHORTEST:
        raise UserProblem("user.short", least=SHORTEST, has=len(password))
    if len(password) > LONGEST:
        raise UserProblem("user.long", most=LONGEST)
    if login.lower() in password.lower() and len(password) < SHORTEST + len(login):
        raise UserProblem("user.is_login")
    return _hasher.hash(password)


def _new_key() -> str:
    return secrets.token_urlsafe(24)


# ---- at the door --------------------------------------------------------------------------------
def sign_in(house: House, login: str, password: str) -> User | None:
    """The user, or None: unknown login, wrong password, disabled or locked look alike and take as long.

    The try is counted before it is checked, so that many tries at one moment are not worth more than five; and no
    connection is held while the password is being hashed. Times are the house's clock's.
    """
    now = house.clock.now()
    with house.transaction() as session:
        user = session.scalar(sa.select(User).where(User.login == login.strip()).with_for_update())
        tried = user is not None and user.active and not is_locked(user, now)
        last_try = user is not None and tried and _count(user, now)
        known = user.password if user is not None and tried else _nobodys()
        user_id = user.id if user is not None else None
    right = _is_right(known, password[: LONGEST + 1])
    if not (right and tried and user_id is not None):
        if last_try:
            with house.transaction() as session:
                record(session, "user", user_id, "locked", now, why=f"{WRONG_PASSWORDS} wrong passwords")
        return None
    return _let_in(house, user_id, known, password, now)


def _count(user: User, now: datetime) -> bool:
    """One more try; True if it is the last for a while, should the password be wrong."""
    user.failures += 1
    if user.failures < WRONG_PASSWORDS:
        return False
    user.failures, user.locked_until = 0, now + LOCKED_FOR
    return True


def _let_in(house: House, user_id: uuid.UUID, known: str, password: str, now: datetime) -> User | None:
    renewed = _hasher.hash(password) if _hasher.check_needs_rehash(known) else known
    with house.transaction() as session:
        user = session.get(User, user_id, with_for_update=True)
        if user is None or not user.active or user.password != known:
            return None  # disabled, or another password, while we were hashing
        user.password, user.failures, user.locked_until, user.last_seen_at = renewed, 0, None, now
        record(session, "user", user.id, "signed in", now, who=user.login)
        return user


def is_locked(user: User, now: datetime) -> bool:
    return user.locked_until is not None and now < user.locked_until


@cache
def _nobodys() -> str:
    """The hash of a password nobody has: an unknown login costs as much time as a known one."""
    return _hasher.hash(secrets.token_urlsafe(24))


def _is_right(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def change_password(house: House, user_id: uuid.UUID, old: str, new: str) -> None:
    """By the user: whoever finds an open screen must not be able to. Raises UserProblem."""
    now = house.clock.now()
    with house.transaction() as session:
        login = session.get_one(User, user_id).login
    if sign_in(house, login, old) is None:
        raise UserProblem("user.old")
    with house.transaction() as session:
        set_password(session, login, new, login, now)


def sign_out_everywhere(session: Session, user_id: uuid.UUID, now: datetime) -> None:
    user = session.get_one(User, user_id, with_for_update=True)
    user.session_key = _new_key()
    record(session, "user", user.id, "signed out everywhere", now, who=user.login)


def set_language(session: Session, user_id: uuid.UUID, language: str) -> None:
    if language in KNOWN_LANGUAGES:
        session.get_one(User, user_id).language = language
