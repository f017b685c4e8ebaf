"""The clocks of a ticket: which promises it carries, and when each runs out. Pure.

Two sets of promises (docs/clinical.md WO2-6, CMP3-7; "Conflicts -> settings"):
  A  red is solved in 30 minutes, yellow in 2 hours, blue in 24; a complaint that is not medical has its solution and
     compensation in 30 minutes; one about treatment is handed over within 5 minutes and calmed within 24 hours
  B  urgent (red) is answered in 1 hour and solved in 24; ordinary work is assigned in 48 hours and solved in 3 working
     days
Above both stands the law: a complaint is solved within 10 working days (docs/clinical.md section 3, Complaints law).
Where two promises of one name apply the shorter counts, however the calendar changes later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Name = Literal["assign", "respond", "propose", "solve", "calm"]
NAMES: tuple[Name, ...] = ("assign", "respond", "propose", "solve", "calm")
IsWorkday = Callable[[date], bool]
"""Whether a date on the hospital's wall is a working day: holidays off, days worked in exchange on."""

SOLVE_MINUTES: Mapping[str, int] = {"red": 30, "yellow": 120, "blue": 1440}
"""docs/clinical.md WO2-4; "solved" is told to whoever asked."""
PROPOSE_MINUTES = 30
HAND_OVER_MINUTES = 5
CALM_MINUTES = 24 * 60
URGENT_RESPOND_MINUTES, URGENT_SOLVE_MINUTES = 60, 24 * 60
ORDINARY_ASSIGN_MINUTES, ORDINARY_SOLVE_DAYS = 48 * 60, 3
STATUTORY_DAYS = 10
LONGEST_BREAK = 60
"""Days off in a row after which a calendar is not believed any more: then every day counts."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Rule:
    """When a clock runs out: after so many minutes, after so many working days, at a fixed moment; the earliest of what
    is given. `halved`: the minutes count half (docs/clinical.md SFT4: twice as fast on holidays)."""

    minutes: int | None = None
    working_days: int | None = None
    until: datetime | None = None
    halved: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is stored with the clock; `Rule.of` reads it."""
        told: dict[str, Any] = {"halved": self.halved} if self.minutes is not None else {}
        if self.minutes is not None:
            told["minutes"] = self.minutes
        if self.working_days is not None:
            told["working_days"] = self.working_days
        if self.until is not None:
            told["until"] = self.until.isoformat()
        return told

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Rule:
        until = told.get("until")
        return cls(
            told.get("minutes"),
            told.get("working_days"),
            datetime.fromisoformat(until) if until else None,
            bool(told.get("halved", False)),
        )

    @property
    def span(self) -> timedelta | None:
        """What its minutes really are."""
        if self.minutes is None:
            return None
        return timedelta(minutes=self.minutes) / (2 if self.halved else 1)


def shorter(one: Rule, other: Rule) -> Rule:
    """The rule that runs out when the first of the two does, whatever the calendar says."""
    timed = [rule for rule in (one, other) if rule.span is not None]
    fastest = min(timed, key=lambda rule: timedelta.max if rule.span is None else rule.span) if timed else Rule()
    days = [rule.working_days for rule in (one, other) if rule.working_days is not None]
    until = [rule.until for rule in (one, other) if rule.until is not None]
    return Rule(fastest.minutes, min(days, default=None), min(until, default=None), fastest.halved)


def colour_of(colour: str, preset: str, *, medical: bool | None) -> str:
    """The colour a kind of ticket comes in with: to preset B a complaint that is not medical is ordinary work (docs/
    clinical.md, "Conflicts": 30 minutes in S4, 48 hours and 3 working days in S3)."""
    return "yellow" if preset == "B" and medical is False and colour == "red" else colour


def rules(preset: str, colour: str, *, medical: bool | None, holiday: bool) -> dict[Name, Rule]:
    """The clocks of a ticket. `medical`: None for what is no complaint; `holiday`: it begins on a day of a break.

    A complaint about treatment is not solved in half an hour, and a promise that is always broken warns nobody: the
    minutes of its colour are for the first answer, and it is solved within the law's time.
    """

    def minutes(count: int) -> Rule:
        return Rule(minutes=count, halved=holiday)

    found: dict[Name, Rule] = {}

    def promise(name: Name, rule: Rule) -> None:
        found[name] = shorter(found[name], rule) if name in found else rule

    if preset == "A":
        promise("respond" if medical else "solve", minutes(SOLVE_MINUTES[colour]))
        if medical is False:
            promise("propose", minutes(PROPOSE_MINUTES))
    elif colour == "red":
        promise("respond", minutes(URGENT_RESPOND_MINUTES))
        promise("solve", minutes(URGENT_SOLVE_MINUTES))
    else:
        promise("assign", minutes(ORDINARY_ASSIGN_MINUTES))
        promise("solve", Rule(working_days=ORDINARY_SOLVE_DAYS))
    if medical:
        promise("assign", minutes(HAND_OVER_MINUTES))
        promise("calm", minutes(CALM_MINUTES))
    if medical is not None:
        promise("solve", Rule(working_days=STATUTORY_DAYS))
    return found


def due_at(rule: Rule, started_at: datetime, zone: str, is_workday: IsWorkday) -> datetime:
    """When a clock that began at `started_at` runs out, UTC. Never before it began."""
    ends = []
    if rule.span is not None:
        ends.append(started_at + rule.span)
    if rule.working_days is not None:
        ends.append(after_working_days(started_at, rule.working_days, zone, is_workday))
    if rule.until is not None:
        ends.append(max(rule.until, started_at))
    return min(ends).astimezone(UTC)


def after_working_days(started_at: datetime, days: int, zone: str, is_workday: IsWorkday) -> datetime:
    """The moment of the same wall-clock time `days` working days later, UTC. What begins on a day off begins with the
    first minute of the next working day."""
    local = started_at.astimezone(ZoneInfo(zone))
    day, wall = local.date(), local.time()
    first = _next_working_day(day, is_workday)
    if first != day:
        day, wall = first, time.min
    for _ in range(days):
        day = _next_working_day(day + _DAY, is_workday)
    # Where clocks skip that time, the equally late moment after the gap; where it comes twice, the first.
    at = datetime.combine(day, wall.replace(fold=0), ZoneInfo(zone)).astimezone(UTC)
    return max(at, started_at.astimezone(UTC))


def _next_working_day(day: date, is_workday: IsWorkday) -> date:
    """`day` itself if it is one."""
    found = day
    for _ in range(LONGEST_BREAK):
        if is_workday(found):
            return found
        found += _DAY
    return day
