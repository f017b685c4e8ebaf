"""Calling hours where the person is, on days of 23, 24 and 25 hours."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.calendar import (
    Window,
    always,
    at_wall,
    in_window,
    next_open,
    next_open_in_other_part,
    part_of_day,
)

OFFICE: tuple[Window, ...] = ((time(8, 30), time(12)), (time(14), time(20, 30)))
ZONES = sorted(zone for zone in available_timezones() if zone not in ("localtime", "Factory"))
MINUTE = timedelta(minutes=1)


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("wall", "open_"),
    [("08:29:59", False), ("08:30", True), ("11:59:59", True), ("12:00", False), ("13:59", False), ("14:00", True),
     ("20:29", True), ("20:30", False), ("00:00", False), ("23:59:59", False)],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_a_window_holds_its_first_moment_and_not_its_last(zone: str, wall: str, open_: bool) -> None:
    assert in_window(local(f"2031-03-07T{wall}", zone), zone, always(*OFFICE)) is open_


@pytest.mark.parametrize(
    ("zone", "now", "opens"),
    [
        ("Asia/Shanghai", "2031-03-07T10:00", "2031-03-07T10:00"),
        ("Asia/Shanghai", "2031-03-07T12:00", "2031-03-07T14:00"),
        ("Asia/Shanghai", "2031-03-07T20:30", "2031-03-08T08:30"),
        ("Asia/Shanghai", "2031-12-31T23:59", "2032-01-01T08:30"),
        # the night in which an hour is missing, and the one in which an hour comes twice
        ("America/New_York", "2031-03-08T21:00", "2031-03-09T08:30"),
        ("America/New_York", "2031-11-01T21:00", "2031-11-02T08:30"),
        ("Europe/London", "2031-03-29T21:00", "2031-03-30T08:30"),
        ("Europe/London", "2031-10-25T21:00", "2031-10-26T08:30"),
        ("Australia/Lord_Howe", "2031-04-05T21:00", "2031-04-06T08:30"),
        ("Australia/Lord_Howe", "2031-10-04T21:00", "2031-10-05T08:30"),
        # clocks go back for Ramadan and forward after it
        ("Africa/Casablanca", "2027-02-06T21:00", "2027-02-07T08:30"),
        ("Africa/Casablanca", "2027-03-13T21:00", "2027-03-14T08:30"),
    ],
)
def test_the_next_opening_is_by_the_clock_on_the_wall(zone: str, now: str, opens: str) -> None:
    assert next_open(local(now, zone), zone, always(*OFFICE)) == local(opens, zone)


NIGHT: tuple[Window, ...] = ((time(1, 30), time(1, 45)), (time(2, 15), time(3, 30)))


@pytest.mark.parametrize(
    ("zone", "now", "opens"),
    [
        # 02:00 -> 03:00: the window that began at 02:15 is open at once
        ("America/New_York", local("2031-03-09T01:50", "America/New_York"), "2031-03-09T03:00-04:00"),
        # 02:00 -> 01:00: the quarter of an hour after half past one comes again
        ("America/New_York", local("2031-11-02T01:50", "America/New_York"), "2031-11-02T01:30-05:00"),
        # half an hour forward: 02:00 -> 02:30
        ("Australia/Lord_Howe", local("2031-10-05T01:50", "Australia/Lord_Howe"), "2031-10-05T02:30+11:00"),
    ],
)
def test_a_change_of_clocks_may_open_a_window_of_the_night(zone: str, now: datetime, opens: str) -> None:
    assert next_open(now, zone, always(*NIGHT)) == datetime.fromisoformat(opens)


@pytest.mark.parametrize(
    ("zone", "day", "wall", "moment"),
    [
        ("Asia/Shanghai", date(2031, 3, 7), time(10), "2031-03-07T02:00+00:00"),
        ("America/New_York", date(2031, 3, 9), time(2, 30), "2031-03-09T03:30-04:00"),
        ("America/New_York", date(2031, 11, 2), time(1, 30), "2031-11-02T01:30-04:00"),
        ("Australia/Lord_Howe", date(2031, 10, 5), time(2, 15), "2031-10-05T02:45+11:00"),
    ],
)
def test_a_wall_time_that_is_skipped_is_as_much_later_and_one_that_comes_twice_is_the_first(
    zone: str, day: date, wall: time, moment: str
) -> None:
    assert at_wall(day, wall, zone) == datetime.fromisoformat(moment)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, ...]:
    """One or two spans of a day that do not overlap, each at least two hours: longer than any gap in a day."""
    quarters = sorted(draw(st.lists(st.integers(0, 95), min_size=2, max_size=4, unique=True)))
    spans = [(a, b) for a, b in zip(quarters[::2], quarters[1::2], strict=False) if b - a >= 8]
    return tuple((time(a // 4, a % 4 * 15), time(b // 4, b % 4 * 15)) for a, b in spans) or OFFICE


@given(
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 7 * 365 * 24 * 60),
    hours=st.just(OFFICE) | windows(),
)
@example(
    zone="Africa/Cairo",
    minutes=int((datetime(2026, 4, 23, 21, 50, tzinfo=UTC) - datetime(2024, 1, 1, tzinfo=UTC)) / MINUTE),
    hours=((time(0, 15), time(3)),),
)
@settings(max_examples=150, deadline=None)
def test_no_minute_before_the_next_opening_is_one_in_which_we_might_ring(
    zone: str, minutes: int, hours: tuple[Window, ...]
) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC) + minutes * MINUTE
    opening = next_open(now, zone, always(*hours))
    assert opening.tzinfo is UTC
    assert now <= opening <= now + timedelta(days=2, hours=2)
    assert in_window(opening, zone, always(*hours))
    before = range(math.ceil((opening - now) / MINUTE))
    assert not any(in_window(now + step * MINUTE, zone, always(*hours)) for step in before)


# ---- days that differ ----------------------------------------------------------------------------------
SHANGHAI = "Asia/Shanghai"


def closed(*days: str, then: tuple[Window, ...] = ()) -> Callable[[date], tuple[Window, ...]]:
    """Office hours, and on these days other ones."""
    return lambda day: then if day.isoformat() in days else OFFICE


def test_a_day_has_its_own_hours() -> None:
    hours = closed("2031-03-08", then=((time(10), time(11)),))
    assert not in_window(local("2031-03-08T09:00", SHANGHAI), SHANGHAI, hours)
    assert in_window(local("2031-03-08T10:30", SHANGHAI), SHANGHAI, hours)
    assert in_window(local("2031-03-09T09:00", SHANGHAI), SHANGHAI, hours)
    assert next_open(local("2031-03-07T21:00", SHANGHAI), SHANGHAI, hours) == local("2031-03-08T10:00", SHANGHAI)
    assert next_open(local("2031-03-08T11:00", SHANGHAI), SHANGHAI, hours) == local("2031-03-09T08:30", SHANGHAI)


def test_the_day_is_the_one_where_the_patient_is() -> None:
    holiday = closed("2031-03-08")
    moment = local("2031-03-08T09:00", "Asia/Shanghai")
    assert not in_window(moment, "Asia/Shanghai", holiday)
    assert in_window(moment, "America/New_York", holiday), "there it is still the evening of the seventh"


@pytest.mark.parametrize(
    ("days", "opens"),
    [(0, "2031-03-08T08:30"), (1, "2031-03-09T08:30"), (9, "2031-03-17T08:30"), (58, "2031-05-05T08:30")],
)
def test_days_without_hours_are_passed_over(days: int, opens: str) -> None:
    shut = [(date(2031, 3, 8) + timedelta(days=n)).isoformat() for n in range(days)]
    assert next_open(local("2031-03-07T21:00", SHANGHAI), SHANGHAI, closed(*shut)) == local(opens, SHANGHAI)


@pytest.mark.parametrize("zone", [SHANGHAI, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
def test_with_no_opening_in_sixty_days_it_is_then(zone: str) -> None:
    now = local("2031-03-07T21:00", zone)
    assert next_open(now, zone, always()) == now + timedelta(days=60)
    late = [(date(2031, 3, 7) + timedelta(days=n)).isoformat() for n in range(61)]
    assert next_open(now, zone, closed(*late)) == now + timedelta(days=60)


def test_a_day_that_was_skipped_whole_opens_the_day_after() -> None:
    now = local("2011-12-29T22:00", "Pacific/Apia")
    hours = closed("2011-12-31", then=((time(6), time(7)),))
    assert next_open(now, "Pacific/Apia", hours) == local("2011-12-31T06:00", "Pacific/Apia")


@given(
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 7 * 365 * 24 * 60),
    week=st.lists(st.just(()) | windows(), min_size=2, max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_the_next_opening_holds_for_days_that_differ(zone: str, minutes: int, week: list[tuple[Window, ...]]) -> None:
    def hours(day: date) -> tuple[Window, ...]:
        return week[day.toordinal() % len(week)]

    now = datetime(2024, 1, 1, tzinfo=UTC) + minutes * MINUTE
    opening = next_open(now, zone, hours)
    if not any(week):
        assert opening == now + timedelta(days=60)
        return
    assert in_window(opening, zone, hours)
    before = range(0, math.ceil((opening - now) / MINUTE), 5)
    assert not any(in_window(now + step * MINUTE, zone, hours) for step in before)


# ---- parts of the day ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wall", "part"),
    [("00:00", "morning"), ("11:59:59", "morning"), ("12:00", "afternoon"), ("17:29", "afternoon"),
     ("17:30", "evening"), ("23:59", "evening")],
)  # fmt: skip
def test_the_parts_of_a_day(wall: str, part: str) -> None:
    assert part_of_day(local(f"2031-03-07T{wall}", "America/New_York"), "America/New_York") == part


@pytest.mark.parametrize(
    ("earliest", "used", "moment"),
    [
        ("2031-03-07T09:00", "morning", "2031-03-07T14:00"),
        ("2031-03-07T09:00", "evening", "2031-03-07T09:00"),
        ("2031-03-07T14:30", "afternoon", "2031-03-07T17:30"),
        ("2031-03-07T19:00", "evening", "2031-03-08T08:30"),
        ("2031-03-07T20:45", "morning", "2031-03-08T14:00"),
        ("2031-03-07T12:30", "afternoon", "2031-03-07T17:30"),
    ],
)
def test_the_next_try_is_in_another_part_of_the_day(earliest: str, used: str, moment: str) -> None:
    before = local("2031-03-20T00:00", SHANGHAI)
    found = next_open_in_other_part(local(earliest, SHANGHAI), SHANGHAI, always(*OFFICE), used, before)
    assert found == local(moment, SHANGHAI)


def test_with_no_time_for_another_part_it_is_the_same_part_again() -> None:
    early = local("2031-03-07T09:00", SHANGHAI)
    before = local("2031-03-07T14:00", SHANGHAI)
    assert next_open_in_other_part(early, SHANGHAI, always(*OFFICE), "morning", before) == early
    mornings = always((time(9), time(11)))
    later = before + timedelta(days=90)
    assert next_open_in_other_part(early, SHANGHAI, mornings, "morning", later) == early
