"""The placing protocol: a ring leaves once, whatever dies, is late or says nothing (docs/design.md section 4)."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from twilio.request_validator import RequestValidator

import app
from core import events, people
from core.models import Patient
from dialer import attempt as attempts
from dialer import call as calls
from dialer import escalation as escalations
from dialer import escalation_due, gate, lines
from dialer.jobs import place
from dialer.machine import ATTEMPT_OVER
from dialer.models import Attempt, Call, Shift
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward, clear
from tests.house import TOKEN

LAG_S = 60
Progress = tuple[str, int | None]
ANSWERED: tuple[Progress, ...] = (
    ("queued", 0), ("ringing", 1), ("in_progress", 2), ("completed", 3), ("completed", 3), ("ringing", 1),
)  # fmt: skip
"""Six call-progress callbacks of an answered call as they may arrive: two of them are duplicates."""


def followup(ward: Ward) -> gate.Ring:
    patient = ward.patient()
    return ward.ring("followup", PATIENT_PHONE, patient_id=patient.id, deadline_at=ward.now + timedelta(hours=12))


def doctor(ward: Ward, number: int = 1) -> gate.Ring:
    shift = ward.doctor(number)
    return ward.ring("doctor", shift.phone, shift_id=shift.id)


def tick(ward: Ward) -> int:
    with ward.house.transaction() as session:
        return attempts.overdue(session, ward.now, limit=100)


# ---- step 1: the row and its job -------------------------------------------------------------------
def test_the_row_and_its_job_are_one_transaction(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    assert (attempt.status, attempt.posted_at) == ("placing", None)
    assert ward.queued() == ["place_routine"]


def test_a_transaction_that_fails_leaves_neither_row_nor_job(ward: Ward) -> None:
    ring = followup(ward)
    with ward.house.transaction() as session:
        assert isinstance(ward.place_in(session, ring), Attempt)
        session.rollback()
    assert (ward.attempts(), ward.queued()) == ([], [])


def test_a_ring_for_a_doctor_has_a_job_that_goes_before_the_routine(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 9\nlines_reserved = 2")
    ward.placed(followup(ward))
    ward.placed(doctor(ward))
    ward.work("place_routine", "place_escalation")
    assert ward.carrier.rung() == [DOCTOR_PHONES[1], PATIENT_PHONE]


# ---- steps 2 and 3: gate, POST, SID ----------------------------------------------------------------
def test_a_ring_is_posted_with_its_id_in_both_urls_and_known_by_its_sid_afterwards(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    (call,) = ward.carrier.calls
    assert call.to == PATIENT_PHONE
    assert call.ring_s == 30
    assert call.url == f"http://127.0.0.1:8000/ivr/call/{attempt.id}"
    assert call.status_callback == f"http://127.0.0.1:8000/dialer/attempt/{attempt.id}"
    row = ward.attempt(attempt.id)
    assert (row.status, row.sid) == ("placed", call.sid)


def test_an_escalations_ring_is_told_of_at_every_step_and_a_routine_one_only_of_what_nothing_else_tells(
    ward: Ward,
) -> None:
    ward.settings("[calling]\nlines = 9\nlines_reserved = 2")
    ward.placed(followup(ward))
    ward.placed(doctor(ward))
    ward.work("place_routine", "place_escalation")
    assert {call.to: call.events for call in ward.carrier.calls} == {
        PATIENT_PHONE: ("ringing", "completed"),
        DOCTOR_PHONES[1]: ("initiated", "ringing", "answered", "completed"),
    }


def test_a_job_that_runs_again_posts_nothing_again(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    with ward.house.transaction() as session:
        attempts._defer_place(session, session.get_one(Attempt, attempt.id))
        assert attempts.may_post(session, attempt.id, ward.clock) is None
    ward.work()
    assert len(ward.carrier.calls) == 1


def test_of_two_workers_that_ask_at_once_one_posts(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    barrier, may = threading.Barrier(2), []

    def ask() -> None:
        barrier.wait()
        with ward.house.transaction() as session:
            may.append(attempts.may_post(session, attempt.id, ward.clock) is not None)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(may) == [False, True]


def test_a_number_that_asks_to_be_left_alone_between_placing_and_post_is_never_rung(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PATIENT_PHONE, "a test", ward.now)
    ward.work()
    row = ward.attempt(attempt.id)
    assert (row.status, row.outcome, row.why) == ("cancelled", "not_placed", "do_not_call")
    assert ward.carrier.calls == []
    assert [r.reason for r in ward.refusals()] == ["do_not_call"]


def test_a_ring_whose_last_moment_has_passed_is_not_posted(ward: Ward) -> None:
    patient = ward.patient()
    ring = ward.ring("followup", PATIENT_PHONE, patient_id=patient.id, deadline_at=ward.now + timedelta(seconds=3))
    attempt = ward.placed(ring)
    ward.forward(seconds=3)
    ward.work()
    assert (ward.attempt(attempt.id).why, ward.carrier.calls) == ("deadline_passed", [])


@pytest.mark.parametrize(
    ("number", "outcome", "code"),
    [("+15005550001", "failed_for_good", 21217), ("+15005550003", "failed_for_good", 21215)],
)
def test_a_ring_the_carrier_refuses_ends_with_an_outcome_by_its_code(
    ward: Ward, number: str, outcome: str, code: int
) -> None:
    attempt = ward.placed(ward.ring("operator", number))
    ward.work()
    row = ward.attempt(attempt.id)
    assert (row.status, row.outcome, row.why) == ("ended", outcome, f"carrier code {code}")


def test_a_carrier_that_is_too_busy_to_look_is_asked_again_and_rings_once(ward: Ward) -> None:
    attempt = ward.placed(doctor(ward))
    ward.carrier.too_many = 2
    for _ in range(3):
        ward.work()
        ward.forward(seconds=1)
        tick(ward)
    assert ward.attempt(attempt.id).status == "placed"
    assert len(ward.carrier.calls) == 1


def test_a_no_that_comes_after_doubt_settles_it(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    with ward.house.transaction() as session:
        assert attempts.may_post(session, attempt.id, ward.clock) is not None
    ward.forward(seconds=13)
    tick(ward)
    assert ward.attempt(attempt.id).status == "in_doubt"
    with ward.house.transaction() as session:
        attempts.post_refused(session, attempt.id, 21217, ward.now)
    assert ward.attempt(attempt.id).outcome == "failed_for_good"


# ---- step 4: doubt ---------------------------------------------------------------------------------
def test_a_lost_answer_is_looked_up_in_the_carriers_list_and_adopted(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.lose_answers = 1
    ward.work("place_routine")
    assert ward.attempt(attempt.id).status == "in_doubt"
    ward.work()
    row = ward.attempt(attempt.id)
    assert (row.status, row.sid) == ("placed", ward.carrier.calls[0].sid)


def test_a_call_that_was_over_before_it_was_found_is_adopted_with_its_end(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.lose_answers = 1
    ward.work("place_routine")
    ward.carrier.calls[0].status = "busy"
    ward.work()
    assert (ward.attempt(attempt.id).status, ward.attempt(attempt.id).outcome) == ("ended", "busy")


def test_a_ring_is_absent_only_after_two_looks_further_apart_than_the_list_lags(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.unreachable = True
    ward.work("place_routine")
    ward.carrier.unreachable = False
    ward.work()
    assert ward.attempt(attempt.id).looks == 1
    for _ in range(LAG_S - 1):
        ward.forward(seconds=1)
        tick(ward)
        ward.work()
        assert ward.attempt(attempt.id).status == "in_doubt"
    ward.forward(seconds=1)
    tick(ward)
    ward.work()
    row = ward.attempt(attempt.id)
    assert (row.status, row.outcome, row.looks) == ("absent", "not_placed", 2)


@pytest.mark.parametrize("later", [0, 1, 10, LAG_S - 1])
def test_a_look_that_runs_twice_is_one_look(ward: Ward, later: int) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.lose_answers, ward.carrier.list_lag_s = 1, LAG_S
    ward.work("place_routine")
    with ward.house.transaction() as session:
        attempts._defer_look(session, session.get_one(Attempt, attempt.id))
    for look in (0, 1):
        ward.forward(seconds=look * later)
        with ward.house.transaction() as session:
            attempts.looked(session, attempt.id, [], LAG_S, ward.now)
    assert ward.attempt(attempt.id).status == "in_doubt"
    ward.forward(seconds=LAG_S)
    ward.work()
    assert ward.attempt(attempt.id).sid == ward.carrier.calls[0].sid


def test_a_carrier_that_cannot_be_asked_is_no_look(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.unreachable = True
    for _ in range(30):
        ward.work()
        ward.forward(seconds=11)
        tick(ward)
    assert (ward.attempt(attempt.id).status, ward.attempt(attempt.id).looks) == ("in_doubt", 0)


def test_a_call_that_belongs_to_another_ring_of_the_number_is_not_adopted(ward: Ward) -> None:
    ring = doctor(ward)
    first = ward.placed(ring)
    ward.work()
    ward.says(first.id, "busy")
    second = ward.placed(ring)
    ward.carrier.unreachable = True
    ward.work("place_escalation")
    ward.carrier.unreachable = False
    ward.work()
    assert (ward.attempt(second.id).sid, ward.attempt(second.id).looks) == (None, 1)


def test_a_callback_settles_doubt_before_any_look(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.lose_answers = 1
    ward.work("place_routine")
    with ward.house.transaction() as session:
        row = attempts.locked(session, attempt.id)
        assert row is not None
        attempts.learn_sid(session, row, ward.carrier.calls[0].sid)
        attempts.carrier_says(session, row, "ringing", ward.now, seq=1)
    ward.work()
    assert ward.attempt(attempt.id).status == "ringing"


# ---- what dies -------------------------------------------------------------------------------------
def test_a_worker_that_dies_before_it_asks_has_a_successor_that_posts_once(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.drop_jobs()
    assert tick(ward) == 0
    for _ in range(3):
        ward.forward(seconds=5)
        assert tick(ward) == 1
    ward.work()
    assert (len(ward.carrier.calls), ward.attempt(attempt.id).status) == (1, "placed")


def test_a_worker_that_dies_while_it_asks_has_a_successor_that_posts_once(ward: Ward) -> None:
    """Nothing can have been posted yet: there is no doubt, and no need to wait for the carrier's list."""
    attempt = ward.placed(followup(ward))
    ward.drop_jobs()
    with ward.house.transaction() as session:
        assert attempts.may_post(session, attempt.id, ward.clock) is not None
        session.rollback()
    ward.forward(seconds=6)
    tick(ward)
    ward.work()
    assert (len(ward.carrier.calls), ward.attempt(attempt.id).status) == (1, "placed")


def test_a_worker_that_dies_at_its_post_leaves_doubt_and_the_job_run_again_posts_nothing(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    with ward.house.transaction() as session:
        assert attempts.may_post(session, attempt.id, ward.clock) is not None
    ward.forward(seconds=13)
    tick(ward)
    assert ward.attempt(attempt.id).status == "in_doubt"
    ward.work()
    assert ward.carrier.calls == []
    ward.forward(seconds=LAG_S)
    tick(ward)
    ward.work()
    assert (ward.attempt(attempt.id).status, ward.carrier.calls) == ("absent", [])


@pytest.mark.parametrize(("held_up_s", "rings"), [(11, 1), (13, 0)])
def test_a_worker_paused_between_its_turn_and_the_post_does_not_ring_when_it_wakes(
    ward: Ward, held_up_s: int, rings: int
) -> None:
    attempt = ward.placed(followup(ward))

    def sleep(_connection: sa.Connection) -> None:
        ward.forward(seconds=held_up_s)

    event.listen(ward.house.engine, "commit", sleep, once=True)
    place(ward.house, attempt.id)
    assert len(ward.carrier.calls) == rings
    tick(ward)
    assert ward.attempt(attempt.id).status == ("placed" if rings else "in_doubt")


def test_a_ring_that_is_not_on_file_is_not_posted(ward: Ward) -> None:
    with ward.house.transaction() as session:
        assert attempts.may_post(session, uuid.uuid4(), ward.clock) is None


# ---- callbacks -------------------------------------------------------------------------------------
def test_callbacks_in_any_order_and_number_end_in_the_same_state(ward: Ward) -> None:
    """All 180 different orders of six callbacks, two of them duplicates."""
    orders = sorted(set(itertools.permutations(ANSWERED)), key=str)
    assert len(orders) == 180
    ends = set()
    attempt = ward.placed(ward.ring("operator", "+861055550199"))
    ward.work()
    for order in orders:
        with ward.house.transaction() as session:
            row = attempts.locked(session, attempt.id)
            assert row is not None
            for word, seq in order:
                attempts.carrier_says(session, row, word, ward.now, seq=seq)
            ends.add((row.status, row.outcome))
            session.rollback()
    assert ends == {("ended", "answered")}


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (("queued", "ringing", "no_answer"), "no_answer"),
        (("queued", "busy"), "busy"),
        (("failed",), "failed_now"),
        (("cancelled",), "cancelled"),
        (("no_answer", "ringing", "in_progress", "completed"), "no_answer"),
    ],
)
def test_the_first_end_counts_and_what_comes_later_changes_nothing(
    ward: Ward, words: tuple[str, ...], outcome: str
) -> None:
    attempt = ward.placed(ward.ring("operator", "+861055550199"))
    ward.work()
    for word in words:
        ward.says(attempt.id, word)
    row = ward.attempt(attempt.id)
    assert (row.status, row.outcome) == ("ended", outcome)
    assert (row.answered_at is None) is (outcome != "answered")


def test_callbacks_may_come_before_the_sid_is_stored(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))

    def ringing() -> None:
        with ward.house.transaction() as session:
            row = attempts.locked(session, attempt.id)
            assert row is not None
            attempts.learn_sid(session, row, ward.carrier.calls[0].sid)
        ward.says(attempt.id, "queued", seq=0)
        ward.says(attempt.id, "ringing", seq=1)

    ward.carrier.while_posting = ringing
    ward.work()
    row = ward.attempt(attempt.id)
    assert (row.status, row.sid) == ("ringing", ward.carrier.calls[0].sid)


def test_a_conversation_ends_with_its_ring_whatever_word_ends_it(ward: Ward) -> None:
    for word in ("completed", "failed", "no_answer", "busy", "cancelled"):
        clear(ward.house)
        attempt = ward.placed(ward.ring("operator", "+861055550199"))
        ward.work()
        call = ward.answers(attempt.id)
        assert call is not None
        ward.says(attempt.id, word)
        with ward.house.transaction() as session:
            ended = session.get_one(Call, call.id)
            assert (ended.status, ended.ended_at) == (word, ward.now)
        assert ward.attempt(attempt.id).outcome == "answered"


def test_silence_about_a_live_call_makes_the_carrier_be_asked_and_its_end_known_within_half_a_minute(
    ward: Ward,
) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    call = ward.answers(attempt.id)
    assert call is not None
    ward.carrier.calls[0].status = "completed"  # and its callback is lost
    ward.forward(seconds=29)
    assert tick(ward) == 0
    ward.forward(seconds=1)
    assert tick(ward) == 1
    ward.work()
    assert ward.attempt(attempt.id).status == "ended"


def test_a_ring_that_talks_is_asked_about_only_after_another_quiet_spell(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    call = ward.answers(attempt.id)
    assert call is not None
    ward.carrier.calls[0].status = "completed"  # and its callback is lost
    ward.forward(seconds=20)
    with ward.house.transaction() as session:
        calls.alive(session.get_one(Call, call.id), ward.now)
    ward.forward(seconds=29)
    assert tick(ward) == 0
    ward.forward(seconds=1)
    assert tick(ward) == 1
    ward.work()
    assert ward.attempt(attempt.id).status == "ended"


def test_a_call_the_carrier_has_never_heard_of_is_over(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    ward.carrier.calls.clear()
    ward.forward(seconds=60)
    tick(ward)
    ward.work()
    assert ward.attempt(attempt.id).outcome == "failed_now"


def test_an_inbound_call_nothing_is_heard_of_is_asked_about(ward: Ward) -> None:
    call = ward.inbound()
    ward.work()
    assert list(ward.carrier.watched.values()) == [f"http://127.0.0.1:8000/dialer/call/{call.id}"]
    ward.carrier.inbound.clear()
    ward.forward(seconds=30)
    with ward.house.transaction() as session:
        assert calls.overdue(session, ward.now) == 1
    ward.work()
    with ward.house.transaction() as session:
        assert session.get_one(Call, call.id).status == "failed"


def test_an_inbound_call_that_was_over_before_it_could_be_watched_ends_at_once(ward: Ward) -> None:
    """No worker for a while: nothing will ever tell of this end, and the caller's number must not stay in use."""
    call = ward.inbound()
    ward.carrier.inbound[0].status = "completed"
    ward.work()
    with ward.house.transaction() as session:
        assert session.get_one(Call, call.id).status == "completed"


# ---- step 5: strays --------------------------------------------------------------------------------
def test_a_second_call_for_one_ring_never_speaks(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    with ward.house.transaction() as session:
        assert attempts.may_speak(session, attempt.id, "CA" + "f" * 32) is None
        assert attempts.may_speak(session, attempt.id, ward.carrier.calls[0].sid) is not None
        assert attempts.may_speak(session, uuid.uuid4(), "CA" + "f" * 32) is None


@pytest.mark.parametrize("status", ["deceased", "readmitted"])
def test_a_ring_answered_after_a_death_or_readmission_was_imported_never_speaks(ward: Ward, status: str) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    with ward.house.transaction() as session:
        session.get_one(Patient, attempt.patient_id).status = status
    with ward.house.transaction() as session:
        assert attempts.may_speak(session, attempt.id, ward.carrier.calls[0].sid) is None


@pytest.mark.parametrize("over", sorted(ATTEMPT_OVER))
def test_a_ring_that_is_over_never_speaks(ward: Ward, over: str) -> None:
    attempt = ward.placed(followup(ward))
    with ward.house.transaction() as session:
        session.get_one(Attempt, attempt.id).status = over
    with ward.house.transaction() as session:
        assert attempts.may_speak(session, attempt.id, "CA" + "f" * 32) is None


def test_a_call_that_turns_up_after_it_was_given_up_is_hung_up(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    with ward.house.transaction() as session:
        row = session.get_one(Attempt, attempt.id)
        row.status, row.outcome, row.posted_at = "absent", "not_placed", ward.now
    ward.drop_jobs()
    with ward.house.transaction() as session:
        attempts.posted(session, attempt.id, "CA" + "e" * 32, ward.now)
    ward.work()
    assert ward.carrier.hung_up == ["CA" + "e" * 32]
    assert ward.attempt(attempt.id).status == "absent"


# ---- taken back ------------------------------------------------------------------------------------
def take_back(ward: Ward, attempt_id: uuid.UUID) -> None:
    with ward.house.transaction() as session:
        attempts.take_back(session, attempt_id)


def test_a_ring_taken_back_before_its_post_is_cancelled_and_never_made(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    take_back(ward, attempt.id)
    ward.work("hang_up")
    ward.work()
    assert (ward.attempt(attempt.id).outcome, ward.carrier.calls) == ("cancelled", [])


def test_a_ring_taken_back_while_its_post_is_under_way_is_hung_up_and_never_speaks(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))

    def meanwhile() -> None:
        take_back(ward, attempt.id)
        ward.work("hang_up")

    ward.carrier.while_posting = meanwhile
    ward.work()
    assert ward.carrier.hung_up == [ward.carrier.calls[0].sid]
    assert ward.answers(attempt.id) is None


def test_a_ring_taken_back_in_doubt_is_hung_up_when_it_is_found(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.carrier.lose_answers = 1
    ward.work("place_routine")
    take_back(ward, attempt.id)
    ward.work("hang_up")
    ward.work()
    assert ward.carrier.hung_up == [ward.carrier.calls[0].sid]


def test_a_hang_up_that_was_lost_is_made_again(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    take_back(ward, attempt.id)
    ward.work("nothing else")
    with ward.house.transaction() as session:
        attempts.unwanted(session, attempt.id, ward.now)
    ward.drop_jobs()  # the worker died here
    ward.forward(seconds=61)
    tick(ward)
    ward.work()
    assert ward.carrier.hung_up == [ward.carrier.calls[0].sid]


def test_a_dial_leg_of_which_nothing_is_ever_heard_is_over_after_its_time(ward: Ward) -> None:
    parent = ward.inbound("+861055550150")
    with ward.house.transaction() as session:
        leg = attempts.dial(
            session, ward.ring("operator", "+861055550199"), parent=session.merge(parent),
            flow="operator_join", language="en", brief={}, ring_s=25, now=ward.now,
        )  # fmt: skip
    assert isinstance(leg, Attempt)
    assert "place_escalation" not in ward.queued()
    ward.forward(seconds=54)
    assert tick(ward) == 0
    ward.forward(seconds=1)
    assert tick(ward) == 1
    assert ward.attempt(leg.id).outcome == "failed_now"


# ---- the webhook -----------------------------------------------------------------------------------
@pytest.fixture
def web(ward: Ward) -> Flask:
    flask = Flask("test")
    flask.extensions["carecall"] = ward.house
    for blueprint in app.BLUEPRINTS:
        flask.register_blueprint(blueprint)
    return flask


def signed(web: Flask, path: str, **form: str) -> int:
    signature = RequestValidator(TOKEN).compute_signature(f"http://127.0.0.1:8000{path}", form)
    return web.test_client().post(path, data=form, headers={"X-Twilio-Signature": signature}).status_code


def test_a_status_callback_finds_its_ring_and_a_strays_changes_nothing(ward: Ward, web: Flask) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    path, sid = f"/dialer/attempt/{attempt.id}", ward.carrier.calls[0].sid
    assert signed(web, path, CallSid=sid, CallStatus="ringing", SequenceNumber="1") == 204
    before = ward.attempt(attempt.id)
    assert before.status == "ringing"
    assert signed(web, path, CallSid="CA" + "f" * 32, CallStatus="completed", SequenceNumber="9") == 204
    after = ward.attempt(attempt.id)
    assert (after.status, after.sid, after.last_seq) == ("ringing", sid, 1)
    assert "status of a stray call" in ward.ledger(attempt.id)


def test_a_status_nobody_knows_is_answered_counted_and_changes_nothing(ward: Ward, web: Flask) -> None:
    attempt = ward.placed(followup(ward))
    path = f"/dialer/attempt/{attempt.id}"
    assert signed(web, path, CallSid="CA1", CallStatus="levitating") == 204
    assert ward.attempt(attempt.id).sid is None
    assert ward.ledger(attempt.id)[-1] == "unknown carrier word"


def test_a_status_for_a_ring_that_is_not_ours_is_answered(web: Flask) -> None:
    assert signed(web, f"/dialer/attempt/{uuid.uuid4()}", CallSid="CA1", CallStatus="ringing") == 204


def test_a_status_without_a_sid_gives_no_ring_an_empty_name(ward: Ward, web: Flask) -> None:
    attempt = ward.placed(followup(ward))
    assert signed(web, f"/dialer/attempt/{attempt.id}", CallStatus="ringing") == 204
    assert ward.attempt(attempt.id).sid is None


def test_the_end_of_an_inbound_call_is_heard_and_that_of_another_call_is_not(ward: Ward, web: Flask) -> None:
    call = ward.inbound()
    path = f"/dialer/call/{call.id}"
    assert signed(web, path, CallSid="CA" + "f" * 32, CallStatus="completed") == 204
    with ward.house.transaction() as session:
        assert session.get_one(Call, call.id).status == "in_progress"
    for _ in range(2):
        assert signed(web, path, CallSid=str(call.sid), CallStatus="completed") == 204
    with ward.house.transaction() as session:
        assert session.get_one(Call, call.id).status == "completed"
    assert ward.ledger(call.id).count("completed") == 1


# ---- no two callbacks wait for each other ----------------------------------------------------------
def together(first: Callable[[threading.Event], None], second: Callable[[], None]) -> list[Exception]:
    """Run `first`; when it says it holds what it locks first, run `second` beside it. What the database refused."""
    holds, errors = threading.Event(), list[Exception]()

    def run(what: Callable[[], None]) -> None:
        try:
            what()
        except sa.exc.OperationalError as error:
            errors.append(error)

    def after() -> None:
        holds.wait()
        second()

    threads = [threading.Thread(target=run, args=(what,)) for what in (lambda: first(holds), after)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def in_pain(ward: Ward, doctors: int) -> uuid.UUID:
    for number in range(doctors):
        ward.doctor(number)
    escalation = ward.score(7, ward.inbound(patient=ward.patient()))
    assert escalation is not None
    return escalation.id


def test_an_accept_and_the_end_of_another_doctors_ring_do_not_deadlock(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 9")
    in_pain(ward, doctors=2)
    ward.work()
    ward.forward(seconds=36)
    with ward.house.transaction() as session:
        escalation_due.overdue_steps(session, ward.now)
    ward.work()
    first, second = ward.attempts(kind="doctor")
    doctors_call = ward.answers(first.id)
    assert doctors_call is not None
    call_id = doctors_call.id

    def second_ends(holds: threading.Event) -> None:
        with ward.house.transaction() as session:
            row = attempts.locked(session, second.id)
            assert row is not None
            holds.set()
            threading.Event().wait(0.3)
            attempts.carrier_says(session, row, "busy", ward.now)

    def first_accepts() -> None:
        with ward.house.transaction() as session:
            calls.locked(session, call_id)
            events.publish(session, events.DoctorDecided(first.id, "accepted"), ward.now)

    assert together(second_ends, first_accepts) == []
    told = ward.escalation()
    assert told is not None
    assert told.owner_attempt_id == first.id


def test_a_ring_the_gate_takes_back_and_the_next_step_do_not_deadlock(ward: Ward) -> None:
    escalation_id = in_pain(ward, doctors=2)
    (attempt,) = ward.attempts(kind="doctor")
    with ward.house.transaction() as session:
        for shift in session.scalars(sa.select(Shift).where(Shift.id == attempt.shift_id)):
            shift.ends_at = ward.now

    def step_is_over(holds: threading.Event) -> None:
        with ward.house.transaction() as session:
            escalation = escalations.locked(session, escalation_id)
            assert escalation is not None
            holds.set()
            threading.Event().wait(0.3)
            escalations.drive(session, escalation, ward.now)

    def post() -> None:
        with ward.house.transaction() as session:
            assert attempts.may_post(session, attempt.id, ward.clock) is None

    assert together(step_is_over, post) == []
    assert ward.attempt(attempt.id).why == "off_duty"


def test_a_worker_that_waited_for_the_count_asks_the_gate_by_the_clock_of_then(ward: Ward) -> None:
    """Its machine slept while it waited for the lock: it is night now."""
    attempt = ward.placed(ward.ring(patient_id=ward.patient().id))
    asks = threading.Event()

    def post() -> None:
        with ward.house.transaction() as session:
            asks.set()
            attempts.may_post(session, attempt.id, ward.clock)

    worker = threading.Thread(target=post)
    with ward.house.transaction() as session:
        lines.hold_the_count(session)
        worker.start()
        assert asks.wait(5)
        worker.join(0.3)
        assert worker.is_alive(), "it waits for the count"
        ward.forward(hours=14)
    worker.join()
    row = ward.attempt(attempt.id)
    assert (row.posted_at, row.why) == (None, "outside_window")


def test_a_call_waits_for_its_attempt_unlocked_and_is_then_as_the_other_left_it(ward: Ward) -> None:
    attempt = ward.placed(followup(ward))
    ward.work()
    call = ward.answers(attempt.id)
    assert call is not None
    seen: list[tuple[int, int]] = []

    def look() -> None:
        with ward.house.transaction() as session:
            locked, its = calls.locked(session, call.id), attempts.locked(session, attempt.id)
            assert locked is not None and its is not None  # noqa: PT018
            seen.append((locked.turn, its.last_seq))

    waits = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT attempts.id%'"
    )
    free = sa.select(Call).where(Call.id == call.id).with_for_update(nowait=True)
    other = threading.Thread(target=look)
    with ward.house.transaction() as session:
        mine = attempts.locked(session, attempt.id)
        assert mine is not None
        other.start()
        while other.is_alive() and not session.scalar(waits):  # the query it waits in, not a length of time
            session.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        session.scalars(free).one().turn = 7  # refused at once if the other had it
        mine.last_seq = 5
    other.join()
    assert seen == [(7, 5)]
