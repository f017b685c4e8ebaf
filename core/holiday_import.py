"""`carecall import holidays`: the year's notice, or days the hospital has of its own (`day,kind,note`)."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from core import holidays, sheets, tables
from core.house import House
from core.tables import RowProblem, RowReport

COLUMNS = ("day", "kind", "note")
REQUIRED = ("day", "kind")
EARLIEST, LATEST = 2000, 2100
"""Years; anything else is a slip of the keyboard."""


def import_holidays(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """`kind`: holiday (off) or workday (worked, though a weekend or a holiday). The last row of a day counts.
    Importing twice changes nothing. Raises FileProblem."""
    rows = sheets.read_table(path, COLUMNS, REQUIRED, "holidays")
    last = {values["day"]: number for number, values in rows}
    reports = []
    with house.transaction() as session:
        for number, values in rows:
            try:
                if last[values["day"]] != number:
                    later = last[values["day"]]
                    reports.append(RowReport(number, "unchanged", f"row {later} is the same day: it counts"))
                    continue
                day, kind = _checked(values)
                reports.append(RowReport(number, holidays.set_day(session, day, kind, values["note"], "import", now)))
            except RowProblem as problem:
                reports.append(RowReport(number, "refused", str(problem)))
        if dry_run:
            session.rollback()
    return reports


def _checked(values: dict[str, str]) -> tuple[date, holidays.Kind]:
    tables.refuse_ragged(values)
    tables.refuse_long(values)
    tables.needed(values, *REQUIRED)
    day = tables.day(values, "day")
    if not EARLIEST <= day.year <= LATEST:
        raise RowProblem(f"day must lie between {EARLIEST} and {LATEST}, not {values['day']!r}")
    kind = tables.one_of(values, "kind", holidays.KINDS, "")
    return day, "holiday" if kind == "holiday" else "workday"
