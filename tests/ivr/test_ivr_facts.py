"""What each flow is told about its call."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import people
from core.house import House
from core.models import Contact, Patient, new_id
from dialer import call as calls
from dialer.models import Attempt, Call, Cover, Escalation, Offer, Shift
from ivr.book import Book
from ivr.facts import facts
from ivr.models import Answer
from ivr.talk import Fact
from tests.ivr.ivr_line import CALLER, DOCTOR, Switch
from tests.scheduler.clinic import hospital


class Told:
    """Calls of every kind on one house, and what their flows are told."""

    def __init__(self, house: House) -> None:
        self.house, self.switch = house, Switch(house)
        hospital(house)

    def hotline(self, party: str = CALLER) -> dict[str, Fact]:
        with self.house.transaction() as session:
            call = calls.open_inbound(session, f"CA{uuid.uuid4().hex}", party, "hotline", self.house.clock.now())
            return facts(session, call, self.house.clock.now())

    def of(
        self, kind: str, subject_id: uuid.UUID, patient_id: uuid.UUID | None = None, **brief: Any
    ) -> dict[str, Fact]:
        now = self.house.clock.now()
        with self.house.transaction() as session:
            parent = calls.open_inbound(session, f"CA{uuid.uuid4().hex}", "", "hotline", now)
            attempt = Attempt(
                kind=kind, lane="routine", via="api", subject_id=subject_id, patient_id=patient_id, to=CALLER,
                to_index=b"", flow=kind, language="en", brief=brief, status="answered", ring_s=30, created_at=now,
                deadline_at=now, parent_call_id=parent.id,
            )  # fmt: skip
            session.add(attempt)
            session.flush()
            call = calls.open_for(session, attempt, f"CA{uuid.uuid4().hex}", now)
            return facts(session, call, now)

    def doctor(
        self,
        raised: uuid.UUID,
        *,
        owner: bool = False,
        status: str = "accepted",
        shift_id: uuid.UUID | None = None,
        **brief: Any,
    ) -> dict[str, Fact]:
        """A doctor's call who was offered this patient and has taken it or not."""
        before = {call.id for call in self.switch.all(Call)}
        self.of("doctor", raised, **brief)
        now = self.house.clock.now()
        with self.house.transaction() as session:
            fresh = Call.id.not_in(before), Call.kind == "doctor"
            call = session.scalars(sa.select(Call).where(*fresh)).one()
            assert call.attempt_id is not None
            session.get_one(Attempt, call.attempt_id).shift_id = shift_id
            decision = "accepted" if owner else None
            session.add(Offer(escalation_id=raised, attempt_id=call.attempt_id, offered_at=now, decision=decision))
            row = session.get_one(Escalation, raised)
            row.owner_attempt_id, row.status = (call.attempt_id, status) if owner else (None, "ringing")
            session.flush()
            heard = facts(session, call, now)
        self.complete("doctor", heard)
        return heard

    def escalation(self, patient_id: uuid.UUID | None, hours: int | None = 6) -> uuid.UUID:
        now = self.house.clock.now()
        with self.house.transaction() as session:
            call = calls.open_inbound(session, f"CA{uuid.uuid4().hex}", "", "hotline", now)
            row = Escalation(
                id=new_id(), call_id=call.id, patient_id=patient_id, to=CALLER, to_index=b"", language="en",
                department="surgery" if patient_id else "*", score=7, hours=hours, record_on=True, status="ringing",
                chain=[], keyed_at=now, stored_at=now, promise_at=now,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def complete(self, flow: str, told: dict[str, Fact]) -> None:
        assert self.house.service(Book).flows[flow].fact_problems(told) == []


@pytest.fixture
def told(house: House) -> Told:
    return Told(house)


def test_every_flow_is_told_every_fact_it_declares(told: Told) -> None:
    patient = told.switch.patient("followup")
    raised, stranger = told.escalation(patient), told.escalation(None, hours=None)
    told.complete("hotline", told.hotline())
    told.complete("hotline", told.hotline(""))
    told.complete("followup", told.of("followup", new_id(), patient, threshold=4, department="surgery"))
    for escalation in (raised, stranger):
        told.complete("doctor", told.of("doctor", escalation))
        told.complete("patient_join", told.of("patient", escalation))
        told.complete("night", told.of("night", escalation))
    told.complete("operator_join", told.of("operator", new_id()))
    told.complete("test_ring", told.of("test", new_id()))


ALERT: dict[str, Fact] = {
    **{"known": True, "score": 7, "hours": 6, "dept": "surgery", "recording_on": True},
    **{"waits": True, "mine": False, "talked": False, "more": False, "later": 2},
}


def test_a_doctor_is_told_apart_what_only_a_machine_heard_and_how_long_ago(told: Told) -> None:
    raised = told.escalation(told.switch.patient("followup"))
    with told.house.transaction() as session:
        row = session.get_one(Escalation, raised)
        row.flags, row.heard = ["wound", "bleeding"], ["bleeding"]
        row.said_at = told.house.clock.now() - timedelta(hours=3)
    for owner in (False, True):
        heard = told.doctor(raised, owner=owner)
        assert heard["heard.en"] == "bleeding through the dressing, said 3 hours ago"
        assert heard["heard.zh-CN"] == "敷料渗血，3小时前所说"
        assert heard["signs.en"] == "wound bleeding, open or with pus"


def test_a_doctor_is_told_who_it_is_and_what_was_answered_only_once_he_has_the_patient(told: Told) -> None:
    raised = told.escalation(told.switch.patient("followup"))
    answers(told, raised, ("fever", "from_38.0", "C"), ("pain_moving", "8", ""), ("wound", "yes", "B"))
    assert told.doctor(raised) == ALERT
    heard = told.doctor(raised, owner=True)
    assert heard == {
        **ALERT, "mine": True, "waits": False, "surname": "Example", "sex": "female", "allergy": "penicillin",
        "age": 69, "moving": 8, "signs": heard["signs"], "signs.zh-CN": heard["signs"],
        "signs.en": "wound bleeding, open or with pus",
        "answers": "体温38度以上", "answers.zh-CN": "体温38度以上", "answers.en": "38 degrees or more",
    }  # fmt: skip
    assert told.doctor(raised, owner=True, status="closed")["talked"] is True


def test_answers_of_another_person_and_corrected_ones_are_not_told(told: Told) -> None:
    raised = told.escalation(told.switch.patient("followup"))
    answers(told, raised, ("fever", "from_38.0", "C"), ("medicine", "no", "C"))
    with told.house.transaction() as session:
        first, second = session.scalars(sa.select(Answer).order_by(Answer.keyed_at, Answer.id))
        first.patient_id, second.replaced_at = None, told.house.clock.now()
    assert "answers" not in told.doctor(raised, owner=True)


def test_the_pin_is_that_of_whoever_was_rung(told: Told) -> None:
    """Also after the shift is over, and a cover's when somebody covers."""
    raised = told.escalation(told.switch.patient("followup"))
    told.switch.doctor_on_duty("1357")
    [shift] = told.switch.all(Shift)
    now = told.house.clock.now()
    with told.house.transaction() as session:
        cover = Cover(
            id=new_id(), doctor="Dr One", doctor_index=b"1", by_doctor="Dr Two", by_doctor_index=b"2", phone=DOCTOR,
            pin="2468", language="en", starts_at=now, ends_at=now, made_by="x", made_at=now, cancelled_at=now,
        )  # fmt: skip
        session.add(cover)
        session.flush()
        cover_id = str(cover.id)
        session.get_one(Shift, shift.id).ends_at = now
    assert told.doctor(raised, shift_id=shift.id)["pin"] == "1357"
    assert told.doctor(raised, shift_id=shift.id, cover=cover_id)["pin"] == "2468"
    assert "pin" not in told.doctor(raised)


def answers(told: Told, raised: uuid.UUID, *rows: tuple[str, str, str]) -> None:
    """What the call of this escalation has told: question, value, level."""
    with told.house.transaction() as session:
        escalation = session.get_one(Escalation, raised)
        for question, value, level in rows:
            session.add(
                Answer(
                    call_id=escalation.call_id, patient_id=escalation.patient_id, question=question, value=value,
                    level=level, keyed_at=told.house.clock.now(),
                )
            )  # fmt: skip


def test_a_number_is_said_as_it_is_dialled_here(told: Told) -> None:
    raised = told.escalation(told.switch.patient("followup"))
    assert told.of("night", raised)["number"] == "13800000001"
    with told.house.transaction() as session:
        session.get_one(Escalation, raised).to = "+15555550123"
    assert told.of("night", raised)["number"] == "0015555550123"


def test_a_doctor_is_told_nothing_of_a_stranger(told: Told) -> None:
    assert told.doctor(told.escalation(None, hours=None), owner=False) == {
        **{key: fact for key, fact in ALERT.items() if key != "hours"}, "known": False, "dept": "",
    }  # fmt: skip


def test_an_operation_still_to_come_has_no_hours_since(told: Told) -> None:
    assert "hours" not in told.of("doctor", told.escalation(None, hours=-3))


@pytest.mark.parametrize(
    ("consents", "blocked", "known"),
    [((), False, False), (("followup",), False, True), (("followup",), True, False), (("recording",), False, False)],
)
def test_the_hotline_promises_tips_only_where_the_message_may_go(
    told: Told, consents: tuple[str, ...], blocked: bool, known: bool
) -> None:
    told.switch.patient(*consents)
    if blocked:
        with told.house.transaction() as session:
            people.add_do_not_call(session, CALLER, "test", told.house.clock.now())
    assert told.hotline()["known"] is known
    assert told.hotline("")["known"] is False


@pytest.mark.parametrize(("promise_s", "minutes"), [(30, 1), (150, 3), (300, 5)])
def test_the_spoken_promise_is_never_shorter_than_the_real_one(told: Told, promise_s: int, minutes: int) -> None:
    hospital(told.house, escalation={"promise_s": promise_s, "talk_s": 15})
    assert told.hotline()["minutes"] == minutes


def test_a_follow_up_may_be_recorded_only_with_consent(told: Told) -> None:
    patient = told.switch.patient("followup")
    assert told.of("followup", new_id(), patient, threshold=4)["recording_on"] is False
    with told.house.transaction() as session:
        people.set_consent(session, patient, "recording", True, "import", told.house.clock.now())
    assert told.of("followup", new_id(), patient, threshold=4)["recording_on"] is True


def test_a_patient_without_a_birth_date_cannot_prove_who_he_is(told: Told) -> None:
    patient = told.switch.patient("followup", birth=None, sex="")
    heard = told.of("followup", new_id(), patient, threshold=4)
    assert (heard["birth_mmdd"], heard["sex"], heard["surname"]) == ("", "", "Example")


@pytest.mark.parametrize(
    ("sex", "spoken"), [("M", "male"), ("男", "male"), ("女", "female"), ("F", "female"), ("x", "")]
)
def test_the_title_follows_the_file(told: Told, sex: str, spoken: str) -> None:
    patient = told.switch.patient("followup", sex=sex)
    assert told.of("followup", new_id(), patient, threshold=4)["sex"] == spoken


def test_an_interview_is_told_what_to_ask_and_of_whom(told: Told) -> None:
    patient = told.switch.patient("followup")
    plain = told.of("followup", new_id(), patient, threshold=4, wave="6h")
    assert plain["questions"] == "bleeding fluids urine limb doctor"
    assert told.of("followup", new_id(), patient, threshold=4, wave="extra-1")["questions"] == (
        "chest bleeding wound fever fluids doctor"
    )
    own = told.of(
        "followup", new_id(), patient, threshold=7, nurse_from=4, questions=["fever"], guardian=True, slow=False
    )
    assert (own["questions"], own["threshold"], own["nurse_from"]) == ("fever", 7, 4)
    assert (own["guardian"], own["slow"], plain["slow"]) == (True, False, True)
    nothing = ("", False, False, False)
    assert (plain["answered"], plain["pain_known"], plain["nurse_due"], plain["resumed"]) == nothing


@pytest.mark.parametrize(
    ("relation", "consents", "guardian", "may"),
    [
        ("daughter", ("family",), False, True),
        ("daughter", (), False, False),
        ("self", ("family",), False, False),
        ("guardian", (), True, True),
    ],
)
def test_a_relative_may_answer_who_is_registered_and_agreed_to(
    told: Told, relation: str, consents: tuple[str, ...], guardian: bool, may: bool
) -> None:
    patient = told.switch.patient("followup", *consents)
    number = "+8613800000009"
    with told.house.transaction() as session:
        session.add(
            Contact(
                patient_id=patient, phone=number, phone_index=people.phone_index(number), relation=relation, position=1
            )
        )
    assert told.of("followup", new_id(), patient, threshold=4, guardian=guardian)["relative_ok"] is may


def test_a_doctor_hears_the_warning_signs_in_words(told: Told) -> None:
    raised = told.escalation(told.switch.patient("followup"))
    with told.house.transaction() as session:
        row = session.get_one(Escalation, raised)
        row.score, row.flags = None, ["fever", "wound"]
    heard = told.of("doctor", raised)
    assert "score" not in heard
    assert heard["signs.en"] == "38.5 degrees or more, or chills, wound bleeding, open or with pus"
    told.complete("doctor", heard)


def test_a_hidden_number_and_a_house_without_doctors_are_told(told: Told) -> None:
    assert (told.hotline("")["withheld"], told.hotline()["withheld"]) == (True, False)
    assert told.hotline()["roster_on"] is False
    told.switch.doctor_on_duty()
    assert told.hotline()["roster_on"] is True
    told.house.clock.at += timedelta(days=400)  # type: ignore[attr-defined]
    assert told.hotline()["roster_on"] is False


def test_a_caller_is_promised_the_doctors_an_alarm_would_ring(told: Told) -> None:
    """A hospital whose departments each have a roster of their own has nobody who serves all."""
    told.switch.doctor_on_duty()
    with told.house.transaction() as session:
        session.scalars(sa.select(Shift)).one().department = "surgery"
    assert told.hotline()["roster_on"] is False
    told.switch.patient("followup")
    assert told.hotline()["roster_on"] is True


def test_a_follow_up_says_our_number_as_it_is_dialled_here(told: Told) -> None:
    patient = told.switch.patient("followup")
    assert told.of("followup", new_id(), patient, threshold=4)["hotline"] == "01055550100"
    environment = told.house.settings.environment.model_copy(update={"twilio_from": None})
    told.house.settings = dataclasses.replace(told.house.settings, environment=environment)
    assert told.of("followup", new_id(), patient, threshold=4)["hotline"] == ""


def test_no_fact_is_stored_with_the_call(told: Told) -> None:
    told.switch.patient("followup")
    told.switch.line().rings()
    with told.house.transaction() as session:
        [call] = session.scalars(sa.select(Call)).all()
        assert call.patient_id == session.scalars(sa.select(Patient.id)).one()
        assert "Example" not in str(call.session)
