"""Who is on duty: shifts by department and tier, read for now, imported from CSV."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dialer.models import Shift

EVERYWHERE = "*"


def on_duty(session: Session, department: str, tier: str, now: datetime) -> list[Shift]:
    """The doctors of one tier now, in the file's order: the department's own, then those who serve all."""
    return list(
        session.scalars(
            sa.select(Shift)
            .where(
                Shift.department.in_({department, EVERYWHERE}),
                Shift.tier == tier,
                Shift.starts_at <= now,
                Shift.ends_at > now,
            )
            .order_by((Shift.department == EVERYWHERE), Shift.position, Shift.id)
        )
    )


def chain(session: Session, department: str, tiers: Sequence[str], now: datetime) -> list[dict[str, str]]:
    """The snapshot an escalation opens with: everybody on duty, tier by tier; a tier with nobody takes no time."""
    steps: list[dict[str, str]] = []
    seen: set[bytes] = set()
    for tier in tiers:
        for shift in on_duty(session, department, tier, now):
            if shift.doctor_index not in seen:
                seen.add(shift.doctor_index)
                steps.append({"shift": str(shift.id), "tier": tier})
    return steps


@dataclass(frozen=True)
class Duty:
    """Until the merge: what `duties` of the roster's owner returns has these and more."""

    tier: str
    department: str
    doctor: str
    numbers: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    instead_of: str = ""


def duties(session: Session, start: datetime, until: datetime) -> list[Duty]:
    """Until the merge, without covers: who is on duty at some moment of [start, until), by their hours."""
    rows = session.scalars(
        sa.select(Shift).where(Shift.starts_at < until, Shift.ends_at > start).order_by(Shift.starts_at, Shift.position)
    )
    return [
        Duty(row.tier, row.department, row.doctor, tuple(n for n in (row.phone, row.phone2) if n), row.starts_at,
             row.ends_at)
        for row in rows
    ]  # fmt: skip


def anybody_on_duty(session: Session, department: str, tiers: Sequence[str], now: datetime) -> bool:
    return bool(session.scalar(_ANYBODY, asked(department, tiers, now)))


ANYBODY = sa.exists().where(
    Shift.department.in_(sa.bindparam("departments", expanding=True)),
    Shift.tier.in_(sa.bindparam("tiers", expanding=True)),
    Shift.starts_at <= sa.bindparam("now"),
    Shift.ends_at > sa.bindparam("now"),
)
"""`anybody_on_duty` as a column of a larger question; its parameters are made by `asked`."""
_ANYBODY = sa.select(ANYBODY)


def asked(department: str, tiers: Sequence[str], now: datetime) -> dict[str, Any]:
    return {"departments": sorted({department, EVERYWHERE}), "tiers": list(tiers), "now": now}


@dataclass(frozen=True)
class Doctor:
    shift_id: uuid.UUID
    cover_id: uuid.UUID | None
    tier: str
    doctor: str
    doctor_index: bytes
    numbers: tuple[str, ...]
    pin: str
    language: str
    starts_at: datetime
    ends_at: datetime


def doctor_of(session: Session, step: Mapping[str, Any], now: datetime) -> Doctor | None:
    shift = session.get(Shift, uuid.UUID(step["shift"]))
    if shift is None or not shift.starts_at <= now < shift.ends_at:
        return None
    numbers = (shift.phone, shift.phone2) if shift.phone2 else (shift.phone,)
    return Doctor(
        shift.id,
        None,
        shift.tier,
        shift.doctor,
        shift.doctor_index,
        numbers,
        shift.pin,
        shift.language,
        shift.starts_at,
        shift.ends_at,
    )
