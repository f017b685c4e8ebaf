"""Lines and pace: the routine leaves room for a doctor and a patient, and calls leave evenly."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timedelta

import pytest

from dialer import attempt as attempts
from dialer import gate, lines
from dialer.models import Attempt
from tests.dialer.ward import DOCTOR_PHONES, Ward


def routine(ward: Ward, number: int) -> Attempt | gate.Refused:
    phone = f"+8610555503{number:02}"
    patient = ward.patient(phone=phone, consents="followup night")
    return ward.place(ward.ring("followup", phone, patient_id=patient.id))


def urgent(ward: Ward, number: int) -> Attempt | gate.Refused:
    shift = ward.doctor(number)
    return ward.place(ward.ring("doctor", shift.phone, shift_id=shift.id))


@pytest.mark.parametrize(("total", "reserved"), [(3, 2), (5, 2), (1, 0), (4, 0)])
def test_the_routine_never_takes_the_reserved_lines_and_an_escalation_may_take_all(
    ward: Ward, total: int, reserved: int
) -> None:
    ward.settings(f"[calling]\nlines = {total}\nlines_reserved = {reserved}")
    placed = []
    for number in range(total + 2):
        placed.append(routine(ward, number))
        ward.forward(seconds=1)
    assert sum(isinstance(one, Attempt) for one in placed) == total - reserved
    assert {one.reason for one in placed if isinstance(one, gate.Refused)} == {"no_line"}
    rung = [urgent(ward, number) for number in range(reserved + 1)]
    assert [isinstance(one, Attempt) for one in rung] == [True] * reserved + [False]
    assert rung[-1] == gate.Refused("no_line", ward.now + timedelta(seconds=2))


def test_inbound_calls_count_and_a_line_is_free_again_when_its_call_ends(ward: Ward) -> None:
    ward.inbound("+861055550150")
    refused = routine(ward, 1)
    assert isinstance(refused, gate.Refused)
    assert refused.reason == "no_line"
    first, second = urgent(ward, 1), urgent(ward, 2)
    assert isinstance(first, Attempt)
    assert isinstance(second, Attempt)
    assert isinstance(urgent(ward, 3), gate.Refused)
    ward.work("place_escalation")
    ward.says(first.id, "busy")
    assert isinstance(urgent(ward, 4), Attempt)


def test_an_answered_ring_is_one_line_and_not_two(ward: Ward) -> None:
    attempt = urgent(ward, 1)
    assert isinstance(attempt, Attempt)
    ward.work()
    ward.answers(attempt.id)
    with ward.house.transaction() as session:
        assert lines.in_use(session) == 1
        assert lines.in_use(session, besides=attempt.id) == 0


def test_two_hundred_calls_leave_evenly(ward: Ward) -> None:
    """In no second that slides over the day do more leave than the setting allows, and the places are all used."""
    rate = 4
    ward.settings(f"[calling]\ncalls_per_second = {rate}.0")
    left: list[datetime] = []
    steps = (0.0, 0.01, 0.24, 0.25, 0.26, 0.5, 0.05, 0.1, 1.7)
    step = 0
    while len(left) < 200:
        with ward.house.transaction() as session:
            turn = lines.routine_turn(session, ward.now)
            if turn is not None:
                assert ward.now <= turn <= ward.now + lines.HORIZON
                left.append(turn)
        ward.forward(seconds=steps[step % len(steps)])
        step += 1
    gap = timedelta(seconds=1 / rate)
    assert all(later - earlier >= gap for earlier, later in itertools.pairwise(left))
    assert max(sum(start <= one < start + timedelta(seconds=1) for one in left) for start in left) <= rate


def test_an_escalation_does_not_wait_for_the_pace_and_the_routine_waits_for_it(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 20\nlines_reserved = 2\ncalls_per_second = 1.0")
    assert all(isinstance(urgent(ward, number), Attempt) for number in range(3))
    began = ward.now
    for seconds in (0, 1, 1):
        ward.forward(seconds=seconds)
        assert routine(ward, seconds) == gate.Refused("pace", ward.now + timedelta(seconds=1))
    ward.forward(seconds=0.5)
    placed = routine(ward, 9)
    assert isinstance(placed, Attempt)
    assert placed.deadline_at - began >= timedelta(seconds=3), "its place comes after those of the three"
    assert "place_routine" not in ward.queued(), "and it is not sent off before"


def leaving(ward: Ward, workers: int, seconds: float) -> None:
    """Time goes by in steps of 50 ms; at each the timetable looks, and so many workers take their jobs."""
    for _ in range(round(seconds / 0.05)):
        for _ in range(workers):
            with ward.house.transaction() as session:
                attempts.overdue(session, ward.now, limit=10)
            ward.work()
        ward.forward(seconds=0.05)


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_no_second_sees_more_posts_than_the_limit_and_none_is_wasted(ward: Ward, rate: float) -> None:
    """Whatever order jobs run in, on however many workers; escalations, which wait for no place, come first."""
    ward.settings(f"[calling]\nlines = 200\nlines_reserved = 2\ncalls_per_second = {rate}\nrings_per_day = 10")
    number, seconds = 0, 8
    began = ward.now
    for second in range(seconds):
        while isinstance(routine(ward, number), Attempt):
            number += 1
        if second in (2, 5):
            urgent(ward, second)
        leaving(ward, workers=2, seconds=1)
    posted = sorted(one.posted_at for one in ward.attempts() if one.posted_at is not None)
    most = max(sum(start <= one < start + timedelta(seconds=1) for one in posted) for start in posted)
    assert most <= rate
    assert len(posted) >= 0.85 * rate * seconds, "the limit is there to be used"
    for doctor in ward.attempts(kind="doctor"):
        assert doctor.posted_at is not None
        assert doctor.posted_at - doctor.created_at <= timedelta(seconds=1.15), "not behind the routine"
    assert began < posted[0] + timedelta(seconds=1)


def test_a_routine_post_stands_back_while_an_escalation_waits_for_its_own(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 20\nlines_reserved = 2")
    first, waiting = routine(ward, 1), urgent(ward, 1)
    assert isinstance(first, Attempt)
    assert isinstance(waiting, Attempt)
    ward.work("place_routine")
    assert ward.attempt(first.id).posted_at is None
    ward.work("place_escalation")
    assert ward.attempt(waiting.id).posted_at == ward.now


def test_threads_that_place_at_once_cannot_take_more_than_there_is(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 3\nlines_reserved = 0")
    shifts = [ward.doctor(number) for number in range(6)]
    barrier, placed = threading.Barrier(len(shifts)), []

    def place(number: int) -> None:
        barrier.wait()
        placed.append(ward.place(ward.ring("doctor", DOCTOR_PHONES[number], shift_id=shifts[number].id)))

    threads = [threading.Thread(target=place, args=(number,)) for number in range(len(shifts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Attempt) for one in placed) == 3
    with ward.house.transaction() as session:
        assert lines.in_use(session) == 3
