"""The slow work on recordings: fetching, hearing, deleting. No database connection is held meanwhile."""

from __future__ import annotations

import hashlib
import logging
import uuid

from core import jobs
from core.house import House
from core.models import record
from core.said import kept
from recordings import rows, search, store
from recordings.findings import machine_flags, rescreen, screen
from recordings.sound import audio
from recordings.sound.audio import Unreadable
from recordings.sound.wav import InMemory
from recordings.speech import hearing
from recordings.speech.stt import EngineDied, ModelMissing
from recordings.vault import carrier_copy, measures, retention
from recordings.vault.fetch import Broken, Denied, Fetcher, Gone, Media, NotYet
from recordings.vault.files import FileProblem, FileStore
from recordings.vault.sounding import NoSound

log = logging.getLogger(__name__)


@jobs.handles(store.FETCH_ANSWER)
def fetch_answer(house: House, recording_id: uuid.UUID) -> None:
    """In a hurry: the next patient's words wait behind it."""
    _fetch(house, recording_id, quick=True)


@jobs.handles(store.FETCH_SLOW_ANSWER)
@jobs.handles(store.FETCH)
def fetch_recording(house: House, recording_id: uuid.UUID) -> None:
    _fetch(house, recording_id, quick=False)


def _fetch(house: House, recording_id: uuid.UUID, *, quick: bool) -> None:
    """Fetch, check, store encrypted."""
    with house.transaction() as session:
        work = store.claim_fetch(session, recording_id, house.clock.now())
    if work is None:
        return
    most_s = house.settings.recordings.max_minutes * 60
    if work.announced_s is not None and work.announced_s > most_s:
        _in_vain(house, recording_id, work, _too_long(work.announced_s, most_s), again=False)
        return
    match house.service(Fetcher).fetch(work.sid, quick=quick):
        case Media(data):
            _take_in(house, recording_id, work, data)
        case NotYet():
            _in_vain(house, recording_id, work, "not_yet", again=True)
        case Denied(status):
            log.error("the carrier refuses our credentials for recordings", extra={"status": status})
            _in_vain(house, recording_id, work, kept("denied", status=status), again=True)
        case Broken(reason, again, slow):
            _in_vain(house, recording_id, work, reason, again=again, more_time=quick and slow)


def _take_in(house: House, recording_id: uuid.UUID, work: store.FetchWork, data: bytes) -> None:
    sound = audio.check_wav(data, work.announced_s)
    most_s = house.settings.recordings.max_minutes * 60
    if isinstance(sound, audio.Sound) and sound.seconds > most_s + audio.TOLERANCE_S:
        _in_vain(house, recording_id, work, _too_long(sound.seconds, most_s), again=False)
        return
    # Stored before the row says so: a crash between the two leaves a file that the next try writes again.
    stored = house.service(FileStore).put(recording_id, data) if data else None
    if isinstance(sound, Unreadable) or stored is None:
        reason = sound.reason if isinstance(sound, Unreadable) else "empty"
        with house.transaction() as session:
            store.unreadable(session, recording_id, work.claim, reason, stored, house.clock.now())
        return
    measured = measures.measure(InMemory(data))
    with house.transaction() as session:
        store.fetched(session, recording_id, stored, sound, measured.levels, house.clock.now())
        measures.keep(session, recording_id, measured, house.clock.now())


def _unheard(problem: EngineDied | FileProblem | NoSound) -> str:
    if isinstance(problem, NoSound):
        return str(problem)
    return kept("engine" if isinstance(problem, EngineDied) else "file", detail=str(problem))


def _too_long(seconds: float, most_s: int) -> str:
    return kept("too_long", minutes=f"{seconds / 60:.0f}", most=most_s // 60)


def _in_vain(
    house: House, recording_id: uuid.UUID, work: store.FetchWork, reason: str, *, again: bool, more_time: bool = False
) -> None:
    with house.transaction() as session:
        now = house.clock.now()
        store.fetch_in_vain(session, recording_id, work.claim, reason, again, now, more_time=more_time)


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
                reason = kept("denied", status=status)
                search.search_in_vain(session, recording_id, reason, house.clock.now())
            case Broken(reason):
                search.search_in_vain(session, recording_id, reason, house.clock.now())
            case _:
                search.searched(session, recording_id, answer, house.clock.now())


@jobs.handles(store.TRANSCRIBE_ANSWER)
@jobs.handles(store.TRANSCRIBE)
def transcribe_recording(house: House, recording_id: uuid.UUID) -> None:
    """Hear each channel, join them by time, screen with the phrase list."""
    with hearing.alone(recording_id) as mine:
        if mine:
            _transcribe(house, recording_id)


def _transcribe(house: House, recording_id: uuid.UUID) -> None:
    with house.transaction() as session:
        work = store.claim_speech(session, recording_id, house.clock.now())
    if work is None:
        return
    try:
        heard = hearing.hear(house, recording_id, work)
    except ModelMissing as missing:
        with house.transaction() as session:
            why = kept("no_speech_model", detail=str(missing))
            store.no_model(session, recording_id, work.claim, why, house.clock.now())
        return
    except (EngineDied, FileProblem, NoSound) as problem:
        log.warning("a recording was not heard", extra={"recording": str(recording_id), "why": str(problem)})
        again = isinstance(problem, EngineDied)
        with house.transaction() as session:
            store.speech_in_vain(session, recording_id, work.claim, _unheard(problem), again, house.clock.now())
        return
    with house.transaction() as session:
        screened = screen.of_recording(session, recording_id, heard.lines)
        store.transcribed(
            session,
            recording_id,
            heard.lines,
            screened,
            house.clock.now(),
            engine=heard.engine,
            took_s=heard.took_s,
        )
        measures.heard(session, recording_id, heard.lines)
        machine_flags.not_understood(session, recording_id, heard.lines, house.clock.now())
        if screened.unread:
            machine_flags.unread(session, recording_id, house.clock.now())


@jobs.handles(retention.PURGE)
def purge_recording(house: House, recording_id: uuid.UUID) -> None:
    with house.transaction() as session:
        retention.purge(session, house.service(FileStore), recording_id, house.clock.now())


@jobs.handles(carrier_copy.DELETE)
def delete_at_carrier(house: House, recording_id: uuid.UUID) -> None:
    """Read our copy back, compare, then delete theirs."""
    with house.transaction() as session:
        work = carrier_copy.begin(session, recording_id, house.clock.now())
    if work is None:
        return
    if work.sha256 is not None:
        wrong = _compare(house, recording_id, work.sha256)
        if wrong is not None:
            log.error("our copy of a recording is not good", extra={"recording": str(recording_id), "why": wrong})
            mended = _mend(house, recording_id, work.sid, work.sha256)
            _not_deleted(house, recording_id, wrong + ("; written anew from the carrier's" if mended else ""))
            return
        with house.transaction() as session:
            if not carrier_copy.verified(session, recording_id, house.clock.now()):
                return
    match house.service(Fetcher).delete(work.sid):
        case Gone():
            with house.transaction() as session:
                carrier_copy.deleted(session, recording_id, house.clock.now())
        case Denied(status):
            log.error("the carrier refuses our credentials for recordings", extra={"status": status})
            _not_deleted(house, recording_id, kept("denied", status=status))
        case Broken(reason):
            _not_deleted(house, recording_id, reason)


def _compare(house: House, recording_id: uuid.UUID, sha256: str) -> str | None:
    """What is wrong with our file; None: it is what came."""
    try:
        found = retention.file_hash(house.service(FileStore), recording_id)
    except FileProblem as problem:
        return str(problem)
    return None if found == sha256 else "the file in the store is not the one that came"


def _mend(house: House, recording_id: uuid.UUID, sid: str, sha256: str) -> bool:
    """The carrier still has it: fetched once more and, if it is what came then, written over the bad copy."""
    answer = house.service(Fetcher).fetch(sid)
    if not isinstance(answer, Media) or hashlib.sha256(answer.data).hexdigest() != sha256:
        return False
    with house.transaction() as session:
        row = rows.locked(session, recording_id)  # a purge waits, or has been
        if row is None or row.state not in carrier_copy.OURS_IS_GOOD:
            return False
        house.service(FileStore).put(recording_id, answer.data)
        record(session, "recording", recording_id, "copy mended", house.clock.now())
    return True


def _not_deleted(house: House, recording_id: uuid.UUID, why: str) -> None:
    with house.transaction() as session:
        carrier_copy.in_vain(session, recording_id, why, house.clock.now())


@jobs.handles(machine_flags.TELL)
def tell_machine_flag(house: House, flag_id: uuid.UUID) -> None:
    with house.transaction() as session:
        machine_flags.tell(session, flag_id, house.clock.now())


@jobs.handles(rescreen.RESCREEN)
def rescreen_step(house: House, rescreen_id: uuid.UUID) -> None:
    """Some transcripts, each in a transaction of its own; then the next step is deferred."""
    for _ in range(rescreen.STEP):
        with house.transaction() as session:
            if not rescreen.one(session, rescreen_id, house.clock.now()):
                return
    with house.transaction() as session:
        rescreen.go_on(session, rescreen_id, house.clock.now())
