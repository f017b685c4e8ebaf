"""Follow-ups (one wave for one patient), campaigns, appointments and their reminders, and work for a nurse."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class FollowUp(Base):
    __tablename__ = "followups"
    __table_args__ = (
        sa.UniqueConstraint("procedure_id", "wave"),
        sa.Index(
            "ix_followups_next",
            "next_try_at",
            postgresql_where=sa.text("status IN ('planned','due','waiting')"),
        ),
        sa.Index("ix_followups_patient", "patient_id"),
        sa.Index(
            "ix_followups_deadline",
            "deadline_at",
            postgresql_where=sa.text("status IN ('planned','due','waiting')"),
        ),
        sa.Index("ix_followups_calling", "id", postgresql_where=sa.text("status = 'calling'")),
        sa.Index(
            "ix_followups_ended_short",
            "closed_at",
            postgresql_where=sa.text("status IN ('unreached','partial','expired')"),
        ),
        sa.Index(
            "uq_followups_escalation",
            "escalation_id",
            unique=True,
            postgresql_where=sa.text("escalation_id IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    procedure_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("procedures.id"))
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    wave: Mapped[str]
    """6h | 48h | 7d | 30d | 90d, what hospital.toml says, `extra-1` ... for one a nurse has added, or `recheck-1` ...
    after a doctor's contact"""
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    deadline_at: Mapped[datetime] = mapped_column(AwareDateTime)
    """Not rung for this wave any more after this."""
    next_try_at: Mapped[datetime] = mapped_column(AwareDateTime)
    status: Mapped[str]
    """scheduler.machine.MOVES"""
    reason: Mapped[str] = mapped_column(default="")
    tries: Mapped[int] = mapped_column(default=0)
    """Rings that really went out."""
    interview: Mapped[str | None]
    """How the last conversation ended, until its attempt is over."""
    begun: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Some call of this wave has answers, and was not the whole interview."""
    current_attempt_id: Mapped[uuid.UUID | None]
    """The ring whose end this row waits for; the end of any other ring moves nothing."""
    last_try_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the last ring was placed, so that the next one comes at another part of the day."""
    score: Mapped[str | None] = mapped_column(Encrypted("followups.score"))
    """The pain score that stands, 0-10; the next wave compares itself with it."""
    turn: Mapped[int] = mapped_column(default=0, server_default="0")
    """Which number in the order of the patient's numbers is rung next."""
    held: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Stopped by a person until a person lets it go on."""
    note: Mapped[str | None] = mapped_column(Encrypted("followups.note"))
    """Why the plan was changed, in the nurse's words; the ledger only says that it was, and by whom."""
    origin: Mapped[str] = mapped_column(default="plan", server_default="plan")
    """plan | staff | recheck"""
    escalation_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("escalations.id"))
    """The doctor's contact after which it asks again; only of a recheck, and one for each."""
    campaign_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("campaigns.id"))
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class Campaign(Base):
    """A named list of follow-ups that are rung from one fixed time on (docs/clinical.md FUP10)."""

    __tablename__ = "campaigns"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(unique=True)
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    made_at: Mapped[datetime] = mapped_column(AwareDateTime)
    made_by: Mapped[str]


class Appointment(Base):
    """A visit of a patient; `mrn + external_id` is the identity an import goes by."""

    __tablename__ = "appointments"
    __table_args__ = (sa.UniqueConstraint("patient_id", "external_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    external_id: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    department: Mapped[str] = mapped_column(default="")
    place: Mapped[str] = mapped_column(default="")
    fasting: Mapped[bool] = mapped_column(default=False)
    """Blood is taken first: the patient comes without breakfast (docs/clinical.md REM3)."""
    status: Mapped[str] = mapped_column(default="booked")
    """booked | confirmed | move_wanted | cancel_wanted | cancelled"""


class Reminder(Base):
    """A planned call or SMS that reminds: of a visit, of medicine before a holiday. Moves: scheduler.reminders."""

    __tablename__ = "reminders"
    __table_args__ = (
        sa.Index("ix_reminders_next", "next_try_at", postgresql_where=sa.text("status IN ('planned','waiting')")),
        sa.UniqueConstraint("patient_id", "kind", "subject"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    appointment_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("appointments.id"))
    kind: Mapped[str]
    """appointment | medicine"""
    subject: Mapped[str]
    """What makes it one of a kind for this patient: the appointment's id, or the holiday's first day."""
    channel: Mapped[str]
    """call | sms"""
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    deadline_at: Mapped[datetime] = mapped_column(AwareDateTime)
    next_try_at: Mapped[datetime] = mapped_column(AwareDateTime)
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    tries: Mapped[int] = mapped_column(default=0)
    current_attempt_id: Mapped[uuid.UUID | None]
    interview: Mapped[str | None]
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


class WorkItem(Base):
    """Something a nurse has to do; becomes a ticket of the desk. One open item per kind and subject."""

    __tablename__ = "work_items"
    __table_args__ = (
        sa.Index("ix_work_items_open", "due_at", postgresql_where=sa.text("status = 'open'")),
        sa.Index(
            "uq_work_items_open_subject", "kind", "subject_id", unique=True, postgresql_where=sa.text("status = 'open'")
        ),
        sa.Index("ix_work_items_patient", "patient_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    """scheduler.worklist.KINDS"""
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    subject_id: Mapped[uuid.UUID | None]
    """The follow-up, call, message or procedure it is about."""
    why: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="open")
    """open | done"""
    times: Mapped[int] = mapped_column(default=1)
    """How often the same was asked for while it was open."""
    due_at: Mapped[datetime] = mapped_column(AwareDateTime)
    created_at: Mapped[datetime] = mapped_column(AwareDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    closed_by: Mapped[str] = mapped_column(default="")
    note: Mapped[str | None] = mapped_column(Encrypted("work_items.note"))
    """What came of it, in the nurse's words."""


class ClinicSession(Base):
    """A doctor sees patients from `starts_at` until `ends_at`, in so many slots of equal length: the built-in calendar
    that visits are booked in. `external_id` is the identity an import goes by."""

    __tablename__ = "clinic_sessions"
    __table_args__ = (
        sa.Index("ix_clinic_sessions_department", "department", "starts_at"),
        sa.Index("ix_clinic_sessions_starts", "starts_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str] = mapped_column(unique=True)
    department: Mapped[str]
    doctor: Mapped[str] = mapped_column(Encrypted("clinic_sessions.doctor"), default="")
    place: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ends_at: Mapped[datetime] = mapped_column(AwareDateTime)
    slots: Mapped[int]
    status: Mapped[str] = mapped_column(default="open")
    """open | cancelled"""


class Booked(Base):
    """One slot of a session that is taken by a visit; freed by deleting the row. One visit takes one slot, one slot has
    one visit."""

    __tablename__ = "booked_slots"
    __table_args__ = (sa.UniqueConstraint("session_id", "slot"), sa.UniqueConstraint("appointment_id"))

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("clinic_sessions.id"))
    slot: Mapped[int]
    """0 is the session's first."""
    appointment_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("appointments.id"))
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class VisitDraft(Base):
    """What a caller has chosen so far in one call: nothing is booked before the last key."""

    __tablename__ = "visit_drafts"

    call_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("calls.id"), primary_key=True)
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("clinic_sessions.id"))
    slot: Mapped[int | None]
    at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When the slot begins, as it was heard."""
    appointment_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("appointments.id"))
    """The visit that is to be moved or cancelled, or the one just booked."""
    offered: Mapped[dict[str, list[str]]] = mapped_column(JSONB, default=dict)
    """`page`: the times read out last, so that a key means what was heard; `shown`: those read out before them too."""
    result: Mapped[str] = mapped_column(default="")
    """booked | moved | cancelled | noted (another system's visit: a nurse does it) | taken (somebody else had the
    slot) | gone"""
