"""The desk as the flows see it: keeps the promises of ivr.service_desk.ServiceDesk."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.house import settings_of
from core.models import Patient
from desk import agents, put_through, queue, ticket_facts
from desk.line import PRIORITY
from desk.measures import SIGNING
from desk.models import QueueEntry, Ticket
from desk.reasons import TONGUES, WORDS
from dialer import gate
from dialer.doctor import Waiting
from dialer.models import Agent, Attempt, Call

Fact = str | int | bool | tuple[str, ...]
"""As ivr.talk.Fact: the rooms beside each other do not import one another."""


NO_PIN_IS_RIGHT = "none"
"""No digits: whatever is keyed is another."""

_HERE = sa.select(
    agents.ANYBODY.label("agents_on"),
    sa.exists()
    .where(Agent.phone_index == sa.bindparam("number", type_=sa.LargeBinary), Agent.active)
    .label("an_agent"),
    sa.exists().where(Ticket.call_id == sa.bindparam("call_id", type_=sa.Uuid)).label("a_ticket"),
)
"""One question on every turn of the hotline; what hangs on a yes is asked only then."""


def _ahead(session: Session, call: Call, now: datetime) -> int:
    entry = queue.in_line(session, call.id)
    priority = entry.priority if entry is not None else PRIORITY.get(call.reason, 0)
    return queue.ahead(session, entry, priority, now)


class Desk:
    # ---- the hotline ---------------------------------------------------------------------------
    def hotline_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        here = session.execute(_HERE, {"call_id": call.id, "number": call.party_index or b""}).one()
        known = agents.by_phone(session, call.party) if here.an_agent else None
        told: dict[str, Fact] = {
            "agents_on": here.agents_on,
            "ahead": _ahead(session, call, now) if here.agents_on else 0,
            "agent_known": known is not None,
            "agent_ready": known is not None and known.status in agents.SIGNED_IN,
            "agent_paused": known is not None and known.status == "paused",
        }
        if known is not None and known.pin:
            shut = call.flow == SIGNING and agents.pin_locked(session, known.id, now)
            told |= {"pin": NO_PIN_IS_RIGHT if shut else known.pin, "pin_locked": shut}
        if here.a_ticket or call.flow == "progress":
            told |= ticket_facts.hotline_facts(session, call, now)
        return told

    def enter(self, session: Session, call: Call, now: datetime) -> str:
        entry = queue.enter(session, call, now)
        return queue.queue_of(entry.id) if entry is not None else "closed"

    def stays(self, session: Session, call: Call, now: datetime) -> Literal["yes", "overflow", "closed"]:
        entry = queue.in_line(session, call.id)
        if entry is None:
            return "closed"
        if entry.status == "offered":
            return "yes"  # somebody is being rung for them, or comes
        if not agents.anybody_on(session):
            return "closed"
        since = max(entry.entered_at, call.started_at)  # whoever has the place of an earlier call
        waited = (now - since).total_seconds()
        return "overflow" if waited >= settings_of(session).desk.longest_wait_s else "yes"

    def lost_agent(self, session: Session, call: Call, now: datetime) -> bool:
        return put_through.lost_agent(session, call, now)

    # ---- the agent -----------------------------------------------------------------------------
    def picked_up(self, session: Session, attempt: Attempt, now: datetime) -> bool:
        offer = queue.offer_of(session, attempt.id)
        entry = queue.locked(session, offer.entry_id) if offer is not None else None
        return offer is not None and entry is not None and put_through.is_theirs(entry, offer)

    def agent_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """Who the caller is only once this ring's agent has accepted."""
        offer = queue.offer_of(session, call.attempt_id) if call.attempt_id is not None else None
        if offer is None:
            raise LookupError(f"the call {call.id} is no agent's")
        entry = session.get_one(QueueEntry, offer.entry_id)
        theirs = put_through.is_theirs(entry, offer)
        accepted = offer.decision == "accepted"
        told: dict[str, Fact] = {
            "waits": theirs and offer.decision is None,
            "mine": theirs and accepted,
            "talked": accepted and entry.attempt_id == offer.attempt_id and entry.status in ("joined", "served"),
            "back": entry.mode == "callback",
            "minutes": max(0, int((now - entry.entered_at).total_seconds())) // 60,
            "recording_on": entry.mode == "callback" and _agreed_to_recording(session, entry),
            **_what_for(session, entry),
        }
        return told | _who(session, entry) if accepted else told

    def connect(self, session: Session, agent_call: Call, now: datetime) -> Attempt | Waiting | gate.Refused:
        return put_through.connect(session, agent_call, now)

    def caller_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        attempt = session.get_one(Attempt, call.attempt_id)
        entry = session.get_one(QueueEntry, attempt.subject_id)
        return {
            "asked": entry.origin != "desk",
            "recording_on": _agreed_to_recording(session, entry),
        }

    # ---- tickets -------------------------------------------------------------------------------
    def find_ticket(self, session: Session, call: Call, digits: str, now: datetime) -> bool:
        return ticket_facts.find_ticket(session, call, digits, now)

    def alarm_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        return ticket_facts.alarm_facts(session, call, now)

    def satisfaction_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        return ticket_facts.satisfaction_facts(session, call, now)


def _what_for(session: Session, entry: QueueEntry) -> dict[str, Fact]:
    """Reason, department and language in words; with a text per language, as flows are told."""
    languages = settings_of(session).hospital.languages
    told: dict[str, Fact] = {}
    tongue = TONGUES.get(entry.language, {})
    ticket = session.get(Ticket, entry.ticket_id) if entry.ticket_id is not None else None
    if ticket is not None:
        told["ticket"] = ticket.number
    for language in reversed(languages):  # the first language's words are also the plain ones
        words = {
            "reason": WORDS.get(entry.reason, {}).get(language, ""),
            "dept": settings_of(session).hotline.spoken_department(entry.department, language),
            "tongue": tongue.get(language, entry.language),
        }
        for name, text in words.items():
            if text:
                told[f"{name}.{language}"] = told[name] = text
    return told


def _who(session: Session, entry: QueueEntry) -> dict[str, Fact]:
    """The patient whose number this is; a number several patients share says nobody's name."""
    patient = session.get(Patient, entry.patient_id) if entry.patient_id is not None else None
    if patient is None:
        return {}
    return {"surname": people.surname(patient.name), "sex": people.sex(patient.sex)}


def _agreed_to_recording(session: Session, entry: QueueEntry) -> bool:
    """Whether the caller heard the notice on the hotline and did not decline."""
    call = session.get(Call, entry.call_id) if entry.call_id is not None else None
    return call is not None and call.recording_on
