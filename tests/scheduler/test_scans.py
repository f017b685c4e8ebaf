"""Ringing what is due costs what is due, not what is stored: every statement of a ring goes by an index, and their
number does not grow with the years on file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.orm import Session

from core.db import make_engine
from core.house import House
from dialer import gate, lines
from tests.scheduler.clinic import Ward
from tests.scheduler.test_reconcile import _many

YEARS = 20_000
BIG = (
    "patients",
    "procedures",
    "followups",
    "attempts",
    "calls",
    "escalations",
    "contacts",
    "consents",
    "do_not_call",
    "refusals",
    "messages",
    "events",
)


def on_file(session: Session, count: int) -> None:
    """What years leave behind, besides the ended follow-ups of `_many`."""
    _many(session, count)
    for statement in (
        "INSERT INTO contacts (id, patient_id, phone, phone_index, relation, position)"
        " SELECT md5('k' || n)::uuid, md5('p' || n)::uuid, 'x', decode(md5('i' || n), 'hex'), 'self', 0",
        "INSERT INTO consents (patient_id, purpose, given, source, at)"
        " SELECT md5('p' || n)::uuid, 'followup', true, 'import', '2030-01-01'",
        "INSERT INTO refusals (kind, subject_id, reason, first_at, last_at, times)"
        " SELECT 'followup', md5('f' || n)::uuid, 'no_line', '2030-01-01', '2030-01-01', 1",
        'INSERT INTO messages (id, kind, subject_id, patient_id, "to", to_index, body, status, why, due_at, created_at)'
        " SELECT md5('m' || n)::uuid, 'recovery', md5('f' || n)::uuid, md5('p' || n)::uuid, 'x', 'x', 'x', 'delivered',"
        " '', '2030-01-01', '2030-01-01'",
        'INSERT INTO attempts (id, kind, lane, via, subject_id, patient_id, "to", to_index, flow, language, brief,'
        " status, why, deadline_at, unwanted, looks, ring_s, created_at, posted_at, last_seq, outcome)"
        " SELECT md5('a' || n)::uuid, 'followup', 'routine', 'api', md5('f' || n)::uuid, md5('p' || n)::uuid, 'x',"
        " decode(md5('i' || n), 'hex'), 'followup', 'en', 'x', 'ended', '', t, false, 0, 30, t, t, -1, 'no_answer'"
        " FROM (SELECT n, timestamptz '2031-01-01' - n * interval '1 hour' AS t FROM generate_series(1, :count) n) n",
        "INSERT INTO calls (id, kind, status, party, party_index, flow, flow_version, turn, recording_on, started_at,"
        " deadline_at, last_seq) SELECT md5('c' || n)::uuid, 'hotline', 'completed', 'x', decode(md5('i' || n), 'hex'),"
        " '', '', 0, false, '2030-01-01', '2030-01-01', -1",
        'INSERT INTO escalations (id, call_id, patient_id, "to", to_index, language, department, record_on, status,'
        " chain, step, round, keyed_at, stored_at, promise_at)"
        " SELECT md5('e' || n)::uuid, md5('c' || n)::uuid, md5('p' || n)::uuid, 'x', decode(md5('i' || n), 'hex'),"
        " 'en', '', true, 'closed', '[]', 0, 1, '2030-01-01', '2030-01-01', '2030-01-01'",
        "INSERT INTO do_not_call (phone_index, source, at) SELECT decode(md5('d' || n), 'hex'), 'sms', '2030-01-01'",
        "INSERT INTO events (at, kind, subject_id, what, who, why, data)"
        " SELECT '2030-01-01', 'followup', md5('f' || n)::uuid, 'planned', 'service', '', '{}'",
    ):
        rows = "" if ":count" in statement else " FROM generate_series(1, :count) n"
        session.execute(sa.text(statement + rows), {"count": count})
    for table in BIG:
        session.execute(sa.text(f"ANALYZE {table}"))


def statements_of_a_ring(ward: Ward) -> list[tuple[str, Any]]:
    """Every SELECT of one tick that rings one patient, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(ward.house.engine, "before_cursor_execute", note)
    try:
        assert ward.tick() == 1
    finally:
        event.remove(ward.house.engine, "before_cursor_execute", note)
    return seen


def test_a_ring_goes_by_index_and_costs_the_same_after_years(house: House) -> None:
    ward = Ward(house)
    ward.due_patient()
    few = statements_of_a_ring(ward)
    ward.ends(ward.live()[0], "answered", "completed")
    with house.transaction() as session:
        on_file(session, YEARS)
    ward.operation(ward.patient("+8613800000077", mrn="S-77"), timedelta(hours=6))
    many = statements_of_a_ring(ward)
    assert len(many) <= len(few) + 2
    with house.engine.connect() as connection:
        for statement, parameters in many:
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
            plan = "\n".join(str(row) for row in rows)
            for table in BIG:
                assert f"Seq Scan on {table}" not in plan, f"{statement}\n{plan}"


@pytest.fixture(scope="module")
def after_years(module_database_url: str) -> Iterator[sa.Connection]:
    engine = make_engine(module_database_url)
    with Session(engine) as session:
        on_file(session, YEARS)
        session.commit()
        yield session.connection()
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [gate._FACTS, gate._WRITE_DOWN, lines._MAY, lines._LEAVING],
    ids=["gate", "refusal", "look", "post"],
)
def test_a_prepared_question_goes_by_index_whatever_its_values(
    after_years: sa.Connection, statement: sa.ClauseElement
) -> None:
    """The server may plan a prepared statement without knowing what is asked for."""
    numbered = asyncpg.dialect()  # type: ignore[no-untyped-call]  # $1 for a parameter, as the server sees it
    text = str(statement.compile(dialect=numbered))
    plan = "\n".join(after_years.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {text}").scalars())
    for table in BIG:
        assert f"Seq Scan on {table}" not in plan, plan
