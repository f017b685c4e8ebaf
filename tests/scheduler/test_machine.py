"""The follow-up's rules, without a store."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from dialer.machine import OUTCOMES
from scheduler.machine import AFTER_INTERVIEW, AFTER_OUTCOME, MOST_TRIES, MOVES, OPEN, OVER, Next, after_ring, deadline

TABLE = """
             due   ring     wait     completed  partial  unreached  declined  cancelled  expired  reinstated
planned      due   .        .        .          .        .          .         cancelled  expired  .
due          .     calling  waiting  .          .        unreached  declined  cancelled  expired  .
calling      .     .        waiting  completed  partial  unreached  declined  cancelled  .        .
waiting      due   .        .        completed  .        .          .         cancelled  expired  .
cancelled    .     .        .        .          .        .          .         .          .        planned
completed    .     .        .        .          .        .          .         .          .        .
partial      .     .        .        .          .        .          .         .          .        .
unreached    .     .        .        .          .        .          .         .          .        .
declined     .     .        .        .          .        .          .         .          .        .
expired      .     .        .        .          .        .          .         .          .        .
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
    assert set(AFTER_OUTCOME) == set(OUTCOMES)


FIRST_TWO: dict[tuple[str, str | None], tuple[str, timedelta]] = {
    ("no_answer", None): ("wait", timedelta(hours=3)),
    ("busy", None): ("wait", timedelta(minutes=15)),
    ("failed_now", None): ("wait", timedelta(minutes=20)),
    ("failed_for_good", None): ("unreached", timedelta(hours=0)),
    ("not_placed", None): ("wait", timedelta(minutes=1)),
    ("cancelled", None): ("wait", timedelta(minutes=5)),
    ("answered", None): ("wait", timedelta(hours=3)),
    ("answered", "completed"): ("completed", timedelta(hours=0)),
    ("answered", "partial"): ("wait", timedelta(minutes=30)),
    ("answered", "bad_time"): ("wait", timedelta(hours=3)),
    ("answered", "not_patient"): ("wait", timedelta(hours=3)),
    ("answered", "identity_failed"): ("unreached", timedelta(hours=0)),
    ("answered", "declined"): ("declined", timedelta(hours=0)),
}
AT_THE_LAST = {
    ("no_answer", None): "unreached",
    ("busy", None): "unreached",
    ("failed_now", None): "unreached",
    ("answered", None): "unreached",
    ("answered", "partial"): "partial",
    ("answered", "bad_time"): "unreached",
    ("answered", "not_patient"): "unreached",
}
NOT_COUNTED = {"not_placed", "cancelled"}


@pytest.mark.parametrize("tries", range(MOST_TRIES + 1))
@pytest.mark.parametrize(("outcome", "interview"), FIRST_TWO)
def test_what_follows_a_ring(outcome: str, interview: str | None, tries: int) -> None:
    event, after = FIRST_TWO[outcome, interview]
    if tries >= MOST_TRIES - 1 and (outcome, interview) in AT_THE_LAST:
        event, after = AT_THE_LAST[outcome, interview], timedelta(0)
    following = after_ring(outcome, interview, tries)
    assert (following.event, following.after) == (event, after)
    assert following.counts is (interview is not None or outcome not in NOT_COUNTED)


@pytest.mark.parametrize(
    ("outcome", "interview", "tries"), list(itertools.product(OUTCOMES, AFTER_INTERVIEW, range(4)))
)
def test_what_the_conversation_said_wins_over_the_carrier(outcome: str, interview: str, tries: int) -> None:
    assert after_ring(outcome, interview, tries) == after_ring("answered", interview, tries)


@pytest.mark.parametrize("tries", range(4))
def test_a_ring_that_never_went_out_uses_up_nothing(tries: int) -> None:
    assert after_ring("not_placed", None, tries) == Next("wait", timedelta(minutes=1), counts=False)


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
