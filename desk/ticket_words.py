"""How a ticket is spoken of on the telephone and in an SMS: by its number, its department and its time. Never by what
it is about: whoever holds the telephone hears or reads it."""

from __future__ import annotations

import math
from datetime import timedelta

from core.settings import Settings
from desk.models import Ticket

COLOURS = {
    "zh-CN": {"red": "红色", "yellow": "黄色", "blue": "蓝色"},
    "en": {"red": "red", "yellow": "yellow", "blue": "blue"},
}
CLOCKS = {
    "zh-CN": {
        "assign": "分派时限",
        "respond": "响应时限",
        "propose": "方案时限",
        "solve": "解决时限",
        "calm": "安抚电话时限",
    },
    "en": {
        "assign": "time to assign",
        "respond": "time to respond",
        "propose": "time to propose",
        "solve": "time to solve",
        "calm": "time for the calming call",
    },
}
LONGEST_DEPARTMENT = 40
MINUTES_UP_TO, HOURS_UP_TO = 120, 48
"""A span up to so many minutes is told in minutes, up to so many hours in hours, a longer one in days."""


def about(settings: Settings, ticket: Ticket, why: str, language: str) -> str:
    """For an SMS to staff: "red ticket 00012345, surgery, time to solve"."""
    colour = COLOURS[language][ticket.colour]
    name = settings.hotline.spoken_department(ticket.department, language)[:LONGEST_DEPARTMENT]
    # a later round's clock is the same clock; a medical complaint is not told of because of a clock
    clock = CLOCKS[language].get(why.partition(" ")[0], "")
    if language == "en":
        return ", ".join(part for part in (f"{colour} ticket {ticket.number}", name, clock) if part)
    return "，".join(part for part in (f"{colour}工单{ticket.number}", name, clock) if part)


def span(name: str, length: timedelta) -> dict[str, str | int | bool | tuple[str, ...]]:
    """A fact `NAME_minutes`, `NAME_hours` or `NAME_days`: one of them, rounded up; none for a span that is over."""
    minutes = math.ceil(length / timedelta(minutes=1))
    if minutes <= 0:
        return {}
    if minutes <= MINUTES_UP_TO:
        return {f"{name}_minutes": minutes}
    hours = math.ceil(length / timedelta(hours=1))
    return {f"{name}_hours": hours} if hours <= HOURS_UP_TO else {f"{name}_days": math.ceil(length / timedelta(days=1))}
