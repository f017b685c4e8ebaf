"""What several commands ask for: one patient by record number, a time, a row by the beginning of its id."""

from __future__ import annotations

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.db import blind
from core.house import House
from core.models import Patient
from core.tables import FileProblem


def patient(session: Session, mrn: str) -> Patient:
    """The patient with this record number; of a merged record, the one it was merged into. Raises FileProblem."""
    found = session.scalar(sa.select(Patient).where(Patient.mrn_index == blind(mrn, people.MRN)))
    if found is not None and found.merged_into is not None:
        found = session.get(Patient, found.merged_into)
    if found is None:
        raise FileProblem("--patient: no patient with this record number is on file.")
    return found


def moment(house: House, option: str, text: str) -> datetime:
    """An ISO 8601 time; without an offset it is the hospital's. Raises FileProblem."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise FileProblem(f"{option}: {text!r} is not a time such as 2026-11-20T09:30.") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=house.settings.hospital.timezone)


def day(option: str, text: str) -> date:
    """Raises FileProblem."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FileProblem(f"{option}: {text!r} is not a date such as 2026-11-20.") from None


def row_id(text: str) -> uuid.UUID:
    """Raises FileProblem."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise FileProblem(f"{text!r} is not an id: take it from the list, whole.") from None
