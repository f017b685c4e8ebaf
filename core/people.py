"""Patients, their numbers and consents: the reads and writes that more than one room needs."""

from __future__ import annotations

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import blind
from core.models import Consent, Contact, DoNotCall, Patient

PHONE = "phone"
MRN = "mrn"


def phone_index(e164: str) -> bytes:
    return blind(e164, PHONE)


def patients_with_number(session: Session, e164: str) -> list[Patient]:
    """Everybody this number belongs to: a family may share one."""
    return list(
        session.scalars(
            sa.select(Patient)
            .join(Contact, Contact.patient_id == Patient.id)
            .where(Contact.phone_index == phone_index(e164))
            .distinct()
            .order_by(Patient.created_at, Patient.id)
        )
    )


def contacts_of(session: Session, patient_id: uuid.UUID) -> list[Contact]:
    return list(session.scalars(sa.select(Contact).where(Contact.patient_id == patient_id).order_by(Contact.position)))


def last_word(session: Session, patient_id: uuid.UUID, purpose: str) -> tuple[bool, str] | None:
    """The newest line of the ledger for this purpose: (given, source); None when there is none."""
    row = session.execute(
        sa.select(Consent.given, Consent.source)
        .where(Consent.patient_id == patient_id, Consent.purpose == purpose)
        .order_by(Consent.id.desc())
        .limit(1)
    ).first()
    return (row.given, row.source) if row else None


def has_consent(session: Session, patient_id: uuid.UUID, purpose: str) -> bool:
    """The newest line counts; no line is no consent."""
    word = last_word(session, patient_id, purpose)
    return word is not None and word[0]


def set_consent(session: Session, patient_id: uuid.UUID, purpose: str, given: bool, source: str, now: datetime) -> bool:
    """Add a line if it says something new; True if it did."""
    word = last_word(session, patient_id, purpose)
    if word is not None and word[0] is given:
        return False
    session.add(Consent(patient_id=patient_id, purpose=purpose, given=given, source=source, at=now))
    session.flush()
    return True


def on_do_not_call(session: Session, e164: str) -> bool:
    return session.get(DoNotCall, phone_index(e164)) is not None


def add_do_not_call(session: Session, e164: str, source: str, now: datetime) -> None:
    if not on_do_not_call(session, e164):
        session.add(DoNotCall(phone_index=phone_index(e164), source=source, at=now))


def surname(name: str) -> str:
    """What may be spoken to a stranger: the family name. Chinese names start with it (two-character
    family names such as 欧阳 included), others end with it."""
    name = name.strip()
    if not name:
        return ""
    if "\u4e00" <= name[0] <= "\u9fff":
        return name[:2] if name[:2] in _DOUBLE_SURNAMES else name[0]
    return name.split()[-1]


_DOUBLE_SURNAMES = frozenset(
    name
    for row in (
        "欧阳 上官 司马 司徒 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 夏侯",
        "端木 独孤 南宫 长孙 宇文 百里 呼延 轩辕",
    )
    for name in row.split()
)


def birth_mmdd(patient: Patient) -> str | None:
    """Month and day of birth as four digits, for the keypad check; None when the file has no date."""
    return date.fromisoformat(patient.birth_date).strftime("%m%d") if patient.birth_date else None


def age(patient: Patient, today: date) -> int | None:
    """Completed years on `today` (the patient's local date)."""
    if not patient.birth_date:
        return None
    born = date.fromisoformat(patient.birth_date)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
