"""The nurses' worklist: what the machine could not finish becomes an item with a due time, never silence.

One open item per kind and subject; asked for again it counts up and keeps the earlier due time. A person closes it
with a note. Every step is a ledger row of kind `work` (docs/clinical.md section 2, Retries; FUP19).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import events, holidays, people
from core.db import RowLock
from core.house import settings_of
from core.models import Contact, Patient, new_id, record
from core.said import APART, Said
from dialer.models import Attempt, Refusal
from scheduler.models import FollowUp, WorkItem
from scheduler.work_kinds import HEARD as HEARD
from scheduler.work_kinds import KINDS as KINDS
from scheduler.work_kinds import Kind as Kind
from scheduler.work_kinds import due_at
from scheduler.work_words import REFUSED

log = logging.getLogger(__name__)

KIND_OF_REASON = {
    "identity_failed": "identity_failed",
    "wrong_number": "wrong_number",
    "no_number": "no_number",
}
"""Reasons of a follow-up's end that are another work than ringing the patient again."""
LONGEST_NOTE = 2000
_LOCK = RowLock(WorkItem)
LONGEST_WHY = 500


class WorkProblem(Said):
    """The item cannot be closed."""

    SENTENCES = REFUSED


@dataclass(frozen=True)
class Try:
    """One ring for the subject of an item, or one the gate refused. Never the number itself."""

    at: datetime
    what: str
    """ring | refused"""
    number: int | None
    """Which of the patient's numbers it was, 1 is the first; None for one that is not the patient's any more."""
    outcome: str
    times: int = 1


@dataclass(frozen=True)
class Item:
    id: uuid.UUID
    kind: str
    urgent: bool
    mrn: str | None
    wave: str | None
    """For an item about a follow-up."""
    why: str
    status: str
    times: int
    due_at: datetime
    late: bool
    created_at: datetime
    closed_at: datetime | None
    closed_by: str
    note: str | None
    history: list[Try] = field(default_factory=list)


# ---- what is wanted -----------------------------------------------------------------------------
def on_work_wanted(session: Session, event: events.WorkWanted, now: datetime) -> None:
    kind, why = event.kind, event.why
    if kind not in KINDS:
        # A misspelt kind must not undo the call that asked for it; the item still says what was meant.
        log.error("unknown kind of work", extra={"kind": kind})
        kind, why = "other", f"{event.kind}: {event.why}"
    want(session, kind, event.patient_id, event.subject_id, why, now)


def on_followup_unreached(session: Session, event: events.FollowUpUnreached, now: datetime) -> None:
    """A wave ended without a whole interview: the kind is how it ended."""
    row = session.get_one(FollowUp, event.followup_id)
    kind = KIND_OF_REASON.get(event.why.partition(";")[0]) or (row.status if row.status in KINDS else "unreached")
    if kind == "no_number":
        patient = session.get_one(Patient, event.patient_id)
        today = people.today(patient, now)
        kind = "guardian_missing" if people.is_minor(session, patient, today) else kind
    want(session, kind, event.patient_id, event.followup_id, event.why, now)


def on_answers_reassigned(session: Session, event: events.AnswersReassigned, now: datetime) -> None:
    """Answers were another person's: the wave they closed has not been asked, and its score is not this patient's.
    Whether it is rung again is a nurse's decision."""
    row = session.get(FollowUp, event.followup_id, with_for_update=True) if event.followup_id else None
    if row is not None:
        row.score = None
        record(session, "followup", row.id, "score taken back", now, why="answers_of_another")
        want(session, "wrong_patient", row.patient_id, row.id, "answers_of_another", now)
    want(session, "answers_moved", event.to_patient_id, event.call_id, "moved_from_record", now)


def want(
    session: Session, kind: str, patient_id: uuid.UUID | None, subject_id: uuid.UUID | None, why: str, now: datetime
) -> WorkItem:
    """The open item of this kind and subject, made or counted up. Without a subject the patient is the subject."""
    zone = settings_of(session).hospital.timezone.key
    due = due_at(kind, now, zone, holidays.hours(session))
    wanted = insert(WorkItem).values(
        id=new_id(),
        kind=kind,
        patient_id=patient_id,
        subject_id=subject_id or patient_id,
        why=why,
        status="open",
        times=1,
        due_at=due,
        created_at=now,
        closed_by="",
    )
    # In one statement: two workers may ask for the same at the same moment.
    made = wanted.on_conflict_do_update(
        index_elements=[WorkItem.kind, WorkItem.subject_id],
        index_where=sa.text("status = 'open'"),
        set_={
            "times": WorkItem.times + 1,
            "due_at": sa.func.least(WorkItem.due_at, wanted.excluded.due_at),
            "why": _both_reasons(wanted.excluded.why),
        },
    ).returning(WorkItem)
    item = session.scalars(made, execution_options={"populate_existing": True}).one()
    what = "wanted" if item.times == 1 else "wanted again"
    record(session, "work", item.id, what, now, to_state="open", why=why, data={"work": kind, "times": item.times})
    if item.times == 1:
        urgent = KINDS[kind].urgent
        events.publish(session, events.WorkOpened(item.id, kind, item.patient_id, urgent, item.due_at), now)
    return item


def _both_reasons(another: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Two warning signs of one interview are one item that names both."""
    known = sa.func.strpos(WorkItem.why, another) > 0
    full = sa.func.length(WorkItem.why) > LONGEST_WHY
    return sa.case((known | full, WorkItem.why), else_=WorkItem.why + APART + another)


def done(session: Session, item_id: uuid.UUID, who: str, note: str, now: datetime) -> WorkItem:
    """A nurse has done it and says what came of it. Raises WorkProblem."""
    note = note.strip()
    if not note:
        raise WorkProblem("note_needed")
    if len(note) > LONGEST_NOTE:
        raise WorkProblem("note_long", has=len(note), most=LONGEST_NOTE)
    item = session.get(WorkItem, item_id, with_for_update=True, populate_existing=True)
    if item is None:
        raise WorkProblem("no_item")
    if item.status != "open":
        raise WorkProblem("done_already")
    item.status, item.closed_at, item.closed_by, item.note = "done", now, who, note
    record(session, "work", item.id, "done", now, from_state="open", to_state="done", who=who, data={"work": item.kind})
    events.publish(session, events.WorkDone(item.id, who), now)
    return item


def on_ticket_closes(session: Session, event: events.TicketCloses, now: datetime) -> None:
    """The desk is about to close the ticket that stands for this item: whoever closes the item waits, or was first."""
    _LOCK(session, event.work_item_id)


def on_ticket_closed(session: Session, event: events.TicketClosed, now: datetime) -> None:
    """The desk has closed the ticket that stands for an item: the item is done. It told us, so it hears nothing new."""
    item = session.get(WorkItem, event.work_item_id) if event.work_item_id is not None else None
    if item is not None and item.status == "open":
        done(session, item.id, event.who, event.note[:LONGEST_NOTE], now)


# ---- what there is ------------------------------------------------------------------------------
def open_items(
    session: Session,
    now: datetime,
    *,
    patient_id: uuid.UUID | None = None,
    everything: bool = False,
    most: int | None = None,
) -> list[Item]:
    """The worklist: urgent kinds first, then by due time, each with what was tried for its subject. `everything`
    adds what is done; `most`: no more than so many, the first. A handful of queries however many items there are."""
    query = (
        sa.select(WorkItem, Patient.mrn, FollowUp.wave)
        .outerjoin(Patient, Patient.id == WorkItem.patient_id)
        .outerjoin(FollowUp, FollowUp.id == WorkItem.subject_id)
        .order_by(WorkItem.status != "open", _URGENT.desc(), WorkItem.due_at, WorkItem.id)
        .limit(most)
    )
    if patient_id is not None:
        query = query.where(WorkItem.patient_id == patient_id)
    if not everything:
        query = query.where(WorkItem.status == "open")
    rows = session.execute(query).all()
    tries = history(session, [row for row, _, _ in rows])
    return [_item(row, mrn, wave, tries.get(row.id, []), now) for row, mrn, wave in rows]


def how_many(session: Session) -> int:
    """Open items, of all patients."""
    return session.scalar(sa.select(sa.func.count()).select_from(WorkItem).where(WorkItem.status == "open")) or 0


_URGENT = WorkItem.kind.in_([name for name, kind in KINDS.items() if kind.urgent])


def _item(row: WorkItem, mrn: str | None, wave: str | None, tries: list[Try], now: datetime) -> Item:
    kind = KINDS.get(row.kind, KINDS["other"])
    return Item(
        id=row.id,
        kind=row.kind,
        urgent=kind.urgent,
        mrn=mrn,
        wave=wave,
        why=row.why,
        status=row.status,
        times=row.times,
        due_at=row.due_at,
        late=row.status == "open" and row.due_at < now,
        created_at=row.created_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        note=row.note,
        history=tries,
    )


def history(session: Session, items: Sequence[WorkItem]) -> dict[uuid.UUID, list[Try]]:
    """What was tried for the subject of each item, in order of time, by the item's id."""
    subjects = {item.subject_id for item in items if item.subject_id is not None}
    tries = tries_for(session, subjects, {item.patient_id for item in items if item.patient_id is not None})
    return {item.id: tries.get(item.subject_id, []) for item in items if item.subject_id is not None}


def tries_for(
    session: Session, subject_ids: Collection[uuid.UUID], patient_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[Try]]:
    """Rings and refusals by subject, in order of time. `patient_ids`: whose numbers they may be."""
    positions = {
        (row.patient_id, bytes(row.phone_index)): row.position + 1
        for row in session.execute(
            sa.select(Contact.patient_id, Contact.phone_index, Contact.position).where(
                Contact.patient_id.in_(patient_ids),
                Contact.wrong_at.is_(None),
            )
        )
    }
    found: dict[uuid.UUID, list[Try]] = {}
    for ring in session.execute(
        sa.select(
            Attempt.subject_id,
            Attempt.patient_id,
            Attempt.to_index,
            Attempt.created_at,
            Attempt.outcome,
            Attempt.status,
        ).where(Attempt.subject_id.in_(list(subject_ids)))
    ):
        number = positions.get((ring.patient_id, bytes(ring.to_index)))
        found.setdefault(ring.subject_id, []).append(Try(ring.created_at, "ring", number, ring.outcome or ring.status))
    for refusal in session.scalars(sa.select(Refusal).where(Refusal.subject_id.in_(list(subject_ids)))):
        if refusal.subject_id is not None:
            found.setdefault(refusal.subject_id, []).append(
                Try(refusal.first_at, "refused", None, refusal.reason, refusal.times)
            )
    return {subject: sorted(tries, key=lambda one: one.at) for subject, tries in found.items()}
