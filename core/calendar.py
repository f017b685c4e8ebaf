"""Calling hours: pure arithmetic on aware times, in the zone of the person who would hear the ring.

Which hours a day has is a function of the local date (`Hours`): core/holidays.py makes the hospital's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Window = tuple[time, time]
"""From and until on the wall clock of one day, until not included; never over midnight."""
Hours = Callable[[date], Sequence[Window]]
"""The spans of a local day in which people may be rung; empty for a day without."""

LOOK_AHEAD = timedelta(days=60)
"""How far an opening is looked for: longer than any break, short of asking a calendar for years."""
NOON = time(12)
EVENING = time(17, 30)
_PARTS = ((time.min, NOON, "morning"), (NOON, EVENING, "afternoon"), (EVENING, time.max, "evening"))
"""docs/clinical.md section 2, Retries: three tries over two parts of the day."""


def always(*windows: Window) -> Hours:
    """The same spans every day."""
    return lambda _day: windows


def day_of(moment: datetime, zone: str) -> date:
    """The date on the wall in `zone`."""
    return moment.astimezone(ZoneInfo(zone)).date()


def in_window(now: datetime, zone: str, hours: Hours) -> bool:
    """Whether the wall clock in `zone` stands inside one of that day's spans (start included, end not)."""
    local = now.astimezone(ZoneInfo(zone))
    wall = local.time()
    return any(start <= wall < end for start, end in hours(local.date()))


def within(now: datetime, zone: str, span: Window) -> bool:
    """Whether the wall clock in `zone` stands inside one span of every day, which may go over midnight."""
    (start, end), wall = span, now.astimezone(ZoneInfo(zone)).time()
    return start <= wall < end if start < end else wall >= start or wall < end


def next_open(now: datetime, zone: str, hours: Hours) -> datetime:
    """`now` if a span is open, else the next moment one opens; `now` + 60 days if none does till then. UTC."""
    now = now.astimezone(UTC)
    if in_window(now, zone, hours):
        return now
    today = day_of(now, zone)
    last = now + LOOK_AHEAD
    for ahead in range(LOOK_AHEAD.days + 2):
        # Two days at a time: an opening of a day that clocks skip whole (Samoa, 2011) falls on the next one.
        days = (today + timedelta(days=ahead), today + timedelta(days=ahead + 1))
        opening = [moment for day in days for moment in _openings(day, zone, hours)]
        later = [moment for moment in opening if moment > now and in_window(moment, zone, hours)]
        if later:
            return min(*later, last)
    return last


def next_open_in_other_part(earliest: datetime, zone: str, hours: Hours, used: str, before: datetime) -> datetime:
    """The first open moment from `earliest` on in another part of the day than `used`, if it comes before
    `before`; else simply the next open moment (docs/clinical.md section 2, Retries). UTC."""

    def other_parts(day: date) -> Sequence[Window]:
        pieces = [
            (max(start, first), min(end, last))
            for start, end in hours(day)
            for first, last, part in _PARTS
            if part != used
        ]
        return [(start, end) for start, end in pieces if start < end]

    moment = next_open(earliest, zone, other_parts)
    return moment if moment < before and in_window(moment, zone, other_parts) else next_open(earliest, zone, hours)


def part_of_day(moment: datetime, zone: str) -> str:
    """morning (before 12:00), afternoon (before 17:30) or evening on the wall clock in `zone`."""
    wall = moment.astimezone(ZoneInfo(zone)).time()
    return "morning" if wall < NOON else "afternoon" if wall < EVENING else "evening"


def at_wall(day: date, wall: time, zone: str) -> datetime:
    """The UTC moment at which clocks in `zone` show `wall` on `day`; where daylight saving skips that
    time, the equally late moment after the gap; where it comes twice, the first."""
    return datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC)


def next_at(moment: datetime, wall: time, zone: str) -> datetime:
    """The first time from `moment` on at which clocks in `zone` show `wall`. UTC."""
    day = day_of(moment, zone)
    at = at_wall(day, wall, zone)
    return at if at >= moment else at_wall(day + timedelta(days=1), wall, zone)


def _openings(day: date, zone: str, hours: Hours) -> list[datetime]:
    """The moments of `day` at which a closed span may become an open one: each start, both times where it comes
    twice, and a change of clocks."""
    starts = [at_wall(day, start.replace(fold=fold), zone) for start, _ in hours(day) for fold in (0, 1)]
    return starts + _clock_changes(day, ZoneInfo(zone))


def _clock_changes(day: date, zone: ZoneInfo) -> list[datetime]:
    """When clocks in `zone` are put forward or back on `day`."""
    before, after = (at_wall(day + timedelta(days=ahead), time.min, zone.key) for ahead in (0, 1))
    # One step beyond midnight on either side, so that a change at midnight itself is seen.
    before, after = before - timedelta(hours=2), after + timedelta(hours=2)
    if _offset(before, zone) == _offset(after, zone):
        return []
    while after - before > timedelta(microseconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if _offset(before, zone) != _offset(middle, zone) else (middle, after)
    return [after]


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
