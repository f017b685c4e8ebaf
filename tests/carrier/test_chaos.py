"""Callbacks late, out of order, and by kind (control API: /control/chaos)."""

from typing import Any

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital

EVENTS = ["initiated", "ringing", "answered", "completed"]
NUMBERS = ["0", "1", "2", "3"]


def place(carrier: Carrier, hospital: Hospital, verbs: str = "<Hangup/>", **more: Any) -> dict[str, Any]:
    url = hospital.document("/v", verbs)
    more = {"status_callback": f"{hospital.url}/status", "status_callback_event": EVENTS} | more
    return carrier.ended(carrier.call(carrier.phone(), url, **more))


def arrived(hospital: Hospital) -> list[str]:
    return [form["SequenceNumber"] for form in hospital.at("/status")]


def test_a_callback_comes_late_and_the_others_in_time(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"delay_callbacks_s": 30, "delay_callbacks": 1})
    story = place(carrier, hospital)
    assert arrived(hospital) == ["1", "2", "3", "0"]
    calls = [event["t"] for event in story["events"] if event["kind"] == "webhook" and event["path"] == "/status"]
    assert 29 < calls[-1] < 60
    chaos = [event["text"] for event in story["events"] if event["kind"] == "chaos"]
    assert chaos == ["status callback delayed by 30 s"]


def test_all_callbacks_come_late_in_their_order(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"delay_callbacks_s": 20})
    story = place(carrier, hospital)
    assert arrived(hospital) == NUMBERS
    times = [event["t"] for event in story["events"] if event["kind"] == "webhook" and event["path"] == "/status"]
    assert min(times) > 19


def test_neighbours_change_places(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"reorder_callbacks": -1})
    place(carrier, hospital)
    assert arrived(hospital) == ["1", "0", "3", "2"]
    assert carrier.control("GET", "/chaos")["reorder_callbacks"] == -1


def test_a_held_callback_that_is_the_last_goes_out_alone(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"reorder_callbacks": 1})
    place(carrier, hospital, status_callback_event=["completed"])
    assert arrived(hospital) == ["3"]
    assert carrier.control("GET", "/chaos")["reorder_callbacks"] == 0


def test_faults_may_be_for_one_kind_of_callback(carrier: Carrier, hospital: Hospital) -> None:
    faults = {"drop_callbacks": {"recording": 1}, "duplicate_callbacks": {"amd": -1, "message": 1}}
    shown = carrier.control("POST", "/chaos", faults)
    assert {name: shown[name] for name in faults} == faults
    place(
        carrier,
        hospital,
        '<Pause length="10"/>',
        record=True,
        recording_status_callback=f"{hospital.url}/recorded",
        machine_detection="Enable",
        async_amd="true",
        async_amd_status_callback=f"{hospital.url}/amd",
    )
    to = carrier.phone()
    carrier.client.messages.create(to=to, from_=HOSPITAL, body="x", status_callback=f"{hospital.url}/sms")
    assert carrier.control("GET", "/idle?timeout=20")["idle"]
    assert arrived(hospital) == NUMBERS
    assert hospital.at("/recorded") == []
    assert len(hospital.at("/amd")) == 2
    assert [form["MessageStatus"] for form in hospital.at("/sms")] == [
        "queued",
        "queued",
        "sending",
        "sent",
        "delivered",
    ]
    assert carrier.control("DELETE", "/chaos")["duplicate_callbacks"] == 0


def test_for_ever_lasts(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"drop_callbacks": -1})
    place(carrier, hospital)
    assert arrived(hospital) == []
    carrier.control("POST", "/chaos", {"drop_callbacks": 0})
    place(carrier, hospital)
    assert arrived(hospital) == NUMBERS
