"""The voice webhooks on a real house: requests signed as the carrier signs them, documents, rows."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.events import EscalationOpened
from core.house import House
from core.models import EventRow, new_id
from dialer.models import Attempt, Call, Escalation
from ivr.models import Answer
from recordings.models import Recording
from tests.house import OPERATOR
from tests.ivr.ivr_line import CALLER, DOCTOR, Line, Switch
from tests.scheduler.clinic import hospital

MESSAGE = ("3", "5")
"""General information, and there a message."""
RECORDED = {"RecordingSid": "RE" + "1" * 32, "RecordingDuration": "4", "Digits": "#"}


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


@pytest.fixture
def line(switch: Switch) -> Line:
    return switch.line()


def to_pain(line: Line, caller: str = CALLER) -> Line:
    line.rings(caller)
    line.does()  # nothing at the notice
    line.english()
    line.press("2")
    return line


# ---- from the key to the escalation --------------------------------------------------------------------
def test_a_confirmed_seven_opens_an_escalation_in_the_same_transaction(switch: Switch, line: Line) -> None:
    to_pain(line).press("7")
    assert (switch.scores(), switch.escalations()) == ([("7", "")], [])
    heard = line.press("1")
    assert "A doctor needs to hear this" in heard.said
    assert heard.verbs[-1] == "Hangup"
    assert switch.scores() == [("7", "key")]
    assert switch.escalations() == [(7, CALLER)]
    [escalation], [answer] = switch.all(Escalation), switch.all(Answer)
    assert escalation.keyed_at == answer.keyed_at


def test_a_transaction_that_cannot_open_the_escalation_keeps_nothing(switch: Switch, line: Line) -> None:
    to_pain(line).press("7")

    def broken(session: Any, event: Any, now: Any) -> None:
        raise RuntimeError("the house is on fire")

    switch.house.bus.subscribe(EscalationOpened, broken)
    assert line.last is not None
    form = {"CallSid": line.sid, "CallStatus": "in-progress", "Digits": "1"}
    assert switch.post(line.last.action, form).status_code == 500
    assert (switch.scores(), switch.escalations()) == ([("7", "")], [])


def test_who_hangs_up_on_the_read_back_of_a_seven_is_called_by_a_doctor(switch: Switch, line: Line) -> None:
    to_pain(line).press("7")
    line.hangs_up()
    assert (switch.scores(), switch.escalations()) == ([("7", "hung_up")], [(7, CALLER)])
    line.hangs_up()
    assert len(switch.escalations()) == 1


def test_a_score_that_arrives_after_the_hang_up_still_stands(switch: Switch, line: Line) -> None:
    """The status callback may overtake the last key (docs/twilio.md 2.6: requests are independent)."""
    to_pain(line)
    line.hangs_up()
    line.press("7")
    assert (switch.scores(), switch.escalations()) == ([("7", "hung_up")], [(7, CALLER)])


def test_a_seven_corrected_to_two_calls_nobody(switch: Switch, line: Line) -> None:
    heard = to_pain(line).press("7", "2", "2", "1")
    assert "Take your medicine" in heard.said
    line.hangs_up()
    assert switch.scores() == [("2", "key"), ("7", "replaced")]
    assert switch.escalations() == []


def test_the_threshold_decides(switch: Switch) -> None:
    for number, score in enumerate(("0", "3", "4", "10")):
        to_pain(switch.line(), f"+8613800001{number:03}").press(score, "1")
    assert sorted(switch.escalations()) == [(4, "+8613800001002"), (10, "+8613800001003")]


# ---- a withheld number ---------------------------------------------------------------------------------
def test_a_caller_who_hides_the_number_keys_one_and_is_rung_there(switch: Switch, line: Line) -> None:
    asked = to_pain(line, "anonymous").press("7", "1")
    assert "Your number is hidden" in asked.said
    assert switch.escalations() == []
    heard = line.press("13800000009")
    assert "A doctor needs to hear this" in heard.said
    assert switch.escalations() == [(7, "+8613800000009")]
    line.hangs_up()
    assert len(switch.escalations()) == 1


def test_a_number_nobody_can_ring_is_asked_for_again(switch: Switch) -> None:
    for number, bad in enumerate(["1234", "12000", "99999999999999999999", "9" * 5000, ""]):
        line = switch.line()
        to_pain(line, "").press("7", "1")
        assert "Gather" in line.press(bad).verbs
        assert len(switch.escalations()) == number
        line.press(f"0105555011{number}")
        line.hangs_up()
        assert (7, f"+86105555011{number}") in switch.escalations()


def test_who_keys_no_number_gets_a_person(switch: Switch, line: Line) -> None:
    to_pain(line, "+266696687").press("7", "1")
    heard = line.press("1", "1", "1")
    assert heard.find("Number").text == OPERATOR


# ---- the same request again ----------------------------------------------------------------------------
def test_a_repeated_ring_hears_the_same_and_is_one_call(switch: Switch, line: Line) -> None:
    first = line.rings()
    before = switch.stored()
    assert line.rings().text == first.text
    assert switch.stored() == before


def test_two_equal_rings_at_once_are_one_call(switch: Switch) -> None:
    answers: list[str] = []
    start = threading.Barrier(2)

    def ring() -> None:
        form = {"CallSid": "CA" + "9" * 32, "From": CALLER, "CallStatus": "ringing"}
        start.wait()
        answers.append(switch.post("/ivr/voice", form).text)

    threads = [threading.Thread(target=ring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1]
    assert len(switch.all(Call)) == 1


def test_a_repeated_turn_hears_the_same_and_stores_nothing_twice(switch: Switch, line: Line) -> None:
    to_pain(line)
    for keys in ("7", "1"):
        assert line.last is not None
        url = line.last.action
        first = line.ask(url, Digits=keys)
        before = switch.stored()
        for other in (keys, "2"):
            assert line.ask(url, Digits=other).text == first.text
        assert switch.stored() == before
    assert switch.scores() == [("7", "key")]


def test_a_turn_that_is_not_the_calls_steps_nothing(switch: Switch, line: Line) -> None:
    first = line.rings()
    for turn in (0, 99):
        url = first.action.rsplit("/", 1)[0] + f"/{turn}"
        assert line.ask(url, Digits="2").text == first.text
    assert switch.all(Answer) == []


# ---- whom nobody asked ---------------------------------------------------------------------------------
ROUTES = ["/ivr/voice", f"/ivr/call/{new_id()}", f"/ivr/turn/{new_id()}/1", "/ivr/fallback"]


def test_an_unsigned_request_is_refused_and_stores_nothing(switch: Switch) -> None:
    before = switch.stored()
    form = {"CallSid": "CA1", "CallStatus": "ringing", "From": CALLER}
    for path in ROUTES:
        assert switch.client.post(path, data=form).status_code == 403
        assert switch.post(path, form, token="another-token").status_code == 403
    assert switch.stored() == before


def test_a_call_nobody_knows_is_hung_up(line: Line) -> None:
    assert [line.ask(path).hangs_up_at_once for path in ROUTES[1:3]] == [True, True]


def test_another_calls_turn_is_hung_up(switch: Switch, line: Line) -> None:
    url = line.rings().action
    assert switch.line().ask(url, Digits="2").hangs_up_at_once
    assert switch.all(Answer) == []


def test_without_a_token_every_route_fails_closed(switch: Switch) -> None:
    environment = switch.house.settings.environment.model_copy(update={"twilio_auth_token": None})
    switch.house.settings = dataclasses.replace(switch.house.settings, environment=environment)
    form = {"CallSid": "CA1"}
    assert [switch.post(path, form).status_code for path in ROUTES] == [403] * 4


# ---- rings of ours -------------------------------------------------------------------------------------
def test_a_follow_up_walks_from_identity_to_the_doctor(switch: Switch) -> None:
    switch.doctor_on_duty()
    line = switch.line_of(attempt := switch.followup_ring(switch.patient("followup", "recording")))
    assert "recorded" in line.answers(attempt).said
    assert "Am I speaking with Ms. Example" in line.does().said
    line.press("1", "0506", "7")
    heard = line.press("1")
    assert "within 5 minutes" in heard.said
    assert switch.escalations() == [(7, CALLER)]
    [escalation] = switch.all(Escalation)
    assert escalation.department == "surgery"
    assert escalation.status == "ringing"


def test_a_second_call_for_one_ring_never_speaks(switch: Switch) -> None:
    attempt = switch.followup_ring(switch.patient("followup"))
    line = switch.line_of(attempt)
    first = line.answers(attempt)
    before = switch.stored()
    assert line.answers(attempt).text == first.text
    assert switch.stored() == before
    assert switch.line().answers(attempt).hangs_up_at_once
    line.hangs_up()
    assert line.answers(attempt).hangs_up_at_once


def escalated(switch: Switch) -> Attempt:
    """A hotline caller with pain 7 who has hung up, and the ring at the doctor."""
    switch.doctor_on_duty()
    line = switch.line()
    to_pain(line).press("7", "1")
    line.hangs_up()
    return switch.doctor_ring()


def test_a_doctor_hears_the_score_and_is_joined_with_one_key(switch: Switch) -> None:
    line = switch.line_of(attempt := escalated(switch))
    assert "pain 7" in line.answers(attempt).said
    joined = line.press("1")
    assert joined.verbs == ["Say"] * joined.verbs.count("Say") + ["Start", "Dial"]
    assert joined.find("Number").text == CALLER
    [leg] = [row for row in switch.all(Attempt) if row.kind == "patient"]
    number = joined.find("Number")
    assert number.attrib["url"].endswith(f"/ivr/call/{leg.id}")
    assert number.attrib["statusCallback"].endswith(f"/dialer/attempt/{leg.id}")
    assert [row.purpose for row in switch.all(Recording) if row.call_id == call_of(switch, attempt).id] == ["bridge"]
    before = switch.stored()
    patient = switch.line()
    assert "the duty doctor" in patient.answers(leg).said
    assert patient.press("1").verbs == []
    assert [row.status for row in switch.all(Escalation)] == ["bridged"]
    assert switch.stored()["attempts"] == before["attempts"]


def call_of(switch: Switch, attempt: Attempt) -> Call:
    calls: list[Call] = [row for row in switch.all(Call) if row.attempt_id == attempt.id]
    [call] = calls
    return call


def test_a_doctor_nobody_needs_any_more_is_not_spoken_to(switch: Switch) -> None:
    attempt = escalated(switch)
    with switch.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="closed"))
    line = switch.line_of(attempt)
    assert line.answers(attempt).hangs_up_at_once
    assert [row for row in switch.all(Call) if row.kind == "doctor"] == []


def test_while_the_patient_is_still_on_the_line_the_doctor_waits_and_nothing_is_recorded(switch: Switch) -> None:
    switch.doctor_on_duty()
    caller = switch.line()
    to_pain(caller).press("7", "1")  # does not hang up
    line = switch.line_of(attempt := switch.doctor_ring())
    line.answers(attempt)
    waiting = line.press("1")
    assert waiting.verbs[-2:] == ["Pause", "Redirect"]
    assert "Start" not in waiting.verbs, "there is no talk to record yet"
    caller.hangs_up()
    joined = line.does()
    assert joined.verbs[-2:] == ["Start", "Dial"]
    doctor_call = call_of(switch, attempt)
    assert doctor_call.recording_on
    assert [row.purpose for row in switch.all(Recording) if row.call_id == doctor_call.id] == ["bridge"]


@pytest.mark.parametrize(("seconds", "closed"), [("40", True), ("3", False), ("abc", False), ("²", False)])
def test_what_the_dial_says_of_the_talk(switch: Switch, seconds: str, closed: bool) -> None:
    line = switch.line_of(attempt := escalated(switch))
    line.answers(attempt)
    line.press("1")
    [leg] = [row for row in switch.all(Attempt) if row.kind == "patient"]
    patient = switch.line()
    patient.answers(leg)
    patient.press("1")
    switch.house.clock.at += timedelta(seconds=45)  # type: ignore[attr-defined]
    line.does(DialCallStatus="completed", DialBridged="true", DialCallDuration=seconds)
    [escalation] = switch.all(Escalation)
    assert (escalation.status == "closed") is closed


def test_a_dial_that_ends_with_its_caller_gone_rings_nobody_again(switch: Switch) -> None:
    line = switch.line_of(attempt := escalated(switch))
    line.answers(attempt)
    line.press("1")
    before = switch.stored()["attempts"]
    heard = line.does(CallStatus="completed", DialCallStatus="no-answer", DialBridged="false")
    assert heard.hangs_up_at_once
    assert switch.stored()["attempts"] == before


# ---- the operator --------------------------------------------------------------------------------------
def test_key_zero_rings_the_operator(switch: Switch, line: Line) -> None:
    line.rings()
    heard = line.press("0")
    assert heard.find("Number").text == OPERATOR
    assert [row.kind for row in switch.all(Attempt)] == ["operator"]
    [recording] = switch.all(Recording)
    assert recording.purpose == "bridge"


def test_when_the_gate_refuses_the_operator_a_message_is_taken(switch: Switch, line: Line) -> None:
    hospital(switch.house, hospital={"live": False})
    line.rings()
    line.does()
    line.english()
    heard = line.press("0")
    assert "Nobody can take your call" in heard.said
    assert heard.verbs[-2:] == ["Record", "Redirect"]
    thanks = line.does(**RECORDED)
    assert "We have your message" in thanks.said
    assert switch.all(Attempt) == []
    [answer] = switch.all(Answer)
    assert (answer.question, answer.value) == ("message", RECORDED["RecordingSid"])


# ---- recordings ----------------------------------------------------------------------------------------
def test_star_at_the_notice_announces_no_recording(switch: Switch, line: Line) -> None:
    line.rings()
    heard = line.press("*")
    assert "Start" not in heard.verbs
    assert switch.all(Recording) == []
    to_pain_keys = line.press("2", "7")
    assert "Start" not in to_pain_keys.verbs
    line.press("1")
    assert [row.record_on for row in switch.all(Escalation)] == [False]
    assert switch.all(Recording) == []


def test_silence_at_the_notice_starts_one_recording(switch: Switch, line: Line) -> None:
    assert "Start" not in line.rings().verbs
    assert line.does().verbs[0] == "Start"
    assert "Start" not in line.english().verbs
    assert [row.purpose for row in switch.all(Recording)] == ["call"]


@pytest.mark.parametrize("operator", ["refused", "asked for a message"])
def test_a_recording_and_a_message_in_one_document_report_to_two_addresses(
    switch: Switch, line: Line, operator: str
) -> None:
    """A hurried caller presses into the notice: recording and beep leave together."""
    if operator == "refused":
        hospital(switch.house, hospital={"live": False})
    else:
        switch.house.clock.at += timedelta(hours=12)  # type: ignore[attr-defined] # at night key 3 is a message
    line.rings()
    heard = line.press("0" if operator == "refused" else "3")
    callbacks = [heard.find("Recording").attrib["recordingStatusCallback"]]
    callbacks.append(heard.find("Record").attrib["recordingStatusCallback"])
    rows = {str(row.id): row.purpose for row in switch.all(Recording)}
    assert [rows[url.split("/")[-2]] for url in callbacks] == ["call", "message"]


def test_a_recording_named_only_by_its_address_is_kept(switch: Switch, line: Line) -> None:
    line.rings()
    line.press(*MESSAGE)
    base = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/"
    line.does(RecordingUrl=base + "RE" + "2" * 32, RecordingDuration="4", Digits="hangup", CallStatus="completed")
    assert [row.value for row in switch.all(Answer)] == ["RE" + "2" * 32]


# ---- nonsense ------------------------------------------------------------------------------------------
def test_eleven_is_no_score(switch: Switch, line: Line) -> None:
    heard = to_pain(line).press("11")
    assert "one number from 0 to 10" in heard.said
    assert switch.all(Answer) == []


GARBAGE: list[dict[str, str]] = [
    {"CallStatus": "exploded"},
    {"CallStatus": ""},
    {"CallStatus": "in-progress\u0000"},
    {"Digits": "7" * 5000},
    {"Digits": "７"},
    {"Digits": "²"},
    {"Digits": "hangup"},
    {"Digits": "-1"},
    {"Digits": " "},
    {"DialCallStatus": "exploded", "DialCallDuration": "abc"},
    {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "-1"},
    {"RecordingSid": "RE1", "RecordingDuration": "abc"},
    {"RecordingSid": "RE1", "RecordingDuration": "9" * 5000},
    {"RecordingSid": "RE1", "RecordingDuration": "²"},
    {"RecordingUrl": "no address"},
]


def test_nonsense_is_never_a_500_and_never_loses_a_keyed_score(switch: Switch) -> None:
    for garbage in GARBAGE:
        line = switch.line()
        caller = f"+86138000001{len(switch.all(Call)):02}"
        to_pain(line, caller).press("7")
        line.does(**garbage)
        line.hangs_up()
        assert (7, caller) in switch.escalations(), garbage


def test_a_message_of_unreadable_length_is_kept(switch: Switch) -> None:
    for number, garbage in enumerate([{"RecordingDuration": "abc"}, {"RecordingDuration": ""}, {"Digits": "hangup"}]):
        line = switch.line()
        line.rings()
        line.press(*MESSAGE)
        line.does(**{"RecordingSid": f"RE{number:032x}"} | garbage)
        assert [row.question for row in switch.all(Answer)] == ["message"] * (number + 1)


def test_an_empty_message_is_asked_for_again(switch: Switch) -> None:
    for digits in ("", "hangup", "#"):
        line = switch.line()
        line.rings()
        line.press(*MESSAGE)
        assert "Record" in line.does(Digits=digits).verbs
        assert "Hangup" in line.does(Digits=digits).verbs
    assert switch.all(Answer) == []


def test_a_request_without_a_call_is_a_400(switch: Switch) -> None:
    for path in ROUTES[:2]:
        assert switch.post(path, {"CallStatus": "ringing"}).status_code == 400
    assert switch.all(Call) == []


WITHHELD = [
    *("", "anonymous", "Restricted", "+266696687", "client:ann", "sip:ann@example.org", "+", "+1", "13800000001"),
]


def test_a_caller_without_a_number_is_let_in(switch: Switch) -> None:
    for shown in WITHHELD:
        assert "Gather" in switch.line().rings(shown).verbs
    assert {row.party for row in switch.all(Call)} == {""}


# ---- the fallback --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("live", "verbs"), [(True, ["Say"] * 4 + ["Dial", "Hangup"]), (False, ["Say"] * 4 + ["Hangup"])]
)
def test_the_fallback_says_the_emergency_number_and_rings_the_operator(
    switch: Switch, line: Line, live: bool, verbs: list[str]
) -> None:
    hospital(switch.house, hospital={"live": live})
    heard = line.ask("/ivr/fallback", ErrorCode="11200", ErrorUrl="http://x")
    assert heard.verbs == verbs
    assert "1 2 0" in heard.said
    assert DOCTOR not in heard.text
    assert (OPERATOR in heard.text) is live


def test_what_happened_is_in_the_ledger(switch: Switch, line: Line) -> None:
    to_pain(line).press("7", "1")
    line.hangs_up()
    with switch.house.transaction() as session:
        told = session.scalars(sa.select(EventRow.what).where(EventRow.kind == "call").order_by(EventRow.id)).all()
    assert told == ["answered", "language chosen", "reason", "completed"]
