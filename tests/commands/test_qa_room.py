"""`carecall qa open | scorecard | export` as they are typed."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import openpyxl
import pytest
import yaml

import app
from core import db
from core.house import House
from core.settings import load
from tests.house import ROOT, variables
from tests.recordings import days
from tests.recordings.listeners import DAY, NO, Office


@pytest.fixture
def typed(house: House, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> House:
    """The environment of a command on this test's own database."""
    environment = variables(tmp_path, database_url)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    db.use_keyring(load(environment).keyring)  # what the test writes is read by the command
    return house


def test_a_card_is_checked_without_a_house(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["qa", "scorecard", "check"]) == 0
    said = capsys.readouterr().out
    assert "A-1 is good: response 15, resolution 25, tone 15, compliance 15, satisfaction 30; 12 items, 6 of" in said
    body = yaml.safe_load((ROOT / "scorecards" / "A-1.yaml").read_text(encoding="utf-8"))
    body["dimensions"]["tone"]["weight"] = 20
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(body, allow_unicode=True, sort_keys=False), encoding="utf-8")
    assert app.main(["qa", "scorecard", "check", str(mine)]) == 2
    assert "mine.yaml: the weights sum to 105 (response 15, resolution 25, tone 20" in capsys.readouterr().err


def test_a_card_is_put_into_use(typed: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["qa", "scorecard", "show"]) == 0
    assert "no card has been put into use" in capsys.readouterr().out
    assert app.main(["qa", "scorecard", "use", "B-1", "--date", "2099-01-01"]) == 0
    assert "calls from 2099-01-01 on are reviewed with B-1" in capsys.readouterr().out
    assert app.main(["qa", "scorecard", "show", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["card"], row["from"]) == ("B-1", "2099-01-01")
    assert app.main(["qa", "scorecard", "show", "B-1"]) == 0
    shown = capsys.readouterr().out
    assert "40 %  efficiency" in shown
    assert "业务能力" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scorecard", "use", "C-1"], "There is no scorecard C-1; there are A-1, B-1"),
        (["scorecard", "use", "A-1", "--date", "2020-01-01"], "2020-01-01 has passed"),
        (["scorecard", "use"], "say check [FILE …], show [CARD], or use CARD"),
        (["scorecard", "use", "A-1", "--date", "soon"], "--date: 'soon' is not a date"),
        (["open", "--date", "2031-03-07"], "Nothing has been drawn for 2031-03-07 yet"),
        (["export", "--out", "x.xlsx"], "say --month such as 2026-11"),
        (["export", "--month", "March", "--out", "x.xlsx"], "--month: 'March' is not a month"),
        (["export", "--month", "2031-03", "--out", "x.pdf"], "x.pdf must end in .xlsx or .csv"),
        (["export", "--month", "2031-03", "--out", "/nowhere/x.csv"], "--out: /nowhere/x.csv cannot be written"),
    ],
)
def test_wrong_words(typed: House, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert app.main(["qa", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_day_is_opened_and_a_month_taken_away(
    typed: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(typed)
    office.hire("amy")
    office.admit("qa1", "qa")
    recordings = [office.record("amy") for _ in range(3)]
    with office.transaction() as session:
        days.draw_day(session, DAY, 7, office.now)
    office.opened()  # with the facts of this test; the command then finds nothing missing
    assert app.main(["qa", "open", "--date", DAY.isoformat(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"day": "2031-03-07", "opened": 0, "second": 0, "without_second": 0}]
    for recording in recordings:
        office.judge(office.review_of(recording), need_met=NO)
    office.forward(days=4)
    office.tick()
    out = tmp_path / "march.xlsx"
    assert app.main(["qa", "export", "--month", "2031-03", "--out", str(out), "--language", "en"]) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    book = openpyxl.load_workbook(io.BytesIO(out.read_bytes()))
    assert book["Agents"]["A2"].value == "amy"
    for table, count in (("agents", 1), ("reviews", 3)):
        file = tmp_path / f"{table}.csv"
        assert app.main(["qa", "export", "--month", "2031-03", "--out", str(file), "--table", table]) == 0
        assert len(file.read_text(encoding="utf-8").splitlines()) == count + 1


def test_reviews_that_lie_still_are_handed_over_and_dropped(
    typed: House, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(typed)
    office.hire("amy")
    for login in ("qa1", "qa2", "qa3"):
        office.admit(login, "qa")
    recordings = [office.record("amy") for _ in range(2)]
    office.opened()
    assert app.main(["qa", "waiting", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["review"] for row in rows} == {str(row.id) for row in office.rows()}
    assert "amy" not in json.dumps(rows), "nobody is told whom they hear"
    review = str(office.review_of(recordings[0]).id)
    why = ["--who", "boss", "--reason", "ill"]
    assert app.main(["qa", "hand-over", "qa3", *why]) == 0
    assert all(row.rater != "qa3" for row in office.rows())
    assert app.main(["qa", "drop", review, *why]) == 0
    assert "ratings of it are dropped" in capsys.readouterr().out
    assert office.review_of(recordings[0]).state == "dropped"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hand-over", "--who", "boss", "--reason", "ill"], "say which, by the id"),
        (["drop", "x"], "say who does it and why"),
        (["drop", "x", "--who", "boss", "--reason", "noise"], "'x' is not an id"),
        (["drop", "00000000-0000-0000-0000-000000000001", "--who", "b", "--reason", "n"], "There is no such review"),
        (["hand-over", "nobody", "--who", "boss", "--reason", "ill"], "nobody has no review in hand"),
    ],
)
def test_wrong_words_of_a_lead(typed: House, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert app.main(["qa", *words]) == 2
    assert said in capsys.readouterr().err
