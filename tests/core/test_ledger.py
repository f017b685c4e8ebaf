"""The ledger's rows wait for company, and nobody can tell: none is lost, none survives what it tells of."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from core.house import House
from core.models import EventRow, record

NAMES = sa.select(EventRow.what).order_by(EventRow.id)


def _tell(house: House, session: Session, *names: str) -> None:
    for name in names:
        record(session, "call", None, name, house.clock.now())


def _told(house: House) -> list[str]:
    with house.transaction() as session:
        return list(session.scalars(NAMES))


@contextmanager
def _written(house: House) -> Iterator[list[str]]:
    """Statements that write to the ledger."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO events" in statement:
            statements.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    yield statements
    event.remove(house.engine, "before_cursor_execute", note)


def test_the_rows_of_a_transaction_are_one_statement_and_keep_their_order(house: House) -> None:
    names = [f"{number}" for number in range(40)]
    with _written(house) as statements, house.transaction() as session:
        _tell(house, session, *names)
    assert len(statements) == 1
    assert _told(house) == names


def test_a_row_comes_back_as_it_was_told(house: House) -> None:
    subject, now = uuid.uuid4(), house.clock.now()
    data = {"score": None, "words": ["欧阳", 'quo"te', "back\\slash", "a%sb"], "deep": {"yes": True, "no": 1.5}}
    with house.transaction() as session:
        record(session, "call", subject, "it's", now, from_state="a", who="nurse", why="…", data=data, step=2)
        data["score"] = 9  # later, and so not told
    with house.transaction() as session:
        row = session.scalars(sa.select(EventRow)).one()
        assert (row.at, row.kind, row.subject_id, row.what) == (now, "call", subject, "it's")
        assert (row.from_state, row.to_state, row.who, row.why) == ("a", None, "nurse", "…")
        assert row.data == {**data, "score": None, "step": 2}


@pytest.mark.parametrize("raw", [False, True])
def test_who_reads_the_ledger_in_the_transaction_reads_its_rows(house: House, raw: bool) -> None:
    with house.transaction() as session:
        _tell(house, session, "one", "two")
        if raw:
            count = session.connection().exec_driver_sql("SELECT count(*) FROM events").scalar()
        else:
            count = session.scalar(sa.select(sa.func.count()).where(sa.exists().where(EventRow.what == "two")))
        assert count == (2 if raw else 1)
        _tell(house, session, "three")
    assert _told(house) == ["one", "two", "three"]


def test_rows_written_beside_the_session_are_kept(house: House) -> None:
    with house.transaction() as session:
        session.connection().exec_driver_sql("SELECT 1")
        _tell(house, session, "one")
        session.connection().exec_driver_sql("SELECT 2")
    assert _told(house) == ["one"]


def test_what_is_rolled_back_takes_its_rows_along(house: House) -> None:
    def fails() -> None:
        with house.transaction() as session:
            _tell(house, session, "never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with house.transaction() as session:
        _tell(house, session, "after")
    assert _told(house) == ["after"]


def test_a_session_closed_without_a_word_leaves_nothing_to_the_next_one(house: House) -> None:
    with Session(house.engine) as session:
        _tell(house, session, "never")
    with house.transaction() as session:
        _tell(house, session, "after")
    assert _told(house) == ["after"]


def test_a_savepoint_keeps_its_own_rows_and_no_others(house: House) -> None:
    def fails(session: Session) -> None:
        with session.begin_nested():
            _tell(house, session, "undone")
            assert "undone" in list(session.scalars(NAMES))
            _tell(house, session, "undone too")
            raise ZeroDivisionError

    with house.transaction() as session:
        _tell(house, session, "before")
        with session.begin_nested():
            _tell(house, session, "kept")
            with session.begin_nested():
                _tell(house, session, "kept deep down")
            with pytest.raises(ZeroDivisionError):
                fails(session)
            _tell(house, session, "kept after")
        with pytest.raises(ZeroDivisionError):
            fails(session)
        _tell(house, session, "after")
    assert _told(house) == ["before", "kept", "kept deep down", "kept after", "after"]


def test_a_savepoint_that_fails_in_the_store_takes_its_rows_along(house: House) -> None:
    def fails(session: Session) -> None:
        with session.begin_nested():
            _tell(house, session, "undone")
            session.execute(sa.text("SELECT no_such_thing"))

    with house.transaction() as session:
        _tell(house, session, "before")
        with pytest.raises(sa.exc.ProgrammingError):
            fails(session)
        _tell(house, session, "after")
    assert _told(house) == ["before", "after"]


def test_a_ledger_that_cannot_be_written_stops_the_commit(house: House) -> None:
    def fails() -> None:
        with house.transaction() as session:
            session.execute(sa.text("INSERT INTO beside VALUES (1)"))
            record(session, "call", None, "no text for the store: \0", house.clock.now())

    with house.transaction() as session:
        session.execute(sa.text("CREATE TABLE beside (id int)"))
    with pytest.raises(sa.exc.DBAPIError):
        fails()
    with house.transaction() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM beside")) == 0
    assert _told(house) == []


def test_a_time_without_a_zone_and_what_is_no_json_are_refused_at_once(house: House) -> None:
    with house.transaction() as session:
        with pytest.raises(ValueError, match="zone"):
            record(session, "call", None, "when?", datetime(2031, 3, 7))  # noqa: DTZ001
        with pytest.raises(TypeError):
            record(session, "call", None, "what?", house.clock.now(), data={"id": uuid.uuid4()})
    assert _told(house) == []
