"""Tables of the desk: who waits in line, and what somebody has to do."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id

IN_LINE = ("waiting", "offered")
TICKET_OPEN = ("open", "assigned", "in_progress", "reopened")


class QueueEntry(Base):
    """One caller in line for an agent: on the telephone, or to be rung back with the place they had. A call the desk
    itself wants (to calm, to tell what came of a ticket) stands in the same line. Only writer of `status`: desk.queue.
    """

    __tablename__ = "queue_entries"
    __table_args__ = (
        sa.Index(
            "ix_queue_entries_line",
            sa.text("priority DESC"),
            "entered_at",
            postgresql_where=sa.text("status IN ('waiting','offered')"),
        ),
        sa.Index("ix_queue_entries_step", "next_step_at", postgresql_where=sa.text("next_step_at IS NOT NULL")),
        sa.Index("ix_queue_entries_call", "call_id"),
        sa.Index("ix_queue_entries_entered", "entered_at"),
        sa.Index("ix_queue_entries_ticket", "ticket_id"),
        sa.Index("ix_queue_entries_agent", "agent_id", "joined_at", postgresql_where=sa.text("joined_at IS NOT NULL")),
        sa.Index(
            "uq_queue_entries_call_in_line",
            "call_id",
            unique=True,
            postgresql_where=sa.text("status IN ('waiting','offered') AND mode = 'line'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    call_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("calls.id"))
    """The hotline call that brought them; null for one the desk wants."""
    ticket_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("tickets.id"))
    party: Mapped[str] = mapped_column(Encrypted("queue_entries.party"), default="")
    party_index: Mapped[bytes | None]
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    reason: Mapped[str] = mapped_column(default="")
    department: Mapped[str] = mapped_column(default="")
    language: Mapped[str]
    priority: Mapped[int] = mapped_column(default=0)
    mode: Mapped[str]
    """line (on the telephone) | callback (to be rung)"""
    origin: Mapped[str]
    """caller | asked (chose to be rung back) | abandoned | again (the agent keyed so after a talk) | desk"""
    status: Mapped[str]
    """waiting | offered | joined | served | message | abandoned | unreached | cancelled: desk.queue.MOVES"""
    why: Mapped[str] = mapped_column(default="")
    wanted_agent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("agents.id"))
    """Only this agent is rung for it."""
    agent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("agents.id"))
    attempt_id: Mapped[uuid.UUID | None]
    """The ring at the agent who is being asked, or has taken them."""
    tries: Mapped[int] = mapped_column(default=0)
    """Rings at the caller that really went out."""
    entered_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """Decides the place, also of a call back."""
    next_step_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When an agent took them."""
    joined_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    talk_s: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(default="")
    """What the agent keyed: solved | ticket | call_again; empty for nothing."""


class QueueOffer(Base):
    """One caller offered to one agent: rung at a telephone of theirs."""

    __tablename__ = "queue_offers"
    __table_args__ = (
        sa.Index("ix_queue_offers_entry", "entry_id", "id"),
        # whatever two workers do: one ring at an agent, and one agent for a caller
        sa.Index("uq_queue_offers_open_agent", "agent_id", unique=True, postgresql_where=sa.text("decision IS NULL")),
        sa.Index("uq_queue_offers_open_entry", "entry_id", unique=True, postgresql_where=sa.text("decision IS NULL")),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    entry_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("queue_entries.id"))
    agent_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("agents.id"))
    attempt_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("attempts.id"), unique=True)
    at: Mapped[datetime] = mapped_column(AwareDateTime)
    decision: Mapped[str | None]
    """accepted | declined | no_key | no_answer | gone (the caller was); null while it rings"""
    decided_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class Ticket(Base):
    """Something the desk owes somebody. Only writer of `status`: desk.tickets."""

    __tablename__ = "tickets"
    __table_args__ = (
        sa.Index("ix_tickets_open", "due_at", postgresql_where=sa.text("status <> 'confirmed'")),
        sa.Index("uq_tickets_open_call", "kind", "call_id", unique=True, postgresql_where=sa.text("status = 'open'")),
        sa.Index("ix_tickets_patient", "patient_id"),
        sa.Index("ix_tickets_opened", "opened_at"),
        sa.Index("ix_tickets_call", "call_id", postgresql_where=sa.text("call_id IS NOT NULL")),
        sa.Index("ix_tickets_subject", "subject_id", postgresql_where=sa.text("subject_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    serial: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), unique=True)
    number: Mapped[str] = mapped_column(unique=True)
    """What a caller writes down: the serial number and two check digits nobody can work out (desk.numbers)."""
    kind: Mapped[str]
    """desk.kinds.KINDS"""
    colour: Mapped[str]
    """red | yellow | blue (docs/clinical.md WO2-4)"""
    medical: Mapped[bool | None]
    """The split of complaints (CMP1); null for what is no complaint."""
    link: Mapped[str]
    """registration | treatment | admission | billing | other (WO14)"""
    problem: Mapped[str]
    """attitude | process | quality | facilities | other (WO15)"""
    nature: Mapped[str]
    """request | suggestion | complaint | praise (WO16)"""
    channel: Mapped[str]
    """phone | web | wechat | counter | letter | review | chat | system"""
    department: Mapped[str]
    """Who has to see to it."""
    language: Mapped[str]
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    call_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("calls.id"))
    subject_id: Mapped[uuid.UUID | None]
    work_item_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)
    """The item of the nurses' worklist it stands for (no foreign key: scheduler is a sibling)."""
    external_id: Mapped[str | None] = mapped_column(unique=True)
    """What an import or the API goes by: channel and the sender's own number."""
    contact: Mapped[str] = mapped_column(Encrypted("tickets.contact"), default="")
    """Where they can be rung, E.164; empty for nowhere."""
    contact_index: Mapped[bytes | None]
    words: Mapped[str | None] = mapped_column(Encrypted("tickets.words"))
    """What they said or wrote: typed, imported, or the transcript of their message."""
    status: Mapped[str]
    """open | assigned | in_progress | resolved | confirmed | reopened: desk.ticket_machine.MOVES"""
    first_owner: Mapped[str] = mapped_column(default="")
    """Login of who had it first: a watcher for good (WO10)."""
    owner: Mapped[str] = mapped_column(default="")
    solution: Mapped[str | None] = mapped_column(Encrypted("tickets.solution"))
    compensation: Mapped[str | None] = mapped_column(Encrypted("tickets.compensation"))
    told_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When whoever asked was told what came of it."""
    told_how: Mapped[str] = mapped_column(default="")
    """call | sms | in_person | letter | chat | nobody (they left no name and no number)"""
    satisfaction: Mapped[int | None]
    reopened: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime] = mapped_column(AwareDateTime)
    assigned_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    due_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """The earliest of its clocks that still run; null when none does."""
    overdue_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the first of its clocks ran out."""
    preset: Mapped[str]


class TicketWatcher(Base):
    """Who is told of every step of a ticket."""

    __tablename__ = "ticket_watchers"

    ticket_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    login: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(AwareDateTime)


class TicketClock(Base):
    """One promise of one ticket with the moment it runs out."""

    __tablename__ = "ticket_clocks"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "name", "round"),
        sa.Index("ix_ticket_clocks_due", "due_at", postgresql_where=sa.text("met_at IS NULL AND missed_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    ticket_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tickets.id"))
    name: Mapped[str]
    """assign | respond | propose | solve | calm (desk.clocks)"""
    round: Mapped[int] = mapped_column(default=0)
    """How often the ticket had been reopened."""
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What `due_at` was worked out from, so that an edited calendar can be followed (desk.clocks.Rule): minutes and
    whether they are halved, working_days, until; the earliest counts."""
    started_at: Mapped[datetime] = mapped_column(AwareDateTime)
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    calendar: Mapped[str]
    """Version of the calendar `due_at` goes by."""
    met_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    missed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)

    @property
    def runs(self) -> bool:
        """Neither met nor missed."""
        return self.met_at is None and self.missed_at is None


class TicketAlarm(Base):
    """A head of department who has to hear of a ticket: rung until a key is pressed or the tries are used up."""

    __tablename__ = "ticket_alarms"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "why"),
        sa.Index("ix_ticket_alarms_due", "next_try_at", postgresql_where=sa.text("next_try_at IS NOT NULL")),
        sa.Index("ix_ticket_alarms_attempt", "attempt_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    ticket_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tickets.id"))
    why: Mapped[str]
    """medical | a clock's name, and the round if it is not the first"""
    department: Mapped[str]
    tier: Mapped[str]
    """head | president | 1; empty: nobody was rung yet"""
    any_hour: Mapped[bool]
    attempt_id: Mapped[uuid.UUID | None]
    """The last ring in which it was told, perhaps with others."""
    tries: Mapped[int] = mapped_column(default=0)
    """Rings at this tier."""
    next_try_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """Null: heard, or given up."""
    acknowledged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    opened_at: Mapped[datetime] = mapped_column(AwareDateTime)


class Survey(Base):
    """The satisfaction call after a ticket (docs/clinical.md WO20)."""

    __tablename__ = "surveys"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "round"),
        sa.Index("ix_surveys_next", "next_try_at", postgresql_where=sa.text("status IN ('planned','waiting')")),
        sa.Index("ix_surveys_scored", "closed_at", postgresql_where=sa.text("score IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    ticket_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tickets.id"))
    round: Mapped[int]
    """How often the ticket had been reopened."""
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    deadline_at: Mapped[datetime] = mapped_column(AwareDateTime)
    next_try_at: Mapped[datetime] = mapped_column(AwareDateTime)
    status: Mapped[str]
    """planned | calling | waiting | scored | unreached | cancelled"""
    tries: Mapped[int] = mapped_column(default=0)
    attempt_id: Mapped[uuid.UUID | None]
    score: Mapped[int | None]
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
