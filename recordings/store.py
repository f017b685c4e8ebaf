"""Recordings in the database: the only writer of a recording's state.

Every timer is a row's `next_fetch_at` or `next_speech_at`, swept by `due`. Slow work is claimed first
(`claim_*`) and its result comes back with the claim; a job that runs twice finds the claim taken or the
state moved on.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import jobs
from core.events import CallEnded, EscalationOpened, RecordingAnnounced, SpokenInto, Transcribed, publish
from core.models import new_id, record
from dialer.models import Call
from recordings.findings import machine_flags
from recordings.findings.screen import Screened, add_findings
from recordings.machine import TO_TRANSCRIBE, fetch_wait, speech_wait
from recordings.models import Recording, SegmentRow, Transcript
from recordings.rows import (
    claimed,
    due_rows,
    for_callback,
    keep_longer,
    locked,
    make_claim,
    move,
    new_row,
    of_call,
    taken,
    won,
)
from recordings.sound.audio import Sound
from recordings.sound.conversation import PATIENT, Line
from recordings.vault import carrier_copy
from recordings.vault.files import StoredFile

FETCH = jobs.declare("fetch_recording", "recordings")
LOOK = jobs.declare("look_for_recording", "recordings")
TRANSCRIBE = jobs.declare("transcribe_recording", "speech")
# What a patient said to nobody but the machine may be an emergency: it waits behind no other recording. Its queue has
# slots of its own, so that not even an hour's talk that is being heard now is ahead of it.
FETCH_ANSWER = jobs.declare("fetch_answer", "answers")
TRANSCRIBE_ANSWER = jobs.declare("transcribe_answer", "answers", priority=1)  # what is here is heard first
# What does not come within fetch.QUICK_S is waited for elsewhere: stalled downloads hold no other answer.
FETCH_SLOW_ANSWER = jobs.declare("fetch_slow_answer", "slow_answers")

FETCH_LEASE = timedelta(minutes=6)
"""Longer than a download may take (recordings.vault.fetch.TOTAL_S)."""
SPEECH_LEASE = timedelta(minutes=10)
"""How long a deferred transcription may wait for a free worker before it is deferred once more."""
HEARING_LEASE = timedelta(minutes=2)
"""Renewed while it is heard (recordings.speech.hearing): so long after a worker was killed, another begins."""
CALLBACK_GRACE = timedelta(seconds=60)
"""How long after a call's end the recording's callback is waited for before the carrier is asked."""
MODEL_LOOK = timedelta(minutes=10)
"""How often a recording that waits for a model looks whether there is one now."""

SPOKEN_INTO = "spoken into"
"""In the ledger: the flow was told of sound in it."""


@dataclass(frozen=True)
class FetchWork:
    claim: uuid.UUID
    sid: str
    announced_s: int | None


@dataclass(frozen=True)
class SpeechWork:
    claim: uuid.UUID
    language: str
    purpose: str
    call_kind: str | None


# ---- announced ------------------------------------------------------------------------------------------


def on_announced(session: Session, event: RecordingAnnounced, now: datetime) -> None:
    """TwiML that records leaves now: a row is owed its file. The same id again changes nothing."""
    if session.get(Recording, event.recording_id) is None:
        new_row(session, event.recording_id, event.call_id, event.purpose, event.language, now)


def on_call_ended(session: Session, event: CallEnded, now: datetime) -> None:
    """A callback may be lost: some time after the call's end, the carrier's own list is read."""
    session.flush()  # what this transaction has just heard of a recording
    session.connection().execute(_LOOK_FOR, {"of": event.call_id, "now": now, "then": now + CALLBACK_GRACE})


_RECORDINGS = cast("sa.Table", Recording.__table__)
_LOOK_FOR = (
    sa.update(_RECORDINGS)
    .where(_RECORDINGS.c.call_id == sa.bindparam("of"), _RECORDINGS.c.state == "announced", _RECORDINGS.c.sid.is_(None))
    .values(fetch_since=sa.bindparam("now"), next_fetch_at=sa.bindparam("then"))
)


def on_spoken_into(session: Session, event: SpokenInto, now: datetime) -> None:
    """Somebody spoke into the newest answer or message of this call: lost, it is a nurse's work also where the carrier
    knows of no recording at all (recordings.search). Who hung up at the beep has left no such trace."""
    newest = session.scalar(
        sa.select(Recording.id)
        .where(Recording.call_id == event.call_id, Recording.purpose.in_(machine_flags.ALONE))
        .order_by(Recording.announced_at.desc(), Recording.id.desc())
        .limit(1)
    )
    row = locked(session, newest) if newest is not None else None
    if row is None:
        return
    record(session, "recording", row.id, SPOKEN_INTO, now, who="carrier")
    if row.state == "absent":
        machine_flags.unheard(session, row, "absent", now)


def on_escalation_opened(session: Session, event: EscalationOpened, now: datetime) -> None:
    """What led to an escalation is kept as long as one."""
    for row in of_call(session, event.call_id):
        keep_longer(session, row, "escalation", now)


def carrier_completed(
    session: Session, recording_id: uuid.UUID, sid: str, call_sid: str, seconds: int | None, now: datetime
) -> None:
    """The carrier has the file (docs/twilio.md 2.5): fetch it now. Repeats change nothing."""
    row = for_callback(session, recording_id, sid, call_sid, now)
    if row.sid is not None and row.state != "absent":
        return
    if row.state in ("failed", "absent"):
        move(session, row, "fetch_again", now, why="after_all", who="carrier")
    if row.state == "announced":
        adopt(session, row, sid, seconds, now)


def adopt(session: Session, row: Recording, sid: str, seconds: int | None, now: datetime) -> None:
    """The carrier's file for this promise is known."""
    row.sid, row.announced_s, row.reason = sid, seconds, ""
    record(session, "recording", row.id, "completed at the carrier", now, who="carrier", sid=sid)
    ask_fetch(session, row, now)


def carrier_without(
    session: Session, recording_id: uuid.UUID, sid: str, call_sid: str, why: str, now: datetime
) -> None:
    """The carrier says there is nothing (absent), or that it could not record."""
    row = for_callback(session, recording_id, sid, call_sid, now)
    if move(session, row, "absent", now, why=why, who="carrier"):
        row.sid = row.sid or sid or None
        row.next_fetch_at = None
        machine_flags.unheard(session, row, "absent", now)  # it had begun: somebody may have spoken


# ---- fetching -------------------------------------------------------------------------------------------


def ask_fetch(session: Session, row: Recording, now: datetime) -> None:
    row.fetch_tries, row.fetch_since, row.claim, row.claimed_until = 0, now, None, None
    row.next_fetch_at = now + FETCH_LEASE
    jobs.defer(session, _fetch_job(row), recording_id=row.id)


def _fetch_job(row: Recording) -> jobs.Job:
    return FETCH_ANSWER if row.purpose in machine_flags.ALONE else FETCH


def _speech_job(row: Recording) -> jobs.Job:
    return TRANSCRIBE_ANSWER if row.purpose in machine_flags.ALONE else TRANSCRIBE


def due(session: Session, now: datetime, limit: int = 100) -> int:
    """Fetches, looks and transcriptions whose time has come. Returns how many."""
    fetches = due_rows(session, Recording.next_fetch_at, ("announced",), now, limit)
    for row in fetches:
        row.next_fetch_at = now + FETCH_LEASE
        jobs.defer(session, _fetch_job(row) if row.sid else LOOK, recording_id=row.id)
    speeches = due_rows(session, Recording.next_speech_at, tuple(TO_TRANSCRIBE), now, limit)
    for row in speeches:
        row.next_speech_at = now + SPEECH_LEASE
        jobs.defer(session, _speech_job(row), recording_id=row.id)
    return len(fetches) + len(speeches) + carrier_copy.due(session, now, limit)


def claim_fetch(session: Session, recording_id: uuid.UUID, now: datetime) -> FetchWork | None:
    """The work, if it is there to be done and nobody is at it."""
    row = locked(session, recording_id)
    if row is None or row.state != "announced" or row.sid is None or taken(row, now):
        return None
    row.fetch_tries += 1
    row.fetch_since = row.fetch_since or now
    row.next_fetch_at = now + FETCH_LEASE
    return FetchWork(make_claim(row, now + FETCH_LEASE), row.sid, row.announced_s)


def fetched(
    session: Session,
    recording_id: uuid.UUID,
    stored: StoredFile,
    sound: Sound,
    levels: Sequence[float],
    now: datetime,
) -> None:
    """The file is here, is what was announced, and is in the store."""
    row = won(session, recording_id)
    if row is None or not move(session, row, "fetched", now, bytes=stored.size):
        return
    row.reason = ""
    row.sha256, row.size = stored.sha256, stored.size
    row.rate, row.channels, row.seconds, row.levels = sound.rate, sound.channels, sound.seconds, list(levels)
    carrier_copy.want_gone(session, row, now)
    _ask_speech(session, row, now)


def unreadable(
    session: Session,
    recording_id: uuid.UUID,
    claim: uuid.UUID,
    reason: str,
    stored: StoredFile | None,
    now: datetime,
) -> None:
    """The file came and is no recording; what there was of it is kept for a person to look at."""
    row = claimed(session, recording_id, claim)
    if row is not None and move(session, row, "unreadable", now, why=reason) and stored is not None:
        row.sha256, row.size = stored.sha256, stored.size
    if row is not None:
        machine_flags.unheard(session, row, "no sound", now)


def fetch_in_vain(
    session: Session,
    recording_id: uuid.UUID,
    claim: uuid.UUID,
    reason: str,
    again: bool,
    now: datetime,
    *,
    more_time: bool = False,
) -> None:
    """Not to be had yet: wait, longer each time, until it is given up with the last reason. `more_time`: it was tried
    in a hurry, and is tried at once without."""
    row = claimed(session, recording_id, claim)
    if row is None or row.state != "announced":
        return
    wait_or_give_up(session, row, reason, again, now)
    if more_time and row.state == "announced":
        row.next_fetch_at = now + FETCH_LEASE
        jobs.defer(session, FETCH_SLOW_ANSWER, recording_id=row.id)


def wait_or_give_up(session: Session, row: Recording, reason: str, again: bool, now: datetime) -> None:
    wait = fetch_wait(row.fetch_tries, now - (row.fetch_since or now)) if again else None
    row.reason = reason
    if wait is None:
        row.next_fetch_at = None
        move(session, row, "gave_up", now, why=reason, tries=row.fetch_tries)
        machine_flags.unheard(session, row, "no sound", now)
    else:
        row.next_fetch_at = now + wait


def fetch_by_hand(session: Session, recording_id: uuid.UUID, who: str, now: datetime) -> bool:
    """A person asks for another try after the end of our patience. False if there is nothing to try."""
    row = locked(session, recording_id)
    if row is None or row.sha256 is not None or not move(session, row, "fetch_again", now, who=who):
        return False
    if row.sid is None:
        row.fetch_tries, row.fetch_since, row.next_fetch_at = 0, now, now
    else:
        ask_fetch(session, row, now)
    return True


# ---- speech ---------------------------------------------------------------------------------------------


def claim_speech(session: Session, recording_id: uuid.UUID, now: datetime) -> SpeechWork | None:
    row = locked(session, recording_id)
    if row is None or row.state not in TO_TRANSCRIBE or taken(row, now):
        return None
    row.next_speech_at = now + HEARING_LEASE
    row.speech_since = now
    call = session.get(Call, row.call_id) if row.call_id else None
    return SpeechWork(make_claim(row, now + HEARING_LEASE), row.language, row.purpose, call.kind if call else None)


def renew_speech(session: Session, recording_id: uuid.UUID, claim: uuid.UUID, now: datetime) -> bool:
    """It is still being heard; False if the claim is not ours any more."""
    row = locked(session, recording_id)
    if row is None or row.claim != claim or row.state not in TO_TRANSCRIBE:
        return False
    row.claimed_until = row.next_speech_at = now + HEARING_LEASE
    return True


def no_model(session: Session, recording_id: uuid.UUID, claim: uuid.UUID, reason: str, now: datetime) -> None:
    """Nobody understands this language here: it waits, says so, and looks again from time to time."""
    row = claimed(session, recording_id, claim)
    if row is None or row.state not in TO_TRANSCRIBE:
        return
    row.reason = reason
    row.next_speech_at = now + MODEL_LOOK
    if move(session, row, "no_model", now, why=reason):
        machine_flags.unheard(session, row, "no model", now)


def speech_in_vain(
    session: Session, recording_id: uuid.UUID, claim: uuid.UUID, reason: str, again: bool, now: datetime
) -> None:
    """The engine died over it, or the file would not open."""
    row = claimed(session, recording_id, claim)
    if row is None or row.state not in TO_TRANSCRIBE:
        return
    row.speech_tries += 1
    row.reason = reason
    wait = speech_wait(row.speech_tries) if again else None
    if wait is None:
        move(session, row, "gave_up", now, why=reason, tries=row.speech_tries)
        machine_flags.unheard(session, row, "gave up", now)
    else:
        row.next_speech_at = now + wait


def transcribed(
    session: Session,
    recording_id: uuid.UUID,
    lines: Sequence[Line],
    screened: Screened,
    now: datetime,
    *,
    engine: str = "",
    took_s: float | None = None,
) -> None:
    """What was said and what was found, in one transaction: transcribed, screened, kept. `engine` heard it, in `took_s`
    real seconds."""
    row = won(session, recording_id)
    if row is None or not move(session, row, "transcribed", now, segments=len(lines)):
        return
    row.reason, row.next_speech_at = "", None
    transcript = Transcript(
        id=new_id(),
        recording_id=row.id,
        language=row.language,
        made_at=now,
        lexicon=screened.version,
        mode=screened.mode,
        engine=engine,
        took_s=took_s,
    )
    session.add(transcript)
    session.flush()
    for position, line in enumerate(lines):
        words = [[word.start_s, word.end_s, word.text, word.confidence] for word in line.words]
        heard = vars(line) | {"words": words, "confidence": line.confidence or 0.0}
        session.add(SegmentRow(transcript_id=transcript.id, position=position, **heard))
    add_findings(session, row.id, screened)
    machine_flags.keep(session, row, screened.signs, now)
    move(session, row, "screened", now, findings=len(screened.findings), lexicon=screened.version, mode=screened.mode)
    move(session, row, "kept", now, keep=row.keep_class)
    if row.call_id is not None:
        said = " ".join(line.text.strip() for line in lines if line.speaker == PATIENT)
        publish(session, Transcribed(row.id, row.call_id, row.purpose, said), now)


def transcribe_by_hand(session: Session, recording_id: uuid.UUID, who: str, now: datetime) -> bool:
    row = locked(session, recording_id)
    if row is None or row.sha256 is None or not move(session, row, "transcribe_again", now, who=who):
        return False
    row.speech_tries = 0
    _ask_speech(session, row, now)
    return True


def _ask_speech(session: Session, row: Recording, now: datetime) -> None:
    row.claim = row.claimed_until = None
    row.next_speech_at = now + SPEECH_LEASE
    jobs.defer(session, _speech_job(row), recording_id=row.id)
