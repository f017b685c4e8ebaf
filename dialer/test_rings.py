"""Test rings: does this number reach somebody who presses a key? Asked for by `carecall roster test`.

A row is a wish until its ring is placed: what the gate holds back (no line, an alarm, another ring at this number) is
tried again by a tick for GIVE_UP, and is then written down as refused. An alarm ends every test at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core import events, people
from core.models import new_id, record
from dialer import attempt as attempts
from dialer import gate
from dialer.models import LIVE_ATTEMPT, Attempt, Refusal, TestRing

FLOW = "test_ring"
RING_S = 30
GIVE_UP = timedelta(minutes=30)
ENDED: dict[str, str] = {
    # how the ring ended (dialer.machine.OUTCOMES): what that says when nobody pressed the key
    "answered": "no_key",
    "no_answer": "no_answer",
    "busy": "busy",
    "failed_now": "failed",
    "failed_for_good": "failed",
    "not_placed": "refused",
    "cancelled": "refused",
}
GOOD = "confirmed"


def ask(session: Session, to: str, language: str, who: str, now: datetime) -> TestRing:
    """Ring this number as soon as a line is free; one test ring at a time for each number."""
    under_way = session.scalar(
        sa.select(TestRing).where(TestRing.phone_index == people.phone_index(to), TestRing.result.is_(None))
    )
    if under_way is not None:
        return under_way
    wish = TestRing(
        id=new_id(), phone=to, phone_index=people.phone_index(to), language=language, asked_by=who, asked_at=now
    )
    session.add(wish)
    session.flush()
    record(session, "test_ring", wish.id, "asked for", now, who=who)
    _place(session, wish, now)
    return wish


def due(session: Session, now: datetime, limit: int = 20) -> int:
    """The tick: wishes that are not rung yet. Returns how many were looked at."""
    wishes = session.scalars(
        sa.select(TestRing)
        .where(TestRing.result.is_(None), TestRing.attempt_id.is_(None))
        .order_by(TestRing.asked_at, TestRing.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for wish in wishes:
        _place(session, wish, now)
    return len(wishes)


def _place(session: Session, wish: TestRing, now: datetime) -> None:
    placed = attempts.place(
        session,
        gate.Ring("test", wish.phone, wish.id, deadline_at=wish.asked_at + GIVE_UP),
        flow=FLOW,
        language=wish.language,
        brief={},
        ring_s=RING_S,
        now=now,
    )
    if isinstance(placed, Attempt):
        wish.attempt_id = placed.id
    elif placed.again_at is None or now >= wish.asked_at + GIVE_UP:
        _settle(session, wish, "refused", now, why=placed.reason)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    wish = _of(session, event.attempt_id) if event.kind == "test" else None
    if wish is not None:
        _settle(session, wish, ENDED[event.outcome], now)


def on_escalation_opened(session: Session, event: events.EscalationOpened, now: datetime) -> None:
    """A patient waits for a doctor: the doctors' telephones are free for that, at once."""
    under_way = sa.select(Attempt.id).where(Attempt.kind == "test", Attempt.status.in_(LIVE_ATTEMPT))
    for attempt_id in session.scalars(under_way):
        attempts.take_back(session, attempt_id)


def on_test_confirmed(session: Session, event: events.TestConfirmed, now: datetime) -> None:
    wish = _of(session, event.attempt_id)
    if wish is not None:
        _settle(session, wish, GOOD, now)


def last_results(session: Session, numbers: set[str]) -> dict[str, TestRing]:
    """The last test ring that is over, by number (E.164); a number that was never tested is missing."""
    by_index = {people.phone_index(number): number for number in numbers}
    rows = session.scalars(
        sa.select(TestRing)
        .where(TestRing.phone_index.in_(by_index), TestRing.result.is_not(None))
        .ext(distinct_on(TestRing.phone_index))
        .order_by(TestRing.phone_index, TestRing.asked_at.desc(), TestRing.id)
    )
    return {by_index[row.phone_index]: row for row in rows}


def refusals(session: Session, wishes: Sequence[uuid.UUID]) -> Sequence[Refusal]:
    """What held these back, or holds them back, in the order it was said."""
    rows = sa.select(Refusal).where(Refusal.kind == "test", Refusal.subject_id.in_(wishes)).order_by(Refusal.id)
    return session.scalars(rows).all()


def _of(session: Session, attempt_id: uuid.UUID) -> TestRing | None:
    attempt = session.get(Attempt, attempt_id)
    if attempt is None or attempt.subject_id is None:
        return None
    return session.get(TestRing, attempt.subject_id, with_for_update=True, populate_existing=True)


def _settle(session: Session, wish: TestRing, result: str, now: datetime, why: str = "") -> None:
    """Its only writer. The first word counts: a confirmed ring ends as an answered one."""
    if wish.result is not None:
        return
    wish.result, wish.ended_at = result, now
    record(session, "test_ring", wish.id, result, now, why=why)
