"""The same cases for the carrier in memory of the job tests, for the simulation's carrier that is built on it, and for
the real client with the real local carrier."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Protocol

import pytest
from flask import Flask

from carrier.twiml import Say
from commands.simulate.carrier import Exchange
from commands.simulate.chaos import Chaos
from commands.simulate.door import Door
from commands.simulate.leg import Act, Leg, Reaction, Urls
from commands.simulate.memory import MemoryMessage
from dialer.carrier import EVENTS, ROUTINE_EVENTS, CarrierClient, CarrierRefused, InDoubt
from dialer.machine import call_word, message_word
from tests.carrier.conftest import ACCOUNT, HOSPITAL, TOKEN, Carrier, start_carrier, stop_carrier
from tests.conftest import StandingClock
from tests.dialer.fakes import LIVE, FakeCarrier
from tests.house import MID_MORNING

NOWHERE = "http://127.0.0.1:9/nowhere"
DOCUMENT = "http://127.0.0.1:9/document"
UNKNOWN = "CA" + "f" * 32


class Line(Protocol):
    """A client, and what a test can do behind its back."""

    @property
    def client(self) -> CarrierClient | FakeCarrier: ...
    def now(self) -> datetime: ...
    def phone(self, behaviour: str) -> str: ...
    def over(self, sid: str, behaviour: str) -> None: ...
    def fault(self, **faults: int) -> None: ...
    def forward(self, seconds: int) -> None: ...


@dataclass
class FakeLine:
    client: FakeCarrier
    clock: StandingClock
    phones: int = 0

    def now(self) -> datetime:
        return self.clock.now()

    def phone(self, behaviour: str) -> str:
        self.phones += 1
        return f"+8613900000{self.phones:03}"

    def over(self, sid: str, behaviour: str) -> None:
        call = self.client.call(sid)
        assert call is not None
        call.status = behaviour

    def fault(self, **faults: int) -> None:
        names = {"lose_create": "lose_answers"}
        for name, value in faults.items():
            setattr(self.client, names.get(name, name), value)

    def forward(self, seconds: int) -> None:
        self.clock.at += timedelta(seconds=seconds)


class Telephones:
    """A world of telephones for the simulation's carrier, each doing what it was told."""

    def __init__(self) -> None:
        self.do: dict[str, str] = {}

    def rings(self, leg: Leg) -> Reaction:
        return Reaction(self.do.get(leg.number, "no-answer"))

    def gets_message(self, message: MemoryMessage) -> bool:
        return True

    def begun(self, leg: Leg) -> None:
        return None

    def ended(self, leg: Leg) -> None:
        return None


class Shut(Door):
    """Nobody is told anything."""

    def post(self, url: str, form: Mapping[str, str]) -> str:
        return "<Response/>"


class SimulatedLine(FakeLine):
    """The simulation's carrier: what a telephone does happens when the time comes."""

    def __init__(self, clock: StandingClock) -> None:
        self.telephones = Telephones()
        door, urls = Shut(Flask("nobody"), TOKEN), Urls(HOSPITAL, NOWHERE)
        self.exchange = Exchange(clock, door, self.telephones, Chaos(), Random(1), urls)
        super().__init__(self.exchange, clock)

    def phone(self, behaviour: str) -> str:
        number = super().phone(behaviour)
        self.telephones.do[number] = behaviour
        return number

    def over(self, sid: str, behaviour: str) -> None:
        self.forward(60)

    def forward(self, seconds: int) -> None:
        until = self.clock.at + timedelta(seconds=seconds)
        while (at := self.exchange.next_at()) is not None and at <= until:
            self.clock.at = at
            self.exchange.step()
        self.clock.at = until


@dataclass
class RealLine:
    client: CarrierClient
    carrier: Carrier

    def now(self) -> datetime:
        return datetime.fromisoformat(self.carrier.control("GET", "/clock")["now"]).astimezone(UTC)

    def phone(self, behaviour: str) -> str:
        if behaviour == "ringing":
            return self.carrier.phone(answer_after=50)
        return self.carrier.phone(behaviour=behaviour)

    def over(self, sid: str, behaviour: str) -> None:
        self.carrier.control("GET", f"/calls/{sid}?wait=ended&timeout=20")

    def fault(self, **faults: int) -> None:
        self.carrier.control("POST", "/chaos", faults)

    def forward(self, seconds: int) -> None:
        self.carrier.control("POST", "/clock", {"forward_s": seconds})


@pytest.fixture(scope="module")
def real() -> Iterator[RealLine]:
    carrier = start_carrier("--speed", "20")
    carrier.control("PUT", f"/numbers/{HOSPITAL}", {"voice_url": NOWHERE})
    client = CarrierClient(ACCOUNT, TOKEN, HOSPITAL, carrier.url, "http://127.0.0.1:9")
    yield RealLine(client, carrier)
    client._client.http_client.session.close()
    stop_carrier(carrier)


@pytest.fixture(params=["fake", "simulated", "real"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    if request.param == "fake":
        clock = StandingClock(MID_MORNING)
        yield FakeLine(FakeCarrier(clock), clock)
    elif request.param == "simulated":
        yield SimulatedLine(StandingClock(MID_MORNING))
    else:
        real: RealLine = request.getfixturevalue("real")
        yield real
        real.carrier.control("DELETE", "/chaos")


class Heard(Door):
    """Keeps what it is told, and has nothing to say to a call."""

    def __init__(self) -> None:
        super().__init__(Flask("nobody"), TOKEN)
        self.told: list[str] = []

    def post(self, url: str, form: Mapping[str, str]) -> str:
        self.told.append("document" if url == DOCUMENT else form["CallStatus"])
        return "<Response/>"


class Answers(Telephones):
    """Every telephone is picked up."""

    def rings(self, leg: Leg) -> Reaction:
        return Reaction("answer", 3.0, Caller(leg.number))


@dataclass
class Caller:
    number: str
    talk_s: float = 1.0
    sounds_like: str = "human"

    def keys(self, heard: Sequence[Say]) -> Act:
        return Act()

    def speaks(self, heard: Sequence[Say]) -> float:
        return 0.0

    def hears(self, heard: Sequence[Say]) -> None:
        return None


@pytest.mark.parametrize("events", [EVENTS, ROUTINE_EVENTS])
def test_the_simulated_carrier_tells_of_the_steps_it_was_asked_for_and_no_others(events: Sequence[str]) -> None:
    clock, door = StandingClock(MID_MORNING), Heard()
    exchange = Exchange(clock, door, Answers(), Chaos(), Random(1), Urls(HOSPITAL, NOWHERE))
    exchange.place(to="+8613900000001", url=DOCUMENT, status_callback=NOWHERE, ring_s=20, events=events)
    while (following := exchange.next_at()) is not None:
        clock.at = following
        exchange.step()
    words = ["initiated", "ringing", "in-progress", "completed"] if events == EVENTS else list(ROUTINE_EVENTS)
    assert [word for word in door.told if word != "document"] == words
    assert door.told.count("document") == 1


def place(line: Line, to: str) -> str:
    return line.client.place(to=to, url=NOWHERE, status_callback=NOWHERE, ring_s=20).sid


@pytest.mark.parametrize("fake", [FakeCarrier, Exchange])
def test_the_fakes_have_every_method_of_the_client_with_the_same_parameters(fake: type[FakeCarrier]) -> None:
    for name, method in inspect.getmembers(CarrierClient, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(fake, name)) == inspect.signature(method), name


def test_a_placed_call_has_a_sid_a_status_we_know_and_is_in_the_list(line: Line) -> None:
    since, to = line.now(), line.phone("ringing")
    sid = place(line, to)
    assert sid.startswith("CA")
    assert len(sid) == 34
    seen = line.client.look_up(sid)
    assert seen.sid == sid
    assert seen.status in LIVE
    assert [(call.sid, call_word(call.status)) for call in line.client.find_calls(to=to, since=since)] == [
        (sid, call_word(seen.status))
    ] or line.client.look_up(sid).status != seen.status
    line.client.hang_up(sid)


@pytest.mark.parametrize("behaviour", ["busy", "no-answer"])
def test_a_call_that_came_to_nothing_says_so(line: Line, behaviour: str) -> None:
    sid = place(line, line.phone(behaviour))
    line.over(sid, behaviour)
    assert line.client.look_up(sid).status == behaviour


@pytest.mark.parametrize(
    ("number", "code"),
    [("+15005550001", 21217), ("+15005550002", 21214), ("+15005550003", 21215), ("+15005550004", 21216)],
)
def test_a_refused_call_has_its_code(line: Line, number: str, code: int) -> None:
    with pytest.raises(CarrierRefused) as refused:
        place(line, number)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert line.client.find_calls(to=number, since=line.now()) == []


def test_a_lost_answer_is_doubt_and_the_call_is_in_the_list(line: Line) -> None:
    since, to = line.now(), line.phone("ringing")
    line.fault(lose_create=1)
    with pytest.raises(InDoubt):
        place(line, to)
    (found,) = line.client.find_calls(to=to, since=since)
    line.client.hang_up(found.sid)


def test_the_list_may_lag(line: Line) -> None:
    since, to = line.now(), line.phone("busy")
    line.fault(list_lag_s=600)
    place(line, to)
    assert line.client.find_calls(to=to, since=since) == []
    line.forward(601)
    assert len(line.client.find_calls(to=to, since=since)) == 1


def test_old_calls_to_the_number_are_not_found(line: Line) -> None:
    to = line.phone("busy")
    place(line, to)
    line.forward(120)
    assert line.client.find_calls(to=to, since=line.now()) == []
    newest = place(line, to)
    assert [call.sid for call in line.client.find_calls(to=to, since=line.now())] == [newest]


def test_a_request_too_many_is_refused_unseen(line: Line) -> None:
    since, to = line.now(), line.phone("busy")
    line.fault(too_many=1)
    with pytest.raises(CarrierRefused) as refused:
        place(line, to)
    assert (refused.value.code, refused.value.status) == (20429, 429)
    assert line.client.find_calls(to=to, since=since) == []


def test_a_call_nobody_knows_is_a_refusal_with_20404_when_asked_about(line: Line) -> None:
    with pytest.raises(CarrierRefused) as refused:
        line.client.look_up(UNKNOWN)
    assert refused.value.code == 20404


def test_orders_about_a_call_nobody_knows_or_that_is_over_are_no_error(line: Line) -> None:
    over = place(line, line.phone("busy"))
    line.over(over, "busy")
    for sid in (UNKNOWN, over):
        line.client.hang_up(sid)
        assert line.client.watch(sid, NOWHERE) is False
        assert line.client.say_and_hang_up(sid, "<Response><Hangup/></Response>") is False


def test_a_recording_that_does_not_run_cannot_be_silenced(line: Line) -> None:
    ringing, over = place(line, line.phone("ringing")), place(line, line.phone("busy"))
    line.over(over, "busy")
    for sid in (UNKNOWN, over, ringing):
        assert line.client.pause_recording(sid, paused=True) is False
        assert line.client.pause_recording(sid, paused=False) is False
    line.client.hang_up(ringing)


def test_a_call_that_lives_is_watched(line: Line) -> None:
    assert line.client.watch(place(line, line.phone("ringing")), NOWHERE) is True


def test_a_ringing_call_that_is_hung_up_is_over(line: Line) -> None:
    sid = place(line, line.phone("ringing"))
    line.client.hang_up(sid)
    assert line.client.look_up(sid).status in ("canceled", "completed")


def test_a_message_is_sent_and_found_by_its_text(line: Line) -> None:
    since, to = line.now(), line.phone("answer")
    first = line.client.send_sms(to=to, body="祝您早日康复", status_callback=NOWHERE).sid
    second = line.client.send_sms(to=to, body="祝您早日康复", status_callback=NOWHERE).sid
    assert first.startswith("SM")
    found = line.client.find_message(to=to, body="祝您早日康复", since=since)
    assert found is not None
    assert found.sid == second
    assert message_word(found.status) in ("sending", "sent", "delivered")
    other = line.client.find_message(to=to, body="祝您早日康复", since=since, besides={second})
    assert other is not None
    assert other.sid == first
    assert line.client.find_message(to=to, body="something else", since=since) is None
    assert line.client.find_message(to=line.phone("answer"), body="祝您早日康复", since=since) is None


@pytest.mark.parametrize(
    ("number", "code"), [("+15005550001", 21211), ("+15005550002", 21612), ("+15005550004", 21610)]
)
def test_a_refused_message_has_its_code(line: Line, number: str, code: int) -> None:
    with pytest.raises(CarrierRefused) as refused:
        line.client.send_sms(to=number, body="hello", status_callback=NOWHERE)
    assert refused.value.code == code


def test_the_cheap_question_is_answered(line: Line) -> None:
    line.client.check()


def test_wrong_credentials_are_a_refusal(real: RealLine) -> None:
    client = CarrierClient(ACCOUNT, "wrong", HOSPITAL, real.carrier.url)
    with pytest.raises(CarrierRefused) as refused:
        client.check()
    assert refused.value.code == 20003
    client._client.http_client.session.close()


def test_a_carrier_that_is_not_there_is_doubt() -> None:
    client = CarrierClient(ACCOUNT, TOKEN, HOSPITAL, "http://127.0.0.1:9")
    for ask in (client.check, lambda: client.look_up(UNKNOWN), lambda: client.hang_up(UNKNOWN)):
        with pytest.raises(InDoubt):
            ask()
    client._client.http_client.session.close()
