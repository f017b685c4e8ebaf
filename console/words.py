"""What the pages say, in both languages: `words.yaml` beside this file, read once.

A catalogue of our own and not Flask-Babel: Babel wants its files extracted and compiled before a checkout runs, for
two languages whose words the rest of the house keeps side by side anyway (prompts/, texts/, desk.kinds).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from core.values import KNOWN_LANGUAGES
from desk import words as desk_words
from recordings import sound_words
from recordings.quality import qa_words
from scheduler import work_words

FILE = Path(__file__).with_name("words.yaml")


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """{key: {language: words}}; ValueError when a key is not said in every language."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for key, words in loaded.items():
        if set(words) != set(KNOWN_LANGUAGES) or not all(isinstance(text, str) and text for text in words.values()):
            raise ValueError(f"{FILE.name}: {key} must be said in {' and '.join(KNOWN_LANGUAGES)}.")
    return loaded


def say(language: str, key: str, **values: object) -> str:
    """KeyError for a key that is not in the catalogue."""
    return catalogue()[key][language].format(**values)


OF_THE_DESK: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "status": desk_words.STATUS,
    "colour": desk_words.COLOUR,
    "clock": desk_words.CLOCK,
}
"""Kinds of codes whose words the desk has, as its lists and commands use them too."""

OF_THE_ROOM: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "review_state": qa_words.STATES,
    "coaching_state": qa_words.STATES,
}
"""The same of the listening room, {code: {language: words}}."""


def label(language: str, kind: str, word: str) -> str:
    """A code of the tables (a state, a channel) in words; a code we have no words for is shown as it is, so that
    tomorrow's codes do not break today's page."""
    if not word:
        return ""
    if kind in OF_THE_DESK:
        return OF_THE_DESK[kind][language].get(word, word)
    if kind in OF_THE_ROOM:
        return OF_THE_ROOM[kind].get(word, {}).get(language, word)
    entry = catalogue().get(f"{kind}.{word}")
    return entry[language] if entry else word


def reason(language: str, kind: str, stored: str) -> str:
    """Why a row is as it is: `kind` = work (an item of the worklist) | sound (a recording that cannot be heard)."""
    if kind == "sound":
        return sound_words.why(stored, language)
    return work_words.why(stored, language, lambda key: label(language, "question", key))


def span(language: str, seconds: float) -> str:
    """How long, as a board tells it: "40 s", "4 min", "1 h 20 min", "3 d 4 h"."""
    minutes = max(0, int(seconds // 60))
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days >= 2:
        return say(language, "span.days", days=days, hours=hours_left)
    if hours and not minutes_left:
        return say(language, "span.full_hours", hours=hours)
    if hours:
        return say(language, "span.hours", hours=hours, minutes=minutes_left)
    if minutes >= 2:
        return say(language, "span.minutes", minutes=minutes)
    return say(language, "span.seconds", seconds=max(0, int(seconds)))


def typed_day(text: str) -> date:
    """A day somebody typed into an address or a form; ValueError for none, and for one no calendar of ours can go on
    from."""
    found = date.fromisoformat(text)
    if not 1970 <= found.year <= 9000:
        raise ValueError(text)
    return found


def moment(language: str, at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A time on the hospital's wall; the day only when it is not today, the year only when it is not this one."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{day(language, at, zone, now)} {local:%H:%M}"


def day(language: str, on: date | datetime, zone: ZoneInfo, now: datetime) -> str:
    """A day on the hospital's wall; the year only when it is not this one."""
    local = on.astimezone(zone).date() if isinstance(on, datetime) else on
    whole = local.year != now.astimezone(zone).year
    if language == "zh-CN":
        return (f"{local.year}年" if whole else "") + f"{local.month}月{local.day}日"
    return f"{local:%Y-%m-%d}" if whole else f"{local:%m-%d}"


def best(offered: Sequence[str], wanted: Sequence[str]) -> str:
    """The first language the hospital offers among those a browser asks for; "zh" and "zh-TW" are read as zh-CN."""
    for tag in wanted:
        for language in offered:
            if tag.lower().split("-")[0] == language.lower().split("-")[0]:
                return language
    return offered[0]


def short_id(one: uuid.UUID) -> str:
    """What people say to one another of a row: the end of its id."""
    return str(one)[-8:]
