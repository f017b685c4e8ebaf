"""Patients, their numbers and consents: the reads and writes that more than one room needs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from core import calendar
from core.db import blind
from core.house import settings_of
from core.models import Consent, Contact, DoNotCall, Patient, record

PHONE = "phone"
MRN = "mrn"
SELF = "self"
GUARDIAN = "guardian"


class OnFile(Protocol):
    """What the rules of age go by: a `Patient`, or as much of one as was read."""

    @property
    def timezone(self) -> str: ...
    @property
    def birth_date(self) -> str | None: ...


def phone_index(e164: str) -> bytes:
    return blind(e164, PHONE)


def patients_with_number(session: Session, e164: str) -> list[Patient]:
    """Everybody this number belongs to: a family may share one."""
    return list(
        session.scalars(
            sa.select(Patient)
            .join(Contact, Contact.patient_id == Patient.id)
            .where(Contact.phone_index == phone_index(e164), Contact.wrong_at.is_(None))
            .distinct()
            .order_by(Patient.created_at, Patient.id)
        )
    )


def contacts_of(session: Session, patient_id: uuid.UUID, *, wrong_too: bool = False) -> list[Contact]:
    """The patient's numbers in their order; those that proved to be somebody else's only with `wrong_too`."""
    return list(session.scalars(_ALL_CONTACTS if wrong_too else _CONTACTS, {"patient_id": patient_id}))


def has_relatives(patient_id: sa.SQLColumnExpression[uuid.UUID]) -> sa.ColumnElement[bool]:
    """Whether `contacts_of` has somebody else's number, as a column of a larger question."""
    return sa.exists().where(Contact.patient_id == patient_id, Contact.wrong_at.is_(None), Contact.relation != SELF)


_ALL_CONTACTS = sa.select(Contact).where(Contact.patient_id == sa.bindparam("patient_id")).order_by(Contact.position)
_CONTACTS = _ALL_CONTACTS.where(Contact.wrong_at.is_(None))


def respondents(session: Session, patient: Patient, today: date) -> list[Contact]:
    """Whom to ring for this patient on `today` (the patient's local date), in order.

    An adult: the own number first, then the relatives, unless the patient said that the family is not to be rung.
    A child under [followup] guardian_age: guardians and nobody else (docs/clinical.md FUP11, section 3: PIPL 31).
    """
    return respondents_of(session, [(patient, today)])[patient.id]


def respondents_of(session: Session, patients: Sequence[tuple[Patient, date]]) -> dict[uuid.UUID, list[Contact]]:
    """`respondents` of many, each on a local date, at the cost of one: two questions."""
    ids = [patient.id for patient, _ in patients]
    contacts: dict[uuid.UUID, list[Contact]] = {patient_id: [] for patient_id in ids}
    for contact in session.scalars(
        sa.select(Contact)
        .where(Contact.patient_id.in_(ids), Contact.wrong_at.is_(None))
        .order_by(Contact.patient_id, Contact.position)
    ):
        contacts[contact.patient_id].append(contact)
    relatives = [key for key, rows in contacts.items() if any(contact.relation != SELF for contact in rows)]
    family_no = _family_not_rung(session, relatives) if relatives else set()
    return {
        patient.id: _in_order(
            contacts[patient.id], minor=is_minor(session, patient, today), family_no=patient.id in family_no
        )
        for patient, today in patients
    }


def _family_not_rung(session: Session, patient_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Those of them whose last word on it is that the family is not to be rung."""
    rows = session.execute(
        sa.select(Patient.id, last_words(Patient.id).label("words")).where(Patient.id.in_(patient_ids))
    )
    return {row.id for row in rows if (row.words or {}).get("family") is False}


def _in_order(contacts: Sequence[Contact], *, minor: bool, family_no: bool) -> list[Contact]:
    rung = [contact for contact in contacts if is_respondent(contact.relation, minor=minor, family_no=family_no)]
    return sorted(rung, key=lambda contact: contact.relation != SELF)


def is_respondent(relation: str, *, minor: bool, family_no: bool) -> bool:
    """The rule of `respondents` for one number; `family_no`: the patient said that the family is not to be rung."""
    if minor:
        return relation == GUARDIAN
    return relation == SELF or not family_no


def is_rung_at(session: Session, patient: Patient, e164: str, today: date) -> bool:
    """Whether this number is one of `respondents`: not one that has changed hands, not a relative's the patient has
    said no to, and for a child a guardian's."""
    index = phone_index(e164)
    return any(contact.phone_index == index for contact in respondents(session, patient, today))


def relations(
    patient_id: sa.SQLColumnExpression[uuid.UUID], phone_index: sa.SQLColumnExpression[bytes]
) -> sa.ColumnElement[list[str]]:
    """Who this number is to the patient, as a column of a larger question; empty for one that is none of theirs."""
    theirs = Contact.patient_id == patient_id, Contact.phone_index == phone_index, Contact.wrong_at.is_(None)
    return sa.func.array(sa.select(Contact.relation).where(*theirs).scalar_subquery(), type_=sa.ARRAY(sa.String))


def today(patient: OnFile, now: datetime) -> date:
    """The date on the patient's wall."""
    return calendar.day_of(now, patient.timezone)


def is_old(session: Session, patient: OnFile, today: date) -> bool:
    """From [followup] slow_age on: spoken to more slowly, and the children are told too. 0 turns that off."""
    completed, slow_age = age(patient, today), settings_of(session).followup.slow_age
    return completed is not None and 0 < slow_age <= completed


def is_minor(session: Session, patient: OnFile, today: date) -> bool:
    """Whether a guardian answers for the patient; a patient without a birth date answers alone."""
    return is_under(patient.birth_date, today, settings_of(session).followup.guardian_age)


def is_under(birth_date: str | None, today: date, limit: int) -> bool:
    """Whether somebody born then (ISO date) has fewer completed years; without a date, no."""
    return bool(birth_date and years(date.fromisoformat(birth_date), today) < limit)


def retire_number(session: Session, patient_id: uuid.UUID, e164: str, now: datetime) -> bool:
    """Somebody else answered there and said so: never rung for this patient again, whatever an old file says. The
    row stays as history. True if the number was one of the patient's until now."""
    contacts = [contact for contact in _with_number(session, patient_id, e164) if contact.wrong_at is None]
    for contact in contacts:
        contact.wrong_at = now
        # Places below nought are those of history: the numbers that are rung count from nought.
        contact.position = min(0, _first_position(session, patient_id)) - 1
        session.flush()
        record(session, "patient", patient_id, "number retired", now, why="wrong number", contact=str(contact.id))
    return bool(contacts)


def number_is_right(session: Session, patient_id: uuid.UUID, e164: str, who: str, now: datetime) -> bool:
    """A member of staff asked: the retired number is the patient's after all. True if it was retired."""
    contacts = _with_number(session, patient_id, e164)
    if not contacts or contacts[0].wrong_at is None:
        return False
    contacts[0].wrong_at = None
    contacts[0].position = max((c.position for c in contacts_of(session, patient_id)), default=-1) + 1
    session.flush()
    record(session, "patient", patient_id, "number restored", now, who=who, contact=str(contacts[0].id))
    return True


def _with_number(session: Session, patient_id: uuid.UUID, e164: str) -> list[Contact]:
    """Those that are rung first."""
    rows = sa.select(Contact).where(Contact.patient_id == patient_id, Contact.phone_index == phone_index(e164))
    ordered = rows.order_by(Contact.wrong_at.is_not(None), Contact.id)
    return list(session.scalars(ordered.with_for_update(key_share=True)))


def _first_position(session: Session, patient_id: uuid.UUID) -> int:
    return session.scalar(sa.select(sa.func.min(Contact.position)).where(Contact.patient_id == patient_id)) or 0


def last_word(session: Session, patient_id: uuid.UUID, purpose: str) -> tuple[bool, str] | None:
    """The newest line of the ledger for this purpose: (given, source); None when there is none."""
    row = session.execute(_LAST_WORD, {"patient_id": patient_id, "purpose": purpose}).first()
    return (row.given, row.source) if row else None


# the statements of every turn are built once: building one costs as much as running it
_LAST_WORD = (
    sa.select(Consent.given, Consent.source)
    .where(Consent.patient_id == sa.bindparam("patient_id"), Consent.purpose == sa.bindparam("purpose"))
    .order_by(Consent.id.desc())
    .limit(1)
)


def last_words(patient_id: sa.SQLColumnExpression[uuid.UUID]) -> sa.ColumnElement[dict[str, bool]]:
    """The newest word on every purpose, as a column of a larger question; null when the ledger has none at all."""
    # Of lines with the same key a jsonb object keeps the last.
    newest = sa.func.jsonb_object_agg(Consent.purpose, aggregate_order_by(Consent.given, Consent.id), type_=JSONB)
    return sa.select(newest).where(Consent.patient_id == patient_id).scalar_subquery()


def consents_to(patient_id: sa.SQLColumnExpression[uuid.UUID], purpose: str) -> sa.ColumnElement[bool]:
    """`has_consent` as a column of a larger question."""
    newest = (
        sa.select(Consent.given)
        .where(Consent.patient_id == patient_id, Consent.purpose == purpose)
        .order_by(Consent.id.desc())
        .limit(1)
    )
    return sa.func.coalesce(newest.scalar_subquery(), sa.false())


def has_consent(session: Session, patient_id: uuid.UUID, purpose: str) -> bool:
    """The newest line counts; no line is no consent."""
    word = last_word(session, patient_id, purpose)
    return word is not None and word[0]


def set_consent(
    session: Session,
    patient_id: uuid.UUID,
    purpose: str,
    given: bool,
    source: str,
    now: datetime,
    *,
    version: str = "",
    channel: str = "",
) -> bool:
    """Add a line if it says something new; True if it did. `purpose`, `source`, `channel`: core.models.Consent;
    `version` names the wording that was agreed to."""
    word = last_word(session, patient_id, purpose)
    if word is not None and word[0] is given:
        return False
    session.add(
        Consent(
            patient_id=patient_id,
            purpose=purpose,
            given=given,
            source=source,
            version=version,
            channel=channel,
            at=now,
        )
    )
    session.flush()
    return True


def on_do_not_call(session: Session, e164: str) -> bool:
    return bool(session.scalar(_LEFT_ALONE, {"phone_index": phone_index(e164)}))


def left_alone(phone_index: sa.SQLColumnExpression[bytes]) -> sa.ColumnElement[bool]:
    """`on_do_not_call` as a column of a larger question."""
    return sa.exists().where(DoNotCall.phone_index == phone_index, DoNotCall.ended_at.is_(None))


_LEFT_ALONE = sa.select(left_alone(sa.bindparam("phone_index", type_=sa.LargeBinary)))


def add_do_not_call(session: Session, e164: str, source: str, now: datetime) -> bool:
    """The number asks to be left alone. True if that is new."""
    row = session.get(DoNotCall, phone_index(e164), with_for_update={"key_share": True})
    if row is None:
        session.add(DoNotCall(phone_index=phone_index(e164), source=source, at=now))
    elif row.ended_at is not None:
        row.source, row.at, row.ended_at = source, now, None
    else:
        return False
    session.flush()
    record(session, "number", None, "do not call", now, who=source)
    return True


def lift_do_not_call(session: Session, e164: str, source: str, now: datetime) -> bool:
    """The person took it back (an SMS, the desk: `source`). True if the number was on the list."""
    row = session.get(DoNotCall, phone_index(e164), with_for_update={"key_share": True})
    if row is None or row.ended_at is not None:
        return False
    row.ended_at = now
    session.flush()
    record(session, "number", None, "may be called again", now, who=source)
    return True


SEXES = {"m": "male", "male": "male", "男": "male", "f": "female", "female": "female", "女": "female"}


def sex(noted: str) -> str:
    """male | female as a hospital's file notes it; empty for anything else."""
    return SEXES.get(noted.lower(), "")


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


def birth_mmdd(patient: OnFile) -> str | None:
    """Month and day of birth as four digits, for the keypad check; None when the file has no date."""
    return date.fromisoformat(patient.birth_date).strftime("%m%d") if patient.birth_date else None


def age(patient: OnFile, today: date) -> int | None:
    """Completed years on `today` (the patient's local date)."""
    return years(date.fromisoformat(patient.birth_date), today) if patient.birth_date else None


def years(born: date, today: date) -> int:
    """Completed years on `today` of somebody born on `born`."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
