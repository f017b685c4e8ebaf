"""TwiML as the carrier reads it (docs/twilio.md 4.2), parsed, never compared as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from ivr_call import PROMPTS, Call

from ivr.interruption import voicemail
from ivr.talk import Ask, Bye, Connect, Continue, Hold, Join, Line, Output, Take, Wait
from ivr.twiml import DialPlan, TwimlError, WaitPlan, render

PLAN = DialPlan("+8613800001111", "+862155550100", "https://h/screen?a=1&b=2", "https://h/status")
ZH = Line("请按1。", "zh-CN", "main")
EN = Line("For English, press 8.", "en", "main_lang")


def document(output: Output, **options: object) -> ET.Element:
    return ET.fromstring(render(output, "https://h/turn/2", prompts=PROMPTS, **options))  # type: ignore[arg-type]


def verbs(root: ET.Element) -> list[str]:
    return [child.tag for child in root]


def test_ask_is_a_gather_that_always_comes_back() -> None:
    root = document(Ask((ZH, EN), 1, "", 8))
    assert verbs(root) == ["Gather", "Redirect"]
    assert root[0].attrib == {
        "input": "dtmf",
        "numDigits": "1",
        "finishOnKey": "",
        "timeout": "8",
        "actionOnEmptyResult": "true",
        "action": "https://h/turn/2",
        "method": "POST",
    }
    assert [(say.text, say.get("voice"), say.get("language")) for say in root[0]] == [
        ("请按1。", "Polly.Zhiyu", "cmn-CN"),
        ("For English, press 8.", "Polly.Joanna", "en-US"),
    ]


def test_a_number_of_any_length_ends_with_its_key() -> None:
    gather = document(Ask((ZH,), None, "#", 4))[0]
    assert gather.get("numDigits") is None
    assert gather.get("finishOnKey") == "#"


def test_take_survives_an_empty_recording() -> None:
    root = document(Take((ZH,), 120, 5, "message"), take_callback_url="https://h/rec")
    assert verbs(root) == ["Say", "Record", "Redirect"]
    assert root[1].attrib == {
        "action": "https://h/turn/2",
        "method": "POST",
        "maxLength": "120",
        "timeout": "5",
        "finishOnKey": "#",
        "playBeep": "true",
        "trim": "do-not-trim",
        "recordingStatusCallback": "https://h/rec",
    }
    assert root[2].text == "https://h/turn/2"


def test_connect_screens_the_callee() -> None:
    root = document(Connect((ZH,), "patient"), dial=PLAN)
    assert verbs(root) == ["Say", "Dial"]
    assert root[1].attrib == {
        "action": "https://h/turn/2",
        "method": "POST",
        "timeout": "25",
        "callerId": "+862155550100",
    }
    assert root[1][0].text == "+8613800001111"
    assert root[1][0].attrib == {
        "url": "https://h/screen?a=1&b=2",
        "method": "POST",
        "statusCallback": "https://h/status",
        "statusCallbackMethod": "POST",
        "statusCallbackEvent": "initiated ringing answered completed",
    }


def test_answer_on_bridge_only_when_wanted() -> None:
    plan = DialPlan("+861", "+862", "https://h/s", "https://h/t", answer_on_bridge=True)
    assert document(Connect((), "operator"), dial=plan)[0].get("answerOnBridge") == "true"


def test_hold_join_and_bye() -> None:
    assert verbs(document(Hold((ZH,), 3))) == ["Say", "Pause", "Redirect"]
    assert verbs(document(Join())) == []
    assert verbs(document(Bye((ZH,)))) == ["Say", "Hangup"]
    assert verbs(document(Bye((), silent=True))) == ["Hangup"]


def test_the_recording_starts_first_and_with_a_connect_after_its_words() -> None:
    root = document(Ask((ZH,), 1, "", 8), start_recording=True, start_callback_url="https://h/rec")
    assert verbs(root) == ["Start", "Gather", "Redirect"]
    assert root[0][0].attrib == {"recordingStatusCallback": "https://h/rec", "channels": "dual"}
    root = document(Connect((ZH,), "patient"), start_recording=True, start_callback_url="https://h/rec", dial=PLAN)
    assert verbs(root) == ["Say", "Start", "Dial"]


@pytest.mark.parametrize(
    ("output", "options", "why"),
    [
        (Ask((), 1, "", 8), {}, "without a word"),
        (Ask((ZH,), 1, "", 0), {}, "without time"),
        (Ask((ZH,), None, "", 8), {}, "never arrive"),
        (Ask((ZH,), 0, "", 8), {}, "takes no keys"),
        (Take((), 60, 5, "message"), {}, "beep"),
        (Connect((ZH,), "patient"), {}, "dial plan"),
        (Connect((ZH,), "patient"), {"dial": DialPlan("+861", "+862", "", "https://h/t")}, "screening"),
        (Bye(()), {}, "bare hang-up"),
        (Ask((ZH,), 1, "", 8), {"start_recording": True}, "callback"),
        (Continue((), "followup", "identified"), {}, "nothing to say yet"),
        (Bye((Line("Bonjour", "fr", "greet"),)), {}, "no voice for fr"),
    ],
)
def test_what_would_strand_a_caller_is_refused(output: Output, options: dict[str, object], why: str) -> None:
    with pytest.raises(TwimlError, match=why):
        document(output, **options)


def test_slow_words_are_said_with_prosody_and_the_others_as_they_are() -> None:
    slow = Line("请<按>1。", "zh-CN", "main", slow=True)
    gather = document(Ask((slow, EN), 1, "", 8))[0]
    assert gather[0].text is None
    assert [(part.tag, part.attrib, part.text) for part in gather[0]] == [("prosody", {"rate": "85%"}, "请<按>1。")]
    assert gather[1].text == "For English, press 8."
    assert (gather[0].get("voice"), gather[0].get("language")) == ("Polly.Zhiyu", "cmn-CN")


def test_a_name_with_markup_is_escaped() -> None:
    root = document(Call("doctor", surname="<Hangup/>&").press("1").turn.output, dial=PLAN)
    assert "<Hangup/>&" in (root[0].text or "")


@pytest.mark.parametrize("language", PROMPTS.languages)
@pytest.mark.parametrize("surname", ["王", ""])
def test_a_machine_hears_who_rang_and_where_to_ring_back(language: str, surname: str) -> None:
    """docs/clinical.md 2, Voicemail/AMD: name, number, and nothing about health."""
    told = {"sender": "安和服务中心", "hotline": "01055550100", "surname": surname, "sex": "female"}
    root = ET.fromstring(voicemail(PROMPTS, language, told))
    assert verbs(root) == ["Say", "Hangup"]
    said = "".join(root[0].itertext())
    assert "0 1 0 5 5 5 5 0 1 0 0" in said
    assert surname in said
    assert "安和服务中心" in said
    assert not [word for word in ("手术", "术后", "痛", "医", "回访", "pain", "surg", "doctor") if word in said.lower()]


def test_a_wait_is_a_queue_and_comes_back_even_from_a_carrier_without_queues() -> None:
    root = document(Wait((ZH,), (ZH,), (ZH,)), wait=WaitPlan("e-1", "https://h/wait"))
    assert verbs(root) == ["Say", "Enqueue", "Redirect"]
    assert root[1].text == "e-1"
    assert root[1].attrib == {
        "action": "https://h/turn/2",
        "maxQueueSize": "1",
        "method": "POST",
        "waitUrl": "https://h/wait",
        "waitUrlMethod": "POST",
    }
    assert root[2].text == "https://h/turn/2"


def test_a_wait_in_no_queue_is_refused() -> None:
    with pytest.raises(TwimlError, match="without a queue"):
        document(Wait((), (ZH,), (ZH,)))


def test_a_dial_of_a_queue_has_no_number() -> None:
    plan = DialPlan("", "+862155550100", "https://h/joined", "", queue="e-1", timeout_s=10)
    dial = document(Connect((ZH,), "patient"), dial=plan)[1]
    assert (dial.get("timeout"), dial[0].tag, dial[0].text) == ("10", "Queue", "e-1")
    assert dial[0].attrib == {"method": "POST", "url": "https://h/joined"}
