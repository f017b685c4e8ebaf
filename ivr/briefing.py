"""What a patient has answered, as a doctor hears it before he talks with them. Pure.

Warning signs (levels A and B) are told apart, in the words `sign_<question>`, and never left out. Of the other answers
those with words `told_<question>_<value>` in prompts/*.yaml: what a nurse would act on, then what they did not know,
then what is in order, as many as can be said in a few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.lengths import seconds
from ivr.prompts import Voice

LONGEST_S = 11.0
"""Signs and answers together; the name, the age, the allergies and the hours take up to another nine seconds."""
SIGNS = ("A", "B")
IN_ORDER = ("yes", "no")


@dataclass(frozen=True)
class Told:
    """One answer that stands."""

    question: str
    value: str
    level: str


def signs(flags: Sequence[str], answers: Sequence[Told]) -> list[str]:
    """The questions whose answers are warning signs: those the alarm was raised for, then any others."""
    others = sorted((told.level, told.question) for told in answers if told.level in SIGNS)
    return list(dict.fromkeys([*flags, *(question for _, question in others)]))


def ago_words(minutes: int, language: str) -> str:
    """How long ago something was said, as it is spoken: minutes below two hours, else whole hours; at least one
    minute."""
    number, one = (minutes // 60, "hour") if minutes >= 120 else (max(1, minutes), "minute")
    if language.startswith("zh"):
        return f"{number}{'小时' if one == 'hour' else '分钟'}"
    return f"{number} {one}{'' if number == 1 else 's'}"


def sign_words(questions: Sequence[str], voice: Voice) -> str:
    return _listed([voice.prompts.get(f"sign_{key}", key.replace("_", " ")) for key in questions], voice)


def prompt_of(question: str, value: str) -> str:
    """The key of the words for one answer."""
    return f"told_{question}_" + re.sub(r"[^a-z0-9]", "_", value)


def answer_words(answers: Sequence[Told], said: str, voice: Voice) -> str:
    """The other answers, after the signs `said`; empty when there is nothing to tell."""
    left = LONGEST_S - seconds(said, voice.language)
    words: list[str] = []
    for told in sorted(answers, key=_rank):
        word = voice.prompts.get(prompt_of(told.question, told.value))
        if word is None or told.level in SIGNS:
            continue
        left -= seconds(word, voice.language)
        if left < 0:
            break
        words.append(word)
    return _listed(words, voice)


def _rank(told: Told) -> int:
    if told.level:
        return 0
    return 2 if told.value in IN_ORDER else 1


def _listed(words: Sequence[str], voice: Voice) -> str:
    return ("、" if voice.language.startswith("zh") else ", ").join(words)
