"""Answers put right: the first one stays, a score that was higher brings the doctor, nothing is closed by it."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from core import events, people
from core.db import blind
from core.house import House
from core.models import EventRow, Patient, new_id
from dialer.models import Call, Escalation
from ivr import corrections
from ivr.corrections import CorrectionProblem
from ivr.models import Answer
from scheduler import worklist
from scheduler.models import FollowUp
from tests.scheduler.clinic import Ward


class Care(Ward):
    """A follow-up call with answers, over."""

    def begin(self, **more: str) -> None:
        self.procedure = self.due_patient(**more)
        self.attempt = self.rung()
        self.post(self.attempt)
        self.call = self.answer(self.attempt)

    def says(self, question: str, value: str, level: str = "") -> uuid.UUID:
        row = self.first(self.procedure)
        with self.house.transaction() as session:
            session.get_one(Call, self.call).patient_id = row.patient_id
            said = Answer(
                id=new_id(), call_id=self.call, patient_id=row.patient_id, subject_id=row.id, question=question,
                value=value, level=level, raw=value, keyed_at=self.now,
                confirmed_at=self.now if question == "pain" else None, respondent="proxy",
            )  # fmt: skip
            session.add(said)
            if question == "pain":
                events.publish(session, events.ScoreStands(self.call, int(value), self.now, "key"), self.now)
            return said.id

    def over(self) -> None:
        self.interview(self.attempt, self.call, "completed")
        self.hear(self.attempt, "completed")
        self.forward(minutes=10)

    def correct(self, answer: uuid.UUID, value: str, reason: str = "heard on the recording") -> Answer:
        with self.house.transaction() as session:
            return corrections.correct(session, answer, value, reason, "nurse", self.now)

    def reassign(self, mrn: str, reason: str = "the neighbour answered") -> int:
        with self.house.transaction() as session:
            return corrections.reassign(session, self.call, mrn, reason, "nurse", self.now)

    def answers(self) -> list[Answer]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Answer).order_by(Answer.replaced_at.nulls_last(), Answer.question)))

    def alarms(self) -> list[Escalation]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Escalation)))

    def work(self) -> list[tuple[str, str | None]]:
        with self.house.transaction() as session:
            return sorted((item.kind, item.mrn) for item in worklist.open_items(session, self.now))

    def second(self) -> str:
        """Another patient, as an import leaves her."""
        patient = self.patient("+8613800000007", mrn="S-2")
        with self.house.transaction() as session:
            session.get_one(Patient, patient).mrn_index = blind("S-2", people.MRN)
        return "S-2"


@pytest.fixture
def care(house: House) -> Care:
    care = Care(house)
    care.begin()
    return care


def test_a_three_that_was_a_seven_brings_the_doctor(care: Care) -> None:
    first = care.says("pain", "3")
    care.over()
    assert care.alarms() == []
    new = care.correct(first, "7")
    [escalation] = care.alarms()
    assert (escalation.score, escalation.keyed_at, escalation.call_id) == (7, care.now, care.call)
    old, row = care.answers()
    assert (old.id, old.value, old.replaced_at, old.corrects_id) == (first, "3", care.now, None)
    assert (row.id, row.value, row.corrects_id, row.corrected_by) == (new.id, "7", first, "nurse")
    assert (row.correction, row.respondent, row.raw, row.keyed_at) == (
        "heard on the recording", "proxy", "3", old.keyed_at,
    )  # fmt: skip
    assert care.first(care.procedure).score == "7"


def test_a_lower_one_is_written_down_and_closes_nothing(care: Care) -> None:
    first = care.says("pain", "7")
    care.over()
    [before] = care.alarms()
    care.correct(first, "2")
    [after] = care.alarms()
    assert (after.id, after.status, after.score) == (before.id, before.status, 7)
    assert care.first(care.procedure).score == "2"
    with care.house.transaction() as session:
        row = session.scalars(sa.select(EventRow).where(EventRow.what == "score corrected")).one()
        assert (row.kind, row.subject_id, row.who, row.data) == (
            "escalation",
            after.id,
            "nurse",
            {"was": 7, "score": 2},
        )
        told = session.scalars(sa.select(EventRow)).all()
        assert not [row for row in told if "recording" in f"{row.why}{row.data}"], "the reason is a nurse's own words"


def test_a_warning_sign_that_was_missed(care: Care) -> None:
    wound, redness = care.says("wound", "no"), care.says("redness", "no")
    care.over()
    assert care.correct(wound, "yes").level == "B"
    [escalation] = care.alarms()
    assert (escalation.score, escalation.flags) == (None, ["wound"])
    assert care.correct(redness, "yes").level == "C"
    # nobody is on duty in this house, and it has no night target
    assert care.work() == [("no_doctor", "S-1"), ("red_flag", "S-1")]
    assert care.correct(care.answers()[-1].id, "no").level == "", "taken back: nothing new is begun"
    assert len(care.alarms()) == 1


@pytest.mark.parametrize(
    ("question", "value", "to", "sentence"),
    [
        ("pain", "3", "11", "from 0 to 10"),
        ("pain", "3", "03", "from 0 to 10"),
        ("pain", "3", " 3 ", "says already"),
        ("wound", "no", "perhaps", "one of yes, no, unsure"),
        ("open", "RE1", "RE2", "recording"),
        ("pain_band", "mild", "severe", "correct the answer to 'pain'"),
        ("forgotten", "1", "2", "not asked any more"),
    ],
)
def test_values_nobody_could_have_keyed(care: Care, question: str, value: str, to: str, sentence: str) -> None:
    said = care.says(question, value)
    care.over()
    with pytest.raises(CorrectionProblem, match=sentence):
        care.correct(said, to)
    assert [row.value for row in care.answers()] == [value]


def test_what_cannot_be_corrected(care: Care) -> None:
    said = care.says("pain", "3")
    with pytest.raises(CorrectionProblem, match="still going on"):
        care.correct(said, "4")
    care.over()
    for reason in (" ", "x" * 501):
        with pytest.raises(CorrectionProblem, match="reason"):
            care.correct(said, "4", reason)
    care.correct(said, "2")
    with pytest.raises(CorrectionProblem, match="replaced already"):
        care.correct(said, "5")
    with pytest.raises(CorrectionProblem, match="no answer"):
        care.correct(new_id(), "5")


# ---- another person's answers --------------------------------------------------------------------------
def test_answers_of_another_patient_move_and_a_nurse_decides(care: Care) -> None:
    care.says("pain", "2")
    care.says("wound", "yes", "B")
    care.over()
    wrong, mrn = care.first(care.procedure), care.second()
    assert care.reassign(mrn) == 2
    rows = care.answers()
    assert [(row.question, row.replaced_at is None) for row in rows] == [
        ("pain", False), ("wound", False), ("pain", True), ("wound", True),
    ]  # fmt: skip
    assert {row.patient_id for row in rows[:2]} == {wrong.patient_id}
    assert {(row.value, row.level, row.subject_id, row.corrected_by) for row in rows[2:]} == {
        ("2", "", None, "nurse"), ("yes", "B", None, "nurse"),
    }  # fmt: skip
    assert care.first(care.procedure).score is None
    assert care.work() == [("answers_moved", "S-2"), ("wrong_patient", "S-1")]
    with care.house.transaction() as session:
        assert session.get_one(Call, care.call).patient_id == rows[2].patient_id
    with pytest.raises(CorrectionProblem, match="no answers"):
        care.reassign(mrn)


def test_a_doctor_on_the_way_hears_of_the_right_patient(care: Care) -> None:
    care.says("pain", "8")
    mrn = care.second()
    care.over()
    care.reassign(mrn)
    [escalation] = care.alarms()
    with care.house.transaction() as session:
        assert session.get_one(Patient, escalation.patient_id).mrn == "S-2"
    assert (escalation.procedure_id, escalation.hours, escalation.status != "closed") == (None, None, True)


def test_whom_answers_cannot_be_moved_to(care: Care) -> None:
    care.says("pain", "2")
    mrn = care.second()
    with pytest.raises(CorrectionProblem, match="still going on"):
        care.reassign(mrn)
    care.over()
    with pytest.raises(CorrectionProblem, match="No patient"):
        care.reassign("S-9")
    with pytest.raises(CorrectionProblem, match="reason"):
        care.reassign(mrn, " ")
    with care.house.transaction() as session:
        survivor = session.scalars(sa.select(Patient.id).where(Patient.mrn_index != blind(mrn, people.MRN))).one()
        session.scalars(
            sa.select(Patient).where(Patient.mrn_index == blind(mrn, people.MRN))
        ).one().merged_into = survivor
    with pytest.raises(CorrectionProblem, match="merged"):
        care.reassign(mrn)
    with pytest.raises(CorrectionProblem, match="no call"), care.house.transaction() as session:
        corrections.reassign(session, new_id(), mrn, "x", "nurse", care.now)


def test_merged_records_have_their_answers_together(care: Care) -> None:
    care.says("pain", "2")
    with care.house.transaction() as session:
        old = session.scalars(sa.select(FollowUp.patient_id).limit(1)).one()
    care.second()
    with care.house.transaction() as session:
        new = session.scalars(sa.select(Patient.id).where(Patient.id != old)).one()
        events.publish(session, events.PatientsMerged(old, new), care.now)
    assert {row.patient_id for row in care.answers()} == {new}
