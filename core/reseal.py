"""Encrypted columns sealed anew with today's DATA_KEY, while the service runs.

Row by row, a few at a time, each few in a transaction of their own: killed at any moment nothing is lost, and run again
it goes on, because a value that is sealed with today's key already is left alone. A value somebody changes meanwhile is
theirs: it is sealed by whoever wrote it. Look-up values (blind indexes) are not touched: they hang on LOOKUP_KEY.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from core.crypto import DecryptError, Keyring
from core.db import TRIES, Base, Encrypted, lost_a_race
from core.house import House

BATCH: Final = 50
"""Rows of one transaction: their locks are held for some milliseconds."""


@dataclass(frozen=True)
class Sealed:
    """What was found in one table."""

    table: str
    values: int
    anew: int
    """Sealed anew, or (looking only) still to be."""
    closed: int
    """That open with neither key."""


def encrypted_tables() -> list[sa.Table]:
    return [table for table in Base.metadata.sorted_tables if _columns(table)]


def reseal(house: House, keyring: Keyring, *, look_only: bool = False) -> Iterator[Sealed]:
    """Table after table, told when each is done."""
    for table in encrypted_tables():
        counts, after = [0, 0, 0], None
        while True:
            found, after = _batch(house, keyring, table, after, look_only)
            counts = [sum(pair) for pair in zip(counts, found, strict=True)]
            if after is None:
                break
        yield Sealed(table.name, *counts)


Key = tuple[Any, ...]


def _batch(
    house: House, keyring: Keyring, table: sa.Table, after: Key | None, look_only: bool
) -> tuple[list[int], Key | None]:
    """The next few rows: (values, anew, closed), and where to go on."""
    for last in range(TRIES):
        try:
            return _once(house, keyring, table, after, look_only)
        except DBAPIError as error:
            if last == TRIES - 1 or not lost_a_race(error):
                raise
    raise AssertionError("the loop returns or raises")


def _once(
    house: House, keyring: Keyring, table: sa.Table, after: Key | None, look_only: bool
) -> tuple[list[int], Key | None]:
    keys, columns = list(table.primary_key.columns), _columns(table)
    raw = [sa.type_coerce(column, sa.LargeBinary).label(column.name) for column in columns]
    query = sa.select(*keys, *raw).order_by(*keys).limit(BATCH)
    if after is not None:
        reached = (sa.literal(value, key.type) for value, key in zip(after, keys, strict=True))
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*reached))
    counts = [0, 0, 0]
    with house.transaction() as session:
        rows = session.execute(query).all()
        for row in rows:
            for column in columns:
                old = row._mapping[column.name]
                if old is None:
                    continue
                counts[0] += 1
                try:
                    new = keyring.resealed(bytes(old), _place(column))
                except DecryptError:
                    counts[2] += 1
                    continue
                if new is not None:
                    counts[1] += 1
                    if not look_only:
                        session.execute(_replace(table, row._mapping, column, bytes(old), new))
    done = len(rows) < BATCH
    return counts, None if done else tuple(rows[-1]._mapping[key.name] for key in keys)


def _replace(table: sa.Table, row: Mapping[Any, Any], column: sa.Column[Any], old: bytes, new: bytes) -> sa.Update:
    """Only where it is still what was read."""
    same = [key == row[key.name] for key in table.primary_key.columns]
    as_bytes = sa.type_coerce(column, sa.LargeBinary)
    value = sa.type_coerce(sa.literal(new, sa.LargeBinary), sa.LargeBinary)
    return sa.update(table).where(*same, as_bytes == old).values({column: value})


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, Encrypted)]


def _place(column: sa.Column[Any]) -> bytes:
    assert isinstance(column.type, Encrypted)
    return column.type.place.encode()
