"""The interview after identity: one question after the other, warning signs, resuming, relatives, slow speech."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ivr_call import ALL_FACTS, FLOWS, PROMPTS, Call, lines_of
from test_ivr_followup import BEFORE_IDENTITY

from ivr import talk
from ivr.engine import start, step
from ivr.talk import Connected, Fact, Keys, NotConnected, Recorded, Silence
from ivr.twiml import render

ASKED = FLOWS["followup"].asked
ALL = " ".join(ASKED.questions)


def at_pain(**facts: Fact) -> Call:
    return Call("followup", **facts).silent().press("1", "0506")


def at_questions(questions: str, **facts: Fact) -> Call:
    """Pain 2, confirmed: the first question has been asked."""
    return at_pain(questions=questions, **facts).press("2", "1")


def answers(call: Call) -> list[tuple[str, str, str]]:
    return [
        (str(data["question"]), str(data["value"]), str(data["level"]))
        for name, data in call.all_effects
        if name == "answer"
    ]


def outcome(call: Call) -> Any:
    return dict(call.all_effects).get("outcome", {}).get("outcome")


# ---- one after the other -----------------------------------------------------------------------------
def test_every_question_of_the_list_is_asked_in_its_order() -> None:
    call = at_questions("fever wound doctor")
    heard = [call.heard]
    for _ in range(3):
        heard.append(call.press("2").heard)
    assert heard == [("q_fever",), ("q_wound",), ("q_doctor",), ("low", "low_tips", "open")]
    assert answers(call) == [("fever", "no", ""), ("wound", "no", ""), ("doctor", "no", "")]
    call.silent()
    assert outcome(call) == "completed"


def test_without_questions_the_pain_is_the_interview() -> None:
    assert at_questions("").heard == ("low", "low_tips", "open")


def test_a_question_the_file_does_not_know_is_passed_by() -> None:
    assert at_questions("gone fever").heard == ("q_fever",)


@pytest.mark.parametrize(
    ("question", "key", "meaning"),
    [(name, key, meaning) for name, question in ASKED.questions.items() for key, meaning in question.keys.items()],
)
def test_what_each_key_of_each_question_leads_to(question: str, key: str, meaning: Any) -> None:
    call = at_questions(f"{question} sutures").press(key)
    assert call.effects[0] == ("answer", {"question": question, "value": meaning.value, "level": meaning.level})
    flags = [data for name, data in call.effects if name == "red_flag"]
    assert flags == ([{"question": question, "level": meaning.level}] if meaning.level else [])
    expected = {
        "A": ("flag_a", "goodbye"),
        "B": ("escalate", "worse", "open"),
    }.get(meaning.level, ("q_sutures",) if question != "sutures" else ("low", "low_tips", "open"))
    assert call.heard == expected
    if meaning.level == "A":
        assert call.session.ended, "the telephone must be free for the emergency number"
        assert outcome(call) == "handed_over"
    if meaning.level == "B":
        call.does(Recorded("RE1", 9))
        assert outcome(call) == "handed_over"
    if meaning.level == "C" and question != "sutures":
        assert call.press("1").heard == ("nurse_today", "open")
        assert outcome(call.silent()) == "completed"


def test_an_emergency_names_the_number_and_a_doctor_only_when_one_is_on_duty() -> None:
    assert "1 2 0" in at_questions("chest").press("1").text
    assert at_questions("chest", roster_on=False).press("1").heard == ("flag_a_wait", "goodbye")
    assert at_questions("wound", roster_on=False).press("1").heard[0] == "escalate_wait"


def test_what_a_question_asks_of_the_ward_and_of_the_ledger() -> None:
    assert ("work_wanted", {"kind": "call_wanted", "why": "complaint"}) in at_questions("complaint").press("1").effects
    given = at_questions("further_contact").press("2").effects
    assert ("consent", {"purpose": "survey", "given": False}) in given
    relative = as_relative(questions="further_contact").press("2", "1", "1")
    assert "consent" not in [name for name, _ in relative.all_effects], "not a relative's to give"


# ---- the global keys ---------------------------------------------------------------------------------
def test_global_keys_inside_the_interview() -> None:
    call = at_questions("fever wound").press("8")
    assert (call.effects, call.heard) == ([("language_chosen", {"language": "en"})], ("q_fever",))
    assert call.press("9").heard == ("q_fever",)
    assert call.session.slow
    assert call.press("6").heard == ("invalid", "q_fever")
    assert call.press("#").heard == ("q_fever",)
    call.press("0")
    assert call.effects == [("operator_wanted", {"reason": "asked"})]
    assert call.node == "operator_call"


def test_seven_stops_the_calls_and_can_be_taken_back() -> None:
    call = at_questions("fever wound").press("2", "7")
    assert call.heard == ("opt_out",)
    assert call.press("2").heard == ("q_wound",)
    call.press("7", "1")
    assert outcome(call) == "declined"
    assert ("who", {"who": "stop"}) in call.all_effects


def test_a_person_who_was_asked_for_is_remembered_until_somebody_took_it() -> None:
    call = at_questions("fever").press("0")
    assert call.session.person == "wanted"
    assert call.does(Connected(9)).session.person == "served"
    message = at_questions("fever").press("0").does(NotConnected("busy")).does(Recorded("RE1", 9))
    assert message.session.person == "served"
    nothing = at_questions("fever").press("0").does(NotConnected("busy")).silent(2)
    assert (nothing.session.person, outcome(nothing)) == ("wanted", "partial")


# ---- left unanswered -----------------------------------------------------------------------------------
def test_after_three_failures_the_next_question_is_asked() -> None:
    call = at_questions("fever wound doctor").press("", "6", "")
    assert call.effects == [("question_skipped", {"question": "fever"})]
    assert call.heard == ("fu_passed", "q_wound")
    assert call.press("2", "2").heard == ("low", "low_tips", "open")
    assert outcome(call.silent()) == "completed"


def test_two_left_running_lead_to_a_person() -> None:
    call = at_questions("fever wound doctor").silent(6)
    assert call.effects == [
        ("question_skipped", {"question": "wound"}),
        ("operator_wanted", {"reason": "three_tries"}),
    ]
    assert call.node == "operator_call"
    assert outcome(call.does(NotConnected("busy")).silent(2)) == "partial"


def test_an_answer_between_two_left_ones_breaks_the_row() -> None:
    call = at_questions("fever wound doctor").silent(3).press("2").silent(3)
    assert call.heard == ("low", "low_tips", "open")


# ---- pain ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("score", "heard"),
    [
        ("3", ("q_fever",)),
        ("4", ("nurse_today", "q_fever")),
        ("6", ("nurse_today", "q_fever")),
        ("7", ("escalate", "worse", "open")),
    ],
)
def test_a_band_of_scores_is_the_nurses(score: str, heard: tuple[str, ...]) -> None:
    call = at_pain(questions="fever", threshold=7, nurse_from=4).press(score, "1")
    assert call.heard == heard
    if "q_fever" in heard:
        at_end = call.press("2").heard
        assert at_end == (("nurse_today", "open") if score != "3" else ("low", "low_tips", "open"))


def test_the_pain_of_moving_is_a_score_of_its_own() -> None:
    call = at_questions("pain_moving fever")
    assert call.heard == ("pain_moving",)
    call.press("3")
    assert call.effects == [("score_keyed", {"question": "pain_moving", "score": 3, "raw": "3", "tries": 1})]
    assert call.press("1").heard == ("q_fever",)
    assert ("score_confirmed", {"question": "pain_moving", "score": 3, "raw": "3", "how": "key"}) in call.effects
    alarm = at_questions("pain_moving fever").press("8", "1")
    assert alarm.heard == ("escalate", "worse", "open")
    assert (
        at_pain(questions="pain_moving", threshold=7, nurse_from=4).press("1", "1", "5", "1").heard[0] == "nurse_today"
    )


def test_the_pain_of_moving_may_be_left_but_pain_itself_may_not() -> None:
    call = at_questions("pain_moving fever").silent(4)
    assert call.effects == [("question_skipped", {"question": "pain_moving"})]
    assert call.heard == ("q_fever",)
    assert at_pain(questions="fever").silent(4).effects == [("operator_wanted", {"reason": "three_tries"})]


def test_the_words_for_pain_count_as_scores() -> None:
    call = at_pain(questions="fever").press("05", "99")
    assert (call.node, call.heard) == ("pain_band", ("pain_band",))
    call.press("2")
    assert ("answer", {"question": "pain_band", "value": "moderate", "level": ""}) in call.effects
    assert call.press("1").heard == ("escalate", "worse", "open")
    assert ("score_confirmed", {"question": "pain", "score": 5, "raw": "2", "how": "band"}) in call.effects


# ---- going on where it stopped ---------------------------------------------------------------------------
def test_what_an_earlier_call_answered_is_not_asked_again() -> None:
    call = at_pain(questions="fever wound doctor", answered="fever doctor", pain_known=True, resumed=True)
    assert call.heard == ("fu_resume", "q_wound")
    assert call.press("2").heard == ("low", "low_tips", "open")


def test_pain_alone_may_be_what_is_left() -> None:
    call = at_pain(questions="fever", answered="fever", resumed=True)
    assert call.heard == ("fu_resume", "pain")
    assert call.press("2", "1").heard == ("low", "low_tips", "open")


def test_a_nurse_promised_by_the_earlier_call_is_promised_still() -> None:
    call = at_pain(questions="fever", answered="fever", pain_known=True, nurse_due=True, resumed=True)
    assert call.heard == ("fu_resume", "nurse_today", "open")


# ---- who answers -------------------------------------------------------------------------------------------
def as_relative(**facts: Fact) -> Call:
    return Call("followup", **{"relative_ok": True, **facts}).silent().press("2", "2", "0506")


def test_somebody_at_home_hands_the_phone_over() -> None:
    call = Call("followup").silent().press("2")
    assert call.heard == ("proxy",)
    assert call.press("1").heard == ("proxy_hand", "id_check")
    assert call.press("0506").session.respondent == "self"


def test_a_registered_relative_answers_for_the_patient() -> None:
    call = as_relative(questions="fever")
    assert call.heard == ("fu_proxy", "pain_proxy")
    assert call.session.respondent == "proxy"
    call.press("2", "1", "2")
    assert call.heard == ("low", "low_tips", "open")


def test_a_relative_who_is_not_registered_hears_only_where_to_call() -> None:
    call = Call("followup").silent().press("2", "2")
    assert call.heard == ("fu_family",)
    assert call.effects == [
        ("work_wanted", {"kind": "proxy_wrong", "why": "not_registered"}),
        ("outcome", {"outcome": "not_patient"}),
    ]


def test_another_time_and_no_key_at_all() -> None:
    assert outcome(Call("followup").silent().press("2", "3")) == "bad_time"
    assert outcome(Call("followup").silent().press("2", "", "", "")) == "not_patient"


def test_a_childs_parent_is_asked_for_and_answers() -> None:
    call = Call("followup", guardian=True).silent()
    assert call.heard == ("fu_who_guardian", "main_lang")
    call.press("1")
    assert (call.effects, call.heard) == ([("who", {"who": "guardian"})], ("id_check_proxy",))
    assert call.press("0506").heard == ("fu_proxy", "pain_proxy")
    assert call.session.respondent == "proxy"


# ---- slowly --------------------------------------------------------------------------------------------
def slow_lines(call: Call) -> set[bool]:
    return {line.slow for line in call.turn.output.lines}  # type: ignore[union-attr]


def test_an_old_patient_hears_everything_slowly_and_has_more_time() -> None:
    call = Call("followup", slow=True)
    assert slow_lines(call) == {True}
    call.silent()
    assert call.turn.output.timeout_s == 11  # type: ignore[union-attr]
    pain = call.press("1", "0506")
    assert pain.turn.output.timeout_s == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ["", "9"])
def test_one_time_out_or_nine_slows_the_call_down(key: str) -> None:
    call = Call("followup").silent()
    assert (slow_lines(call), call.turn.output.timeout_s) == ({False}, 8)  # type: ignore[union-attr]
    call.press(key)
    assert (slow_lines(call), call.turn.output.timeout_s) == ({True}, 11)  # type: ignore[union-attr]


def test_a_wrong_key_slows_nothing_down() -> None:
    assert slow_lines(Call("followup").silent().press("5")) == {False}


def test_slow_speech_is_said_with_prosody_and_escaped() -> None:
    call = Call("followup", slow=True, surname="<王&").silent()
    document = render(call.turn.output, "https://h/turn", prompts=PROMPTS)
    assert '<prosody rate="85%">' in document
    assert "&lt;王&amp;" in document


# ---- whatever anybody presses ------------------------------------------------------------------------------
pressed = st.one_of(
    st.sampled_from(["1", "2", "3", "4", "5", "0", "9", "8", "7", "*", "#", "10", "05", "0506", "0506"]).map(Keys),
    st.just(Silence()),
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_pressed_the_interview_ends_well(data: st.DataObject) -> None:
    """It ends in words; no question is asked after it was answered; no word of health before identity."""
    keys = sorted(ASKED.questions)
    listed = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=8))
    facts: dict[str, Fact] = {
        **ALL_FACTS["followup"],
        "questions": " ".join(listed),
        "answered": " ".join(data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=3))),
        "nurse_from": data.draw(st.sampled_from([3, 4])),
        **{name: data.draw(st.booleans()) for name in ("guardian", "relative_ok", "slow", "pain_known", "operator_on")},
    }
    turn = start(FLOWS["followup"], data.draw(st.sampled_from(PROMPTS.languages)), facts, PROMPTS)
    known, closed, turns = False, set[str](), [turn]
    while not turn.session.ended:
        event = _event(turn, data)
        turn = step(FLOWS["followup"], turn.session, event, facts, PROMPTS)
        turns.append(turn)
        names = [effect.name for effect in turn.effects]
        known = known or "identity_confirmed" in names
        if not known:
            assert set(lines_of(turn.output)) <= BEFORE_IDENTITY
            assert not {"answer", "score_keyed", "red_flag"} & set(names)
        for effect in turn.effects:
            if effect.name == "answer" and not str(effect.data["question"]).startswith("pain"):
                assert effect.data["question"] not in closed, "answered twice"
                closed.add(str(effect.data["question"]))
        assert turn.session.turn <= 130
    assert isinstance(turn.output, talk.Bye)
    assert turn.output.lines
    assert closed <= set(listed) - set(str(facts["answered"]).split())
    ended = [effect.data["outcome"] for t in turns for effect in t.effects if effect.name == "outcome"]
    if ended == ["completed"]:
        skipped = {e.data["question"] for t in turns for e in t.effects if e.name == "question_skipped"}
        scored = {e.data["question"] for t in turns for e in t.effects if e.name == "score_confirmed"}
        earlier = set(str(facts["answered"]).split())
        assert set(listed) <= closed | skipped | scored | earlier
    assert len(ended) <= 1


def _event(turn: talk.Turn, data: st.DataObject) -> talk.Event:
    if isinstance(turn.output, talk.Connect):
        return data.draw(st.sampled_from([Connected(9), NotConnected("busy")]))
    if isinstance(turn.output, talk.Take):
        return data.draw(st.sampled_from([Recorded("RE1", 5), Recorded("RE1", 0), Silence()]))
    return data.draw(pressed)
