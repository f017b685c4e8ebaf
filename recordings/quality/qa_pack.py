"""The monthly pack: an XLSX workbook with tables and real charts, made with openpyxl. No patient's data."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import settings_of
from recordings.models import FindingRow, Recording
from recordings.quality import agreement, kappa, qa_figures, qa_words, scorecard_rows
from recordings.quality.qa_pack_words import ABOUT, HEADS, REVIEWED, SHEETS, TITLES, code
from recordings.quality.qa_rows import ReviewRow, safe
from recordings.quality.qa_shapes import AgentMonth, ItemAgreement
from recordings.review_models import CoachingTask, Review

PATIENTS: Final = "red_flag"
"""Hits on what patients said: not the agents'."""


def book(session: Session, first: date, language: str, reviews: Sequence[ReviewRow]) -> bytes:
    """The workbook of the month that begins on `first`, in `language`."""
    import openpyxl  # here: a quarter of a second that nothing else needs

    zone = settings_of(session).hospital.timezone
    since = datetime.combine(first, time.min, zone)
    until = datetime.combine((first + timedelta(days=32)).replace(day=1), time.min, zone)
    months = qa_figures.month(session, first)
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    sheets = {key: made.create_sheet(words[language]) for key, words in SHEETS.items()}
    _about(session, sheets["about"], first, language, since, until)
    _agents(sheets["agents"], months, language)
    _dimensions(session, sheets["dimensions"], months, language)
    _findings(sheets["findings"], _weeks(session, since, until, zone), language)
    _agreement(sheets["agreement"], agreement.report(session, since, until), language)
    _reviews(sheets["reviews"], reviews, language)
    _coaching(session, sheets["coaching"], since, until, language)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


# ---- sheets -------------------------------------------------------------------------------------------------


def _about(session: Session, sheet: Any, first: date, language: str, since: datetime, until: datetime) -> None:
    alias = settings_of(session).hospital.spoken_alias(language)
    _put(sheet, [TITLES["pack"][language].format(alias=alias, month=f"{first:%Y-%m}")])
    counted: Counter[str] = Counter(
        dict(
            session.execute(
                sa.select(
                    sa.case(
                        (Review.seat == 2, "second"),
                        (Review.state.in_(("final", "dropped")), Review.state),
                        else_="pending",
                    ),
                    sa.func.count(),
                )
                .where(Review.happened_at >= since, Review.happened_at < until)
                .group_by(sa.text("1"))
            ).all()
        )
    )
    for key, words in REVIEWED.items():
        _put(sheet, [words[language], counted[key]])
    for about in (*ABOUT, qa_words.DAY_IS_NOISE):
        _put(sheet, [about[language]])
    sheet.column_dimensions["A"].width = 60


def _agents(sheet: Any, months: Sequence[AgentMonth], language: str) -> None:
    heads = (
        "login", "name", "calls", "points", "points_low", "points_high", "down", "up", "method", "passed", "passed_low",
        "passed_high", "fails", "na_share", "watched", "watched_fails", "disputes", "overturned", "talks", "volume",
        "veto", "lowest_twice", "note",
    )  # fmt: skip
    _heads(sheet, heads, language)
    for line in months:
        points, passed = line.points, line.passed
        down = up = 0.0
        if points.value is not None and points.low is not None and points.high is not None:
            down, up = points.value - points.low, points.high - points.value
        note = qa_words.note(language, points.note, points.n)
        _put(
            sheet,
            [
                line.login, line.name, points.n, _round(points.value), _round(points.low), _round(points.high),
                _round(down), _round(up), code(language, points.method), _round(passed.value, 3),
                _round(passed.low, 3), _round(passed.high, 3), line.fails, _round(line.na_share, 3), line.watched,
                line.watched_fails, line.disputes, line.overturned, line.talks, line.volume,
                code(language, line.veto), code(language, "yes" if line.lowest_twice else "no"), note,
            ],
        )  # fmt: skip
    if months:
        chart = _bars(sheet, 4, 4, len(months), TITLES["points"][language], TITLES["points_axis"][language])
        _error_bars(chart, sheet, len(months), up=8, down=7)
        chart.y_axis.scaling.min, chart.y_axis.scaling.max = 0, 100
        sheet.add_chart(chart, f"A{len(months) + 4}")


def _dimensions(session: Session, sheet: Any, months: Sequence[AgentMonth], language: str) -> None:
    keys = sorted({key for line in months for key in line.dimensions})
    names = _names(session, language)
    _put(sheet, [HEADS["login"][language], *(names.get(key, key) for key in keys)])
    for line in months:
        _put(
            sheet,
            [line.login, *(_round(line.dimensions[key].value) if key in line.dimensions else None for key in keys)],
        )
    if months and keys:
        chart = _bars(
            sheet, 2, len(keys) + 1, len(months), TITLES["dimensions"][language], TITLES["points_axis"][language]
        )
        chart.y_axis.scaling.min, chart.y_axis.scaling.max = 0, 100
        sheet.add_chart(chart, f"A{len(months) + 4}")


def _names(session: Session, language: str) -> dict[str, str]:
    """Of dimensions, as the newest card that has them says."""
    ids = session.scalars(sa.select(Review.card_id).distinct()).all()
    cards = sorted(scorecard_rows.cards(session, ids).values(), key=lambda card: card.version)
    return {part.key: part.name[language] for card in cards for part in card.dimensions}


def _weeks(session: Session, since: datetime, until: datetime, zone: ZoneInfo) -> dict[date, Counter[str]]:
    """{Monday: hits on the agents' side by category}, also of weeks without any."""
    monday = sa.cast(sa.func.date_trunc("week", sa.func.timezone(zone.key, Recording.announced_at)), sa.Date).label(
        "monday"
    )
    found: dict[date, Counter[str]] = {}
    day = since.date()
    while day < until.date():
        found[day - timedelta(days=day.weekday())] = Counter()
        day += timedelta(days=1)
    for week, category, count in session.execute(
        sa.select(monday, FindingRow.category, sa.func.count())
        .join(Recording, Recording.id == FindingRow.recording_id)
        .where(
            Recording.announced_at >= since,
            Recording.announced_at < until,
            FindingRow.speaker.in_(("line", "both")),
            FindingRow.category != PATIENTS,
        )
        .group_by(monday, FindingRow.category)
    ):
        found[week][category] = count
    return found


def _findings(sheet: Any, weeks: Mapping[date, Counter[str]], language: str) -> None:
    categories = sorted({category for counts in weeks.values() for category in counts})
    _put(sheet, [HEADS["week"][language], *(code(language, category) for category in categories)])
    for week, counts in sorted(weeks.items()):
        _put(sheet, [week.isoformat(), *(counts[category] for category in categories)])
    if categories:
        chart = _bars(
            sheet, 2, len(categories) + 1, len(weeks), TITLES["findings"][language], TITLES["hits_axis"][language]
        )
        chart.grouping, chart.overlap = "stacked", 100
        sheet.add_chart(chart, f"A{len(weeks) + 4}")


def _agreement(sheet: Any, lines: Sequence[ItemAgreement], language: str) -> None:
    _heads(sheet, ("item", "text", "pairs", "agreed", "kappa", "gate"), language)
    for line in lines:
        gate = qa_words.gate(language, line.gate, kappa.LEAST)
        _put(sheet, [line.item, line.text[language], line.n, _round(line.agreed, 3), _round(line.kappa, 3), gate])
    if lines:
        chart = _bars(sheet, 5, 5, len(lines), TITLES["agreement"][language], HEADS["kappa"][language])
        sheet.add_chart(chart, f"A{len(lines) + 4}")


def _reviews(sheet: Any, rows: Sequence[ReviewRow], language: str) -> None:
    heads = (
        "review", "day", "login", "kind", "part", "card", "points", "is_passed", "failed_items", "na_share",
        "was_disputed",
    )  # fmt: skip
    _heads(sheet, heads, language)
    for row in rows:
        passed = "" if row.passed is None else code(language, "yes" if row.passed else "no")
        _put(
            sheet,
            [
                row.review, row.day.isoformat(), row.login, code(language, row.kind), code(language, row.part),
                row.card, row.points, passed, " ".join(row.failed_items), _round(row.na_share, 3),
                code(language, "yes" if row.disputed else "no"),
            ],
        )  # fmt: skip


def _coaching(session: Session, sheet: Any, since: datetime, until: datetime, language: str) -> None:
    _heads(sheet, ("cause", "state", "count"), language)
    for cause, state, count in session.execute(
        sa.select(CoachingTask.cause, CoachingTask.state, sa.func.count())
        .where(CoachingTask.opened_at >= since, CoachingTask.opened_at < until)
        .group_by(CoachingTask.cause, CoachingTask.state)
        .order_by(CoachingTask.cause, CoachingTask.state)
    ):
        _put(sheet, [code(language, cause), qa_words.state(language, state), count])


# ---- cells and charts ---------------------------------------------------------------------------------------


def _heads(sheet: Any, heads: Sequence[str], language: str) -> None:
    _put(sheet, [HEADS[head][language] for head in heads])
    sheet.freeze_panes = "A2"


def _put(sheet: Any, values: Sequence[Any]) -> None:
    """A row; texts as texts, whatever they begin with, and without characters a workbook cannot hold."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

    cells = []
    for value in values:
        text = isinstance(value, str)
        cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", str(safe(value))) if text else value)
        if text:
            cell.data_type = "s"
        cells.append(cell)
    sheet.append(cells)


def _bars(sheet: Any, from_column: int, to_column: int, rows: int, title: str, axis: str) -> Any:
    """Columns over the names in column A; the first row has the series' names."""
    from openpyxl.chart import BarChart, Reference

    chart = BarChart()
    chart.title, chart.y_axis.title = title, axis
    data = Reference(sheet, min_col=from_column, max_col=to_column, min_row=1, max_row=rows + 1)
    chart.add_data(data, titles_from_data=True)
    chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=rows + 1))
    # openpyxl leaves this open, and newer Excel then draws no axis
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.width, chart.height = 24, 11
    if from_column == to_column:
        chart.legend = None
    return chart


def _error_bars(chart: Any, sheet: Any, rows: int, *, up: int, down: int) -> None:
    from openpyxl.chart import Reference
    from openpyxl.chart.data_source import NumDataSource, NumRef
    from openpyxl.chart.error_bar import ErrorBars

    def source(column: int) -> Any:
        cells = Reference(sheet, min_col=column, min_row=2, max_row=rows + 1)
        return NumDataSource(numRef=NumRef(f=str(cells)))

    chart.series[0].errBars = ErrorBars(errBarType="both", errValType="cust", plus=source(up), minus=source(down))


def _round(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
