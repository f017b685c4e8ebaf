"""Follow-ups: one wave for one patient."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base
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
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    procedure_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("procedures.id"))
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    wave: Mapped[str]
    """6h | 48h | 7d | 30d | 90d, or what hospital.toml says"""
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
    closed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
