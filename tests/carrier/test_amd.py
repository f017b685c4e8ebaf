"""Answering machine detection: its opinion by itself, and on live calls (docs/twilio.md 1.2, 2.9, 5)."""

from typing import Any

import pytest

from carrier.amd import Belief, Detection, FarEnd, judge
from tests.carrier.conftest import Carrier, Hospital, texts

SOON, LATE = Detection(), Detection(to_the_end=True)
TOO_LATE = {"answered_by": "human", "after_s": 300}
PERSON, MACHINE = FarEnd(), FarEnd(machine=True, greeting_s=6.0)
MUTE = FarEnd(machine=True, greeting_s=6.0, beeps=False)


def believed(far: FarEnd, word: str, after_s: float | None = None) -> FarEnd:
    return FarEnd(far.machine, far.greeting_s, far.beeps, Belief(word, after_s))


OPINIONS: list[tuple[str, Detection, FarEnd, str, float]] = [
    ("a person", SOON, PERSON, "human", 2.0),
    ("a person, to the end", LATE, PERSON, "human", 2.0),
    ("a machine by its long voice", SOON, MACHINE, "machine_start", 2.4),
    ("a machine after its beep", LATE, MACHINE, "machine_end_beep", 6.5),
    ("a machine that falls silent", LATE, MUTE, "machine_end_silence", 7.2),
    ("a greeting beyond the time", Detection(True, timeout_s=5), MACHINE, "machine_end_other", 5.0),
    ("a short greeting is a person's", SOON, FarEnd(True, 2.0), "human", 3.2),
    ("a higher threshold finds fewer machines", Detection(speech_s=6), MACHINE, "human", 7.2),
    ("no time for an opinion", Detection(timeout_s=3, speech_s=4), MACHINE, "unknown", 3.0),
    ("a person taken for a machine", SOON, believed(PERSON, "machine"), "machine_start", 2.4),
    ("the same, to the end", LATE, believed(PERSON, "machine_start"), "machine_end_silence", 3.6),
    ("a machine taken for a person", LATE, believed(MACHINE, "human"), "human", 2.0),
    ("an exact word", LATE, believed(MACHINE, "machine_end_other"), "machine_end_other", 30.0),
    ("fax", SOON, believed(PERSON, "fax"), "fax", 1.5),
    ("silence", SOON, believed(PERSON, "unknown"), "unknown", 5.0),
    ("at a given moment", SOON, believed(PERSON, "human", 9.0), "human", 9.0),
    ("its own opinion at a given moment", LATE, believed(MACHINE, "", 1.0), "machine_end_beep", 1.0),
]


@pytest.mark.parametrize(("why", "asked", "far", "answered_by", "after_s"), OPINIONS, ids=[o[0] for o in OPINIONS])
def test_opinions(why: str, asked: Detection, far: FarEnd, answered_by: str, after_s: float) -> None:
    verdict = judge(asked, far)
    assert (verdict.answered_by, verdict.after_s) == (answered_by, pytest.approx(after_s)), why


def place(carrier: Carrier, hospital: Hospital, to: str, verbs: str, mode: str = "Enable", **more: Any) -> str:
    more = {"async_amd": "true", "async_amd_status_callback": f"{hospital.url}/amd?x=%E4%B8%AD"} | more
    return carrier.call(to, hospital.document("/v", verbs), machine_detection=mode, **more)


def test_the_call_goes_on_and_the_verdict_comes_by_callback(carrier: Carrier, hospital: Hospital) -> None:
    sid = place(
        carrier,
        hospital,
        carrier.phone(),
        '<Say>Hello</Say><Pause length="10"/>',
        status_callback=f"{hospital.url}/status",
    )
    story = carrier.ended(sid)
    (verdict,) = hospital.at("/amd")
    assert set(verdict) == {"CallSid", "AccountSid", "AnsweredBy", "MachineDetectionDuration"}
    assert (verdict["CallSid"], verdict["AnsweredBy"], verdict["MachineDetectionDuration"]) == (sid, "human", "2000")
    assert "AnsweredBy" not in hospital.at("/v")[0]
    assert hospital.at("/status")[-1]["AnsweredBy"] == "human"
    paths = [asked.path for asked in hospital.asked]
    assert paths.index("/v") < paths.index("/amd")
    assert story["answered_by"] == "human"
    assert carrier.client.calls(sid).fetch().answered_by == "human"


def test_synchronous_detection_asks_for_the_document_after_the_verdict(carrier: Carrier, hospital: Hospital) -> None:
    to = carrier.phone(behaviour="machine", greeting_s=4, greeting="Leave a message")
    sid = place(carrier, hospital, to, "<Say>Please ring us back</Say>", "DetectMessageEnd", async_amd="false")
    story = carrier.ended(sid)
    (asked,) = hospital.at("/v")
    assert (asked["AnsweredBy"], asked["MachineDetectionDuration"]) == ("machine_end_beep", "4500")
    assert hospital.at("/amd") == []
    assert texts(story, "said") == ["Leave a message", "beep"]
    assert texts(story) == ["Please ring us back"]
    moment = {event["kind"]: event["t"] for event in story["events"]}
    assert 4.4 < moment["heard"] - moment["answered"] < 20


def test_a_machine_is_redirected_to_a_message_after_its_beep(carrier: Carrier, hospital: Hospital) -> None:
    """As a follow-up does it: the verdict comes, REST gives the live call another document."""
    message = hospital.document("/message", "<Say>Please ring us back</Say>")
    to = carrier.phone(behaviour="machine", greeting_s=5)
    sid = place(carrier, hospital, to, '<Say>This is the hospital</Say><Pause length="60"/>', "DetectMessageEnd")
    carrier.when(sid, "amd", "machine_end_beep")
    carrier.client.calls(sid).update(url=message)
    story = carrier.ended(sid)
    assert texts(story) == ["This is the hospital", "Please ring us back"]
    said = [(event["kind"], event["text"]) for event in story["events"] if event["kind"] in ("said", "heard")]
    assert said.index(("said", "beep")) < said.index(("heard", "Please ring us back"))


def test_the_phone_may_force_what_the_detector_believes_call_by_call(carrier: Carrier, hospital: Hospital) -> None:
    to = carrier.phone(amd=["machine", {"answered_by": "human", "after_s": 1}])
    for answered_by in ("machine_start", "human"):
        story = carrier.ended(place(carrier, hospital, to, '<Pause length="10"/>'))
        assert story["answered_by"] == answered_by
    assert [form["AnsweredBy"] for form in hospital.at("/amd")] == ["machine_start", "human"]


def test_a_call_that_ends_first_was_answered_by_unknown(carrier: Carrier, hospital: Hospital) -> None:
    sid = place(carrier, hospital, carrier.phone({"after": 0.5, "hangup": True}, amd=TOO_LATE), '<Pause length="9"/>')
    carrier.ended(sid)
    (verdict,) = hospital.at("/amd")
    assert verdict["AnsweredBy"] == "unknown"
    assert 0 < int(verdict["MachineDetectionDuration"]) < 300_000


def test_nobody_is_detected_who_does_not_answer(carrier: Carrier, hospital: Hospital) -> None:
    story = carrier.ended(place(carrier, hospital, carrier.phone(behaviour="busy"), "<Hangup/>"))
    assert story["answered_by"] is None
    assert hospital.at("/amd") == []


def test_without_an_address_the_verdict_is_in_the_call_and_a_warning_in_the_log(
    carrier: Carrier, hospital: Hospital
) -> None:
    sid = place(carrier, hospital, carrier.phone(), '<Pause length="10"/>', async_amd_status_callback="")
    story = carrier.ended(sid)
    assert story["answered_by"] == "human"
    assert [event["code"] for event in story["events"] if event["kind"] == "error"] == [21262]


def test_a_dialled_number_is_detected_too(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone(behaviour="machine", greeting_s=4)
    number = f'<Number machineDetection="Enable" amdStatusCallback="/amd">{doctor}</Number>'
    caller = carrier.phone({"after": 12, "hangup": True})
    sid = carrier.call(caller, hospital.document("/v", f"<Dial>{number}</Dial>"))
    story = carrier.ended(sid)
    (verdict,) = hospital.at("/amd")
    assert (verdict["AnsweredBy"], verdict["CallSid"]) == ("machine_start", story["legs"][1])
