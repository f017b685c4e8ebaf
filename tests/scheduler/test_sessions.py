"""Doctors' sessions brought in, told again, moved, cancelled; whatever comes in any order, a slot has one visit."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core.house import House
from core.models import Patient
from scheduler import sessions, slots
from scheduler.models import Appointment, Booked, ClinicSession, Reminder
from tests.fresh import EMPTY
from tests.house import MID_MORNING
from tests.often import stories
from tests.scheduler.clinic import PHONE, SECOND_PHONE
from tests.scheduler.telephone import HOUR, MORNING, Desk

Row = dict[str, Any]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def row(**changes: Any) -> Row:
    """Monday 10 March, 9 to 12 in Shanghai."""
    return {
        **{"session_id": "C-1", "department": "surgery", "doctor": "Dr. Example", "place": "Building 2"},
        **{"starts_at": "2031-03-10T09:00", "ends_at": "2031-03-10T12:00", "slots": "6", "status": "open"},
        **changes,
    }


def told(desk: Desk, folder: Path, *rows: Row, dry_run: bool = False) -> list[tuple[str, str]]:
    reports = desk.bring_sessions(folder, *(rows or (row(),)), dry_run=dry_run)
    return [(report.result, report.detail) for report in reports]


def clinics(desk: Desk) -> list[ClinicSession]:
    with desk.house.transaction() as session:
        return list(session.scalars(sa.select(ClinicSession)))


def full(desk: Desk, folder: Path, count: int) -> None:
    """A session with its first slots taken."""
    told(desk, folder)
    desk.visitor()
    assert [desk.books() for _ in range(count)] == ["booked"] * count


# ---- the file --------------------------------------------------------------------------------------------
def test_a_session_is_brought_in_and_told_again(desk: Desk, tmp_path: Path) -> None:
    assert told(desk, tmp_path) == [("created", "6 slots")]
    assert told(desk, tmp_path) == [("unchanged", "")]
    [clinic] = clinics(desk)
    assert (clinic.external_id, clinic.doctor, clinic.slots) == ("C-1", "Dr. Example", 6)
    assert (clinic.starts_at, clinic.ends_at) == (MORNING, MORNING + 3 * HOUR)
    assert told(desk, tmp_path, row(slots="8", doctor="Dr. Other")) == [("updated", "doctor changed; slots changed")]


def test_a_dry_run_keeps_nothing(desk: Desk, tmp_path: Path) -> None:
    assert told(desk, tmp_path, dry_run=True) == [("created", "6 slots")]
    assert clinics(desk) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"session_id": ""}, "session_id must not be empty"),
        ({"department": ""}, "department must not be empty"),
        ({"starts_at": "soon"}, "starts_at must be a time such as"),
        ({"starts_at": "2041-03-10T09:00", "ends_at": "2041-03-10T12:00"}, "starts_at must lie between"),
        ({"ends_at": "2031-03-10T09:00"}, "ends_at must come after starts_at"),
        ({"ends_at": "2031-03-12T09:00"}, "ends_at must come after starts_at, at most 24 hours later"),
        ({"slots": "0"}, "slots must be a whole number from 1 to 500"),
        ({"slots": "six"}, "slots must be a whole number from 1 to 500"),
        ({"slots": "9999999"}, "slots must be a whole number from 1 to 500"),
        ({"slots": "181"}, "slots is 181: each would be shorter than a minute"),
        ({"status": "maybe"}, "status must be one of open, cancelled"),
        ({"place": "x" * 81}, "place has 81 characters; 80 are the most"),
    ],
)
def test_a_wrong_row_is_refused_with_a_sentence(desk: Desk, tmp_path: Path, changes: Row, sentence: str) -> None:
    [(result, detail)] = told(desk, tmp_path, row(**changes))
    assert result == "refused"
    assert detail.startswith(sentence)
    assert clinics(desk) == []


def test_the_list_shows_free_and_taken_slots(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 2)
    told(desk, tmp_path, row(session_id="C-2", department="eye", status="cancelled"))
    told(desk, tmp_path, row(session_id="C-0", starts_at="2031-03-06T09:00", ends_at="2031-03-06T12:00"))
    with desk.house.transaction() as session:
        listed = sessions.rows(session, desk.now)
        eye = sessions.rows(session, desk.now, "eye")
        visits = sessions.visit_rows(session, desk.now)
    assert [(one["session"], one["taken"], one["free"]) for one in listed] == [("C-1", 2, 4), ("C-2", 0, 0)]
    assert [one["session"] for one in eye] == ["C-2"]
    assert [(one["mrn"], one["session"], one["slot"], one["status"]) for one in visits] == [
        ("V-1", "C-1", 1, "booked"),
        ("V-1", "C-1", 2, "booked"),
    ]


# ---- with visits in it -----------------------------------------------------------------------------------
def test_a_cancelled_session_frees_its_visits_for_a_nurse_and_reminds_nobody(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 2)
    [(result, detail)] = told(desk, tmp_path, row(status="cancelled"))
    assert (result, detail) == ("updated", "status changed; 2 visits freed: a nurse finds another time")
    assert desk.seats() == []
    assert {visit.status for visit in desk.visits()} == {"move_wanted"}
    assert {(one.kind, one.subject_id) for one in desk.work} == {("move_visit", visit.id) for visit in desk.visits()}
    assert {reminder.status for reminder in desk.rows()} == {"cancelled"}
    desk.now = MORNING - timedelta(hours=10)
    desk.remind()
    assert (desk.sent(), desk.live()) == ([], [])


def test_a_visit_whose_session_was_cancelled_is_told_as_such_and_can_be_moved_by_key(
    desk: Desk, tmp_path: Path
) -> None:
    full(desk, tmp_path, 1)
    later = row(session_id="C-2", starts_at="2031-03-12T09:00", ends_at="2031-03-12T12:00")
    told(desk, tmp_path, row(status="cancelled"), later)
    call = desk.known()
    assert desk.facts(call)["visits.en"] == ("Monday, March 10, 9 a.m., being changed",)
    desk.picks(call, "visits", 1)
    assert (desk.facts(call)["visit_stands"], desk.facts(call)["visit_own"]) == (False, True)
    desk.with_call(call, "picked", "slots", "others")
    desk.picks(call, "slots", 1)
    assert desk.settles(call, "move") == "moved"
    assert desk.seats() == [(0, MORNING + timedelta(days=2))]
    assert desk.row(status="planned").deadline_at == MORNING + timedelta(days=2)


def test_who_wanted_to_cancel_anyway_is_not_offered_another_time(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 1)
    desk.change(desk.visits()[0], status="cancel_wanted")
    told(desk, tmp_path, row(status="cancelled"))
    assert (desk.visits()[0].status, [one.kind for one in desk.work]) == ("cancel_wanted", ["cancel_visit"])


def test_a_session_that_moves_keeps_the_visits_whose_hour_it_still_has(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 2)
    early, late = desk.visits()
    assert (early.starts_at, late.starts_at) == (MORNING, MORNING + HOUR / 2)
    moved = row(starts_at="2031-03-10T09:30", ends_at="2031-03-10T12:30")
    [(result, detail)] = told(desk, tmp_path, moved)
    assert (result, detail) == (
        "updated",
        "starts_at changed; ends_at changed; 1 visit freed: a nurse finds another time",
    )
    assert desk.seats() == [(0, late.starts_at)]
    assert [(one.kind, one.subject_id) for one in desk.work] == [("move_visit", early.id)]
    assert [visit.starts_at for visit in desk.visits()] == [early.starts_at, late.starts_at], "none is moved unasked"


def test_fewer_slots_than_booked_are_refused(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 3)
    assert told(desk, tmp_path, row(slots="2")) == [("refused", "slots is 2, but 3 are booked")]
    [(result, detail)] = told(desk, tmp_path, row(slots="7"))
    assert result == "refused"
    assert detail.endswith("visits are booked at hours that 7 slots do not have")
    assert len(desk.seats()) == 3
    assert clinics(desk)[0].slots == 6


def test_more_slots_keep_every_visit_at_its_hour(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 3)
    hours = {visit.starts_at for visit in desk.visits()}
    assert told(desk, tmp_path, row(slots="12")) == [("updated", "slots changed")]
    assert {at for _, at in desk.seats()} == hours
    assert all(at == MORNING + slot * HOUR / 4 for slot, at in desk.seats())
    assert desk.work == []


def test_another_place_is_what_a_reminder_says(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 1)
    told(desk, tmp_path, row(place="Building 9"))
    assert desk.visits()[0].place == "Building 9"
    desk.now = desk.row().due_at
    desk.remind()
    assert "Building 9" in desk.sent()[0].body


def test_another_department_is_another_session(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 1)
    [(result, detail)] = told(desk, tmp_path, row(department="eye"))
    assert (result, detail.startswith("department: 1 visits are booked")) == ("refused", True)


def test_a_session_that_has_begun_keeps_its_hours(desk: Desk, tmp_path: Path) -> None:
    full(desk, tmp_path, 1)
    desk.now = MORNING + HOUR
    [(result, detail)] = told(desk, tmp_path, row(slots="12"))
    assert (result, detail.startswith("the session has begun with 1 visits")) == ("refused", True)
    [(result, detail)] = told(desk, tmp_path, row(status="cancelled"))
    assert (result, detail) == ("updated", "status changed")
    assert desk.visits()[0].status == "booked", "a visit that is over stays as it was"


# ---- whatever comes --------------------------------------------------------------------------------------
@stories(6, 15)
def test_a_slot_has_one_visit_whatever_comes_in_whatever_order(
    house: House, tmp_path_factory: pytest.TempPathFactory, examples: int
) -> None:
    desk, folder = Desk(house), tmp_path_factory.mktemp("files")
    phones = (PHONE, SECOND_PHONE)
    names = ("C-1", "C-2")
    results: Counter[str] = Counter()

    class AnyOrder(RuleBasedStateMachine):
        @initialize()
        def two_sessions_and_two_callers(self) -> None:
            desk.now = MID_MORNING
            desk.work.clear()
            with house.transaction() as session:
                session.execute(sa.text(EMPTY))
            for number, phone in enumerate(phones):
                desk.visitor(phone, mrn=f"V-{number}")
            for name in names:
                self.bring(name)
            self.calls: dict[str, uuid.UUID] = {phone: desk.known(phone) for phone in phones}
            for phone in phones:
                self.chooses_a_time(phone, 0, at_once=True)

        def bring(self, name: str, **changes: Any) -> str:
            day = 10 + names.index(name)
            hours = {"starts_at": f"2031-03-{day}T09:00", "ends_at": f"2031-03-{day}T12:00", "slots": "3"}
            return told(desk, folder, row(session_id=name, **{**hours, **changes}))[0][0]

        @rule(phone=st.sampled_from(phones), key=st.integers(0, 4), at_once=st.sampled_from([True, True, False]))
        def chooses_a_time(self, phone: str, key: int, at_once: bool) -> None:
            if desk.facts(self.calls[phone])["departments"]:
                desk.picks(self.calls[phone], "departments", 1)
                self.picks_a_slot(phone, key)
            if at_once:
                self.presses_the_last_key(phone, "book")

        @rule(
            phone=st.sampled_from(phones),
            key=st.integers(0, 4),
            action=st.sampled_from(["", "move", "move", "cancel"]),
        )
        def chooses_a_visit(self, phone: str, key: int, action: str) -> None:
            if desk.facts(self.calls[phone])["visits"]:
                desk.picks(self.calls[phone], "visits", 1)
                desk.with_call(self.calls[phone], "picked", "slots", "others")
                self.picks_a_slot(phone, key)
            if action:
                self.presses_the_last_key(phone, action)

        def picks_a_slot(self, phone: str, key: int) -> None:
            if offered := desk.facts(self.calls[phone])["slots"]:
                desk.picks(self.calls[phone], "slots", key % len(offered) + 1)

        @rule(phone=st.sampled_from(phones))
        def keys_what_was_chosen_before(self, phone: str) -> None:
            self.presses_the_last_key(phone, "book")

        def presses_the_last_key(self, phone: str, action: str) -> None:
            heard = desk.facts(self.calls[phone]).get("slot.en")
            result = desk.settles(self.calls[phone], action)
            results[result] += 1
            if result in ("booked", "moved"):
                assert desk.facts(self.calls[phone])["when.en"] == heard, "the hour that was heard, and no other"

        @rule(phone=st.sampled_from(phones))
        def hangs_up_and_rings_again(self, phone: str) -> None:
            self.calls[phone] = desk.known(phone)

        @rule(
            name=st.sampled_from(names),
            status=st.sampled_from(["open", "open", "open", "cancelled"]),
            slots=st.sampled_from(["3", "3", "6", "2"]),
            starts=st.sampled_from(["09:00", "09:00", "10:00"]),
        )
        def a_file_comes(self, name: str, status: str, slots: str, starts: str) -> None:
            day = 10 + names.index(name)
            self.bring(name, status=status, slots=slots, starts_at=f"2031-03-{day}T{starts}")

        @rule(data=st.data())
        def the_hospitals_system_cancels_a_visit(self, data: st.DataObject) -> None:
            ours = [visit for visit in desk.visits() if visit.status != "cancelled"]
            if ours:
                visit = data.draw(st.sampled_from(ours))
                numbers = {desk_id: f"V-{n}" for n, desk_id in enumerate(self.patients())}
                line = (numbers[visit.patient_id], visit.external_id, visit.starts_at.isoformat(), "surgery", "", "no")
                assert desk.bring(folder / "visits.csv", (*line, "cancelled"))[0].result == "updated"

        def patients(self) -> list[uuid.UUID]:
            with house.transaction() as session:
                return list(session.scalars(sa.select(Patient.id).order_by(Patient.created_at, Patient.id)))

        @invariant()
        def every_seat_is_one_visits_at_its_hour(self) -> None:
            query = sa.select(Booked, ClinicSession, Appointment).join_from(
                Booked, ClinicSession, ClinicSession.id == Booked.session_id
            )
            with house.transaction() as session:
                seats = session.execute(query.join(Appointment, Appointment.id == Booked.appointment_id)).all()
                visits = session.scalars(sa.select(Appointment)).all()
                waiting = session.scalars(sa.select(Reminder).where(Reminder.status == "planned")).all()
            assert len({(seat.session_id, seat.slot) for seat, _, _ in seats}) == len(seats)
            for seat, clinic, visit in seats:
                assert clinic.status == "open"
                assert 0 <= seat.slot < clinic.slots
                times: list[datetime] = slots.grid(clinic.starts_at, clinic.ends_at, clinic.slots)
                assert visit.starts_at == times[seat.slot]
                assert visit.status != "cancelled"
            seated = {visit.id for _, _, visit in seats}
            wanted = {one.subject_id for one in desk.work}
            for visit in visits:
                assert visit.id in seated or visit.status == "cancelled" or visit.id in wanted, "silently dropped"
            assert {reminder.appointment_id for reminder in waiting} == seated, "who has a seat is reminded, no other"

    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),  # to make a failure smaller takes minutes of database time
            derandomize=True,
        ),
    )
    assert results.keys() >= {"booked", "moved", "cancelled"}, "the stories have told too little"
