"""Whatever the carrier and the patient do and however the clock runs, a follow-up ends or has its next hour."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import calendar, holidays, people
from core.house import House
from scheduler.machine import AFTER_INTERVIEW, OVER
from scheduler.models import FollowUp
from scheduler.store import TOO_LATE
from tests.conftest import StandingClock
from tests.fresh import EMPTY
from tests.house import MID_MORNING
from tests.often import stories
from tests.scheduler.clinic import Ward, hospital

COUNTED = ["no_answer", "busy", "failed_for_good", "answered"]
MOST_TRIES = 3


@stories(8, 20)
def test_a_follow_up_always_ends_or_has_its_next_hour(house: House, examples: int) -> None:
    ward = Ward(house)
    serial = iter(range(1, 10_000))

    class AnyDay(RuleBasedStateMachine):
        @initialize(
            ago=st.integers(0, 40), numbers=st.integers(1, 2), zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin"])
        )
        def a_patient(self, ago: int, numbers: int, zone: str) -> None:
            clock = house.clock
            assert isinstance(clock, StandingClock)
            clock.at = MID_MORNING
            with house.transaction() as session:
                session.execute(sa.text(EMPTY))
            number = next(serial)
            self.counted = 0
            phones = [f"+861380{line}{number:05}" for line in "89"][:numbers]
            self.patient = ward.patient(*phones, mrn=f"S-{number}", zone=zone)
            self.zone = zone
            self.procedure = ward.operation(self.patient, timedelta(hours=ago), name="one wave")
            ward.unreached.clear()

        @property
        def row(self) -> FollowUp:
            return ward.first(self.procedure)

        @rule(minutes=st.sampled_from([1, 15, 31, 181, 600, 1500]))
        def time_passes(self, minutes: int) -> None:
            ward.forward(minutes=minutes)

        @rule()
        def its_hour_comes(self) -> None:
            row = self.row
            if row.closed_at is None:
                ward.now = max(ward.now, row.next_try_at)

        @rule()
        def nothing_but_a_tick(self) -> None:
            self.ring(None, None)

        @rule(outcome=st.sampled_from([*COUNTED, "failed_now", "not_placed", "cancelled"]))
        def a_ring(self, outcome: str) -> None:
            self.ring(outcome, None)

        @rule(interview=st.sampled_from(sorted(AFTER_INTERVIEW)))
        def a_conversation(self, interview: str) -> None:
            self.ring("answered", interview)

        @precondition(lambda self: self.row.closed_at is None)
        @rule()
        def the_patient_says_stop(self) -> None:
            with house.transaction() as session:
                people.set_consent(session, self.patient, "followup", False, "keypad", ward.now)

        def ring(self, outcome: str | None, interview: str | None) -> None:
            ward.tick()
            for attempt in ward.live():
                if outcome is not None and attempt.subject_id == self.row.id:
                    self.counted += outcome in COUNTED
                    ward.ends(attempt, outcome, interview)
                else:
                    ward.ends(attempt, "cancelled")

        @invariant()
        def ended_or_waiting_for_an_hour_that_can_come(self) -> None:
            row = self.row
            assert row.tries == self.counted <= MOST_TRIES
            assert (row.status in OVER) == (row.closed_at is not None)
            assert row.status != "calling"
            told = sum(event.followup_id == row.id for event in ward.unreached)
            too_late = row.reason.startswith(TOO_LATE)
            assert told == (row.status in ("unreached", "partial") or (row.status == "expired" and not too_late))
            if row.status == "waiting" and row.reason in (
                "no_answer",
                "busy",
                "failed_now",
                "answered",
                *AFTER_INTERVIEW,
            ):
                assert row.next_try_at < row.deadline_at
                with house.transaction() as session:
                    assert calendar.in_window(row.next_try_at, self.zone, holidays.hours(session))

        def teardown(self) -> None:
            for _ in range(4):
                if not hasattr(self, "procedure"):
                    return
                if self.row.closed_at is None:
                    ward.now = max(ward.now, self.row.deadline_at)
                    self.ring("cancelled", None)
            assert self.row.status in OVER

    hospital(house, followup={"procedure": {"one wave": {"waves": ["6h"]}}})
    run_state_machine_as_test(
        AnyDay,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
