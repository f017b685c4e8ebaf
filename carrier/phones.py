"""The phones at the far end: what they do when they ring or get a message, and their scripts."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from carrier.amd import Belief
from carrier.leg import Heard

BEHAVIOURS = ("answer", "busy", "no-answer", "reject", "unreachable", "person", "machine")
KEYS = frozenset("0123456789*#ABCD")
# How a message to a phone may end, and the ErrorCode that goes with it unless another is given (1.7).
SMS_ENDS = {"delivered": None, "sent": None, "undelivered": 30003, "failed": 30008}
FIELDS = frozenset(
    {"name", "behaviour", "behaviours", "script", "scripts", "answer_after", "amd", "sms"}
    | {"greeting", "greeting_language", "greeting_s", "beep"}
)
OWN_OPINION = Belief()
Entry = TypeVar("Entry")


class ScriptError(ValueError):
    """A phone or a script that is not as the control API describes it."""


@dataclass(frozen=True)
class Step:
    """One step of a script: wait for words (or the beep), then press, say or hang up."""

    on: tuple[str, ...] = ()
    at: str = "end"
    after: float = 0.3
    press: str = ""
    say: str = ""
    language: str = "en"
    hangup: bool = False

    @classmethod
    def read(cls, data: Any) -> "Step":
        """One step from the control API's JSON; raises ScriptError."""
        if not isinstance(data, dict) or data.keys() - {
            "on",
            "at",
            "after",
            "press",
            "say",
            "language",
            "hangup",
        }:
            raise ScriptError(f"not a step: {data}")
        on = data.get("on", [])
        if not isinstance(on, str | list):
            raise ScriptError("on is a text or a list of texts")
        step = cls(
            on=(on,) if isinstance(on, str) else tuple(on),
            at=data.get("at", "end"),
            after=float(data.get("after", 0.3)),
            press=str(data.get("press", "")),
            say=data.get("say", ""),
            language=data.get("language", "en"),
            hangup=bool(data.get("hangup", False)),
        )
        if set(step.press) - KEYS or step.at not in ("start", "end"):
            raise ScriptError("press takes 0-9 * # A-D; at is start or end")
        return step

    def matches(self, heard: Heard) -> bool:
        """Whether these are the words waited for; the word `beep` alone means the tone, not a prompt about
        it."""
        if heard.beep:
            return "beep" in self.on
        return any(words != "beep" and words.lower() in heard.text.lower() for words in self.on)


def read_script(data: Any) -> list[Step]:
    """A script from JSON; raises ScriptError."""
    if not isinstance(data, list):
        raise ScriptError("a script is a list of steps")
    return [Step.read(step) for step in data]


@dataclass(frozen=True)
class Greeting:
    """What a machine plays when it answers, for exactly so many seconds, and whether it beeps after it."""

    text: str = "You have reached the voice mailbox of this number. Please leave a message after the tone."
    language: str = "en"
    seconds: float = 6.0
    beeps: bool = True


@dataclass(frozen=True)
class SmsFate:
    """Where a message to a phone ends (`sent`: nothing more is ever heard of it), and why (docs/twilio.md
    1.5)."""

    status: str = "delivered"
    error_code: int | None = None

    @classmethod
    def read(cls, data: Any) -> "SmsFate":
        """A status, or `{"status", "error_code"}`; raises ScriptError."""
        fields = data if isinstance(data, dict) else {"status": data}
        status = fields.get("status")
        if status not in SMS_ENDS or fields.keys() - {"status", "error_code"}:
            raise ScriptError(f"sms is one of {', '.join(SMS_ENDS)}, or has status and error_code")
        code = fields.get("error_code", SMS_ENDS[status])
        return cls(status, None if code is None else int(code))


@dataclass(frozen=True)
class Turn:
    """What a phone does on one call."""

    behaviour: str = "no-answer"
    script: tuple[Step, ...] = ()
    answer_after: float = 0.0
    greeting: Greeting = Greeting()
    belief: Belief = OWN_OPINION


@dataclass
class Phone:
    """A telephone. `behaviours`, `scripts`, `beliefs` and `sms` hold one entry per successive call (or
    message), the last one repeating."""

    number: str
    name: str = ""
    behaviours: list[str] = field(default_factory=lambda: ["no-answer"])
    scripts: list[list[Step]] = field(default_factory=lambda: [[]])
    answer_after: float = 4.0
    greeting: Greeting = Greeting()
    beliefs: list[Belief] = field(default_factory=lambda: [Belief()])
    sms: list[SmsFate] = field(default_factory=lambda: [SmsFate()])
    rung: int = 0
    texted: int = 0
    calls: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, number: str, data: dict[str, Any]) -> "Phone":
        """A phone from the control API's JSON; raises ScriptError."""
        if data.keys() - FIELDS:
            raise ScriptError(f"a phone has no {', '.join(sorted(data.keys() - FIELDS))}")
        behaviours = data.get("behaviours") or [data.get("behaviour", "answer")]
        if set(behaviours) - set(BEHAVIOURS):
            raise ScriptError(f"behaviour is one of {', '.join(BEHAVIOURS)}")
        lost = SmsFate.read("undelivered") if behaviours[0] == "unreachable" else SmsFate()
        return cls(
            number,
            name=str(data.get("name", "")),
            behaviours=list(behaviours),
            scripts=[read_script(script) for script in data.get("scripts") or [data.get("script", [])]],
            answer_after=float(data.get("answer_after", 4.0)),
            greeting=_greeting(data),
            beliefs=[Belief.read(belief) for belief in _listed(data.get("amd"))],
            sms=[SmsFate.read(fate) for fate in _listed(data["sms"])] if "sms" in data else [lost],
        )

    def next_turn(self) -> Turn:
        """What it does on the next call."""
        turn = self.rung
        self.rung += 1
        return Turn(
            _nth(self.behaviours, turn),
            tuple(_nth(self.scripts, turn)),
            self.answer_after,
            self.greeting,
            _nth(self.beliefs, turn),
        )

    def next_sms(self) -> SmsFate:
        """What becomes of the next message to it."""
        turn = self.texted
        self.texted += 1
        return _nth(self.sms, turn)


def _nth(entries: Sequence[Entry], turn: int) -> Entry:
    return entries[min(turn, len(entries) - 1)]


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) and data else [data]


def _greeting(data: dict[str, Any]) -> Greeting:
    known = Greeting()
    length = float(data.get("greeting_s", known.seconds))
    if length < 0:
        raise ScriptError("greeting_s is a number of seconds")
    text, language = data.get("greeting", known.text), data.get("greeting_language", known.language)
    return Greeting(str(text), str(language), length, bool(data.get("beep", True)))


class PhoneBook:
    """The declared phones. One that is not declared rings and does not answer."""

    def __init__(self) -> None:
        self._phones: dict[str, Phone] = {}
        self._lock = threading.Lock()

    def put(self, phone: Phone) -> None:
        """Declare a phone; its calls so far stay with it, its turns start again."""
        with self._lock:
            known = self._phones.get(phone.number)
            phone.calls = known.calls if known else []
            self._phones[phone.number] = phone

    def get(self, number: str) -> Phone | None:
        with self._lock:
            return self._phones.get(number)

    def remove(self, number: str) -> bool:
        with self._lock:
            return self._phones.pop(number, None) is not None

    def all(self) -> list[Phone]:
        with self._lock:
            return list(self._phones.values())

    def take_turn(self, number: str, sid: str) -> Turn:
        """What the phone with this number does on call `sid`."""
        with self._lock:
            phone = self._phones.get(number)
            if phone is None:
                return Turn()
            phone.calls.append(sid)
            return phone.next_turn()

    def take_sms(self, number: str) -> SmsFate:
        """What becomes of a message to this number. One that is not declared takes every message."""
        with self._lock:
            phone = self._phones.get(number)
            return SmsFate() if phone is None else phone.next_sms()

    def note_call(self, number: str, sid: str) -> None:
        """A call this phone makes belongs to its list too."""
        with self._lock:
            phone = self._phones.get(number)
            if phone is not None:
                phone.calls.append(sid)
