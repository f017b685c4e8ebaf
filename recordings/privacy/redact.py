"""Who and where people are, taken out of what was said: masked by default, the original with a right and a reason.

The rules themselves are pure and in recordings/redact_*.py; their lists are data with a version (redact.yaml).
Here is what they are told from the database (`known_of_call`), and the one way past them (`read_original`).
docs/clinical.md section 3: PHI-free logs, masked exports, view log.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import RowLock
from core.models import Contact, Patient, Procedure, new_id, record
from dialer.models import Agent, Call, Shift
from recordings.models import Play, Recording
from recordings.privacy import spoken
from recordings.privacy.redact_known import NOBODY, Known
from recordings.privacy.redact_text import KINDS, VERSION, masked, masked_lines
from recordings.privacy.spoken import Spoken
from recordings.vault import listening, retention
from recordings.vault.vault_words import ListeningProblem

__all__ = [
    "KINDS",
    "NOBODY",
    "VERSION",
    "Known",
    "ListeningProblem",
    "known_of_call",
    "known_of_calls",
    "known_of_patients",
    "masked",
    "masked_lines",
    "read_original",
]

_LOCKED = RowLock(Recording)


def known_of_call(session: Session, call_id: uuid.UUID | None) -> Known:
    """Whom this call may be about: its patient with numbers and relatives' numbers, who else has the caller's number,
    agents, and the doctors on duty. Of no call: the staff."""
    return known_of_calls(session, [call_id] if call_id else [])[call_id]


def known_of_calls(session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID | None, Known]:
    """The same of many calls at the cost of one: five statements. The key None is for a recording of no call."""
    calls = list(session.scalars(sa.select(Call).where(Call.id.in_(call_ids))))
    people = _people(session, [_Asked(call.id, call.patient_id, call.party_index) for call in calls])
    staff = _staff(session)
    duty = _on_duty(session, calls)
    found: dict[uuid.UUID | None, Known] = {call_id: _known((), (), staff, ()) for call_id in [None, *call_ids]}
    for call in calls:
        numbers = [number for number in (call.party, call.callback) if number]
        found[call.id] = _known(people.get(call.id, ()), numbers, staff, duty.get(call.id, ()))
    return found


def known_of_patients(session: Session, patient_ids: Mapping[uuid.UUID, uuid.UUID | None]) -> Mapping[uuid.UUID, Known]:
    """Whom a text without a call may be about (a chat): for each key, its patient, if there is one, and the staff."""
    people = _people(session, [_Asked(key, patient_id, None) for key, patient_id in patient_ids.items()])
    staff = _staff(session)
    return {key: _known(people.get(key, ()), (), staff, ()) for key in patient_ids}


def _staff(session: Session) -> set[str]:
    return {agent.name for agent in session.scalars(sa.select(Agent))}


class _Asked(NamedTuple):
    """What is asked about: an id of the caller's choice, and what leads to people."""

    id: uuid.UUID
    patient_id: uuid.UUID | None
    party_index: bytes | None


Person = tuple[Patient, list[str], list[str]]
"""A patient, their numbers, and the names of their surgeons."""


def _people(session: Session, calls: Collection[_Asked]) -> dict[uuid.UUID, list[Person]]:
    """Of each, everybody whose call it is or whose number rang; with the records that were merged into theirs."""
    ids = {call.patient_id for call in calls if call.patient_id}
    indexes = {call.party_index for call in calls if call.party_index}
    owners: dict[bytes, set[uuid.UUID]] = {}
    for patient_id, index in session.execute(
        sa.select(Contact.patient_id, Contact.phone_index).where(Contact.phone_index.in_(indexes))
    ):
        owners.setdefault(bytes(index), set()).add(patient_id)
    everybody = ids.union(*owners.values())
    known: dict[uuid.UUID, Person] = {}
    doubles: dict[uuid.UUID, set[uuid.UUID]] = {}
    for patient in session.scalars(
        sa.select(Patient).where(sa.or_(Patient.id.in_(everybody), Patient.merged_into.in_(everybody)))
    ):
        known[patient.id] = (patient, [], [])
        if patient.merged_into is not None:
            doubles.setdefault(patient.merged_into, set()).add(patient.id)
    for contact in session.scalars(sa.select(Contact).where(Contact.patient_id.in_(known))):
        known[contact.patient_id][1].append(contact.phone)
    for procedure in session.scalars(sa.select(Procedure).where(Procedure.patient_id.in_(known))):
        known[procedure.patient_id][2].append(procedure.surgeon)
    found: dict[uuid.UUID, list[Person]] = {}
    for call in calls:
        mine = {call.patient_id} if call.patient_id else set()
        mine |= owners.get(bytes(call.party_index), set()) if call.party_index else set()
        mine |= {double for one in mine for double in doubles.get(one, ())}
        found[call.id] = [known[one] for one in sorted(mine) if one in known]
    return found


def _on_duty(session: Session, calls: Iterable[Call]) -> dict[uuid.UUID, list[tuple[str, str, str]]]:
    """Name and numbers of the doctors on duty when each call began."""
    found: dict[uuid.UUID, list[tuple[str, str, str]]] = {}
    during = sa.and_(Shift.starts_at <= Call.started_at, Shift.ends_at > Call.started_at)
    rows = session.execute(
        sa.select(Call.id, Shift).join(Shift, during).where(Call.id.in_([call.id for call in calls]))
    )
    for call_id, shift in rows:
        found.setdefault(call_id, []).append((shift.doctor, shift.phone, shift.phone2))
    return found


def _known(
    people: Iterable[Person], numbers: Iterable[str], staff: Iterable[str], duty: Iterable[tuple[str, str, str]]
) -> Known:
    people, duty = list(people), list(duty)
    names = [patient.name for patient, _, _ in people] + [name for _, _, surgeons in people for name in surgeons]
    phones = [phone for _, phones, _ in people for phone in phones] + [phone for one in duty for phone in one[1:]]
    return Known(
        names=frozenset(name for name in [*names, *staff, *(one[0] for one in duty)] if name),
        phones=frozenset(phone for phone in [*phones, *numbers] if phone),
        ids=frozenset(patient.mrn for patient, _, _ in people),
        births=frozenset(patient.birth_date for patient, _, _ in people if patient.birth_date),
    )


# ---- the original ---------------------------------------------------------------------------------------


def read_original(
    session: Session,
    recording_id: uuid.UUID,
    login: str,
    why: str,
    now: datetime,
    rights: Collection[str] = ("listen",),
) -> list[Spoken]:
    """The words unmasked; who, when and why are written down (`plays`, kind "read", and the ledger). `rights`: as in
    recordings.vault.listening; needs "original", and "held" under a legal hold. Raises ListeningProblem."""
    if "original" not in rights:
        raise ListeningProblem("no_right_read")
    if not why.strip():
        raise ListeningProblem("why_read")
    row = _LOCKED(session, recording_id)  # a purge waits until the reading is written down
    if row is None:
        raise ListeningProblem("no_recording")
    if row.state == "purged":
        raise ListeningProblem("purged")
    if retention.is_held(session, recording_id) and "held" not in rights:
        raise ListeningProblem("no_right_held")
    words = spoken.heard(session, [recording_id])[recording_id]
    if not words:
        raise ListeningProblem("nothing_to_read", state=row.state)
    read = Play(
        id=new_id(), recording_id=row.id, kind=listening.READ, login=login, why=why.strip(), at=now, original=True,
        expires_at=now, seconds=row.seconds or 0.0, heard=[],
    )  # fmt: skip
    session.add(read)
    session.flush()
    record(session, "recording", row.id, "words read unmasked", now, who=login, play=str(read.id))
    return words
