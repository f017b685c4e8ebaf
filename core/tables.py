"""Tables people hand us: rows of text out, problems in the words of the person who made the file. Here: CSV and how
cells are read; core/sheets.py: Excel workbooks, and `read_table`, which takes either."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import phonenumbers

from core.values import e164

LONGEST_CELL = 500
MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 100_000
YES = frozenset({"yes", "y", "true", "1", "是", "有"})
NO = frozenset({"no", "n", "false", "0", "否", "无", ""})


class FileProblem(Exception):
    """The whole file cannot be read; nothing was imported. `str()` is one sentence."""


class RowProblem(Exception):
    """One row cannot be used; it is left out and reported."""


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet takes for a formula, or may after it has thrown away what cannot be seen; the
full-width signs are the same to an input method (OWASP, CSV Injection)."""


def no_formula(text: str) -> str:
    """Text of somebody else's as a cell we write: quoted where a spreadsheet would work it out."""
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text


@dataclass(frozen=True)
class RowReport:
    row: int | str
    """Line number as a spreadsheet shows it: the header is 1. In a FHIR bundle the entry: "Procedure/xyz"."""
    result: Literal["created", "updated", "unchanged", "refused", "gone", "deleted"]
    detail: str = ""


Row = tuple[int, dict[str, str]]
"""The row as a spreadsheet numbers it, and {column: stripped text} with every known column."""


def read_csv(path: Path, known: Sequence[str], required: Sequence[str]) -> list[Row]:
    """The rows that are not empty. Raises FileProblem.

    UTF-8 with or without a byte-order mark, or GB 18030 as Chinese spreadsheets save it.
    """
    return parse_csv(path, content(path), known, required)


def content(path: Path) -> bytes:
    """The whole file. Raises FileProblem when it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileProblem(f"{path}: the file cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise FileProblem(f"{path}: the file is larger than {MAX_BYTES // 1024 // 1024} MB; split it.")
    return data


def parse_csv(path: Path, data: bytes, known: Sequence[str], required: Sequence[str]) -> list[Row]:
    """The same from the file's bytes; `path` is for the sentences only."""
    try:
        table = list(enumerate(csv.reader(io.StringIO(_text(path, data), newline="")), start=1))
    except csv.Error as error:
        raise FileProblem(f"{path}: this is not a CSV table: {error}.") from None
    return rows_of(path, table, known, required)


def rows_of(
    path: Path, table: Sequence[tuple[int, Sequence[str]]], known: Sequence[str], required: Sequence[str]
) -> list[Row]:
    """The rows of a table whose first row names the columns. Raises FileProblem."""
    header = [name.strip().lower() for name in table[0][1]] if table else []
    while header and not header[-1]:
        header.pop()
    if not header:
        raise FileProblem(f"{path}: the file is empty, or its first row is.")
    _check_header(path, header, known, required)
    rows = []
    for number, cells in table[1:]:
        given = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        values = {name: given.get(name, "") for name in known}
        if any(cell.strip() for cell in cells[len(header) :]):
            values[_WRONG] = "the row has more cells than the header has columns (an unquoted comma?)"
        broken = next((name for name in header if given.get(name, "").startswith(BROKEN)), None)
        if broken is not None:
            values[_WRONG] = f"{broken} {given[broken][len(BROKEN) :]}"
        if any(values.values()):
            rows.append((number, values))
    if len(rows) > MAX_ROWS:
        raise FileProblem(f"{path}: the table has more than {MAX_ROWS} rows; split it.")
    return rows


def _check_header(path: Path, header: list[str], known: Sequence[str], required: Sequence[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FileProblem(f"{path}: the first row names columns twice: {', '.join(twice)}.")
    missing = [name for name in required if name not in header]
    if missing:
        raise FileProblem(f"{path}: the first row must name the columns; missing: {', '.join(missing)}.")
    unknown = [name for name in header if name not in known]
    if unknown:
        raise FileProblem(f"{path}: unknown columns: {', '.join(unknown)}; known are {', '.join(known)}.")


_WRONG = "\x00wrong"
BROKEN = "\x00"
"""How a cell begins that holds no text but a sentence about itself, said after the column's name."""


def _text(path: Path, data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise FileProblem(f"{path}: this is not a CSV text file (UTF-8 or GB 18030).")


def refuse_ragged(values: dict[str, str]) -> None:
    """Raise RowProblem for a row whose cells do not fit the header, or hold what is no text."""
    if _WRONG in values:
        raise RowProblem(values[_WRONG])


def refuse_long(values: dict[str, str]) -> None:
    """Raise RowProblem for a cell nobody typed."""
    for name, text in values.items():
        if len(text) > LONGEST_CELL:
            raise RowProblem(f"{name} has {len(text)} characters; {LONGEST_CELL} are the most")


def needed(values: dict[str, str], *names: str) -> None:
    """Raise RowProblem naming the empty cells among `names`."""
    empty = [name for name in names if not values[name]]
    if empty:
        raise RowProblem(f"{', '.join(empty)} must not be empty")


def yes_no(values: dict[str, str], name: str) -> bool:
    text = values[name].lower()
    if text in YES:
        return True
    if text in NO:
        return False
    raise RowProblem(f"{name} must be yes or no, not {values[name]!r}")


def moment(values: dict[str, str], name: str, zone: ZoneInfo) -> datetime:
    """An ISO 8601 time; without an offset it is in `zone`."""
    try:
        parsed = datetime.fromisoformat(values[name])
    except ValueError:
        raise RowProblem(f"{name} must be a time such as 2026-11-20T09:30, not {values[name]!r}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def day(values: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(values[name])
    except ValueError:
        raise RowProblem(f"{name} must be a date such as 1958-03-14, not {values[name]!r}") from None


def phone(values: dict[str, str], name: str, our_number: str | None) -> str:
    """A number as E.164; without a country code it is one of the country `our_number` belongs to."""
    region = phonenumbers.region_code_for_number(phonenumbers.parse(our_number)) if our_number else None
    try:
        return e164(values[name], region)
    except ValueError:
        raise RowProblem(f"{name} is not a telephone number with country code, such as +861055550100") from None


LONGEST_PIN = 12
"""More than anybody keys on a telephone without a slip; what comes after it would be cut off."""


def pin(values: dict[str, str], name: str = "pin") -> str:
    """Digits that can be keyed on a telephone, or nothing."""
    text = values[name]
    if text and not (text.isascii() and text.isdigit() and len(text) <= LONGEST_PIN):
        raise RowProblem(f"{name} must be up to {LONGEST_PIN} digits: anything else cannot be keyed on a telephone")
    return text


def one_of(values: dict[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    text = values[name] or default
    if text not in allowed:
        raise RowProblem(f"{name} must be one of {', '.join(allowed)}, not {text!r}")
    return text
