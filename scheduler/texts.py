"""The words of our SMS: `texts/<language>.yaml`, every known language, checked before anything starts."""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from core.settings import SettingsError
from core.values import KNOWN_LANGUAGES

FOLDER: Final = Path(__file__).resolve().parent.parent / "texts"
KEYS: Final = ("recovery",)
VARIABLES: Final = frozenset({"alias", "hotline"})
"""All a text may say of anybody: it is read by whoever holds the telephone."""
LONGEST: Final = 1000
"""The carrier takes 1600 characters with the variables filled in (docs/twilio.md 1.7, 21617)."""


@cache
def load(folder: Path = FOLDER) -> Mapping[str, Mapping[str, str]]:
    """{language: {key: text}}. Raises SettingsError with a sentence per problem."""
    texts = {language: _read(folder / f"{language}.yaml") for language in KNOWN_LANGUAGES}
    problems = [f"{language}.yaml: {what}" for language, read in texts.items() for what in _problems(read)]
    if problems:
        raise SettingsError([f"{folder.name}/{problem}." for problem in problems])
    return texts


def text(key: str, language: str, values: Mapping[str, str]) -> str:
    """The text `key` as it is sent."""
    return " ".join(load()[language][key].format_map(dict(values)).split())


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
        if key not in KEYS:
            problems.append(f"nobody sends a text '{key}'")
        elif not words.strip():
            problems.append(f"'{key}' says nothing")
        elif len(words) > LONGEST:
            problems.append(f"'{key}' is longer than {LONGEST} characters")
        elif wrong := _unknown_variables(words):
            problems.append(f"'{key}' uses {wrong}, which is not one of {', '.join(sorted(VARIABLES))}")
    return problems


def _unknown_variables(words: str) -> str:
    try:
        parsed = list(string.Formatter().parse(words))
    except ValueError:
        return "a single brace"
    named = [(name, spec or how) for _, name, spec, how in parsed if name is not None]
    return ", ".join("{" + name + "}" for name, more in named if more or name not in VARIABLES)
