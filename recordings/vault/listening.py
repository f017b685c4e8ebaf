"""Hearing a recording, and taking one away: who, when, why, and which seconds.

`play` gives a permit: a word of 32 random bytes, good for one recording, one login and some minutes. The database keeps
its hash only. `answer` turns an HTTP range request into bytes and writes down which seconds left the house before they
leave. An export needs two people: one asks, another approves, and only who asked may take it.

A permit is worth what its holder may do now: each request asks again for the right it was given for, and for a hold
that was placed since. What was handed out before (MOST_S of sound at most) cannot be called back.

What a login may do is for the caller to know (the role's rights); it hands the rights in, and they are checked here.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import House
from core.models import new_id, record
from recordings import sound_words
from recordings.machine import HOLDS_FILE
from recordings.models import Play, Recording
from recordings.rows import locked
from recordings.sound import masking
from recordings.vault import measures, retention
from recordings.vault.files import FileProblem, FileStore, Reader
from recordings.vault.ranges import Span, merged, span_of
from recordings.vault.sounding import NoSound, Sounding
from recordings.vault.vault_words import ListeningProblem as ListeningProblem

RIGHTS: Final = ("listen", "original", "held", "export", "approve")
"""listen: with the tones of keys masked; original: as it came; held: also what is under a legal hold; export: ask for
a copy to take away; approve: somebody else's export."""
READ: Final = "read"
"""The kind of a `plays` row that says who read the words unmasked (recordings.privacy.redact): it permits nothing."""
LEAST: Final = timedelta(minutes=10)
"""A permit lasts so long and twice the recording's length: it may be heard twice, with pauses."""
EXPORT_FOR: Final = timedelta(minutes=10)
ASK_FOR: Final = timedelta(days=3)
"""How long an export waits for the second person."""
MOST_S: Final = 60
"""One answer to a player's open range holds so many seconds at most: what is written down is what was heard, and not
the whole file each time somebody presses play."""


@dataclass(frozen=True)
class Permit:
    """`token` goes into the address of the player and nowhere else."""

    token: str
    play_id: uuid.UUID
    recording_id: uuid.UUID
    login: str
    original: bool
    export: bool
    expires_at: datetime
    size: int
    """Bytes of what will be sent."""
    seconds: float
    content_type: str


@dataclass(frozen=True)
class Answer:
    """What goes over the wire; `body` is to be sent piece by piece."""

    status: int
    headers: dict[str, str]
    body: Iterator[bytes]


# ---- permits --------------------------------------------------------------------------------------------


def play(
    session: Session,
    recording_id: uuid.UUID,
    login: str,
    why: str,
    now: datetime,
    *,
    original: bool = False,
    rights: Collection[str] = ("listen",),
) -> Permit:
    """A permit to hear this recording; who, when and why are written down. Raises ListeningProblem."""
    _may(rights, "listen", original)
    row = _playable(session, recording_id, why, rights)
    token = secrets.token_urlsafe(32)
    measures.want(session, row.id)
    made = _play_row(row, "listen", login, why, now, original, row.seconds or 0.0)
    with _sounding(session, made) as sound:
        expires = now + LEAST + 2 * timedelta(seconds=sound.seconds)
        made.seconds = sound.seconds
        made.token, made.expires_at = _hash(token), expires
        session.add(made)
        session.flush()
        record(session, "recording", row.id, "permit to listen", now, who=login, play=str(made.id), original=original)
        return _permit(made, token, sound.size)


def ask_export(
    session: Session,
    recording_id: uuid.UUID,
    login: str,
    why: str,
    now: datetime,
    *,
    original: bool = False,
    rights: Collection[str] = ("export",),
) -> uuid.UUID:
    """First step: somebody asks for a copy. The id of the request. Raises ListeningProblem."""
    _may(rights, "export", original)
    row = _playable(session, recording_id, why, rights)
    made = _play_row(row, "export", login, why, now, original, row.seconds or 0.0)
    made.expires_at = now + ASK_FOR
    session.add(made)
    session.flush()
    record(session, "recording", row.id, "export asked", now, who=login, play=str(made.id), original=original)
    return made.id


def approve_export(
    session: Session, play_id: uuid.UUID, login: str, now: datetime, *, rights: Collection[str] = ("approve",)
) -> None:
    """Second step: another person agrees. Raises ListeningProblem."""
    _allowed(rights, "approve")
    asked = _request(session, play_id, now)
    if asked.login == login:
        raise ListeningProblem("not_own")
    if asked.approved_by:
        raise ListeningProblem("approved_already")
    asked.approved_by, asked.approved_at, asked.expires_at = login, now, now + ASK_FOR
    record(session, "recording", asked.recording_id, "export approved", now, who=login, play=str(asked.id))


def export(
    session: Session, play_id: uuid.UUID, login: str, now: datetime, *, rights: Collection[str] = ("export",)
) -> Permit:
    """Third step: who asked takes it, once, within some minutes. Raises ListeningProblem."""
    asked = _request(session, play_id, now)
    _may(rights, asked.kind, asked.original)
    if asked.login != login:
        raise ListeningProblem("only_asker")
    if not asked.approved_by or asked.approved_by == asked.login:
        raise ListeningProblem("waits")
    if asked.token is not None:
        raise ListeningProblem("taken")
    row = _playable(session, asked.recording_id, asked.why, rights)
    token = secrets.token_urlsafe(32)
    with _sounding(session, asked) as sound:
        asked.token, asked.expires_at = _hash(token), now + EXPORT_FOR
        record(session, "recording", row.id, "permit to export", now, who=login, play=str(asked.id))
        return _permit(asked, token, sound.size)


def _may(rights: Collection[str], kind: str, original: bool) -> None:
    """Raises ListeningProblem without the rights this kind of permit rests on."""
    if kind == "export":
        _allowed(rights, "export")
    if original or kind != "export":
        _allowed(rights, "original" if original else "listen")


def still_lets(session: Session, row: Play, rights: Collection[str], now: datetime) -> None:
    """Raises ListeningProblem for a permit that is over: its time is, or `rights`, what its holder may do now, are not
    those it was given for, or somebody has put a hold on the recording since."""
    if row.expires_at <= now:
        raise ListeningProblem("over")
    _may(rights, row.kind, row.original)
    if retention.is_held(session, row.recording_id):
        _allowed(rights, "held")


def _allowed(rights: Collection[str], needed: str) -> None:
    if needed not in rights:
        raise ListeningProblem(f"no_right_{needed}")


def _playable(session: Session, recording_id: uuid.UUID, why: str, rights: Collection[str]) -> Recording:
    if not why.strip():
        raise ListeningProblem("why_hear")
    row = locked(session, recording_id)  # a purge waits until the permit is written down
    if row is None:
        raise ListeningProblem("no_recording")
    if row.state == "purged":
        raise ListeningProblem("purged")
    if row.state not in HOLDS_FILE or row.sha256 is None:
        raise ListeningProblem("nothing_to_hear", state=row.state)
    if retention.is_held(session, recording_id):
        _allowed(rights, "held")
    return row


def _request(session: Session, play_id: uuid.UUID, now: datetime) -> Play:
    found = session.scalar(sa.select(Play).where(Play.id == play_id, Play.kind == "export").with_for_update())
    if found is None or found.expires_at <= now:
        raise ListeningProblem("no_request")
    return found


def _play_row(row: Recording, kind: str, login: str, why: str, now: datetime, original: bool, seconds: float) -> Play:
    return Play(
        id=new_id(), recording_id=row.id, kind=kind, login=login, why=why.strip(), at=now, original=original,
        seconds=seconds, heard=[],
    )  # fmt: skip


def _permit(row: Play, token: str, size: int) -> Permit:
    return Permit(
        token, row.id, row.recording_id, row.login, row.original, row.kind == "export", row.expires_at, size,
        row.seconds, "audio/wav",
    )  # fmt: skip


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


# ---- the sound ------------------------------------------------------------------------------------------


class _Open(Sounding):
    """A sounding that closes its file."""

    def __init__(self, reader: Reader, original: bool, gains: tuple[float, ...]) -> None:
        self._file = reader
        try:
            super().__init__(reader, None if original else masking.masked, gains)
        except BaseException:
            reader.close()
            raise

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _sounding(session: Session, play: Play) -> _Open:
    """What this permission lets hear: brought to one loudness if it is heard masked; a copy to take away, and what is
    heard as it came, are as loud as they came."""
    house: House = session.info["house"]
    levelled = play.kind == "listen" and not play.original
    gains = measures.gains(session, play.recording_id, play.at) if levelled else ()
    try:
        return _Open(house.service(FileStore).open(play.recording_id), play.original, gains)
    except (FileProblem, NoSound) as problem:
        raise ListeningProblem("unreadable", detail=sound_words.both_ways(str(problem))) from problem


def stream(house: House, permit: Permit, start: int, stop: int, rights: Collection[str]) -> Iterator[bytes]:
    """The bytes of a permit's WAV from `start` up to `stop`, written down as heard before the first of them is given.
    `rights`: what its holder may do now. Raises ListeningProblem when the permit is over or the recording gone."""
    now = house.clock.now()
    with house.transaction() as session:
        row = session.get(Play, permit.play_id, with_for_update=True)
        if row is None or row.token != _hash(permit.token) or row.login != permit.login:
            raise ListeningProblem("over")
        still_lets(session, row, rights, now)
        sound = _sounding(session, row)
        row.heard = merged([*row.heard, list(sound.span(start, stop))])
    return _pieces(sound, start, stop)


def _pieces(sound: _Open, start: int, stop: int) -> Iterator[bytes]:
    with sound:
        yield from sound.pieces(start, stop)


# ---- over HTTP ------------------------------------------------------------------------------------------

NEVER_KEPT: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(
    house: House, token: str, login: str, wanted: str | None, rights: Collection[str], *, head: bool = False
) -> Answer:
    """The answer to a player's request: `token` from its address, `login` from its session, `wanted` its Range header,
    `rights` what this login may do now. Whatever is wrong with the permit looks the same from outside: 404."""
    try:
        permit = _permit_of(house, token, login, rights)
    except ListeningProblem:
        return Answer(404, dict(NEVER_KEPT), iter(()))
    way = "attachment" if permit.export else "inline"
    headers = NEVER_KEPT | {
        "Accept-Ranges": "bytes",
        "Content-Type": permit.content_type,
        "Content-Disposition": f'{way}; filename="recording.wav"',
    }
    most = None if permit.export else MOST_S * round(permit.size / max(1.0, permit.seconds))
    span = span_of(wanted, permit.size, most)
    if span is None:
        return Answer(416, headers | {"Content-Range": f"bytes */{permit.size}", "Content-Length": "0"}, iter(()))
    headers["Content-Length"] = str(span.stop - span.start)
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{permit.size}"
    try:
        body = iter(()) if head else stream(house, permit, span.start, span.stop, rights)
    except ListeningProblem:
        return Answer(404, dict(NEVER_KEPT), iter(()))
    return Answer(206 if span.partial else 200, headers, body)


def _permit_of(house: House, token: str, login: str, rights: Collection[str]) -> Permit:
    now = house.clock.now()
    with house.transaction() as session:
        row = session.scalar(sa.select(Play).where(Play.token == _hash(token)))
        if row is None or row.login != login:
            raise ListeningProblem("over")
        still_lets(session, row, rights, now)
        with _sounding(session, row) as sound:
            return _permit(row, token, sound.size)


__all__ = [
    "Answer",
    "ListeningProblem",
    "Permit",
    "Span",
    "answer",
    "approve_export",
    "ask_export",
    "export",
    "play",
    "still_lets",
    "stream",
]
