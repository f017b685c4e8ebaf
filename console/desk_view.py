"""The one place where the console asks the desk: what stands on the boards, a ticket's sheet, and what is done there.

The pages know neither the desk's tables nor its functions; the API neither.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from console import masking, roles
from console.models import User
from core import people
from core.models import Patient
from desk import agents, feedback, queue, tickets
from desk.agents import AgentProblem
from desk.kinds import KINDS
from desk.models import TICKET_OPEN, Ticket, TicketClock, TicketWatcher
from desk.queue import QueueProblem
from desk.ticket_problems import LONGEST_LOGIN
from desk.tickets import TicketProblem
from dialer.models import Agent
from recordings.privacy.redact_text import masked

PROBLEMS = (TicketProblem, QueueProblem, AgentProblem)
"""What the desk refuses, in the words it refuses it with."""
AGENT_STATES = ("ready", "paused", "off")
"""What an agent, or a supervisor for them, may choose; the other states come with the calls."""
ALMOST_S = 600
"""A promise with less than this left is marked."""
MOST_NAMED = 20
MOST = 200
"""Tickets on one page."""
TOLD_HOW = ("call", "sms", "in_person", "letter", "chat", "nobody")


# ---- the boards ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Waiter:
    """Somebody in line: no name, no number."""

    place: int
    mode: str
    reason: str
    department: str
    language: str
    waited_s: float
    status: str
    agent: str


@dataclass(frozen=True)
class AgentLine:
    login: str
    name: str
    status: str
    since: datetime
    department: str
    languages: Sequence[str]
    skills: Sequence[str]


@dataclass(frozen=True)
class Line:
    """One ticket in a list. `patient`, `mrn` and `contact` are masked."""

    id: uuid.UUID
    number: str
    kind: str
    colour: str
    status: str
    channel: str
    language: str
    department: str
    owner: str
    link: str
    problem: str
    nature: str
    medical: bool | None
    opened_at: datetime
    resolved_at: datetime | None
    confirmed_at: datetime | None
    satisfaction: int | None
    due_at: datetime | None
    left_s: float | None
    """Seconds until `due_at`, below nought when it has passed."""
    overdue: bool
    patient: str
    mrn: str
    contact: str

    def words(self, language: str) -> str:
        """What it is about, in one sentence."""
        kind = KINDS.get(self.kind)
        return kind.words[language] if kind else self.kind

    @property
    def almost(self) -> bool:
        return self.left_s is not None and 0 <= self.left_s < ALMOST_S


def waiting(session: Session, now: datetime) -> list[Waiter]:
    return [
        Waiter(row.place, row.mode, row.reason, row.department, row.language, row.waited_s, row.status, row.agent or "")
        for row in queue.board(session, now)
    ]


def agent_lines(session: Session, now: datetime) -> list[AgentLine]:
    return [
        AgentLine(row.login, row.name, row.status, row.since, row.department, row.languages, row.skills)
        for row in agents.board(session, now)
    ]


def lines(
    session: Session,
    now: datetime,
    *,
    states: Sequence[str] | None = None,
    owner: str | None = None,
    due_before: datetime | None = None,
    limit: int = MOST,
) -> list[Line]:
    """Tickets in these states (default: what is still owed), what runs out next first, then the newest of the rest.
    `owner`: whose they are, or were: nobody loses sight of what they began (docs/clinical.md WO10, CMP6)."""
    found = (
        sa.select(Ticket, Patient, _OWED)
        .outerjoin(Patient, Patient.id == Ticket.patient_id)
        .where(_STILL_OWED if states is None else Ticket.status.in_(states))
        .limit(limit)
    )
    # closed ones owe nothing, and are all there ever were: by an index, not by sorting them
    by_due = () if states == ("confirmed",) else (_OWED.asc().nulls_last(),)
    found = found.order_by(*by_due, Ticket.opened_at.desc())
    if owner is not None:
        watched = sa.exists().where(TicketWatcher.ticket_id == Ticket.id, TicketWatcher.login == owner)
        found = found.where((Ticket.owner == owner) | watched)
    if due_before is not None:
        found = found.where(due_before > _OWED)
    return [_line(ticket, patient, owed, now) for ticket, patient, owed in session.execute(found)]


def line(session: Session, number: str, now: datetime) -> Line | None:
    ticket = tickets.find(session, number)
    if ticket is None:
        return None
    return _line_of(session, ticket, now)


_OWED = (
    sa.select(sa.func.min(TicketClock.due_at))
    .where(TicketClock.ticket_id == Ticket.id, TicketClock.met_at.is_(None))
    .scalar_subquery()
)
"""When the first promise runs out, or ran out, that is not kept yet. (`Ticket.due_at` goes on to the next one.)"""


_STILL_OWED = Ticket.status.in_(TICKET_OPEN) | ((Ticket.status == "resolved") & Ticket.told_at.is_(None))
"""Somebody has to do something: what is solved is owed until whoever asked was told (docs/clinical.md WO4)."""


def _line_of(session: Session, ticket: Ticket, now: datetime) -> Line:
    patient = session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    owed = session.scalar(sa.select(_OWED).where(Ticket.id == ticket.id))
    return _line(ticket, patient, owed, now)


def _line(ticket: Ticket, patient: Patient | None, owed: datetime | None, now: datetime) -> Line:
    open_ = ticket.status != "confirmed"
    left_s = (owed - now).total_seconds() if owed is not None and open_ else None
    return Line(
        id=ticket.id,
        number=ticket.number,
        kind=ticket.kind,
        colour=ticket.colour,
        status=ticket.status,
        channel=ticket.channel,
        language=ticket.language,
        department=ticket.department,
        owner=ticket.owner,
        link=ticket.link,
        problem=ticket.problem,
        nature=ticket.nature,
        medical=ticket.medical,
        opened_at=ticket.opened_at,
        resolved_at=ticket.resolved_at,
        confirmed_at=ticket.confirmed_at,
        satisfaction=ticket.satisfaction,
        due_at=owed if open_ else None,
        left_s=left_s,
        overdue=left_s is not None and left_s <= 0,
        patient=masking.name(people.surname(patient.name)) if patient else "",
        mrn=masking.mrn(patient.mrn) if patient else "",
        contact=masking.phone(ticket.contact),
    )


# ---- one ticket ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Clock:
    name: str
    due_at: datetime
    state: str
    """runs | met | missed | late (missed, and met after that)"""
    at: datetime | None
    """When it was met or missed."""


@dataclass(frozen=True)
class Told:
    """One line of the ledger."""

    at: datetime
    what: str
    who: str
    why: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """A ticket's page. The texts are None while nobody has said why they want to see them."""

    line: Line
    shown: bool
    first_owner: str
    told_at: datetime | None
    told_how: str
    reopened: int
    complaint: bool
    has_solution: bool
    has_compensation: bool
    has_contact: bool
    words: str | None = None
    solution: str | None = None
    compensation: str | None = None
    patient: str | None = None
    mrn: str | None = None
    contact: str | None = None
    clocks: Sequence[Clock] = ()
    watchers: Sequence[str] = ()
    story: Sequence[Told] = field(default_factory=list)


def sheet(session: Session, number: str, now: datetime, *, shown: Callable[[uuid.UUID], bool]) -> Sheet | None:
    """`shown`: whether the person who asks has given a reason for the ticket with this id."""
    ticket = tickets.find(session, number)
    if ticket is None:
        return None
    patient = session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    plain = shown(ticket.id)
    return Sheet(
        line=_line_of(session, ticket, now),
        shown=plain,
        first_owner=ticket.first_owner,
        told_at=ticket.told_at,
        told_how=ticket.told_how,
        reopened=ticket.reopened,
        complaint=ticket.medical is not None,
        has_solution=bool(ticket.solution),
        has_compensation=bool(ticket.compensation),
        has_contact=bool(ticket.contact),
        clocks=_clocks(session, ticket.id),
        watchers=_watchers(session, ticket.id),
        story=_story(session, ticket.id),
        **(_texts(ticket, patient) if plain else {}),
    )


def _texts(ticket: Ticket, patient: Patient | None) -> dict[str, Any]:
    return {
        "words": ticket.words or "",
        "solution": ticket.solution or "",
        "compensation": ticket.compensation or "",
        "contact": ticket.contact,
        "patient": patient.name if patient else "",
        "mrn": patient.mrn if patient else "",
    }


def _clocks(session: Session, ticket_id: uuid.UUID) -> list[Clock]:
    of_it = sa.select(TicketClock).where(TicketClock.ticket_id == ticket_id)
    rows = session.scalars(of_it.order_by(TicketClock.due_at, TicketClock.name))
    return [
        Clock(
            row.name,
            row.due_at,
            _state(row),
            row.met_at or row.missed_at,
        )
        for row in rows
    ]


def _state(clock: TicketClock) -> str:
    if clock.met_at is not None:
        return "met" if clock.missed_at is None else "late"
    return "runs" if clock.missed_at is None else "missed"


def _watchers(session: Session, ticket_id: uuid.UUID) -> Sequence[str]:
    return session.scalars(
        sa.select(TicketWatcher.login)
        .where(TicketWatcher.ticket_id == ticket_id)
        .order_by(TicketWatcher.since, TicketWatcher.login)
    ).all()


def _story(session: Session, ticket_id: uuid.UUID) -> list[Told]:
    return [Told(row.at, row.what, row.who, row.why, row.data) for row in tickets.history(session, ticket_id)]


# ---- what is done --------------------------------------------------------------------------------
Form = Mapping[str, str]
Deed = Callable[[Session, Ticket, Form, str, datetime], object]


def _classify(session: Session, ticket: Ticket, form: Form, who: str, now: datetime) -> None:
    nature = form.get("nature") or ticket.nature
    # the page has the field for every ticket; it is heard of complaints only
    medical = {"yes": True, "no": False}.get(form.get("medical", "")) if nature == "complaint" else None
    tickets.classify(
        session,
        ticket.id,
        who,
        now,
        link=form.get("link") or None,
        problem=form.get("problem") or None,
        nature=form.get("nature") or None,
        medical=medical,
    )


def _give(session: Session, ticket: Ticket, form: Form, who: str, now: datetime) -> None:
    give(session, ticket, form["owner"], who, now)


def give(
    session: Session, ticket: Ticket, owner: str, who: str, now: datetime, *, department: str | None = None
) -> Ticket:
    """To somebody who can open its page: with a slip of the keyboard nobody would have it. Raises TicketProblem."""
    owner, there = owner.strip(), who_sees_to_tickets(session)
    if owner and owner not in there:
        raise TicketProblem("unknown_owner", login=owner[:LONGEST_LOGIN], there=_named(there))
    return tickets.assign(session, ticket.id, owner, who, now, department=department)


def who_sees_to_tickets(session: Session) -> list[str]:
    """Logins a ticket may be given to, in order: whoever stands in the staff file, and the console's users whose role
    has tickets; nobody whose user is disabled."""
    users = session.execute(sa.select(User.login, User.role, User.active)).all()
    answering = set(session.scalars(sa.select(Agent.login).where(Agent.active)))
    reading = {user.login for user in users if roles.may(user.role, "tickets")}
    return sorted((reading | answering) - {user.login for user in users if not user.active})


def _named(logins: Sequence[str]) -> str:
    """As many as one reads in a sentence."""
    return ", ".join(logins[:MOST_NAMED]) + (" …" if len(logins) > MOST_NAMED else "") if logins else "-"


def _text(form: Form, name: str, ticket: Ticket) -> str:
    """What was typed; left empty, what is kept already: who has not asked to see it can still resolve the ticket."""
    return form.get(name, "").strip() or getattr(ticket, name) or ""


DEEDS: Mapping[str, Deed] = {
    "take": lambda session, ticket, form, who, now: tickets.assign(session, ticket.id, who, who, now),
    "assign": _give,
    "start": lambda session, ticket, form, who, now: tickets.start(session, ticket.id, who, now),
    "propose": lambda session, ticket, form, who, now: tickets.propose(
        session, ticket.id, _text(form, "solution", ticket), _text(form, "compensation", ticket), who, now
    ),
    "resolve": lambda session, ticket, form, who, now: tickets.resolve(
        session,
        ticket.id,
        _text(form, "solution", ticket),
        who,
        now,
        compensation=_text(form, "compensation", ticket) or None,
    ),
    "tell": lambda session, ticket, form, who, now: tickets.tell(session, ticket.id, form["how"], who, now),
    "confirm": lambda session, ticket, form, who, now: tickets.confirm(session, ticket.id, who, now),
    "reopen": lambda session, ticket, form, who, now: tickets.reopen(
        session, ticket.id, masked(form["why"], ticket.language), who, now
    ),
    "classify": _classify,
    "ring": lambda session, ticket, form, who, now: queue.want_call(session, ticket, who, now),
}
"""What a person may do with a ticket; `who` is their login."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "assign": ("owner",), "propose": ("solution", "compensation"), "resolve": ("solution",), "tell": ("how",),
    "reopen": ("why",),
}  # fmt: skip
"""The fields a deed cannot do without; empty is for the desk to refuse, absent is a wrong request."""


def offered(sheet: Sheet, login: str, *, others: bool) -> list[str]:
    """Which forms a ticket's page shows. The desk decides again when one is sent: another page may have been faster."""
    state, mine = sheet.line.status, sheet.line.owner == login
    shown = []
    if state in TICKET_OPEN:
        shown += [] if mine else ["take"]
        shown += ["start"] if state in ("assigned", "reopened") and sheet.line.owner else []
        shown += ["propose"] if sheet.complaint else []
        shown += ["resolve"] if state != "open" else []
        shown += ["assign"] if others else []
    if state == "resolved":
        shown += ["tell"] if sheet.told_at is None else ["confirm"]
    if state in ("resolved", "confirmed"):
        shown += ["reopen"]
    shown += ["ring"] if sheet.has_contact and state != "confirmed" else []
    return [*shown, "classify"]


def do(session: Session, number: str, deed: str, form: Form, who: str, now: datetime) -> bool:
    """False when there is no such ticket; raises one of PROBLEMS, KeyError for a deed or a field that is not there."""
    ticket = tickets.find(session, number)
    if ticket is None:
        return False
    DEEDS[deed](session, ticket, form, who, now)
    return True


def sign(session: Session, login: str, state: str, who: str, now: datetime) -> None:
    """Raises AgentProblem."""
    agents.sign(session, login, state, who, now)


def is_agent(session: Session, login: str) -> bool:
    """Whether somebody may answer callers: they stand in the staff file."""
    return bool(session.scalar(sa.select(sa.exists().where(Agent.login == login, Agent.active))))


def take_feedback(session: Session, given: Mapping[str, Any], who: str, now: datetime) -> tuple[Line, bool]:
    """The ticket a message became, and whether it is new. Raises TicketProblem."""
    ticket, new = feedback.take(session, feedback.Feedback(**given), now, who=who)
    return _line_of(session, ticket, now), new
