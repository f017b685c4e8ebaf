"""A line to one of the phones: it rings and answers as the phone is told to, and follows its script."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from carrier.amd import FarEnd
from carrier.clock import Clock
from carrier.events import EventLog
from carrier.leg import Heard, Leg, Ring
from carrier.phones import Step, Turn
from carrier.sound import Clip, beep, fit, seconds
from carrier.voice import Voice

BETWEEN_KEYS_S = 0.2
ENDINGS = {"busy": Ring("busy", 486), "reject": Ring("no-answer", 603)}


class PhoneLeg(Leg):
    """A line to a scripted phone, a machine or a person. The script runs on a thread of its own from the answer
    on, or from a machine's beep on."""

    def __init__(
        self,
        sid: str,
        clock: Clock,
        events: EventLog,
        voice: Voice,
        turn: Turn,
    ) -> None:
        super().__init__(sid, clock, events)
        self._voice = voice
        self._turn = turn
        self._picked_up = False
        self._greeted = False
        self._after_greeting: list[Callable[[], None]] = []

    @property
    def _machine(self) -> bool:
        return self._turn.behaviour == "machine"

    def far_end(self) -> FarEnd:
        greeting = self._turn.greeting
        return FarEnd(self._machine, greeting.seconds, greeting.beeps, self._turn.belief)

    def after_greeting(self, action: Callable[[], None]) -> None:
        with self.changed:
            if self._machine and not self._greeted:
                self._after_greeting.append(action)
                return
        action()

    def ring(self, timeout_s: float, on_ringing: Callable[[], None]) -> Ring:
        behaviour, answer_after = self._turn.behaviour, self._turn.answer_after
        if behaviour == "unreachable":
            return Ring("failed", 404)
        if self._machine:
            self._greeting()  # spoken while it rings, to be there when it answers
        start = self.clock.seconds()
        on_ringing()
        self.events.add("ringing", self.sid)
        if behaviour in ("no-answer", "person") or answer_after > timeout_s:
            picked_up = self.wait(lambda: self._picked_up, start + timeout_s)
            return Ring("answered") if picked_up else Ring("no-answer", 487)
        self.wait(lambda: self._picked_up, start + answer_after)
        return ENDINGS.get(behaviour, Ring("answered"))

    def connected(self) -> None:
        self.events.add("answered", self.sid)
        if self._turn.script or self._machine:
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

    def _greeting(self) -> "Future[Clip]":
        greeting = self._turn.greeting
        return self._voice.speak(greeting.text, greeting.language, party=True)

    def _greet(self) -> None:
        """What a machine says when it answers: its greeting, exactly as long as it is to be, and a beep."""
        greeting = self._turn.greeting
        clip = fit(self._greeting().result(), greeting.seconds)
        self._stay_until(self.party_says(clip, greeting.text, greeting.language).end)
        if greeting.beeps and not self.gone:
            self._stay_until(self.party_says(beep(), "beep", "", is_beep=True).end)
        with self.changed:
            self._greeted = not self.gone
        for action in self._after_greeting if self._greeted else []:
            action()

    def _follow_script(self) -> None:
        if self._machine:
            self._greet()
        done = float("-inf")
        for step in self._turn.script:
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
