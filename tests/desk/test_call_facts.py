"""What the desk tells the listening room of calls: every field, in a fixed number of statements, by index."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core import events
from core.house import House
from core.models import new_id
from desk import tickets
from desk.call_facts import DeskFacts, Known
from desk.models import QueueEntry, Survey
from dialer.models import Agent, Attempt, Call
from recordings.call_facts import CallFact, CallFacts
from tests.desk.desk_house import CALLERS, Hall

FACTS = DeskFacts()


def of(hall: Hall, *calls: uuid.UUID) -> Mapping[uuid.UUID, Known]:
    with hall.house.transaction() as session:
        return FACTS.of(session, calls)


def talk(hall: Hall, number: str, *, after: int = 4, seconds: int = 60, reason: str = "theme") -> uuid.UUID:
    """Somebody waits, talks with an agent on the line, and hangs up. The call."""
    entry = hall.enters(number, reason=reason)
    hall.forward(seconds=after)
    hall.tick()
    hall.talks(entry, seconds)
    hall.hangs_up(entry)
    hall.forward(seconds=30)
    hall.tick()
    assert entry.call_id is not None
    return entry.call_id


@contextmanager
def statements(house: House) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(house.engine, "before_cursor_execute", note)
    yield seen
    event.remove(house.engine, "before_cursor_execute", note)


# ---- the contract --------------------------------------------------------------------------------------
def test_the_desk_keeps_what_the_listening_room_counts_on(house: House) -> None:
    assert [(one.name, one.type, one.default) for one in fields(Known)] == [
        (one.name, one.type, one.default) for one in fields(CallFact)
    ]
    promised = {name for name in vars(CallFacts) if not name.startswith("_")}
    assert promised == {name for name in vars(DeskFacts) if not name.startswith("_")}
    assert isinstance(house.services[CallFacts], DeskFacts)


def test_a_call_nobody_of_the_desk_was_in_has_no_facts_but_its_reason(hall: Hall) -> None:
    call = hall.rings(CALLERS[0], reason="directions")
    stranger = uuid.uuid4()
    assert of(hall, call.id, stranger) == {call.id: Known(reason="directions")}
    assert of(hall) == {}


# ---- fields --------------------------------------------------------------------------------------------
def test_a_talk_on_the_line(hall: Hall) -> None:
    login = hall.agent()
    began = hall.now + timedelta(seconds=4)
    call = talk(hall, CALLERS[0], after=4, seconds=90)
    later = talk(hall, CALLERS[1], after=2, seconds=20, reason="services")
    told = of(hall, call, later)
    agent = hall.who(login).id
    assert told[call] == Known(agent, began, "theme", 4.0, 90.0, 0)
    assert told[later] == Known(agent, began, "services", 2.0, 20.0, 0)


def test_a_talk_with_somebody_rung_back_belongs_to_the_agents_own_call(hall: Hall) -> None:
    login = hall.agent()
    entry = hall.enters(CALLERS[0], reason="services")
    hall.forward(seconds=8)
    hall.hangs_up(entry)
    hall.forward(seconds=12)
    hall.tick()
    ring = hall.ring_of(entry)
    agent_call = hall.accepts(ring)
    hall.connects(agent_call)
    hall.publish(events.CallerTaken(None, ring.id), events.AgentTalked(ring.id, 45))
    hall.says(ring, "completed")
    assert entry.call_id is not None
    told = of(hall, agent_call.id, entry.call_id)
    theirs = told[agent_call.id]
    assert (theirs.agent_id, theirs.reason, theirs.talk_s) == (hall.who(login).id, "services", 45.0)
    assert theirs.answer_s == pytest.approx(20, abs=46)  # joined 45 s before the carrier told the length
    assert (told[entry.call_id].agent_id, told[entry.call_id].talk_s) == (None, None), "they only waited there"


def test_of_several_agents_the_one_who_talked_longest_and_each_more_is_a_transfer(hall: Hall) -> None:
    first, second = hall.agent(), hall.agent(state="off")
    call = talk(hall, CALLERS[0], seconds=30)
    with hall.house.transaction() as session:
        entry = session.scalars(sa.select(QueueEntry).where(QueueEntry.call_id == call)).one()
        session.add(
            QueueEntry(
                id=new_id(), call_id=call, language="en", mode="line", origin="caller", status="served",
                entered_at=hall.now, joined_at=hall.now, talk_s=200, reason="theme", agent_id=hall.who(second).id,
            )
        )  # fmt: skip
        session.add(
            Attempt(
                id=new_id(), kind="operator", lane="routine", via="dial", to="x", to_index=b"x", flow="f",
                language="en", brief={}, status="ended", outcome="answered", ring_s=20,
                created_at=hall.now, deadline_at=hall.now, parent_call_id=call,
            )
        )  # fmt: skip
        assert entry.agent_id == hall.who(first).id
    told = of(hall, call)[call]
    assert (told.agent_id, told.talk_s, told.transfers, told.answer_s) == (hall.who(second).id, 230.0, 2, 4.0)


def test_nobody_stood_in_line_for_what_the_desk_itself_wanted(hall: Hall) -> None:
    hall.agent()
    call = talk(hall, CALLERS[0])
    with hall.house.transaction() as session:
        session.execute(sa.update(QueueEntry).values(origin="again"))
    assert of(hall, call)[call].answer_s is None


def test_satisfaction_and_complaint_come_from_the_tickets_the_call_opened(hall: Hall) -> None:
    hall.agent()
    calm, angry, by_reason = (
        talk(hall, CALLERS[0]), talk(hall, CALLERS[1]), talk(hall, CALLERS[2], reason="complaint_other"),
    )  # fmt: skip
    with hall.house.transaction() as session:
        for call, kind, scores in ((calm, "message", (2, 5)), (angry, "complaint_medical", (4,))):
            ticket = tickets.open_(session, kind, hall.now, call=session.get_one(Call, call))
            for round_, score in enumerate(scores):
                session.add(
                    Survey(
                        ticket_id=ticket.id, round=round_, due_at=hall.now, deadline_at=hall.now,
                        next_try_at=hall.now, status="scored", score=score, closed_at=hall.now,
                    )
                )  # fmt: skip
            ticket.satisfaction = scores[-1]
    told = of(hall, calm, angry, by_reason)
    assert (told[calm].satisfaction, told[calm].complaint) == (2, False), "the lowest of all rounds"
    assert (told[angry].satisfaction, told[angry].complaint) == (4, True)
    assert (told[by_reason].satisfaction, told[by_reason].complaint) == (None, True)


def test_what_became_known_later(hall: Hall) -> None:
    hall.agent()
    low, high, complained, old = (talk(hall, CALLERS[number]) for number in range(4))
    day = timedelta(days=1)
    with hall.house.transaction() as session:
        for call, score, at in ((low, 2, hall.now + day), (high, 3, hall.now + day), (old, 1, hall.now + 3 * day)):
            ticket = tickets.open_(session, "message", hall.now, call=session.get_one(Call, call))
            session.add(
                Survey(
                    ticket_id=ticket.id, round=0, due_at=at, deadline_at=at, next_try_at=at, status="scored",
                    score=score, closed_at=at,
                )
            )  # fmt: skip
        tickets.open_(session, "complaint_other", hall.now + day, call=session.get_one(Call, complained))
        since, until = hall.now + day, hall.now + 2 * day
        assert set(FACTS.learned(session, since, until)) == {low, complained}
        assert FACTS.learned(session, until, until + timedelta(hours=1)) == set()


# ---- many ----------------------------------------------------------------------------------------------
YEARS, DAY = 60_000, 3_000


def test_thousands_of_calls_are_asked_in_as_many_statements_as_one_and_by_index(hall: Hall) -> None:
    hall.agent()
    first = talk(hall, CALLERS[0])
    with hall.house.transaction() as session:
        agent = session.scalars(sa.select(Agent.id)).one()
        for statement in (
            "INSERT INTO calls (id, kind, status, party, flow, flow_version, turn, recording_on, started_at,"
            " deadline_at,"
            " last_seq) SELECT md5('c' || n)::uuid, 'hotline', 'completed', 'x', '', '', 0, true, '2030-01-01',"
            " '2030-01-01', -1 FROM generate_series(1, :count) n",
            "INSERT INTO queue_entries (id, call_id, party, reason, department, language, priority, mode, origin,"
            " status,"
            " why, agent_id, tries, entered_at, joined_at, talk_s, outcome) SELECT md5('q' || n)::uuid,"
            " md5('c' || n)::uuid, 'x', 'theme', '', 'en', 0, 'line', 'caller', 'served', '', :agent, 0,"
            " timestamptz '2030-01-01' + n * interval '1 minute', timestamptz '2030-01-01' + n * interval '1 minute',"
            " 9,"
            " '' FROM generate_series(1, :count) n",
            "INSERT INTO attempts (id, kind, lane, via, parent_call_id, \"to\", to_index, flow, language, brief,"
            " status,"
            " outcome, why, deadline_at, unwanted, looks, ring_s, created_at, last_seq)"
            " SELECT md5('a' || n)::uuid, 'operator', 'routine', 'dial', md5('c' || n)::uuid, 'x', 'x', '', 'en', 'x',"
            " 'ended', 'answered', '', '2030-01-01', false, 0, 1, '2030-01-01', -1 FROM generate_series(1, :count) n",
            "INSERT INTO tickets (id, number, kind, colour, link, problem, nature, channel, department, language,"
            " call_id,"
            " contact, status, first_owner, owner, told_how, reopened, opened_at, preset) SELECT md5('t' || n)::uuid,"
            " 'n' || n, 'message', 'blue', 'other', 'other', 'request', 'phone', '', 'en', md5('c' || n)::uuid, 'x',"
            " 'confirmed', '', '', '', 0, timestamptz '2030-01-01' + n * interval '1 minute', 'A'"
            " FROM generate_series(1, :count) n",
            "INSERT INTO surveys (id, ticket_id, round, due_at, deadline_at, next_try_at, status, tries, score,"
            " closed_at)"
            " SELECT md5('s' || n)::uuid, md5('t' || n)::uuid, 0, '2030-01-01', '2030-01-01', '2030-01-01', 'scored',"
            " 1,"
            " 1 + n % 5, timestamptz '2030-01-01' + n * interval '1 minute' FROM generate_series(1, :count) n",
        ):
            told = {"count": YEARS} | ({"agent": agent} if ":agent" in statement else {})
            session.execute(sa.text(statement), told)
        for table in ("calls", "queue_entries", "attempts", "tickets", "surveys", "queue_offers"):
            session.execute(sa.text(f"ANALYZE {table}"))
        ids = session.scalars(sa.text("SELECT md5('c' || n)::uuid FROM generate_series(1, :count) n"), {"count": DAY})
        day = list(ids)
    with statements(hall.house) as seen:
        of(hall, first)
        one = len(seen)
        told = of(hall, *day)
        many = len(seen) - one
        with hall.house.transaction() as session:
            low = FACTS.learned(session, hall.now - timedelta(days=366), hall.now - timedelta(days=365))
    assert len(told) == DAY
    assert {(fact.transfers, fact.talk_s) for fact in told.values()} == {(1, 9.0)}
    assert one == many == 5
    assert isinstance(low, set)
    with hall.house.engine.connect() as connection:
        for statement, parameters in seen:
            plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
            for table in ("calls", "queue_entries", "attempts", "tickets", "surveys"):
                assert f"Seq Scan on {table}" not in plan, plan
