"""Tables every room shares: people, their numbers and consents, procedures, the event ledger, pauses."""

from __future__ import annotations

import random
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import ledger
from core.db import AwareDateTime, Base, Encrypted


def _next_in_time() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): milliseconds, their fraction in twelve bits, and 62 random bits. Rows that are
    due at one moment are served by id: so in the order in which they were made, and not by where the store has put
    them."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))


_draw: Callable[[], uuid.UUID] = _next_in_time


def new_id() -> uuid.UUID:
    return _draw()


@contextmanager
def ids_from(luck: random.Random) -> Iterator[None]:
    """The ids of this process are drawn from `luck`: the same again for the same seed (the simulation)."""
    global _draw
    before, _draw = _draw, lambda: uuid.UUID(int=luck.getrandbits(128), version=4)
    try:
        yield
    finally:
        _draw = before


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    mrn: Mapped[str] = mapped_column(Encrypted("patients.mrn"))
    mrn_index: Mapped[bytes] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(Encrypted("patients.name"))
    birth_date: Mapped[str | None] = mapped_column(Encrypted("patients.birth_date"))
    """ISO date."""
    sex: Mapped[str] = mapped_column(default="")
    language: Mapped[str]
    timezone: Mapped[str]
    allergies: Mapped[str] = mapped_column(Encrypted("patients.allergies"), default="")
    status: Mapped[str] = mapped_column(default="active")
    """active | deceased | readmitted"""
    merged_into: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("patients.id"))
    """The record this one was found to be a double of; its own operations and numbers have moved there."""
    created_at: Mapped[datetime] = mapped_column(AwareDateTime)


class Contact(Base):
    """A number of a patient or of a registered relative, in the order they are to be tried."""

    __tablename__ = "contacts"
    __table_args__ = (sa.UniqueConstraint("patient_id", "position"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"), index=True)
    phone: Mapped[str] = mapped_column(Encrypted("contacts.phone"))
    phone_index: Mapped[bytes] = mapped_column(index=True)
    relation: Mapped[str] = mapped_column(default="self")
    position: Mapped[int] = mapped_column(default=0)
    wrong_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """Somebody else answered there and said so: it is not this patient's number any more."""


class Consent(Base):
    """One line of the consent ledger; the newest line per purpose counts, and no line is no consent
    (docs/clinical.md section 3)."""

    __tablename__ = "consents"
    __table_args__ = (sa.Index("ix_consents_latest", "patient_id", "purpose", "id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    purpose: Mapped[str]
    """followup | recording | night | family | reminder | survey (docs/clinical.md section 3, PIPL)"""
    given: Mapped[bool]
    source: Mapped[str]
    """import | keypad | sms | staff: who wrote the line"""
    version: Mapped[str] = mapped_column(default="", server_default="")
    """Which wording was agreed to, as the hospital names its forms."""
    channel: Mapped[str] = mapped_column(default="", server_default="")
    """How it was said: paper | keypad | sms | desk | fhir; empty when not known."""
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class Erasure(Base):
    """A record number whose patient was erased (PIPL 47): a keyed hash and a day, nothing of the person, so that the
    hospital's next file does not bring them back. The hash is made with LOOKUP_KEY, which no rotation of DATA_KEY
    changes, because nobody could make it anew. Only writer: core.erased."""

    __tablename__ = "erasures"

    mrn_index: Mapped[bytes] = mapped_column(primary_key=True)
    """As in `patients`."""
    id: Mapped[uuid.UUID] = mapped_column(unique=True, default=new_id)
    """What the ledger calls it by."""
    at: Mapped[datetime] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """When somebody let files bring the patient back."""
    ended_by: Mapped[str] = mapped_column(default="", server_default="")


class DoNotCall(Base):
    """A number that asked to be left alone by routine calls."""

    __tablename__ = "do_not_call"

    phone_index: Mapped[bytes] = mapped_column(primary_key=True)
    source: Mapped[str]
    at: Mapped[datetime] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    """Taken back by the person (an SMS, the desk); null while it holds."""


class SpecialDay(Base):
    """A day the hospital's calendar knows better than the statute: the table that wins over the holiday library
    (docs/clinical.md section 6: make-up working days, a clinic closed, a notice not yet in the library)."""

    __tablename__ = "special_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """holiday | workday"""
    note: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class DailyRun(Base):
    """Work that is done once a day: the row is the proof that the day's is done."""

    __tablename__ = "daily_runs"

    name: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(AwareDateTime)


class Procedure(Base):
    """An operation with its end time; `mrn + external_id` is the identity an import goes by."""

    __tablename__ = "procedures"
    __table_args__ = (
        sa.UniqueConstraint("patient_id", "external_id"),
        sa.Index("ix_procedures_ended_at", "ended_at"),
        sa.Index("ix_procedures_discharged_at", "discharged_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    patient_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("patients.id"))
    external_id: Mapped[str]
    name: Mapped[str] = mapped_column(Encrypted("procedures.name"), default="")
    department: Mapped[str] = mapped_column(default="")
    surgeon: Mapped[str] = mapped_column(Encrypted("procedures.surgeon"), default="")
    ended_at: Mapped[datetime] = mapped_column(AwareDateTime)
    discharged_at: Mapped[datetime | None] = mapped_column(AwareDateTime)
    status: Mapped[str] = mapped_column(default="active")
    """active | cancelled"""


class EventRow(Base):
    """The ledger: every move of every aggregate, never changed, never deleted by the service.

    `data` carries ids, counts and codes only: no name, number or free text.
    """

    __tablename__ = ledger.TABLE
    __table_args__ = (sa.Index("ix_events_subject", "kind", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(AwareDateTime, index=True)
    kind: Mapped[str]
    """attempt | call | escalation | followup | reminder | message | recording | patient | work | ticket | lane | draw |
    heartbeat"""
    subject_id: Mapped[uuid.UUID | None]
    what: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    who: Mapped[str]
    why: Mapped[str] = mapped_column(default="")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class Pause(Base):
    """Outbound calls stopped by a person: `lane` is routine or all; open while `ended_at` is null."""

    __tablename__ = "pauses"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    lane: Mapped[str]
    reason: Mapped[str]
    who: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(AwareDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(AwareDateTime)


def record(
    session: Session,
    kind: str,
    subject_id: uuid.UUID | None,
    what: str,
    now: datetime,
    *,
    from_state: str | None = None,
    to_state: str | None = None,
    who: str = "service",
    why: str = "",
    data: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Append one row to the ledger, in the transaction of the move it tells of."""
    row = {
        "kind": kind,
        "what": what,
        "from_state": from_state,
        "to_state": to_state,
        "who": who,
        "why": why,
        "data": {**(data or {}), **more},
    }
    ledger.append(session.connection(), now, subject_id, row)
