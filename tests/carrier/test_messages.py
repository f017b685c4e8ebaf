"""Messages out, their ends, and messages in (docs/twilio.md 1.5, 2.13)."""

from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.twiml.messaging_response import MessagingResponse
from werkzeug.wrappers import Response

from tests.carrier.conftest import HOSPITAL, Carrier, Form, Hospital


def idle(carrier: Carrier) -> None:
    assert carrier.control("GET", "/idle?timeout=20")["idle"]


def write(carrier: Carrier, sender: str, body: str) -> str:
    """A message from a phone into the hospital, with all that follows from it; its SID."""
    order = {"to": HOSPITAL, "body": body}
    sid = carrier.control("POST", f"/phones/{sender}/message", order, expect=201)["message_sid"]
    idle(carrier)
    return str(sid)


def send(carrier: Carrier, to: str, **more: Any) -> Any:
    return carrier.client.messages.create(to=to, from_=HOSPITAL, body="Please ring us back", **more)


def of(carrier: Carrier, phone: str) -> list[tuple[str, str, str]]:
    """What went to and from a phone, in order: direction, status, text."""
    messages = carrier.control("GET", "/messages")
    return [(m["direction"], m["status"], m["body"]) for m in messages if phone in (m["to"], m["from"])]


def test_a_message_goes_from_queued_to_delivered(carrier: Carrier, hospital: Hospital) -> None:
    to = carrier.phone()
    message = carrier.client.messages.create(
        to=to, from_=HOSPITAL, body="您好,请回电" * 20, status_callback=f"{hospital.url}/sms"
    )
    assert (message.status, message.num_segments, message.sid[:2]) == ("queued", "2", "SM")
    idle(carrier)
    asked = hospital.at("/sms")
    assert [form["MessageStatus"] for form in asked] == ["queued", "sending", "sent", "delivered"]
    assert all(form["SmsStatus"] == form["MessageStatus"] for form in asked)
    assert len(asked[-1]["RawDlrDoneDate"]) == 10
    assert carrier.client.messages(message.sid).fetch().status == "delivered"
    assert [m.sid for m in carrier.client.messages.list(to=to)] == [message.sid]
    assert of(carrier, to) == [("outbound-api", "delivered", "您好,请回电" * 20)]


ENDS: list[tuple[dict[str, Any], list[str], str | None]] = [
    ({"behaviour": "unreachable"}, ["queued", "sending", "sent", "undelivered"], "30003"),
    ({"sms": {"status": "undelivered", "error_code": 30005}}, ["queued", "sending", "sent", "undelivered"], "30005"),
    ({"sms": "failed"}, ["queued", "sending", "failed"], "30008"),
    ({"sms": "sent"}, ["queued", "sending", "sent"], None),
]


@pytest.mark.parametrize(("phone", "statuses", "code"), ENDS, ids=[str(end[0]) for end in ENDS])
def test_how_a_message_may_end(
    carrier: Carrier, hospital: Hospital, phone: dict[str, Any], statuses: list[str], code: str | None
) -> None:
    message = send(carrier, carrier.phone(**phone), status_callback=f"{hospital.url}/sms")
    idle(carrier)
    asked = hospital.at("/sms")
    assert [form["MessageStatus"] for form in asked] == statuses
    assert [form.get("ErrorCode") for form in asked] == [None] * (len(statuses) - 1) + [code]
    found = carrier.client.messages(message.sid).fetch()
    assert (found.status, found.error_code) == (statuses[-1], None if code is None else int(code))
    assert (found.error_message is None) == (code is None)


def test_ends_may_differ_from_message_to_message(carrier: Carrier) -> None:
    to = carrier.phone(sms=["undelivered", "delivered"])
    for _ in range(3):
        send(carrier, to)
        idle(carrier)
    assert [status for _, status, _ in of(carrier, to)] == ["undelivered", "delivered", "delivered"]


def test_a_lost_answer_leaves_the_message_in_the_list(carrier: Carrier) -> None:
    to = carrier.phone()
    carrier.control("POST", "/chaos", {"lose_message": 1})
    with pytest.raises(OSError, match="Connection"):
        send(carrier, to)
    idle(carrier)
    assert [m.status for m in carrier.client.messages.list(to=to)] == ["delivered"]


# In.


def test_a_message_in_is_handed_to_the_number_with_the_documented_parameters(
    carrier: Carrier, hospital: Hospital
) -> None:
    hospital.document("/sms-in", "")
    sender = carrier.phone()
    sid = write(carrier, sender, "好的,谢谢")
    (asked,) = hospital.at("/sms-in")
    assert {name: asked[name] for name in ("MessageSid", "SmsSid", "SmsMessageSid")} == dict.fromkeys(
        ("MessageSid", "SmsSid", "SmsMessageSid"), sid
    )
    assert (asked["From"], asked["To"], asked["Body"]) == (sender, HOSPITAL, "好的,谢谢")
    assert (asked["NumMedia"], asked["NumSegments"], asked["SmsStatus"]) == ("0", "1", "received")
    assert asked["FromCountry"] == asked["ToZip"] == ""
    assert "CallSid" not in asked
    found = carrier.client.messages(sid).fetch()
    assert (found.direction, found.status, found.from_) == ("inbound", "received", sender)
    assert of(carrier, sender) == [("inbound", "received", "好的,谢谢")]


def test_the_answer_may_be_messages(carrier: Carrier, hospital: Hospital) -> None:
    def page(form: Form) -> Response:
        answer = MessagingResponse()
        answer.message("Thank you", action="/sms-status")
        answer.message("We will ring you").body(" tomorrow")
        return Response(str(answer), mimetype="text/xml")

    hospital.document("/sms-in", page)
    sender = carrier.phone()
    write(carrier, sender, "yes")
    assert of(carrier, sender)[1:] == [
        ("outbound-reply", "delivered", "Thank you"),
        ("outbound-reply", "delivered", "tomorrow"),
    ]
    assert [form["MessageStatus"] for form in hospital.at("/sms-status")][-1] == "delivered"


def test_plain_text_and_redirects_are_answers_too(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/next", lambda form: Response("Plainly", mimetype="text/plain"))
    hospital.document("/sms-in", "<Message>First</Message><Redirect>/next</Redirect><Message>never</Message>")
    sender = carrier.phone()
    write(carrier, sender, "hello")
    assert [body for _, _, body in of(carrier, sender)] == ["hello", "First", "Plainly"]


def test_a_failing_address_has_a_fallback(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/sms-in", lambda form: Response("no", status=500))
    hospital.document("/sms-fallback", "<Message>We will look</Message>")
    order = {"sms_url": f"{hospital.url}/sms-in", "sms_fallback_url": f"{hospital.url}/sms-fallback"}
    carrier.control("PUT", f"/numbers/{HOSPITAL}", order)
    sender = carrier.phone()
    write(carrier, sender, "hello")
    (asked,) = hospital.at("/sms-fallback")
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == ("11200", f"{hospital.url}/sms-in")
    assert [body for _, _, body in of(carrier, sender)] == ["hello", "We will look"]


def test_a_message_to_nobody_is_refused(carrier: Carrier) -> None:
    order = {"to": "+15559998888", "body": "hello"}
    carrier.control("POST", f"/phones/{carrier.phone()}/message", order, expect=400)


# STOP.


def test_stop_is_only_a_word_unless_opt_out_is_switched_on(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/sms-in", "")
    sender = carrier.phone()
    write(carrier, sender, "STOP")
    send(carrier, sender)
    idle(carrier)
    assert [status for _, status, _ in of(carrier, sender)] == ["received", "delivered"]


def test_the_carriers_own_opt_out(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/sms-in", "<Message>Thank you</Message>")
    carrier.control("PUT", f"/numbers/{HOSPITAL}", {"sms_url": f"{hospital.url}/sms-in", "opt_out": True})
    sender = carrier.phone()
    write(carrier, sender, "please stop")
    write(carrier, sender, " stop ")
    with pytest.raises(TwilioRestException) as refused:
        send(carrier, sender)
    assert (refused.value.status, refused.value.code) == (400, 21610)
    assert len(hospital.at("/sms-in")) == 2
    told = of(carrier, sender)
    assert [(status, body[:30]) for _, status, body in told] == [
        ("received", "please stop"),
        ("delivered", "Thank you"),
        ("received", " stop "),
        ("delivered", "You have successfully been uns"),
        ("failed", "Thank you"),
    ]
    write(carrier, sender, "START")
    send(carrier, sender)
    idle(carrier)
    assert of(carrier, sender)[-1][1] == "delivered"
