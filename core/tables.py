"""Files people hand us: CSV in, rows of text out, problems in the words of the person who made the file."""

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
YES = frozenset({"yes", "y", "true", "1", "是", "有"})
NO = frozenset({"no", "n", "false", "0", "否", "无", ""})


class FileProblem(Exception):
    """The whole file cannot be read; nothing was imported. `str()` is one sentence."""


class RowProblem(Exception):
    """One row cannot be used; it is left out and reported."""


@dataclass(frozen=True)
class RowReport:
    row: int
    """Line number as a spreadsheet shows it: the header is 1."""
    result: Literal["created", "updated", "unchanged", "refused"]
    detail: str = ""


def read_csv(path: Path, known: Sequence[str], required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows as (spreadsheet row, {column: stripped text}); every known column present. Raises FileProblem.

    UTF-8 with or without a byte-order mark, or GB 18030 as Chinese spreadsheets save it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileProblem(f"{path}: the file cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise FileProblem(f"{path}: the file is larger than {MAX_BYTES // 1024 // 1024} MB; split it.")
    try:
        table = list(enumerate(csv.reader(io.StringIO(_text(path, data), newline="")), start=1))
    except csv.Error as error:
        raise FileProblem(f"{path}: this is not a CSV table: {error}.") from None
    if not table or not any(table[0][1]):
        raise FileProblem(f"{path}: the file is empty, or its first row is.")
    columns = [name.strip().lower() for name in table[0][1]]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise FileProblem(f"{path}: the first row names columns twice: {', '.join(twice)}.")
    missing = [name for name in required if name not in columns]
    if missing:
        raise FileProblem(f"{path}: the first row must name the columns; missing: {', '.join(missing)}.")
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise FileProblem(f"{path}: unknown columns: {', '.join(unknown)}; known are {', '.join(known)}.")
    rows = []
    for number, cells in table[1:]:
        given = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        values = {name: given.get(name, "") for name in known}
        if any(cell.strip() for cell in cells[len(columns) :]):
            values[_EXTRA] = "too many"
        if any(values.values()):
            rows.append((number, values))
    return rows


_EXTRA = "\x00more"


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
    if _EXTRA in values:
        raise RowProblem("the row has more cells than the header has columns (an unquoted comma?)")


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


def one_of(values: dict[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    text = values[name] or default
    if text not in allowed:
        raise RowProblem(f"{name} must be one of {', '.join(allowed)}, not {text!r}")
    return text
