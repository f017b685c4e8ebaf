"""The nightly look for what nobody would ever ring: after it, every operation has a plan and every wave that ended
without an interview has a person (docs/design.md section 5: exhausted is work for a nurse, never silence).

Looks only at what is open or recent, by index, so it costs the same on the thousandth night as on the first.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import daily, events
from core.house import settings_of
from core.models import Patient, Pause, Procedure, record
from core.said import APART
from dialer.machine import ATTEMPT_OVER
from dialer.models import Attempt
from scheduler import store
from scheduler.models import FollowUp, WorkItem

log = logging.getLogger(__name__)

NAME = "reconcile"
NOT_BEFORE = time(5, 0)
"""On the hospital's clock: after the night's imports, before anybody is rung."""
OPERATIONS = timedelta(days=100)
"""How far back an operation without a plan is looked for: the last wave and a little more."""
FORGOTTEN = timedelta(hours=24)
"""A follow-up that should have been asked about so long ago is one nothing looks at."""
STUCK = timedelta(minutes=15)
"""A ring that has been over for so long and whose follow-up still says `calling`."""
CLOSED = timedelta(days=14)
"""How far back ends without work for anybody are looked for: longer than a worker stays down unnoticed."""
OVERDUE = timedelta(hours=26)
"""A last run older than this: the look does not happen."""
ENDED_SHORT = ("unreached", "partial", "expired")
NEVER_PROMISED = (store.TOO_LATE, "imported too late")
"""Reasons of waves that were over before anybody knew of the operation (the second is release 0.1's)."""


@dataclass(frozen=True)
class Finding:
    """One thing that would have been silence. `kind` = no_plan | forgotten | stuck | untold."""

    kind: str
    patient_id: uuid.UUID
    subject_id: uuid.UUID
    """The procedure of `no_plan`, else the follow-up."""
    why: str


def nightly(session: Session, now: datetime) -> int:
    """The tick: once per day of the hospital, after 05:00. Returns how many runs (0 or 1)."""
    local = now.astimezone(settings_of(session).hospital.timezone)
    if local.time() < NOT_BEFORE or not daily.once(session, NAME, local.date(), now):
        return 0
    put_right(session, now)
    return 1


def put_right(session: Session, now: datetime) -> list[Finding]:
    """Find and repair what can be repaired, tell a nurse of each, leave one line and one ledger row with counts."""
    found = findings(session, now)
    for finding in found:
        _put_right(session, finding, now)
        kind = "no_plan" if finding.kind == "no_plan" else "no_call"
        events.publish(session, events.WorkWanted(kind, finding.patient_id, finding.subject_id, finding.why), now)
    counts = Counter(finding.kind for finding in found)
    numbers = {kind: counts[kind] for kind in ("no_plan", "forgotten", "stuck", "untold")}
    record(session, "lane", None, "reconciled", now, data=numbers)
    told = log.warning if found else log.info
    told("reconciled", extra={f"{kind}_count": count for kind, count in numbers.items()})
    return found


def _put_right(session: Session, finding: Finding, now: datetime) -> None:
    if finding.kind == "no_plan":
        procedure = session.get_one(Procedure, finding.subject_id, with_for_update=True)
        store.plan(session, procedure, now)
    elif finding.kind == "stuck":
        row = session.get_one(FollowUp, finding.subject_id, with_for_update=True, populate_existing=True)
        store.release_stuck(session, row, now)


def findings(session: Session, now: datetime) -> list[Finding]:
    """What is wrong at `now`; nothing is changed."""
    found = [Finding("no_plan", row.patient_id, row.id, "no_plan") for row in _rows(
        session, unplanned(now))]  # fmt: skip
    if not _paused(session):
        found += [Finding("forgotten", row.patient_id, row.id, "forgotten") for row in _rows(session, forgotten(now))]
    found += [Finding("stuck", row.patient_id, row.id, "stuck") for row in _rows(session, stuck(now))]
    found += [
        Finding("untold", row.patient_id, row.id, f"untold{APART}{row.status}") for row in _rows(session, untold(now))
    ]
    return found


def problem(session: Session, now: datetime) -> str | None:
    """A sentence for `carecall check` when the look does not happen; None while it does, or before there is
    anything to look at."""
    last = daily.last_run(session, NAME)
    if last is not None:
        hours = int((now - last) / timedelta(hours=1))
        return None if now - last <= OVERDUE else f"the last one was {hours} hours ago: is a worker running?"
    old = sa.exists().where(Patient.created_at < now - OVERDUE, Procedure.patient_id == Patient.id)
    return "it has never run: is a worker running?" if session.scalar(sa.select(old)) else None


# ---- the questions, each answered by an index ---------------------------------------------------
Query = sa.Select[uuid.UUID, uuid.UUID, str]


def unplanned(now: datetime) -> Query:
    """Active operations of the last 100 days, of living patients, without any follow-up of the plan."""
    since = now - OPERATIONS
    return (
        sa.select(Procedure.id, Procedure.patient_id, Procedure.status)
        .join(Patient, Patient.id == Procedure.patient_id)
        .where(
            sa.or_(Procedure.ended_at >= since, Procedure.discharged_at >= since),
            Procedure.status == "active",
            Patient.status != "deceased",
            Patient.merged_into.is_(None),
            # a wave that somebody added, or a recheck, is no plan
            _none(sa.select(FollowUp.id).where(FollowUp.procedure_id == Procedure.id, FollowUp.origin == "plan")),
        )
        .order_by(Procedure.ended_at, Procedure.id)
    )


def forgotten(now: datetime) -> Query:
    """Open follow-ups that should have been asked about a day ago. The tick puts the next time on each row it
    looks at, also when the gate says no: an old one was not looked at."""
    return (
        sa.select(FollowUp.id, FollowUp.patient_id, FollowUp.status)
        .where(
            FollowUp.status.in_(("planned", "due", "waiting")),
            FollowUp.next_try_at < now - FORGOTTEN,
            FollowUp.held.is_(False),
        )
        .order_by(FollowUp.next_try_at, FollowUp.id)
    )


def stuck(now: datetime) -> Query:
    """Follow-ups in `calling` whose ring is over, or is not there at all, for more than a quarter of an hour."""
    before = now - STUCK
    return (
        sa.select(FollowUp.id, FollowUp.patient_id, FollowUp.status)
        .outerjoin(Attempt, Attempt.id == FollowUp.current_attempt_id)
        .where(
            FollowUp.status == "calling",
            sa.or_(
                sa.and_(
                    Attempt.status.in_(ATTEMPT_OVER), sa.func.coalesce(Attempt.ended_at, Attempt.created_at) < before
                ),
                sa.and_(Attempt.id.is_(None), sa.func.coalesce(FollowUp.last_try_at, FollowUp.next_try_at) < before),
            ),
        )
        .order_by(FollowUp.id)
    )


def untold(now: datetime) -> Query:
    """Waves that ended without a whole interview within two weeks and are nobody's work."""
    # by patient, because that is the index; a record that was merged has taken its work along
    work = sa.select(WorkItem.id).where(WorkItem.patient_id == FollowUp.patient_id, WorkItem.subject_id == FollowUp.id)
    return (
        sa.select(FollowUp.id, FollowUp.patient_id, FollowUp.status)
        .join(Patient, Patient.id == FollowUp.patient_id)
        .where(
            FollowUp.status.in_(ENDED_SHORT),
            FollowUp.closed_at >= now - CLOSED,
            Patient.status != "deceased",
            _none(work),
            *(FollowUp.reason.not_like(f"{reason}%") for reason in NEVER_PROMISED),
        )
        .order_by(FollowUp.closed_at, FollowUp.id)
    )


def _none(rows: sa.Select[uuid.UUID]) -> sa.ColumnElement[bool]:
    """None of `rows` for this row. Not NOT EXISTS, which PostgreSQL likes to answer by reading the whole table."""
    return rows.limit(1).scalar_subquery().is_(None)


def _rows(session: Session, query: Query) -> Sequence[sa.Row[uuid.UUID, uuid.UUID, str]]:
    return session.execute(query).all()


def _paused(session: Session) -> bool:
    open_pause = sa.exists().where(Pause.ended_at.is_(None), Pause.lane.in_(("routine", "all")))
    return bool(session.scalar(sa.select(open_pause)))
