"""What flows are told of tickets: the caller's own in the hotline, one that was asked for by its number, an alarm's, a
satisfaction call's. Numbers, times and departments; never what a ticket is about."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import AwareDateTime
from core.house import settings_of
from core.models import EventRow, record
from desk import alarms, ticket_words, tickets
from desk.models import Survey, Ticket, TicketAlarm, TicketClock
from dialer.models import Attempt, Call

Facts = dict[str, str | int | bool | tuple[str, ...]]
"""As ivr.talk.Fact; ivr is a sibling."""
MOST_LOOKS = 3
"""Numbers one call may ask for: more than a slip of the finger, too few to guess check digits."""
HIDDEN = 10
A_DAY = timedelta(days=1)
LOOKED = "ticket looked up"
ANSWERED_BY = ("respond", "propose", "solve", "calm")
"""Clocks that are kept by speaking with whoever asked. That a ticket is handed over in minutes is no promise to ring
in minutes."""


# ---- the hotline ----------------------------------------------------------------------------------
def hotline_facts(session: Session, call: Call, now: datetime) -> Facts:
    """`ticket` (the number of this call's last ticket; absent without one) and when somebody rings about it, as
    ticket_minutes, ticket_hours, ticket_days or ticket_soon; in the flow `progress` also progress_* of the ticket that
    was asked for."""
    facts: Facts = {}
    own = session.scalar(_OF_CALL, {"call_id": call.id}) if call.turn > 0 else None  # none before the first key
    if own is not None:
        promise = _promise("ticket", _promised(session, own), now)
        facts |= {"ticket": own.number, "ticket_soon": not promise, **promise}
    if call.flow == "progress":
        facts |= _progress(session, call, now)
    return facts


_OF_CALL = sa.select(Ticket).where(Ticket.call_id == sa.bindparam("call_id")).order_by(Ticket.serial.desc()).limit(1)


def _promised(session: Session, ticket: Ticket) -> datetime | None:
    """The moment by which somebody speaks with whoever asked: the earliest of those clocks that runs."""
    runs = sa.select(sa.func.min(TicketClock.due_at)).where(
        TicketClock.ticket_id == ticket.id,
        TicketClock.round == ticket.reopened,
        TicketClock.name.in_(ANSWERED_BY),
        TicketClock.met_at.is_(None),
        TicketClock.missed_at.is_(None),
    )
    return session.scalar(runs) or ticket.due_at


def _promise(name: str, until: datetime | None, now: datetime) -> Facts:
    return ticket_words.span(name, until - now) if until is not None else {}


# ---- progress -------------------------------------------------------------------------------------
def find_ticket(session: Session, call: Call, digits: str, now: datetime) -> bool:
    """Whether the digits are a ticket's number with its check digits; the call may then ask for its progress. Wrong
    is wrong, whatever it is that is wrong, and after MOST_LOOKS everything is."""
    looked = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == LOOKED
    looks = session.scalar(sa.select(sa.func.count()).where(*looked)) or 0
    found = tickets.find(session, digits) if looks < MOST_LOOKS else None
    told = {"ticket": str(found.id)} if found is not None else {}
    record(session, "call", call.id, LOOKED, now, who="caller", data=told)
    return found is not None


def _progress(session: Session, call: Call, now: datetime) -> Facts:
    """Where the ticket stands that this call has asked for last; nothing before it has."""
    ticket = _asked_for(session, call)
    if ticket is None:
        return {"progress_over": _asked_too_often(session, call, now)}
    seen_to = ticket.status in ("resolved", "confirmed")
    late = not seen_to and ticket.overdue_at is not None
    facts: Facts = {
        "progress_received": ticket.status == "open",
        "progress_assigned": ticket.status in ("assigned", "reopened"),
        "progress_working": ticket.status == "in_progress",
        "progress_resolved": ticket.status == "resolved",
        "progress_closed": ticket.status == "confirmed",
        "progress_late": late,
    }
    if not seen_to:
        facts |= _department(session, "progress_department", ticket.department)
    if not seen_to and not late:
        facts |= _promise("progress", _promised(session, ticket), now)
    return facts


def _asked_too_often(session: Session, call: Call, now: datetime) -> bool:
    """Whether the calls before this one asked for as many numbers within a day as one telephone may. Whoever hides
    theirs is one of many: those together may ask HIDDEN times as often."""
    most = settings_of(session).tickets.looks * (1 if call.party_index is not None else HIDDEN)
    asked = {"index": call.party_index, "call_id": call.id, "since": now - A_DAY, "began": now - 2 * A_DAY}
    return (session.scalar(_LOOKS, asked) or 0) >= most


_LOOKS = (
    sa.select(sa.func.count())
    .select_from(EventRow)
    .where(
        EventRow.kind == "call",
        EventRow.what == LOOKED,
        EventRow.at > sa.bindparam("since", type_=AwareDateTime),
        EventRow.subject_id != sa.bindparam("call_id"),
        EventRow.subject_id.in_(
            # a call may have begun before the day that counts: none is longer than that
            sa.select(Call.id).where(
                Call.party_index.is_not_distinct_from(sa.bindparam("index", type_=sa.LargeBinary)),
                Call.started_at > sa.bindparam("began", type_=AwareDateTime),
            )
        ),
    )
)


def _department(session: Session, name: str, department: str) -> Facts:
    """A fact with one text per language."""
    settings = settings_of(session)
    languages = settings.hospital.languages
    said = {language: settings.hotline.spoken_department(department, language) for language in languages}
    return {name: said[languages[0]], **{f"{name}.{language}": words for language, words in said.items()}}


def _asked_for(session: Session, call: Call) -> Ticket | None:
    looked = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == LOOKED
    rows = session.scalars(sa.select(EventRow.data).where(*looked).order_by(EventRow.id.desc()).limit(MOST_LOOKS))
    found = next((str(data["ticket"]) for data in rows if "ticket" in data), None)
    return session.get(Ticket, uuid.UUID(found)) if found else None


# ---- rings of ours --------------------------------------------------------------------------------
def alarm_facts(session: Session, call: Call, now: datetime) -> Facts:
    """For flow ticket_alarm: the ring at a head of department. `waits`: there is still something to be heard."""
    attempt = session.get_one(Attempt, call.attempt_id)
    told = alarms.told_now(session, attempt.id)
    alarm, ticket = told[0] if told else _first(session, attempt)
    facts: Facts = {
        "waits": bool(told),
        "ticket": ticket.number,
        "medical": alarm.why == alarms.MEDICAL,
        "red": ticket.colour == "red",
        "yellow": ticket.colour == "yellow",
        "blue": ticket.colour == "blue",
        "more_on": len(told) > 1,
        "more": max(0, len(told) - 1),
        **_department(session, "dept", alarm.department),
    }
    if alarm.why != alarms.MEDICAL:
        facts |= ticket_words.span("late", now - _ran_out(session, alarm, ticket))
    return facts


def _first(session: Session, attempt: Attempt) -> tuple[TicketAlarm, Ticket]:
    alarm = session.get_one(TicketAlarm, attempt.subject_id)
    return alarm, session.get_one(Ticket, alarm.ticket_id)


def _ran_out(session: Session, alarm: TicketAlarm, ticket: Ticket) -> datetime:
    name, _, round_ = alarm.why.partition(" ")
    its = TicketClock.ticket_id == ticket.id, TicketClock.name == name, TicketClock.round == int(round_ or 0)
    return session.scalar(sa.select(TicketClock.due_at).where(*its)) or alarm.opened_at


def satisfaction_facts(session: Session, call: Call, now: datetime) -> Facts:
    """For flow satisfaction: `day` (ISO date) on which they told us, `low`: the score just keyed opens the ticket
    again."""
    attempt, settings = session.get_one(Attempt, call.attempt_id), settings_of(session)
    survey = session.get_one(Survey, attempt.subject_id)
    ticket = session.get_one(Ticket, survey.ticket_id)
    day = ticket.opened_at.astimezone(settings.hospital.timezone).date()
    return {"day": day.isoformat(), "low": survey.score is not None and survey.score <= settings.tickets.low}
