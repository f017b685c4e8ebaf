"""Follow-ups: planned with the procedure, rung when due, closed by what was heard. Only writer of their status."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, people
from core.house import settings_of
from core.models import Contact, Patient, Procedure, new_id, record
from dialer import attempt as attempts
from dialer import gate, lines, sms
from dialer.models import Attempt, Call
from scheduler import texts
from scheduler.machine import MOVES, OPEN, OVER, after_ring, deadline
from scheduler.models import FollowUp

RECOVERY_HOUR = time(10, 0)
"""When the next day's recovery message leaves, on the patient's own clock."""
CLAIM_LIMIT = 20
HELD = frozenset({"no_line", "pace", "paused", "not_live", "number_in_use"})
"""The gate's refusals that say nothing about the patient: the follow-up stays due and is asked about again. No
move, so that a lane paused for a day does not fill the ledger; each refusal has its own row with a count."""
OPERATION_CANCELLED = "the procedure was cancelled"


def plan(session: Session, procedure: Procedure, now: datetime) -> list[FollowUp]:
    """The waves of a procedure, those that exist already left alone. A wave whose deadline has passed at the time
    of the import is written down as expired, with the reason: nothing vanishes."""
    followup = settings_of(session).followup
    existing = set(session.scalars(sa.select(FollowUp.wave).where(FollowUp.procedure_id == procedure.id)))
    made = []
    for wave in followup.waves_for(procedure.name):
        if wave.name in existing:
            continue
        row = FollowUp(
            id=new_id(),
            procedure_id=procedure.id,
            patient_id=procedure.patient_id,
            wave=wave.name,
            status="planned",
        )
        _set_times(row, procedure.ended_at, wave.after)
        session.add(row)
        session.flush()
        record(session, "followup", row.id, "planned", now, to_state="planned", wave=wave.name)
        _expire_late(session, row, now)
        made.append(row)
    return made


def _set_times(row: FollowUp, ended_at: datetime, after: timedelta) -> None:
    row.due_at = row.next_try_at = ended_at + after
    row.deadline_at = deadline(row.due_at, after)


def _expire_late(session: Session, row: FollowUp, now: datetime) -> None:
    if row.deadline_at <= now:
        _move(session, row, "expired", now, why="imported too late for this wave")


def move_surgery(session: Session, procedure: Procedure, now: datetime) -> int:
    """The operation's end was corrected: what has not been rung yet moves with it. Returns how many moved."""
    moved = 0
    offsets = {w.name: w.after for w in settings_of(session).followup.waves_for(procedure.name)}
    for row in _open_rows(session, procedure.id):
        if row.status != "planned" or row.wave not in offsets:
            continue
        _set_times(row, procedure.ended_at, offsets[row.wave])
        record(session, "followup", row.id, "moved", now, why="the operation's end was corrected")
        moved += 1
    return moved


def cancel(session: Session, procedure_id: uuid.UUID, why: str, now: datetime) -> int:
    """Everything still to come for this procedure is off; a ring already on its way is taken back."""
    cancelled = 0
    for row in _open_rows(session, procedure_id):
        if row.status == "calling":
            for attempt in attempts.live_for(session, row.id, "followup"):
                attempts.take_back(session, attempt.id)
        elif _move(session, row, "cancelled", now, why=why):
            cancelled += 1
    return cancelled


def reinstate(session: Session, procedure: Procedure, now: datetime) -> int:
    """A cancelled operation stands again: what its cancelling took away is planned anew. Returns how many."""
    offsets = {w.name: w.after for w in settings_of(session).followup.waves_for(procedure.name)}
    rows = session.scalars(
        sa.select(FollowUp)
        .where(
            FollowUp.procedure_id == procedure.id,
            FollowUp.status == "cancelled",
            FollowUp.reason == OPERATION_CANCELLED,
            FollowUp.wave.in_(offsets),
        )
        .with_for_update()
    ).all()
    for row in rows:
        _move(session, row, "reinstated", now, why="the operation stands again")
        row.closed_at = None
        _set_times(row, procedure.ended_at, offsets[row.wave])
        _expire_late(session, row, now)
    return sum(row.status == "planned" for row in [*rows, *plan(session, procedure, now)])


def _open_rows(session: Session, procedure_id: uuid.UUID) -> list[FollowUp]:
    return list(
        session.scalars(
            sa.select(FollowUp)
            .where(FollowUp.procedure_id == procedure_id, FollowUp.status.in_(OPEN))
            .with_for_update()
        )
    )


# ---- ringing ------------------------------------------------------------------------------------
def ring_due(session: Session, now: datetime) -> int:
    """Claim what is due and ring it, as long as the routine lane has a line and the pace allows. Returns rings."""
    rung = 0
    if not lines.has_free(session, "routine"):
        return 0
    rows = session.scalars(
        sa.select(FollowUp)
        .where(FollowUp.status.in_(("planned", "due", "waiting")), FollowUp.next_try_at <= now)
        .order_by(FollowUp.next_try_at)
        .limit(CLAIM_LIMIT)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _move(session, row, "due", now)
        if row.deadline_at <= now:
            # Asked before the gate, whose `not_live` and `paused` would hold it for ever.
            _move(session, row, "expired", now, why="deadline_passed")
            continue
        if not _ring(session, row, now):
            continue
        rung += 1
        if not lines.has_free(session, "routine"):
            break
    return rung


def _ring(session: Session, row: FollowUp, now: datetime) -> bool:
    contact = _contact(session, row)
    if contact is None:
        _move(session, row, "unreached", now, why="there is no number to ring")
        return False
    patient = session.get_one(Patient, row.patient_id)
    procedure = session.get_one(Procedure, row.procedure_id)
    settings = settings_of(session)
    placed = attempts.place(
        session,
        gate.Ring("followup", contact.phone, row.id, patient_id=patient.id, deadline_at=row.deadline_at),
        flow="followup",
        language=patient.language,
        brief={
            "wave": row.wave,
            "procedure_id": str(procedure.id),
            "department": procedure.department,
            "threshold": settings.followup.threshold_for(procedure.name),
        },
        ring_s=settings.calling.ring_s,
        now=now,
    )
    if isinstance(placed, Attempt):
        row.interview = None
        _move(session, row, "ring", now, attempt=str(placed.id))
        return True
    _refused(session, row, placed, now)
    return False


def _contact(session: Session, row: FollowUp) -> Contact | None:
    """The number for this try: the patient's own first, then the next in turn; none that asked to be left alone."""
    numbers = [c for c in people.contacts_of(session, row.patient_id) if not people.on_do_not_call(session, c.phone)]
    return numbers[row.tries % len(numbers)] if numbers else None


def _refused(session: Session, row: FollowUp, refused: gate.Refused, now: datetime) -> None:
    """What the gate's no means for the follow-up: later, or never with the reason."""
    row.reason = refused.reason
    if refused.again_at is not None:
        row.next_try_at = refused.again_at
        if refused.reason not in HELD:
            _move(session, row, "wait", now, why=refused.reason)
    elif refused.reason == "deadline_passed":
        _move(session, row, "expired", now, why=refused.reason)
    elif refused.reason in ("no_consent", "do_not_call"):
        _move(session, row, "declined", now, why=refused.reason)
    elif refused.reason in ("deceased", "readmitted", "no_patient"):
        _move(session, row, "cancelled", now, why=refused.reason)
    else:
        _move(session, row, "unreached", now, why=refused.reason)


def on_interview_ended(session: Session, event: events.InterviewEnded, now: datetime) -> None:
    """Kept until the call is over; then the follow-up moves once, with both facts known. What the flow itself said
    wins over the "partial" of a call that ended before its last request arrived (docs/twilio.md 2.4, 2.11)."""
    attempt = session.get_one(Attempt, event.attempt_id)
    row = _locked(session, attempt.subject_id)
    if row is None:
        return
    if row.status == "calling" and row.interview in (None, "partial"):
        row.interview = event.outcome
    elif row.status == "waiting" and row.interview == "partial" and event.outcome == "completed":
        _move(session, row, "completed", now, why="completed")


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    if event.kind != "followup":
        return
    row = _locked(session, event.subject_id)
    if row is None or row.status != "calling":
        return
    following = after_ring(event.outcome, row.interview, row.tries)
    row.tries += 1 if following.counts else 0
    why = row.interview or event.outcome
    cancelled = session.get_one(Procedure, row.procedure_id).status == "cancelled"
    if cancelled and following.event not in ("completed", "declined"):
        _move(session, row, "cancelled", now, why=OPERATION_CANCELLED)
    elif following.event == "wait":
        _wait(session, row, now + following.after, why, now)
    else:
        _move(session, row, following.event, now, why=why)


def _wait(session: Session, row: FollowUp, earliest: datetime, why: str, now: datetime) -> None:
    """Until calling hours from `earliest` on; with no such hour before the deadline it ends now, for a nurse."""
    next_try_at = _next_try(session, row, earliest)
    if next_try_at < row.deadline_at:
        row.next_try_at = next_try_at
        _move(session, row, "wait", now, why=why)
    else:
        _move(session, row, "partial" if row.interview == "partial" else "unreached", now, why=f"{why}; no time left")


def _next_try(session: Session, row: FollowUp, earliest: datetime) -> datetime:
    zone = session.get_one(Patient, row.patient_id).timezone
    return calendar.next_open(earliest, zone, settings_of(session).calling.window)


def on_score_stands(session: Session, event: events.ScoreStands, now: datetime) -> None:
    """A score below the threshold: recovery tips tomorrow, by SMS (docs/clinical.md FUP8). Both flows promise them
    to a patient on file: the follow-up's message is its own, the hotline's the call's."""
    call = session.get_one(Call, event.call_id)
    if call.kind not in ("followup", "hotline") or call.patient_id is None or not call.party:
        return
    attempt = session.get_one(Attempt, call.attempt_id) if call.attempt_id else None
    threshold = int(attempt.brief["threshold"]) if attempt else settings_of(session).followup.threshold
    subject_id = attempt.subject_id if attempt else call.id
    if event.score >= threshold or subject_id is None:
        return
    patient = session.get_one(Patient, call.patient_id)
    tomorrow = now.astimezone(ZoneInfo(patient.timezone)).date() + timedelta(days=1)
    sms.plan(
        session,
        kind="recovery",
        subject_id=subject_id,
        patient_id=patient.id,
        to=call.party,
        body=recovery_text(session, patient.language),
        due_at=calendar.at_wall(tomorrow, RECOVERY_HOUR, patient.timezone),
        now=now,
    )


def recovery_text(session: Session, language: str) -> str:
    """No name, no operation, no score: a neighbour may read it."""
    settings = settings_of(session)
    values = {"alias": settings.hospital.spoken_alias(language), "hotline": settings.twilio_from or ""}
    return texts.text("recovery", language, values)


def _locked(session: Session, followup_id: uuid.UUID | None) -> FollowUp | None:
    if followup_id is None:
        return None
    return session.get(FollowUp, followup_id, with_for_update=True, populate_existing=True)


def _move(session: Session, row: FollowUp, event: str, now: datetime, *, why: str = "", **data: object) -> bool:
    """The only writer of a follow-up's status. False: no such move, nothing changed."""
    to_state = MOVES.get((row.status, event))
    if to_state is None:
        return False
    from_state, row.status = row.status, to_state
    row.reason = why or row.reason
    if to_state in OVER:
        row.closed_at = now
        # A wave that was already over when its operation was imported was never promised to anybody.
        if to_state in ("unreached", "partial") or (to_state == "expired" and from_state != "planned"):
            events.publish(session, events.FollowUpUnreached(row.id, row.patient_id, why), now)
    record(session, "followup", row.id, event, now, from_state=from_state, to_state=to_state, why=why, data=data)
    return True
