"""The queues of the simulated carrier tell what the local carrier tells (tests/carrier/test_queue.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from urllib.parse import urlsplit

import pytest
from flask import Flask

from carrier.twiml import Say
from commands.simulate.carrier import Exchange
from commands.simulate.chaos import Chaos
from commands.simulate.door import Door
from commands.simulate.leg import Act, Leg, Reaction, Urls
from commands.simulate.memory import MemoryMessage
from tests.conftest import StandingClock
from tests.house import HOTLINE, MID_MORNING, TOKEN

HOSPITAL = "https://hospital.test"
WAIT = f'<Gather numDigits="1" timeout="1" action="{HOSPITAL}/wait"><Say>Please hold</Say><Play>/m.wav</Play></Gather>'
TAKES = f'<Queue url="{HOSPITAL}/joined">e-1</Queue>'


@dataclass
class Somebody:
    """Holds a telephone: talks for so long, and while waiting does what `acts` says, one after the other."""

    talk_s: float = 60.0
    acts: list[Act] = field(default_factory=list)
    sounds_like: str = "human"

    def keys(self, heard: Sequence[Say]) -> Act:
        return self.acts.pop(0) if self.acts else Act()

    def speaks(self, heard: Sequence[Say]) -> float:
        return 0.0

    def hears(self, heard: Sequence[Say]) -> None:
        return None


class Hospital(Door):
    """Documents by path, and every form that was asked with."""

    def __init__(self) -> None:
        super().__init__(Flask("documents"), TOKEN)
        self.pages: dict[str, str | Callable[[Mapping[str, str]], str]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def post(self, url: str, form: Mapping[str, str]) -> str:
        path = urlsplit(url).path
        self.asked.append((path, dict(form)))
        page = self.pages.get(path, "<Hangup/>")
        return f"<Response>{page(form) if callable(page) else page}</Response>"

    def at(self, path: str) -> list[dict[str, str]]:
        return [form for asked, form in self.asked if asked == path]


class World:
    """Everybody answers at once."""

    def __init__(self, doctor: Somebody) -> None:
        self.doctor = doctor

    def rings(self, leg: Leg) -> Reaction:
        return Reaction("answer", 1.0, self.doctor)

    def gets_message(self, message: MemoryMessage) -> bool:
        return True

    def begun(self, leg: Leg) -> None:
        return None

    def ended(self, leg: Leg) -> None:
        return None


class Stage:
    def __init__(self, doctor: Somebody) -> None:
        self.clock, self.door = StandingClock(MID_MORNING), Hospital()
        urls = Urls(HOTLINE, f"{HOSPITAL}/voice")
        self.exchange = Exchange(self.clock, self.door, World(doctor), Chaos(), Random(1), urls)
        self.door.pages |= {
            "/voice": f'<Enqueue action="{HOSPITAL}/after-wait" waitUrl="{HOSPITAL}/wait">e-1</Enqueue>',
            "/wait": lambda form: "<Leave/>" if form.get("Digits") == "0" else WAIT,
            "/doctor": f'<Dial action="{HOSPITAL}/after-dial" timeout="10">{TAKES}</Dial>',
            "/joined": "<Say>The doctor is on the line</Say>",
        }

    def caller(self, *acts: Act, talk_s: float = 60.0) -> Leg:
        return self.exchange.rings_us("+861055550111", Somebody(talk_s, list(acts)))

    def doctor_dials(self) -> str:
        return self.exchange.place(
            to="+861055550121", url=f"{HOSPITAL}/doctor", status_callback=f"{HOSPITAL}/status", ring_s=20
        ).sid

    def forward(self, seconds: float) -> None:
        until = self.clock.at + timedelta(seconds=seconds)
        while (at := self.exchange.next_at()) is not None and at <= until:
            self.clock.at = at
            self.exchange.step()
        self.clock.at = until

    def result(self) -> tuple[str, str]:
        [form] = self.door.at("/after-wait")
        return form["QueueResult"], form["CallStatus"]


@pytest.fixture
def stage() -> Stage:
    return Stage(Somebody(talk_s=40))


def test_the_wait_document_is_asked_for_again_and_again(stage: Stage) -> None:
    stage.caller()
    stage.forward(60)
    times = [int(form["QueueTime"]) for form in stage.door.at("/wait")]
    assert times[0] == 0
    assert len(times) >= 3
    assert times == sorted(times)
    assert stage.door.at("/wait")[0]["QueuePosition"] == "1"


def test_caller_and_doctor_are_joined_and_both_are_told_of_the_end(stage: Stage) -> None:
    caller = stage.caller()
    stage.forward(5)
    doctor = stage.doctor_dials()
    stage.forward(120)
    [joined] = stage.door.at("/joined")
    assert (joined["CallSid"], joined["DequeingCallSid"]) == (caller.sid, doctor)
    assert stage.result()[0] == "bridged"
    [dialled] = stage.door.at("/after-dial")
    assert (dialled["DialCallStatus"], dialled["DialBridged"]) == ("completed", "true")
    assert dialled["DialCallDuration"] == "40"
    assert stage.exchange.live == {}


@pytest.mark.parametrize(
    ("act", "result"),
    [(Act("0", 1.0), ("leave", "in-progress")), (Act(hangs_up=True), ("hangup", "completed"))],
    ids=["key 0", "hangs up"],
)
def test_who_leaves_is_told_of_and_not_taken(stage: Stage, act: Act, result: tuple[str, str]) -> None:
    stage.caller(Act(), act)
    stage.forward(60)
    assert stage.result() == result
    stage.doctor_dials()
    stage.forward(60)
    [dialled] = stage.door.at("/after-dial")
    assert (dialled["DialCallStatus"], dialled["DialBridged"]) == ("no-answer", "false")


def test_a_dial_waits_for_somebody_who_comes_in_time(stage: Stage) -> None:
    stage.caller(Act(hangs_up=True))
    stage.forward(40)
    stage.doctor_dials()
    stage.forward(6)
    stage.caller()
    stage.forward(120)
    assert stage.door.at("/after-dial")[-1]["DialBridged"] == "true"


def test_a_dial_of_an_unknown_queue_fails(stage: Stage) -> None:
    stage.doctor_dials()
    stage.forward(30)
    assert stage.door.at("/after-dial")[0]["DialCallStatus"] == "failed"


def test_a_doctor_who_hangs_up_before_the_talk_leaves_nobody_in_the_air(stage: Stage) -> None:
    stage.door.pages["/joined"] = '<Say>The doctor is on the line</Say><Pause length="20"/>'
    stage.caller()
    stage.forward(5)
    stage.exchange.hang_up(_on_its_way(stage, stage.doctor_dials()))
    stage.forward(60)
    assert stage.result() == ("error", "in-progress")


def _on_its_way(stage: Stage, sid: str) -> str:
    stage.forward(10)
    assert stage.door.at("/joined"), "the caller hears the announcement by now"
    return sid


def test_a_new_document_takes_the_caller_out_of_the_queue(stage: Stage) -> None:
    caller = stage.caller()
    stage.forward(5)
    assert stage.exchange.say_and_hang_up(caller.sid, "<Response><Say>The doctor rings you</Say><Hangup/></Response>")
    stage.forward(60)
    assert stage.result()[0] == "redirected"
    assert stage.exchange.live == {}
