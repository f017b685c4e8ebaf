"""Whatever is keyed, heard, closed and lost, and however the clock runs: a satisfaction call ends once, rings at most
twice, never outside its hours and never after its time."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core import calendar, events, people
from core.house import House
from core.models import EventRow
from desk import surveys
from dialer.models import Attempt
from tests.desk.telling import Room
from tests.fresh import EMPTY
from tests.house import MID_MORNING
from tests.often import stories

WORDS = ("no_answer", "busy", "failed", "completed")
HOURS = calendar.always(
    *((time(8, 30), time(12)), (time(14), time(20, 30)))
)  # fmt: skip


@stories(6, 15)
def test_a_satisfaction_call_ends_once_whatever_happens(house: House, examples: int) -> None:
    room = Room.open(house)

    class AnyOrder(RuleBasedStateMachine):
        @initialize(zone=st.sampled_from(["Asia/Shanghai", "America/New_York"]), on_file=st.booleans())
        def a_ticket(self, zone: str, on_file: bool) -> None:
            room.at(MID_MORNING)
            with house.transaction() as session:
                session.execute(sa.text(EMPTY))
            self.zone = zone if on_file else "Asia/Shanghai"
            self.patient = room.patient(zone=zone) if on_file else None
            self.ticket = room.ticket(status="resolved", patient=self.patient)
            room.plan(self.ticket)

        @property
        def ringing(self) -> list[Attempt]:
            return [attempt for attempt in room.attempts(live=True) if attempt.kind == "satisfaction"]

        @rule(minutes=st.sampled_from([1, 31, 200, 900]))
        def time_passes(self, minutes: int) -> None:
            room.forward(minutes=minutes)
            room.ask()

        @rule()
        def its_hour_comes(self) -> None:
            waiting = [row.next_try_at for row in room.surveys() if row.status in surveys.WAITING]
            room.at(max([room.now, *waiting]))
            room.ask()

        @rule(word=st.sampled_from(WORDS))
        def a_ring_ends(self, word: str) -> None:
            room.ask()
            for attempt in self.ringing:
                room.says(attempt.id, word)

        @rule(score=st.sampled_from([None, 1, 2, 3, 5]), late=st.booleans())
        def something_is_keyed(self, score: int | None, late: bool) -> None:
            for attempt in self.ringing:
                if room.answers(attempt.id) is None:
                    continue
                if late:
                    room.says(attempt.id, "completed")
                room.publish(events.SatisfactionKeyed(attempt.id, score))
                if not late:
                    room.says(attempt.id, "completed")

        @rule()
        def a_person_closes_it(self) -> None:
            if room.ticket_now(self.ticket).status == "resolved":
                room.change(self.ticket, status="confirmed")

        @rule()
        def it_is_opened_again_and_resolved(self) -> None:
            row = room.ticket_now(self.ticket)
            if row.status != "open":
                room.change(
                    self.ticket, status="resolved", reopened=row.reopened + 1, resolved_at=room.now, told_at=room.now
                )
                room.plan(self.ticket)

        @rule()
        def the_number_wants_to_be_left_alone(self) -> None:
            with house.transaction() as session:
                people.add_do_not_call(session, self.ticket.contact, "sms", room.now)

        @invariant()
        def all_is_as_it_should_be(self) -> None:
            if not hasattr(self, "ticket"):
                return
            assert len(self.ringing) <= 1
            rings: dict[object, int] = {}
            for attempt in room.surveying():
                rings[attempt.subject_id] = rings.get(attempt.subject_id, 0) + 1
                assert calendar.in_window(attempt.created_at, self.zone, HOURS), attempt.created_at.astimezone(
                    ZoneInfo(self.zone)
                )
                assert attempt.give_up_at is not None
                assert attempt.created_at < attempt.give_up_at
            for row in room.surveys():
                assert (row.status in surveys.OVER) == (row.closed_at is not None)
                assert (row.score is not None) == (row.status == "scored")
                assert row.tries <= surveys.MOST_TRIES >= rings.get(row.id, 0)
                assert row.status != "calling" or row.attempt_id in [attempt.id for attempt in self.ringing]
                assert row.status not in surveys.WAITING or row.next_try_at <= row.deadline_at
                assert self.ends(row.id) in ([], [row.status], ["unreached", row.status])

        def ends(self, survey_id: object) -> list[str | None]:
            """The final states its ledger tells of: a key may be heard after the second ring was given up."""
            with house.transaction() as session:
                its = EventRow.kind == "survey", EventRow.subject_id == survey_id, EventRow.to_state.in_(surveys.OVER)
                return list(session.scalars(sa.select(EventRow.to_state).where(*its).order_by(EventRow.id)))

        def teardown(self) -> None:
            if not hasattr(self, "ticket"):
                return
            for attempt in self.ringing:
                room.says(attempt.id, "no_answer")
            room.forward(hours=73)
            room.ask()
            assert all(row.status in surveys.OVER for row in room.surveys())

    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            phases=(Phase.generate,),  # to make a failure smaller takes minutes of database time
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


