"""`carecall import patients`: patients and their operations from CSV, Excel or a FHIR R4 bundle (columns:
docs/design.md section 6).

`mrn + procedure_id` is the identity. Importing the same file twice changes nothing; a corrected operation moves what
is still planned; a cancelled row cancels it. Each row stands or falls alone and is reported. The file is read and
settled whole (scheduler/import_rows.py), then its rows are kept, some together in a transaction
(scheduler/import_store.py); if one of them cannot be, each of them in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import sheets
from core.db import TRIES, lost_a_race
from core.house import House
from core.tables import RowProblem, RowReport
from scheduler import fhir, import_rows, import_store
from scheduler.import_rows import COLUMNS, REQUIRED, Row
from scheduler.import_store import OnFile

TOGETHER = 25
"""Rows of one transaction: long enough that its end costs little, short enough that nobody on the telephone waits for
a locked row."""

Given = tuple[int | str, Mapping[str, str] | RowProblem]
"""A row as the file has it, by its label, or why it is none."""


def import_patients(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; with `dry_run` everything is tried and nothing kept. Raises FileProblem."""
    given = _given(path, now)
    read = _read(house, given, now)
    reports = {
        label: RowReport(label, "refused", str(row)) for label, row in read.items() if isinstance(row, RowProblem)
    }
    rows = import_rows.settle([row for row in read.values() if isinstance(row, Row)])
    if dry_run:
        reports |= _tried(house, rows, now)
    else:
        for some in _batches(rows):
            reports |= _kept_together(house, some, now)
    return [reports[label] for label, _ in given]


def _given(path: Path, now: datetime) -> list[Given]:
    if fhir.is_json(path):
        return list(fhir.read_bundle(path, now))
    return list(sheets.read_table(path, COLUMNS, REQUIRED, "patients"))


def _read(house: House, given: list[Given], now: datetime) -> dict[int | str, Row | RowProblem]:
    read: dict[int | str, Row | RowProblem] = {}
    for label, values in given:
        if isinstance(values, RowProblem):
            read[label] = values
            continue
        try:
            read[label] = import_rows.read(label, values, house.settings, now)
        except RowProblem as problem:
            read[label] = problem
    return read


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """In their order, no two of one patient together."""
    some: dict[str, Row] = {}
    for row in rows:
        if row.mrn in some or len(some) == TOGETHER:
            yield list(some.values())
            some = {}
        some[row.mrn] = row
    if some:
        yield list(some.values())


def _kept_together(house: House, rows: Sequence[Row], now: datetime) -> dict[int | str, RowReport]:
    try:
        with house.transaction() as session:
            known = import_store.on_file(session, rows)
            # a double's row changes the survivor's record, which may be among the others
            alone = [row for row in rows if known.is_merged(row)]
            others = [row for row in rows if not known.is_merged(row)]
            reports = {row.label: _reported(session, row, now, known) for row in others}
    except DBAPIError:
        # One of them met somebody else's work, or cannot be stored: which one, and why, the rows say one by one.
        alone, reports = list(rows), {}
    return reports | {row.label: _kept(house, row, now) for row in alone}


def _kept(house: House, row: Row, now: datetime) -> RowReport:
    for left in reversed(range(TRIES)):
        try:
            with house.transaction() as session:
                return _reported(session, row, now, import_store.on_file(session, [row]))
        except (OperationalError, IntegrityError) as error:
            if not lost_a_race(error) or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _tried(house: House, rows: list[Row], now: datetime) -> dict[int | str, RowReport]:
    """The whole file in one transaction that is rolled back: rows that depend on one another find each other."""
    reports = {}
    with house.transaction() as session:
        for row in rows:
            reports[row.label] = _reported(session, row, now, import_store.on_file(session, [row]))
        session.rollback()
    return reports


def _reported(session: Session, row: Row, now: datetime, known: OnFile) -> RowReport:
    try:
        result, detail = import_store.keep(session, row, now, known)
    except RowProblem as problem:
        return RowReport(row.label, "refused", str(problem))
    return RowReport(row.label, result, detail)
