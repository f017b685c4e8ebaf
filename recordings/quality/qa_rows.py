"""The final reviews of a month as rows of a table, and cells no spreadsheet takes for a formula."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import settings_of
from dialer.models import Agent
from recordings.quality import scorecard_rows
from recordings.review_models import Review

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class ReviewRow:
    """One final review, without anything of the patient's."""

    review: str
    day: date
    login: str
    kind: str
    part: str
    card: str
    points: float | None
    passed: bool | None
    failed_items: tuple[str, ...]
    na_share: float | None
    disputed: bool


def safe(value: object) -> object:
    """A text that no spreadsheet takes for a formula; a number stays one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def reviews(session: Session, first: date) -> list[ReviewRow]:
    zone = settings_of(session).hospital.timezone
    start = first.replace(day=1)
    after = (start + timedelta(days=32)).replace(day=1)
    rows = session.execute(
        sa.select(Review, Agent.login)
        .outerjoin(Agent, Agent.id == Review.agent_id)
        .where(
            Review.state == "final",
            Review.seat == 1,
            Review.happened_at >= datetime.combine(start, time.min, zone),
            Review.happened_at < datetime.combine(after, time.min, zone),
        )
        .order_by(Review.day, Agent.login, Review.id)
    ).all()
    cards = scorecard_rows.cards(session, {row.card_id for row, _ in rows})
    return [
        ReviewRow(
            str(row.id), row.day, login or "", row.subject_kind, row.part, cards[row.card_id].title, row.points,
            row.passed, tuple(row.failed_items), row.na_share, row.disputed_at is not None,
        )
        for row, login in rows
    ]  # fmt: skip
