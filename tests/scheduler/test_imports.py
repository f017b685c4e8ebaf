"""Files from the hospital: patients with operations, and the duty roster."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core import people
from core.db import Base, blind
from core.house import House
from core.models import EventRow, Patient, Procedure
from core.tables import FileProblem, RowReport
from dialer.models import Shift
from dialer.roster_import import import_roster
from scheduler import import_store, imports
from scheduler.imports import import_patients
from scheduler.models import FollowUp
from tests.house import MID_MORNING

ROW = {
    "mrn": "T-0001",
    "name": "Ann Example",
    "phone": "+8613800000001",
    "procedure_id": "OP-1",
    "surgery_end": "2031-03-07T08:00",
}
SHIFT = {
    "department": "*",
    "tier": "1",
    "doctor": "Dr One",
    "phone": "+8613800000021",
    "start": "2031-03-07T08:00",
    "end": "2031-03-08T08:00",
}


@contextmanager
def counted(house: House) -> Iterator[Counter[str]]:
    """What the database is asked meanwhile."""
    asked: Counter[str] = Counter()

    def note(*_: object) -> None:
        asked["statements"] += 1

    def over(_: object) -> None:
        asked["transactions"] += 1

    event.listen(house.engine, "before_cursor_execute", note)
    event.listen(house.engine, "commit", over)
    try:
        yield asked
    finally:
        event.remove(house.engine, "before_cursor_execute", note)
        event.remove(house.engine, "commit", over)


def written(path: Path, rows: Sequence[dict[str, str]], encoding: str = "utf-8") -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Desk:
    """Where files are brought in."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.path = house, folder / "file.csv"
        self.now = MID_MORNING

    def patients(self, *changes: dict[str, str], dry_run: bool = False, encoding: str = "utf-8") -> list[RowReport]:
        written(self.path, [ROW | change for change in changes or ({},)], encoding)
        return import_patients(self.house, self.path, self.now, dry_run=dry_run)

    def roster(self, *changes: dict[str, str], dry_run: bool = False) -> list[RowReport]:
        written(self.path, [SHIFT | change for change in changes or ({},)])
        return import_roster(self.house, self.path, self.now, dry_run=dry_run)

    def patient(self, mrn: str = "T-0001") -> Patient:
        with self.house.transaction() as session:
            return session.scalars(sa.select(Patient).where(Patient.mrn_index == blind(mrn, people.MRN))).one()

    def numbers(self, mrn: str = "T-0001") -> list[tuple[str, str]]:
        with self.house.transaction() as session:
            return [(c.phone, c.relation) for c in people.contacts_of(session, self.patient(mrn).id)]

    def waves(self) -> dict[str, FollowUp]:
        with self.house.transaction() as session:
            return {row.wave: row for row in session.scalars(sa.select(FollowUp))}

    def consent(self, mrn: str = "T-0001") -> tuple[bool, str] | None:
        with self.house.transaction() as session:
            return people.last_word(session, self.patient(mrn).id, "followup")

    def dump(self, *besides: str) -> dict[str, list[str]]:
        """Every row of every table of ours, as the database holds it."""
        with self.house.transaction() as session:
            return {
                name: sorted(str(row) for row in session.execute(sa.text(f'SELECT * FROM "{name}"')))
                for name in Base.metadata.tables
                if name not in besides
            }


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Desk:
    return Desk(house, tmp_path)


def only(reports: list[RowReport]) -> RowReport:
    [report] = reports
    return report


# ---- identity and repetition ---------------------------------------------------------------------------
def test_a_row_makes_a_patient_an_operation_and_five_waves(desk: Desk) -> None:
    assert only(desk.patients()) == RowReport(2, "created", "5 follow-ups planned")
    patient = desk.patient()
    assert (patient.name, patient.language, patient.timezone, patient.status) == (
        "Ann Example", "zh-CN", "Asia/Shanghai", "active",
    )  # fmt: skip
    assert desk.numbers() == [("+8613800000001", "self")]
    assert desk.waves()["6h"].due_at == datetime(2031, 3, 7, 6, 0, tzinfo=UTC), "08:00 in the hospital's zone"


FULL = {
    "phone2": "+8613800000002", "relation2": "daughter", "birth_date": "1961-05-06", "sex": "f", "language": "en",
    "timezone": "Europe/Berlin", "allergies": "penicillin", "consent_followup": "yes", "consent_recording": "no",
    "consent_night": "是", "procedure": "hernia repair", "department": "surgery", "surgeon": "Dr Knife",
    "discharged_at": "2031-03-07T18:00+01:00", "status": "active",
}  # fmt: skip


def test_the_same_file_twice_changes_nothing(desk: Desk) -> None:
    second = {"mrn": "T-0002", "phone": "+8613800000003", "consent_followup": "yes"}
    desk.patients(FULL, second)
    before = desk.dump()
    desk.now += timedelta(hours=1)
    assert [report.result for report in desk.patients(FULL, second)] == ["unchanged", "unchanged"]
    assert desk.dump() == before


def test_one_patient_may_have_two_operations(desk: Desk) -> None:
    reports = desk.patients({}, {"procedure_id": "OP-2", "surgery_end": "2031-03-06T08:00"})
    assert [report.result for report in reports] == ["created", "updated"]
    with desk.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Patient)) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(Procedure)) == 2


def test_the_same_row_twice_in_one_file_is_one_patient(desk: Desk) -> None:
    assert [report.result for report in desk.patients({}, {})] == ["created", "unchanged"]


def test_a_late_file_says_which_waves_it_is_too_late_for(desk: Desk) -> None:
    report = only(desk.patients({"surgery_end": "2031-02-20T08:00"}))
    assert report.detail == (
        "2 follow-ups planned; 6h: too late, next is 30d; 48h: too late, next is 30d; 7d: too late, next is 30d"
    )


def test_a_wave_whose_time_has_passed_but_not_its_deadline_is_rung_at_the_next_allowed_time(desk: Desk) -> None:
    desk.now = datetime(2031, 3, 7, 13, 0, tzinfo=UTC)  # 21:00 in Shanghai
    report = only(desk.patients({"surgery_end": "2031-03-07T08:00"}))
    assert report.detail == "5 follow-ups planned; 6h: rung at 2031-03-08 08:30 instead"
    assert only(desk.patients({"surgery_end": "2031-03-07T08:00"})).result == "unchanged"


def test_an_operation_moved_into_the_past_says_what_becomes_of_its_waves(desk: Desk) -> None:
    desk.patients()
    report = only(desk.patients({"surgery_end": "2031-02-27T08:00"}))
    assert "surgery_end changed; " in report.detail
    assert "6h: too late" in report.detail
    assert "7d: rung at 2031-03-07 10:00 instead" in report.detail


# ---- corrections ---------------------------------------------------------------------------------------
def test_a_corrected_time_moves_the_waves(desk: Desk) -> None:
    desk.patients()
    report = only(desk.patients({"surgery_end": "2031-03-07T09:30+08:00"}))
    assert (report.result, report.detail) == ("updated", "surgery_end changed; 5 follow-ups moved")
    assert desk.waves()["6h"].due_at == datetime(2031, 3, 7, 7, 30, tzinfo=UTC)


def test_the_same_moment_written_otherwise_is_no_correction(desk: Desk) -> None:
    desk.patients()
    assert only(desk.patients({"surgery_end": "2031-03-07T00:00:00Z"})).result == "unchanged"


def test_a_cancelled_operation_cancels_and_may_stand_again(desk: Desk) -> None:
    desk.patients()
    assert only(desk.patients({"status": "cancelled"})).detail == "5 follow-ups cancelled"
    assert {row.status for row in desk.waves().values()} == {"cancelled"}
    assert desk.patient().status == "active"
    assert only(desk.patients({"status": "cancelled"})).result == "unchanged"
    again = only(desk.patients({"surgery_end": "2031-03-07T09:00"}))
    assert again.detail == "surgery_end changed; the operation stands again: 5 follow-ups planned"
    assert desk.waves()["6h"].due_at == datetime(2031, 3, 7, 7, 0, tzinfo=UTC)


def test_an_operation_that_came_cancelled_is_planned_when_it_stands(desk: Desk) -> None:
    assert only(desk.patients({"status": "cancelled"})).detail == "cancelled, nothing planned"
    assert desk.waves() == {}
    assert only(desk.patients()).detail == "the operation stands again: 5 follow-ups planned"


LIVES = [
    (["deceased", ""], "deceased"),
    (["deceased", "cancelled"], "deceased"),
    (["deceased", "active"], "active"),
    (["readmitted", ""], "active"),
    (["readmitted", "cancelled"], "readmitted"),
    (["cancelled"], "active"),
    (["", "deceased"], "deceased"),
]


def test_who_died_is_not_brought_back_by_an_empty_cell(desk: Desk) -> None:
    for words, status in LIVES:
        mrn = "-".join(words)
        for number, word in enumerate(words):
            desk.patients({"mrn": mrn, "status": word, "procedure_id": f"OP-{number}"})
        assert desk.patient(mrn).status == status, words


def test_new_numbers_replace_the_old_and_are_in_the_ledger(desk: Desk) -> None:
    desk.patients({"phone2": "+8613800000002", "relation2": "wife"})
    assert desk.numbers() == [("+8613800000001", "self"), ("+8613800000002", "wife")]
    report = only(desk.patients({"phone": "+8613800000009", "phone2": "+8613800000001", "guardian": "yes"}))
    assert report.result == "updated"
    assert desk.numbers() == [("+8613800000009", "self"), ("+8613800000001", "guardian")]
    with desk.house.transaction() as session:
        told = session.scalars(sa.select(EventRow.what).where(EventRow.kind == "patient")).all()
    assert "numbers changed" in told


# ---- consent -------------------------------------------------------------------------------------------
CONSENTS: dict[str, tuple[bool, str] | None] = {
    "": None, "yes": (True, "import"), "1": (True, "import"), "是": (True, "import"), "TRUE": (True, "import"),
    "no": (False, "import"), "否": (False, "import"),
}  # fmt: skip


def test_a_missing_consent_is_no_consent(desk: Desk) -> None:
    desk.patients(*({"mrn": f"T-{cell}", "consent_followup": cell} for cell in CONSENTS))
    assert {cell: desk.consent(mrn=f"T-{cell}") for cell in CONSENTS} == CONSENTS


def test_an_old_file_does_not_undo_what_the_patient_keyed(desk: Desk) -> None:
    desk.patients({"consent_followup": "yes"})
    with desk.house.transaction() as session:
        people.set_consent(session, desk.patient().id, "followup", False, "keypad", desk.now)
    assert only(desk.patients({"consent_followup": "yes"})).result == "unchanged"
    assert desk.consent() == (False, "keypad")
    assert only(desk.patients({"consent_followup": ""})).result == "unchanged"


def test_an_empty_cell_takes_nothing_back_and_a_no_does(desk: Desk) -> None:
    desk.patients({"consent_followup": "yes"})
    desk.patients({"consent_followup": ""})
    assert desk.consent() == (True, "import")
    desk.patients({"consent_followup": "no"})
    assert desk.consent() == (False, "import")


# ---- bad rows ------------------------------------------------------------------------------------------
BAD = [
    ({"mrn": ""}, "mrn must not be empty"),
    ({"name": " ", "phone": ""}, "name, phone must not be empty"),
    ({"phone": "12"}, "phone is not a telephone number with country code"),
    ({"phone": "1.38E+10"}, "phone is not a telephone number with country code"),
    ({"phone": "=HYPERLINK(\"http://x\")"}, "phone is not a telephone number with country code"),
    ({"phone2": "unknown"}, "phone2 is not a telephone number with country code"),
    ({"birth_date": "06.05.1961"}, "birth_date must be a date such as 1958-03-14, not '06.05.1961'"),
    ({"birth_date": "1961-02-30"}, "birth_date must be a date"),
    ({"language": "de"}, "language must be one of zh-CN, en, not 'de'"),
    ({"timezone": "Mars/Base"}, "timezone must be a name such as Asia/Shanghai, not 'Mars/Base'"),
    ({"timezone": "../../etc/passwd"}, "timezone must be a name such as"),
    ({"timezone": "Asia"}, "timezone must be a name such as"),
    ({"consent_followup": "perhaps"}, "consent_followup must be yes or no, not 'perhaps'"),
    ({"status": "dead"}, "status must be one of active, cancelled, deceased, readmitted, not 'dead'"),
    ({"surgery_end": "yesterday"}, "surgery_end must be a time such as 2026-11-20T09:30, not 'yesterday'"),
    ({"surgery_end": "2031-03-07T25:00"}, "surgery_end must be a time"),
    ({"surgery_end": "9999-12-31T23:59"}, "surgery_end must lie between 1990 and a year from now"),
    ({"surgery_end": "0001-01-01T00:00"}, "surgery_end must lie between 1990 and a year from now"),
    ({"discharged_at": "3031-03-07T08:00"}, "discharged_at must lie between 1990 and a year from now"),
    ({"name": "x" * 501}, "name has 501 characters; 500 are the most"),
    ({"procedure_id": "é" * 3000}, "procedure_id has 3000 characters; 500 are the most"),
]  # fmt: skip


def test_each_bad_row_gets_its_sentence_and_the_others_are_imported(desk: Desk) -> None:
    rows = [ROW | {"mrn": f"B-{number}"} | change for number, (change, _) in enumerate(BAD)]
    reports = desk.patients({"mrn": "first"}, *rows, {"mrn": "last"})
    assert [report.result for report in reports] == ["created", *["refused"] * len(BAD), "created"]
    assert [report.row for report in reports] == list(range(2, len(BAD) + 4))
    for report, (_, sentence) in zip(reports[1:], BAD, strict=False):
        assert sentence in report.detail
    with desk.house.transaction() as session:
        assert {patient.mrn for patient in session.scalars(sa.select(Patient))} == {"first", "last"}


def test_a_row_with_too_many_cells_is_refused_whole(desk: Desk) -> None:
    desk.path.write_text(
        "mrn,name,phone,procedure_id,surgery_end\n"
        "T-1,Example, Ann,+8613800000001,OP-1,2031-03-07T08:00\n"
        "T-2,Ann Example,+8613800000001,OP-1,2031-03-07T08:00\n",
        encoding="utf-8",
    )
    reports = import_patients(desk.house, desk.path, desk.now)
    assert [report.result for report in reports] == ["refused", "created"]
    assert "unquoted comma" in reports[0].detail


def test_a_refused_row_leaves_a_known_patient_as_he_was(desk: Desk) -> None:
    desk.patients()
    before = desk.dump()
    report = only(desk.patients({"name": "Other Name", "phone": "+8613800000009", "surgery_end": "never"}))
    assert report.result == "refused"
    assert desk.dump() == before


FORMULAS = ["=1+1", "@SUM(A1)", "-2+3", "+cmd|' /C calc'!A0", "'; DROP TABLE patients; --", "李\u200b娜"]


def test_what_looks_like_a_formula_stays_a_text(desk: Desk) -> None:
    reports = desk.patients(*({"mrn": text, "name": text} for text in FORMULAS))
    assert {report.result for report in reports} == {"created"}
    assert [desk.patient(text).name for text in FORMULAS] == FORMULAS


NO_LISTS = {
    b"": "the file is empty",
    b"mrn,name\n1,2\n": "missing: phone, procedure_id, surgery_end",
    b"PK\x03\x04\x00\x00": "is not a CSV text file",
    b"\xff\xff\xff\xff": "is not a CSV text file",
}


def test_a_file_that_is_no_list_of_patients_is_refused_whole(desk: Desk) -> None:
    for content, sentence in NO_LISTS.items():
        desk.path.write_bytes(content)
        with pytest.raises(FileProblem, match=sentence):
            import_patients(desk.house, desk.path, desk.now)


def test_a_file_that_is_not_there_is_one_sentence(desk: Desk) -> None:
    with pytest.raises(FileProblem, match="cannot be read: No such file"):
        import_patients(desk.house, desk.path.with_name("absent.csv"), desk.now)


# ---- how files are written -----------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_names_in_either_encoding(desk: Desk, encoding: str) -> None:
    assert only(desk.patients({"name": "欧阳示例", "allergies": "青霉素"}, encoding=encoding)).result == "created"
    assert (desk.patient().name, desk.patient().allergies) == ("欧阳示例", "青霉素")


NATIONAL = {
    "13800000001": "+8613800000001",
    "138 0000 0001": "+8613800000001",
    "0086 138-0000-0001": "+8613800000001",
    "010 5555 0111": "+861055550111",
    "+1 202 555 0100": "+12025550100",
}


def test_a_national_number_is_one_of_our_own_country(desk: Desk) -> None:
    desk.patients(*({"mrn": phone, "phone": phone} for phone in NATIONAL))
    assert {phone: desk.numbers(phone) for phone in NATIONAL} == {p: [(e164, "self")] for p, e164 in NATIONAL.items()}


def test_without_a_number_of_ours_only_the_country_code_will_do(desk: Desk) -> None:
    environment = desk.house.settings.environment.model_copy(update={"twilio_from": None})
    desk.house.settings = dataclasses.replace(desk.house.settings, environment=environment)
    assert only(desk.patients({"phone": "13800000001"})).result == "refused"
    assert only(desk.patients()).result == "created"


def test_a_dry_run_reports_and_keeps_nothing(desk: Desk) -> None:
    before = desk.dump()
    reports = desk.patients(FULL, {"mrn": "T-2", "phone": "12"}, dry_run=True)
    assert [report.result for report in reports] == ["created", "refused"]
    assert desk.dump() == before
    desk.patients()
    before = desk.dump()
    assert only(desk.patients({"status": "cancelled"}, dry_run=True)).detail == "5 follow-ups cancelled"
    assert desk.dump() == before


# ---- the roster ----------------------------------------------------------------------------------------
def shifts(desk: Desk) -> list[Any]:
    with desk.house.transaction() as session:
        return [
            (s.department, s.tier, s.doctor, s.phone, s.language, s.starts_at, s.ends_at)
            for s in session.scalars(sa.select(Shift).order_by(Shift.position))
        ]


def test_a_shift_is_in_the_hospitals_zone_and_language(desk: Desk) -> None:
    assert only(desk.roster()) == RowReport(2, "created", "")
    start = datetime(2031, 3, 7, 0, 0, tzinfo=UTC)
    assert shifts(desk) == [("*", "1", "Dr One", "+8613800000021", "zh-CN", start, start + timedelta(days=1))]


def test_the_same_roster_twice_changes_nothing(desk: Desk) -> None:
    rows: tuple[dict[str, str], ...] = (
        {},
        {"doctor": "Dr Two", "tier": "head", "pin": "1234", "phone2": "13800000022"},
    )
    desk.roster(*rows)
    before = desk.dump()
    assert [report.result for report in desk.roster(*rows)] == ["unchanged", "unchanged"]
    assert desk.dump() == before


def test_a_changed_shift_is_updated(desk: Desk) -> None:
    desk.roster()
    assert only(desk.roster({"phone": "13800000029", "end": "2031-03-07T20:00"})).result == "updated"
    [(*_, phone, _language, _start, end)] = shifts(desk)
    assert (phone, end) == ("+8613800000029", datetime(2031, 3, 7, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("dry_run", [False, True])
def test_bad_shifts_get_their_sentences(desk: Desk, dry_run: bool) -> None:
    reports = desk.roster(
        {},
        {"doctor": ""},
        {"end": "2031-03-07T08:00"},
        {"tier": "first"},
        {"phone": "12"},
        {"start": "Monday"},
        {"language": "de"},
        {"tier": "9"},
        dry_run=dry_run,
    )
    assert [(report.result, report.detail.split(",")[0]) for report in reports] == [
        ("created", ""),
        ("refused", "doctor must not be empty"),
        ("refused", "end must be after start"),
        ("refused", "tier must be 1"),
        ("refused", "phone is not a telephone number with country code"),
        ("refused", "start must be a time such as 2026-11-20T09:30"),
        ("refused", "language must be one of zh-CN"),
        ("created", "this tier is not in the chain"),
    ]
    assert len(shifts(desk)) == (0 if dry_run else 2)


# ---- many rows -------------------------------------------------------------------------------------
def _many(count: int) -> list[dict[str, str]]:
    return [
        {"mrn": f"T-{n:04}", "phone": f"+86138{n:08}", "procedure_id": f"OP-{n}", "consent_followup": "yes"}
        for n in range(1, count + 1)
    ]


def test_a_large_file_costs_little_a_row_and_least_when_nothing_is_new(desk: Desk) -> None:
    rows = _many(3 * imports.TOGETHER)
    with counted(desk.house) as first:
        assert {report.result for report in desk.patients(*rows)} == {"created"}
    with counted(desk.house) as again:
        assert {report.result for report in desk.patients(*rows)} == {"unchanged"}
    assert first["statements"] < 12 * len(rows)
    assert again["statements"] < len(rows) / 4
    assert first["transactions"] == again["transactions"] == 3


def test_a_row_that_meets_another_import_spoils_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _many(4)
    keep, other = import_store.keep, Desk(desk.house, desk.path.parent)
    other.path = desk.path.with_name("other.csv")

    def disturbed(*given: Any) -> Any:
        monkeypatch.setattr(import_store, "keep", keep)
        assert [report.result for report in other.patients(rows[2])] == ["created"]
        return keep(*given)

    monkeypatch.setattr(import_store, "keep", disturbed)
    assert [report.result for report in desk.patients(*rows)] == ["created", "created", "unchanged", "created"]
    with desk.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(FollowUp)) == 4 * 5


def test_rows_of_one_patient_in_a_large_file_know_of_each_other(desk: Desk) -> None:
    rows = [*_many(2), {**_many(1)[0], "procedure_id": "OP-again"}, *_many(1)]
    assert [report.result for report in desk.patients(*rows)] == ["created", "created", "updated", "unchanged"]
