"""A leg: one telephone line of one call, as the TwiML executor sees it (ring, play, listen, record, bridge,
hang up).

`Leg` keeps what every line has: its timeline of sound, the keys that were heard, and the interruptions that
end a wait. What stands at the far end (a scripted phone, a person at the page, later SIP) is a subclass.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from carrier.amd import FarEnd
from carrier.calls import Source
from carrier.clock import Clock
from carrier.events import EventLog
from carrier.sound import Bridge, Clip, Placed, Timeline, beep, key_tone, seconds


class Interrupted(Exception):
    """Something from outside ended what the executor was doing."""


class PartyLeft(Interrupted):
    """The far end hung up."""


class Ended(Interrupted):
    """The call is to end now: Status=completed or canceled by REST, its time limit, or the other leg of a
    dial."""

    def __init__(self, status: str = "completed") -> None:
        super().__init__(status)
        self.status = status


class Redirected(Interrupted):
    """REST gave the live call another document (docs/twilio.md 1.3)."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source


@dataclass(frozen=True)
class Ring:
    """How ringing ended: `answered`, or a terminal call status with its SIP code (docs/twilio.md 5)."""

    status: str
    sip_code: int = 200


@dataclass
class Heard:
    """Something played to the party: its words (or `beep`, or the name of a file) and its place on the
    timeline."""

    text: str
    placed: Placed
    beep: bool = False


class Leg(ABC):
    """The line of one call. Every method may be called from any thread; waits belong to the executor's."""

    def __init__(self, sid: str, clock: Clock, events: EventLog) -> None:
        self.sid = sid
        self.clock = clock
        self.events = events
        self.changed = clock.condition()
        self.timeline = Timeline()
        self.heard: list[Heard] = []
        self.keys: deque[tuple[float, str]] = deque()
        self.deadline: float | None = None
        self.peer: Leg | None = None
        self.listeners: list[Leg] = []
        self._listening = False
        self._barge: Heard | None = None
        self._left = False
        self._order: Interrupted | None = None
        self._summons: Interrupted | None = None
        self._closed = False
        self._watch: list[str] | None = None

    # What a far end must be able to do.

    @abstractmethod
    def ring(self, timeout_s: float, on_ringing: Callable[[], None]) -> Ring:
        """Ring the far end for up to `timeout_s`; `on_ringing` is called when it does ring. Raises Ended."""

    @abstractmethod
    def connected(self) -> None:
        """The call has been answered, by whichever side: the far end may speak from now on."""

    @abstractmethod
    def far_end(self) -> FarEnd:
        """Who answers here, for the answering machine detection."""

    def after_greeting(self, action: Callable[[], None]) -> None:
        """Run `action` when a machine's greeting is over: at once where there is none."""
        action()

    # What the executor does with it.

    def check(self) -> None:
        """Raise what has come in from outside since the last look."""
        with self.changed:
            if self._left:
                raise PartyLeft
            if self._order is not None:
                order, self._order = self._order, None
                raise order
            if self.deadline is not None and self.clock.seconds() >= self.deadline:
                raise Ended
            summons = self.take_summons()
            if summons is not None:
                raise summons

    def wait(self, reason: Callable[[], bool], until: float | Callable[[], float] | None = None) -> bool:
        """Wait for `reason()` or the virtual moment `until` (then False). Raises Interrupted.

        `until` may be a function where the moment moves, as the end of a silence does."""
        with self.changed:
            while True:
                self.check()
                if reason():
                    return True
                end = until() if callable(until) else until
                if end is not None and self.clock.seconds() >= end:
                    return False
                limits = [moment for moment in (end, self.deadline) if moment is not None]
                self.clock.wait(self.changed, min(limits) if limits else None)

    def pause(self, length_s: float) -> None:
        """Let `length_s` virtual seconds pass, in silence."""
        self.wait(lambda: False, self.clock.seconds() + length_s)

    def play(
        self,
        clip: Clip,
        text: str,
        language: str = "",
        barge_in: bool = False,
        beep: bool = False,
        rate: int | None = None,
    ) -> bool:
        """Play a clip to the party and wait for its end; with `barge_in` a key stops it. True if it played
        out. `rate`: of speech, in percent, for the log."""
        with self.changed:
            self.check()
            if barge_in and self.keys:
                return False
            start = self.clock.seconds()
            heard = Heard(text, Placed(start, clip, start + seconds(clip)), beep)
            self.timeline.played.append(heard.placed)
            self.heard.append(heard)
            self._barge = heard if barge_in else None
            spoken = {} if rate is None else {"rate": rate}
            self.events.add("beep" if beep else "heard", self.sid, text=text, language=language, **spoken)
            self.changed.notify_all()
        try:
            return not self.wait(lambda: barge_in and bool(self.keys), heard.placed.end)
        finally:
            with self.changed:
                self._barge = None
                heard.placed.end = min(heard.placed.end, self.clock.seconds())
                self.changed.notify_all()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, keys are kept for `next_key`; outside they are lost (docs/twilio.md 4.2 Gather)."""
        with self.changed:
            self.keys.clear()
            self._listening = True
        try:
            yield
        finally:
            with self.changed:
                self._listening = False
                self.keys.clear()

    def next_key(self, until: float) -> tuple[float, str] | None:
        """The next key with the moment it was pressed, or None when `until` comes first."""
        self.wait(lambda: bool(self.keys), until)
        with self.changed:
            return self.keys.popleft() if self.keys else None

    def bridge(self, other: "Leg") -> None:
        """Join two legs: each hears what the other's party says, from now until `unbridge`."""
        self.hears(other)
        other.hears(self)
        self.peer, other.peer = other, self
        for one, two in ((self, other), (other, self)):
            self.events.add("bridged", one.sid, peer=two.sid)

    def unbridge(self) -> None:
        """Part two joined legs; nothing happens to a leg that is alone."""
        with self.changed:
            other, self.peer = self.peer, None
        if other is None:
            return
        other.peer = None
        for one, two in ((self, other), (other, self)):
            one.hears_no_more(two)
            self.events.add("unbridged", one.sid)

    def hears(self, other: "Leg") -> None:
        """From now on this line's party hears what the other's says; several are mixed."""
        self.timeline.bridges.append(Bridge(self.clock.seconds(), other.timeline))
        other.listeners.append(self)

    def hears_no_more(self, other: "Leg") -> None:
        for bridge in self.timeline.bridges:
            if bridge.other is other.timeline and bridge.end is None:
                bridge.end = self.clock.seconds()
        other.listeners.remove(self)

    def overhears_beep(self) -> None:
        """A beep on the line, for which nobody waits."""
        clip = beep()
        with self.changed:
            start = self.clock.seconds()
            heard = Heard("beep", Placed(start, clip, start + seconds(clip)), True)
            self.timeline.played.append(heard.placed)
            self.heard.append(heard)
            self.events.add("beep", self.sid, text="beep", language="")
            self.changed.notify_all()

    def hang_up(self) -> None:
        """The carrier ends the line."""
        with self.changed:
            if self._closed:
                return
            self._closed = True
            by_party = self._left
            self.changed.notify_all()
        if not by_party:
            self.events.add("hangup", self.sid, by="carrier")

    # What comes from outside.

    def interrupt(self, order: Interrupted) -> None:
        """Make the executor's wait, or its next look, raise `order`."""
        with self.changed:
            self._order = order
            self.changed.notify_all()

    def summon(self, reason: Interrupted) -> None:
        """Like `interrupt`, but whatever else ends the call comes first: the next caller of a queue is called."""
        with self.changed:
            self._summons = reason
            self.changed.notify_all()

    def take_summons(self) -> Interrupted | None:
        """A summons that has not been raised; afterwards there is none."""
        with self.changed:
            summons, self._summons = self._summons, None
            return summons

    def limit(self, moment: float) -> None:
        """The virtual moment at which the call ends by its time limit."""
        with self.changed:
            self.deadline = moment
            self.changed.notify_all()

    @property
    def gone(self) -> bool:
        """The line is down, whoever ended it."""
        return self._left or self._closed

    # What the far end does.

    def party_left(self) -> None:
        """The far end hung up."""
        with self.changed:
            if self.gone:
                return
            self._left = True
            self.events.add("hangup", self.sid, by="party")
            self.changed.notify_all()

    def party_says(self, clip: Clip, text: str, language: str, is_beep: bool = False) -> Placed:
        """The far end begins to speak, or its machine to beep."""
        with self.changed:
            start = self.clock.seconds()
            placed = Placed(start, clip, start + seconds(clip))
            self.timeline.said.append(placed)
            self.events.add("said", self.sid, text=text, language=language)
            self.changed.notify_all()
        for listener in list(self.listeners):
            with listener.changed:
                listener.heard.append(Heard(text, placed, is_beep))
                listener.changed.notify_all()
        return placed

    def party_presses(self, key: str) -> float:
        """The far end presses one key: its tone is in the sound, and a prompt that yields to keys stops now.

        Returns the moment of the key."""
        with self.changed:
            now = self.clock.seconds()
            clip = key_tone(key)
            self.timeline.said.append(Placed(now, clip, now + seconds(clip)))
            if self._listening:
                self.keys.append((now, key))
                if self._barge is not None:
                    self._barge.placed.end = min(self._barge.placed.end, now)
            if self._watch is not None:
                self._watch.append(key)
            self.events.add("pressed", self.sid, text=key)
            self.changed.notify_all()
        return now

    @contextmanager
    def watch_keys(self) -> Iterator[list[str]]:
        """The keys pressed while inside, as a list that grows: for Record and Dial, which look but do not
        collect."""
        watch: list[str] = []
        with self.changed:
            self._watch = watch
        try:
            yield watch
        finally:
            with self.changed:
                self._watch = None
