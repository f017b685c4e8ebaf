"""Reject: what the caller, the status callback and REST see of a call that was never answered (docs/twilio.md 4.2)."""

import pytest

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital, texts


def ring(carrier: Carrier) -> str:
    return str(carrier.control("POST", f"/phones/{carrier.phone()}/call", {"to": HOSPITAL})["call_sid"])


@pytest.mark.parametrize(
    ("reject", "status"),
    [('<Reject reason="busy"/>', "busy"), ('<Reject reason="rejected"/>', "no-answer"), ("<Reject/>", "no-answer")],
)
def test_a_rejected_call_was_never_answered_and_costs_nothing(
    carrier: Carrier, hospital: Hospital, reject: str, status: str
) -> None:
    hospital.document("/voice", f"{reject}<Say>Never said</Say>")
    story = carrier.ended(ring(carrier))
    assert (story["status"], story["answered"], texts(story)) == (status, None, [])
    (told,) = hospital.at("/number-status")
    assert (told["CallStatus"], told["CallDuration"]) == (status, "0")
    seen = carrier.client.calls(story["sid"]).fetch()
    assert (seen.status, seen.duration, seen.direction) == (status, "0", "inbound")
    assert carrier.client.calls.list(status=status, limit=1)[0].sid == story["sid"]


def test_a_pause_before_it_lets_it_ring_a_while(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", '<Pause length="4"/><Reject reason="busy"/>')
    story = carrier.ended(ring(carrier))
    assert (story["status"], story["answered"]) == ("busy", None)
    assert story["ended"] - story["started"] >= 4


def test_after_the_answer_it_only_hangs_up(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", '<Say>Good morning</Say><Reject reason="busy"/>')
    story = carrier.ended(ring(carrier))
    assert (story["status"], texts(story)) == ("completed", ["Good morning"])


def test_a_rejected_call_takes_no_new_document(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", "<Reject/>")
    sid = carrier.ended(ring(carrier))["sid"]
    refused = carrier.session.post(
        f"{carrier.url}/2010-04-01/Accounts/{carrier.client.username}/Calls/{sid}.json",
        data={"Twiml": "<Response><Say>Too late</Say></Response>"},
        timeout=10,
    )
    assert (refused.status_code, refused.json()["code"]) == (400, 21220)
