"""`carecall agents`, `carecall desk` and the line of `carecall check`, as somebody at a terminal uses them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from commands import admin, cli, desk
from commands.joined import Joined
from core.settings import Settings
from core.tables import FileProblem
from tests.desk.desk_house import CALLERS, Hall
from tests.house import ROOT
from tests.scheduler.clinic import hospital


@pytest.fixture
def run(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> object:
    def command(*words: str) -> int:
        args = cli.parser().parse_args(list(words))
        joined = Joined(ROOT, lambda settings: hall.house, [], lambda house: None)  # type: ignore[arg-type, return-value]
        assert isinstance(args, argparse.Namespace)
        answer: int = args.command(args, joined)
        return answer

    for room in (admin, desk):
        monkeypatch.setattr(room, "house_of", lambda joined: hall.house)
    assert isinstance(hall.house.settings, Settings)
    return command


def test_the_board_and_signing(hall: Hall, run: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(run)
    hall.agent("kim", skills=("theme", "postop"), state="off")
    assert run("agents", "sign", "kim", "ready", "--who", "boss") == 0
    assert capsys.readouterr().out == "kim is ready\n"
    assert run("agents", "--json") == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["login"], row["status"], row["skills"]) == ("kim", "ready", "theme; postop")
    with pytest.raises(FileProblem, match="no agent 'max'"):
        run("agents", "sign", "max", "off")


def test_who_waits(hall: Hall, run: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(run)
    hall.agent()
    hall.enters(CALLERS[0], reason="theme")
    hall.forward(seconds=75)
    assert run("desk", "queue", "--json") == 0
    told = capsys.readouterr().out
    [row] = json.loads(told)
    assert (row["place"], row["mode"], row["reason"], row["waited_s"]) == (1, "line", "theme", 75)
    assert CALLERS[0] not in told


def test_the_report_says_the_figures_and_the_seats(hall: Hall, run: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(run)
    hospital(hall.house, desk={"seats": 2}, calling={"lines": 60})
    hall.agent()
    entry = hall.enters(CALLERS[0])
    hall.forward(seconds=9)
    hall.tick()
    hall.talks(entry)
    hall.hangs_up(entry)
    assert run("desk", "report", "--json") == 0
    day, whole = json.loads(capsys.readouterr().out)
    assert (day["day"], whole["day"]) == ("2031-03-07", "all")
    assert (day["within_3s"], day["within_10s"], day["talk_s"]) == (0.0, 1.0, 60.0)
    assert run("desk", "report", "--since", "2031-03-08T00:00") == 0
    told = capsys.readouterr().out
    assert "seats now (day): 1 signed in, 2 required" in told
    with pytest.raises(FileProblem, match="--since"):
        run("desk", "report", "--since", "yesterday")


def test_check_has_a_line_for_the_seats(hall: Hall) -> None:
    assert admin._seats(hall.house) == "0 of 0 signed in (day): none are required"
    hospital(hall.house, desk={"seats": 1})
    with pytest.raises(admin._Wrong, match="0 of 1 signed in"):
        admin._seats(hall.house)
    hall.agent()
    assert admin._seats(hall.house) == "1 of 1 signed in (day)"


def test_staff_is_something_that_can_be_imported(hall: Hall, tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text("login,name,role\nqq,Q Example,qa\n", encoding="utf-8")
    [report] = admin.IMPORTERS["staff"](hall.house, file, hall.now)
    assert report.result == "created"
