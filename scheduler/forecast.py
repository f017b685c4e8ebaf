"""What the plans on file will ask of the lines and of the doctors, day by day. Pure arithmetic.

Without Erlang: seconds of ringing and talking against the seconds the routine lines are open. Where the numbers come
from is part of the answer (docs/clinical.md section 2, Published numbers, Retries, Alarm load).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from core.calendar import Hours

REACHED_BY = (0.45, 0.65, 0.70, 0.71)
"""Share reached after so many rings: two 65.1 % [8], three about 70 % [10], four 68-73 % [9] of docs/clinical.md
section 2; the first ring's is our own DEFAULT. More rings find nobody else."""
SCORE_4_UP = {"6h": 0.60, "48h": 0.55, "7d": 0.43, "30d": 0.20, "90d": 0.15}
"""Share of the reached with a score of 4 or more: 48h and 7d from docs/clinical.md section 2, Alarm load [15]; the
others are our own DEFAULT."""
OTHER_WAVE = 0.43
TALK_S = {"6h": 90, "48h": 180, "7d": 150, "30d": 150, "90d": 150}
"""Seconds of an interview: 6h from docs/clinical.md section 2, Questions; the others are our own DEFAULT."""
OTHER_TALK_S = 150
PICK_UP_S = 12
"""How long a telephone rings that is answered. DEFAULT."""
NOBODY_LEFT = 0.001
"""The least share that is taken to be still unreached: whoever is rung is rung, however good the figures."""
ENOUGH = 100
"""So many ended follow-ups of a wave, and this hospital's own rate is taken."""
FURTHEST = 60
"""Days looked ahead for the next calling hours."""


@dataclass(frozen=True)
class Load:
    """So many open follow-ups of one wave, next rung in the hour that begins at `hour` (hospital's wall clock)."""

    wave: str
    hour: datetime
    tries: int
    """Rings they have had already."""
    count: int


@dataclass(frozen=True)
class Rates:
    """What is expected of one wave."""

    reached_by: tuple[float, ...]
    """Share reached after 1, 2 ... rings; as many as a wave has tries."""
    talk_s: float
    doctor: float
    """Share of the reached whose score rings a doctor."""
    nurse: float
    """Share of the reached whose score is a nurse's."""
    source: str
    """default | measured | given, for the reach and for the scores."""

    def rings(self, tries: int) -> float:
        """Rings still expected of one follow-up that was rung `tries` times in vain."""
        return sum(1 - self._before(k) for k in range(self._had(tries), len(self.reached_by))) / self._left(tries)

    def reach(self, tries: int) -> float:
        """How likely it is that one of them reaches the patient."""
        return (self.reached_by[-1] - self._before(self._had(tries))) / self._left(tries)

    def first(self, tries: int) -> float:
        """How likely it is that the next ring does."""
        had = self._had(tries)
        return (self.reached_by[had] - self._before(had)) / self._left(tries)

    def _had(self, tries: int) -> int:
        return min(tries, len(self.reached_by) - 1)

    def _before(self, rings: int) -> float:
        return self.reached_by[rings - 1] if rings else 0.0

    def _left(self, tries: int) -> float:
        return max(1 - self._before(self._had(tries)), NOBODY_LEFT)


@dataclass(frozen=True)
class Lane:
    """What routine calls may use."""

    lines: int
    ring_s: int


@dataclass
class Day:
    day: date
    open_s: int
    """Seconds of calling hours; 0 on a day without."""
    followups: int = 0
    rings: float = 0.0
    reached: float = 0.0
    busy_s: float = 0.0
    """Seconds of ringing and talking."""
    doctor: float = 0.0
    nurse: float = 0.0
    busiest: time | None = None
    lines_needed: int = 0
    """In the busiest hour."""
    over: bool = False
    """More than the lines can carry in the calling hours of this day."""
    first_s: dict[time, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds of first rings per hour; the later ones are spread over the day."""


def expected(
    loads: Iterable[Load], first: date, days: int, rates: Mapping[str, Rates], lane: Lane, hours: Hours
) -> list[Day]:
    """One Day for each of `days` from `first` on. What falls outside calling hours is rung when they next begin; all
    rings of a follow-up are counted on the day of the next one."""
    table = {
        day: Day(day, open_seconds(hours(day))) for day in (first + timedelta(days=ahead) for ahead in range(days))
    }
    for load in loads:
        found = opening(load.hour, hours)
        if found is not None and found[0] in table:
            _add(table[found[0]], found[1], load, rates[load.wave], lane)
    for one in table.values():
        _judge(one, lane, hours(one.day))
    return list(table.values())


def _add(day: Day, hour: time, load: Load, rate: Rates, lane: Lane) -> None:
    rings, reached = rate.rings(load.tries) * load.count, rate.reach(load.tries) * load.count
    first = rate.first(load.tries)
    day.followups += load.count
    day.rings += rings
    day.reached += reached
    day.busy_s += reached * (PICK_UP_S + rate.talk_s) + (rings - reached) * lane.ring_s
    day.doctor += reached * rate.doctor
    day.nurse += reached * rate.nurse
    day.first_s[hour] += load.count * (first * (PICK_UP_S + rate.talk_s) + (1 - first) * lane.ring_s)


def _judge(day: Day, lane: Lane, windows: Sequence[tuple[time, time]]) -> None:
    day.over = day.busy_s > lane.lines * day.open_s
    if not day.open_s or not day.busy_s:
        return
    spread = (day.busy_s - sum(day.first_s.values())) / day.open_s
    needed = {hour: spread + day.first_s.get(hour, 0.0) / open_s for hour, open_s in open_by_hour(windows).items()}
    day.busiest = max(needed, key=lambda hour: (needed[hour], -hour.hour))
    day.lines_needed = math.ceil(round(needed[day.busiest], 6))


def total(days: Sequence[Day]) -> Day:
    """The sum of all days; `lines_needed` is the most of any."""
    summed = Day(days[0].day, sum(day.open_s for day in days))
    for day in days:
        summed.followups += day.followups
        summed.rings += day.rings
        summed.reached += day.reached
        summed.busy_s += day.busy_s
        summed.doctor += day.doctor
        summed.nurse += day.nurse
        summed.lines_needed = max(summed.lines_needed, day.lines_needed)
        summed.over = summed.over or day.over
    return summed


# ---- calling hours on the wall ------------------------------------------------------------------
def opening(moment: datetime, hours: Hours) -> tuple[date, time] | None:
    """The day and the hour in which a ring wanted at `moment` (wall clock) can be placed; None: not in 60 days."""
    for ahead in range(FURTHEST):
        day = moment.date() + timedelta(days=ahead)
        wall = moment.time() if ahead == 0 else time.min
        for start, end in sorted(hours(day)):
            # the whole hour counts: who is due at 20:00 may be rung until 20:30, who is due at 8:00 from 8:30 on
            if end > wall:
                return day, time(max(start, wall).hour)
    return None


def open_seconds(windows: Iterable[tuple[time, time]]) -> int:
    return sum(_seconds(end) - _seconds(start) for start, end in windows)


def open_by_hour(windows: Iterable[tuple[time, time]]) -> dict[time, int]:
    """Seconds of calling hours in each hour of the day that has any."""
    found: dict[time, int] = {}
    for start, end in windows:
        for hour in range(24):
            inside = min(_seconds(end), (hour + 1) * 3600) - max(_seconds(start), hour * 3600)
            if inside > 0:
                found[time(hour)] = found.get(time(hour), 0) + inside
    return found


def _seconds(wall: time) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


# ---- rates --------------------------------------------------------------------------------------
def default_rates(wave: str, tries: int, threshold: int, doctor_from: int) -> Rates:
    """By the book. `threshold`: from which score somebody answers; `doctor_from`: from which it is a doctor."""
    by = [REACHED_BY[min(ring, len(REACHED_BY) - 1)] for ring in range(tries)]
    four_up = SCORE_4_UP.get(wave, OTHER_WAVE)
    doctor = score_share(four_up, doctor_from)
    nurse = score_share(four_up, threshold) - doctor
    return Rates(tuple(by), TALK_S.get(wave, OTHER_TALK_S), doctor, nurse, "default")


def score_share(four_up: float, score: int) -> float:
    """Share with `score` or more, when `four_up` have 4 or more. Our own DEFAULT between the known points: everybody
    has 0 or more, a third of the 4 and more have 7 or more, nobody has 11; straight lines between."""
    points = ((0, 1.0), (4, four_up), (7, four_up / 3), (11, 0.0))
    for (left, high), (right, low) in itertools.pairwise(points):
        if score <= right:
            return high + (low - high) * (score - left) / (right - left)
    return 0.0


def with_reach(rates: Rates, reach: float, source: str) -> Rates:
    """The same with `reach` (0 to 1) of all reached in the end, each ring as likely as the other."""
    tries = len(rates.reached_by)
    each = 1 - max(1 - reach, NOBODY_LEFT) ** (1 / tries)
    return replace(rates, reached_by=tuple(1 - (1 - each) ** ring for ring in range(1, tries + 1)), source=source)


@dataclass(frozen=True)
class Measured:
    """What this hospital's own ended follow-ups of one wave say."""

    ended: int
    reached: int
    talk_s: float | None
    doctor: int
    """Of the reached: with an escalation."""
    nurse: int
    """Of the reached: with a nurse's score."""


def with_measured(rates: Rates, measured: Measured | None) -> Rates:
    """The hospital's own numbers where there are enough of them."""
    if measured is None or measured.ended < ENOUGH:
        return rates
    rates = with_reach(rates, measured.reached / measured.ended, f"measured on {measured.ended}")
    if measured.reached < ENOUGH:
        return rates
    return replace(
        rates,
        talk_s=measured.talk_s or rates.talk_s,
        doctor=measured.doctor / measured.reached,
        nurse=measured.nurse / measured.reached,
    )
