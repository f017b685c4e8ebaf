"""What a hand-over says of one patient, read from the tables: rows of plain values, in no language yet (FUP19)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.models import Patient, Procedure
from dialer.models import Escalation
from ivr.models import Answer
from scheduler import worklist
from scheduler.models import FollowUp
from scheduler.worklist import Item, Try

SPOKEN = ("open", "message")
"""Answers whose value is the id of a recording."""
ENDED_SHORT = ("unreached", "partial", "expired", "declined")


@dataclass(frozen=True)
class Said:
    """One answer that stands."""

    wave: str
    """Empty for the hotline."""
    at: datetime
    question: str
    value: str
    level: str
    proxy: bool
    spoken: bool
    was: str | None = None
    """What it said before it was corrected."""
    corrected_by: str = ""
    corrected_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class WaveRow:
    wave: str
    operation: str
    state: str
    held: bool
    due_at: datetime
    tries: int
    reason: str
    pain: Said | None
    history: Sequence[Try] = ()
    """Of a wave that ended without a whole interview."""


@dataclass(frozen=True)
class Operation:
    number: str
    name: str
    department: str
    surgeon: str
    ended_at: datetime
    hours: int
    discharged_at: datetime | None
    cancelled: bool


@dataclass(frozen=True)
class Alarm:
    """An escalation with its clocks, in seconds from the key; None while not reached."""

    at: datetime
    score: int | None
    flags: Sequence[str]
    heard: Sequence[str]
    """Those of `flags` that only a machine heard."""
    status: str
    first_ring_s: float | None
    accepted_s: float | None
    bridged_s: float | None
    closed_s: float | None
    talk_s: int | None
    late: bool


@dataclass(frozen=True)
class Sheet:
    made_at: datetime
    zone: ZoneInfo
    name: str
    mrn: str
    sex: str
    birth_date: str
    age: int | None
    status: str
    allergies: str
    operations: Sequence[Operation]
    waves: Sequence[WaveRow]
    answers: Sequence[Said]
    """All that stand, pain included, in order of time."""
    alarms: Sequence[Alarm]
    work: Sequence[Item]

    @property
    def flags(self) -> list[Said]:
        """The gravest first, and the newest of each level."""
        newest_first = [said for said in reversed(self.answers) if said.level]
        return sorted(newest_first, key=lambda said: said.level)

    @property
    def corrections(self) -> list[Said]:
        return [said for said in self.answers if said.corrected_by]

    @property
    def missed(self) -> list[WaveRow]:
        return [wave for wave in self.waves if wave.history]


def sheet(session: Session, patient: Patient, zone: ZoneInfo, now: datetime) -> Sheet:
    """Everything on file that the next person has to know. A handful of queries."""
    operations = session.scalars(
        sa.select(Procedure).where(Procedure.patient_id == patient.id).order_by(Procedure.ended_at.desc())
    ).all()
    followups = session.scalars(
        sa.select(FollowUp).where(FollowUp.patient_id == patient.id).order_by(FollowUp.due_at, FollowUp.wave)
    ).all()
    answers = _answers(session, patient.id, {row.id: row.wave for row in followups})
    return Sheet(
        made_at=now,
        zone=zone,
        name=patient.name,
        mrn=patient.mrn,
        sex=patient.sex,
        birth_date=patient.birth_date or "",
        age=people.age(patient, now.astimezone(zone).date()),
        status=patient.status,
        allergies=patient.allergies,
        operations=[_operation(row, now) for row in operations],
        waves=_waves(session, patient.id, followups, operations, answers),
        answers=[said for _, said in answers],
        alarms=_alarms(session, patient.id),
        work=worklist.open_items(session, now, patient_id=patient.id),
    )


def _operation(row: Procedure, now: datetime) -> Operation:
    return Operation(
        number=row.external_id,
        name=row.name,
        department=row.department,
        surgeon=row.surgeon,
        ended_at=row.ended_at,
        hours=int((now - row.ended_at) / timedelta(hours=1)),
        discharged_at=row.discharged_at,
        cancelled=row.status == "cancelled",
    )


Answers = list[tuple[uuid.UUID | None, Said]]


def _answers(session: Session, patient_id: uuid.UUID, waves: dict[uuid.UUID, str]) -> Answers:
    rows = session.scalars(
        sa.select(Answer).where(Answer.patient_id == patient_id).order_by(Answer.keyed_at, Answer.id)
    ).all()
    by_id = {row.id: row for row in rows}
    missing = {row.corrects_id for row in rows if row.corrects_id is not None and row.corrects_id not in by_id}
    by_id |= {row.id: row for row in session.scalars(sa.select(Answer).where(Answer.id.in_(missing)))}
    return [(row.subject_id, _said(row, by_id, waves)) for row in rows if row.replaced_at is None]


def _said(row: Answer, by_id: dict[uuid.UUID, Answer], waves: dict[uuid.UUID, str]) -> Said:
    before = by_id.get(row.corrects_id) if row.corrects_id is not None else None
    return Said(
        wave=waves.get(row.subject_id, "") if row.subject_id is not None else "",
        at=row.keyed_at,
        question=row.question,
        value=row.value,
        level=row.level,
        proxy=row.respondent == "proxy",
        spoken=row.question in SPOKEN,
        was=before.value if before is not None and before.value != row.value else None,
        corrected_by=row.corrected_by,
        corrected_at=before.replaced_at if before is not None else None,
        reason=row.correction or "",
    )


def _waves(
    session: Session,
    patient_id: uuid.UUID,
    followups: Sequence[FollowUp],
    operations: Sequence[Procedure],
    answers: Answers,
) -> list[WaveRow]:
    names = {row.id: row.external_id for row in operations}
    pain = {subject: said for subject, said in answers if said.question == "pain"}
    short = [row.id for row in followups if row.status in ENDED_SHORT or (row.tries and row.closed_at is None)]
    tries = worklist.tries_for(session, short, {patient_id}) if short else {}
    return [
        WaveRow(
            wave=row.wave,
            operation=names.get(row.procedure_id, ""),
            state=row.status,
            held=row.held and row.closed_at is None,
            due_at=row.due_at,
            tries=row.tries,
            reason=row.reason,
            pain=pain.get(row.id),
            history=tries.get(row.id, ()),
        )
        for row in followups
    ]


def _alarms(session: Session, patient_id: uuid.UUID) -> list[Alarm]:
    rows = session.scalars(
        sa.select(Escalation).where(Escalation.patient_id == patient_id).order_by(Escalation.keyed_at)
    )
    return [
        Alarm(
            at=row.keyed_at,
            score=row.score,
            flags=row.flags,
            heard=row.heard,
            status=row.status,
            first_ring_s=_after(row, row.first_ring_at),
            accepted_s=_after(row, row.accepted_at),
            bridged_s=_after(row, row.bridged_at),
            closed_s=_after(row, row.closed_at),
            talk_s=row.talk_s,
            late=row.breached_at is not None,
        )
        for row in rows
    ]


def _after(row: Escalation, moment: datetime | None) -> float | None:
    return None if moment is None else (moment - row.keyed_at).total_seconds()
