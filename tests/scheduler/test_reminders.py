"""Reminders: of a visit the day before it, by SMS or call; every one ends, and in one way."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import calendar, people
from core.house import House
from core.models import EventRow, Patient, SpecialDay
from dialer import sms
from dialer.machine import OUTCOMES
from scheduler import reminder_plan, reports
from scheduler.models import Appointment
from scheduler.reminder_plan import due_time
from scheduler.reminders import AFTER_CHOICE, AFTER_OUTCOME, ANSWERS, MOST_TRIES, MOVES, OPEN, OVER, after_ring
from tests.house import MID_MORNING
from tests.scheduler.clinic import PHONE, SECOND_PHONE, hospital
from tests.scheduler.visits import CHILD_PHONE, MRN, VISIT, Clinic

TABLE = """
             ring     send  wait     confirmed  move_wanted  cancel_wanted  heard  unreached  expired  cancelled
planned      calling  sent  waiting  .          .            .              .      unreached  expired  cancelled
waiting      calling  sent  .        confirmed  move_wanted  cancel_wanted  heard  unreached  expired  cancelled
calling      .        .     waiting  confirmed  move_wanted  cancel_wanted  heard  unreached  .        cancelled
sent         .        .     .        .          .            .              .      unreached  .        cancelled
"""
EVENTS, *_ROWS = [line.split() for line in TABLE.strip().splitlines()]


@pytest.fixture
def clinic(house: House) -> Clinic:
    return Clinic(house)


# ---- the rules, without a store ------------------------------------------------------------------------
def test_every_state_and_event() -> None:
    told = {(state, event): to for state, *row in _ROWS for event, to in zip(EVENTS, row, strict=True) if to != "."}
    assert told == MOVES
    assert {state for state, _ in MOVES} | set(MOVES.values()) == {*OPEN, *OVER}


def test_no_answer_of_a_patient_is_ever_undone() -> None:
    assert not [state for state, _ in MOVES if state in {*ANSWERS, "unreached", "expired", "cancelled"}]


@pytest.mark.parametrize("tries", range(4))
@pytest.mark.parametrize("choice", [None, *AFTER_CHOICE])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_follows_a_ring(outcome: str, choice: str | None, tries: int) -> None:
    rule = AFTER_CHOICE[choice] if choice else AFTER_OUTCOME[outcome]
    following = after_ring(outcome, choice, tries)
    if rule.event == "wait" and rule.counts and tries >= MOST_TRIES - 1:
        assert (following.event, following.counts) == ("unreached", True)
    else:
        assert following == rule
    assert ("calling", following.event) in MOVES


HOURS = calendar.always((time(8, 30), time(12)), (time(14), time(20, 30)))


@pytest.mark.parametrize(
    ("visit", "zone", "at", "channel", "expected"),
    [
        ("2031-03-10T01:00", "Asia/Shanghai", "16:00", "sms", "2031-03-09T08:00"),
        ("2031-03-10T15:59", "Asia/Shanghai", "16:00", "sms", "2031-03-09T08:00"),  # a minute before midnight
        ("2031-03-10T01:00", "Asia/Shanghai", "12:30", "sms", "2031-03-09T06:00"),  # the midday rest
        ("2031-03-10T01:00", "Asia/Shanghai", "22:00", "sms", "2031-03-09T00:30"),  # too late: that day's first hour
        ("2031-03-10T01:00", "Europe/Berlin", "16:00", "sms", "2031-03-09T15:00"),  # the patient is abroad
        ("2031-03-31T07:00", "Europe/Berlin", "16:00", "call", "2031-03-30T14:00"),  # summer time began in the night
    ],
)
def test_when_a_visit_is_reminded_of(visit: str, zone: str, at: str, channel: str, expected: str) -> None:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (visit, expected)]
    assert due_time(moments[0], zone, time.fromisoformat(at), HOURS, channel) == moments[1]


def test_a_call_goes_back_to_a_day_with_calling_hours_and_an_sms_does_not() -> None:
    visit, closed = datetime(2031, 3, 10, 1, tzinfo=UTC), {date(2031, 3, 9), date(2031, 3, 8)}

    def hours(day: date) -> Any:
        return () if day in closed else HOURS(day)

    assert due_time(visit, "Asia/Shanghai", time(16), hours, "call") == datetime(2031, 3, 7, 8, tzinfo=UTC)
    assert due_time(visit, "Asia/Shanghai", time(16), hours, "sms") == datetime(2031, 3, 9, 8, tzinfo=UTC)
    assert due_time(visit, "Asia/Shanghai", time(16), lambda day: (), "call") == datetime(2031, 3, 9, 8, tzinfo=UTC)


# ---- by SMS --------------------------------------------------------------------------------------------
def test_a_visit_is_reminded_of_by_sms_the_day_before(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    assert (clinic.row().due_at, clinic.row().deadline_at) == (clinic.eve(visit), VISIT)
    clinic.now = clinic.eve(visit) - timedelta(seconds=1)
    assert clinic.remind() == 0
    clinic.forward(seconds=1)
    assert [clinic.remind() for _ in range(3)] == [1, 0, 0]
    [message] = clinic.messages()
    assert (message.kind, message.to, message.give_up_at) == ("reminder", PHONE, VISIT)
    assert "Monday 10 March at 09:00. Where: Building 2, hall." in message.body
    assert "oncology" not in message.body
    assert clinic.row().status == "sent"


def test_the_words_are_the_patients(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"way": {"zh-CN": "请走东门。"}})
    visit = clinic.visit(clinic.visitor(language="zh-CN"), VISIT, fasting=True, place="")
    clinic.now = clinic.eve(visit)
    clinic.remind()
    [message] = clinic.messages()
    assert "3月10日周一09:00请到健康服务中心。请空腹前来" in message.body
    assert "请走东门。" in message.body


def test_imported_late_it_is_sent_at_once(clinic: Clinic) -> None:
    clinic.now = VISIT - timedelta(minutes=20)
    clinic.visit(clinic.visitor(), VISIT)
    clinic.remind()
    assert len(clinic.sent()) == 1


def test_after_the_visit_nothing_is_said(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = visit.starts_at
    clinic.remind()
    assert (clinic.row().status, clinic.messages()) == ("expired", [])


@pytest.mark.parametrize(
    ("consents", "withdrawn", "reminded"),
    [
        ("reminder", "", True),
        ("followup", "", True),
        ("followup reminder", "followup", True),
        ("followup reminder", "reminder", False),
        ("family", "", False),
        ("", "", False),
    ],
)
def test_it_needs_consent_to_reminders_or_failing_a_word_on_them_to_follow_ups(
    clinic: Clinic, consents: str, withdrawn: str, reminded: bool
) -> None:
    patient_id = clinic.visitor(consents=consents)
    with clinic.house.transaction() as session:
        if withdrawn:
            people.set_consent(session, patient_id, withdrawn, False, "keypad", clinic.now)
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert len(clinic.messages()) == reminded
    assert (clinic.row().status, clinic.row().reason) == (("sent", "") if reminded else ("cancelled", "no_consent"))


def test_the_dead_are_not_reminded(clinic: Clinic) -> None:
    patient_id = clinic.visitor()
    visit = clinic.visit(patient_id, VISIT)
    with clinic.house.transaction() as session:
        session.get_one(Patient, patient_id).status = "deceased"
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert (clinic.row().status, clinic.row().reason, clinic.messages()) == ("cancelled", "deceased", [])


def test_nobody_to_write_to_is_work(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    with clinic.house.transaction() as session:
        people.add_do_not_call(session, PHONE, "sms", clinic.now)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert (clinic.row().status, [event.kind for event in clinic.work]) == ("unreached", ["unreached"])


def test_an_sms_that_did_not_arrive_is_work_once(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    for _ in range(2):
        clinic.lost(clinic.sent()[0])
    assert (clinic.row().status, clinic.row().reason) == ("unreached", "carrier_code code=30003")
    assert [(e.kind, e.subject_id) for e in clinic.work] == [("unreached", clinic.row().id)]


def test_a_patient_who_said_stop_is_not_reminded_through_a_relative(clinic: Clinic) -> None:
    patient_id = clinic.visitor(consents="reminder family")
    clinic.relative(patient_id)
    visit = clinic.visit(patient_id, VISIT)
    with clinic.house.transaction() as session:
        people.add_do_not_call(session, PHONE, "sms", clinic.now)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert clinic.messages() == []


@pytest.mark.parametrize(("consents", "written"), [("reminder family", 1), ("reminder", 0)])
def test_without_a_number_of_their_own_the_family_is_written_to_if_the_patient_agreed(
    clinic: Clinic, consents: str, written: int
) -> None:
    patient_id = clinic.visitor(consents=consents)
    clinic.relative(patient_id)
    with clinic.house.transaction() as session:
        people.retire_number(session, patient_id, PHONE, clinic.now)
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert [message.to for message in clinic.sent()] == [CHILD_PHONE] * written


@pytest.mark.parametrize("consents", ["reminder family", "followup family"])
def test_the_gate_lets_reminder_and_copy_go(clinic: Clinic, consents: str) -> None:
    patient_id = clinic.visitor(born="1950-01-01", consents=consents)
    clinic.relative(patient_id)
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    with clinic.house.transaction() as session:
        assert all(sms.claim(session, message.id, clinic.now) for message in clinic.messages())
    assert [message.status for message in clinic.messages()] == ["sending", "sending"]


def test_what_the_gate_would_not_have_sent_is_cancelled_and_no_work(clinic: Clinic) -> None:
    patient_id = clinic.visitor()
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    with clinic.house.transaction() as session:
        people.set_consent(session, patient_id, "reminder", False, "keypad", clinic.now)
        assert sms.claim(session, clinic.sent()[0].id, clinic.now) is None
    assert (clinic.row().status, clinic.row().reason, clinic.work) == ("cancelled", "no_consent", [])


def test_a_guardian_is_reminded_for_a_child(clinic: Clinic) -> None:
    patient_id = clinic.visitor(born="2025-01-01")
    clinic.relative(patient_id, relation="guardian")
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    assert [message.to for message in clinic.messages()] == [CHILD_PHONE]


# ---- the family ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("born", "consents", "copies"),
    [
        ("1961-05-06", "reminder family", 1),
        ("1961-05-06", "reminder", 0),
        ("1990-05-06", "reminder family", 0),
        ("1966-03-09", "reminder family", 1),  # 65 on the day it is sent
        ("1966-03-10", "reminder family", 0),
    ],
)
def test_the_children_of_the_elderly_are_told_when_and_where_if_the_patient_agreed(
    clinic: Clinic, born: str, consents: str, copies: int
) -> None:
    patient_id = clinic.visitor(born=born, consents=consents)
    clinic.relative(patient_id)
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    copied = clinic.sent("reminder_child")
    assert len(copied) == copies
    assert [message.to for message in clinic.sent()] == [PHONE]
    for message in copied:
        assert (message.to, message.give_up_at) == (CHILD_PHONE, VISIT)
        assert "member of your family" in message.body
        assert "oncology" not in message.body


def test_a_call_is_copied_to_the_family_at_its_first_ring_only(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"channel": "call"})
    patient_id = clinic.visitor(born="1950-01-01", consents="reminder family")
    clinic.relative(patient_id)
    visit = clinic.visit(patient_id, VISIT)
    clinic.now = clinic.eve(visit)
    for _ in range(2):
        clinic.ends(clinic.call_out(), "busy")
        clinic.forward(minutes=15)
    assert len(clinic.sent("reminder_child")) == 1


# ---- by call -------------------------------------------------------------------------------------------
@pytest.fixture
def rung(clinic: Clinic) -> Clinic:
    """Calls instead of messages; the eve of one visit has come."""
    hospital(clinic.house, reminders={"channel": "call"})
    visit = clinic.visit(clinic.visitor(PHONE, SECOND_PHONE), VISIT, fasting=True)
    clinic.now = clinic.eve(visit)
    return clinic


def the_visit(clinic: Clinic) -> Appointment:
    with clinic.house.transaction() as session:
        return session.scalars(sa.select(Appointment)).one()


def test_a_call_tells_the_flow_of_the_visit(rung: Clinic) -> None:
    attempt = rung.call_out()
    assert (attempt.kind, attempt.flow, attempt.to, attempt.lane) == ("reminder", "reminder", PHONE, "routine")
    assert attempt.brief == {
        "appointment": {
            **{"day": "2031-03-10", "time": "09:00", "department": "oncology", "place": "Building 2, hall"},
            "fasting": True,
        }
    }
    assert (rung.row().status, rung.row().current_attempt_id, rung.remind()) == ("calling", attempt.id, 0)


@pytest.mark.parametrize(
    ("choice", "status", "booked", "work"),
    [
        ("confirmed", "confirmed", "confirmed", []),
        ("move", "move_wanted", "move_wanted", ["move_visit"]),
        ("cancel", "cancel_wanted", "cancel_wanted", ["cancel_visit"]),
        ("heard", "heard", "booked", []),
        ("stop", "cancelled", "booked", []),
    ],
)
def test_what_is_keyed_is_carried_out(rung: Clinic, choice: str, status: str, booked: str, work: list[str]) -> None:
    rung.keys(rung.call_out(), choice)
    assert (rung.row().status, rung.row().tries, the_visit(rung).status) == (status, 1, booked)
    assert [event.kind for event in rung.work] == work
    assert all(event.subject_id == the_visit(rung).id for event in rung.work)
    assert rung.messages() == []
    with rung.house.transaction() as session:
        word = people.last_word(session, rung.row().patient_id, "reminder")
    assert word == ((False, "keypad") if choice == "stop" else (True, "import"))


def test_the_key_counts_even_when_the_carriers_word_came_first(rung: Clinic) -> None:
    attempt = rung.call_out()
    rung.post(attempt)
    call_id = rung.answer(attempt)
    rung.hear(attempt, "completed")
    assert rung.row().status == "waiting"
    rung.says(attempt, call_id, "move")
    assert (rung.row().status, the_visit(rung).status, len(rung.work)) == ("move_wanted", "move_wanted", 1)


def test_somebody_else_answers_and_the_next_number_is_tried(rung: Clinic) -> None:
    rung.keys(rung.call_out(), "not_patient")
    assert (rung.row().status, rung.row().next_try_at) == ("waiting", rung.now + timedelta(hours=2))
    rung.forward(hours=2)
    attempt = rung.call_out()
    assert attempt.to == SECOND_PHONE
    rung.keys(attempt, "confirmed")
    assert rung.row().status == "confirmed"


def test_two_tries_in_vain_are_followed_by_an_sms_and_that_in_vain_by_work(rung: Clinic) -> None:
    rung.ends(rung.call_out(), "no_answer")
    rung.forward(hours=2)
    rung.ends(rung.call_out(), "no_answer")
    assert (rung.row().status, rung.row().tries, rung.work) == ("unreached", 2, [])
    [message] = rung.messages()
    assert "Monday 10 March at 09:00" in message.body
    rung.lost(message)
    assert [(event.kind, event.why) for event in rung.work] == [
        ("unreached", "visit_reminder; carrier_code code=30003")
    ]
    rung.forward(hours=3)
    assert rung.remind() == 0


def test_a_ring_that_never_went_out_is_not_a_try(rung: Clinic) -> None:
    rung.ends(rung.call_out(), "not_placed")
    assert (rung.row().status, rung.row().tries) == ("waiting", 0)


def test_no_time_left_before_the_visit_is_the_end(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"channel": "call"})
    clinic.visit(clinic.visitor(), MID_MORNING + timedelta(hours=2))
    clinic.ends(clinic.call_out(), "no_answer")
    assert (clinic.row().status, clinic.row().reason) == ("unreached", "no_answer; no_time_left")
    assert len(clinic.sent()) == 1


def test_the_end_of_another_ring_moves_nothing(rung: Clinic) -> None:
    first = rung.call_out()
    rung.ends(first, "busy")
    rung.forward(minutes=15)
    second = rung.call_out()
    before = rung.row()
    rung.hear(first, "completed")
    after = rung.row()
    assert (after.status, after.tries, after.current_attempt_id) == (before.status, before.tries, second.id)


def test_it_waits_for_calling_hours(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"channel": "call"})
    clinic.now = MID_MORNING + timedelta(hours=12)  # 22:00
    clinic.visit(clinic.visitor(), MID_MORNING + timedelta(days=1, hours=2))
    clinic.remind()
    assert (clinic.row().status, clinic.row().reason) == ("waiting", "outside_window")
    assert clinic.row().next_try_at == MID_MORNING + timedelta(days=1, hours=-1.5)


def test_a_pause_holds_it_without_a_move_and_the_visit_ends_it(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"channel": "call"}, hospital={"live": False})
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    for _ in range(3):
        clinic.remind()
        clinic.forward(seconds=30)
    assert (clinic.row().status, clinic.row().reason) == ("planned", "not_live")
    clinic.now = VISIT
    clinic.remind()
    assert clinic.row().status == "expired"


# ---- both ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("call_first", [True, False])
def test_with_both_a_nurse_is_asked_only_when_neither_came_through(clinic: Clinic, call_first: bool) -> None:
    hospital(clinic.house, reminders={"channel": "both"})
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    attempt = clinic.call_out()
    steps = [lambda: clinic.ends(attempt, "failed_for_good"), lambda: clinic.lost(clinic.sent()[0])]
    for step in steps if call_first else reversed(steps):
        assert clinic.work == []
        step()
    assert [row.status for row in clinic.rows()] == ["unreached", "unreached"]
    assert ([event.kind for event in clinic.work], len(clinic.sent())) == (["unreached"], 1)


def test_with_both_one_that_came_through_is_enough(clinic: Clinic) -> None:
    hospital(clinic.house, reminders={"channel": "both"})
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    clinic.keys(clinic.call_out(), "confirmed")
    clinic.lost(clinic.sent()[0])
    assert [row.status for row in clinic.rows()] == ["confirmed", "unreached"]
    assert clinic.work == []


# ---- the visit changes ---------------------------------------------------------------------------------
def test_a_moved_visit_takes_its_reminder_with_it(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    assert clinic.change(visit, starts_at=VISIT + timedelta(days=7)) == 1
    row = clinic.row()
    assert (row.status, row.due_at, row.deadline_at) == (
        "planned",
        clinic.eve(visit) + timedelta(days=7),
        VISIT + timedelta(days=7),
    )


def test_a_visit_that_moves_after_its_reminder_gets_another(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    for place in ("tomorrow at ten", "no, here"):
        with clinic.house.transaction() as session:
            session.execute(sa.text("UPDATE messages SET status = 'delivered'"))
        assert clinic.change(visit, place=place) == 1
        clinic.remind()
    assert [row.status for row in clinic.rows()] == ["sent", "sent", "sent"]
    bodies = [message.body for message in sorted(clinic.sent(), key=lambda message: message.created_at)]
    assert [sum(place in body for body in bodies) for place in ("hall", "at ten", "no, here")] == [1, 1, 1]


def test_an_sms_that_has_not_left_is_taken_back_when_the_visit_moves(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    clinic.change(visit, starts_at=VISIT + timedelta(days=7))
    assert sorted(row.status for row in clinic.rows()) == ["cancelled", "planned"]
    assert [message.status for message in clinic.sent()] == ["cancelled"]


def test_a_cancelled_visit_cancels_its_reminder(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    assert clinic.change(visit, status="cancelled") == 1
    clinic.now = clinic.eve(visit)
    assert clinic.remind() == 0
    assert (clinic.row().status, clinic.row().reason) == ("cancelled", "the visit was cancelled")


def test_a_ring_on_its_way_is_taken_back_with_the_visit(rung: Clinic) -> None:
    attempt = rung.call_out()
    rung.change(the_visit(rung), status="cancelled")
    assert rung.row().status == "calling"
    rung.hang_up(attempt)
    assert (rung.row().status, rung.row().reason) == ("cancelled", "the visit was cancelled or moved")


def test_a_yes_to_the_old_time_does_not_confirm_the_new_one(rung: Clinic) -> None:
    attempt = rung.call_out()
    rung.post(attempt)
    call_id = rung.answer(attempt)
    rung.change(the_visit(rung), starts_at=VISIT + timedelta(hours=3))
    rung.says(attempt, call_id, "confirmed")
    rung.hear(attempt, "completed")
    assert the_visit(rung).status == "booked"
    assert sorted(row.status for row in rung.rows()) == ["confirmed", "planned"]


def test_nothing_personal_is_in_the_ledger(rung: Clinic) -> None:
    rung.keys(rung.call_out(), "move")
    with rung.house.transaction() as session:
        ledger = " ".join(session.scalars(sa.select(sa.cast(EventRow.data, sa.String)))) + " ".join(
            f"{row.what} {row.why}" for row in session.scalars(sa.select(EventRow))
        )
    assert not [word for word in ("oncology", "Building", PHONE[1:], "Example") if word in ledger]


def test_the_report_names_visit_state_and_sms(clinic: Clinic) -> None:
    visit = clinic.visit(clinic.visitor(), VISIT)
    clinic.now = clinic.eve(visit)
    clinic.remind()
    with clinic.house.transaction() as session:
        [line] = reports.reminders(session, visit.patient_id)
        assert reports.reminders(session, since=VISIT) == []
    assert (line["mrn"], line["of"], line["starts_at"], line["status"], line["sms"]) == (
        *(MRN, "A-1", VISIT),
        *("sent", "planned"),
    )


# ---- medicine before a break ---------------------------------------------------------------------------
@pytest.fixture
def before_a_break(clinic: Clinic) -> Clinic:
    """Five days off begin on Wednesday 12 March; patients are told up to three days before."""
    hospital(clinic.house, reminders={"medicine_days": 3})
    with clinic.house.transaction() as session:
        for day in range(12, 17):
            session.add(SpecialDay(day=date(2031, 3, day), kind="holiday", at=clinic.now))
    return clinic


def plan(clinic: Clinic) -> int:
    with clinic.house.transaction() as session:
        return reminder_plan.plan_medicine(session, clinic.now)


def test_before_a_break_recent_patients_are_told_once(before_a_break: Clinic) -> None:
    clinic = before_a_break
    for number, (ago, consents) in enumerate([(20, "reminder"), (100, "reminder"), (20, "followup")]):
        patient_id = clinic.visitor(f"+861380000010{number}", mrn=f"V-{number}", consents=consents)
        clinic.operation(patient_id, timedelta(days=ago))
    planned = []
    for _ in range(6):
        planned += [plan(clinic), plan(clinic)]
        clinic.forward(days=1)
    assert planned == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]  # on Sunday, three days before
    row = clinic.row()
    assert (row.kind, row.subject, row.due_at) == ("medicine", "2031-03-12", datetime(2031, 3, 9, 8, tzinfo=UTC))
    clinic.now = row.due_at
    clinic.remind()
    [message] = clinic.sent("medicine")
    assert "There is a holiday from Wednesday 12 March." in message.body
    assert message.give_up_at == datetime(2031, 3, 11, 16, tzinfo=UTC)


def test_a_medicine_sms_that_did_not_arrive_is_no_work(before_a_break: Clinic) -> None:
    clinic = before_a_break
    clinic.operation(clinic.visitor(), timedelta(days=20))
    clinic.forward(days=2)
    plan(clinic)
    clinic.now = clinic.row().due_at
    clinic.remind()
    clinic.lost(clinic.sent("medicine")[0])
    assert (clinic.row().status, clinic.work) == ("unreached", [])


def test_off_unless_the_hospital_wants_it_and_not_for_a_short_break(before_a_break: Clinic) -> None:
    clinic = before_a_break
    clinic.operation(clinic.visitor(), timedelta(days=20))
    with clinic.house.transaction() as session:
        session.execute(sa.delete(SpecialDay).where(SpecialDay.day > date(2031, 3, 13)))
    clinic.forward(days=2)
    assert plan(clinic) == 0
    hospital(clinic.house, reminders={"medicine_days": 0})
    clinic.forward(days=1)
    assert (plan(clinic), clinic.rows()) == (0, [])
