"""Words of warning in what a patient said to the machine: an alarm that says a machine made it.

Which recordings: a spoken answer, a message, and the patient's own channel of a call of ours that no person was on.
What a hotline caller said to an agent was heard by a person; it is a finding, and no alarm.

Kept with the transcript (`keep`), and told in a transaction of its own (`tell`): opening an escalation locks the call's
recordings last, so whoever holds a recording must not open one (docs/decisions/0004). The timer is the row's `due_at`.

    heard -> told: A and B to the dialer (core.events.MachineHeard), C to the ward, the same day
             what is older than DOCTOR_WITHIN: to the ward, whatever its level

An open answer in which no sign was found is read by a nurse the same day, unless it says that there is nothing to say:
the lists find only part of what patients mean (docs/quality.md, docs/decisions/0013).

Screening again with a newer phrase list raises nothing: it is for listeners.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db, jobs
from core.events import MachineHeard, WorkWanted, publish
from core.house import settings_of
from core.models import EventRow, new_id, record
from core.said import kept
from dialer.models import Call
from recordings.findings import flags, nothing
from recordings.findings.lexicon import Spoken
from recordings.findings.lexicon_list import LEVELS, Lexicon
from recordings.models import Recording
from recordings.screen_models import MachineFlag
from recordings.sound.conversation import LINE, PATIENT, Line
from recordings.vault import measures

TELL = jobs.declare("tell_machine_flag", "escalation")

ALONE: Final = ("open_answer", "message")
"""Purposes of a recording nobody of ours took part in; they go before all others (recordings.store)."""
MACHINE_CALLS: Final = ("followup", "reminder", "satisfaction")
"""Kinds of call in which only a machine listened."""
DOCTOR_WITHIN: Final = timedelta(hours=12)
"""Older words ring no doctor: somebody on the ward decides (a model that is fetched a week late must not ring him for
every answer of the week)."""
VOICE_S: Final = 1.5
"""So much voice without a word is more than a cough or a knock."""
LEASE: Final = timedelta(seconds=10)
UNHEARD: Final = {
    # why the worklist item `listen` is wanted
    "no model": "no_model",
    "gave up": "not_heard",
    "no words": "no_words",
    "not sure": "not_sure",
}
LOST: Final = {
    # why the worklist item `not_recorded` is wanted: there is nothing to listen to
    "no sound": "no_sound",
    "absent": "absent",
}
UNREAD: Final = {
    # why the worklist item `read_answer` is wanted
    "no sign": "no_sign",
}
ASKED: Final = {
    why: (kind, words)
    for kind, reasons in (("listen", UNHEARD), ("not_recorded", LOST), ("read_answer", UNREAD))
    for why, words in reasons.items()
}
LISTENED: Final = "somebody listens"
"""In the ledger: a nurse was asked to hear, read or ring, once per recording, whatever else goes wrong with it."""


@dataclass(frozen=True)
class Sign:
    """One sign in one recording: the highest level it was said at, and where."""

    question: str
    level: str
    start_s: float


def is_screened(purpose: str, call_kind: str | None) -> bool:
    """Whether what the patient says in such a recording may raise an alarm."""
    return purpose in ALONE or (purpose == "call" and call_kind in MACHINE_CALLS)


def signs(lines: Iterable[Spoken], lexicon: Lexicon) -> list[Sign]:
    """The signs in what the patient said, one per question, worst level first. Only on a channel that is the patient's:
    on one for everybody our own questions would raise the alarm."""
    found: dict[str, Sign] = {}
    said = [line for line in lines if line.speaker == PATIENT]
    for before, line in zip([None, *said], said, strict=False):
        hits: list[tuple[flags.Hit, float]] = []
        if before is not None and line.start_s - before.start_s <= flags.ONE_BREATH_S:
            hits += [(hit, before.start_s) for hit in flags.across(before.text, line.text, lexicon).hits]
        alone = flags.in_text(lexicon.without_allowed(lexicon.normal(line.text)), lexicon)
        for hit, start_s in [*hits, *((hit, line.start_s) for hit in alone)]:
            known = found.get(hit.flag.question)
            if hit.level and (known is None or hit.level < known.level):
                found[hit.flag.question] = Sign(hit.flag.question, hit.level, start_s)
    return sorted(found.values(), key=lambda one: (LEVELS.index(one.level), one.start_s))


def keep(session: Session, row: Recording, heard: Sequence[Sign], now: datetime) -> None:
    """In the transaction that stores the words of `row`, which is locked: they will be told, whatever happens."""
    if row.call_id is None:
        return  # nobody knows whose call it was, nor a number to ring
    for one in heard:
        flag = MachineFlag(
            id=new_id(),
            recording_id=row.id,
            call_id=row.call_id,
            question=one.question,
            level=one.level,
            start_s=one.start_s,
            said_at=row.announced_at + timedelta(seconds=one.start_s),
            found_at=now,
            due_at=now + LEASE,
        )
        session.add(flag)
        session.flush()
        record(session, "recording", row.id, "words of warning", now, flag=one.question, level=one.level)
        jobs.defer(session, TELL, flag_id=flag.id)


def tell(session: Session, flag_id: uuid.UUID, now: datetime) -> None:
    """To the dialer or the ward, once."""
    flag = _LOCK(session, flag_id)
    if flag is None or flag.told_at is not None:
        return
    flag.told_at, flag.due_at = now, None
    call = session.get_one(Call, flag.call_id)
    if flag.level == "C" or now - flag.said_at > DOCTOR_WITHIN:
        why = kept("machine_heard", question=flag.question)
        publish(session, WorkWanted("red_flag", call.patient_id, call.id, why), now)
        return
    publish(session, MachineHeard(call.id, flag.recording_id, flag.question, flag.level, flag.said_at), now)


def untold(session: Session, recording_id: uuid.UUID) -> bool:
    """Whether words of warning in this recording are still to be told, or are being told at this moment. Locks
    nothing: who asks holds the recording, and who tells holds the flag and comes to the recording last."""
    return bool(session.scalar(_UNTOLD, {"recording_id": recording_id}))


def due(session: Session, now: datetime, limit: int = 100) -> int:
    """Flags whose job was lost. Returns how many."""
    rows = session.scalars(
        sa.select(MachineFlag)
        .where(MachineFlag.due_at <= now)
        .order_by(MachineFlag.due_at, MachineFlag.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.due_at = now + LEASE
        jobs.defer(session, TELL, flag_id=row.id)
    return len(rows)


def unheard(session: Session, row: Recording, why: str, now: datetime) -> None:
    """Nobody's machine has heard this answer or message, or found a sign in it, so a nurse does, or rings where there
    is nothing to hear: an item of the worklist, one per recording. `why` is a key of ASKED; `row` is locked."""
    if row.purpose not in ALONE or row.call_id is None:
        return
    asked = EventRow.kind == "recording", EventRow.subject_id == row.id, EventRow.what == LISTENED
    if session.scalar(sa.select(sa.exists().where(*asked))):
        return
    record(session, "recording", row.id, LISTENED, now, why=why)
    call = session.get_one(Call, row.call_id)
    kind, words = ASKED[why]
    publish(session, WorkWanted(kind, call.patient_id, row.id, words), now)


def not_understood(session: Session, recording_id: uuid.UUID, lines: Sequence[Line], now: datetime) -> None:
    """Who moans, cries or speaks another language is heard by nobody but the machine: where there is a voice and not a
    word of it was understood, or the engine itself is not sure of the words, a nurse listens. Silence wants nobody."""
    said = [line for line in lines if line.text.strip() and line.speaker != LINE]
    row = session.get_one(Recording, recording_id)
    if said:
        sure = confidence(said)
        if sure is not None and sure < settings_of(session).speech[row.language].listen_below:
            unheard(session, row, "not sure", now)
        return
    sound = measures.of_recording(session, recording_id)
    if sound is not None and sum(channel.talk_s for channel in sound.channels) >= VOICE_S:
        unheard(session, row, "no words", now)


def is_unread(purpose: str, lines: Sequence[Line], found: Sequence[Sign], lexicon: Lexicon) -> bool:
    """Whether these are words of an open answer that would be read by nobody: no sign was found in them, and they are
    more than a "no, thank you". A message has its ticket, which a person answers."""
    said = " ".join(line.text for line in lines if line.speaker != LINE)
    return purpose == "open_answer" and not found and bool(said.strip()) and not nothing.is_said(said, lexicon)


def unread(session: Session, recording_id: uuid.UUID, now: datetime) -> None:
    """A nurse reads them. Not where a sign was found when the same sound was heard before."""
    flagged = sa.exists().where(MachineFlag.recording_id == recording_id)
    if not session.scalar(sa.select(flagged)):
        unheard(session, session.get_one(Recording, recording_id), "no sign", now)


def confidence(lines: Sequence[Line]) -> float | None:
    """How sure the engine is of what was said, 0..1: the mean of its words, or of its lines by length where it does not
    tell words apart. None: it does not say."""
    words = [(word.confidence, 1) for line in lines for word in line.words]
    whole = [(line.confidence, len(line.text)) for line in lines]
    for told in (words, whole):
        known = [(sure, weight) for sure, weight in told if sure is not None]
        weight = sum(weight for _, weight in known)
        if weight:
            return sum(sure * weight for sure, weight in known) / weight
    return None


_LOCK = db.RowLock(MachineFlag)
_UNTOLD = sa.select(
    sa.exists().where(MachineFlag.recording_id == sa.bindparam("recording_id"), MachineFlag.told_at.is_(None))
)
