"""`carecall import appointments`: a table of visits (columns: docs/design.md section 6).

`mrn + appointment_id` is the identity. Importing the same file twice changes nothing; a moved visit moves its
reminder, a cancelled one cancels it. Each row stands or falls alone and is reported.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people, sheets, tables
from core.db import blind
from core.house import House, settings_of
from core.models import Patient, new_id, record
from core.tables import RowProblem, RowReport
from scheduler import reminder_plan, visits
from scheduler.models import Appointment
from scheduler.texts import LONGEST_VALUE

COLUMNS = ("mrn", "appointment_id", "starts_at", "department", "place", "fasting", "status")
REQUIRED = ("mrn", "appointment_id", "starts_at")
STATUSES = ("booked", "cancelled")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FURTHEST = timedelta(days=2 * 366)
"""How far ahead a visit may lie; further is a slip of the keyboard."""


def import_appointments(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; with `dry_run` everything is tried and nothing kept. Raises FileProblem."""
    rows = sheets.read_table(path, COLUMNS, REQUIRED, "appointments")
    return sheets.row_by_row(house, rows, lambda session, values: _row(session, values, now), dry_run=dry_run)


def _row(session: Session, values: dict[str, str], now: datetime) -> tuple[sheets.Result, str]:
    tables.refuse_ragged(values)
    tables.needed(values, *REQUIRED)
    tables.refuse_long(values)
    fields = _fields(session, values, now)
    index = blind(values["mrn"], people.MRN)
    # Locked, so that two files with the same new visit come one after the other.
    patient = session.scalar(sa.select(Patient).where(Patient.mrn_index == index).with_for_update(key_share=True))
    if patient is None:
        raise RowProblem("mrn: no patient with this record number is on file; import the patient first")
    patient_id = patient.merged_into or patient.id
    visit = session.scalar(
        sa.select(Appointment)
        .where(Appointment.patient_id == patient_id, Appointment.external_id == values["appointment_id"])
        .with_for_update()
    )
    if visit is None:
        return "created", _new(session, patient_id, values, fields, now)
    return _changed(session, visit, fields, now)


Fields = dict[str, str | bool | datetime]


def _fields(session: Session, values: dict[str, str], now: datetime) -> Fields:
    starts_at = tables.moment(values, "starts_at", settings_of(session).hospital.timezone)
    if not EARLIEST <= starts_at <= now + FURTHEST:
        raise RowProblem(f"starts_at must lie between {EARLIEST.year} and two years from now")
    most = LONGEST_VALUE["place"]
    if len(values["place"]) > most:
        raise RowProblem(f"place has {len(values['place'])} characters; an SMS has room for {most}")
    return {
        "starts_at": starts_at,
        "department": values["department"],
        "place": values["place"],
        "fasting": tables.yes_no(values, "fasting"),
        "status": tables.one_of(values, "status", STATUSES, "booked"),
    }


def _new(session: Session, patient_id: object, values: dict[str, str], fields: Fields, now: datetime) -> str:
    visit = Appointment(id=new_id(), patient_id=patient_id, external_id=values["appointment_id"], **fields)
    session.add(visit)
    session.flush()
    record(session, "appointment", visit.id, "imported", now, to_state=visit.status, who="import")
    if visit.status == "cancelled":
        return "cancelled, nothing planned"
    planned = reminder_plan.follow(session, visit, now)
    return _count(planned, "planned") if planned else "the visit is over, no reminder"


def _changed(session: Session, visit: Appointment, fields: Fields, now: datetime) -> tuple[sheets.Result, str]:
    wanted = dict(fields)
    moved = visit.starts_at != wanted["starts_at"]
    if wanted["status"] == "booked" and not moved and visit.status != "cancelled":
        # What the patient keyed stands until the hospital moves the visit.
        wanted["status"] = visit.status
    changed = [name for name, value in wanted.items() if getattr(visit, name) != value]
    if not changed:
        return "unchanged", ""
    for name in changed:
        setattr(visit, name, wanted[name])
    if moved or visit.status == "cancelled":
        visits.release(session, visit)
    session.flush()
    record(session, "appointment", visit.id, "updated", now, to_state=visit.status, who="import", fields=changed)
    details = [f"{name} changed" for name in changed]
    if {"starts_at", "place", "fasting", "status"} & set(changed):
        followed = reminder_plan.follow(session, visit, now)
        details += (
            [_count(followed, "cancelled" if visit.status == "cancelled" else "planned anew")] if followed else []
        )
    return "updated", "; ".join(details)


def _count(number: int, done: str) -> str:
    return f"{number} reminder{'' if number == 1 else 's'} {done}"
