"""A ticket comes into the world: who has to see to it, and which clocks begin. Used by desk.tickets alone, which every
other module asks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import people
from core.db import lock
from core.hospital import Tickets
from core.house import settings_of
from core.models import Patient, new_id, record
from desk import alarms, ticket_clocks
from desk.clocks import colour_of
from desk.kinds import CHANNELS, COLOURS, KINDS, LINKS, NATURES, PROBLEMS, Kind
from desk.models import Ticket, TicketWatcher
from desk.numbers import number_of
from desk.ticket_problems import TicketProblem, known, not_too_long
from desk.ticket_rows import is_machine
from dialer.models import Call


def open_(
    session: Session,
    kind: str,
    now: datetime,
    *,
    call: Call | None = None,
    patient_id: uuid.UUID | None = None,
    subject_id: uuid.UUID | None = None,
    contact: str = "",
    language: str | None = None,
    words: str | None = None,
    channel: str = "phone",
    department: str | None = None,
    external_id: str | None = None,
    colour: str | None = None,
    link: str | None = None,
    problem: str | None = None,
    nature: str | None = None,
    who: str = "service",
    work_item_id: uuid.UUID | None = None,
    until: datetime | None = None,
) -> Ticket:
    """A ticket with its clocks. One that is not closed of this kind and call (without a call: subject), or any with
    this `external_id` or item of the worklist, is returned as it is. `contact` is E.164; `until`: solved no later than
    that. Raises TicketProblem."""
    made = _kind(kind, nature)
    known(colour=(colour, COLOURS), link=(link, LINKS), problem=(problem, PROBLEMS), nature=(nature, NATURES))
    known(channel=(channel, CHANNELS))
    not_too_long(words or "", "said")
    there = _there_already(session, kind, call, subject_id, external_id, work_item_id)
    if there is not None:
        return there
    settings = settings_of(session)
    preset = settings.tickets.preset
    patient_id = patient_id or (call.patient_id if call is not None else None)
    contact = contact or ((call.callback or call.party) if call is not None else "")
    link = link or made.link
    by_kind = colour_of(made.colour, preset, medical=made.medical)
    asked_for = department or (call.department if call is not None else "")
    serial = session.scalars(_SERIAL).one()
    values: dict[str, Any] = {
        "id": new_id(),
        "serial": serial,
        "number": number_of(serial),
        "kind": kind,
        "colour": colour or by_kind,
        "medical": made.medical,
        "link": link,
        "problem": problem or made.problem,
        "nature": nature or made.nature,
        "channel": channel,
        "department": department_for(settings.tickets, medical=made.medical, link=link, asked_for=asked_for),
        "language": language or _language(session, call, patient_id),
        "patient_id": patient_id,
        "call_id": call.id if call is not None else None,
        "subject_id": subject_id,
        "work_item_id": work_item_id,
        "external_id": external_id,
        "contact": contact,
        "contact_index": people.phone_index(contact) if contact else None,
        "words": words,
        "status": "open",
        "opened_at": now,
        "preset": preset,
    }
    ticket = Ticket(**values)
    session.add(ticket)
    session.flush()
    told = {name: values[name] for name in ("kind", "colour", "channel", "department", "preset")}
    record(session, "ticket", ticket.id, "opened", now, to_state="open", who=who, data=told)
    if not is_machine(who):
        watch(session, ticket, who, now)
    ticket_clocks.start(session, ticket, now, until=until)
    if ticket.medical:
        alarms.on_medical(session, ticket, now)
    return ticket


_SERIAL = sa.select(sa.func.nextval(sa.func.pg_get_serial_sequence("tickets", "serial")))


def _kind(kind: str, nature: str | None) -> Kind:
    made = KINDS.get(kind)
    if made is None:
        raise TicketProblem("no_kind", kind=kind, allowed=", ".join(KINDS))
    if nature == "complaint" and made.medical is None:
        raise TicketProblem("complaint_kind")
    return made


def _there_already(
    session: Session,
    kind: str,
    call: Call | None,
    subject_id: uuid.UUID | None,
    external_id: str | None,
    work_item_id: uuid.UUID | None,
) -> Ticket | None:
    """Two who ask for the same at one moment: the second waits here, and finds the first one's."""
    same: sa.ColumnElement[bool]
    if external_id is not None:
        name, same = f"external {external_id}", Ticket.external_id == external_id
    elif work_item_id is not None:
        name, same = f"work {work_item_id}", Ticket.work_item_id == work_item_id
    elif call is not None:
        name, same = f"call {kind} {call.id}", sa.and_(Ticket.call_id == call.id, *same_kind(kind))
    elif subject_id is not None:
        name, same = f"subject {kind} {subject_id}", sa.and_(Ticket.subject_id == subject_id, *same_kind(kind))
    else:
        return None
    lock(session, f"ticket: {name}")
    return session.scalars(sa.select(Ticket).where(same).order_by(Ticket.serial).limit(1)).first()


def same_kind(kind: str) -> tuple[sa.ColumnElement[bool], ...]:
    return Ticket.kind == kind, Ticket.status != "confirmed"


def department_for(settings: Tickets, *, medical: bool | None, link: str, asked_for: str) -> str:
    """Who has to see to it (docs/clinical.md WO9, WO11, CMP5): medical affairs, who answers for the service, the
    department that was asked for, the service centre."""
    if medical:
        return settings.medical_affairs
    return settings.owners.get(link) or asked_for or settings.service


def _language(session: Session, call: Call | None, patient_id: uuid.UUID | None) -> str:
    if call is not None and call.session and call.session.get("language"):
        return str(call.session["language"])
    patient = session.get(Patient, patient_id) if patient_id is not None else None
    return patient.language if patient is not None else settings_of(session).hospital.languages[0]


def watch(session: Session, ticket: Ticket, login: str, now: datetime) -> None:
    """This person is told of every step from here on."""
    row = insert(TicketWatcher).values(ticket_id=ticket.id, login=login, since=now)
    session.execute(row.on_conflict_do_nothing())
