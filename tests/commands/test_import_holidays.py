"""`carecall import holidays` and its line of `carecall check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Carecall


def test_a_notice_is_imported_and_checked(at_work: Carecall, tmp_path: Path) -> None:
    notice = tmp_path / "notice.csv"
    notice.write_text("day,kind,note\n2027-02-05,holiday,\n2027-02-31,holiday,\n", encoding="utf-8")
    told = at_work("import", "holidays", str(notice), "--json")
    assert told.code == 1
    assert [(row["row"], row["result"]) for row in told.rows] == [(2, "created"), (3, "refused")]
    assert "holidays" in {row["what"] for row in at_work("check", "--json").rows}


def test_a_country_without_a_calendar_is_wrong(
    at_work: Carecall, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "hospital.toml").open("a", encoding="utf-8") as hospital:
        hospital.write('[calling]\nholidays = "XX"\n')
    told = at_work("check", "--json")
    assert told.code == 1
    assert any(row["ok"] == "WRONG" and "'XX'" in row["detail"] for row in told.rows)
