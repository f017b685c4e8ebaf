"""Answers put right by a nurse: a new row for each, the original stays as it was keyed (docs/clinical.md FUP19).

A corrected pain score is told like a keyed one, so that a 3 that was a 7 brings the doctor. One that is lower is
written down and closes nothing: what was begun for the patient is ended by people who have talked to them.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.db import blind
from core.house import of
from core.models import Patient, Procedure, record
from dialer.alarm import DOCTOR_LEVELS
from dialer.machine import CALL_OVER
from dialer.models import ALARM_OPEN, Attempt, Call, Escalation
from ivr.book import Book
from ivr.models import Answer
from ivr.questions import SCORED, Meaning

SPOKEN = ("open", "message")
"""Answers that are a recording: there is nothing to key anew."""
LONGEST = 500


class CorrectionProblem(Exception):
    """What a nurse asked for cannot be done; `str()` is one sentence."""


def correct(session: Session, answer_id: uuid.UUID, value: str, reason: str, who: str, now: datetime) -> Answer:
    """`value` instead of what was keyed. Returns the new row. Raises CorrectionProblem."""
    reason = _reason(reason)
    old = session.get(Answer, answer_id, with_for_update=True, populate_existing=True)
    if old is None:
        raise CorrectionProblem("There is no answer with this id.")
    if old.replaced_at is not None:
        raise CorrectionProblem("This answer was replaced already: correct the newer one.")
    call = session.get_one(Call, old.call_id)
    if call.status not in CALL_OVER:
        raise CorrectionProblem("The call is still going on: wait for its end.")
    meaning = _meaning(session, old, value.strip())
    new = _instead(session, old, meaning.value, reason, who, now)
    new.level = meaning.level
    record(session, "call", call.id, "answer corrected", now, who=who, data={"answer": str(new.id), "of": str(old.id)})
    if old.question in SCORED:
        _score_corrected(session, call, old, int(new.value), who, now)
    else:
        _meaning_corrected(session, call, old, new, meaning, now)
    return new


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise CorrectionProblem("A reason is needed: why is it corrected?")
    if len(reason) > LONGEST:
        raise CorrectionProblem(f"The reason has {len(reason)} characters; {LONGEST} are the most.")
    return reason


def _meaning(session: Session, old: Answer, value: str) -> Meaning:
    """What `value` means as an answer to this question."""
    if old.question in SPOKEN:
        raise CorrectionProblem("This answer is a recording; it cannot be corrected.")
    if value == old.value:
        raise CorrectionProblem("That is what the answer says already.")
    if old.question in SCORED:
        if value not in {str(score) for score in range(11)}:
            raise CorrectionProblem("A pain score is a whole number from 0 to 10.")
        return Meaning(value=value)
    if old.question.removesuffix("_band") in SCORED:
        raise CorrectionProblem("The score counts, not its band: correct the answer to 'pain'.")
    question = of(session).service(Book).questions.questions.get(old.question)
    if question is None:
        raise CorrectionProblem("This question is not asked any more; its answers stay as they are.")
    for meaning in question.keys.values():
        if meaning.value == value:
            return meaning
    known = ", ".join(meaning.value for meaning in question.keys.values())
    raise CorrectionProblem(f"The value must be one of {known}.")


def _instead(session: Session, old: Answer, value: str, reason: str, who: str, now: datetime) -> Answer:
    new = Answer(
        call_id=old.call_id,
        patient_id=old.patient_id,
        subject_id=old.subject_id,
        question=old.question,
        value=value,
        raw=old.raw,
        how=old.how,
        keyed_at=old.keyed_at,
        confirmed_at=now if old.question in SCORED else old.confirmed_at,
        respondent=old.respondent,
        corrects_id=old.id,
        corrected_by=who,
        correction=reason,
    )
    old.replaced_at = now
    session.add(new)
    session.flush()
    return new


def _score_corrected(session: Session, call: Call, old: Answer, score: int, who: str, now: datetime) -> None:
    told = {"was": int(old.value), "score": score}
    for escalation in _open_escalations(session, call):
        record(session, "escalation", escalation.id, "score corrected", now, who=who, data=told)
    told_of = events.ScoreStands(call.id, score, now, "corrected", old.question, int(old.value))
    events.publish(session, told_of, now)


def _meaning_corrected(session: Session, call: Call, old: Answer, new: Answer, meaning: Meaning, now: datetime) -> None:
    """A warning sign that was not one is told like one that was keyed."""
    doctor_knows = {old.level, meaning.level} <= DOCTOR_LEVELS
    if meaning.level and meaning.level != old.level and not doctor_knows:
        events.publish(session, events.RedFlag(call.id, new.question, meaning.level, now), now)
        if meaning.level == "C":
            _want(session, new, "red_flag", now)
    if meaning.work is not None:
        _want(session, new, meaning.work, now)
    purpose = of(session).service(Book).questions.questions[new.question].consent
    if purpose is not None and new.patient_id is not None and new.respondent == "self":
        people.set_consent(session, new.patient_id, purpose, meaning.value == "yes", "staff", now)


def _want(session: Session, answer: Answer, kind: str, now: datetime) -> None:
    subject_id = answer.subject_id or answer.call_id
    events.publish(session, events.WorkWanted(kind, answer.patient_id, subject_id, answer.question), now)


def _open_escalations(session: Session, call: Call) -> list[Escalation]:
    """Those of this call, and of its patient: another call's alarm may have been joined."""
    its = Escalation.call_id == call.id
    if call.patient_id is not None:
        its = its | (Escalation.patient_id == call.patient_id)
    return list(session.scalars(sa.select(Escalation).where(ALARM_OPEN, its).with_for_update(key_share=True)))


# ---- another person's answers -------------------------------------------------------------------
def reassign(session: Session, call_id: uuid.UUID, mrn: str, reason: str, who: str, now: datetime) -> int:
    """The call's answers were given by the patient `mrn`: new rows there, the old ones kept and marked. Returns how
    many moved. What becomes of the wave they closed is a nurse's decision. Raises CorrectionProblem."""
    reason = _reason(reason)
    call = session.get(Call, call_id, with_for_update=True, populate_existing=True)
    if call is None:
        raise CorrectionProblem("There is no call with this id.")
    if call.status not in CALL_OVER:
        raise CorrectionProblem("The call is still going on: wait for its end.")
    right = session.scalar(sa.select(Patient).where(Patient.mrn_index == blind(mrn, people.MRN)))
    if right is None or right.merged_into is not None:
        raise CorrectionProblem("No patient with this record number is on file, or the record was merged.")
    rows = session.scalars(
        sa.select(Answer).where(Answer.call_id == call.id, Answer.replaced_at.is_(None)).with_for_update()
    ).all()
    moving = [row for row in rows if row.patient_id != right.id]
    if not moving:
        raise CorrectionProblem("This call has no answers of anybody else.")
    for old in moving:
        new = _instead(session, old, old.value, reason, who, now)
        new.patient_id, new.subject_id = right.id, None
        new.confirmed_at, new.level = old.confirmed_at, old.level
    _tell(session, call, right, who, now)
    return len(moving)


def _tell(session: Session, call: Call, right: Patient, who: str, now: datetime) -> None:
    """The call, and an escalation that is still open, are the right patient's from now on."""
    was, call.patient_id = call.patient_id, right.id
    record(
        session, "call", call.id, "given to another patient", now, who=who,
        data={"from": str(was) if was else None, "to": str(right.id)},
    )  # fmt: skip
    for escalation in session.scalars(
        sa.select(Escalation).where(Escalation.call_id == call.id, ALARM_OPEN).with_for_update(key_share=True)
    ):
        procedure = session.scalar(
            sa.select(Procedure)
            .where(Procedure.patient_id == right.id, Procedure.status == "active")
            .order_by(Procedure.ended_at.desc())
            .limit(1)
        )
        escalation.patient_id = right.id
        escalation.procedure_id = procedure.id if procedure else None
        escalation.hours = int((now - procedure.ended_at) / timedelta(hours=1)) if procedure else None
        record(session, "escalation", escalation.id, "given to another patient", now, who=who)
    attempt = session.get(Attempt, call.attempt_id) if call.attempt_id else None
    followup_id = attempt.subject_id if attempt is not None and attempt.kind == "followup" else None
    events.publish(session, events.AnswersReassigned(call.id, followup_id, right.id), now)


def on_patients_merged(session: Session, event: events.PatientsMerged, now: datetime) -> None:
    """One person's answers stand on one record."""
    session.execute(sa.update(Answer).where(Answer.patient_id == event.old_id).values(patient_id=event.new_id))
