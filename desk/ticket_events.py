"""What the rooms ask of the desk: tickets from keys, from messages on the machine, from the nurses' worklist."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.models import EventRow, Procedure, record
from desk import tickets
from desk.kinds import KINDS
from desk.models import QueueEntry, Ticket
from dialer.models import Call

log = logging.getLogger(__name__)

KIND_OF_MESSAGE = {
    # purpose of a flow's `take` node: what the ticket is about
    "appointment": "appointment_new",
    "appointment_new": "appointment_new",
    "appointment_change": "appointment_change",
    "appointment_cancel": "appointment_cancel",
    "complaint_medical": "complaint_medical",
    "complaint_other": "complaint_other",
    "theme": "theme",
}
"""Every other purpose is a plain message."""
SPOKEN = "message"
"""The purpose of a recording that is a message on the machine (core.events.RecordingAnnounced)."""


def on_ticket_wanted(session: Session, event: events.TicketWanted, now: datetime) -> None:
    kind = event.kind
    if kind not in KINDS:
        # A misspelt kind must not undo the call that asked for it.
        log.error("unknown kind of ticket", extra={"kind": kind})
        kind = "message"
    call = session.get(Call, event.call_id) if event.call_id is not None else None
    who = "caller" if call is not None else "service"
    tickets.open_(session, kind, now, call=call, patient_id=event.patient_id, subject_id=event.subject_id, who=who)


def on_message_left(session: Session, event: events.MessageLeft, now: datetime) -> None:
    """A spoken message belongs to the ticket of its call and kind; if there is none it makes one."""
    call = session.get_one(Call, event.call_id)
    kind = KIND_OF_MESSAGE.get(event.purpose, "message")
    if event.purpose.startswith("complaint"):
        kind = _complaint_of(session, call) or kind
    ticket = tickets.open_(session, kind, now, call=call, who="caller")
    record(session, "ticket", ticket.id, "message", now, who="caller", data={"call": str(call.id)})


def _complaint_of(session: Session, call: Call) -> str | None:
    """The kind of the complaint this call has already made."""
    found = (one for one in _of_call(session, call) if one.status != "confirmed")
    return next((one.kind for one in found if one.medical is not None), None)


def _of_call(session: Session, call: Call) -> Sequence[Ticket]:
    return session.scalars(sa.select(Ticket).where(Ticket.call_id == call.id).order_by(Ticket.serial)).all()


def on_transcribed(session: Session, event: events.Transcribed, now: datetime) -> None:
    """The words of a message stand in the ticket it was left for; the words of the same recording stand there once.

    Which of several tickets of one call a recording was for is not said: the first with a message and no words yet;
    whoever listened and closed it before there were words has seen to it.
    """
    if event.purpose != SPOKEN or not event.text.strip():
        return
    call = session.get_one(Call, event.call_id)
    found = _of_call(session, call)
    if _is_written(session, found, event):
        return
    spoken_for = _with_message(session, found)
    without = [ticket for ticket in spoken_for if not ticket.words]
    open_ = [ticket for ticket in found if ticket.status != "confirmed"]
    ticket = next(iter([*without, *reversed(spoken_for), *reversed(open_)]), None)
    if ticket is None:
        ticket = tickets.open_(session, "message", now, call=call, who="caller")
    tickets.say(session, ticket.id, event.text, event.recording_id, now)


def _is_written(session: Session, found: Sequence[Ticket], event: events.Transcribed) -> bool:
    """A person may have a recording heard again: what is there stays."""
    return any(row.data.get("recording") == str(event.recording_id) for row in _told(session, found, "words"))


def _with_message(session: Session, found: Sequence[Ticket]) -> list[Ticket]:
    spoken = {row.subject_id for row in _told(session, found, "message")}
    return [ticket for ticket in found if ticket.id in spoken]


def _told(session: Session, found: Sequence[Ticket], what: str) -> Sequence[EventRow]:
    ids = [ticket.id for ticket in found]
    return session.scalars(
        sa.select(EventRow).where(EventRow.kind == "ticket", EventRow.subject_id.in_(ids), EventRow.what == what)
    ).all()


# ---- the nurses' worklist ---------------------------------------------------------------------------------
def on_work_opened(session: Session, event: events.WorkOpened, now: datetime) -> None:
    """An item of the worklist is a ticket with the item's time."""
    tickets.open_(
        session,
        "nurse_urgent" if event.urgent else "nurse",
        now,
        patient_id=event.patient_id,
        department=_department_of(session, event),
        channel="system",
        work_item_id=event.item_id,
        until=event.due_at,
    )


def _department_of(session: Session, event: events.WorkOpened) -> str | None:
    """Where the patient was operated on last."""
    if event.patient_id is None:
        return None
    last = sa.select(Procedure.department).where(Procedure.patient_id == event.patient_id)
    return session.scalar(last.order_by(Procedure.ended_at.desc(), Procedure.id).limit(1))


def on_work_done(session: Session, event: events.WorkDone, now: datetime) -> None:
    """A nurse has seen to it and said what came of it: the ticket goes the rest of its way. Nothing to do when the
    ticket was closed first, and the item because of it."""
    ticket = session.scalar(sa.select(Ticket).where(Ticket.work_item_id == event.item_id))
    if ticket is None or ticket.status == "confirmed":
        return
    if ticket.medical is not None:
        # It has become a complaint, which asks for more than the item did: it goes its own way.
        record(session, "ticket", ticket.id, "item done", now, who=event.who)
        return
    if ticket.status == "open":
        tickets.assign(session, ticket.id, event.who[: tickets.LONGEST_LOGIN] or "nurse", event.who, now)
    if ticket.status != "resolved":
        tickets.resolve(session, ticket.id, "", event.who, now)
    if ticket.told_at is None:
        tickets.tell(session, ticket.id, "call" if ticket.patient_id is not None else "nobody", event.who, now)
    tickets.confirm(session, ticket.id, event.who, now)


def on_patients_merged(session: Session, event: events.PatientsMerged, now: datetime) -> None:
    """What hangs on the old record is the survivor's."""
    for table in (Ticket, QueueEntry):
        session.execute(sa.update(table).where(table.patient_id == event.old_id).values(patient_id=event.new_id))
