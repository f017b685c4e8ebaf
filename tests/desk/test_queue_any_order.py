"""Callers, agents and the carrier in any order: nobody is lost, no caller has two agents, no agent two rings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import app
from core import events
from core.house import House
from desk import agents
from desk.models import QueueEntry
from desk.queue import OVER
from dialer.machine import ATTEMPT_OVER
from dialer.models import LIVE_CALL, Attempt, Call
from tests.conftest import StandingClock
from tests.desk.desk_house import CALLERS, Hall
from tests.fresh import EMPTY
from tests.house import MID_MORNING, environment
from tests.often import stories

numbers = st.integers(0, 5)
picks = st.integers(0, 9)


class Line(RuleBasedStateMachine):
    house: House

    def __init__(self) -> None:
        super().__init__()
        with self.house.transaction() as session:
            session.execute(sa.text(EMPTY))
        assert isinstance(self.house.clock, StandingClock)
        self.house.clock.at = MID_MORNING
        self.hall = Hall(self.house)
        self.logins = [self.hall.agent() for _ in range(3)]

    # ---- what is there -----------------------------------------------------------------------------
    def one(self, things: list[object], pick: int) -> object:
        return things[pick % len(things)]

    def rings(self) -> list[Attempt]:
        return self.hall.live_rings()

    def waiting_calls(self) -> list[QueueEntry]:
        with self.house.transaction() as session:
            on_line = sa.select(QueueEntry).join(Call, Call.id == QueueEntry.call_id).where(Call.status.in_(LIVE_CALL))
            return list(session.scalars(on_line.order_by(QueueEntry.entered_at, QueueEntry.id)))

    # ---- callers -----------------------------------------------------------------------------------
    @rule(number=numbers, reason=st.sampled_from(("", "postop", "theme")), shown=st.booleans())
    def somebody_enters(self, number: int, reason: str, shown: bool) -> None:
        busy = [call.party for call in self.hall.live_calls()]
        with self.house.transaction() as session:
            somebody = agents.anybody_on(session)
        if somebody and CALLERS[number] not in busy:
            self.hall.enters(CALLERS[number] if shown else "", reason=reason)

    @precondition(lambda self: self.waiting_calls())
    @rule(pick=picks, why=st.sampled_from(("callback", "message", "overflow", "closed", "error", "hung_up")))
    def a_caller_leaves(self, pick: int, why: str) -> None:
        self.hall.leaves(self.one(self.waiting_calls(), pick), why)  # type: ignore[arg-type]

    @precondition(lambda self: self.waiting_calls())
    @rule(pick=picks)
    def a_caller_hangs_up(self, pick: int) -> None:
        self.hall.hangs_up(self.one(self.waiting_calls(), pick))  # type: ignore[arg-type]

    # ---- agents ------------------------------------------------------------------------------------
    @rule(pick=picks, state=st.sampled_from(agents.STATES))
    def an_agent_signs(self, pick: int, state: str) -> None:
        with self.house.transaction() as session:
            agents.sign(session, str(self.one(list(self.logins), pick)), state, "test", self.hall.now)

    @precondition(lambda self: self.rings())
    @rule(pick=picks, decision=st.sampled_from(("accepted", "declined", "no_key", "hung_up")))
    def an_agent_decides(self, pick: int, decision: str) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        if self.hall.answers(ring) is not None:
            self.hall.publish(events.AgentDecided(ring.id, decision))
            if decision == "hung_up":
                self.hall.says(ring, "completed")

    @precondition(lambda self: self.rings())
    @rule(pick=picks, word=st.sampled_from(("busy", "no_answer", "failed", "completed")))
    def a_ring_ends(self, pick: int, word: str) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        self.hall.posted(ring)
        self.hall.says(ring, word)

    @precondition(lambda self: self.rings())
    @rule(pick=picks, joined=st.booleans(), seconds=st.sampled_from((0, 5, 90)), hangs_up=st.booleans())
    def they_talk(self, pick: int, joined: bool, seconds: int, hangs_up: bool) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        call = self.hall.answers(ring)
        if call is None:
            return
        leg = self.hall.connects(call)
        entry = next((e for e in self.hall.entries() if e.attempt_id == ring.id), None)
        if joined and entry is not None:
            self.hall.publish(events.CallerTaken(entry.call_id, ring.id))
        if isinstance(leg, Attempt):
            self.hall.says(leg, "completed" if joined else "no_answer")
        self.hall.publish(events.AgentTalked(ring.id, seconds if joined else 0))
        if hangs_up:
            self.hall.says(ring, "completed")

    @precondition(lambda self: self.rings())
    @rule(pick=picks)
    def they_are_joined(self, pick: int) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        call = self.hall.answers(ring)
        if call is not None:
            self.hall.publish(events.AgentDecided(ring.id, "accepted"))
            self.hall.connects(call)
            entry = next((e for e in self.hall.entries() if e.attempt_id == ring.id), None)
            self.hall.publish(events.CallerTaken(entry.call_id if entry is not None else None, ring.id))

    @precondition(lambda self: self.rings())
    @rule(pick=picks, seconds=st.sampled_from((0, 0, 30)))
    def a_talk_ends(self, pick: int, seconds: int) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        self.hall.publish(events.AgentTalked(ring.id, seconds))

    @precondition(lambda self: self.rings())
    @rule(pick=picks, what=st.sampled_from(("solved", "ticket", "call_again")))
    def an_agent_says(self, pick: int, what: str) -> None:
        ring = self.one(self.rings(), pick)
        assert isinstance(ring, Attempt)
        self.hall.publish(events.AgentSaid(ring.id, what))

    # ---- time --------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from((1, 5, 21, 61, 601)))
    def time_passes(self, seconds: int) -> None:
        self.hall.forward(seconds=seconds)
        self.hall.tick()

    @rule()
    def jobs_run(self) -> None:
        self.hall.run_jobs()

    # ---- what always holds -------------------------------------------------------------------------
    @invariant()
    def one_ring_at_an_agent_and_one_agent_for_a_caller(self) -> None:
        rings = self.rings()
        assert max(Counter(ring.to for ring in rings).values(), default=0) <= 1
        held = [entry.attempt_id for entry in self.hall.entries() if entry.status in ("offered", "joined")]
        assert None not in held
        assert len(held) == len(set(held))

    @invariant()
    def whoever_is_out_of_the_line_got_something(self) -> None:
        for entry in self.hall.entries():
            assert (entry.ended_at is not None) == (entry.status in OVER), entry.status
            if entry.status == "abandoned":
                hung_up_at_once = entry.why == "hung up at once"
                assert hung_up_at_once or not entry.party, "somebody with a number was given up"
            if entry.status in ("message", "cancelled") and entry.why != "rang in again":
                assert entry.next_step_at is not None or self.helped(entry), "nobody looks after this caller"
            if entry.status == "unreached":
                assert any(wanted.subject_id == entry.id for wanted in self.hall.tickets)

    def helped(self, entry: QueueEntry) -> bool:
        """Served, or in line again, by another entry of the same call."""
        rest = [other for other in self.hall.entries() if other.call_id == entry.call_id and other.id != entry.id]
        return any(other.status in ("served", "waiting", "offered", "joined") or other.next_step_at for other in rest)

    def teardown(self) -> None:
        """Everybody hangs up, and time goes on: in the end nobody is in line any more."""
        for entry in self.waiting_calls():
            self.hall.hangs_up(entry)
        for ring in self.rings():
            self.hall.posted(ring)
            self.hall.says(ring, "no_answer")
        for login in self.logins:
            with self.house.transaction() as session:
                agents.sign(session, login, "off", "test", self.hall.now)
        for _ in range(6):
            self.hall.run_jobs()
            self.hall.forward(hours=13)
            for _ in range(3):
                self.hall.tick()
        left = [(entry.status, entry.mode) for entry in self.hall.entries() if entry.status not in OVER]
        assert left == [], "somebody stands in line for ever"
        self.whoever_is_out_of_the_line_got_something()
        with self.house.transaction() as session:
            assert not session.scalars(sa.select(Attempt).where(Attempt.status.not_in(tuple(ATTEMPT_OVER)))).all()


@pytest.fixture
def any_house(database_url: str, tmp_path: Path) -> Iterator[House]:
    made = app.open_house(environment(tmp_path, database_url))
    made.clock = StandingClock(MID_MORNING)
    yield made
    made.engine.dispose()


@stories(5, 25)
def test_in_whatever_order_it_happens(any_house: House, examples: int) -> None:
    machine = type("TheLine", (Line,), {"house": any_house})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
