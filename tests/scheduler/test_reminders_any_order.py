"""Whatever is keyed, heard, moved and lost, and however the clock runs: a reminder ends, once, and never rings twice
at a time."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core.house import House
from core.models import EventRow
from dialer.models import Attempt
from scheduler.models import Appointment, Reminder
from scheduler.reminders import AFTER_CHOICE, MOST_TRIES, OVER
from tests.fresh import EMPTY
from tests.house import MID_MORNING
from tests.often import stories
from tests.scheduler.clinic import hospital
from tests.scheduler.visits import Clinic

OUTCOMES = ("no_answer", "busy", "failed_now", "failed_for_good", "answered", "not_placed", "cancelled")


@stories(6, 12)
def test_a_reminder_ends_once_whatever_happens(house: House, examples: int) -> None:
    clinic = Clinic(house)
    serial = iter(range(1, 10_000))

    class AnyOrder(RuleBasedStateMachine):
        @initialize(channel=st.sampled_from(["call", "both"]), hours=st.integers(2, 40), numbers=st.integers(1, 2))
        def a_visit(self, channel: str, hours: int, numbers: int) -> None:
            clinic.now = MID_MORNING
            with house.transaction() as session:
                session.execute(sa.text(EMPTY))
            hospital(house, reminders={"channel": channel})
            number = next(serial)
            phones = [f"+861380{line}{number:05}" for line in "67"][:numbers]
            visit = clinic.visit(clinic.visitor(*phones, mrn=f"V-{number}"), clinic.now + timedelta(hours=hours))
            self.visit: Appointment = visit

        @property
        def ringing(self) -> list[Attempt]:
            return [attempt for attempt in clinic.live() if attempt.kind == "reminder"]

        def may_leave(self, attempt: Attempt) -> bool:
            """A ring that was placed and whose time is over is taken back by the gate; the carrier never has it."""
            if clinic.now >= attempt.give_up_at:
                clinic.hang_up(attempt)
            return clinic.now < attempt.give_up_at

        @rule(minutes=st.sampled_from([1, 16, 121, 600]))
        def time_passes(self, minutes: int) -> None:
            clinic.forward(minutes=minutes)
            clinic.remind()

        @rule()
        def its_hour_comes(self) -> None:
            waiting = [row.next_try_at for row in clinic.rows() if row.closed_at is None]
            clinic.now = max([clinic.now, *waiting])
            clinic.remind()

        @rule(outcome=st.sampled_from(OUTCOMES))
        def a_ring_ends(self, outcome: str) -> None:
            clinic.remind()
            for attempt in self.ringing:
                if outcome == "cancelled":
                    clinic.hang_up(attempt)
                elif self.may_leave(attempt):
                    clinic.ends(attempt, outcome)

        @rule(choices=st.lists(st.sampled_from(sorted(AFTER_CHOICE)), min_size=1, max_size=2), late=st.booleans())
        def something_is_keyed(self, choices: list[str], late: bool) -> None:
            clinic.remind()
            for attempt in filter(self.may_leave, self.ringing):
                clinic.post(attempt)
                call_id = clinic.answer(attempt)
                if late:
                    clinic.hear(attempt, "completed")
                for choice in choices:
                    clinic.says(attempt, call_id, choice)
                if not late:
                    clinic.hear(attempt, "completed")

        @rule()
        def a_message_is_lost(self) -> None:
            for message in clinic.sent():
                if message.status == "planned":
                    clinic.lost(message)

        @rule(hours=st.sampled_from([-5, 3, 24]))
        def the_visit_moves(self, hours: int) -> None:
            self.visit.starts_at += timedelta(hours=hours)
            clinic.change(self.visit, starts_at=self.visit.starts_at, status="booked")

        @rule()
        def the_visit_is_cancelled(self) -> None:
            clinic.change(self.visit, status="cancelled")

        @invariant()
        def never_two_rings_and_one_end(self) -> None:
            assert len(self.ringing) <= 1
            for row in clinic.rows():
                assert (row.status in OVER) == (row.closed_at is not None)
                assert row.tries <= MOST_TRIES
                assert row.status != "calling" or row.current_attempt_id in [a.id for a in self.ringing]
                assert row.status not in ("planned", "waiting") or row.next_try_at <= row.deadline_at
                assert len(self.ends(row)) == (row.status in OVER)

        def ends(self, row: Reminder) -> list[str | None]:
            """The final states its ledger tells of; an SMS that was sent may still turn out to be lost."""
            with house.transaction() as session:
                told = session.scalars(
                    sa.select(EventRow.to_state)
                    .where(EventRow.kind == "reminder", EventRow.subject_id == row.id, EventRow.to_state.in_(OVER))
                    .order_by(EventRow.id)
                ).all()
            return list(told[1:] if told[:1] == ["sent"] and len(told) > 1 else told)

        def teardown(self) -> None:
            if not hasattr(self, "visit"):
                return
            clinic.now = max([clinic.now, *(row.deadline_at for row in clinic.rows())])
            for attempt in self.ringing:
                clinic.hang_up(attempt)
            clinic.remind()
            assert all(row.status in OVER for row in clinic.rows())

    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            phases=(Phase.generate,),  # to make a failure smaller takes minutes of database time
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
