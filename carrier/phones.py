"""The phones at the far end: what they do when they ring, their scripts, and people who press keys by
hand."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from carrier.clock import Clock
from carrier.events import EventLog
from carrier.leg import Heard, Leg, Ring
from carrier.sound import Clip, seconds
from carrier.voice import Voice

BEHAVIOURS = ("answer", "busy", "no-answer", "reject", "unreachable", "person")
KEYS = frozenset("0123456789*#ABCD")
BETWEEN_KEYS_S = 0.2
ENDINGS = {"busy": Ring("busy", 486), "reject": Ring("no-answer", 603)}


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


@dataclass
class Phone:
    """A telephone. `behaviours` and `scripts` hold one entry per successive call, the last one repeating."""

    number: str
    name: str = ""
    behaviours: list[str] = field(default_factory=lambda: ["no-answer"])
    scripts: list[list[Step]] = field(default_factory=lambda: [[]])
    answer_after: float = 4.0
    rung: int = 0
    calls: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, number: str, data: dict[str, Any]) -> "Phone":
        """A phone from the control API's JSON; raises ScriptError."""
        behaviours = data.get("behaviours") or [data.get("behaviour", "answer")]
        if set(behaviours) - set(BEHAVIOURS):
            raise ScriptError(f"behaviour is one of {', '.join(BEHAVIOURS)}")
        scripts = [read_script(script) for script in data.get("scripts") or [data.get("script", [])]]
        after = float(data.get("answer_after", 4.0))
        return cls(number, str(data.get("name", "")), list(behaviours), scripts, after)

    def next_turn(self) -> tuple[str, list[Step]]:
        """The behaviour and the script for the next call to this phone."""
        turn = self.rung
        self.rung += 1
        return self.behaviours[min(turn, len(self.behaviours) - 1)], self.scripts[min(turn, len(self.scripts) - 1)]


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

    def take_turn(self, number: str, sid: str) -> tuple[str, list[Step], float]:
        """Behaviour, script and seconds to the answer for call `sid` to this number."""
        with self._lock:
            phone = self._phones.get(number)
            if phone is None:
                return "no-answer", [], 0.0
            phone.calls.append(sid)
            behaviour, script = phone.next_turn()
            return behaviour, script, phone.answer_after

    def note_call(self, number: str, sid: str) -> None:
        """A call this phone makes belongs to its list too."""
        with self._lock:
            phone = self._phones.get(number)
            if phone is not None:
                phone.calls.append(sid)


class PhoneLeg(Leg):
    """A line to a scripted phone or a person. The script runs on a thread of its own from the answer on."""

    def __init__(
        self,
        sid: str,
        clock: Clock,
        events: EventLog,
        voice: Voice,
        behaviour: str,
        script: list[Step],
        after: float,
    ) -> None:
        super().__init__(sid, clock, events)
        self.behaviour = behaviour
        self._voice = voice
        self._script = script
        self._answer_after = after
        self._picked_up = False

    def ring(self, timeout_s: float, on_ringing: Callable[[], None]) -> Ring:
        if self.behaviour == "unreachable":
            return Ring("failed", 404)
        start = self.clock.seconds()
        on_ringing()
        self.events.add("ringing", self.sid)
        if self.behaviour in ("no-answer", "person") or self._answer_after > timeout_s:
            picked_up = self.wait(lambda: self._picked_up, start + timeout_s)
            return Ring("answered") if picked_up else Ring("no-answer", 487)
        self.wait(lambda: self._picked_up, start + self._answer_after)
        return ENDINGS.get(self.behaviour, Ring("answered"))

    def connected(self) -> None:
        self.events.add("answered", self.sid)
        if self._script:
            threading.Thread(target=self._follow_script, name=f"phone {self.sid}", daemon=True).start()

    # By hand: the control API and the page.

    def pick_up(self) -> None:
        """A person answers."""
        with self.changed:
            self._picked_up = True
            self.changed.notify_all()

    def press(self, keys: str) -> float:
        """Press keys, 0.2 s apart, on the caller's thread. Returns the moment of the last one."""
        moment = self.clock.seconds()
        for number, key in enumerate(keys):
            if number:
                self._stay_until(moment + BETWEEN_KEYS_S)
            if self.gone:
                break
            moment = self.party_presses(key)
        return moment

    def say(self, text: str, language: str) -> float:
        """Speak, and wait until it is said. Returns the moment it ended."""
        clip: Clip = self._voice.speak(text, language, party=True).result()
        end = self.party_says(clip, text, language).start + seconds(clip)
        self._stay_until(end)
        return end

    # The script.

    def _follow_script(self) -> None:
        done = float("-inf")
        for step in self._script:
            if not self._ready(step, done) or self.gone:
                return
            done = self._act(step)

    def _ready(self, step: Step, done: float) -> bool:
        """Wait until a step's time has come; False when the line went down first."""
        if not step.on:
            return self._stay_until(self.clock.seconds() + step.after)
        found: list[Heard] = []

        def moment() -> float | None:
            if not found:
                found.extend([heard for heard in self.heard if heard.placed.end > done and step.matches(heard)][:1])
            if not found:
                return None
            placed = found[0].placed
            return (placed.start if step.at == "start" else placed.end) + step.after

        return self._stay(moment)

    def _act(self, step: Step) -> float:
        done = self.clock.seconds()
        if step.press:
            done = self.press(step.press)
        if step.say:
            done = self.say(step.say, step.language)
        if step.hangup:
            self.party_left()
        return done

    def _stay_until(self, moment: float) -> bool:
        """Stay on the line until a virtual moment; False when it is down."""
        return self._stay(lambda: moment)

    def _stay(self, moment: Callable[[], float | None]) -> bool:
        """Stay on the line until `moment()` (None: not known yet; it may come nearer); False when the line is
        down."""
        with self.changed:
            while not self.gone:
                until = moment()
                if until is not None and self.clock.seconds() >= until:
                    return True
                self.clock.wait(self.changed, until)
            return False
