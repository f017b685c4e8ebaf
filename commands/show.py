"""Rows on a terminal, or as JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo


def rows_out(rows: Sequence[dict[str, Any]], *, as_json: bool, zone: ZoneInfo | None = None) -> None:
    """Print rows as a table, or as a JSON list (times in ISO 8601); times as clocks in `zone` show them."""
    if zone is not None:
        rows = [{key: _in_zone(value, zone) for key, value in row.items()} for row in rows]
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, default=_plain, indent=1))
        return
    if not rows:
        print("(none)")
        return
    for line in table(rows):
        print(line)


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    heads = list(rows[0])
    cells = [[_text(row.get(head)) for head in heads] for row in rows]
    widths = [max(_width(head), *(_width(line[i]) for line in cells)) for i, head in enumerate(heads)]
    ruled = [heads, ["-" * width for width in widths], *cells]
    return [
        "  ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in ruled
    ]


def _in_zone(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone) if isinstance(value, datetime) else value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
