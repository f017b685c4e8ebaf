"""`carecall import chats FILE`: a table with a row for each line of each chat, or JSON Lines with a chat in each line,
in the shape of the API (recordings.sampling.chat_shapes). A report per chat; each stands or falls alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy.orm import Session

from core import sheets, tables
from core.house import House
from core.tables import FileProblem, RowProblem, RowReport
from recordings.sampling import chats
from recordings.sampling.chat_shapes import ChatIn

OF_THE_CHAT: Final = (
    "channel", "agent", "mrn", "reason", "language", "satisfaction", "transfers", "complaint", "escalated",
)  # fmt: skip
COLUMNS: Final = ("external_id", "at", "who", "text", *OF_THE_CHAT)
REQUIRED: Final = ("external_id", "at", "who", "text", "channel")
MOST: Final = 100_000
WHO: Final = "import"

Given = tuple[int, dict[str, Any] | str]
"""Where it begins in the file, and a chat in the API's shape, not yet checked; or what is wrong with it."""


def import_chats(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """CSV, workbook (sheet "chats") or JSON Lines by the file's name. Raises FileProblem."""
    is_json = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
    given = _json_lines(path) if is_json else _table(path, house.settings.hospital.timezone)
    seen: set[str] = set()

    def row(session: Session, place: dict[str, str]) -> tuple[sheets.Result, str]:
        chat = _checked(given[int(place["at"])][1])
        try:
            (taken,) = chats.take(session, [chat], now, who=WHO)
        except chats.ChatProblem as problem:
            raise RowProblem(str(problem)) from problem
        again = chat.external_id in seen  # in a dry run nothing but this knows of the one before
        seen.add(chat.external_id)
        return ("unchanged" if again else taken.result), ""

    places = [(number, {"at": str(at)}) for at, (number, _) in enumerate(given)]
    return sheets.row_by_row(house, places, row, dry_run=dry_run)


def _checked(told: dict[str, Any] | str) -> ChatIn:
    if isinstance(told, str):
        raise RowProblem(told)
    try:
        return ChatIn.model_validate_json(json.dumps(told))
    except ValidationError as error:
        wrong = [
            (".".join(str(part) for part in one["loc"]), one["msg"].removeprefix("Value error, "))
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise RowProblem("; ".join(f"{where}: {what}" if where else what for where, what in wrong[:5])) from None


# ---- JSON Lines -----------------------------------------------------------------------------------------


def _json_lines(path: Path) -> list[Given]:
    try:
        text = tables.content(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileProblem(f"{path}: this is not a text file in UTF-8.") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise FileProblem(f"{path}: the file is empty.")
    if len(lines) > MOST:
        raise FileProblem(f"{path}: the file has more than {MOST} chats; split it.")
    return [(number, _one_line(line)) for number, line in lines]


def _one_line(line: str) -> dict[str, Any] | str:
    try:
        told = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return "this line is no JSON"
    return told if isinstance(told, dict) else "this line is no JSON object with a chat"


# ---- tables ---------------------------------------------------------------------------------------------


def _table(path: Path, zone: ZoneInfo) -> list[Given]:
    """Rows with the same external_id are one chat, in the order of the file."""
    of_chat: dict[str, list[tables.Row]] = {}
    for number, values in sheets.read_table(path, COLUMNS, REQUIRED, "chats"):
        of_chat.setdefault(values["external_id"], []).append((number, values))
    return [(rows[0][0], _of_rows(rows, zone)) for rows in of_chat.values()]


def _of_rows(rows: Sequence[tables.Row], zone: ZoneInfo) -> dict[str, Any] | str:
    try:
        told: dict[str, Any] = {"external_id": rows[0][1]["external_id"], "lines": []}
        for number, values in rows:
            try:
                told["lines"].append(_line(values, zone))
            except RowProblem as problem:
                raise RowProblem(f"row {number}: {problem}") from problem
        for name in OF_THE_CHAT:
            if text := _said_once(name, rows):
                told[name] = _value(name, text)
    except RowProblem as problem:
        return str(problem)
    return told


def _line(values: dict[str, str], zone: ZoneInfo) -> dict[str, str]:
    tables.refuse_ragged(values)
    tables.refuse_long({name: text for name, text in values.items() if name != "text"})
    tables.needed(values, "external_id", "at", "who", "text")
    return {"at": tables.moment(values, "at", zone).isoformat(), "who": values["who"], "text": values["text"]}


def _said_once(name: str, rows: Sequence[tables.Row]) -> str:
    """What is said of the whole chat stands in one of its rows, or is the same in all."""
    said = {values[name] for _, values in rows if values[name]}
    if len(said) > 1:
        raise RowProblem(f"{name} is not the same in all rows of this chat")
    return said.pop() if said else ""


def _value(name: str, text: str) -> object:
    if name in ("satisfaction", "transfers"):
        if not (text.isascii() and text.isdigit() and len(text) < 5):
            raise RowProblem(f"{name} must be a whole number, not {text!r}")
        return int(text)
    return tables.yes_no({name: text}, name) if name in ("complaint", "escalated") else text
