"""Excel workbooks: what people type into them, and what strangers hide in them."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import sheets, tables
from core.sheets import read_table
from core.tables import FileProblem, RowProblem

KNOWN = ("mrn", "name", "phone", "end")
REQUIRED = ("mrn",)


def book(path: Path, *rows: list[Any], title: str = "Sheet1", **more: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name, extra in more.items():
        other = made.create_sheet(name)
        for row in extra:
            other.append(row)
    made.save(path)
    return path


def read(path: Path) -> list[tuple[int, dict[str, str]]]:
    return read_table(path, KNOWN, REQUIRED, "patients")


CELLS = [
    ("T-1", "T-1"), ("  欧阳修 ", "欧阳修"), (8613800000001, "8613800000001"), (13800000001.0, "13800000001"),
    (3.5, "3.5"), (True, "yes"), (False, "no"), (None, ""),
    (datetime.fromisoformat("2031-03-07T09:30"), "2031-03-07T09:30:00"),
    (datetime.fromisoformat("2031-03-07"), "2031-03-07"), (date(1961, 5, 6), "1961-05-06"),
    (datetime.fromisoformat("2031-03-07T09:29:59.999600"), "2031-03-07T09:30:00"), (time(9, 30), "09:30:00"),
    (timedelta(hours=30), "1 day, 6:00:00"), ("=1+1", ""), ("0138", "0138"), ("+861055550111", "+861055550111"),
]  # fmt: skip


def test_cells_are_what_the_person_sees(tmp_path: Path) -> None:
    path = book(tmp_path / "f.xlsx", ["MRN", "name", None], *(["x", cell] for cell, _ in CELLS))
    assert [values["name"] for _, values in read(path)] == [text for _, text in CELLS]


def test_rows_are_numbered_as_excel_shows_them_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = book(tmp_path / "f.xlsx", ["mrn", "name"], ["T-1", "Ann"], [], [None, "  "], ["T-2"])
    assert [(number, values["mrn"]) for number, values in read(path)] == [(2, "T-1"), (5, "T-2")]


def test_a_row_far_down_keeps_its_number(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active["A1"], made.active["A60000"] = "mrn", "T-1"
    made.save(tmp_path / "f.xlsx")
    assert [number for number, _ in read(tmp_path / "f.xlsx")] == [60000]


def test_the_sheet_of_that_name_else_the_first(tmp_path: Path) -> None:
    first = book(tmp_path / "a.xlsx", ["mrn"], ["first"], other=[["mrn"], ["other"]])
    named = book(tmp_path / "b.xlsx", ["mrn"], ["first"], Patients=[["mrn"], ["named"]])
    assert [values["mrn"] for _, values in read(first)] == ["first"]
    assert [values["mrn"] for _, values in read(named)] == ["named"]


def test_a_hidden_sheet_is_not_the_first(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.append(["hidden lists"])
    made.active.sheet_state = "hidden"
    seen = made.create_sheet("seen")
    seen.append(["mrn"])
    seen.append(["T-1"])
    made.save(tmp_path / "f.xlsx")
    assert [values["mrn"] for _, values in read(tmp_path / "f.xlsx")] == ["T-1"]


def _edited(path: Path, part: str, old: str, new: str) -> Path:
    """The workbook with a text of one part replaced, as Excel itself might have written it."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old_book, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new_book:
        for info in old_book.infolist():
            data = old_book.read(info)
            new_book.writestr(info, data.decode().replace(old, new).encode() if info.filename == part else data)
    path.write_bytes(out.getvalue())
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_a_formula_counts_as_excel_last_worked_it_out(tmp_path: Path) -> None:
    path = book(tmp_path / "f.xlsx", ["mrn", "name"], ["T-1", "=1+1"])
    _edited(path, SHEET, "<v></v>", "<v>2</v>") if "<v></v>" in _part(path) else _edited(
        path, SHEET, "<v />", "<v>2</v>"
    )
    assert read(path)[0][1]["name"] == "2"


def _part(path: Path) -> str:
    with zipfile.ZipFile(path) as parts:
        return parts.read(SHEET).decode()


def test_what_a_file_says_of_its_own_size_is_not_believed(tmp_path: Path) -> None:
    path = book(tmp_path / "f.xlsx", ["mrn", "name"], ["T-1", "Ann"])
    _edited(path, SHEET, 'ref="A1:B2"', 'ref="A1"')
    assert read(path) == [(2, {"mrn": "T-1", "name": "Ann", "phone": "", "end": ""})]


BROKEN = [
    (["T-1", "Ann", 1234567890123456789], "phone is a number of more than 15 digits"),
    (["T-1", "Ann", "1", "2", "3"], "more cells than the header"),
]


@pytest.mark.parametrize(("row", "sentence"), BROKEN)
def test_a_row_that_cannot_be_meant_is_refused_with_its_column(tmp_path: Path, row: list[Any], sentence: str) -> None:
    path = book(tmp_path / "f.xlsx", list(KNOWN), row, ["T-2", "Ben"])
    (_, bad), (_, good) = read(path)
    tables.refuse_ragged(good)
    with pytest.raises(RowProblem, match=sentence):
        tables.refuse_ragged(bad)


def test_a_formula_that_does_not_work_is_said_and_not_imported(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.append(["mrn", "name"])
    made.active.append(["T-1", "#REF!"])
    made.save(tmp_path / "f.xlsx")
    [(_, values)] = read(tmp_path / "f.xlsx")
    with pytest.raises(RowProblem, match="name shows #REF!"):
        tables.refuse_ragged(values)


# ---- files that are refused --------------------------------------------------------------------------------
def zipped(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in parts.items():
            out.writestr(name, data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(FileProblem) as problem:
        read(path)
    sentence = str(problem.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence


def test_a_workbook_that_is_small_only_while_packed_is_refused(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "f.xlsx", {"xl/workbook.xml": b"<x/>", SHEET: b" " * (sheets.MAX_UNPACKED + 1)})
    assert bomb.stat().st_size < 1024 * 1024
    assert "too large when unpacked" in refused(bomb)
    many = zipped(tmp_path / "g.xlsx", {f"p{n}": b"" for n in range(sheets.MAX_PARTS + 1)})
    assert "too large when unpacked" in refused(many)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_read(tmp_path: Path, encoding: str) -> None:
    laughs = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">]><x>&a;</x>'.encode(encoding)
    assert "not one that Excel" in refused(zipped(tmp_path / "f.xlsx", {"xl/workbook.xml": laughs}))


def test_macros_are_refused_by_content_and_by_name(tmp_path: Path) -> None:
    inside = zipped(tmp_path / "f.xlsx", {"xl/workbook.xml": b"<x/>", "xl/vbaProject.bin": b"x"})
    named = book(tmp_path / "f.xlsm", ["mrn"], ["T-1"])
    assert "holds macros" in refused(inside)
    assert "holds macros" in refused(named)


def test_old_locked_damaged_and_other_files_get_a_sentence(tmp_path: Path) -> None:
    whole = book(tmp_path / "whole.xlsx", ["mrn"], ["T-1"]).read_bytes()
    files = {
        "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old .xls workbook or one with a password"),
        "cut.xlsx": (whole[: len(whole) // 2], "damaged"),
        "doc.docx": (zipped(tmp_path / "d", {"word/document.xml": b"<x/>"}).read_bytes(), "nor an .xlsx workbook"),
        "empty.xlsx": (zipped(tmp_path / "e", {"xl/workbook.xml": b"<x/>"}).read_bytes(), "damaged"),
        "nothing.xlsx": (b"", "the file is empty"),
    }
    for name, (data, sentence) in files.items():
        (tmp_path / name).write_bytes(data)
        assert sentence in refused(tmp_path / name), name
    assert "the file is empty" in refused(book(tmp_path / "blank.xlsx"))
    assert "missing: mrn" in refused(book(tmp_path / "columns.xlsx", ["name"], ["Ann"]))


def test_more_rows_than_a_file_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    assert len(read(book(tmp_path / "f.xlsx", ["mrn"], *([f"T-{n}"] for n in range(3))))) == 3
    assert "more than 3 rows" in refused(book(tmp_path / "g.xlsx", ["mrn"], *([f"T-{n}"] for n in range(4))))
    (tmp_path / "g.csv").write_text("mrn\n1\n2\n3\n4\n", encoding="utf-8")
    assert "more than 3 rows" in refused(tmp_path / "g.csv")


def test_a_csv_file_is_a_table_too_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "f.xlsx").write_text("mrn,name\nT-1,Ann\n", encoding="utf-8")
    assert [values["name"] for _, values in read(tmp_path / "f.xlsx")] == ["Ann"]


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 6000), put=st.binary(max_size=8))
def test_no_damage_at_all_is_more_than_a_file_problem(
    tmp_path_factory: pytest.TempPathFactory, cut: int, put: bytes
) -> None:
    path = book(tmp_path_factory.mktemp("xlsx") / "f.xlsx", ["mrn", "name"], ["T-1", "Ann"])
    data = path.read_bytes()
    path.write_bytes(data[:cut] + put + data[cut + len(put) :])
    with contextlib.suppress(FileProblem):
        read(path)


@pytest.mark.parametrize("begins", ["=1+1", "+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "\u00a0@x", "＝1"])
def test_what_a_spreadsheet_would_work_out_is_quoted(begins: str) -> None:
    assert tables.no_formula(begins) == f"'{begins}"


@pytest.mark.parametrize("plain", ["", "surgery", "1+1", "a=b", " ward 3", "骨科", "3-5"])
def test_everything_else_stands_as_it_is(plain: str) -> None:
    assert tables.no_formula(plain) == plain
