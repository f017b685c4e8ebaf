"""Alarms: a score at or above the threshold, or a red flag, opens an escalation or joins the one that is open.

In the transaction in which the score stands or the key was pressed (docs/clinical.md FUP6-7, section 2): there is no
moment at which the answer is stored and the doctor is not on his way.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.db import lock
from core.house import settings_of
from core.models import EventRow, Procedure, new_id, record
from dialer import chain, roster
from dialer.escalation import drive, ring_now
from dialer.models import ALARM_OPEN, Attempt, Call, Escalation

DOCTOR_LEVELS = frozenset({"A", "B"})
"""Red flags a doctor is rung for; C is a nurse's, the same day."""
UNREACHABLE = "alarm without a number to ring back"


def on_score_stands(session: Session, event: events.ScoreStands, now: datetime) -> None:
    call = session.get_one(Call, event.call_id)
    threshold = int(_brief(session, call).get("threshold") or settings_of(session).followup.threshold)
    doctor_knows = event.before is not None and event.before >= threshold  # a correction of what rang him already
    if event.score >= threshold and not doctor_knows:
        _raise(session, call, event.keyed_at, event.why, now, score=event.score)


def on_red_flag(session: Session, event: events.RedFlag, now: datetime) -> None:
    if event.level in DOCTOR_LEVELS:
        call = session.get_one(Call, event.call_id)
        _raise(session, call, event.keyed_at, f"red flag {event.level}", now, flag=event.question)


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """An alarm of a caller who never said where to ring back: nobody can be rung, so somebody must think."""
    call = session.get_one(Call, event.call_id)
    if call.party or call.callback or call.kind != "hotline":
        return
    told = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == UNREACHABLE
    if session.scalar(sa.select(sa.exists().where(*told))):
        events.publish(session, events.WorkWanted("call_wanted", call.patient_id, call.id, "no number shown"), now)


def _raise(
    session: Session,
    call: Call,
    keyed_at: datetime,
    why: str,
    now: datetime,
    *,
    score: int | None = None,
    flag: str | None = None,
) -> None:
    """Open an escalation, or tell the one this patient already has."""
    to = str(_brief(session, call).get("callback") or call.party)
    if not to:
        record(session, "call", call.id, UNREACHABLE, now, score=score, flag=flag)
        return
    lock(session, "opening escalations")  # two calls of one patient at once open one
    already = _open_for(session, call.patient_id, to)
    if already is None:
        _open(session, call, to, keyed_at, why, now, score, flag)
        return
    if score is not None:
        already.score = max(already.score or 0, score)
    if flag is not None and flag not in already.flags:
        already.flags = [*already.flags, flag]
    record(session, "escalation", already.id, "another alarm joined", now, score=score, flag=flag, why=why)
    ring_now(session, already, now)


def _brief(session: Session, call: Call) -> dict[str, Any]:
    """What this call knows of its follow-up (outbound), or of the number the caller keyed (inbound)."""
    if call.attempt_id is not None:
        return dict(session.get_one(Attempt, call.attempt_id).brief)
    return {"callback": call.callback} if call.callback else {}


def _open_for(session: Session, patient_id: uuid.UUID | None, to: str) -> Escalation | None:
    return session.scalar(
        sa.select(Escalation)
        .where(ALARM_OPEN, concerns(patient_id, Escalation.to_index == people.phone_index(to)))
        .order_by(Escalation.keyed_at)
        .with_for_update(key_share=True)
    )


def concerns(patient_id: uuid.UUID | None, same: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Escalations that are this patient's, or look the `same` by number or call and are nobody else's by name: a family
    shares a telephone, and two patients known by name are two alarms, each with a doctor of its own."""
    if patient_id is None:
        return same
    nobody_else = Escalation.patient_id.is_(None) | (Escalation.patient_id == patient_id)
    return (same & nobody_else) | (Escalation.patient_id == patient_id)


def _open(
    session: Session,
    call: Call,
    to: str,
    keyed_at: datetime,
    why: str,
    now: datetime,
    score: int | None,
    flag: str | None,
) -> None:
    settings = settings_of(session)
    procedure = _latest_procedure(session, call)
    department = _department(procedure)
    policy = chain.Policy.of(settings.escalation.of_department(department))
    escalation = Escalation(
        id=new_id(),
        call_id=call.id,
        patient_id=call.patient_id,
        procedure_id=procedure.id if procedure else None,
        to=to,
        to_index=people.phone_index(to),
        language=str((call.session or {}).get("language") or settings.hospital.languages[0]),
        department=department,
        score=score,
        flags=[] if flag is None else [flag],
        hours=int((now - procedure.ended_at) / timedelta(hours=1)) if procedure else None,
        record_on=call.recording_on,
        status="open",
        policy=policy.snapshot(),
        chain=roster.chain(session, department, policy.chain, now),
        round_at=now,
        keyed_at=keyed_at,
        stored_at=now,
        promise_at=keyed_at + timedelta(seconds=settings.escalation.promise_s),
        next_step_at=now,
    )
    session.add(escalation)
    session.flush()
    record(
        session, "escalation", escalation.id, "opened", now, to_state="open", why=why,
        score=score, flag=flag, doctors=len(escalation.chain),
    )  # fmt: skip
    events.publish(session, events.EscalationOpened(escalation.id, call.id), now)
    drive(session, escalation, now)


def department_of(session: Session, call: Call) -> str:
    """Whose doctors an alarm of this call would ring."""
    return _department(_latest_procedure(session, call))


def _department(procedure: Procedure | None) -> str:
    return (procedure.department if procedure else "") or roster.EVERYWHERE


def _latest_procedure(session: Session, call: Call) -> Procedure | None:
    """The operation this is about: the follow-up's own, else the caller's latest one. (A call whose answers were moved
    to another patient is not about the operation it was made for.)"""
    brief = _brief(session, call)
    if brief.get("procedure_id"):
        procedure = session.get(Procedure, uuid.UUID(str(brief["procedure_id"])))
        if procedure is not None and procedure.patient_id == call.patient_id:
            return procedure
    if call.patient_id is None:
        return None
    return session.scalar(
        sa.select(Procedure)
        .where(Procedure.patient_id == call.patient_id, Procedure.status == "active")
        .order_by(Procedure.ended_at.desc())
        .limit(1)
    )
