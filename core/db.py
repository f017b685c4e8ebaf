"""The database: engine, column types, and the one way to open a transaction.

Names, phones, birth dates, record numbers and free text are `Encrypted` columns (AES-256-GCM) with a
keyed blind index beside those that are looked up. The associated data of each value is its table and
column, so a ciphertext moved to another column does not decrypt.
"""

from __future__ import annotations

import json
import logging
import select
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from core import ledger
from core.crypto import Keyring

log = logging.getLogger(__name__)


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class AwareDateTime(TypeDecorator[datetime]):
    """`timestamptz`; refuses a naive datetime, always returns UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone was given to the database")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


Row = TypeVar("Row", bound=Base)

_keyring: Keyring | None = None


def use_keyring(keyring: Keyring) -> None:
    """The keys all `Encrypted` columns of this process use. Called once, by whoever builds the house."""
    global _keyring
    _keyring = keyring


def keyring() -> Keyring:
    if _keyring is None:
        raise RuntimeError("DATA_KEY is not loaded: encrypted columns cannot be used yet")
    return _keyring


def blind(value: str, purpose: str) -> bytes:
    """The look-up value stored beside an encrypted column: same text, same purpose, same 16 bytes."""
    return keyring().blind_index(value, purpose)


class Encrypted(TypeDecorator[Any]):
    """Text (or, with `json=True`, any JSON value) encrypted at rest. `place` is "table.column"."""

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, place: str, *, as_json: bool = False) -> None:
        super().__init__()
        self.place = place
        self.as_json = as_json

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False) if self.as_json else str(value)
        return keyring().encrypt(text.encode(), self.place.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        text = keyring().decrypt(bytes(value), self.place.encode()).decode()
        return json.loads(text) if self.as_json else text


PREPARED = 1000
"""Statements a connection keeps prepared. There are some 250; with psycopg's 100 it forgets and prepares all day."""
TRUSTED_S = 5.0
"""A connection used this shortly ago is given out without asking the server, unless the server has hung up."""


def make_engine(url: str, *, pool_size: int = 8) -> Engine:
    """An engine whose sessions speak UTC. Create it after a fork, never before. What its errors say never holds a
    statement's parameters: they end in logs."""
    engine = sa.create_engine(url, pool_size=pool_size, max_overflow=pool_size, hide_parameters=True)
    ledger.attach(engine)
    # a lock taken since a savepoint is let go of with it; which ones these were is not worth keeping
    event.listen(engine, "begin", _holds_nothing)
    event.listen(engine, "rollback_savepoint", lambda connection, _name, _context: _holds_nothing(connection))

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.prepared_max = PREPARED
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    @event.listens_for(engine, "checkin")
    def _given_back(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _still_there(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or (time.monotonic() - idle_since < TRUSTED_S and not _hung_up(connection)):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error  # the pool makes a new one

    return engine


def _hung_up(connection: psycopg.Connection[Any]) -> bool:
    """Whether there is something to read on an idle connection: a server speaks unasked only to say goodbye. Costs
    no question over the wire."""
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLIN)
    return bool(watch.poll(0))


def session_maker(engine: Engine, **info: Any) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False, info=info)


_HELD = "rows this transaction has locked"


def _holds_nothing(connection: Connection) -> None:
    connection.info[_HELD] = set()


def is_held(session: Session, entity: type[Base], key: uuid.UUID) -> bool:
    """Whether this transaction has locked the row already: nobody else changes it then, and what we have read holds."""
    return (entity, key) in session.connection().info[_HELD]


def now_held(session: Session, entity: type[Base], key: uuid.UUID) -> None:
    """A statement of this transaction has locked the row and read it."""
    session.connection().info[_HELD].add((entity, key))


class RowLock(Generic[Row]):
    """The row of a table with this id, locked and fresh; None if there is none. Asked for once in a transaction.

    Rows that refer to it need not wait, as its key never changes.
    """

    def __init__(self, entity: type[Row]) -> None:
        self._entity = entity
        (key,) = sa.inspect(entity).primary_key
        self._select = (
            sa.select(entity)
            .where(key == sa.bindparam("key"))
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

    def __call__(self, session: Session, key: uuid.UUID) -> Row | None:
        if is_held(session, self._entity, key):
            return session.get(self._entity, key)
        row = session.scalar(self._select, {"key": key})
        if row is not None:
            now_held(session, self._entity, key)
        return row


TRIES = 3
"""How often work is run when the database breaks a deadlock or a race by refusing one of two transactions."""


def lost_a_race(error: DBAPIError) -> bool:
    """Whether running the transaction again may succeed: a deadlock, a serialization failure, or a unique row two made
    at once."""
    return getattr(error.orig, "sqlstate", "") in ("40P01", "40001", "23505")


def survives(session: Session, work: Callable[[], None], complaint: str, **about: str) -> bool:
    """Do `work` so that an error in it does not take the transaction along: what it did is undone, the error is logged
    as `complaint` with `about`, and the answer is False. A lost race is raised, for the whole transaction to run
    again."""
    try:
        with session.begin_nested():
            work()
    except Exception as error:
        if isinstance(error, DBAPIError) and lost_a_race(error):
            raise
        log.exception(complaint, extra=about)
        return False
    return True


def try_lock(session: Session, name: str) -> bool:
    """A transaction-long advisory lock by name; False if somebody else holds it."""
    return bool(session.scalar(_TRY_LOCK, {"name": name}))


def lock(session: Session, name: str) -> None:
    """Wait for the transaction-long advisory lock `name`."""
    session.execute(_LOCK, {"name": name})


_NAMED = sa.func.hashtextextended(sa.bindparam("name", type_=sa.String), 0)
_TRY_LOCK = sa.select(sa.func.pg_try_advisory_xact_lock(_NAMED))
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(_NAMED))
