"""What is due is found by an index, however many years lie in the table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from console import listening_view
from console.listening_view import Search
from core.db import keyring
from recordings import store
from recordings.vault import carrier_copy, pausing, retention
from tests.recordings.room import Room

YEARS = 20_000
ZONE = ZoneInfo("Asia/Shanghai")


def test_the_ticks_of_the_vault_read_what_is_due_and_not_the_table(room: Room) -> None:
    with room.house.transaction() as session:
        for statement in (
            "INSERT INTO calls (id, kind, status, party, party_index, flow, flow_version, turn, recording_on,"
            " started_at, deadline_at, last_seq) SELECT md5('c' || n)::uuid, 'hotline', 'completed', 'x', 'x', '',"
            " '', 0, true, '2030-01-01', '2030-01-01', -1 FROM generate_series(1, :count) n",
            "INSERT INTO recordings (id, call_id, purpose, language, state, reason, announced_at, levels, fetch_tries,"
            " speech_tries, keep_class, keep_until, sha256, carrier_deleted_at) SELECT md5('r' || n)::uuid,"
            " md5('c' || n)::uuid, 'call', 'en', 'kept', '', '2030-01-01', '[]', 1, 0, 'ordinary', '2040-01-01', 'x',"
            " '2030-01-01' FROM generate_series(1, :count) n",
            "INSERT INTO recording_pauses (call_id, wanted, ordered, since, tries) SELECT md5('c' || n)::uuid, false,"
            " false, '2030-01-01', 0 FROM generate_series(1, :count) n",
        ):
            session.execute(sa.text(statement), {"count": YEARS})
        for table in ("calls", "recordings", "recording_pauses", "recording_holds"):
            session.execute(sa.text(f"ANALYZE {table}"))
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(room.house.engine, "before_cursor_execute", note)
    with room.house.transaction() as session:
        assert store.due(session, room.now) == 0
        assert carrier_copy.due(session, room.now, 100) == 0
        assert pausing.due(session, room.now) == 0
        assert retention.purge_due(session, room.now) == 0
    event.remove(room.house.engine, "before_cursor_execute", note)
    assert len(seen) == 6
    with room.house.engine.connect() as connection:
        for statement, parameters in seen:
            plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
            assert "Seq Scan on recordings" not in plan, plan
            assert "Seq Scan on recording_pauses" not in plan, plan


SEARCHES = {
    # what somebody asks for on the page: mostly rare things, for which a list by day alone reads every year
    "all": Search(),
    "a day": Search(since=date(2030, 6, 1), until=date(2030, 6, 2)),
    "a state": Search(state="unreadable"),
    "a purpose": Search(purpose="bridge"),
    "a language": Search(language="en"),
    "held": Search(held=True),
    "all of these": Search(date(2030, 6, 1), date(2031, 6, 2), "bridge", "unreadable", "en", True),
}


def test_the_list_of_the_vault_and_its_log_are_read_by_an_index(room: Room) -> None:
    """A year of a hospital with 55 calls a day: what is rare is as quick as what is everywhere."""
    told = {"count": YEARS, "why": keyring().encrypt(b"check", b"plays.why")}
    with room.house.transaction() as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for statement in (
            "INSERT INTO recordings (id, call_id, purpose, language, state, reason, announced_at, levels, fetch_tries,"
            " speech_tries, keep_class, keep_until, sha256) SELECT md5('r' || n)::uuid, NULL,"
            " CASE WHEN n % 5000 = 0 THEN 'bridge' ELSE 'call' END, CASE WHEN n % 4000 = 0 THEN 'en' ELSE 'zh-CN' END,"
            " CASE WHEN n % 6000 = 0 THEN 'unreadable' ELSE 'kept' END, '', '2030-01-01'::timestamptz + n * '26 min'"
            "::interval, '[]', 1, 0, 'ordinary', '2040-01-01', 'x' FROM generate_series(1, :count) n",
            "INSERT INTO recording_holds (id, recording_id, held_by, held_at, reason) SELECT md5('h' || n)::uuid,"
            " md5('r' || n * 3000)::uuid, 'x', '2030-01-01', 'x' FROM generate_series(1, 5) n",
            "INSERT INTO plays (id, recording_id, kind, login, why, at, original, expires_at, seconds, heard) SELECT"
            " md5('p' || n)::uuid, md5('r' || n)::uuid, CASE WHEN n % 7000 = 0 THEN 'export' ELSE 'listen' END,"
            " CASE WHEN n % 6000 = 0 THEN 'qa9' ELSE 'qa1' END, :why, '2030-01-01'::timestamptz + n * '26 min'"
            "::interval, false, '2030-01-01', 1, '[]' FROM generate_series(1, :count) n",
        ):
            session.execute(sa.text(statement), {name: one for name, one in told.items() if f":{name}" in statement})
        for table in ("recordings", "recording_holds", "plays"):
            session.execute(sa.text(f"ANALYZE {table}"))
    with room.house.transaction() as session:
        for name, search in SEARCHES.items():
            with plans(session) as seen:
                assert listening_view.found(session, search, ZONE) or name == "all of these"
            assert not [plan for plan in seen if "Seq Scan on recordings" in plan], (name, seen)
            with plans(session) as seen:
                listening_view.found(session, search, ZONE, before=datetime(2032, 1, 1, tzinfo=UTC))
            assert not [plan for plan in seen if "Seq Scan on recordings" in plan], (name, seen)
        for asked in ({}, {"login": "qa9"}, {"kind": "export"}, {"recording_id": uuid.UUID(int=1)}):
            with plans(session) as seen:
                listening_view.log(session, room.now, **asked)
            assert not [plan for plan in seen if "Seq Scan on plays" in plan], (asked, seen)


@contextmanager
def plans(session: Session) -> Iterator[list[str]]:
    """How the database answers what is asked meanwhile."""
    seen: list[tuple[str, Any]] = []
    told: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield told
    event.remove(session.get_bind(), "before_cursor_execute", note)
    for statement, parameters in seen:
        plan = session.connection().exec_driver_sql("EXPLAIN " + statement, parameters)
        told.append("\n".join(plan.scalars()))
