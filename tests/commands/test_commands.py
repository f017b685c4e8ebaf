"""The command line as the hospital's IT person meets it: what it prints, and its exit code."""

from __future__ import annotations

import base64
import csv
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

import app
from core import crypto, settings
from ivr import shelf
from tests.commands.conftest import Carecall
from tests.house import OPERATOR, ROOT


def file(path: Path, row: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, row)
        writer.writeheader()
        writer.writerow(row)
    return path


def patients(folder: Path, **changes: str) -> Path:
    ended = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    return file(
        folder / "patients.csv",
        {"mrn": "T-0001", "name": "Ann Example", "phone": "+8613800000001", "procedure_id": "OP-1",
         "surgery_end": ended} | changes,
    )  # fmt: skip


def roster(folder: Path, days: int = 2) -> Path:
    now = datetime.now(UTC)
    return file(
        folder / "roster.csv",
        {"department": "*", "tier": "1", "doctor": "Dr One", "phone": "+8613800000021",
         "start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(days=days)).isoformat()},
    )  # fmt: skip


# ---- words and settings --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words",
    [(), ("nonsense",), ("import", "cats", "x.csv"), ("pause",), ("pause", "--lane", "doctors", "--reason", "x"),
     ("check", "--verbose"), ("qa", "draw", "--seed", "x"), ("flows", "fix"), ("escalations", "clocks"),
     ("worker", "--queues", "cats")],
)  # fmt: skip
def test_wrong_words_are_exit_two_with_a_usage(carecall: Carecall, words: tuple[str, ...]) -> None:
    told = carecall(*words)
    assert told.code == 2
    assert "usage: carecall" in told.err


NEEDS_A_HOUSE = [
    ("check",), ("followups",), ("escalations",), ("recordings",), ("resume",), ("pause", "--reason", "x"),
    ("import", "patients", "x.csv"), ("qa", "draw"), ("worker",),
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_A_HOUSE)
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [("DATA_KEY", "", "DATA_KEY is not set"), ("PUBLIC_URL", "hospital", "PUBLIC_URL"), ("PORT", "http", "PORT")],
)
def test_a_wrong_setting_is_one_sentence_and_exit_two(
    carecall: Carecall,
    environment: pytest.MonkeyPatch,
    words: tuple[str, ...],
    variable: str,
    value: str,
    sentence: str,
) -> None:
    environment.setenv(variable, value)
    told = carecall(*words)
    assert (told.code, told.out) == (2, "")
    assert sentence in told.err
    assert len(told.err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [words for words in NEEDS_A_HOUSE if words != ("check",)])
def test_without_a_database_the_sentence_says_how_to_get_one(carecall: Carecall, words: tuple[str, ...]) -> None:
    told = carecall(*words)
    assert (told.code, told.out) == (2, "")
    assert "carecall up" in told.err


def test_a_database_that_does_not_answer_is_a_sentence(carecall: Carecall, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/none")
    told = carecall("followups")
    assert (told.code, told.out) == (2, "")
    assert told.err.strip() == "The database does not answer: is it running, and is DATABASE_URL right?"


def test_a_database_without_a_schema_is_a_sentence(
    carecall: Carecall, environment: pytest.MonkeyPatch, database_url: str
) -> None:
    environment.setenv("DATABASE_URL", database_url)
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    assert carecall("followups").err.strip().endswith("run `carecall db upgrade`.")
    assert carecall("check").code == 1
    assert carecall("db", "upgrade").out == "the schema is up to date\n"
    assert carecall("followups").out == "(none)\n"
    engine.dispose()


def test_another_data_key_is_a_sentence(at_work: Carecall, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert at_work("import", "patients", str(patients(tmp_path))).code == 0
    environment.setenv("DATA_KEY", crypto.new_data_key())
    told = at_work("followups")
    assert (told.code, told.out) == (2, "")
    assert "DATA_KEY is not the key it was written with" in told.err


# ---- check ---------------------------------------------------------------------------------------------
def test_check_has_a_line_for_everything_and_names_what_is_wrong(at_work: Carecall, tmp_path: Path) -> None:
    told = at_work("check", "--json")
    assert told.code == 1
    lines = {row["what"]: row for row in told.rows}
    assert {"hospital file", "carrier token", "our number", "webhook address", "live", "flows", "database", "carrier",
            "roster"} <= set(lines)  # fmt: skip
    assert lines["database"]["ok"] == "ok"
    assert (lines["carrier"]["ok"], lines["carrier"]["detail"]) == ("WRONG", "does not answer")
    assert lines["roster"]["ok"] == "WRONG"
    assert str(lines["roster"]["detail"]).startswith("nobody is on duty in the next 24 hours: * ")
    assert lines["roster ahead"]["ok"] == "ok", "a look further is not wrong yet"
    assert at_work("import", "roster", str(roster(tmp_path))).code == 0
    told = at_work("check")
    assert "somebody is on duty at each moment of the next 24 hours" in told.out
    assert told.code == 1, "the carrier still does not answer"


def test_check_without_carrier_credentials_still_looks_at_the_rest(
    at_work: Carecall, environment: pytest.MonkeyPatch
) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"):
        environment.delenv(name)
    told = at_work("check", "--json")
    wrong = {row["what"]: row["detail"] for row in told.rows if row["ok"] != "ok" and row["what"] != "flows"}
    assert told.code == 1
    assert wrong["carrier token"] == "TWILIO_AUTH_TOKEN is not set: every carrier request is refused"
    assert "TWILIO_ACCOUNT_SID" in wrong["carrier"]
    assert "roster" in wrong
    assert "database" not in wrong


def test_check_knows_a_hotline_flow_that_does_not_exist(at_work: Carecall, tmp_path: Path) -> None:
    with (tmp_path / "hospital.toml").open("a", encoding="utf-8") as hospital:
        hospital.write('[hotline]\nflow = "hotlnie"\n')
    lines = {row["what"]: row for row in at_work("check", "--json").rows}
    assert lines["flows"]["ok"] == "WRONG"
    assert "'hotlnie'" in lines["flows"]["detail"]


# ---- import and lists ----------------------------------------------------------------------------------
def test_an_import_reports_each_row_and_the_lists_show_it(at_work: Carecall, tmp_path: Path) -> None:
    path = str(patients(tmp_path))
    dry = at_work("import", "patients", path, "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "nothing kept (dry run), 0 refused")
    assert at_work("followups").out == "(none)\n"
    told = at_work("import", "patients", path, "--json")
    assert (told.code, told.rows) == (0, [{"row": 2, "result": "created", "detail": "5 follow-ups planned"}])
    assert at_work("import", "patients", path).out.splitlines()[-1] == "1 rows taken, 0 refused"
    rows = at_work("followups", "--json").rows
    assert [row["wave"] for row in rows] == ["6h", "48h", "7d", "30d", "90d"]
    assert at_work("followups", "--patient", "T-0001", "--since", "2020-01-01").code == 0
    assert "T-0001" in at_work("followups").out
    assert "Ann" not in at_work("followups").out


def test_a_refused_row_is_exit_one(at_work: Carecall, tmp_path: Path) -> None:
    told = at_work("import", "patients", str(patients(tmp_path, phone="12")))
    assert told.code == 1
    assert "refused" in told.out
    assert told.out.splitlines()[-1] == "0 rows taken, 1 refused"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file"), (b"", "is empty"), (b"a,b\n", "missing: mrn"), (b"\xff\xff", "not a CSV"),
     (b"mrn,name,phone,procedure_id,surgery_end\n" + b"x" * 200_000 + b",a,b,c,d\n", "not a CSV table")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_exit_two(
    at_work: Carecall, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    told = at_work("import", "patients", str(path))
    assert (told.code, told.out) == (2, "")
    assert sentence in told.err


def test_the_lists_of_an_empty_house(at_work: Carecall) -> None:
    for name in ("followups", "escalations", "recordings"):
        assert (at_work(name).code, at_work(name).out) == (0, "(none)\n")
        assert at_work(name, "--json").rows == []
        assert at_work(name, "--since", "soon").code == 2
    report = at_work("escalations", "report", "--json")
    assert (report.code, {row["count"] for row in report.rows}) == (0, {0})
    assert "p95_s" in at_work("escalations", "report").out
    for name in ("followups", "escalations"):
        assert "no patient with this record number" in at_work(name, "--patient", "T-9").err


def test_the_days_sample_of_an_empty_day(at_work: Carecall) -> None:
    first = at_work("qa", "draw", "--date", "2025-03-07", "--seed", "7", "--json")
    assert first.code == 0
    assert at_work("qa", "draw", "--date", "2025-03-07", "--seed", "7", "--json").out == first.out
    assert "0 of 0 recordings, seed 7" in at_work("qa", "draw", "--date", "2025-03-07", "--seed", "7").out
    assert at_work("qa", "draw", "--date", "tomorrow").code == 2
    assert "2999-03-07 is not over before 2999-03-08 00:00" in at_work("qa", "draw", "--date", "2999-03-07").err


def test_chats_are_imported_and_drawn(at_work: Carecall, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "chats.csv"
    rows = ["external_id,at,who,text,channel,language"]
    for number in range(3):
        rows += [f"c-{number},2025-03-07T09:0{line},patient,I have a high fever.,wechat,en" for line in range(3)]
    file.write_text("\n".join([*rows, "c-9,2025-03-07T09:00,nobody,x,web,"]), encoding="utf-8")
    told = at_work("import", "chats", str(file))
    assert (told.code, "3 rows taken, 1 refused" in told.out) == (1, True)
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()
    early = at_work("qa", "draw", "--chats", "--date", today)
    assert (early.code, f"{today} is not over" in early.err) == (2, True), "or who writes tonight would have no chance"
    engine = sa.create_engine(database_url)
    with engine.begin() as store:  # a day passes
        store.execute(sa.text("UPDATE chats SET taken_at = taken_at - interval '1 day'"))
    engine.dispose()
    drawn = at_work("qa", "draw", "--chats")
    assert drawn.code == 0, drawn.err
    for words in (
        "3 of 3 chats", "all are drawn", "no agent / - / day / wechat", "the whole day, all 3 of it",
        "patient: I have a high fever.", "! red_flag",
    ):  # fmt: skip
        assert words in drawn.out
    assert json.loads(at_work("qa", "draw", "--chats", "--json").out)["candidates"] == 3, "yesterday, if none is named"


# ---- the lane, the fallback, keys, flows, models ------------------------------------------------------
def test_outbound_calls_are_stopped_and_started_again(at_work: Carecall) -> None:
    assert at_work("resume").out == "nothing was paused\n"
    told = at_work("pause", "--reason", "a test")
    assert (told.code, told.out) == (
        0,
        "outbound calls of the lane 'routine' are paused; calls already ringing go on\n",
    )
    assert at_work("pause", "--lane", "all", "--reason", "more").code == 0
    assert at_work("resume").out == "outbound calls run again\n"
    assert at_work("resume").out == "nothing was paused\n"


def test_the_fallback_is_a_document_to_paste(carecall: Carecall, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATA_KEY")
    told = carecall("fallback")
    assert told.code == 0
    root = ElementTree.fromstring(told.out)
    assert [verb.tag for verb in root] == ["Say"] * 4 + ["Dial", "Hangup"]
    assert OPERATOR in told.out


def test_a_key_is_new_each_time_and_is_taken(carecall: Carecall, environment: pytest.MonkeyPatch) -> None:
    for name in ("DATA_KEY", "SECRET_KEY"):
        environment.delenv(name)
    keys = {carecall("key").out.strip() for _ in range(2)}
    assert len(keys) == 2
    assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in keys)


def test_the_flows_are_checked_without_a_house(carecall: Carecall) -> None:
    told = carecall("flows", "check")
    *warned, last = told.out.splitlines()
    assert (told.code, last) == (0, "flows and prompts are in order")
    assert all(line.startswith("warning: ") for line in warned)


def test_the_versions_of_flows_are_listed_since_their_first_call(at_work: Carecall) -> None:
    assert at_work("flows", "versions", "--json").rows == []
    house = app.open_house(settings.load())
    try:
        book = shelf.kept(house, house.clock.now())
    finally:
        house.engine.dispose()
    (row,) = at_work("flows", "versions", "--json").rows
    assert (row["version"], row["flows"], row["calls now"], row["present"]) == (book.version, len(book.flows), 0, "yes")
    assert book.version in at_work("flows", "versions").out


def test_the_models_are_listed_without_keys(carecall: Carecall, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATA_KEY")
    told = carecall("models", "list", "--json")
    assert told.code == 0
    languages = json.loads(told.out)["languages"]
    assert {row["language"] for row in languages} == {"zh-CN", "en"}
    assert {row["state"] for row in languages} <= {"ready", "missing"}
    assert all(row["checksum"] for row in json.loads(told.out)["models"])
    assert "engine" in carecall("models", "list").out


def test_the_local_carriers_own_words_reach_it() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "app", "carrier", "--port", "no"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 2
    assert "--port" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_service_stops_when_told_while_it_waits_to_start_a_program_again(tmp_path: Path) -> None:
    """SIGTERM between a fall and the new start must not leave a program nobody ends."""
    script = (
        "import os, sys, commands.service as service\n"
        "def spawn(words, environment):\n"
        "    import subprocess\n"
        "    print('spawned', flush=True)\n"
        "    return subprocess.Popen([sys.executable, '-c', words[0]])\n"
        "service.spawn = spawn\n"
        "sys.exit(service._keep_running({'web': ['pass']}, {}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert "spawned" in process.stdout.readline()
    assert "started again" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert process.stdout.read() == ""
    process.stdout.close()
    process.stderr.close()
