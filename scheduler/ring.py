"""Follow-ups rung when due, and what becomes of them when the ring is over (rules: scheduler.machine).

What is due is claimed row by row, as long as the routine lane has a line and the pace allows; the gate decides each
ring. A row waits for the end of exactly one ring, its `current_attempt_id`: whatever else ends moves nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, holidays, people
from core.house import settings_of
from core.models import Contact, DoNotCall, Patient, Procedure
from dialer import attempt as attempts
from dialer import gate, lines
from dialer.models import Attempt
from scheduler import notices, recheck
from scheduler.machine import WAITING, Next, after_ring, doctor_from, given_up
from scheduler.models import FollowUp
from scheduler.store import OPERATION_CANCELLED, locked, move

CLAIM_LIMIT = 20
NIGHT = timedelta(hours=3)
"""A wait for calling hours longer than this is the night, not the midday rest: the patient is written to now."""
EARLY = timedelta(hours=24)
"""A wave nearer to the operation than this cannot wait for the morning without a word."""


def ring_due(session: Session, now: datetime) -> int:
    """Claim what is due and ring it, as long as the routine lane has a line and the pace allows. Returns rings."""
    rung = 0
    may = lines.routine_may(session, now)
    for _ in range(CLAIM_LIMIT):
        # one at a time: the pace seldom allows a second, and a morning's backlog need not be read and locked for it
        row = session.scalar(_NEXT, {"now": now}) if may else None
        if row is None:
            break
        if _ring(session, row, now):
            rung += 1
            may = lines.routine_may(session, now)
    return rung


_NEXT = (
    # one whose deadline has passed is left to `run_out`
    sa.select(FollowUp)
    .where(
        FollowUp.status.in_(WAITING),
        FollowUp.next_try_at <= sa.bindparam("now"),
        FollowUp.deadline_at > sa.bindparam("now"),
        FollowUp.held.is_(False),
    )
    .order_by(FollowUp.next_try_at, FollowUp.id)
    .limit(1)
    .with_for_update(skip_locked=True, key_share=True)
)


def run_out(session: Session, now: datetime, limit: int = 50) -> int:
    """Close what waited past its deadline, whatever it waited for: a line, a pause, a nurse. Returns how many."""
    rows = session.scalars(
        sa.select(FollowUp)
        .where(FollowUp.status.in_(WAITING), FollowUp.deadline_at <= now)
        .order_by(FollowUp.deadline_at, FollowUp.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _close(session, row, given_up(row.begun, row.tries), "deadline_passed", now)
    return len(rows)


def _ring(session: Session, row: FollowUp, now: datetime) -> bool:
    patient = session.get_one(Patient, row.patient_id)
    numbers = _numbers(session, row, patient, now)
    if not numbers:
        move(session, row, "due", now)
        _close(session, row, "unreached", "no_number", now)
        return False
    placed = attempts.place(
        session,
        gate.Ring(
            "followup",
            numbers[row.turn % len(numbers)].phone,
            row.id,
            patient_id=patient.id,
            deadline_at=row.deadline_at,
        ),
        flow="followup",
        language=patient.language,
        brief=brief(session, row, patient, now),
        ring_s=settings_of(session).calling.ring_s,
        now=now,
    )
    move(session, row, "due", now)
    if isinstance(placed, Attempt):
        row.interview = None
        row.current_attempt_id = placed.id
        row.last_try_at = now
        move(session, row, "ring", now, attempt=str(placed.id))
        return True
    _refused(session, row, patient, placed, now)
    return False


def _numbers(session: Session, row: FollowUp, patient: Patient, now: datetime) -> list[Contact]:
    """The patient's numbers in the order they are rung: none that asked to be left alone, none that this wave has
    found to be dead."""
    contacts = people.respondents(session, patient, people.today(patient, now))
    given = {"followup_id": row.id, "numbers": [contact.phone_index for contact in contacts]}
    left_out = set(session.scalars(_LEFT_OUT, given))
    return [contact for contact in contacts if contact.phone_index not in left_out]


_LEFT_OUT = sa.union_all(
    sa.select(Attempt.to_index).where(
        Attempt.subject_id == sa.bindparam("followup_id"),
        Attempt.kind == "followup",
        Attempt.outcome == "failed_for_good",
    ),
    sa.select(DoNotCall.phone_index).where(
        DoNotCall.phone_index.in_(sa.bindparam("numbers", expanding=True)), DoNotCall.ended_at.is_(None)
    ),
)


def brief(session: Session, row: FollowUp, patient: Patient, now: datetime) -> dict[str, Any]:
    """What the call's flow is told of the follow-up (ivr.facts): ids, scores and question keys, no names."""
    operation = session.execute(_OPERATION, {"procedure_id": row.procedure_id, "due_at": row.due_at}).one()
    followup = settings_of(session).followup
    policy = followup.policy(operation.name, row.wave)
    last_score = None if operation.last_score is None else int(operation.last_score)
    threshold = doctor_from(policy.doctor_from, last_score, followup.rise)
    today = people.today(patient, now)
    return {
        "wave": row.wave,
        "procedure_id": str(row.procedure_id),
        "department": operation.department,
        "threshold": threshold,
        "nurse_from": min(policy.threshold, threshold),
        "questions": recheck.questions(session, row) if row.escalation_id else _listed(policy.questions),
        "guardian": people.is_minor(session, patient, today),
        "slow": people.is_old(session, patient, today),
    }


def _listed(questions: tuple[str, ...] | None) -> list[str] | None:
    return None if questions is None else list(questions)


_LAST_SCORE = (
    # that stood at the wave before this one of the same operation
    sa.select(FollowUp.score)
    .where(
        FollowUp.procedure_id == sa.bindparam("procedure_id"),
        FollowUp.due_at < sa.bindparam("due_at"),
        FollowUp.score.is_not(None),
    )
    .order_by(FollowUp.due_at.desc())
    .limit(1)
)
_OPERATION = sa.select(Procedure.name, Procedure.department, _LAST_SCORE.scalar_subquery().label("last_score")).where(
    Procedure.id == sa.bindparam("procedure_id")
)


# ---- the gate's no ------------------------------------------------------------------------------
def _refused(session: Session, row: FollowUp, patient: Patient, refused: gate.Refused, now: datetime) -> None:
    """What the gate's no means for the follow-up: later, or never with the reason."""
    if refused.again_at is not None:
        row.reason = refused.reason
        row.next_try_at = refused.again_at
        if refused.reason not in gate.HELD:
            move(session, row, "wait", now, why=refused.reason)
        if refused.reason == "outside_window" and _falls_in_the_night(session, row, refused.again_at, now):
            notices.night(session, row, patient, now)
    elif refused.reason in ("no_consent", "do_not_call"):
        move(session, row, "declined", now, why=refused.reason)
    elif refused.reason in gate.PERSON_GONE:
        move(session, row, "cancelled", now, why=refused.reason)
    else:
        _close(session, row, "unreached", refused.reason, now)


def _falls_in_the_night(session: Session, row: FollowUp, opening: datetime, now: datetime) -> bool:
    """A wave hours after the operation that has not been tried and must wait for the morning."""
    ended_at = session.get_one(Procedure, row.procedure_id).ended_at
    return row.tries == 0 and opening - now > NIGHT and row.due_at - ended_at < EARLY


# ---- the end of a ring --------------------------------------------------------------------------
def on_interview_ended(session: Session, event: events.InterviewEnded, now: datetime) -> None:
    """Kept until the call is over; then the follow-up moves once, with both facts known. What the flow itself said
    wins over the "partial" of a call that ended before its last request arrived (docs/twilio.md 2.4, 2.11)."""
    attempt = session.get_one(Attempt, event.attempt_id)
    row = locked(session, attempt.subject_id) if attempt.kind == "followup" else None
    if row is None or not _is_current(row, event.attempt_id):
        return
    whole = event.outcome in ("completed", "handed_over")
    row.begun = row.begun or event.outcome == "partial"
    if row.status == "calling" and row.interview in (None, "partial"):
        row.interview = event.outcome
    elif row.status == "waiting" and row.interview == "partial" and whole:
        move(session, row, "completed", now, why=event.outcome)
    if event.outcome == "wrong_number":
        people.retire_number(session, row.patient_id, attempt.to, now)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    if event.kind != "followup":
        return
    row = locked(session, event.subject_id)
    if row is None or row.status != "calling" or not _is_current(row, event.attempt_id):
        return
    outcome = event.outcome
    if outcome == "answered" and session.get_one(Attempt, event.attempt_id).answered_by == "machine":
        outcome = "machine"
    most = settings_of(session).followup.tries
    following = after_ring(outcome, row.interview, row.tries, most, begun=row.begun)
    why = row.interview or outcome
    # everything is asked before the row is touched: a question would write what is half done
    cancelled = session.scalar(_CANCELLED, {"procedure_id": row.procedure_id})
    again = _again(session, row, following, now) if following.event == "wait" else None
    row.tries += 1 if following.counts else 0
    row.turn += 1 if following.next_number else 0
    if cancelled and following.event not in ("completed", "declined"):
        move(session, row, "cancelled", now, why=OPERATION_CANCELLED)
    elif again is None:
        _close(session, row, following.event, why, now)
    elif again < row.deadline_at:
        row.next_try_at = again
        move(session, row, "wait", now, why=why)
    else:
        _close(session, row, "partial" if row.begun else "unreached", f"{why}; no_time_left", now)


_CANCELLED = sa.select(Procedure.status == "cancelled").where(Procedure.id == sa.bindparam("procedure_id"))


def _is_current(row: FollowUp, attempt_id: object) -> bool:
    return row.current_attempt_id in (None, attempt_id)


def _again(session: Session, row: FollowUp, rule: Next, now: datetime) -> datetime:
    """When it is rung next: in calling hours, at another part of the day if the rule says so and the deadline leaves
    room for it."""
    zone = session.get_one(Patient, row.patient_id).timezone
    hours, earliest = holidays.hours(session), now + rule.after
    if rule.other_part and row.last_try_at is not None:
        used = calendar.part_of_day(row.last_try_at, zone)
        return calendar.next_open_in_other_part(earliest, zone, hours, used, row.deadline_at)
    return calendar.next_open(earliest, zone, hours)


def _close(session: Session, row: FollowUp, event: str, why: str, now: datetime) -> None:
    """The last move; who was rung in vain is asked by SMS to ring us."""
    if move(session, row, event, now, why=why) and row.status in ("unreached", "partial") and row.tries:
        notices.missed(session, row, now)
