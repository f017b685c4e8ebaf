"""What the command line prints of recordings and draws: plain values, the same for people and for
`--json`. Words are masked (recordings/privacy/redact.py)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import blind
from core.models import Patient
from core.people import MRN
from core.said import ENGLISH
from dialer.models import Call
from recordings import sound_words
from recordings.models import DrawRow, FindingRow, Hold, Recording
from recordings.privacy import redact, spoken
from recordings.privacy.spoken import Spoken
from recordings.sampling import chat_reports, sample
from recordings.sampling.chat_reports import ChatDrawn
from recordings.vault import measures
from recordings.vault.measures import SoundMeasures


@dataclass(frozen=True)
class RecordingLine:
    id: uuid.UUID
    announced_at: datetime
    call_id: uuid.UUID | None
    call_kind: str
    purpose: str
    language: str
    state: str
    reason: str
    seconds: float | None
    keep: str
    keep_until: datetime
    held: bool
    purged_at: datetime | None
    carrier_deleted_at: datetime | None
    talk_share: Mapping[str, float] | None = None
    """Each side's part of all the talk, 0..1; None: not measured (a recording without sound), and empty where nobody
    speaks or everybody is on one channel."""
    longest_pause_s: float | None = None
    silence_s: float | None = None


@dataclass(frozen=True)
class Hit:
    category: str
    phrase: str
    speaker: str
    start_s: float
    severity: int
    mark_s: float
    """Where to listen: the phrase's first word, or its line."""
    end_s: float | None
    group: str
    note: str
    lexicon: str
    mode: str


@dataclass(frozen=True)
class Drawn:
    """One recording of a draw with all a listener is shown."""

    position: int
    recording: RecordingLine
    part: str
    why: str
    transcript: tuple[Spoken, ...]
    findings: tuple[Hit, ...]


@dataclass(frozen=True)
class DrawReport:
    day: str
    seed: int
    candidates: int
    size: int
    whole_day: bool
    strata: tuple[tuple[str, int, int], ...]
    """Stratum, recordings of the day in it, picked at random from it."""
    picked: tuple[Drawn, ...] | tuple[ChatDrawn, ...]
    kind: str = "calls"
    algorithm: int = 1
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What of the day was not ready, or could not be drawn, by why (recordings.sampling.sample.LEFT_OUT)."""


def recordings(session: Session, *, mrn: str | None = None, since: datetime | None = None) -> list[RecordingLine]:
    """All recordings with their states and reasons, newest first."""
    query = _lines().order_by(Recording.announced_at.desc(), Recording.id)
    if mrn is not None:
        query = query.join(Patient, Patient.id == Call.patient_id).where(Patient.mrn_index == blind(mrn, MRN))
    if since is not None:
        query = query.where(Recording.announced_at >= since)
    return _with_measures(session, [_line(row, kind, held) for row, kind, held in session.execute(query)])


def _with_measures(session: Session, lines: Sequence[RecordingLine]) -> list[RecordingLine]:
    measured = measures.of_recordings(session, [line.id for line in lines])
    return [_measured(line, measured[line.id]) if line.id in measured else line for line in lines]


def _measured(line: RecordingLine, sound: SoundMeasures) -> RecordingLine:
    shares = {channel.speaker: channel.share for channel in sound.channels if channel.share is not None}
    return replace(
        line, talk_share=shares, longest_pause_s=sound.longest_pause_s, silence_s=round(sound.silence_s, 2)
    )


def transcript(
    session: Session, recording_id: uuid.UUID, *, original: bool = False, language: str | None = None
) -> list[Spoken]:
    """What was said, by time, masked; empty while there is no transcript. `language`: of the masks (default: the
    call's). `original` is for the machine itself (rules, the demo's checks): a person reads by
    `redact.read_original`."""
    if original:
        return spoken.heard(session, [recording_id])[recording_id]
    return transcripts(session, [recording_id], language=language)[recording_id]


def transcripts(
    session: Session, recording_ids: Collection[uuid.UUID], *, language: str | None = None
) -> dict[uuid.UUID, list[Spoken]]:
    """`transcript` of many, masked, in a fixed number of statements."""
    rows = session.execute(
        sa.select(Recording.id, Recording.call_id, Recording.language).where(Recording.id.in_(recording_ids))
    ).all()
    known = redact.known_of_calls(session, {row.call_id for row in rows if row.call_id is not None})
    words = spoken.heard(session, recording_ids)
    for row in rows:
        lines = words[row.id]
        texts = redact.masked_lines(
            [(line.speaker, line.text) for line in lines], language or row.language, known[row.call_id]
        )
        words[row.id] = [replace(line, text=text) for line, text in zip(lines, texts, strict=True)]
    return words


def findings(session: Session, recording_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Hit]]:
    """The hits of the phrase list of each, worst first, in one statement."""
    rows = session.scalars(
        sa.select(FindingRow)
        .where(FindingRow.recording_id.in_(recording_ids))
        .order_by(FindingRow.severity.desc(), FindingRow.start_s, FindingRow.id)
    )
    found: dict[uuid.UUID, list[Hit]] = {one: [] for one in recording_ids}
    for row in rows:
        found[row.recording_id].append(_hit(row))
    return found


def _hit(row: FindingRow) -> Hit:
    mark_s = row.start_s if row.word_at is None else row.word_at
    of_the_list = row.group, row.note, row.lexicon, row.mode
    return Hit(row.category, row.phrase, row.speaker, row.start_s, row.severity, mark_s, row.end_s, *of_the_list)


def draw_report(session: Session, row: DrawRow) -> DrawReport:
    """Of a draw of calls or of chats, in a fixed number of statements."""
    drawn = chat_reports.drawn(session, row) if row.kind == "chats" else _drawn(session, row)
    return DrawReport(
        row.day.isoformat(), row.seed, len(row.candidates), row.size, row.whole_day, sample.strata(row), drawn,
        row.kind, row.algorithm, dict(row.left_out),
    )  # fmt: skip


def _drawn(session: Session, row: DrawRow) -> tuple[Drawn, ...]:
    picked = [(pick, pick.recording_id) for pick in sample.picks(session, row) if pick.recording_id is not None]
    rows = session.execute(_lines().where(Recording.id.in_([one for _, one in picked])))
    lines = {line.id: line for line in _with_measures(session, [_line(*row) for row in rows])}
    parts = _parts(session, lines)
    ids = [part for found in parts.values() for part in found]
    words, hits = transcripts(session, ids), findings(session, ids)
    return tuple(
        Drawn(
            pick.position + 1,
            lines[one],
            pick.part,
            pick.why,
            tuple(said for part in parts[one] for said in words[part]),
            tuple(hit for part in parts[one] for hit in hits[part]),
        )
        for pick, one in picked
    )


def _parts(session: Session, lines: Mapping[uuid.UUID, RecordingLine]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """What belongs to each drawn conversation: the recording that stands for it, then the messages and open answers of
    the same call, whose words and findings are part of it."""
    parts = {one: [one] for one in lines}
    of_call = {line.call_id: one for one, line in lines.items() if line.call_id is not None}
    others = sa.select(Recording.id, Recording.call_id).where(Recording.call_id.in_(of_call))
    for row in session.execute(others.order_by(Recording.announced_at, Recording.id)):
        stands_for_it = of_call[row.call_id]
        if row.id != stands_for_it:
            parts[stands_for_it].append(row.id)
    return parts


def as_json(report: DrawReport) -> dict[str, Any]:
    """The report as JSON values: ids as text, times in ISO 8601."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(report), default=_plain))
    return plain


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lines() -> sa.Select[Recording, str, bool]:
    # The kind is null where the call is unknown.
    held = sa.exists().where(Hold.recording_id == Recording.id, Hold.released_at.is_(None))
    return sa.select(Recording, Call.kind, held).outerjoin(Call, Call.id == Recording.call_id)


def _line(row: Recording, kind: str | None, held: bool) -> RecordingLine:
    return RecordingLine(
        row.id,
        row.announced_at,
        row.call_id,
        kind or "unknown call",
        row.purpose,
        row.language,
        row.state,
        sound_words.why(row.reason, ENGLISH),
        row.seconds,
        row.keep_class,
        row.keep_until,
        held,
        row.purged_at,
        row.carrier_deleted_at,
    )
