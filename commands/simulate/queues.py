"""The queues of the simulated carrier: who waits, what is heard meanwhile, who takes whom out (docs/twilio.md 2.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from carrier import twiml
from carrier.twiml import Dial, Document, Enqueue, Gather, Say
from commands.simulate.leg import Leg, collected, spoken_s

MUSIC_S = 16.0


@dataclass(eq=False)
class Switch:
    """What the queues need of the carrier they belong to."""

    later: Callable[[Leg, float, Callable[[], None]], None]
    """Unless the leg is over, or something else has taken it over, by then."""
    ask: Callable[[Leg, str, dict[str, str]], None]
    """Request a document, and follow it if somebody is still there."""
    fetch: Callable[[Leg, str, dict[str, str]], Document]
    end: Callable[[Leg], None]
    now: Callable[[], datetime]
    rng: Random


@dataclass(eq=False)
class Talk:
    """A caller taken out of the queue, and who took it."""

    caller: Leg
    taker: Leg
    dial: Dial
    since: datetime | None = None


@dataclass(eq=False)
class Queues:
    switch: Switch
    waiting: dict[str, list[Leg]] = field(default_factory=dict)
    dialling: dict[str, list[tuple[Leg, Dial]]] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)
    """By the SID of either leg."""
    waits: dict[str, tuple[Enqueue, datetime]] = field(default_factory=dict)
    """The Enqueue of every leg that has not come back from it."""

    # ---- the one who waits ------------------------------------------------------------------------
    def enqueue(self, leg: Leg, verb: Enqueue) -> None:
        self.waits[leg.sid] = (verb, self.switch.now())
        self.waiting.setdefault(verb.name, []).append(leg)
        takers = self.dialling.get(verb.name)
        if takers:
            self._meet(verb.name, *takers.pop(0))
        else:
            self._hold(leg)

    def _hold(self, leg: Leg, **pressed: str) -> None:
        verb, _ = self.waits[leg.sid]
        if verb.wait_url:
            self._follow(leg, self.switch.fetch(leg, verb.wait_url, self._told(leg) | pressed))

    def _follow(self, leg: Leg, document: Document) -> None:
        after = 0.0
        for verb in document.verbs:
            match verb:
                case Say() | twiml.Play() | twiml.Pause():
                    after += _length((verb,))
                case Gather():
                    after += _length(verb.prompts)
                    assert leg.person is not None
                    act = leg.person.keys([prompt for prompt in verb.prompts if isinstance(prompt, Say)])
                    if act.hangs_up:
                        self.switch.later(leg, max(after + act.after_s, 0.5), lambda: self.switch.end(leg))
                        return
                    digits, _, _ = collected(act.keys, verb)
                    if digits:
                        self.switch.later(leg, after, lambda keys=digits: self._hold(leg, Digits=keys))  # type: ignore[misc]
                        return
                    after += verb.timeout
                case twiml.Leave():
                    self.switch.later(leg, after, lambda: self.leave(leg, "leave"))
                    return
                case _:
                    raise ValueError(f"{type(verb).__name__} has no place in a document for a call in a queue")
        self.switch.later(leg, max(after, 1.0), lambda: self._hold(leg))

    def leave(self, leg: Leg, result: str) -> None:
        """Out of the queue, to the action of the Enqueue."""
        told = self._told(leg) | {"QueueResult": result}
        verb, _ = self.waits.pop(leg.sid)
        if leg in self.waiting[verb.name]:
            self.waiting[verb.name].remove(leg)
        if verb.action is not None:
            self.switch.ask(leg, verb.action, told)

    def _told(self, leg: Leg) -> dict[str, str]:
        verb, since = self.waits[leg.sid]
        there = self.waiting[verb.name]
        seconds = int((self.switch.now() - since).total_seconds())
        return {
            "QueueSid": "QU" + leg.sid[2:],
            "QueueTime": str(seconds),
            "AvgQueueTime": str(seconds),
            "QueuePosition": str(there.index(leg) + 1 if leg in there else 0),
            "CurrentQueueSize": str(len(there)),
            "MaxQueueSize": str(verb.max_size),
        }

    # ---- the one who takes him out ------------------------------------------------------------------
    def dial(self, leg: Leg, dial: Dial) -> None:
        assert dial.queue is not None
        name = dial.queue.name
        if name not in self.waiting:
            self._dialled(leg, dial, "failed")
        elif self.waiting[name]:
            self._meet(name, leg, dial)
        else:
            self.dialling.setdefault(name, []).append((leg, dial))
            self.switch.later(leg, dial.timeout, lambda: self._in_vain(name, leg, dial))

    def _in_vain(self, name: str, leg: Leg, dial: Dial) -> None:
        self._forget(leg)
        self._dialled(leg, dial, "no-answer")

    def _forget(self, leg: Leg) -> None:
        for name, takers in self.dialling.items():
            self.dialling[name] = [taker for taker in takers if taker[0] is not leg]

    def _dialled(self, leg: Leg, dial: Dial, status: str, **more: str) -> None:
        if dial.action is not None:
            self.switch.ask(leg, dial.action, {"DialCallStatus": status, "DialBridged": "false"} | more)

    def _meet(self, name: str, taker: Leg, dial: Dial) -> None:
        caller = self.waiting[name].pop(0)
        for leg in (caller, taker):
            leg.generation += 1
        talk = self.talks[caller.sid] = self.talks[taker.sid] = Talk(caller, taker, dial)
        assert dial.queue is not None
        after = 0.0
        if dial.queue.url:
            told = {"QueueTime": self._told(caller)["QueueTime"], "DequeingCallSid": taker.sid}
            after = _length(self.switch.fetch(caller, dial.queue.url, told).verbs)
        self.switch.later(caller, after, lambda: self._talk(talk))

    def _talk(self, talk: Talk) -> None:
        talk.since = self.switch.now()
        assert talk.caller.person is not None
        assert talk.taker.person is not None
        seconds = min(talk.caller.person.talk_s, talk.taker.person.talk_s)
        goes_first = talk.caller if self.switch.rng.random() < 0.5 else talk.taker
        self.switch.later(goes_first, seconds, lambda: self.switch.end(goes_first))

    # ---- ends ---------------------------------------------------------------------------------------
    def over(self, leg: Leg) -> None:
        """This leg has ended, whatever it was doing here."""
        self._forget(leg)
        talk = self.talks.pop(leg.sid, None)
        if talk is not None:
            self._talk_over(talk, leg)
        elif leg.sid in self.waits:
            self.leave(leg, "hangup")

    def moved(self, leg: Leg) -> None:
        """REST gave this leg another document, which runs at once: the action is told, and not followed."""
        if leg.sid in self.waits:
            told = self._told(leg) | {"QueueResult": "redirected"}
            verb, _ = self.waits.pop(leg.sid)
            if leg in self.waiting[verb.name]:
                self.waiting[verb.name].remove(leg)
            if verb.action is not None:
                self.switch.fetch(leg, verb.action, told)

    def _talk_over(self, talk: Talk, gone: Leg) -> None:
        other = talk.taker if gone is talk.caller else talk.caller
        self.talks.pop(other.sid, None)
        talked = talk.since is not None
        if talk.caller.sid in self.waits:
            self.leave(talk.caller, "bridged" if talked else "bridging-in-process" if gone is talk.caller else "error")
        if talk.since is None:
            self._dialled(talk.taker, talk.dial, "no-answer")
            return
        seconds = str(int((self.switch.now() - talk.since).total_seconds()))
        self._dialled(talk.taker, talk.dial, "completed", DialBridged="true", DialCallSid=talk.caller.sid,
                      DialCallDuration=seconds)  # fmt: skip


def _length(verbs: Sequence[twiml.Verb]) -> float:
    """How long prompts take."""
    return sum(_seconds(verb) for verb in verbs)


def _seconds(verb: twiml.Verb) -> float:
    match verb:
        case Say():
            return spoken_s(verb)
        case twiml.Play():
            return MUSIC_S
        case twiml.Pause():
            return verb.length
    raise ValueError(f"{type(verb).__name__} has no place in a document for a call in a queue")
