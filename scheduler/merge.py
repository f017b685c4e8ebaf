"""Two records of one person become one: everything moves to the survivor, and the old record points there.

Done by a person with a reason, never by a guess. The gate refuses to ring for a record that was merged, and imports
for its number go to the survivor.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.db import blind
from core.models import Consent, Contact, Patient, Procedure, new_id, record
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Attempt, Call, Escalation, InboundMessage, Message
from scheduler import store
from scheduler.machine import OPEN, WAITING
from scheduler.models import Appointment, FollowUp, Reminder, VisitDraft, WorkItem

DOUBLE = "the record was merged and the other one has the same operation"
ASKED_ALREADY = "this wave was asked under the other record"
SILENT = ("completed", "partial", "declined")
"""Ends of a wave after which the same wave of the double plan need not be rung."""
MOVED = {
    "attempts": Attempt,
    "calls": Call,
    "messages": Message,
    "inbound messages": InboundMessage,
    "escalations": Escalation,
    "followups": FollowUp,
    "visit drafts": VisitDraft,
}
"""Whatever names the patient and has nothing of its kind to collide with."""


class MergeProblem(Exception):
    """The two records cannot be made one; `str()` is one sentence."""


def merge(session: Session, old_mrn: str, new_mrn: str, reason: str, who: str, now: datetime) -> dict[str, int]:
    """`old_mrn` was `new_mrn` all along. Returns what moved, by table. Raises MergeProblem."""
    if not reason.strip():
        raise MergeProblem("A reason is needed: how is it known that the two are one person?")
    old, new = _both(session, old_mrn, new_mrn)
    _refuse_different(old, new)
    _refuse_on_the_phone(session, old, new)
    moved = {"contacts": _contacts(session, old, new), "consents": _consents(session, old, new, now)}
    moved["procedures"] = _procedures(session, old, new, who, now)
    moved["visits"] = _visits(session, old, new)
    moved["work"] = _work(session, old, new)
    for name, table in MOVED.items():
        moved[name] = _move(session, table, old.id, new.id)
    _person(old, new)
    session.execute(sa.update(Patient).where(Patient.merged_into == old.id).values(merged_into=new.id))
    old.merged_into = new.id
    _write_down(session, old, new, reason.strip(), who, moved, now)
    events.publish(session, events.PatientsMerged(old.id, new.id), now)
    return moved


def _both(session: Session, old_mrn: str, new_mrn: str) -> tuple[Patient, Patient]:
    indexes = [blind(mrn, people.MRN) for mrn in (old_mrn, new_mrn)]
    if indexes[0] == indexes[1]:
        raise MergeProblem("The two record numbers are the same.")
    rows = session.scalars(
        sa.select(Patient)
        .where(Patient.mrn_index.in_(indexes))
        .order_by(Patient.id)  # always in this order, so that two merges cannot wait for each other
        .with_for_update(key_share=True)  # rings being placed refer to the patient: they need not wait
        .execution_options(populate_existing=True)
    ).all()
    found = {bytes(row.mrn_index): row for row in rows}
    missing = [name for name, index in zip(("first", "second"), indexes, strict=True) if index not in found]
    if missing:
        raise MergeProblem(f"No patient with the {missing[0]} record number is on file.")
    old, new = found[indexes[0]], found[indexes[1]]
    if old.merged_into is not None or new.merged_into is not None:
        raise MergeProblem("One of the two records was merged before: name the one it was merged into.")
    return old, new


def _refuse_different(old: Patient, new: Patient) -> None:
    """What one person cannot be: both. The file that is wrong is put right first."""
    if old.birth_date and new.birth_date and old.birth_date != new.birth_date:
        raise MergeProblem("The two records have different birth dates: correct the wrong one first.")
    if old.status != new.status and "deceased" in (old.status, new.status):
        raise MergeProblem("One of the two records says the patient has died: correct the wrong one first.")


def _refuse_on_the_phone(session: Session, old: Patient, new: Patient) -> None:
    both = (old.id, new.id)
    # First the plans are held still: a ring that is just being placed is then seen below, and no new one begins.
    session.execute(
        sa.select(FollowUp.id).where(FollowUp.patient_id.in_(both), FollowUp.status.in_(OPEN)).with_for_update()
    )
    numbers = sa.select(Contact.phone_index).where(Contact.patient_id.in_(both))
    ringing = sa.exists().where(
        Attempt.status.in_(LIVE_ATTEMPT), sa.or_(Attempt.patient_id.in_(both), Attempt.to_index.in_(numbers))
    )
    talking = sa.exists().where(
        Call.status.in_(LIVE_CALL), sa.or_(Call.patient_id.in_(both), Call.party_index.in_(numbers))
    )
    if session.scalar(sa.select(sa.or_(ringing, talking))):
        raise MergeProblem("One of the two is being rung or is on the telephone right now: try again in a few minutes.")


def _contacts(session: Session, old: Patient, new: Patient) -> int:
    """The survivor's numbers first, then those only the other record has. A number found wrong stays wrong, in its
    place below nought (core.people)."""
    kept = people.contacts_of(session, new.id, wrong_too=True)
    mine = {bytes(contact.phone_index): contact for contact in kept}
    last = max((contact.position for contact in kept), default=-1)
    lowest = min((contact.position for contact in kept), default=0)
    moved = 0
    for contact in people.contacts_of(session, old.id, wrong_too=True):
        same = mine.get(bytes(contact.phone_index))
        wrong = contact.wrong_at is not None
        if same is None:
            moved += 1
            contact.patient_id = new.id
            mine[bytes(contact.phone_index)] = same = contact
        elif wrong and same.wrong_at is None:
            same.wrong_at = contact.wrong_at
            session.delete(contact)
        else:
            session.delete(contact)
            continue
        last, lowest = (last, min(lowest, 0) - 1) if wrong else (last + 1, lowest)
        same.position = lowest if wrong else last
        session.flush()
    session.flush()
    return moved


def _consents(session: Session, old: Patient, new: Patient, now: datetime) -> int:
    """The survivor's word per purpose; what only the other record says is copied, and a no of either is a no.
    The lines of the ledger stay where they were said."""
    copied = 0
    words, mine = _last_lines(session, old.id), _last_lines(session, new.id)
    for purpose, line in sorted(words.items()):
        own = mine.get(purpose)
        if own is not None and (own.given == line.given or line.given):
            continue
        session.add(
            Consent(
                patient_id=new.id,
                purpose=purpose,
                given=line.given,
                source=line.source,
                version=line.version,
                channel=line.channel,
                at=now,
            )
        )
        copied += 1
    session.flush()
    return copied


def _last_lines(session: Session, patient_id: uuid.UUID) -> dict[str, Consent]:
    rows = session.scalars(sa.select(Consent).where(Consent.patient_id == patient_id).order_by(Consent.id))
    return {row.purpose: row for row in rows}


def _procedures(session: Session, old: Patient, new: Patient, who: str, now: datetime) -> int:
    """Operations with their plans. One that both records have stays the survivor's; the other's plan is off."""
    mine = {row.external_id: row for row in session.scalars(sa.select(Procedure).where(Procedure.patient_id == new.id))}
    moved = 0
    for procedure in session.scalars(sa.select(Procedure).where(Procedure.patient_id == old.id).with_for_update()):
        same = mine.get(procedure.external_id)
        if same is None:
            procedure.patient_id = new.id
            moved += 1
            continue
        store.cancel(session, procedure.id, DOUBLE, now)
        procedure.status = "cancelled"
        _not_twice(session, procedure.id, same.id, who, now)
    session.flush()
    return moved


def _not_twice(session: Session, other: uuid.UUID, kept: uuid.UUID, who: str, now: datetime) -> None:
    """A wave the patient has answered under the other record is not rung again."""
    asked = sa.select(FollowUp.wave).where(FollowUp.procedure_id == other, FollowUp.status.in_(SILENT))
    rows = session.scalars(
        sa.select(FollowUp.id).where(
            FollowUp.procedure_id == kept, FollowUp.status.in_(WAITING), FollowUp.wave.in_(asked)
        )
    ).all()
    for followup_id in rows:
        store.cancel_one(session, followup_id, who, ASKED_ALREADY, now)


def _visits(session: Session, old: Patient, new: Patient) -> int:
    """Appointments with their reminders. One that both records have stays the survivor's, and is reminded of once."""
    mine = set(session.scalars(sa.select(Appointment.external_id).where(Appointment.patient_id == new.id)))
    moved = 0
    doubles = []
    for visit in session.scalars(sa.select(Appointment).where(Appointment.patient_id == old.id).with_for_update()):
        if visit.external_id in mine:
            doubles.append(visit.id)
        else:
            visit.patient_id = new.id
            moved += 1
    session.flush()
    subjects = {
        (kind, subject)
        for kind, subject in session.execute(
            sa.select(Reminder.kind, Reminder.subject).where(Reminder.patient_id == new.id)
        )
    }
    for reminder in session.scalars(sa.select(Reminder).where(Reminder.patient_id == old.id).with_for_update()):
        # What stays behind is refused by the gate: its record was merged.
        if reminder.appointment_id not in doubles and (reminder.kind, reminder.subject) not in subjects:
            reminder.patient_id = new.id
    session.flush()
    return moved


def _work(session: Session, old: Patient, new: Patient) -> int:
    """Work items; one about the old record as such is about the survivor now, unless that has the same open."""
    taken = set(
        session.scalars(sa.select(WorkItem.kind).where(WorkItem.subject_id == new.id, WorkItem.status == "open"))
    )
    moved = 0
    for item in session.scalars(sa.select(WorkItem).where(WorkItem.patient_id == old.id).with_for_update()):
        item.patient_id = new.id
        if item.subject_id == old.id and item.kind not in taken:
            item.subject_id = new.id
        moved += 1
    session.flush()
    return moved


def _move(session: Session, table: type, old_id: uuid.UUID, new_id: uuid.UUID) -> int:
    moved = session.execute(
        sa.update(table).where(table.patient_id == old_id).values(patient_id=new_id)  # type: ignore[attr-defined]
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]


def _person(old: Patient, new: Patient) -> None:
    """What only the old record knows is kept: a birth date to be identified by, allergies, a readmission."""
    new.birth_date = new.birth_date or old.birth_date
    new.sex = new.sex or old.sex
    if old.allergies and old.allergies not in new.allergies:
        new.allergies = "; ".join(part for part in (new.allergies, old.allergies) if part)
    if "readmitted" in (old.status, new.status):
        new.status = "readmitted"


def _write_down(
    session: Session, old: Patient, new: Patient, reason: str, who: str, moved: dict[str, int], now: datetime
) -> None:
    """The ledger has ids and counts; the reason, in a person's words, is kept encrypted as a work item that is done."""
    record(
        session, "patient", old.id, "merged", now, who=who, why="two_records",
        data={"into": str(new.id), **moved},
    )  # fmt: skip
    record(session, "patient", new.id, "merged with another record", now, who=who, data={"old": str(old.id)})
    session.add(
        WorkItem(
            id=new_id(),
            kind="merged",
            patient_id=new.id,
            subject_id=old.id,
            why="two_records",
            status="done",
            due_at=now,
            created_at=now,
            closed_at=now,
            closed_by=who,
            note=reason,
        )
    )
