"""Tickets as people read them: the list by due time, one ticket's story, the figures of the departments, the export.

Read only. A handful of queries however many tickets there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow, Patient
from desk.kinds import KINDS
from desk.models import Ticket, TicketClock, TicketWatcher
from desk.numbers import is_right
from desk.ticket_machine import Standing, missing

NEVER = datetime.max.replace(tzinfo=UTC)
MACHINES = frozenset({"service", "caller", "api", "import"})
"""Who does something with a ticket without being a person of the desk; `api:` is followed by the title of the token."""


@dataclass(frozen=True)
class ClockRow:
    name: str
    round: int
    started_at: datetime
    due_at: datetime
    state: str
    """runs | met | missed | late (done after it had run out)"""
    met_at: datetime | None


@dataclass(frozen=True)
class TicketRow:
    """One ticket without what was said: nothing in it names anybody but the record number and the logins."""

    id: uuid.UUID
    number: str
    kind: str
    colour: str
    medical: bool | None
    link: str
    problem: str
    nature: str
    channel: str
    department: str
    language: str
    mrn: str | None
    status: str
    owner: str
    first_owner: str
    due_at: datetime | None
    """The earliest of its clocks that are not met, missed ones included; None when all are."""
    overdue_at: datetime | None
    late: bool
    """A clock has run out and what it promises is still owed."""
    next: str
    """What somebody has to do: a key of desk.words.NEXT; empty when it is closed."""
    why: str
    """The reason it was opened again for."""
    reopened: int
    satisfaction: int | None
    has_contact: bool
    opened_at: datetime
    assigned_at: datetime | None
    resolved_at: datetime | None
    told_at: datetime | None
    told_how: str
    confirmed_at: datetime | None
    clocks: list[ClockRow] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One row of a ticket's ledger."""

    at: datetime
    what: str
    from_state: str | None
    to_state: str | None
    who: str
    why: str
    data: dict[str, Any]


def find(session: Session, number: str) -> Ticket | None:
    """The ticket with this number; blanks and hyphens do not count. None for a number that is none of ours."""
    digits = number.replace(" ", "").replace("-", "")
    return session.scalar(sa.select(Ticket).where(Ticket.number == digits)) if is_right(digits) else None


def rows(
    session: Session,
    now: datetime,
    *,
    everything: bool = False,
    patient_id: uuid.UUID | None = None,
    department: str | None = None,
    since: datetime | None = None,
) -> list[TicketRow]:
    """Tickets by due time, `everything` adds those that are closed; `since`: opened from then on."""
    query = sa.select(Ticket, Patient.mrn).outerjoin(Patient, Patient.id == Ticket.patient_id)
    if not everything:
        query = query.where(Ticket.status != "confirmed")
    if patient_id is not None:
        query = query.where(Ticket.patient_id == patient_id)
    if department is not None:
        query = query.where(Ticket.department == department)
    if since is not None:
        query = query.where(Ticket.opened_at >= since)
    return _as_rows(session, [(ticket, mrn) for ticket, mrn in session.execute(query)], now)


def row(session: Session, ticket: Ticket, now: datetime) -> TicketRow:
    """One ticket as the list has it."""
    patient = session.get(Patient, ticket.patient_id) if ticket.patient_id is not None else None
    [made] = _as_rows(session, [(ticket, patient.mrn if patient is not None else None)], now)
    return made


def _as_rows(session: Session, found: Sequence[tuple[Ticket, str | None]], now: datetime) -> list[TicketRow]:
    ids = [ticket.id for ticket, _ in found]
    clocks: dict[uuid.UUID, list[TicketClock]] = {one: [] for one in ids}
    for clock in session.scalars(
        sa.select(TicketClock)
        .where(TicketClock.ticket_id.in_(ids))
        .order_by(TicketClock.round, TicketClock.due_at, TicketClock.name)
    ):
        clocks[clock.ticket_id].append(clock)
    whys = _reasons(session, [ticket.id for ticket, _ in found if ticket.reopened])
    made = [_row(ticket, mrn, clocks[ticket.id], whys.get(ticket.id, ""), now) for ticket, mrn in found]
    return sorted(made, key=lambda one: (one.status == "confirmed", one.due_at or NEVER, one.opened_at, one.number))


def _reasons(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Why each was last opened again."""
    told = sa.select(EventRow.subject_id, EventRow.why).where(
        EventRow.kind == "ticket", EventRow.subject_id.in_(ids), EventRow.what == "reopened"
    )
    return {subject: why for subject, why in session.execute(told.order_by(EventRow.id)) if subject is not None}


def _row(ticket: Ticket, mrn: str | None, clocks: Sequence[TicketClock], why: str, now: datetime) -> TicketRow:
    owed = [clock.due_at for clock in clocks if clock.met_at is None]
    calm_runs = any(clock.name == "calm" and clock.met_at is None and clock.missed_at is None for clock in clocks)
    standing = Standing(
        status=ticket.status,
        medical=ticket.medical,
        owner=ticket.owner,
        solution=bool(ticket.solution),
        compensation=bool(ticket.compensation),
        told=ticket.told_at is not None,
        calm_runs=bool(ticket.medical) and calm_runs,
    )
    same = {
        name: getattr(ticket, name)
        for name in TicketRow.__dataclass_fields__
        if name not in ("mrn", "due_at", "late", "next", "why", "has_contact", "clocks")
    }
    return TicketRow(
        **same,
        mrn=mrn,
        due_at=min(owed, default=None),
        late=ticket.status != "confirmed" and any(due <= now for due in owed),
        next=missing(standing),
        why=why,
        has_contact=bool(ticket.contact),
        clocks=[
            ClockRow(clock.name, clock.round, clock.started_at, clock.due_at, _state(clock), clock.met_at)
            for clock in clocks
        ],
    )


def _state(clock: TicketClock) -> str:
    if clock.met_at is not None:
        return "met" if clock.missed_at is None else "late"
    return "runs" if clock.missed_at is None else "missed"


def history(session: Session, ticket_id: uuid.UUID) -> list[Step]:
    """The ticket's ledger, first to last."""
    told = sa.select(EventRow).where(EventRow.kind == "ticket", EventRow.subject_id == ticket_id)
    return [
        Step(one.at, one.what, one.from_state, one.to_state, one.who, one.why, dict(one.data))
        for one in session.scalars(told.order_by(EventRow.id))
    ]


def watchers(session: Session, ticket_id: uuid.UUID) -> list[str]:
    """Who is told of every step, in the order in which they came to it."""
    rows = sa.select(TicketWatcher.login).where(TicketWatcher.ticket_id == ticket_id)
    return list(session.scalars(rows.order_by(TicketWatcher.since, TicketWatcher.login)))


def is_machine(who: str) -> bool:
    return who.partition(":")[0] in MACHINES


# ---- figures and export -----------------------------------------------------------------------------------
def breaches(session: Session, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """Per department and clock: how many clocks began, were kept, were missed, still run. For the department's own
    figures (docs/clinical.md CMP13), never for a fine."""
    missed = sa.func.count().filter(TicketClock.missed_at.is_not(None))
    kept = sa.func.count().filter(TicketClock.met_at.is_not(None), TicketClock.missed_at.is_(None))
    query = (
        sa.select(Ticket.department, TicketClock.name, sa.func.count(), kept, missed)
        .join(TicketClock, TicketClock.ticket_id == Ticket.id)
        .group_by(Ticket.department, TicketClock.name)
        .order_by(Ticket.department, TicketClock.name)
    )
    if since is not None:
        query = query.where(Ticket.opened_at >= since)
    if until is not None:
        query = query.where(Ticket.opened_at < until)
    return [
        {
            "department": department,
            "clock": name,
            "clocks": count,
            "kept": good,
            "missed": bad,
            "running": count - good - bad,
            "kept_percent": round(100 * good / (good + bad), 1) if good + bad else None,
        }
        for department, name, count, good, bad in session.execute(query)
    ]


def exported(
    session: Session, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """The ledger of all tickets, a row per step, without a name, a number of a telephone or a word anybody said: staff
    are `staff`."""
    query = (
        sa.select(Ticket, EventRow)
        .join(EventRow, sa.and_(EventRow.subject_id == Ticket.id, EventRow.kind == "ticket"))
        .order_by(Ticket.serial, EventRow.id)
    )
    if since is not None:
        query = query.where(Ticket.opened_at >= since)
    if until is not None:
        query = query.where(Ticket.opened_at < until)
    for ticket, step in session.execute(query):
        yield {
            "ticket": ticket.serial,
            "kind": ticket.kind,
            "colour": ticket.colour,
            "medical": ticket.medical,
            "link": ticket.link,
            "problem": ticket.problem,
            "nature": ticket.nature,
            "channel": ticket.channel,
            "department": ticket.department,
            "preset": ticket.preset,
            "at": step.at,
            "step": step.what,
            "from": step.from_state or "",
            "to": step.to_state or "",
            "who": step.who.partition(":")[0] if is_machine(step.who) else "staff",
            "clock": step.data.get("clock", ""),
            "late": step.data.get("late", ""),
            "due_at": step.data.get("due", ""),
            "talked_s": step.data.get("seconds", ""),
            "told": step.data.get("how", ""),
        }


def says(ticket: Ticket | TicketRow, language: str) -> str:
    """The sentence of its kind."""
    return KINDS[ticket.kind].words[language]
