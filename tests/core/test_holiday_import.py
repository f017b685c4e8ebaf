"""The year's notice of holidays, as a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import openpyxl
import sqlalchemy as sa

from core import holidays
from core.holiday_import import import_holidays
from core.house import House
from core.models import SpecialDay
from tests.house import MID_MORNING

NOTICE = "day,kind,note\n2027-02-05,holiday,Spring Festival\n2027-02-14,workday,worked for it\n"


def rows(house: House) -> list[tuple[date, str, str]]:
    with house.transaction() as session:
        found = session.scalars(sa.select(SpecialDay).order_by(SpecialDay.day))
        return [(row.day, row.kind, row.note) for row in found]


def test_a_notice_is_imported_once_and_a_changed_one_changes_it(house: House, tmp_path: Path) -> None:
    path = tmp_path / "notice.csv"
    path.write_text(NOTICE, encoding="utf-8")
    assert [r.result for r in import_holidays(house, path, MID_MORNING, dry_run=True)] == ["created", "created"]
    assert rows(house) == []
    assert [r.result for r in import_holidays(house, path, MID_MORNING)] == ["created", "created"]
    before = rows(house)
    assert [r.result for r in import_holidays(house, path, MID_MORNING)] == ["unchanged", "unchanged"]
    assert rows(house) == before == [
        (date(2027, 2, 5), "holiday", "Spring Festival"), (date(2027, 2, 14), "workday", "worked for it"),
    ]  # fmt: skip
    path.write_text(NOTICE.replace("14,workday", "14,holiday"), encoding="utf-8")
    assert [r.result for r in import_holidays(house, path, MID_MORNING)] == ["unchanged", "updated"]
    with house.transaction() as session:
        assert holidays.is_holiday(session, date(2027, 2, 14))


def test_bad_days_get_their_sentences_and_the_others_are_imported(house: House, tmp_path: Path) -> None:
    path = tmp_path / "notice.csv"
    path.write_text(
        "day,kind,note\n2027-02-30,holiday,\n2027-02-05,off,\n,holiday,x\n1027-02-05,holiday,\n2027-02-06,holiday,\n"
        "2027-02-07,workday,\n2027-02-07,holiday,\n",
        encoding="utf-8",
    )
    reports = import_holidays(house, path, MID_MORNING)
    assert [(r.result, r.detail.split(",")[0]) for r in reports] == [
        ("refused", "day must be a date such as 1958-03-14"),
        ("refused", "kind must be one of holiday"),
        ("refused", "day must not be empty"),
        ("refused", "day must lie between 2000 and 2100"),
        ("created", ""),
        ("unchanged", "row 8 is the same day: it counts"),
        ("created", ""),
    ]
    assert [kind for _, kind, _ in rows(house)] == ["holiday", "holiday"]


def test_a_notice_from_excel(house: House, tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.active.append(["day", "kind", "note"])
    made.active.append([date(2027, 2, 5), "holiday", None])
    made.save(tmp_path / "notice.xlsx")
    assert [r.result for r in import_holidays(house, tmp_path / "notice.xlsx", MID_MORNING)] == ["created"]
    assert rows(house) == [(date(2027, 2, 5), "holiday", "")]
