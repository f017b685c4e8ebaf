"""The watchdog of the escalations: a thread of its own, beside the timetable, that re-drives whatever the chain has let
stand. It costs what is open, not what is stored. What it cannot move stops the heartbeat (dialer.heartbeat)."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import House
from core.models import record
from dialer import escalation_due, night
from dialer.models import ALARM_OPEN, Escalation

log = logging.getLogger(__name__)

EVERY_S = 10.0
OVERDUE = timedelta(seconds=20)
"""A step this late was not seen by the chain's own tick, which looks every second."""


def stuck(session: Session, now: datetime, late: timedelta = OVERDUE) -> list[uuid.UUID]:
    """Open escalations without a next step, or whose next step, or the night target's, is overdue by more than
    `late`."""
    overdue = escalation_due.not_driven(now, late) | night.overdue(now, late)
    return list(session.scalars(sa.select(Escalation.id).where(ALARM_OPEN, overdue)))


def look(house: House) -> int:
    """Re-drive each one that is stuck, in a transaction of its own; returns how many. One that another process has
    locked is being driven."""
    now = house.clock.now()
    with house.transaction() as session:
        waiting = stuck(session, now)
    for escalation_id in waiting:
        with house.transaction() as session:
            escalation = session.scalar(
                sa.select(Escalation)
                .where(Escalation.id == escalation_id, ALARM_OPEN)
                .with_for_update(skip_locked=True, key_share=True)
            )
            if escalation is not None:
                record(session, "escalation", escalation.id, "driven by the watchdog", now)
                log.error("an escalation was overdue", extra={"escalation": str(escalation.id)})
                if escalation.next_step_at is None or escalation.next_step_at <= now:
                    escalation_due.take_step(session, escalation, now)
                if escalation.night_step_at is not None and escalation.night_step_at <= now:
                    night.take_step(session, escalation, now)
    return len(waiting)


class Watchdog(threading.Thread):
    """Looks every EVERY_S until `stop`. A look that fails is logged and the next one comes all the same."""

    def __init__(self, house: House) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._house = house
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                look(self._house)
            except Exception:
                log.exception("the watchdog could not look")

    def stop(self) -> None:
        self._stopped.set()
