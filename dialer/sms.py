"""SMS: planned rows with an hour, sent once. Only writer of a message's status."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import jobs, people
from core.house import settings_of
from core.models import new_id, record
from dialer import gate
from dialer.machine import MESSAGE_MOVES, move
from dialer.models import Message

SEND = jobs.declare("send_message", "sms")
LOOK = jobs.declare("look_message", "sms")

POST_GRACE = timedelta(seconds=20)
TOO_MANY_REQUESTS = 20429
GATE_GIVES_UP = timedelta(days=2)
"""A message whose hour passed this long ago is not sent any more: it would only confuse."""


def plan(
    session: Session,
    *,
    kind: str,
    subject_id: uuid.UUID,
    patient_id: uuid.UUID,
    to: str,
    body: str,
    due_at: datetime,
    now: datetime,
) -> Message:
    """One message of this kind per subject: planning it again changes nothing."""
    existing = session.scalar(sa.select(Message).where(Message.subject_id == subject_id, Message.kind == kind))
    if existing is not None:
        return existing
    message = Message(
        id=new_id(),
        kind=kind,
        subject_id=subject_id,
        patient_id=patient_id,
        to=to,
        to_index=people.phone_index(to),
        body=body,
        status="planned",
        due_at=due_at,
        created_at=now,
    )
    session.add(message)
    session.flush()
    record(session, "message", message.id, "planned", now, to_state="planned", message=kind)
    return message


def due(session: Session, now: datetime, limit: int = 100) -> int:
    """Messages whose hour has come, and those whose sending was never answered. Returns how many."""
    rows = session.scalars(
        sa.select(Message)
        .where(Message.status.in_(("planned", "sending")), Message.due_at <= now)
        .order_by(Message.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for message in rows:
        message.due_at = now + POST_GRACE
        jobs.defer(session, SEND if message.status == "planned" else LOOK, message_id=message.id)
    return len(rows)


def claim(session: Session, message_id: uuid.UUID, now: datetime) -> Message | None:
    """The row, if this job may send it now: still planned, and the gate agrees."""
    message = _locked(session, message_id)
    if message is None or message.status != "planned":
        return None
    ring = gate.Ring(
        "sms",
        message.to,
        message.id,
        patient_id=message.patient_id,
        deadline_at=message.created_at + GATE_GIVES_UP,
    )
    refused = gate.may_dial(session, ring, now)
    if refused is None:
        _move(session, message, "posting", now)
        message.posted_at = now
        message.due_at = now + POST_GRACE
        return message
    if refused.again_at is None:
        _move(session, message, "cancelled", now, why=refused.reason)
    else:
        message.due_at = refused.again_at
    return None


def posted(session: Session, message_id: uuid.UUID, sid: str, now: datetime) -> None:
    message = _locked(session, message_id)
    if message is not None:
        message.sid = message.sid or sid
        _move(session, message, "sent", now)


def refused(session: Session, message_id: uuid.UUID, code: int, now: datetime) -> None:
    message = _locked(session, message_id)
    if message is None:
        return
    if code == TOO_MANY_REQUESTS and message.status == "sending":
        # The carrier did not even look at it (docs/twilio.md 1.8): the same again a little later.
        _move(session, message, "not_found", now, why=f"carrier code {code}")
        message.due_at = now + POST_GRACE
    else:
        _move(session, message, "failed", now, why=f"carrier code {code}")


def looked(session: Session, message_id: uuid.UUID, sid: str | None, word: str | None, now: datetime) -> None:
    """The carrier's list was read at `now`: adopted if it is there, planned again if it is not, which is only
    known when the list's lag has passed."""
    message = _locked(session, message_id)
    if message is None or message.status != "sending" or message.posted_at is None:
        return
    surely_listed = message.posted_at + POST_GRACE + timedelta(seconds=settings_of(session).calling.list_lag_s)
    if sid is None and message.sid is not None:
        _move(session, message, "sent", now, why="a status callback named it")
    elif sid is None and now < surely_listed:
        message.due_at = surely_listed
    elif sid is None:
        _move(session, message, "not_found", now, why="not in the carrier's list")
        message.due_at = now
    else:
        message.sid = sid
        _move(session, message, "sent" if word == "sending" else str(word), now, why="found in the carrier's list")


def sids_to(session: Session, to_index: bytes) -> set[str]:
    """What the carrier calls the messages to this number that are known to have been sent."""
    known = sa.select(Message.sid).where(Message.to_index == to_index, Message.sid.is_not(None))
    return {sid for sid in session.scalars(known) if sid}


def carrier_says(session: Session, message_id: uuid.UUID, sid: str, word: str, now: datetime) -> None:
    message = _locked(session, message_id)
    if message is not None:
        message.sid = message.sid or sid
        _move(session, message, word, now)


def _locked(session: Session, message_id: uuid.UUID) -> Message | None:
    return session.get(Message, message_id, with_for_update=True, populate_existing=True)


def _move(session: Session, message: Message, event: str, now: datetime, *, why: str = "") -> bool:
    to_state = move(MESSAGE_MOVES, message.status, event)
    if to_state is None:
        return False
    from_state, message.status = message.status, to_state
    message.why = why or message.why
    record(session, "message", message.id, event, now, from_state=from_state, to_state=to_state, why=why)
    return True
