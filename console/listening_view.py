"""What the console asks of the vault: which recordings there are, one recording's sheet, and who heard what.

Beside `console.review_view` the one place where pages meet the listening room's tables. Nothing here has a patient's
name or number, and words come masked.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from console.talk_bar import TalkBar, talk_bar
from console.words import typed_day
from dialer.models import Call
from recordings import reports
from recordings.findings.lexicon_list import MISSING
from recordings.machine import HOLDS_FILE, STATES
from recordings.models import FindingRow, Hold, Play, Recording, SegmentRow, Transcript
from recordings.privacy.spoken import Spoken
from recordings.vault import listening, measures
from recordings.vault.listening import ListeningProblem
from recordings.vault.retention import HoldProblem

MOST: Final = 100
"""Rows on one page; the older ones are one click away."""
REASONS: Final = ("review", "dispute", "coaching", "complaint", "request", "check", "other")
"""Why somebody hears a recording."""
PURPOSES: Final = ("call", "message", "open_answer", "bridge")
CALL_KINDS: Final = (
    "hotline", "followup", "reminder", "doctor", "patient", "operator", "night", "test", "agent", "caller", "head",
    "satisfaction", "theme",
)  # fmt: skip
"""Of dialer.models.Call.kind."""
KEEP: Final = ("ordinary", "escalation", "complaint", "record")
PROBLEMS: Final = (ListeningProblem, HoldProblem)


# ---- which recordings there are --------------------------------------------------------------------
@dataclass(frozen=True)
class SoundLine:
    """One recording in a list: no name, no number, nobody's login."""

    id: uuid.UUID
    at: datetime
    kind: str
    """Of the call; empty for a call nobody knows."""
    purpose: str
    language: str
    state: str
    reason: str
    seconds: float | None
    keep: str
    keep_until: datetime
    held: bool

    @property
    def audible(self) -> bool:
        return self.state in HOLDS_FILE


@dataclass(frozen=True)
class Search:
    """What is looked for; None and "" are everything."""

    since: date | None = None
    until: date | None = None
    purpose: str = ""
    state: str = ""
    language: str = ""
    held: bool = False


def search_of(words: Mapping[str, str]) -> Search:
    """From an address; ValueError for a day that is none and a code that is none."""
    for name, codes in (("purpose", PURPOSES), ("state", STATES)):
        if words.get(name) and words[name] not in codes:
            raise ValueError(name)

    def day(name: str) -> date | None:
        return typed_day(words[name]) if words.get(name) else None

    return Search(
        day("since"), day("until"), words.get("purpose", ""), words.get("state", ""), words.get("language", ""),
        bool(words.get("held")),
    )  # fmt: skip


def found(session: Session, search: Search, zone: ZoneInfo, before: datetime | None = None) -> list[SoundLine]:
    """Newest first, one more than MOST when there are older ones. `before`: only what is older than this."""
    query = _LINES.order_by(Recording.announced_at.desc(), Recording.id).limit(MOST + 1)
    if search.since:
        query = query.where(Recording.announced_at >= datetime.combine(search.since, time.min, zone))
    if search.until:
        ends = datetime.combine(search.until + timedelta(days=1), time.min, zone)
        query = query.where(Recording.announced_at < ends)
    for column, wanted in ((Recording.purpose, search.purpose), (Recording.state, search.state),
                           (Recording.language, search.language)):  # fmt: skip
        query = query.where(column == wanted) if wanted else query
    if search.held:
        query = query.where(_HELD)
    if before is not None:
        query = query.where(Recording.announced_at < before)
    return [_line(*row) for row in session.execute(query)]


def line(session: Session, recording_id: uuid.UUID) -> SoundLine | None:
    row = session.execute(_LINES.where(Recording.id == recording_id)).one_or_none()
    return _line(*row) if row else None


_HELD = sa.exists().where(Hold.recording_id == Recording.id, Hold.released_at.is_(None))
_LINES = sa.select(Recording, Call.kind, _HELD).outerjoin(Call, Call.id == Recording.call_id)


def _line(row: Recording, kind: str | None, held: bool) -> SoundLine:
    return SoundLine(
        row.id, row.announced_at, kind or "", row.purpose, row.language, row.state, row.reason, row.seconds,
        row.keep_class, row.keep_until, held,
    )  # fmt: skip


# ---- one recording ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class OpenPermit:
    """What lets the player of a page play."""

    play_id: uuid.UUID
    original: bool
    expires_at: datetime


@dataclass(frozen=True)
class Found:
    """A hint of the phrase list. `at`: seconds; None for what was not said, which is nowhere."""

    category: str
    phrase: str
    speaker: str
    at: float | None
    severity: int
    note: str
    """Why it weighs less; a code."""


@dataclass(frozen=True)
class Heard:
    """What stands around a player: only for who has said why."""

    bar: TalkBar | None
    shares: Sequence[tuple[str, float, float | None]]
    """Speaker, seconds of talk, share of the talk (0..1; None where nobody can say)."""
    overlap_s: float | None
    silence_s: float | None
    longest_pause_s: float | None
    interruptions: Mapping[str, int]
    lines: Sequence[Spoken]
    findings: Sequence[Found]
    original: bool
    """The lines are as they were said, not masked."""


def open_permit(
    session: Session, recording_id: uuid.UUID, login: str, rights: Collection[str], now: datetime
) -> OpenPermit | None:
    """The newest permit of this login for this recording that still runs, and rests on `rights` they have now."""
    rows = session.scalars(
        sa.select(Play)
        .where(
            Play.recording_id == recording_id, Play.login == login, Play.kind == "listen", Play.expires_at > now,
            Play.token.is_not(None),
        )
        .order_by(Play.at.desc(), Play.id.desc())
    )  # fmt: skip
    for row in rows:
        try:
            listening.still_lets(session, row, rights, now)
        except ListeningProblem:
            continue
        return OpenPermit(row.id, row.original, row.expires_at)
    return None


def heard(session: Session, recording_id: uuid.UUID, language: str, lines: Sequence[Spoken] | None = None) -> Heard:
    """`language`: of the masks. `lines`: the words as they were said, for whom the room has given them to; else
    they are masked."""
    measured = measures.of_recording(session, recording_id)
    findings = _findings(session, recording_id)
    seconds = session.scalar(sa.select(Recording.seconds).where(Recording.id == recording_id)) or 0.0
    spans: dict[str, list[tuple[float, float]]] = {}
    if measured is not None and any(channel.talk for channel in measured.channels):
        spans = {channel.speaker: list(channel.talk) for channel in measured.channels}
    else:  # not measured, or too faint to be measured as a voice: what the model heard is the next best
        for speaker, start_s, end_s in session.execute(_SPANS, {"recording_id": recording_id}):
            spans.setdefault(speaker, []).append((start_s, end_s))
    return Heard(
        bar=talk_bar(seconds, spans, [hit.at for hit in findings if hit.at is not None]) if spans else None,
        shares=[(one.speaker, one.talk_s, one.share) for one in measured.channels] if measured else (),
        overlap_s=measured.overlap_s if measured else None,
        silence_s=measured.silence_s if measured else None,
        longest_pause_s=measured.longest_pause_s if measured else None,
        interruptions=measured.interruptions if measured else {},
        lines=reports.transcript(session, recording_id, language=language) if lines is None else lines,
        findings=findings,
        original=lines is not None,
    )


def _findings(session: Session, recording_id: uuid.UUID) -> list[Found]:
    """By time; what was not said comes last, so that the others keep the numbers of their marks."""
    rows = session.scalars(sa.select(FindingRow).where(FindingRow.recording_id == recording_id))
    found = [
        Found(
            row.category, row.phrase, row.speaker,
            None if row.category == MISSING else row.start_s if row.word_at is None else row.word_at,
            row.severity, row.note,
        )
        for row in rows
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.at is None, one.at or 0.0, -one.severity, one.phrase))


_SPANS = (
    sa.select(SegmentRow.speaker, SegmentRow.start_s, SegmentRow.end_s)
    .join(Transcript, Transcript.id == SegmentRow.transcript_id)
    .where(Transcript.recording_id == sa.bindparam("recording_id"))
    .order_by(SegmentRow.position)
)


def holds(session: Session, recording_id: uuid.UUID) -> Sequence[Hold]:
    of_it = sa.select(Hold).where(Hold.recording_id == recording_id)
    return session.scalars(of_it.order_by(Hold.held_at.desc(), Hold.id)).all()


# ---- who heard what --------------------------------------------------------------------------------
@dataclass(frozen=True)
class HeardLine:
    """One permit of the log."""

    id: uuid.UUID
    recording_id: uuid.UUID
    kind: str
    login: str
    reason: str
    """A code of REASONS, or empty where the whole reason is in words."""
    words: str
    at: datetime
    original: bool
    approved_by: str
    seconds: float
    """Of the recording."""
    heard_s: float
    taken: bool
    over: bool

    @property
    def waiting(self) -> bool:
        return self.kind == "export" and not self.approved_by and not self.over

    @property
    def to_take(self) -> bool:
        return self.kind == "export" and bool(self.approved_by) and not self.taken and not self.over


def log(
    session: Session,
    now: datetime,
    *,
    login: str = "",
    recording_id: uuid.UUID | None = None,
    kind: str = "",
    before: datetime | None = None,
    limit: int = MOST,
) -> list[HeardLine]:
    """Newest first, one more than `limit` when there are older ones."""
    query = sa.select(Play).order_by(Play.at.desc(), Play.id).limit(limit + 1)
    if login:
        query = query.where(Play.login == login)
    if recording_id is not None:
        query = query.where(Play.recording_id == recording_id)
    if kind:
        query = query.where(Play.kind == kind)
    if before is not None:
        query = query.where(Play.at < before)
    return [_heard_line(row, now) for row in session.scalars(query)]


def _heard_line(row: Play, now: datetime) -> HeardLine:
    code, _, words = row.why.partition(": ")
    known = code in REASONS
    return HeardLine(
        row.id, row.recording_id, row.kind, row.login, code if known else "", words if known else row.why, row.at,
        row.original, row.approved_by, row.seconds, sum(end - start for start, end in row.heard),
        row.token is not None, row.expires_at <= now,
    )  # fmt: skip
