"""One recording, heard: channel by channel, part by part, while the claim on it is kept alive."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from core.house import House
from recordings import store
from recordings.findings import machine_flags
from recordings.sound import audio
from recordings.sound.conversation import Line, join, speakers
from recordings.speech.stt import EngineDied, ModelMissing, Segment, Speech
from recordings.speech.stt_parts import Part, Source
from recordings.vault.files import FileStore
from recordings.vault.sounding import Sounding

log = logging.getLogger(__name__)

SILENT_DBFS: Final = -75.0
"""A part below this holds nobody: the model is not asked."""
RENEW_S: Final = 20.0
"""Real seconds between two renewals of a claim; store.HEARING_LEASE is six of them."""


@dataclass(frozen=True)
class Heard:
    """What was said, which engine and model say so, and the seconds it took them."""

    lines: list[Line]
    engine: str
    took_s: float


def hear(house: House, recording_id: uuid.UUID, work: store.SpeechWork) -> Heard:
    """Raises ModelMissing, EngineDied, FileProblem, or NoSound for a file that holds no sound any more."""
    speech, began = house.service(Speech), time.monotonic()
    missing = speech.missing(work.language)
    if missing is not None:
        raise ModelMissing(missing)
    engine = speech.model(work.language).name
    with house.service(FileStore).open(recording_id) as reader, _kept(house, recording_id, work.claim):
        source = Source(Sounding(reader, None))
        first = work.purpose in machine_flags.ALONE
        names = speakers(work.purpose, work.call_kind, source.channels)
        heard = {name: _channel(speech, source, number, work.language, first) for number, name in enumerate(names)}
    return Heard(join(heard), engine, time.monotonic() - began)


def _channel(speech: Speech, source: Source, channel: int, language: str, first: bool) -> Sequence[Segment]:
    heard: list[Segment] = []
    for part in source.parts(channel):
        if audio.level(part.samples) >= SILENT_DBFS:
            heard += [_later(one, part.at_s) for one in _part(speech, part, language, source.rate, first)]
    return heard


def _part(speech: Speech, part: Part, language: str, rate: int, first: bool) -> Sequence[Segment]:
    """A child that dies over a later part does not take along what was heard before it: this part alone is tried once
    more. Over the first one, and the second time, the recording waits its turn (store.speech_in_vain)."""
    try:
        return speech.transcribe(part.samples, language, rate=rate, first=first)
    except EngineDied as died:
        if part.at_s == 0:
            raise
        log.warning("a part of a recording is heard again", extra={"at_s": round(part.at_s), "why": str(died)})
        return speech.transcribe(part.samples, language, rate=rate, first=first)


def _later(segment: Segment, by_s: float) -> Segment:
    if by_s == 0:
        return segment
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in segment.words)
    return replace(segment, start_s=segment.start_s + by_s, end_s=segment.end_s + by_s, words=words)


# ---- whose work it is -----------------------------------------------------------------------------------

_under_way: set[uuid.UUID] = set()
_lock = threading.Lock()


@contextmanager
def alone(recording_id: uuid.UUID) -> Iterator[bool]:
    """False if this very process is hearing it already: a clock moved ahead by hours ends a claim, but not the work."""
    with _lock:
        mine = recording_id not in _under_way
        _under_way.add(recording_id)
    try:
        yield mine
    finally:
        if mine:
            with _lock:
                _under_way.discard(recording_id)


@contextmanager
def _kept(house: House, recording_id: uuid.UUID, claim: uuid.UUID) -> Iterator[None]:
    """The claim, renewed while the block runs. It is short, so that what a killed worker was hearing is soon heard by
    another; and a long recording is nobody else's meanwhile."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_S):
            try:
                with house.transaction() as session:
                    ours = store.renew_speech(session, recording_id, claim, house.clock.now())
            except (OperationalError, NoConnection):  # there are five more times before the claim ends
                log.warning("a claim was not renewed: no database", extra={"recording": str(recording_id)})
                continue
            if not ours:
                return  # another has it now; whoever is first with a result wins

    keeper = threading.Thread(target=renew, name="speech-claim")
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
