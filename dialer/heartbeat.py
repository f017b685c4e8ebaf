"""The heartbeat outward: while everything works a watcher outside is asked for HEARTBEAT_URL every half minute, and a
watcher that misses it calls for help. It stops by itself when this server is dead; when it is alive and cannot do its
work, the checks here stop it.

The job runs in the escalation's own queue, so that a ping says that a worker takes alarms.
"""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import jobs
from core.house import House, settings_of
from core.models import EventRow, Pause, new_id, record
from core.settings import SettingsError
from dialer import night
from dialer.carrier import CarrierClient, CarrierRefused, InDoubt
from dialer.escalation_due import MOST_FAILURES, not_driven
from dialer.models import ALARM_OPEN, Escalation

log = logging.getLogger(__name__)

BEAT = jobs.declare("heartbeat", "escalation", priority=-1)
"""After every ring of the queue."""
STUCK = timedelta(seconds=60)
"""An escalation whose next step is overdue by so much, though a watchdog looks every 10 s, is going nowhere."""
MOST_SKEW = timedelta(seconds=5)
TIMEOUT_S = 5.0
KIND = "heartbeat"


def tick(session: Session, now: datetime) -> int:
    """Ask for one beat, unless the last one still waits or runs."""
    if settings_of(session).heartbeat_url is not None and not jobs.under_way(session, BEAT):
        jobs.defer(session, BEAT)
    return 0


@jobs.handles(BEAT)
def beat(house: House) -> None:
    """Check, tell the ledger of a change, and ask for the URL only if nothing is wrong."""
    url = house.settings.heartbeat_url
    wrong = problems(house)
    for name, why in wrong.items():
        log.error("the heartbeat stops", extra={"check": name, "why": why})
    if "database" not in wrong:
        _tell_change(house, sorted(wrong))
    if url is not None and not wrong:
        _ask(url)


# ---- the checks ---------------------------------------------------------------------------------
def problems(house: House) -> dict[str, str]:
    """What is wrong, by check: the name and a sentence each; empty while everything works."""
    found = ((name, check(house)) for name, check in CHECKS.items())
    return {name: why for name, why in found if why is not None}


def _database(house: House) -> str | None:
    """It takes a write; nothing is kept."""
    try:
        with house.engine.connect() as connection, connection.begin() as transaction:
            probe = sa.insert(EventRow).values(
                at=house.clock.now(), kind=KIND, subject_id=new_id(), what="probe", who="service", why="", data={}
            )
            connection.execute(probe)
            transaction.rollback()
    except SQLAlchemyError as error:
        return f"the database takes no write ({type(error).__name__})"
    return None


def _escalations(house: House) -> str | None:
    try:
        with house.transaction() as session:
            stuck = stuck_escalations(session, house.clock.now())
            silenced = session.scalar(_SILENCED)
    except SQLAlchemyError as error:
        return f"the escalations cannot be read ({type(error).__name__})"
    if silenced:
        return "somebody waits for a doctor, and all outbound calls are paused"
    return f"{stuck} escalations are stuck" if stuck else None


_SILENCED = sa.select(sa.exists().where(ALARM_OPEN) & sa.exists().where(Pause.ended_at.is_(None), Pause.lane == "all"))


def stuck_escalations(session: Session, now: datetime) -> int:
    """Escalations nobody drives: without a next step, long past it, or that raise an error again and again, so that
    the night target was called."""
    stuck = not_driven(now, STUCK) | night.overdue(now, STUCK) | (Escalation.failures >= MOST_FAILURES)
    counted = sa.select(sa.func.count()).select_from(Escalation).where(ALARM_OPEN, stuck)
    return session.scalar(counted) or 0


def _carrier(house: House) -> str | None:
    try:
        house.service(CarrierClient).check()
    except CarrierRefused as refused:
        return f"the carrier refuses our credentials (code {refused.code})"
    except InDoubt:
        return "the carrier does not answer"
    except SettingsError:
        return "there are no credentials for the carrier"
    return None


def _clock(house: House) -> str | None:
    """Ours against the database's. (A moved clock of a test is no fault.)"""
    if house.settings.test_clock:
        return None
    try:
        with house.engine.connect() as connection:
            before = house.clock.now()
            theirs = connection.scalar(sa.text("SELECT clock_timestamp()"))
            after = house.clock.now()
    except SQLAlchemyError as error:
        return f"the database does not say what time it is ({type(error).__name__})"
    assert theirs is not None
    apart = max(before - theirs, theirs - after)
    return f"our clock and the database's are {apart.total_seconds():.0f} s apart" if apart > MOST_SKEW else None


CHECKS: dict[str, Callable[[House], str | None]] = {
    "database": _database,
    "escalations": _escalations,
    "carrier": _carrier,
    "clock": _clock,
}


# ---- what is told -------------------------------------------------------------------------------
def _tell_change(house: House, wrong: list[str]) -> None:
    """One ledger row when what is wrong changes, not one every half minute."""
    now = house.clock.now()
    with house.transaction() as session:
        last = session.scalar(
            sa.select(EventRow)
            .where(EventRow.kind == KIND, EventRow.subject_id.is_(None))
            .order_by(EventRow.id.desc())
            .limit(1)
        )
        before = list(last.data["checks"]) if last is not None else []
        if wrong != before:
            what = "stopped" if wrong else "beats again"
            record(session, KIND, None, what, now, why=", ".join(wrong), data={"checks": wrong})


def _ask(url: str) -> None:
    """GET it, with nothing added. The address may hold a secret of the watcher's: it is in no log line."""
    request = urllib.request.Request(url, headers={"User-Agent": "carecall"})
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            answer.read(1)
    except urllib.error.HTTPError as refused:
        refused.close()
        log.warning("the watcher outside refused the heartbeat", extra={"status": refused.code})
    except (OSError, http.client.HTTPException) as error:
        log.warning("the watcher outside did not answer", extra={"error": type(error).__name__})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A watcher that sends us elsewhere is not the one that was set."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)
