"""The minute: from the carrier's word that an answer is ready to the doctor being rung, with the real worker, while 500
ordinary recordings wait and one of them holds the engine. Only the engine and the carrier are scripted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs
from core.clock import SystemClock
from core.house import House
from dialer.models import Call, Escalation
from recordings.models import Recording
from recordings.sound.audio import Samples
from recordings.speech.stt import Segment, Speech
from recordings.speech.stt_models import Model
from recordings.vault.fetch import Fetcher, Media
from tests.dialer.ward import Ward
from tests.recordings.room import Room, sid
from tests.recordings.sounds import mono, tone

ORDINARY = 500
ANSWER_S, CALL_S = 3, 2


class HeldEngine:
    """Hears an answer at once; an ordinary recording takes until the test lets go of it."""

    def __init__(self) -> None:
        self.busy, self.let_go = threading.Event(), threading.Event()

    def missing(self, language: str) -> str | None:
        return None

    def model(self, language: str) -> Model:
        return Model("held", Path("nowhere"))

    def transcribe(self, sound: Samples, language: str, *, rate: int, first: bool) -> list[Segment]:
        assert first is (len(sound) > (ANSWER_S - 0.5) * rate), "only an answer waits for no other"
        if not first:
            self.busy.set()
            assert self.let_go.wait(120)
            return []
        assert np.any(sound)
        return [Segment(0.5, 2.0, "the bleeding won't stop", 0.9)]


@contextmanager
def worker(house: House) -> Iterator[None]:
    """The worker of core.jobs on all queues, in a thread of its own."""
    loop = asyncio.new_event_loop()
    task: asyncio.Task[None] = loop.create_task(jobs.run_workers(house, jobs.QUEUES))

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        while left := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(60)
        loop.close()
        assert not thread.is_alive()


def finish(house: House) -> None:
    """What runs may end, what waits is dropped: a worker that is stopped then leaves nothing half-done behind."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with house.transaction() as session:
            session.execute(sa.text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
            if not session.scalar(sa.text("SELECT count(*) FROM procrastinate_jobs")):
                return
        threading.Event().wait(0.05)
    raise AssertionError("jobs are running still")


def backlog(room: Room, call: Call) -> None:
    """Ordinary recordings that the carrier has announced as ready, each with its fetch deferred."""
    for number in range(ORDINARY):
        recording = room.announce(call.id)
        assert room.done(recording, RecordingSid=sid(1000 + number), CallSid=str(call.sid)) == 204


def test_words_of_warning_ring_a_doctor_within_a_minute_of_the_recording_being_ready(house: House) -> None:
    house.clock = SystemClock()
    ward = Ward.of(house)
    room, engine = Room(house), HeldEngine()
    house.services[Speech] = engine
    ward.doctor(1)
    sound = mono(tone(CALL_S))
    room.carrier.files |= {sid(1000 + number): Media(sound) for number in range(ORDINARY)}
    room.carrier.files[sid(1)] = Media(mono(tone(ANSWER_S)))
    call = ward.inbound(patient=ward.patient())
    answer = room.announce(call.id, "open_answer")
    opened = threading.Event()

    def on_opened(session: Session, event: events.EscalationOpened, now: datetime) -> None:
        sa.event.listen(session, "after_commit", lambda _: opened.set(), once=True)

    house.bus.subscribe(events.EscalationOpened, on_opened)
    backlog(room, ward.inbound("+861055550112"))
    with worker(house):
        try:
            assert engine.busy.wait(60), "an ordinary recording is being heard"
            ready = time.monotonic()
            assert room.done(answer, CallSid=str(call.sid)) == 204
            assert opened.wait(60)
            took = time.monotonic() - ready
            heard = sa.select(sa.func.count()).select_from(Recording).where(Recording.state == "kept")
            with house.transaction() as session:
                others = session.scalar(heard.where(Recording.id != answer))
        finally:
            engine.let_go.set()
            finish(house)
    assert others == 0, "all ordinary ones still wait"
    print(f"from the callback to the alarm: {took:.2f} s")
    assert took < 60
    [raised] = session_all(house)
    assert (raised.made_by, raised.heard) == ("machine", ["bleeding"])


class Stalling(BaseHTTPRequestHandler):
    """A carrier that sends the beginning of some files and then a drop now and then, until the test lets go."""

    stalled: frozenset[str] = frozenset()
    body = b""
    begun, let_go = threading.Semaphore(0), threading.Event()

    def do_GET(self) -> None:
        slow = any(one in self.path for one in self.stalled)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        try:
            if not slow:
                self.wfile.write(self.body)
                return
            self.begun.release()
            while not self.let_go.wait(0.1):
                self.wfile.write(b"R")
        except OSError:
            return  # the other side had enough

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.mark.parametrize("stalled", [2, 4])
def test_stalled_downloads_hold_no_other_answer(house: House, stalled: int) -> None:
    """Scaled down: the hurried try has 0.5 s instead of 15, the patient one its 300. Before there were two lanes the
    third answer waited for both, up to six minutes."""
    quick_s = 0.5
    carrier = type(
        "Carrier",
        (Stalling,),
        {"stalled": frozenset(sid(n) for n in range(1, stalled + 1)), "body": mono(tone(ANSWER_S)),
         "begun": threading.Semaphore(0), "let_go": threading.Event()},
    )  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), carrier)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    house.clock = SystemClock()
    ward = Ward.of(house)
    room = Room(house)
    house.services[Speech] = HeldEngine()
    house.services[Fetcher] = Fetcher(
        "AC" + "a" * 32, "the-token", f"http://127.0.0.1:{server.server_address[1]}", quick_s=quick_s
    )
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    opened = threading.Event()

    def on_opened(session: Session, event: events.EscalationOpened, now: datetime) -> None:
        sa.event.listen(session, "after_commit", lambda _: opened.set(), once=True)

    house.bus.subscribe(events.EscalationOpened, on_opened)
    answers = [room.announce(call.id, "open_answer") for _ in range(stalled + 1)]
    with worker(house):
        try:
            for number, answer in enumerate(answers[:-1], 1):
                room.done(answer, RecordingSid=sid(number), CallSid=str(call.sid))
            assert carrier.begun.acquire(timeout=10)
            assert carrier.begun.acquire(timeout=10), "both slots are at a download that does not end"
            ready = time.monotonic()
            room.done(answers[-1], RecordingSid=sid(stalled + 1), CallSid=str(call.sid))
            in_time = opened.wait(10)
            took = time.monotonic() - ready
        finally:
            carrier.let_go.set()
            server.shutdown()
            serving.join()
            server.server_close()
            finish(house)
    print(f"behind {stalled} stalled downloads: {took:.2f} s")
    assert in_time, "it waits for a hurried try or two, not for the whole download"


def session_all(house: House) -> list[Escalation]:
    with house.transaction() as session:
        return list(session.scalars(sa.select(Escalation)))


def test_whoever_hears_recordings_hears_answers_too() -> None:
    """A worker started with a list of queues that is older than the queue of answers."""
    assert "answers" in jobs.served(["speech"])
    assert "slow_answers" in jobs.served(["speech"])
    assert jobs.served(["calls"]) == {"calls"}
