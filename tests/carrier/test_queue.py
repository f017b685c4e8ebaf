"""Calls that wait in a queue, and the Dial that takes them out (docs/twilio.md 2.8)."""

import itertools
from typing import Any

import numpy as np
import pytest
from werkzeug.wrappers import Response

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital, texts
from tests.carrier.test_recordings import channels, loud
from tests.carrier.test_twiml import wav

HOLDS = {"on": "please hold"}
"""A script's step that only lets the words go by."""
NUMBERS = itertools.count(1)
PATIENT = {"on": "doctor is on the line", "say": "It hurts a lot, doctor", "after": 1}
DOCTOR = {"on": "it hurts a lot", "say": "I am listening to you", "after": 0.5}


class Room:
    """A queue of its own, with the documents around it."""

    def __init__(self, hospital: Hospital, wait: Any = "<Say>Please hold the line</Say><Pause length='2'/>") -> None:
        self.name = f"room-{next(NUMBERS)}"
        hospital.document("/wait", wait)
        hospital.document("/after-wait", "<Say>After the wait</Say>")
        hospital.document("/after-dial", "<Say>After the dial</Say>")
        hospital.document("/announce", "<Say>The doctor is on the line</Say>")
        self._hospital = hospital

    def enqueue(self, attributes: str = 'action="/after-wait" waitUrl="/wait"') -> str:
        verbs = f"<Enqueue {attributes}>{self.name}</Enqueue><Say>Next verb</Say>"
        return self._hospital.document("/v", verbs)

    def dial(self, attributes: str = "", before: str = "", noun: str = 'url="/announce"') -> str:
        verbs = f'{before}<Dial action="/after-dial" {attributes}><Queue {noun}>{self.name}</Queue></Dial>'
        return self._hospital.document("/dial", verbs)


def test_a_waiting_call_is_told_where_it_stands_and_hears_its_document_again_and_again(
    carrier: Carrier, hospital: Hospital
) -> None:
    room = Room(hospital)
    first = carrier.call(carrier.phone(HOLDS, HOLDS, HOLDS, {"hangup": True}), room.enqueue())
    carrier.when(first, "enqueued")
    carrier.when(first, "heard", "Please hold")
    second = carrier.call(carrier.phone(HOLDS, {"hangup": True}), room.enqueue())
    story = carrier.ended(first)
    carrier.ended(second)
    assert texts(story).count("Please hold the line") >= 2
    mine, other = ([form for form in hospital.at("/wait") if form["CallSid"] == sid] for sid in (first, second))
    assert (mine[0]["QueuePosition"], mine[0]["QueueTime"], mine[0]["MaxQueueSize"]) == ("1", "0", "1000")
    assert mine[0]["CallStatus"] == "in-progress"
    assert int(mine[-1]["QueueTime"]) >= 3
    assert (other[0]["QueuePosition"], other[0]["CurrentQueueSize"]) == ("2", "2")
    assert {form["QueueSid"] for form in (*mine, *other)} == {mine[0]["QueueSid"]}
    assert mine[0]["QueueSid"].startswith("QU")
    assert {"AvgQueueTime"} <= mine[0].keys()


def test_the_dial_of_a_queue_joins_the_first_who_waits_after_the_announcement(
    carrier: Carrier, hospital: Hospital
) -> None:
    room = Room(hospital)
    waiting = carrier.call(carrier.phone(PATIENT), room.enqueue())
    carrier.when(waiting, "heard", "Please hold")
    record = '<Start><Recording channels="dual" recordingStatusCallback="/recorded"/></Start>'
    doctor = carrier.call(carrier.phone(DOCTOR, {"after": 2, "hangup": True}), room.dial(before=record))
    heard = carrier.ended(waiting)
    taken = carrier.ended(doctor)

    (told,) = hospital.at("/announce")
    assert (told["CallSid"], told["DequeingCallSid"]) == (waiting, doctor)
    assert {"QueueSid", "QueueTime"} <= told.keys()
    assert texts(heard)[-2:] == ["The doctor is on the line", "After the wait"]
    assert texts(taken) == [], "the announcement is not for the one who dials"
    for story in (heard, taken):
        assert "bridged" in [event["kind"] for event in story["events"]]
    (after,) = hospital.at("/after-wait")
    assert (after["QueueResult"], after["CallStatus"], after["CallSid"]) == ("bridged", "in-progress", waiting)
    (done,) = hospital.at("/after-dial")
    assert (done["DialCallStatus"], done["DialBridged"], done["CallStatus"]) == ("completed", "true", "completed")
    assert int(done["DialCallDuration"]) >= 3
    (file,) = hospital.at("/recorded")
    doctors, patients = channels(carrier.media(file["RecordingSid"]).content)
    assert loud(doctors) > 0.4, "the doctor's voice is missing"
    assert loud(patients) > 0.4, "the patient's voice is missing"


def test_when_the_waiting_one_hangs_up_first_both_actions_are_requested(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    waiting = carrier.call(carrier.phone(PATIENT, {"after": 3, "hangup": True}), room.enqueue())
    carrier.when(waiting, "heard", "Please hold")
    doctor = carrier.call(carrier.phone(), room.dial())
    carrier.ended(waiting)
    assert texts(carrier.ended(doctor)) == ["After the dial"]
    (after,) = hospital.at("/after-wait")
    assert (after["QueueResult"], after["CallStatus"]) == ("bridged", "completed")
    (done,) = hospital.at("/after-dial")
    assert (done["DialCallStatus"], done["DialBridged"], done["CallStatus"]) == ("completed", "true", "in-progress")


def test_a_dial_of_an_empty_queue_waits_for_somebody(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    gone = carrier.call(carrier.phone({"after": 1, "hangup": True}), room.enqueue())
    carrier.ended(gone)
    doctor = carrier.call(carrier.phone({"after": 9, "hangup": True}), room.dial('timeout="60"'))
    carrier.when(doctor, "webhook")
    waiting = carrier.call(carrier.phone(), room.enqueue())
    assert texts(carrier.ended(waiting))[-1] == "After the wait"
    carrier.ended(doctor)
    assert hospital.at("/after-dial")[0]["DialBridged"] == "true"


@pytest.mark.parametrize(("made", "status"), [(True, "no-answer"), (False, "failed")], ids=["empty", "unknown"])
def test_a_dial_of_a_queue_without_anybody(carrier: Carrier, hospital: Hospital, made: bool, status: str) -> None:
    room = Room(hospital)
    if made:
        carrier.ended(carrier.call(carrier.phone({"after": 1, "hangup": True}), room.enqueue()))
    story = carrier.ended(carrier.call(carrier.phone(), room.dial('timeout="3"')))
    assert texts(story) == ["After the dial"]
    (done,) = hospital.at("/after-dial")
    assert (done["DialCallStatus"], done["DialBridged"]) == (status, "false")
    assert ("error" in [event["kind"] for event in story["events"]]) is (not made)


def test_who_hangs_up_while_waiting_is_told_of_and_dialled_no_more(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    sid = carrier.call(carrier.phone({"on": "please hold", "hangup": True}), room.enqueue())
    story = carrier.ended(sid)
    (after,) = hospital.at("/after-wait")
    assert (after["QueueResult"], after["CallStatus"]) == ("hangup", "completed")
    assert "After the wait" not in texts(story)
    doctor = carrier.ended(carrier.call(carrier.phone(), room.dial('timeout="2"')))
    assert "bridged" not in [event["kind"] for event in doctor["events"]]


def key_to_leave(form: dict[str, str]) -> str:
    if form.get("Digits") == "0":
        return "<Leave/><Say>Never said</Say>"
    return '<Gather numDigits="1" timeout="1" action="/wait"><Say>Press zero for a nurse</Say></Gather>'


def test_a_key_leads_out_of_the_queue(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital, key_to_leave)
    story = carrier.ended(carrier.call(carrier.phone({"on": "zero for a nurse", "press": "0"}), room.enqueue()))
    (after,) = hospital.at("/after-wait")
    assert (after["QueueResult"], after["CallStatus"]) == ("leave", "in-progress")
    assert int(after["QueueTime"]) >= 1
    assert texts(story)[-1] == "After the wait"


def test_without_an_action_the_next_verb_follows(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital, "<Say>Please hold</Say><Leave/>")
    story = carrier.ended(carrier.call(carrier.phone(), room.enqueue('waitUrl="/wait"')))
    assert texts(story) == ["Please hold", "Next verb"]


@pytest.mark.parametrize(
    ("wait", "code"),
    [
        ("<Dial>+8613900000001</Dial>", 12200),
        (lambda form: Response("no", status=500), 11200),
        ("<Redirect>/wait</Redirect>", 12400),
    ],
    ids=["a verb that has no place there", "no document", "documents without a sound"],
)
def test_a_wait_document_that_cannot_run_ends_the_wait(
    carrier: Carrier, hospital: Hospital, wait: Any, code: int
) -> None:
    story = carrier.ended(carrier.call(carrier.phone(), Room(hospital, wait).enqueue()))
    assert [event["code"] for event in story["events"] if event["kind"] == "error"] == [code]
    assert hospital.at("/after-wait")[0]["QueueResult"] == "error"
    assert texts(story) == ["After the wait"]


def test_a_full_queue_lets_nobody_in(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    sid = carrier.call(carrier.phone(), room.enqueue('action="/after-wait" waitUrl="/wait" maxQueueSize="0"'))
    assert texts(carrier.ended(sid)) == ["After the wait"]
    assert hospital.at("/after-wait")[0]["QueueResult"] == "queue-full"


def test_music_is_played_and_silence_is_silent(carrier: Carrier, hospital: Hospital) -> None:
    hospital.pages["/music.wav"] = lambda form: Response(wav(3.0), mimetype="audio/wav")
    room = Room(hospital, "<Play>/music.wav</Play>")
    story = carrier.ended(carrier.call(carrier.phone({"on": "music"}, {"on": "music", "hangup": True}), room.enqueue()))
    assert texts(story).count("/music.wav") >= 2
    silent = carrier.call(carrier.phone({"after": 4, "hangup": True}), room.enqueue('action="/after-wait" waitUrl=""'))
    assert texts(carrier.ended(silent)) == []


def test_a_new_document_by_rest_takes_a_call_out_of_the_queue(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    sid = carrier.call(carrier.phone(), room.enqueue())
    carrier.when(sid, "heard", "Please hold")
    carrier.client.calls(sid).update(twiml="<Response><Say>Something else</Say></Response>")
    story = carrier.ended(sid)
    assert texts(story)[-1] == "Something else"
    assert [form["QueueResult"] for form in hospital.at("/after-wait")] == ["redirected"]
    doctor = carrier.ended(carrier.call(carrier.phone(), room.dial('timeout="2"')))
    assert "bridged" not in [event["kind"] for event in doctor["events"]]


def test_a_call_completed_by_rest_leaves_the_queue(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    sid = carrier.call(carrier.phone(), room.enqueue())
    carrier.when(sid, "heard", "Please hold")
    carrier.client.calls(sid).update(status="completed")
    assert carrier.ended(sid)["status"] == "completed"
    assert [form["QueueResult"] for form in hospital.at("/after-wait")] == ["hangup"]


def test_a_new_document_for_one_of_a_bridge_parts_the_two(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    waiting = carrier.call(carrier.phone(), room.enqueue())
    carrier.when(waiting, "heard", "Please hold")
    doctor = carrier.call(carrier.phone(), room.dial())
    carrier.when(waiting, "bridged")
    carrier.client.calls(waiting).update(twiml="<Response><Say>Something else</Say></Response>")
    assert texts(carrier.ended(waiting))[-1] == "Something else"
    assert texts(carrier.ended(doctor)) == ["After the dial"]
    assert [form["QueueResult"] for form in hospital.at("/after-wait")] == ["redirected-from-bridged"]


def test_an_announcement_that_cannot_be_had_joins_nobody(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    hospital.document("/announce", lambda form: Response("no", status=500))
    waiting = carrier.call(carrier.phone(), room.enqueue())
    carrier.when(waiting, "heard", "Please hold")
    doctor = carrier.call(carrier.phone(), room.dial())
    assert texts(carrier.ended(waiting))[-1] == "After the wait"
    assert texts(carrier.ended(doctor)) == ["After the dial"]
    assert hospital.at("/after-wait")[0]["QueueResult"] == "error"
    assert hospital.at("/after-dial")[0]["DialBridged"] == "false"


def test_a_doctor_who_hangs_up_during_the_announcement_leaves_nobody_in_the_air(
    carrier: Carrier, hospital: Hospital
) -> None:
    room = Room(hospital)
    hospital.document("/announce", "<Say>The doctor is on the line</Say><Pause length='6'/>")
    waiting = carrier.call(carrier.phone(), room.enqueue())
    carrier.when(waiting, "heard", "Please hold")
    carrier.call(carrier.phone({"after": 3, "hangup": True}), room.dial())
    assert texts(carrier.ended(waiting))[-1] == "After the wait"
    assert hospital.at("/after-wait")[0]["QueueResult"] == "error"
    assert hospital.at("/after-dial")[0]["CallStatus"] == "completed"


def test_an_inbound_caller_waits_like_any_other(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    room.enqueue()
    hospital.pages["/voice"] = hospital.pages["/v"]
    caller = carrier.phone()
    call = {"to": HOSPITAL, "script": [PATIENT]}
    sid = carrier.control("POST", f"/phones/{caller}/call", call)["call_sid"]
    carrier.when(sid, "heard", "Please hold")
    doctor = carrier.call(carrier.phone(DOCTOR, {"after": 2, "hangup": True}), room.dial())
    story = carrier.ended(sid)
    carrier.ended(doctor)
    assert texts(story)[-1] == "After the wait"
    assert np.isfinite(float(hospital.at("/after-wait")[0]["QueueTime"]))
