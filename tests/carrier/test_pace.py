"""The queue of created calls, and many calls at once at a high speed (docs/twilio.md 1.8)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital, start_carrier, stop_carrier, texts


@pytest.fixture
def fast(hospital: Hospital) -> Iterator[Carrier]:
    """A carrier of its own at 200 times the speed of life."""
    carrier = start_carrier("--speed", "200")
    carrier.control("PUT", f"/numbers/{HOSPITAL}", {})
    yield carrier
    stop_carrier(carrier)


def outbound(carrier: Carrier) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = carrier.control("GET", "/calls?direction=outbound-api")
    return calls


def test_calls_start_at_the_rate_and_never_faster(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("PUT", "/cps", {"cps": 5})
    to = carrier.phone(behaviour="busy")
    try:
        made = [carrier.client.calls.create(to=to, from_=HOSPITAL, url=f"{hospital.url}/v") for _ in range(16)]
        stories = [carrier.ended(call.sid) for call in made]
    finally:
        carrier.control("PUT", "/cps", {"cps": 0})
    starts = [story["started"] for story in stories]
    # The moments are shown in milliseconds, so a gap may be one short.
    assert min(later - earlier for earlier, later in pairwise(starts)) > 0.1985
    assert max(sum(0 <= other - start < 0.99 for other in starts) for start in starts) <= 5
    assert made[0].queue_time == "0"
    for call, story in zip(made[1:], stories[1:], strict=True):
        waited = (story["started"] - story["created"]) * 1000
        assert story["queue_ms"] == pytest.approx(waited, abs=2) or int(call.queue_time) == 0
        # The estimate knows of no lateness of the machine it runs on.
        assert -2 < waited - int(call.queue_time) < 20_000


def test_a_cancelled_call_takes_nobodys_turn_and_the_rate_may_change(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("PUT", "/cps", {"cps": 0.01})
    try:
        to = carrier.phone(behaviour="busy")
        sids = [carrier.call(to, f"{hospital.url}/v", status_callback=f"{hospital.url}/s") for _ in range(4)]
        carrier.when(sids[0], "status", "busy")
        assert carrier.control("GET", "/cps")["queued"] == 3
        assert carrier.client.calls(sids[1]).update(status="canceled").status == "canceled"
        assert carrier.client.calls(sids[2]).fetch().status == "queued"
        assert carrier.control("GET", "/cps")["queued"] == 2
        carrier.control("PUT", "/cps", {"cps": 1})
        stories = [carrier.ended(sid) for sid in sids]
    finally:
        carrier.control("PUT", "/cps", {"cps": 0})
    assert [story["status"] for story in stories] == ["busy", "canceled", "busy", "busy"]
    assert [form["CallSid"] for form in hospital.at("/s")] == [sids[0], sids[2], sids[3]]
    started = [story["started"] for story in stories]
    assert started[1] is None
    assert 0.9985 < started[3] - started[2] < 20


def test_every_create_shows_its_moment(carrier: Carrier) -> None:
    to = carrier.phone(behaviour="busy")
    sids = [carrier.call(to, twiml="<Response/>") for _ in range(3)]
    shown = {call["sid"]: call for call in outbound(carrier)}
    created = [shown[sid]["created"] for sid in sids]
    assert created == sorted(created)
    assert created[-1] - created[0] < 30
    assert shown[sids[0]]["created_at"].endswith("Z")
    for sid in sids:
        assert carrier.ended(sid)["created"] == shown[sid]["created"]


def test_twenty_calls_at_once_at_two_hundred_times_the_speed(fast: Carrier, hospital: Hospital) -> None:
    hospital.document("/keys", lambda form: f"<Say>You pressed {form['Digits']}</Say>")
    gather = '<Gather action="/keys" numDigits="1" timeout="60"><Say>Press a key</Say></Gather><Say>Nothing came</Say>'
    url = hospital.document("/v", gather)
    keys = [str(number % 10) for number in range(20)]
    phones = [fast.phone({"on": "press a key", "press": key}) for key in keys]
    with ThreadPoolExecutor(20) as pool:
        options = {"status_callback": f"{hospital.url}/s"}
        sids = list(pool.map(lambda to: fast.call(to, url, **options), phones))
    stories = [fast.ended(sid) for sid in sids]
    assert [texts(story) for story in stories] == [["Press a key", f"You pressed {key}"] for key in keys]
    assert sorted(form["CallSid"] for form in hospital.at("/s")) == sorted(sids)
    assert {form["CallStatus"] for form in hospital.at("/s")} == {"completed"}
