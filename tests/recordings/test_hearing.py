"""One recording heard: in parts, while its claim is renewed, whoever is killed meanwhile; and how far all of it is."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from commands import cli
from commands.joined import Joined
from recordings import jobs, sound_words, store
from recordings.findings.screen import Screened
from recordings.models import Recording, SegmentRow, Transcript
from recordings.speech import hearing, progress, stt_parts
from recordings.speech.stt import EngineDied, Segment, Speech
from recordings.speech.stt_parts import PART_S, Source, quietest
from recordings.vault.fetch import Media
from recordings.vault.files import FileStore
from recordings.vault.sounding import Sounding
from tests.house import ROOT, variables
from tests.recordings.room import Room, sid
from tests.recordings.sounds import MEDICINE, mono, said, tone
from tests.recordings.test_stt import SMALL, Setting


def fetched(room: Room, number: int, data: bytes, purpose: str = "message") -> uuid.UUID:
    recording = room.announce(room.call(call_sid=f"CA{number:032x}"), purpose)
    room.carrier.files[sid(number)] = Media(data)
    room.done(recording, RecordingSid=sid(number), CallSid=f"CA{number:032x}")
    jobs.fetch_recording(room.house, recording)
    assert room.row(recording).state == "fetched"
    return recording


def words_of(room: Room, recording: uuid.UUID) -> list[SegmentRow]:
    with room.house.transaction() as session:
        return list(
            session.scalars(
                sa.select(SegmentRow)
                .join(Transcript, Transcript.id == SegmentRow.transcript_id)
                .where(Transcript.recording_id == recording)
                .order_by(SegmentRow.position)
            )
        )


# ---- parts ----------------------------------------------------------------------------------------------


class Endless:
    """A WAV of two channels, made while it is read: the left one counts its seconds, the right one is silent."""

    def __init__(self, seconds: int, rate: int = 8000) -> None:
        form = struct.pack("<HHIIHH", 1, 2, rate, rate * 4, 4, 16)
        head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", seconds * rate * 4)
        self._head = b"RIFF" + struct.pack("<I", 0) + head
        self._rate = rate
        self.size = len(self._head) + seconds * rate * 4
        self.most = 0

    def read(self, start: int, stop: int) -> bytes:
        self.most = max(self.most, stop - start)
        first = max(0, start - len(self._head)) // 4
        moments = np.arange(first, max(first, (stop - len(self._head)) // 4 + 1))
        sound = np.zeros((len(moments), 2), "<i2")
        sound[:, 0] = moments // self._rate
        skip = max(0, start - len(self._head)) % 4
        body = sound.tobytes()[skip : skip + stop - max(start, len(self._head))]
        return self._head[start:stop] + (body if stop > len(self._head) else b"")


def test_two_hours_are_read_in_parts_without_a_gap_and_never_as_a_whole() -> None:
    endless = Endless(7200)
    source = Source(Sounding(endless, None))
    assert (source.channels, source.rate) == (2, 8000)
    tracemalloc.start()
    heard = 0
    for part in source.parts(0):
        assert part.at_s == heard / 8000
        assert len(part.samples) <= PART_S * 8000
        # every sample is the second it stands in
        assert np.array_equal(np.rint(part.samples * 32768), (heard + np.arange(len(part.samples))) // 8000)
        heard += len(part.samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heard == 7200 * 8000
    assert peak < 150_000_000, "the whole is 460 MB of numbers"
    assert all(not part.samples.any() for part in source.parts(1))


def test_a_part_ends_where_it_is_quiet() -> None:
    rng = np.random.default_rng(3)
    loud = rng.normal(0, 0.2, 60 * 8000).astype(np.float32)
    loud[50 * 8000 : 50 * 8000 + 4000] *= 0.001
    assert 50 * 8000 <= quietest(loud, 8000) <= 50 * 8000 + 4000
    assert quietest(np.zeros(60 * 8000, np.float32), 8000) > 59.9 * 8000, "of equals the last"
    assert quietest(np.zeros(10, np.float32), 8000) == 10


def test_times_are_those_of_the_whole_and_a_death_over_a_later_part_costs_that_part(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stt_parts, "PART_S", 5)
    monkeypatch.setattr(stt_parts, "LOOK_S", 1)
    clip = np.concatenate([tone(4.7), np.zeros(8000 // 10 * 4, np.int16)] * 3)
    recording = fetched(room, 1, mono(clip))
    room.speech.texts = ["one", EngineDied("gone"), "two", "three", "four"]
    room.work()
    lines = words_of(room, recording)
    assert [line.text for line in lines] == ["one", "two", "three", "four"]
    starts = [line.start_s for line in lines]
    assert starts[0] == 1.0
    assert all(4 < later - before <= 5 for before, later in itertools.pairwise(starts))
    assert room.row(recording).speech_tries == 0


# ---- whose work it is -----------------------------------------------------------------------------------


def test_a_claim_is_renewed_while_it_is_heard(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "RENEW_S", 0.02)
    recording = fetched(room, 1, mono(tone(3)))
    renewed = threading.Event()

    class Slow:
        """Hears until the clock has been moved and the claim has followed it."""

        def missing(self, language: str) -> None:
            return None

        model = room.speech.model

        def transcribe(self, *_: object, **__: object) -> list[Segment]:
            before = room.row(recording).claimed_until
            assert before == room.now + store.HEARING_LEASE
            room.forward(seconds=100)
            for _ in range(500):
                if room.row(recording).claimed_until == room.now + store.HEARING_LEASE:
                    renewed.set()
                    break
                threading.Event().wait(0.02)
            room.tick()
            with room.house.transaction() as session:
                assert store.claim_speech(session, recording, room.now) is None, "nobody else takes it meanwhile"
            return [Segment(0.0, 1.0, "still here", 0.9)]

    room.house.services[Speech] = Slow()
    jobs.transcribe_recording(room.house, recording)
    assert renewed.is_set()
    assert room.row(recording).state == "kept"


def test_the_same_process_does_not_hear_it_twice_when_the_clock_jumps(room: Room) -> None:
    recording = fetched(room, 1, mono(tone(3)))
    again: list[int] = []

    class Jumping:
        def missing(self, language: str) -> None:
            return None

        model = room.speech.model

        def transcribe(self, *_: object, **__: object) -> list[Segment]:
            again.append(1)
            room.forward(hours=9)
            room.tick()
            return []

    room.house.services[Speech] = Jumping()
    jobs.transcribe_recording(room.house, recording)
    assert again == [1]
    assert room.row(recording).state == "kept"


def test_a_result_that_comes_after_another_took_over_is_not_renewed(room: Room) -> None:
    recording = fetched(room, 1, mono(tone(3)))
    with room.house.transaction() as session:
        first = store.claim_speech(session, recording, room.now)
    room.forward(minutes=3)
    with room.house.transaction() as session:
        assert store.claim_speech(session, recording, room.now) is not None
        assert first is not None
        assert not store.renew_speech(session, recording, first.claim, room.now)


# ---- kill -9 --------------------------------------------------------------------------------------------


def test_the_model_process_killed_in_the_middle_of_a_file_loses_nothing(room: Room) -> None:
    speech = Speech({"en": Setting(model=str(SMALL))}, SMALL.parent)
    room.house.services[Speech] = speech
    recording = fetched(room, 1, mono(said(MEDICINE)))
    speech.transcribe(np.zeros(1600, np.float32), "en")  # the model is open
    (pid,) = speech.pids
    os.kill(pid, signal.SIGSTOP)  # so that it is in the middle of the file when it is killed
    killer = threading.Timer(1.0, os.kill, (pid, signal.SIGKILL))
    killer.start()
    try:
        room.work()
        row = room.row(recording)
        assert (row.state, row.speech_tries) == ("fetched", 1)
        assert "ended in the middle of a file" in sound_words.why(row.reason, "en")
        room.forward(seconds=5)
        room.tick()
        assert room.row(recording).state == "kept"
        assert "hello my medicine" in " ".join(line.text for line in words_of(room, recording)).lower()
        with room.house.transaction() as session:
            (made,) = session.scalars(sa.select(Transcript)).all()
        assert made.engine == f"sherpa {SMALL.name}"
        assert made.took_s is not None
        assert 0 < made.took_s < 120
    finally:
        killer.join()
        speech.close()


def test_the_worker_killed_in_the_middle_of_a_file_loses_nothing(room: Room, tmp_path: Path, database_url: str) -> None:
    recording = fetched(room, 1, mono(np.tile(said(MEDICINE), 60)))
    key = room.house.settings.environment.data_key
    assert key is not None
    there = variables(tmp_path, database_url, DATA_KEY=base64.urlsafe_b64encode(key).decode())
    program = f"""
        import threading, uuid
        from app import open_house
        from core import settings
        from recordings import jobs
        from recordings.speech.stt import Speech
        from tests.recordings.test_stt import SMALL, Setting
        house = open_house(settings.load())
        speech = house.services[Speech] = Speech({{"en": Setting(model={str(SMALL)!r})}}, house.settings.home)
        def tell():
            while not speech.pids:
                threading.Event().wait(0.01)
            print(speech.pids[0], flush=True)
        threading.Thread(target=tell, daemon=True).start()
        jobs.transcribe_recording(house, uuid.UUID({str(recording)!r}))
    """
    worker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, **there, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    try:
        watch = os.pidfd_open(int(worker.stdout.readline()))
    finally:
        worker.kill()
        worker.communicate()
    try:
        assert select.select([watch], [], [], 10)[0], "the model process outlived its worker"
    finally:
        os.close(watch)
    row = room.row(recording)
    assert row.state == "fetched"
    assert row.claim is not None, "it was at it"
    room.speech.texts = ["heard by another"]
    room.house.clock.at = datetime.now(UTC)  # type: ignore[attr-defined]
    room.tick()
    room.work()
    assert room.row(recording).state == "fetched", "for two minutes the claim stands"
    room.forward(minutes=2, seconds=1)
    room.tick()
    assert room.row(recording).state == "kept"
    assert [line.text for line in words_of(room, recording)] == ["heard by another"]


# ---- progress -------------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def carecall(room: Room, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("commands.admin.settings.load", lambda **_: room.house.settings)

    def run(*words: str) -> tuple[int, str]:
        joined = Joined(ROOT, lambda _settings: room.house, [], lambda _house: None)  # type: ignore[arg-type, return-value]
        code = cli.run(list(words), joined)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_how_far_it_is(room: Room, carecall: Run) -> None:
    zone = room.house.settings.hospital.timezone

    def look() -> progress.Progress:
        with room.house.transaction() as session:
            return progress.progress(session, room.now, zone)

    nothing = look()
    assert (nothing.waiting, nothing.done_today, nothing.speed, nothing.expected_end) == (0, 0, None, None)
    ids = [fetched(room, number, mono(tone(30))) for number in range(1, 6)]
    assert (look().waiting, look().waiting_s, look().expected_end) == (5, 150.0, None), "no speed is known"
    with room.house.transaction() as session:
        store.transcribed(session, ids[0], [], Screened((), "en-1", "normal"), room.now, engine="vosk x", took_s=6.0)
        assert store.claim_speech(session, ids[1], room.now) is not None
        missing = store.claim_speech(session, ids[2], room.now)
        assert missing is not None
        store.no_model(session, ids[2], missing.claim, "none", room.now)
    room.forward(seconds=2)
    found = look()
    assert (found.waiting, found.waiting_s, found.without_model) == (2, 60.0, 1)
    assert [(one.recording, one.since, one.sound_s) for one in found.under_way] == [
        (ids[1], room.now - timedelta(seconds=2), 30.0)
    ]
    assert (found.done_today, found.done_today_s, found.speed) == (1, 30.0, 5.0)
    # 60 s wait and 20 of the 30 under way are left, one at a time, five seconds of sound a second
    assert found.expected_end == room.now + timedelta(seconds=16)
    room.forward(minutes=3)
    assert (look().waiting, look().under_way) == (3, []), "a dead worker's is under way no more"
    room.forward(days=1)
    assert (look().done_today, look().speed) == (0, None)
    code, printed = carecall("recordings", "progress", "--json")
    assert code == 0
    assert json.loads(printed)[0]["waiting"] == 3
    assert "waiting        3 (2 min of sound)" in carecall("recordings", "progress")[1]


def test_progress_asks_the_same_few_questions_however_much_waits(room: Room) -> None:
    asked: list[str] = []

    @sa.event.listens_for(room.house.engine, "before_cursor_execute")
    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    counts = []
    for number in (1, 2, 3):
        with room.house.transaction() as session:
            session.add(_waiting(room, number))
        asked.clear()
        with room.house.transaction() as session:
            progress.progress(session, room.now, room.house.settings.hospital.timezone)
        counts.append(len(asked))
    assert len(set(counts)) == 1
    assert counts[0] <= 6


def _waiting(room: Room, number: int) -> Recording:
    return Recording(
        id=uuid.uuid4(),
        sid=sid(number),
        purpose="message",
        language="en",
        state="fetched",
        announced_at=room.now,
        seconds=10.0,
        keep_class="ordinary",
        keep_until=room.now,
        claim=uuid.uuid4(),
        claimed_until=room.now + timedelta(minutes=1),
        speech_since=room.now,
    )


def test_a_file_that_is_no_sound_any_more_is_set_aside(room: Room) -> None:
    recording = fetched(room, 1, mono(tone(3)))
    room.house.service(FileStore).put(recording, b"not a WAV file")
    room.work()
    assert (room.row(recording).state, room.row(recording).reason) == ("failed", "no_wav")
