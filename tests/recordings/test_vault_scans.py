"""What is due is found by an index, however many years lie in the table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from recordings import carrier_copy, pausing, retention, store
from tests.recordings.room import Room

YEARS = 20_000


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
