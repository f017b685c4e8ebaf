"""The follow-up call; above all that nobody hears of health before the birthday has matched."""

from __future__ import annotations

import pytest
from ivr_call import FLOWS, PROMPTS, Call, lines_of

from ivr.engine import step
from ivr.talk import Connected, Event, Fact, Keys, NotConnected, Recorded, Silence, Turn

BEFORE_IDENTITY = {
    *("fu_open", "fu_open_plain", "no_record", "fu_who", "fu_who_unnamed", "main_lang", "invalid", "timeout"),
    *("fu_family", "fu_wrong_number", "fu_bad_time", "fu_nobody", "fu_unheard", "opt_out", "opt_out_ok"),
    *("id_check", "id_again", "id_silent", "id_fail", "last_try", "lost", "over", "goodbye", "talked"),
    *("fu_who_guardian", "proxy", "proxy_hand", "id_check_proxy", "id_again_proxy"),
    *("operator", "operator_busy", "operator_none", "message_now", "message_again", "message_thanks"),
}
HEALTH_WORDS = ("手术", "术后", "疼", "痛", "医", "患者", "康复", "出血", "药", "科", "回访")
HEALTH_WORDS_EN = (
    "surg",
    "pain",
    "doctor",
    "patient",
    "recover",
    "bleed",
    "medicine",
    "post-op",
    "follow-up",
    "health",
)
EVENTS: list[Event] = [
    *[Keys(key) for key in "0123456789*#"],
    *(Keys("0506"), Keys("0000"), Keys("05*"), Silence()),
    *(Recorded("RE1", 5), Recorded("RE1", 0), Connected(30), NotConnected("busy")),
]


def at_who(**facts: Fact) -> Call:
    return Call("followup", **facts).silent()


def at_identity(**facts: Fact) -> Call:
    return at_who(**facts).press("1")


def at_pain(**facts: Fact) -> Call:
    return at_identity(**facts).press("0506")


# ---- privacy -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("birth", ["0506", None])
@pytest.mark.parametrize("operator_on", [True, False])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_no_path_tells_of_health_before_identity(birth: str | None, operator_on: bool, language: str) -> None:
    """Walks every path of every event; a path ends where identity is confirmed or the call ends."""
    call = Call("followup", language, operator_on=operator_on, hotline="02155550100")
    if birth is None:
        del call.facts["birth_mmdd"]
    frontier, seen, heard = [call.turn], set(), 0
    while frontier:
        turn = frontier.pop()
        _says_nothing_of_health(turn)
        heard += 1
        key = (turn.session.node, turn.session.tries, turn.session.language, turn.session.connects)
        if turn.session.ended or key in seen:
            continue
        seen.add(key)
        for event in EVENTS:
            after = step(FLOWS["followup"], turn.session, event, call.facts, PROMPTS)
            if "identity_confirmed" not in [effect.name for effect in after.effects]:
                frontier.append(after)
    assert heard > 200
    assert {node for node, *_ in seen} >= {"notice", "who", "opt_out", "message"}


def _says_nothing_of_health(turn: Turn) -> None:
    assert set(lines_of(turn.output)) <= BEFORE_IDENTITY
    assert turn.session.score is None
    for line in getattr(turn.output, "lines", ()):
        spoken = line.text.replace("安和服务中心", "")
        assert not [word for word in HEALTH_WORDS if word in spoken], line
        assert not [word for word in HEALTH_WORDS_EN if word in spoken.lower()], line


def test_the_birthday_is_never_read_back() -> None:
    call = at_identity().press("0731")
    assert call.heard == ("id_again",)
    assert "0731" not in call.text.replace(" ", "")
    assert all("0731" not in str(data) for _, data in call.all_effects)


def test_two_wrong_birthdays_end_the_call_as_not_identified() -> None:
    call = at_identity().press("0731", "0506x")
    assert call.effects == [("identity_failed", {}), ("outcome", {"outcome": "identity_failed"})]
    assert call.heard == ("id_fail",)


def test_the_second_try_may_be_right() -> None:
    call = at_identity().press("", "0506")
    assert call.effects == [("identity_confirmed", {})]
    assert call.node == "pain"


def test_a_patient_without_birthday_in_the_file_is_not_asked_for_it() -> None:
    call = at_who(birth_mmdd="").press("1")
    assert [name for name, _ in call.effects] == ["who", "identity_failed", "outcome"]
    assert call.heard == ("id_fail",)


# ---- who ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("keys", "who", "outcome", "heard"),
    [
        (("3",), "wrong_number", "wrong_number", ("fu_wrong_number",)),
        (("4",), "bad_time", "bad_time", ("fu_bad_time",)),
        (("7", "1"), "stop", "declined", ("opt_out_ok", "goodbye")),
    ],
)
def test_everybody_but_the_patient_is_thanked_and_left(
    keys: tuple[str, ...], who: str, outcome: str, heard: tuple[str, ...]
) -> None:
    call = at_who().press(*keys)
    assert call.effects == [("who", {"who": who}), ("outcome", {"outcome": outcome})]
    assert call.heard == heard
    assert call.session.ended


def test_stopping_is_confirmed_and_can_be_taken_back() -> None:
    call = at_who().press("7")
    assert (call.node, call.effects) == ("opt_out", [])
    assert call.press("2").node == "who"


def test_a_voicemail_hears_three_menus_and_leaves_no_outcome() -> None:
    call = at_who().silent(3)
    assert call.all_effects == [("no_key", {})]
    assert call.heard == ("fu_nobody", "goodbye")


def test_the_name_is_asked_only_when_known() -> None:
    assert "王女士" in at_who().text
    assert at_who(surname="").heard[0] == "fu_who_unnamed"
    assert "王先生或女士" in at_who(sex="").text


# ---- the interview -----------------------------------------------------------------------------------
def test_the_whole_interview_without_alarm() -> None:
    call = at_pain().press("2", "1")
    assert call.heard == ("low", "low_tips", "open")
    call.does(Recorded("RE7", 14))
    assert call.effects == [
        ("open_answer", {"question": "open", "recording_sid": "RE7", "seconds": 14}),
        ("outcome", {"outcome": "completed"}),
    ]
    assert call.heard == ("fu_again", "bye")


def test_saying_nothing_to_the_open_question_completes_too() -> None:
    assert at_pain().press("2", "1", "").effects == [("outcome", {"outcome": "completed"})]


def test_an_alarm_stands_before_the_open_question_is_asked() -> None:
    """The doctor is being rung while the patient still speaks; a doctor who accepts cuts the question short."""
    call = at_pain().press("7", "1")
    assert call.effects == [("score_confirmed", {"question": "pain", "score": 7, "raw": "7", "how": "key"})]
    assert call.heard == ("escalate", "worse", "open")


def test_who_pressed_star_is_not_asked_what_only_a_recording_could_keep() -> None:
    call = Call("followup").does(Keys("*")).press("1", "0506", "7", "1")
    assert call.effects[-1] == ("outcome", {"outcome": "handed_over"})
    assert "open" not in call.heard


def test_a_person_can_be_asked_for_before_identity() -> None:
    call = at_identity().press("*")
    assert call.effects == [("operator_wanted", {"reason": "asked"})]
    assert call.does(Connected(50)).effects == [("outcome", {"outcome": "partial"})]
