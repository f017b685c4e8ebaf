"""Calls through the unmodified SDK: create, states, callbacks, update, lists (docs/twilio.md 1.2, 1.3, 2.6,
2.11)."""

from datetime import timedelta
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from tests.carrier.conftest import ACCOUNT, HOSPITAL, Carrier, Hospital, start_carrier, stop_carrier, texts

EVENTS = ["initiated", "ringing", "answered", "completed"]


def test_statuses_come_in_order_with_sequence_numbers(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", "<Say>Hello</Say>")
    status_url = f"{hospital.url}/status?x=%E4%B8%AD"
    sid = carrier.call(carrier.phone(), url, status_callback=status_url, status_callback_event=EVENTS)
    carrier.ended(sid)
    asked = hospital.at("/status")
    assert [form["CallStatus"] for form in asked] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in asked] == ["0", "1", "2", "3"]
    assert {form["CallbackSource"] for form in asked} == {"call-progress-events"}
    assert asked[-1]["SipResponseCode"] == "200"
    assert asked[-1]["Duration"] == "1"
    assert "CallDuration" not in asked[0]
    assert asked[0]["FromCity"] == ""
    (first,) = hospital.at("/v")
    assert (first["CallStatus"], first["Direction"], first["CallSid"]) == ("in-progress", "outbound-api", sid)


def test_only_subscribed_events_are_sent_and_keep_their_numbers(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(
        carrier.phone(),
        hospital.document("/v", "<Hangup/>"),
        status_callback=f"{hospital.url}/status",
        status_callback_event=["answered"],
    )
    carrier.ended(sid)
    assert [(f["CallStatus"], f["SequenceNumber"]) for f in hospital.at("/status")] == [("in-progress", "2")]


def test_completed_is_the_default_event(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", "<Hangup/>")
    carrier.ended(carrier.call(carrier.phone(), url, status_callback=f"{hospital.url}/status"))
    assert [form["CallStatus"] for form in hospital.at("/status")] == ["completed"]


@pytest.mark.parametrize(
    ("behaviour", "status", "sip"),
    [
        ("busy", "busy", "486"),
        ("no-answer", "no-answer", "487"),
        ("reject", "no-answer", "603"),
        ("unreachable", "failed", "404"),
    ],
)
def test_calls_that_are_not_answered(
    carrier: Carrier, hospital: Hospital, behaviour: str, status: str, sip: str
) -> None:
    to = carrier.phone(behaviour=behaviour)
    sid = carrier.call(to, f"{hospital.url}/v", timeout=5, status_callback=f"{hospital.url}/status")
    assert carrier.ended(sid)["status"] == status
    (last,) = hospital.at("/status")
    assert (last["CallStatus"], last["SipResponseCode"], last["CallDuration"]) == (status, sip, "0")
    assert hospital.at("/v") == []


def test_an_undeclared_phone_rings_and_does_not_answer(carrier: Carrier, hospital: Hospital) -> None:
    story = carrier.ended(carrier.call("+8613999999999", f"{hospital.url}/v", timeout=3))
    assert story["status"] == "no-answer"
    assert "ringing" in [event["kind"] for event in story["events"]]


def test_inline_twiml_is_run(carrier: Carrier) -> None:
    sid = carrier.call(carrier.phone(), twiml="<Response><Say>From the create</Say></Response>")
    assert texts(carrier.ended(sid)) == ["From the create"]


def test_headers_of_a_request(carrier: Carrier, hospital: Hospital) -> None:
    carrier.ended(carrier.call(carrier.phone(), hospital.document("/v", "<Hangup/>")))
    (asked,) = [asked for asked in hospital.asked if asked.path == "/v"]
    assert asked.headers["User-Agent"] == "TwilioProxy/1.1"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert len(asked.headers["I-Twilio-Idempotency-Token"]) == 36


def test_get_requests_carry_and_sign_the_parameters_in_the_query(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", "<Hangup/>") + "?a=b#rc=2"
    sid = carrier.call(carrier.phone(), url, method="GET")
    carrier.ended(sid)
    (asked,) = [asked for asked in hospital.asked if asked.path == "/v"]
    assert (asked.method, asked.form["CallSid"], asked.form["a"]) == ("GET", sid, "b")


def test_inbound_call_and_the_numbers_own_callback(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", "<Say>Welcome</Say>")
    caller = carrier.phone()
    sid = carrier.control("POST", f"/phones/{caller}/call", {"to": HOSPITAL}, expect=201)["call_sid"]
    assert texts(carrier.ended(sid)) == ["Welcome"]
    (asked,) = hospital.at("/voice")
    assert (asked["CallStatus"], asked["Direction"], asked["From"]) == ("ringing", "inbound", caller)
    (last,) = hospital.at("/number-status")
    assert last["CallStatus"] == "completed"
    assert int(last["CallDuration"]) >= 0
    assert "SequenceNumber" not in last
    assert carrier.control("GET", f"/phones/{caller}")["calls"] == [sid]


def test_withheld_caller_is_anonymous(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", "<Hangup/>")
    body = {"to": HOSPITAL, "withheld": True}
    sid = carrier.control("POST", f"/phones/{carrier.phone()}/call", body)["call_sid"]
    carrier.ended(sid)
    assert hospital.at("/voice")[0]["From"] == "anonymous"


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "no-answer")])
def test_reject_never_answers(carrier: Carrier, hospital: Hospital, reason: str, status: str) -> None:
    hospital.document("/voice", f'<Reject reason="{reason}"/>')
    sid = carrier.control("POST", f"/phones/{carrier.phone()}/call", {"to": HOSPITAL})["call_sid"]
    story = carrier.ended(sid)
    assert story["status"] == status
    assert "answered" not in [event["kind"] for event in story["events"]]


# Update.


def test_completed_ends_a_call_in_the_middle_of_a_say(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", '<Say loop="0">This goes on and on</Say>')
    sid = carrier.call(carrier.phone(), url)
    carrier.when(sid, "heard")
    assert carrier.client.calls(sid).update(status="completed").status == "completed"
    carrier.ended(sid)


def test_url_redirects_a_call_in_the_middle_of_a_say(carrier: Carrier, hospital: Hospital) -> None:
    url = hospital.document("/v", '<Say loop="0">This goes on and on</Say>')
    sid = carrier.call(carrier.phone(), url)
    carrier.when(sid, "heard")
    carrier.client.calls(sid).update(url=hospital.document("/other", "<Say>Something else</Say>"))
    assert texts(carrier.ended(sid))[-1] == "Something else"
    assert hospital.at("/other")[0]["CallStatus"] == "in-progress"


def test_canceled_ends_ringing_and_leaves_an_answered_call_alone(carrier: Carrier, hospital: Hospital) -> None:
    status_url = f"{hospital.url}/status"
    sid = carrier.call(carrier.phone(answer_after=500), f"{hospital.url}/v", timeout=600, status_callback=status_url)
    carrier.when(sid, "ringing")
    assert carrier.client.calls(sid).update(status="canceled").status == "canceled"
    carrier.ended(sid)
    assert [form["CallStatus"] for form in hospital.at("/status")] == ["canceled"]

    talking = carrier.call(carrier.phone(), hospital.document("/v", '<Pause length="6"/><Say>Still here</Say>'))
    carrier.when(talking, "answered")
    assert carrier.client.calls(talking).update(status="canceled").status == "in-progress"
    assert texts(carrier.ended(talking)) == ["Still here"]


def test_status_callback_alone_may_change_on_a_live_call(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(carrier.phone(), hospital.document("/v", '<Pause length="5"/>'))
    carrier.when(sid, "answered")
    carrier.client.calls(sid).update(status_callback=f"{hospital.url}/late")
    carrier.ended(sid)
    assert [form["CallStatus"] for form in hospital.at("/late")] == ["completed"]


def test_redirecting_a_call_that_is_over_is_refused(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(carrier.phone(), hospital.document("/v", "<Hangup/>"))
    carrier.ended(sid)
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.calls(sid).update(url=f"{hospital.url}/v")
    assert (refused.value.status, refused.value.code) == (400, 21220)
    assert "Call is not in-progress. Cannot redirect." in refused.value.msg


# Lists.


def test_lists_are_filtered_and_paged(carrier: Carrier, hospital: Hospital) -> None:
    to = carrier.phone(behaviour="busy")
    sids = [carrier.call(to, f"{hospital.url}/v") for _ in range(5)]
    for sid in sids:
        carrier.ended(sid)
    calls = carrier.client.calls
    assert [call.sid for call in calls.list(to=to, page_size=2)] == sids[::-1]
    assert len(calls.list(to=to, limit=3)) == 3
    assert calls.list(to=to, status="completed") == []
    assert len(calls.list(to=to, from_=HOSPITAL, status="busy")) == 5
    first = calls(sids[0]).fetch()
    assert first.start_time is not None
    assert len(calls.list(to=to, start_time_after=first.start_time - timedelta(seconds=1))) == 5
    assert calls.list(to=to, start_time_after=first.start_time + timedelta(days=1)) == []
    assert calls.list(to=to, start_time_before=first.start_time) == []
    assert first.duration == "0"
    assert first.end_time is not None


def test_parallel_accounts_and_paths_are_strangers(carrier: Carrier) -> None:
    with pytest.raises(TwilioRestException) as missing:
        carrier.client.calls("CA" + "0" * 32).fetch()
    assert (missing.value.status, missing.value.code) == (404, 20404)
    assert carrier.client.api.accounts(ACCOUNT).fetch().status == "active"


# Faults of the network (control API: chaos).


def test_a_lost_answer_leaves_the_call_in_the_list(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"lose_create": 1})
    to = carrier.phone()
    with pytest.raises(requests.ConnectionError):
        carrier.call(to, hospital.document("/v", "<Hangup/>"))
    (call,) = carrier.client.calls.list(to=to)
    assert carrier.ended(call.sid)["status"] == "completed"


def test_a_held_answer_comes_after_the_call_has_started(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"hold_create_s": 0.4})
    sid = carrier.call(carrier.phone(behaviour="busy"), f"{hospital.url}/v")
    assert carrier.client.calls(sid).fetch().status == "busy"


def test_a_new_call_is_missing_from_a_lagging_list(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"list_lag_s": 600})
    to = carrier.phone(behaviour="busy")
    sid = carrier.call(to, f"{hospital.url}/v")
    carrier.ended(sid)
    assert carrier.client.calls.list(to=to) == []
    assert carrier.client.calls(sid).fetch().sid == sid
    carrier.control("POST", "/clock", {"forward_s": 601})
    assert [call.sid for call in carrier.client.calls.list(to=to)] == [sid]


@pytest.mark.parametrize(("fault", "times"), [("drop_callbacks", 0), ("duplicate_callbacks", 2)])
def test_callbacks_may_be_lost_or_doubled(carrier: Carrier, hospital: Hospital, fault: str, times: int) -> None:
    carrier.control("POST", "/chaos", {fault: 1})
    to = carrier.phone(behaviour="busy")
    carrier.ended(carrier.call(to, f"{hospital.url}/v", status_callback=f"{hospital.url}/status"))
    assert len(hospital.at("/status")) == times
    assert len({asked.headers["I-Twilio-Idempotency-Token"] for asked in hospital.asked}) <= 1


def test_too_many_requests(carrier: Carrier) -> None:
    carrier.control("POST", "/chaos", {"too_many": 1})
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.api.accounts(ACCOUNT).fetch()
    assert (refused.value.status, refused.value.code) == (429, 20429)


# The clock and the queue.


def test_the_clock_moves_forward_and_wakes_a_ringing_call(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(carrier.phone(behaviour="no-answer"), f"{hospital.url}/v", timeout=600)
    carrier.when(sid, "ringing")
    assert not carrier.control("GET", "/idle?timeout=0")["idle"]
    carrier.control("POST", "/clock", {"forward_s": 3600})
    assert carrier.ended(sid)["status"] == "no-answer"
    carrier.control("POST", "/clock", {"forward_s": -1}, expect=400)
    assert carrier.control("GET", "/clock")["speed"] == 20


def test_calls_over_the_rate_are_accepted_and_queued(hospital: Hospital) -> None:
    slow = start_carrier("--speed", "20", "--cps", "0.1")
    try:
        slow.control("PUT", f"/numbers/{HOSPITAL}", {"voice_url": ""})
        to = slow.phone(behaviour="busy")
        calls: list[Any] = [
            slow.client.calls.create(
                to=to, from_=HOSPITAL, url=f"{hospital.url}/v", status_callback=f"{hospital.url}/s"
            )
            for _ in range(3)
        ]
        assert {call.status for call in calls} == {"queued"}
        assert calls[0].queue_time == "0"
        assert 9000 < int(calls[1].queue_time) <= 10000
        # Cancelled in the queue: not one callback (docs/twilio.md 1.3).
        assert slow.client.calls(calls[2].sid).update(status="canceled").status == "canceled"
        slow.ended(calls[1].sid)
        assert [form["CallSid"] for form in hospital.at("/s")] == [calls[0].sid, calls[1].sid]
        started = [slow.client.calls(call.sid).fetch().start_time for call in calls[:2]]
        assert timedelta(seconds=9) <= started[1] - started[0] <= timedelta(seconds=12)
    finally:
        stop_carrier(slow)
