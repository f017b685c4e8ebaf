"""Whatever nurses, imports, patients and the carrier do to a plan in whatever order: nothing is rung outside the rules,
no two rings at once, and every follow-up ends with a word to somebody."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core import calendar, holidays
from core.house import House
from core.models import Patient, Procedure, new_id
from dialer import call as calls
from dialer.models import Attempt
from scheduler import store
from scheduler.machine import AFTER_INTERVIEW, OPEN, OVER
from scheduler.models import FollowUp
from scheduler.ringback import RingBack
from tests.conftest import StandingClock
from tests.fresh import EMPTY
from tests.house import MID_MORNING
from tests.often import stories
from tests.scheduler.clinic import Ward, hospital

OUTCOMES = ["no_answer", "busy", "failed_now", "failed_for_good", "answered", "not_placed"]


@stories(6, 15)
def test_a_plan_in_any_hands_loses_nothing(house: House, examples: int) -> None:
    ward = Ward(house)
    serial = iter(range(1, 10_000))

    class AnyPlan(RuleBasedStateMachine):
        @initialize(ago=st.integers(-5, 60), zone=st.sampled_from(["Asia/Shanghai", "America/New_York"]))
        def a_patient(self, ago: int, zone: str) -> None:
            clock = house.clock
            assert isinstance(clock, StandingClock)
            clock.at = MID_MORNING
            with house.transaction() as session:
                session.execute(sa.text(EMPTY))
            number = next(serial)
            self.phones = [f"+861380{line}{number:05}" for line in "89"]
            self.zone, self.seen = zone, set[uuid.UUID]()
            self.patient = ward.patient(*self.phones, mrn=f"P-{number}", zone=zone)
            self.procedure = ward.operation(self.patient, timedelta(hours=ago), name="two waves")
            ward.unreached.clear()

        def rows(self) -> list[FollowUp]:
            with house.transaction() as session:
                return list(session.scalars(sa.select(FollowUp).order_by(FollowUp.due_at)))

        def open_row(self, index: int) -> uuid.UUID | None:
            rows = [row for row in self.rows() if row.status in OPEN]
            return rows[index % len(rows)].id if rows else None

        # ---- time and rings -------------------------------------------------------------------------------
        @rule(minutes=st.sampled_from([1, 30, 130, 700, 1500]))
        def time_passes(self, minutes: int) -> None:
            ward.forward(minutes=minutes)

        @rule(outcome=st.sampled_from(OUTCOMES), interview=st.sampled_from([None, *sorted(AFTER_INTERVIEW)]))
        def the_next_ring(self, outcome: str, interview: str | None) -> None:
            waiting = [row.next_try_at for row in self.rows() if row.status in OPEN]
            if waiting:
                ward.now = max(ward.now, min(waiting))
            self.tick()
            for attempt in ward.live():
                ward.ends(attempt, outcome, interview if outcome == "answered" else None)

        def tick(self) -> None:
            ward.tick()
            with house.transaction() as session:
                patient = session.get_one(Patient, self.patient)
                procedure = session.get_one(Procedure, self.procedure)
                for attempt in session.scalars(sa.select(Attempt).where(Attempt.via == "api")):
                    if attempt.id in self.seen:
                        continue
                    self.seen.add(attempt.id)
                    assert (patient.status, procedure.status) == ("active", "active")
                    assert calendar.in_window(ward.now, self.zone, holidays.hours(session))
                    row = session.get_one(FollowUp, attempt.subject_id)
                    assert row.due_at - timedelta(days=5) <= ward.now < row.deadline_at
                    assert not row.held

        @rule(birthday=st.sampled_from(["0506", "0101"]), then=st.sampled_from(["completed", "partial", "declined"]))
        def the_patient_rings_us(self, birthday: str, then: str) -> None:
            with house.transaction() as session:
                call = calls.open_inbound(session, f"CA{new_id().hex}", self.phones[0], "hotline", ward.now)
                begun = RingBack().begin(session, call, birthday, ward.now)
                assert not (begun and birthday == "0101")
                if not begun:
                    calls.carrier_says(session, call, "completed", ward.now)
            if begun:
                with house.transaction() as session:
                    attempt = session.get_one(Attempt, session.get_one(type(call), call.id).attempt_id)
                ward.interview(attempt, call.id, then)
                ward.hear(attempt, "completed")

        # ---- people who change the plan ----------------------------------------------------------------------
        @rule(hours=st.integers(-40, 40))
        def the_operation_is_corrected(self, hours: int) -> None:
            with house.transaction() as session:
                procedure = session.get_one(Procedure, self.procedure)
                procedure.ended_at += timedelta(hours=hours)
                if procedure.status == "active":
                    store.replan(session, procedure, ward.now)

        @rule(name=st.sampled_from(["two waves", "one wave"]))
        def it_was_another_operation(self, name: str) -> None:
            with house.transaction() as session:
                procedure = session.get_one(Procedure, self.procedure)
                procedure.name = name
                if procedure.status == "active":
                    store.replan(session, procedure, ward.now)

        @rule()
        def cancelled_or_not_after_all(self) -> None:
            with house.transaction() as session:
                procedure = session.get_one(Procedure, self.procedure)
                if procedure.status == "active":
                    procedure.status = "cancelled"
                    store.cancel(session, procedure.id, store.OPERATION_CANCELLED, ward.now)
                else:
                    procedure.status = "active"
                    store.reinstate(session, procedure, ward.now)

        @rule()
        def readmitted_or_home_again(self) -> None:
            with house.transaction() as session:
                patient = session.get_one(Patient, self.patient)
                patient.status = "active" if patient.status == "readmitted" else "readmitted"
                if patient.status == "active":
                    store.person_back(session, patient, ward.now)

        @rule(index=st.integers(0, 5), what=st.sampled_from(["hold", "let_go", "cancel_one", "move_to"]))
        def a_nurse(self, index: int, what: str) -> None:
            followup_id = self.open_row(index)
            if followup_id is not None:
                more = (ward.now + timedelta(hours=30),) if what == "move_to" else ()
                with house.transaction() as session:
                    getattr(store, what)(session, followup_id, *more, "nurse.one", "a reason", ward.now)

        @rule(hours=st.integers(1, 50))
        def a_nurse_adds_one(self, hours: int) -> None:
            with house.transaction() as session:
                if session.get_one(Procedure, self.procedure).status == "active":
                    at = ward.now + timedelta(hours=hours)
                    store.add_wave(session, self.procedure, at, "nurse.one", "a reason", ward.now)

        # ---- what is always so ---------------------------------------------------------------------------------
        @invariant()
        def one_ring_at_a_time_and_somebody_is_told(self) -> None:
            assert ward.live() == [], "every ring of this test has ended"
            told = Counter(event.followup_id for event in ward.unreached)
            for row in self.rows():
                assert row.status in OPEN or row.status in OVER
                assert row.status != "calling"
                assert (row.closed_at is not None) == (row.status in OVER)
                if row.status in ("unreached", "partial"):
                    assert told[row.id] >= 1
                if row.status == "expired":
                    assert told[row.id] >= 1 or row.reason.startswith(store.TOO_LATE)

        def teardown(self) -> None:
            """With nothing more to come every follow-up ends."""
            for _ in range(3):
                for row in self.rows() if hasattr(self, "procedure") else []:
                    if row.status in OPEN:
                        ward.now = max(ward.now, row.deadline_at)
                ward.tick()
            assert all(row.status in OVER for row in self.rows())

    hospital(house, followup={"procedure": {"two waves": {"waves": ["6h", "48h"]}, "one wave": {"waves": ["24h"]}}})
    run_state_machine_as_test(
        AnyPlan,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],  # shrinking a case of the real database takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
