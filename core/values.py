"""How single values of hospital.toml are read: numbers, waves, spans of the day, zones, words per language.

A reader takes what TOML gave and returns the parsed value; ValueError says in words what is wrong. What is
not even of the right kind is passed on for pydantic to refuse.
"""

import itertools
import re
from collections.abc import Mapping
from datetime import time, timedelta
from typing import Annotated, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from pydantic import BeforeValidator, Field, StrictInt, StrictStr

KNOWN_LANGUAGES: Final = ("zh-CN", "en")
Window = tuple[time, time]
"""From and until on the hospital's or the patient's clock, until not included."""

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_WAVE = re.compile(r"([1-9]\d{0,2})([hd])")
EVERY_LANGUAGE = "*"


class Wave(NamedTuple):
    """One follow-up call of a plan: its name as written ("48h") and how long after the operation's end."""

    name: str
    after: timedelta


def e164(text: str, region: str | None = None) -> str:
    """A telephone number as `+` and digits; ValueError in plain words if it cannot be one.

    Only the length is judged, not whether the range is in use, so reserved and brand-new ranges are taken.
    `region` ("CN") allows national numbers; without it the number must begin with `+` and the country code.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise ValueError(f"{text!r} is not a telephone number such as +861055550100") from None
    # "Possible" alone would take a number without its area code, which nobody can dial from outside.
    whole = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    if number.extension or not whole:
        raise ValueError(f"{text!r} has the wrong length for a telephone number of its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _number_or_empty(value: object) -> object:
    return e164(value) if isinstance(value, str) and value else value


def numbers(value: object) -> object:
    return tuple(_number_or_empty(item) for item in value) if isinstance(value, list) else value


def as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _window(value: object, *, over_midnight: bool) -> object:
    if not isinstance(value, str):
        return value
    match = _WINDOW.fullmatch(value)
    if match is None:
        raise ValueError(f'{value!r} is not a span of the day such as "08:30-12:00"')
    hours = [int(part) for part in match.groups()]
    start, end = time(hours[0], hours[1]), time(hours[2], hours[3])
    if start == end or (start > end and not over_midnight):
        raise ValueError(f"{value!r} must end after it begins")
    return start, end


def _day_window(value: object) -> object:
    return _window(value, over_midnight=False)


def _night_window(value: object) -> object:
    return _window(value, over_midnight=True)


def _clock_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _CLOCK_TIME.fullmatch(value)
    if match is None:
        raise ValueError(f'{value!r} is not a time of the day such as "17:00"')
    return time(int(match[1]), int(match[2]))


def _wave(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _WAVE.fullmatch(value)
    if match is None:
        raise ValueError(f'{value!r} is not a time after the operation such as "48h" or "7d"')
    count = int(match[1])
    return Wave(value, timedelta(hours=count) if match[2] == "h" else timedelta(days=count))


def _waves(value: object) -> object:
    if not isinstance(value, list):
        return value
    waves = tuple(_wave(item) for item in value)
    delays = [wave.after for wave in waves if isinstance(wave, Wave)]
    if any(first >= second for first, second in itertools.pairwise(delays)):
        raise ValueError("the waves must be in order, each later than the one before")
    return waves


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'{value!r} is not a known time zone such as "Asia/Shanghai"') from None


def every_language(given: object) -> object:
    """A language whose table is absent keeps the defaults."""
    return {language: {} for language in KNOWN_LANGUAGES} | given if isinstance(given, dict) else given


def _words(value: object) -> object:
    return {EVERY_LANGUAGE: value} if isinstance(value, str) else value


Language = Literal["zh-CN", "en"]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
QuestionName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seconds = Annotated[StrictInt, Field(ge=1, le=600)]
Number = Annotated[StrictStr, BeforeValidator(_number_or_empty)]
Waves = Annotated[tuple[Wave, ...], BeforeValidator(_waves), Field(min_length=1)]
Words = Annotated[Mapping[str, Annotated[StrictStr, Field(min_length=1)]], BeforeValidator(_words)]
MaybeWords = Annotated[Mapping[str, StrictStr], BeforeValidator(_words)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
DayWindow = Annotated[Window, BeforeValidator(_day_window)]
NightWindow = Annotated[Window, BeforeValidator(_night_window)]
