"""Two records of one person become one: nothing is lost, nobody is rung twice, and nothing is guessed."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import people
from core.db import AwareDateTime, Base, Encrypted, blind
from core.house import House
from core.models import Consent, Contact, EventRow, Patient, Procedure, new_id
from dialer import gate
from dialer.models import Attempt, Escalation, Message
from scheduler import store, worklist
from scheduler.merge import MergeProblem, merge
from scheduler.models import Appointment, FollowUp, Reminder, WorkItem
from tests.house import MID_MORNING
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward

OLD, NEW = "S-1", "S-2"
THIRD_PHONE = "+8613800000003"


class Desk(Ward):
    """Two records, and a person at the desk who knows they are one."""

    def both(self, old: tuple[str, ...] = (PHONE,), new: tuple[str, ...] = (SECOND_PHONE,), **more: Any) -> None:
        self.old = self.person(OLD, *old, **more)
        self.new = self.person(NEW, *new)

    def person(self, mrn: str, *phones: str, **more: Any) -> uuid.UUID:
        made = self.patient(*phones, mrn=mrn, **more)
        with self.house.transaction() as session:
            session.get_one(Patient, made).mrn_index = blind(mrn, people.MRN)
        return made

    def merge(self, reason: str = "same identity card", old: str = OLD, new: str = NEW) -> dict[str, int]:
        with self.house.transaction() as session:
            return merge(session, old, new, reason, "desk", self.now)

    def change(self, patient_id: uuid.UUID, **fields: Any) -> None:
        with self.house.transaction() as session:
            for name, value in fields.items():
                setattr(session.get_one(Patient, patient_id), name, value)

    def get(self, patient_id: uuid.UUID) -> Patient:
        with self.house.transaction() as session:
            return session.get_one(Patient, patient_id)

    def numbers(self, patient_id: uuid.UUID) -> list[tuple[str, int]]:
        with self.house.transaction() as session:
            return [(row.phone, row.position) for row in people.contacts_of(session, patient_id)]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def test_everything_moves_to_the_survivor(desk: Desk) -> None:
    desk.both()
    procedure = desk.operation(desk.old, timedelta(hours=6))
    desk.ends(desk.rung(), "no_answer")
    with desk.house.transaction() as session:
        visit = Appointment(id=new_id(), patient_id=desk.old, external_id="V-1", starts_at=desk.now)
        session.add(visit)
        session.flush()
        session.add(
            Reminder(
                patient_id=desk.old,
                appointment_id=visit.id,
                kind="appointment",
                subject=str(visit.id),
                channel="sms",
                due_at=desk.now,
                deadline_at=desk.now,
                next_try_at=desk.now,
                status="planned",
            )
        )
        worklist.want(session, "no_number", desk.old, None, "x", desk.now)
    moved = desk.merge()
    assert (moved["procedures"], moved["visits"], moved["work"], moved["followups"], moved["attempts"]) == (
        1,
        1,
        1,
        5,
        1,
    )
    with desk.house.transaction() as session:
        for table in (Procedure, FollowUp, Attempt, Appointment, Reminder, Contact):
            assert set(session.scalars(sa.select(table.patient_id))) == {desk.new}, table.__name__
        [item] = session.scalars(sa.select(WorkItem).where(WorkItem.status == "open")).all()
        assert (item.patient_id, item.subject_id) == (desk.new, desk.new)
    assert desk.get(desk.old).merged_into == desk.new
    desk.now = desk.first(procedure).next_try_at
    assert desk.tick() == 1, "the plan goes on"


def test_the_reason_is_kept_and_the_ledger_has_none_of_it(desk: Desk) -> None:
    desk.both()
    desk.merge("same identity card, seen by the desk")
    with desk.house.transaction() as session:
        [told] = session.scalars(sa.select(EventRow).where(EventRow.what == "merged")).all()
        assert (told.subject_id, told.who, told.data["into"]) == (desk.old, "desk", str(desk.new))
        assert "card" not in f"{told.why}{told.data}"
        [kept] = worklist.open_items(session, desk.now, everything=True)
        assert (kept.kind, kept.status, kept.note) == ("merged", "done", "same identity card, seen by the desk")


def test_numbers_keep_their_order_and_come_once(desk: Desk) -> None:
    desk.both(old=(PHONE, THIRD_PHONE), new=(SECOND_PHONE, PHONE))
    with desk.house.transaction() as session:
        people.retire_number(session, desk.old, PHONE, desk.now)
    desk.merge()
    assert desk.numbers(desk.old) == []
    with desk.house.transaction() as session:
        rows = session.scalars(sa.select(Contact).order_by(Contact.position)).all()
        assert [(row.phone, row.position, row.wrong_at is not None) for row in rows] == [
            (PHONE, -1, True), (SECOND_PHONE, 0, False), (THIRD_PHONE, 2, False),
        ]  # fmt: skip
        assert [row.phone for row in people.contacts_of(session, desk.new)] == [SECOND_PHONE, THIRD_PHONE]


@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        (True, None, True),
        (None, True, True),
        (False, True, False),
        (True, False, False),
        (False, None, False),
        (True, True, True),
    ],
)
def test_a_no_of_either_is_a_no(desk: Desk, old: bool | None, new: bool | None, after: bool) -> None:
    desk.both(consent=False)
    with desk.house.transaction() as session:
        session.execute(sa.delete(Consent))
        for patient, given in ((desk.old, old), (desk.new, new)):
            if given is not None:
                people.set_consent(session, patient, "night", given, "keypad", desk.now, channel="keypad")
    desk.merge()
    with desk.house.transaction() as session:
        assert people.has_consent(session, desk.new, "night") is after
        if after is False and new is not False:
            assert people.last_word(session, desk.new, "night") == (False, "keypad"), "no file undoes it"


def test_the_same_operation_on_both_is_rung_once(desk: Desk) -> None:
    desk.both()
    double = desk.operation(desk.old, timedelta(hours=6))
    kept = desk.operation(desk.new, timedelta(hours=6))
    with desk.house.transaction() as session:
        session.execute(
            sa.update(FollowUp)
            .where(FollowUp.procedure_id == double, FollowUp.wave == "6h")
            .values(status="completed", closed_at=desk.now)
        )
    desk.merge()
    assert {wave: row.status for wave, row in desk.waves(double).items()} == {
        "6h": "completed", "48h": "cancelled", "7d": "cancelled", "30d": "cancelled", "90d": "cancelled",
    }  # fmt: skip
    assert {wave: row.status for wave, row in desk.waves(kept).items()} == {
        "6h": "cancelled", "48h": "planned", "7d": "planned", "30d": "planned", "90d": "planned",
    }  # fmt: skip
    with desk.house.transaction() as session:
        assert session.get_one(Procedure, double).status == "cancelled"
        assert store.reinstate(session, session.get_one(Procedure, kept), desk.now) == 0


def test_another_operation_keeps_its_plan(desk: Desk) -> None:
    desk.both()
    moved = desk.operation(desk.old, timedelta(hours=6))
    desk.operation(desk.new, timedelta(hours=6), external_id="OP-2")
    desk.merge()
    assert {row.status for row in desk.waves(moved).values()} == {"planned"}


def test_visits_both_have_stay_the_survivors(desk: Desk) -> None:
    desk.both()
    with desk.house.transaction() as session:
        for patient in (desk.old, desk.new):
            session.add(Appointment(id=new_id(), patient_id=patient, external_id="V-1", starts_at=desk.now))
    assert desk.merge()["visits"] == 0


def test_open_alarms_and_messages_come_along(desk: Desk) -> None:
    desk.both()
    desk.operation(desk.old, timedelta(hours=6))
    attempt = desk.rung()
    desk.post(attempt)
    call = desk.answer(attempt)
    desk.score(call, 8)
    with pytest.raises(MergeProblem, match="telephone right now"):
        desk.merge()
    desk.interview(attempt, call, "completed")
    desk.hear(attempt, "completed")
    with desk.house.transaction() as session:
        # the doctor is still being rung; that is not a call to the patient
        assert session.scalars(sa.select(Escalation.status)).one() != "closed"
        session.add(
            Message(
                id=new_id(),
                kind="missed",
                patient_id=desk.old,
                to=PHONE,
                to_index=people.phone_index(PHONE),
                body="x",
                status="planned",
                due_at=desk.now,
                created_at=desk.now,
            )
        )
    desk.merge()
    with desk.house.transaction() as session:
        assert session.scalars(sa.select(Escalation.patient_id)).one() == desk.new
        assert session.scalars(sa.select(Message.patient_id).where(Message.kind == "missed")).one() == desk.new


def test_what_only_the_old_record_knows_is_kept(desk: Desk) -> None:
    desk.both()
    desk.change(desk.old, allergies="penicillin", birth_date="1961-05-06", status="readmitted")
    desk.change(desk.new, allergies="latex", birth_date=None)
    desk.merge()
    kept = desk.get(desk.new)
    assert (kept.allergies, kept.birth_date, kept.status) == ("latex; penicillin", "1961-05-06", "readmitted")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"birth_date": "1970-01-01"}, "birth dates"), ({"status": "deceased"}, "has died")],
)
def test_two_who_cannot_be_one(desk: Desk, changes: dict[str, str], sentence: str) -> None:
    desk.both()
    desk.change(desk.old, **changes)
    with pytest.raises(MergeProblem, match=sentence):
        desk.merge()
    assert desk.numbers(desk.old) == [(PHONE, 0)]


def test_what_is_not_merged(desk: Desk) -> None:
    desk.both()
    for words, sentence in (
        ({"reason": " "}, "reason"),
        ({"old": NEW}, "the same"),
        ({"old": "S-9"}, "first record number"),
        ({"new": "S-9"}, "second record number"),
    ):
        with pytest.raises(MergeProblem, match=sentence):
            desk.merge(**words)
    desk.merge()
    with pytest.raises(MergeProblem, match="merged before"):
        desk.merge()


def test_a_chain_of_merges_ends_at_the_last(desk: Desk) -> None:
    desk.both()
    third = desk.person("S-3", THIRD_PHONE)
    desk.merge()
    desk.merge(old=NEW, new="S-3")
    assert (desk.get(desk.old).merged_into, desk.get(desk.new).merged_into) == (third, third)
    assert [phone for phone, _ in desk.numbers(third)] == [THIRD_PHONE, SECOND_PHONE, PHONE]


def test_nobody_rings_for_a_merged_record(desk: Desk) -> None:
    desk.both()
    desk.merge()
    with desk.house.transaction() as session:
        refused = gate.person(session, desk.old)
    assert refused is not None


# ---- every table ---------------------------------------------------------------------------------------
STAYS = {
    "consents": "each line stays where it was said; the survivor has a copy of what counts",
    "patients": "the old record points at the survivor",
}


def naming_a_patient() -> list[sa.Column[Any]]:
    return [
        column
        for table in Base.metadata.sorted_tables
        for column in table.c
        if column.name == "patient_id" or any(key.column.table.name == "patients" for key in column.foreign_keys)
    ]


def dummy(column: sa.Column[Any]) -> Any:
    """Any value this column takes."""
    kind = column.type
    if isinstance(kind, Encrypted):
        return [] if kind.as_json else "x"
    if isinstance(kind, AwareDateTime):
        return MID_MORNING
    plain: dict[type, Any] = {bytes: b"x", uuid.UUID: new_id(), bool: False, int: 1, float: 1.0}
    plain[date] = MID_MORNING.date()
    return [] if isinstance(kind, sa.JSON) else plain.get(kind.python_type, str(new_id()))


def test_whatever_names_the_old_record_names_the_survivor_afterwards(desk: Desk) -> None:
    """One row in every table that has a column for a patient, also in tables that are yet to be written."""
    desk.both()
    columns = [column for column in naming_a_patient() if column.table.name not in ("patients", "contacts")]
    assert {"chats", "tickets", "answers", "visit_drafts", "queue_entries"} <= {column.table.name for column in columns}
    with desk.house.transaction() as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # what these rows hang on is not there
        for named in columns:
            if named.table.name == "consents":
                people.set_consent(session, desk.old, "followup", True, "staff", desk.now)
                continue
            filled = (one for one in named.table.c if not one.nullable and one.identity is None)
            values = {one.name: dummy(one) for one in filled} | {named.name: desk.old}
            if named.table.name == "chats":
                values["lines"] = [[0.0, "patient", "x"]]
            session.execute(sa.insert(named.table).values(values))
    desk.merge()
    with desk.house.transaction() as session:
        left = {
            column.table.name
            for column in naming_a_patient()
            if session.scalar(sa.select(sa.exists().where(column == desk.old)))
        }
        moved = {
            column.table.name
            for column in naming_a_patient()
            if session.scalar(sa.select(sa.exists().where(column == desk.new)))
        }
    assert left <= set(STAYS), "merge them: scheduler.merge.MOVED, or on_patients_merged of the room they belong to"
    assert {column.table.name for column in columns} <= moved
