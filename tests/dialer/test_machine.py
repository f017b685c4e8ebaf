"""The dialer's pure rules, as tables."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from dialer import machine
from dialer.machine import Look, UnknownWord
from tests.house import MID_MORNING, ROOT

TWILIO = (ROOT / "docs" / "twilio.md").read_text(encoding="utf-8")
INBOUND_ONLY = {"receiving", "received"}
"""Words for messages that come in; ours go out."""

RANKS = {
    # how far each state is: every move goes to a higher rank; states of one rank are alternatives
    "attempt": {"placing": 0, "in_doubt": 1, "placed": 2, "ringing": 3, "answered": 4,
                "ended": 9, "absent": 9, "cancelled": 9},
    "call": {"ringing": 0, "in_progress": 1, "completed": 9, "busy": 9, "no_answer": 9, "failed": 9, "cancelled": 9},
    # `planned` and `sending` may take turns (not found: sent again); everything after is one way
    "message": {"planned": 0, "sending": 0, "sent": 1, "delivered": 9, "undelivered": 9, "failed": 9, "cancelled": 9},
}  # fmt: skip
TABLES = {"attempt": machine.ATTEMPT_MOVES, "call": machine.CALL_MOVES, "message": machine.MESSAGE_MOVES}
EXPECTED_ENDS = {
    "attempt": machine.ATTEMPT_OVER,
    "call": machine.CALL_OVER,
    "message": {"delivered", "undelivered", "failed", "cancelled"},
}


def _states(table: dict[tuple[str, str], str]) -> set[str]:
    return {state for state, _ in table} | set(table.values())


@pytest.mark.parametrize("name", TABLES)
def test_every_move_goes_forward(name: str) -> None:
    rank = RANKS[name]
    backward = [
        (move, to)
        for move, to in TABLES[name].items()
        if rank[to] < rank[move[0]] or (rank[to] == rank[move[0]] and name != "message")
    ]
    assert backward == []


@pytest.mark.parametrize("name", TABLES)
def test_an_end_state_has_no_way_out_and_every_other_state_has_one(name: str) -> None:
    table = TABLES[name]
    without_exit = {state for state in _states(table) if not any(state == origin for origin, _ in table)}
    assert without_exit == EXPECTED_ENDS[name]


@pytest.mark.parametrize("table", [*TABLES.values(), machine.ESCALATION_MOVES], ids=[*TABLES, "escalation"])
def test_every_pair_of_state_and_event_moves_as_the_table_says_or_not_at_all(table: dict[tuple[str, str], str]) -> None:
    states, words = _states(table), {event for _, event in table} | {"a word nobody uses"}
    for state in states:
        for event in words:
            assert machine.move(table, state, event) == table.get((state, event))
            assert (state, event) not in table or table[state, event] in states


def test_a_closed_escalation_stays_closed_and_an_open_one_can_still_close() -> None:
    assert not any(origin == "closed" for origin, _ in machine.ESCALATION_MOVES)
    reachable = {"closed"}
    while more := {o for (o, _), to in machine.ESCALATION_MOVES.items() if to in reachable} - reachable:
        reachable |= more
    assert reachable - {"closed"} == machine.OPEN_ESCALATION


def test_a_doctor_may_accept_wherever_a_doctor_who_picks_up_is_still_wanted() -> None:
    """dialer.escalation.wants lets them hear the case in these states."""
    for state in ("open", "ringing", "overdue"):
        assert machine.move(machine.ESCALATION_MOVES, state, "accepted") == "accepted"


def _words(pattern: str) -> set[str]:
    found = re.search(pattern, TWILIO)
    assert found is not None, pattern
    return set(found[1].split())


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (r"- `CallStatus`: `(initiated [a-z -]+)`", machine.CALL_WORDS),
        (r"`DialCallStatus` \(`([a-z -]+)`", machine.DIAL_WORDS),
        (r"- Status: `(accepted [a-z_ -]+)`", machine.MESSAGE_WORDS),
    ],
    ids=["call progress (2.6)", "dial (2.7)", "message (1.5)"],
)
def test_every_word_of_the_carriers_documents_is_mapped(pattern: str, known: dict[str, str]) -> None:
    assert _words(pattern) - INBOUND_ONLY <= known.keys()


def test_every_end_of_a_call_in_the_carriers_table_is_an_end_for_us() -> None:
    section = TWILIO[TWILIO.index("| End | When") :]
    ends = re.findall(r"^\| ([a-z-]+) \|", section[: section.index("\n\n")], re.MULTILINE)
    assert ends == ["completed", "busy", "no-answer", "failed", "canceled"]
    assert {machine.call_word(end) for end in ends} == machine.CALL_OVER


def test_words_are_only_ours_afterwards() -> None:
    assert set(machine.CALL_WORDS.values()) == {"queued"} | _states(machine.CALL_MOVES)
    events_of_messages = {event for _, event in machine.MESSAGE_MOVES}
    assert set(machine.MESSAGE_WORDS.values()) - {"sending"} <= events_of_messages


@pytest.mark.parametrize("word", ["", "Completed", "in_progress", "hold", "answered by a parrot", "received"])
def test_an_unknown_word_raises(word: str) -> None:
    with pytest.raises(UnknownWord):
        machine.call_word(word)
    with pytest.raises(UnknownWord):
        machine.message_word(word)


@pytest.mark.parametrize(
    ("status", "answered", "sip", "outcome"),
    [
        ("completed", True, "200", "answered"),
        ("completed", False, "", "answered"),
        ("busy", False, "486", "busy"),
        ("no_answer", False, "487", "no_answer"),
        ("failed", False, "503", "failed_now"),
        ("failed", False, "", "failed_now"),
        *(("failed", False, sip, "failed_for_good") for sip in ("404", "410", "484", "604")),
        ("failed", True, "", "answered"),
        ("cancelled", False, "487", "cancelled"),
        ("no_answer", True, "", "answered"),
        ("cancelled", True, "487", "answered"),
    ],
)
def test_the_outcome_of_a_ring(status: str, answered: bool, sip: str, outcome: str) -> None:
    assert machine.final_outcome(status, answered=answered, sip_code=sip) == outcome
    assert outcome in machine.OUTCOMES


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (21211, "failed_for_good"), (21217, "failed_for_good"), (21214, "failed_for_good"), (21215, "failed_for_good"),
        (21216, "failed_for_good"), (21610, "failed_for_good"), (21614, "failed_for_good"),
        (20003, "failed_now"), (21210, "failed_now"), (10004, "failed_now"), (22005, "failed_now"), (400, "failed_now"),
    ],
)  # fmt: skip
def test_a_refusal_is_for_good_only_when_the_number_is_the_reason(code: int, outcome: str) -> None:
    assert machine.refusal_outcome(code) == outcome


@pytest.mark.parametrize(
    ("found", "looks", "lag", "look"),
    [
        (True, 0, 60, Look("adopt")),
        (True, 5, 60, Look("adopt")),
        (False, 0, 60, Look("again", MID_MORNING + timedelta(seconds=60))),
        (False, 0, 0, Look("again", MID_MORNING)),
        (False, 1, 60, Look("absent")),
        (False, 7, 60, Look("absent")),
    ],
)
def test_what_a_look_into_the_carriers_list_means(found: bool, looks: int, lag: int, look: Look) -> None:
    assert machine.after_look(found=found, looks_before=looks, now=MID_MORNING, list_lag_s=lag) == look
