"""Rows of the ledger on their way into the store: kept with their connection and written by one statement.

A transaction tells the ledger of two or three moves, and a statement each would cost more than the moves. They are
written before anybody could tell the difference: before the commit, before a savepoint and its release, and before any
statement that names the table. What is rolled back takes its rows along.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

TABLE = "events"
_WAITING = "ledger rows not written yet"


def attach(engine: Engine) -> None:
    """Have the connections of `engine` write what `append` gives them."""
    event.listen(engine, "begin", _forget)
    event.listen(engine, "before_cursor_execute", _before_reading)
    event.listen(engine, "commit", _write)
    event.listen(engine, "savepoint", _at_savepoint)
    event.listen(engine, "release_savepoint", _at_release)
    # a savepoint finds and leaves nothing waiting, so what waits here is younger than it
    event.listen(engine, "rollback_savepoint", _after_savepoint)
    event.listen(engine, "rollback", _forget)


def append(connection: Connection, at: datetime, subject_id: uuid.UUID | None, row: Mapping[str, Any]) -> None:
    """One more row, as it is now. Raises ValueError for a time without a zone, TypeError for what is no JSON."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone was given to the ledger")
    subject = None if subject_id is None else str(subject_id)
    connection.info[_WAITING].append(json.dumps({"at": at.isoformat(), "subject_id": subject, **row}))


def _write(connection: Connection) -> None:
    waiting = connection.info[_WAITING]
    if waiting:
        rows = f"[{','.join(waiting)}]"
        waiting.clear()
        connection.exec_driver_sql(_APPEND, (rows,))


def _forget(connection: Connection) -> None:
    connection.info[_WAITING] = []


def _at_savepoint(connection: Connection, _name: str | None) -> None:
    _write(connection)


def _at_release(connection: Connection, _name: str, _context: None) -> None:
    _write(connection)


def _after_savepoint(connection: Connection, _name: str, _context: None) -> None:
    _forget(connection)


def _before_reading(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    if connection.info.get(_WAITING) and TABLE in statement:
        _write(connection)


_APPEND = f"""
    INSERT INTO {TABLE} (at, kind, subject_id, what, from_state, to_state, who, why, data)
    SELECT at, kind, subject_id, what, from_state, to_state, who, why, data FROM json_to_recordset(%s::json) AS told(
        at timestamptz, kind text, subject_id uuid, what text, from_state text, to_state text, who text, why text,
        data jsonb)
"""
