"""Visits booked, moved and cancelled by telephone: who may, what is offered, and that a slot has one visit."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from core import events, people
from core.house import House
from core.models import EventRow, new_id
from dialer.models import Call
from scheduler import visits
from scheduler.booking import MOST_AHEAD, MOST_WRONG, OTHERS
from scheduler.models import Booked, VisitDraft
from tests.scheduler.clinic import PHONE, SECOND_PHONE, hospital
from tests.scheduler.telephone import BIRTHDAY, HOUR, MORNING, Desk

THIRD_PHONE = "+8613800000003"
DAY = timedelta(days=1)


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


# ---- who rings -------------------------------------------------------------------------------------------
def test_nothing_is_told_before_the_birthday_is_right(desk: Desk) -> None:
    patient = desk.visitor()
    desk.visit(patient, MORNING)
    desk.clinic()
    call = desk.rings()
    assert desk.facts(call) == {"known_number": True}
    assert not desk.with_call(call, "identify", "0605")
    assert desk.facts(call) == {"known_number": True}
    assert desk.with_call(call, "identify", BIRTHDAY)
    told = desk.facts(call)
    assert told["identified"]
    assert told["visits.en"] == ("Monday, March 10, 9 a.m.",)
    with desk.house.transaction() as session:
        assert session.get_one(Call, call).patient_id == patient


@pytest.mark.parametrize("phone", ["", "+8613800000099"])
def test_a_number_not_on_file_is_nobodys(desk: Desk, phone: str) -> None:
    desk.visitor()
    call = desk.rings(phone)
    assert desk.facts(call) == {"known_number": False}
    assert not desk.with_call(call, "identify", BIRTHDAY)


def test_a_family_with_one_telephone_is_told_apart_by_birthday(desk: Desk) -> None:
    desk.visitor(mrn="V-1")
    second = desk.visitor(mrn="V-2", born="1985-07-08")
    call = desk.known(birthday="0708")
    with desk.house.transaction() as session:
        assert session.get_one(Call, call).patient_id == second


def test_twins_on_one_telephone_are_nobody(desk: Desk) -> None:
    desk.visitor(mrn="V-1")
    desk.visitor(mrn="V-2")
    assert not desk.with_call(desk.rings(), "identify", BIRTHDAY)


def test_the_number_of_somebody_who_died_is_nobodys(desk: Desk) -> None:
    desk.visitor(status="deceased")
    call = desk.rings()
    assert desk.facts(call) == {"known_number": False}
    assert not desk.with_call(call, "identify", BIRTHDAY)


def test_a_relative_the_patient_has_said_no_to_hears_nothing(desk: Desk) -> None:
    patient = desk.visitor()
    desk.relative(patient, THIRD_PHONE)
    assert desk.with_call(desk.rings(THIRD_PHONE), "identify", BIRTHDAY)
    with desk.house.transaction() as session:
        people.set_consent(session, patient, "family", False, "keypad", desk.now)
    assert not desk.with_call(desk.rings(THIRD_PHONE), "identify", BIRTHDAY)


def test_two_birthdays_a_call_and_six_wrong_ones_a_day(desk: Desk) -> None:
    desk.visitor()
    first = desk.rings()
    assert [desk.with_call(first, "identify", key) for key in ("0101", "0102", BIRTHDAY)] == [False, False, False]
    for wrong in range(2, MOST_WRONG):
        assert not desk.with_call(desk.rings(), "identify", f"03{wrong:02}")
    assert not desk.with_call(desk.rings(), "identify", BIRTHDAY), "after six even the right one is not heard"
    desk.forward(hours=25)
    assert desk.with_call(desk.rings(), "identify", BIRTHDAY)


def test_wrong_birthdays_of_another_number_do_not_count(desk: Desk) -> None:
    desk.visitor(PHONE, SECOND_PHONE)
    for wrong in range(MOST_WRONG):
        desk.with_call(desk.rings(SECOND_PHONE), "identify", f"03{wrong + 1:02}")
    assert desk.with_call(desk.rings(PHONE), "identify", BIRTHDAY)


def test_what_was_keyed_is_stored_nowhere(desk: Desk) -> None:
    desk.visitor()
    call = desk.rings()
    desk.with_call(call, "identify", "1231")
    desk.with_call(call, "identify", BIRTHDAY)
    with desk.house.transaction() as session:
        told = [str(row.data) + row.why + row.what for row in session.scalars(sa.select(EventRow))]
    assert not [words for words in told if "1231" in words or BIRTHDAY in words]


# ---- what is offered -------------------------------------------------------------------------------------
def test_departments_are_those_with_a_free_time_in_the_hospitals_words(desk: Desk) -> None:
    said = {"zh-CN": "眼科", "en": "Eyes"}
    hospital(desk.house, hotline={"departments": [{"name": "eye", "say": said}, {"name": "heart", "say": said}]})
    desk.visitor()
    desk.clinic()
    desk.clinic(department="eye")
    desk.clinic(department="closed", status="cancelled")
    desk.clinic(MORNING - 10 * DAY, department="over")
    desk.clinic(desk.now - HOUR, department="too soon")
    desk.clinic(MORNING + 90 * DAY, department="too far")
    told = desk.facts(desk.known())
    assert told["departments_values"] == ("eye", "surgery")
    assert (told["departments.en"], told["departments.zh-CN"]) == (("Eyes", "surgery"), ("眼科", "surgery"))


def test_times_are_told_in_both_languages_and_only_of_open_sessions_of_the_department(desk: Desk) -> None:
    desk.visitor()
    desk.clinic()
    desk.clinic(MORNING + DAY, status="cancelled")
    desk.clinic(MORNING + 2 * DAY, department="eye")
    call = desk.known()
    desk.picks(call, "departments", 2)
    told = desk.facts(call)
    assert told["slots.en"] == ("Monday, March 10, 9 a.m.",)
    assert told["slots.zh-CN"] == ("3月10日星期一上午9点",)


def test_a_key_means_what_was_heard_with_it_whatever_others_book_meanwhile(desk: Desk) -> None:
    desk.visitor(PHONE)
    desk.visitor(SECOND_PHONE, mrn="V-2")
    desk.clinic(slots=3)
    desk.clinic(MORNING + DAY, slots=3)
    slow = desk.known()
    desk.picks(slow, "departments", 1)
    heard = desk.facts(slow)["slots.en"]
    assert heard == ("Monday, March 10, 9 a.m.", "Tuesday, March 11, 9 a.m.")
    assert desk.books(SECOND_PHONE) == "booked"
    desk.picks(slow, "slots", 2)
    assert desk.facts(slow)["slot.en"] == heard[1]


def test_other_times_follow_until_there_are_none(desk: Desk) -> None:
    desk.visitor()
    desk.clinic(slots=2)
    call = desk.known()
    desk.picks(call, "departments", 1)
    heard = [desk.facts(call)["slots.en"]]
    for _ in range(2):
        desk.with_call(call, "picked", "slots", OTHERS)
        heard.append(desk.facts(call)["slots.en"])
    assert heard == [("Monday, March 10, 9 a.m.",), ("Monday, March 10, 10:30 a.m.",), ()]


# ---- booking ---------------------------------------------------------------------------------------------
def test_a_visit_is_booked_and_reminded_of_the_day_before(desk: Desk) -> None:
    patient = desk.visitor()
    desk.clinic()
    call = desk.known()
    desk.picks(call, "departments", 1)
    desk.picks(call, "slots", 1)
    told = desk.facts(call)
    assert (told["slot.en"], told["doctor"], told["place"]) == ("Monday, March 10, 9 a.m.", "Dr. Example", "Building 2")
    assert desk.visits() == [], "nothing before the last key"
    assert desk.settles(call, "book") == "booked"
    [visit] = desk.visits()
    assert (visit.patient_id, visit.starts_at, visit.department) == (patient, MORNING, "surgery")
    assert (visit.status, visit.place, visit.external_id[:4]) == ("booked", "Building 2", "tel-")
    assert desk.seats() == [(0, MORNING)]
    told = desk.facts(call)
    assert (told["visit_done"], told["when.en"], told["reminded"]) == (True, "Monday, March 10, 9 a.m.", True)
    reminder = desk.row()
    assert (reminder.appointment_id, reminder.status, reminder.due_at) == (visit.id, "planned", desk.eve(visit))
    desk.now = reminder.due_at
    desk.remind()
    [message] = desk.sent()
    assert "Building 2" in message.body


def test_without_consent_no_reminder_is_promised(desk: Desk) -> None:
    desk.visitor(consents="")
    desk.clinic()
    call = desk.known()
    desk.picks(call, "departments", 1)
    desk.picks(call, "slots", 1)
    assert desk.settles(call, "book") == "booked"
    assert not desk.facts(call)["reminded"]


def test_who_hangs_up_before_the_last_key_has_booked_nothing(desk: Desk) -> None:
    desk.visitor()
    desk.clinic(slots=1)
    call = desk.known()
    desk.picks(call, "departments", 1)
    desk.picks(call, "slots", 1)
    with desk.house.transaction() as session:
        events.publish(session, events.CallEnded(call), desk.now)
    with desk.house.transaction() as session:
        assert session.get(VisitDraft, call) is None
    assert desk.seats() == []
    desk.with_call(call, "settle", "book")
    assert desk.visits() == []
    assert desk.books() == "booked", "the slot is free for the next caller"


def test_a_repeated_last_key_books_once(desk: Desk) -> None:
    desk.visitor()
    desk.clinic()
    call = desk.known()
    desk.picks(call, "departments", 1)
    desk.picks(call, "slots", 1)
    assert [desk.settles(call, "book") for _ in range(2)] == ["booked", "gone"]
    assert len(desk.visits()) == 1


def test_nobody_fills_a_doctors_day_alone(desk: Desk) -> None:
    desk.visitor()
    desk.clinic(slots=20)
    assert [desk.books() for _ in range(MOST_AHEAD + 1)] == ["booked"] * MOST_AHEAD + ["gone"]


def test_a_value_that_was_not_offered_is_not_booked(desk: Desk) -> None:
    desk.visitor()
    clinic, closed = desk.clinic(), desk.clinic(department="eye", status="cancelled")
    call = desk.known()
    desk.picks(call, "departments", 1)
    for value in ("", "7", "x/y/z", f"{closed.id}/0/{int(MORNING.timestamp())}", f"{clinic.id}/3/0"):
        desk.with_call(call, "picked", "slots", value)
        assert desk.settles(call, "book") == "gone"
    assert desk.visits() == []


def test_two_callers_who_key_one_slot_at_once_get_one_and_an_offer(desk: Desk) -> None:
    desk.visitor(PHONE)
    desk.visitor(SECOND_PHONE, mrn="V-2")
    desk.clinic(slots=2)
    calls = [desk.known(phone) for phone in (PHONE, SECOND_PHONE)]
    for call in calls:
        desk.picks(call, "departments", 1)
        desk.picks(call, "slots", 1)
    at_once = threading.Barrier(2)

    def key(call: uuid.UUID) -> None:
        at_once.wait(timeout=20)
        desk.with_call(call, "settle", "book")

    threads = [threading.Thread(target=key, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(desk.draft(call).result for call in calls) == ["booked", "taken"]
    assert desk.seats() == [(0, MORNING)]
    late = next(call for call in calls if desk.draft(call).result == "taken")
    told = desk.facts(late)
    assert (told["visit_taken"], told["slots.en"]) == (True, ("Monday, March 10, 10:30 a.m.",))
    desk.picks(late, "slots", 1)
    assert desk.settles(late, "book") == "booked"
    assert len(desk.seats()) == 2


def test_the_table_itself_refuses_a_second_visit_in_a_slot(desk: Desk) -> None:
    patient = desk.visitor()
    clinic = desk.clinic()
    desk.books()
    visit = desk.visit(patient, MORNING)

    def squeeze_in() -> None:
        with desk.house.transaction() as session:
            session.add(Booked(id=new_id(), session_id=clinic.id, slot=0, appointment_id=visit.id, at=desk.now))

    with pytest.raises(IntegrityError, match="uq_booked_slots"):
        squeeze_in()


# ---- visits there are ------------------------------------------------------------------------------------
def test_our_own_visit_is_moved_at_once_and_its_reminder_with_it(desk: Desk) -> None:
    desk.visitor()
    desk.clinic(slots=2)
    desk.clinic(MORNING + 2 * DAY, slots=2, place="Building 9")
    desk.books()
    [old] = desk.rows()
    call = desk.known()
    desk.picks(call, "visits", 1)
    told = desk.facts(call)
    assert (told["visit_own"], told["visit_stands"], told["when.en"]) == (True, True, "Monday, March 10, 9 a.m.")
    desk.with_call(call, "picked", "slots", OTHERS)
    assert desk.facts(call)["slots.en"] == ("Monday, March 10, 10:30 a.m.", "Wednesday, March 12, 9 a.m.")
    desk.picks(call, "slots", 2)
    assert desk.settles(call, "move") == "moved"
    [visit] = desk.visits()
    assert (visit.starts_at, visit.place, visit.status) == (MORNING + 2 * DAY, "Building 9", "booked")
    assert desk.seats() == [(0, MORNING + 2 * DAY)]
    assert (desk.row().id, desk.row().deadline_at) == (old.id, visit.starts_at)
    assert desk.facts(call)["when.en"] == "Wednesday, March 12, 9 a.m."
    assert (desk.work, desk.tickets) == ([], [])


def test_our_own_visit_is_cancelled_at_once_and_its_slot_is_free(desk: Desk) -> None:
    desk.visitor()
    desk.clinic(slots=1)
    desk.books()
    call = desk.known()
    desk.picks(call, "visits", 1)
    assert desk.settles(call, "cancel") == "cancelled"
    assert (desk.visits()[0].status, desk.seats(), desk.row().status) == ("cancelled", [], "cancelled")
    assert desk.facts(call)["visits"] == ()
    assert desk.books() == "booked"


@pytest.mark.parametrize(
    ("action", "status", "work"),
    [("move", "move_wanted", "move_visit"), ("cancel", "cancel_wanted", "cancel_visit")],
)
def test_a_visit_of_the_hospitals_system_is_a_nurses_to_change(
    desk: Desk, action: str, status: str, work: str
) -> None:
    patient = desk.visitor()
    visit = desk.visit(patient, MORNING)
    call = desk.known()
    desk.picks(call, "visits", 1)
    assert not desk.facts(call)["visit_own"]
    assert desk.settles(call, action) == "noted"
    assert desk.booked(visit) == status
    assert [(one.kind, one.subject_id) for one in desk.work] == [(work, visit.id)]
    assert desk.tickets == [], "the item is a ticket already: two people would ring about one wish"
    with desk.house.transaction() as session:
        assert session.scalars(sa.text("SELECT kind FROM tickets")).all() == ["nurse"]
    told = desk.facts(call)
    assert (told["visit_noted"], told["visit_done"], told["visit_stands"]) == (True, False, False)
    assert told["visits.en"] == ("Monday, March 10, 9 a.m., being changed",)


def test_another_patients_visit_cannot_be_picked(desk: Desk) -> None:
    desk.visitor(PHONE)
    other = desk.visit(desk.visitor(SECOND_PHONE, mrn="V-2"), MORNING)
    call = desk.known(PHONE)
    for value in (str(other.id), "", "1"):
        desk.with_call(call, "picked", "visits", value)
        assert desk.settles(call, "cancel") == "gone"
    assert desk.booked(other) == "booked"


def test_a_visit_that_is_over_is_not_changed(desk: Desk) -> None:
    desk.visitor()
    desk.clinic()
    desk.books()
    call = desk.known()
    desk.picks(call, "visits", 1)
    desk.now = MORNING + HOUR
    assert desk.settles(call, "cancel") == "gone"
    assert desk.facts(call)["visits"] == ()
    assert desk.visits()[0].status == "booked"


@pytest.mark.parametrize("change", [{"status": "cancelled"}, {"starts_at": (MORNING + HOUR).isoformat()}])
def test_what_an_import_takes_over_gives_its_slot_back(desk: Desk, tmp_path: Path, change: dict[str, str]) -> None:
    desk.visitor()
    desk.clinic(slots=1)
    desk.books()
    [visit] = desk.visits()
    row = {"starts_at": MORNING.isoformat(), "status": "booked"} | change
    [told] = desk.bring(
        tmp_path / "visits.csv",
        ("V-1", visit.external_id, row["starts_at"], "surgery", "Building 2", "no", row["status"]),
    )
    assert (told.result, desk.seats()) == ("updated", [])


# ---- what it costs ---------------------------------------------------------------------------------------
def test_free_times_and_departments_are_found_by_index_after_years(desk: Desk) -> None:
    with desk.house.transaction() as session:
        session.execute(
            sa.text(
                "INSERT INTO clinic_sessions (id, external_id, department, doctor, place, starts_at, ends_at, slots,"
                " status) SELECT md5('s' || n)::uuid, 's' || n, 'd' || n % 20, 'x', '', t, t + interval '3 hours', 6,"
                " 'open' FROM (SELECT n, timestamptz '2031-04-01' - n * interval '3 hours' AS t"
                " FROM generate_series(1, 20000) n) n"
            )
        )
        session.execute(
            sa.text(
                "INSERT INTO patients"
                " (id, mrn, mrn_index, name, sex, language, timezone, allergies, status, created_at)"
                " VALUES (md5('p')::uuid, 'x', 'x', 'x', '', 'en', 'Asia/Shanghai', 'x', 'active', '2030-01-01')"
            )
        )
        session.execute(
            sa.text(
                "INSERT INTO appointments (id, patient_id, external_id, starts_at, department, place, fasting, status)"
                " SELECT md5('v' || n)::uuid, md5('p')::uuid, 'tel-' || n, '2030-01-01', '', '', false, 'booked'"
                " FROM generate_series(1, 20000) n"
            )
        )
        session.execute(
            sa.text(
                "INSERT INTO booked_slots (id, session_id, slot, appointment_id, at) SELECT md5('b' || n)::uuid,"
                " md5('s' || n)::uuid, 0, md5('v' || n)::uuid, '2030-01-01' FROM generate_series(1, 20000) n"
            )
        )
        for table in ("clinic_sessions", "booked_slots", "appointments"):
            session.execute(sa.text(f"ANALYZE {table}"))
    span = visits._span(desk.now)
    questions = [
        (visits.FREE, {"department": "d3", **span}),
        (visits.DEPARTMENTS, span),
        (visits.UPCOMING, {"patient_id": uuid.uuid4(), "now": desk.now}),
    ]
    seen: list[tuple[str, Any]] = []
    with desk.house.engine.connect() as connection:

        def note(_connection: Any, _cursor: Any, text: str, values: Any, _context: Any, _many: bool) -> None:
            seen.append((text, values))

        sa.event.listen(connection, "before_cursor_execute", note)
        for question, values in questions:
            connection.execute(question, values).all()
        for text, parameters in list(seen):
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN {text}", parameters).scalars())
            for table in ("clinic_sessions", "booked_slots", "appointments"):
                assert f"Seq Scan on {table}" not in plan, f"{text}\n{plan}"
    assert len(seen) >= len(questions)


def test_every_status_of_a_visit_has_a_way_through_the_table() -> None:
    ends = {to for (_, _), to in visits.MOVES.items()}
    assert ends == {"booked", "move_wanted", "cancel_wanted", "cancelled"}
    assert not [key for key in visits.MOVES if key[0] == "cancelled"], "what is cancelled stays so"
