"""A hospital's table of visits: each row stands or falls alone, and the reminders follow it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from openpyxl import Workbook

from core.house import House
from scheduler.appointments import import_appointments
from scheduler.models import Appointment
from tests.scheduler.clinic import hospital
from tests.scheduler.visits import MRN, VISIT, Clinic

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def clinic(house: House) -> Clinic:
    return Clinic(house)


@pytest.fixture
def rung(clinic: Clinic) -> Clinic:
    """Calls instead of messages; the eve of one visit has come."""
    hospital(clinic.house, reminders={"channel": "call"})
    visit = clinic.visit(clinic.visitor(), VISIT, fasting=True)
    clinic.now = clinic.eve(visit)
    return clinic


def the_visit(clinic: Clinic) -> Appointment:
    with clinic.house.transaction() as session:
        return session.scalars(sa.select(Appointment)).one()


ROW = (MRN, "A-1", "2031-03-10T09:00", "oncology", "Building 2, hall", "yes", "booked")


def results(clinic: Clinic, path: Path, *changed: str, **more: Any) -> tuple[str, str]:
    [report] = clinic.bring(path / "visits.csv", (*changed, *ROW[len(changed) :]), **more)
    return report.result, report.detail


def test_a_file_of_visits_plans_their_reminders_and_twice_changes_nothing(clinic: Clinic, tmp_path: Path) -> None:
    clinic.visitor()
    assert results(clinic, tmp_path) == ("created", "1 reminder planned")
    assert [results(clinic, tmp_path) for _ in range(2)] == [("unchanged", "")] * 2
    visit = the_visit(clinic)
    assert (visit.starts_at, visit.fasting, visit.place, visit.status) == (VISIT, True, "Building 2, hall", "booked")
    assert (len(clinic.rows()), clinic.row().deadline_at) == (1, VISIT)


def test_a_file_moves_cancels_and_books_again(clinic: Clinic, tmp_path: Path) -> None:
    clinic.visitor()
    results(clinic, tmp_path)
    moved = results(clinic, tmp_path, MRN, "A-1", "2031-03-12T09:00")
    assert moved == ("updated", "starts_at changed; 1 reminder planned anew")
    assert clinic.row().deadline_at == VISIT + timedelta(days=2)
    off = results(clinic, tmp_path, MRN, "A-1", "2031-03-12T09:00", "oncology", "Building 2, hall", "yes", "cancelled")
    assert off == ("updated", "status changed; 1 reminder cancelled")
    assert results(clinic, tmp_path, MRN, "A-1", "2031-03-12T09:00") == (
        "updated",
        "status changed; 1 reminder planned anew",
    )
    assert sorted(row.status for row in clinic.rows()) == ["cancelled", "planned"]


def test_what_the_patient_keyed_stands_until_the_hospital_moves_the_visit(rung: Clinic, tmp_path: Path) -> None:
    with rung.house.transaction() as session:
        session.scalars(sa.select(Appointment)).one().external_id = "A-1"
    rung.keys(rung.call_out(), "move")
    assert results(rung, tmp_path) == ("unchanged", "")
    assert the_visit(rung).status == "move_wanted"
    results(rung, tmp_path, MRN, "A-1", "2031-03-12T09:00")
    assert the_visit(rung).status == "booked"
    assert sorted(row.status for row in rung.rows()) == ["move_wanted", "planned"]


def test_only_the_department_changed_and_nobody_is_told_again(clinic: Clinic, tmp_path: Path) -> None:
    clinic.visitor()
    results(clinic, tmp_path)
    assert results(clinic, tmp_path, MRN, "A-1", "2031-03-10T09:00", "surgery") == ("updated", "department changed")
    assert len(clinic.rows()) == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (("V-9",), ("refused", "mrn: no patient with this record number is on file; import the patient first")),
        ((MRN, ""), ("refused", "appointment_id must not be empty")),
        ((MRN, "A-1", "10 March"), ("refused", "starts_at must be a time such as 2026-11-20T09:30, not '10 March'")),
        ((MRN, "A-1", "2039-03-10"), ("refused", "starts_at must lie between 1990 and two years from now")),
        ((MRN, "A-1", "2031-03-07T09:00"), ("created", "the visit is over, no reminder")),
        ((*ROW[:4], "x" * 81), ("refused", "place has 81 characters; an SMS has room for 80")),
        ((*ROW[:5], "perhaps"), ("refused", "fasting must be yes or no, not 'perhaps'")),
        ((*ROW[:6], "open"), ("refused", "status must be one of booked, cancelled, not 'open'")),
        ((*ROW[:6], "cancelled"), ("created", "cancelled, nothing planned")),
    ],
)
def test_a_row_stands_or_falls_with_a_sentence(
    clinic: Clinic, tmp_path: Path, changed: tuple[str, ...], expected: tuple[str, str]
) -> None:
    clinic.visitor()
    assert results(clinic, tmp_path, *changed) == expected


def test_a_dry_run_keeps_nothing(clinic: Clinic, tmp_path: Path) -> None:
    clinic.visitor()
    assert results(clinic, tmp_path, dry_run=True) == ("created", "1 reminder planned")
    assert clinic.rows() == []


def test_a_workbook_will_do(clinic: Clinic, tmp_path: Path) -> None:
    clinic.visitor()
    book = Workbook()
    book.active.append(["mrn", "appointment_id", "starts_at", "fasting"])
    book.active.append([MRN, "A-1", VISIT.astimezone(SHANGHAI).replace(tzinfo=None), "yes"])
    book.save(tmp_path / "visits.xlsx")
    [report] = import_appointments(clinic.house, tmp_path / "visits.xlsx", clinic.now)
    assert (report.result, report.detail) == ("created", "1 reminder planned")
    assert clinic.row().deadline_at == VISIT
