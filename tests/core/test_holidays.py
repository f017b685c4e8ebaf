"""Which days are holidays: the statute by the library, the hospital's own table, and the years nobody knows yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from core import calendar, holidays
from core.hospital import HospitalFile
from core.house import House
from core.models import SpecialDay
from tests.house import MID_MORNING

SPRING = ("2026-02-15", "2026-02-23")
"""The State Council's break of nine days; the 14th and the 28th, Saturdays, are worked for it."""


def with_calling(house: House, **calling: Any) -> House:
    house.settings = dataclasses.replace(house.settings, file=HospitalFile.model_validate({"calling": calling}))
    return house


def ask(house: House, question: Callable[..., Any], *words: Any) -> Any:
    with house.transaction() as session:
        return question(session, *words)


def put(house: House, day: str, kind: holidays.Kind, note: str = "") -> str:
    with house.transaction() as session:
        return holidays.set_day(session, date.fromisoformat(day), kind, note, "staff", MID_MORNING)


def test_a_statutory_break_is_its_whole_run_of_days_off(house: House) -> None:
    expected = {
        "2026-02-13": False,
        "2026-02-14": False,  # a Saturday that is worked, though the library has a name for it
        "2026-02-15": True,  # the Sunday before the eve
        "2026-02-16": True,
        "2026-02-20": True,  # off in exchange for the 14th
        "2026-02-21": True,  # a weekend inside the break
        "2026-02-22": True,
        "2026-02-23": True,
        "2026-02-24": False,
        "2026-02-28": False,
        "2026-03-07": False,  # a plain Saturday
        "2026-03-08": False,
        "2026-04-04": True,  # Saturday, Sunday and Monday of the tomb-sweeping days
        "2026-04-06": True,
        "2026-10-08": False,
    }
    with house.transaction() as session:
        found = {day: holidays.is_holiday(session, date.fromisoformat(day)) for day in expected}
    assert found == expected


def test_the_hours_are_those_of_the_day(house: House) -> None:
    calling = house.settings.calling
    with house.transaction() as session:
        hours = holidays.hours(session)
        assert hours(date(2026, 2, 17)) == calling.holiday_window
        assert hours(date(2026, 2, 14)) == calling.window
        assert hours(date(2026, 3, 7)) == calling.window
        evening = datetime(2026, 2, 17, 11, 0, tzinfo=UTC)  # 19:00 in Shanghai
        assert not calendar.in_window(evening, "Asia/Shanghai", hours)
        assert calendar.next_open(evening, "Asia/Shanghai", hours) == datetime(2026, 2, 18, 1, 30, tzinfo=UTC)


def test_a_hospital_that_does_not_call_on_holidays_waits_for_the_first_day_after(house: House) -> None:
    with_calling(house, holiday_window=[])
    eve = datetime(2026, 2, 14, 13, 0, tzinfo=UTC)  # 21:00 on the last day worked
    with house.transaction() as session:
        opening = calendar.next_open(eve, "Asia/Shanghai", holidays.hours(session))
    assert opening == datetime(2026, 2, 24, 0, 30, tzinfo=UTC)


def test_the_table_wins(house: House) -> None:
    assert put(house, "2026-02-17", "workday") == "created"
    assert put(house, "2026-03-11", "holiday", "the clinic moves") == "created"
    assert put(house, "2026-03-13", "holiday") == "created"
    with house.transaction() as session:
        days = {day: holidays.is_holiday(session, date(2026, *day)) for day in ((2, 17), (2, 18), (3, 11), (3, 12))}
        assert days == {(2, 17): False, (2, 18): True, (3, 11): True, (3, 12): False}
        assert not holidays.is_holiday(session, date(2026, 3, 14)), "the weekend beside a day the clinic is closed"
    assert put(house, "2026-03-11", "holiday", "the clinic moves") == "unchanged"
    assert put(house, "2026-03-11", "workday", "it does not move") == "updated"
    assert ask(house, holidays.is_holiday, date(2026, 3, 11)) is False


def test_a_day_written_in_this_transaction_counts_at_once(house: House) -> None:
    with house.transaction() as session:
        hours = holidays.hours(session)
        assert hours(date(2026, 3, 11)) == house.settings.calling.window
        holidays.set_day(session, date(2026, 3, 11), "holiday", "", "staff", MID_MORNING)
        assert holidays.hours(session)(date(2026, 3, 11)) == house.settings.calling.holiday_window


def test_one_query_in_a_transaction_at_most(house: House) -> None:
    asked: list[str] = []
    sa.event.listen(house.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with house.transaction() as session:
        hours = holidays.hours(session)
        assert not asked
        calendar.in_window(MID_MORNING, "Asia/Shanghai", hours)
        calendar.next_open(MID_MORNING, "America/New_York", holidays.hours(session))
        holidays.next_break(session, date(2031, 3, 7), 14)
        assert len(asked) == 1


@pytest.mark.parametrize("year", [1950, 2027, 2031, 2099, 2101, 2500, 9998])
def test_a_year_nobody_knows_has_weekends_and_raises_nothing(house: House, year: int) -> None:
    with house.transaction() as session:
        for month in range(1, 13):
            holidays.is_holiday(session, date(year, month, 28))
        assert isinstance(holidays.hours(session)(date(year, 6, 6)), tuple)


@pytest.mark.parametrize("country", ["", "CN", "US", "US-NY", "DE-BY", "HK", "XX", "US-ZZ"])
def test_any_country_is_answered_for(house: House, country: str) -> None:
    with_calling(house, holidays=country)
    with house.transaction() as session:
        new_year = holidays.is_holiday(session, date(2026, 1, 1))
    assert new_year is (country not in ("", "XX", "US-ZZ"))
    assert holidays.is_known(country) is (country not in ("XX", "US-ZZ"))


def test_the_next_break_is_a_run_of_days_off_with_a_holiday_in_it(house: House) -> None:
    first, last = (date.fromisoformat(day) for day in SPRING)
    assert ask(house, holidays.next_break, date(2026, 2, 10), 7) == (first, last)
    assert ask(house, holidays.next_break, first, 0) == (first, last)
    assert ask(house, holidays.next_break, date(2026, 2, 10), 4) is None
    assert ask(house, holidays.next_break, date(2026, 2, 16), 20) is None, "begun already"
    assert ask(house, holidays.next_break, date(2026, 3, 2), 14) is None, "only plain weekends"
    put(house, "2026-03-09", "holiday")
    assert ask(house, holidays.next_break, date(2026, 3, 2), 14) == (date(2026, 3, 7), date(2026, 3, 9))


def test_a_calendar_without_an_end_of_holidays_does_not_hang(house: House) -> None:
    with house.transaction() as session:
        for day in range(1, 400):
            at = date.fromordinal(date(2026, 6, 1).toordinal() + day)
            holidays.set_day(session, at, "holiday", "", "staff", MID_MORNING)
    first, last = ask(house, holidays.next_break, date(2026, 6, 1), 3)
    assert (first, (last - first).days) == (date(2026, 6, 2), holidays.LONGEST_BREAK)


# ---- next year's calendar ------------------------------------------------------------------------------
LAST_KNOWN = max(year for year in range(2020, 2060) if holidays.year_of("CN", year).worked)
"""The last year the library of today has swap days for; the tests move with it."""


def test_from_november_on_next_years_calendar_is_asked_for(house: House) -> None:
    assert ask(house, holidays.stale, date(LAST_KNOWN, 10, 31)) is None
    sentence = ask(house, holidays.stale, date(LAST_KNOWN, 11, 1))
    assert f"holidays of {LAST_KNOWN + 1} are not known" in sentence
    assert ask(house, holidays.stale, date(LAST_KNOWN + 1, 3, 1)) == sentence, "and it stays asked for"
    put(house, f"{LAST_KNOWN + 1}-02-07", "workday", "worked for the Spring Festival")
    assert ask(house, holidays.stale, date(LAST_KNOWN, 11, 1)) is None
    assert ask(house, holidays.stale, date(LAST_KNOWN + 1, 3, 1)) is None


@pytest.mark.parametrize("country", ["", "US", "DE-BY", "XX"])
def test_a_country_that_never_swaps_days_is_never_stale(house: House, country: str) -> None:
    with_calling(house, holidays=country)
    assert ask(house, holidays.stale, date(2035, 12, 1)) is None


@given(day=st.dates(date(2007, 1, 1), date(2026, 12, 31)))
def test_the_library_agrees_with_itself(day: date) -> None:
    """A day off is a weekend day that is not worked, or a statutory one; never one that is worked."""
    year = holidays.year_of("CN", day.year)
    assert not (day in year.worked and year.is_off(day))
    assert year.is_off(day) or day.weekday() < 5 or day in year.worked


def test_holiday_hours_are_the_hospitals_own(house: House) -> None:
    with_calling(house, holiday_window=["10:00-11:00"])
    with house.transaction() as session:
        assert holidays.hours(session)(date(2026, 10, 1)) == ((time(10), time(11)),)
        assert session.scalar(sa.select(sa.func.count()).select_from(SpecialDay)) == 0
