"""A hospital on loopback: the local carrier, the web processes, the worker, each its own program, and telephones.

The demo and the end-to-end tests both play on this stage. The carrier and the house's clock run at the same
speed, faster than life, so that a conversation takes seconds and its durations are still telephone seconds.
Nothing here sleeps: every wait is a long poll at the carrier, or a question repeated until it is answered.
"""

from __future__ import annotations

import os
import secrets
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

from core import crypto
from core.clock import MovableClock
from core.house import House
from core.models import EventRow
from core.settings import Settings, load

T = TypeVar("T")
Step = dict[str, Any]
PATIENCE_S = 60.0
ASK_AGAIN_S = 0.05


class StageError(Exception):
    """Something that had to happen on the stage did not."""


@dataclass(frozen=True)
class Conversation:
    """What happened on one line."""

    sid: str
    status: str
    events: list[dict[str, Any]]
    recordings: list[str]

    def heard(self) -> list[str]:
        """Everything spoken to this telephone, in order."""
        return [event["text"] for event in self.events if event["kind"] == "heard" and event["leg"] == self.sid]

    def pressed(self) -> list[str]:
        return [event["text"] for event in self.events if event["kind"] == "pressed" and event["leg"] == self.sid]

    def missing(self, *texts: str) -> str | None:
        """The first of `texts` that was not heard after the ones before it, or None."""
        heard, at = "\n".join(self.heard()).lower(), 0
        for text in texts:
            found = heard.find(text.lower(), at)
            if found < 0:
                return text
            at = found + len(text)
        return None


class Phone:
    """A telephone somebody holds: what it does when it rings, and the calls it had."""

    def __init__(self, stage: Stage, number: str) -> None:
        self.stage = stage
        self.number = number

    def answers(self, *steps: Step, after: float = 3) -> Phone:
        """Pick up after `after` telephone seconds and go through the steps."""
        return self._set({"behaviour": "answer", "answer_after": after, "script": list(steps)})

    def does_not_answer(self) -> Phone:
        return self._set({"behaviour": "no-answer"})

    def in_turn(self, *scripts: list[Step]) -> Phone:
        """Pick up each time, one script per ring, the last one for all that follow."""
        return self._set({"behaviour": "answer", "answer_after": 3, "scripts": list(scripts)})

    def _set(self, phone: dict[str, Any]) -> Phone:
        self.stage.carrier("PUT", f"/control/phones/{self.number}", json=phone)
        return self

    def rings(self, number: str, *steps: Step, withheld: bool = False) -> Conversation:
        """Ring `number` and go through the steps; returns when the call is over."""
        return self.stage.conversation(self.starts_ringing(number, *steps, withheld=withheld))

    def starts_ringing(self, number: str, *steps: Step, withheld: bool = False) -> str:
        """The same without waiting; returns the call's SID."""
        order = {"to": number, "script": list(steps), "withheld": withheld}
        return str(self.stage.carrier("POST", f"/control/phones/{self.number}/call", json=order)["call_sid"])

    def calls(self) -> list[str]:
        """SIDs of the calls this telephone received."""
        phones = self.stage.carrier("GET", "/control/phones")
        return next((list(phone["calls"]) for phone in phones if phone["number"] == self.number), [])


@dataclass
class Stage:
    """`environment` is what every process of ours is started with; `house` is this process's own look inside."""

    root: Path
    home: Path
    environment: dict[str, str]
    house: House
    carrier_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ringing: dict[str, str] = field(default_factory=dict)
    """SIDs of calls that were started and are to be looked at later, by the number that rang."""

    # ---- telephones and the carrier ---------------------------------------------------------------
    def phone(self, number: str) -> Phone:
        return Phone(self, number)

    def carrier(self, method: str, path: str, **more: Any) -> Any:
        """A request to the carrier's control; its JSON. Raises StageError."""
        answer = requests.request(
            method,
            self.carrier_url + path,
            auth=(self.environment["TWILIO_ACCOUNT_SID"], self.environment["TWILIO_AUTH_TOKEN"]),
            timeout=PATIENCE_S + 10,
            **more,
        )
        if not answer.ok:
            raise StageError(f"the local carrier refused {method} {path.rpartition('/')[0]}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def conversation(self, sid: str) -> Conversation:
        """Wait until the call is over and return what happened on it."""
        told = self.carrier("GET", f"/control/calls/{sid}?wait=ended&timeout={PATIENCE_S:g}")
        if told["status"] in ("queued", "ringing", "in-progress"):
            raise StageError(f"a call does not end: {told['events'][-3:]}")
        return Conversation(sid, told["status"], told["events"], told["recordings"])

    def messages(self) -> list[dict[str, Any]]:
        """All SMS the carrier took."""
        return list(self.carrier("GET", "/control/messages"))

    def messages_to(self, number: str) -> list[dict[str, Any]]:
        """Those to one telephone."""
        return [message for message in self.messages() if message["to"] == number]

    def chaos(self, **switches: Any) -> None:
        self.carrier("POST", "/control/chaos", json=switches)

    def quiet(self) -> None:
        """Wait until no leg lives, nothing is queued and every callback was delivered."""
        if not self.carrier("GET", f"/control/idle?timeout={PATIENCE_S:g}")["idle"]:
            raise StageError("the carrier does not come to rest")

    # ---- time -------------------------------------------------------------------------------------
    def now(self) -> datetime:
        return self.house.clock.now()

    def set_clock(self, at: datetime, speed: float) -> None:
        """Both clocks to `at` (never backwards), running `speed` times as fast as life."""
        self._clock().set(to=at, rate=speed)
        self.carrier("POST", "/control/clock", json={"set": at.astimezone(UTC).isoformat(), "speed": speed})

    def forward(self, step: timedelta) -> None:
        """Move both clocks."""
        self._clock().set(forward=step)
        self.carrier("POST", "/control/clock", json={"forward_s": step.total_seconds()})

    def _clock(self) -> MovableClock:
        if not isinstance(self.house.clock, MovableClock):
            raise StageError("the clock of this house cannot be moved (CARECALL_TEST_CLOCK is not 1)")
        return self.house.clock

    def until(self, question: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
        """Ask until the answer is true; StageError naming `what` when patience ends."""
        pause, give_up = threading.Event(), time.monotonic() + patience_s
        while True:
            answer = question()
            if answer:
                return answer
            if time.monotonic() > give_up:
                raise StageError(f"this did not happen: {what}\n{self.ledger()}")
            pause.wait(ASK_AGAIN_S)

    def ledger(self, rows: int = 40) -> str:
        """The last moves of everything, to read after a failure."""
        with self.house.transaction() as session:
            last = session.scalars(sa.select(EventRow).order_by(EventRow.id.desc()).limit(rows)).all()
        return "\n".join(
            f"{row.at:%H:%M:%S} {row.kind} {row.what} {row.from_state or ''}->{row.to_state or ''} {row.why}"
            for row in reversed(last)
        )

    # ---- processes --------------------------------------------------------------------------------
    def start(self) -> None:
        """Web and worker, side by side: most of a start is spent on loading programs."""
        self._start("web", ["serve"])
        self._start("worker", ["worker"])
        address = self.environment["PUBLIC_URL"] + "/readyz"
        self.until(lambda: self._alive("web") and _answers(address), "the web process is ready")
        self._worker_ready("worker")

    def start_worker(self, name: str = "worker") -> None:
        self._start(name, ["worker"])
        self._worker_ready(name)

    def _worker_ready(self, name: str) -> None:
        process = self.processes[name]
        assert process.stdout is not None
        if b"worker ready" not in process.stdout.readline():
            raise StageError(f"the worker did not start: {self.log(name)[-1000:]}")

    def _start(self, name: str, words: list[str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "app", *words],
                cwd=self.root,
                env=os.environ | self.environment | {"CARECALL_PARENT": str(os.getpid())},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _alive(self, name: str) -> bool:
        if self.processes[name].poll() is not None:
            raise StageError(f"the {name} process ended: {self.log(name)[-1000:]}")
        return True

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut would."""
        process = self.processes.pop(name)
        process.kill()
        _reap(process)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            _reap(process)
        self.house.engine.dispose()

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8")

    def carecall(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the hospital's IT person would."""
        return subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=self.root,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@contextmanager
def standing(
    root: Path,
    home: Path,
    environment: dict[str, str],
    open_house: Callable[[Settings], House],
    *,
    at: datetime,
    speed: float,
) -> Iterator[Stage]:
    """Everything up on a migrated database, both clocks at `at`; everything down again at the end."""
    carrier, address = start_carrier(
        root, home, environment["TWILIO_ACCOUNT_SID"], environment["TWILIO_AUTH_TOKEN"]
    )
    environment = environment | {"CARRIER_URL": address}
    made = Stage(root, home, environment, open_house(load(environment)), address, {"carrier": carrier})
    try:
        made.set_clock(at, speed)
        here = environment["PUBLIC_URL"]
        urls = {
            "voice_url": f"{here}/ivr/voice",
            "voice_fallback_url": f"{here}/ivr/fallback",
            "sms_url": f"{here}/dialer/sms",
        }
        made.carrier("PUT", f"/control/numbers/{environment['TWILIO_FROM']}", json=urls)
        made.start()
        yield made
    finally:
        made.stop()


def start_carrier(root: Path, home: Path, account: str, token: str) -> tuple[subprocess.Popen[bytes], str]:
    """The local carrier on a free port; returns its process and its address."""
    with (home / "carrier.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "carrier", "--port", "0", "--account", account, "--token", token],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if "ready on" not in line:
        raise StageError(f"the local carrier did not start: {(home / 'carrier.log').read_text()[-1000:]}")
    return process, line.split()[-1]


def environment(home: Path, database_url: str, hospital_file: Path, number: str) -> dict[str, str]:
    """What our processes on the stage are started with, the carrier's address still missing."""
    port = free_port()
    return {
        "CARECALL_HOME": str(home / "var"),
        "DATABASE_URL": database_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "TWILIO_ACCOUNT_SID": "AC" + secrets.token_hex(16),
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "TWILIO_FROM": number,
        "HOSPITAL_FILE": str(hospital_file),
        "SECRET_KEY": crypto.new_data_key(),
        "DATA_KEY": crypto.new_data_key(),
        "CARECALL_TEST_CLOCK": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def _reap(process: subprocess.Popen[bytes]) -> None:
    process.wait(timeout=30)
    if process.stdout is not None:
        process.stdout.close()
