"""What callers told us: answers keyed or spoken, one row each, never overwritten."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base, Encrypted
from core.models import new_id


class Answer(Base):
    """One answer to one question of one call.

    A pain score is stored the moment it is keyed, unconfirmed; `confirmed_at` is set when it stands. A score
    keyed anew in the same call gets its own row and closes the older one (`replaced_at`).
    """

    __tablename__ = "answers"
    __table_args__ = (
        sa.Index("ix_answers_call", "call_id", "keyed_at"),
        sa.Index("ix_answers_subject", "subject_id", "keyed_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    call_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("calls.id"))
    patient_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"), index=True)
    subject_id: Mapped[uuid.UUID | None]
    """The follow-up it belongs to; null on the hotline."""
    question: Mapped[str]
    """pain, or the question's key in the flow; `message` for what a caller left on the machine."""
    value: Mapped[str] = mapped_column(Encrypted("answers.value"))
    """The score, the key, or the SID of the recording that holds the words."""
    raw: Mapped[str] = mapped_column(Encrypted("answers.raw"), default="")
    how: Mapped[str] = mapped_column(default="")
    """For a score that stands: key | zero_after_one | unanswered | hung_up."""
    keyed_at: Mapped[datetime] = mapped_column(AwareDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    respondent: Mapped[str] = mapped_column(default="self", server_default="self")
    """self | proxy: a registered relative who answered for the patient."""
    level: Mapped[str] = mapped_column(default="", server_default="")
    """A | B | C: the red flag this answer is (docs/clinical.md section 2); empty for none."""
    corrects_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("answers.id"))
    """The answer this row puts right; the original stays as it was."""
    corrected_by: Mapped[str] = mapped_column(default="", server_default="")
    """Login of the nurse."""
    correction: Mapped[str | None] = mapped_column(Encrypted("answers.correction"))
    """Why, in the nurse's words."""


class FlowBook(Base):
    """All flows, questions and prompts as they were in one version: a call in progress goes on in the one it began
    with, whatever is edited meanwhile."""

    __tablename__ = "flow_books"

    version: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(AwareDateTime)
