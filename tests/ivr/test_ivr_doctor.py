"""The doctor's call and the two screening documents."""

from __future__ import annotations

import pytest
from ivr_call import Call

from ivr.talk import Connect, Connected, Fact, Hold, Join, NotConnected, Resumed


def accepted(**facts: Fact) -> Call:
    return Call("doctor", **facts).press("1")


def test_the_alert_gives_the_reason_and_no_name() -> None:
    call = Call("doctor")
    assert call.heard == ("doc_call", "doc_score", "doc_signs", "doc_hours", "doc_dept", "doc_keys")
    assert "疼痛7分" in call.text
    assert "胸痛" in call.text
    assert "术后6小时" in call.text
    assert "王" not in call.text


def test_a_caller_in_no_file_is_announced_as_such() -> None:
    call = Call.told("doctor", {"known": False, "score": 8, "recording_on": True})
    assert call.heard == ("doc_call_unknown", "doc_score", "doc_keys")
    call.press("1")
    assert call.heard == ("doc_patient_unknown", "doc_allergy_unknown", "doc_connect")


def test_zero_hours_and_age_zero_are_known() -> None:
    assert "doc_hours" in Call("doctor", hours=0).heard
    assert "doc_age" in accepted(age=0).heard


def test_accepting_tells_the_name_and_joins_the_patient() -> None:
    call = accepted()
    assert call.effects == [("accepted", {})]
    assert call.heard == ("doc_patient", "doc_age", "doc_allergy", "doc_connect")
    assert "王女士" in call.text
    assert call.turn.output == Connect(call.turn.output.lines, "patient")  # type: ignore[union-attr]
    assert call.turn.start_recording


def test_without_recording_none_is_announced_or_started() -> None:
    call = accepted(recording_on=False)
    assert call.heard[-1] == "doc_connect_plain"
    assert not call.turn.start_recording


def test_passing_on() -> None:
    call = Call("doctor").press("2")
    assert (call.effects, call.heard) == ([("declined", {})], ("doc_passed_on",))


@pytest.mark.parametrize("keys", [("", ""), ("5", ""), ("0", "#", "7")])
def test_two_failures_are_no_key(keys: tuple[str, ...]) -> None:
    call = Call("doctor").press(*keys)
    assert (call.effects, call.heard) == ([("no_key", {})], ("doc_no_key",))


@pytest.mark.parametrize("reason", ["busy", "refused"])
def test_an_engaged_patient_is_tried_again_after_three_seconds(reason: str) -> None:
    call = accepted().does(NotConnected(reason))  # type: ignore[arg-type]
    assert isinstance(call.turn.output, Hold)
    assert (call.turn.output.pause_s, call.heard) == (3, ("doc_engaged",))
    call.does(Resumed())
    assert isinstance(call.turn.output, Connect)
    assert not call.turn.start_recording, "the recording runs already"
    assert call.does(Connected(90)).heard == ("doc_done",)


@pytest.mark.parametrize("reason", ["no_answer", "failed", "declined"])
def test_a_patient_who_does_not_answer_is_rung_again_at_once(reason: str) -> None:
    call = accepted().does(NotConnected(reason))  # type: ignore[arg-type]
    assert isinstance(call.turn.output, Connect)
    assert call.heard == ("doc_no_answer",)


def test_after_three_connects_it_ends_with_words() -> None:
    call = accepted().does(NotConnected("no_answer")).does(NotConnected("busy")).does(Resumed())
    assert call.session.connects == 3
    call.does(NotConnected("no_answer"))
    assert call.heard == ("doc_no_answer", "doc_not_reached")
    assert call.session.ended


@pytest.mark.parametrize("flow", ["patient_join", "operator_join"])
def test_only_one_joins(flow: str) -> None:
    call = Call(flow).press("1")
    assert isinstance(call.turn.output, Join)
    assert call.session.ended
    missed = Call(flow).press("2", "")
    assert missed.effects == [("no_key", {})]
    assert missed.session.ended
    assert missed.heard


def test_the_patient_hears_who_calls_and_that_it_is_recorded() -> None:
    assert Call("patient_join").heard == ("join_doctor", "join_recorded", "join_key")
    assert Call("patient_join", known=False, recording_on=False).heard == ("join_doctor_unknown", "join_key")
    assert "automated voice" in Call("patient_join", "en").text


# ---- a test of a number --------------------------------------------------------------------------------
def test_a_test_ring_says_whose_it_is_and_that_nothing_has_happened() -> None:
    call = Call("test_ring")
    assert call.heard == ("test_ring", "test_key")
    assert "安和医院" in call.text
    call.press("1")
    assert (call.effects, call.heard) == ([("test_confirmed", {})], ("test_thanks",))


def test_a_test_ring_without_the_key_is_not_confirmed() -> None:
    call = Call("test_ring").press("", "5")
    assert (call.effects, call.heard) == ([], ("test_missed",))
