"""Whatever anybody does on any shipped flow: an answer, never an exception, never silence, always an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ivr_call import ALL_FACTS, FLOWS, GONE_ON_IN, PROMPTS, Call, names_of, onward

from ivr import talk
from ivr.engine import MAX_TURNS, start, step
from ivr.flow import FlowError
from ivr.talk import EFFECTS, Event, Fact, Silence, Turn
from ivr.twiml import DialPlan, WaitPlan, render

PLAN = DialPlan("+8613800001111", "+862155550100", "https://h/screen", "https://h/status")
QUESTIONS = sorted(FLOWS["followup"].asked.questions)
WAITED = ("bridged", "nurse", "hung_up", "closed", "error")
INBOUND = sorted({"hotline", *GONE_ON_IN} & FLOWS.keys())
REASONS = ("busy", "no_answer", "failed", "declined", "refused")

presses = st.one_of(
    st.sampled_from(["1", "2", "3", "0", "9", "8", "7", "*", "#", "10", "05", "0506", "13800001111"]),
    st.text("0123456789*#", min_size=1, max_size=4),
    st.text(min_size=1, max_size=3),
).map(talk.Keys)
events: st.SearchStrategy[Event] = st.one_of(
    presses,
    presses,
    st.just(Silence()),
    st.builds(talk.Recorded, st.just("RE1"), st.integers(0, 120), st.booleans()),
    st.builds(talk.Connected, st.integers(0, 900)),
    st.builds(talk.NotConnected, st.sampled_from(REASONS)),
    st.sampled_from([talk.Resumed(), talk.Started(), talk.Matched()]),
    st.builds(talk.Left, st.sampled_from([*WAITED, "callback", "message", "overflow"])),
)


@st.composite
def facts_of(draw: st.DrawFn, flow: str) -> dict[str, Fact]:
    """Every flag either way, every optional fact there, blank or absent, a list as long as it may be; of the flow, and
    of all it may go on in."""
    flows = [*INBOUND, "followup"] if flow in INBOUND else [flow]
    facts: dict[str, Fact] = {}
    for one in reversed(flows):
        facts |= ALL_FACTS[one]
    for name, kind in [pair for one in flows for pair in FLOWS[one].facts.items()]:
        if kind == "flag":
            facts[name] = draw(st.booleans())
        elif kind.startswith("list") and draw(st.booleans()):
            facts = {key: fact for key, fact in facts.items() if not key.startswith(f"{name}.")}
            facts[name] = tuple(f"item {number}" for number in range(draw(st.integers(0, 9))))
        elif kind.endswith("?") and draw(st.booleans()):
            facts = {key: fact for key, fact in facts.items() if key.split(".")[0] != name}
        elif kind == "secret?":
            facts[name] = "2468"
        elif kind == "text?" and draw(st.booleans()):
            facts[name] = ""
    if "followup" in flows:
        facts["questions"] = " ".join(draw(st.lists(st.sampled_from(QUESTIONS), unique=True, max_size=4)))
    return facts


def hears(turn: Turn, event: Event, facts: dict[str, Fact]) -> Turn:
    """The next turn, wherever the call goes on."""
    return onward(step(FLOWS[turn.session.flow], turn.session, event, facts, PROMPTS), facts)


def check_turn(turn: Turn) -> None:
    output = turn.output
    document = render(
        output,
        "https://h/turn",
        prompts=PROMPTS,
        start_recording=turn.start_recording,
        start_callback_url="https://h/rec",
        take_callback_url="https://h/message",
        dial=PLAN if isinstance(output, talk.Connect) else None,
        wait=WaitPlan("e-1", "https://h/wait") if isinstance(output, talk.Wait) else None,
    )
    assert "{" not in document, "a variable was left unfilled"
    if isinstance(output, talk.Ask):
        assert output.lines
        assert output.timeout_s >= 1
        assert output.finish or output.max_digits
    elif isinstance(output, talk.Bye):
        assert output.lines
    assert turn.session.ended == isinstance(output, talk.Bye | talk.Join)
    assert set(names_of(turn)) <= EFFECTS.keys()


def silences_to_the_end(turn: Turn, facts: dict[str, Fact]) -> int:
    count = 0
    while not turn.session.ended:
        turn = hears(turn, answer_of_nobody(turn), facts)
        check_turn(turn)
        count += 1
        assert count <= 25, f"silence does not end at {turn.session.node}"
    return count


def answer_of_nobody(turn: Turn) -> Event:
    if isinstance(turn.output, talk.Connect):
        return talk.NotConnected("no_answer")
    if isinstance(turn.output, talk.Wait):
        return talk.Left("error")
    return talk.Resumed() if isinstance(turn.output, talk.Hold) else Silence()


@pytest.mark.parametrize("flow", sorted(FLOWS))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_caller(flow: str, data: st.DataObject) -> None:
    facts = data.draw(facts_of(flow))
    language = data.draw(st.sampled_from(["zh-CN", "en", "fr"]))
    turns = [onward(start(FLOWS[flow], language, facts, PROMPTS), facts)]
    check_turn(turns[0])
    for event in data.draw(st.lists(events, max_size=25)):
        if turns[-1].session.ended:
            break
        turns.append(hears(turns[-1], event, facts))
        check_turn(turns[-1])
        assert turns[-1].session.turn > turns[-2].session.turn
    assert silences_to_the_end(turns[-1], facts) <= 25
    check_story(turns)


def check_story(turns: list[Turn]) -> None:
    keyed: int | None = None
    for effect in (effect for turn in turns for effect in turn.effects):
        if effect.name == "score_keyed":
            keyed = int(effect.data["score"])
        elif effect.name == "score_withdrawn":
            assert keyed is not None
            keyed = None
        elif effect.name == "score_confirmed":
            assert effect.data["score"] == keyed
    last = turns[-1].session
    if last.ended and last.score is not None:
        assert last.score_confirmed, "a score once keyed is never lost"
    recordings = [turn for turn in turns if turn.start_recording]
    assert len(recordings) <= (last.recording == "on")
    outcomes = [name for turn in turns for name in names_of(turn) if name == "outcome"]
    assert len(outcomes) <= 1


@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_silence_from_the_first_word_ends_soon(flow: str) -> None:
    facts = {**(ALL_FACTS["hotline"] if flow in INBOUND else {}), **ALL_FACTS[flow]}
    assert silences_to_the_end(onward(start(FLOWS[flow], "zh-CN", facts, PROMPTS), facts), facts) <= 10


@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_a_stored_node_that_is_gone_goes_to_lost(flow: str) -> None:
    call = Call(flow)
    gone = replace(call.session, node="renamed_yesterday", version="000000000000")
    facts = {**ALL_FACTS["hotline"], **call.facts} if flow in INBOUND else call.facts
    turn = onward(step(FLOWS[flow], gone, talk.Keys("1"), facts, PROMPTS), facts)
    check_turn(turn)
    assert turn.output.lines  # type: ignore[union-attr]


def test_a_key_stuck_on_repeat_ends_with_a_goodbye() -> None:
    call = Call("hotline")
    while not call.session.ended:
        call.press("9")
    assert call.session.turn == MAX_TURNS + 1
    assert call.heard[0] == "over"


def test_a_step_after_the_end_is_a_mistake_of_the_house() -> None:
    call = Call("doctor").press("2")
    with pytest.raises(ValueError, match="after the end"):
        call.press("1")
    with pytest.raises(ValueError, match="is of flow doctor"):
        step(FLOWS["hotline"], Call("doctor").session, Silence(), ALL_FACTS["hotline"], PROMPTS)


def test_a_forgotten_fact_is_told_on_the_first_turn_not_deep_in_a_call() -> None:
    facts = dict(ALL_FACTS["hotline"])
    del facts["minutes"]
    with pytest.raises(FlowError, match="hotline: fact 'minutes' is missing"):
        start(FLOWS["hotline"], "zh-CN", facts, PROMPTS)
    with pytest.raises(FlowError, match="'minutes' is not a number"):
        start(FLOWS["hotline"], "zh-CN", {**facts, "minutes": "5"}, PROMPTS)


def test_with_one_language_key_eight_only_repeats() -> None:
    alone = type(PROMPTS)({"en": PROMPTS.voices["en"]})
    turn = start(FLOWS["hotline"], "zh-CN", ALL_FACTS["hotline"], alone)
    assert turn.session.language == "en"
    for key in ("9", "8"):
        turn = step(FLOWS["hotline"], turn.session, talk.Keys(key), ALL_FACTS["hotline"], alone)
        assert turn.effects == ()
        assert turn.session.node == "day"


INFORMED = {"opening_hours", "insurance", "parking", "way", "emergency_room"}


def was_served(turns: list[Turn]) -> bool:
    """A person was rung or waited for, a message could be left, a score was taken, or something was told."""
    return any(
        isinstance(turn.output, talk.Connect | talk.Wait | talk.Take)
        or turn.session.node in INFORMED
        or turn.session.flow == "followup"
        or "score_confirmed" in names_of(turn)
        for turn in turns
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_caller_keys_they_reach_a_person_a_message_information_or_help_for_their_pain(
    data: st.DataObject,
) -> None:
    """By day, at night and on holidays, with and without anybody to ask: no call comes to nothing."""
    facts = data.draw(facts_of("hotline"))
    turns = [start(FLOWS["hotline"], "zh-CN", facts, PROMPTS)]
    for keys in data.draw(st.lists(st.sampled_from([*"0123456789*#", "", "0506", "7", "13800001111"]), max_size=12)):
        if turns[-1].session.ended:
            break
        asked = isinstance(turns[-1].output, talk.Ask)
        event = (talk.Keys(keys) if keys else Silence()) if asked else answer_of_nobody(turns[-1])
        turns.append(hears(turns[-1], event, facts))
    while not turns[-1].session.ended:
        turns.append(hears(turns[-1], answer_of_nobody(turns[-1]), facts))
    assert was_served(turns)
    assert isinstance(turns[-1].output, talk.Bye)
    assert turns[-1].output.lines
