"""Chats: taken once, screened by the phrase list, drawn like calls, read in order, emptied at the end of their time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError

from core.db import blind
from core.house import House
from core.models import EventRow, Patient, new_id
from core.people import MRN
from core.tables import FileProblem
from dialer.models import Agent
from recordings import reports
from recordings.chat_models import Chat, ChatFinding
from recordings.models import DrawPick
from recordings.review_models import QaNote
from recordings.sampling import chats, sample
from recordings.sampling.chat_import import import_chats
from recordings.sampling.chat_shapes import ChatIn
from recordings.sampling.chats import ChatProblem
from recordings.vault import retention
from recordings.vault.retention import HoldProblem
from tests.house import MID_MORNING
from tests.recordings import days

DAY = MID_MORNING.date()
NOW = MID_MORNING


def chat(number: int = 1, said: Sequence[tuple[str, str]] = (), **more: Any) -> ChatIn:
    """One chat of an hour ago, a line a minute."""
    lines = said or (("patient", "Where can I park?"), ("agent", "Behind the main building."), ("patient", "Thanks."))
    start = more.pop("at", NOW - timedelta(hours=1))
    return ChatIn.model_validate(
        {
            "external_id": f"c-{number}", "channel": "wechat", "agent": "li.na", "language": "en",
            "lines": [
                {"at": start + timedelta(minutes=after), "who": who, "text": text}
                for after, (who, text) in enumerate(lines)
            ],
        }
        | more
    )  # fmt: skip


@pytest.fixture
def desk(house: House) -> House:
    with house.transaction() as session:
        for number, login in enumerate(("li.na", "wang.wei")):
            session.add(Agent(id=uuid.UUID(int=number + 1), login=login, name="x", role="agent", since=NOW))
        session.add(
            Patient(
                id=new_id(), mrn="M-1", mrn_index=blind("M-1", MRN), name="Ann Example", language="en", timezone="UTC",
                created_at=NOW,
            )
        )  # fmt: skip
    return house


def take(house: House, *given: ChatIn, now: datetime = NOW) -> list[str]:
    with house.transaction() as session:
        return [one.result for one in chats.take(session, given, now, who="tests")]


def every(house: House, kind: type[Any]) -> list[Any]:
    with house.transaction() as session:
        return list(session.scalars(sa.select(kind).order_by(kind.id)))


# ---- taken in ------------------------------------------------------------------------------------------
def test_a_chat_is_taken_once_with_all_that_is_said_of_it(desk: House) -> None:
    given = chat(1, mrn="M-1", reason="directions", satisfaction=4, transfers=1)
    assert take(desk, given, given) == ["created", "unchanged"]
    assert take(desk, given) == ["unchanged"]
    (row,) = every(desk, Chat)
    assert (row.channel, row.agent_id, row.reason, row.satisfaction, row.transfers) == (
        "wechat", uuid.UUID(int=1), "directions", 4, 1,
    )  # fmt: skip
    assert (row.answer_s, row.written, row.keep_class) == (60.0, 3, "ordinary")
    assert row.keep_until == row.ended_at + timedelta(days=180)
    assert row.patient_id == every(desk, Patient)[0].id
    with desk.transaction() as session:
        said = chats.transcript(session, row.id)
        raw = session.scalar(sa.text("SELECT lines FROM chats"))
    assert [(line.speaker, line.start_s, line.text) for line in said] == [
        ("patient", 0.0, "Where can I park?"), ("line", 60.0, "Behind the main building."),
        ("patient", 120.0, "Thanks."),
    ]  # fmt: skip
    assert b"park" not in raw


def test_all_are_taken_or_none_and_every_fault_is_told(desk: House) -> None:
    take(desk, chat(1))
    with pytest.raises(ChatProblem) as refused:
        take(
            desk,
            chat(1, said=[("patient", "something else")]),
            chat(2, agent="nobody", mrn="M-2"),
            chat(3),
            chat(4, at=NOW + timedelta(hours=1)),
        )
    assert [(at, where) for at, where, _ in refused.value.problems] == [
        (0, "external_id"), (1, "agent"), (1, "mrn"), (3, "lines"),
    ]  # fmt: skip
    assert len(every(desk, Chat)) == 1


def test_the_class_of_a_chat_decides_how_long_it_is_kept(desk: House) -> None:
    take(desk, chat(1, complaint=True), chat(2, escalated=True), chat(3, reason="complaint_other"), chat(4))
    kept = {row.external_id: (row.keep_class, row.keep_until - row.ended_at) for row in every(desk, Chat)}
    assert kept == {
        "c-1": ("complaint", timedelta(days=1095)), "c-2": ("escalation", timedelta(days=1095)),
        "c-3": ("complaint", timedelta(days=1095)), "c-4": ("ordinary", timedelta(days=180)),
    }  # fmt: skip


def test_a_hundred_chats_take_as_many_statements_as_one(desk: House) -> None:
    counts = []
    for first, count in ((1, 1), (100, 100)):
        seen: list[str] = []
        noted = lambda c, u, statement, *rest, seen=seen: seen.append(statement)  # noqa: E731
        sa.event.listen(desk.engine, "before_cursor_execute", noted)
        take(desk, *(chat(number, mrn="M-1") for number in range(first, first + count)))
        counts.append(len([one for one in seen if "INSERT INTO events" not in one]))
    assert counts[0] == counts[1] <= 8


# ---- screened ------------------------------------------------------------------------------------------
def test_staff_phrases_count_on_the_agents_lines_and_red_flags_on_the_patients(desk: House) -> None:
    bad = "That is not my job."
    take(
        desk,
        chat(1, said=[("patient", "I have a high fever."), ("agent", bad)]),
        chat(2, said=[("patient", bad), ("machine", bad), ("agent", "I will find out for you.")]),
        chat(3, said=[("patient", "请问能治好吗"), ("agent", "我们保证治好")], language="zh-CN"),
    )
    ids = {row.id: row.external_id for row in every(desk, Chat)}
    found = sorted((ids[row.chat_id], row.category, row.speaker) for row in every(desk, ChatFinding))
    assert ("c-1", "red_flag", "patient") in found
    assert ("c-1", "evasion", "line") in found
    assert ("c-3", "over_promise", "line") in found
    assert not [one for one in found if one[0] == "c-2"]
    assert {row.lexicon for row in every(desk, Chat)} != {""}


# ---- drawn ---------------------------------------------------------------------------------------------
def test_a_hundred_chats_of_a_day_are_drawn_like_calls(desk: House) -> None:
    for first in (0, 100):
        take(desk, *(
            chat(number, agent=("li.na", "wang.wei")[number % 40 == 0], reason=("theme", "services")[number % 2],
                 channel=("wechat", "web")[number % 3 == 0], satisfaction=1 if number % 50 == 0 else None,
                 at=NOW - timedelta(days=90))
            for number in range(first, first + 100)
        ))  # fmt: skip
    with desk.transaction() as session:
        longer = "UPDATE chats SET started_at = started_at - interval '80 days' WHERE external_id = 'c-1'"
        session.execute(sa.text(longer))
        row = days.draw_day(session, DAY, 9, NOW, "chats")
        picks = sample.picks(session, row)
        assert (row.kind, row.size, len(picks), row.whole_day) == ("chats", 100, 100, False)
        assert {pick.subject_kind for pick in picks} == {"chat"}
        assert len({pick.chat_id for pick in picks}) == 100
        risky = {one["id"] for one in row.candidates if one["risk"]}
        assert 4 <= len(risky) <= 9
        assert risky <= {str(pick.chat_id) for pick in picks}
        assert sum(pick.part == "random" for pick in picks) >= 60
        again = days.draw_day(session, DAY, 9, NOW + timedelta(days=1), "chats")
        assert again.id == row.id
        calls = days.draw_day(session, DAY, 9, NOW, "calls")
        assert calls.id != row.id, "a draw of calls may have the same seed"
        told = reports.draw_report(session, row)
    assert len(told.picked) == 100
    assert any("wechat" in name and "theme" in name for name, _, _ in told.strata)
    assert "li.na" not in json.dumps(told.strata)
    assert told.picked[0].transcript[0].text == "Where can I park?"


def test_a_chat_handed_in_late_is_in_the_draw_of_the_day_it_came(desk: House) -> None:
    take(desk, chat(1, at=NOW - timedelta(days=4)), chat(2))
    with desk.transaction() as session:
        assert sample.candidates(session, DAY - timedelta(days=4), "chats") == []
        found = sample.candidates(session, DAY, "chats")
        assert len(found) == 2
        days.draw_day(session, DAY, 1, NOW, "chats")
        assert session.scalar(sa.select(sa.func.count()).select_from(DrawPick)) == 2
        assert sample.candidates(session, DAY, "chats") == []


def test_the_risks_of_a_chat(desk: House) -> None:
    old = chat(0, at=NOW - timedelta(days=200))
    take(
        desk, old, chat(1), chat(2, satisfaction=2), chat(3, transfers=2), chat(4, complaint=True),
        chat(5, escalated=True),
        chat(6, said=[("patient", "Hello?")]), chat(7, at=NOW - timedelta(hours=8)), chat(8, agent="wang.wei"),
        chat(9, said=[("patient", "Can you?"), ("agent", "That is not my job."), ("patient", "Oh.")]),
    )  # fmt: skip
    with desk.transaction() as session:
        ids = {str(row.id): row.external_id for row in session.scalars(sa.select(Chat))}
        found = {ids[one.id]: set(one.risk) for one in sample.candidates(session, DAY, "chats")}
    assert found == {
        "c-0": {"new agent"}, "c-1": set(), "c-2": {"low satisfaction"}, "c-3": {"transferred"}, "c-4": {"complaint"},
        "c-5": {"escalation"}, "c-6": {"very short"}, "c-7": {"night"}, "c-8": {"new agent"},
        "c-9": {"phrase: evasion"},
    }  # fmt: skip


def test_chats_are_found_by_index_however_many_years_there_are(desk: House) -> None:
    with desk.transaction() as session:
        years = (
            "INSERT INTO chats (id, external_id, digest, channel, agent_id, reason, language, started_at, ended_at,"
            " taken_at, written, lines, transfers, complaint, escalated, lexicon, keep_class, keep_until)"
            " SELECT md5('c' || n)::uuid, 'y-' || n, 'x', 'web', :agent, '', 'en', at, at, at, 4, 'x', 0, false, false,"
            " '1', 'ordinary', timestamptz '2035-01-01' FROM (SELECT n, timestamptz '2029-01-01' + n * interval"
            " '20 minutes' AS at FROM generate_series(1, 40000) n) AS many"
        )
        session.execute(sa.text(years), {"agent": uuid.UUID(int=1)})
        for table in ("chats", "chat_findings", "draw_picks"):
            session.execute(sa.text(f"ANALYZE {table}"))
    take(desk, chat(1))
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    sa.event.listen(desk.engine, "before_cursor_execute", note)
    with desk.transaction() as session:
        assert [len(one.risk) for one in sample.candidates(session, DAY, "chats")] == [0], "no new agent after years"
        assert chats.purge_due(session, NOW) == 0
    take(desk, chat(1))
    sa.event.remove(desk.engine, "before_cursor_execute", note)
    with desk.engine.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT"):
                plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
                assert "Seq Scan on chats" not in plan, plan


# ---- the end -------------------------------------------------------------------------------------------
def test_a_purged_chat_has_no_words_left_and_its_row_and_pick_stay(desk: House) -> None:
    take(desk, chat(1, said=[("patient", "I have a high fever."), ("agent", "Come in.")]), chat(2, complaint=True))
    with desk.transaction() as session:
        row = days.draw_day(session, DAY, 1, NOW, "chats")
    later = NOW + timedelta(days=180)
    with desk.transaction() as session:
        assert chats.purge_due(session, later - timedelta(hours=2)) == 0
        assert chats.purge_due(session, later) == 1
        assert chats.purge_due(session, later) == 0
    by_id = {one.external_id: one for one in every(desk, Chat)}
    assert (by_id["c-1"].lines, by_id["c-1"].purged_at) == (None, later)
    assert by_id["c-2"].lines
    assert every(desk, ChatFinding) == []
    with desk.transaction() as session:
        assert chats.transcript(session, by_id["c-1"].id) == []
        told = reports.draw_report(session, days.draw_day(session, DAY, 1, later, "chats"))
        assert sum(one.chat.purged_at is not None for one in told.picked) == 1
        ledger = session.scalars(sa.select(EventRow.what).where(EventRow.kind == "chat").order_by(EventRow.id)).all()
        assert ledger == ["taken in", "taken in", "purged"]
        assert row.id
    assert take(desk, chat(1, said=[("patient", "I have a high fever."), ("agent", "Come in.")])) == ["unchanged"]
    with desk.transaction() as session, pytest.raises(IntegrityError, match="purged_is_empty"):
        session.execute(sa.text("UPDATE chats SET lines = 'x' WHERE external_id = 'c-1'"))


def test_who_reads_a_chat_sees_no_name_and_no_number(desk: House) -> None:
    """Ann is on file as the chat's patient; a name nobody has on file is masked behind what introduces it."""
    said = [("patient", "Ann Example here, ring me at 010 5555 0110."), ("agent", "My name is Bob Invented, Ann.")]
    take(desk, chat(1, said=said, mrn="M-1"))
    (row,) = every(desk, Chat)
    with desk.transaction() as session:
        shown = [line.text for line in chats.transcript(session, row.id)]
        chinese = [line.text for line in chats.transcript(session, row.id, language="zh-CN")]
    assert shown == ["[name] here, ring me at [phone].", "My name is [name]."]
    assert "【姓名】" in chinese[0]
    assert "【电话】" in chinese[0]


def test_a_listener_s_notes_end_with_the_chat(desk: House) -> None:
    take(desk, chat(1))
    (row,) = every(desk, Chat)
    with desk.transaction() as session:
        session.add(QaNote(chat_id=row.id, kind="comment", text="She asked for the car park.", by="qa1", at=NOW))
    with desk.transaction() as session:
        assert chats.purge_due(session, NOW + timedelta(days=180)) == 1
    assert every(desk, QaNote) == []


# ---- files ---------------------------------------------------------------------------------------------
def test_json_lines_are_taken_each_on_its_own(desk: House, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    good = chat(1).model_dump(mode="json", exclude_none=True)
    lines = [
        json.dumps(good), "", "{", "[]", json.dumps(good | {"external_id": "c-2", "agent": "nobody"}),
        json.dumps(good | {"external_id": "c-3", "colour": "red"}), json.dumps(good),
        json.dumps(good | {"external_id": "c-4", "lines": list(reversed(good["lines"]))}),
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="utf-8")
    dry = import_chats(desk, file, NOW, dry_run=True)
    assert every(desk, Chat) == []
    told = import_chats(desk, file, NOW)
    assert [(one.row, one.result) for one in told] == [(one.row, one.result) for one in dry] == [
        (1, "created"), (3, "refused"), (4, "refused"), (5, "refused"), (6, "refused"), (7, "unchanged"),
        (8, "refused"),
    ]  # fmt: skip
    details = {one.row: one.detail for one in told}
    assert details[3] == "this line is no JSON"
    assert "agent is in no staff file" in details[5]
    assert "colour" in details[6]
    assert "order of time" in details[8]
    assert import_chats(desk, file, NOW)[0].result == "unchanged"


TABLE = """external_id,at,who,text,channel,agent,satisfaction,complaint
c-1,2031-03-07T09:00,patient,Where can I park?,web,li.na,4,
c-1,2031-03-07T09:01,agent,Behind the main building.,,,,
c-2,2031-03-07T09:00,patient,My bill is wrong.,web,,,yes
c-3,2031-03-07T09:00,patient,Hello?,web,,,
c-3,2031-03-07T09:00,robot,Hello.,web,,,
c-4,2031-03-07T09:00,patient,Hello?,web,,,
c-4,2031-03-07T09:01,patient,Hello?,app,,,
c-5,yesterday,patient,Hello?,web,,,
c-6,2031-03-07T09:00,patient,Hello?,web,,many,
"""


def test_a_table_has_a_row_for_each_line(desk: House, tmp_path: Path) -> None:
    file = tmp_path / "chats.csv"
    file.write_text(TABLE, encoding="utf-8")
    told = import_chats(desk, file, NOW)
    assert [(one.row, one.result) for one in told] == [
        (2, "created"), (4, "created"), (5, "refused"), (7, "refused"), (9, "refused"), (10, "refused"),
    ]  # fmt: skip
    details = [one.detail for one in told[2:]]
    assert "who" in details[0]
    assert details[1] == "channel is not the same in all rows of this chat"
    assert details[2].startswith("row 9: at must be a time")
    assert details[3] == "satisfaction must be a whole number, not 'many'"
    first, second = sorted(every(desk, Chat), key=lambda row: row.external_id)
    assert (first.started_at.hour, first.satisfaction, first.written) == (1, 4, 2), "the hospital's own zone"
    assert second.complaint


@pytest.mark.parametrize(("content", "sentence"), [(b"\xff\xfe", "no text file|not a text file"), (b"\n\n", "empty")])
def test_files_that_are_none(desk: House, tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_bytes(content)
    with pytest.raises(FileProblem, match=sentence):
        import_chats(desk, file, NOW)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_time_no_clock_tells_is_refused_and_nothing_stops(desk: House, year: int) -> None:
    """Year 1 with an offset east is before all times: a stored one would stop every list and the purge."""
    start = datetime(year, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises((ChatProblem, ValidationError), match=r"time|future"):
        take(desk, chat(1, at=start if year != 9999 else datetime(9999, 12, 31, 20, tzinfo=UTC)))
    assert take(desk, chat(2)) == ["created"]
    assert len(every(desk, Chat)) == 1


def test_a_file_with_a_time_no_clock_tells_takes_the_others(desk: House, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    lines = [json.loads(chat(number).model_dump_json()) for number in (1, 2)]
    for line in lines[0]["lines"]:
        line["at"] = "9999-12-31T23:00:00+00:00"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert [report.result for report in import_chats(desk, file, NOW)] == ["refused", "created"]


def test_a_chat_on_hold_is_kept_whatever_its_time(desk: House) -> None:
    with desk.transaction() as session:
        chat_id = chats.take(session, [chat(said=[("patient", "I will see you in court")])], NOW, who="test")[0].id
        with pytest.raises(HoldProblem, match="needs a reason"):
            retention.hold(session, chat_id, "lawyer", " ", NOW)
        with pytest.raises(HoldProblem, match=r"no such recording, and no such chat"):
            retention.hold(session, uuid.UUID(int=9), "lawyer", "case 8", NOW)
        with pytest.raises(HoldProblem, match="not held"):
            retention.release(session, chat_id, "lawyer", "over", NOW)
        retention.hold(session, chat_id, "lawyer", "case 8", NOW)
    over = NOW + timedelta(days=4000)
    with desk.transaction() as session:
        assert chats.purge_due(session, over) == 0
        row = session.get_one(Chat, chat_id)
        assert chats.purge(session, [row], over) == 0, "nor by whoever has it in hand already"
        assert row.lines
        assert retention.release(session, chat_id, "lawyer", "case closed", over) == 1
    with desk.transaction() as session:
        assert chats.purge_due(session, over) == 1
        assert session.get_one(Chat, chat_id).lines is None
        with pytest.raises(HoldProblem, match="nothing left to hold"):
            retention.hold(session, chat_id, "lawyer", "too late", over)
        told = session.execute(
            sa.select(EventRow.what, EventRow.who).where(EventRow.subject_id == chat_id).order_by(EventRow.id)
        ).all()
    assert [tuple(row) for row in told[1:3]] == [("held", "lawyer"), ("released", "lawyer")]
