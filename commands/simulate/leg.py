"""What the simulated carrier and its world speak of: a leg of a call, a person on it, what that person does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from carrier.twiml import Dial, Gather, Say
from commands.simulate.memory import LIVE, MemoryCall, MemoryMessage


@dataclass(frozen=True)
class Act:
    """What somebody does at a prompt. `after_s` counts from the end of the prompt; negative is into the prompt."""

    keys: str = ""
    """Empty: nothing is pressed."""
    after_s: float = 2.0
    hangs_up: bool = False
    then: Callable[[], None] | None = None
    """What is true in the world once the service has heard it."""


class Person(Protocol):
    """Somebody, or something, that holds a telephone."""

    talk_s: float
    """How long a talk with another person lasts."""
    sounds_like: str
    """human | machine | silent"""

    def keys(self, heard: Sequence[Say]) -> Act: ...
    def speaks(self, heard: Sequence[Say]) -> float:
        """Seconds spoken after the beep; 0 for silence, negative for hanging up into the recording."""
        ...

    def hears(self, heard: Sequence[Say]) -> None: ...


@dataclass(frozen=True)
class Reaction:
    """What a telephone does when it rings: answer | busy | no-answer | dead."""

    kind: str
    after_s: float = 0.0
    person: Person | None = None


class World(Protocol):
    """Who is at the other end, and who watches."""

    def rings(self, leg: Leg) -> Reaction: ...
    def gets_message(self, message: MemoryMessage) -> bool:
        """Whether an SMS arrives."""
        ...

    def begun(self, leg: Leg) -> None: ...
    def ended(self, leg: Leg) -> None: ...


@dataclass(eq=False)
class Leg(MemoryCall):
    """One telephone's part of a call."""

    direction: str = "outbound-api"
    """outbound-api | outbound-dial | inbound"""
    number: str = ""
    """The telephone outside: the callee's, or the caller's of an inbound call."""
    parent: Leg | None = None
    child: Leg | None = None
    dial: Dial | None = None
    """The Dial this leg waits for."""
    person: Person | None = None
    bridged: bool = False
    sequence: int = 0
    generation: int = 0
    documents: int = 0
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    recordings: list[str] = field(default_factory=list)
    """Where the recordings that were started report."""

    @property
    def lives(self) -> bool:
        return self.status in LIVE


@dataclass(frozen=True)
class Urls:
    """Where the hospital is reached."""

    number: str
    voice: str
    api: str = "https://carrier.invalid/2010-04-01"


def spoken_s(say: Say) -> float:
    """How long a voice takes: about five characters a second in Mandarin, fifteen in English."""
    return len(say.text) / (15.0 if say.language.startswith("en") else 5.0)


def collected(keys: str, verb: Gather) -> tuple[str, str, float]:
    """(digits, finishing key, seconds waited after the last key) of a Gather (docs/twilio.md 2.3)."""
    digits = ""
    for key in keys:
        if verb.finish_on_key and key == verb.finish_on_key:
            return digits, key, 0.0
        digits += key
        if verb.num_digits is not None and len(digits) == verb.num_digits:
            return digits, "", 0.0
    return digits, "", verb.timeout
