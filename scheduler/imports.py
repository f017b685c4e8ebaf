"""`carecall import patients`: a CSV of patients and their operations (columns: docs/design.md section 6).

`mrn + procedure_id` is the identity. Importing the same file twice changes nothing; a corrected operation time
moves what is still planned; a cancelled row cancels it. Each row stands or falls alone and is reported.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people, tables
from core.db import blind
from core.house import House, settings_of
from core.models import Contact, Patient, Procedure, new_id, record
from core.tables import RowProblem, RowReport
from core.values import KNOWN_LANGUAGES
from scheduler import store

COLUMNS = (
    *("mrn", "name", "phone", "phone2", "relation2", "guardian", "birth_date", "sex", "language", "timezone"),
    *("allergies", "consent_followup", "consent_recording", "consent_night", "status"),
    *("procedure_id", "procedure", "department", "surgeon", "surgery_end", "discharged_at"),
)
REQUIRED = ("mrn", "name", "phone", "procedure_id", "surgery_end")
STATUSES = ("active", "cancelled", "deceased", "readmitted")
CONSENTS = ("followup", "recording", "night")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FURTHEST = timedelta(days=366)
"""How far ahead an operation may lie; further is a slip of the keyboard, and its waves would never come."""


def import_patients(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; with `dry_run` everything is tried and nothing kept. Raises FileProblem."""
    rows = tables.read_csv(path, COLUMNS, REQUIRED)
    reports = []
    for number, values in rows:
        try:
            with house.transaction() as session:
                result, detail = _row(session, values, now)
                if dry_run:
                    session.rollback()
            reports.append(RowReport(number, result, detail))
        except RowProblem as problem:
            reports.append(RowReport(number, "refused", str(problem)))
    return reports


Result = Literal["created", "updated", "unchanged"]


def _row(session: Session, values: dict[str, str], now: datetime) -> tuple[Result, str]:
    tables.refuse_ragged(values)
    tables.needed(values, *REQUIRED)
    tables.refuse_long(values)
    patient, patient_new, patient_changed = _patient(session, values, now)
    contacts_changed = _contacts(session, patient, values)
    if contacts_changed and not patient_new:
        record(session, "patient", patient.id, "numbers changed", now, who="import")
    changed = _consents(session, patient, values, now) | contacts_changed | patient_changed
    details = _procedure(session, patient, values, now)
    if patient_new:
        return "created", details
    return ("updated" if changed or details else "unchanged"), details


def _patient(session: Session, values: dict[str, str], now: datetime) -> tuple[Patient, bool, bool]:
    settings = settings_of(session)
    fields = {
        "name": values["name"],
        "birth_date": tables.day(values, "birth_date").isoformat() if values["birth_date"] else None,
        "sex": values["sex"],
        "language": tables.one_of(values, "language", KNOWN_LANGUAGES, settings.hospital.languages[0]),
        "timezone": _zone(values) or settings.hospital.timezone.key,
        "allergies": values["allergies"],
    }
    index = blind(values["mrn"], people.MRN)
    patient = session.scalar(sa.select(Patient).where(Patient.mrn_index == index).with_for_update())
    fields["status"] = _person_status(values, patient.status if patient else "active")
    if patient is None:
        patient = Patient(id=new_id(), mrn=values["mrn"], mrn_index=index, created_at=now, **fields)
        session.add(patient)
        session.flush()
        record(session, "patient", patient.id, "imported", now, who="import")
        return patient, True, True
    changed = [name for name, value in fields.items() if getattr(patient, name) != value]
    for name in changed:
        setattr(patient, name, fields[name])
    if changed:
        record(session, "patient", patient.id, "updated", now, who="import", fields=changed)
    return patient, False, bool(changed)


def _person_status(values: dict[str, str], before: str) -> str:
    status = tables.one_of(values, "status", STATUSES, "active")
    # A cancelled operation says nothing about the patient, and only the word "active" makes a death a mistake:
    # the row of another operation, with its cell left empty, must not have the family rung.
    silent = status == "cancelled" or (before == "deceased" and not values["status"])
    return before if silent else status


def _zone(values: dict[str, str]) -> str | None:
    if not values["timezone"]:
        return None
    try:
        return ZoneInfo(values["timezone"]).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RowProblem(f"timezone must be a name such as Asia/Shanghai, not {values['timezone']!r}") from None


def _contacts(session: Session, patient: Patient, values: dict[str, str]) -> bool:
    wanted = [(tables.phone(values, "phone", settings_of(session).twilio_from), "self")]
    if values["phone2"]:
        relation = (values["guardian"] and "guardian") or values["relation2"] or "relative"
        wanted.append((tables.phone(values, "phone2", settings_of(session).twilio_from), relation))
    existing = people.contacts_of(session, patient.id)
    if [(c.phone, c.relation) for c in existing] == wanted:
        return False
    for contact in existing:
        session.delete(contact)
    session.flush()
    for position, (phone, relation) in enumerate(wanted):
        session.add(
            Contact(
                patient_id=patient.id,
                phone=phone,
                phone_index=people.phone_index(phone),
                relation=relation,
                position=position,
            )
        )
    session.flush()
    return True


def _consents(session: Session, patient: Patient, values: dict[str, str], now: datetime) -> bool:
    """A missing consent is no consent; an empty cell never takes back what the patient said by key."""
    changed = False
    for purpose in CONSENTS:
        given = tables.yes_no(values, f"consent_{purpose}")
        if given or values[f"consent_{purpose}"]:
            if given and _withdrawn_by_patient(session, patient, purpose):
                continue
            changed |= people.set_consent(session, patient.id, purpose, given, "import", now)
    return changed


def _withdrawn_by_patient(session: Session, patient: Patient, purpose: str) -> bool:
    """An old file must not undo a "stop" the patient keyed."""
    return people.last_word(session, patient.id, purpose) == (False, "keypad")


def _procedure(session: Session, patient: Patient, values: dict[str, str], now: datetime) -> str:
    zone = settings_of(session).hospital.timezone
    ended_at = _moment(values, "surgery_end", zone, now)
    discharged_at = _moment(values, "discharged_at", zone, now) if values["discharged_at"] else None
    status = "cancelled" if values["status"] == "cancelled" else "active"
    procedure = session.scalar(
        sa.select(Procedure)
        .where(Procedure.patient_id == patient.id, Procedure.external_id == values["procedure_id"])
        .with_for_update()
    )
    if procedure is None:
        procedure = Procedure(
            id=new_id(),
            patient_id=patient.id,
            external_id=values["procedure_id"],
            name=values["procedure"],
            department=values["department"],
            surgeon=values["surgeon"],
            ended_at=ended_at,
            discharged_at=discharged_at,
            status=status,
        )
        session.add(procedure)
        session.flush()
        return "cancelled, nothing planned" if status == "cancelled" else _planned(session, procedure, now)
    return _changed_procedure(session, procedure, values, ended_at, discharged_at, status, now)


def _moment(values: dict[str, str], name: str, zone: ZoneInfo, now: datetime) -> datetime:
    moment = tables.moment(values, name, zone)
    if not EARLIEST <= moment <= now + FURTHEST:
        raise RowProblem(f"{name} must lie between {EARLIEST.year} and a year from now, not {values[name]!r}")
    return moment


def _planned(session: Session, procedure: Procedure, now: datetime) -> str:
    made = store.plan(session, procedure, now)
    late = [row.wave for row in made if row.status == "expired"]
    text = f"{len(made) - len(late)} follow-ups planned"
    return f"{text}; too late for {', '.join(late)}" if late else text


def _changed_procedure(
    session: Session,
    procedure: Procedure,
    values: dict[str, str],
    ended_at: datetime,
    discharged_at: datetime | None,
    status: str,
    now: datetime,
) -> str:
    details = []
    for name, value in (
        ("name", values["procedure"]),
        ("department", values["department"]),
        ("surgeon", values["surgeon"]),
        ("discharged_at", discharged_at),
    ):
        if getattr(procedure, name) != value:
            setattr(procedure, name, value)
            details.append(f"{name} changed")
    if procedure.ended_at != ended_at:
        procedure.ended_at = ended_at
        details.append(f"{store.move_surgery(session, procedure, now)} follow-ups moved")
    if procedure.status != status:
        procedure.status = status
        if status == "cancelled":
            details.append(
                f"{store.cancel(session, procedure.id, store.OPERATION_CANCELLED, now)} follow-ups cancelled"
            )
        else:
            planned = store.reinstate(session, procedure, now)
            details.append(f"the operation stands again: {planned} follow-ups planned")
    return "; ".join(details)
