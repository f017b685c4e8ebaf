"""What the REST API refuses, and how (docs/twilio.md 1.7); messages and numbers (1.5, 1.9)."""

import subprocess
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.carrier.conftest import ACCOUNT, HOSPITAL, Carrier, Hospital, start_carrier, stop_carrier

TO = "+8613800000000"
URL = "http://127.0.0.1/v"
MAGIC = "+15005550006"

CALLS: list[tuple[dict[str, str], int]] = [
    ({"to": "", "from_": HOSPITAL, "url": URL}, 21201),
    ({"to": TO, "from_": "", "url": URL}, 21213),
    ({"to": TO, "from_": HOSPITAL}, 21205),
    ({"to": TO, "from_": HOSPITAL, "url": "not a url"}, 21205),
    ({"to": TO, "from_": HOSPITAL, "url": "http://under_score.example/v"}, 21205),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "status_callback": "nonsense"}, 21609),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "method": "PUT"}, 21209),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "timeout": "soon"}, 21208),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "send_digits": "12x"}, 21206),
    ({"to": TO, "from_": "+15559998888", "url": URL}, 21210),
    ({"to": "nobody", "from_": HOSPITAL, "url": URL}, 21217),
    ({"to": "+01234567", "from_": HOSPITAL, "url": URL}, 21211),
    ({"to": "+15005550001", "from_": MAGIC, "url": URL}, 21217),
    ({"to": "+15005550002", "from_": MAGIC, "url": URL}, 21214),
    ({"to": "+15005550003", "from_": MAGIC, "url": URL}, 21215),
    ({"to": "+15005550004", "from_": MAGIC, "url": URL}, 21216),
    ({"to": TO, "from_": "+15005550001", "url": URL}, 21212),
    ({"to": TO, "from_": "+15005550005", "url": URL}, 21210),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "machine_detection": "enable"}, 21234),
    ({"to": TO, "from_": HOSPITAL, "url": URL, "machine_detection": "Enable", "async_amd": "perhaps"}, 21234),
    *(
        ({"to": TO, "from_": HOSPITAL, "url": URL, "machine_detection": "Enable", name: value}, 21234)
        for name, value in (
            ("machine_detection_timeout", 2),
            ("machine_detection_timeout", 60),
            ("machine_detection_speech_threshold", 999),
            ("machine_detection_speech_end_threshold", 5001),
            ("machine_detection_silence_timeout", 10001),
        )
    ),
    (
        {"to": TO, "from_": HOSPITAL, "url": URL, "machine_detection": "Enable", "async_amd_status_callback": "here"},
        21609,
    ),
]
MESSAGES: list[tuple[dict[str, str], int]] = [
    ({"to": "", "from_": HOSPITAL, "body": "x"}, 21604),
    ({"to": TO, "from_": "", "body": "x"}, 21603),
    ({"to": TO, "from_": HOSPITAL, "body": ""}, 21602),
    ({"to": TO, "from_": HOSPITAL, "body": "x" * 1601}, 21617),
    ({"to": TO, "from_": "+15559998888", "body": "x"}, 21606),
    ({"to": "12", "from_": HOSPITAL, "body": "x"}, 21211),
    ({"to": "+15005550001", "from_": MAGIC, "body": "x"}, 21211),
    ({"to": "+15005550002", "from_": MAGIC, "body": "x"}, 21612),
    ({"to": "+15005550003", "from_": MAGIC, "body": "x"}, 21408),
    ({"to": "+15005550004", "from_": MAGIC, "body": "x"}, 21610),
    ({"to": "+15005550009", "from_": MAGIC, "body": "x"}, 21614),
    ({"to": TO, "from_": "+15005550001", "body": "x"}, 21212),
    ({"to": TO, "from_": "+15005550007", "body": "x"}, 21606),
    ({"to": TO, "from_": "+15005550008", "body": "x"}, 21611),
    ({"to": TO, "from_": "+15005550002", "body": "x"}, 21606),
]


def code_of(refused: "pytest.ExceptionInfo[TwilioRestException]") -> tuple[int, int]:
    return refused.value.status, refused.value.code


@pytest.mark.parametrize(("fields", "code"), CALLS, ids=[str(code) for _, code in CALLS])
def test_refused_calls(carrier: Carrier, fields: dict[str, Any], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.calls.create(**fields)
    assert code_of(refused) == (400, code)


@pytest.mark.parametrize(("fields", "code"), MESSAGES, ids=[str(code) for _, code in MESSAGES])
def test_refused_messages(carrier: Carrier, fields: dict[str, Any], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.messages.create(**fields)
    assert code_of(refused) == (400, code)


def test_the_magic_sender_is_taken_for_calls_and_messages(carrier: Carrier) -> None:
    to = carrier.phone(behaviour="busy")
    call = carrier.client.calls.create(to=to, from_=MAGIC, url=URL)
    assert carrier.ended(str(call.sid))["status"] == "busy"
    assert carrier.client.messages.create(to=to, from_=MAGIC, body="x").status == "queued"


def test_wrong_credentials(carrier: Carrier) -> None:
    http = TwilioHttpClient(timeout=10)
    client = Client(ACCOUNT, "wrong", http_client=http)
    client.api.base_url = carrier.url
    with pytest.raises(TwilioRestException) as refused:
        client.calls("CA" + "0" * 32).fetch()
    assert code_of(refused) == (401, 20003)
    http.session.close()
    body = requests.get(f"{carrier.url}/2010-04-01/Accounts/{ACCOUNT}.json", timeout=5).json()
    assert set(body) == {"code", "detail", "message", "more_info", "status"}
    assert requests.get(f"{carrier.url}/control/clock", timeout=5).status_code == 401


def test_bad_updates_and_pages(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(carrier.phone(behaviour="busy"), f"{hospital.url}/v")
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.calls(sid).update(status="paused")
    assert code_of(refused) == (400, 20422)
    carrier.ended(sid)
    answer = carrier.session.get(f"{carrier.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json?PageSize=5000", timeout=5)
    assert answer.json()["code"] == 20007
    assert carrier.client.calls(sid).delete()
    with pytest.raises(TwilioRestException) as missing:
        carrier.client.calls(sid).fetch()
    assert code_of(missing) == (404, 20404)


def test_a_numbers_addresses_are_listed_and_updated(carrier: Carrier) -> None:
    (number,) = carrier.client.incoming_phone_numbers.list(phone_number=HOSPITAL)
    changed = carrier.client.incoming_phone_numbers(number.sid).update(voice_url="http://hospital.test/ivr/voice")
    assert (changed.sid, changed.voice_url) == (number.sid, "http://hospital.test/ivr/voice")
    assert changed.voice_fallback_url == number.voice_fallback_url
    assert carrier.client.incoming_phone_numbers(number.sid).fetch().voice_url == changed.voice_url


def test_control_refuses_what_is_not_a_script(carrier: Carrier) -> None:
    carrier.control("PUT", f"/phones/{TO}", {"behaviour": "sings"}, expect=400)
    carrier.control("PUT", f"/phones/{TO}", {"script": [{"press": "x"}]}, expect=400)
    carrier.control("PUT", f"/phones/{TO}", {"script": [{"shout": "x"}]}, expect=400)
    carrier.control("PUT", f"/phones/{TO}", {"amd": "robot"}, expect=400)
    carrier.control("PUT", f"/phones/{TO}", {"sms": "eaten"}, expect=400)
    carrier.control("PUT", f"/phones/{TO}", {"colour": "red"}, expect=400)
    carrier.control("POST", "/chaos", {"no_such_fault": 1}, expect=400)
    carrier.control("POST", "/chaos", {"drop_callbacks": {"parcel": 1}}, expect=400)
    carrier.control("POST", "/chaos", {"drop_callbacks": -2}, expect=400)
    carrier.control("PUT", "/cps", {"cps": -1}, expect=400)
    carrier.control("PUT", "/cps", {}, expect=400)
    carrier.control("GET", f"/phones/{TO}", expect=404)
    carrier.control("PUT", f"/phones/{TO}", {"behaviour": "busy"})
    carrier.control("DELETE", f"/phones/{TO}")
    carrier.control("DELETE", f"/phones/{TO}", expect=404)


def children(pid: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.split()


def alive(pid: str) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.parametrize("hard", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_its_end_leaves_no_child_behind(hospital: Hospital, hard: bool) -> None:
    carrier = start_carrier("--speed", "50")
    carrier.control("PUT", f"/numbers/{HOSPITAL}", {})
    sid = carrier.call(carrier.phone(), twiml='<Response><Say loop="0">On and on</Say></Response>')
    carrier.when(sid, "heard")
    (child,) = children(carrier.process.pid)
    if hard:
        carrier.process.kill()
        carrier.process.wait(5)
        carrier.session.close()
        carrier.client.http_client.session.close()
        assert carrier.process.stdout is not None
        carrier.process.stdout.close()
    else:
        stop_carrier(carrier)
    for _ in range(50):
        if not alive(child):
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("the speaking child lives on")
