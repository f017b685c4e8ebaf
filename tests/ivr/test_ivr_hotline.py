"""The hotline, turn by turn: what a key leads to, what is stored, what is heard."""

from __future__ import annotations

import pytest
from ivr_call import Call

from ivr.talk import Ask, Connect, Connected, NotConnected, Resumed

WANTS_A_PERSON = ("reason", {"reason": "operator"})
"""The house keeps it only of callers who gave no other reason."""


def at_main(**facts: str | int | bool) -> Call:
    return Call("hotline", **facts).silent()


def at_pain(**facts: str | int | bool) -> Call:
    return at_main(**facts).press("2")


def at_confirm(score: str, **facts: str | int | bool) -> Call:
    return at_pain(**facts).press(score)


# ---- the notice ------------------------------------------------------------------------------------
def test_the_first_words_name_an_automated_voice_and_the_recording() -> None:
    call = Call("hotline")
    assert call.heard == ("greet", "emergency", "greet_recorded")
    assert "智能语音" in call.text.split("。")[0]
    assert "录音" in call.text
    assert "1 2 0" in call.text, "a telephone number is read digit by digit"
    assert isinstance(call.turn.output, Ask)
    assert (call.turn.output.max_digits, call.turn.output.timeout_s) == (1, 1)
    assert not call.turn.start_recording


def test_silence_at_the_notice_starts_the_recording_and_leads_to_the_menu() -> None:
    call = at_main()
    assert call.turn.start_recording
    assert call.session.recording == "on"
    assert (call.node, call.heard) == ("day", ("main", "main_lang"))


def test_star_at_the_notice_declines_and_the_menu_follows() -> None:
    call = Call("hotline").press("*")
    assert call.effects == [("recording_declined", {})]
    assert not call.turn.start_recording
    assert (call.node, call.heard) == ("day", ("no_record", "main", "main_lang"))
    assert call.press("3", "5", "", "").session.recording == "declined"


def test_a_hurried_caller_loses_no_key() -> None:
    call = Call("hotline").press("2")
    assert (call.node, call.heard) == ("pain", ("postop", "pain"))
    assert call.turn.start_recording
    assert call.session.turn == 2


def test_a_hurried_wrong_key_is_a_wrong_key_at_the_menu() -> None:
    call = Call("hotline").press("6")
    assert (call.node, call.heard, call.session.tries) == ("day", ("invalid", "main", "main_lang"), 1)


def test_without_recording_no_recording_word_is_heard_and_star_means_nothing() -> None:
    call = Call("hotline", recording_on=False)
    assert call.heard == ("greet", "emergency")
    call.press("*")
    assert (call.effects, call.turn.start_recording, call.node) == ([], False, "day")
    assert call.session.recording == "off"


# ---- pain --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("keys", "node", "heard", "score"),
    [
        ("0", "pain_confirm", ("pain_confirm",), 0),
        ("1", "pain_confirm", ("pain_confirm_one",), 1),
        ("7", "pain_confirm", ("pain_confirm",), 7),
        ("10", "pain_confirm", ("pain_confirm_ten",), 10),
        ("05", "pain", ("number_zero",), None),
        ("00", "pain", ("number_zero",), None),
        ("010", "pain", ("number_zero",), None),
        ("11", "pain", ("number_range",), None),
        ("99", "pain", ("number_range",), None),
        ("７", "pain", ("number_range",), None),
        ("", "pain", ("timeout_num",), None),
    ],
)
def test_pain_entry_is_stored_or_asked_again_never_guessed(
    keys: str, node: str, heard: tuple[str, ...], score: int | None
) -> None:
    call = at_pain().press(keys)
    stored = [] if score is None else [("score_keyed", {"question": "pain", "score": score, "raw": keys, "tries": 1})]
    assert (call.node, call.heard, call.effects, call.session.score) == (node, heard, stored, score)


@pytest.mark.parametrize("keys", ["*", "7*", "*1"])
def test_star_in_a_number_is_a_person(keys: str) -> None:
    call = at_pain().press(keys)
    assert call.effects == [("operator_wanted", {"reason": "asked"}), WANTS_A_PERSON]
    assert call.node == "operator_call"


def test_a_number_allows_four_seconds_a_key_and_more_after_a_failure() -> None:
    call = at_pain()
    assert isinstance(call.turn.output, Ask)
    assert (call.turn.output.max_digits, call.turn.output.finish, call.turn.output.timeout_s) == (2, "#", 4)
    call.silent()
    assert isinstance(call.turn.output, Ask)
    assert call.turn.output.timeout_s == 7


def test_after_two_bad_numbers_words_are_offered_and_after_two_more_a_person() -> None:
    """docs/clinical.md 2, Scale: none, mild, moderate, severe on keys 0 to 3."""
    call = at_pain().press("05", "11")
    assert (call.node, call.heard) == ("pain_band", ("pain_band",))
    call.press("7", "")
    assert call.effects == [("operator_wanted", {"reason": "three_tries"}), WANTS_A_PERSON]
    assert call.node == "operator_call"


@pytest.mark.parametrize(
    ("key", "word", "score", "said"),
    [("0", "none", 0, "完全不痛"), ("1", "mild", 2, "轻度"), ("2", "moderate", 5, "中度"), ("3", "severe", 8, "重度")],
)
def test_a_word_for_the_pain_is_stored_as_itself_and_as_a_score(key: str, word: str, score: int, said: str) -> None:
    call = at_pain().press("", "", key)
    assert call.effects == [
        ("answer", {"question": "pain_band", "value": word, "level": ""}),
        ("score_keyed", {"question": "pain", "score": score, "raw": key, "tries": 1}),
    ]
    assert (call.heard, said in call.text) == (("pain_confirm_band",), True)
    call.press("1")
    assert ("score_confirmed", {"question": "pain", "score": score, "raw": key, "how": "band"}) in call.effects
    assert call.heard[0] == ("escalate" if score >= 4 else "low")


def test_the_second_entry_is_counted() -> None:
    assert at_pain().press("11", "7").effects == [
        ("score_keyed", {"question": "pain", "score": 7, "raw": "7", "tries": 2})
    ]


def test_read_back_names_score_and_band() -> None:
    assert "7分，重度疼痛" in at_confirm("7").text
    assert "一分，只是轻度疼痛" in at_confirm("1").text
    assert "十分，最痛" in at_confirm("10").text
    assert "0分，完全不痛" in at_confirm("0").text


def test_one_confirms_and_the_threshold_calls_the_doctor() -> None:
    call = at_confirm("7").press("1")
    assert call.effects == [("score_confirmed", {"question": "pain", "score": 7, "raw": "7", "how": "key"})]
    assert call.heard == ("escalate", "worse", "wait_offer")
    assert "5分钟" in call.text


@pytest.mark.parametrize(("score", "last"), [("3", "low"), ("4", "escalate"), ("10", "escalate")])
def test_the_threshold_is_four(score: str, last: str) -> None:
    assert at_confirm(score).press("1").heard[0] == last


def test_without_a_roster_no_minutes_are_promised() -> None:
    call = at_confirm("7", roster_on=False).press("1")
    assert call.heard == ("escalate_wait", "worse", "goodbye")
    assert "分钟" not in call.text


def test_tips_are_promised_only_to_a_number_in_the_file() -> None:
    assert at_confirm("2").press("1").heard == ("low", "low_tips", "low_again", "bye")
    assert at_confirm("2", known=False).press("1").heard == ("low", "low_again", "bye")


def test_two_withdraws_and_asks_again() -> None:
    call = at_confirm("7").press("2")
    assert call.effects == [("score_withdrawn", {})]
    assert (call.node, call.heard, call.session.score) == ("pain", ("pain",), None)
    assert call.press("3", "1").session.score == 3


def test_a_slow_ten_is_ten_and_not_one() -> None:
    call = at_pain().press("1", "0")
    assert call.effects == [
        ("score_keyed", {"question": "pain", "score": 10, "raw": "1,0", "tries": 1}),
        ("score_confirmed", {"question": "pain", "score": 10, "raw": "1,0", "how": "zero_after_one"}),
    ]
    assert call.session.score == 10
    assert call.heard == ("escalate", "worse", "wait_offer")


def test_zero_in_another_read_back_is_a_person_and_the_score_stays() -> None:
    call = at_confirm("7").press("0")
    assert call.effects == [("operator_wanted", {"reason": "asked"}), WANTS_A_PERSON]
    call.does(NotConnected("no_answer"))
    assert ("score_confirmed", {"question": "pain", "score": 7, "raw": "7", "how": "unanswered"}) in call.effects, (
        "a score must not wait behind a voice message"
    )


def test_a_score_left_unconfirmed_for_a_person_stands_when_the_talk_is_over() -> None:
    call = at_confirm("7").press("*").does(Connected(80))
    assert call.effects == [("score_confirmed", {"question": "pain", "score": 7, "raw": "7", "how": "unanswered"})]
    assert call.session.ended


def test_three_silent_read_backs_keep_the_score() -> None:
    call = at_confirm("7").press("", "5", "")
    assert call.effects == [("score_confirmed", {"question": "pain", "score": 7, "raw": "7", "how": "unanswered"})]
    assert call.heard[0] == "escalate"


def test_a_late_pound_only_repeats_the_read_back() -> None:
    call = at_confirm("10").press("#", "#", "#")
    assert (call.node, call.heard, call.session.tries) == ("pain_confirm", ("pain_confirm_ten",), 0)


# ---- where to call back --------------------------------------------------------------------------
def test_a_withheld_number_is_asked_for_before_the_doctor_is_promised() -> None:
    call = at_confirm("7", withheld=True).press("1")
    assert (call.node, call.heard) == ("callback", ("callback",))
    call.press("123")
    assert call.heard == ("callback_wrong",)
    assert call.silent().heard == ("callback_silent",)
    call.press("13800001111")
    assert call.effects == [("number_given", {"number": "13800001111"})]
    assert call.heard[0] == "escalate"


def test_three_bad_numbers_to_call_back_lead_to_a_person() -> None:
    call = at_confirm("7", withheld=True).press("1", "", "12", "1" * 21)
    assert call.effects == [("operator_wanted", {"reason": "three_tries"}), WANTS_A_PERSON]
    assert isinstance(call.turn.output, Connect)


def test_below_the_threshold_no_number_is_asked() -> None:
    assert at_confirm("2", withheld=True).press("1").node == "low"


def test_an_impossible_event_leads_to_a_person() -> None:
    call = at_main().does(Resumed())
    assert call.effects == [("operator_wanted", {"reason": "not_understood"}), WANTS_A_PERSON]
    assert call.heard == ("lost", "operator")
