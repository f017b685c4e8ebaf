"""The satisfaction call after a ticket (docs/clinical.md WO20): within 72 h whoever asked is asked by telephone how it
was dealt with, one to five. A low answer opens the ticket again, any other closes it; nobody is rung about it who said
that they do not want that (docs/decisions/0009). Only writer of a survey's status, by the table below.

    planned -> calling -> waiting -> calling -> scored | unreached | cancelled

Nobody reached leaves the ticket resolved, with a row of its ledger: a person decides whether it is closed.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, holidays, people
from core.db import RowLock, survives
from core.house import settings_of
from core.models import Patient, new_id, record
from desk import tickets
from desk.models import Survey, Ticket
from dialer import attempt as attempts
from dialer import gate, lines
from dialer.models import Attempt
from dialer.retry import Next

KIND: Final = "satisfaction"
FLOW: Final = "satisfaction"
MOVES: Final[dict[tuple[str, str], str]] = {
    ("planned", "ring"): "calling",
    ("waiting", "ring"): "calling",
    ("calling", "wait"): "waiting",
    ("calling", "scored"): "scored",
    # the carrier's word that the call is over overtook the key
    ("waiting", "scored"): "scored",
    ("unreached", "scored"): "scored",
    ("calling", "unreached"): "unreached",
    ("planned", "unreached"): "unreached",
    ("waiting", "unreached"): "unreached",
    ("planned", "cancelled"): "cancelled",
    ("waiting", "cancelled"): "cancelled",
    ("calling", "cancelled"): "cancelled",
    ("unreached", "cancelled"): "cancelled",
}
WAITING: Final = ("planned", "waiting")
OVER: Final = frozenset({"scored", "unreached", "cancelled"})
MOST_TRIES: Final = 2
NOT_BEFORE: Final = timedelta(hours=2)
"""After somebody was told: long enough to see whether it is so."""
WITHIN: Final = timedelta(hours=72)
LOW: Final = "low satisfaction"


AFTER_OUTCOME: Final[dict[str, Next]] = {
    # the carrier's word on the ring (dialer.machine.OUTCOMES)
    "no_answer": Next("wait", timedelta(hours=3)),
    "busy": Next("wait", timedelta(minutes=30)),
    "failed_now": Next("wait", timedelta(hours=1)),
    "failed_for_good": Next("unreached"),
    "not_placed": Next("wait", timedelta(minutes=1), counts=False),
    "cancelled": Next("wait", timedelta(minutes=10), counts=False),
    # picked up, and nothing was keyed: a machine, a pocket, no time
    "answered": Next("wait", timedelta(hours=3)),
}


def after_ring(outcome: str, tries_before: int) -> Next:
    """The rule for a ring that ended with `outcome` and without a score. Pure."""
    rule = AFTER_OUTCOME[outcome]
    return Next("unreached") if rule.uses_up(tries_before, MOST_TRIES) else rule


# ---- planned --------------------------------------------------------------------------------------
def plan(session: Session, ticket: Ticket, now: datetime) -> Survey | None:
    """The satisfaction call of this ticket (locked) and round, once it is resolved and whoever asked was told; planned
    again it is as it was. None before that."""
    if ticket.resolved_at is None or ticket.told_at is None:
        return None
    same = sa.select(Survey).where(Survey.ticket_id == ticket.id, Survey.round == ticket.reopened)
    known = session.scalar(same)
    if known is not None:
        return known
    earliest = max(ticket.resolved_at, ticket.told_at) + NOT_BEFORE
    due_at = calendar.next_open(earliest, _zone(session, ticket), holidays.hours(session))
    deadline_at = ticket.resolved_at + WITHIN
    row = Survey(
        id=new_id(), ticket_id=ticket.id, round=ticket.reopened, due_at=due_at, deadline_at=deadline_at,
        next_try_at=min(due_at, deadline_at), status="planned",
    )  # fmt: skip
    session.add(row)
    session.flush()
    record(session, "survey", row.id, "planned", now, to_state="planned", ticket=str(ticket.id))
    record(session, "ticket", ticket.id, "survey wanted", now)
    if not ticket.contact:
        _settle(session, row, "cancelled", "there is no number to ring", now)
    return row


def _patient(session: Session, ticket: Ticket) -> Patient | None:
    """Whose ticket it is, on the record that stands; None for somebody on no file of ours."""
    patient = session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    while patient is not None and patient.merged_into is not None:
        patient = session.get(Patient, patient.merged_into)
    return patient


def _zone(session: Session, ticket: Ticket) -> str:
    patient = _patient(session, ticket)
    return patient.timezone if patient is not None else settings_of(session).hospital.timezone.key


# ---- rung -----------------------------------------------------------------------------------------
def due(session: Session, now: datetime) -> int:
    """The tick: close what is too late, ring what is due while a line is free. Returns how many rows were seen to."""
    late = _claim(session, now, Survey.deadline_at <= now, limit=20)
    for row in late:
        _settle(session, row, "unreached", "there is no time left", now)
    if late or not lines.routine_may(session, now):
        return len(late)
    # one at a time: whether a line is free is asked anew for each
    rows = _claim(session, now, Survey.deadline_at > now, limit=1)
    for row in rows:
        row.next_try_at = now + gate.ALARM_AGAIN
        survives(session, partial(_ring, session, row, now), "a survey could not be rung", survey=str(row.id))
    return len(rows)


_IN_WAITING = Survey.status.in_([sa.literal_column(f"'{word}'", sa.String) for word in WAITING])
"""Written out, not bound: only then can a prepared statement's plan use the index of what waits."""


def _claim(session: Session, now: datetime, which: sa.ColumnElement[bool], *, limit: int) -> list[Survey]:
    return list(
        session.scalars(
            sa.select(Survey)
            .where(_IN_WAITING, Survey.next_try_at <= now, which)
            .order_by(Survey.next_try_at, Survey.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
    )


def _ring(session: Session, row: Survey, now: datetime) -> None:
    ticket = session.get_one(Ticket, row.ticket_id)
    if not _asks_about(row, ticket):
        _settle(session, row, "cancelled", f"the ticket is {ticket.status}", now)
        return
    patient, hospital = _patient(session, ticket), settings_of(session).hospital
    patient_id = patient.id if patient is not None else None
    placed = attempts.place(
        session,
        gate.Ring(KIND, ticket.contact, row.id, patient_id=patient_id, deadline_at=row.deadline_at),
        flow=FLOW,
        language=ticket.language if ticket.language in hospital.languages else hospital.languages[0],
        brief={},
        ring_s=settings_of(session).calling.ring_s,
        now=now,
    )
    if isinstance(placed, Attempt):
        row.attempt_id = placed.id
        move(session, row, "ring", now, attempt=str(placed.id))
    elif placed.again_at is not None:
        row.next_try_at = min(placed.again_at, row.deadline_at)  # why: the gate has written it down
    else:
        _settle(session, row, "unreached" if placed.reason == "deadline_passed" else "cancelled", placed.reason, now)


def _asks_about(row: Survey, ticket: Ticket) -> bool:
    """Whether the ticket is still as it was when it was planned to ask about it. Staff who close it do not spare
    anybody the question."""
    return ticket.status in ("resolved", "confirmed") and ticket.reopened == row.round


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    row = locked(session, event.subject_id) if event.kind == KIND and event.subject_id is not None else None
    if row is None or row.status != "calling" or row.attempt_id != event.attempt_id:
        return
    following = after_ring(event.outcome, row.tries)
    row.tries += 1 if following.counts else 0
    if following.event == "unreached":
        _settle(session, row, "unreached", event.outcome, now)
        return
    zone = _zone(session, session.get_one(Ticket, row.ticket_id))
    again = calendar.next_open(now + following.after, zone, holidays.hours(session))
    if again >= row.deadline_at:
        _settle(session, row, "unreached", f"{event.outcome}; no time left", now)
    else:
        row.next_try_at = again
        move(session, row, "wait", now, why=event.outcome)


# ---- answered -------------------------------------------------------------------------------------
def on_satisfaction_keyed(session: Session, event: events.SatisfactionKeyed, now: datetime) -> None:
    """The first key counts. The ticket is locked before the survey, as where it is planned."""
    attempt = session.get_one(Attempt, event.attempt_id)
    found = session.get(Survey, attempt.subject_id) if attempt.kind == KIND and attempt.subject_id else None
    if found is None:
        return
    ticket = _ticket_locked(session, found.ticket_id)
    row = locked(session, found.id)
    assert ticket is not None
    if row is None or row.attempt_id != attempt.id or row.score is not None:
        return
    if event.score is None:
        _declined(session, row, ticket, now)
    elif move(session, row, "scored", now, who="caller", score=event.score):
        row.score = event.score
        _carry_out(session, row, ticket, event.score, now)


def _declined(session: Session, row: Survey, ticket: Ticket, now: datetime) -> None:
    """Whoever is on file is not asked about anything again; of somebody else we know no more than this ticket."""
    patient = _patient(session, ticket)
    if patient is not None:
        people.set_consent(session, patient.id, "survey", False, "keypad", now, channel="keypad")
    _settle(session, row, "cancelled", "does not want to be asked", now)


def _carry_out(session: Session, row: Survey, ticket: Ticket, score: int, now: datetime) -> None:
    if not _asks_about(row, ticket):
        # somebody was quicker; the score stands in the ledger
        record(session, "ticket", ticket.id, "satisfaction keyed late", now, who="caller", score=score)
        return
    ticket.satisfaction = score
    record(session, "ticket", ticket.id, "satisfaction", now, who="caller", score=score)
    try:
        if score <= settings_of(session).tickets.low:
            tickets.reopen(session, ticket.id, LOW, "caller", now)
        elif ticket.status == "resolved":
            tickets.confirm(session, ticket.id, "caller", now)
    except tickets.TicketProblem as problem:
        # the score is kept; what is missing is for a person
        record(session, "ticket", ticket.id, "not closed by the score", now, why=str(problem))


# ---- the row --------------------------------------------------------------------------------------
locked = RowLock(Survey)
_ticket_locked = RowLock(Ticket)


def _settle(session: Session, row: Survey, event: str, why: str, now: datetime) -> None:
    """The end without a score; the ticket's own history says so, because it waits for a person now."""
    if move(session, row, event, now, why=why):
        what = "satisfaction not asked" if event == "cancelled" else "satisfaction unknown"
        record(session, "ticket", row.ticket_id, what, now, why=why, survey=str(row.id))


def move(
    session: Session, row: Survey, event: str, now: datetime, *, why: str = "", who: str = "service", **data: object
) -> bool:
    """The only writer of a survey's status. False: no such move, nothing changed."""
    to_state = MOVES.get((row.status, event))
    if to_state is None:
        return False
    from_state, row.status = row.status, to_state
    if to_state in OVER:
        row.closed_at = now
    record(
        session, "survey", row.id, event, now, from_state=from_state, to_state=to_state, who=who, why=why, data=data
    )  # fmt: skip
    return True


def of_ticket(session: Session, ticket_id: uuid.UUID) -> list[Survey]:
    """Every round's, the oldest first."""
    return list(session.scalars(sa.select(Survey).where(Survey.ticket_id == ticket_id).order_by(Survey.round)))
