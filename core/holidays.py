"""Which days are holidays: the library `holidays` for the statute, the table `special_days` for what the hospital
knows better; the table wins (docs/clinical.md section 6). Nothing here raises for a year nobody knows yet.

A holiday is a day off of a statutory break: the holiday itself, the days off given in exchange, and the weekend
days that touch them (the State Council's "nine days from 15 to 23 February"). A plain weekend is an ordinary
calling day, and so is a weekend day that is worked in exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib.metadata import version as library_version
from typing import Literal

import holidays as library
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from core.calendar import Hours, Window
from core.house import settings_of
from core.models import SpecialDay

Kind = Literal["holiday", "workday"]
Result = Literal["created", "updated", "unchanged"]
KINDS: tuple[Kind, ...] = ("holiday", "workday")
LONGEST_BREAK = 31
"""Days; a run of days off that is longer is cut, so that a calendar full of holidays ends the look-up."""
STALE_FROM_MONTH = 11
"""The State Council's notice of the next year's swap days comes about the beginning of November."""
_BEHIND, _AHEAD = timedelta(days=LONGEST_BREAK), timedelta(days=120)
_SWAPS_SINCE = 15
"""Years looked back for days worked in exchange: does this country swap at all?"""
_ONE_DAY = timedelta(days=1)
_CACHE = "holidays"
_LIBRARY = library_version("holidays")


@dataclass(frozen=True)
class Year:
    """What the library knows of one year of one country."""

    off: frozenset[date]
    """Statutory holidays and the days off in exchange."""
    worked: frozenset[date]
    """Weekend days worked in exchange."""
    weekend: frozenset[int]
    """Weekdays that are days off, Monday is 0."""

    def is_off(self, day: date) -> bool:
        return day in self.off or (day.weekday() in self.weekend and day not in self.worked)


_UNKNOWN = Year(frozenset(), frozenset(), frozenset({5, 6}))


def is_known(country: str) -> bool:
    """Whether the library has a calendar for `country` ("CN", "US-NY"); "" is none at all, and known."""
    return not country or _calendar(country, [2026]) is not None


@cache
def year_of(country: str, year: int) -> Year:
    """A year of the library; for a country or a year it does not know, weekends and nothing else."""
    # The notice of a year also names days worked at the end of the year before it.
    found = _calendar(country, [year, year + 1]) if country else None
    if found is None:
        return _UNKNOWN
    return Year(
        frozenset(day for day in found if day.year == year),
        frozenset(day for day in found.weekend_workdays if day.year == year),
        frozenset(found.weekend),
    )


def _calendar(country: str, years: Iterable[int]) -> library.HolidayBase | None:
    land, _, part = country.partition("-")
    try:
        return library.country_holidays(land, subdiv=part or None, years=years, expand=False)
    except (NotImplementedError, ValueError, OverflowError):
        return None


class _Days:
    """The hospital's calendar as one transaction sees it: the special days are read once, about the first day
    asked for; a day further away reads them again."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._country = settings_of(session).calling.holidays
        self._special: Mapping[date, str] = {}
        self._from = self._until = date.min
        self.version = ""
        """Known once `version` was asked for it."""

    def _kind(self, day: date) -> str | None:
        if not self._from <= day < self._until:
            span = about(day)
            self.learn(span, self._session.scalar(_SPECIAL, span))
        return self._special.get(day)

    def learn(self, span: Mapping[str, date], special: Mapping[str, str] | None) -> None:
        self._from, self._until = span["special_from"], span["special_until"]
        self._special = {date.fromisoformat(day): kind for day, kind in (special or {}).items()}

    def is_off(self, day: date) -> bool:
        """No ordinary working day: weekend, holiday, or a day the table calls one."""
        kind = self._kind(day)
        return year_of(self._country, day.year).is_off(day) if kind is None else kind == "holiday"

    def is_named(self, day: date) -> bool:
        """A holiday by the statute or the table, whatever the days beside it are."""
        kind = self._kind(day)
        return day in year_of(self._country, day.year).off if kind is None else kind == "holiday"

    def run(self, day: date) -> tuple[date, date] | None:
        """The days off in a row that `day` is one of; None on a working day."""
        if not self.is_off(day):
            return None
        first = last = day
        while (day - first).days < LONGEST_BREAK and self.is_off(first - _ONE_DAY):
            first -= _ONE_DAY
        while (last - day).days < LONGEST_BREAK and self.is_off(last + _ONE_DAY):
            last += _ONE_DAY
        return first, last

    def is_holiday(self, day: date) -> bool:
        if self.is_named(day):
            return True
        # A weekend day: part of a break when the statute's own days touch it. A day the clinic alone is closed
        # does not make the weekend beside it a holiday.
        run = self.run(day)
        return run is not None and any(self._statutory(one) for one in _each(*run))

    def _statutory(self, day: date) -> bool:
        return day in year_of(self._country, day.year).off


SPECIAL = (
    sa.select(sa.func.jsonb_object_agg(SpecialDay.day, SpecialDay.kind, type_=JSONB))
    .where(SpecialDay.day >= sa.bindparam("special_from"), SpecialDay.day < sa.bindparam("special_until"))
    .scalar_subquery()
)
"""The special days as a column of a larger question: its parameters are made by `about`, its answer is for `learn`."""
_SPECIAL = sa.select(SPECIAL)


def about(day: date) -> dict[str, date]:
    """The span of days that is read when `day` is asked for."""
    return {"special_from": day - _BEHIND, "special_until": day + _AHEAD}


def learn(session: Session, span: Mapping[str, date], special: Mapping[str, str] | None) -> None:
    """What `SPECIAL` answered: this transaction need not ask for these days again."""
    _days(session).learn(span, special)


def _each(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _days(session: Session) -> _Days:
    # A session lives for one transaction (House.transaction), and so does what it has read.
    days: _Days | None = session.info.get(_CACHE)
    if days is None:
        days = session.info[_CACHE] = _Days(session)
    return days


def hours(session: Session) -> Hours:
    """The calling hours of any local day: [calling] window, on the hospital's holidays holiday_window.

    At most one indexed query in a transaction, none before the first day is asked for, none after `learn`.
    """
    calling = settings_of(session).calling
    days = _days(session)

    def of_day(day: date) -> tuple[Window, ...]:
        return calling.holiday_window if days.is_holiday(day) else calling.window

    return of_day


def is_holiday(session: Session, day: date) -> bool:
    """Whether `day` (a date on the wall, not of UTC) is a day off of a break."""
    return _days(session).is_holiday(day)


def is_workday(session: Session, day: date) -> bool:
    """Whether `day` (a date on the wall, not of UTC) is an ordinary working day: neither weekend nor holiday, or a
    weekend day that is worked in exchange."""
    return not _days(session).is_off(day)


# a JSON object of PostgreSQL has its keys in one order, however the rows lie
_TABLE = sa.select(sa.func.md5(sa.cast(sa.func.jsonb_object_agg(SpecialDay.day, SpecialDay.kind), sa.Text)))


def version(session: Session) -> str:
    """What the calendar is known by: it changes when the country, the library or a row of the table does."""
    days = _days(session)
    if not days.version:
        known = f"{settings_of(session).calling.holidays} {_LIBRARY} {session.scalar(_TABLE)}"
        days.version = sha256(known.encode()).hexdigest()[:12]
    return days.version


def next_break(session: Session, day: date, within_days: int) -> tuple[date, date] | None:
    """(first, last) of the next run of days off that touches a holiday and begins on `day` or up to `within_days`
    later; None if there is none. A break that has begun before `day` is not the next one."""
    days = _days(session)
    for ahead in range(within_days + 1):
        run = days.run(day + timedelta(days=ahead))
        if run is not None and run[0] >= day and any(days.is_named(one) for one in _each(*run)):
            return run
    return None


def set_day(session: Session, day: date, kind: Kind, note: str, source: str, now: datetime) -> Result:
    """Write one row of the table: created | updated | unchanged. `source` = import | staff."""
    session.info.pop(_CACHE, None)
    row = session.get(SpecialDay, day)
    if row is None:
        session.add(SpecialDay(day=day, kind=kind, note=note, source=source, at=now))
        session.flush()
        return "created"
    if (row.kind, row.note) == (kind, note):
        return "unchanged"
    row.kind, row.note, row.source, row.at = kind, note, source, now
    session.flush()
    return "updated"


def stale(session: Session, today: date) -> str | None:
    """A sentence for `carecall check`: the year to come (from 1 November on), or this one, has neither days worked
    in exchange in the library nor rows in the table. None when the calendar is good, or the country never swaps."""
    country = settings_of(session).calling.holidays
    for year in (today.year, today.year + 1) if today.month >= STALE_FROM_MONTH else (today.year,):
        swaps = any(year_of(country, before).worked for before in range(year - _SWAPS_SINCE, year))
        if swaps and not year_of(country, year).worked and not _has_rows(session, year):
            return (
                f"the holidays of {year} are not known yet, only estimated: "
                f"import the notice with `carecall import holidays FILE` (day,kind,note)"
            )
    return None


def _has_rows(session: Session, year: int) -> bool:
    in_year = sa.exists().where(SpecialDay.day >= date(year, 1, 1), SpecialDay.day <= date(year, 12, 31))
    return bool(session.scalar(sa.select(in_year)))
