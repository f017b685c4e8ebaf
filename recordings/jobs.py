"""The slow work on recordings: fetching, hearing, deleting. No database connection is held meanwhile."""

from __future__ import annotations

import logging
import uuid
from functools import cache

from core import jobs
from core.house import House
from recordings import audio, search, store
from recordings.audio import Unreadable
from recordings.conversation import Line, join, speakers
from recordings.fetch import Broken, Denied, Fetcher, Media, NotYet
from recordings.files import FileProblem, FileStore
from recordings.lexicon import Lexicon, find, load
from recordings.stt import EngineDied, ModelMissing, Segment, Speech

log = logging.getLogger(__name__)

SILENT_DBFS = -75.0
"""A channel below this holds nobody: the model is not asked."""


@jobs.handles(store.FETCH)
def fetch_recording(house: House, recording_id: uuid.UUID) -> None:
    """Fetch, check, store encrypted."""
    with house.transaction() as session:
        work = store.claim_fetch(session, recording_id, house.clock.now())
    if work is None:
        return
    match house.service(Fetcher).fetch(work.sid):
        case Media(data):
            _take_in(house, recording_id, work, data)
        case NotYet():
            _in_vain(house, recording_id, work, "the carrier does not have the file yet (404)", again=True)
        case Denied(status):
            log.error("the carrier refuses our credentials for recordings", extra={"status": status})
            _in_vain(house, recording_id, work, f"the carrier refused our credentials ({status})", again=True)
        case Broken(reason, again):
            _in_vain(house, recording_id, work, reason, again=again)


def _take_in(house: House, recording_id: uuid.UUID, work: store.FetchWork, data: bytes) -> None:
    sound = audio.check_wav(data, work.announced_s)
    # Stored before the row says so: a crash between the two leaves a file that the next try writes again.
    stored = house.service(FileStore).put(recording_id, data) if data else None
    if isinstance(sound, Unreadable) or stored is None:
        reason = sound.reason if isinstance(sound, Unreadable) else "the file is empty"
        with house.transaction() as session:
            store.unreadable(session, recording_id, work.claim, reason, stored, house.clock.now())
        return
    levels = [round(audio.level(channel), 1) for channel in audio.channels(data)[1]]
    with house.transaction() as session:
        store.fetched(session, recording_id, stored, sound, levels, house.clock.now())


def _in_vain(house: House, recording_id: uuid.UUID, work: store.FetchWork, reason: str, *, again: bool) -> None:
    with house.transaction() as session:
        store.fetch_in_vain(session, recording_id, work.claim, reason, again, house.clock.now())


@jobs.handles(store.LOOK)
def look_for_recording(house: House, recording_id: uuid.UUID) -> None:
    """No callback came: does the carrier itself know of a file?"""
    with house.transaction() as session:
        call_sid = search.call_to_search(session, recording_id, house.clock.now())
    if call_sid is None:
        return
    answer = house.service(Fetcher).list_of_call(call_sid)
    with house.transaction() as session:
        match answer:
            case Denied(status):
                reason = f"the carrier refused our credentials ({status})"
                search.search_in_vain(session, recording_id, reason, house.clock.now())
            case Broken(reason):
                search.search_in_vain(session, recording_id, reason, house.clock.now())
            case _:
                search.searched(session, recording_id, answer, house.clock.now())


@jobs.handles(store.TRANSCRIBE)
def transcribe_recording(house: House, recording_id: uuid.UUID) -> None:
    """Hear each channel, join them by time, screen with the phrase list."""
    with house.transaction() as session:
        work = store.claim_speech(session, recording_id, house.clock.now())
    if work is None:
        return
    try:
        lines = _hear(house, recording_id, work)
    except ModelMissing as missing:
        with house.transaction() as session:
            store.no_model(session, recording_id, work.claim, str(missing), house.clock.now())
        return
    except (EngineDied, FileProblem) as problem:
        log.warning("a recording was not heard", extra={"recording": str(recording_id), "why": str(problem)})
        again = isinstance(problem, EngineDied)
        with house.transaction() as session:
            store.speech_in_vain(session, recording_id, work.claim, str(problem), again, house.clock.now())
        return
    lexicon = phrase_list(work.language)
    findings = find(lines, lexicon)
    with house.transaction() as session:
        store.transcribed(session, recording_id, lines, findings, lexicon.version, house.clock.now())


def _hear(house: House, recording_id: uuid.UUID, work: store.SpeechWork) -> list[Line]:
    speech = house.service(Speech)
    missing = speech.missing(work.language)
    if missing is not None:
        raise ModelMissing(missing)
    rate, channels = audio.channels(house.service(FileStore).get(recording_id))
    heard: dict[str, list[Segment]] = {}
    for speaker, channel in zip(speakers(work.purpose, work.call_kind, len(channels)), channels, strict=True):
        if audio.level(channel) < SILENT_DBFS:
            heard[speaker] = []
        else:
            heard[speaker] = speech.transcribe(audio.to_model(channel, rate), work.language)
    return join(heard)


@jobs.handles(store.PURGE)
def purge_recording(house: House, recording_id: uuid.UUID) -> None:
    """The file first: if the words went first and we died, nobody would come back for the file."""
    with house.transaction() as session:
        may = store.may_purge(session, recording_id, house.clock.now())
    if may:
        house.service(FileStore).delete(recording_id)
        with house.transaction() as session:
            store.purged(session, recording_id, house.clock.now())


@cache
def phrase_list(language: str) -> Lexicon:
    return load(language)
