"""Escalations: a patient with pain at or above the threshold, and the chain that brings a doctor to the phone.

    open -> ringing -> accepted -> bridged -> closed          (dialer.machine.ESCALATION_MOVES)
               |  exhausted -> overdue -> ringing (next round) ...

It opens in dialer.alarm, in the transaction in which the score stands (docs/clinical.md FUP6-7). Each step rings one
doctor; the step's timer is the row's `next_step_at`, found by a tick, so nothing depends on a job that may be lost. The
first doctor to press accept owns it; closed means talked for at least `talk_s`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs
from core.house import settings_of
from core.models import record
from dialer import attempt as attempts
from dialer import call as calls
from dialer import gate, roster
from dialer.machine import ESCALATION_MOVES, NextRing, move, next_ring
from dialer.models import Attempt, Call, Escalation, Shift

STEP_GRACE = timedelta(seconds=10)
"""Beyond the ring time before a silent step is passed over (carriers add up to 5 s of ringing)."""
ROUND_PAUSE = timedelta(seconds=20)
LATER_ROUND_PAUSE = timedelta(minutes=3)
QUICK_ROUNDS = 3
"""After so many rounds without a doctor the next ones come more slowly; they never stop."""
PATIENT_RING_S = 30
OWNER_QUIET = timedelta(seconds=60)
"""How long an accepted escalation may show no progress before its doctor is looked for."""


@dataclass(frozen=True)
class Waiting:
    """The patient needs no ring: he waits on the line, in this queue."""

    queue: str


# ---- the chain ----------------------------------------------------------------------------------
def drive(session: Session, escalation: Escalation, now: datetime) -> None:
    """Ring the next doctor. Called when it opens, when a ring ends without an accept, and when a step is overdue."""
    while True:
        following = next_ring(escalation.chain, escalation.step)
        if not isinstance(following, NextRing):
            _exhausted(session, escalation, now)
            return
        refused = _ring(session, escalation, following.step, now)
        if refused is None:
            return
        if refused.again_at is not None and refused.reason in ("no_line", "paused"):
            # The doctor is not the reason: the same step again, not the next one.
            escalation.next_step_at = refused.again_at
            return
        escalation.step = following.step
        record(session, "escalation", escalation.id, "step skipped", now, why=refused.reason, step=following.step)


def _ring(session: Session, escalation: Escalation, step: int, now: datetime) -> gate.Refused | None:
    settings = settings_of(session)
    shift = session.get(Shift, uuid.UUID(escalation.chain[step]["shift"]))
    if shift is None:
        return gate.Refused("off_duty")
    ring = gate.Ring("doctor", shift.phone, escalation.id, shift_id=shift.id)
    placed = attempts.place(
        session,
        ring,
        flow="doctor",
        language=shift.language,
        brief={"step": step},
        ring_s=settings.escalation.ring_s,
        now=now,
    )
    if isinstance(placed, gate.Refused):
        return placed
    escalation.step = step
    escalation.next_step_at = now + timedelta(seconds=settings.escalation.ring_s) + STEP_GRACE
    _move(session, escalation, "ring", now, step=step, tier=escalation.chain[step]["tier"], attempt=str(placed.id))
    return None


def _exhausted(session: Session, escalation: Escalation, now: datetime) -> None:
    """Nobody in this round took it: overdue, and the chain starts again from whoever is on duty then."""
    _move(session, escalation, "exhausted", now, why=f"round {escalation.round}", doctors=len(escalation.chain))
    settings = settings_of(session)
    escalation.round += 1
    escalation.step = -1
    escalation.chain = roster.chain(session, escalation.department, settings.escalation.chain, now)
    escalation.next_step_at = now + (ROUND_PAUSE if escalation.round <= QUICK_ROUNDS else LATER_ROUND_PAUSE)


def overdue_steps(session: Session, now: datetime, limit: int = 1) -> int:
    """Escalations whose step timer has run out: move on. Returns how many."""
    rows = session.scalars(
        sa.select(Escalation)
        .where(Escalation.status != "closed", Escalation.next_step_at <= now)
        .order_by(Escalation.next_step_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for escalation in rows:
        if escalation.status in ("accepted", "bridged"):
            _check_owner(session, escalation, now)
        else:
            drive(session, escalation, now)
    return len(rows)


def breaches(session: Session, now: datetime) -> int:
    """Stamp the escalations that have just broken the promise; each is an event a manager can see."""
    rows = session.scalars(
        sa.select(Escalation)
        .where(
            Escalation.status.in_(("open", "ringing", "accepted", "overdue")),
            Escalation.breached_at.is_(None),
            Escalation.bridged_at.is_(None),
            Escalation.promise_at <= now,
        )
        .with_for_update(skip_locked=True)
    ).all()
    for escalation in rows:
        _breach(session, escalation, now)
    return len(rows)


def _breach(session: Session, escalation: Escalation, now: datetime) -> None:
    escalation.breached_at = now
    record(session, "escalation", escalation.id, "promise broken", now, status=escalation.status)


def on_attempt_ringing(session: Session, event: events.AttemptRinging, now: datetime) -> None:
    escalation = _of_doctor(session, event.kind, event.subject_id)
    if escalation is not None and escalation.first_ring_at is None:
        escalation.first_ring_at = now


def on_attempt_in_doubt(session: Session, event: events.AttemptInDoubt, now: datetime) -> None:
    """An escalation does not wait for the truth about a doubtful ring: the next doctor, at once."""
    escalation = _of_doctor(session, event.kind, event.subject_id)
    if escalation is not None and escalation.status == "ringing":
        drive(session, escalation, now)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    """A doctor's ring is over. If it was the one we waited for, the next; if it owned the patient, see below."""
    escalation = _of_doctor(session, event.kind, event.subject_id)
    if escalation is None:
        return
    if escalation.owner_attempt_id == event.attempt_id:
        _check_owner(session, escalation, now)
    elif escalation.status == "ringing" and not _waited_for(session, escalation):
        drive(session, escalation, now)


def _waited_for(session: Session, escalation: Escalation) -> list[Attempt]:
    """Rings that are under way; one in doubt is not waited for."""
    return [a for a in attempts.live_for(session, escalation.id, "doctor") if a.status != "in_doubt"]


def _of_doctor(session: Session, kind: str, subject_id: uuid.UUID | None) -> Escalation | None:
    if kind != "doctor" or subject_id is None:
        return None
    return locked(session, subject_id)


def locked(session: Session, escalation_id: uuid.UUID) -> Escalation | None:
    return session.get(Escalation, escalation_id, with_for_update=True, populate_existing=True)


# ---- the doctor on the phone --------------------------------------------------------------------
def wants(session: Session, attempt: Attempt) -> bool:
    """Whether a doctor who picks up now is still needed."""
    escalation = session.get(Escalation, attempt.subject_id) if attempt.subject_id else None
    return escalation is not None and (
        escalation.status in ("open", "ringing", "overdue") or escalation.owner_attempt_id == attempt.id
    )


def on_doctor_decided(session: Session, event: events.DoctorDecided, now: datetime) -> None:
    """A key was pressed, or none: accept, pass on at once, or treat as nobody."""
    attempt = session.get_one(Attempt, event.attempt_id)
    escalation = locked(session, attempt.subject_id) if attempt.subject_id else None
    if escalation is None:
        return
    if event.decision != "accepted":
        record(session, "escalation", escalation.id, event.decision, now, attempt=str(attempt.id))
        if escalation.status == "ringing" and escalation.owner_attempt_id is None:
            drive(session, escalation, now)
        return
    if not _move(session, escalation, "accepted", now, attempt=str(attempt.id)):
        return
    escalation.owner_attempt_id = attempt.id
    escalation.accepted_at = escalation.accepted_at or now
    escalation.next_step_at = now + OWNER_QUIET
    for other in attempts.live_for(session, escalation.id, "doctor"):
        if other.id != attempt.id:
            attempts.take_back(session, other.id)
    for ring in attempts.unanswered_to(session, escalation.to, "routine"):
        # A follow-up of ours would make the patient's line busy for the doctor.
        attempts.take_back(session, ring.id)
    for live in calls.live_with_number(session, escalation.to):
        # The patient still talks with our machine: it says the doctor is coming and hangs up.
        jobs.defer(session, calls.INTERRUPT, call_id=live.id)


def connect_patient(session: Session, doctor_call: Call, now: datetime) -> Attempt | gate.Refused:
    """The ring to the patient that the doctor's own Dial will make. The gate is asked like for any other."""
    assert doctor_call.attempt_id is not None
    doctor_attempt = session.get_one(Attempt, doctor_call.attempt_id)
    escalation = locked(session, doctor_attempt.subject_id) if doctor_attempt.subject_id else None
    if escalation is None or escalation.owner_attempt_id != doctor_attempt.id:
        return gate.Refused("not_owner")
    escalation.next_step_at = now + timedelta(seconds=PATIENT_RING_S) + OWNER_QUIET
    return attempts.dial(
        session,
        gate.Ring("patient", escalation.to, escalation.id, patient_id=escalation.patient_id),
        parent=doctor_call,
        flow="patient_join",
        language=escalation.language,
        brief={"known": escalation.patient_id is not None},
        ring_s=PATIENT_RING_S,
        now=now,
    )


def on_patient_joined(session: Session, event: events.PatientJoined, now: datetime) -> None:
    attempt = session.get_one(Attempt, event.attempt_id)
    escalation = locked(session, attempt.subject_id) if attempt.subject_id else None
    doctor_call = session.get(Call, attempt.parent_call_id) if attempt.parent_call_id else None
    if escalation is None or doctor_call is None or doctor_call.attempt_id != escalation.owner_attempt_id:
        return  # the doctor whose Dial this leg belongs to has lost the patient to another one
    if _move(session, escalation, "bridged", now):
        escalation.bridged_at = now
        escalation.next_step_at = now + timedelta(hours=1)
        if escalation.breached_at is None and escalation.promise_at <= now:
            _breach(session, escalation, now)


def talk_ended(session: Session, doctor_attempt_id: uuid.UUID, seconds: int, now: datetime) -> None:
    """The joined call is over after `seconds` of talk: closed if that was a talk, open again if not."""
    attempt = session.get_one(Attempt, doctor_attempt_id)
    escalation = locked(session, attempt.subject_id) if attempt.subject_id else None
    if escalation is None or escalation.owner_attempt_id != doctor_attempt_id:
        return
    if escalation.bridged_at is not None:
        # The carrier counts a leg from its answer; the talk begins when the patient has pressed the key.
        seconds = min(seconds, int((now - escalation.bridged_at).total_seconds()))
    if seconds >= settings_of(session).escalation.talk_s:
        if _move(session, escalation, "talked", now, seconds=seconds):
            escalation.talk_s = seconds
            escalation.closed_at = now
            escalation.next_step_at = None
    elif _move(session, escalation, "too_short", now, seconds=seconds):
        _reopen(session, escalation, now)


def _check_owner(session: Session, escalation: Escalation, now: datetime) -> None:
    """The accepted doctor's call is over, or quiet for long: was there a talk?"""
    owner = session.get(Attempt, escalation.owner_attempt_id) if escalation.owner_attempt_id else None
    if owner is not None and owner.ended_at is None:
        escalation.next_step_at = now + OWNER_QUIET
        return
    if escalation.status == "bridged" and escalation.bridged_at is not None and owner is not None:
        ended = owner.ended_at or now
        talk_ended(session, owner.id, int((ended - escalation.bridged_at).total_seconds()), now)
    elif _move(session, escalation, "lost_doctor", now, why="the doctor's call ended before the patient was there"):
        _reopen(session, escalation, now)


def _reopen(session: Session, escalation: Escalation, now: datetime) -> None:
    """Not talked: the next doctor in the chain is rung, and the clock runs on."""
    escalation.owner_attempt_id = None
    escalation.bridged_at = None
    drive(session, escalation, now)


def _move(
    session: Session, escalation: Escalation, event: str, now: datetime, *, why: str = "", **data: object
) -> bool:
    """The only writer of an escalation's status. False: no such move, nothing changed."""
    to_state = move(ESCALATION_MOVES, escalation.status, event)
    if to_state is None:
        return False
    from_state, escalation.status = escalation.status, to_state
    record(
        session, "escalation", escalation.id, event, now, from_state=from_state, to_state=to_state,
        why=why, data=data,
    )  # fmt: skip
    return True
