"""How far two raters agree, item by item, and what an item may be used for (docs/clinical.md section 4)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from recordings.quality import kappa, scorecard_rows
from recordings.quality.qa_shapes import ItemAgreement
from recordings.quality.review_machine import COUNTED
from recordings.quality.scorecards import Item
from recordings.review_models import Review, ReviewMark

ORDER: Final = ("no", "na", "yes")
"""Marks in their order: a "yes" against a "no" counts as twice as far apart as either against "not applicable"."""


def report(session: Session, since: datetime, until: datetime | None = None) -> list[ItemAgreement]:
    """Of all calls and chats two people have rated, by the time of the later submission. The raters' own marks, and
    not what a dispute made of them. Items of one name are one item, whichever card; its words are the newest card's."""
    pairs, cards = _pairs(session, since, until)
    known: dict[str, Item] = {}
    for card in sorted(scorecard_rows.cards(session, cards).values(), key=lambda one: (one.key, one.version)):
        known.update(card.items)
    lines = []
    for key, item in known.items():
        found = kappa.agreement(pairs.get(key, []), ORDER, "linear")
        lines.append(
            ItemAgreement(
                item=key,
                text=item.text,
                fails=item.fails,
                n=found.n,
                agreed=None if found.agreed is None else float(found.agreed),
                kappa=None if found.kappa is None else float(found.kappa),
                gate="measured" if item.hidden else kappa.gate(found, fails=item.fails),
            )
        )
    return lines


def _pairs(
    session: Session, since: datetime, until: datetime | None
) -> tuple[dict[str, list[tuple[str, str]]], set[uuid.UUID]]:
    first, second = aliased(Review), aliased(Review)
    one, other = aliased(ReviewMark), aliased(ReviewMark)
    query = (
        sa.select(one.item, one.value, other.value, first.card_id)
        .join(first, first.id == one.review_id)
        .join(
            second,
            sa.and_(
                second.subject_kind == first.subject_kind,
                second.subject_id == first.subject_id,
                second.part == first.part,
                second.seat == 2,
            ),
        )
        .join(other, sa.and_(other.review_id == second.id, other.item == one.item, other.settled.is_(False)))
        .where(
            first.seat == 1,
            one.settled.is_(False),
            first.state.in_(COUNTED),
            second.state.in_(COUNTED),
            sa.func.greatest(first.submitted_at, second.submitted_at) >= since,
        )
        .order_by(one.item, first.id)
    )
    if until is not None:
        query = query.where(sa.func.greatest(first.submitted_at, second.submitted_at) < until)
    pairs: dict[str, list[tuple[str, str]]] = {}
    cards: set[uuid.UUID] = set()
    for item, mine, theirs, card_id in session.execute(query):
        pairs.setdefault(item, []).append((mine, theirs))
        cards.add(card_id)
    return pairs, cards
