"""Every zone of the world over every change of clocks from 2024 to 2030: a follow-up has one first ring, at the first
moment its patient's clock allows, never outside calling hours and never earlier than it is due.

The short form runs a handful of zones that are known to be awkward; `make zones` runs them all.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import calendar
from core.hospital import Calling, Followup
from scheduler.machine import deadline
from tests.scheduler.clinic import Ward

AWKWARD = (
    "Asia/Shanghai",  # no changes at all
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Asia/Beirut",  # at midnight
    "Africa/Casablanca",  # back and forth for Ramadan
    "Asia/Gaza",
    "Pacific/Chatham",  # 45 minutes
    "America/Nuuk",  # changed its base in 2023
    "Antarctica/Troll",  # two hours
    "Africa/Cairo",
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
)
ALL = sorted(
    name for name in zoneinfo.available_timezones() if not name.startswith(("posix/", "right/", "SystemV/", "Etc/"))
)
FROM, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
HOURS = calendar.always(*Calling().window)
NIGHT_HOURS = calendar.always((time(0, 0), time(3, 30)), (time(22, 0), time(23, 59)))
"""Spans that the changes themselves fall into: harder than any hospital's."""
MINUTE = timedelta(minutes=1)


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The moments, to the minute, at which clocks in `zone` change."""
    step, moment = timedelta(hours=12), FROM
    while moment < UNTIL:
        if moment.astimezone(zone).utcoffset() != (moment + step).astimezone(zone).utcoffset():
            low, high = moment, moment + step
            while high - low > MINUTE:
                middle = low + ((high - low) // MINUTE // 2 or 1) * MINUTE
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        moment += step


def check(name: str, due: datetime, after: timedelta, hours: calendar.Hours) -> None:
    first = calendar.next_open(due, name, hours)
    assert first >= due
    assert calendar.in_window(first, name, hours), f"{name}: {first} is outside calling hours"
    assert calendar.next_open(first, name, hours) == first, "asked again at its time, the same time"
    assert first < deadline(due, after), f"{name}: no hour before the deadline of a wave due at {due}"
    earlier = first - MINUTE
    if earlier >= due:
        assert not calendar.in_window(earlier, name, hours), f"{name}: {earlier} was open already"
    middle = due + (first - due) / 2
    assert calendar.next_open(middle, name, hours) == first, "nothing opens in between"


def check_zone(name: str) -> int:
    """Operations that end so that a wave falls around each change; returns how many waves were looked at."""
    waves, looked = Followup().waves, 0
    for change in [*changes(ZoneInfo(name)), datetime(2027, 6, 1, 12, tzinfo=UTC)]:
        for minutes in (-600, -181, -61, -31, -1, 0, 1, 29, 59, 61, 300, 720):
            due = change + minutes * MINUTE
            # the due moment of a wave is the operation's end plus elapsed hours, whatever clocks do in between
            for wave in (waves[0], waves[1]):
                assert (due - wave.after) + wave.after == due
                check(name, due, wave.after, HOURS)
                looked += 1
            check(name, due, waves[0].after, NIGHT_HOURS)
    return looked


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_zone(name: str) -> None:
    assert check_zone(name) >= 24


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_zone(name: str) -> None:
    check_zone(name)


def test_there_are_more_than_four_hundred_of_them() -> None:
    assert len(ALL) > 400


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("Europe/Berlin", date(2029, 3, 25)),
        ("America/New_York", date(2029, 11, 4)),
        ("America/Santiago", date(2029, 9, 2)),
    ],
)
def test_over_a_change_of_clocks_each_wave_is_rung_once(ward: Ward, name: str, day: date) -> None:
    """The real rows, gate and clock: two patients whose waves fall before and after the change."""
    change = calendar.at_wall(day, time(0), name)
    ward.now = change - timedelta(hours=12)
    due = [change - timedelta(hours=3), change + timedelta(hours=5)]
    for number, moment in enumerate(due):
        patient = ward.patient(f"+86138000002{number:02}", mrn=f"Z-{number}", zone=name)
        ward.operation(patient, ward.now - (moment - timedelta(hours=6)))
    rung: list[tuple[object, datetime]] = []
    for _ in range(4 * 30):
        ward.tick()
        for attempt in ward.live():
            rung.append((attempt.patient_id, ward.now))
            ward.ends(attempt, "answered", "completed")
        ward.forward(minutes=15)
    assert len(rung) == len({patient for patient, _ in rung}) == 2
    for _, moment in rung:
        assert calendar.in_window(moment, name, HOURS)
