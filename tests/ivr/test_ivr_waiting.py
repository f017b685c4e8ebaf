"""A caller with pain who stays on the line for the doctor: the offer, the wait, and every way out of it."""

from __future__ import annotations

import io
import uuid
import wave
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import sqlalchemy as sa
from ivr_call import Call as Caller
from ivr_line import CALLER, Document, Line, Switch
from sqlalchemy.orm import Session

from core import events
from core.house import House
from core.models import new_id
from dialer.machine import QUEUE_WORDS
from dialer.models import Attempt, Call, Escalation
from ivr import music, talk
from tests.house import OPERATOR
from tests.scheduler.clinic import hospital

JOINED_URL = "/ivr/queue-joined/"


# ---- the flow -----------------------------------------------------------------------------------
def offered(**facts: str | int | bool) -> Caller:
    return Caller("hotline", **facts).silent().press("2", "7", "1")


def waiting(**facts: str | int | bool) -> Caller:
    return offered(**facts).press("1")


def test_who_wants_to_wait_presses_one_and_hears_what_is_done_for_him() -> None:
    assert offered().heard == ("escalate", "worse", "wait_offer")
    output = waiting().turn.output
    assert isinstance(output, talk.Wait)
    assert [line.prompt for line in output.first] == ["wait_first", "wait_person"]
    assert [line.prompt for line in output.news] == ["wait_news", "wait_person"]


@pytest.mark.parametrize("key", ["", "7"])
def test_silence_or_any_other_key_is_rung_back_as_promised(key: str) -> None:
    call = offered().press(key)
    assert isinstance(call.turn.output, talk.Bye)
    assert call.heard == ("goodbye",)


def test_without_an_operator_no_person_is_offered() -> None:
    output = waiting(operator_on=False).turn.output
    assert isinstance(output, talk.Wait)
    assert [line.prompt for line in (*output.first, *output.news)] == ["wait_first", "wait_news"]


def test_with_nobody_on_duty_nobody_is_asked_to_wait() -> None:
    assert isinstance(offered(roster_on=False).turn.output, talk.Bye)


@pytest.mark.parametrize(
    ("why", "heard", "output"),
    [
        ("bridged", ("wait_over",), talk.Bye),
        ("nurse", ("operator",), talk.Connect),
        ("closed", ("wait_closed", "operator"), talk.Connect),
        ("error", ("wait_lost", "worse", "goodbye"), talk.Bye),
        ("hung_up", ("wait_lost", "worse", "goodbye"), talk.Bye),
    ],
)
def test_every_end_of_a_wait_has_words(why: Any, heard: tuple[str, ...], output: type) -> None:
    call = waiting().does(talk.Left(why))
    assert call.heard == heard
    assert isinstance(call.turn.output, output)
    assert not isinstance(call.turn.output, talk.Connect) or call.turn.output.target == "operator"


# ---- the webhooks -------------------------------------------------------------------------------
class Told:
    """What the house heard of waits, in order; the escalation keeps which call waits, as its own subscriber does."""

    def __init__(self, house: House) -> None:
        self.events: list[Any] = []
        for kind in (events.CallerWaits, events.CallerLeft, events.CallerJoined):
            house.bus.subscribe(kind, self.hear)

    def hear(self, session: Session, event: Any, now: datetime) -> None:
        self.events.append(event)
        if isinstance(event, events.CallerWaits):
            row = session.scalars(sa.select(Escalation).where(Escalation.call_id == event.call_id)).one_or_none()
            if row is not None:
                row.waiting_call_id = event.call_id


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


@pytest.fixture
def told(switch: Switch) -> Told:
    return Told(switch.house)


def offer(switch: Switch, caller: str = CALLER) -> Line:
    """A caller with pain 7 who is offered to wait."""
    line = switch.line()
    line.rings(caller)
    line.does()
    line.english()
    line.press("2", "7", "1")
    return line


@pytest.fixture
def line(switch: Switch, told: Told) -> Line:
    switch.doctor_on_duty()
    caller = offer(switch)
    caller.press("1")
    return caller


def call_of(switch: Switch, line: Line) -> Call:
    return next(row for row in switch.all(Call) if row.sid == line.sid)


def heard_while_waiting(line: Line, **form: str) -> Document:
    assert line.last is not None
    kept = line.last
    heard = line.ask(kept.find("Enqueue").attrib["waitUrl"], **form)
    line.last = kept
    return heard


def the_escalation(switch: Switch) -> Escalation:
    [row] = switch.all(Escalation)
    assert isinstance(row, Escalation)
    return row


def test_the_caller_stands_in_the_queue_of_the_escalation(switch: Switch, line: Line, told: Told) -> None:
    assert line.last is not None
    assert line.last.verbs == ["Enqueue", "Redirect"]
    queue = line.last.find("Enqueue")
    assert queue.text == f"e-{the_escalation(switch).id}"
    assert queue.attrib["action"] == line.last.action, "a carrier without queues comes back all the same"
    assert queue.attrib["maxQueueSize"] == "1"
    assert CALLER not in line.last.text
    assert told.events == [events.CallerWaits(call_of(switch, line).id, the_escalation(switch).id)]


def test_words_at_once_then_news_and_music_and_a_key_at_any_time(line: Line) -> None:
    first = heard_while_waiting(line, QueueTime="0")
    assert first.verbs == ["Gather"]
    assert [verb.tag for verb in first.find("Gather")] == ["Say", "Say", "Play"]
    assert "We are calling the duty doctors" in first.said
    assert str(first.find("Play").text).endswith("/ivr/music.wav")
    assert first.find("Gather").attrib["numDigits"] == "1"
    later = heard_while_waiting(line, QueueTime="21")
    assert "still trying to reach a doctor" in later.said
    assert "press 0" in later.said
    wrong = heard_while_waiting(line, QueueTime="22", Digits="5")
    assert wrong.verbs == ["Gather"]


def test_zero_leads_to_a_person_and_the_escalation_stays_open(switch: Switch, line: Line, told: Told) -> None:
    assert heard_while_waiting(line, QueueTime="21", Digits="0").verbs == ["Leave"]
    assert line.does(QueueResult="leave").find("Number").text == OPERATOR
    assert told.events[-1] == events.CallerLeft(call_of(switch, line).id, "nurse")
    assert the_escalation(switch).status != "closed"


def test_when_no_doctor_is_on_the_way_any_more_the_caller_gets_a_person(switch: Switch, line: Line, told: Told) -> None:
    with switch.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="closed"))
    assert heard_while_waiting(line, QueueTime="21").verbs == ["Leave"]
    heard = line.does(QueueResult="leave")
    assert "not waiting for a doctor" in heard.said
    assert heard.find("Number").text == OPERATOR
    assert told.events[-1] == events.CallerLeft(call_of(switch, line).id, "closed")


@pytest.mark.parametrize(
    ("result", "why"), [*sorted((r, w) for r, w in QUEUE_WORDS.items() if w == "error"), ("brand-new", "error")]
)
def test_a_wait_that_breaks_off_ends_with_the_promise_to_ring(
    switch: Switch, line: Line, told: Told, result: str, why: str
) -> None:
    heard = line.does(QueueResult=result)
    assert "A doctor will call you" in heard.said
    assert heard.verbs[-1] == "Hangup"
    assert told.events[-1] == events.CallerLeft(call_of(switch, line).id, why)


def test_a_carrier_that_knows_no_queues_rings_back(line: Line) -> None:
    assert "A doctor will call you" in line.does().said


def test_a_repeated_action_changes_nothing(switch: Switch, line: Line, told: Told) -> None:
    assert line.last is not None
    action = line.last.action
    first = line.ask(action, QueueResult="error")
    before = switch.stored()
    assert line.ask(action, QueueResult="error").text == first.text
    assert switch.stored() == before
    assert len(told.events) == 2


def test_who_hangs_up_while_waiting_is_told_of_once_whatever_comes_first(
    switch: Switch, line: Line, told: Told
) -> None:
    line.does(QueueResult="hangup", CallStatus="completed")
    line.hangs_up()
    assert told.events[1:] == [events.CallerLeft(call_of(switch, line).id, "hung_up")]


def test_a_hang_up_of_which_only_the_status_came_is_told_of(switch: Switch, line: Line, told: Told) -> None:
    line.hangs_up()
    assert told.events[1:] == [events.CallerLeft(call_of(switch, line).id, "hung_up")]


def test_who_is_past_the_wait_has_left_it_before(switch: Switch, line: Line, told: Told) -> None:
    line.does(QueueResult="leave")
    line.hangs_up()
    assert [type(event) for event in told.events] == [events.CallerWaits, events.CallerLeft]


def test_a_second_call_about_the_same_patient_does_not_stand_in_the_same_queue(
    switch: Switch, line: Line, told: Told
) -> None:
    second = offer(switch)
    heard = second.press("1")
    assert "Enqueue" not in heard.verbs
    assert "A doctor will call you" in heard.said
    assert told.events == [events.CallerWaits(call_of(switch, line).id, the_escalation(switch).id)]
    assert the_escalation(switch).waiting_call_id == call_of(switch, line).id


def test_an_escalation_closed_before_the_wait_began_leaves_nobody_with_music(switch: Switch, told: Told) -> None:
    switch.doctor_on_duty()
    caller = offer(switch)
    with switch.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="closed"))
    heard = caller.press("1")
    assert heard.find("Number").text == OPERATOR
    assert told.events == []


def test_a_wait_of_no_call_of_ours_is_ended(switch: Switch, line: Line) -> None:
    assert line.ask(f"/ivr/wait/{new_id()}").verbs == ["Leave"]
    stranger = switch.line()
    assert stranger.ask(f"/ivr/wait/{call_of(switch, line).id}").verbs == ["Leave"]


# ---- the doctor's side --------------------------------------------------------------------------
def doctor_accepts(switch: Switch) -> tuple[Line, Attempt, Document]:
    """The doctor is told to take the patient out of the queue."""
    line = switch.line_of(attempt := switch.doctor_ring())
    line.answers(attempt)
    return line, attempt, line.press("1")


def test_the_doctor_takes_the_caller_out_of_the_queue_recorded(switch: Switch, line: Line) -> None:
    doctor, attempt, dialled = doctor_accepts(switch)
    assert dialled.verbs[-2:] == ["Start", "Dial"]
    queue = dialled.find("Queue")
    assert queue.text == f"e-{the_escalation(switch).id}"
    doctor_call = call_of(switch, doctor)
    assert urlsplit(queue.attrib["url"]).path == f"{JOINED_URL}{doctor_call.id}"
    assert dialled.root.find(".//Number") is None, "the patient is on the line: nobody is rung"
    assert doctor_call.attempt_id == attempt.id


def test_the_joining_is_told_and_the_caller_hears_it_in_his_language(switch: Switch, line: Line, told: Told) -> None:
    doctor, attempt, _ = doctor_accepts(switch)
    kept = line.last
    path = f"{JOINED_URL}{call_of(switch, doctor).id}"
    heard = line.ask(path, DequeingCallSid=doctor.sid, QueueTime="30")
    assert heard.verbs == ["Say"]
    assert heard.said == "The doctor is on the line."
    assert told.events[-1] == events.CallerJoined(call_of(switch, line).id, attempt.id)
    line.last = kept
    assert "The call with the doctor is over" in line.does(QueueResult="bridged").said
    assert told.events[-1] == events.CallerLeft(call_of(switch, line).id, "bridged")


def test_a_talk_that_ends_with_the_callers_hang_up_was_a_talk(switch: Switch, line: Line, told: Told) -> None:
    doctor, _, _ = doctor_accepts(switch)
    line.ask(f"{JOINED_URL}{call_of(switch, doctor).id}", DequeingCallSid=doctor.sid)
    line.hangs_up()
    assert told.events[-1] == events.CallerLeft(call_of(switch, line).id, "bridged")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "40"}, "The call is over"),
        ({"DialCallStatus": "completed"}, "The call is over"),
        ({"DialCallStatus": "completed", "DialBridged": "false"}, "did not answer"),
    ],
    ids=["told in full", "a carrier that tells little", "not joined"],
)
def test_what_the_dial_of_a_queue_says_of_the_talk(switch: Switch, line: Line, form: dict[str, str], said: str) -> None:
    doctor, _, _ = doctor_accepts(switch)
    line.ask(f"{JOINED_URL}{call_of(switch, doctor).id}", DequeingCallSid=doctor.sid)
    assert said in doctor.does(**form).said


def test_a_caller_who_has_gone_in_the_meantime_is_not_joined(switch: Switch, line: Line, told: Told) -> None:
    doctor, _, _ = doctor_accepts(switch)
    line.hangs_up()
    line.ask(f"{JOINED_URL}{call_of(switch, doctor).id}", DequeingCallSid=doctor.sid)
    assert not any(isinstance(event, events.CallerJoined) for event in told.events)
    assert "did not answer" in doctor.does(DialCallStatus="no-answer", DialBridged="false").said


def test_a_joining_of_no_calls_of_ours_says_nothing(line: Line, told: Told) -> None:
    assert line.ask(f"{JOINED_URL}{uuid.uuid4()}").verbs == []
    assert not any(isinstance(event, events.CallerJoined) for event in told.events)


# ---- the music ----------------------------------------------------------------------------------
def test_the_music_is_calm_ours_and_for_anybody(switch: Switch) -> None:
    answer = switch.client.get("/ivr/music.wav")
    assert (answer.status_code, answer.mimetype) == (200, "audio/wav")
    assert "max-age" in answer.headers["Cache-Control"]
    assert answer.data == music.wav()
    with wave.open(io.BytesIO(answer.data)) as source:
        assert (source.getnchannels(), source.getframerate(), source.getsampwidth()) == (1, 8000, 2)
        samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2") / 32768
    assert 14 <= len(samples) / 8000 <= 18
    assert -21 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -19
    assert np.abs(samples).max() < 0.5
    seam = np.abs(samples[0] - samples[-1])
    assert seam <= np.abs(np.diff(samples)).max(), "the loop clicks where it begins again"
