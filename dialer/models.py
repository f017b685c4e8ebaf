"""Tables of the dialer: calls, attempts, refusals, messages, the roster, escalations."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id

LIVE_ATTEMPT = ("placing", "in_doubt", "placed", "ringing", "answered")
LIVE_CALL = ("ringing", "in_progress")


class Call(Base):
    """One carrier call: an inbound one, one we placed, or the far leg of a Dial."""

    __tablename__ = "calls"
    __table_args__ = (
        sa.Index("ix_calls_live", "deadline_at", postgresql_where=sa.text("status IN ('ringing','in_progress')")),
        sa.Index(
            "ix_calls_live_number", "party_index", postgresql_where=sa.text("status IN ('ringing','in_progress')")
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    sid: Mapped[str | None] = mapped_column(unique=True)
    attempt_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("attempts.id"), unique=True)
    """The ring of ours that made it; null for an inbound call."""
    kind: Mapped[str]
    """hotline, or the kind of the ring that made it (Attempt.kind)"""
    status: Mapped[str]
    """ringing | in_progress | completed | busy | no_answer | failed | cancelled"""
    party: Mapped[str] = mapped_column(Encrypted("calls.party"), default="")
    """The number of the person on the line, E.164; empty when withheld."""
    party_index: Mapped[bytes | None]
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    flow: Mapped[str] = mapped_column(default="")
    flow_version: Mapped[str] = mapped_column(default="")
    session: Mapped[dict[str, Any] | None] = mapped_column(Encrypted("calls.session", as_json=True))
    turn: Mapped[int] = mapped_column(default=0)
    last_twiml: Mapped[str | None] = mapped_column(Encrypted("calls.last_twiml"))
    """What was answered at `turn`, so that a repeated request hears the same again."""
    callback: Mapped[str | None] = mapped_column(Encrypted("calls.callback"))
    """The number a caller with a withheld one keyed to be rung back at."""
    recording_on: Mapped[bool] = mapped_column(default=False)
    """A recording was started after the notice and not refused."""
    reason: Mapped[str] = mapped_column(default="", server_default="")
    """Why a hotline caller rings, by key: one of dialer.machine.REASONS; empty before they said."""
    department: Mapped[str] = mapped_column(default="", server_default="")
    """The department a hotline caller named; empty for none."""
    book: Mapped[str] = mapped_column(default="", server_default="")
    """The version of all flows and prompts this call began with (ivr.models.FlowBook)."""
    started_at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    answered_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    deadline_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """No sign of life by then: the carrier is asked."""
    last_seq: Mapped[int] = mapped_column(default=-1)


class Attempt(Base):
    """One ring of ours, placed by the API or by a Dial; the protocol of docs/design.md section 4."""

    __tablename__ = "attempts"
    __table_args__ = (
        sa.Index("ix_attempts_subject", "subject_id", "created_at"),
        sa.Index(
            "ix_attempts_due",
            "deadline_at",
            postgresql_where=sa.text("status IN ('placing','in_doubt','placed','ringing','answered')"),
        ),
        sa.Index(
            "ix_attempts_live_number",
            "to_index",
            postgresql_where=sa.text("status IN ('placing','in_doubt','placed','ringing','answered')"),
        ),
        sa.Index("ix_attempts_number_day", "to_index", "created_at"),
        sa.Index("ix_attempts_patient_day", "patient_id", "created_at"),
        sa.Index("ix_attempts_posted", "posted_at", postgresql_where=sa.text("via = 'api'")),
        sa.Index("ix_attempts_parent", "parent_call_id", postgresql_where=sa.text("parent_call_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    """followup | reminder | doctor | patient | operator | night | test | agent | caller (somebody an agent has taken) |
    head (of a department, about an overdue ticket) | satisfaction | theme (whom the season's offer names)"""
    lane: Mapped[str]
    """routine | escalation"""
    via: Mapped[str]
    """api | dial | inbound (a patient who rang back after a missed ring and gave the interview)"""
    subject_id: Mapped[uuid.UUID | None]
    """The follow-up or escalation this ring is for."""
    parent_call_id: Mapped[uuid.UUID | None]
    """The call whose Dial rings it (no foreign key: calls already point at attempts)."""
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    to: Mapped[str] = mapped_column(Encrypted("attempts.to"))
    to_index: Mapped[bytes]
    flow: Mapped[str]
    language: Mapped[str]
    brief: Mapped[dict[str, Any]] = mapped_column(Encrypted("attempts.brief", as_json=True))
    """What the flow is told besides the settings: score, hours, department, threshold, wave ..."""
    status: Mapped[str]
    outcome: Mapped[str | None]
    why: Mapped[str] = mapped_column(default="")
    claim: Mapped[uuid.UUID | None]
    """Not read any more: the gate, the pace and `posted_at` are one transaction now (docs/decisions/0005)."""
    posted_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """Set just before the POST: from here on the world may have heard it."""
    deadline_at: Mapped[datetime] = mapped_column(AwareDateTime)
    unwanted: Mapped[bool] = mapped_column(default=False)
    """Taken back: hung up as soon as the carrier tells its SID."""
    looks: Mapped[int] = mapped_column(default=0)
    """How often the carrier's list was searched for it in vain."""
    sid: Mapped[str | None] = mapped_column(unique=True)
    ring_s: Mapped[int]
    shift_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("shifts.id"))
    give_up_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """No POST after this."""
    created_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ringing_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    last_seq: Mapped[int] = mapped_column(default=-1)
    answered_by: Mapped[str | None]
    """What the carrier's machine detection believes: human | machine | fax | unknown. A hint, never trusted."""


class Refusal(Base):
    """The gate said no. One row per ring and reason; a repeat of the same reason moves `last_at` only."""

    __tablename__ = "refusals"
    __table_args__ = (sa.Index("ix_refusals_subject", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[uuid.UUID | None]
    reason: Mapped[str]
    first_at: Mapped[datetime] = mapped_column(AwareDateTime)
    last_at: Mapped[datetime] = mapped_column(AwareDateTime)
    times: Mapped[int] = mapped_column(default=1)


class Pace(Base):
    """When the next POST to the carrier may leave: one row, locked by whoever takes the next place."""

    __tablename__ = "pace"

    id: Mapped[int] = mapped_column(primary_key=True)
    next_at: Mapped[datetime] = mapped_column(AwareDateTime)


class Message(Base):
    """One SMS."""

    __tablename__ = "messages"
    __table_args__ = (
        sa.Index("ix_messages_due", "due_at", postgresql_where=sa.text("status IN ('planned','sending')")),
        sa.UniqueConstraint("subject_id", "kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    """recovery | night_notice | missed | reminder | reminder_child | medicine, and dialer.sms.ALERTS"""
    subject_id: Mapped[uuid.UUID | None]
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    to: Mapped[str] = mapped_column(Encrypted("messages.to"))
    to_index: Mapped[bytes]
    body: Mapped[str] = mapped_column(Encrypted("messages.body"))
    status: Mapped[str]
    """planned | sending | sent | delivered | undelivered | failed | cancelled"""
    why: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """When planned: its hour. When sending: by when the carrier must have answered."""
    posted_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    sid: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(AwareDateTime)
    clinical: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Part of somebody's treatment: when it cannot be delivered a nurse is told."""
    give_up_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """Not sent any more after this, such as a reminder of a visit that has begun; null: dialer.sms.GATE_GIVES_UP."""


class InboundMessage(Base):
    """An SMS somebody sent us."""

    __tablename__ = "inbound_messages"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    sid: Mapped[str] = mapped_column(unique=True)
    sender: Mapped[str] = mapped_column(Encrypted("inbound_messages.sender"))
    sender_index: Mapped[bytes] = mapped_column(index=True)
    body: Mapped[str] = mapped_column(Encrypted("inbound_messages.body"))
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    """Null when nobody on file, or more than one person, has this number."""
    meaning: Mapped[str]
    """stop | start | text"""
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class Shift(Base):
    """One doctor on duty from `starts_at` until `ends_at` in one tier of one department (`*` = all)."""

    __tablename__ = "shifts"
    __table_args__ = (
        sa.Index("ix_shifts_on_duty", "department", "tier", "starts_at"),
        sa.Index("ix_shifts_doctor", "doctor_index", "ends_at"),
        sa.UniqueConstraint("department", "tier", "doctor_index", "starts_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    department: Mapped[str]
    tier: Mapped[str]
    position: Mapped[int]
    """Order within the tier, as in the file."""
    doctor: Mapped[str] = mapped_column(Encrypted("shifts.doctor"))
    doctor_index: Mapped[bytes]
    phone: Mapped[str] = mapped_column(Encrypted("shifts.phone"))
    phone2: Mapped[str] = mapped_column(Encrypted("shifts.phone2"), default="")
    pin: Mapped[str] = mapped_column(Encrypted("shifts.pin"), default="")
    language: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ends_at: Mapped[datetime] = mapped_column(AwareDateTime)


class Cover(Base):
    """Somebody takes over from a doctor for a span, in every tier and department he would be on duty in. A swap is two
    of them. The roster's own rows stay as imported."""

    __tablename__ = "covers"
    __table_args__ = (sa.Index("ix_covers_doctor", "doctor_index", "ends_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    doctor: Mapped[str] = mapped_column(Encrypted("covers.doctor"))
    """Who is replaced."""
    doctor_index: Mapped[bytes]
    by_doctor: Mapped[str] = mapped_column(Encrypted("covers.by_doctor"))
    by_doctor_index: Mapped[bytes]
    phone: Mapped[str] = mapped_column(Encrypted("covers.phone"))
    phone2: Mapped[str] = mapped_column(Encrypted("covers.phone2"), default="")
    pin: Mapped[str] = mapped_column(Encrypted("covers.pin"), default="")
    language: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ends_at: Mapped[datetime] = mapped_column(AwareDateTime)
    note: Mapped[str] = mapped_column(Encrypted("covers.note"), default="")
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class TestRing(Base):
    """A ring at one number of a doctor or of the night target that only asks for a key: does it reach somebody?"""

    __test__ = False  # not a test of pytest's
    __tablename__ = "test_rings"
    __table_args__ = (
        sa.Index("ix_test_rings_number", "phone_index", "asked_at"),
        sa.Index("ix_test_rings_open", "asked_at", postgresql_where=sa.text("result IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    phone: Mapped[str] = mapped_column(Encrypted("test_rings.phone"))
    phone_index: Mapped[bytes]
    language: Mapped[str]
    attempt_id: Mapped[uuid.UUID | None]
    """Null while the gate holds it back."""
    asked_by: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(AwareDateTime)
    result: Mapped[str | None]
    """confirmed | no_key | no_answer | busy | failed | refused; null while it rings."""
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class Escalation(Base):
    """A patient who needs a doctor, with every clock from the key to the talk."""

    __tablename__ = "escalations"
    __table_args__ = (
        sa.Index("ix_escalations_step", "next_step_at", postgresql_where=sa.text("status <> 'closed'")),
        sa.Index("ix_escalations_open_number", "to_index", postgresql_where=sa.text("status <> 'closed'")),
        sa.Index("ix_escalations_keyed", "keyed_at"),
        sa.Index("ix_escalations_call", "call_id"),
        sa.Index("ix_escalations_night", "night_step_at", postgresql_where=sa.text("status <> 'closed'")),
        sa.Index("ix_escalations_owner", "owner_attempt_id", postgresql_where=sa.text("status <> 'closed'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    call_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("calls.id"))
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    procedure_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("procedures.id"))
    to: Mapped[str] = mapped_column(Encrypted("escalations.to"))
    to_index: Mapped[bytes]
    """The number at which the patient waits for the doctor."""
    language: Mapped[str]
    department: Mapped[str]
    score: Mapped[int | None]
    """Null when a red flag was raised and no pain score stands."""
    flags: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=sa.text("'[]'::jsonb"))
    """Keys of the questions whose answers were red flags (flows/questions.yaml)."""
    made_by: Mapped[str] = mapped_column(default="key", server_default="key")
    """key | machine: who opened it; a machine that heard words of warning in a recording may be wrong."""
    heard: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=sa.text("'[]'::jsonb"))
    """Those of `flags` that only a machine has heard; a key that says the same takes one out."""
    said_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the first of the words a machine heard was said."""
    hours: Mapped[int | None]
    """Whole hours since the operation ended; null for a caller who is not on file."""
    record_on: Mapped[bool]
    """Whether the bridge may be recorded: the patient did not press star at the notice."""
    status: Mapped[str]
    chain: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Who is on duty, as this round began: [{"shift": id, "tier": "1", "cover": id or null}, ...], no names."""
    step: Mapped[int] = mapped_column(default=-1)
    """Index in `chain` of the doctor being rung or last rung."""
    round: Mapped[int] = mapped_column(default=1)
    owner_attempt_id: Mapped[uuid.UUID | None]
    """The ring whose doctor accepted."""
    next_step_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    keyed_at: Mapped[datetime] = mapped_column(AwareDateTime)
    stored_at: Mapped[datetime] = mapped_column(AwareDateTime)
    first_ring_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    bridged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    promise_at: Mapped[datetime] = mapped_column(AwareDateTime)
    breached_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    talk_s: Mapped[int | None]
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=sa.text("'{}'::jsonb"))
    """Snapshot of the rules it opened with (dialer.chain.Policy); {} in rows older than that."""
    round_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When this round of the chain began."""
    waiting_call_id: Mapped[uuid.UUID | None]
    """The hotline call on which the patient stays on the line for the doctor; null: the patient is rung."""
    outcome: Mapped[str | None]
    """What came of it, coded by the doctor's keypad or the console: one of dialer.escalation.OUTCOMES."""
    outcome_by: Mapped[str] = mapped_column(default="", server_default="")
    """doctor | staff: who coded it."""
    night_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the night target was first called in."""
    acknowledged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When somebody at the night target pressed the key."""
    night_step_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the night target is rung next; null: it was not called in, or has acknowledged."""
    failures: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))
    """How often driving it raised an error, one after the other: the watchdog takes it by another way."""


class Agent(Base):
    """Somebody who answers callers, at a telephone of theirs. Here and not in desk, because the gate asks whether they
    are signed in before it lets their telephone ring. Only writer of `status`: desk.agents."""

    __tablename__ = "agents"
    __table_args__ = (
        sa.Index("ix_agents_phone", "phone_index"),
        sa.Index("ix_agents_ready", "idle_since", postgresql_where=sa.text("status = 'ready'")),
        sa.Index("ix_agents_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(Encrypted("agents.name"))
    role: Mapped[str]
    """agent | nurse | supervisor | qa | it: who may do what in the console"""
    department: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(Encrypted("agents.phone"), default="")
    phone_index: Mapped[bytes | None]
    languages: Mapped[list[str]] = mapped_column(JSONB, default=list)
    skills: Mapped[list[str]] = mapped_column(JSONB, default=list)
    """Departments and reasons (dialer.machine.REASONS) they answer for; empty: everything."""
    pin: Mapped[str] = mapped_column(Encrypted("agents.pin"), default="")
    """Asked for when they sign in by telephone; empty for none."""
    active: Mapped[bool] = mapped_column(default=True)
    """Still in the last staff file."""
    status: Mapped[str] = mapped_column(default="off")
    """off | ready | ringing | talking | wrap_up | paused"""
    since: Mapped[datetime] = mapped_column(AwareDateTime)
    idle_since: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When they last became free; the longest idle is rung first."""
    until: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When wrap-up ends by itself."""
    attempt_id: Mapped[uuid.UUID | None]
    """The ring at this agent that lives."""
    misses: Mapped[int] = mapped_column(default=0)
    """Rings one after the other that nobody answered with a key."""


class Offer(Base):
    """One patient offered to one doctor in one call of his: accepted, passed on, or neither. A doctor who is on the
    phone may be offered several patients, one after the other."""

    __tablename__ = "offers"
    __table_args__ = (
        sa.Index("ix_offers_attempt", "attempt_id", "id"),
        sa.Index("ix_offers_escalation", "escalation_id", "id"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    escalation_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("escalations.id"))
    attempt_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("attempts.id"))
    """The ring on which the doctor speaks with us; not always the one this patient's chain placed."""
    offered_at: Mapped[datetime] = mapped_column(AwareDateTime)
    decision: Mapped[str | None]
    """accepted | declined | no_key | taken (somebody else had accepted) | no_pin; null while he listens."""
    decided_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


def _one_of(column: InstrumentedAttribute[str], words: tuple[str, ...]) -> sa.ColumnElement[bool]:
    # Written out, not bound: only then can a prepared statement's plan use the index of the live rows.
    return column.in_([sa.literal_column(f"'{word}'", sa.String) for word in words])


ATTEMPT_LIVES = _one_of(Attempt.status, LIVE_ATTEMPT)
CALL_LIVES = _one_of(Call.status, LIVE_CALL)
ALARM_OPEN = Escalation.status != sa.literal_column("'closed'", sa.String)
AGENT_ANSWERS = Agent.active & _one_of(Agent.status, ("ready", "ringing"))
"""The agent may be rung: free, or rung just now."""
