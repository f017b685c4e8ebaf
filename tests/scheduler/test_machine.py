"""The follow-up's rules, without a store."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from dialer.machine import OUTCOMES
from scheduler.machine import (
    AFTER_INTERVIEW,
    AFTER_OUTCOME,
    MOVES,
    OPEN,
    OVER,
    Next,
    after_ring,
    deadline,
    doctor_from,
    given_up,
)

MOST_TRIES = 3

TABLE = """
          due ring    wait    rang_back released completed partial unreached declined cancelled expired reinstated
planned   due .       .       calling   .        .         partial unreached .        cancelled expired .
due       .   calling waiting calling   .        .         partial unreached declined cancelled expired .
calling   .   .       waiting calling   waiting  completed partial unreached declined cancelled .       .
waiting   due .       .       calling   .        completed partial unreached .        cancelled expired .
cancelled .   .       .       .         .        .         .       .         .        .         .       planned
expired   .   .       .       .         .        .         .       .         .        .         .       planned
completed .   .       .       .         .        .         .       .         .        .         .       .
partial   .   .       .       .         .        .         .       .         .        .         .       .
unreached .   .       .       .         .        .         .       .         .        .         .       .
declined  .   .       .       .         .        .         .       .         .        .         .       .
"""
EVENTS, *_ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(state, event, to) for state, *row in _ROWS for event, to in zip(EVENTS, row, strict=True)]


@pytest.mark.parametrize(("state", "event", "to_state"), CASES)
def test_every_state_and_event(state: str, event: str, to_state: str) -> None:
    assert MOVES.get((state, event), ".") == to_state


def test_no_move_is_outside_the_table() -> None:
    assert {event for _, event in MOVES} == set(EVENTS)
    assert {state for state, _ in MOVES} | set(MOVES.values()) == {state for state, *_ in CASES} == {*OPEN, *OVER}


def test_every_outcome_of_a_ring_has_a_rule() -> None:
    assert set(AFTER_OUTCOME) == {*OUTCOMES, "machine"}


H = timedelta(hours=1)
M = timedelta(minutes=1)
# (outcome, interview): what follows, after how long, another part of the day?, next number?, this number dead?
FIRST_TWO: dict[tuple[str, str | None], tuple[str, timedelta, bool, bool, bool]] = {
    ("no_answer", None): ("wait", 2 * H, True, True, False),
    ("busy", None): ("wait", 2 * H, False, False, False),
    ("machine", None): ("wait", 2 * H, True, True, False),
    ("answered", None): ("wait", 2 * H, True, True, False),
    ("failed_now", None): ("wait", 20 * M, False, False, False),
    ("failed_for_good", None): ("wait", 10 * M, False, False, True),
    ("not_placed", None): ("wait", 1 * M, False, False, False),
    ("cancelled", None): ("wait", 5 * M, False, False, False),
    ("answered", "completed"): ("completed", 0 * H, False, False, False),
    ("answered", "handed_over"): ("completed", 0 * H, False, False, False),
    ("answered", "partial"): ("wait", 30 * M, False, False, False),
    ("answered", "bad_time"): ("wait", 2 * H, True, False, False),
    ("answered", "not_patient"): ("wait", 2 * H, True, False, False),
    ("answered", "wrong_number"): ("wait", 10 * M, False, False, True),
    ("answered", "identity_failed"): ("unreached", 0 * H, False, False, False),
    ("answered", "declined"): ("declined", 0 * H, False, False, False),
}
NOT_COUNTED = {"not_placed", "cancelled", "failed_now"}


@pytest.mark.parametrize("tries", range(MOST_TRIES + 1))
@pytest.mark.parametrize(("outcome", "interview"), FIRST_TWO)
def test_what_follows_a_ring(outcome: str, interview: str | None, tries: int) -> None:
    event, *rest = FIRST_TWO[outcome, interview]
    counts = interview is not None or outcome not in NOT_COUNTED
    if tries >= MOST_TRIES - 1 and event == "wait" and counts:
        event = "partial" if interview == "partial" else "unreached"
    rule = after_ring(outcome, interview, tries, MOST_TRIES)
    assert (rule.event, rule.counts) == (event, counts)
    assert [rule.after, rule.other_part, rule.next_number, rule.number_dead] == rest


def test_a_hospital_that_wants_one_try_has_one() -> None:
    assert after_ring("no_answer", None, 0, 1).event == "unreached"


@pytest.mark.parametrize(
    ("begun", "tries", "event"),
    [(False, 0, "expired"), (False, 1, "unreached"), (True, 1, "partial"), (True, 0, "partial")],
)
def test_what_a_wave_becomes_whose_time_runs_out(begun: bool, tries: int, event: str) -> None:
    assert given_up(begun, tries) == event


def test_half_an_interview_and_then_nobody_is_half_an_interview() -> None:
    assert after_ring("no_answer", None, 2, 3, begun=True).event == "partial"


@pytest.mark.parametrize(
    ("policy", "last", "rise", "first"),
    [(4, None, 3, 4), (4, 0, 3, 3), (4, 1, 3, 4), (4, 5, 3, 4), (7, 2, 3, 5), (7, 2, 0, 7), (4, 0, 1, 1), (2, 0, 3, 2)],
)
def test_pain_that_has_risen_brings_the_doctor_earlier(policy: int, last: int | None, rise: int, first: int) -> None:
    assert doctor_from(policy, last, rise) == first


@pytest.mark.parametrize(
    ("outcome", "interview", "tries"), list(itertools.product(OUTCOMES, AFTER_INTERVIEW, range(4)))
)
def test_what_the_conversation_said_wins_over_the_carrier(outcome: str, interview: str, tries: int) -> None:
    assert after_ring(outcome, interview, tries, 3) == after_ring("answered", interview, tries, 3)


@pytest.mark.parametrize("tries", range(4))
def test_a_ring_that_never_went_out_uses_up_nothing(tries: int) -> None:
    assert after_ring("not_placed", None, tries, 3) == Next("wait", timedelta(minutes=1), counts=False)


@pytest.mark.parametrize(
    ("offset", "late"),
    [
        ("6h", "24h"),
        ("48h", "24h"),
        ("96h", "24h"),
        ("100h", "25h"),
        ("168h", "42h"),
        ("720h", "180h"),
        ("2160h", "540h"),
    ],
)
def test_how_long_a_wave_makes_sense(offset: str, late: str) -> None:
    due = datetime(2031, 3, 7, tzinfo=UTC)
    hours = timedelta(hours=int(offset[:-1]))
    assert deadline(due, hours) - due == timedelta(hours=int(late[:-1]))
