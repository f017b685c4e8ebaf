"""After the run: was any follow-up lost, or any patient in pain? The population says what there must be, the store
what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands.simulate.hospital import PROMPTLY
from commands.simulate.observer import Violation
from commands.simulate.people import Patient
from core.models import EventRow, Procedure
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Attempt, Call, Escalation
from dialer.offers import WAITING
from scheduler.machine import OVER
from scheduler.models import FollowUp, WorkItem

LAST_TALK = timedelta(minutes=15)
"""A wave that was being talked about when its deadline passed may still be open for so long."""
SETTLED = timedelta(minutes=30)
"""A ring and a call are over for the service so long after the carrier's last one at the latest."""
AT_LATEST = timedelta(seconds=5)
"""After the promise is broken it is stamped and the night target is called in."""
NOT_DRIVEN = timedelta(minutes=1)
"""A step of an escalation so late is not only waiting for the next look."""


def check(
    session: Session, patients: Mapping[uuid.UUID, Patient], waves: int, end: datetime, nothing_rings: bool
) -> list[Violation]:
    found = _never_planned(session, patients, waves, end)
    found += _not_over(session, end)
    found += _over_without_a_word(session, end)
    found += [violation for row in session.scalars(sa.select(Escalation)) for violation in _green(row, end)]
    found += _nobody_called_in(session, end)
    if nothing_rings:
        found += _still_alive(session, end)
    return found


def _never_planned(
    session: Session, patients: Mapping[uuid.UUID, Patient], waves: int, end: datetime
) -> list[Violation]:
    """Every operation the hospital told us of has all its waves."""
    counted: dict[uuid.UUID, int] = {
        row.patient_id: row.n
        for row in session.execute(
            sa.select(Procedure.patient_id, sa.func.count(FollowUp.id.distinct()).label("n"))
            .outerjoin(FollowUp, FollowUp.procedure_id == Procedure.id)
            .group_by(Procedure.patient_id)
        )
    }
    short = [one for one in counted.values() if one < waves]
    missing = [Violation("a wave was never planned", end, f"{len(short)} operations")] if short else []
    if len(counted) < len(patients):
        missing.append(Violation("an operation is not on file", end, f"{len(patients) - len(counted)} of them"))
    return missing


def _not_over(session: Session, end: datetime) -> list[Violation]:
    late = session.execute(
        sa.select(FollowUp.wave, FollowUp.status, FollowUp.deadline_at, FollowUp.reason).where(
            FollowUp.deadline_at < end - LAST_TALK, FollowUp.status.not_in(OVER)
        )
    ).all()
    return [
        Violation("a follow-up is lost", end, f"{row.wave}, still {row.status} ({row.reason}), due {row.deadline_at}")
        for row in late
    ]


def _over_without_a_word(session: Session, end: datetime) -> list[Violation]:
    """Every final state has its line in the ledger."""
    told = sa.exists().where(
        EventRow.kind == "followup", EventRow.subject_id == FollowUp.id, EventRow.to_state == FollowUp.status
    )
    silent = session.execute(sa.select(FollowUp.wave, FollowUp.status).where(FollowUp.status.in_(OVER), ~told)).all()
    return [Violation("a follow-up ended without a word", end, f"{r.wave}: {r.status}") for r in silent]


def _green(row: Escalation, end: datetime) -> list[Violation]:
    """Closed with a talk or a word, or driven on; a promise broken is counted."""
    found = []
    if row.status == "closed":
        if row.outcome is None and row.talk_s is None:
            found.append(Violation("an escalation closed without a talk or a word", end, f"{row.score}"))
    elif row.next_step_at is None or row.next_step_at < end - NOT_DRIVEN:
        found.append(Violation("an escalation is not driven on", end, f"{row.status}, next {row.next_step_at}"))
    helped = min((moment for moment in (row.bridged_at, row.closed_at) if moment is not None), default=end)
    if row.breached_at is None and helped > row.promise_at + AT_LATEST:
        found.append(Violation("a broken promise is not counted", end, row.status))
    return found


def _nobody_called_in(session: Session, end: datetime) -> list[Violation]:
    """Whoever had no doctor when the promise broke: the night target is called in at once, and is rung, or a nurse
    without one has it on her list."""
    broken = (
        sa.select(Escalation.id, Escalation.night_at, EventRow.at)
        .join(EventRow, (EventRow.subject_id == Escalation.id) & (EventRow.kind == "escalation"))
        .where(EventRow.what == "promise broken", EventRow.data["status"].astext.in_(WAITING))
    )
    found = [
        Violation("a broken promise woke nobody", end, f"called in: {row.night_at}, broken: {row.at}")
        for row in session.execute(broken)
        if row.night_at is None or row.night_at > row.at + AT_LATEST
    ]
    heard = sa.exists().where(Attempt.kind == "night", Attempt.subject_id == Escalation.id)
    listed = sa.exists().where(WorkItem.kind == "no_doctor", WorkItem.subject_id == Escalation.id)
    unheard = sa.select(sa.func.count()).where(Escalation.night_at < end - NOT_DRIVEN, ~heard, ~listed)
    n = session.scalar(unheard) or 0
    return [*found, Violation("called in, and nobody was rung or told", end, f"{n} of them")] if n else found


def _still_alive(session: Session, end: datetime) -> list[Violation]:
    """With the carrier at rest nothing of ours may believe to be ringing."""
    before = end - SETTLED
    rings = sa.select(sa.func.count()).select_from(Attempt)
    rings = rings.where(Attempt.status.in_(LIVE_ATTEMPT), Attempt.created_at < before)
    calls = sa.select(sa.func.count()).select_from(Call).where(Call.status.in_(LIVE_CALL), Call.started_at < before)
    n = (session.scalar(rings) or 0) + (session.scalar(calls) or 0)
    return [Violation("something is still ringing here and nowhere else", end, f"{n} of them")] if n else []


def planned_at_latest(patient: Patient) -> datetime:
    return patient.ended_at + timedelta(hours=1) + PROMPTLY
