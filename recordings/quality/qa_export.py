"""What a QA lead takes away: agent-months and reviews as CSV; the monthly pack is recordings.quality.qa_pack.

No patient's data: agents, points, codes, and the ids of our own reviews. A cell that begins like a formula is written
as text.
"""

from __future__ import annotations

import csv as tables
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy.orm import Session

from recordings.quality import qa_figures, qa_pack, qa_words
from recordings.quality.qa_pack_words import both, code
from recordings.quality.qa_rows import ReviewRow, reviews, safe
from recordings.quality.qa_shapes import AgentMonth


def csv(session: Session, first: date) -> str:
    """The agent-months of the month `first` is in; heads in both languages, a byte-order mark for spreadsheets."""
    return _table(_agent_cells(line) for line in qa_figures.month(session, first)) or _empty(AGENT_HEADS)


def reviews_csv(session: Session, first: date) -> str:
    """Every final review of the month's calls and chats."""
    return _table(_review_cells(row) for row in reviews(session, first)) or _empty(REVIEW_HEADS)


def month_pack(session: Session, first: date, language: str) -> bytes:
    """The XLSX workbook with charts."""
    return qa_pack.book(session, first.replace(day=1), language, reviews(session, first))


AGENT_HEADS: Final = (
    "login", "name", "month", "calls", "points", "points_low", "points_high", "method", "passed", "passed_low",
    "passed_high", "fails", "na_share", "watched", "watched_fails", "disputes", "overturned", "talks", "volume", "veto",
    "lowest_twice", "note",
)  # fmt: skip
REVIEW_HEADS: Final = (
    "review", "day", "login", "kind", "part", "card", "points", "is_passed", "failed_items", "na_share", "was_disputed",
)  # fmt: skip


def _agent_cells(line: AgentMonth) -> Mapping[str, object]:
    points, passed = line.points, line.passed
    note = " / ".join(qa_words.note(language, points.note, points.n) for language in ("zh-CN", "en") if points.note)
    values = (
        line.login, line.name, f"{line.month:%Y-%m}", points.n, _digits(points.value, 1), _digits(points.low, 1),
        _digits(points.high, 1), points.method, _digits(passed.value, 3), _digits(passed.low, 3),
        _digits(passed.high, 3), line.fails, _digits(line.na_share, 3), line.watched, line.watched_fails,
        line.disputes, line.overturned, line.talks, line.volume, _both(line.veto), _yes(line.lowest_twice), note,
    )  # fmt: skip
    return dict(zip(AGENT_HEADS, values, strict=True))


def _review_cells(row: ReviewRow) -> Mapping[str, object]:
    values = (
        row.review, row.day.isoformat(), row.login, row.kind, row.part, row.card, row.points, _yes(row.passed),
        " ".join(row.failed_items), _digits(row.na_share, 3), _yes(row.disputed),
    )  # fmt: skip
    return dict(zip(REVIEW_HEADS, values, strict=True))


def _table(rows: Iterable[Mapping[str, object]]) -> str:
    out = io.StringIO()
    writer: Any = None
    for row in rows:
        if writer is None:
            writer = tables.writer(out)
            out.write("\ufeff")
            writer.writerow([both(head) for head in row])
        writer.writerow([safe("" if value is None else value) for value in row.values()])
    return out.getvalue()


def _empty(heads: Sequence[str]) -> str:
    out = io.StringIO("\ufeff")
    out.seek(0, io.SEEK_END)
    tables.writer(out).writerow([both(head) for head in heads])
    return out.getvalue()


def _digits(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _both(name: str) -> str:
    return f"{code('zh-CN', name)} {code('en', name)}" if name else ""


def _yes(value: bool | None) -> str:
    return "" if value is None else f"{code('zh-CN', 'yes' if value else 'no')} {'yes' if value else 'no'}"
