"""Days of 23 and 25 hours, also where midnight itself is skipped or comes twice: every call is of one day and one
month, none of two, and its shift is what the clock on the wall said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from recordings.quality import qa_figures
from recordings.sampling import draw_pool, sample
from recordings.sampling.sample import DayNotOver
from tests.recordings.listeners import Office

HOUR = timedelta(hours=1)
CHANGES = [
    ("Europe/Berlin", date(2031, 3, 30), 23),
    ("Europe/Berlin", date(2031, 10, 26), 25),
    ("Asia/Shanghai", date(1991, 4, 14), 23),
    ("Asia/Shanghai", date(1991, 9, 15), 25),
    ("America/Sao_Paulo", date(2018, 11, 4), 23),  # from 23:59 to 01:00
    ("America/Sao_Paulo", date(2018, 2, 17), 25),  # its last hour comes twice
    ("America/Havana", date(2022, 11, 6), 25),  # midnight comes twice
]


@pytest.fixture
def moved(office: Office) -> Iterator[Office]:
    """What a test sets in [hospital] ends with it: tests share the settings."""
    hospital = vars(office.house.settings.file.hospital)
    before = dict(hospital)
    yield office
    hospital.update(before)


def at(office: Office, zone: str) -> ZoneInfo:
    vars(office.house.settings.file.hospital)["timezone"] = ZoneInfo(zone)
    return office.house.settings.hospital.timezone


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_every_call_is_of_exactly_one_day(moved: Office, zone: str, day: date, hours: int) -> None:
    its = at(moved, zone)
    start, end = (moment.astimezone(UTC) for moment in draw_pool.day_of(moved.house.settings, day))
    assert end - start == hours * HOUR
    about = [day - timedelta(days=1), day, day + timedelta(days=1)]
    moments = [start - HOUR / 60, *(start + n * HOUR for n in range(hours)), end - HOUR / 3600, end]
    made = {str(moved.record("amy", at=moment)): moment for moment in moments}
    seen: dict[str, date] = {}
    with moved.transaction() as session:
        for one in about:
            for candidate in sample.candidates(session, one):
                assert candidate.id not in seen, "drawn on two days"
                seen[candidate.id] = one
                wall = made[candidate.id].astimezone(its)
                night = wall.hour >= 21 or wall.hour < 8
                assert candidate.stratum[2] == ("night" if night else "day"), wall
    assert {one: moment.astimezone(its).date() for one, moment in made.items()} == seen
    assert sum(one == day for one in seen.values()) == hours + 1
    with moved.transaction() as session, pytest.raises(DayNotOver):
        sample.draw_day(session, day, 1, end - timedelta(microseconds=1))
    with moved.transaction() as session:
        assert len(sample.draw_day(session, day, 1, end).candidates) == hours + 1


@pytest.mark.parametrize(("zone", "day", "hours"), CHANGES)
def test_a_month_is_its_days_and_the_next_begins_where_it_ends(
    moved: Office, zone: str, day: date, hours: int
) -> None:
    at(moved, zone)
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    with moved.transaction() as session:
        since, until = (moment.astimezone(UTC) for moment in qa_figures._span(session, day))
        assert until == qa_figures._span(session, following)[0].astimezone(UTC)
    assert until - since == (following - first).days * 24 * HOUR + (hours - 24) * HOUR


def test_the_last_call_of_october_counts_in_october(moved: Office) -> None:
    """An hour is 25th of its day in October, and summer time's midnight would put it into November."""
    its = at(moved, "Europe/Berlin")
    moved.house.clock.at = datetime(2031, 10, 31, 23, 59, tzinfo=its).astimezone(UTC)  # type: ignore[attr-defined]
    last = moved.record("amy")
    moved.opened(day=date(2031, 10, 31))
    moved.judge(moved.review_of(last))
    moved.forward(days=4)
    moved.tick()
    with moved.transaction() as session:
        assert [line.points.n for line in qa_figures.month(session, date(2031, 10, 1))] == [1]
        assert qa_figures.month(session, date(2031, 11, 1)) == []
