"""A whole hospital on loopback: the local carrier, the web processes, the worker, each its own program.

The carrier and the house's clock run at the same speed, many times life, so that a conversation takes seconds
and its durations are still telephone seconds. Nothing sleeps: every wait is a long poll at the carrier or a
question to the database repeated until it is answered or the test's patience ends.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import requests
import sqlalchemy as sa

import app
from core.clock import MovableClock
from core.house import House
from core.models import EventRow
from core.settings import load
from tests.house import ACCOUNT, HOTLINE, MID_MORNING, ROOT, TOKEN, variables

T = TypeVar("T")
PATIENCE_S = 60.0
Step = dict[str, Any]


class Phone:
    """A telephone somebody holds: what it does when it rings, and what it heard afterwards."""

    def __init__(self, stack: Stack, number: str) -> None:
        self.stack = stack
        self.number = number

    def answers(self, *steps: Step, after: float = 3) -> Phone:
        """Pick up after `after` seconds and go through the steps."""
        return self._set({"behaviour": "answer", "answer_after": after, "script": list(steps)})

    def does_not_answer(self) -> Phone:
        return self._set({"behaviour": "no-answer"})

    def is_busy(self) -> Phone:
        return self._set({"behaviour": "busy"})

    def in_turn(self, *behaviours: dict[str, Any]) -> Phone:
        """One behaviour per ring, the last one for all that follow."""
        return self._set(
            {
                "answer_after": 3,
                "behaviours": [b.get("behaviour", "answer") for b in behaviours],
                "scripts": [b.get("script", []) for b in behaviours],
            }
        )

    def _set(self, phone: dict[str, Any]) -> Phone:
        self.stack.carrier("PUT", f"/control/phones/{self.number}", json=phone)
        return self

    def rings_hotline(self, *steps: Step, withheld: bool = False) -> Conversation:
        """Ring the hospital and go through the steps; returns when the call is over."""
        made = self.stack.carrier(
            "POST",
            f"/control/phones/{self.number}/call",
            json={"to": HOTLINE, "script": list(steps), "withheld": withheld},
        )
        return self.stack.conversation(made["call_sid"])

    def calls(self) -> list[str]:
        """SIDs of all calls this phone had."""
        phones = self.stack.carrier("GET", "/control/phones")
        return next((list(phone["calls"]) for phone in phones if phone["number"] == self.number), [])


@dataclass(frozen=True)
class Conversation:
    """What happened on one line."""

    sid: str
    events: list[dict[str, Any]]
    status: str

    def heard(self) -> list[str]:
        return [event["text"] for event in self.events if event["kind"] == "heard" and event["leg"] == self.sid]

    def hears(self, *texts: str) -> Conversation:
        """Assert the texts were spoken to this phone, in this order."""
        heard = "\n".join(self.heard())
        at = 0
        for text in texts:
            found = heard.lower().find(text.lower(), at)
            assert found >= 0, f"{text!r} was not heard (after {heard[:at]!r}) in:\n{heard}"
            at = found + len(text)
        return self

    def never_hears(self, *texts: str) -> Conversation:
        heard = "\n".join(self.heard()).lower()
        for text in texts:
            assert text.lower() not in heard, f"{text!r} was heard in:\n{heard}"
        return self

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]


@dataclass
class Stack:
    home: Path
    environment: dict[str, str]
    house: House
    carrier_url: str
    speed: float
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    # ---- phones and the carrier -----------------------------------------------------------------
    def phone(self, number: str) -> Phone:
        return Phone(self, number)

    def carrier(self, method: str, path: str, **more: Any) -> Any:
        answer = requests.request(
            method, self.carrier_url + path, auth=(ACCOUNT, TOKEN), timeout=PATIENCE_S + 10, **more
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def conversation(self, sid: str) -> Conversation:
        """Wait until the call is over and return what happened on it."""
        told = self.carrier("GET", f"/control/calls/{sid}?wait=ended&timeout={PATIENCE_S:g}")
        assert told["status"] not in ("queued", "ringing", "in-progress"), f"the call goes on: {told['events'][-5:]}"
        return Conversation(sid, told["events"], told["status"])

    def messages(self) -> list[dict[str, Any]]:
        return list(self.carrier("GET", "/control/messages"))

    def chaos(self, **switches: Any) -> None:
        self.carrier("POST", "/control/chaos", json=switches)

    def quiet(self) -> None:
        """Wait until no leg lives, nothing is queued and every callback was delivered."""
        assert self.carrier("GET", f"/control/idle?timeout={PATIENCE_S:g}")["idle"], "the carrier is not idle"

    # ---- time -------------------------------------------------------------------------------------
    def now(self) -> datetime:
        return self.house.clock.now()

    def forward(self, **delta: float) -> None:
        """Move the house's clock and the carrier's together."""
        step = timedelta(**delta)
        clock = self.house.clock
        assert isinstance(clock, MovableClock)
        clock.set(forward=step)
        self.carrier("POST", "/control/clock", json={"forward_s": step.total_seconds()})

    def until(self, question: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
        """Ask until the answer is true; fail naming `what` when patience ends."""
        pause = threading.Event()
        give_up = time.monotonic() + patience_s
        while True:
            answer = question()
            if answer:
                return answer
            assert time.monotonic() < give_up, f"never happened: {what}\n{self.ledger()}"
            pause.wait(0.05)

    def ledger(self) -> str:
        """The last moves of everything, for the message of a test that fails."""
        with self.house.transaction() as session:
            last = session.scalars(sa.select(EventRow).order_by(EventRow.id.desc()).limit(40)).all()
        return "\n".join(
            f"{row.at:%H:%M:%S} {row.kind} {row.what} {row.from_state}->{row.to_state} {row.why}"
            for row in reversed(last)
        )

    # ---- processes --------------------------------------------------------------------------------
    def start(self, name: str, *words: str, ready: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", *words],
                cwd=ROOT,
                env=os.environ | self.environment | {"CARECALL_PARENT": str(os.getpid())},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.processes[name] = process
        if ready:
            assert process.stdout is not None
            for line in process.stdout:
                if ready in line.decode():
                    return
            raise AssertionError(f"{name} ended: {(self.home / f'{name}.log').read_text()[-3000:]}")

    def start_worker(self) -> None:
        self.start("worker", "worker", ready="worker ready")

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(timeout=20)
            if process.stdout is not None:
                process.stdout.close()
        self.house.engine.dispose()

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8")

    def no_errors(self) -> None:
        """Nothing was logged as an error by any of our processes."""
        for name in ("web", "worker"):
            wrong = [line for line in self.log(name).splitlines() if '"level": "error"' in line]
            assert not wrong, f"{name} logged an error: {wrong[0][:2000]}"

    def carecall(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the hospital's IT person would."""
        return subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path, database_url: str, *, speed: float = 20.0, at: datetime = MID_MORNING) -> Iterator[Stack]:
    """Everything up, the house's clock at `at`; everything down again at the end."""
    port = free_port()
    words = ["--port", "0", "--account", ACCOUNT, "--token", TOKEN, "--speed", str(speed)]
    with (home / "carrier.log").open("ab") as log:
        carrier = subprocess.Popen(
            [sys.executable, "-m", "carrier", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        )
    assert carrier.stdout is not None
    carrier_url = carrier.stdout.readline().decode().split()[-1]
    environment = variables(
        home,
        database_url,
        PUBLIC_URL=f"http://127.0.0.1:{port}",
        PORT=str(port),
        CARRIER_URL=carrier_url,
        CARECALL_TEST_CLOCK="1",
    )
    stack = Stack(home, environment, app.open_house(load(environment)), carrier_url, speed)
    try:
        clock = stack.house.clock
        assert isinstance(clock, MovableClock)
        clock.set(to=at, rate=speed)
        stack.carrier("POST", "/control/clock", json={"set": at.astimezone(UTC).isoformat()})
        stack.carrier("PUT", f"/control/numbers/{HOTLINE}", json={
            "voice_url": f"{environment['PUBLIC_URL']}/ivr/voice",
            "voice_fallback_url": f"{environment['PUBLIC_URL']}/ivr/fallback",
        })  # fmt: skip
        stack.start("web", "serve", ready="")
        stack.until(lambda: _answers(f"{environment['PUBLIC_URL']}/readyz"), "the web process is ready")
        stack.start_worker()
        yield stack
    finally:
        stack.stop()
        carrier.terminate()
        carrier.wait(timeout=20)
        carrier.stdout.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
