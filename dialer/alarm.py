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
from core.said import kept
from dialer import chain, roster
from dialer.escalation import drive, ring_now
from dialer.models import ALARM_OPEN, Attempt, Call, Escalation

DOCTOR_LEVELS = frozenset({"A", "B"})
"""Red flags a doctor is rung for; C is a nurse's, the same day."""
NOT_ASKED = frozenset({"fall", "help", "pain", "self_harm"})
"""Signs only a machine hears; no question of a flow asks for them (the pain itself is a score)."""
KNEW, TALKED = "knew", "talked"
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


def on_machine_heard(session: Session, event: events.MachineHeard, now: datetime) -> None:
    """A machine heard words of warning: an alarm that says so. Its clocks run from now, when the house knew; how long
    ago it was said is told with it. What a doctor knew who has closed the patient's alarm since is not raised again; if
    one has talked with the patient since, a B is looked at by a nurse."""
    call = session.get_one(Call, event.call_id)
    to = _number_of(session, call)
    before = _known_since(session, call, to, event) if to else ""
    if before == KNEW:
        record(session, "call", call.id, "a machine heard what a doctor knew", now, flag=event.question)
    elif not to or (before == TALKED and event.level != "A"):
        why = kept("machine_heard_no_number" if not to else "machine_heard_after_doctor", question=event.question)
        events.publish(session, events.WorkWanted("red_flag", call.patient_id, call.id, why), now)
    else:
        why = f"red flag {event.level}, heard by a machine"
        _raise(session, call, now, why, now, flag=event.question, said_at=event.said_at)


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """An alarm of a caller who never said where to ring back: nobody can be rung, so somebody must think."""
    call = session.get_one(Call, event.call_id)
    if call.party or call.callback or call.kind != "hotline":
        return
    told = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == UNREACHABLE
    if session.scalar(sa.select(sa.exists().where(*told))):
        events.publish(session, events.WorkWanted("call_wanted", call.patient_id, call.id, "no_number_shown"), now)


def _raise(
    session: Session,
    call: Call,
    keyed_at: datetime,
    why: str,
    now: datetime,
    *,
    score: int | None = None,
    flag: str | None = None,
    said_at: datetime | None = None,
) -> None:
    """Open an escalation, or tell the one this patient already has. `said_at`: a machine heard the flag, in what was
    said then; None: a key was pressed."""
    to = _number_of(session, call)
    if not to:
        record(session, "call", call.id, UNREACHABLE, now, score=score, flag=flag)
        return
    lock(session, "opening escalations")  # two calls of one patient at once open one
    already = _open_for(session, call.patient_id, to)
    if already is None:
        _open(session, call, to, keyed_at, why, now, score, flag, said_at)
        return
    if score is not None:
        already.score = max(already.score or 0, score)
    if flag is not None:
        _add_flag(already, flag, said_at)
    record(session, "escalation", already.id, "another alarm joined", now, score=score, flag=flag, why=why)
    ring_now(session, already, now)


def _add_flag(row: Escalation, flag: str, said_at: datetime | None) -> None:
    """A sign more; one that a machine had heard is confirmed by the key that says the same."""
    if said_at is None:
        row.heard = [one for one in row.heard if one != flag]
    elif flag not in row.flags:
        row.heard = [*row.heard, flag]
        row.said_at = min(row.said_at or said_at, said_at)
    if flag not in row.flags:
        row.flags = [*row.flags, flag]


def _known_since(session: Session, call: Call, to: str, event: events.MachineHeard) -> str:
    """Whether an alarm of this patient that was closed after these words were said had this sign (KNEW), or ended in a
    talk with a doctor (TALKED)."""
    closed = session.scalars(
        sa.select(Escalation).where(
            Escalation.status == "closed",
            Escalation.closed_at >= event.said_at,
            concerns(call.patient_id, Escalation.to_index == people.phone_index(to)),
        )
    ).all()
    if any(event.question in one.flags for one in closed):
        return KNEW
    return TALKED if any(one.talk_s is not None for one in closed) else ""


def _number_of(session: Session, call: Call) -> str:
    """Where whoever was on this call is rung back; empty if nobody knows."""
    return str(_brief(session, call).get("callback") or call.party)


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
    said_at: datetime | None,
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
        made_by="key" if said_at is None else "machine",
        heard=[] if flag is None or said_at is None else [flag],
        said_at=said_at,
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
