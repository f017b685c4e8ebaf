"""The shifts of one calendar event (RFC 5545): when, expanded from its rule, and who. Pure.

A rule runs on the wall clock of the event's own zone, so that a night of 20:00 to 08:00 is 11 or 13 hours long when
the clocks change; a floating time is the hospital's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule
from icalendar import Event

from core.tables import RowProblem

ONE_DAY = timedelta(days=1)
REPEATS = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
LONGEST = timedelta(days=62)
"""A longer shift is a slip of the pen: nobody is on duty for months without a break."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Occasion:
    """One shift of an event, and the VEVENT that describes it: the event itself or an exception to its rule."""

    starts_at: datetime
    ends_at: datetime
    event: Event


def occasions(
    master: Event | None, exceptions: Sequence[Event], zone: ZoneInfo, start: datetime, until: datetime
) -> list[Occasion]:
    """Everything of one UID that touches [start, until), UTC, in order. Raises RowProblem."""
    changed = {_instant(_moment(event, "RECURRENCE-ID"), zone): event for event in exceptions}
    if any("RANGE" in _property(event, "RECURRENCE-ID").params for event in exceptions):
        raise RowProblem("RECURRENCE-ID with RANGE is not understood: end the rule and begin another event")
    found = []
    if master is not None and not _cancelled(master):
        length = _length(master, zone)
        for wall, where in _starts(master, zone, until):
            starts_at = wall.replace(tzinfo=where).astimezone(UTC)
            if starts_at not in changed:
                found.append(Occasion(starts_at, length(wall, where), master))
    for event in changed.values():
        if not _cancelled(event):
            wall, where = _wall(_moment(event, "DTSTART"), zone)
            found.append(Occasion(wall.replace(tzinfo=where).astimezone(UTC), _length(event, zone)(wall, where), event))
    for one in found:
        _refuse(one)
    return sorted(
        (one for one in found if one.starts_at < until and one.ends_at > start), key=lambda one: one.starts_at
    )


def doctor(event: Event) -> str:
    """The SUMMARY, or the first name among ATTENDEE and ORGANIZER; "" if nobody is named."""
    summary = " ".join(str(event.get("SUMMARY", "")).split())
    if summary:
        return summary
    people = [*_as_list(_property(event, "ATTENDEE")), *_as_list(_property(event, "ORGANIZER"))]
    names = (" ".join(str(person.params.get("CN", "")).split()) for person in people)
    return next((name for name in names if name), "")


def refuse_broken(event: Event) -> None:
    """Raise RowProblem for a property the library could not read; its value is not repeated."""
    if event.errors:
        names = ", ".join(sorted({str(name) for name, _ in event.errors}))
        raise RowProblem(f"{names} cannot be read")


# ---- when ---------------------------------------------------------------------------------------
def _starts(event: Event, zone: ZoneInfo, until: datetime) -> Iterator[tuple[datetime, tzinfo]]:
    """The beginnings on the wall clock, in order, each with its zone; not those after `until`."""
    first, where = _wall(_moment(event, "DTSTART"), zone)
    rules = [_rule(event, rule, first, where) for rule in _as_list(_property(event, "RRULE"))]
    extra = [_in_zone(value.dt, where, zone) for dates in _as_list(_property(event, "RDATE")) for value in dates.dts]
    if not rules and not extra:
        yield first, where
        return
    last = until.astimezone(where).replace(tzinfo=None)
    every = rrule.rruleset()
    for rule in rules:
        every.rrule(rule)
    for wall in [*extra, *([] if rules else [first])]:
        every.rdate(wall)
    for dates in _as_list(_property(event, "EXDATE")):
        for value in dates.dts:
            every.exdate(_excepted(value.dt, first, where, zone))
    for wall in every:
        if wall > last:
            return
        yield wall, where


def _rule(event: Event, rule: Any, first: datetime, where: tzinfo) -> rrule.rrule:
    parts = {str(name).upper(): value for name, value in rule.items()}
    if str(parts.get("FREQ", [""])[0]).upper() not in REPEATS:
        raise RowProblem("RRULE must repeat DAILY, WEEKLY, MONTHLY or YEARLY")
    ends = parts.pop("UNTIL", [None])[0]
    text = ";".join(
        f"{name}={','.join(str(value) for value in values)}"
        for name, values in ((name, _as_list(values)) for name, values in parts.items())
    )
    try:
        made = rrule.rrulestr(text, dtstart=first)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RowProblem("RRULE cannot be read") from error
    if ends is None:
        return made
    if isinstance(ends, datetime):
        last = ends.astimezone(where).replace(tzinfo=None) if ends.tzinfo else ends
    else:
        last = datetime.combine(ends, time.max)
    return made.replace(until=last)


def _excepted(value: date, first: datetime, where: tzinfo, zone: ZoneInfo) -> datetime:
    """A day alone takes out that day's occasion, as calendars in the field write it."""
    if not isinstance(value, datetime):
        return datetime.combine(value, first.time())
    return _in_zone(value, where, zone)


End = Callable[[datetime, tzinfo], datetime]


def _length(event: Event, zone: ZoneInfo) -> End:
    """A function of a beginning (wall clock, zone) that gives the end, UTC. An end is as the clock shows it; a
    DURATION in hours is so many hours."""
    begins = _moment(event, "DTSTART")
    first, where = _wall(begins, zone)
    if "DTEND" in event:
        wall_length = _in_zone(_moment(event, "DTEND"), where, zone) - first
    elif "DURATION" in event:
        duration: timedelta = _property(event, "DURATION").dt
        if duration % ONE_DAY:
            return lambda wall, where: wall.replace(tzinfo=where).astimezone(UTC) + duration
        wall_length = duration
    elif not isinstance(begins, datetime):
        wall_length = ONE_DAY
    else:
        raise RowProblem("DTEND or DURATION is missing: when does the shift end?")
    return lambda wall, where: (wall + wall_length).replace(tzinfo=where).astimezone(UTC)


def _refuse(one: Occasion) -> None:
    if one.ends_at <= one.starts_at:
        raise RowProblem("the end must be after the start")
    if one.ends_at - one.starts_at > LONGEST:
        raise RowProblem(f"a shift of more than {LONGEST.days} days")


# ---- values -------------------------------------------------------------------------------------
def _moment(event: Event, name: str) -> date:
    """A DATE or DATE-TIME property. Raises RowProblem, also for a time zone nobody knows."""
    value = _property(event, name)
    if isinstance(value, list):
        raise RowProblem(f"{name} is there twice")
    moment = getattr(value, "dt", None)
    if not isinstance(moment, date):
        raise RowProblem(f"{name} is missing" if value is None else f"{name} is not a date or a time")
    if isinstance(moment, datetime) and moment.tzinfo is None and "TZID" in value.params:
        raise RowProblem(f"{name} is in a time zone that is not known: {value.params['TZID']}")
    return moment


def _wall(moment: date, zone: ZoneInfo) -> tuple[datetime, tzinfo]:
    """What the clock shows, and where that clock hangs. A day alone begins at midnight in the hospital."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time.min), zone
    return moment.replace(tzinfo=None), moment.tzinfo or zone


def _in_zone(moment: date, where: tzinfo, zone: ZoneInfo) -> datetime:
    """The same moment as the clock in `where` shows it."""
    wall, there = _wall(moment, zone)
    return wall.replace(tzinfo=there).astimezone(where).replace(tzinfo=None)


def _instant(moment: date, zone: ZoneInfo) -> datetime:
    wall, where = _wall(moment, zone)
    return wall.replace(tzinfo=where).astimezone(UTC)


def _property(event: Event, name: str) -> Any:
    """One value, a list of them, or None: the library's types promise less than `refuse_broken` has made sure of."""
    return event.get(name)


def _cancelled(event: Event) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
