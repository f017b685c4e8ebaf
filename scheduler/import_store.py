"""One row of patients into the store: the person, the numbers, the consents, the operation with its waves.

Each function says in words what it changed; a row that changes nothing writes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import erased, people
from core.db import blind
from core.house import settings_of
from core.models import Consent, Contact, Erasure, Patient, Procedure, new_id, record
from core.tables import RowProblem
from scheduler import store
from scheduler.import_rows import Number, Operation, Row, Word
from scheduler.models import FollowUp

Result = Literal["created", "updated", "unchanged"]
_WHO = {"keypad": "the patient", "sms": "the patient", "staff": "a member of staff", "import": "another file"}


ERASED = (
    "this patient was erased on {day} and is not taken in again; if they are to come back: carecall patient readmit MRN"
    " --reason … / 该患者的资料已于 {day} 删除，不再导入；确需恢复请执行：carecall patient readmit 病历号 --reason …"
)


class Done(NamedTuple):
    changes: list[str]
    notes: list[str]
    """What the person who made the file should know, though nothing changed by it."""


class OnFile(NamedTuple):
    """What the store has on the patients of some rows, read and locked together: a question for all of them costs
    hardly more than one for each."""

    patients: Mapping[bytes, Patient]
    contacts: Mapping[uuid.UUID, list[Contact]]
    consents: Mapping[uuid.UUID, list[Consent]]
    operations: Mapping[tuple[uuid.UUID, str], Procedure]
    erased: Mapping[bytes, Erasure]

    def is_merged(self, row: Row) -> bool:
        patient = self.patients.get(blind(row.mrn, people.MRN))
        return patient is not None and patient.merged_into is not None


def on_file(session: Session, rows: Sequence[Row]) -> OnFile:
    """For rows of different patients: what `keep` writes for one is not read again for the next."""
    # locked in one order, so that two imports at once wait for each other and no more
    indexes = [blind(row.mrn, people.MRN) for row in rows]
    patients = {patient.mrn_index: patient for patient in session.scalars(_PATIENTS, {"indexes": indexes})}
    known = {"patients": [patient.id for patient in patients.values()]}
    names = {"names": [row.operation.external_id for row in rows if row.operation is not None]}
    operations = session.scalars(_THEIR_OPERATIONS, known | names) if patients else ()
    return OnFile(
        patients,
        _by_patient(session.scalars(_THEIR_CONTACTS, known) if patients else ()),
        _by_patient(session.scalars(_THEIR_CONSENTS, known) if patients else ()),
        {(procedure.patient_id, procedure.external_id): procedure for procedure in operations},
        erased.standing(session, indexes),  # after the lock: an erasure under way is waited for and then seen
    )


Owned = TypeVar("Owned", Contact, Consent)


def _by_patient(rows: Iterable[Owned]) -> dict[uuid.UUID, list[Owned]]:
    found: dict[uuid.UUID, list[Owned]] = {}
    for row in rows:
        found.setdefault(row.patient_id, []).append(row)
    return found


_PATIENTS = (
    sa.select(Patient)
    .where(Patient.mrn_index.in_(sa.bindparam("indexes", expanding=True)))
    .order_by(Patient.id)
    .with_for_update(key_share=True)
)
_THEIRS: sa.BindParameter[Any] = sa.bindparam("patients", expanding=True)
_THEIR_CONTACTS = sa.select(Contact).where(Contact.patient_id.in_(_THEIRS)).order_by(Contact.position)
_THEIR_CONSENTS = sa.select(Consent).where(Consent.patient_id.in_(_THEIRS)).order_by(Consent.id)
_THEIR_OPERATIONS = (
    sa.select(Procedure)
    .where(Procedure.patient_id.in_(_THEIRS), Procedure.external_id.in_(sa.bindparam("names", expanding=True)))
    .order_by(Procedure.id)
    .with_for_update()
)


def keep(session: Session, row: Row, now: datetime, known: OnFile) -> tuple[Result, str]:
    """Write what is new in the row: the result and its sentence. Raises RowProblem, before anything is written (but,
    of a patient who was erased, that their row was refused)."""
    index = blind(row.mrn, people.MRN)
    if (gone := known.erased.get(index)) is not None:
        erased.refused(session, gone, now)
        day = gone.at.astimezone(settings_of(session).hospital.timezone).date()
        raise RowProblem(ERASED.format(day=day))
    patient = known.patients.get(index)
    if patient is not None and patient.merged_into is not None:
        survivor = session.get_one(Patient, patient.merged_into, with_for_update={"key_share": True})
        return _merged(session, survivor, row, now)
    new = patient is None
    if patient is None:
        patient = _new_patient(session, row, index, now)
        person = Done([], [])
    else:
        person = _person(session, patient, row, now)
    procedure = known.operations.get((patient.id, row.operation.external_id)) if row.operation is not None else None
    parts = [
        person,
        _numbers(session, patient, row, now, known.contacts.get(patient.id, []), new=new),
        _consents(session, patient, row, now, known.consents.get(patient.id, [])),
        _operation(session, patient, row.operation, procedure, now),
        _guardian(session, patient, now),
    ]
    result: Result = "created" if new else "updated" if any(part.changes for part in parts) else "unchanged"
    words = [word for part in parts for word in (*part.changes, *part.notes) if word not in _SILENT]
    return result, "; ".join([*words, *row.notes])


_PERSON, _NUMBERS, _CONSENTS = "person", "numbers", "consents"
_SILENT = (_PERSON, _NUMBERS, _CONSENTS)
"""Changes that need no words: the result `updated` says it."""


def _merged(session: Session, survivor: Patient, row: Row, now: datetime) -> tuple[Result, str]:
    """Two records of one person: only the operation and a death are taken from the double's rows, or the two would
    undo each other's numbers and consents at every import."""
    name = row.operation.external_id if row.operation is not None else ""
    same = sa.select(Procedure).where(Procedure.patient_id == survivor.id, Procedure.external_id == name)
    done = _operation(session, survivor, row.operation, session.scalar(same.with_for_update()), now)
    if row.life == "deceased" and survivor.status != "deceased":
        survivor.status = "deceased"
        record(session, "patient", survivor.id, "updated", now, who="import", fields=["status"])
        done.changes.append("the patient has died")
    note = "this record was merged into another one: what is new goes there, name, numbers and consents stay as there"
    return ("updated" if done.changes else "unchanged"), "; ".join([*done.changes, *done.notes, note, *row.notes])


# ---- the person ----------------------------------------------------------------------------------
def _new_patient(session: Session, row: Row, index: bytes, now: datetime) -> Patient:
    hospital = settings_of(session).hospital
    missing = [name for name, given in (("name", row.person["name"]), ("phone", row.own)) if not given]
    if missing:
        raise RowProblem(f"{', '.join(missing)} must not be empty: the patient is not on file yet")
    patient = Patient(
        id=new_id(),
        mrn=row.mrn,
        mrn_index=index,
        name=row.person["name"],
        birth_date=row.person["birth_date"] or None,
        sex=row.person["sex"],
        language=row.person["language"] or hospital.languages[0],
        timezone=row.person["timezone"] or hospital.timezone.key,
        allergies=row.person["allergies"],
        status=_status(row.life, "active"),
        created_at=now,
    )
    session.add(patient)
    session.flush()  # what follows names the patient
    record(session, "patient", patient.id, "imported", now, who="import")
    return patient


def _person(session: Session, patient: Patient, row: Row, now: datetime) -> Done:
    before = patient.status
    wanted = {name: value for name, value in row.person.items() if value} | {"status": _status(row.life, before)}
    changed = [name for name, value in wanted.items() if getattr(patient, name) != value]
    if not changed:
        return Done([], [])
    for name in changed:
        setattr(patient, name, wanted[name])
    record(session, "patient", patient.id, "updated", now, who="import", fields=changed)
    again = before != patient.status == "active"
    back = store.person_back(session, patient, now) if again else 0
    return Done([f"at home again: {back} follow-ups planned again"] if back else [_PERSON], [])


def _status(life: str | None, before: str) -> str:
    """Only the word "active" (or a bundle that says: not dead) makes a death a mistake: the row of another
    operation, with its cell left empty, must not have the family rung."""
    if life is None or (life == "" and before == "deceased"):
        return before
    if life == "alive":
        return "active" if before == "deceased" else before
    return life or "active"


def _guardian(session: Session, patient: Patient, now: datetime) -> Done:
    """A child is never rung, only its guardian (docs/clinical.md section 3: PIPL Art 31)."""
    today = people.today(patient, now)
    if patient.status == "deceased" or not people.is_minor(session, patient, today):
        return Done([], [])
    if people.respondents(session, patient, today):
        return Done([], [])
    return Done([], ["no guardian's number: nobody will be rung"])


# ---- numbers -------------------------------------------------------------------------------------
def _numbers(
    session: Session, patient: Patient, row: Row, now: datetime, contacts: Sequence[Contact], *, new: bool
) -> Done:
    """The file's numbers in the file's order. One that proved to be somebody else's stays so, whoever gives it."""
    standing = [c for c in contacts if c.wrong_at is None]
    wrong = {c.phone: c.wrong_at for c in contacts if c.wrong_at is not None}
    given = _given(standing, row)
    notes = []
    for place, (phone, _) in enumerate(given):
        if (at := wrong.get(phone)) is not None and phone not in {c.phone for c in standing}:
            name = "phone" if place == 0 else f"phone{place + 1}"
            day = at.astimezone(settings_of(session).hospital.timezone).date()
            notes.append(f"{name} was found to be somebody else's on {day}: it stays unused, give another one")
    wanted = [(phone, relation) for phone, relation in given if phone not in wrong]
    if [(c.phone, c.relation) for c in standing] == wanted or (not wanted and not given):
        return Done([], notes)
    _rewrite(session, patient.id, contacts, wanted)
    if new:
        return Done([_NUMBERS], notes)
    record(session, "patient", patient.id, "numbers changed", now, who="import")
    return Done([_said(wanted, standing, wrong)], notes)


def _said(wanted: Sequence[Number], standing: Sequence[Contact], wrong: object) -> str:
    known = {c.phone for c in standing}
    if wrong and any(phone not in known for phone, _ in wanted):
        return "a new number takes the place of the wrong one"
    return "numbers changed"


def _given(standing: Sequence[Contact], row: Row) -> list[Number]:
    """What the row wants rung, each number once; what it says nothing about stays."""
    own = [row.own] if row.own else [(c.phone, c.relation) for c in standing if c.relation == people.SELF]
    family = [(c.phone, c.relation) for c in standing if c.relation != people.SELF] if row.family_unknown else []
    wanted: dict[str, str] = {}
    for phone, relation in (*own, *row.others, *family):
        # A child's own number is often the mother's: then it is the guardian's.
        if phone not in wanted or relation == people.GUARDIAN:
            wanted[phone] = relation
    return list(wanted.items())


def _rewrite(session: Session, patient_id: uuid.UUID, contacts: Sequence[Contact], wanted: Sequence[Number]) -> None:
    lowest = min([0, *(c.position for c in contacts)])
    for contact in contacts:
        if contact.wrong_at is None:
            session.delete(contact)
        elif contact.position >= 0:
            lowest -= 1
            contact.position = lowest
    if contacts:
        session.flush()  # the places must be free before they are taken
    session.add_all(
        Contact(
            patient_id=patient_id,
            phone=phone,
            phone_index=people.phone_index(phone),
            relation=relation,
            position=position,
        )
        for position, (phone, relation) in enumerate(wanted)
    )


# ---- consents ------------------------------------------------------------------------------------
def _consents(session: Session, patient: Patient, row: Row, now: datetime, ledger: Sequence[Consent]) -> Done:
    lines: dict[str, list[Consent]] = {}
    for line in ledger:
        lines.setdefault(line.purpose, []).append(line)
    done = Done([], [])
    for purpose, word in row.consents.items():
        said = lines.get(purpose, [])
        if _is_news(word, said):
            session.add(
                Consent(
                    patient_id=patient.id,
                    purpose=purpose,
                    given=word.given,
                    source="import",
                    version=word.version,
                    channel=word.channel,
                    at=word.at or now,
                )
            )
            done.changes.append(_CONSENTS)
        elif said[-1].given is not word.given and not _repeats(word, said):
            stays = "yes" if said[-1].given else "no"
            done.notes.append(f"consent_{purpose} stays {stays}: {_WHO[said[-1].source]} said so since")
    return done


def _is_news(word: Word, said: Sequence[Consent]) -> bool:
    """Whether a file's word is a new line of the ledger.

    A dated word counts by its date. One without a date counts against other files only: what the patient or the
    staff said stands, except that a file may bring a first "no" of its own, which takes back and never gives.
    """
    if not said:
        return True
    last = said[-1]
    if word.at is not None and (word.at > last.at or last.source != "import"):
        return word.at > last.at
    if word.at is not None:
        # Between files a "no" counts also when it is older than the other file: that one's date is its import.
        return last.given and not word.given and all(line.at != word.at for line in said)
    if last.source == "import":
        other_form = word.given and ((word.version or last.version, word.channel or last.channel)
                                     != (last.version, last.channel))  # fmt: skip
        return word.given is not last.given or other_form
    return not word.given and last.given and not _repeats(word, said)


def _repeats(word: Word, said: Sequence[Consent]) -> bool:
    """An old file: it says what the last one said, and somebody has spoken since."""
    files = [line for line in said if line.source == "import"]
    return bool(files) and files[-1].given is word.given


# ---- the operation -------------------------------------------------------------------------------
def _operation(
    session: Session, patient: Patient, operation: Operation | None, procedure: Procedure | None, now: datetime
) -> Done:
    """`procedure`: what is on file of it."""
    if operation is None:
        return Done([], [])
    if procedure is not None:
        return _changed(session, procedure, operation, now)
    if operation.ended_at is None:
        return Done([], ["cancelled, and not on file: nothing to do"])
    procedure = Procedure(
        id=new_id(),
        patient_id=patient.id,
        external_id=operation.external_id,
        name=operation.name,
        department=operation.department,
        surgeon=operation.surgeon,
        ended_at=operation.ended_at,
        discharged_at=operation.discharged_at,
        status=operation.status,
    )
    session.add(procedure)
    session.flush()
    if operation.status == "cancelled":
        return Done(["cancelled, nothing planned"], [])
    made = store.plan(session, procedure, now, new=True)
    planned = sum(row.status == "planned" for row in made)
    return Done([f"{planned} follow-ups planned", *_late(session, made, now)], [])


FIELDS = {"name": "procedure", "department": "department", "surgeon": "surgeon", "discharged_at": "discharged_at"}
"""Of a procedure, with the columns they come from."""


def _changed(session: Session, procedure: Procedure, operation: Operation, now: datetime) -> Done:
    """A corrected operation: what is still to come follows it."""
    changes = []
    for name, column in (*FIELDS.items(), ("ended_at", "surgery_end")):
        value = getattr(operation, name)
        if value and getattr(procedure, name) != value:
            setattr(procedure, name, value)
            changes.append(f"{column} changed")
    before, procedure.status = procedure.status, operation.status
    session.flush()
    if (before, operation.status) == ("active", "cancelled"):
        gone = store.cancel(session, procedure.id, store.OPERATION_CANCELLED, now)
        changes.append(f"{gone} follow-ups cancelled")
    elif (before, operation.status) == ("cancelled", "active"):
        planned = store.reinstate(session, procedure, now)
        changes += [
            f"the operation stands again: {planned} follow-ups planned",
            *_late(session, _waves(session, procedure), now),
        ]
    elif changes and operation.status == "active":
        changes += [*store.replan(session, procedure, now), *_late(session, _waves(session, procedure), now)]
    return Done(changes, [])


def _waves(session: Session, procedure: Procedure) -> list[FollowUp]:
    return list(
        session.scalars(
            sa.select(FollowUp).where(FollowUp.procedure_id == procedure.id).order_by(FollowUp.due_at, FollowUp.wave)
        )
    )


def _late(session: Session, rows: Iterable[FollowUp], now: datetime) -> list[str]:
    """What became of each wave that was planned late just now: rung at another time, or too late for it."""
    zone = settings_of(session).hospital.timezone
    words = []
    for row in rows:
        if row.status == "expired" and row.closed_at == now and row.reason.startswith(store.TOO_LATE):
            following = row.reason.partition(store.NEXT)[2]
            words.append(f"{row.wave}: too late" + (f", next is {following}" if following else ""))
        elif row.status == "planned" and row.reason.startswith(store.LATE):
            at = store.expected_at(session, row, now)
            words.append(f"{row.wave}: rung at {at.astimezone(zone):%Y-%m-%d %H:%M} instead")
    return words
