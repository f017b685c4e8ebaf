"""Files people hand us: every way a spreadsheet writes them, and every way they are wrong."""

from __future__ import annotations

import contextlib
import csv
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import tables
from core.tables import FileProblem, RowProblem, read_csv

KNOWN = ("mrn", "name", "phone")
REQUIRED = ("mrn", "name")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(tmp_path: Path, data: str | bytes) -> list[tuple[int, dict[str, str]]]:
    path = tmp_path / "file.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_csv(path, KNOWN, REQUIRED)


ONE = [(2, {"mrn": "T-1", "name": "欧阳修", "phone": ""})]


@pytest.mark.parametrize(
    "data",
    [
        "mrn,name\nT-1,欧阳修\n".encode(),
        "\ufeffmrn,name\r\nT-1,欧阳修\r\n".encode(),
        "mrn,name\r\nT-1,欧阳修".encode("gb18030"),
        "mrn,name\rT-1,欧阳修\r".encode(),
        " MRN , Name \n T-1 ,\u3000欧阳修 \n".encode(),
        '"mrn","name"\n"T-1","欧阳修"\n'.encode(),
        "name,mrn\n欧阳修,T-1\n".encode(),
        "mrn,name,phone\nT-1,欧阳修\n".encode(),
        "mrn,name\nT-1,欧阳修,,\n".encode(),
        "mrn,name\nT-1,欧阳修\n,\n\n , \n".encode(),
    ],
    ids=["utf-8", "bom", "gb18030", "cr", "spaces", "quoted", "other order", "short row", "empty cells more", "blanks"],
)
def test_the_same_table_however_it_was_saved(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == ONE


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    rows = read(tmp_path, 'mrn,name\nT-1,"two\nlines"\n\nT-2,one\n')
    assert [(number, values["mrn"]) for number, values in rows] == [(2, "T-1"), (4, "T-2")]


def test_a_row_with_too_many_cells_is_marked_and_refused(tmp_path: Path) -> None:
    (_, good), (_, bad) = read(tmp_path, "mrn,name\nT-1,Ann\nT-2,Example, Ben\n")
    tables.refuse_ragged(good)
    with pytest.raises(RowProblem, match="more cells"):
        tables.refuse_ragged(bad)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"mrn,phone\nT-1,1\n", "missing: name"),
        (b"T-1,Ann\n", "missing: mrn, name"),
        (b"mrn,name,shoe size\n", "unknown columns: shoe size"),
        (b"mrn,name,name\nT-1,Ann,Ben\n", "twice: name"),
        (b"mrn;name\nT-1;Ann\n", "missing: mrn, name"),
        (b"mrn,name\nT-1,A\x00nn\n", "not a CSV text file"),
        ("mrn,name\nT-1,Ann\n".encode("utf-16"), "not a CSV text file"),
        ("mrn,name\nT-1,Ann\n".encode("utf-16-le"), "not a CSV text file"),
        (b"PK\x03\x04\x14\x00\x00", "not a CSV text file"),
        (b"mrn,name\nT-1," + b"x" * 140_000, "not a CSV table"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(FileProblem, match=says) as problem:
        read(tmp_path, data)
    assert str(problem.value).startswith(str(tmp_path / "file.csv"))
    assert "\n" not in str(problem.value)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(FileProblem, match="cannot be read"):
            read_csv(path, KNOWN, REQUIRED)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    with pytest.raises(FileProblem, match="larger"):
        read(tmp_path, "mrn,name\nT-1,Ann\n")


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(lambda c: c.strip())


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_what_a_spreadsheet_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([KNOWN, *rows])
    assert [tuple(values.values()) for _, values in read_csv(path, KNOWN, REQUIRED)] == [
        tuple(cell.strip() for cell in row) for row in rows
    ]


@given(data=st.binary(max_size=200))
def test_no_bytes_at_all_are_more_than_a_file_problem(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    path.write_bytes(b"mrn,name\n" + data)
    with contextlib.suppress(FileProblem):
        read_csv(path, KNOWN, REQUIRED)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Y", True),
        ("1", True),
        ("是", True),
        ("no", False),
        ("", False),
        ("否", False),
        ("FALSE", False),
    ],
)
def test_yes_and_no(text: str, value: bool) -> None:
    assert tables.yes_no({"consent": text}, "consent") is value


@pytest.mark.parametrize("text", ["maybe", "ja", "2", "oui"])
def test_neither_yes_nor_no(text: str) -> None:
    with pytest.raises(RowProblem, match="yes or no"):
        tables.yes_no({"consent": text}, "consent")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2031-03-07T10:00", "2031-03-07T02:00+00:00"),
        ("2031-03-07 10:00:30", "2031-03-07T02:00:30+00:00"),
        ("2031-03-07T10:00Z", "2031-03-07T10:00+00:00"),
        ("2031-03-07T10:00-05:00", "2031-03-07T15:00+00:00"),
    ],
)
def test_a_time_without_an_offset_is_the_hospitals(text: str, moment: str) -> None:
    assert tables.moment({"end": text}, "end", SHANGHAI) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "yesterday", "07/03/2031", "2031-02-30T10:00", "2031-03-07T25:00"])
def test_what_is_no_time_or_day(text: str) -> None:
    with pytest.raises(RowProblem, match="end must be a time"):
        tables.moment({"end": text}, "end", SHANGHAI)
    with pytest.raises(RowProblem, match="end must be a date"):
        tables.day({"end": text}, "end")
    assert tables.day({"end": "1958-03-14"}, "end") == date(1958, 3, 14)


@pytest.mark.parametrize(
    ("text", "ours", "number"),
    [
        ("+861055550111", None, "+861055550111"),
        ("+86 10 5555-0111", "+15551230001", "+861055550111"),
        ("010 5555 0111", "+861055550100", "+861055550111"),
        ("13800000000", "+861055550100", "+8613800000000"),
        ("(212) 555-0123", "+12125550100", "+12125550123"),
    ],
)
def test_a_number_without_a_country_is_of_ours(text: str, ours: str | None, number: str) -> None:
    assert tables.phone({"phone": text}, "phone", ours) == number


@pytest.mark.parametrize(("text", "ours"), [("", None), ("13800000000", None), ("120", "+861055550100"), ("x", None)])
def test_what_is_no_number(text: str, ours: str | None) -> None:
    with pytest.raises(RowProblem, match="not a telephone number"):
        tables.phone({"phone": text}, "phone", ours)


def test_what_is_needed_and_what_is_one_of_some() -> None:
    tables.needed({"mrn": "1", "name": ""}, "mrn")
    with pytest.raises(RowProblem, match="name, phone must not be empty"):
        tables.needed({"mrn": "1", "name": "", "phone": ""}, *KNOWN)
    assert tables.one_of({"language": ""}, "language", ("en", "zh-CN"), "en") == "en"
    with pytest.raises(RowProblem, match="one of en, zh-CN"):
        tables.one_of({"language": "de"}, "language", ("en", "zh-CN"), "en")


@pytest.mark.parametrize("text", ["", "0", "0042", "123456789012"])
def test_a_pin_that_can_be_keyed_is_taken(text: str) -> None:
    assert tables.pin({"pin": text}) == text


@pytest.mark.parametrize("text", ["12a", "1234567890123", "１２３４", "12 34", "#1"])
def test_a_pin_nobody_could_key_is_refused(text: str) -> None:
    with pytest.raises(RowProblem, match="pin must be up to 12 digits"):
        tables.pin({"pin": text})
