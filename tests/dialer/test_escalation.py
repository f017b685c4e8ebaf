"""From the pressed key to the talk: the chain of doctors, and that no patient in pain is ever lost or held twice."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core import events
from core.house import House
from core.models import Pause
from dialer import attempt as attempts
from dialer import doctor as on_phone
from dialer import escalation_due, gate, roster
from dialer.machine import QUIET, TALKING
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Escalation, Shift
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward, clear
from tests.house import MID_MORNING
from tests.often import stories

ONE_TRY = "[escalation]\ntries = 1"
"""One ring per doctor and round; how rings are repeated is told by test_chain.py and test_green_channel.py."""
NO_RESERVE = f"{ONE_TRY}\n[calling]\nlines = 9\nlines_reserved = 2"
STEP_S = 35
"""A doctor's ring (25 s) and the grace after it."""


@pytest.fixture
def ward(ward: Ward) -> Ward:
    ward.settings(ONE_TRY)
    return ward


def opened(ward: Ward, score: int = 7) -> Escalation:
    """A patient on file keyed `score` on the hotline and hung up."""
    call = ward.inbound(patient=ward.patient(department="surgery"))
    with ward.house.transaction() as session:
        session.get_one(Call, call.id).status = "completed"
    ward.drop_jobs()
    escalation = ward.score(score, call)
    assert escalation is not None
    return escalation


def now_is(ward: Ward) -> Escalation:
    escalation = ward.escalation()
    assert escalation is not None
    return escalation


def tick(ward: Ward) -> None:
    for look in (escalation_due.overdue_steps, escalation_due.breaches, attempts.overdue):
        for _ in range(50):
            with ward.house.transaction() as session:
                if not look(session, ward.now):
                    break


def rung(ward: Ward) -> list[int]:
    """Which doctors were rung, in order."""
    return [DOCTOR_PHONES.index(to) for to in ward.carrier.rung()]


def current(ward: Ward) -> Attempt:
    """The newest ring at a doctor."""
    phone = ward.carrier.rung()[-1]
    return next(a for a in reversed(ward.attempts(kind="doctor")) if a.to == phone)


def decides(ward: Ward, attempt_id: uuid.UUID, decision: str) -> None:
    ward.publish(events.DoctorDecided(attempt_id, decision))


def accepted(ward: Ward) -> tuple[Attempt, Call]:
    """The doctor being rung answers and presses 1."""
    attempt = current(ward)
    call = ward.answers(attempt.id)
    assert call is not None
    decides(ward, attempt.id, "accepted")
    return attempt, call


def patient_rung(ward: Ward, doctors_call: Call) -> Attempt | gate.Refused:
    with ward.house.transaction() as session:
        return on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)


def joined(ward: Ward, doctors_call: Call) -> Attempt:
    leg = patient_rung(ward, doctors_call)
    assert isinstance(leg, Attempt), leg
    ward.answers(leg.id)
    ward.publish(events.PatientJoined(leg.id))
    return leg


def talk_ended(ward: Ward, doctor: Attempt, seconds: int) -> None:
    with ward.house.transaction() as session:
        on_phone.talk_ended(session, doctor.id, seconds, ward.now)


# ---- opening ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("score", "opens"), [(0, False), (3, False), (4, True), (10, True)])
def test_it_opens_at_the_threshold(ward: Ward, score: int, opens: bool) -> None:
    ward.doctor(1)
    assert (ward.score(score, ward.inbound(patient=ward.patient())) is not None) is opens
    ward.work("place_escalation")
    assert bool(ward.carrier.calls) is opens


@pytest.mark.parametrize(("score", "opens"), [(5, False), (6, True)])
def test_a_follow_ups_own_threshold_counts(ward: Ward, score: int, opens: bool) -> None:
    ward.doctor(1)
    patient = ward.patient()
    with ward.house.transaction() as session:
        attempt = attempts.place(
            session, ward.ring("followup", PATIENT_PHONE, patient_id=patient.id),
            flow="followup", language="en", brief={"threshold": 6}, ring_s=30, now=ward.now,
        )  # fmt: skip
    assert isinstance(attempt, Attempt)
    call = ward.answers(attempt.id)
    assert call is not None
    assert (ward.score(score, call) is not None) is opens


def test_a_second_score_joins_with_the_higher_of_both(ward: Ward) -> None:
    ward.doctor(1)
    patient = ward.patient()
    first = ward.score(5, ward.inbound(patient=patient))
    for score, phone in ((9, PATIENT_PHONE), (6, "+861055550119")):
        ward.score(score, ward.inbound(phone, patient=patient))
    with ward.house.transaction() as session:
        (only,) = session.scalars(sa.select(Escalation))
    assert first is not None
    assert (only.id, only.score) == (first.id, 9)
    assert ward.ledger(only.id).count("another alarm joined") == 2


def test_two_calls_of_one_patient_at_the_same_moment_open_one(ward: Ward) -> None:
    patient = ward.patient()
    lines = [ward.inbound(phone, patient=patient) for phone in (PATIENT_PHONE, "+861055550119")]
    barrier = threading.Barrier(2)

    def key(call: Call) -> None:
        barrier.wait()
        ward.score(7, call)

    threads = [threading.Thread(target=key, args=(call,)) for call in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ward.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Escalation)) == 1


def test_after_it_was_closed_a_new_score_opens_a_new_one(ward: Ward) -> None:
    patient = ward.patient()
    first = ward.score(5, ward.inbound(patient=patient))
    assert first is not None
    with ward.house.transaction() as session:
        session.get_one(Escalation, first.id).status = "closed"
    ward.forward(hours=1)
    second = ward.score(6, ward.inbound(patient=patient))
    assert second is not None
    assert second.id != first.id


def test_a_caller_not_on_file_is_served_by_who_serves_all(ward: Ward) -> None:
    ward.doctor(1, department="surgery")
    ward.doctor(2, department="*")
    escalation = ward.score(7, ward.inbound("+861055550177"))
    ward.work("place_escalation")
    assert escalation is not None
    assert (escalation.patient_id, escalation.hours, escalation.department) == (None, None, "*")
    assert rung(ward) == [2]


def test_a_number_the_caller_keyed_is_rung_back_and_not_the_one_shown(ward: Ward) -> None:
    call = ward.inbound("")
    with ward.house.transaction() as session:
        session.get_one(Call, call.id).callback = "+861055550166"
    escalation = ward.score(7, call)
    assert escalation is not None
    assert escalation.to == "+861055550166"


def test_a_score_without_any_number_is_in_the_ledger(ward: Ward) -> None:
    call = ward.inbound("")
    assert ward.score(7, call) is None
    assert ward.ledger(call.id)[-1] == "alarm without a number to ring back"


# ---- the chain -------------------------------------------------------------------------------------
def test_the_chain_goes_by_tiers_the_own_department_first_and_one_doctor_once(ward: Ward) -> None:
    ward.settings(NO_RESERVE)
    ward.doctor(7, "president")
    ward.doctor(5, "1", "*")
    ward.doctor(3, "1", "surgery")
    ward.doctor(4, "1", "surgery")
    ward.doctor(9, "1", "eyes")
    ward.doctor(6, "2", "*")
    ward.doctor(3, "2", "surgery")  # the same doctor again, one tier up
    ward.doctor(8, "head", "surgery", ends=timedelta(0))
    opened(ward)
    for _ in range(5):
        ward.work("place_escalation")
        ward.says(current(ward).id, "no_answer")
    assert rung(ward) == [3, 4, 5, 6, 7]
    assert now_is(ward).status == "overdue"


def test_a_doctor_whose_shift_has_ended_meanwhile_is_passed_over_at_once(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2, ends=timedelta(seconds=20))
    ward.doctor(3)
    opened(ward)
    ward.work("place_escalation")
    ward.forward(seconds=20)
    ward.says(current(ward).id, "no_answer")
    ward.work("place_escalation")
    assert rung(ward) == [1, 3]
    assert "step skipped" in ward.ledger(now_is(ward).id)


def test_a_shift_that_was_deleted_is_passed_over(ward: Ward) -> None:
    ward.doctor(1)
    gone = ward.doctor(2)
    opened(ward)
    with ward.house.transaction() as session:
        session.delete(session.get_one(Shift, gone.id))
    ward.work("place_escalation")
    ward.says(current(ward).id, "busy")
    assert now_is(ward).status == "overdue"


def test_without_a_line_the_same_doctor_is_tried_again_after_two_seconds(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    lines = [ward.inbound(f"+8610555501{number}") for number in (50, 51, 52)]
    opened(ward)
    ward.drop_jobs()
    assert (now_is(ward).status, now_is(ward).next_step_at) == ("open", ward.now + timedelta(seconds=2))
    ward.forward(seconds=2)
    tick(ward)
    with ward.house.transaction() as session:
        session.get_one(Call, lines[0].id).status = "completed"
    ward.forward(seconds=2)
    tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1]


def test_on_a_test_box_a_doctor_who_is_not_allowed_does_not_block_one_who_is(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    ward.settings(f'[hospital]\nlive = false\nallow_numbers = ["{DOCTOR_PHONES[2]}"]')
    opened(ward)
    ward.work("place_escalation")
    assert rung(ward) == [2]


def test_a_pause_of_all_holds_the_step_and_a_pause_of_the_routine_does_not(ward: Ward) -> None:
    ward.doctor(1)
    with ward.house.transaction() as session:
        session.add(Pause(lane="all", reason="a test", who="test", started_at=ward.now))
    opened(ward)
    assert (now_is(ward).step, now_is(ward).next_step_at) == (-1, ward.now + timedelta(seconds=30))
    with ward.house.transaction() as session:
        session.scalars(sa.select(Pause)).one().lane = "routine"
    ward.forward(seconds=30)
    tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1]


@pytest.mark.parametrize("how", ["declined", "no_key", "hung_up", "busy", "no_answer", "failed", "in doubt", "refused"])
def test_whatever_keeps_a_doctor_away_the_next_is_rung_at_once(ward: Ward, how: str) -> None:
    ward.doctor(1)
    ward.doctor(2)
    opened(ward)
    if how == "in doubt":
        ward.carrier.lose_answers = 1
    elif how == "refused":
        with ward.house.transaction() as session:
            attempts.post_refused(session, ward.attempts(kind="doctor")[0].id, 21217, ward.now)
    ward.work("place_escalation")
    first = ward.attempts(kind="doctor")[0]
    if how in ("declined", "no_key", "hung_up"):
        ward.answers(first.id)
        decides(ward, first.id, how)
    elif how in ("busy", "no_answer", "failed"):
        ward.says(first.id, how)
    ward.work("place_escalation")
    assert rung(ward)[-1] == 2
    assert now_is(ward).step == 1


def test_a_ring_in_doubt_does_not_hold_up_the_one_after_the_next(ward: Ward) -> None:
    for number in (1, 2, 3):
        ward.doctor(number)
    opened(ward)
    ward.carrier.lose_answers = 1
    ward.work("place_escalation")
    assert rung(ward) == [1, 2]
    ward.says(current(ward).id, "busy")
    ward.work("place_escalation")
    assert rung(ward) == [1, 2, 3]


def test_a_doctor_who_is_silent_is_passed_over_when_the_step_is_over(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    opened(ward)
    ward.work("place_escalation")
    ward.forward(seconds=STEP_S - 1)
    tick(ward)
    ward.forward(seconds=1)
    tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1, 2]


def test_with_nobody_left_it_is_overdue_and_starts_again_with_who_is_on_duty_then(ward: Ward) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    ward.says(current(ward).id, "busy")
    told = now_is(ward)
    assert (told.status, told.round, told.next_step_at) == ("overdue", 2, ward.now + timedelta(seconds=20))
    ward.forward(seconds=20)
    tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1, 1]
    ward.doctor(2, department="surgery")
    ward.says(current(ward).id, "busy")
    ward.forward(seconds=20)
    tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1, 1, 2]


def test_with_nobody_on_duty_it_never_stops_asking_and_every_round_is_in_the_ledger(ward: Ward) -> None:
    escalation = opened(ward)
    for _ in range(5):
        due = now_is(ward).next_step_at
        assert due is not None
        ward.at(due)
        tick(ward)
    assert now_is(ward).status == "overdue"
    assert now_is(ward).round == 8  # one of them began at once, when the promise broke
    assert ward.ledger(escalation.id).count("exhausted") == 7
    ward.doctor(1)
    for _ in range(2):
        due = now_is(ward).next_step_at
        assert due is not None
        ward.at(due)
        tick(ward)
    ward.work("place_escalation")
    assert rung(ward) == [1]


# ---- accept, talk, close ---------------------------------------------------------------------------
def two_ringing(ward: Ward) -> tuple[Attempt, Attempt]:
    ward.settings(NO_RESERVE)
    for number in (1, 2, 3):
        ward.doctor(number)
    opened(ward)
    ward.work("place_escalation")
    ward.forward(seconds=STEP_S)
    tick(ward)
    ward.work("place_escalation")
    first, second = ward.attempts(kind="doctor")
    return first, second


def test_the_first_to_accept_owns_it_the_others_are_taken_back_and_the_second_accept_loses(ward: Ward) -> None:
    first, second = two_ringing(ward)
    ward.answers(first.id)
    ward.answers(second.id)
    decides(ward, second.id, "accepted")
    decides(ward, first.id, "accepted")
    assert (now_is(ward).status, now_is(ward).owner_attempt_id) == ("accepted", second.id)
    ward.work()
    assert ward.carrier.hung_up == [first.sid]
    refused = patient_rung(ward, _call_of(ward, first))
    assert refused == gate.Refused("not_owner")


def _call_of(ward: Ward, attempt: Attempt) -> Call:
    with ward.house.transaction() as session:
        return session.scalars(sa.select(Call).where(Call.attempt_id == attempt.id)).one()


def test_a_doctor_no_longer_needed_is_not_wanted(ward: Ward) -> None:
    first, second = two_ringing(ward)
    ward.answers(second.id)
    decides(ward, second.id, "accepted")
    with ward.house.transaction() as session:
        assert not on_phone.picked_up(session, session.get_one(Attempt, first.id), ward.now)
        assert on_phone.picked_up(session, session.get_one(Attempt, second.id), ward.now)


def test_a_patient_still_with_the_machine_is_told_and_let_go_when_a_doctor_accepts(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    ward.score(7, call)
    ward.work()
    accepted(ward)
    ward.work()
    assert list(ward.carrier.said) == [call.sid]


@pytest.mark.parametrize(("told_s", "passed_s", "closes"), [(15, 15, True), (14, 14, False), (60, 14, False)])
def test_it_is_closed_only_by_a_talk_that_was_one(ward: Ward, told_s: int, passed_s: int, closes: bool) -> None:
    """The carrier counts from the patient's answer; the talk begins with the patient's key."""
    ward.doctor(1)
    ward.doctor(2)
    opened(ward)
    ward.work("place_escalation")
    doctor, call = accepted(ward)
    joined(ward, call)
    ward.forward(seconds=passed_s)
    talk_ended(ward, doctor, told_s)
    told = now_is(ward)
    if closes:
        assert (told.status, told.talk_s, told.next_step_at) == ("closed", passed_s, None)
    else:
        # the doctor is still on the line and may try again; when he is gone the next one is rung
        assert (told.status, told.owner_attempt_id, told.bridged_at) == ("accepted", doctor.id, None)
        ward.says(doctor.id, "completed")
        assert (now_is(ward).status, now_is(ward).owner_attempt_id) == ("ringing", None)
        ward.work("place_escalation")
        assert rung(ward) == [1, 2]


def test_the_end_of_the_doctors_call_tells_how_long_the_talk_was_if_nobody_else_does(ward: Ward) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    doctor, call = accepted(ward)
    joined(ward, call)
    ward.forward(seconds=40)
    ward.says(doctor.id, "completed")
    assert (now_is(ward).status, now_is(ward).talk_s) == ("closed", 40)
    talk_ended(ward, doctor, 38)
    assert now_is(ward).talk_s == 40


def test_a_doctor_who_hangs_up_before_the_patient_is_there_is_followed_by_the_next(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    opened(ward)
    ward.work("place_escalation")
    doctor, _ = accepted(ward)
    ward.says(doctor.id, "completed")
    ward.work("place_escalation")
    assert (now_is(ward).status, rung(ward)) == ("ringing", [1, 2])


def test_a_patient_who_joins_a_doctor_that_lost_them_is_not_counted_as_joined(ward: Ward) -> None:
    ward.settings(NO_RESERVE)
    ward.doctor(1)
    ward.doctor(2)
    opened(ward)
    ward.work("place_escalation")
    first, call = accepted(ward)
    leg = patient_rung(ward, call)
    assert isinstance(leg, Attempt)
    ward.says(first.id, "completed")
    ward.work("place_escalation")
    accepted(ward)
    ward.answers(leg.id)
    ward.publish(events.PatientJoined(leg.id))
    assert (now_is(ward).status, now_is(ward).bridged_at) == ("accepted", None)


def test_a_doctor_still_listening_may_accept_after_another_one_failed_and_no_line_is_free(ward: Ward) -> None:
    first, second = two_ringing(ward)
    ward.settings(f"{ONE_TRY}\n[calling]\nlines = 3\nlines_reserved = 2")
    ward.answers(first.id)
    ward.answers(second.id)
    decides(ward, second.id, "accepted")
    ward.inbound("+861055550150")
    ward.inbound("+861055550151")
    ward.says(second.id, "completed")
    assert now_is(ward).status == "open"
    decides(ward, first.id, "accepted")
    assert (now_is(ward).status, now_is(ward).owner_attempt_id) == ("accepted", first.id)


def test_a_doctor_who_still_listens_when_the_round_is_over_is_not_rung_again_and_may_accept(ward: Ward) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    attempt = current(ward)
    ward.answers(attempt.id)
    for seconds in (STEP_S, 20):
        ward.forward(seconds=seconds)
        tick(ward)
        ward.work("place_escalation")
        assert now_is(ward).status == "overdue"
    assert rung(ward) == [1]
    assert ward.refusals()[-1].reason == "number_in_use"
    decides(ward, attempt.id, "accepted")
    assert (now_is(ward).status, now_is(ward).owner_attempt_id) == ("accepted", attempt.id)


# ---- the promise -----------------------------------------------------------------------------------
def test_a_broken_promise_is_stamped_once(ward: Ward) -> None:
    escalation = opened(ward)
    ward.forward(seconds=299)
    tick(ward)
    assert now_is(ward).breached_at is None
    for _ in range(3):
        ward.forward(seconds=1)
        tick(ward)
    assert now_is(ward).breached_at == MID_MORNING + timedelta(seconds=300)
    assert ward.ledger(escalation.id).count("promise broken") == 1


def test_the_clock_runs_from_the_key_and_not_from_the_confirmation(ward: Ward) -> None:
    call = ward.inbound(patient=ward.patient())
    escalation = ward.score(7, call, keyed_at=ward.now - timedelta(seconds=20))
    assert escalation is not None
    assert escalation.promise_at == ward.now + timedelta(seconds=280)


@pytest.mark.parametrize(("bridged_after", "late"), [(299, False), (300, True), (900, True)])
def test_a_talk_that_began_too_late_is_a_broken_promise_though_nobody_looked_in_time(
    ward: Ward, bridged_after: int, late: bool
) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    _, call = accepted(ward)
    ward.at(MID_MORNING + timedelta(seconds=bridged_after))
    joined(ward, call)
    assert (now_is(ward).breached_at is not None) is late


def test_a_few_seconds_of_talk_do_not_keep_the_promise(ward: Ward) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    doctor, call = accepted(ward)
    joined(ward, call)
    ward.forward(seconds=3)
    talk_ended(ward, doctor, 3)
    ward.says(doctor.id, "completed")
    ward.forward(seconds=300)
    tick(ward)
    assert now_is(ward).breached_at is not None


def test_nobody_on_duty_is_known_before_anybody_asks(ward: Ward) -> None:
    ward.doctor(1, department="surgery")
    with ward.house.transaction() as session:
        asked = [roster.anybody_on_duty(session, where, ("1", "2"), ward.now) for where in ("surgery", "eyes", "*")]
    assert asked == [True, False, False]


# ---- any order of anything -------------------------------------------------------------------------
class Night(RuleBasedStateMachine):
    """One patient in pain, four doctors, and whatever may happen to rings, keys and talks, in any order."""

    house: House

    @initialize(doctors=st.integers(1, 4), lines=st.integers(2, 5))
    def begin(self, doctors: int, lines: int) -> None:
        clear(self.house)
        self.ward = Ward.of(self.house)
        self.ward.settings(f"[calling]\nlines = {lines}\nlines_reserved = 1\n[escalation]\npromise_s = 120")
        for number in range(doctors):
            self.ward.doctor(number, tier=("1", "2")[number % 2])
        opened(self.ward)
        self.ward.work()
        self.legs: list[Attempt] = []

    def _live(self, kind: str = "doctor") -> list[Attempt]:
        return self.ward.attempts(live=True, kind=kind)

    def _pick(self, among: list[Attempt], number: int) -> Attempt | None:
        return among[number % len(among)] if among else None

    @rule(lost=st.booleans())
    def an_answer_of_the_carrier_is_lost(self, lost: bool) -> None:
        self.ward.carrier.lose_answers = int(lost)

    @rule()
    def the_worker_dies_with_what_it_held(self) -> None:
        tick(self.ward)
        self.ward.drop_jobs()

    @rule(seconds=st.sampled_from([1, 2, 13, 36, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.ward.forward(seconds=seconds)
        tick(self.ward)
        self.ward.work()

    @rule(number=st.integers(0, 9), word=st.sampled_from(["ringing", "busy", "no_answer", "failed", "completed"]))
    def the_carrier_says(self, number: int, word: str) -> None:
        attempt = self._pick([a for a in self._live() if a.posted_at is not None], number)
        if attempt is not None:
            self.ward.says(attempt.id, word)
            self.ward.work()

    @rule(
        number=st.integers(0, 9),
        decision=st.sampled_from(["accepted", "accepted", "accepted", "declined", "no_key", "hung_up"]),
        then=st.sampled_from(["waits", "rings", "joins", "joins"]),
    )
    def a_doctor_answers_and_decides(self, number: int, decision: str, then: str) -> None:
        attempt = self._pick([a for a in self._live() if a.posted_at is not None], number)
        if attempt is None:
            return
        with self.ward.house.transaction() as session:
            if not on_phone.picked_up(session, session.get_one(Attempt, attempt.id), self.ward.now):
                return
        if self.ward.answers(attempt.id) is not None:
            decides(self.ward, attempt.id, decision)
            self.ward.work()
            if then != "waits":
                self._ring_patient(joins=then == "joins")

    @rule(number=st.integers(0, 9))
    def a_doctor_presses_accept_again_late(self, number: int) -> None:
        answered = [a for a in self.ward.attempts(kind="doctor") if a.status == "answered"]
        attempt = self._pick(answered, number)
        if attempt is not None:
            decides(self.ward, attempt.id, "accepted")

    @rule(joins=st.booleans())
    def the_patient_is_rung(self, joins: bool) -> None:
        self._ring_patient(joins=joins)

    def _ring_patient(self, *, joins: bool) -> None:
        owner = self._owner()
        if owner is None or owner.status != "answered":
            return
        leg = patient_rung(self.ward, _call_of(self.ward, owner))
        if isinstance(leg, Attempt):
            self.legs.append(leg)
            if joins:
                self._join(leg)

    @rule(number=st.integers(0, 9))
    def a_patient_joins(self, number: int) -> None:
        leg = self._pick(self.legs, number)
        if leg is not None:
            self._join(leg)

    def _join(self, leg: Attempt) -> None:
        if self.ward.answers(leg.id) is not None:
            self.ward.publish(events.PatientJoined(leg.id))

    @rule(number=st.integers(0, 9))
    def a_leg_ends(self, number: int) -> None:
        leg = self._pick(self._live("patient"), number)
        if leg is not None:
            self.ward.says(leg.id, "completed")

    @rule(number=st.integers(0, 9), seconds=st.sampled_from([0, 3, 14, 15, 60]))
    def a_talk_ends(self, number: int, seconds: int) -> None:
        attempt = self._pick(self.ward.attempts(kind="doctor"), number)
        if attempt is not None:
            self.ward.forward(seconds=seconds)
            talk_ended(self.ward, attempt, seconds)

    def _owner(self) -> Attempt | None:
        escalation = now_is(self.ward)
        return self.ward.attempt(escalation.owner_attempt_id) if escalation.owner_attempt_id else None

    @invariant()
    def it_has_one_owner_exactly_while_it_is_owned(self) -> None:
        escalation = now_is(self.ward)
        owned = escalation.status in ("accepted", "bridged")
        assert owned == (escalation.owner_attempt_id is not None) or escalation.status == "closed"

    @invariant()
    def it_is_never_lost(self) -> None:
        escalation = now_is(self.ward)
        if escalation.status == "closed":
            assert escalation.talk_s is not None
            assert escalation.talk_s >= 15
        else:
            assert escalation.next_step_at is not None
            assert escalation.next_step_at <= self.ward.now + timedelta(hours=1)

    @invariant()
    def no_doctor_is_rung_twice_at_once(self) -> None:
        twice = [to for to, times in Counter(a.to for a in self._live()).items() if times > 1]
        assert twice == []

    @invariant()
    def no_more_lines_are_taken_than_there_are(self) -> None:
        taken = [a for a in self.ward.attempts() if a.status in LIVE_ATTEMPT]
        assert len(taken) <= self.ward.house.settings.calling.lines

    def teardown(self) -> None:
        """Left alone long enough with a doctor who takes every call, it is closed."""
        if not hasattr(self, "ward"):
            return
        self.ward.settings("[calling]\nlines = 9\nlines_reserved = 2")
        self.ward.doctor(19, name="Dr Patience")
        for _ in range(300):
            if now_is(self.ward).status == "closed":
                return
            self.ward.work()
            self._everybody_else_hangs_up()
            owner = self._owner()
            if owner is not None and owner.to == DOCTOR_PHONES[19] and owner.status == "answered":
                joined(self.ward, _call_of(self.ward, owner))
                self.ward.forward(seconds=20)
                talk_ended(self.ward, owner, 20)
            self.ward.forward(seconds=30)
            tick(self.ward)
        raise AssertionError(f"never closed: {self.ward.ledger(now_is(self.ward).id)[-20:]}")

    def _everybody_else_hangs_up(self) -> None:
        for attempt in self._live() + self._live("patient"):
            if attempt.to != DOCTOR_PHONES[19]:
                self.ward.says(attempt.id, "completed")
            elif attempt.status in ("placed", "ringing") and self.ward.answers(attempt.id) is not None:
                decides(self.ward, attempt.id, "accepted")


@stories(5, 12)
def test_whatever_happens_the_patient_has_one_doctor_or_another_is_being_found(house: House, examples: int) -> None:
    class Here(Night):
        pass

    Here.house = house
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink an example of this takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_a_talk_is_asked_about_less_often_once_it_counts_as_one(ward: Ward) -> None:
    ward.doctor(1)
    opened(ward)
    ward.work("place_escalation")
    doctor, call = accepted(ward)
    leg = joined(ward, call)
    ward.forward(seconds=14)
    for attempt in (doctor, leg):
        ward.says(attempt.id, "in_progress")
        assert ward.attempt(attempt.id).deadline_at == ward.now + QUIET
    ward.forward(seconds=1)
    for attempt in (doctor, leg):
        ward.says(attempt.id, "in_progress")
        assert ward.attempt(attempt.id).deadline_at == ward.now + TALKING
