"""Several patients in pain and several doctors at once, and whatever may happen to rings, keys and talks, in any order:
everybody has one doctor or is being found one, no doctor has two patients, nobody is rung twice at once."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core import events
from core.house import House
from dialer import attempt as attempts
from dialer import doctor as on_phone
from dialer import escalation as escalations
from dialer import escalation_due, night
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Escalation, Offer
from tests.dialer.ward import DOCTOR_PHONES, Ward, clear
from tests.often import stories

NIGHT = "+861055550190"
PATIENTS = tuple(f"+86105555011{number}" for number in range(1, 5))
PATIENCE = len(DOCTOR_PHONES) - 1
HOSPITAL = f'[hospital]\nlive = true\nnight_target = "{NIGHT}"\n'
OUTCOMES = st.sampled_from(["advice", "come_in", "reached_otherwise"])
ANY = st.integers(0, 9)


class Evening(RuleBasedStateMachine):
    house: House

    @initialize(doctors=st.integers(1, 4), lines=st.integers(3, 7))
    def begin(self, doctors: int, lines: int) -> None:
        clear(self.house)
        self.ward = Ward.of(self.house)
        self.lines = lines
        self.ward.settings(
            f"{HOSPITAL}[calling]\nlines = {lines}\nlines_reserved = 1\n[escalation]\npromise_s = 120\nlater_s = 60"
        )
        for number in range(doctors):
            self.ward.doctor(number, tier=("1", "2")[number % 2])
        self.waiting = list(PATIENTS)
        self.somebody_keys(7)

    # ---- what the world does ------------------------------------------------------------------------
    @rule(score=st.integers(4, 10))
    def somebody_keys(self, score: int) -> None:
        if not self.waiting:
            return
        phone = self.waiting.pop()
        call = self.ward.inbound(phone, patient=self.ward.patient(phone, department="surgery"))
        with self.house.transaction() as session:
            session.get_one(Call, call.id).status = "completed"
        self.ward.score(score, call)
        self._goes_on()

    @rule(lost=st.booleans())
    def an_answer_of_the_carrier_is_lost(self, lost: bool) -> None:
        self.ward.carrier.lose_answers = int(lost)

    @rule()
    def the_worker_dies_with_what_it_held(self) -> None:
        self._tick()
        self.ward.drop_jobs()

    @rule(seconds=st.sampled_from([1, 2, 13, 36, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.ward.forward(seconds=seconds)
        self._goes_on()

    @rule(number=ANY, word=st.sampled_from(["ringing", "busy", "no_answer", "failed", "completed"]))
    def the_carrier_says(self, number: int, word: str) -> None:
        ring = self._one_of(self._live("doctor") + self._live("night") + self._live("patient"), number)
        if ring is not None:
            self.ward.says(ring.id, word)
            self._goes_on()

    @rule(number=ANY, keys=st.sampled_from(["accepted", "accepted", "declined", "no_key", "no_pin", ""]))
    def a_doctor_picks_up(self, number: int, keys: str) -> None:
        ring = self._one_of([one for one in self._live("doctor") if one.status != "answered"], number)
        if ring is not None and self._picked_up(ring):
            self._decides(ring, keys)

    @rule(number=ANY, keys=st.sampled_from(["accepted", "accepted", "declined", "no_key", "no_pin"]))
    def a_doctor_presses_a_key(self, number: int, keys: str) -> None:
        ring = self._one_of(self._on_the_phone(), number)
        if ring is not None:
            self._decides(ring, keys)

    @rule(number=ANY)
    def a_doctor_is_asked_about_the_next(self, number: int) -> None:
        ring = self._one_of(self._on_the_phone(), number)
        if ring is not None:
            self.ward.publish(events.NextWanted(ring.id))
            self._goes_on()

    @rule(number=ANY, what=OUTCOMES | st.just("call_later"))
    def a_doctor_says_what_came_of_it(self, number: int, what: str) -> None:
        ring = self._one_of(self._on_the_phone(), number)
        if ring is not None:
            self.ward.publish(events.DoctorSaid(ring.id, what))
            self._goes_on()

    @rule(number=ANY, joins=st.booleans(), seconds=st.sampled_from([3, 14, 15, 60]))
    def a_doctor_has_the_patient_rung(self, number: int, joins: bool, seconds: int) -> None:
        ring = self._one_of(self._on_the_phone(), number)
        leg = self._patient_rung(ring) if ring is not None else None
        if ring is None or leg is None or not joins:
            return
        self._talk(ring, leg, seconds)

    @rule(number=ANY, outcome=OUTCOMES)
    def the_ward_closes_one(self, number: int, outcome: str) -> None:
        still = [one for one in self._all() if one.status != "closed"]
        if number > 7 and still:
            with self.house.transaction() as session:
                escalations.close(session, still[number % len(still)].id, outcome, "staff", self.ward.now)
            self._goes_on()

    # ---- how it does it -------------------------------------------------------------------------------
    def _tick(self) -> None:
        for look in (escalation_due.overdue_steps, escalation_due.breaches, night.due, attempts.overdue):
            for _ in range(60):
                with self.house.transaction() as session:
                    if not look(session, self.ward.now):
                        break

    def _goes_on(self) -> None:
        self._tick()
        self.ward.work()

    def _live(self, kind: str) -> list[Attempt]:
        return [one for one in self.ward.attempts(live=True, kind=kind) if one.posted_at is not None]

    def _on_the_phone(self) -> list[Attempt]:
        return [one for one in self._live("doctor") if one.status == "answered"]

    @staticmethod
    def _one_of(among: list[Attempt], number: int) -> Attempt | None:
        return among[number % len(among)] if among else None

    def _all(self) -> list[Escalation]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Escalation).order_by(Escalation.keyed_at, Escalation.id)))

    def _picked_up(self, ring: Attempt) -> bool:
        """As the voice webhook: a doctor nobody needs is not spoken to."""
        with self.house.transaction() as session:
            row = attempts.locked(session, ring.id)
            assert row is not None
            wanted = not row.unwanted and on_phone.picked_up(session, row, self.ward.now)
        return wanted and self.ward.answers(ring.id) is not None

    def _decides(self, ring: Attempt, keys: str) -> None:
        if keys:
            self.ward.publish(events.DoctorDecided(ring.id, keys))
            self._goes_on()

    def _patient_rung(self, ring: Attempt) -> Attempt | None:
        with self.house.transaction() as session:
            call = session.scalars(sa.select(Call).where(Call.attempt_id == ring.id)).one()
            leg = on_phone.connect_patient(session, call, self.ward.now)
        return leg if isinstance(leg, Attempt) else None

    def _talk(self, ring: Attempt, leg: Attempt, seconds: int) -> None:
        if self.ward.answers(leg.id) is not None:
            self.ward.publish(events.PatientJoined(leg.id))
            self.everybody_has_one_doctor_or_is_being_found_one()
            self.ward.forward(seconds=seconds)
            self.ward.says(leg.id, "completed")
            with self.house.transaction() as session:
                on_phone.talk_ended(session, ring.id, seconds, self.ward.now)
            self._goes_on()

    # ---- what is always so ----------------------------------------------------------------------------
    @invariant()
    def everybody_has_one_doctor_or_is_being_found_one(self) -> None:
        for one in self._all():
            owned = one.status in ("accepted", "bridged")
            if one.status == "closed":
                assert one.closed_at is not None
                assert one.outcome is not None or (one.talk_s or 0) >= 15
                continue
            assert owned == (one.owner_attempt_id is not None), one.status
            assert one.next_step_at is not None
            near = timedelta(hours=1) if one.status == "bridged" else timedelta(minutes=5)
            assert one.next_step_at <= self.ward.now + near, one.status

    @invariant()
    def a_doctor_has_one_patient_at_a_time(self) -> None:
        with self.house.transaction() as session:
            owners = session.scalars(
                sa.select(Attempt.shift_id)
                .join(Escalation, Escalation.owner_attempt_id == Attempt.id)
                .where(Escalation.status != "closed", Attempt.status.in_(LIVE_ATTEMPT))
            ).all()
        assert [times for times in Counter(owners).values() if times > 1] == []

    @invariant()
    def who_owns_one_has_accepted_it_and_nobody_else_has(self) -> None:
        with self.house.transaction() as session:
            accepted: set[tuple[uuid.UUID, uuid.UUID]] = {
                (row.escalation_id, row.attempt_id)
                for row in session.scalars(sa.select(Offer).where(Offer.decision == "accepted"))
            }
        for one in self._all():
            if one.owner_attempt_id is not None:
                assert (one.id, one.owner_attempt_id) in accepted

    @invariant()
    def no_telephone_is_rung_twice_at_once(self) -> None:
        live = [one.to for one in self.ward.attempts(live=True)]
        assert [times for times in Counter(live).values() if times > 1] == []

    @invariant()
    def no_ring_is_ordered_twice(self) -> None:
        posted = Counter(call.url for call in self.ward.carrier.calls)
        assert [url for url, times in posted.items() if times > 1] == []

    @invariant()
    def no_more_lines_are_taken_than_there_are(self) -> None:
        assert len(self.ward.attempts(live=True)) <= self.lines

    # ---- in the end -----------------------------------------------------------------------------------
    def teardown(self) -> None:
        """Left alone with one doctor who takes every patient, all of them are closed."""
        if not hasattr(self, "ward"):
            return
        self.lines = 9
        self.ward.settings(f"{HOSPITAL}[calling]\nlines = 9\nlines_reserved = 2\n[escalation]\npromise_s = 120")
        self.ward.doctor(PATIENCE, name="Dr Patience")
        for _ in range(400):
            if all(one.status == "closed" for one in self._all()):
                return
            self._goes_on()
            for ring in self._live("doctor") + self._live("patient") + self._live("night"):
                if ring.to != DOCTOR_PHONES[PATIENCE]:
                    self.ward.says(ring.id, "completed")
                elif ring.status != "answered" and self._picked_up(ring):
                    self._takes_all(ring)
                    self.ward.says(ring.id, "completed")
            self.ward.forward(seconds=15)
        raise AssertionError([self.ward.ledger(one.id)[-12:] for one in self._all() if one.status != "closed"])

    def _takes_all(self, ring: Attempt) -> None:
        for _ in PATIENTS:
            self._decides(ring, "accepted")
            leg = self._patient_rung(ring)
            if leg is not None:
                self._talk(ring, leg, 20)
            self.ward.publish(events.NextWanted(ring.id))


def evening(house: House, examples: int) -> None:
    class Here(Evening):
        pass

    Here.house = house
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=35,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink an example of this takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@stories(3, 200)
def test_whatever_happens_nobody_is_lost_and_no_doctor_has_two(house: House, examples: int) -> None:
    evening(house, examples)
