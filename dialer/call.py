"""Calls: conversations with somebody on the line. Only writer of their status; a call only moves forward."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs, people
from core.db import is_held, now_held
from core.models import EventRow, new_id, record
from dialer.machine import ASK_AGAIN, CALL_MOVES, CALL_OVER, QUIET, move
from dialer.models import LIVE_CALL, Attempt, Call

WATCH = jobs.declare("watch_call", "calls", priority=5)
ASK_CALL = jobs.declare("ask_call", "calls")
KEYED = ("who", "language chosen", "operator wanted", "recording declined", "identity confirmed", "identity failed")
"""What the ledger says of a call in which somebody pressed a key."""
INTERRUPT = jobs.declare("interrupt_call", "escalation", priority=5)


def open_inbound(session: Session, sid: str, party: str, flow: str, now: datetime) -> Call:
    """Somebody rings us. `party` is their number in E.164, or empty when it is withheld.

    The carrier is asked, by a job, to tell us when the call ends: an inbound call has no status callback
    of its own unless the number is set up with one.
    """
    owners = people.patients_with_number(session, party) if party else []
    # A number shared by a family says who rings only if one patient has it.
    patient_id = owners[0].id if len(owners) == 1 else None
    call = _new(session, sid, None, "hotline", party, patient_id, flow, now)
    jobs.defer(session, WATCH, call_id=call.id)
    return call


def open_for(session: Session, attempt: Attempt, sid: str, now: datetime) -> Call:
    """The ring `attempt` was answered."""
    return _new(session, sid, attempt.id, attempt.kind, attempt.to, attempt.patient_id, attempt.flow, now)


def _new(
    session: Session,
    sid: str,
    attempt_id: uuid.UUID | None,
    kind: str,
    party: str,
    patient_id: uuid.UUID | None,
    flow: str,
    now: datetime,
) -> Call:
    call = Call(
        id=new_id(),
        sid=sid,
        attempt_id=attempt_id,
        kind=kind,
        status="in_progress",
        party=party,
        party_index=people.phone_index(party) if party else None,
        patient_id=patient_id,
        flow=flow,
        started_at=now,
        answered_at=now,
        deadline_at=now + QUIET,
    )
    session.add(call)
    session.flush()
    record(session, "call", call.id, "answered", now, to_state="in_progress", who="carrier", call=kind)
    return call


def locked(session: Session, call_id: uuid.UUID) -> Call | None:
    """The call, locked after its attempt: every transaction that needs both takes them in this order."""
    if is_held(session, Call, call_id):
        return session.get(Call, call_id)
    # Two statements: in one, the store may lock the call before the attempt when it looks again at a row that was
    # changed meanwhile, and an outer join gave two rows for one call then.
    attempt = session.scalar(_ITS_ATTEMPT, {"call_id": call_id})
    if attempt is not None:
        now_held(session, Attempt, attempt.id)
    call = session.scalar(_CALL, {"call_id": call_id})
    if call is not None:
        now_held(session, Call, call.id)
    return call


def by_sid(session: Session, sid: str) -> Call | None:
    call_id = session.scalar(_ID_BY_SID, {"sid": sid})
    return locked(session, call_id) if call_id is not None else None


def of_attempt(session: Session, attempt_id: uuid.UUID) -> Call | None:
    """The conversation of a ring of ours, which is locked already; locked now."""
    call = session.scalar(_OF_ATTEMPT, {"attempt_id": attempt_id})
    if call is not None:
        now_held(session, Call, call.id)
    return call


# the statements of every webhook are built once: building one costs as much as running it
_WANTED = Call.id == sa.bindparam("call_id")
_CALL = sa.select(Call).where(_WANTED).with_for_update(key_share=True).execution_options(populate_existing=True)
_ITS_ATTEMPT = (
    sa.select(Attempt)
    .where(Attempt.id == sa.select(Call.attempt_id).where(_WANTED).scalar_subquery())
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_ID_BY_SID = sa.select(Call.id).where(Call.sid == sa.bindparam("sid"))
_FOR_ATTEMPT = sa.select(Call).where(Call.attempt_id == sa.bindparam("attempt_id"))
_OF_ATTEMPT = _FOR_ATTEMPT.with_for_update(key_share=True).execution_options(populate_existing=True)


def for_attempt(session: Session, attempt_id: uuid.UUID) -> Call | None:
    return session.scalar(_FOR_ATTEMPT, {"attempt_id": attempt_id})


def somebody_is_there(session: Session, call: Call) -> bool:
    """Whether a key was pressed: a machine presses none."""
    said = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what.in_(KEYED)
    return bool(session.scalar(sa.select(sa.exists().where(*said))))


def alive(call: Call, now: datetime) -> None:
    """A sign of life: the carrier is asked only after another quiet spell. A ring of ours that talks is not touched:
    its watch looks here."""
    call.deadline_at = now + QUIET


def talks(now: datetime) -> sa.ColumnElement[bool]:
    """Whether the conversation of an attempt in a larger question is not quiet for too long."""
    return sa.exists().where(Call.attempt_id == Attempt.id, Call.status.in_(LIVE_CALL), Call.deadline_at > now)


def carrier_says(session: Session, call: Call, word: str, now: datetime) -> None:
    """A status of the carrier's, in our words; the first final one ends the call and is told to the house."""
    to_state = move(CALL_MOVES, call.status, word)
    if to_state is None:
        if call.status in LIVE_CALL:
            call.deadline_at = now + QUIET
        return
    from_state, call.status = call.status, to_state
    record(session, "call", call.id, word, now, from_state=from_state, to_state=to_state, who="carrier")
    if to_state in CALL_OVER:
        call.ended_at = now
        events.publish(session, events.CallEnded(call.id), now)


def overdue(session: Session, now: datetime, limit: int = 100) -> int:
    """Inbound calls nothing was heard of: the carrier is asked. Ours are asked for as attempts."""
    rows = session.scalars(
        sa.select(Call)
        .where(Call.status.in_(LIVE_CALL), Call.attempt_id.is_(None), Call.deadline_at <= now)
        .order_by(Call.deadline_at, Call.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for call in rows:
        call.deadline_at = now + ASK_AGAIN
        jobs.defer(session, ASK_CALL, call_id=call.id)
    return len(rows)


def live_with_number(session: Session, e164: str) -> list[Call]:
    """Calls on which this number talks with us now."""
    its = sa.select(Call).where(Call.party_index == people.phone_index(e164), Call.status.in_(LIVE_CALL))
    return list(session.scalars(its.order_by(Call.started_at, Call.id)))
