"""The Dial verb: ringing other numbers from a call, screening them, and joining the two (docs/twilio.md 2.7,
4.2)."""

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin

from carrier.amd import Detection
from carrier.calls import Call, Source
from carrier.exchange import Exchange
from carrier.leg import Ended, Interrupted, Leg, PartyLeft, Redirected
from carrier.phoneleg import PhoneLeg
from carrier.sound import digits_clip
from carrier.twiml import Dial, Number

if TYPE_CHECKING:
    from carrier.executor import Executor

E164 = re.compile(r"\+[1-9]\d{6,14}")


@dataclass
class Branch:
    """One dialled number: its call, and how far it came. `over`: the parent need not wait for it any
    longer."""

    call: Call
    noun: Number
    answered: bool = False
    bridged: bool = False
    over: bool = False


@dataclass
class Outcome:
    """What the action is told, and whether the caller was still there."""

    parameters: dict[str, str] = field(default_factory=dict)
    caller_left: bool = False


class Dialling:
    """One Dial on the parent's leg. It runs on the parent's thread; each branch has its own."""

    def __init__(self, exchange: Exchange, parent: Call, leg: Leg, verb: Dial, page_url: str) -> None:
        self.exchange, self.parent, self.leg, self.verb, self._page_url = (
            exchange,
            parent,
            leg,
            verb,
            page_url,
        )
        self.branches: list[Branch] = []

    def run(self) -> Outcome:
        """Ring, join, and wait for the end. Raises Redirected and Ended; the caller's hang-up is in the
        outcome."""
        caller_id = self.verb.caller_id or self.parent.from_
        if self.verb.caller_id and not self._may_show(caller_id):
            self.exchange.events.add("error", self.parent.sid, code=13214, text="caller ID not owned")
            return self._outcome(False)
        rounds = [[noun] for noun in self.verb.numbers] if self.verb.sequential else [list(self.verb.numbers)]
        try:
            for nouns in rounds:
                started = [self._start(noun, caller_id) for noun in nouns if self._dialable(noun)]
                self._wait_for(started)
                if any(branch.answered for branch in started):
                    break
        except PartyLeft:
            self._drop()
            self.exchange.finish(self.parent, "no-answer", 487)
            return self._outcome(True)
        except Interrupted:
            self._drop()
            raise
        return self._outcome(False)

    def _may_show(self, caller_id: str) -> bool:
        """An owned number, or one of the parent call's own two (docs/twilio.md 4.2 Dial callerId)."""
        return self.exchange.numbers.get(caller_id) is not None or caller_id in (
            self.parent.from_,
            self.parent.to,
        )

    def _dialable(self, noun: Number) -> bool:
        if E164.fullmatch(noun.number):
            return True
        self.exchange.events.add("error", self.parent.sid, code=13223, text="number format")
        return False

    def _wait_for(self, started: list[Branch]) -> None:
        """Until every branch is over, or the caller drops the callee with a star."""
        with self.leg.watch_keys() as pressed:

            def finished() -> bool:
                return all(branch.over for branch in started) or (self.verb.hangup_on_star and "*" in pressed)

            self.leg.wait(finished)
        self._drop()

    def _drop(self) -> None:
        """End every branch that is not over, and wait until it is."""
        for branch in self.branches:
            if not branch.over and branch.call.leg is not None:
                branch.call.leg.interrupt(Ended("canceled"))
        with self.leg.changed:
            while not all(branch.over for branch in self.branches):
                self.leg.changed.wait()

    def _outcome(self, caller_left: bool) -> Outcome:
        """DialCallStatus and its fellows, from the branch that was answered or else the last (2.7)."""
        if not self.branches:
            return Outcome({"DialCallStatus": "failed", "DialBridged": "false"}, caller_left)
        chosen = next((branch for branch in self.branches if branch.answered), self.branches[-1])
        # A child that REST took out of the bridge lives on; for this Dial its part is done.
        status = chosen.call.status if chosen.call.over else "completed"
        parameters = {
            "DialCallStatus": status,
            "DialCallSid": chosen.call.sid,
            "DialBridged": "true" if chosen.bridged else "false",
        }
        if chosen.answered:
            parameters["DialCallDuration"] = str(chosen.call.duration())
        return Outcome(parameters, caller_left)

    # A branch.

    def _start(self, noun: Number, caller_id: str) -> Branch:
        """Make the child call and let it ring; Dial legs never queue (docs/twilio.md 1.8)."""
        call = Call(
            account=self.parent.account,
            to=noun.number,
            from_=caller_id,
            direction="outbound-dial",
            created=self.exchange.clock.seconds(),
            parent=self.parent,
            status_callback=self._absolute(noun.status_callback),
            status_callback_method=noun.status_callback_method,
            status_callback_events=noun.status_callback_events,
            detection=self._detection(noun),
            timeout=self.verb.timeout,
            time_limit=self.verb.time_limit,
        )
        self.exchange.admit(call)
        leg = self.exchange.open_leg(call, self.exchange.phones.take_turn(call.to, call.sid))
        branch = Branch(call, noun)
        self.branches.append(branch)
        assert leg is not None  # nobody knows this call yet, so nobody can have cancelled it
        self.exchange.run(call, lambda: self._live(branch, leg))
        return branch

    def _live(self, branch: Branch, leg: PhoneLeg) -> None:
        """A child's life: ring, screening, the bridge."""
        try:
            self._ring_and_join(branch, leg)
        except PartyLeft:
            self.exchange.finish(branch.call)
        except Ended as order:
            self.exchange.finish(branch.call, order.status, 487)
        finally:
            self.exchange.finish(branch.call, "failed", 500)
            self._release(branch)

    def _ring_and_join(self, branch: Branch, leg: PhoneLeg) -> None:
        from carrier.executor import (
            Executor,
        )  # the executor runs Dial, and Dial runs a screening: a cycle by nature

        self.exchange.progress(branch.call, "initiated")
        ring = leg.ring(branch.call.timeout, lambda: ringing(self.exchange, branch.call))
        if ring.status != "answered":
            self.exchange.finish(branch.call, ring.status, ring.sip_code)
            return
        if not self._first_answer(branch):
            raise Ended("canceled")
        self.exchange.answer(branch.call)
        if branch.noun.send_digits:
            leg.play(digits_clip(branch.noun.send_digits), "")
        executor = Executor(self.exchange, branch.call, leg, "screening")
        following: Source | None = None
        if branch.noun.url:
            following = Source(self._absolute(branch.noun.url), branch.noun.method)
        if following is None or executor.run(following):
            self._talk(branch, leg, executor)
        self.exchange.finish(branch.call)

    def _talk(self, branch: Branch, leg: PhoneLeg, executor: "Executor") -> None:
        """Joined to the caller until one of them leaves."""
        with self.leg.changed:
            if self.leg.gone:
                return
            branch.bridged = True
        if self.parent.status == "ringing":
            self.exchange.answer(self.parent)  # answerOnBridge
        self.leg.bridge(leg)
        try:
            leg.wait(lambda: False)
        except Redirected as order:
            # REST gave the child a document of its own: the caller goes on without it (docs/twilio.md 1.3).
            leg.unbridge()
            self._release(branch)
            executor.run(order.source)
        finally:
            leg.unbridge()

    def _first_answer(self, branch: Branch) -> bool:
        """The first answer wins, even one that will decline at the screening; the others are cancelled."""
        with self.leg.changed:
            if any(other.answered for other in self.branches):
                return False
            branch.answered = True
        for other in self.branches:
            if other is not branch and other.call.leg is not None and not other.over:
                other.call.leg.interrupt(Ended("canceled"))
        return True

    def _release(self, branch: Branch) -> None:
        with self.leg.changed:
            branch.over = True
            self.leg.changed.notify_all()

    def _detection(self, noun: Number) -> Detection | None:
        """What a Number asks for, reporting to an address relative to this document (docs/twilio.md 2.9)."""
        if noun.detection is None:
            return None
        return replace(noun.detection, callback=self._absolute(noun.detection.callback))

    def _absolute(self, url: str) -> str:
        return urldefrag(urljoin(self._page_url, url)).url if url else ""


def ringing(exchange: Exchange, call: Call) -> None:
    """The far end rings: state and callback."""
    if call.move("ringing", exchange.clock.seconds()):
        exchange.progress(call, "ringing")
