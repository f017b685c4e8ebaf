"""Calling hours where the person is, on days of 23, 24 and 25 hours."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.calendar import Window, at_wall, in_window, next_open

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
    assert in_window(local(f"2031-03-07T{wall}", zone), zone, OFFICE) is open_


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
    assert next_open(local(now, zone), zone, OFFICE) == local(opens, zone)


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
    assert next_open(now, zone, NIGHT) == datetime.fromisoformat(opens)


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
    opening = next_open(now, zone, hours)
    assert opening.tzinfo is UTC
    assert now <= opening <= now + timedelta(days=2, hours=2)
    assert in_window(opening, zone, hours)
    before = range(math.ceil((opening - now) / MINUTE))
    assert not any(in_window(now + step * MINUTE, zone, hours) for step in before)
