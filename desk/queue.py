"""The line in front of the desk: who waits, on the telephone or to be rung back, and what became of them. Only writer
of an entry's status. Who is rung for whom: desk.line; the agent's telephone and the talk: desk.put_through; the clocks:
desk.queue_due.

Nobody is lost. Who hangs up while waiting is rung back with the place they had; who left the line for a message and
then left none is rung back as well; who could not be reached becomes a ticket.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.db import RowLock
from core.house import settings_of
from core.models import new_id, record
from desk import agents
from desk.line import PRIORITY
from desk.models import IN_LINE, QueueEntry, QueueOffer, Ticket
from desk.problems import DeskProblem
from dialer import attempt as attempts
from dialer.machine import move
from dialer.models import LIVE_CALL, Agent, Attempt, Call

MOVES: dict[tuple[str, str], str] = {
    # (status, event): next status
    ("waiting", "offered"): "offered",
    ("waiting", "to_be_rung"): "waiting",
    ("offered", "to_be_rung"): "waiting",
    ("waiting", "back_in_line"): "waiting",
    ("offered", "back_in_line"): "waiting",
    ("offered", "passed_on"): "waiting",
    ("offered", "joined"): "joined",
    ("joined", "talked"): "served",
    # gone in the moment of the joining: nobody has talked
    ("joined", "passed_on"): "waiting",
    ("joined", "to_be_rung"): "waiting",
    ("joined", "abandoned"): "abandoned",
    # the agent's side told of an end first, and then the carrier that there had been no talk
    ("served", "passed_on"): "waiting",
    ("waiting", "message"): "message",
    ("offered", "message"): "message",
    ("waiting", "abandoned"): "abandoned",
    ("offered", "abandoned"): "abandoned",
    ("waiting", "cancelled"): "cancelled",
    ("offered", "cancelled"): "cancelled",
    ("waiting", "unreached"): "unreached",
    # sent to a message, and left none
    ("message", "to_be_rung"): "waiting",
    ("cancelled", "to_be_rung"): "waiting",
    ("message", "abandoned"): "abandoned",
    ("cancelled", "abandoned"): "abandoned",
}
OVER = ("served", "message", "abandoned", "unreached", "cancelled")

SHORTEST_WAIT = timedelta(seconds=5)
"""Who hangs up sooner had dialled a wrong number or thought better of it."""
AT_ONCE = timedelta(minutes=10)
"""Who hung up may be rung back for so long at any hour, later only in calling hours."""
RANG_IN_AGAIN = "rang in again"
SAME_WAIT = timedelta(minutes=5)
"""Who rings in again so soon has the place they had, and is as urgent as they were: lines break."""
LONGEST_ON_THE_LIST = timedelta(days=15)
"""No call back waits longer: of those given up after a day of calling hours, one that the longest holidays hold up."""
A_MOMENT = timedelta(seconds=5)
LOOK_AFTER = timedelta(seconds=20)
"""Whether somebody sent to a message left one is looked at this long after, and again while they are on the line."""

locked = RowLock(QueueEntry)
_LOCK_TICKET = RowLock(Ticket)


def hold(session: Session, entry_id: uuid.UUID) -> None:
    """Lock whom a ring at an agent is for, and that agent, before the lines are counted (docs/decisions/0004)."""
    entry = locked(session, entry_id)
    if entry is not None and entry.agent_id is not None:
        agents.locked(session, entry.agent_id)


LeftFor = Literal["callback", "message", "hung_up", "closed", "overflow", "error"]


class QueueProblem(DeskProblem):
    """What was asked for of the line cannot be done."""


@dataclass(frozen=True)
class Waiting:
    id: uuid.UUID
    place: int
    """1 is next."""
    mode: str
    reason: str
    department: str
    language: str
    waited_s: int
    status: str
    agent: str
    """Login of whoever is rung for them or has them."""
    patient_id: uuid.UUID | None
    origin: str = ""
    due_at: datetime | None = None
    """A call back that is not rung before."""


# ---- into the line -------------------------------------------------------------------------------
def queue_of(entry_id: uuid.UUID) -> str:
    """The carrier's queue in which this caller waits."""
    return f"d-{entry_id}"


def number_of(call: Call) -> str:
    """Where this caller can be rung back; empty for nowhere."""
    return call.callback or call.party


def enter(session: Session, call: Call, now: datetime) -> QueueEntry | None:
    """Stand the caller of this hotline call (locked) in line; None: nobody is there to wait for."""
    if not agents.anybody_on(session):
        return None
    entry = _of_call(session, call.id)
    if entry is not None:
        if entry.mode != "line":  # asked to be rung back, and came again
            withdraw(session, entry, now)
            entry.mode, entry.origin = "line", "caller"
            move_on(session, entry, "back_in_line", now)
        return entry
    number = number_of(call)
    before = _off_the_list(session, number, now) if number else []
    # a number that was keyed may be anybody's: it takes nobody's place
    kept = [old for old in before if call.party and _rang_off_just_now(session, old, now)]
    told = call.session or {}
    entry = QueueEntry(
        id=new_id(),
        call_id=call.id,
        party=number,
        party_index=people.phone_index(number) if number else None,
        patient_id=call.patient_id,
        reason=call.reason,
        department=call.department,
        language=str(told.get("language") or settings_of(session).hospital.languages[0]),
        priority=max([PRIORITY.get(call.reason, 0), *(old.priority for old in kept)]),
        mode="line",
        origin="caller",
        status="waiting",
        entered_at=min([now, *(old.entered_at for old in kept)]),
    )
    session.add(entry)
    session.flush()
    record(session, "queue", entry.id, "entered", now, to_state="waiting", call=str(call.id), reason=call.reason)
    return entry


def want_call(session: Session, ticket: Ticket, login: str, now: datetime) -> QueueEntry:
    """The desk rings somebody about a ticket: `login` is rung, accepts by key, and is then joined with the ticket's
    contact. Raises QueueProblem."""
    agent = session.scalar(sa.select(Agent).where(Agent.login == login, Agent.active))
    if agent is None or not agent.phone:
        raise QueueProblem("no_telephone", login=login)
    if agent.status not in agents.SIGNED_IN:
        raise QueueProblem("not_signed_in", login=login)
    if not ticket.contact:
        raise QueueProblem("no_contact")
    _LOCK_TICKET(session, ticket.id)  # or two who ask at once would both find no call under way
    wanted = session.scalar(
        sa.select(QueueEntry).where(QueueEntry.ticket_id == ticket.id, QueueEntry.status.in_((*IN_LINE, "joined")))
    )
    if wanted is not None:
        raise QueueProblem("call_under_way")
    return to_ring(
        session, ticket.contact, ticket.language, "desk", now,
        ticket_id=ticket.id, patient_id=ticket.patient_id, wanted_agent_id=agent.id, priority=1, who=login,
    )  # fmt: skip


def to_ring(
    session: Session,
    number: str,
    language: str,
    origin: str,
    now: datetime,
    *,
    who: str,
    call_id: uuid.UUID | None = None,
    ticket_id: uuid.UUID | None = None,
    patient_id: uuid.UUID | None = None,
    wanted_agent_id: uuid.UUID | None = None,
    priority: int = 0,
    reason: str = "",
    department: str = "",
    not_before: datetime | None = None,
) -> QueueEntry:
    """`not_before`: they stand in line, and are waited for, from then on."""
    entry = QueueEntry(
        id=new_id(), call_id=call_id, ticket_id=ticket_id, party=number, party_index=people.phone_index(number),
        patient_id=patient_id, reason=reason, department=department, language=language, priority=priority,
        mode="callback", origin=origin, status="waiting", wanted_agent_id=wanted_agent_id,
        entered_at=not_before or now, next_step_at=not_before,
    )  # fmt: skip
    session.add(entry)
    session.flush()
    record(session, "queue", entry.id, "to be rung", now, to_state="waiting", who=who, origin=origin)
    return entry


def _off_the_list(session: Session, number: str, now: datetime) -> Sequence[QueueEntry]:
    """Who rings in again is not rung back for the last time as well. Returns what was struck off."""
    rows = session.scalars(
        sa.select(QueueEntry)
        .where(
            QueueEntry.status.in_(IN_LINE),
            QueueEntry.mode == "callback",
            QueueEntry.origin != "desk",
            QueueEntry.party_index == people.phone_index(number),
        )
        .order_by(QueueEntry.id)
        .with_for_update(key_share=True)
    ).all()
    for entry in rows:
        withdraw(session, entry, now)
        end(session, entry, "cancelled", now, RANG_IN_AGAIN)
    return rows


def _rang_off_just_now(session: Session, entry: QueueEntry, now: datetime) -> bool:
    """Whether the call that brought this caller ended so lately that its line may have broken: they go on waiting."""
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    return call is not None and call.ended_at is not None and now - call.ended_at <= SAME_WAIT


def _was_on_the_list(session: Session, entry: QueueEntry) -> bool:
    """Whether a call back was struck off because this caller came into the line."""
    return entry.party_index is not None and bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    QueueEntry.entered_at <= entry.entered_at,
                    QueueEntry.entered_at > entry.entered_at - LONGEST_ON_THE_LIST,
                    QueueEntry.party_index == entry.party_index,
                    QueueEntry.why == RANG_IN_AGAIN,
                    QueueEntry.ended_at == entry.entered_at,
                )
            )
        )
    )


# ---- out of the line -----------------------------------------------------------------------------
def on_queue_left(session: Session, event: events.QueueLeft, now: datetime) -> None:
    if event.why == "served":
        return  # of a talk the agent's side tells
    entry = _of_call(session, event.call_id, mode="line")
    if entry is None and event.why == "hung_up":  # whatever else ends a talk, the agent's side tells
        entry = _being_joined(session, event.call_id)
    if entry is not None:
        left(session, entry, event.why, now)


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """The line is dead while the caller waits: what the carrier says of the wait may come late, or never."""
    call = session.get_one(Call, event.call_id)
    entry = _of_call(session, call.id, mode="line") if call.kind == "hotline" else None
    if entry is not None:
        left(session, entry, "hung_up", now)


def left(session: Session, entry: QueueEntry, why: str, now: datetime) -> None:
    """The caller of an entry (locked) in line waits there no more, and was not joined."""
    withdraw(session, entry, now)
    if why in ("message", "overflow"):
        end(session, entry, "message", now, why)
        entry.next_step_at = now + LOOK_AFTER
    elif why in ("closed", "error"):
        end(session, entry, "cancelled", now, why)
        entry.next_step_at = now + LOOK_AFTER
    elif why == "callback":
        _ring_back(session, entry, "asked", now)
    elif now - entry.entered_at < SHORTEST_WAIT and not _was_on_the_list(session, entry):
        end(session, entry, "abandoned", now, "hung up at once")
    else:
        _ring_back(session, entry, "abandoned", now)


def _ring_back(session: Session, entry: QueueEntry, origin: str, now: datetime) -> None:
    """From now on the caller is to be rung, at the place they had."""
    _take_number(session, entry)
    if not entry.party and (origin != "asked" or not is_on_the_line(session, entry)):
        end(session, entry, "abandoned", now, "no number to ring")
    elif move_on(session, entry, "to_be_rung", now, origin=origin):
        entry.mode, entry.origin, entry.ended_at = "callback", origin, None
        # the carrier is not done with the call yet; and who is still to key their number is asked for it
        entry.next_step_at = now + (A_MOMENT if entry.party else LOOK_AFTER)


def take_number(session: Session, entry: QueueEntry, now: datetime) -> None:
    """Somebody who asked to be rung back had no number, and may have keyed it since."""
    _take_number(session, entry)
    if entry.party:
        return
    if is_on_the_line(session, entry):
        entry.next_step_at = now + LOOK_AFTER
    else:
        end(session, entry, "abandoned", now, "no number to ring")


def _take_number(session: Session, entry: QueueEntry) -> None:
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    number = number_of(call) if call is not None else ""
    if number:
        entry.party, entry.party_index = number, people.phone_index(number)


def is_on_the_line(session: Session, entry: QueueEntry) -> bool:
    """Whether the call that brought this caller lives."""
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    return call is not None and call.status in LIVE_CALL


def look_after(session: Session, entry: QueueEntry, now: datetime) -> None:
    """Whether somebody who left the line for something else got it; else they are rung back."""
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    entry.next_step_at = None
    if call is None:
        return
    if call.status in LIVE_CALL:
        entry.next_step_at = now + LOOK_AFTER
    elif not _was_helped(session, call):
        _ring_back(session, entry, "abandoned", now)


def _was_helped(session: Session, call: Call) -> bool:
    """A ticket came of the call, or somebody else took it."""
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(Ticket.call_id == call.id)
                | sa.exists().where(
                    Attempt.parent_call_id == call.id, Attempt.kind == "operator", Attempt.outcome == "answered"
                )
                | sa.exists().where(
                    QueueEntry.call_id == call.id, QueueEntry.status.in_((*IN_LINE, "joined", "served"))
                )
            )
        )
    )


# ---- the ring at an agent ------------------------------------------------------------------------
def offer_of(session: Session, attempt_id: uuid.UUID) -> QueueOffer | None:
    """What was offered on this ring."""
    return session.scalar(sa.select(QueueOffer).where(QueueOffer.attempt_id == attempt_id))


def decide(session: Session, offer: QueueOffer, decision: str, now: datetime) -> None:
    offer.decision, offer.decided_at = decision, now
    record(session, "queue", offer.entry_id, decision, now, who="agent", attempt=str(offer.attempt_id))


def withdraw(session: Session, entry: QueueEntry, now: datetime) -> None:
    """The caller is not to be had any more: whoever is rung for them is let go, or told when they press the key."""
    if entry.attempt_id is None:
        return
    offer = offer_of(session, entry.attempt_id)
    if offer is not None and offer.decision is None:
        decide(session, offer, "gone", now)
    ring = session.get(Attempt, entry.attempt_id)
    if ring is not None and ring.status != "answered":
        attempts.take_back(session, ring.id)
    entry.agent_id = entry.attempt_id = entry.answered_at = entry.joined_at = None


def unreached(session: Session, entry: QueueEntry, now: datetime, why: str) -> None:
    """Nobody is rung any more for this caller; somebody has to think of another way."""
    if not end(session, entry, "unreached", now, why):
        return
    if entry.ticket_id is not None:
        record(session, "ticket", entry.ticket_id, "not reached by the desk", now, why=why)
        return
    wanted = events.TicketWanted("call_back", entry.call_id, entry.patient_id, entry.id, why)
    events.publish(session, wanted, now)


# ---- writing and reading -------------------------------------------------------------------------
def end(session: Session, entry: QueueEntry, event: str, now: datetime, why: str) -> bool:
    if not move_on(session, entry, event, now, why=why):
        return False
    entry.why, entry.ended_at, entry.next_step_at = why, now, None
    return True


def move_on(session: Session, entry: QueueEntry, event: str, now: datetime, *, why: str = "", **more: str) -> bool:
    """The only writer of an entry's status. False: no such move, nothing changed."""
    to_state = move(MOVES, entry.status, event)
    if to_state is None:
        return False
    from_state, entry.status = entry.status, to_state
    record(session, "queue", entry.id, event, now, from_state=from_state, to_state=to_state, why=why, data=more)
    return True


def _of_call(session: Session, call_id: uuid.UUID, mode: str = "") -> QueueEntry | None:
    """The entry in line this call stands for, locked."""
    wanted = sa.select(QueueEntry.id).where(QueueEntry.call_id == call_id, QueueEntry.status.in_(IN_LINE))
    if mode:
        wanted = wanted.where(QueueEntry.mode == mode)
    entry_id = session.scalar(wanted.order_by(QueueEntry.entered_at.desc()).limit(1))
    entry = locked(session, entry_id) if entry_id is not None else None
    return entry if entry is not None and entry.status in IN_LINE and mode in ("", entry.mode) else None


def _being_joined(session: Session, call_id: uuid.UUID, status: str = "joined") -> QueueEntry | None:
    """The entry of a caller an agent was about to talk with (or, as the agent's side has it, has talked), locked."""
    joined = sa.select(QueueEntry.id).where(QueueEntry.call_id == call_id, QueueEntry.status == status)
    newest = joined.where(QueueEntry.mode == "line").order_by(QueueEntry.entered_at.desc())
    entry_id = session.scalar(newest.limit(1))
    entry = locked(session, entry_id) if entry_id is not None else None
    return entry if entry is not None and entry.status == status else None


def on_the_line(session: Session, call_id: uuid.UUID) -> QueueEntry | None:
    """The entry of a caller who waits on the line, or whom an agent was about to talk with (or says so), locked."""
    entry = _of_call(session, call_id, mode="line") or _being_joined(session, call_id)
    return entry or _being_joined(session, call_id, "served")


def in_line(session: Session, call_id: uuid.UUID) -> QueueEntry | None:
    """The entry of a caller who waits on the line, not locked."""
    return session.scalar(
        sa.select(QueueEntry).where(
            QueueEntry.call_id == call_id, QueueEntry.status.in_(IN_LINE), QueueEntry.mode == "line"
        )
    )


def ahead(session: Session, entry: QueueEntry | None, priority: int, now: datetime) -> int:
    """How many are before this caller, or would be before one who comes now. Call backs that are not due count not."""
    due = QueueEntry.next_step_at.is_(None) | (QueueEntry.next_step_at <= now) | (QueueEntry.status == "offered")
    due |= QueueEntry.mode == "line"  # one that waits for a free line of ours, for a moment
    before = QueueEntry.priority > priority
    if entry is None:
        before |= QueueEntry.priority == priority
    else:
        earlier = (QueueEntry.entered_at < entry.entered_at) & (QueueEntry.id != entry.id)
        before |= (QueueEntry.priority == priority) & earlier
    count = sa.select(sa.func.count()).select_from(QueueEntry).where(QueueEntry.status.in_(IN_LINE), due, before)
    return int(session.scalar(count) or 0)


def board(session: Session, now: datetime) -> list[Waiting]:
    """Who is in line, in order."""
    rows = session.execute(
        sa.select(QueueEntry, Agent.login)
        .outerjoin(Agent, Agent.id == QueueEntry.agent_id)
        .where(QueueEntry.status.in_(IN_LINE))
        .order_by(QueueEntry.priority.desc(), QueueEntry.entered_at, QueueEntry.id)
    ).all()
    return [
        Waiting(
            entry.id, place, entry.mode, entry.reason, entry.department, entry.language,
            max(0, int((now - entry.entered_at).total_seconds())), entry.status, login or "", entry.patient_id,
            entry.origin,
            entry.next_step_at if entry.status == "waiting" else None,
        )
        for place, (entry, login) in enumerate(rows, start=1)
    ]  # fmt: skip
