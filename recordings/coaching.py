"""Coaching tasks. (Signatures; the bodies follow.)"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from recordings.qa_shapes import TaskLine


def open_tasks(session: Session, login: str | None = None, *, now: datetime) -> list[TaskLine]:
    """All that are not over, the next due first; with `login` what this agent may see, or this owner has to mend."""
    raise NotImplementedError


def confirm(session: Session, task_id: uuid.UUID, who: str, now: datetime) -> None:
    """A person agrees with a task the machine proposed."""
    raise NotImplementedError


def dismiss(session: Session, task_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    raise NotImplementedError


def done(session: Session, task_id: uuid.UUID, who: str, note: str, now: datetime) -> None:
    """The talk was held (or the process mended); three later calls are drawn for an agent's."""
    raise NotImplementedError
