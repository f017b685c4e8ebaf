"""Scorecards in the database: kept as they were when first used, and from which day on each is used."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.models import new_id, record
from recordings.quality import scorecards
from recordings.quality.scorecards import Card, ScorecardError
from recordings.review_models import ScorecardRow, ScorecardUse

FIRST: Final = "A"
"""The card of a hospital that has chosen none."""


def store(session: Session, card: Card, now: datetime) -> ScorecardRow:
    """The row of this card. Raises ScorecardError when a used card of this key and version said something else."""
    db.lock(session, f"scorecard {card.title}")
    found = session.scalar(
        sa.select(ScorecardRow).where(ScorecardRow.key == card.key, ScorecardRow.version == card.version)
    )
    if found is not None:
        if found.body != dict(card.body):
            raise ScorecardError(
                [
                    f"{card.title} was used with other words or weights, and old reviews show it as it was: give the"
                    f" changed card version {card.version + 1}."
                ]
            )
        return found
    row = ScorecardRow(id=new_id(), key=card.key, version=card.version, body=dict(card.body), stored_at=now)
    session.add(row)
    session.flush()
    record(session, "scorecard", row.id, "stored", now, card=card.title)
    return row


def use(session: Session, card: Card, from_day: date, today: date, by: str, now: datetime) -> ScorecardRow:
    """From `from_day` on calls are reviewed with `card`. Raises ScorecardError: a day that has begun may be reviewed
    already, and nobody changes what it is judged by."""
    if from_day < today:
        raise ScorecardError([f"{from_day} has passed: a card is used from {today} on or from a later day."])
    if from_day < card.valid_from:
        raise ScorecardError([f"{card.title} says from {card.valid_from}: it cannot be used from {from_day} on."])
    row = store(session, card, now)
    session.add(ScorecardUse(card_id=row.id, from_day=from_day, by=by, at=now))
    session.flush()
    record(session, "scorecard", row.id, "used", now, who=by, card=card.title, since=from_day.isoformat())
    return row


def in_force(session: Session, day: date, now: datetime, folder: Path | None = None) -> tuple[ScorecardRow, Card]:
    """The card calls of `day` are reviewed with: the last one put into use for that day or before; before any was,
    the newest version of preset A that begins by then. Raises ScorecardError."""
    row = session.scalar(
        sa.select(ScorecardRow)
        .join(ScorecardUse, ScorecardUse.card_id == ScorecardRow.id)
        .where(ScorecardUse.from_day <= day)
        .order_by(ScorecardUse.from_day.desc(), ScorecardUse.id.desc())
        .limit(1)
    )
    if row is not None:
        return row, as_card(row)
    place = folder or scorecards.FOLDER
    fit = [card for card in scorecards.folder(place) if card.key == FIRST and card.valid_from <= day]
    if not fit:
        raise ScorecardError([f"{place}: there is no card {FIRST} for {day}, and none was put into use."])
    card = max(fit, key=lambda one: one.version)
    return store(session, card, now), card


def as_card(row: ScorecardRow) -> Card:
    return scorecards.card(row.body, f"{row.key}-{row.version} in the database")


def cards(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Card]:
    rows = session.scalars(sa.select(ScorecardRow).where(ScorecardRow.id.in_(ids)))
    return {row.id: as_card(row) for row in rows}


def uses(session: Session) -> list[tuple[date, str, str, datetime]]:
    """(from day, card, by whom, when it was said), newest day first."""
    rows = session.execute(
        sa.select(ScorecardUse.from_day, ScorecardRow.key, ScorecardRow.version, ScorecardUse.by, ScorecardUse.at)
        .join(ScorecardRow, ScorecardRow.id == ScorecardUse.card_id)
        .order_by(ScorecardUse.from_day.desc(), ScorecardUse.id.desc())
    )
    return [(day, f"{key}-{version}", by, at) for day, key, version, by, at in rows]
