"""A locked row is asked for once in a transaction, and is as nobody else can have changed it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from core.db import RowLock
from core.house import House
from core.models import Patient, Procedure, new_id

locked = RowLock(Procedure)


@pytest.fixture
def operation(house: House) -> uuid.UUID:
    now = house.clock.now()
    with house.transaction() as session:
        who = new_id()
        session.add(
            Patient(
                id=who,
                mrn="1",
                mrn_index=b"1",
                name="Ann Example",
                language="en",
                timezone="Asia/Shanghai",
                created_at=now,
            )
        )
        session.flush()
        session.add(row := Procedure(id=new_id(), patient_id=who, external_id="1", name="a", ended_at=now))
    return row.id


@contextmanager
def _asked(house: House) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FOR NO KEY UPDATE" in statement:
            statements.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    yield statements
    event.remove(house.engine, "before_cursor_execute", note)


def _is_free(house: House, operation: uuid.UUID) -> bool:
    ask = sa.select(Procedure.id).where(Procedure.id == operation).with_for_update(skip_locked=True)
    with house.transaction() as session:
        return session.scalar(ask) is not None


def test_it_is_asked_for_once_and_again_in_the_next_transaction(house: House, operation: uuid.UUID) -> None:
    with _asked(house) as statements:
        for asked in (1, 2):
            with house.transaction() as session:
                first = locked(session, operation)
                assert locked(session, operation) is first is not None
                assert len(statements) == asked
                assert not _is_free(house, operation)


def test_it_is_fresh_however_old_what_was_read_before(house: House, operation: uuid.UUID) -> None:
    with house.transaction() as session:
        read = session.get_one(Procedure, operation)
        with house.transaction() as other:
            other.get_one(Procedure, operation).department = "4B"
        assert locked(session, operation) is read
        assert read.department == "4B"


def test_a_row_that_is_not_there_is_asked_for_again(house: House) -> None:
    missing = uuid.uuid4()
    with _asked(house) as statements, house.transaction() as session:
        assert locked(session, missing) is None
        assert locked(session, missing) is None
    assert len(statements) == 2


def test_a_lock_undone_with_its_savepoint_is_taken_again(house: House, operation: uuid.UUID) -> None:
    def fails(session: Session) -> None:
        with session.begin_nested():
            locked(session, operation)
            raise ZeroDivisionError

    with house.transaction() as session:
        with pytest.raises(ZeroDivisionError):
            fails(session)
        assert _is_free(house, operation)
        locked(session, operation)
        assert not _is_free(house, operation)
