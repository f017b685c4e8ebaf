"""What a follow-up writes to its patient: recovery tips, a word in the night, a word when nobody was reached.

A neighbour may read an SMS: no name, no operation, no score (docs/clinical.md section 2, Voicemail).
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy.orm import Session

from core import calendar, events, people
from core.house import settings_of
from core.models import Patient, Procedure
from dialer import sms
from dialer.models import Attempt, Call
from scheduler import texts
from scheduler.models import FollowUp
from scheduler.store import locked

RECOVERY_HOUR = time(10, 0)
"""When the next day's recovery message leaves, on the patient's own clock."""


def night(session: Session, row: FollowUp, patient: Patient, now: datetime) -> None:
    """A wave fell in the night: written now, rung in the morning (docs/clinical.md FUP4)."""
    _send(session, "night_notice", row, patient, now)


def missed(session: Session, row: FollowUp, now: datetime) -> None:
    """The last ring was in vain: the patient may ring us."""
    _send(session, "missed", row, session.get_one(Patient, row.patient_id), now)


def _send(session: Session, kind: str, row: FollowUp, patient: Patient, now: datetime) -> None:
    numbers = people.respondents(session, patient, people.today(patient, now))
    if numbers:
        sms.plan(
            session,
            kind=kind,
            subject_id=row.id,
            patient_id=patient.id,
            to=numbers[0].phone,
            body=texts.written(settings_of(session), kind, patient.language),
            due_at=now,
            now=now,
            clinical=True,
        )


def on_score_stands(session: Session, event: events.ScoreStands, now: datetime) -> None:
    """A score is kept with its wave; below the nurse's band it promises recovery tips for tomorrow, by SMS
    (docs/clinical.md FUP8), within it a nurse rings today. Both flows promise them to a patient on file."""
    call = session.get_one(Call, event.call_id)
    attempt = session.get_one(Attempt, call.attempt_id) if call.attempt_id else None
    row = locked(session, attempt.subject_id) if attempt is not None and attempt.kind == "followup" else None
    if row is not None and row.patient_id != call.patient_id:
        row = None  # the answers were found to be another patient's
    if row is not None and event.question == "pain":
        row.score = str(event.score)  # pain when moving is judged, and is not what the next wave compares itself with
    if call.kind not in ("followup", "hotline") or call.patient_id is None or not call.party:
        return
    followup = settings_of(session).followup
    threshold = int(attempt.brief["threshold"]) if attempt is not None else followup.threshold
    nurse_from = int(attempt.brief.get("nurse_from", threshold)) if attempt is not None else threshold
    if nurse_from <= event.score < threshold:
        if event.before is None or event.before < nurse_from:
            subject_id = row.id if row is not None else call.id
            events.publish(session, events.WorkWanted("nurse_score", call.patient_id, subject_id, "score"), now)
    elif event.score < nurse_from and event.before is None:
        _recovery(session, call, row, now)


def _recovery(session: Session, call: Call, row: FollowUp | None, now: datetime) -> None:
    patient = session.get_one(Patient, call.patient_id)
    procedure = session.get_one(Procedure, row.procedure_id) if row is not None else None
    key = settings_of(session).followup.recovery_for(procedure.name if procedure is not None else "")
    tomorrow = people.today(patient, now) + timedelta(days=1)
    sms.plan(
        session,
        kind="recovery",
        subject_id=row.id if row is not None else call.id,
        patient_id=patient.id,
        to=call.party,
        body=texts.written(settings_of(session), key, patient.language),
        due_at=calendar.at_wall(tomorrow, RECOVERY_HOUR, patient.timezone),
        now=now,
        clinical=True,
    )
