"""The line and the agents over signed webhooks: what a caller and an agent hear, and what the house makes of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import events
from core.house import House
from desk import queue_due
from desk.models import QueueEntry
from dialer.models import Agent, Attempt, Call
from tests.desk.desk_house import AGENT_PHONES, CALLERS, Hall

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ivr"))
from ivr_line import Document, Line, Switch

CALLER = CALLERS[0]


class Floor(Hall):
    """The hall with the carrier's side of it."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.switch = Switch(house)

    def in_line(self, number: str = CALLER, *keys: str) -> Line:
        """A caller who asked for a person in English and stands in line."""
        line = self.switch.line()
        line.rings(number)
        line.does()
        line.english()
        line.press(*keys, "0")
        return line

    def meanwhile(self, line: Line, **form: str) -> Document:
        assert line.last is not None
        kept = line.last
        heard = line.ask(kept.find("Enqueue").attrib["waitUrl"], **form)
        line.last = kept
        return heard

    def agent_line(self) -> Line:
        """The ring at the agent, answered."""
        with self.house.transaction() as session:
            queue_due.due(session, self.now)
        [ring] = self.live_rings()
        with self.house.transaction() as session:
            self.switch.posted(session, session.get_one(Attempt, ring.id))
        ring = self.attempt(ring)
        line = self.switch.line_of(ring)
        line.answers(ring)
        return line

    def attempt(self, ring: Attempt) -> Attempt:
        with self.house.transaction() as session:
            return session.get_one(Attempt, ring.id)

    def entry(self) -> QueueEntry:
        return self.entries()[-1]


@pytest.fixture
def floor(house: House) -> Floor:
    return Floor(house)


def ends(line: Line, path: str, **form: str) -> None:
    answer = line.switch.post(path, {"CallSid": line.sid} | form)
    assert answer.status_code == 204


# ---- waiting -------------------------------------------------------------------------------------
def test_a_caller_stands_in_a_queue_of_their_own_and_hears_their_place(floor: Floor) -> None:
    floor.agent()
    floor.enters(CALLERS[1])
    floor.forward(seconds=1)
    line = floor.in_line()
    assert line.last is not None
    queue = line.last.find("Enqueue")
    assert queue.text == f"d-{floor.entry().id}"
    assert queue.attrib["maxQueueSize"] == "1"
    assert CALLER not in line.last.text
    first = floor.meanwhile(line, QueueTime="0")
    assert "You are in line" in first.said
    assert "press 1" in first.said
    later = floor.meanwhile(line, QueueTime="21")
    assert "Callers before you: 1." in later.said
    assert str(later.find("Play").text).endswith("/ivr/music.wav")
    assert floor.meanwhile(line, QueueTime="22", Digits="5").verbs == ["Gather"]


def test_key_one_leads_to_a_call_back_and_key_two_to_a_message(floor: Floor) -> None:
    floor.agent()
    for key, words, mode in (("1", "We will call you back", "callback"), ("2", "After the beep", "line")):
        line = floor.in_line(CALLERS[int(key)])
        assert floor.meanwhile(line, QueueTime="9", Digits=key).verbs == ["Leave"]
        assert words in line.does(QueueResult="leave").said
        assert floor.entry().mode == mode
    assert [entry.status for entry in floor.entries()] == ["waiting", "message"]


def test_who_has_waited_as_long_as_anybody_should_is_asked_for_a_message(floor: Floor) -> None:
    floor.agent(skills=("theme",), languages=("zh-CN",), state="ready")
    line = floor.in_line()
    floor.forward(seconds=180)
    assert floor.meanwhile(line, QueueTime="180").verbs == ["Leave"]
    assert "After the beep" in line.does(QueueResult="leave").said
    assert (floor.entry().status, floor.entry().why) == ("message", "overflow")


def test_when_the_last_agent_signs_off_the_caller_gets_the_operator(floor: Floor) -> None:
    floor.agent()
    line = floor.in_line()
    with floor.house.transaction() as session:
        session.execute(sa.update(Agent).values(status="off"))
    assert floor.meanwhile(line, QueueTime="9").verbs == ["Leave"]
    heard = line.does(QueueResult="leave")
    assert "nobody at the desk" in heard.said
    assert heard.find("Number") is not None
    assert (floor.entry().status, floor.entry().why) == ("cancelled", "closed")


@pytest.mark.parametrize("result", ["queue-full", "system-error", "redirected", "brand-new"])
def test_a_wait_that_breaks_off_leads_to_a_person(floor: Floor, result: str) -> None:
    floor.agent()
    line = floor.in_line()
    heard = line.does(QueueResult=result)
    assert "could not keep you waiting" in heard.said
    assert heard.find("Dial") is not None
    assert floor.entry().why == "error"


def test_a_hang_up_in_line_becomes_a_call_back_whatever_is_told_first(floor: Floor) -> None:
    floor.agent()
    for told_first in (True, False):
        line = floor.in_line(CALLERS[2 + told_first])
        floor.forward(seconds=20)
        if told_first:
            line.hangs_up()
        line.does(QueueResult="hangup", CallStatus="completed")
        if not told_first:
            line.hangs_up()
        entry = floor.entry()
        assert (entry.status, entry.mode, entry.origin) == ("waiting", "callback", "abandoned")


def test_without_agents_the_way_to_a_person_is_the_old_one(floor: Floor) -> None:
    line = floor.in_line()
    assert line.last is not None
    assert line.last.find("Number") is not None
    assert floor.entries() == []


# ---- the agent -----------------------------------------------------------------------------------
def test_an_agent_hears_why_takes_the_caller_out_of_the_queue_and_notes_what_came_of_it(floor: Floor) -> None:
    floor.patient(CALLER)
    floor.agent("kim")
    caller = floor.in_line()
    floor.forward(seconds=65)
    agent = floor.agent_line()
    assert agent.last is not None
    heard = agent.last.said
    assert "a caller is waiting" in heard
    assert "English, waiting for 1 minutes" in heard
    assert "Example" not in heard, "nobody's name before a key"
    taken = agent.press("1")
    assert "Ms. Example" in taken.said
    assert taken.find("Queue").text == f"d-{floor.entry().id}"
    url = taken.find("Queue").attrib["url"]
    kept = caller.last
    assert "A staff member is on the line" in caller.ask(url).said
    caller.last = kept
    assert floor.entry().status == "joined"
    assert floor.who("kim").status == "talking"
    floor.forward(seconds=100)
    after = agent.does(DialCallStatus="completed", DialBridged="true", DialCallDuration="100")
    assert "What came of it" in after.said
    assert "Goodbye" in caller.does(QueueResult="bridged").said
    assert "Noted" in agent.press("1").said
    agent.hangs_up()
    entry = floor.entry()
    assert (entry.status, entry.talk_s, entry.outcome) == ("served", 100, "solved")
    assert floor.who("kim").status == "wrap_up"


@pytest.mark.parametrize("first", ["agent", "caller"])
@pytest.mark.parametrize("announced", [True, False])
def test_who_loses_the_agent_in_the_moment_of_the_joining_is_first_in_line_again(
    floor: Floor, first: str, announced: bool
) -> None:
    floor.agent("kim")
    caller = floor.in_line()
    floor.forward(seconds=30)
    floor.enters(CALLERS[1])
    agent = floor.agent_line()
    url = agent.press("1").find("Queue").attrib["url"]
    if announced:
        kept = caller.last
        caller.ask(url)
        caller.last = kept
    if first == "agent":
        agent.hangs_up()
    heard = caller.does(QueueResult="error")
    if first == "caller":
        agent.hangs_up()
    entry = floor.entries()[0]
    assert heard.find("Enqueue").text == f"d-{entry.id}", "not at the operator's, nor before a beep"
    assert (entry.status, entry.mode, entry.agent_id) == ("waiting", "line", None)
    assert "passed_on" in floor.ledger(entry.id)
    floor.agent("lee")
    floor.tick()
    assert floor.live_rings()[0].subject_id == entry.id, "before the other one"


def test_who_loses_one_agent_after_the_other_is_given_to_the_operator_at_last(floor: Floor) -> None:
    for name in ("kim", "lee", "may", "ned"):
        floor.agent(name)
    caller = floor.in_line()
    for _ in range(3):
        agent = floor.agent_line()
        agent.press("1")
        agent.hangs_up()
        assert caller.does(QueueResult="error").find("Enqueue") is not None
    agent = floor.agent_line()
    agent.press("1")
    agent.hangs_up()
    assert "Enqueue" not in caller.does(QueueResult="error").verbs
    assert floor.entry().status == "cancelled"


def test_a_wait_that_breaks_off_by_itself_goes_to_the_operator_as_ever(floor: Floor) -> None:
    """No agent had taken them: this carrier has no queues."""
    floor.agent("kim")
    caller = floor.in_line()
    assert "Enqueue" not in caller.does(QueueResult="error").verbs
    assert floor.entry().status == "cancelled"


def test_when_the_agent_they_lost_was_the_last_one_the_operator_is_tried(floor: Floor) -> None:
    floor.agent("kim")
    caller = floor.in_line()
    agent = floor.agent_line()
    agent.press("1")
    with floor.house.transaction() as session:
        session.execute(sa.update(Agent).values(status="off"))
    assert "Enqueue" not in caller.does(QueueResult="error").verbs
    assert floor.entry().status == "cancelled"


def test_a_carrier_that_says_little_of_a_queue_dial_is_understood(floor: Floor) -> None:
    """Without DialBridged and a duration our own ledger knows (docs/twilio.md 2.7)."""
    floor.agent()
    caller = floor.in_line()
    agent = floor.agent_line()
    caller.ask(agent.press("1").find("Queue").attrib["url"])
    floor.forward(seconds=41)
    assert "What came of it" in agent.does(DialCallStatus="completed").said
    assert floor.entry().talk_s == 41


def test_a_caller_who_has_left_is_not_there_for_the_agent(floor: Floor) -> None:
    floor.agent()
    caller = floor.in_line()
    agent = floor.agent_line()
    floor.forward(seconds=6)
    caller.does(QueueResult="hangup", CallStatus="completed")
    assert "no longer there" in agent.press("1").said
    agent.hangs_up()
    assert floor.entry().mode == "callback"


def test_a_machine_that_answers_an_agents_telephone_takes_nobody(floor: Floor) -> None:
    floor.agent("kim")
    floor.in_line()
    agent = floor.agent_line()
    agent.does()
    assert "No key received" in agent.does().said
    agent.hangs_up()
    assert floor.entry().status == "waiting"
    assert floor.who("kim").misses == 1


@pytest.mark.parametrize("key", ["*", "7"])
def test_star_and_other_keys_decide_nothing(floor: Floor, key: str) -> None:
    floor.agent()
    floor.in_line()
    agent = floor.agent_line()
    assert "isn't an option" in agent.press(key).said
    assert [offer.decision for offer in floor.offers()] == [None]
    agent.press("2")
    assert [offer.decision for offer in floor.offers()] == ["declined"]


def test_a_ring_that_is_answered_when_nobody_waits_any_more_says_nothing(floor: Floor) -> None:
    floor.agent()
    caller = floor.in_line()
    floor.tick()
    [ring] = floor.live_rings()
    with floor.house.transaction() as session:
        floor.switch.posted(session, session.get_one(Attempt, ring.id))
    caller.hangs_up()
    ring = floor.attempt(ring)
    assert floor.switch.line_of(ring).answers(ring).hangs_up_at_once


def test_a_hang_up_of_the_agent_gives_the_caller_to_the_next(floor: Floor) -> None:
    floor.agent("kim")
    floor.agent("lee")
    floor.in_line()
    floor.agent_line().hangs_up()
    floor.tick()
    assert {offer.decision for offer in floor.offers()} == {"no_key", None}
    assert (floor.who("kim").status, floor.who("lee").status) == ("ready", "ringing")


# ---- call backs ----------------------------------------------------------------------------------
def test_a_call_back_rings_the_agent_then_the_caller_and_joins_them_by_key(floor: Floor) -> None:
    floor.agent("kim")
    caller = floor.in_line()
    floor.meanwhile(caller, QueueTime="9", Digits="1")
    caller.does(QueueResult="leave")
    caller.hangs_up()
    floor.forward(seconds=6)
    floor.tick()
    agent = floor.agent_line()
    assert agent.last is not None
    assert "a call back is due" in agent.last.said
    dial = agent.press("1")
    number = dial.find("Number")
    assert number.text == CALLER
    [leg] = floor.live_rings("caller")
    told = floor.switch.line()
    heard = told.ask(number.attrib["url"])
    assert "the call back after your call to us" in heard.said
    assert "press 1" in heard.said
    assert told.press("1").verbs == []
    assert floor.entry().status == "joined"
    floor.forward(seconds=50)
    agent.does(DialCallStatus="completed", DialBridged="true", DialCallDuration="50")
    entry = floor.entry()
    assert (entry.status, entry.talk_s, entry.tries) == ("served", 50, 1)
    assert leg.language == "en"


def test_a_call_back_into_a_voicemail_joins_nobody(floor: Floor) -> None:
    floor.agent("kim")
    entry = floor.enters(CALLER)
    floor.leaves(entry, "callback")
    floor.hangs_up(entry)
    floor.forward(seconds=6)
    agent = floor.agent_line()
    told = floor.switch.line()
    told.ask(agent.press("1").find("Number").attrib["url"])
    told.does()
    assert "No key received" in told.does().said
    after = agent.does(DialCallStatus="completed", DialBridged="false")
    assert "could not be reached" in after.said
    assert (floor.entry().status, floor.entry().tries) == ("waiting", 1)


def test_a_leg_of_which_only_the_dial_told_was_rung(floor: Floor) -> None:
    """Every callback about it was lost."""
    floor.agent("kim")
    entry = floor.enters(CALLER)
    floor.leaves(entry, "callback")
    floor.hangs_up(entry)
    floor.forward(seconds=6)
    agent = floor.agent_line()
    agent.press("1")
    sid = "CA" + "7" * 32
    agent.does(DialCallStatus="no-answer", DialBridged="false", DialCallSid=sid)
    assert (floor.entry().status, floor.entry().tries) == ("waiting", 1)
    with floor.house.transaction() as session:
        assert session.scalars(sa.select(Attempt.sid).where(Attempt.kind == "caller")).one() == sid


# ---- signing -------------------------------------------------------------------------------------
def signing(floor: Floor, phone: str = AGENT_PHONES[0]) -> Line:
    line = floor.switch.line()
    line.rings(phone)
    line.does()
    line.press("1")  # to sign in or out, and not on among the callers
    return line


def test_an_agent_signs_in_pauses_and_signs_off_by_telephone(floor: Floor) -> None:
    floor.agent("kim", state="off", pin="4711")
    for key, state, words in (("1", "ready", "没有签到"), ("2", "paused", "接听状态"), ("3", "off", "暂停状态")):
        line = signing(floor)
        assert words in line.press("4711").said
        line.press(key)
        assert floor.who("kim").status == state
        line.hangs_up()


def test_the_pin_comes_before_anything_is_told(floor: Floor) -> None:
    floor.agent("kim", state="off", pin="4711")
    line = signing(floor)
    assert line.last is not None
    assert "密码" in line.last.said
    assert "签到" not in line.last.said
    assert "密码不对" in line.press("1").said
    assert "没有签到" in line.press("4711").said
    line.press("1")
    assert floor.who("kim").status == "ready"


def test_three_wrong_pins_change_nothing_and_lead_to_the_menu(floor: Floor) -> None:
    floor.agent("kim", state="off", pin="4711")
    line = signing(floor)
    heard = line.press("1", "2", "3")
    assert "状态没有改变" in heard.said
    assert floor.who("kim").status == "off"
    with floor.house.transaction() as session:
        assert session.scalars(sa.select(Call.flow)).one() == "hotline"


def test_a_number_alone_signs_in_but_neither_off_nor_to_a_pause(floor: Floor) -> None:
    """Anybody can show any number: without a PIN the desk could be emptied from one telephone."""
    floor.agent("kim", state="off")
    line = signing(floor)
    assert line.last is not None
    assert "没有签到" in line.last.said
    line.press("1")
    assert floor.who("kim").status == "ready"
    line.hangs_up()
    for key in ("2", "3"):
        line = signing(floor)
        assert line.last is not None
        assert "密码" in line.last.said, "says what it would take"
        line.press(key)
        assert floor.who("kim").status == "ready"
        line.hangs_up()


@pytest.mark.parametrize("state", ["paused", "off"])
def test_whatever_a_flow_says_a_number_alone_signs_nobody_off(floor: Floor, state: str) -> None:
    """A call that began in an older book still offers the keys."""
    floor.agent("kim", state="ready")
    call = floor.rings(AGENT_PHONES[0])
    floor.publish(events.AgentSigned(call.id, state))
    assert floor.who("kim").status == "ready"
    assert "not signed by telephone" in floor.ledger(floor.who("kim").id)


def test_wrong_pins_count_over_calls_and_lock_the_telephone_for_a_while(floor: Floor) -> None:
    floor.agent("kim", state="ready", pin="4711")
    for wrong in (("1", "2", "3"), ("4", "5")):
        line = signing(floor)
        line.press(*wrong)
        line.hangs_up()
    locked = signing(floor)
    assert locked.last is not None
    assert "请稍后再试" in locked.last.said
    assert "请输入您的密码" not in locked.last.said
    locked.hangs_up()
    floor.forward(minutes=16)
    line = signing(floor)
    assert "接听状态" in line.press("4711").said


def test_who_is_locked_in_the_middle_of_a_call_is_not_let_in_by_the_right_pin(floor: Floor) -> None:
    floor.agent("kim", state="ready", pin="4711")
    first = signing(floor)
    first.press("1", "2", "3")
    first.hangs_up()
    line = signing(floor)
    line.press("4", "5")
    heard = line.press("4711")
    assert "状态没有改变" in heard.said
    assert floor.ledger(floor.who("kim").id).count("pin wrong") == 5


def test_the_wrong_pins_of_one_agent_lock_no_other(floor: Floor) -> None:
    floor.agent("kim", state="off", pin="4711")
    floor.agent("lee", state="off", pin="4712")
    for _ in range(2):
        line = signing(floor)
        line.press("1", "2", "3")
        line.hangs_up()
    assert "没有签到" in signing(floor, AGENT_PHONES[1]).press("4712").said
