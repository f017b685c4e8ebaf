"""By when a nurse has to have done it: calling hours only, whatever the hour it came in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import calendar
from core.values import KNOWN_LANGUAGES
from scheduler import reminders
from scheduler.work_kinds import KINDS, due_at
from tests.house import ROOT

ZONE = "Asia/Shanghai"
ORDINARY = ((time(8, 30), time(12)), (time(14), time(20, 30)))
SHORT_DAY = ((time(9, 30), time(12)), (time(14, 30), time(18)))
HOLIDAY = date(2031, 3, 8)
CLOSED = date(2031, 3, 9)


def hours(day: date) -> tuple[tuple[time, time], ...]:
    return {HOLIDAY: SHORT_DAY, CLOSED: ()}.get(day, ORDINARY)


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2031-03-{text}").replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


@pytest.mark.parametrize(
    ("kind", "now", "due"),
    [
        # until the end of the calling day
        ("red_flag", "07T10:00", "07T20:30"),
        ("red_flag", "07T03:00", "07T20:30"),
        ("red_flag", "07T18:30", "07T20:30"),
        # but at least two calling hours: half an hour today, the rest tomorrow, a holiday that opens at 9:30
        ("red_flag", "07T20:00", "08T11:00"),
        ("red_flag", "07T23:00", "08T18:00"),
        # a day without calling hours does not count
        ("red_flag", "08T17:30", "10T10:00"),
        # the end of the next calling day
        ("cancel_visit", "07T10:00", "08T18:00"),
        ("cancel_visit", "08T10:00", "10T20:30"),
        # hours of work, over the midday rest and over night
        ("nurse_score", "07T10:00", "07T11:00"),
        ("nurse_score", "07T11:30", "07T14:30"),
        ("call_wanted", "07T19:30", "08T10:30"),
        ("nurse_score", "07T22:00", "08T10:30"),
    ],
)
def test_due(kind: str, now: str, due: str) -> None:
    assert due_at(kind, local(now), ZONE, hours) == local(due)


def test_a_hospital_that_never_calls_still_has_due_times() -> None:
    now = local("07T10:00")
    assert due_at("nurse_score", now, ZONE, calendar.always()) == now + timedelta(hours=1)
    assert due_at("red_flag", now, ZONE, calendar.always()) == now + timedelta(days=1)


@given(
    st.integers(0, 6 * 365 * 86400).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Pacific/Apia", "Europe/Berlin"]),
)
def test_never_before_an_hour_of_calling_has_passed_and_never_outside_it(now: datetime, kind: str, zone: str) -> None:
    due = due_at(kind, now, zone, calendar.always(*ORDINARY))
    assert timedelta(minutes=59) < due - now < timedelta(days=3)
    just_before = due - timedelta(seconds=1)
    assert calendar.in_window(just_before, zone, calendar.always(*ORDINARY))


def test_every_kind_has_its_sentence_in_both_languages() -> None:
    for name, kind in KINDS.items():
        assert set(kind.words) == set(KNOWN_LANGUAGES), name
        assert all(kind.words.values()), name


IN_CODE = re.compile(r"""WorkWanted\(\s*["'](\w+)["']|_want\w*\(\s*session, \w+, ["'](\w+)["']""")
IN_FLOWS = re.compile(r"^[^#]*(?:\bwork: (\w+)\b[^.]|work_wanted, data: \{kind: (\w+))", re.MULTILINE)


def test_every_kind_somebody_asks_for_is_known() -> None:
    asked = set(reminders.WORK.values())
    for room in ("dialer", "ivr", "scheduler", "commands"):
        for path in (ROOT / room).rglob("*.py"):
            asked |= {word for pair in IN_CODE.findall(path.read_text(encoding="utf-8")) for word in pair if word}
    for path in (ROOT / "flows").glob("*.yaml"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "back_to_work" not in line]
        asked |= {word for pair in IN_FLOWS.findall("\n".join(lines)) for word in pair if word}
    assert {"red_flag", "call_wanted", "sms_failed", "proxy_wrong"} <= asked
    assert asked <= set(KINDS)
