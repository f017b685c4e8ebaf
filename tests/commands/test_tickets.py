"""`carecall tickets` and `carecall ticket` as the desk meets them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import app
from console import users
from core import settings
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock
from tests.desk.office import Office


@pytest.fixture
def office(at_work: Carecall) -> Iterator[Office]:
    house = app.open_house(settings.load())
    house.clock = StandingClock(datetime.now(UTC))
    with house.transaction() as session:
        for login in ("li", "ann.example"):
            users.add(
                session, login, "nurse", "Invented Nurse", "en", "a long sentence of its own", "test", house.clock.now()
            )
        users.disable(
            session,
            users.add(
                session, "old", "nurse", "Left Nurse", "en", "a long sentence of its own", "test", house.clock.now()
            ).login,
            "test",
            house.clock.now(),
        )
    yield Office(house)
    house.engine.dispose()


def new(at_work: Carecall, *words: str) -> str:
    told = at_work("ticket", "new", *words)
    assert told.code == 0, told.err
    [number] = re.findall(r"ticket (\d{8}) for", told.out)
    return str(number)


def test_from_the_counter_to_the_end(at_work: Carecall, office: Office) -> None:
    number = new(at_work, "--kind", "complaint_other", "--phone", "010 5555 0141", "--words", "rude at the window")
    told = at_work("tickets", "--language", "en")
    assert f"{number}  red  due " in told.out
    assert "open  service centre  -" in told.out
    assert "A complaint that is not medical: a solution and a compensation. · give it to somebody" in told.out
    assert told.out.splitlines()[-1] == "1 open, 0 late"
    assert "请给出解决方案和补偿方案" in at_work("tickets").out, "the hospital's own language"
    assert at_work("ticket", "assign", number, "--to", "li").out.startswith(f"ticket {number}: assigned, due ")
    assert at_work("ticket", "start", number).code == 0
    refused = at_work("ticket", "resolve", number, "--solution", "an apology")
    assert (refused.code, refused.err.strip()) == (2, "A complaint needs a compensation before it is resolved.")
    steps = (
        ("classify", number, "--link", "billing", "--problem", "attitude"),
        ("respond", number),
        ("propose", number, "--solution", "an apology", "--compensation", "priority"),
        ("resolve", number),
        ("tell", number, "--how", "in_person"),
        ("confirm", number),
        ("reopen", number, "--why", "still rude"),
    )
    for words in steps:
        assert at_work("ticket", *words).code == 0
    [row] = at_work("tickets", "--json").rows
    assert (row["number"], row["status"], row["reopened"], row["why"]) == (number, "reopened", 1, "still rude")
    assert row["department"] == "insurance office"
    assert set(row["says"]) == {"zh-CN", "en"}
    assert {clock["state"] for clock in row["clocks"]} == {"met", "runs"}
    assert "rude at the window" not in at_work("tickets", "--json").out


def test_the_story_of_one_ticket_says_who_read_it(at_work: Carecall, office: Office) -> None:
    number = new(at_work, "--kind", "message", "--phone", "+861055550142", "--words", "about the lift")
    at_work("ticket", "assign", number, "--to", "li")
    told = at_work("ticket", f"{number[:6]}-{number[6:]}", "--language", "en")
    assert told.code == 0
    assert "words: about the lift" in told.out
    assert "contact: +861055550142" in told.out
    assert "given to li" in told.out
    assert re.search(r"watchers: .*li", told.out)
    [ticket] = at_work("ticket", number, "--json").rows
    assert [step["what"] for step in ticket["story"]][-1] == "read"
    assert "分派给 li" in at_work("ticket", number).out


def test_words_that_cannot_be_are_refused_in_one_sentence(at_work: Carecall, office: Office) -> None:
    for words in (
        ("ticket", "12345678"),
        ("ticket", "start", "99999999"),
        ("ticket", "new", "--kind", "message", "--phone", "12"),
        ("ticket", "new", "--kind", "message", "--nature", "complaint"),
        ("tickets", "--patient", "nobody"),
        ("tickets", "--since", "yesterday"),
        ("ticket",),
        ("ticket", "new", "--kind", "tea"),
    ):
        told = at_work(*words)
        assert told.code == 2, words
        assert told.err.strip()
    assert office.all() == []


def test_the_export_and_the_report_name_nobody(at_work: Carecall, office: Office, tmp_path: Path) -> None:
    number = new(at_work, "--kind", "appointment_new", "--phone", "+861055550143", "--words", "for Ann Example")
    at_work("ticket", "assign", number, "--to", "ann.example")
    office.forward(hours=3)
    office.tick()
    new(at_work, "--kind", "message", "--department", "cardiology")
    path = tmp_path / "ledger.csv"
    assert at_work("tickets", "export", "--csv", str(path)).code == 0
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text(encoding="utf-8")
    for secret in ("Ann", "ann.example", "+8610", number):
        assert secret not in text
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = [row for row in rows if row["ticket"] == rows[0]["ticket"]]
    assert [row["step"] for row in first][:2] == ["opened", "clock began"]
    assert [(row["step"], row["clock"]) for row in first if row["step"] == "overdue"] == [("overdue", "solve")]
    assert {row["who"] for row in rows} == {"staff", "service"}
    found = {(row["department"], row["clock"]): row for row in at_work("tickets", "report", "--json").rows}
    assert found["outpatient office", "solve"]["missed"] == 1
    assert found["cardiology", "solve"]["running"] == 1
    later = at_work("tickets", "report", "--since", "2090-01-01", "--json")
    assert later.rows == []


def test_feedback_is_imported_by_command(at_work: Carecall, office: Office, tmp_path: Path) -> None:
    path = tmp_path / "feedback.csv"
    path.write_text("channel,external_id,words\nweb,1,thank you\npigeon,2,coo\n", encoding="utf-8")
    told = at_work("import", "feedback", str(path), "--dry-run")
    assert (told.code, office.all()) == (1, [])
    assert at_work("import", "feedback", str(path)).code == 1
    assert at_work("import", "feedback", str(path)).out.count("unchanged") == 1
    assert [ticket.external_id for ticket in office.all()] == ["web:1"]


@pytest.mark.parametrize("login", ["nobody", "old"])
def test_a_ticket_is_given_to_nobody_who_is_not_there(at_work: Carecall, office: Office, login: str) -> None:
    number = new(at_work, "--kind", "message", "--phone", "+861055550142", "--words", "about the lift")
    told = at_work("ticket", "assign", number, "--to", login)
    assert (told.code, told.err.strip()) == (
        2,
        f"Nobody with the login '{login}' sees to tickets; there are: ann.example, li.",
    )
    [row] = at_work("tickets", "--json").rows
    assert (row["status"], row["owner"]) == ("open", "")
