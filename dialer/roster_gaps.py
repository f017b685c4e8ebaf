"""What is wrong with the roster ahead: hours in which nobody is on duty, and people on duty whom no ring would reach.

One pass over the shifts in the order of their beginnings. Covers make no gap: a shift that is covered has somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays
from core.house import settings_of
from core.models import Procedure
from dialer import gate, roster, test_rings
from dialer.models import Shift, TestRing
from dialer.roster import EVERYWHERE

OPERATED_ON = timedelta(days=100)
"""A department without an operation for so long has no patient a doctor would be rung for."""
HOLIDAY_WITHIN = 7
"""Days ahead in which a public holiday's roster must be whole (docs/clinical.md, SFT7)."""


@dataclass(frozen=True)
class Gap:
    """Nobody is on duty in [starts_at, ends_at). `tier` None: in no tier at all."""

    department: str
    tier: str | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Remark:
    """Something about a number or a person on duty. `fault`: a ring there will not do its work."""

    doctor: str
    number: str
    """E.164, or "" where the remark is about the person."""
    what: str
    fault: bool


Span = tuple[datetime, datetime]


# ---- gaps ---------------------------------------------------------------------------------------
def gaps(session: Session, start: datetime, until: datetime) -> list[Gap]:
    """Every gap in [start, until): first those with nobody at all, then those of single tiers, by their hours."""
    shifts = session.execute(
        sa.select(Shift.department, Shift.tier, Shift.starts_at, Shift.ends_at)
        .where(Shift.starts_at < until, Shift.ends_at > start)
        .order_by(Shift.starts_at)
    )
    chains = {
        department: settings_of(session).escalation.of_department(department).chain
        for department in _departments(session, start)
    }
    return find_gaps([(row[0], row[1], row[2], row[3]) for row in shifts], chains, start, until)


def find_gaps(
    shifts: Iterable[tuple[str, str, datetime, datetime]],
    chains: Mapping[str, Sequence[str]],
    start: datetime,
    until: datetime,
) -> list[Gap]:
    """`shifts`: (department, tier, starts, ends) in the order of their beginnings, all of [start, until) in part.
    `chains`: the tiers of each department that must have somebody. Pure."""
    covered: dict[tuple[str, str | None], datetime] = {
        (department, tier): start for department, chain in chains.items() for tier in (None, *chain)
    }
    found = []
    for department, tier, starts_at, ends_at in shifts:
        for served in chains if department == EVERYWHERE else (department,):
            if (served, tier) not in covered:
                continue  # a tier nobody rings
            for line in (tier, None):
                reached = covered[served, line]
                if starts_at > reached:
                    found.append(Gap(served, line, reached, starts_at))
                covered[served, line] = max(reached, ends_at)
    found += [Gap(served, line, reached, until) for (served, line), reached in covered.items() if reached < until]
    return sorted(found, key=lambda gap: (gap.tier is not None, gap.starts_at, gap.department, gap.tier or ""))


def folded(found: Sequence[Gap]) -> list[Gap]:
    """The same for a reader: what is missing everywhere is not told again for each department, nor for each tier
    where nobody is there at all."""
    everywhere = {(gap.tier, gap.starts_at, gap.ends_at) for gap in found if gap.department == EVERYWHERE}
    nobody = [gap for gap in found if gap.tier is None]
    return [
        gap
        for gap in found
        if (gap.department == EVERYWHERE or (gap.tier, gap.starts_at, gap.ends_at) not in everywhere)
        and (gap.tier is None or not any(_within(gap, worse) for worse in nobody))
    ]


def _within(gap: Gap, other: Gap) -> bool:
    return gap.department == other.department and other.starts_at <= gap.starts_at and gap.ends_at <= other.ends_at


def _departments(session: Session, now: datetime) -> list[str]:
    """Everywhere, and each department that has a roster of its own or patients."""
    on_roster = sa.select(Shift.department).where(Shift.ends_at > now)
    operating = sa.select(Procedure.department).where(
        Procedure.ended_at > now - OPERATED_ON, Procedure.status == "active", Procedure.department != ""
    )
    return sorted({EVERYWHERE, *session.scalars(on_roster.union(operating))})


# ---- people -------------------------------------------------------------------------------------
def unreachable(session: Session, start: datetime, until: datetime) -> list[Remark]:
    """What is wrong, or worth knowing, about each number of those on duty in [start, until); faults first."""
    people = {(person.doctor_index, person.numbers): person for person in roster.duties(session, start, until)}
    numbers = {number for person in people.values() for number in person.numbers}
    last = test_rings.last_results(session, numbers)
    remarks: dict[Remark, None] = {}
    for person in people.values():
        for number in person.numbers:
            for what, fault in _of_number(session, number, last, start):
                remarks[Remark(person.doctor, number, what, fault)] = None
        if len(person.numbers) < 2:
            remarks[Remark(person.doctor, "", "has no second number", fault=False)] = None
    return sorted(remarks, key=lambda remark: (not remark.fault, remark.doctor, remark.number))


def _of_number(session: Session, number: str, last: Mapping[str, TestRing], now: datetime) -> list[tuple[str, bool]]:
    refused = gate.unringable(session, number, now)
    found = [(gate.REASONS[refused.reason], True)] if refused is not None else []
    tested = last.get(number)
    if tested is None:
        found.append(("was never tested", False))
    elif tested.result != test_rings.GOOD:
        found.append((f"the last test ring was not confirmed: {tested.result}", True))
    return found


# ---- what must be right -------------------------------------------------------------------------
def spans_to_watch(session: Session, now: datetime) -> list[Span]:
    """From now to the end of the day after tomorrow, and the whole of a holiday that begins within a week; on the
    hospital's clock."""
    zone = settings_of(session).hospital.timezone
    today = now.astimezone(zone).date()
    spans = [(now, _midnight(today + timedelta(days=3), zone))]
    off = holidays.next_break(session, today, HOLIDAY_WITHIN)
    if off is not None:
        starts_at, ends_at = _midnight(off[0], zone), _midnight(off[1] + timedelta(days=1), zone)
        if ends_at > spans[0][1]:
            spans.append((max(starts_at, spans[0][1]), ends_at))
    return spans


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return calendar.at_wall(day, time.min, zone.key)


def wrong(session: Session, spans: Sequence[Span]) -> tuple[list[Gap], list[Remark]]:
    """The gaps, folded, and the faults of people in these spans."""
    found = [gap for span in spans for gap in folded(gaps(session, *span))]
    faults = {remark: None for span in spans for remark in unreachable(session, *span) if remark.fault}
    return found, list(faults)
