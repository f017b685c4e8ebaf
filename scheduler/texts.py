"""The words of our SMS: `texts/<language>.yaml`, every known language, checked before anything starts."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from core.settings import Settings, SettingsError
from core.values import EVERY_LANGUAGE, KNOWN_LANGUAGES

FOLDER: Final = Path(__file__).resolve().parent.parent / "texts"
ALWAYS: Final = ("alias", "hotline", "emergency")
VISIT: Final = (*ALWAYS, "day", "time", "place", "way")
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "recovery": ALWAYS,
    "night_notice": ALWAYS,
    "missed": ALWAYS,
    "reminder_visit": VISIT,
    "reminder_visit_fasting": VISIT,
    "reminder_child": VISIT,
    "medicine": (*ALWAYS, "day"),
    "stop_done": ALWAYS,
    "start_done": ALWAYS,
    "sms_passed_on": ALWAYS,
    "doctor_alert": (*ALWAYS, "about"),
    "night_alert": (*ALWAYS, "about", "minutes"),
    "alert_reply": ALWAYS,
    # to staff
    "roster_alarm": (*ALWAYS, "gaps", "people", "day", "time"),
    "roster_unreachable": (*ALWAYS, "people"),
    "ticket_alert": (*ALWAYS, "about", "more"),
    "ticket_medical": (*ALWAYS, "about", "more"),
}
"""Every text somebody sends, and all it may say of anybody: it is read by whoever holds the telephone."""
LONGEST_VALUE: Final[Mapping[str, int]] = {
    **{"alias": 60, "hotline": 16, "emergency": 8},
    **{"about": 100, "minutes": 6},
    **{"day": 24, "time": 5, "place": 80, "way": 200},
    **{"gaps": 4, "people": 4, "more": 4},
}
"""Characters. Imports and settings hold to it, so that a text that fits here fits for everybody."""
LONGEST_SIGNATURE: Final = 64
LONGEST: Final = 1000
"""With the longest values and the signature; the carrier takes 1600 (docs/twilio.md 1.7, 21617)."""

_RECOVERY_OF_A_PROCEDURE = re.compile(r"recovery_[a-z0-9_]+")
_WEEKDAYS = "一二三四五六日"


@cache
def load(folder: Path = FOLDER) -> Mapping[str, Mapping[str, str]]:
    """{language: {key: text}}. Raises SettingsError with a sentence per problem."""
    texts = {language: _read(folder / f"{language}.yaml") for language in KNOWN_LANGUAGES}
    problems = [f"{language}.yaml: {what}" for language, read in texts.items() for what in _problems(read)]
    if problems:
        raise SettingsError([f"{folder.name}/{problem}." for problem in problems])
    return texts


def check(settings: Settings, folder: Path = FOLDER) -> None:
    """What hospital.toml puts into the texts must be there and fit. Raises SettingsError with a sentence each."""
    problems = []
    for name in settings.followup.procedure:
        key = settings.followup.recovery_for(name)
        problems += [
            f'[followup.procedure."{name}"] recovery is {key!r}: no such text is in {folder.name}/{language}.yaml.'
            for language, texts in load(folder).items()
            if key not in texts
        ]
        if key != "recovery" and not _RECOVERY_OF_A_PROCEDURE.fullmatch(key):
            problems.append(f'[followup.procedure."{name}"] recovery is {key!r}: its name must begin with recovery_.')
    for language in KNOWN_LANGUAGES:
        for where, words, most in (
            ("[hospital] alias", settings.hospital.spoken_alias(language), LONGEST_VALUE["alias"]),
            ("[sms] signature", _signature(settings, language) or "", LONGEST_SIGNATURE),
            ("[reminders] way", _way(settings, language), LONGEST_VALUE["way"]),
        ):
            if len(words) > most:
                problems.append(f"{where} for {language} has {len(words)} characters: an SMS has room for {most}.")
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))


def text(key: str, language: str, values: Mapping[str, str]) -> str:
    """The text `key` as it is sent, on one line. `values`: `alias` and what KEYS says; `signature` if there is one of
    the hospital's own."""
    words = " ".join(load()[language][key].format_map(dict(values)).split())
    return _signed(language, values) + words


def written(settings: Settings, key: str, language: str, **values: str) -> str:
    """The same with everything that hospital.toml knows filled in."""
    hospital = settings.hospital
    known = {
        "alias": hospital.spoken_alias(language),
        "hotline": settings.twilio_from or "",
        "emergency": hospital.emergency,
        "way": _way(settings, language),
        "signature": _signature(settings, language) or "",
    }
    return text(key, language, known | values)


def day_words(day: date, language: str) -> str:
    """A day as people write it: 3月8日周六, Saturday 8 March."""
    if language == "zh-CN":
        return f"{day.month}月{day.day}日周{_WEEKDAYS[day.weekday()]}"
    return f"{_ENGLISH_DAYS[day.weekday()]} {day.day} {_ENGLISH_MONTHS[day.month - 1]}"


_ENGLISH_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _signed(language: str, values: Mapping[str, str]) -> str:
    """How a message begins. Chinese carriers demand a signature in these brackets."""
    alias = values["alias"]
    if language == "zh-CN":
        return values.get("signature") or f"【{alias}】"
    own = values.get("signature")
    return f"{own.rstrip()} " if own else f"{alias[:1].upper()}{alias[1:]}: "


def _signature(settings: Settings, language: str) -> str | None:
    own = settings.sms.signature
    return own.get(language) or own.get(EVERY_LANGUAGE)


def _way(settings: Settings, language: str) -> str:
    own = settings.reminders.way
    return own.get(language) or own.get(EVERY_LANGUAGE) or ""


def _read(path: Path) -> dict[str, str]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: the texts of our SMS cannot be read: {error.strerror}."]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: this is not readable YAML: {' '.join(str(error).split())}."]) from error
    if not isinstance(raw, dict) or not all(isinstance(item, str) for pair in raw.items() for item in pair):
        raise SettingsError([f"{path}: every line must be a name and a text."])
    return raw


def _problems(texts: Mapping[str, str]) -> list[str]:
    problems = [f"there is no text '{key}'" for key in KEYS if key not in texts]
    for key, words in texts.items():
        variables = KEYS["recovery"] if _RECOVERY_OF_A_PROCEDURE.fullmatch(key) else KEYS.get(key)
        if variables is None:
            problems.append(f"nobody sends a text '{key}'")
        elif not words.strip():
            problems.append(f"'{key}' says nothing")
        elif wrong := _unknown_variables(words, variables):
            problems.append(f"'{key}' uses {wrong}, which is not one of {', '.join(sorted(variables))}")
        elif (length := _longest(words, variables)) > LONGEST:
            problems.append(f"'{key}' can be {length} characters long, and {LONGEST} are the most")
    return problems


def _unknown_variables(words: str, variables: tuple[str, ...]) -> str:
    try:
        parsed = list(string.Formatter().parse(words))
    except ValueError:
        return "a single brace"
    named = [(name, spec or how) for _, name, spec, how in parsed if name is not None]
    return ", ".join("{" + name + "}" for name, more in named if more or name not in variables)


def _longest(words: str, variables: tuple[str, ...]) -> int:
    filled = words.format_map({name: "x" * LONGEST_VALUE[name] for name in variables})
    return LONGEST_SIGNATURE + len(" ".join(filled.split()))
