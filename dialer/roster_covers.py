"""Covers made and taken back: who stands in for whom, with a ledger row for each change."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import blind, lock
from core.models import new_id, record
from dialer.models import Cover, Shift


class CoverProblem(Exception):
    """It cannot be done; `str()` is one sentence."""


@dataclass(frozen=True)
class Reach:
    """How a doctor is reached. Numbers in E.164."""

    phone: str
    phone2: str
    pin: str
    language: str


def known(session: Session, doctor: str) -> Reach | None:
    """As in the last shift of this doctor on file; None: never on the roster."""
    shift = session.scalar(
        sa.select(Shift)
        .where(Shift.doctor_index == blind(doctor, "doctor"))
        .order_by(Shift.ends_at.desc(), Shift.id)
        .limit(1)
    )
    return None if shift is None else Reach(shift.phone, shift.phone2, shift.pin, shift.language)


def cover(
    session: Session,
    doctor: str,
    by: str,
    reach: Reach,
    starts_at: datetime,
    ends_at: datetime,
    *,
    who: str,
    note: str,
    now: datetime,
) -> Cover:
    """`by` takes over from `doctor` in [starts_at, ends_at). Raises CoverProblem."""
    index, by_index = blind(doctor, "doctor"), blind(by, "doctor")
    lock(session, "making covers")  # two for the same hours at the same moment would both hold
    _refuse(session, index, by_index, starts_at, ends_at, now)
    made = Cover(
        id=new_id(), doctor=doctor, doctor_index=index, by_doctor=by, by_doctor_index=by_index,
        phone=reach.phone, phone2=reach.phone2, pin=reach.pin, language=reach.language,
        starts_at=starts_at, ends_at=ends_at, note=note, made_by=who, made_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    record(session, "cover", made.id, "made", now, who=who)
    return made


def _refuse(
    session: Session, index: bytes, by_index: bytes, starts_at: datetime, ends_at: datetime, now: datetime
) -> None:
    if index == by_index:
        raise CoverProblem("Nobody covers for himself: two different doctors are needed.")
    if ends_at <= starts_at:
        raise CoverProblem("--until must be after --from.")
    if ends_at <= now:
        raise CoverProblem("--until has passed: there is nothing left to cover.")
    shift = sa.exists().where(Shift.doctor_index == index, Shift.starts_at < ends_at, Shift.ends_at > starts_at)
    covers = sa.exists().where(
        Cover.by_doctor_index == index,
        Cover.cancelled_at.is_(None),
        Cover.starts_at < ends_at,
        Cover.ends_at > starts_at,
    )
    if not session.scalar(sa.select(shift | covers)):
        raise CoverProblem("The doctor to be covered is not on duty in those hours: is the name as in the roster?")
    already = session.scalar(
        sa.select(Cover).where(
            Cover.doctor_index == index,
            Cover.cancelled_at.is_(None),
            Cover.starts_at < ends_at,
            Cover.ends_at > starts_at,
        )
    )
    if already is not None:
        raise CoverProblem(f"These hours are covered already, by the cover {already.id}: `roster uncover` it first.")


def uncover(session: Session, cover_id: uuid.UUID, *, who: str, now: datetime) -> Cover:
    """The cover does not hold from now on. Raises CoverProblem."""
    row = session.get(Cover, cover_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise CoverProblem("No such cover is on file.")
    if row.cancelled_at is not None:
        raise CoverProblem("This cover was cancelled already.")
    row.cancelled_at = now
    record(session, "cover", row.id, "cancelled", now, who=who)
    return row


def listed(session: Session, start: datetime, until: datetime) -> list[Cover]:
    """The covers that hold at some moment of [start, until)."""
    return list(
        session.scalars(
            sa.select(Cover)
            .where(Cover.cancelled_at.is_(None), Cover.starts_at < until, Cover.ends_at > start)
            .order_by(Cover.starts_at, Cover.id)
        )
    )
