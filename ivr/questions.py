"""What patients are asked besides pain: `flows/questions.yaml`, read whole and checked at start.

A question is data: what is said, what each key means, and how alarming that is (docs/clinical.md section 2,
"Escalation besides pain"). The file explains its own format; `engine.py` goes through the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BeforeValidator, Field, model_validator

from ivr.nodes import Key, Name, Shape

FILE = "questions.yaml"
DEFAULT = "default"
"""The list of a wave that has none of its own."""
SCORED = ("pain", "pain_moving")
"""Answered by a pain score from 0 to 10, keyed and read back in nodes of the flow."""
GLOBAL = frozenset("0789")
"""Keys that mean the same at every question: a person, stop, the other language, again."""

Level = Literal["", "A", "B", "C"]


class Meaning(Shape):
    """What one key says."""

    value: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    level: Level = ""
    work: Name | None = None
    """Somebody on the ward is asked for: a kind of scheduler.worklist."""


def _meaning(raw: Any) -> Any:
    """`open B` is the value "open" at level B; YAML's own yes and no are meant as words."""
    if isinstance(raw, bool):
        return {"value": "yes" if raw else "no"}
    if isinstance(raw, int):
        return {"value": str(raw)}
    if not isinstance(raw, str):
        return raw
    value, _, level = raw.partition(" ")
    return {"value": value, "level": level}


class Question(Shape):
    """One closed question, or one that is a pain score (`scored`)."""

    speak: Name | None = None
    """The prompt; a scored question is spoken by its node of the flow."""
    keys: dict[Key, Annotated[Meaning, BeforeValidator(_meaning)]] = Field(default_factory=dict)
    scored: bool = False
    consent: Name | None = None
    """The patient's yes or no is a line in the consent ledger, for this purpose."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.scored:
            if self.speak or self.keys:
                raise ValueError("a scored question has neither words nor keys of its own")
        elif self.speak is None or not self.keys:
            raise ValueError("needs a prompt under 'speak' and at least one of 'keys'")
        for key in sorted(GLOBAL & self.keys.keys()):
            raise ValueError(f"key {key} means the same at every question and cannot be an answer")
        return self


class Questionnaire(Shape):
    """The file: every question, and which of them each wave asks, in order."""

    questions: dict[Name, Question] = Field(default_factory=dict)
    waves: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    version: str = ""

    def of_wave(self, wave: str) -> tuple[str, ...]:
        return self.waves.get(wave, self.waves.get(DEFAULT, ()))

    def problems(self) -> Iterator[str]:
        """What the lists say wrongly, one sentence each."""
        for key, question in self.questions.items():
            if question.scored != (key in SCORED):
                yield f"{FILE}: {key}: only {' and '.join(SCORED[1:])} is answered by a score"
        if DEFAULT not in self.waves:
            yield f"{FILE}: waves: there is no list '{DEFAULT}' for waves without one of their own"
        for wave, keys in self.waves.items():
            for key in keys:
                if key not in self.questions:
                    yield f"{FILE}: waves {wave}: there is no question '{key}'"
                elif keys.count(key) > 1:
                    yield f"{FILE}: waves {wave}: '{key}' is asked twice"


def parse(raw: Mapping[str, Any]) -> Questionnaire:
    """The questions from their parsed file. Raises ValueError or pydantic's ValidationError."""
    if "version" in raw:
        raise ValueError(f"{FILE}: version: is computed from the content, do not write it")
    canonical = json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    version = hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:12]
    made = Questionnaire.model_validate({**raw, "version": version})
    for problem in made.problems():
        raise ValueError(problem)
    return made


# ---- the hospital's own lists ------------------------------------------------------------------------
class _Asks(Protocol):
    @property
    def questions(self) -> tuple[str, ...] | None: ...


class _AsksPerWave(_Asks, Protocol):
    @property
    def wave(self) -> Mapping[str, _Asks]: ...


class _Followup(Protocol):
    @property
    def wave(self) -> Mapping[str, _Asks]: ...

    @property
    def procedure(self) -> Mapping[str, _AsksPerWave]: ...


class _Settings(Protocol):
    @property
    def followup(self) -> _Followup: ...


def unknown(settings: _Settings, known: Questionnaire | None) -> list[str]:
    """Questions hospital.toml names and nobody can ask, one sentence each; "pain" may be named, it comes first."""
    allowed = {"pain", *(known.questions if known else ())}
    return [
        f"[{table}] questions names {key!r}: there is no such question in flows/{FILE}."
        for table, keys in _lists(settings.followup)
        for key in keys
        if key not in allowed
    ]


def _lists(followup: _Followup) -> Iterator[tuple[str, Sequence[str]]]:
    for wave, policy in followup.wave.items():
        yield f'followup.wave."{wave}"', policy.questions or ()
    for name, procedure in followup.procedure.items():
        yield f'followup.procedure."{name}"', procedure.questions or ()
        for wave, policy in procedure.wave.items():
            yield f'followup.procedure."{name}".wave."{wave}"', policy.questions or ()
