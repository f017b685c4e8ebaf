"""Who is on duty: shifts by department and tier, with whoever covers for whom, at a moment or over a span.

A shift is cut where a cover begins or ends; each piece is one person's. Somebody who covers and is himself covered
passes both on. Two who swap at the same hours end at each other, once: nobody is followed twice.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dialer.models import Cover, Shift

EVERYWHERE = "*"
AN_INSTANT = timedelta(microseconds=1)
"""The least span of `duties`: who is on duty at one moment."""


@dataclass(frozen=True)
class Doctor:
    """One person on duty, a cover already resolved."""

    shift_id: uuid.UUID
    cover_id: uuid.UUID | None
    tier: str
    department: str
    """The shift's: one department, or EVERYWHERE."""
    doctor: str
    doctor_index: bytes
    numbers: tuple[str, ...]
    """E.164, in the order to be tried."""
    pin: str
    language: str
    starts_at: datetime
    ends_at: datetime
    """Until when it is this person, without a break."""
    instead_of: str = ""
    """Whose shift it is, if somebody covers."""


def on_duty(session: Session, department: str, tier: str, now: datetime) -> list[Doctor]:
    """The doctors of one tier now, each once, in the file's order: the department's own, then those who serve all."""
    return list(_each_once(_now(session, department, [tier], now)))


def chain(session: Session, department: str, tiers: Sequence[str], now: datetime) -> list[dict[str, str | None]]:
    """The snapshot an escalation opens with: everybody on duty, tier by tier, each person once; a tier with nobody
    takes no time."""
    return [
        {
            "shift": str(person.shift_id),
            "tier": person.tier,
            "cover": str(person.cover_id) if person.cover_id else None,
        }
        for person in _each_once(_now(session, department, tiers, now))
    ]


def doctor_of(session: Session, step: Mapping[str, Any], now: datetime) -> Doctor | None:
    """The person a step of a chain means. None: not on duty any more, the row is gone, the cover was cancelled, or
    somebody covers for them since."""
    person = on_shift(session, uuid.UUID(str(step["shift"])), now)
    cover = step.get("cover")
    if person is None or person.cover_id != (uuid.UUID(str(cover)) if cover else None):
        return None
    return person


def on_shift(session: Session, shift_id: uuid.UUID | None, now: datetime) -> Doctor | None:
    """Whoever serves this shift now; None when it is over, has not begun, or is not on file any more."""
    shift = session.get(Shift, shift_id) if shift_id else None
    if shift is None or not shift.starts_at <= now < shift.ends_at:
        return None
    covers = covers_of(session, [shift])
    return next(piece for piece in _pieces(shift, covers) if piece.starts_at <= now < piece.ends_at)


def duties(
    session: Session, start: datetime, until: datetime, *, department: str | None = None, tier: str | None = None
) -> list[Doctor]:
    """Who is on duty at some moment of [start, until), cut where covers begin and end, by their hours.
    `department`: those who serve it, so also EVERYWHERE."""
    wanted = [Shift.starts_at < until, Shift.ends_at > start]
    if department is not None:
        wanted.append(Shift.department.in_({department, EVERYWHERE}))
    if tier is not None:
        wanted.append(Shift.tier == tier)
    shifts = session.scalars(sa.select(Shift).where(*wanted).order_by(*IN_ORDER)).all()
    covers = covers_of(session, shifts)
    found = [
        piece
        for shift in shifts
        for piece in _pieces(shift, covers)
        if piece.starts_at < until and piece.ends_at > start
    ]
    return sorted(found, key=lambda piece: piece.starts_at)


def anybody_on_duty(session: Session, department: str, tiers: Sequence[str], now: datetime) -> bool:
    return bool(session.scalar(_ANYBODY, asked(department, tiers, now)))


ANYBODY = sa.exists().where(
    Shift.department.in_(sa.bindparam("departments", expanding=True)),
    Shift.tier.in_(sa.bindparam("tiers", expanding=True)),
    Shift.starts_at <= sa.bindparam("now"),
    Shift.ends_at > sa.bindparam("now"),
)
"""`anybody_on_duty` as a column of a larger question; its parameters are made by `asked`. Covers need not be looked
at: a shift that is covered has somebody."""
_ANYBODY = sa.select(ANYBODY)
IN_ORDER = ((Shift.department == EVERYWHERE), Shift.position, Shift.id)


def asked(department: str, tiers: Sequence[str], now: datetime) -> dict[str, Any]:
    return {"departments": sorted({department, EVERYWHERE}), "tiers": list(tiers), "now": now}


# ---- covers -------------------------------------------------------------------------------------
Covers = Mapping[bytes, Sequence[Cover]]
"""By who is replaced."""


def covers_of(session: Session, shifts: Sequence[Shift]) -> Covers:
    """Every cover that may matter to these shifts, also of those who cover."""
    found: dict[bytes, list[Cover]] = defaultdict(list)
    if not shifts:
        return found
    first, last = min(shift.starts_at for shift in shifts), max(shift.ends_at for shift in shifts)
    asked_for: set[bytes] = set()
    ask = {shift.doctor_index for shift in shifts}
    while ask:
        asked_for |= ask
        rows = session.scalars(
            sa.select(Cover)
            .where(
                Cover.doctor_index.in_(ask),
                Cover.ends_at > first,
                Cover.starts_at < last,
                Cover.cancelled_at.is_(None),
            )
            .order_by(Cover.made_at, Cover.id)
        ).all()
        for cover in rows:
            found[cover.doctor_index].append(cover)
        ask = {cover.by_doctor_index for cover in rows} - asked_for
    return found


def _pieces(shift: Shift, covers: Covers) -> Iterator[Doctor]:
    """The shift cut into the spans of one person each, in order, without a hole."""
    cuts = {shift.starts_at, shift.ends_at}
    if shift.doctor_index in covers:
        edges = (edge for rows in covers.values() for cover in rows for edge in (cover.starts_at, cover.ends_at))
        cuts |= {edge for edge in edges if shift.starts_at < edge < shift.ends_at}
    whole: Doctor | None = None
    for start, end in pairwise(sorted(cuts)):
        person = _person(shift, _covering(shift, covers, start), start, end)
        if whole is not None and whole.cover_id == person.cover_id:
            whole = replace(whole, ends_at=end)
            continue
        if whole is not None:
            yield whole
        whole = person
    if whole is not None:
        yield whole


def _covering(shift: Shift, covers: Covers, now: datetime) -> Cover | None:
    """The cover whose person serves this shift now; None: its own doctor does."""
    serves, last = {shift.doctor_index}, None
    index = shift.doctor_index
    while True:
        holding = [cover for cover in covers.get(index, ()) if cover.starts_at <= now < cover.ends_at]
        if not holding or holding[-1].by_doctor_index in serves:
            return last
        last = holding[-1]  # the one made last
        index = last.by_doctor_index
        serves.add(index)


def _person(shift: Shift, cover: Cover | None, starts_at: datetime, ends_at: datetime) -> Doctor:
    source: Shift | Cover = shift if cover is None else cover
    return Doctor(
        shift_id=shift.id,
        cover_id=None if cover is None else cover.id,
        tier=shift.tier,
        department=shift.department,
        doctor=shift.doctor if cover is None else cover.by_doctor,
        doctor_index=shift.doctor_index if cover is None else cover.by_doctor_index,
        numbers=tuple(number for number in (source.phone, source.phone2) if number),
        pin=source.pin,
        language=source.language,
        starts_at=starts_at,
        ends_at=ends_at,
        instead_of="" if cover is None else shift.doctor,
    )


def _now(session: Session, department: str, tiers: Sequence[str], now: datetime) -> list[Doctor]:
    """Everybody of these tiers now, tier by tier; one who serves two shifts, twice."""
    rows = session.scalars(
        sa.select(Shift)
        .where(
            Shift.department.in_({department, EVERYWHERE}),
            Shift.tier.in_(tiers),
            Shift.starts_at <= now,
            Shift.ends_at > now,
        )
        .order_by(*IN_ORDER)
    ).all()
    covers = covers_of(session, rows)
    rank = {tier: place for place, tier in enumerate(tiers)}
    return [
        piece
        for shift in sorted(rows, key=lambda shift: rank[shift.tier])
        for piece in _pieces(shift, covers)
        if piece.starts_at <= now < piece.ends_at
    ]


def _each_once(people: Sequence[Doctor]) -> Iterator[Doctor]:
    seen: set[bytes] = set()
    for person in people:
        if person.doctor_index not in seen:
            seen.add(person.doctor_index)
            yield person
