"""Tickets in the database: the only writer of a ticket's status, through the table of desk.ticket_machine.

Every step is a ledger row of kind `ticket`: ids, codes and counts; what people said and offered stands encrypted in
the ticket's row. How one begins is in desk.ticket_opening, the lists and the story in desk.ticket_rows.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.db import RowLock
from core.house import settings_of
from core.models import record
from desk import alarms, surveys, ticket_clocks
from desk.clocks import colour_of
from desk.kinds import KINDS, LINKS, NATURES, PROBLEMS
from desk.models import Ticket
from desk.problems import STATES
from desk.ticket_machine import TOLD_HOW, Standing, after, refusal
from desk.ticket_opening import department_for, same_kind, watch
from desk.ticket_opening import open_ as open_
from desk.ticket_problems import LONGEST_LOGIN as LONGEST_LOGIN
from desk.ticket_problems import LONGEST_WHY, known, not_too_long
from desk.ticket_problems import LONGEST_WORDS as LONGEST_WORDS
from desk.ticket_problems import TicketProblem as TicketProblem
from desk.ticket_rows import find as find
from desk.ticket_rows import history as history
from desk.ticket_rows import rows as rows
from desk.ticket_rows import watchers as watchers

COMPLAINTS = {True: "complaint_medical", False: "complaint_other"}
_DIGITS = re.compile(r"\d{5,}")

_locked = RowLock(Ticket)


# ---- what becomes of it -----------------------------------------------------------------------------------
def assign(
    session: Session, ticket_id: uuid.UUID, owner: str, who: str, now: datetime, *, department: str | None = None
) -> Ticket:
    """`owner` (a login) sees to it from here on, in `department` if that is another. The first owner is one for good,
    and everybody who had it goes on watching (docs/clinical.md WO10, CMP6)."""
    owner = owner.strip()
    if not owner or len(owner) > LONGEST_LOGIN:
        raise TicketProblem("owner_needed")
    ticket = _get(session, ticket_id)
    _move(session, ticket, "assign", who, now, owner=owner, department=department or ticket.department)
    ticket.owner = owner
    ticket.first_owner = ticket.first_owner or owner
    ticket.assigned_at = ticket.assigned_at or now
    ticket.department = department or ticket.department
    watch(session, ticket, owner, now)
    ticket_clocks.meet(session, ticket, ("assign",), now)
    return ticket


def start(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    """Somebody is at it."""
    ticket = _get(session, ticket_id)
    _move(session, ticket, "start", who, now)
    session.flush()
    return ticket


def respond(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    """Whoever asked has had a first answer."""
    ticket = _get(session, ticket_id)
    record(session, "ticket", ticket.id, "responded", now, who=who)
    ticket_clocks.meet(session, ticket, ("respond",), now)
    return ticket


def talked(session: Session, ticket_id: uuid.UUID, seconds: int, login: str, now: datetime) -> Ticket:
    """The desk and whoever asked were joined for `seconds`: a first answer, and from [escalation] talk_s on the calming
    call (docs/clinical.md CMP7)."""
    ticket = _get(session, ticket_id)
    record(session, "ticket", ticket.id, "talked", now, who=login, data={"seconds": seconds})
    met = ["respond"] if seconds > 0 else []
    if seconds >= settings_of(session).escalation.talk_s:
        met.append("calm")
    ticket_clocks.meet(session, ticket, met, now)
    return ticket


def classify(
    session: Session,
    ticket_id: uuid.UUID,
    who: str,
    now: datetime,
    *,
    link: str | None = None,
    problem: str | None = None,
    nature: str | None = None,
    medical: bool | None = None,
) -> Ticket:
    """The three classes and the split of complaints (docs/clinical.md WO14-16, CMP1); None leaves one as it is. What it
    changes for department and clocks follows. Raises TicketProblem."""
    known(link=(link, LINKS), problem=(problem, PROBLEMS), nature=(nature, NATURES))
    ticket = _get(session, ticket_id)
    nature = nature or ticket.nature
    if nature == "complaint":
        medical = ticket.medical if medical is None else medical
        if medical is None:
            raise TicketProblem("complaint_which")
    elif medical is not None:
        raise TicketProblem("no_complaint")
    was, ticket.medical, ticket.nature = ticket.medical, medical, nature
    ticket.link, ticket.problem = link or ticket.link, problem or ticket.problem
    _follow_kind(session, ticket)
    asked_for = ticket.department
    if was and not medical:
        asked_for = ""  # medical affairs had it because it was medical
    ticket.department = department_for(
        settings_of(session).tickets, medical=medical, link=ticket.link, asked_for=asked_for
    )
    session.flush()
    classes = ("kind", "colour", "link", "problem", "nature", "medical", "department")
    told = {name: getattr(ticket, name) for name in classes}
    record(session, "ticket", ticket.id, "classified", now, who=who, data=told)
    if was != medical:
        if ticket.status != "confirmed":
            ticket_clocks.classified(session, ticket, now)
        if medical:
            alarms.on_medical(session, ticket, now)
    return ticket


def _follow_kind(session: Session, ticket: Ticket) -> None:
    """A complaint has a complaint's kind and colour, and what is none has not."""
    if ticket.medical is None:
        kind = "feedback" if ticket.kind in COMPLAINTS.values() else ticket.kind
    else:
        kind = COMPLAINTS[ticket.medical]
    if kind == ticket.kind:
        return
    twin = sa.exists().where(Ticket.call_id == ticket.call_id, *same_kind(kind))
    if ticket.call_id is not None and session.scalar(sa.select(twin)):
        raise TicketProblem("same_call")
    ticket.kind, ticket.colour = kind, colour_of(KINDS[kind].colour, ticket.preset, medical=ticket.medical)


def propose(
    session: Session, ticket_id: uuid.UUID, solution: str, compensation: str, who: str, now: datetime
) -> Ticket:
    """What is offered after a complaint: a solution and a compensation (docs/clinical.md CMP3-4), one of [tickets]
    compensation or words of one's own."""
    if not solution.strip() or not compensation.strip():
        raise TicketProblem("proposal_parts")
    ticket = _get(session, ticket_id)
    if ticket.status in ("resolved", "confirmed"):
        raise TicketProblem("open_again_first", status=STATES[ticket.status])
    _offer(session, ticket, solution, compensation, now)
    record(session, "ticket", ticket.id, "proposed", now, who=who, data=_from_the_list(session, ticket))
    return ticket


def resolve(
    session: Session,
    ticket_id: uuid.UUID,
    solution: str,
    who: str,
    now: datetime,
    compensation: str | None = None,
) -> Ticket:
    """It is solved; whoever asked has yet to be told. What was proposed stands where nothing else is given."""
    ticket = _get(session, ticket_id)
    not_too_long(solution, "solution")
    _refuse(_standing(session, ticket, solution=solution, compensation=compensation or ""), "resolve")
    _offer(session, ticket, solution, compensation or "", now)
    _move(session, ticket, "resolve", who, now, **_from_the_list(session, ticket))
    ticket.resolved_at = now
    session.flush()
    return ticket


def tell(session: Session, ticket_id: uuid.UUID, how: str, who: str, now: datetime) -> Ticket:
    """Whoever asked was told what came of it (docs/clinical.md WO4, WO19): the loop is closed, and the satisfaction
    call is planned. `how` is one of ticket_machine.TOLD_HOW."""
    ticket = _get(session, ticket_id)
    known(how=(how, TOLD_HOW))
    if how == "nobody" and (ticket.contact or ticket.patient_id is not None):
        raise TicketProblem("how_told")
    _refuse(_standing(session, ticket), "tell")
    if ticket.told_at is not None:
        return ticket
    ticket.told_at, ticket.told_how = now, how
    record(session, "ticket", ticket.id, "told", now, who=who, data={"how": how})
    ticket_clocks.meet(session, ticket, ("respond", "solve"), now)
    if ticket.kind not in ticket_clocks.NURSE and how != "nobody":
        surveys.plan(session, ticket, now)
    return ticket


def confirm(session: Session, ticket_id: uuid.UUID, who: str, now: datetime) -> Ticket:
    """It is closed. Not before the outcome was told."""
    item_id = session.scalar(sa.select(Ticket.work_item_id).where(Ticket.id == ticket_id))  # as made, for good
    if item_id is not None:
        events.publish(session, events.TicketCloses(item_id), now)
    ticket = _get(session, ticket_id)
    _move(session, ticket, "confirm", who, now)
    ticket.confirmed_at = now
    session.flush()
    note = ticket.solution or KINDS[ticket.kind].words[ticket.language]
    events.publish(session, events.TicketClosed(ticket.id, ticket.work_item_id, who, note), now)
    return ticket


def reopen(session: Session, ticket_id: uuid.UUID, why: str, who: str, now: datetime) -> Ticket:
    """It was not solved after all: its clocks begin anew, and the outcome has to be told again. `why` goes into the
    ledger: no names; longer numbers are blotted out."""
    if not why.strip():
        raise TicketProblem("why_again")
    not_too_long(why, "reason", LONGEST_WHY)
    ticket = _get(session, ticket_id)
    _move(session, ticket, "reopen", who, now, why=_DIGITS.sub("…", why.strip()))
    ticket.reopened += 1
    ticket.told_at, ticket.told_how = None, ""
    ticket.resolved_at = ticket.confirmed_at = None
    session.flush()
    ticket_clocks.start(session, ticket, now)
    return ticket


def say(session: Session, ticket_id: uuid.UUID, words: str, recording_id: uuid.UUID | None, now: datetime) -> Ticket:
    """More of what they said: `words` are written below what is there, up to what fits."""
    ticket = _get(session, ticket_id)
    ticket.words = "\n".join(part for part in (ticket.words, words.strip()) if part)[:LONGEST_WORDS]
    data = {"recording": str(recording_id)} if recording_id is not None else {}
    record(session, "ticket", ticket.id, "words", now, data=data)
    session.flush()
    return ticket


# ---- one writer -------------------------------------------------------------------------------------------
def _get(session: Session, ticket_id: uuid.UUID) -> Ticket:
    ticket = _locked(session, ticket_id)
    if ticket is None:
        raise TicketProblem("no_ticket")
    return ticket


def _move(session: Session, ticket: Ticket, event: str, who: str, now: datetime, why: str = "", **data: Any) -> None:
    """The one place a status is written, by the table."""
    _refuse(_standing(session, ticket), event)
    before, status = ticket.status, after(ticket.status, event)
    assert status is not None, "refused above"
    ticket.status = status
    what = "started" if event == "start" else status
    record(session, "ticket", ticket.id, what, now, from_state=before, to_state=status, who=who, why=why, data=data)


def _standing(session: Session, ticket: Ticket, *, solution: str = "", compensation: str = "") -> Standing:
    return Standing(
        status=ticket.status,
        medical=ticket.medical,
        owner=ticket.owner,
        solution=bool(solution.strip() or ticket.solution),
        compensation=bool(compensation.strip() or ticket.compensation),
        told=ticket.told_at is not None,
        calm_runs=bool(ticket.medical) and ticket_clocks.runs(session, ticket, "calm"),
    )


def _refuse(standing: Standing, event: str) -> None:
    why_not = refusal(standing, event)
    if why_not is not None:
        raise TicketProblem(why_not.key, **why_not.values)


def _offer(session: Session, ticket: Ticket, solution: str, compensation: str, now: datetime) -> None:
    not_too_long(solution, "solution")
    not_too_long(compensation, "compensation")
    ticket.solution = solution.strip() or ticket.solution
    ticket.compensation = compensation.strip() or ticket.compensation
    if ticket.solution and ticket.compensation:
        ticket_clocks.meet(session, ticket, ("propose",), now)


def _from_the_list(session: Session, ticket: Ticket) -> dict[str, str]:
    """Which of [tickets] compensation it was, for the ledger; words of somebody's own stay out of it."""
    if not ticket.compensation:
        return {}
    listed = ticket.compensation in settings_of(session).tickets.compensation
    return {"compensation": ticket.compensation if listed else "own words"}
