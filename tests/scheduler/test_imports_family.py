"""Rows that belong together, numbers that changed hands, guardians, consents over time, doubles."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import people
from core.house import House
from core.models import Consent, Patient
from scheduler.imports import import_patients
from tests.fresh import EMPTY
from tests.scheduler.test_imports import FULL, ROW, Desk, only

MINE, HERS, NEW = "+8613800000001", "+8613800000002", "+8613800000009"
CHILD = {"birth_date": "2025-05-06"}


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Desk:
    return Desk(house, tmp_path)


def words(desk: Desk, *rows: dict[str, str], dry_run: bool = False) -> list[tuple[str, str]]:
    return [(report.result, report.detail) for report in desk.patients(*rows, dry_run=dry_run)]


# ---- rows of one file --------------------------------------------------------------------------------------
TWO_NUMBERS: tuple[dict[str, str], ...] = ({}, {"phone": NEW, "procedure_id": "OP-2"})


def test_two_numbers_for_one_patient_do_not_take_turns(desk: Desk) -> None:
    first, second = words(desk, *TWO_NUMBERS)
    assert first == ("created", "5 follow-ups planned; row 3 says otherwise about phone: it counts")
    assert second == ("updated", "5 follow-ups planned")
    assert desk.numbers() == [(NEW, "self")]
    before = desk.dump()
    assert [result for result, _ in words(desk, *TWO_NUMBERS)] == ["unchanged", "unchanged"]
    assert desk.dump() == before


def test_a_refused_row_has_no_say(desk: Desk) -> None:
    reports = words(desk, {}, {"phone": NEW, "procedure_id": "OP-2", "surgery_end": "never"})
    assert reports[0] == ("created", "5 follow-ups planned")
    assert desk.numbers() == [(MINE, "self")]


def test_one_operation_twice_counts_as_the_last_row_has_it(desk: Desk) -> None:
    rows = ({}, {"surgery_end": "2031-03-07T09:00"})
    assert words(desk, *rows)[0][1] == "5 follow-ups planned; row 3 says otherwise about this operation: it counts"
    before = desk.dump()
    assert [result for result, _ in words(desk, *rows)] == ["unchanged", "unchanged"]
    assert desk.dump() == before


@pytest.mark.parametrize("order", [1, -1])
def test_a_death_in_any_row_is_a_death(desk: Desk, order: int) -> None:
    rows = [{"status": "deceased"}, {"status": "active", "procedure_id": "OP-2"}][::order]
    words(desk, *rows)
    assert desk.patient().status == "deceased"
    before = desk.dump()
    words(desk, *rows)
    assert desk.dump() == before


def test_a_death_counts_without_a_number_and_an_operation(desk: Desk) -> None:
    words(desk, {"phone2": HERS})
    bare = {"name": "", "phone": "", "procedure_id": "", "surgery_end": "", "status": "deceased"}
    assert words(desk, bare) == [("updated", "")]
    assert desk.patient().status == "deceased"
    assert desk.patient().name == "Ann Example"
    assert words(desk, bare) == [("unchanged", "")]
    assert words(desk, bare | {"mrn": "T-9"})[0][1] == "name, phone must not be empty: the patient is not on file yet"


def test_an_empty_cell_says_nothing(desk: Desk) -> None:
    words(desk, FULL)
    before = desk.patient()
    bare = ROW | {"phone2": FULL["phone2"], "relation2": FULL["relation2"]}
    assert words(desk, bare) == [("unchanged", "")]
    assert (desk.patient().birth_date, desk.patient().language) == (before.birth_date, "en")


def test_a_dry_run_is_the_real_run_without_its_effects(desk: Desk) -> None:
    rows = (
        {},
        {"procedure_id": "OP-2"},
        {"phone": "12"},
        {"procedure_id": "OP-3", "status": "cancelled"},
        {"mrn": "T-2"},
    )
    before = desk.dump()
    tried = words(desk, *rows, dry_run=True)
    assert desk.dump() == before
    assert tried == words(desk, *rows)
    assert [result for result, _ in tried] == ["created", "updated", "refused", "updated", "created"]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "mrn": st.sampled_from(["T-1", "T-2", ""]),
            "procedure_id": st.sampled_from(["OP-1", "OP-2"]),
            "phone": st.sampled_from([MINE, NEW, "12"]),
            "phone2": st.sampled_from(["", HERS, MINE]),
            "guardian": st.sampled_from(["", "yes", "no"]),
            "relation2": st.sampled_from(["", "mother"]),
            "birth_date": st.sampled_from(["", "1961-05-06", "2025-05-06"]),
            "language": st.sampled_from(["", "en", "zh-CN", "de"]),
            "status": st.sampled_from(["", "active", "cancelled", "deceased", "readmitted"]),
            "surgery_end": st.sampled_from(["2031-03-07T08:00", "2031-03-01T08:00", "2031-03-07T09:00"]),
            "procedure": st.sampled_from(["", "hernia repair"]),
            "consent_followup": st.sampled_from(["", "yes", "no"]),
            "consent_family": st.sampled_from(["", "yes", "no"]),
            "consent_version": st.sampled_from(["", "2031-01"]),
        }
    ),
    min_size=1,
    max_size=6,
)
KEPT = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@KEPT
@given(rows=ROWS)
def test_any_file_twice_changes_nothing(desk: Desk, rows: list[dict[str, str]]) -> None:
    _empty(desk)
    first = desk.patients(*rows)
    before = desk.dump()
    desk.now += timedelta(minutes=1)
    again = desk.patients(*rows)
    desk.now -= timedelta(minutes=1)
    assert desk.dump() == before
    assert [r.result == "refused" for r in again] == [r.result == "refused" for r in first]
    assert {r.result for r in again} <= {"unchanged", "refused"}


@KEPT
@given(data=st.data())
def test_the_order_of_rows_that_agree_does_not_matter(desk: Desk, data: st.DataObject) -> None:
    rows = [
        {"mrn": f"T-{n % 3}", "phone": f"+861380000000{n % 3}", "procedure_id": f"OP-{n}", "consent_followup": "yes"}
        for n in range(6)
    ]
    _empty(desk)
    desk.patients(*rows)
    first = _kept(desk)
    _empty(desk)
    desk.patients(*data.draw(st.permutations(rows)))
    assert _kept(desk) == first


def _empty(desk: Desk) -> None:
    with desk.house.transaction() as session:
        session.execute(sa.text(EMPTY))


def _kept(desk: Desk) -> list[tuple[str, list[tuple[str, str]], list[str]]]:
    with desk.house.transaction() as session:
        found = [
            (
                patient.mrn,
                [(c.phone, c.relation) for c in people.contacts_of(session, patient.id)],
                sorted(
                    session.scalars(
                        sa.text("SELECT external_id FROM procedures WHERE patient_id = :id").bindparams(id=patient.id)
                    )
                ),
            )
            for patient in session.scalars(sa.select(Patient))
        ]
    return sorted(found)


# ---- numbers -----------------------------------------------------------------------------------------------
def retire(desk: Desk, phone: str) -> None:
    with desk.house.transaction() as session:
        assert people.retire_number(session, desk.patient().id, phone, desk.now)


def test_a_number_that_proved_wrong_stays_wrong_until_another_is_given(desk: Desk) -> None:
    words(desk, {"phone2": HERS, "relation2": "wife"})
    retire(desk, MINE)
    assert desk.numbers() == [(HERS, "wife")]
    told = words(desk, {"phone2": HERS, "relation2": "wife"})
    assert told == [
        ("unchanged", "phone was found to be somebody else's on 2031-03-07: it stays unused, give another one")
    ]
    assert desk.numbers() == [(HERS, "wife")]
    told = words(desk, {"phone": NEW, "phone2": HERS, "relation2": "wife"})
    assert told == [("updated", "a new number takes the place of the wrong one")]
    assert desk.numbers() == [(NEW, "self"), (HERS, "wife")]
    before = desk.dump()
    assert only(desk.patients({"phone": NEW, "phone2": HERS, "relation2": "wife"})).result == "unchanged"
    assert desk.dump() == before
    with desk.house.transaction() as session:
        history = people.contacts_of(session, desk.patient().id, wrong_too=True)
        assert (history[0].phone, history[0].wrong_at) == (MINE, desk.now)


def test_the_last_wrong_number_leaves_nobody_to_ring_and_no_stranger(desk: Desk) -> None:
    words(desk, {})
    retire(desk, MINE)
    assert "give another one" in words(desk, {})[0][1]
    assert desk.numbers() == []


# ---- guardians ---------------------------------------------------------------------------------------------
GUARDED = [
    ({"phone2": HERS, "guardian": "yes"}, [(MINE, "self"), (HERS, "guardian")]),
    ({"phone2": HERS, "guardian": "Ms Example"}, [(MINE, "self"), (HERS, "guardian")]),
    ({"phone2": HERS, "relation2": "监护人"}, [(MINE, "self"), (HERS, "guardian")]),
    ({"phone2": HERS, "relation2": "Mother"}, [(MINE, "self"), (HERS, "guardian")]),
    ({"guardian": "yes"}, [(MINE, "guardian")]),
    ({"phone2": MINE, "relation2": "mother"}, [(MINE, "guardian")]),
]
UNGUARDED: list[dict[str, str]] = [{}, {"phone2": HERS}, {"phone2": HERS, "relation2": "aunt", "guardian": "no"}]


@pytest.mark.parametrize(("cells", "numbers"), GUARDED)
def test_a_childs_guardian(desk: Desk, cells: dict[str, str], numbers: list[tuple[str, str]]) -> None:
    assert words(desk, CHILD | cells) == [("created", "5 follow-ups planned")]
    assert desk.numbers() == numbers
    assert words(desk, CHILD | cells) == [("unchanged", "")]


@pytest.mark.parametrize("cells", UNGUARDED)
def test_a_child_without_one_is_imported_and_reported(desk: Desk, cells: dict[str, str]) -> None:
    told = "no guardian's number: nobody will be rung"
    assert words(desk, CHILD | cells) == [("created", f"5 follow-ups planned; {told}")]
    assert words(desk, CHILD | cells) == [("unchanged", told)]


def test_an_adults_mother_is_a_relative(desk: Desk) -> None:
    words(desk, {"birth_date": "1990-05-06", "phone2": HERS, "relation2": "mother"})
    assert desk.numbers() == [(MINE, "self"), (HERS, "mother")]


# ---- consents ----------------------------------------------------------------------------------------------
def lines(desk: Desk) -> list[tuple[str, bool, str, str, str]]:
    with desk.house.transaction() as session:
        rows = session.scalars(sa.select(Consent).order_by(Consent.id))
        return [(row.purpose, row.given, row.source, row.version, row.channel) for row in rows]


def say(desk: Desk, given: bool, source: str) -> None:
    with desk.house.transaction() as session:
        people.set_consent(session, desk.patient().id, "followup", given, source, desk.now)


def test_every_purpose_with_its_form_and_channel(desk: Desk) -> None:
    purposes = ("followup", "recording", "night", "family", "reminder", "survey")
    cells = {f"consent_{p}": "yes" for p in purposes} | {"consent_version": "2031-01", "consent_channel": "paper"}
    words(desk, cells)
    assert lines(desk) == [(p, True, "import", "2031-01", "paper") for p in purposes]
    assert words(desk, cells) == [("unchanged", "")]
    assert words(desk, cells | {"consent_version": "2031-02"}) == [("updated", "")]
    assert len(lines(desk)) == 12
    assert "consent_channel must be one of paper" in words(desk, cells | {"consent_channel": "pigeon"})[0][1]


@pytest.mark.parametrize("source", ["keypad", "sms", "staff"])
def test_a_stop_stands_whatever_file_comes(desk: Desk, source: str) -> None:
    words(desk, {"consent_followup": "yes"})
    say(desk, False, source)
    assert words(desk, {"consent_followup": "yes"}) == [("unchanged", "")], "an old file, and nothing to say about it"
    assert desk.consent() == (False, source)


def test_a_file_that_disagrees_for_the_first_time_is_told_so(desk: Desk) -> None:
    words(desk, {})
    say(desk, False, "sms")
    told = words(desk, {"consent_followup": "yes"})
    assert told == [("unchanged", "consent_followup stays no: the patient said so since")]
    assert desk.consent() == (False, "sms")


def test_a_first_no_of_a_file_takes_back_what_was_keyed_and_an_old_no_does_not(desk: Desk) -> None:
    words(desk, {"consent_followup": "no"})
    say(desk, True, "keypad")
    assert words(desk, {"consent_followup": "no"}) == [("unchanged", "")]
    assert desk.consent() == (True, "keypad")
    words(desk, {"consent_followup": "yes"})
    assert desk.consent() == (True, "keypad")


# ---- doubles -----------------------------------------------------------------------------------------------
def test_a_row_of_a_merged_record_goes_to_the_survivor(desk: Desk) -> None:
    words(desk, {}, {"mrn": "T-2", "phone": HERS, "procedure_id": "OP-2"})
    with desk.house.transaction() as session:
        session.get_one(Patient, desk.patient("T-2").id).merged_into = desk.patient().id
    double = {"mrn": "T-2", "name": "Ann Double", "phone": NEW, "procedure_id": "OP-3", "consent_followup": "no"}
    result, detail = words(desk, double)[0]
    assert result == "updated"
    assert detail.startswith("5 follow-ups planned; this record was merged into another one")
    assert desk.numbers() == [(MINE, "self")]
    assert desk.patient().name == "Ann Example"
    assert desk.consent() is None
    with desk.house.transaction() as session:
        owners = sa.text("SELECT patient_id FROM procedures WHERE external_id = 'OP-3'")
        assert session.scalars(owners).all() == [desk.patient().id]
    assert words(desk, double)[0][0] == "unchanged"
    assert words(desk, double | {"status": "deceased"})[0][0] == "updated"
    assert desk.patient().status == "deceased"


# ---- Excel -------------------------------------------------------------------------------------------------
def test_patients_from_excel(desk: Desk) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.append(["mrn", "name", "phone", "procedure_id", "surgery_end", "birth_date", "consent_followup"])
    end = desk.now.replace(tzinfo=None) - timedelta(hours=2)
    made.active.append([10001, "欧阳示例", 13800000001, 77, end, end.replace(year=1961).date(), True])
    made.active.append(["T-2", "Ann Example", 12, 78, end, "1961-05-06", "yes"])
    path = desk.path.with_suffix(".xlsx")
    made.save(path)
    reports = import_patients(desk.house, path, desk.now)
    assert [(r.row, r.result) for r in reports] == [(2, "created"), (3, "refused")]
    assert desk.numbers("10001") == [(MINE, "self")]
    assert desk.patient("10001").birth_date == "1961-03-07"
    assert desk.consent("10001") == (True, "import")
    assert [r.result for r in import_patients(desk.house, path, desk.now)] == ["unchanged", "refused"]
