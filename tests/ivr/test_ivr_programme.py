"""The interview through the webhooks on a real house: warning signs, resuming, relatives, ring-backs, reminders."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.house import House
from core.models import Contact, EventRow, new_id
from dialer import attempt as attempts
from dialer import gate
from dialer.models import Attempt, Call, Escalation
from ivr.facts import facts
from ivr.models import Answer
from ivr.ringback import RingBack
from tests.ivr.ivr_line import CALLER, Line, Switch
from tests.scheduler.clinic import hospital

OTHER = "+8613800000009"
MAIN_MENU = "Complaints, 4. Departments, 5."
BRIEF: dict[str, Any] = {"wave": "6h", "department": "surgery", "threshold": 4, "nurse_from": 4, "questions": None}


class Heard:
    """Everything the voice room tells the others."""

    def __init__(self, house: House) -> None:
        self.told: list[Any] = []
        for kind in (events.RedFlag, events.InterviewEnded, events.WorkWanted, events.ReminderAnswered):
            house.bus._handlers[kind] = [lambda session, event, now: self.told.append(event)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def work(self) -> list[tuple[str, str]]:
        return [(event.kind, event.why) for event in self.of(events.WorkWanted)]

    @property
    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.of(events.InterviewEnded)]

    @property
    def choices(self) -> list[str]:
        return [event.choice for event in self.of(events.ReminderAnswered)]


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


@pytest.fixture
def heard(switch: Switch) -> Heard:
    return Heard(switch.house)


def ring(
    switch: Switch, patient: uuid.UUID, subject: uuid.UUID, kind: str = "followup", /, **brief: Any
) -> tuple[Attempt, Line]:
    """A ring of ours, posted and answered: the notice has passed."""
    house = switch.house
    now = house.clock.now()
    with house.transaction() as session:
        attempt = attempts._new(
            session,
            gate.Ring(kind, CALLER, subject, patient_id=patient),
            "api",
            kind,
            "en",
            {**BRIEF, **brief},
            30,
            now,
            deadline_at=now,
        )
        attempt.status, attempt.sid = "ringing", f"CA{uuid.uuid4().hex}"
    line = switch.line_of(attempt)
    line.answers(attempt)
    line.does()
    return attempt, line


def answers(switch: Switch) -> dict[str, tuple[str, str, str]]:
    rows = [row for row in switch.all(Answer) if row.replaced_at is None]
    assert len({(row.call_id, row.question) for row in rows}) == len(rows), "more than one row for a question"
    return {row.question: (row.value, row.level, row.respondent) for row in rows}


# ---- warning signs ---------------------------------------------------------------------------------------
def test_a_warning_sign_is_told_in_the_turn_in_which_it_is_keyed(switch: Switch, heard: Heard) -> None:
    _, line = ring(switch, switch.patient("followup", "recording"), new_id())
    line.press("1", "0506", "2", "1")
    assert heard.told == []
    said = line.press("1").said
    assert "A doctor needs to hear this" in said
    [flag] = heard.of(events.RedFlag)
    assert (flag.question, flag.level, flag.keyed_at) == ("bleeding", "B", switch.house.clock.now())
    assert answers(switch)["bleeding"] == ("stops", "B", "self")
    line.does(RecordingSid="RE" + "1" * 32, RecordingDuration="4", Digits="#")
    assert heard.outcomes == ["handed_over"]


def test_a_doctor_is_rung_and_told_which_sign_it_was(switch: Switch) -> None:
    switch.doctor_on_duty()
    _, line = ring(switch, switch.patient("followup"), new_id())
    line.press("1", "0506", "2", "1")
    assert "1 2 0" in line.press("4").said
    [escalation] = switch.all(Escalation)
    assert escalation.flags == ["bleeding"]
    doctor = switch.line_of(attempt := switch.doctor_ring())
    said = doctor.answers(attempt).said
    assert "bleeding through the dressing" in said
    assert "pain" not in said
    assert "Example" not in said


def test_level_c_and_the_wish_for_a_call_are_work(switch: Switch, heard: Heard) -> None:
    subject, patient = new_id(), switch.patient("followup")
    _, line = ring(switch, patient, subject, questions=["fever", "complaint", "further_contact"])
    line.press("1", "0506", "2", "1", "1", "1", "2")
    assert heard.work == [("red_flag", "fever"), ("call_wanted", "complaint")]
    assert {(event.patient_id, event.subject_id) for event in heard.of(events.WorkWanted)} == {(patient, subject)}
    assert heard.outcomes == ["completed"]
    with switch.house.transaction() as session:
        assert people.last_word(session, patient, "survey") == (False, "keypad")


@pytest.mark.parametrize(
    ("keys", "ended"),
    [
        (("1", "0506", "7"), "handed_over"),
        (("1", "0506", "2"), "partial"),
        (("1", "0506", "2", "1", "2"), "partial"),
        (("2",), "not_patient"),
        (("2", "1"), "not_patient"),
        (("1",), "partial"),
    ],
)
def test_how_an_interview_ended_that_was_hung_up_on(
    switch: Switch, heard: Heard, keys: tuple[str, ...], ended: str
) -> None:
    _, line = ring(switch, switch.patient("followup"), new_id())
    line.press(*keys)
    line.hangs_up()
    assert heard.outcomes == [ended]


def test_a_high_score_is_a_doctors_even_when_the_patient_then_asks_for_a_person(switch: Switch, heard: Heard) -> None:
    hospital(switch.house, hospital={"operator": ""})
    _, line = ring(switch, switch.patient("followup"), new_id())
    line.press("1", "0506", "8", "0")
    for _ in range(2):
        line.does()
    assert heard.outcomes == ["handed_over"]


# ---- going on where it stopped ---------------------------------------------------------------------------
def test_the_next_ring_goes_on_at_the_first_open_question(switch: Switch, heard: Heard) -> None:
    patient, subject = switch.patient("followup"), new_id()
    _, first = ring(switch, patient, subject)
    first.press("1", "0506", "2", "1", "2", "2")
    first.hangs_up()
    assert heard.outcomes == ["partial"]
    _, again = ring(switch, patient, subject)
    said = again.press("1", "0506").said
    assert "We go on where we stopped" in said
    assert "passed urine" in said
    again.press("1", "2", "2")
    assert heard.outcomes == ["partial", "completed"]
    assert set(answers(switch)) == {"pain", "bleeding", "fluids", "urine", "limb", "doctor"}


def test_another_follow_up_asks_everything_again(switch: Switch) -> None:
    patient = switch.patient("followup")
    _, first = ring(switch, patient, new_id())
    first.press("1", "0506", "2", "1", "2")
    first.hangs_up()
    _, other = ring(switch, patient, new_id())
    assert "Rate your pain" in other.press("1", "0506").said


# ---- relatives -----------------------------------------------------------------------------------------
def with_relative(switch: Switch, *consents: str) -> uuid.UUID:
    patient = switch.patient("followup", *consents)
    with switch.house.transaction() as session:
        session.add(
            Contact(
                patient_id=patient, phone=OTHER, phone_index=people.phone_index(OTHER), relation="daughter", position=1
            )
        )
    return patient


def test_a_registered_relative_answers_and_it_is_written_down_as_hers(switch: Switch, heard: Heard) -> None:
    _, line = ring(switch, with_relative(switch, "family"), new_id())
    assert "how much pain does the patient" in line.press("2", "2", "0506").said.lower()
    line.press("2", "1", "2")
    assert answers(switch) == {"pain": ("2", "", "proxy"), "bleeding": ("no", "", "proxy")}


def test_a_relative_without_the_patients_word_is_work_for_the_ward(switch: Switch, heard: Heard) -> None:
    _, line = ring(switch, with_relative(switch), new_id())
    assert "Please ask them to call" in line.press("2", "2").said
    assert heard.work == [("proxy_wrong", "not_registered")]
    assert heard.outcomes == ["not_patient"]


def test_two_wrong_birthdays_and_a_person_nobody_was_are_work(switch: Switch, heard: Heard) -> None:
    hospital(switch.house, hospital={"operator": ""})
    patient = switch.patient("followup")
    _, line = ring(switch, patient, new_id())
    line.press("1", "0101", "0202")
    _, other = ring(switch, patient, new_id())
    other.press("1", "0506", "2", "1", "0")
    other.hangs_up()
    assert [kind for kind, _ in heard.work] == ["identity_failed", "call_wanted"]


# ---- ring-backs ------------------------------------------------------------------------------------------
class Keeper:
    """A ring missed by whoever has CALLER, with this birthday."""

    def __init__(self, patient: uuid.UUID, subject: uuid.UUID) -> None:
        self.patient, self.subject, self.held = patient, subject, False

    def waiting(self, session: Session, party: str, now: datetime) -> bool:
        return party == CALLER

    def begin(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        if birth_mmdd != "0506" or self.held:
            return False
        back = gate.Ring("followup", call.party, self.subject, patient_id=self.patient)
        attempts.rang_back(session, call, back, flow="followup", language="en", brief=BRIEF, now=now)
        return True


@pytest.fixture
def keeper(switch: Switch, heard: Heard) -> Keeper:
    made = Keeper(switch.patient("followup"), new_id())
    switch.house.services[RingBack] = made
    return made


def rings_back(switch: Switch, caller: str = CALLER) -> Line:
    line = switch.line()
    line.rings(caller)
    line.does()
    line.english()
    return line


def test_who_rings_back_gives_the_interview_there_and_then(switch: Switch, keeper: Keeper, heard: Heard) -> None:
    line = rings_back(switch)
    assert line.last is not None
    assert "We rang you earlier" in line.last.said
    assert not [word for word in ("pain", "surg", "doctor", "health") if word in line.last.said.lower()]
    assert "birth month and day" in line.press("1").said
    assert "Rate your pain" in line.press("0506").said
    line.press("2", "1", "2", "2", "1", "2", "2")
    assert heard.outcomes == ["completed"]
    [call] = switch.all(Call)
    assert (call.kind, call.flow, call.patient_id) == ("followup", "followup", keeper.patient)
    assert call.flow_version
    assert {row.subject_id for row in switch.all(Answer)} == {keeper.subject}


def test_a_ring_back_that_is_hung_up_on_is_partial(switch: Switch, keeper: Keeper, heard: Heard) -> None:
    line = rings_back(switch)
    line.press("1", "0506", "7")
    line.hangs_up()
    assert heard.outcomes == ["handed_over"]


@pytest.mark.parametrize("held", [True, False])
def test_who_is_not_found_hears_the_main_menu(switch: Switch, keeper: Keeper, heard: Heard, held: bool) -> None:
    keeper.held = held
    line = rings_back(switch)
    birthday = "0506" if held else "0731"
    line.press("1", birthday)
    said = line.press(birthday).said
    assert "Here is the main menu" in said
    assert MAIN_MENU in said
    assert birthday not in said.replace(" ", "")
    assert (switch.all(Call)[0].kind, heard.told) == ("hotline", [])
    with switch.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow)).all()
        assert birthday not in " ".join(f"{row.what} {row.why} {row.data}" for row in rows)


def test_who_wants_something_else_or_was_not_rung_is_asked_nothing(switch: Switch, keeper: Keeper) -> None:
    assert MAIN_MENU in rings_back(switch).press("2").said
    other = rings_back(switch, OTHER)
    assert other.last is not None
    assert MAIN_MENU in other.last.said


# ---- reminders -------------------------------------------------------------------------------------------
VISIT = {
    "day": "2031-03-08", "time": "09:05", "department": "surgery", "place": "second floor", "fasting": True,
}  # fmt: skip


def reminded(switch: Switch) -> Line:
    return ring(switch, switch.patient("followup"), new_id(), "reminder", appointment=VISIT)[1]


def test_a_visit_is_told_after_identity_and_not_before(switch: Switch, heard: Heard) -> None:
    line = reminded(switch)
    assert line.last is not None
    before = line.last.said + line.press("1").said
    assert not [word for word in ("surgery", "March", "visit", "floor") if word in before]
    said = line.press("0506").said
    for words in ("Saturday, March 8", "9:05 a.m.", "Department: surgery", "second floor", "without breakfast"):
        assert words in said
    line.press("1")
    assert heard.choices == ["confirmed"]


@pytest.mark.parametrize(
    ("keys", "choices"),
    [
        (("1", "0506", "2"), ["move"]),
        (("1", "0506", "3"), ["cancel"]),
        (("1", "0506", "9", "5", "5", "5"), ["heard"]),
        (("1", "0506"), ["heard"]),
        (("1", "0101", "0202"), ["not_patient"]),
        (("2",), ["not_patient"]),
        (("3",), ["not_patient"]),
        (("4",), []),
        (("7", "1"), ["stop"]),
        ((), []),
    ],
)
def test_what_a_reminder_call_comes_to(switch: Switch, heard: Heard, keys: tuple[str, ...], choices: list[str]) -> None:
    line = reminded(switch)
    line.press(*keys) if keys else None
    line.hangs_up()
    assert heard.choices == choices
    assert heard.outcomes == []


def test_what_a_reminder_flow_is_told(switch: Switch) -> None:
    reminded(switch)
    with switch.house.transaction() as session:
        call = session.scalars(sa.select(Call)).one()
        told = facts(session, call, switch.house.clock.now())
    assert (told["day.zh-CN"], told["time.zh-CN"]) == ("3月8日星期六", "上午9点05分")
