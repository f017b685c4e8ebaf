"""Written conversations with patients, handed in by the systems they were held in: taken once, screened by the phrase
list, kept as long as recordings of their class, then emptied.

A chat is never changed. The same again is the same; something else under the same number is refused, all of it: nobody
mends a conversation after it was drawn.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from core import db, people
from core.db import blind
from core.events import PatientsMerged
from core.house import settings_of
from core.models import Patient, new_id, record
from dialer.models import Agent
from recordings.chat_models import Chat, ChatFinding
from recordings.findings.lexicon import Finding, find
from recordings.findings.screen import phrase_list
from recordings.machine import longest
from recordings.models import Hold
from recordings.privacy import redact
from recordings.quality import review_rows
from recordings.review_models import QaNote
from recordings.sampling.chat_shapes import ChatIn
from recordings.sound.conversation import LINE, PATIENT, Line

SPEAKERS: Final = {"patient": PATIENT, "agent": LINE, "machine": "machine"}
"""Who wrote, as the phrase list and the transcripts name the sides. It looks at staff and patients, at no machine."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours the sender's clock may be."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""What is older is a clock that was never set; and a time before year 1 in UTC is one that no row gives back."""
NOT_WRITTEN: Final = "missing"
"""A category of findings that is about the telephone alone: the notice of the recording, the name at the beginning."""


class ChatProblem(Exception):
    """Chats that cannot be taken; none of the same call of `take` was. `problems`: (place in the list, field, what)."""

    def __init__(self, problems: Sequence[tuple[int, str, str]]) -> None:
        super().__init__("; ".join(f"{where} {what}" for _, where, what in problems))
        self.problems = tuple(problems)


class PurgeProblem(Exception):
    """Something of a purged chat is still there. The transaction must not be kept."""


@dataclass(frozen=True)
class Taken:
    external_id: str
    id: uuid.UUID
    result: Literal["created", "unchanged"]


@dataclass(frozen=True)
class Written:
    """One line of a chat. `speaker`: patient | line | machine."""

    speaker: str
    start_s: float
    text: str


# ---- taken in -------------------------------------------------------------------------------------------


def take(session: Session, given: Sequence[ChatIn], now: datetime, *, who: str) -> list[Taken]:
    """All of them or none, in a fixed number of statements. Raises ChatProblem."""
    db.lock(session, "chats")  # two who hand in the same at one moment
    known = {row.external_id: row for row in session.execute(_KNOWN, {"wanted": [one.external_id for one in given]})}
    agents = _agents(session, {one.agent for one in given if one.agent})
    patients = _patients(session, {one.mrn for one in given if one.mrn})
    problems: list[tuple[int, str, str]] = []
    made: dict[str, dict[str, Any]] = {}
    findings: list[dict[str, Any]] = []
    taken = []
    for at, one in enumerate(given):
        digest = _digest(one)
        there = made.get(one.external_id) or known.get(one.external_id)
        if there is None:
            if wrong := _wrong(one, agents, patients, now):
                problems += [(at, *fault) for fault in wrong]
                continue
            row, found = _row(session, one, digest, agents, patients, now)
            made[one.external_id] = row
            findings += found
            taken.append(Taken(one.external_id, row["id"], "created"))
            continue
        chat_id, before = (there["id"], there["digest"]) if isinstance(there, dict) else (there.id, there.digest)
        if bytes(before) != digest:
            problems.append((at, "external_id", "is that of another chat, which is here already"))
        taken.append(Taken(one.external_id, chat_id, "unchanged"))
    if problems:
        raise ChatProblem(problems)
    _store(session, list(made.values()), findings, now, who)
    return taken


def _store(
    session: Session, rows: list[dict[str, Any]], findings: list[dict[str, Any]], now: datetime, who: str
) -> None:
    if not rows:
        return
    session.execute(sa.insert(Chat), rows)
    if findings:
        session.execute(sa.insert(ChatFinding), findings)
    for row in rows:
        hits = sum(found["chat_id"] == row["id"] for found in findings)
        record(session, "chat", row["id"], "taken in", now, who=who, lines=row["written"], findings=hits)


def _wrong(
    one: ChatIn, agents: Mapping[str, uuid.UUID], patients: Mapping[str, uuid.UUID], now: datetime
) -> list[tuple[str, str]]:
    wrong = []
    if one.agent is not None and one.agent not in agents:
        wrong.append(("agent", "is in no staff file: `carecall import staff` first"))
    if one.mrn is not None and one.mrn not in patients:
        wrong.append(("mrn", "no patient with this record number is on file"))
    if one.lines[-1].at > now + CLOCK_SKEW:
        wrong.append(("lines", "lie in the future"))
    if one.lines[0].at < EARLIEST:
        wrong.append(("lines", f"have a time before {EARLIEST.year}"))
    return wrong


def _row(
    session: Session,
    one: ChatIn,
    digest: bytes,
    agents: Mapping[str, uuid.UUID],
    patients: Mapping[str, uuid.UUID],
    now: datetime,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    settings = settings_of(session)
    started, ended = one.lines[0].at, one.lines[-1].at
    lines = [[_after_s(started, line.at), line.who, line.text] for line in one.lines]
    language = one.language or settings.hospital.languages[0]
    complaint = one.complaint or (one.reason or "").startswith("complaint")
    days = settings.recordings.keep_days.model_dump()
    fits = {"ordinary"} | ({"complaint"} if complaint else set()) | ({"escalation"} if one.escalated else set())
    keep = longest(fits, days)
    version, found = screened(written(lines), language)
    row = {
        "id": new_id(),
        "external_id": one.external_id,
        "digest": digest,
        "channel": one.channel,
        "agent_id": agents.get(one.agent) if one.agent else None,
        "patient_id": patients.get(one.mrn) if one.mrn else None,
        "reason": one.reason or "",
        "language": language,
        "started_at": started,
        "ended_at": ended,
        "taken_at": now,
        "written": len(lines),
        "lines": lines,
        "answer_s": _answer_s(lines),
        "satisfaction": one.satisfaction,
        "transfers": one.transfers,
        "complaint": complaint,
        "escalated": one.escalated,
        "lexicon": version,
        "keep_class": keep,
        "keep_until": ended + timedelta(days=days[keep]),
    }
    return row, [{"chat_id": row["id"], "lexicon": version, **hit} for hit in found]


def _after_s(start: datetime, at: datetime) -> float:
    return round((at - start).total_seconds(), 3)


def _answer_s(lines: Sequence[list[Any]]) -> float | None:
    asked = next((line[0] for line in lines if line[1] == "patient"), None)
    if asked is None:
        return None
    answered = next((line[0] for line in lines if line[1] == "agent" and line[0] >= asked), None)
    return None if answered is None else answered - asked


def _digest(one: ChatIn) -> bytes:
    """Keyed: from a copy of the database nobody can find out by trying what was written."""
    told = json.dumps(one.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
    return blind(told, "chats.digest")


def _agents(session: Session, logins: Collection[str]) -> dict[str, uuid.UUID]:
    """Also of those who have left: what they wrote may be handed in later."""
    rows = session.execute(sa.select(Agent.login, Agent.id).where(Agent.login.in_(logins)))
    return {row.login: row.id for row in rows}


def _patients(session: Session, mrns: Collection[str]) -> dict[str, uuid.UUID]:
    by_index = {blind(mrn, people.MRN): mrn for mrn in mrns}
    rows = session.execute(
        sa.select(Patient.mrn_index, Patient.id, Patient.merged_into).where(Patient.mrn_index.in_(by_index))
    )
    return {by_index[bytes(row.mrn_index)]: row.merged_into or row.id for row in rows}


_KNOWN: Final = sa.select(Chat.external_id, Chat.id, Chat.digest).where(
    Chat.external_id.in_(sa.bindparam("wanted", expanding=True))
)


def on_patients_merged(session: Session, event: PatientsMerged, now: datetime) -> None:
    """Two records were one person: whose chat it is, is all that ever changes in one."""
    session.execute(sa.update(Chat).where(Chat.patient_id == event.old_id).values(patient_id=event.new_id))


# ---- screened -------------------------------------------------------------------------------------------


def screened(lines: Sequence[Written], language: str) -> tuple[str, list[dict[str, Any]]]:
    """The version of the phrase list and its hits, as columns of ChatFinding: staff's phrases on the agent's lines, red
    flags on the patient's. The one place where chats are screened."""
    lexicon = phrase_list(language)
    said = [Line(line.speaker, line.start_s, line.start_s, line.text, 1.0) for line in lines]
    hits: list[Finding] = [hit for hit in find(said, lexicon) if hit.category != NOT_WRITTEN]
    names = ("category", "phrase", "speaker", "start_s", "severity")
    return lexicon.version, [{name: getattr(hit, name) for name in names} for hit in hits]


# ---- read -----------------------------------------------------------------------------------------------


def transcript(session: Session, chat_id: uuid.UUID, *, language: str | None = None) -> list[Written]:
    """What was written, in order, as QA sees it: names and numbers masked, in the reader's `language` (default: the
    chat's). Empty for a chat that was purged or is not there."""
    return transcripts(session, [chat_id], language=language).get(chat_id, [])


def transcripts(
    session: Session, chat_ids: Collection[uuid.UUID], *, language: str | None = None
) -> dict[uuid.UUID, list[Written]]:
    """The same of many, in a fixed number of statements."""
    rows = session.execute(
        sa.select(Chat.id, Chat.patient_id, Chat.language, Chat.lines).where(
            Chat.id.in_(chat_ids), Chat.lines.is_not(None)
        )
    ).all()
    known = redact.known_of_patients(session, {row.id: row.patient_id for row in rows})
    return {row.id: _shown(written(row.lines), language or row.language, known[row.id]) for row in rows}


def written(lines: Sequence[Sequence[Any]]) -> list[Written]:
    return [Written(SPEAKERS[who], float(start_s), text) for start_s, who, text in lines]


def _shown(lines: Sequence[Written], language: str, known: redact.Known) -> list[Written]:
    """The one place every reader's lines pass."""
    texts = redact.masked_lines([(line.speaker, line.text) for line in lines], language, known)
    return [replace(line, text=text) for line, text in zip(lines, texts, strict=True)]


# ---- the end of the keeping time ------------------------------------------------------------------------


def purge_due(session: Session, now: datetime, limit: int = 200) -> int:
    """The tick: chats whose time is over lose their words and what was found in them; the rows stay. Returns how
    many."""
    over = session.scalars(
        sa.select(Chat)
        .where(Chat.purged_at.is_(None), Chat.keep_until <= now, ~HELD)
        .order_by(Chat.keep_until, Chat.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .options(defer(Chat.lines))
    ).all()
    return purge(session, over, now)


HELD: Final = sa.exists().where(Hold.chat_id == Chat.id, Hold.released_at.is_(None))
"""Under a legal hold (recordings.vault.retention sets and ends it): kept whatever its time."""


def purge(session: Session, over: Sequence[Chat], now: datetime) -> int:
    """Empty these, which are locked, but for those that are held, and look that they are empty. Returns how many."""
    # asked once more now that they are locked: whoever sets a hold has the lock, too
    held = set(session.scalars(sa.select(Chat.id).where(Chat.id.in_([chat.id for chat in over]), HELD)))
    over = [chat for chat in over if chat.id not in held]
    for chat in over:
        chat.lines, chat.purged_at = None, now
        record(session, "chat", chat.id, "purged", now, why=chat.keep_class)
    ids = [chat.id for chat in over]
    if not ids:
        return 0
    review_rows.drop_open(session, "chat", ids, "purged", now)
    session.execute(sa.delete(ChatFinding).where(ChatFinding.chat_id.in_(ids)))
    session.execute(sa.delete(QaNote).where(QaNote.chat_id.in_(ids)))
    session.flush()
    if left := _words_left(session, ids):
        raise PurgeProblem(f"{left} rows of words of purged chats are still there")
    return len(ids)


def _words_left(session: Session, ids: Collection[uuid.UUID]) -> int:
    chats = sa.select(sa.func.count()).select_from(Chat).where(Chat.id.in_(ids), Chat.lines.is_not(None))
    findings = sa.select(sa.func.count()).select_from(ChatFinding).where(ChatFinding.chat_id.in_(ids))
    notes = sa.select(sa.func.count()).select_from(QaNote).where(QaNote.chat_id.in_(ids))
    return sum(session.scalar(one) or 0 for one in (chats, findings, notes))
