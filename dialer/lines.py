"""Telephone lines and pace: how many are busy, who may have the next one, when the next POST may leave.

A placed call is one line from its POST to its end, a Dial leg one more, and inbound calls count. The
escalation lane may use every line; the routine lane only what leaves `lines_reserved` free, so that a doctor
and a patient can always be joined (docs/design.md section 4).

The pace has two halves. A routine ring gets a place in the pace when it is placed: one every 1/calls_per_second,
at most HORIZON ahead, so that rings leave evenly. Just before each POST, of either lane and on any worker, the
POSTs of the last second are counted once more: above the limit nothing leaves, whatever delayed the ones before.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from core.db import AwareDateTime, lock
from core.house import settings_of
from core.settings import Settings
from dialer.models import ATTEMPT_LIVES, CALL_LIVES, Attempt, Call, Pace

HORIZON = timedelta(seconds=1)
"""How far ahead a place in the pace is given away: until the timetable looks again, with room."""
JITTER = timedelta(milliseconds=80)
"""What may pass between the count and the moment the request reaches the carrier."""
YIELD = timedelta(milliseconds=250)
"""How long a routine POST, or one at an agent, stands back while an escalation waits for its own."""


def hold_the_count(session: Session) -> None:
    """Nobody else counts or takes a line until this transaction ends: a count that is acted on stays true."""
    lock(session, "lines")


IN_USE = (
    sa.select(sa.func.count())
    .select_from(Attempt)
    .where(ATTEMPT_LIVES, Attempt.id.is_distinct_from(sa.bindparam("besides")))
    .scalar_subquery()
    + sa.select(sa.func.count()).select_from(Call).where(CALL_LIVES, Call.attempt_id.is_(None)).scalar_subquery()
)
"""`in_use` as a column of a larger question."""
_IN_USE = sa.select(IN_USE)


def in_use(session: Session, *, besides: uuid.UUID | None = None) -> int:
    """Busy lines now, not counting the attempt `besides`."""
    return int(session.scalar(_IN_USE, {"besides": besides}) or 0)


def has_free(settings: Settings, lane: str, busy: int) -> bool:
    """Whether this lane may take one more when so many lines are busy."""
    calling = settings.calling
    return busy < (calling.lines if lane == "escalation" else calling.lines - calling.lines_reserved)


def has_spare(session: Session, wanted: int) -> bool:
    """Whether so many lines are free at all."""
    return in_use(session) + wanted <= settings_of(session).calling.lines


# ---- pace ---------------------------------------------------------------------------------------
def routine_may(session: Session, now: datetime) -> bool:
    """Whether it is worth while to look for routine rings at all: a line is free, and a place within the horizon."""
    next_at, busy = session.execute(_MAY, {"besides": None}).one()
    return (next_at is None or next_at <= now + HORIZON) and has_free(settings_of(session), "routine", busy)


def routine_turn(session: Session, now: datetime) -> datetime | None:
    """Take the next place in the pace for a routine POST: its moment, now or up to HORIZON ahead; None if the
    places within the horizon are all taken."""
    gap = _gap(session)
    next_at = session.scalar(_TAKE_NEAR, {"now": now, "gap": gap, "first": now + gap, "latest": now + HORIZON})
    return None if next_at is None else next_at - gap


def escalation_turn(session: Session, now: datetime) -> datetime:
    """An escalation does not wait for a place; the routine rings after it do."""
    gap = _gap(session)
    session.execute(_TAKE, {"now": now, "gap": gap, "first": now + gap})
    return now


def may_leave(session: Session, lane: str, now: datetime) -> datetime:
    """When a POST of `lane` (of an agent's ring: routine) may leave: `now`, or later if the last second is full, or if
    the escalation lane has one waiting. Call it while holding the count."""
    most, span = _limit(session)
    full_since, waits = session.execute(_LEAVING, {"since": now - span, "before": most - 1}).one()
    if full_since is not None:
        return full_since + span
    return now + YIELD if lane == "routine" and waits else now


def _limit(session: Session) -> tuple[int, timedelta]:
    """So many POSTs, and no more, in any span of this length."""
    pace = settings_of(session).calling.calls_per_second
    return max(1, int(pace)), timedelta(seconds=max(1.0, 1 / pace)) + JITTER


def _gap(session: Session) -> timedelta:
    most, span = _limit(session)
    return span / most


# the statements of every ring are built once: building one costs as much as running it
_MAY = sa.select(sa.select(Pace.next_at).where(Pace.id == 1).scalar_subquery(), IN_USE)
_BY_API = Attempt.via == sa.literal_column("'api'")
_LEAVING = sa.select(
    # the oldest of as many POSTs as fit into the span, if there are so many
    sa.select(Attempt.posted_at)
    .where(_BY_API, Attempt.posted_at > sa.bindparam("since"))
    .order_by(Attempt.posted_at.desc())
    .offset(sa.bindparam("before", type_=sa.Integer))
    .limit(1)
    .scalar_subquery(),
    sa.exists().where(
        ATTEMPT_LIVES,  # says nothing that `placing` does not, but leads to the index
        Attempt.status == "placing",
        Attempt.lane == "escalation",
        Attempt.kind != sa.literal_column("'agent'"),  # who stands back themselves
        _BY_API,
        Attempt.posted_at.is_(None),
    ),
)
_NOW, _GAP = sa.bindparam("now", type_=AwareDateTime), sa.bindparam("gap", type_=sa.Interval)
_FIRST = postgresql.insert(cast("sa.Table", Pace.__table__)).values(id=1, next_at=sa.bindparam("first"))
_NEXT = {"next_at": sa.func.greatest(Pace.next_at, _NOW) + _GAP}
_TAKE = _FIRST.on_conflict_do_update(index_elements=["id"], set_=_NEXT)
_TAKE_NEAR = _FIRST.on_conflict_do_update(
    index_elements=["id"], set_=_NEXT, where=Pace.next_at <= sa.bindparam("latest", type_=AwareDateTime)
).returning(Pace.next_at)
