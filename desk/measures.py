"""How well the desk answers: figures of the hotline, the line and the talks of a span (docs/clinical.md TEL2, TEL3,
TEL8, SFT4). Each figure says what it counts; shares are of those it could have been true of, and None where there are
none.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays
from core.house import settings_of
from core.models import EventRow
from desk import agents
from desk.models import QueueEntry, Ticket
from dialer.models import Attempt, Call, Escalation

HOLIDAY_SHARE = 1.5
"""So many times the people on a holiday (docs/clinical.md SFT4)."""
SIGNING = "agent_sign"
"""The flow in which an agent's call to the hotline ends; nobody asked for anything."""
PERSONS = ("operator", "theme", "patient")
"""Kinds of rings that bring a person to a hotline call by a Dial of its own."""
BY_THE_DESK = ("desk", "again")
"""Origins of calls nobody stood in line for: the desk makes them, be it after a talk."""


@dataclass(frozen=True)
class Report:
    day: str
    """ISO date at the hospital, or "all"."""
    calls: int
    """Hotline calls that are over, but for agents who signed in or out."""
    entered: int
    """Callers who stood in line."""
    answered: int
    """Of them, those an agent talked with, on the line or rung back."""
    within: dict[int, float | None]
    """Share of `entered` joined with an agent within so many seconds of entering the line (TEL2, TEL3)."""
    abandoned: int
    """Of `entered`, those who hung up while waiting; rung back or not."""
    abandonment: float | None
    talk_s: float | None
    """Average length of a talk. Calls of three and transferred ones would not count (TEL14); there are none yet."""
    talk_target_s: int
    resolved_first: float | None
    """Share of talks after which the number did not ring again for the same reason within [desk] repeat_days."""
    contained: float | None
    """Share of `calls` that needed nobody: no line, no person, no doctor, and no ticket, which is a person's work."""
    theme_chosen: int
    theme_converted: float | None
    """Share of `theme_chosen` that led to a talk, a ticket or an appointment."""


@dataclass(frozen=True)
class Seats:
    required: int
    signed_in: int
    why: str
    """day | night, and holiday"""

    @property
    def short(self) -> bool:
        return self.signed_in < self.required


def seats(session: Session, now: datetime) -> Seats:
    """How many agents there should be at this hour, and are."""
    settings = settings_of(session)
    zone = settings.hospital.timezone.key
    night = calendar.within(now, zone, settings.hotline.night)
    wanted = settings.desk.night_seats if night else settings.desk.seats
    why = "night" if night else "day"
    if holidays.is_holiday(session, calendar.day_of(now, zone)):
        wanted, why = math.ceil(wanted * HOLIDAY_SHARE), f"{why}, holiday"
    return Seats(wanted, agents.signed_in(session), why)


def report(session: Session, since: datetime, booked: Collection[uuid.UUID] = ()) -> list[Report]:
    """One report for each day from `since` on, and last the whole span. `booked`: calls in which a visit was booked."""
    calls = session.scalars(
        sa.select(Call).where(
            Call.kind == "hotline", Call.started_at >= since, Call.ended_at.is_not(None), Call.flow != SIGNING
        )
    ).all()
    entries = session.scalars(
        sa.select(QueueEntry).where(QueueEntry.entered_at >= since, QueueEntry.origin.not_in(BY_THE_DESK))
    ).all()
    zone = settings_of(session).hospital.timezone.key
    known = _known(session, calls, entries, since, booked)
    days = sorted({calendar.day_of(moment, zone) for moment in _moments(calls, entries)})
    found = [
        _one(
            day.isoformat(),
            [call for call in calls if calendar.day_of(call.started_at, zone) == day],
            [entry for entry in entries if calendar.day_of(entry.entered_at, zone) == day],
            known,
        )
        for day in days
    ]
    return [*found, _one("all", calls, entries, known)]


def _moments(calls: Iterable[Call], entries: Iterable[QueueEntry]) -> Iterable[datetime]:
    yield from (call.started_at for call in calls)
    yield from (entry.entered_at for entry in entries)


@dataclass(frozen=True)
class _Known:
    """What the tables say besides the calls and the entries themselves."""

    needed_somebody: set[uuid.UUID]
    theme: set[uuid.UUID]
    converted: set[uuid.UUID]
    shown: set[uuid.UUID]
    """Calls whose number can be seen to ring again."""
    came_again: Callable[[QueueEntry], bool]
    within_s: Sequence[int]
    target_s: int


def _known(
    session: Session,
    calls: Sequence[Call],
    entries: Sequence[QueueEntry],
    since: datetime,
    booked: Collection[uuid.UUID],
) -> _Known:
    settings = settings_of(session)
    ids = [call.id for call in calls]
    in_line = {entry.call_id for entry in entries if entry.call_id is not None}
    reached = _dialled(session, ids)
    alarms = set(session.scalars(sa.select(Escalation.call_id).where(Escalation.call_id.in_(ids))))
    chosen = session.scalars(
        sa.select(EventRow.subject_id).where(
            EventRow.kind == "call", EventRow.what == "reason", EventRow.data["reason"].as_string() == "theme",
            EventRow.at >= since, EventRow.subject_id.in_(ids),
        )
    )  # fmt: skip
    tickets = set(session.scalars(sa.select(Ticket.call_id).where(Ticket.call_id.in_(ids))))
    served = {entry.call_id for entry in entries if entry.status in ("joined", "served")}
    return _Known(
        needed_somebody={*in_line, *reached, *alarms, *(call_id for call_id in tickets if call_id is not None)},
        theme={subject for subject in chosen if subject is not None},
        converted={call_id for call_id in {*served, *tickets, *reached, *booked} if call_id is not None},
        shown={call.id for call in calls if call.party_index is not None},
        came_again=_again(session, timedelta(days=settings.desk.repeat_days), since),
        within_s=settings.hotline.answer_s,
        target_s=settings.desk.talk_s,
    )


def _dialled(session: Session, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Calls in which a person who was dialled picked up."""
    rows = session.scalars(
        sa.select(Attempt.parent_call_id).where(
            Attempt.parent_call_id.in_(ids), Attempt.kind.in_(PERSONS), Attempt.outcome == "answered"
        )
    )
    return {call_id for call_id in rows if call_id is not None}


def _again(session: Session, within: timedelta, since: datetime) -> Callable[[QueueEntry], bool]:
    """Whether the number of an entry rang the hotline again for the same reason in time."""
    rows = session.execute(
        sa.select(Call.id, Call.party_index, Call.reason, Call.started_at).where(
            Call.kind == "hotline", Call.started_at >= since, Call.party_index.is_not(None)
        )
    ).all()
    rung: dict[tuple[bytes, str], list[tuple[datetime, uuid.UUID]]] = {}
    for row in rows:
        rung.setdefault((row.party_index, row.reason), []).append((row.started_at, row.id))

    def came_again(entry: QueueEntry) -> bool:
        after = entry.joined_at or entry.entered_at
        times = rung.get((entry.party_index or b"", entry.reason), [])
        return any(after < at <= after + within and call_id != entry.call_id for at, call_id in times)

    return came_again


def _one(day: str, calls: Sequence[Call], entries: Sequence[QueueEntry], known: _Known) -> Report:
    joined = [entry for entry in entries if entry.joined_at is not None]
    talks = [entry.talk_s for entry in entries if entry.status == "served" and entry.talk_s]
    # who rings with a hidden number, or said no reason, cannot be seen to ring again for it
    judged = [entry for entry in entries if entry.status == "served" and entry.call_id in known.shown and entry.reason]
    hung_up = [entry for entry in entries if entry.origin == "abandoned" or entry.status == "abandoned"]
    theme = [call for call in calls if call.id in known.theme]
    return Report(
        day=day,
        calls=len(calls),
        entered=len(entries),
        answered=len(joined),
        within={s: _share(sum(_wait_s(one) <= s for one in joined), len(entries)) for s in known.within_s},
        abandoned=len(hung_up),
        abandonment=_share(len(hung_up), len(entries)),
        talk_s=round(sum(talks) / len(talks), 1) if talks else None,
        talk_target_s=known.target_s,
        resolved_first=_share(sum(not known.came_again(entry) for entry in judged), len(judged)),
        contained=_share(sum(call.id not in known.needed_somebody for call in calls), len(calls)),
        theme_chosen=len(theme),
        theme_converted=_share(sum(call.id in known.converted for call in theme), len(theme)),
    )


def _wait_s(entry: QueueEntry) -> float:
    return (entry.joined_at - entry.entered_at).total_seconds() if entry.joined_at is not None else math.inf


def _share(some: int, of: int) -> float | None:
    return round(some / of, 3) if of else None
