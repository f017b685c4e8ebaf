"""The clocks of tickets in the database: started, met, missed, worked out anew when the calendar changes.

The ticket's row is locked before its clocks are touched (docs/decisions/0004), here as in desk.tickets.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays
from core.db import survives
from core.house import settings_of
from core.models import new_id, record
from desk import alarms, clocks
from desk.clocks import Name, Rule
from desk.models import Ticket, TicketClock

log = logging.getLogger(__name__)

RUNS = (TicketClock.met_at.is_(None), TicketClock.missed_at.is_(None))
_Work = Callable[[Ticket], None]
NURSE = ("nurse", "nurse_urgent")
"""Kinds whose time is that of the nurses' worklist: nobody can ring a patient outside the calling hours."""


def of_ticket(session: Session, ticket_id: uuid.UUID) -> Sequence[TicketClock]:
    rows = sa.select(TicketClock).where(TicketClock.ticket_id == ticket_id)
    return session.scalars(rows.order_by(TicketClock.round, TicketClock.due_at, TicketClock.name)).all()


def rules_of(session: Session, ticket: Ticket, now: datetime, until: datetime | None = None) -> dict[Name, Rule]:
    """What a ticket promises from `now` on; `until`: solved no later than that, whatever else is promised."""
    if ticket.kind in NURSE and until is not None:
        return {"solve": Rule(until=until)}
    zone = settings_of(session).hospital.timezone.key
    on_holiday = holidays.is_holiday(session, calendar.day_of(now, zone))
    found = clocks.rules(ticket.preset, ticket.colour, medical=ticket.medical, holiday=on_holiday)
    if until is not None:
        found["solve"] = clocks.shorter(found["solve"], Rule(until=until))
    return found


def start(session: Session, ticket: Ticket, now: datetime, *, until: datetime | None = None) -> None:
    """A ticket is new, or opened again: its clocks begin. One that still runs goes on as it was, the calming call is
    made once, and who has an owner is assigned."""
    there = of_ticket(session, ticket.id)
    runs = {clock.name for clock in there if clock.runs}
    calmed = any(clock.name == "calm" and clock.met_at is not None for clock in there)
    for name, rule in rules_of(session, ticket, now, until).items():
        if name in runs or (name == "calm" and calmed) or (name == "assign" and ticket.owner):
            continue
        _add(session, ticket, name, rule, now)
    _settle(session, ticket)


def classified(session: Session, ticket: Ticket, now: datetime) -> None:
    """The classes have changed: promises that are new and not kept already begin now, those that bind no longer are
    taken back, and of two with one name the shorter counts."""
    wanted = rules_of(session, ticket, now)
    there = of_ticket(session, ticket.id)
    this_round = {clock.name for clock in there if clock.round == ticket.reopened}
    kept = {"calm"} if any(clock.name == "calm" and clock.met_at is not None for clock in there) else set()
    kept |= {"assign"} if ticket.owner else set()
    kept |= {"respond", "solve"} if ticket.told_at is not None else set()
    for clock in there:
        if not clock.runs:
            continue
        rule = wanted.get(clock.name)  # type: ignore[call-overload]
        if rule is None:
            session.delete(clock)
            record(session, "ticket", ticket.id, "clock taken back", now, data={"clock": clock.name})
            continue
        both = clocks.shorter(Rule.of(clock.rule), rule)
        clock.rule, clock.due_at = both.as_json(), _due(session, both, clock.started_at)
    for name, rule in wanted.items():
        if name not in this_round and name not in kept:
            _add(session, ticket, name, rule, now)
    session.flush()
    _settle(session, ticket)


def meet(session: Session, ticket: Ticket, names: Collection[str], now: datetime) -> None:
    """What these clocks promise has been done. A clock that had run out was missed all the same."""
    for clock in of_ticket(session, ticket.id):
        if clock.name not in names or clock.met_at is not None:
            continue
        clock.met_at = now
        late = now > clock.due_at
        if late:
            clock.missed_at = clock.missed_at or now
            ticket.overdue_at = ticket.overdue_at or clock.due_at
        record(session, "ticket", ticket.id, "clock met", now, data={"clock": clock.name, "late": late})
    _settle(session, ticket)


def runs(session: Session, ticket: Ticket, name: Name) -> bool:
    """Whether this clock of the ticket is neither met nor missed."""
    there = sa.exists().where(TicketClock.ticket_id == ticket.id, TicketClock.name == name, *RUNS)
    return bool(session.scalar(sa.select(there)))


def _add(session: Session, ticket: Ticket, name: Name, rule: Rule, now: datetime) -> None:
    due = _due(session, rule, now)
    session.add(
        TicketClock(
            id=new_id(),
            ticket_id=ticket.id,
            name=name,
            round=ticket.reopened,
            rule=rule.as_json(),
            started_at=now,
            due_at=due,
            calendar=holidays.version(session),
        )
    )
    record(session, "ticket", ticket.id, "clock began", now, data={"clock": name, "due": due.isoformat()})


def _due(session: Session, rule: Rule, started_at: datetime) -> datetime:
    zone = settings_of(session).hospital.timezone.key
    return clocks.due_at(rule, started_at, zone, lambda day: holidays.is_workday(session, day))


def _settle(session: Session, ticket: Ticket) -> None:
    """`due_at` of the ticket is the earliest of its clocks that run."""
    session.flush()
    earliest = sa.select(sa.func.min(TicketClock.due_at)).where(TicketClock.ticket_id == ticket.id, *RUNS)
    ticket.due_at = session.scalar(earliest)
    session.flush()


# ---- ticks ------------------------------------------------------------------------------------------------
DUE = (
    sa.select(TicketClock.ticket_id)
    .where(*RUNS, TicketClock.due_at <= sa.bindparam("now"))
    .order_by(TicketClock.due_at, TicketClock.id)
    .limit(sa.bindparam("most"))
)
OTHER_CALENDAR = (
    sa.select(TicketClock.ticket_id)
    .where(*RUNS, TicketClock.rule.has_key("working_days"), TicketClock.calendar != sa.bindparam("version"))
    .order_by(TicketClock.due_at, TicketClock.id)
    .limit(sa.bindparam("most"))
)
_FREE = (
    # a ticket somebody is at just now is left for the next look
    sa.select(Ticket)
    .where(Ticket.id == sa.bindparam("ticket_id"))
    .with_for_update(key_share=True, skip_locked=True)
    .execution_options(populate_existing=True)
)


def overdue(session: Session, now: datetime, limit: int = 50) -> int:
    """The tick: clocks that have run out are missed, and whoever answers for it is told. Returns how many tickets."""
    found = session.scalars(DUE, {"now": now, "most": limit}).all()
    return _each(session, found, lambda ticket: _miss(session, ticket, now), "a ticket's clock was not looked at")


def _miss(session: Session, ticket: Ticket, now: datetime) -> None:
    for clock in of_ticket(session, ticket.id):
        if not clock.runs or clock.due_at > now:
            continue
        clock.missed_at = now
        ticket.overdue_at = ticket.overdue_at or clock.due_at
        record(session, "ticket", ticket.id, "overdue", now, data={"clock": clock.name})
        session.flush()
        alarms.on_overdue(session, ticket, clock, now)
    _settle(session, ticket)


def recompute(session: Session, now: datetime, limit: int = 500) -> int:
    """The tick: clocks of working days that were worked out by another calendar than today's. Returns how many
    tickets."""
    version = holidays.version(session)
    found = session.scalars(OTHER_CALENDAR, {"version": version, "most": limit}).all()
    return _each(
        session,
        found,
        lambda ticket: _follow(session, ticket, version, now),
        "a ticket's clock does not follow the calendar",
    )


def _follow(session: Session, ticket: Ticket, version: str, now: datetime) -> None:
    for clock in of_ticket(session, ticket.id):
        rule = Rule.of(clock.rule)
        if not clock.runs or rule.working_days is None:
            continue
        before, clock.due_at, clock.calendar = clock.due_at, _due(session, rule, clock.started_at), version
        if clock.due_at != before:
            data = {"clock": clock.name, "before": before.isoformat(), "due": clock.due_at.isoformat()}
            record(session, "ticket", ticket.id, "calendar changed", now, data=data)
    _settle(session, ticket)


def _each(session: Session, found: Sequence[uuid.UUID], work: _Work, complaint: str) -> int:
    """Each ticket on its own: what fails with one does not stop the others."""
    done = 0
    for ticket_id in dict.fromkeys(found):
        ticket = session.scalar(_FREE, {"ticket_id": ticket_id})
        if ticket is not None:
            done += survives(session, lambda ticket=ticket: work(ticket), complaint, ticket=str(ticket_id))  # type: ignore[misc]
    return done
