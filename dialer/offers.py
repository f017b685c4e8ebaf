"""Which patient a doctor on the phone is asked about. Only writer of an offer's decision.

One call may bring a doctor several patients, one after the other: whoever rings him, he is offered first the one with
the highest score, then the one who waits longest, each on a clock of its own (docs/design.md section 5).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import record
from dialer.models import ALARM_OPEN, Attempt, Escalation, Offer, Shift

WAITING = ("open", "ringing", "overdue")
"""Escalations nobody has taken."""
FLAG_COUNTS_AS = 10
"""A warning sign of level A or B stands as high as the highest score."""


def begin(session: Session, attempt: Attempt, now: datetime) -> Offer | None:
    """Offer the doctor on this ring (locked) the most urgent patient he has not been asked about in this call. None if
    nobody waits for him, or he has one already."""
    waiting = [] if _has_one(session, attempt) else _waiting_for(session, attempt)
    if not waiting:
        return None
    first = min(waiting, key=_urgency)
    offer = Offer(escalation_id=first.id, attempt_id=attempt.id, offered_at=now)
    session.add(offer)
    session.flush()
    record(session, "escalation", first.id, "offered", now, attempt=str(attempt.id))
    return offer


def _has_one(session: Session, attempt: Attempt) -> bool:
    """Whether he has taken somebody who is not helped yet: two at once would leave one of them waiting unseen."""
    return bool(session.scalar(_HAS_ONE, {"attempt_id": attempt.id}))


_HAS_ONE = sa.select(sa.exists().where(ALARM_OPEN, Escalation.owner_attempt_id == sa.bindparam("attempt_id")))


def others_wait(session: Session, attempt: Attempt) -> bool:
    """Whether `begin` would find somebody."""
    return bool(_waiting_for(session, attempt))


def _urgency(escalation: Escalation) -> tuple[int, datetime, uuid.UUID]:
    score = FLAG_COUNTS_AS if escalation.flags else escalation.score or 0
    return (-score, escalation.keyed_at, escalation.id)


def _waiting_for(session: Session, attempt: Attempt) -> list[Escalation]:
    """Patients nobody has taken, in whose chain this doctor stands, and of whom he was not asked in this call."""
    open_ones = session.scalars(
        sa.select(Escalation).where(
            ALARM_OPEN, Escalation.status.in_(WAITING), Escalation.id.not_in(asked_in(attempt.id))
        )
    ).all()
    his = _shifts_of(session, attempt)
    return [
        waiting
        for waiting in open_ones
        if waiting.id == attempt.subject_id or any(step["shift"] in his for step in waiting.chain)
    ]


def _shifts_of(session: Session, attempt: Attempt) -> set[str]:
    """Every shift of the doctor who is rung: in another department's chain he may stand by another of his shifts."""
    shift = session.get(Shift, attempt.shift_id) if attempt.shift_id else None
    if shift is None:
        return set()
    same = sa.select(Shift.id).where(Shift.doctor_index == shift.doctor_index, Shift.ends_at > attempt.created_at)
    return {str(shift_id) for shift_id in session.scalars(same)}


def current(session: Session, attempt_id: uuid.UUID) -> Offer | None:
    """The patient the doctor on this ring was asked about last."""
    return session.scalar(sa.select(Offer).where(Offer.attempt_id == attempt_id).order_by(Offer.id.desc()).limit(1))


def decide(offer: Offer, decision: str, now: datetime) -> bool:
    """Keep what he decided; the first decision stands, but an acceptance without the PIN. False: there was one."""
    if offer.decision is not None and not (offer.decision == "accepted" and decision == "no_pin"):
        return False
    offer.decision, offer.decided_at = decision, now
    return True


PASSED_ON = ("declined", "no_pin")
"""Decisions after which a doctor is left alone for the rest of the round."""


def leave(session: Session, attempt_id: uuid.UUID, now: datetime) -> None:
    """The doctor's call is over: what he was asked and did not answer is no answer."""
    session.execute(
        sa.update(Offer)
        .where(Offer.attempt_id == attempt_id, Offer.decision.is_(None))
        .values(decision="no_key", decided_at=now)
    )


def asked_in(attempt_id: uuid.UUID) -> sa.Select[uuid.UUID]:
    """The patients the doctor was offered on this ring."""
    return sa.select(Offer.escalation_id).where(Offer.attempt_id == attempt_id)


def busy_with_others(session: Session, rings: Sequence[uuid.UUID], escalation_id: uuid.UUID) -> set[uuid.UUID]:
    """Those of these rings whose doctor listens to, or has taken, another patient than this."""
    last = sa.select(sa.func.max(Offer.id)).where(Offer.attempt_id.in_(rings)).group_by(Offer.attempt_id)
    rows = session.execute(
        sa.select(Offer.attempt_id).where(
            Offer.id.in_(last),
            Offer.escalation_id != escalation_id,
            Offer.decision.is_(None) | (Offer.decision == "accepted"),
        )
    )
    return {attempt_id for (attempt_id,) in rows}


def decisions_on(session: Session, escalation_id: uuid.UUID, since: datetime) -> dict[uuid.UUID, str | None]:
    """By ring, what became of this patient's offers since then; None while a doctor listens."""
    rows = session.execute(
        sa.select(Offer.attempt_id, Offer.decision)
        .where(Offer.escalation_id == escalation_id, Offer.offered_at >= since)
        .order_by(Offer.id)
    )
    return {row.attempt_id: row.decision for row in rows}
