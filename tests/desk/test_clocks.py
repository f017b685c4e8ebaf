"""Clocks on a moving calendar: colours and presets, weekends, breaks, days worked in exchange, changes of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.holidays import year_of
from desk import clocks
from desk.clocks import Rule, after_working_days, due_at, rules, shorter

SHANGHAI = "Asia/Shanghai"
ZONES = ("Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Europe/London", "Asia/Kathmandu")


def of(country: str) -> clocks.IsWorkday:
    return lambda day: not year_of(country, day.year).is_off(day)


def monday_to_friday(day: date) -> bool:
    return day.weekday() < 5


def wall(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def shown(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


# ---- which promises a ticket carries -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("preset", "colour", "medical", "expected"),
    [
        ("A", "red", None, {"solve": {"minutes": 30}}),
        ("A", "yellow", None, {"solve": {"minutes": 120}}),
        ("A", "blue", None, {"solve": {"minutes": 1440}}),
        ("A", "red", False, {"solve": {"minutes": 30, "working_days": 10}, "propose": {"minutes": 30}}),
        (
            *("A", "red", True),
            {
                "assign": {"minutes": 5},
                "respond": {"minutes": 30},
                "calm": {"minutes": 1440},
                "solve": {"working_days": 10},
            },
        ),
        ("B", "red", None, {"respond": {"minutes": 60}, "solve": {"minutes": 1440}}),
        ("B", "yellow", None, {"assign": {"minutes": 2880}, "solve": {"working_days": 3}}),
        ("B", "blue", None, {"assign": {"minutes": 2880}, "solve": {"working_days": 3}}),
        ("B", "yellow", False, {"assign": {"minutes": 2880}, "solve": {"working_days": 3}}),
        (
            *("B", "red", True),
            {
                "assign": {"minutes": 5},
                "respond": {"minutes": 60},
                "calm": {"minutes": 1440},
                "solve": {"minutes": 1440, "working_days": 10},
            },
        ),
    ],
)
@pytest.mark.parametrize("holiday", [False, True])
def test_the_promises_of_both_presets(
    preset: str, colour: str, medical: bool | None, expected: dict[str, dict[str, int]], holiday: bool
) -> None:
    found = {name: rule.as_json() for name, rule in rules(preset, colour, medical=medical, holiday=holiday).items()}
    for told in found.values():
        assert told.pop("halved", holiday) is holiday, "a working day is no shorter on a holiday"
    assert found == expected


def test_a_complaint_that_is_not_medical_is_ordinary_work_to_preset_b() -> None:
    assert clocks.colour_of("red", "B", medical=False) == "yellow"
    for preset, medical in (("A", False), ("B", True), ("B", None)):
        assert clocks.colour_of("red", preset, medical=medical) == "red"


def test_a_holiday_is_twice_as_fast() -> None:
    start = wall(SHANGHAI, "2026-02-17 09:00")
    for colour, minutes in clocks.SOLVE_MINUTES.items():
        [plain], [fast] = (rules("A", colour, medical=None, holiday=on).values() for on in (False, True))
        assert due_at(plain, start, SHANGHAI, of("CN")) - start == timedelta(minutes=minutes)
        assert due_at(fast, start, SHANGHAI, of("CN")) - start == timedelta(minutes=minutes) / 2


RULES = st.builds(
    Rule,
    minutes=st.none() | st.integers(0, 5000),
    working_days=st.none() | st.integers(0, 15),
    until=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    halved=st.booleans(),
).filter(lambda rule: (rule.minutes, rule.working_days, rule.until) != (None, None, None))
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_no_time_at_all_is_shorter_than_any() -> None:
    for one, other in ((Rule(minutes=0), Rule(minutes=30)), (Rule(minutes=30), Rule(minutes=0))):
        assert shorter(one, other).minutes == 0


@settings(deadline=None)
@given(RULES, RULES, MOMENTS, st.sampled_from(ZONES), st.sampled_from(["CN", "US", ""]))
def test_of_two_clocks_the_shorter_counts(one: Rule, other: Rule, start: datetime, zone: str, country: str) -> None:
    both = due_at(shorter(one, other), start, zone, of(country))
    assert both == min(due_at(one, start, zone, of(country)), due_at(other, start, zone, of(country)))
    assert both >= start


@settings(deadline=None)
@given(RULES, MOMENTS)
def test_a_rule_is_stored_whole(rule: Rule, start: datetime) -> None:
    read = Rule.of(rule.as_json())
    assert due_at(read, start, SHANGHAI, of("CN")) == due_at(rule, start, SHANGHAI, of("CN"))


@settings(deadline=None)
@given(st.sampled_from("AB"), st.sampled_from(["red", "yellow", "blue"]), st.booleans(), st.booleans(), MOMENTS)
def test_no_complaint_outlives_the_law(preset: str, colour: str, medical: bool, holiday: bool, start: datetime) -> None:
    solve = rules(preset, colour, medical=medical, holiday=holiday)["solve"]
    law = after_working_days(start, clocks.STATUTORY_DAYS, SHANGHAI, of("CN"))
    assert due_at(solve, start, SHANGHAI, of("CN")) <= law


# ---- working days --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-03-02 10:00", 3, "2026-03-05 10:00"),  # Monday to Thursday
        ("2026-03-05 16:30", 3, "2026-03-10 16:30"),  # over a weekend
        ("2026-03-07 15:00", 3, "2026-03-12 00:00"),  # a Saturday begins with Monday
        # Spring Festival 2026: off from 15 to 23 February, the Saturdays 14 and 28 are worked
        ("2026-02-12 11:00", 3, "2026-02-24 11:00"),  # 13, 14 (worked), 24
        ("2026-02-14 09:00", 1, "2026-02-24 09:00"),  # begun on a Saturday that is worked
        ("2026-02-17 09:00", 3, "2026-02-27 00:00"),  # begun in the break: as of the 24th, 0:00
        ("2026-02-25 09:00", 3, "2026-02-28 09:00"),  # due on a Saturday that is worked
        ("2026-02-27 18:00", 2, "2026-03-02 18:00"),  # 28 (worked), then Monday
        ("2026-09-30 10:00", 10, "2026-10-20 10:00"),  # National Day: off 1-7, the 10th is worked
    ],
)
def test_working_days_of_china(start: str, days: int, due: str) -> None:
    assert shown(after_working_days(wall(SHANGHAI, start), days, SHANGHAI, of("CN")), SHANGHAI) == due


@pytest.mark.parametrize(
    ("zone", "start", "due", "hours"),
    [
        # clocks go forward on Sunday 8 March 2026 in New York, back on 1 November: the wall counts, not the hours
        ("America/New_York", "2026-03-06 10:00", "2026-03-11 10:00", 119),
        ("America/New_York", "2026-10-30 10:00", "2026-11-04 10:00", 121),
        # Lord Howe moves by half an hour, on 5 April back and on 4 October forward
        ("Australia/Lord_Howe", "2026-04-02 10:00", "2026-04-07 10:00", 120.5),
        ("Australia/Lord_Howe", "2026-10-02 10:00", "2026-10-07 10:00", 119.5),
    ],
)
def test_working_days_over_a_change_of_clocks(zone: str, start: str, due: str, hours: float) -> None:
    begun = wall(zone, start)
    at = after_working_days(begun, 3, zone, monday_to_friday)
    assert shown(at, zone) == due
    assert (at - begun) / timedelta(hours=1) == hours


def test_a_time_that_clocks_skip_and_one_that_comes_twice() -> None:
    new_york = ZoneInfo("America/New_York")
    every_day: clocks.IsWorkday = lambda day: True  # noqa: E731
    skipped = after_working_days(wall("America/New_York", "2026-03-07 02:30"), 1, "America/New_York", every_day)
    assert shown(skipped, "America/New_York") == "2026-03-08 03:30"
    begun = datetime(2026, 11, 1, 1, 30, tzinfo=new_york, fold=1)
    at_once = after_working_days(begun, 0, "America/New_York", every_day)
    assert at_once == begun.astimezone(UTC), "never before it began"
    twice = after_working_days(wall("America/New_York", "2026-10-31 01:30"), 1, "America/New_York", every_day)
    assert twice == datetime(2026, 11, 1, 1, 30, tzinfo=new_york, fold=0).astimezone(UTC)


@settings(deadline=None)
@given(MOMENTS, st.integers(0, 12), st.sampled_from(ZONES), st.sampled_from(["CN", "US", "AU", ""]))
def test_exactly_so_many_working_days_lie_between(start: datetime, days: int, zone: str, country: str) -> None:
    works = of(country)
    local = start.astimezone(ZoneInfo(zone))
    due = after_working_days(start, days, zone, works).astimezone(ZoneInfo(zone))
    first = local.date()
    while not works(first):
        first += timedelta(days=1)
    span = [first + timedelta(days=ahead) for ahead in range(1, (due.date() - first).days + 1)]
    assert works(due.date())
    assert sum(works(day) for day in span) == days
    if first == local.date():
        assert abs(timedelta(hours=due.hour - local.hour, minutes=due.minute - local.minute)) <= timedelta(hours=1)
    else:
        assert due.time() == time.min


@settings(deadline=None)
@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)), st.integers(0, 10))
def test_who_asks_later_is_not_answered_sooner(start: datetime, later: timedelta, days: int) -> None:
    """In a zone without changes of clocks; the wall clock itself goes back where there are some."""
    one, other = (after_working_days(begun, days, SHANGHAI, of("CN")) for begun in (start, start + later))
    assert one <= other


@settings(deadline=None)
@given(MOMENTS, st.integers(0, 10))
def test_one_day_off_more_never_makes_it_shorter(start: datetime, days: int) -> None:
    closed = start.astimezone(ZoneInfo(SHANGHAI)).date() + timedelta(days=2)
    usual = after_working_days(start, days, SHANGHAI, of("CN"))
    assert after_working_days(start, days, SHANGHAI, lambda day: day != closed and of("CN")(day)) >= usual


def test_a_calendar_without_a_working_day_ends_the_search() -> None:
    start = wall(SHANGHAI, "2026-03-02 10:00")
    assert after_working_days(start, 3, SHANGHAI, lambda day: False) == start + timedelta(days=3)
