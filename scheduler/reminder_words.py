"""What a reminder says and to whom: numbers, consent, the SMS, the copy to the family, the brief of a call.

Whoever holds the telephone may read an SMS: day, time and place, never a department or a name.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from core import people
from core.house import settings_of
from core.models import Contact, Patient
from dialer import gate, sms
from scheduler import texts
from scheduler.models import Appointment, Reminder


def may_remind(session: Session, patient_id: uuid.UUID) -> bool:
    """Consent to reminders; a patient the ledger has no word of on them is reminded with consent to follow-ups."""
    words = (people.last_word(session, patient_id, purpose) for purpose in gate.CONSENT["reminder"])
    word = next((said for said in words if said is not None), None)
    return word is not None and word[0]


def numbers(session: Session, patient: Patient, now: datetime) -> list[Contact]:
    """Where the patient is reminded: their own numbers, a child's guardian's, the family's only when there is no own
    one and the patient agreed to that; none that asked to be left alone."""
    today = people.today(patient, now)
    everybody = people.respondents(session, patient, today)
    theirs = [contact for contact in everybody if contact.relation == people.SELF]
    if not theirs and (people.is_minor(session, patient, today) or people.has_consent(session, patient.id, "family")):
        theirs = everybody
    return [contact for contact in theirs if not people.on_do_not_call(session, contact.phone)]


def write(session: Session, row: Reminder, patient: Patient, contact: Contact, now: datetime) -> None:
    settings, language = settings_of(session), patient.language
    visit = visit_of(session, row)
    if visit is None:
        kind, key, values = "medicine", "medicine", {"day": texts.day_words(date.fromisoformat(row.subject), language)}
    else:
        kind = "reminder"
        key = "reminder_visit_fasting" if visit.fasting else "reminder_visit"
        values = _visit_words(session, visit, language)
    sms.plan(
        session,
        kind=kind,
        subject_id=row.id,
        patient_id=patient.id,
        to=contact.phone,
        body=texts.written(settings, key, language, **values),
        due_at=now,
        now=now,
        give_up_at=row.deadline_at,
    )


def copy_to_family(session: Session, row: Reminder, patient: Patient, now: datetime) -> None:
    """The children of the elderly are told too, if the patient agreed to it (docs/clinical.md REM2): when and where,
    and no department."""
    visit, old = visit_of(session, row), people.is_old(session, patient, people.today(patient, now))
    if visit is None or not old or not people.has_consent(session, patient.id, "family"):
        return
    family = [
        contact
        for contact in people.contacts_of(session, patient.id)
        if contact.relation != people.SELF and not people.on_do_not_call(session, contact.phone)
    ]
    if family:
        words = _visit_words(session, visit, patient.language)
        sms.plan(
            session,
            kind="reminder_child",
            subject_id=row.id,
            patient_id=patient.id,
            to=family[0].phone,
            body=texts.written(settings_of(session), "reminder_child", patient.language, **words),
            due_at=now,
            now=now,
            give_up_at=row.deadline_at,
        )


def _visit_words(session: Session, visit: Appointment, language: str) -> dict[str, str]:
    """Day and time on the hospital's clock, for that is where the visit is. Never the department."""
    hospital = settings_of(session).hospital
    local = visit.starts_at.astimezone(hospital.timezone)
    return {
        "day": texts.day_words(local.date(), language),
        "time": local.strftime("%H:%M"),
        "place": visit.place or hospital.spoken_alias(language),
    }


def brief(session: Session, visit: Appointment) -> dict[str, Any]:
    """What the flow `reminder` is told: ISO day, time as HH:MM on the hospital's clock, and the words as imported."""
    local = visit.starts_at.astimezone(settings_of(session).hospital.timezone)
    return {
        "day": local.date().isoformat(),
        "time": local.strftime("%H:%M"),
        "department": visit.department,
        "place": visit.place,
        "fasting": visit.fasting,
    }


def visit_of(session: Session, row: Reminder, *, lock: bool = False) -> Appointment | None:
    if row.appointment_id is None:
        return None
    return session.get(Appointment, row.appointment_id, with_for_update=lock or None, populate_existing=lock)
