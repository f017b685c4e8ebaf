"""`carecall import sessions`: when each doctor sees patients, in how many slots (docs/clinical.md TEL15).

`session_id` is the identity; the same file twice changes nothing. A slot whose hour is there no more, because the
session was cancelled or moved, frees its visit, which becomes work for a nurse. Each row stands or falls alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import sheets, tables
from core.db import lock
from core.house import House, settings_of
from core.models import Patient, new_id, record
from core.tables import RowProblem, RowReport
from scheduler import slots, visits
from scheduler.models import Appointment, Booked, ClinicSession
from scheduler.texts import LONGEST_VALUE

COLUMNS = ("session_id", "department", "doctor", "place", "starts_at", "ends_at", "slots", "status")
REQUIRED = ("session_id", "department", "starts_at", "ends_at", "slots")
STATUSES = ("open", "cancelled")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FURTHEST = timedelta(days=2 * 366)
"""How far ahead a session may lie; further is a slip of the keyboard."""
MOST_SLOTS = 500
LONGEST_WORD = 80

Fields = dict[str, Any]


def import_sessions(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; with `dry_run` everything is tried and nothing kept. Raises FileProblem."""
    rows = sheets.read_table(path, COLUMNS, REQUIRED, "sessions")
    return sheets.row_by_row(house, rows, lambda session, values: _row(session, values, now), dry_run=dry_run)


def _row(session: Session, values: dict[str, str], now: datetime) -> tuple[sheets.Result, str]:
    tables.refuse_ragged(values)
    tables.needed(values, *REQUIRED)
    tables.refuse_long(values)
    fields = _fields(session, values, now)
    lock(session, f"session {values['session_id']}")  # two files with the same new one come one after the other
    known = session.scalar(sa.select(ClinicSession.id).where(ClinicSession.external_id == values["session_id"]))
    clinic = visits.session_locked(session, known) if known is not None else None
    if clinic is not None:
        return _changed(session, clinic, fields, now)
    clinic = ClinicSession(id=new_id(), external_id=values["session_id"], **fields)
    session.add(clinic)
    session.flush()
    record(session, "session", clinic.id, "imported", now, to_state=clinic.status, who="import")
    return "created", f"{clinic.slots} slots" if clinic.status == "open" else "cancelled"


def _fields(session: Session, values: dict[str, str], now: datetime) -> Fields:
    zone = settings_of(session).hospital.timezone
    starts_at, ends_at = (tables.moment(values, name, zone) for name in ("starts_at", "ends_at"))
    if not EARLIEST <= starts_at <= now + FURTHEST:
        raise RowProblem(f"starts_at must lie between {EARLIEST.year} and two years from now")
    if not starts_at < ends_at <= starts_at + visits.LONGEST_SESSION:
        raise RowProblem("ends_at must come after starts_at, at most 24 hours later")
    for name, most in (("department", LONGEST_WORD), ("doctor", LONGEST_WORD), ("place", LONGEST_VALUE["place"])):
        if len(values[name]) > most:
            raise RowProblem(f"{name} has {len(values[name])} characters; {most} are the most")
    return {
        "department": values["department"],
        "doctor": values["doctor"],
        "place": values["place"],
        "starts_at": starts_at,
        "ends_at": ends_at,
        "slots": _count(values["slots"], ends_at - starts_at),
        "status": tables.one_of(values, "status", STATUSES, "open"),
    }


def _count(text: str, length: timedelta) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_SLOTS):
        raise RowProblem(f"slots must be a whole number from 1 to {MOST_SLOTS}, not {text!r}")
    if length / int(text) < slots.SHORTEST:
        raise RowProblem(f"slots is {text}: each would be shorter than a minute")
    return int(text)


def _changed(session: Session, clinic: ClinicSession, fields: Fields, now: datetime) -> tuple[sheets.Result, str]:
    changed = [name for name, value in fields.items() if getattr(clinic, name) != value]
    if not changed:
        return "unchanged", ""
    taken = _taken(session, clinic)
    lost, placed = _new_places(clinic, fields, taken, now)
    freed = 0
    if lost:
        why = "session_cancelled" if fields["status"] == "cancelled" else "session_moved"
        freed = visits.lose_seats(session, clinic, lost, why, now)
    _reseat(session, clinic, placed)
    from_state = clinic.status
    for name in changed:
        setattr(clinic, name, fields[name])
    if "place" in changed:
        _tell_the_place(session, clinic, now)
    session.flush()
    record(
        session, "session", clinic.id, "updated", now,
        from_state=from_state, to_state=clinic.status, who="import", fields=changed, freed=freed,
    )  # fmt: skip
    details = [f"{name} changed" for name in changed]
    if freed:
        details.append(f"{freed} visit{'' if freed == 1 else 's'} freed: a nurse finds another time")
    return "updated", "; ".join(details)


Taken = list[tuple[int, datetime]]


def _taken(session: Session, clinic: ClinicSession) -> Taken:
    """(slot, when its visit begins) of each visit of a session that is locked."""
    times = slots.grid(clinic.starts_at, clinic.ends_at, clinic.slots)
    taken = session.scalars(sa.select(Booked.slot).where(Booked.session_id == clinic.id).order_by(Booked.slot))
    return [(number, times[number]) for number in taken]


def _new_places(clinic: ClinicSession, fields: Fields, taken: Taken, now: datetime) -> tuple[list[int], dict[int, int]]:
    """Slots whose hour is lost, and where the others are in the session as it will be. Raises RowProblem for what
    cannot be told to whom has booked."""
    if fields["status"] == "cancelled":
        return [number for number, _ in taken], {}
    same_hours = all(fields[name] == getattr(clinic, name) for name in ("starts_at", "ends_at"))
    if not taken or (same_hours and fields["slots"] == clinic.slots and fields["department"] == clinic.department):
        return [], {}
    if fields["department"] != clinic.department:
        raise RowProblem(f"department: {len(taken)} visits are booked; cancel the session and bring in another one")
    if clinic.starts_at <= now:
        raise RowProblem(f"the session has begun with {len(taken)} visits: its hours and slots stay as they are")
    if same_hours and fields["slots"] < len(taken):
        raise RowProblem(f"slots is {fields['slots']}, but {len(taken)} are booked")
    placed, lost = slots.moved(taken, slots.grid(fields["starts_at"], fields["ends_at"], fields["slots"]))
    if same_hours and lost:
        raise RowProblem(f"slots: {len(lost)} visits are booked at hours that {fields['slots']} slots do not have")
    return lost, placed


def _reseat(session: Session, clinic: ClinicSession, placed: dict[int, int]) -> None:
    """The same hour may be another slot now. Out of each other's way first: two slots never have one number."""
    changed = {old: new for old, new in placed.items() if old != new}
    for numbers in ({old: -1 - old for old in changed}, {-1 - old: new for old, new in changed.items()}):
        for old, new in numbers.items():
            session.execute(
                sa.update(Booked).where(Booked.session_id == clinic.id, Booked.slot == old).values(slot=new)
            )


def _tell_the_place(session: Session, clinic: ClinicSession, now: datetime) -> None:
    """Reminders say where a visit is when they are said."""
    sitting = sa.select(Booked.appointment_id).where(Booked.session_id == clinic.id).order_by(Booked.slot)
    for visit_id in session.scalars(sitting).all():
        visit = visits.locked(session, visit_id)
        if visit is not None and visit.starts_at > now:
            visit.place = clinic.place
            record(session, "appointment", visit.id, "place changed", now, who="import")


# ---- what there is ------------------------------------------------------------------------------
def rows(session: Session, now: datetime, department: str | None = None) -> list[dict[str, Any]]:
    """One row per session that is not over, by its beginning, with free and taken slots."""
    taken = sa.select(sa.func.count()).select_from(Booked).where(Booked.session_id == ClinicSession.id)
    query = (
        sa.select(ClinicSession, taken.scalar_subquery())
        .where(ClinicSession.starts_at > now - visits.LONGEST_SESSION, ClinicSession.ends_at > now)
        .order_by(ClinicSession.starts_at, ClinicSession.external_id)
    )
    if department is not None:
        query = query.where(ClinicSession.department == department)
    return [
        {
            "session": clinic.external_id,
            "department": clinic.department,
            "doctor": clinic.doctor,
            "place": clinic.place,
            "starts_at": clinic.starts_at,
            "ends_at": clinic.ends_at,
            "slots": clinic.slots,
            "taken": count,
            "free": clinic.slots - count if clinic.status == "open" else 0,
            "status": clinic.status,
        }
        for clinic, count in session.execute(query)
    ]


def visit_rows(session: Session, now: datetime, patient_id: object = None) -> list[dict[str, Any]]:
    """One row per visit ahead, by its time; `session` and `slot` (1 is the first) of those booked here."""
    query = (
        sa.select(Appointment, Patient.mrn, ClinicSession.external_id, Booked.slot)
        .join(Patient, Patient.id == Appointment.patient_id)
        .outerjoin(Booked, Booked.appointment_id == Appointment.id)
        .outerjoin(ClinicSession, ClinicSession.id == Booked.session_id)
        .where(Appointment.starts_at > now)
        .order_by(Appointment.starts_at, Appointment.id)
    )
    if patient_id is not None:
        query = query.where(Appointment.patient_id == patient_id)
    return [
        {
            "mrn": mrn,
            "visit": visit.external_id,
            "starts_at": visit.starts_at,
            "department": visit.department,
            "place": visit.place,
            "session": clinic or "",
            "slot": "" if slot is None else slot + 1,
            "status": visit.status,
        }
        for visit, mrn, clinic, slot in session.execute(query)
    ]
