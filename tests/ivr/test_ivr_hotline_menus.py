"""The hotline's menus, turn by turn: the day's, the night's, the holiday's, and what each key leads to."""

from __future__ import annotations

import pytest
from ivr_call import FLOWS, Call

from ivr.talk import Ask, Bye, Connect, Connected, Continue, Fact, Keys, NotConnected, Recorded, Take

WANTS_A_PERSON = ("reason", {"reason": "operator"})
LAST_TRY = [("operator_wanted", {"reason": "three_tries"}), WANTS_A_PERSON]


def at_main(**facts: Fact) -> Call:
    return Call("hotline", **facts).silent()


def because(reason: str) -> tuple[str, dict[str, Fact]]:
    return ("reason", {"reason": reason})


def goes_on(call: Call) -> tuple[str, str]:
    output = call.turn.output
    assert isinstance(output, Continue)
    return output.flow, output.node


# ---- by day --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "node", "effects", "heard"),
    [
        ("2", "pain", [because("postop")], ("postop", "pain")),
        ("3", "services", [because("services")], ("services",)),
        ("0", "operator_call", [("operator_wanted", {"reason": "asked"}), WANTS_A_PERSON], ("operator",)),
        ("9", "day", [], ("main", "main_lang")),
        ("8", "day", [("language_chosen", {"language": "en"})], ("main", "main_lang")),
        ("7", "day", [], ("invalid", "main", "main_lang")),
        ("6", "day", [], ("invalid", "main", "main_lang")),
        ("", "day", [], ("timeout", "main", "main_lang")),
        ("#", "day", [], ("main", "main_lang")),
        ("*", "day", [], ("invalid", "main", "main_lang")),
    ],
)
def test_main_menu(key: str, node: str, effects: list[object], heard: tuple[str, ...]) -> None:
    call = at_main().press(key)
    assert (call.node, call.effects, call.heard) == (node, effects, heard)


def test_appointments_and_complaints_have_flows_of_their_own() -> None:
    call = at_main().press("1")
    assert (goes_on(call), call.effects) == (("appointments", "visit"), [because("appointment")])
    assert goes_on(at_main().press("4")) == ("complaints", "complaint")


def test_the_menu_counts_through_without_a_gap_in_both_languages() -> None:
    for call in (at_main(), at_main().press("8")):
        keys = [key for key in call.text.split("重听")[0].split("To repeat")[0] if key.isdigit()]
        assert keys == ["1", "2", "3", "4", "5", "0"]


def test_eight_changes_the_language_and_offers_the_way_back() -> None:
    call = at_main().press("8")
    assert call.session.language == "en"
    assert "Appointments, press 1" in call.text
    assert "General information, 3" in call.text
    assert "中文服务请按8" in call.text
    assert call.press("8").session.language == "zh-CN"


def test_who_was_operated_on_lately_hears_pain_first_and_the_keys_are_the_same() -> None:
    """The same sentences in another order: whoever else listens learns nothing (docs/clinical.md 3)."""
    everybody, patient = at_main(), at_main(postop_first=True)
    assert patient.text.startswith("术后疼痛或不适请按2")
    first, second = (sorted(call.text.replace("。", "，").split("，")) for call in (everybody, patient))
    assert first == second
    for key in "0123459":
        assert at_main(postop_first=True).press(key).node == at_main().press(key).node


# ---- night and holidays --------------------------------------------------------------------------
NIGHT: dict[str, Fact] = {"night": True}
HOLIDAY: dict[str, Fact] = {"holiday": True}


@pytest.mark.parametrize(
    ("facts", "node", "words"),
    [
        (NIGHT, "night", ("night",)),
        ({**NIGHT, **HOLIDAY}, "night", ("night",)),
        (HOLIDAY, "holiday_menu", ("holiday_today", "short_menu")),
        ({**HOLIDAY, "holiday_words": "x"}, "holiday_menu", ("holiday_today", "holiday_words", "short_menu")),
        ({**HOLIDAY, "agents_on": True}, "day", ("holiday_today", "main")),
        ({**NIGHT, "agents_on": True}, "night", ("night",)),
    ],
)
def test_which_menu(facts: dict[str, Fact], node: str, words: tuple[str, ...]) -> None:
    call = at_main(**facts)
    assert (call.node, call.heard) == (node, (*words, "main_lang"))


@pytest.mark.parametrize("facts", [NIGHT, HOLIDAY], ids=["night", "holiday"])
@pytest.mark.parametrize(
    ("key", "node", "effects"),
    [
        ("1", "pain", [because("postop")]),
        ("2", "emergency_room", [because("directions")]),
        ("3", "message", [because("message")]),
        ("0", "operator_call", [("operator_wanted", {"reason": "asked"}), WANTS_A_PERSON]),
    ],
)
def test_at_night_and_on_holidays_pain_comes_first(
    facts: dict[str, Fact], key: str, node: str, effects: list[object]
) -> None:
    call = at_main(**facts)
    assert call.text.index("术后疼痛或不适请按1") < call.text.index("急诊路线请按2") < call.text.index("留言请按3")
    call.press(key)
    assert (call.node, call.effects) == (node, effects)


def test_a_wave_of_pain_at_night_takes_the_same_way_as_by_day() -> None:
    call = at_main(**NIGHT).press("1", "7", "1")
    assert call.heard == ("escalate", "worse", "wait_offer")


def test_the_way_to_the_emergency_room_is_told_and_told_again() -> None:
    call = at_main(night=True, emergency_room="西门一楼。").press("2")
    assert call.heard == ("emergency_room", "emergency_again", "informed")
    assert "西门一楼" in call.text
    assert call.press("9").heard == ("emergency_room", "emergency_again", "informed")
    assert call.press("1").node == "night"


def test_a_way_nobody_has_written_down_is_a_persons() -> None:
    call = at_main(**NIGHT).press("2")
    assert call.heard[0] == "ask_a_person"
    assert isinstance(call.press("0").turn.output, Connect)


# ---- key 3 ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "node"),
    [("1", "opening_hours"), ("2", "insurance"), ("3", "parking"), ("4", "way"), ("5", "message")],
)
def test_general_information(key: str, node: str) -> None:
    call = at_main(insurance="a", parking="b", way="c").press("3", key)
    assert call.node == node
    assert isinstance(call.turn.output, Take if node == "message" else Ask)
    if node != "message":
        assert call.heard == (node, "informed")
        assert call.press("1").node == "day"


def test_what_is_told_in_one_language_only_is_not_read_out_empty_in_the_other() -> None:
    facts: dict[str, Fact] = {"parking": "北门", "parking.zh-CN": "北门", "parking.en": ""}
    call = Call("hotline", "en", **facts).silent().press("3", "3")
    assert call.heard == ("ask_a_person", "informed")
    assert call.press("8").heard == ("parking", "informed")


THEME: dict[str, Fact] = {"theme": "过敏门诊", "theme.en": "The allergy clinic", "theme_on": True}


def test_the_offer_of_the_season_takes_key_three() -> None:
    call = at_main(**THEME)
    assert "过敏门诊请按3" in call.text
    assert "就诊指南" not in call.text
    assert "The allergy clinic, 3" in at_main(**THEME).press("8").text


def test_an_offer_with_a_number_of_its_own_is_rung_there_and_then_the_desk() -> None:
    call = at_main(**THEME, theme_number=True).press("3")
    assert isinstance(call.turn.output, Connect)
    assert (call.turn.output.target, call.effects) == ("theme", [because("theme")])
    assert call.heard == ("theme_chosen", "connecting")
    call.does(NotConnected("busy"))
    assert isinstance(call.turn.output, Connect)
    assert (call.turn.output.target, call.heard) == ("operator", ("theme_busy", "operator"))


def test_a_talk_about_the_offer_ends_with_a_goodbye() -> None:
    call = at_main(**THEME, theme_number=True).press("3").does(Connected(90))
    assert isinstance(call.turn.output, Bye)


def test_an_offer_nobody_can_be_asked_about_is_owed_a_call() -> None:
    call = at_main(**THEME, operator_on=False).press("3")
    assert (call.node, call.effects) == ("theme_message", [because("theme"), ("ticket_wanted", {"kind": "theme"})])
    call.does(Recorded("RE1", 8))
    assert call.effects == [("message_taken", {"purpose": "theme", "recording_sid": "RE1", "seconds": 8})]
    assert call.heard == ("theme_thanks", "goodbye")


def test_who_hides_the_number_is_asked_to_say_it_and_promised_no_call() -> None:
    call = at_main(**THEME, operator_on=False, withheld=True, callback_on=False).press("3")
    assert call.heard == ("theme_chosen", "message_number", "theme_message")
    assert call.silent().heard == ("goodbye",)


# ---- key 5 ---------------------------------------------------------------------------------------
def test_departments_are_read_out_and_chosen_by_key() -> None:
    call = at_main().press("5")
    assert (call.node, call.effects) == ("departments", [because("department")])
    assert "骨科请按1。 眼科请按2。" in call.text
    assert "Eyes, press 2." in call.press("8").text
    call.press("2")
    assert call.effects[0] == ("picked", {"what": "departments", "value": "eyes"})
    assert isinstance(call.turn.output, Connect)
    assert call.turn.output.target == "operator"


def test_a_department_with_its_own_number_is_rung_there_and_then_the_desk() -> None:
    call = at_main(department_number=True).press("5", "1")
    assert isinstance(call.turn.output, Connect)
    assert call.turn.output.target == "theme"
    call.does(NotConnected("no_answer"))
    assert isinstance(call.turn.output, Connect)
    assert (call.turn.output.target, call.heard) == ("operator", ("department_busy", "operator"))


def test_without_departments_the_desk_asks() -> None:
    call = Call.told("hotline", {**at_main().facts, "departments": (), "departments.en": ()}).silent().press("5")
    assert (call.node, call.effects) == ("operator_call", [because("department"), WANTS_A_PERSON])


@pytest.mark.parametrize("key", ["3", "7", "*", ""])
def test_a_key_that_is_no_department_is_asked_for_again_and_then_a_person(key: str) -> None:
    call = at_main().press("5", key)
    assert (call.node, call.session.tries) == ("departments", 1)
    assert call.press(key, key).effects == LAST_TRY


# ---- who rings -----------------------------------------------------------------------------------
def test_an_agent_may_sign_in_or_use_the_hotline() -> None:
    call = at_main(agent_known=True)
    assert call.heard == ("agent_menu", "main_lang")
    assert goes_on(call.press("1")) == ("agent_sign", "signed")
    assert at_main(agent_known=True).press("2").node == "day"
    assert at_main(agent_known=True, ring_back=True).press("2").node == "ring_back"


def test_whoever_holds_an_agents_telephone_and_says_nothing_gets_the_hotline() -> None:
    assert at_main(agent_known=True).silent(2).node == "day"


# ---- failures and people -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        ({}, ()),
        (NIGHT, ()),
        (HOLIDAY, ()),
        ({}, ("3",)),
        *[({}, ("3", key)) for key in "1234"],
        (NIGHT, ("2",)),
        ({}, ("5",)),
    ],
)
def test_three_failures_lead_to_a_person_not_to_a_hang_up(facts: dict[str, Fact], keys: tuple[str, ...]) -> None:
    call = at_main(**facts).press(*keys).press("", "*", "")
    assert call.effects == LAST_TRY
    assert call.heard == ("last_try", "operator")
    assert isinstance(call.turn.output, Connect)
    assert call.turn.output.target == "operator"


def test_without_anybody_three_failures_lead_to_a_message_and_promise_nobody() -> None:
    call = at_main(operator_on=False).press("", "", "")
    assert call.heard == ("operator_none", "message_now")
    assert isinstance(call.turn.output, Take)


@pytest.mark.parametrize("reason", ["busy", "no_answer", "failed", "declined", "refused"])
def test_an_operator_who_does_not_answer_leaves_the_caller_a_message(reason: str) -> None:
    call = at_main().press("0").does(NotConnected(reason))  # type: ignore[arg-type]
    assert call.heard == ("operator_busy", "message_now")
    call.does(Recorded("RE1", 12))
    assert call.effects == [
        ("message_taken", {"purpose": "message", "recording_sid": "RE1", "seconds": 12}),
        ("ticket_wanted", {"kind": "message"}),
    ]
    assert call.heard == ("message_thanks", "goodbye")


def test_a_message_of_a_hidden_number_is_not_promised_a_call() -> None:
    call = at_main(withheld=True, callback_on=False, operator_on=False).press("0")
    assert call.heard == ("operator_none", "message_number", "message_now")
    assert call.does(Recorded("RE1", 12)).heard == ("message_kept", "goodbye")


def test_after_the_talk_a_goodbye() -> None:
    call = at_main().press("0").does(Connected(64))
    assert isinstance(call.turn.output, Bye)
    assert call.heard == ("talked",)
    assert call.session.ended


def test_an_empty_message_is_asked_for_once_more_and_then_ends_with_words() -> None:
    call = at_main(**NIGHT).press("3").does(Recorded("RE3", 0))
    assert (call.node, call.heard) == ("message_again", ("message_again",))
    call.silent()
    assert call.heard == ("message_none", "emergency_again", "goodbye")
    assert call.all_effects == [because("message")]


def test_every_flow_the_hotline_goes_on_in_leads_back_to_its_people() -> None:
    for name in ("appointments", "complaints", "agent_sign"):
        flow = FLOWS[name]
        assert flow.operator is not None
        node = flow.nodes[flow.operator]
        assert node.model_dump(include={"type", "flow", "node"}) == {
            "type": "continue", "flow": "hotline", "node": "operator",
        }, name  # fmt: skip


def test_the_places_other_flows_go_on_at_are_there() -> None:
    assert {"operator", "main", "left_message", "hang_up"} <= FLOWS["hotline"].nodes.keys()


def test_a_hurried_agent_is_understood() -> None:
    call = Call("hotline", agent_known=True).does(Keys("2"))
    assert call.node == "day"
