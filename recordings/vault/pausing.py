"""The recording of a call is silenced at the carrier while a birthday or a PIN is keyed (docs/twilio.md 1.4).

The webhook only says so (events.IdentityKeyed); the order goes to the carrier by a job, some tenths of a second later,
while the caller still hears what to key. Orders may cross: whoever has given one looks again at what is wanted now, so
the last word is always the flow's. A pause that comes too late leaves tones in the file: what QA hears is masked as
well (recordings.sound.masking), and the row says how late it was.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db, jobs
from core.events import CallEnded, IdentityKeyed
from core.house import House, settings_of
from core.models import record
from dialer.carrier import CarrierClient, CarrierRefused, InDoubt
from dialer.models import LIVE_CALL, Call
from recordings.machine import pause_wait
from recordings.models import RecordingPause

log = logging.getLogger(__name__)

PAUSE = jobs.declare("pause_recording", "calls", priority=5)
"""Before routine rings: somebody is at the keys."""

LEASE: Final = timedelta(seconds=12)
"""Longer than the carrier may take to answer (dialer.carrier.TIMEOUT_S)."""
MOST_ORDERS: Final = 4
"""In one job; what is wanted after that is the next one's."""

_locked = db.RowLock(RecordingPause)


def on_identity_keyed(session: Session, event: IdentityKeyed, now: datetime) -> None:
    if not settings_of(session).recordings.pause_identity:
        return
    row = _locked(session, event.call_id)
    if row is None:
        if not event.begins:
            return
        row = RecordingPause(call_id=event.call_id, wanted=True, ordered=False, since=now, tries=0)
        session.add(row)
    row.wanted, row.since, row.tries = event.begins, now, 0
    row.due_at = now + LEASE
    session.flush()
    jobs.defer(session, PAUSE, call_id=event.call_id)


def on_call_ended(session: Session, event: CallEnded, now: datetime) -> None:
    """The recording has ended with the call: nothing is ordered any more."""
    row = _locked(session, event.call_id)
    if row is not None:
        row.due_at = None


def due(session: Session, now: datetime, limit: int = 50) -> int:
    """Orders that did not get through, and those of a worker that died."""
    rows = session.scalars(
        sa.select(RecordingPause)
        .where(RecordingPause.due_at.is_not(None), RecordingPause.due_at <= now)
        .order_by(RecordingPause.due_at, RecordingPause.call_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.due_at = now + LEASE
        jobs.defer(session, PAUSE, call_id=row.call_id)
    return len(rows)


@jobs.handles(PAUSE)
def pause_recording(house: House, call_id: uuid.UUID) -> None:
    for _ in range(MOST_ORDERS):
        with house.transaction() as session:
            order = _order(session, call_id)
        if order is None:
            return
        sid, paused = order
        try:
            done, why = house.service(CarrierClient).pause_recording(sid, paused=paused), "no recording runs"
        except (CarrierRefused, InDoubt) as error:
            done, why = False, str(error)
        with house.transaction() as session:
            if done:
                _done(session, call_id, paused, house.clock.now())
            else:
                _in_vain(session, call_id, why, house.clock.now())
        if not done:
            return


def _order(session: Session, call_id: uuid.UUID) -> tuple[str, bool] | None:
    """What the carrier is to be told, if it is to be told anything. From here on until it answers nobody knows what it
    does."""
    row = _locked(session, call_id)
    call = session.get(Call, call_id)
    if row is None or row.wanted == row.ordered or call is None or call.sid is None or call.status not in LIVE_CALL:
        return None
    row.ordered = None
    return call.sid, row.wanted


def _done(session: Session, call_id: uuid.UUID, paused: bool, now: datetime) -> None:
    row = _locked(session, call_id)
    if row is None:
        return
    row.ordered, row.confirmed_at, row.tries = paused, now, 0
    row.due_at = None if row.wanted == paused else now + LEASE
    late_s = round((now - row.since).total_seconds(), 1)
    record(session, "call", call_id, "recording silenced" if paused else "recording goes on", now, late_s=late_s)


def _in_vain(session: Session, call_id: uuid.UUID, why: str, now: datetime) -> None:
    row = _locked(session, call_id)
    if row is None or row.due_at is None:
        return
    row.tries += 1
    wait = pause_wait(row.tries)
    row.due_at = None if wait is None else now + wait
    if wait is None:
        log.error("a recording could not be silenced or go on", extra={"call": str(call_id), "why": why})
        record(session, "call", call_id, "recording not silenced" if row.wanted else "recording stays silent", now)
