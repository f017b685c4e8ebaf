"""Calling hours: pure arithmetic on aware times, in the zone of the person who would hear the ring."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Window = tuple[time, time]


def in_window(now: datetime, zone: str, windows: Sequence[Window]) -> bool:
    """Whether the wall clock in `zone` stands inside one of the windows (start included, end not)."""
    wall = now.astimezone(ZoneInfo(zone)).time()
    return any(start <= wall < end for start, end in windows)


def next_open(now: datetime, zone: str, windows: Sequence[Window]) -> datetime:
    """`now` if a window is open, else the next moment one opens. UTC."""
    if in_window(now, zone, windows):
        return now.astimezone(UTC)
    local_day = now.astimezone(ZoneInfo(zone)).date()
    starts = [(local_day + timedelta(days=ahead), start) for ahead in range(3) for start, _ in windows]
    opening = [at_wall(day, start.replace(fold=fold), zone) for day, start in starts for fold in (0, 1)]
    opening += _clock_changes(now, ZoneInfo(zone))
    return min(c for c in opening if c > now and in_window(c, zone, windows))


def _clock_changes(now: datetime, zone: ZoneInfo) -> list[datetime]:
    """When clocks in `zone` are put forward or back within three days of `now`: that may open a window too."""
    hours = [now.astimezone(UTC) + timedelta(hours=ahead) for ahead in range(73)]
    changes = []
    for before, after in itertools.pairwise(hours):
        while _offset(before, zone) != _offset(after, zone):
            if after - before <= timedelta(microseconds=1):
                changes.append(after)
                break
            middle = before + (after - before) / 2
            before, after = (before, middle) if _offset(before, zone) != _offset(middle, zone) else (middle, after)
    return changes


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def at_wall(day: date, wall: time, zone: str) -> datetime:
    """The UTC moment at which clocks in `zone` show `wall` on `day`; where daylight saving skips that
    time, the equally late moment after the gap; where it comes twice, the first."""
    return datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC)
