"""A caller put through to an agent: the ring at the agent, what they key, the talk, and what came of it.

As with the doctor (dialer.doctor), who is rung knows before a key why somebody rings, and who it is only afterwards.
A caller on the line is taken out of their queue by the agent's own Dial; one to be rung back is rung by it.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, holidays
from core.house import settings_of
from core.models import EventRow, record
from desk import agents, queue, tickets
from desk.models import QueueEntry, QueueOffer
from dialer import attempt as attempts
from dialer import gate
from dialer.doctor import Waiting
from dialer.models import Agent, Attempt, Call

CALLER_RING_S = 30
ASKED = timedelta(minutes=3)
"""An agent who has accepted has the caller by then, or the caller is given to another."""
TALK = timedelta(hours=2)
"""No talk lasts longer: its end was lost."""
AGAIN = timedelta(minutes=10)
"""A caller who did not answer is rung again."""
HELD_UP = timedelta(minutes=1)
"""A ring at a caller that could not go out, such as on an engaged line, is tried again."""

NOT_THEIR_FAULT = ("failed_now", "busy")
"""Ends of a ring that do not say that nobody is there: a carrier that fails for a minute must not sign off the desk."""


# ---- the agent's telephone -----------------------------------------------------------------------
def is_theirs(entry: QueueEntry, offer: QueueOffer) -> bool:
    """Whether the caller still waits for the agent of this offer."""
    return entry.status == "offered" and entry.attempt_id == offer.attempt_id


def offered(session: Session, entry: QueueEntry, agent: Agent, attempt: Attempt, now: datetime) -> None:
    """The agent's telephone rings for this caller; both rows locked."""
    session.add(QueueOffer(entry_id=entry.id, agent_id=agent.id, attempt_id=attempt.id, at=now))
    if queue.move_on(session, entry, "offered", now, attempt=str(attempt.id)):
        entry.agent_id, entry.attempt_id = agent.id, attempt.id
        entry.next_step_at = now + timedelta(seconds=attempt.ring_s) + ASKED
    agents.ring(session, agent, attempt.id, now)
    session.flush()


def _asked(session: Session, attempt_id: uuid.UUID) -> tuple[QueueOffer, QueueEntry] | None:
    """The offer made on a ring (locked already, with its call) and its caller, locked."""
    offer = queue.offer_of(session, attempt_id)
    entry = queue.locked(session, offer.entry_id) if offer is not None else None
    return None if offer is None or entry is None else (offer, entry)


def on_agent_decided(session: Session, event: events.AgentDecided, now: datetime) -> None:
    asked = _asked(session, event.attempt_id)
    if asked is None:
        return
    offer, entry = asked
    if event.decision == "accepted":
        if offer.decision is None and is_theirs(entry, offer):
            queue.decide(session, offer, "accepted", now)
            entry.answered_at = now
            entry.next_step_at = now + ASKED
        return
    if offer.decision is None:
        queue.decide(session, offer, "declined" if event.decision == "declined" else "no_key", now)
    if is_theirs(entry, offer) and (offer.decision != "accepted" or event.decision == "hung_up"):
        _given_back(session, entry, now, HELD_UP)


def put_back(session: Session, entry: QueueEntry, now: datetime, *, not_before: datetime | None = None) -> None:
    """An offered caller (locked) waits for another agent."""
    offer = queue.offer_of(session, entry.attempt_id) if entry.attempt_id is not None else None
    if offer is not None and offer.decision is None:
        queue.decide(session, offer, "gone", now)  # nobody said what became of it
    if queue.move_on(session, entry, "passed_on", now):
        entry.agent_id = entry.attempt_id = entry.answered_at = entry.joined_at = entry.talk_s = entry.ended_at = None
        entry.why, entry.next_step_at = "", not_before


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    """The agent's telephone rings no more, or the agent has hung up."""
    asked = _asked(session, event.attempt_id) if event.kind == "agent" else None
    if asked is None:
        return
    offer, entry = asked
    unanswered = event.outcome not in ("not_placed", "cancelled")
    if offer.decision is None:
        picked_up = event.outcome == "answered"
        queue.decide(session, offer, "no_key" if picked_up else "no_answer" if unanswered else "gone", now)
    if is_theirs(entry, offer):
        _given_back(session, entry, now, HELD_UP)
    elif entry.status == "joined" and entry.attempt_id == offer.attempt_id:
        _talked(session, entry, None, now)
    nobody_home = offer.decision in ("no_key", "no_answer") and event.outcome not in NOT_THEIR_FAULT
    agents.let_go(session, offer.agent_id, event.attempt_id, now, missed=nobody_home)


# ---- the talk ------------------------------------------------------------------------------------
def connect(session: Session, agent_call: Call, now: datetime) -> Attempt | Waiting | gate.Refused:
    """How the agent's Dial reaches the caller they have accepted: on the line they wait on, or by a ring."""
    asked = _asked(session, agent_call.attempt_id) if agent_call.attempt_id is not None else None
    if asked is None or not is_theirs(asked[1], asked[0]) or asked[1].answered_at is None:
        return gate.Refused("not_owner")
    entry = asked[1]
    if entry.mode == "line":
        return Waiting(queue.queue_of(entry.id))
    entry.next_step_at = now + timedelta(seconds=CALLER_RING_S) + ASKED
    ring = attempts.dial(
        session,
        ring_at(entry),
        parent=agent_call,
        flow="caller_join",
        language=entry.language,
        brief={"origin": entry.origin},
        ring_s=CALLER_RING_S,
        now=now,
    )
    if isinstance(ring, gate.Refused):
        put_back(session, entry, now, not_before=max(ring.again_at or now, now + HELD_UP))
        if ring.again_at is None:
            queue.unreached(session, entry, now, ring.reason)
    return ring


def lost_agent(session: Session, call: Call, now: datetime) -> bool:
    """The caller's wait broke off at the carrier. True: an agent had taken them, and was gone before they talked; the
    caller is in line again, at their place. The end of the agent's ring may have said so already. Not for ever: a
    carrier at which nobody can be joined has the caller led to the operator."""
    entry = queue.on_the_line(session, call.id)
    if entry is None or not agents.anybody_on(session):
        return False
    taken, lost = session.execute(_LOSSES, {"entry_id": entry.id}).one()
    if lost >= min(taken, MOST_LOSSES):
        return False
    record(session, "queue", entry.id, LOST_AGENT, now)
    offer = queue.offer_of(session, entry.attempt_id) if entry.attempt_id is not None else None
    if offer is not None and offer.decision == "accepted":
        put_back(session, entry, now)
    return True


LOST_AGENT = "the agent was gone before the talk"
MOST_LOSSES = 3
"""So often a caller is put back into the line; each time an agent must have taken them."""
_LOSSES = sa.select(
    sa.select(sa.func.count())
    .select_from(QueueOffer)
    .where(QueueOffer.entry_id == sa.bindparam("entry_id"), QueueOffer.decision == "accepted")
    .scalar_subquery(),
    sa.select(sa.func.count())
    .select_from(EventRow)
    .where(EventRow.kind == "queue", EventRow.subject_id == sa.bindparam("entry_id"), EventRow.what == LOST_AGENT)
    .scalar_subquery(),
)


RANG = (
    Attempt.sid.is_not(None)
    | Attempt.status.in_(("ringing", "answered"))
    | Attempt.outcome.in_(("answered", "no_answer", "busy", "failed_for_good"))
)
"""A leg the carrier has told of. That of an agent who hung up before the Dial was never rung."""


def count_rings(session: Session, entry: QueueEntry) -> bool:
    """Count the rings at a caller to be rung (locked) that really went out. Returns whether there are no more."""
    legs = sa.select(sa.func.count()).where(Attempt.kind == "caller", Attempt.subject_id == entry.id)
    entry.tries = session.scalar(legs.where(RANG)) or 0
    return entry.tries >= settings_of(session).desk.callback_tries


def ring_at(entry: QueueEntry) -> gate.Ring:
    """The ring at somebody who is to be rung back."""
    return gate.Ring("caller", entry.party, entry.id, patient_id=entry.patient_id)


def on_caller_taken(session: Session, event: events.CallerTaken, now: datetime) -> None:
    asked = _asked(session, event.agent_attempt_id)
    if asked is not None and is_theirs(asked[1], asked[0]):
        _joined(session, asked[1], now)


def _joined(session: Session, entry: QueueEntry, now: datetime) -> None:
    if queue.move_on(session, entry, "joined", now):
        if entry.mode == "callback":
            count_rings(session, entry)
        entry.answered_at = entry.answered_at or now
        entry.joined_at = now
        entry.next_step_at = now + TALK
        if entry.agent_id is not None:
            agents.joined(session, entry.agent_id, now)


def on_agent_talked(session: Session, event: events.AgentTalked, now: datetime) -> None:
    asked = _asked(session, event.attempt_id)
    if asked is None:
        return
    offer, entry = asked
    if event.seconds and is_theirs(entry, offer):
        _joined(session, entry, now - timedelta(seconds=event.seconds))  # the word of the joining was lost
    if entry.attempt_id != offer.attempt_id:
        return
    if entry.status == "joined" and event.seconds:
        _talked(session, entry, event.seconds, now)
    elif entry.status in ("offered", "joined"):
        _given_back(session, entry, now, AGAIN)


def _talked(session: Session, entry: QueueEntry, seconds: int | None, now: datetime) -> None:
    """The talk of a joined caller is over; its length as the carrier told it, or since the joining."""
    if seconds is None:
        seconds = int((now - entry.joined_at).total_seconds()) if entry.joined_at is not None else 0
    entry.talk_s = seconds
    if not queue.end(session, entry, "talked", now, entry.why) or entry.ticket_id is None:
        return
    agent = session.get(Agent, entry.agent_id) if entry.agent_id is not None else None
    tickets.talked(session, entry.ticket_id, seconds, agent.login if agent is not None else "", now)


def _given_back(session: Session, entry: QueueEntry, now: datetime, after: timedelta) -> None:
    """The caller and the agent were not joined. Who waits on the line is offered on at once, or has hung up in that
    moment; whose telephone has rung is left in peace for a while, and at last becomes a ticket."""
    rung = entry.mode == "callback" and _was_dialled(session, entry)
    put_back(session, entry, now, not_before=now + after if rung else None)
    if rung and count_rings(session, entry):
        queue.unreached(session, entry, now, "not reached")
    if entry.mode == "line" and not queue.is_on_the_line(session, entry):
        queue.left(session, entry, "hung_up", now)


def _was_dialled(session: Session, entry: QueueEntry) -> bool:
    """Whether a Dial of the caller was ordered; the carrier may not have told of it yet."""
    return bool(
        session.scalar(sa.select(sa.exists().where(Attempt.kind == "caller", Attempt.subject_id == entry.id)))
    )


def forgotten(session: Session, entry: QueueEntry, now: datetime) -> None:
    """The ring at the agent who was asked, or talked, is over, and nobody has said so to this caller (locked). No talk
    lasted longer than the agent's ring: hours until it was noticed are nobody's talk, and no calming call."""
    if entry.status == "joined":
        ring = session.get(Attempt, entry.attempt_id) if entry.attempt_id is not None else None
        seconds = 0
        if ring is not None and ring.ended_at is not None and entry.joined_at is not None:
            seconds = max(0, int((ring.ended_at - entry.joined_at).total_seconds()))
        _talked(session, entry, seconds, now)
    else:
        _given_back(session, entry, now, HELD_UP)


def on_agent_said(session: Session, event: events.AgentSaid, now: datetime) -> None:
    """What came of the talk, by key."""
    asked = _asked(session, event.attempt_id)
    if asked is None or asked[1].joined_at is None:
        return
    entry = asked[1]
    if entry.outcome:
        return  # the first key stands
    entry.outcome = event.what
    record(session, "queue", entry.id, "outcome", now, who="agent", outcome=event.what)
    if event.what == "call_again" and entry.party:
        at = now + AGAIN
        zone = settings_of(session).hospital.timezone.key
        queue.to_ring(
            session, entry.party, entry.language, "again", now, who="agent",
            call_id=entry.call_id, ticket_id=entry.ticket_id, patient_id=entry.patient_id, priority=entry.priority,
            reason=entry.reason, department=entry.department,
            not_before=calendar.next_open(at, zone, holidays.hours(session)),
        )  # fmt: skip
    elif event.what in ("ticket", "call_again"):
        wanted = events.TicketWanted("agent_followup", entry.call_id, entry.patient_id, entry.id, event.what)
        events.publish(session, wanted, now)
