"""Visits by telephone, by signed webhooks on a real house: what is heard, what is stored, in both languages."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from core import events, people
from core.house import House
from core.models import Contact, Patient, new_id
from dialer.models import Call
from ivr.booking import Booking
from scheduler import reminder_plan
from scheduler.models import Appointment, Booked, ClinicSession, Reminder, VisitDraft, WorkItem
from tests.house import MID_MORNING
from tests.ivr.ivr_line import CALLER, Line, Switch
from tests.scheduler.clinic import hospital

MORNING = MID_MORNING + timedelta(days=3, hours=-1)
"""Monday 10 March, 09:00 in Shanghai."""
DAY = timedelta(days=1)
STRANGER = "+8613800000077"
BIRTHDAY, WRONG = "0506", "0101"


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


@pytest.fixture
def tickets(switch: Switch) -> list[str]:
    """Kinds of the tickets that were wanted."""
    wanted: list[str] = []
    switch.house.bus._handlers[events.TicketWanted] = [lambda session, event, now: wanted.append(event.kind)]
    return wanted


def clinic(switch: Switch, starts_at: datetime = MORNING, slots: int = 2, **more: str) -> uuid.UUID:
    with switch.house.transaction() as session:
        row = ClinicSession(
            id=new_id(),
            external_id=new_id().hex,
            department="surgery",
            doctor=more.get("doctor", ""),
            place=more.get("place", "Building 2"),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=3),
            slots=slots,
            status="open",
        )
        session.add(row)
        return row.id


def visit(switch: Switch, patient_id: uuid.UUID, starts_at: datetime = MORNING) -> uuid.UUID:
    """One of the hospital's own system."""
    with switch.house.transaction() as session:
        row = Appointment(
            id=new_id(), patient_id=patient_id, external_id="A-1", starts_at=starts_at, department="surgery",
            place="Building 2", status="booked",
        )  # fmt: skip
        session.add(row)
        session.flush()
        reminder_plan.follow(session, row, switch.house.clock.now())
        return row.id


def at_visits(switch: Switch, caller: str = CALLER, *, language: str = "en") -> Line:
    """The menu of visits, from the ring on."""
    line = switch.line()
    line.rings(caller)
    line.does()
    if language == "en":
        line.press("8")
    heard = line.press("1")
    assert ("For a new visit, press 1" if language == "en" else "预约就诊请按1") in heard.said
    return line


def flow_of(switch: Switch, line: Line) -> str:
    with switch.house.transaction() as session:
        return session.scalars(sa.select(Call.flow).where(Call.sid == line.sid)).one()


# ---- a new visit -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "heard"),
    [
        (
            "en",
            [
                "Enter the patient's birth month and day",
                "Which department would you like? surgery: press 1. To go back, press star.",
                "These times are free. Monday, March 10, 9 a.m.: press 1. Tuesday, March 11, 9 a.m.: press 2."
                " For other times, press star.",
                "You chose Tuesday, March 11, 9 a.m. Doctor: Dr. Example. Place: Building 9. If that is right, press 1",
                "Your visit is booked for Tuesday, March 11, 9 a.m. Place: Building 9. We will remind you beforehand."
                " Thank you. Goodbye.",
            ],
        ),
        (
            "zh-CN",
            [
                "请输入患者出生的月和日",
                "请选择科室。 surgery，请按1。 返回请按星号键。",
                "以下时间可以预约。 3月10日星期一上午9点，请按1。 3月11日星期二上午9点，请按2。 其他时间请按星号键。",
                "您选择的是3月11日星期二上午9点。 医生：Dr. Example。 地点：Building 9。 确认请按1",
                "已为您预约3月11日星期二上午9点就诊。 地点：Building 9。 就诊前我们会提醒您。",
            ],
        ),
    ],
)
def test_a_patient_on_file_books_a_visit(switch: Switch, tickets: list[str], language: str, heard: list[str]) -> None:
    patient = switch.patient("reminder")
    clinic(switch)
    clinic(switch, MORNING + DAY, doctor="Dr. Example", place="Building 9")
    line = at_visits(switch, language=language)
    said = [line.press(key).said for key in ("1", BIRTHDAY, "1", "2")]
    assert switch.all(Appointment) == [], "nothing is booked before the last key"
    said.append(line.press("1").said)
    for words, expected in zip(said, heard, strict=True):
        assert expected.replace("a.m..", "a.m.") in words.replace("a.m..", "a.m.")
    assert line.last is not None
    assert line.last.verbs[-1] == "Hangup"
    [booked] = switch.all(Appointment)
    assert (booked.patient_id, booked.starts_at, booked.status) == (patient, MORNING + DAY, "booked")
    [reminder] = switch.all(Reminder)
    assert (reminder.appointment_id, reminder.status) == (booked.id, "planned")
    assert tickets == []


def test_a_repeated_last_request_books_once_and_says_the_same(switch: Switch) -> None:
    switch.patient("reminder")
    clinic(switch)
    line = at_visits(switch)
    line.press("1", BIRTHDAY, "1", "1")
    assert line.last is not None
    action = line.last.action
    first = line.ask(action, Digits="1")
    assert line.ask(action, Digits="1").text == first.text
    assert len(switch.all(Appointment)) == 1


def test_other_times_and_another_choice_before_the_last_key(switch: Switch) -> None:
    switch.patient("reminder")
    clinic(switch)
    line = at_visits(switch)
    line.press("1", BIRTHDAY, "1")
    assert "Monday, March 10, 10:30 a.m.: press 1" in line.press("*").said
    assert "You chose Monday, March 10, 10:30 a.m." in line.press("1").said
    said = line.press("2").said
    assert "no other free time" in said
    assert line.last is not None
    assert "Record" in line.last.verbs
    assert switch.all(Appointment) == []


def test_the_second_of_two_callers_hears_so_and_takes_another_time(switch: Switch) -> None:
    switch.patient("reminder")
    with switch.house.transaction() as session:
        other = Patient(
            id=new_id(), mrn="T-0002", mrn_index=b"T-0002", name="Ben Sample", birth_date="1975-05-06", language="en",
            timezone="Asia/Shanghai", allergies="", status="active", created_at=switch.house.clock.now(),
        )  # fmt: skip
        session.add(other)
        session.flush()
        session.add(Contact(patient_id=other.id, phone=STRANGER, phone_index=people.phone_index(STRANGER)))
    clinic(switch)
    first, second = at_visits(switch), at_visits(switch, STRANGER)
    for line in (first, second):
        line.press("1", BIRTHDAY, "1", "1")
    assert "Your visit is booked" in first.press("1").said
    said = second.press("1").said
    assert "somebody has just taken that time" in said
    assert "Monday, March 10, 10:30 a.m.: press 1" in said
    second.press("1")
    assert "booked for Monday, March 10, 10:30 a.m." in second.press("1").said
    assert sorted(row.slot for row in switch.all(Booked)) == [0, 1]


def test_who_hangs_up_in_the_middle_leaves_nothing_behind(switch: Switch) -> None:
    switch.patient("reminder")
    clinic(switch)
    line = at_visits(switch)
    line.press("1", BIRTHDAY, "1", "1")
    assert len(switch.all(VisitDraft)) == 1
    line.hangs_up()
    assert [switch.all(table) for table in (VisitDraft, Booked, Appointment)] == [[], [], []]


# ---- who is not known ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "kind", "beep"),
    [
        ("1", "appointment_new", "the department and the time you want"),
        ("2", "appointment_change", "which visit, and the time you want"),
        ("3", "appointment_cancel", "which visit to cancel"),
    ],
)
def test_a_caller_not_on_file_is_a_ticket_before_the_beep(
    switch: Switch, tickets: list[str], key: str, kind: str, beep: str
) -> None:
    visit(switch, switch.patient("reminder"))
    line = at_visits(switch, STRANGER)
    heard = line.press(key)
    assert beep in heard.said
    assert "Record" in heard.verbs
    assert tickets == [kind]
    thanks = line.does(RecordingSid="RE" + "1" * 32, RecordingDuration="9", Digits="#")
    assert "We have your message" in thanks.said
    assert thanks.verbs[-1] == "Hangup"


@pytest.mark.parametrize("key", ["1", "2", "3"])
def test_a_wrong_birthday_hears_nothing_of_any_visit(switch: Switch, tickets: list[str], key: str) -> None:
    visit(switch, switch.patient("reminder"))
    clinic(switch)
    line = at_visits(switch)
    said = [line.press(digits).said for digits in (key, WRONG, "0102")]
    assert "That didn't match" in said[1]
    assert "A staff member will see to it" in said[2]
    assert not [words for words in said if "March" in words or "surgery" in words or "Building" in words]
    assert len(tickets) == 1
    line = at_visits(switch)
    line.press(key)
    assert "That didn't match" in line.press(WRONG).said


def test_without_a_free_time_a_message_is_taken(switch: Switch, tickets: list[str]) -> None:
    switch.patient("reminder")
    line = at_visits(switch)
    said = line.press("1", BIRTHDAY).said
    assert "no other free time" in said
    assert tickets == ["appointment_new"]


def test_silence_ends_in_a_ticket_and_a_goodbye(switch: Switch, tickets: list[str]) -> None:
    switch.patient("reminder")
    clinic(switch)
    line = at_visits(switch)
    line.press("1", BIRTHDAY)
    for _ in range(8):
        heard = line.does()
        if heard.verbs[-1] == "Hangup":
            break
    assert "We have noted it" in heard.said
    assert tickets == ["appointment_new"]


# ---- visits there are ------------------------------------------------------------------------------------
def booked_by_key(switch: Switch) -> None:
    line = at_visits(switch)
    line.press("1", BIRTHDAY, "1", "1", "1")
    line.hangs_up()


def test_our_own_visit_is_asked_about_and_moved(switch: Switch, tickets: list[str]) -> None:
    switch.patient("reminder")
    clinic(switch)
    clinic(switch, MORNING + DAY)
    booked_by_key(switch)
    line = at_visits(switch)
    assert "Monday, March 10, 9 a.m.: press 1" in line.press("2", BIRTHDAY).said
    assert "Your visit is on Monday, March 10, 9 a.m." in line.press("1").said
    assert "Tuesday, March 11, 9 a.m.: press 2" in line.press("1").said
    line.press("2")
    assert "Your visit is now on Tuesday, March 11, 9 a.m." in line.press("1").said
    [row] = switch.all(Appointment)
    assert (row.starts_at, tickets) == (MORNING + DAY, [])


def test_our_own_visit_is_cancelled_and_free_again(switch: Switch) -> None:
    switch.patient("reminder")
    clinic(switch)
    booked_by_key(switch)
    line = at_visits(switch, language="zh-CN")
    assert "取消3月10日星期一上午9点的就诊请按1" in line.press("3", BIRTHDAY, "1").said
    assert "已为您取消3月10日星期一上午9点的就诊" in line.press("1").said
    assert switch.all(Booked) == []
    assert [row.status for row in switch.all(Reminder)] == ["cancelled"]


def test_what_is_kept_is_not_changed(switch: Switch) -> None:
    switch.patient("reminder")
    clinic(switch)
    booked_by_key(switch)
    line = at_visits(switch)
    assert "nothing has been changed" in line.press("3", BIRTHDAY, "1", "2").said
    assert [row.status for row in switch.all(Appointment)] == ["booked"]


@pytest.mark.parametrize(
    ("keys", "status", "work"),
    [
        (("2", BIRTHDAY, "1", "1"), "move_wanted", "move_visit"),
        (("2", BIRTHDAY, "1", "2", "1"), "cancel_wanted", "cancel_visit"),
        (("3", BIRTHDAY, "1", "1"), "cancel_wanted", "cancel_visit"),
    ],
)
def test_a_visit_of_the_hospitals_system_is_noted_for_a_nurse(
    switch: Switch, tickets: list[str], keys: tuple[str, ...], status: str, work: str
) -> None:
    visit(switch, switch.patient("reminder"))
    line = at_visits(switch)
    assert "We have noted it. A staff member will ring you." in line.press(*keys).said
    assert [row.status for row in switch.all(Appointment)] == [status]
    assert [row.kind for row in switch.all(WorkItem)] == [work]
    assert tickets == [], "the item is the desk's ticket"


def test_who_has_no_visit_hears_so_and_leaves_a_message(switch: Switch, tickets: list[str]) -> None:
    switch.patient("reminder")
    said = at_visits(switch).press("2", BIRTHDAY).said
    assert "We see no coming visit of yours" in said
    assert tickets == ["appointment_change"]


# ---- ways out --------------------------------------------------------------------------------------------
def test_star_leads_back_and_nought_to_a_person(switch: Switch) -> None:
    line = at_visits(switch)
    assert "Appointments, press 1" in line.press("*").said
    assert flow_of(switch, line) == "hotline"
    line = at_visits(switch)
    heard = line.press("0")
    assert flow_of(switch, line) == "hotline"
    assert "Dial" in heard.verbs or "Enqueue" in heard.verbs


def test_three_failures_lead_to_a_person(switch: Switch) -> None:
    line = at_visits(switch)
    assert "Let us get you a person" in line.press("7", "6", "5").said
    assert flow_of(switch, line) == "hotline"


def test_a_house_without_a_calendar_takes_messages(switch: Switch, tickets: list[str]) -> None:
    switch.patient("reminder")
    clinic(switch)
    del switch.house.services[Booking]
    heard = at_visits(switch).press("1")
    assert "Record" in heard.verbs
    assert tickets == ["appointment_new"]


def test_other_turns_of_the_hotline_ask_nothing_of_the_calendar(switch: Switch) -> None:
    asked: list[str] = []
    line = switch.line()

    def note(_c: object, _cursor: object, text: str, _values: object, _context: object, _many: bool) -> None:
        asked.append(text)

    sa.event.listen(switch.house.engine, "before_cursor_execute", note)
    line.rings()
    line.does()
    line.press("8")
    sa.event.remove(switch.house.engine, "before_cursor_execute", note)
    assert asked
    assert not [text for text in asked if "visit_drafts" in text or "clinic_sessions" in text]
