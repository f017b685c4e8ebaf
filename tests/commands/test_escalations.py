"""`carecall escalations` and `carecall downtime` as a manager and a nurse meet them."""

from __future__ import annotations

import csv
import stat
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import app
from core.house import House
from core.models import EventRow, new_id
from core.settings import load
from dialer.models import Call, Escalation
from tests.commands.conftest import Carecall

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def opened(at_work: Carecall) -> uuid.UUID:
    """One escalation an hour ago, nobody reached."""
    house: House = app.open_house(load())
    keyed = NOW - timedelta(hours=1)
    with house.transaction() as session:
        call = Call(
            id=new_id(), kind="hotline", party="+861055550111", party_index=b"p", status="completed", sid="CA1",
            started_at=keyed, deadline_at=keyed,
        )  # fmt: skip
        session.add(call)
        session.flush()
        row = Escalation(
            id=new_id(), call_id=call.id, to="+861055550111", to_index=b"p", language="en", department="=1+1", score=7,
            flags=["bleeding"], record_on=False, status="overdue", chain=[], keyed_at=keyed,
            stored_at=keyed + timedelta(seconds=1), promise_at=keyed + timedelta(seconds=300),
            breached_at=keyed + timedelta(seconds=301), night_at=keyed + timedelta(seconds=302),
        )  # fmt: skip
        session.add(row)
    house.engine.dispose()
    return row.id


def test_the_list_the_span_and_the_report(at_work: Carecall, opened: uuid.UUID) -> None:
    (row,) = at_work("escalations", "--json").rows
    assert (row["escalation"], row["late"], row["night"]) == (str(opened), "LATE", "called")
    assert at_work("escalations", "--json", "--until", (NOW - timedelta(hours=2)).isoformat()).rows == []
    counts = {row["clock"]: row["count"] for row in at_work("escalations", "report", "--json").rows}
    assert (counts["promise broken"], counts["not closed"], counts["night call-ins"]) == (1, 1, 1)
    later = at_work("escalations", "report", "--since", NOW.isoformat(), "--json").rows
    assert {row["clock"]: row["count"] for row in later}["escalations"] == 0
    assert at_work("escalations", "--json", "report").rows == at_work("escalations", "report", "--json").rows
    assert "key to first ring" in at_work("escalations", "report").out


def test_the_story_is_in_the_hospitals_language_or_the_one_asked_for(at_work: Carecall, opened: uuid.UUID) -> None:
    english = at_work("escalations", "timeline", str(opened), "--language", "en").out.splitlines()
    assert english[0].strip() == "0.0 s  key pressed: pain 7"
    assert "bleeding" not in english[1].partition("warning sign: ")[0]
    assert any("night target is called in" in line for line in english)
    chinese = at_work("escalations", "timeline", str(opened), "--json").rows
    assert chinese[0] == {"after_s": 0.0, "what": "患者按键：疼痛7分"}
    assert len(chinese) == len(english)


def test_the_export_is_private_and_no_formula(at_work: Carecall, opened: uuid.UUID, tmp_path: Path) -> None:
    path = tmp_path / "clocks.csv"
    assert at_work("escalations", "export", "--csv", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["escalation"], row["department"], row["stored_s"]) == (str(opened), "'=1+1", "1.0")
    assert (row["breached_s"], row["night_s"], row["closed_s"]) == ("301.0", "302.0", "")
    assert "861055550111" not in path.read_text(encoding="utf-8")
    assert at_work("escalations", "report", "--csv", str(path)).code == 0
    assert "key to first ring" in path.read_text(encoding="utf-8")


def test_a_person_closes_it_once_with_a_code_and_a_reason(at_work: Carecall, opened: uuid.UUID) -> None:
    words = ("escalations", "close", str(opened), "--outcome", "reached_otherwise", "--who", "nurse1")
    assert at_work(*words, "--why", "met in the ward").code == 0
    told = at_work(*words)
    assert (told.code, told.out.strip()) == (1, "its outcome is known already; nothing is changed")
    (row,) = at_work("escalations", "--json").rows
    assert (row["status"], row["outcome"]) == ("closed", "reached_otherwise")
    house = app.open_house(load())
    with house.transaction() as session:
        by = session.execute(
            sa.select(EventRow.who, EventRow.why).where(
                EventRow.subject_id == opened, EventRow.what == "closed by hand"
            )
        ).all()
    house.engine.dispose()
    assert [tuple(row) for row in by] == [("nurse1", "met in the ward")]


@pytest.mark.parametrize(
    "words",
    [("close", "{id}", "--outcome", "dead", "--who", "x"), ("close", "{id}", "--outcome", "advice"), ("export",)],
)
def test_a_wrong_code_or_nobody_is_refused(at_work: Carecall, opened: uuid.UUID, words: tuple[str, ...]) -> None:
    assert at_work("escalations", *(word.format(id=opened) for word in words)).code == 2


@pytest.mark.parametrize("what", ["timeline", "close"])
def test_an_unknown_id_is_one_sentence(at_work: Carecall, what: str) -> None:
    more = ("--outcome", "advice", "--who", "x") if what == "close" else ()
    for text in ("nonsense", str(uuid.uuid4())):
        told = at_work("escalations", what, text, *more)
        assert told.code == 2
        assert len(told.err.strip().splitlines()) == 1


# ---- the sheet -----------------------------------------------------------------------------------------
def test_the_sheet_is_written_or_shown_and_the_showing_is_in_the_ledger(
    at_work: Carecall, opened: uuid.UUID, tmp_path: Path
) -> None:
    told = at_work("downtime")
    assert told.code == 0
    (path,) = (tmp_path / "var" / "downtime").iterdir()
    assert str(path) in told.out
    shown = at_work("downtime", "--stdout").out
    assert "+861055550111" in shown
    house = app.open_house(load())
    with house.transaction() as session:
        reads = session.scalars(sa.select(EventRow).where(EventRow.what == "down-time sheet read")).all()
    house.engine.dispose()
    assert len(reads) == 1


def test_a_folder_in_the_way_is_one_sentence_and_a_wrong_line_of_the_check(at_work: Carecall, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "downtime").write_text("in the way", encoding="utf-8")
    told = at_work("downtime")
    assert told.code == 2
    assert "cannot be written" in told.err
    lines = {row["what"]: row for row in at_work("check", "--json").rows}
    assert lines["down-time sheet"]["ok"] == "WRONG"
    assert lines["heartbeat"]["ok"] == "WRONG"
    assert "the carrier does not answer" in lines["heartbeat"]["detail"]
