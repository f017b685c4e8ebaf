"""Whatever the carrier, the workers and the clock do to a ring in whatever order: it is posted once, it ends once, it
only moves forward, and who was taken back never speaks."""

from __future__ import annotations

import uuid
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import events
from core.house import House
from dialer import attempt as attempts
from dialer import lines
from dialer.machine import ATTEMPT_MOVES, ATTEMPT_OVER
from dialer.models import Attempt
from tests.dialer.ward import Ward, clear
from tests.often import stories

WORDS = ["queued", "ringing", "in_progress", "completed", "busy", "no_answer", "failed", "cancelled"]
RANK = {"placing": 0, "in_doubt": 1, "placed": 2, "ringing": 3, "answered": 4, "ended": 5, "absent": 5, "cancelled": 5}
ENDS = ("completed", "busy", "no-answer", "failed", "canceled")


def test_the_table_only_leads_forward() -> None:
    assert all(RANK[before] < RANK[after] for (before, _), after in ATTEMPT_MOVES.items())


@stories(8, 25)
def test_a_ring_in_any_weather_is_one_ring(house: House, examples: int) -> None:
    ended: Counter[uuid.UUID] = Counter()
    house.bus.subscribe(events.AttemptEnded, lambda session, event, now: ended.update([event.attempt_id]))

    class AnyWeather(RuleBasedStateMachine):
        @initialize(doctor=st.booleans())
        def a_ring(self, doctor: bool) -> None:
            clear(house)
            ended.clear()
            self.ward = Ward.of(house)
            shift = self.ward.doctor(1)
            ring = (
                self.ward.ring("doctor", shift.phone, shift_id=shift.id)
                if doctor
                else self.ward.ring(patient_id=self.ward.patient().id)
            )
            self.id = self.ward.placed(ring).id
            self.rank, self.seq, self.taken_back, self.spoke = 0, 0, False, 0

        @property
        def row(self) -> Attempt:
            return self.ward.attempt(self.id)

        # ---- the workers -------------------------------------------------------------------------------
        @rule()
        def a_worker_works(self) -> None:
            self.ward.work()

        @rule()
        def the_workers_die_with_what_they_held(self) -> None:
            self.ward.drop_jobs()

        @rule(seconds=st.sampled_from([1, 13, 61, 200]))
        def time_passes_and_the_timetable_looks(self, seconds: int) -> None:
            self.ward.forward(seconds=seconds)
            with house.transaction() as session:
                attempts.overdue(session, self.ward.now)

        @rule()
        def it_is_taken_back(self) -> None:
            with house.transaction() as session:
                attempts.take_back(session, self.id)
            self.taken_back = True

        # ---- the carrier -------------------------------------------------------------------------------
        @rule()
        def the_next_answer_is_lost(self) -> None:
            self.ward.carrier.lose_answers = 1

        @rule(lag=st.sampled_from([0.0, 30.0, 500.0]))
        def its_list_lags(self, lag: float) -> None:
            self.ward.carrier.list_lag_s = lag

        @precondition(lambda self: bool(self.ward.carrier.calls))
        @rule(word=st.sampled_from(WORDS), late=st.booleans())
        def it_says(self, word: str, late: bool) -> None:
            """In order, repeated, or long after something newer."""
            self.seq += 0 if late else 1
            with house.transaction() as session:
                row = attempts.locked(session, self.id)
                assert row is not None
                attempts.learn_sid(session, row, self.ward.carrier.calls[0].sid)
                attempts.carrier_says(session, row, word, self.ward.now, seq=self.seq)

        @precondition(lambda self: bool(self.ward.carrier.calls))
        @rule()
        def somebody_picks_up(self) -> None:
            over = self.row.status in ATTEMPT_OVER
            with house.transaction() as session:
                speaks = attempts.may_speak(session, self.id, self.ward.carrier.calls[0].sid)
                if speaks is not None:
                    attempts.carrier_says(session, speaks, "in_progress", self.ward.now)
                    assert not over
                    assert not speaks.unwanted

        # ---- what is always so -------------------------------------------------------------------------
        @invariant()
        def posted_once_ended_once_forward_only(self) -> None:
            row = self.row
            assert RANK[row.status] >= self.rank
            self.rank = RANK[row.status]
            assert len(self.ward.carrier.calls) <= 1, "the carrier was asked twice for one ring"
            assert ended[self.id] == (row.status in ATTEMPT_OVER)
            assert (row.outcome is not None) == (row.status in ATTEMPT_OVER)

        def teardown(self) -> None:
            """The carrier's call ends in the end, and so does the ring, whatever callbacks were lost."""
            if not hasattr(self, "id"):
                return
            for call in self.ward.carrier.calls:
                call.status = "completed"
            self.ward.carrier.lose_answers, self.ward.carrier.list_lag_s = 0, 0.0
            for _ in range(14):
                self.ward.forward(seconds=65)
                with house.transaction() as session:
                    attempts.overdue(session, self.ward.now)
                self.ward.work()
                for call in self.ward.carrier.calls:
                    call.status = call.status if call.status in ENDS else "completed"
            assert self.row.status in ATTEMPT_OVER
            assert ended[self.id] == 1
            with house.transaction() as session:
                assert lines.in_use(session) == 0

    run_state_machine_as_test(
        AnyWeather,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
