"""Recording rows: locking, claiming, and the one function that moves a state. Used by recordings.store
alone."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from core import db
from core.house import settings_of
from core.models import new_id, record
from dialer.models import Call, Escalation
from recordings.machine import keep_class, longest, step
from recordings.models import Recording

log = logging.getLogger(__name__)

NOT_ANNOUNCED = "nobody announced it"
"""No flow of ours began this recording: nothing says that the notice was spoken."""


def new_row(
    session: Session,
    recording_id: uuid.UUID,
    call_id: uuid.UUID | None,
    purpose: str,
    language: str,
    now: datetime,
) -> Recording:
    call = session.get(Call, call_id) if call_id else None
    escalated, heard_before = session.execute(_OF_ITS_CALL, {"call_id": call_id}).one()
    # whoever complained by key, or was heard to: the rest of the call belongs to it
    complained = heard_before or (call is not None and call.reason.startswith("complaint"))
    row = Recording(
        id=recording_id,
        call_id=call_id,
        purpose=purpose,
        language=language,
        state="announced",
        announced_at=now,
        keep_class=keep_class(
            purpose,
            call.kind if call else None,
            escalated=escalated,
            complained=complained,
            days=keep_days(session),
        ),
    )
    row.keep_until = keep_until(session, row)
    session.add(row)
    session.flush()
    record(session, "recording", row.id, "announced", now, to_state="announced", purpose=purpose)
    return row


def move(
    session: Session,
    row: Recording,
    event: str,
    now: datetime,
    *,
    why: str = "",
    who: str = "service",
    **data: Any,
) -> bool:
    """The only writer of a recording's state; False if the event comes too late and changes nothing."""
    to_state = step(row.state, event)
    if to_state is None:
        return False
    from_state, row.state = row.state, to_state
    if event in ("absent", "unreadable", "gave_up", "no_model"):
        row.reason = why
    record(
        session,
        "recording",
        row.id,
        event,
        now,
        from_state=from_state,
        to_state=to_state,
        who=who,
        why=why,
        **data,
    )
    return True


def keep_days(session: Session) -> dict[str, int]:
    """Days by class, from hospital.toml `keep_days`."""
    return settings_of(session).recordings.keep_days.model_dump()


def keep_until(session: Session, row: Recording) -> datetime:
    """By class, counted from the day it was made."""
    return row.announced_at + timedelta(days=keep_days(session)[row.keep_class])


def keep_longer(session: Session, row: Recording, also: str, now: datetime) -> None:
    """`row`, which is locked, is of this class as well: the longer time counts."""
    name = longest({row.keep_class, also}, keep_days(session))
    if name != row.keep_class and row.state != "purged":
        row.keep_class = name
        row.keep_until = keep_until(session, row)
        record(session, "recording", row.id, "kept longer", now, why=also)


locked = db.RowLock(Recording)


def of_call(session: Session, call_id: uuid.UUID) -> Sequence[Recording]:
    """All recordings of a call, locked, oldest first."""
    return session.scalars(_OF_CALL, {"call_id": call_id}).all()


# the statements of every call are built once: building one costs as much as running it
_OF_ITS_CALL = sa.select(
    sa.exists().where(Escalation.call_id == sa.bindparam("call_id")),
    sa.exists().where(Recording.call_id == sa.bindparam("call_id"), Recording.keep_class == "complaint"),
)
_LOCKED = sa.select(Recording).with_for_update(key_share=True).execution_options(populate_existing=True)
_OF_CALL = _LOCKED.where(Recording.call_id == sa.bindparam("call_id")).order_by(Recording.announced_at, Recording.id)
_OF_SID = _LOCKED.where(Recording.sid == sa.bindparam("sid"))


def due_rows(
    session: Session,
    timer: InstrumentedAttribute[datetime | None],
    states: tuple[str, ...],
    now: datetime,
    limit: int,
) -> Sequence[Recording]:
    return session.scalars(
        sa.select(Recording)
        .where(Recording.state.in_(states), timer <= now)
        .order_by(timer, Recording.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def taken(row: Recording, now: datetime) -> bool:
    return row.claim is not None and row.claimed_until is not None and row.claimed_until > now


def make_claim(row: Recording, until: datetime) -> uuid.UUID:
    row.claim, row.claimed_until = new_id(), until
    return row.claim


def claimed(session: Session, recording_id: uuid.UUID, claim: uuid.UUID) -> Recording | None:
    """The row, if the claim still holds; the claim ends here. Otherwise another has taken the work over, and
    our failure is no news."""
    row = locked(session, recording_id)
    if row is None or row.claim != claim:
        return None
    row.claim = row.claimed_until = None
    return row


def won(session: Session, recording_id: uuid.UUID) -> Recording | None:
    """The row for good work, whoever did it: a worker slower than its lease still counts if it is first."""
    row = locked(session, recording_id)
    if row is not None:
        row.claim = row.claimed_until = None
    return row


def for_callback(session: Session, recording_id: uuid.UUID, sid: str, call_sid: str, now: datetime) -> Recording:
    """The row a callback speaks of, locked; made if there is none, so that no sound is lost."""
    db.lock(session, f"recording {sid or recording_id}")
    if sid:
        known = session.scalar(_OF_SID, {"sid": sid})
        if known is not None:
            return known
    row = locked(session, recording_id)
    if row is None:
        call_id = session.scalar(sa.select(Call.id).where(Call.sid == call_sid))
        log.warning("a recording nobody announced is kept", extra={"recording": str(recording_id)})
        language = settings_of(session).hospital.languages[0]
        made = new_row(session, recording_id, call_id, "call", language, now)
        record(session, "recording", made.id, NOT_ANNOUNCED, now, who="carrier")
        return made
    if sid and row.sid is not None and row.sid != sid:
        # The same TwiML ran twice: two files for one promise (docs/twilio.md pitfall 12).
        log.warning("a second file for one recording is kept", extra={"recording": str(recording_id)})
        return new_row(session, new_id(), row.call_id, row.purpose, row.language, now)
    return row
