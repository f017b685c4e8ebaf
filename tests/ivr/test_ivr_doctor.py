"""The doctor's call and the two screening documents: the flows by themselves, and in the hands of any doctor."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ivr_call import ALL_FACTS, FLOWS, PROMPTS, Call

from dialer.doctor import CALL_LATER
from dialer.escalation import OUTCOMES
from ivr import engine
from ivr.briefing import LONGEST_S, Told, answer_words, heard_words, prompt_of, sign_words, signs
from ivr.lengths import seconds
from ivr.nodes import Menu
from ivr.talk import (
    Bye,
    Connect,
    Connected,
    Continue,
    Event,
    Fact,
    Hold,
    Join,
    Keys,
    NotConnected,
    Resumed,
    Silence,
    Turn,
)
from ivr.twiml import render


def accepted(**facts: Fact) -> Call:
    return Call("doctor", **facts).press("1")


def unreached(**facts: Fact) -> Call:
    return accepted(**facts).does(NotConnected("no_answer")).does(NotConnected("no_answer"))


# ---- the alert -----------------------------------------------------------------------------------
def test_the_alert_gives_the_reason_and_no_name() -> None:
    call = Call("doctor")
    assert call.heard == ("doc_call", "doc_score", "doc_signs", "doc_hours", "doc_dept", "doc_keys")
    assert "疼痛7分" in call.text
    assert "胸痛" in call.text
    assert "术后6小时" in call.text
    assert "王" not in call.text


def test_what_a_machine_heard_is_told_apart_before_and_after_the_key() -> None:
    words = "敷料渗血，3小时前所说"
    call = Call("doctor", heard=words)
    assert call.heard == ("doc_call", "doc_score", "doc_signs", "doc_heard", "doc_hours", "doc_dept", "doc_keys")
    assert f"机器从留言中听到警示词，尚未核实：{words}" in call.text
    assert "doc_heard" in call.press("1").heard
    assert "doc_heard" in Call("night", heard=words).heard


@pytest.mark.parametrize(
    ("minutes", "en", "zh"),
    [
        (0, "1 minute ago", "1分钟前"), (1, "1 minute ago", "1分钟前"), (20, "20 minutes ago", "20分钟前"),
        (119, "119 minutes ago", "119分钟前"), (120, "2 hours ago", "2小时前"), (700, "11 hours ago", "11小时前"),
    ],
)  # fmt: skip
def test_how_long_ago_it_was_said_is_spoken(minutes: int, en: str, zh: str) -> None:
    for language, ago in (("en", f", said {en}"), ("zh-CN", f"，{zh}所说")):
        voice = PROMPTS.voices[language]
        assert heard_words(["bleeding"], minutes, voice) == voice.prompts["sign_bleeding"] + ago
        assert heard_words([], minutes, voice) == ""


def test_a_caller_in_no_file_is_announced_as_such() -> None:
    stranger: dict[str, Fact] = {
        **{"known": False, "score": 8, "recording_on": True, "later": 2},
        **{"waits": True, "mine": True, "talked": False, "more": False},
    }
    call = Call.told("doctor", stranger)
    assert call.heard == ("doc_call_unknown", "doc_score", "doc_keys")
    call.press("1")
    assert call.heard == ("doc_patient_unknown", "doc_allergy_unknown", "doc_connect")


def test_zero_hours_and_age_zero_are_known() -> None:
    assert "doc_hours" in Call("doctor", hours=0).heard
    assert "doc_age" in accepted(age=0).heard


def test_passing_on() -> None:
    call = Call("doctor").press("2")
    assert (call.effects, call.heard) == ([("declined", {})], ("doc_passed_on", "doc_done"))


@pytest.mark.parametrize("keys", [("", ""), ("5", ""), ("0", "#", "7")])
def test_two_failures_are_no_key_and_a_machine_is_offered_nobody_else(keys: tuple[str, ...]) -> None:
    call = Call("doctor", more=True).press(*keys)
    assert (call.effects, call.heard) == ([("no_key", {})], ("doc_no_key",))


# ---- the acceptance ------------------------------------------------------------------------------
def test_accepting_tells_who_it_is_and_joins_the_patient() -> None:
    call = accepted()
    assert call.effects == [("accepted", {})]
    assert call.heard == (
        *("doc_patient", "doc_age", "doc_allergy", "doc_hours", "doc_signs", "doc_moving", "doc_answers"),
        "doc_connect",
    )
    assert "王女士" in call.text
    assert "体温38度以上" in call.text
    assert call.turn.output == Connect(call.turn.output.lines, "patient")  # type: ignore[union-attr]
    assert call.turn.start_recording


def test_without_recording_none_is_announced_or_started() -> None:
    call = accepted(recording_on=False)
    assert call.heard[-1] == "doc_connect_plain"
    assert not call.turn.start_recording


def test_who_was_slower_hears_so_and_no_name() -> None:
    call = accepted(mine=False)
    assert call.heard == ("doc_taken", "doc_done")
    assert "王" not in call.text


def test_a_pin_stands_before_the_name() -> None:
    call = accepted(pin="2468")
    assert call.heard == ("doc_pin",)
    call.press("2468")
    assert call.heard[0] == "doc_patient"
    assert "2468" not in str(call.turns), "what was keyed is kept nowhere"


@pytest.mark.parametrize("wrong", ["1111", "", "*", "24680", "0", "#"])
def test_three_wrong_pins_pass_on(wrong: str) -> None:
    call = accepted(pin="2468").press(wrong, wrong)
    assert call.heard[0] in ("doc_pin_wrong", "doc_pin_silent")
    call.press(wrong)
    told = [("pin_wrong", {})] if wrong.strip("#") else []
    assert (call.effects, call.heard) == ([*told, ("no_pin", {})], ("doc_no_pin", "doc_done"))
    assert "王" not in call.text


# ---- the patient ---------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["busy", "refused"])
def test_an_engaged_patient_is_tried_again_after_three_seconds(reason: str) -> None:
    call = accepted().does(NotConnected(reason))  # type: ignore[arg-type]
    assert isinstance(call.turn.output, Hold)
    assert (call.turn.output.pause_s, call.heard) == (3, ("doc_engaged",))
    call.does(Resumed())
    assert isinstance(call.turn.output, Connect)
    assert not call.turn.start_recording, "the recording runs already"
    assert call.does(Connected(90)).heard == ("doc_talked", "doc_outcome")


def test_a_patient_somebody_helped_meanwhile_is_not_waited_for() -> None:
    call = accepted().does(NotConnected("refused"))
    call.facts = {**call.facts, "mine": False}
    assert call.does(Resumed()).heard == ("doc_taken", "doc_done")


@pytest.mark.parametrize("reason", ["no_answer", "failed", "declined"])
def test_a_patient_who_does_not_answer_is_rung_again_once(reason: str) -> None:
    call = accepted().does(NotConnected(reason))  # type: ignore[arg-type]
    assert isinstance(call.turn.output, Connect)
    assert call.heard == ("doc_no_answer",)
    assert call.does(NotConnected(reason)).heard == ("doc_unreached", "doc_what_now")  # type: ignore[arg-type]


def test_an_engaged_line_ends_the_waiting_as_well() -> None:
    call = accepted()
    for _ in range(5):
        call.does(NotConnected("busy")).does(Resumed())
    call.does(NotConnected("busy")).does(Resumed())
    assert call.heard == ("doc_unreached", "doc_what_now")


def test_trying_again_counts_afresh() -> None:
    call = unreached().press("1")
    assert (call.effects, call.session.connects) == ([("try_again", {})], 1)
    assert isinstance(call.turn.output, Connect)
    assert isinstance(call.does(NotConnected("no_answer")).turn.output, Connect)
    assert call.does(NotConnected("no_answer")).heard == ("doc_unreached", "doc_what_now")


def test_calling_later() -> None:
    call = unreached().press("2")
    assert call.effects == [("doctor_said", {"what": CALL_LATER})]
    assert call.heard == ("doc_later", "doc_done")


@pytest.mark.parametrize(("key", "what"), list(zip("123456", OUTCOMES, strict=True)))
def test_every_outcome_has_a_key_with_and_without_a_talk(key: str, what: str) -> None:
    for call in (unreached().press("3"), accepted().does(Connected(60))):
        assert call.heard[-1] == "doc_outcome"
        call.press(key)
        assert call.effects == [("doctor_said", {"what": what})]
        assert call.heard == ("doc_noted", "doc_done")


def test_silence_says_nothing_after_a_talk_and_passes_on_without_one() -> None:
    assert accepted().does(Connected(60)).silent(2).heard == ("doc_done",)
    for call in (unreached(), unreached().press("3")):
        assert call.silent(3).heard == ("doc_given_up",)
        assert not call.effects


def test_a_talk_that_was_too_short() -> None:
    call = accepted(talked=False).does(Connected(3))
    assert call.heard == ("doc_short", "doc_what_now")
    assert isinstance(call.press("1").turn.output, Connect)


# ---- another patient -----------------------------------------------------------------------------
def test_the_next_patient_is_announced_without_a_name_and_recorded_apart() -> None:
    call = accepted(more=True).does(Connected(60))
    assert call.session.recording == "on"
    call.press("6")
    assert [name for name, _ in call.effects] == ["doctor_said", "next_wanted"]
    assert call.heard[:3] == ("doc_noted", "doc_another", "doc_call")
    assert "王" not in call.text
    assert (call.session.recording, call.session.connects, call.turn.stop_recording) == ("off", 0, True)
    document = render(call.turn.output, "https://h/turn", prompts=PROMPTS, stop_recording=True)
    assert "<Response><Stop><Recording /></Stop>" in document
    assert call.press("1").turn.start_recording, "the second talk has a recording of its own"


def test_a_pin_is_asked_for_once_in_a_call() -> None:
    call = accepted(pin="2468", more=True).press("2468").does(Connected(60)).press("1")
    assert call.press("1").heard[0] == "doc_patient"


def test_a_next_patient_somebody_has_taken_in_this_moment() -> None:
    call = Call("doctor", more=True, waits=False).press("2")
    assert call.heard == ("doc_passed_on", "doc_another", "doc_nobody", "doc_done")


# ---- any doctor ----------------------------------------------------------------------------------
NAME = "Onlyname"
PIN = "2468"
keys = st.sampled_from(["1", "1", "1", "2", "3", "6", "9", "8", "0", "#", "*", PIN, "1111", ""])


class Desk:
    """The house as the doctor's flow sees it, which tells him the name at every moment."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw
        self.has_pin = draw.draw(st.booleans())
        self.facts: dict[str, Fact] = {**ALL_FACTS["doctor"], "surname": NAME, "mine": False, "talked": False}
        self.facts["more"] = draw.draw(st.booleans())
        if self.has_pin:
            self.facts["pin"] = PIN
        self.has_patient = self.pin_keyed = False
        self.turn = engine.start(FLOWS["doctor"], "en", self.facts, PROMPTS)

    def hear(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.facts["talked"] = self.draw.draw(st.booleans())
            self.facts["mine"] = not self.facts["talked"]
        self.pin_keyed |= self.turn.session.node == "pin" and event == Keys(PIN)
        self.told(engine.step(FLOWS["doctor"], self.turn.session, event, self.facts, PROMPTS))
        while isinstance(self.turn.output, Continue):
            self.told(engine.go_on(FLOWS["doctor"], self.turn.session, self.turn.output.node, self.facts, PROMPTS))

    def told(self, turn: Turn) -> None:
        self.turn = turn
        lines = getattr(turn.output, "lines", ())
        for name in (effect.name for effect in turn.effects):
            if name == "accepted":
                self.has_patient = self.draw.draw(st.booleans())
                self.facts |= {"mine": self.has_patient, "waits": False}
            elif name in ("doctor_said", "no_pin"):
                self.facts["mine"] = False
            elif name == "next_wanted":
                self.has_patient = False
                fresh: dict[str, Fact] = {"mine": False, "talked": False, "waits": self.draw.draw(st.booleans())}
                self.facts |= {**fresh, "more": self.draw.draw(st.booleans())}
        if any(NAME in line.text for line in lines):
            assert self.has_patient
            assert self.pin_keyed or not self.has_pin


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_a_doctor_presses_no_name_comes_before_its_time_and_the_end_is_a_goodbye(data: st.DataObject) -> None:
    desk = Desk(data)
    reached = st.sampled_from([Connected(60), NotConnected("no_answer"), NotConnected("busy")])
    for _ in range(data.draw(st.integers(0, 25))):
        desk.hear(_next(desk.turn, data.draw(keys), data.draw(reached)))
        if desk.turn.session.ended:
            break
    for _ in range(60):
        if desk.turn.session.ended:
            break
        desk.hear(_next(desk.turn, "", NotConnected("no_answer")))
    assert isinstance(desk.turn.output, Bye)
    assert desk.turn.output.lines[-1].prompt in {"doc_done", "doc_no_key", "doc_given_up", "doc_lost"}


def _next(turn: Turn, key: str, reached: Event) -> Event:
    if isinstance(turn.output, Connect):
        return reached
    if isinstance(turn.output, Hold):
        return Resumed()
    return Keys(key) if key else Silence()


def test_every_code_a_doctor_can_key_is_known_to_the_house() -> None:
    keyed = {
        edge.effect.data["what"]
        for node in FLOWS["doctor"].nodes.values()
        if isinstance(node, Menu)
        for edge in node.keys.values()
        if edge.effect is not None and edge.effect.name == "doctor_said"
    }
    assert keyed == {CALL_LATER, *OUTCOMES}


# ---- what the patient has answered ---------------------------------------------------------------
EVERYTHING = [
    Told(key, meaning.value, meaning.level)
    for key, question in FLOWS["followup"].asked.questions.items()
    for meaning in question.keys.values()
]


@pytest.mark.parametrize("language", PROMPTS.languages)
def test_a_warning_sign_is_never_missing_and_the_rest_takes_a_few_seconds(language: str) -> None:
    voice = PROMPTS.voices[language]
    raised = signs(["fever"], EVERYTHING)
    assert raised[0] == "fever"
    assert set(raised) == {told.question for told in EVERYTHING if told.level in ("A", "B")}
    said = sign_words(raised, voice)
    assert all(voice.prompts[f"sign_{key}"] in said for key in raised)
    assert answer_words(EVERYTHING, said, voice) == "", "the signs alone fill the time"
    rest = answer_words(EVERYTHING, "", voice)
    assert rest.startswith(voice.prompts["told_limb_numb"]), "what a nurse would act on comes first"
    assert 0 < seconds(rest, language) <= LONGEST_S


def test_what_is_in_order_comes_last_and_what_has_no_words_is_not_told() -> None:
    told = [Told("fluids", "no", ""), Told("fever", "not_measured", ""), Told("medicine", "no", "C")]
    told += [Told("walking", "yes", ""), Told("pain", "7", ""), Told("message", "RE1", "")]
    words = answer_words(told, "", PROMPTS.voices["en"])
    assert words == "not taking medicine as told, temperature not measured, no vomiting"
    assert prompt_of("fever", "from_38.0") == "told_fever_from_38_0"


# ---- the screening documents ---------------------------------------------------------------------
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
