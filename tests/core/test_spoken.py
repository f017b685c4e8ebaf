"""Days and hours as a voice says them."""

from __future__ import annotations

from datetime import date, time

import pytest

from core import spoken


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [
        (date(2031, 3, 8), "3月8日星期六", "Saturday, March 8"),
        (date(2030, 12, 31), "12月31日星期二", "Tuesday, December 31"),
        (date(2032, 2, 29), "2月29日星期日", "Sunday, February 29"),
    ],
)
def test_days(day: date, zh: str, en: str) -> None:
    assert (spoken.day(day, "zh-CN"), spoken.day(day, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("at", "zh", "en"),
    [
        (time(0, 0), "凌晨0点", "12 a.m."),
        (time(5, 30), "凌晨5点30分", "5:30 a.m."),
        (time(9, 5), "上午9点05分", "9:05 a.m."),
        (time(12, 0), "中午12点", "12 noon"),
        (time(12, 15), "中午12点15分", "12:15 p.m."),
        (time(15, 0), "下午3点", "3 p.m."),
        (time(18, 45), "晚上6点45分", "6:45 p.m."),
    ],
)
def test_hours(at: time, zh: str, en: str) -> None:
    assert (spoken.time(at, "zh-CN"), spoken.time(at, "en")) == (zh, en)
