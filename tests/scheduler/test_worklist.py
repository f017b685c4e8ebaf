"""Work for a nurse: made from what the machine could not do, counted up, closed by a person."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import events
from core.models import Contact, EventRow, Patient, new_id
from scheduler import worklist
from scheduler.models import WorkItem
from scheduler.worklist import Item, WorkProblem
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward


def wanted(ward: Ward, kind: str, patient: uuid.UUID | None, subject: uuid.UUID | None, why: str = "asked") -> None:
    with ward.house.transaction() as session:
        events.publish(session, events.WorkWanted(kind, patient, subject, why), ward.now)


def items(ward: Ward, **which: object) -> list[Item]:
    with ward.house.transaction() as session:
        return worklist.open_items(session, ward.now, **which)  # type: ignore[arg-type]


def test_one_open_item_per_kind_and_subject(ward: Ward) -> None:
    patient, subject = ward.patient(), new_id()
    wanted(ward, "unreached", patient, subject)
    [first] = items(ward)
    ward.forward(days=1)
    wanted(ward, "unreached", patient, subject)
    [again] = items(ward)
    assert (again.id, again.times, again.due_at) == (first.id, 2, first.due_at)
    assert again.late
    wanted(ward, "red_flag", patient, subject)
    wanted(ward, "unreached", patient, new_id())
    assert len(items(ward)) == 3
    assert items(ward)[0].kind == "red_flag", "the urgent first"
    with ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.kind == "work").order_by(EventRow.id)).all()
        assert [row.what for row in rows] == ["wanted", "wanted again", "wanted", "wanted"]
        assert rows[1].data == {"work": "unreached", "times": 2}


def test_a_second_reason_is_not_lost(ward: Ward) -> None:
    patient, subject = ward.patient(), new_id()
    for why in ("medicine", "fever", "medicine", *(f"reason {number} {'x' * 100}" for number in range(9))):
        wanted(ward, "red_flag", patient, subject, why)
    [item] = items(ward)
    assert item.why.startswith("medicine; fever; reason 0")
    assert item.times == 12
    assert len(item.why) < 700


def test_without_a_subject_it_is_about_the_patient(ward: Ward) -> None:
    patient = ward.patient()
    for _ in range(2):
        wanted(ward, "sms_stop", patient, None)
    [item] = items(ward)
    assert item.times == 2


def test_an_unknown_kind_is_kept_and_says_what_was_meant(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    wanted(ward, "tea_wanted", ward.patient(), new_id())
    [item] = items(ward)
    assert (item.kind, item.why) == ("other", "tea_wanted: asked")
    assert "unknown kind of work" in caplog.text


def test_done_needs_a_note_and_is_done_once(ward: Ward) -> None:
    patient, subject = ward.patient(), new_id()
    wanted(ward, "unreached", patient, subject)
    [item] = items(ward)
    for note in (" ", "x" * 3000):
        with pytest.raises(WorkProblem), ward.house.transaction() as session:
            worklist.done(session, item.id, "nurse", note, ward.now)
    with ward.house.transaction() as session:
        worklist.done(session, item.id, "nurse", "reached at home, all well", ward.now)
    assert items(ward) == []
    [closed] = items(ward, everything=True, patient_id=patient)
    assert (closed.status, closed.closed_by, closed.note) == ("done", "nurse", "reached at home, all well")
    for unknown in (item.id, new_id()):
        with pytest.raises(WorkProblem), ward.house.transaction() as session:
            worklist.done(session, unknown, "nurse", "again", ward.now)
    wanted(ward, "unreached", patient, subject)
    assert items(ward)[0].times == 1, "asked for anew after it was done"
    with ward.house.transaction() as session:
        row = session.scalars(sa.select(EventRow).where(EventRow.what == "done")).one()
        assert (row.who, row.from_state, row.to_state) == ("nurse", "open", "done")
        assert "home" not in str(row.data) + row.why


def test_a_wave_nobody_answered_comes_with_what_was_tried(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE, SECOND_PHONE)
    for outcome in ("no_answer", "busy", "no_answer"):
        ward.now = max(ward.now, ward.first(procedure).next_try_at)
        while not ward.tick():  # this number was rung often enough today, or it is night
            ward.now = max(ward.now + timedelta(minutes=1), ward.first(procedure).next_try_at)
        ward.ends(ward.live()[-1], outcome)
    assert ward.first(procedure).status == "unreached"
    [item] = items(ward)
    assert (item.kind, item.wave, item.mrn) == ("unreached", "6h", "S-1")
    rings = [one for one in item.history if one.what == "ring"]
    assert [one.outcome for one in rings] == ["no_answer", "busy", "no_answer"]
    assert {one.number for one in rings} <= {1, 2}
    assert rings[0].number == 1
    assert [one.at for one in item.history] == sorted(one.at for one in item.history)
    assert PHONE not in repr(item)


@pytest.mark.parametrize(("born", "kind"), [("1961-05-06", "no_number"), ("2025-05-06", "guardian_missing")])
def test_nobody_to_ring_is_a_number_or_a_guardian_to_find(ward: Ward, born: str, kind: str) -> None:
    procedure = ward.due_patient()
    with ward.house.transaction() as session:
        session.execute(sa.delete(Contact))
        session.get_one(Patient, ward.first(procedure).patient_id).birth_date = born
    assert ward.tick() == 0
    assert ward.first(procedure).status == "unreached"
    assert [item.kind for item in items(ward)] == [kind]


@pytest.mark.parametrize("interview", ["wrong_number", "identity_failed"])
def test_why_nobody_was_reached_is_another_work(ward: Ward, interview: str) -> None:
    procedure = ward.due_patient()
    ward.ends(ward.rung(), "answered", interview)
    if ward.first(procedure).status == "waiting":
        ward.now = ward.first(procedure).next_try_at
        ward.tick()
    assert ward.first(procedure).status == "unreached"
    [item] = items(ward)
    assert item.kind in (interview, "no_number")


def test_a_refused_ring_is_part_of_the_story(ward: Ward) -> None:
    procedure = ward.due_patient()
    ward.now = ward.now.replace(hour=18)  # two in the morning in Shanghai
    assert ward.tick() == 0
    with ward.house.transaction() as session:
        worklist.want(session, "expired", None, ward.first(procedure).id, "too late", ward.now)
    [item] = items(ward)
    assert [(one.what, one.outcome, one.number) for one in item.history] == [("refused", "outside_window", None)]


def test_however_many_items_a_few_questions_to_the_database(ward: Ward) -> None:
    procedure = ward.due_patient()
    ward.ends(ward.rung(), "no_answer")
    subject = ward.first(procedure)
    for number in range(30):
        wanted(ward, "partial", subject.patient_id, subject.id if number == 0 else new_id())
    asked = []
    sa.event.listen(ward.house.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    assert len(items(ward)) == 30
    assert len([text for text in asked if text.startswith("SELECT")]) <= 5


def test_answers_of_somebody_else_take_the_score_back(ward: Ward) -> None:
    procedure = ward.due_patient()
    other = ward.patient("+8613800000009", mrn="S-2")
    row = ward.first(procedure)
    call = new_id()
    with ward.house.transaction() as session:
        session.merge(row).score = "7"
    with ward.house.transaction() as session:
        events.publish(session, events.AnswersReassigned(call, row.id, other), ward.now)
    assert ward.first(procedure).score is None
    assert sorted((item.kind, item.mrn) for item in items(ward)) == [("answers_moved", "S-2"), ("wrong_patient", "S-1")]
    with ward.house.transaction() as session:
        events.publish(session, events.AnswersReassigned(new_id(), None, other), ward.now + timedelta(minutes=1))
        assert session.scalar(sa.select(sa.func.count()).select_from(WorkItem)) == 3
