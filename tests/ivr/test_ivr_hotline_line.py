"""The line in front of the desk as its caller hears it: place, call back, message, and every way out."""

from __future__ import annotations

from typing import Any

import pytest
from ivr_call import Call

from ivr.talk import Ask, Bye, Connect, Fact, Left, Take, Wait


def in_line(**facts: Fact) -> Call:
    return Call("hotline", agents_on=True, **facts).silent().press("0")


def words(call: Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    output = call.turn.output
    assert isinstance(output, Wait)
    assert output.whom == "agent"
    return tuple(line.prompt for line in output.first), tuple(line.prompt for line in output.news)


def test_agents_come_before_the_operators_telephone() -> None:
    assert words(in_line()) == (
        ("line_first", "line_next", "line_callback", "line_message"),
        ("line_news", "line_next", "line_callback", "line_message"),
    )


def test_a_caller_hears_how_many_are_ahead() -> None:
    call = in_line(next_up=False, ahead=3)
    assert words(call)[1] == ("line_news", "line_ahead", "line_callback", "line_message")
    output = call.turn.output
    assert isinstance(output, Wait)
    assert "您前面还有3位。" in [line.text for line in output.news]


@pytest.mark.parametrize(
    ("why", "heard", "output"),
    [
        ("bridged", ("line_served",), Bye),
        ("callback", ("line_rung_back",), Bye),
        ("message", ("message_now",), Take),
        ("overflow", ("message_now",), Take),
        ("closed", ("line_closed", "operator"), Connect),
        ("error", ("line_lost", "operator"), Connect),
        ("hung_up", ("line_lost", "operator"), Connect),
    ],
)
def test_every_end_of_a_wait_in_line_has_words(why: Any, heard: tuple[str, ...], output: type) -> None:
    call = in_line().does(Left(why))
    assert call.heard == heard
    assert isinstance(call.turn.output, output)


@pytest.mark.parametrize("why", ["closed", "error"])
def test_who_is_let_go_by_the_line_is_not_put_into_it_again(why: Any) -> None:
    call = in_line(operator_on=False).does(Left(why))
    assert call.heard[1:] == ("operator_none", "message_now")


def test_a_hidden_number_is_asked_for_before_a_call_back_is_promised() -> None:
    call = in_line(withheld=True, callback_on=False).does(Left("callback"))
    assert isinstance(call.turn.output, Ask)
    assert call.heard == ("line_number",)
    assert call.press("12").heard == ("callback_wrong",)
    call.press("13800001111")
    assert call.effects == [("number_given", {"number": "13800001111"})]
    assert call.heard == ("line_rung_back",)
    assert call.session.ended


def test_who_keys_no_number_to_be_rung_at_may_leave_a_message() -> None:
    call = in_line(withheld=True, callback_on=False).does(Left("callback")).silent(3)
    assert isinstance(call.turn.output, Take)


def test_with_agents_in_three_failures_are_told_that_a_person_comes() -> None:
    call = Call("hotline", agents_on=True, operator_on=False).silent(4)
    assert call.heard == ("last_try",)
    assert isinstance(call.turn.output, Wait)


def test_who_waits_for_a_doctor_and_asks_for_a_person_stands_in_the_desks_line() -> None:
    call = Call("hotline", agents_on=True, operator_on=False).silent().press("2", "7", "1", "1")
    output = call.turn.output
    assert isinstance(output, Wait)
    assert (output.whom, [line.prompt for line in output.first]) == ("doctor", ["wait_first", "wait_person"])
    assert words(call.does(Left("nurse")))[0][0] == "line_first"
