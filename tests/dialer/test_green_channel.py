"""The green channel: rounds, breaches, several patients for one doctor, the night target, the watchdog."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import events
from core.models import EventRow
from dialer import attempt as attempts
from dialer import doctor as on_phone
from dialer import escalation as escalations
from dialer import gate, night, offers, roster, watchdog
from dialer.models import Attempt, Call, Escalation, Offer, Shift
from tests.dialer.channel import (
    HOSPITAL,
    NIGHT,
    OTHER_PHONE,
    alarm,
    decides,
    forward,
    joined,
    of,
    offered,
    on_the_line,
    picks_up,
    ring_at,
    rung,
    tick,
    work_kinds,
)
from tests.dialer.ward import DOCTOR_PHONES, Ward


@pytest.fixture
def ward(ward: Ward) -> Ward:
    ward.settings(HOSPITAL)
    return ward


# ---- rings again -----------------------------------------------------------------------------------
def test_a_doctor_who_missed_the_ring_is_rung_again_at_the_second_number_beside_the_next(ward: Ward) -> None:
    shift = ward.doctor(1)
    with ward.house.transaction() as session:
        session.get_one(Shift, shift.id).phone2 = DOCTOR_PHONES[11]
    ward.doctor(2)
    ward.doctor(3)
    alarm(ward, 7)
    ward.work()
    ward.says(ring_at(ward, 1).id, "no_answer")
    tick(ward)
    assert rung(ward) == [1, 2]
    forward(ward, 40)
    assert rung(ward) == [1, 2, 3]
    forward(ward, 21)
    assert rung(ward) == [1, 2, 3, 11]


def test_a_ring_beside_leaves_a_line_for_the_patient(ward: Ward) -> None:
    ward.settings(HOSPITAL.replace("lines = 9", "lines = 3"))
    ward.doctor(1)
    ward.doctor(2)
    alarm(ward, 7)
    ward.work()
    ward.inbound("+861055550150")
    ward.says(ring_at(ward, 1).id, "no_answer")
    tick(ward)
    ward.answers(ring_at(ward, 2).id)
    forward(ward, 30)
    assert rung(ward) == [1, 2]


def test_a_change_of_the_settings_does_not_reach_an_escalation_under_way(ward: Ward) -> None:
    ward.doctor(1)
    first = alarm(ward, 7)
    ward.settings(HOSPITAL + "[escalation]\nring_s = 60\n")
    second = alarm(ward, 7, OTHER_PHONE)
    assert (of(ward, first).policy["ring_s"], of(ward, second).policy["ring_s"]) == (25, 60)


def test_a_department_may_have_a_chain_of_its_own(ward: Ward) -> None:
    ward.settings(HOSPITAL + '[escalation.department.surgery]\nchain = ["head", "1"]\nring_s = 12\n')
    ward.doctor(1, "1")
    ward.doctor(2, "head")
    alarm(ward, 7)
    ward.work()
    assert rung(ward) == [2]
    assert ring_at(ward, 2).ring_s == 12


# ---- several patients ------------------------------------------------------------------------------
def test_patients_are_offered_by_score_and_then_by_how_long_they_wait_in_one_call(ward: Ward) -> None:
    ward.doctor(1)
    mild = alarm(ward, 5)
    late = alarm(ward, 9, "+861055550113", ago_s=10)
    early = alarm(ward, 9, OTHER_PHONE, ago_s=40)
    tick(ward)
    assert rung(ward) == [1]
    ring = ring_at(ward, 1)
    call = picks_up(ward, ring)
    seen = []
    for _ in range(3):
        seen.append(offered(ward, ring))
        decides(ward, ring, "accepted")
        joined(ward, call)
        ward.publish(events.NextWanted(ring.id))
    assert seen == [early, late, mild]
    assert [of(ward, each).status for each in seen] == ["closed"] * 3
    assert rung(ward) == [1]


def test_each_patient_keeps_a_clock_of_their_own(ward: Ward) -> None:
    ward.doctor(1)
    first, second = alarm(ward, 9, ago_s=0), alarm(ward, 5, OTHER_PHONE, ago_s=20)
    tick(ward)
    ring = ring_at(ward, 1)
    call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    joined(ward, call)
    ward.publish(events.NextWanted(ring.id))
    decides(ward, ring, "accepted")
    a, b = of(ward, first), of(ward, second)
    assert a.accepted_at is not None
    assert b.accepted_at is not None
    assert (b.accepted_at - b.keyed_at) - (a.accepted_at - a.keyed_at) == timedelta(seconds=50)


def test_a_declined_patient_goes_to_the_next_doctor_and_the_other_is_offered(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    worse, better = alarm(ward, 9), alarm(ward, 5, OTHER_PHONE)
    tick(ward)
    assert rung(ward) == [1, 2]  # the second patient's chain found doctor 1 in use
    first = ring_at(ward, 1)
    picks_up(ward, first)
    assert offered(ward, first) == worse
    decides(ward, first, "declined")
    with ward.house.transaction() as session:
        assert offers.others_wait(session, session.get_one(Attempt, first.id))
    ward.publish(events.NextWanted(first.id))
    assert offered(ward, first) == better
    second = ring_at(ward, 2)
    picks_up(ward, second)
    assert offered(ward, second) == worse


def test_a_doctor_who_is_with_another_patient_is_not_hung_up_when_his_ring_is_not_needed_any_more(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    mild, bad = alarm(ward, 5), alarm(ward, 9, OTHER_PHONE)
    tick(ward)
    first, second = ring_at(ward, 1), ring_at(ward, 2)
    assert (first.subject_id, second.subject_id) == (mild, bad)
    picks_up(ward, first)
    assert offered(ward, first) == bad
    decides(ward, first, "accepted")
    picks_up(ward, second)
    assert offered(ward, second) == mild
    decides(ward, second, "accepted")
    ward.work()
    assert ward.carrier.hung_up == []
    assert (of(ward, bad).owner_attempt_id, of(ward, mild).owner_attempt_id) == (first.id, second.id)


def test_two_doctors_accept_the_same_patient_at_the_same_moment(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    patient = alarm(ward, 9)
    ward.work()
    forward(ward, 36)
    rings = [ring_at(ward, 1), ring_at(ward, 2)]
    for ring in rings:
        picks_up(ward, ring)
    barrier = threading.Barrier(2)

    def accept(ring: Attempt) -> None:
        barrier.wait()
        decides(ward, ring, "accepted")

    threads = [threading.Thread(target=accept, args=(ring,)) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ward.house.transaction() as session:
        made = {row.attempt_id: row.decision for row in session.scalars(sa.select(Offer))}
    assert sorted(str(word) for word in made.values()) == ["accepted", "taken"]
    owner = of(ward, patient).owner_attempt_id
    assert owner is not None
    assert made[owner] == "accepted"


def test_a_doctor_who_is_busy_with_another_patient_is_no_reason_to_wake_the_nurse_at_once(ward: Ward) -> None:
    ward.doctor(1)
    alarm(ward, 9)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    second = alarm(ward, 5, OTHER_PHONE)
    assert (of(ward, second).status, of(ward, second).night_at) == ("overdue", None)
    ward.publish(events.NextWanted(ring.id))
    assert offered(ward, ring) != second, "he has not yet helped the first"
    ward.publish(events.DoctorSaid(ring.id, "advice"))
    ward.publish(events.NextWanted(ring.id))
    assert offered(ward, ring) == second


def test_a_wrong_pin_gives_the_patient_back_and_the_doctor_is_not_rung_again(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    patient = alarm(ward, 9)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    decides(ward, ring, "no_pin")
    assert of(ward, patient).owner_attempt_id is None
    ward.says(ring.id, "completed")
    forward(ward, 50)
    assert rung(ward) == [1, 2]


def test_a_wrong_pin_for_a_patient_whom_the_ward_has_closed_meanwhile_changes_nothing(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 9)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    with ward.house.transaction() as session:
        assert escalations.close(session, patient, "come_in", "staff", ward.now)
    decides(ward, ring, "no_pin")
    with ward.house.transaction() as session:
        assert session.scalars(sa.select(Offer.decision)).one() == "accepted"
    assert of(ward, patient).owner_attempt_id == ring.id


# ---- later, closed ---------------------------------------------------------------------------------
def test_call_later_rings_the_same_doctor_again_and_a_nurse_hears_of_it(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    patient = alarm(ward, 7)
    ward.work()
    ward.says(ring_at(ward, 1).id, "busy")
    ward.work()
    second = ring_at(ward, 2)
    picks_up(ward, second)
    decides(ward, second, "accepted")
    ward.publish(events.DoctorSaid(second.id, "call_later"))
    ward.says(second.id, "completed")
    assert (of(ward, patient).status, work_kinds(ward)) == ("open", ["patient_unreached"])
    forward(ward, 119)
    assert rung(ward) == [1, 2]
    forward(ward, 2)
    assert rung(ward) == [1, 2, 2]


def test_a_patient_who_waits_on_the_line_is_not_put_off(ward: Ward) -> None:
    ward.doctor(1)
    ward.doctor(2)
    on_the_line(ward)
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    ward.publish(events.DoctorSaid(ring.id, "call_later"))
    tick(ward)
    assert rung(ward) == [1, 2]


def test_a_doctor_who_lost_the_patient_did_not_accept(ward: Ward) -> None:
    """The clock of the acceptance is that of the doctor who came to talk."""
    ward.doctor(1)
    ward.doctor(2)
    patient = alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    ward.says(ring.id, "completed")
    assert of(ward, patient).accepted_at is None


def test_an_sms_goes_beside_the_rings_of_the_first_rounds_only(ward: Ward) -> None:
    heard: list[events.DoctorRung] = []
    ward.house.bus.subscribe(events.DoctorRung, lambda session, event, now: heard.append(event))
    ward.settings(HOSPITAL.replace(NIGHT, "") + "[escalation]\ntries = 1\n")
    ward.doctor(1)
    alarm(ward, 7)
    for _ in range(5):
        ward.work()
        ward.says(ring_at(ward, 1).id, "no_answer")
        forward(ward, 21)
        ward.forward(minutes=3)
        tick(ward)
    assert len(rung(ward)) > 4
    assert len(heard) == 3


def test_what_the_doctor_keys_closes_it_once_and_it_stays(ward: Ward) -> None:
    heard: list[events.EscalationClosed] = []
    ward.house.bus.subscribe(events.EscalationClosed, lambda session, event, now: heard.append(event))
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    picks_up(ward, ring)
    decides(ward, ring, "accepted")
    for code in ("reached_otherwise", "no_need"):
        ward.publish(events.DoctorSaid(ring.id, code))
    told = of(ward, patient)
    assert (told.status, told.outcome, told.outcome_by) == ("closed", "reached_otherwise", "doctor")
    assert [event.how for event in heard] == ["coded"]


def test_an_outcome_after_the_talk_is_kept_beside_it(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    joined(ward, call)
    ward.publish(events.DoctorSaid(ring.id, "come_in"))
    told = of(ward, patient)
    assert (told.status, told.talk_s, told.outcome) == ("closed", 30, "come_in")


def test_the_ward_may_close_it_and_the_rings_are_taken_back(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.work()
    with ward.house.transaction() as session:
        assert escalations.close(session, patient, "handed_over", "staff", ward.now, "the ward has seen to it")
        assert not escalations.close(session, patient, "advice", "staff", ward.now)
    ward.work()
    assert ward.carrier.hung_up == [ring_at(ward, 1).sid]
    assert of(ward, patient).outcome == "handed_over"


def test_an_outcome_nobody_knows_is_refused(ward: Ward) -> None:
    patient = alarm(ward, 7)
    with ward.house.transaction() as session:
        assert not escalations.close(session, patient, "gone home", "staff", ward.now)
    assert of(ward, patient).status != "closed"


# ---- on the line -----------------------------------------------------------------------------------
def test_a_caller_who_stays_on_the_line_is_taken_from_it_and_not_interrupted(ward: Ward) -> None:
    ward.doctor(1)
    call, patient = on_the_line(ward)
    ring = ring_at(ward, 1)
    doctors_call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    ward.work()
    assert ward.carrier.said == {}
    with ward.house.transaction() as session:
        told = on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)
    assert told == on_phone.Waiting(on_phone.queue_of(patient.id))
    ward.publish(events.CallerJoined(call.id, ring.id))
    assert of(ward, patient.id).status == "bridged"


def test_a_caller_who_has_hung_up_is_rung(ward: Ward) -> None:
    ward.doctor(1)
    call, patient = on_the_line(ward)
    ring = ring_at(ward, 1)
    doctors_call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    with ward.house.transaction() as session:
        attempts.conversation_says(session, session.get_one(Call, call.id), "completed", ward.now)
    for _ in range(2):
        ward.publish(events.CallerLeft(call.id, "hung_up"))
    assert of(ward, patient.id).waiting_call_id is None
    with ward.house.transaction() as session:
        leg = on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)
    assert isinstance(leg, Attempt)
    assert leg.to == patient.to


def test_a_patient_who_rings_again_after_the_accept_is_let_go_for_the_doctors_next_try(ward: Ward) -> None:
    ward.doctor(1)
    patient = of(ward, alarm(ward, 7))
    ring = ring_at(ward, 1)
    doctors_call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    ward.work()
    again = ward.inbound(patient.to)
    with ward.house.transaction() as session:
        engaged = on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)
    assert isinstance(engaged, gate.Refused)
    assert engaged.reason == "number_in_use"
    ward.work()
    assert again.sid in ward.carrier.said, "our machine says the doctor is coming and hangs up"
    with ward.house.transaction() as session:
        attempts.conversation_says(session, session.get_one(Call, again.id), "completed", ward.now)
        leg = on_phone.connect_patient(session, session.get_one(Call, doctors_call.id), ward.now)
    assert isinstance(leg, Attempt)


# ---- the promise, the night ------------------------------------------------------------------------
def test_a_broken_promise_rings_the_next_tier_and_the_night_target_within_five_seconds(ward: Ward) -> None:
    ward.settings(HOSPITAL + "[escalation]\npromise_s = 30\ntalk_s = 15\n")
    ward.doctor(1)
    ward.doctor(2)
    ward.doctor(3, "head")
    patient = alarm(ward, 7)
    ward.work()
    ward.says(ring_at(ward, 1).id, "ringing")
    forward(ward, 29)
    assert rung(ward) == [1]
    forward(ward, 5)
    assert rung(ward) == [1, 3]
    assert NIGHT in ward.carrier.rung()
    assert of(ward, patient).breached_at is not None


def test_the_night_target_is_rung_until_a_key_is_pressed_there(ward: Ward) -> None:
    patient = alarm(ward, 7)
    tick(ward)
    assert of(ward, patient).night_at == ward.now
    for _ in range(3):
        ring = ward.attempts(kind="night")[-1]
        ward.says(ring.id, "no_answer")
        forward(ward, 101)
    assert ward.carrier.rung().count(NIGHT) == 4
    ring = ward.attempts(kind="night")[-1]
    ward.answers(ring.id)
    ward.publish(events.Acknowledged(ring.id))
    ward.says(ring.id, "completed")
    forward(ward, 300)
    assert ward.carrier.rung().count(NIGHT) == 4
    assert of(ward, patient).acknowledged_at is not None
    assert of(ward, patient).status == "overdue"


def test_the_night_target_is_let_go_when_a_doctor_has_accepted(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.work()
    with ward.house.transaction() as session:
        night.call_in(session, session.get_one(Escalation, patient), ward.now, "a test")
    tick(ward)
    (ring,) = ward.attempts(kind="night")
    doctors = ring_at(ward, 1)
    picks_up(ward, doctors)
    decides(ward, doctors, "accepted")
    ward.work()
    assert ward.carrier.hung_up == [ring.sid]
    with ward.house.transaction() as session:
        assert not night.wants(session, session.get_one(Attempt, ring.id))


def test_one_patients_row_does_not_keep_the_nurse_from_hearing_of_the_others(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = alarm(ward, 7), alarm(ward, 7, OTHER_PHONE)
    ring = night._ring

    def broken(session, escalation, now):  # type: ignore[no-untyped-def]
        if escalation.id == bad:
            raise ZeroDivisionError
        ring(session, escalation, now)

    monkeypatch.setattr(night, "_ring", broken)
    tick(ward)
    assert [each.subject_id for each in ward.attempts(kind="night")] == [good]
    assert "night target could not be rung" in caplog.text
    due = of(ward, bad).night_step_at
    assert due is not None
    assert due > ward.now


def test_without_a_night_target_a_nurse_has_it_on_her_list(ward: Ward) -> None:
    ward.settings(HOSPITAL.replace(NIGHT, ""))
    alarm(ward, 7)
    tick(ward)
    assert work_kinds(ward) == ["no_doctor"]


# ---- failures --------------------------------------------------------------------------------------
def test_an_escalation_that_cannot_be_driven_holds_up_no_other_and_goes_to_the_night_target(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad_shift = ward.doctor(1, department="eyes")
    ward.doctor(2, department="surgery")
    whole = roster.doctor_of

    def broken(session, step, now):  # type: ignore[no-untyped-def]
        if step["shift"] == str(bad_shift.id):
            raise ZeroDivisionError
        return whole(session, step, now)

    good, bad = alarm(ward, 7), alarm(ward, 9, OTHER_PHONE)
    monkeypatch.setattr(roster, "doctor_of", broken)
    with ward.house.transaction() as session:
        spoilt = session.get_one(Escalation, bad)
        spoilt.chain = [{"shift": str(bad_shift.id), "tier": "1", "cover": None}]
        spoilt.status, spoilt.step, spoilt.round_at, spoilt.next_step_at = "open", -1, ward.now, ward.now
        fine = session.get_one(Escalation, good)
        fine.next_step_at = ward.now + timedelta(seconds=1)
    forward(ward, 35)
    assert of(ward, bad).failures >= 3
    assert NIGHT in ward.carrier.rung()
    assert of(ward, good).failures == 0
    assert "could not be driven" in caplog.text


def test_the_watchdog_drives_what_the_chain_has_let_stand(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.drop_jobs()
    with ward.house.transaction() as session:
        row = session.get_one(Escalation, patient)
        row.next_step_at = None
        session.execute(sa.delete(Attempt).where(Attempt.kind == "doctor"))
        row.step = -1
    assert watchdog.look(ward.house) == 1
    ward.work()
    assert rung(ward) == [1]
    assert watchdog.look(ward.house) == 0
    assert ward.ledger(patient).count("driven by the watchdog") == 1


def test_the_watchdog_rings_the_night_target_when_its_tick_has_let_it_stand(ward: Ward) -> None:
    patient = alarm(ward, 7)
    ward.drop_jobs()
    ward.forward(seconds=21)
    with ward.house.transaction() as session:
        session.get_one(Escalation, patient).next_step_at = ward.now + timedelta(hours=1)
    assert NIGHT not in ward.carrier.rung()
    assert watchdog.look(ward.house) == 1
    ward.work()
    assert ward.carrier.rung() == [NIGHT]
    assert watchdog.look(ward.house) == 0


def test_the_watchdog_leaves_alone_what_another_process_drives(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    with ward.house.transaction() as session:
        session.get_one(Escalation, patient).next_step_at = None
    with ward.house.transaction() as session:
        assert escalations.locked(session, patient) is not None
        watchdog.look(ward.house)
    assert "driven by the watchdog" not in ward.ledger(patient)


def test_every_move_has_its_row_in_the_ledger(ward: Ward) -> None:
    ward.doctor(1)
    patient = alarm(ward, 7)
    ward.work()
    ring = ring_at(ward, 1)
    call = picks_up(ward, ring)
    decides(ward, ring, "accepted")
    joined(ward, call)
    with ward.house.transaction() as session:
        rows = session.execute(
            sa.select(EventRow.from_state, EventRow.to_state)
            .where(EventRow.subject_id == patient, EventRow.to_state.is_not(None))
            .order_by(EventRow.id)
        ).all()
    states = [row.to_state for row in rows]
    assert states == ["open", "ringing", "accepted", "bridged", "closed"]
    assert [row.from_state for row in rows[1:]] == states[:-1]


def test_a_ring_the_gate_refuses_for_want_of_a_line_is_made_when_there_is_one(ward: Ward) -> None:
    ward.settings(HOSPITAL.replace("lines = 9", "lines = 3"))
    ward.doctor(1)
    busy = [ward.inbound(f"+86105555015{n}") for n in range(3)]
    patient = alarm(ward, 7)
    assert isinstance(of(ward, patient).next_step_at, type(ward.now))
    assert rung(ward) == []
    with ward.house.transaction() as session:
        session.get_one(Call, busy[0].id).status = "completed"
    forward(ward, int(gate.NO_LINE_AGAIN.total_seconds()))
    assert rung(ward) == [1]
