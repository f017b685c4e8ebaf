"""Who can be drawn, on the real database: one candidate for a conversation, never twice, what is left out is told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.house import House
from core.models import DailyRun, EventRow, new_id
from desk.models import QueueEntry
from dialer.models import Agent, Call
from recordings import reports
from recordings.call_facts import CallFact, CallFacts
from recordings.models import DrawPick, DrawRow, FindingRow, Recording
from recordings.sampling import draw, sample
from recordings.sampling.draw import Candidate
from recordings.sampling.sample import ReplayDiffers
from scheduler.timetable import fire
from tests.house import MID_MORNING
from tests.recordings.days import draw_day
from tests.recordings.room import Room

DAY = MID_MORNING.date()
NIGHT = MID_MORNING.replace(hour=16, minute=40)
"""00:40 of the next day in Shanghai: the draw is due."""


def kept(
    session: Session,
    call_id: uuid.UUID | None,
    at: datetime,
    purpose: str = "call",
    state: str = "kept",
    seconds: float | None = 60.0,
    **more: Any,
) -> uuid.UUID:
    row = Recording(
        id=new_id(), call_id=call_id, purpose=purpose, language="en", state=state, announced_at=at, seconds=seconds,
        keep_class=more.pop("keep_class", "ordinary"), keep_until=at + timedelta(days=180), **more,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def finding(session: Session, recording_id: uuid.UUID, category: str) -> None:
    session.add(
        FindingRow(
            recording_id=recording_id, category=category, phrase="x", speaker="line", start_s=1, severity=2, lexicon="1"
        )
    )
    session.flush()


def pool(room: Room, day: object = DAY) -> dict[str, Candidate]:
    with room.house.transaction() as session:
        return {one.id: one for one in sample.candidates(session, day)}  # type: ignore[arg-type]


class Facts:
    """Stands for the desk, which has its own tests (tests/desk/test_call_facts.py)."""

    def __init__(self, known: dict[uuid.UUID, CallFact], news: set[uuid.UUID] | None = None) -> None:
        self.known, self.news = known, news or set()

    def of(self, session: Session, call_ids: Any) -> dict[uuid.UUID, CallFact]:
        return {one: self.known[one] for one in call_ids if one in self.known}

    def learned(self, session: Session, since: datetime, until: datetime) -> set[uuid.UUID]:
        return self.news


def told(room: Room, facts: dict[uuid.UUID, CallFact], news: set[uuid.UUID] | None = None) -> None:
    room.house.services[CallFacts] = Facts(facts, news)


# ---- candidates ----------------------------------------------------------------------------------------
def test_several_recordings_of_a_call_are_one_candidate_and_the_talk_stands_for_it(room: Room) -> None:
    call = room.call(call_sid=None)
    with room.house.transaction() as session:
        message = kept(session, call, room.now, "message", seconds=90)
        finding(session, message, "red_flag")
        talk = kept(session, call, room.now, "call", seconds=40)
        alone = kept(session, None, room.now)
    found = pool(room)
    assert set(found) == {str(talk), str(alone)}
    assert found[str(talk)] == Candidate(
        str(talk), ("", "", "day", "hotline"), frozenset({"phrase: red_flag"}), scored=True
    )
    assert found[str(alone)].stratum == ("", "", "day", "unknown")


@pytest.mark.parametrize(
    ("kind", "purpose", "scored"),
    [
        ("hotline", "call", True), ("agent", "bridge", True), ("followup", "call", True),
        ("hotline", "message", False), ("followup", "open_answer", False), ("doctor", "bridge", False),
    ],
)  # fmt: skip
def test_what_may_feed_scores(room: Room, kind: str, purpose: str, scored: bool) -> None:
    with room.house.transaction() as session:
        kept(session, room.call(kind, call_sid=None), room.now, purpose)
    (only,) = pool(room).values()
    assert only.scored == scored


def test_every_risk_of_the_rule_is_seen(room: Room) -> None:
    agent = uuid.uuid4()
    long_ago = room.now - timedelta(days=300)
    calls = {name: room.call(call_sid=None) for name in (
        "calm", "phrase: evasion", "escalation", "complaint", "low satisfaction", "transferred", "new agent",
        "very short", "very long", "told complaint",
    )}  # fmt: skip
    told(room, {
        calls["calm"]: CallFact(agent, long_ago, "theme", 3.0, 60.0, 1, 3),
        calls["low satisfaction"]: CallFact(agent, long_ago, "theme", satisfaction=2),
        calls["transferred"]: CallFact(agent, long_ago, "theme", transfers=2),
        calls["new agent"]: CallFact(agent, room.now - timedelta(days=29), "theme"),
        calls["told complaint"]: CallFact(agent, long_ago, "theme", complaint=True),
    })  # fmt: skip
    ids = {}
    with room.house.transaction() as session:
        for name, call in calls.items():
            seconds = {"very short": 9.0, "very long": 601.0}.get(name, 60.0)
            keep = name if name in ("complaint",) else "ordinary"
            ids[str(kept(session, call, room.now, seconds=seconds, keep_class=keep))] = name
            if name.startswith("phrase"):
                finding(session, uuid.UUID(list(ids)[-1]), "evasion")
    room.escalate(calls["escalation"])
    found = {ids[one]: candidate for one, candidate in pool(room).items()}
    assert {name: set(one.risk) for name, one in found.items()} == {
        name: ({name.removeprefix("told ")} if name != "calm" else set()) for name in calls
    }
    assert found["calm"].stratum == (str(agent), "theme", "day", "hotline")


def test_bad_news_brings_an_older_call_to_the_risk_part_only(room: Room) -> None:
    old, drawn = room.call(call_sid=None), room.call(call_sid=None)
    with room.house.transaction() as session:
        then = room.now - timedelta(days=3)
        recording = kept(session, old, then)
        before = kept(session, drawn, then)
        kept(session, room.call(call_sid=None), room.now)
        row = draw_day(session, then.date(), 3, room.now)
        assert {pick.recording_id for pick in sample.picks(session, row)} == {recording, before}
        session.execute(sa.delete(DrawPick).where(DrawPick.recording_id == recording))
    told(room, {old: CallFact(None, satisfaction=1), drawn: CallFact(None, satisfaction=1)}, {old, drawn})
    found = pool(room)
    assert len(found) == 2
    assert found[str(recording)].risk == {"low satisfaction"}
    assert not found[str(recording)].scored


# ---- never twice ---------------------------------------------------------------------------------------
def test_a_call_drawn_on_one_day_is_no_candidate_on_another(room: Room) -> None:
    call = room.call(call_sid=None)
    late = MID_MORNING.replace(hour=15, minute=59)
    with room.house.transaction() as session:
        first = kept(session, call, late, seconds=30)
        other = kept(session, call, late + timedelta(minutes=2), "message")
        row = draw_day(session, DAY, 1, room.now)
        assert [pick.recording_id for pick in sample.picks(session, row)] == [first]
    with room.house.transaction() as session:
        next_day = draw_day(session, DAY + timedelta(days=1), 1, room.now)
        assert sample.picks(session, next_day) == []
        assert next_day.left_out["drawn before"] == 1
        twice = DrawPick(
            draw_id=next_day.id, position=0, recording_id=other, conversation_id=call, part="risk", why="night"
        )
        session.add(twice)
        with pytest.raises(IntegrityError, match="uq_draw_picks_conversation_id"):
            session.flush()
        session.rollback()


def test_a_draw_of_before_this_rule_counts_and_replays_with_its_own_algorithm(room: Room) -> None:
    with room.house.transaction() as session:
        ids = [kept(session, room.call(call_sid=None), room.now) for _ in range(60)]
        candidates = [Candidate(str(one), ("hotline", "call", "en", "day")) for one in sorted(ids, key=str)]
        old = draw.draw(candidates, 11, 50, 0.6)
        # as version 0.4 wrote it: none of the new columns
        row = uuid.uuid4()
        session.execute(
            sa.text(
                "INSERT INTO draws (id, day, seed, size, random_share, drawn_at, whole_day, candidates)"
                " VALUES (:id, :day, 11, 50, 0.6, :now, false, CAST(:candidates AS jsonb))"
            ),
            {"id": row, "day": DAY, "now": room.now, "candidates": _json(candidates)},
        )
        for position, pick in enumerate(old.picked):
            session.execute(
                sa.text(
                    "INSERT INTO draw_picks (draw_id, position, recording_id, part, why)"
                    " VALUES (:id, :position, :recording, :part, :why)"
                ),
                {"id": row, "position": position, "recording": pick.id, "part": pick.part, "why": pick.why},
            )
    with room.house.transaction() as session:
        again = draw_day(session, DAY, 11, room.now)
        assert (again.id, again.algorithm, again.kind) == (row, 1, "calls")
        assert sample.again(again) == old
        told_by_it = reports.as_json(reports.draw_report(session, again))
        assert told_by_it["strata"] == [["hotline / call / en / day", 60, 50]]
        fresh = draw_day(session, DAY, 12, room.now)
        assert fresh.algorithm == 2
        picked = {pick.recording_id for pick in sample.picks(session, fresh)}
        assert picked == set(ids) - {uuid.UUID(pick.id) for pick in old.picked}


def _json(candidates: list[Candidate]) -> str:
    import json

    return json.dumps([{"id": one.id, "stratum": list(one.stratum), "risk": sorted(one.risk)} for one in candidates])


# ---- what is left out ----------------------------------------------------------------------------------
def test_what_was_not_ready_is_counted_and_stored(room: Room) -> None:
    with room.house.transaction() as session:
        for state, count in (
            ("announced", 3), ("fetched", 2), ("waiting_for_model", 4), ("failed", 1), ("unreadable", 1), ("absent", 5),
            ("purged", 1), ("kept", 6),
        ):  # fmt: skip
            for _ in range(count):
                kept(session, room.call(call_sid=None), room.now, state=state)
        row = draw_day(session, DAY, 1, room.now)
        assert row.left_out == {"arriving": 3, "unheard": 2, "no model": 4, "never came": 3}
        assert len(sample.picks(session, row)) == 12


# ---- by itself -----------------------------------------------------------------------------------------
def drawn(room: Room) -> list[tuple[str, str, int]]:
    with room.house.transaction() as session:
        rows = session.scalars(sa.select(DrawRow).order_by(DrawRow.day, DrawRow.kind)).all()
        return [(row.day.isoformat(), row.kind, len(row.candidates)) for row in rows]


def night(room: Room, at: datetime) -> int:
    room.house.clock.at = at  # type: ignore[attr-defined]
    return fire(room.house, "the draw", sample.nightly)


def test_the_day_is_drawn_after_midnight_once_by_whichever_worker_comes_first(room: Room) -> None:
    with room.house.transaction() as session:
        kept(session, room.call(call_sid=None), room.now)
    assert night(room, NIGHT - timedelta(minutes=11)) == 0, "00:29"
    assert night(room, NIGHT) == 1
    assert drawn(room) == [(DAY.isoformat(), "calls", 1), (DAY.isoformat(), "chats", 0)]
    assert night(room, NIGHT + timedelta(minutes=1)) == 0
    with room.house.transaction() as session:
        assert session.scalars(sa.select(EventRow.what).where(EventRow.kind == "draw")).all() == ["drawn"] * 2


def test_what_is_still_arriving_is_waited_for_but_not_for_ever(room: Room) -> None:
    with room.house.transaction() as session:
        kept(session, room.call(call_sid=None), room.now, state="announced")
        kept(session, room.call(call_sid=None), room.now, state="waiting_for_model")
    assert night(room, NIGHT) == 0
    assert night(room, NIGHT + timedelta(hours=4)) == 0
    assert night(room, NIGHT + timedelta(hours=5)) == 1
    with room.house.transaction() as session:
        row = session.scalars(sa.select(DrawRow).where(DrawRow.kind == "calls")).one()
        assert row.left_out == {"arriving": 1, "no model": 1}


def test_days_that_were_missed_are_drawn_when_somebody_runs_again(room: Room) -> None:
    assert night(room, NIGHT) == 1
    assert night(room, NIGHT + timedelta(days=3)) == 3
    days = [(DAY + timedelta(days=after)).isoformat() for after in range(4)]
    assert [day for day, kind, _ in drawn(room) if kind == "calls"] == days
    assert night(room, NIGHT + timedelta(days=60)) == sample.LOOK_BACK
    with room.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.max(DailyRun.day))) == DAY + timedelta(days=60)


def test_a_draw_somebody_made_by_hand_is_the_days(room: Room) -> None:
    with room.house.transaction() as session:
        kept(session, room.call(call_sid=None), room.now)
        mine = draw_day(session, DAY, 77, NIGHT)
    assert night(room, NIGHT + timedelta(minutes=5)) == 1
    with room.house.transaction() as session:
        assert session.scalars(sa.select(DrawRow.id).where(DrawRow.kind == "calls")).all() == [mine.id]


# ---- ten thousand --------------------------------------------------------------------------------------
COUNT, AGENTS = 10_000, 25


@contextmanager
def statements(house: House) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(house.engine, "before_cursor_execute", note)
    yield seen
    event.remove(house.engine, "before_cursor_execute", note)


def ten_thousand(session: Session, at: datetime) -> None:
    """A day of calls with agents and reasons, and six more days before it."""
    for number in range(AGENTS):
        session.add(Agent(id=uuid.UUID(int=number + 1), login=f"a{number}", name="x", role="agent", since=at))
    session.flush()
    words = {"count": COUNT * 4, "day": COUNT, "at": at, "agents": AGENTS}
    for statement in (
        "INSERT INTO calls (id, kind, status, party, flow, flow_version, turn, recording_on, started_at, deadline_at,"
        " last_seq, reason) SELECT md5('c' || n)::uuid, 'hotline', 'completed', 'x', '', '', 0, true, :at, :at, -1,"
        " (ARRAY['postop','theme','services','complaint_other'])[1 + n % 4] FROM generate_series(1, :count) n",
        "INSERT INTO recordings (id, call_id, purpose, language, state, reason, announced_at, levels, fetch_tries,"
        " speech_tries, keep_class, keep_until, seconds) SELECT md5('r' || n)::uuid, md5('c' || n)::uuid, 'call', 'en',"
        " 'kept', '', CAST(:at AS timestamptz) - ((n - 1) / CAST(:day AS int)) * interval '3 days'"
        " + (n % 600) * interval '1 second', '[]', 1, 0, 'ordinary', '2040-01-01', 5 + n % 700"
        " FROM generate_series(1, :count) n",
        "INSERT INTO queue_entries (id, call_id, party, reason, department, language, priority, mode, origin, status,"
        " why, agent_id, tries, entered_at, joined_at, talk_s, outcome) SELECT md5('q' || n)::uuid,"
        " md5('c' || n)::uuid, 'x', '', '', 'en', 0, 'line', 'caller', 'served', '',"
        " CAST(lpad(to_hex(1 + n % CAST(:agents AS int)), 32, '0') AS uuid), 0, :at, :at, 60, ''"
        " FROM generate_series(1, :count) n WHERE n % 3 > 0",
        "INSERT INTO findings (recording_id, category, phrase, speaker, start_s, severity, lexicon)"
        " SELECT md5('r' || n)::uuid, 'evasion', 'x', 'line', 1, 2, '1' FROM generate_series(1, :count) n"
        " WHERE n % 50 = 0",
    ):
        session.execute(sa.text(statement), {name: words[name] for name in words if f":{name}" in statement})
    for table in ("calls", "recordings", "queue_entries", "findings", "draw_picks", "escalations", "chats"):
        session.execute(sa.text(f"ANALYZE {table}"))


def test_fifty_of_ten_thousand_are_replayed_bit_for_bit(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    with room.house.transaction() as session:
        ten_thousand(session, room.now)
    with statements(room.house) as seen, room.house.transaction() as session:
        began, ours = time.perf_counter(), time.process_time()
        row = draw_day(session, DAY, None, NIGHT)
        took, ours = time.perf_counter() - began, time.process_time() - ours
        asked = len(seen)
    with capsys.disabled():
        print(f"\n  a draw of 50 from {len(row.candidates)}: {took:.2f} s, {ours:.2f} s of it ours, {asked} statements")
    assert len(row.candidates) == COUNT
    assert asked <= 20
    with room.house.transaction() as session:
        again = draw_day(session, DAY, row.seed, NIGHT + timedelta(days=900))
        picked = [(str(p.recording_id), p.part, p.why) for p in sample.picks(session, again)]
        assert [(one.id, one.part, one.why) for one in sample.again(again).picked] == picked
        assert len(picked) == 50
        assert sum(part == "random" for _, part, _ in picked) == 30
        stratum = {one["id"]: one["stratum"] for one in again.candidates}
        assert len({stratum[one][0] for one, part, _ in picked if part == "random"} - {""}) == AGENTS
        session.execute(sa.update(DrawPick).where(DrawPick.position == 49).values(why="night"))
    with room.house.transaction() as session, pytest.raises(ReplayDiffers):
        draw_day(session, DAY, row.seed, NIGHT)
    plans(room, seen)


def plans(room: Room, seen: list[tuple[str, Any]]) -> None:
    """What a day needs is found by index, though four days lie in the tables."""
    with room.house.engine.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT") and "pg_advisory" not in statement:
                plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
                assert "Seq Scan on recordings" not in plan, plan


def test_a_small_day_takes_as_many_statements_as_a_large_one(room: Room) -> None:
    counts = []
    for after, count in enumerate((3, 30)):
        at = room.now + timedelta(days=after)
        with room.house.transaction() as session:
            session.add(Agent(id=uuid.UUID(int=after + 1), login=f"a{after}", name="x", role="agent", since=at))
            for _ in range(count):
                call = Call(
                    id=new_id(), kind="hotline", status="completed", started_at=at, deadline_at=at, reason="theme"
                )
                session.add(call)
                session.flush()
                session.add(
                    QueueEntry(
                        id=new_id(), call_id=call.id, language="en", mode="line", origin="caller", status="served",
                        entered_at=at, joined_at=at, talk_s=60, agent_id=uuid.UUID(int=after + 1),
                    )
                )  # fmt: skip
                kept(session, call.id, at)
        with statements(room.house) as seen, room.house.transaction() as session:
            draw_day(session, DAY + timedelta(days=after), 5, at)
        counts.append(len(seen))
    assert counts[0] == counts[1]
