"""`carecall import patients`: patients and their operations from CSV, Excel or a FHIR R4 bundle (columns:
docs/design.md section 6).

`mrn + procedure_id` is the identity. Importing the same file twice changes nothing; a corrected operation moves what
is still planned; a cancelled row cancels it. Each row stands or falls alone and is reported. The file is read and
settled whole (scheduler/import_rows.py), then each row is kept in a transaction of its own
(scheduler/import_store.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import sheets
from core.db import TRIES, lost_a_race
from core.house import House
from core.tables import RowProblem, RowReport
from scheduler import fhir, import_rows, import_store
from scheduler.import_rows import COLUMNS, REQUIRED, Row

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
        reports |= {row.label: _kept(house, row, now) for row in rows}
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


def _kept(house: House, row: Row, now: datetime) -> RowReport:
    for left in reversed(range(TRIES)):
        try:
            with house.transaction() as session:
                return _report(session, row, now)
        except RowProblem as problem:
            return RowReport(row.label, "refused", str(problem))
        except (OperationalError, IntegrityError) as error:
            if not lost_a_race(error) or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _tried(house: House, rows: list[Row], now: datetime) -> dict[int | str, RowReport]:
    """The whole file in one transaction that is rolled back: rows that depend on one another find each other."""
    reports = {}
    with house.transaction() as session:
        for row in rows:
            try:
                with session.begin_nested():
                    reports[row.label] = _report(session, row, now)
            except RowProblem as problem:
                reports[row.label] = RowReport(row.label, "refused", str(problem))
        session.rollback()
    return reports


def _report(session: Session, row: Row, now: datetime) -> RowReport:
    result, detail = import_store.keep(session, row, now)
    return RowReport(row.label, result, detail)
