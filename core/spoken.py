"""Days and hours as a voice says them, in each language. Pure."""

from __future__ import annotations

from datetime import date, datetime
from datetime import time as clock_time

WEEKDAYS_ZH = "一二三四五六日"
WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS_EN = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def day(value: date, language: str) -> str:
    """`3月8日星期六`, `Saturday, March 8`."""
    if language.startswith("zh"):
        return f"{value.month}月{value.day}日星期{WEEKDAYS_ZH[value.weekday()]}"
    return f"{WEEKDAYS_EN[value.weekday()]}, {MONTHS_EN[value.month - 1]} {value.day}"


def time(value: clock_time, language: str) -> str:
    """`上午9点05分`, `9:05 a.m.`; a full hour without minutes, noon by its name in English."""
    hour, minute = value.hour, value.minute
    if language.startswith("zh"):
        part = "凌晨" if hour < 6 else "上午" if hour < 12 else "中午" if hour < 13 else "下午" if hour < 18 else "晚上"
        return f"{part}{hour if hour <= 12 else hour - 12}点" + (f"{minute:02}分" if minute else "")
    if (hour, minute) == (12, 0):
        return "12 noon"
    clock = f"{hour % 12 or 12}" + (f":{minute:02}" if minute else "")
    return f"{clock} {'a.m.' if hour < 12 else 'p.m.'}"


def moment(value: datetime, language: str) -> str:
    """`3月8日星期六上午9点05分`, `Saturday, March 8, 9:05 a.m.`; `value` as the clock on the wall shows it."""
    between = "" if language.startswith("zh") else ", "
    return day(value.date(), language) + between + time(value.time(), language)
