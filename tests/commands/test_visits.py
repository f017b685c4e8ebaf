"""Visits and their reminders at the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.commands.conftest import Carecall
from tests.commands.test_commands import file, patients


def test_visits_are_brought_in_and_their_reminders_listed(at_work: Carecall, tmp_path: Path) -> None:
    at_work("import", "patients", str(patients(tmp_path)))
    starts = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)
    row = {"mrn": "T-0001", "appointment_id": "A-1", "starts_at": starts.isoformat(), "place": "Building 2"}
    visits = str(file(tmp_path / "visits.csv", row))
    told = at_work("import", "appointments", visits)
    assert (told.code, "1 reminder planned" in told.out, "1 rows taken, 0 refused" in told.out) == (0, True, True)
    assert at_work("import", "appointments", visits, "--json").rows[0]["result"] == "unchanged"
    [line] = at_work("reminders", "--patient", "T-0001", "--json").rows
    assert (line["of"], line["status"], line["channel"], line["kind"]) == ("A-1", "planned", "sms", "appointment")
    assert datetime.fromisoformat(line["starts_at"]) == starts
    assert at_work("reminders").out.splitlines()[2].startswith("T-0001")


def test_a_procedure_whose_recovery_text_does_not_exist_stops_the_start(at_work: Carecall, tmp_path: Path) -> None:
    hospital = tmp_path / "hospital.toml"
    words = '\n[followup.procedure.knee]\nrecovery = "recovery_knee"\n'
    hospital.write_text(hospital.read_text(encoding="utf-8") + words, encoding="utf-8")
    told = at_work("reminders")
    assert told.code == 2
    assert "no such text is in texts/en.yaml" in told.err


def test_sessions_are_brought_in_and_listed_with_their_free_slots(at_work: Carecall, tmp_path: Path) -> None:
    starts = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)
    row = {"session_id": "C-1", "department": "surgery", "doctor": "Dr. Example", "place": "Building 2",
           "starts_at": starts.isoformat(), "ends_at": (starts + timedelta(hours=3)).isoformat(), "slots": "6",
           "status": "open"}  # fmt: skip
    path = str(file(tmp_path / "sessions.csv", row))
    dry = at_work("import", "sessions", path, "--dry-run")
    assert (dry.code, "nothing kept" in dry.out, at_work("sessions", "--json").rows) == (0, True, [])
    told = at_work("import", "sessions", path)
    assert (told.code, "6 slots" in told.out, "1 rows taken, 0 refused" in told.out) == (0, True, True)
    assert at_work("import", "sessions", path, "--json").rows[0]["result"] == "unchanged"
    [line] = at_work("sessions", "--department", "surgery", "--json").rows
    assert (line["session"], line["slots"], line["taken"], line["free"]) == ("C-1", 6, 0, 6)
    assert at_work("sessions", "--department", "eye").out.strip() == "(none)"
    wrong = at_work("import", "sessions", str(file(tmp_path / "wrong.csv", row | {"slots": "many"})))
    assert (wrong.code, "slots must be a whole number" in wrong.out) == (1, True)


def test_visits_ahead_are_listed(at_work: Carecall, tmp_path: Path) -> None:
    at_work("import", "patients", str(patients(tmp_path)))
    starts = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)
    row = {"mrn": "T-0001", "appointment_id": "A-1", "starts_at": starts.isoformat(), "place": "Building 2"}
    at_work("import", "appointments", str(file(tmp_path / "visits.csv", row)))
    [line] = at_work("visits", "--patient", "T-0001", "--json").rows
    assert (line["visit"], line["mrn"], line["session"], line["status"]) == ("A-1", "T-0001", "", "booked")
    assert at_work("visits").out.splitlines()[2].startswith("T-0001")
