"""Documents on a live call: Gather, Dial, fallbacks, the order of verbs (docs/twilio.md 2.2 to 2.12, 4)."""

import io
import wave
from typing import Any

import numpy as np
import pytest
from werkzeug.wrappers import Response

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital, texts

PROMPT = "Please key in your number and take your time"


def wav(length_s: float, rate: int = 16000) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate)
        t = np.arange(int(length_s * rate)) / rate
        target.writeframes((8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes())
    return data.getvalue()


# Gather (4.2): attributes, what the party does, what the action gets; None: no action, the next verb runs.
GATHER: list[Any] = [
    ('numDigits="1"', {"on": "key in", "press": "7"}, ("7", "")),
    ("", {"on": "key in", "press": "12#"}, ("12", "#")),
    ('finishOnKey="*"', {"on": "key in", "press": "1#2*"}, ("1#2", "*")),
    ('finishOnKey="" timeout="2"', {"on": "key in", "press": "4#"}, ("4#", "")),
    ('timeout="2"', {"on": "key in", "press": "34"}, ("34", "")),
    ('timeout="2" numDigits="4"', {"on": "key in", "press": "5"}, ("5", "")),
    ('timeout="1"', {"on": "something never said", "press": "1"}, None),
    ("", {"on": "key in", "press": "#"}, None),
    ('timeout="1" actionOnEmptyResult="true"', {"on": "something never said", "press": "1"}, ("", "")),
    ('numDigits="1"', {"on": "key in", "press": "9", "at": "start"}, ("9", "")),
    ('numDigits="1" bargeIn="false"', {"on": "key in", "press": "9", "at": "start"}, ("9", "")),
    ('timeout="1" input="speech"', {"on": "key in", "press": "1"}, None),
]


@pytest.mark.parametrize(("attributes", "step", "expected"), GATHER, ids=[f"{g[0]} {g[1]['press']}" for g in GATHER])
def test_gather(carrier: Carrier, hospital: Hospital, attributes: str, step: dict[str, Any], expected: Any) -> None:
    hospital.document("/keys", "<Say>Thank you</Say>")
    gather = f'<Gather action="/keys" {attributes}><Say>{PROMPT}</Say></Gather><Say>Nothing came</Say>'
    sid = carrier.call(carrier.phone(step), hospital.document("/v", gather))
    story = carrier.ended(sid)
    if expected is None:
        assert hospital.at("/keys") == []
        assert texts(story) == [PROMPT, "Nothing came"]
        return
    (form,) = hospital.at("/keys")
    assert (form["Digits"], form["FinishedOnKey"], form["msg"]) == (*expected, "Gather End")
    assert texts(story) == [PROMPT, "Thank you"]


def test_a_key_stops_the_prompt_unless_barge_in_is_off(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/keys", "<Hangup/>")
    waited = []
    for barge_in in ("true", "false"):
        step = {"on": "key in", "press": "1", "at": "start", "after": 0.5}
        gather = f'<Gather action="/keys" numDigits="1" bargeIn="{barge_in}"><Say>{PROMPT} {PROMPT}</Say></Gather>'
        story = carrier.ended(carrier.call(carrier.phone(step), hospital.document("/v", gather)))
        times = {event["kind"]: event["t"] for event in story["events"]}
        waited.append(times["hangup"] - times["pressed"])
    assert waited[0] < 1.5 < 3 < waited[1]


def test_each_key_restarts_the_timeout(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/keys", "<Hangup/>")
    steps: list[dict[str, Any]] = [
        {"on": "key in", "press": "1"},
        {"press": "2", "after": 2},
        {"press": "3", "after": 2},
    ]
    gather = f'<Gather action="/keys" timeout="3"><Say>{PROMPT}</Say></Gather>'
    carrier.ended(carrier.call(carrier.phone(*steps), hospital.document("/v", gather)))
    assert hospital.at("/keys")[0]["Digits"] == "123"


def test_keys_outside_a_gather_are_lost(carrier: Carrier, hospital: Hospital) -> None:
    body = '<Say>Welcome to the hospital</Say><Gather action="/keys" timeout="1"/><Say>Nothing came</Say>'
    step = {"on": "welcome", "press": "5", "at": "start"}
    story = carrier.ended(carrier.call(carrier.phone(step), hospital.document("/v", body)))
    assert texts(story, "pressed") == ["5"]
    assert texts(story) == ["Welcome to the hospital", "Nothing came"]


def test_gather_without_action_asks_its_own_document_again(carrier: Carrier, hospital: Hospital) -> None:
    def page(form: dict[str, str]) -> str:
        return "<Say>Got it</Say>" if form.get("Digits") else f"<Gather numDigits='1'><Say>{PROMPT}</Say></Gather>"

    carrier.ended(carrier.call(carrier.phone({"on": "key in", "press": "1"}), hospital.document("/v", page)))
    assert [form.get("Digits") for form in hospital.at("/v")] == [None, "1"]


def test_pause_play_and_redirect(carrier: Carrier, hospital: Hospital) -> None:
    hospital.pages["/sound.wav"] = lambda form: Response(wav(2.0), mimetype="audio/wav")
    hospital.document("/there/next", "<Say>Here</Say>")
    body = '<Pause length="3"/><Play>/sound.wav</Play><Play digits="12"/><Redirect>there/next</Redirect><Say>no</Say>'
    story = carrier.ended(carrier.call(carrier.phone(), hospital.document("/v", body)))
    assert texts(story) == ["/sound.wav", "", "Here"]
    times = [event["t"] for event in story["events"] if event["kind"] in ("answered", "heard")]
    assert times[1] - times[0] >= 3
    assert 2 <= times[2] - times[1] < 3


def test_a_bad_document_goes_to_the_fallback(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/fb", "<Say>Fallback</Say>")
    bad = [
        ("12100", lambda form: Response("<Response><Say>", mimetype="text/xml")),
        ("12102", lambda form: Response("<Reply/>", mimetype="text/xml")),
        ("11200", lambda form: Response("no", status=500)),
        ("12300", lambda form: Response("{}", mimetype="application/json")),
        ("11770", lambda form: Response("", mimetype="text/xml")),
    ]
    for code, page in bad:
        hospital.asked.clear()
        url = hospital.document("/v", page)
        story = carrier.ended(carrier.call(carrier.phone(), url, fallback_url=f"{hospital.url}/fb"))
        (form,) = hospital.at("/fb")
        assert (form["ErrorCode"], form["ErrorUrl"]) == (code, url)
        assert texts(story) == ["Fallback"]


def test_without_a_fallback_an_apology_ends_the_call(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", lambda form: Response("no", status=404))
    story = carrier.ended(carrier.call(carrier.phone(), url))
    assert story["status"] == "completed"
    assert "application error" in texts(story)[0]
    unreachable = carrier.ended(carrier.call(carrier.phone(), "http://127.0.0.1:9/v"))
    assert [e["code"] for e in unreachable["events"] if e["kind"] == "error"] == [11205]


def test_a_loop_of_documents_without_sound_is_cut(carrier: Carrier, hospital: Hospital) -> None:
    story = carrier.ended(carrier.call(carrier.phone(), hospital.document("/v", "<Redirect>/v</Redirect>")))
    assert len(hospital.at("/v")) == 101
    assert "application error" in texts(story)[-1]


def test_relative_action_in_inline_twiml_is_an_error(carrier: Carrier) -> None:
    twiml = "<Response><Redirect>/next</Redirect></Response>"
    story = carrier.ended(carrier.call(carrier.phone(), twiml=twiml))
    assert [e["code"] for e in story["events"] if e["kind"] == "error"] == [15004]


def test_http_redirections_are_followed_and_lose_the_parameters(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/new", "<Say>Moved</Say>")
    url = hospital.document("/v", lambda form: Response(status=302, headers={"Location": "/new"}))
    assert texts(carrier.ended(carrier.call(carrier.phone(), url))) == ["Moved"]
    assert hospital.at("/new") == [{}]


# Dial.

SCREEN = '<Gather numDigits="1" timeout="4" action="/screen-key"><Say>Press one to accept</Say></Gather><Hangup/>'
CHILD_EVENTS = 'statusCallback="/child" statusCallbackEvent="initiated ringing answered completed"'


def dial(hospital: Hospital, numbers: str, attributes: str = "") -> str:
    hospital.document("/screen", SCREEN)
    hospital.document("/screen-key", lambda form: "" if form["Digits"] == "1" else "<Hangup/>")
    hospital.document("/dialled", "<Say>After the dial</Say>")
    return hospital.document("/v", f'<Dial action="/dialled" {attributes}>{numbers}</Dial><Say>Unreachable</Say>')


def test_dial_with_screening_accepted(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone(
        {"on": "press one", "press": "1"}, {"say": "This is the doctor", "after": 1}, {"hangup": True, "after": 1}
    )
    patient = carrier.phone({"on": "this is the doctor", "say": "Good morning"})
    url = dial(hospital, f'<Number url="/screen" {CHILD_EVENTS}>{doctor}</Number>')
    sid = carrier.call(patient, url)
    story = carrier.ended(sid)
    (done,) = hospital.at("/dialled")
    child = done["DialCallSid"]
    assert (done["DialCallStatus"], done["DialBridged"], done["CallSid"]) == ("completed", "true", sid)
    assert int(done["DialCallDuration"]) >= 4
    assert [form["CallStatus"] for form in hospital.at("/child")] == [
        "initiated",
        "ringing",
        "in-progress",
        "completed",
    ]
    (screened,) = hospital.at("/screen")
    assert (screened["CallSid"], screened["ParentCallSid"]) == (child, sid)
    assert (screened["Direction"], screened["From"], screened["To"]) == ("outbound-dial", HOSPITAL, doctor)
    assert texts(story) == ["After the dial"]
    assert texts(story, "said") == ["Good morning"]
    assert carrier.control("GET", f"/calls/{child}")["parent_sid"] == sid
    assert carrier.client.calls(child).fetch().parent_call_sid == sid


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ({"script": [{"on": "press one", "press": "2"}]}, ("completed", "false")),
        ({"script": []}, ("completed", "false")),
        ({"behaviour": "no-answer"}, ("no-answer", "false")),
        ({"behaviour": "busy"}, ("busy", "false")),
        ({"behaviour": "unreachable"}, ("failed", "false")),
    ],
    ids=["declined", "silent", "no answer", "busy", "unreachable"],
)
def test_dial_without_a_bridge(carrier: Carrier, hospital: Hospital, phone: dict[str, Any], expected: Any) -> None:
    doctor = carrier.phone(**phone)
    url = dial(hospital, f'<Number url="/screen">{doctor}</Number>', 'timeout="6"')
    story = carrier.ended(carrier.call(carrier.phone(), url))
    (done,) = hospital.at("/dialled")
    assert (done["DialCallStatus"], done["DialBridged"]) == expected
    assert ("DialCallDuration" in done) == (expected[0] == "completed")
    assert texts(story) == ["After the dial"]


def test_the_caller_hangs_up_first(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone({"on": "press one", "press": "1"}, {"say": "This is the doctor"})
    patient = carrier.phone({"on": "this is the doctor", "hangup": True})
    story = carrier.ended(carrier.call(patient, dial(hospital, f'<Number url="/screen">{doctor}</Number>')))
    (done,) = hospital.at("/dialled")
    assert (done["CallStatus"], done["DialCallStatus"], done["DialBridged"]) == ("completed", "completed", "true")
    assert texts(story) == []


def test_the_caller_gives_up_while_it_rings(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone(behaviour="no-answer")
    url = dial(hospital, f"<Number {CHILD_EVENTS}>{doctor}</Number>")
    carrier.ended(carrier.call(carrier.phone({"hangup": True, "after": 4}), url))
    assert hospital.at("/child")[-1]["CallStatus"] == "canceled"
    assert hospital.at("/dialled")[0]["DialCallStatus"] == "canceled"


def test_the_first_answer_wins_and_the_others_are_cancelled(carrier: Carrier, hospital: Hospital) -> None:
    quick, slow = carrier.phone({"hangup": True, "after": 2}), carrier.phone(answer_after=8)
    url = dial(hospital, f"<Number>{slow}</Number><Number>{quick}</Number>")
    story = carrier.ended(carrier.call(carrier.phone(), url))
    statuses = {carrier.client.calls(leg).fetch().to: carrier.client.calls(leg).fetch().status for leg in story["legs"]}
    assert (statuses[quick], statuses[slow]) == ("completed", "canceled")
    assert hospital.at("/dialled")[0]["DialBridged"] == "true"


def test_time_limit_ends_the_bridge(carrier: Carrier, hospital: Hospital) -> None:
    url = dial(hospital, f"<Number>{carrier.phone()}</Number>", 'timeLimit="5"')
    carrier.ended(carrier.call(carrier.phone(), url))
    assert int(hospital.at("/dialled")[0]["DialCallDuration"]) in (5, 6)


def test_answer_on_bridge_keeps_an_inbound_call_ringing(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone({"hangup": True, "after": 2}, answer_after=5)
    dial(hospital, f"<Number>{doctor}</Number>", 'answerOnBridge="true"')
    hospital.pages["/voice"] = hospital.pages["/v"]
    sid = carrier.control("POST", f"/phones/{carrier.phone()}/call", {"to": HOSPITAL})["call_sid"]
    story = carrier.ended(sid)
    at = {(event["kind"], event["leg"]): event["t"] for event in story["events"]}
    child = hospital.at("/dialled")[0]["DialCallSid"]
    assert at["answered", sid] >= at["answered", child]


def test_a_caller_id_that_is_not_owned_is_refused(carrier: Carrier, hospital: Hospital) -> None:
    url = dial(hospital, f"<Number>{carrier.phone()}</Number>", 'callerId="+15559990000"')
    carrier.ended(carrier.call(carrier.phone(), url))
    assert hospital.at("/dialled")[0]["DialCallStatus"] == "failed"


def test_scripts_and_behaviours_by_turn(carrier: Carrier, hospital: Hospital) -> None:
    phone = carrier.phone(behaviours=["busy", "answer"], scripts=[[], [{"hangup": True}]])
    url = hospital.document("/v", '<Pause length="5"/>')
    assert [carrier.ended(carrier.call(phone, url))["status"] for _ in range(3)] == ["busy", "completed", "completed"]


def test_a_person_answers_and_presses_by_hand(carrier: Carrier, hospital: Hospital) -> None:
    person = carrier.phone(behaviour="person")
    hospital.document("/keys", "<Say>Thank you</Say><Pause length='60'/>")
    url = hospital.document("/v", f'<Gather action="/keys" timeout="60" numDigits="1"><Say>{PROMPT}</Say></Gather>')
    sid = carrier.call(person, url)
    carrier.when(sid, "ringing")
    carrier.control("POST", f"/phones/{person}/keys", {"answer": True})
    carrier.when(sid, "heard", "key in")
    carrier.control("POST", f"/phones/{person}/keys", {"press": "3"})
    carrier.when(sid, "heard", "Thank you")
    carrier.control("POST", f"/phones/{person}/keys", {"say": "Goodbye", "hangup": True})
    story = carrier.ended(sid)
    assert (texts(story, "pressed"), texts(story, "said")) == (["3"], ["Goodbye"])
