"""The observer: what the house rules promise, checked from the carrier's side and the population's ground truth.

It asks neither the gate nor the database. A ring that may not be is a Violation; at the end `Ledger` looks whether
any follow-up was lost.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import holidays

from commands.simulate.people import Patient, Telephone
from core.hospital import Calling

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Violation:
    """A promise broken. `what` holds no name and no number."""

    rule: str
    at: datetime
    what: str


class Ring(Protocol):
    """What the observer looks at of a leg."""

    direction: str
    number: str
    status: str


class Observer:
    def __init__(self, calling: Calling, telephones: Mapping[str, Telephone], country: str = "CN") -> None:
        self._calling, self._telephones = calling, telephones
        self._breaks = Breaks(country)
        self._live: Counter[str] = Counter()
        self._live_routine = self._live_all = 0
        self._rings: Counter[tuple[str, date]] = Counter()
        self._latest: deque[datetime] = deque()
        self.violations: list[Violation] = []
        self.busiest = 0

    # ---- what happens -------------------------------------------------------------------------------
    def begun(self, leg: Ring, now: datetime) -> None:
        telephone = self._telephones[leg.number]
        if leg.direction == "inbound":
            self._count(leg, +1)
            return
        if self._live[leg.number]:
            self._broken("two live calls to one number", now, f"a {telephone.kind}'s")
        routine = _is_routine(leg, telephone)
        self._count(leg, +1, routine=routine)
        if self._live_all > self._calling.lines:
            self._broken("more calls than lines", now, f"{self._live_all} of {self._calling.lines}")
        if routine:
            self._routine(telephone, now)

    def ended(self, leg: Ring, now: datetime) -> None:
        self._count(leg, -1, routine=_is_routine(leg, self._telephones[leg.number]))

    def _count(self, leg: Ring, by: int, *, routine: bool = False) -> None:
        self._live[leg.number] += by
        self._live_all += by
        self._live_routine += by if routine else 0
        self.busiest = max(self.busiest, self._live_all)

    # ---- a routine ring -----------------------------------------------------------------------------
    def _routine(self, telephone: Telephone, now: datetime) -> None:
        limit = self._calling.lines - self._calling.lines_reserved
        if self._live_routine > limit:
            self._broken("the reserved lines are used", now, f"{self._live_routine} routine calls, {limit} allowed")
        self._pace(now)
        reasons = [self._why_not(patient, telephone, now) for patient in telephone.owners]
        if all(reasons):
            self._broken("nobody here may be rung now", now, ", ".join(sorted({str(reason) for reason in reasons})))
        zone = ZoneInfo(telephone.owners[0].zone)
        today = (telephone.number, now.astimezone(zone).date())
        self._rings[today] += 1
        if self._rings[today] > self._calling.rings_per_day:
            self._broken("rung too often in a day", now, f"{self._rings[today]} times")

    def _pace(self, now: datetime) -> None:
        while self._latest and self._latest[0] + SECOND <= now:
            self._latest.popleft()
        self._latest.append(now)
        allowed = math.ceil(self._calling.calls_per_second)
        if len(self._latest) > allowed:
            self._broken("more calls in a second than agreed", now, f"{len(self._latest)}, {allowed} allowed")

    def _why_not(self, patient: Patient, telephone: Telephone, now: datetime) -> str | None:
        """Why this patient may not be rung now; None: may."""
        if patient.ended_at > now:
            return "not operated yet"
        if patient.status != "active":
            return patient.status
        if not patient.consent:
            return "no consent"
        if patient.stopped_at is not None:
            return "asked to be left alone"
        if telephone.number in patient.wrong:
            return "wrong number"
        if not patient.night and not self._open(patient.zone, now):
            return "outside calling hours"
        return None

    def _open(self, zone: str, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(zone))
        free = self._breaks.is_break(local.date())
        windows = self._calling.holiday_window if free else self._calling.window
        return any(start <= local.time() < end for start, end in windows)

    def _broken(self, rule: str, now: datetime, what: str) -> None:
        self.violations.append(Violation(rule, now, what))


def _is_routine(leg: Ring, telephone: Telephone) -> bool:
    """Calls we place to a patient's telephone; a Dial to one belongs to an escalation."""
    return leg.direction == "outbound-api" and telephone.kind == "patient"


class Breaks:
    """The days of statutory breaks: holidays, the days off in exchange, and weekend days that touch them."""

    def __init__(self, country: str) -> None:
        self._country = country
        self._known: dict[date, bool] = {}
        self._years: dict[int, holidays.HolidayBase] = {}

    def is_break(self, day: date) -> bool:
        if day not in self._known:
            self._known[day] = self._off(day) and any(self._named(one) for one in self._run(day))
        return self._known[day]

    def _run(self, day: date) -> list[date]:
        run = [day]
        for step in (timedelta(days=1), timedelta(days=-1)):
            one = day + step
            while self._off(one) and len(run) < 40:
                run.append(one)
                one += step
        return run

    def _named(self, day: date) -> bool:
        return day in self._year(day.year)

    def _off(self, day: date) -> bool:
        worked = day in self._year(day.year).weekend_workdays
        return self._named(day) or (day.weekday() >= 5 and not worked)

    def _year(self, year: int) -> holidays.HolidayBase:
        if year not in self._years:
            self._years[year] = holidays.country_holidays(self._country, years=[year, year + 1], expand=False)
        return self._years[year]
