"""When automation runs out, somebody hears it tonight: the night target (a nurse station) is rung, and written to,
until a key is pressed there. The chain of doctors goes on all the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.db import RowLock, survives
from core.house import settings_of
from core.models import record
from dialer import attempt as attempts
from dialer import gate
from dialer.models import ALARM_OPEN, Attempt, Escalation
from dialer.offers import WAITING

AGAIN = timedelta(seconds=60)
RING_S = 40
_LOCK = RowLock(Escalation)


def call_in(session: Session, escalation: Escalation, now: datetime, why: str) -> None:
    """Call the night target in for this escalation (locked), once; from then on `due` rings until it acknowledges."""
    if escalation.night_at is not None:
        return
    escalation.night_at = now
    record(session, "escalation", escalation.id, "night target called in", now, why=why)
    if settings_of(session).hospital.night_target:
        escalation.night_step_at = now
        events.publish(session, events.NightCalledIn(escalation.id, settings_of(session).hospital.night_target), now)
    else:
        events.publish(session, events.WorkWanted("no_doctor", escalation.patient_id, escalation.id, why), now)


def due(session: Session, now: datetime, limit: int = 1) -> int:
    """Ring the night target where it has not acknowledged. Returns how many."""
    rows = session.scalars(
        sa.select(Escalation)
        .where(ALARM_OPEN, Escalation.night_step_at <= now)
        .order_by(Escalation.night_step_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    for escalation in rows:
        take_step(session, escalation, now)
    return len(rows)


def overdue(now: datetime, late: timedelta) -> sa.ColumnElement[bool]:
    """Late by so much that the tick cannot have seen it."""
    return Escalation.night_step_at <= now - late


def take_step(session: Session, escalation: Escalation, now: datetime) -> None:
    """The night target's timer of this escalation (locked) has run out."""
    escalation.night_step_at = now + AGAIN
    if escalation.status in WAITING:
        # one patient's row must not keep the nurse from hearing of the others
        ring = partial(_ring, session, escalation, now)
        survives(session, ring, "the night target could not be rung", escalation=str(escalation.id))


def _ring(session: Session, escalation: Escalation, now: datetime) -> None:
    hospital = settings_of(session).hospital
    placed = attempts.place(
        session,
        gate.Ring("night", hospital.night_target, escalation.id),
        flow="night",
        language=hospital.languages[0],
        brief={},
        ring_s=RING_S,
        now=now,
    )
    if isinstance(placed, gate.Refused):
        escalation.night_step_at = min(escalation.night_step_at or now + AGAIN, placed.again_at or now + AGAIN)
        return
    record(session, "escalation", escalation.id, "night target rung", now, attempt=str(placed.id))
    escalation.night_step_at = now + timedelta(seconds=RING_S) + AGAIN


def wants(session: Session, attempt: Attempt) -> bool:
    """Whether somebody who picks up at the night target now is still needed."""
    escalation = session.get(Escalation, attempt.subject_id) if attempt.subject_id else None
    return escalation is not None and escalation.status in WAITING


def on_acknowledged(session: Session, event: events.Acknowledged, now: datetime) -> None:
    attempt = session.get_one(Attempt, event.attempt_id)
    if attempt.kind != "night":
        return
    escalation = _LOCK(session, attempt.subject_id) if attempt.subject_id else None
    if escalation is not None and escalation.acknowledged_at is None:
        escalation.acknowledged_at = now
        escalation.night_step_at = None
        record(session, "escalation", escalation.id, "acknowledged", now, who="night target", attempt=str(attempt.id))
