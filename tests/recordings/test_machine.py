"""The transition table and the waits."""

from datetime import timedelta

import pytest

from recordings.machine import (
    EVENTS,
    HOLDS_FILE,
    MOVES,
    STATES,
    delete_wait,
    fetch_wait,
    keep_class,
    pause_wait,
    speech_wait,
    step,
)

ROAD = [
    ("announced", "fetched", "fetched"),
    ("fetched", "no_model", "waiting_for_model"),
    ("waiting_for_model", "transcribed", "transcribed"),
    ("transcribed", "screened", "screened"),
    ("screened", "kept", "kept"),
    ("kept", "purged", "purged"),
]


@pytest.mark.parametrize(("state", "event", "after"), ROAD)
def test_the_whole_road(state: str, event: str, after: str) -> None:
    assert step(state, event) == after


@pytest.mark.parametrize(
    # sorted: the processes that share the tests must all name them in the same order
    ("state", "event"),
    [(s, e) for s in sorted(STATES) for e in sorted(EVENTS) if (s, e) not in MOVES],
)
def test_what_is_not_in_the_table_changes_nothing(state: str, event: str) -> None:
    assert step(state, event) is None


def test_a_move_leads_to_a_state_and_never_out_of_the_end() -> None:
    assert set(MOVES.values()) <= set(STATES)
    assert not [event for state, event in MOVES if state == "purged"]
    assert {state for state, _ in MOVES} | {"purged"} == set(STATES)


def test_only_a_person_or_the_carrier_leads_back() -> None:
    order = {state: at for at, state in enumerate(STATES)}
    back = {event for (state, event), after in MOVES.items() if order[after] < order[state]}
    assert back - {"purged"} == {"fetch_again", "transcribe_again"}


def test_only_what_was_fetched_holds_a_file() -> None:
    assert {"announced", "absent", "purged"}.isdisjoint(HOLDS_FILE)


@pytest.mark.parametrize(("state", "event"), [("lost", "fetched"), ("announced", "arrived")])
def test_a_name_of_no_table_is_our_mistake(state: str, event: str) -> None:
    with pytest.raises(ValueError, match=r"no (state|event)"):
        step(state, event)


def test_a_file_is_waited_for_longer_and_longer() -> None:
    waits = [fetch_wait(tries, timedelta(0)) for tries in range(1, 9)]
    assert [wait.total_seconds() for wait in waits if wait] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_after_half_an_hour_it_is_given_up() -> None:
    assert fetch_wait(60, timedelta(minutes=29, seconds=59)) == timedelta(seconds=30)
    assert fetch_wait(60, timedelta(minutes=30)) is None


def test_all_waits_together_reach_half_an_hour() -> None:
    waited, tries = timedelta(0), 1
    while (wait := fetch_wait(tries, waited)) is not None:
        waited, tries = waited + wait, tries + 1
    assert timedelta(minutes=30) <= waited < timedelta(minutes=31)


def test_an_engine_may_die_five_times() -> None:
    assert [speech_wait(tries) is None for tries in (1, 2, 3, 4, 5)] == [False] * 4 + [True]


@pytest.mark.parametrize("wait", [lambda: fetch_wait(0, timedelta(0)), lambda: speech_wait(0)])
def test_a_wait_comes_after_a_try(wait: object) -> None:
    with pytest.raises(ValueError, match="after a try"):
        wait()  # type: ignore[operator]


DAYS = {"ordinary": 180, "escalation": 1095, "complaint": 1095, "record": 5475}


@pytest.mark.parametrize(
    ("purpose", "kind", "escalated", "complained", "expected"),
    [
        ("call", "hotline", False, False, "ordinary"),
        ("call", "hotline", True, False, "escalation"),
        ("bridge", "hotline", False, False, "escalation"),
        ("call", "doctor", False, False, "escalation"),
        ("call", None, False, False, "ordinary"),
        ("message", "hotline", False, True, "complaint"),
        ("call", "hotline", True, True, "complaint"),
        ("open_answer", "followup", False, False, "record"),
        ("open_answer", "followup", True, True, "record"),
        ("open_answer", "hotline", False, False, "ordinary"),
        ("message", "followup", False, False, "ordinary"),
    ],
)
def test_how_long_it_is_kept(purpose: str, kind: str | None, escalated: bool, complained: bool, expected: str) -> None:
    assert keep_class(purpose, kind, escalated=escalated, complained=complained, days=DAYS) == expected


def test_where_two_classes_fit_the_longer_time_counts_whatever_the_hospital_sets() -> None:
    days = DAYS | {"escalation": 7300}
    assert keep_class("open_answer", "followup", escalated=True, complained=True, days=days) == "escalation"


def test_the_carriers_copy_is_never_given_up_and_a_pause_soon_is() -> None:
    assert [delete_wait(tries).total_seconds() / 60 for tries in (1, 2, 3, 9, 10, 500)] == [1, 2, 4, 256, 360, 360]
    waits = [pause_wait(tries) for tries in range(1, 12)]
    assert [wait is None for wait in waits] == [False] * 9 + [True] * 2
