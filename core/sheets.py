"""Excel workbooks (.xlsx) as tables of text; `read_table`, which takes a workbook or a CSV file, and `row_by_row`.

A workbook is a ZIP of XML that strangers may have made: its size unpacked is looked at before anything is, macros
are refused, formulas count as the value Excel last worked out, and nothing outside the file is ever followed.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from core import tables
from core.house import House
from core.tables import BROKEN, FileProblem, Row, RowProblem, RowReport

Result = Literal["created", "updated", "unchanged"]

MAX_UNPACKED: Final = 100 * 1024 * 1024
MAX_PARTS: Final = 2000
MOST_COLUMNS: Final = 200
MOST_DIGITS: Final = 15
"""Excel keeps no more digits of a number: a longer one was changed when it was typed."""
_ZIP, _OLE = b"PK", b"\xd0\xcf\x11\xe0"


def read_table(path: Path, known: Sequence[str], required: Sequence[str], sheet: str) -> list[Row]:
    """The rows of a CSV file or of a workbook: its sheet named `sheet`, else its first. Raises FileProblem."""
    data = tables.content(path)
    if data.startswith(_ZIP):
        return tables.rows_of(path, _sheet(path, data, sheet), known, required)
    if data.startswith(_OLE):
        raise FileProblem(f"{path}: this is an old .xls workbook or one with a password; save it as .xlsx without one.")
    return tables.parse_csv(path, data, known, required)


def row_by_row(
    house: House, rows: Sequence[Row], take: Callable[[Session, dict[str, str]], tuple[Result, str]], *, dry_run: bool
) -> list[RowReport]:
    """Each row taken in a transaction of its own, so that it stands or falls alone; with `dry_run` nothing is kept.
    `take` says what became of it and a detail, or raises RowProblem."""
    reports = []
    for number, values in rows:
        try:
            with house.transaction() as session:
                result, detail = take(session, values)
                if dry_run:
                    session.rollback()
            reports.append(RowReport(number, result, detail))
        except RowProblem as problem:
            reports.append(RowReport(number, "refused", str(problem)))
    return reports


def _sheet(path: Path, data: bytes, name: str) -> list[tuple[int, list[str]]]:
    import openpyxl  # here: a quarter of a second that only an import of a workbook needs

    with warnings.catch_warnings():
        # About looks only: styles, drop-down lists and the like that openpyxl leaves out.
        warnings.simplefilter("ignore")
        try:
            _refuse_unsafe(path, data)
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            try:
                return list(_rows(path, _chosen(path, book, name)))
            finally:
                book.close()
        except FileProblem:
            raise
        except Exception as error:  # nobody says what a damaged file makes zipfile and openpyxl raise
            raise FileProblem(_damaged(path, error)) from error


def _refuse_unsafe(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        infos = parts.infolist()
        names = {info.filename.lower() for info in infos}
        if len(infos) > MAX_PARTS or sum(info.file_size for info in infos) > MAX_UNPACKED:
            raise FileProblem(f"{path}: the workbook is too large when unpacked; split it.")
        if any(info.flag_bits & 1 for info in infos):
            raise FileProblem(f"{path}: the file has a password; save it as .xlsx without one.")
        if "xl/workbook.xml" not in names:
            raise FileProblem(f"{path}: this is not a CSV text file, nor an .xlsx workbook.")
        if path.suffix.lower() in (".xlsm", ".xltm") or any(name.endswith("vbaproject.bin") for name in names):
            raise FileProblem(f"{path}: the workbook holds macros; save it as a plain .xlsx workbook.")
        for info in infos:
            _refuse_entities(path, parts, info)


def _damaged(path: Path, error: Exception) -> str:
    return f"{path}: this is not a CSV text file, and as an .xlsx workbook it is damaged ({type(error).__name__})."


def _refuse_entities(path: Path, parts: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """No part of a real workbook declares a document type: that is where XML bombs are hidden."""
    if info.filename.lower().endswith((".xml", ".rels")):
        with parts.open(info) as part:
            head = part.read(2048).replace(b"\x00", b"")  # UTF-16 too
        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
            raise FileProblem(f"{path}: the workbook is not one that Excel has written.")


def _chosen(path: Path, book: Any, name: str) -> Any:
    sheets = book.worksheets
    if not sheets:
        raise FileProblem(f"{path}: the workbook has no sheet with a table.")
    named = [sheet for sheet in sheets if sheet.title.strip().lower() == name]
    visible = [sheet for sheet in sheets if getattr(sheet, "sheet_state", "visible") == "visible"]
    return (named or visible or sheets)[0]


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """(row as Excel numbers it, texts); the first one, the header, also when it is empty."""
    sheet.reset_dimensions()  # what a file says of its own size is often wrong
    found = 0
    for number, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS), start=1):
        texts = [_text(cell.value, cell.data_type) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        if texts or number == 1:
            found += 1
            yield number, texts
        if found > tables.MAX_ROWS + 1:
            raise FileProblem(f"{path}: the table has more than {tables.MAX_ROWS} rows; split it.")


def _text(value: object, kind: str) -> str:
    """A cell as the person who filled it in would write it in a CSV file."""
    if value is None:
        return ""
    if kind == "e":
        return f"{BROKEN}shows {value}: the formula in it does not work"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value).lstrip(BROKEN)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return f"{BROKEN}holds no number"
    if value != int(value):
        return str(value)
    digits = str(int(value))
    if len(digits.lstrip("-")) > MOST_DIGITS:
        return f"{BROKEN}is a number of more than {MOST_DIGITS} digits, which Excel has rounded: make it a text"
    return digits


def _moment(value: datetime) -> str:
    """To the second: Excel keeps a time as a fraction of a day. Midnight is a day."""
    whole = (value + timedelta(milliseconds=500)).replace(microsecond=0)
    return whole.date().isoformat() if whole.time() == time.min else whole.isoformat()
