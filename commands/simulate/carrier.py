"""The carrier of the simulated world: phones that ring in virtual time, documents followed, callbacks posted.

What a telephone does is decided by the world (`Exchange.phone`); what it costs the service is what the real carrier
would ask of it (docs/twilio.md 2 and 4), signed, in-process. Every moment is an entry of one heap: nothing sleeps.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime

from carrier import twiml
from carrier.twiml import Dial, Document, Gather, Record, Say
from commands.simulate.chaos import Chaos
from commands.simulate.door import Door
from commands.simulate.leg import Leg, Person, Reaction, Urls, World, collected, spoken_s
from commands.simulate.memory import MemoryCall, MemoryCarrier, MemoryMessage
from commands.simulate.queues import Queues, Switch
from core.clock import Clock
from dialer.carrier import InDoubt

ACCOUNT = "AC" + "5" * 32
MOST_DOCUMENTS = 200
SIP = {"busy": "486", "no-answer": "487", "canceled": "487", "failed": "404"}


STEPS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
"""The event a callback with this status is of; any other status is the end of the call."""


class UnknownVerb(Exception):
    """A flow says something this carrier was not taught: the simulation must not go on as if nothing was said."""


class NoEnd(Exception):
    """A call got document after document and never came to an end."""


class Exchange(MemoryCarrier):
    """`next_at()` is when something happens next; `step()` lets it happen."""

    def __init__(self, clock: Clock, door: Door, world: World, chaos: Chaos, rng: random.Random, urls: Urls) -> None:
        super().__init__(clock)
        self.list_lag_s = chaos.list_lag_s
        self.live: dict[str, Leg] = {}
        """Every leg that is not over, by its SID."""
        self._door, self._world, self._chaos, self._rng, self._urls = door, world, chaos, rng, urls
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._legs: dict[str, Leg] = {}
        self._to: dict[str, list[Leg]] = defaultdict(list)
        self._sms: dict[str, list[MemoryMessage]] = defaultdict(list)
        self._queues = Queues(
            Switch(
                later=self._later,
                ask=lambda leg, url, form: self._ask(leg, url, **form),
                fetch=self._fetch,
                end=lambda leg: self._end(leg, "completed"),
                now=clock.now,
                rng=rng,
            )
        )

    # ---- time -------------------------------------------------------------------------------------
    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        heapq.heappop(self._heap)[2]()

    def at(self, after_s: float, happening: Callable[[], None]) -> None:
        self.at_time(self.clock.now() + timedelta(seconds=max(after_s, 0.0)), happening)

    def at_time(self, when: datetime, happening: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), happening))

    def _later(self, leg: Leg, after_s: float, happening: Callable[[], None]) -> None:
        """Unless the leg is over, or something else has taken it over, by then."""
        generation = leg.generation

        def if_still() -> None:
            if leg.lives and leg.generation == generation:
                happening()

        self.at(after_s, if_still)

    # ---- what the service orders --------------------------------------------------------------------
    def _accept(self, to: str, url: str, status_callback: str, ring_s: int) -> Leg:
        lost = self._chaos.lost_answer(self._rng)
        if lost == "unseen":
            raise InDoubt("ConnectionError")
        leg = Leg(self._sid("CA"), to, url, status_callback, ring_s, self.clock.now(), number=to)
        self.calls.append(leg)
        self._begin(leg, 0.3)
        if lost:
            self.lose_answers += 1
        return leg

    def _begin(self, leg: Leg, after_s: float) -> None:
        self._legs[leg.sid] = self.live[leg.sid] = leg
        self._to[leg.to].append(leg)
        self._world.begun(leg)
        self._later(leg, after_s, lambda: self._initiated(leg))

    def _accept_sms(self, to: str, body: str, status_callback: str) -> MemoryMessage:
        lost = self._chaos.lost_answer(self._rng)
        if lost == "unseen":
            raise InDoubt("ConnectionError")
        message = super()._accept_sms(to, body, status_callback)
        self._sms[to].append(message)
        arrives = self._world.gets_message(message)
        self.at(1.0, lambda: self._tell_message(message, "sent"))
        self.at(3.0, lambda: self._tell_message(message, "delivered" if arrives else "undelivered"))
        if lost:
            self.lose_answers += 1
        return message

    def call(self, sid: str) -> Leg | None:
        return self._legs.get(sid)

    def _calls_to(self, to: str) -> Iterable[MemoryCall]:
        return [leg for leg in reversed(self._to[to]) if leg.direction == "outbound-api"]

    def _messages_to(self, to: str) -> Iterable[MemoryMessage]:
        return reversed(self._sms[to])

    def _hang_up(self, call: MemoryCall) -> None:
        leg = self._legs[call.sid]
        if leg.status == "queued" and not leg.sequence:
            leg.status_callback = ""  # cancelled in the carrier's queue: no callback at all (docs/twilio.md 1.3)
        self._end(leg, "completed" if leg.status == "in-progress" else "canceled")

    def _say(self, call: MemoryCall, twiml_text: str) -> bool:
        leg = self._legs[call.sid]
        if leg.status != "in-progress":
            return False
        self._queues.moved(leg)
        self._run(leg, twiml.parse(twiml_text))
        return True

    # ---- a leg's life ---------------------------------------------------------------------------------
    def rings_us(self, number: str, person: Person) -> Leg:
        """Somebody rings the hospital."""
        leg = Leg(self._sid("CA"), self._urls.number, self._urls.voice, "", 0, self.clock.now(), "ringing",
                  direction="inbound", number=number, person=person)  # fmt: skip
        self.inbound.append(leg)
        self._legs[leg.sid] = self.live[leg.sid] = leg
        self._to[number].append(leg)
        self._world.begun(leg)
        leg.answered_at = self.clock.now()
        self._ask(leg, leg.url)
        return leg

    def _initiated(self, leg: Leg) -> None:
        self._tell(leg, "initiated")
        reaction = self._world.rings(leg)
        if reaction.kind in ("busy", "dead"):
            word = "busy" if reaction.kind == "busy" else "failed"
            self._later(leg, 1.5, lambda: self._end(leg, word))
        else:
            self._later(leg, 1.2, lambda: self._ringing(leg, reaction))

    def _ringing(self, leg: Leg, reaction: Reaction) -> None:
        leg.status = "ringing"
        self._tell(leg, "ringing")
        if reaction.kind == "answer" and reaction.person is not None and reaction.after_s < leg.ring_s:
            leg.person = reaction.person
            self._later(leg, reaction.after_s, lambda: self._answered(leg))
        else:
            self._later(leg, leg.ring_s, lambda: self._end(leg, "no-answer"))

    def _answered(self, leg: Leg) -> None:
        """The callback and the request for the document leave at once; either may arrive first."""
        leg.status, leg.answered_at = "in-progress", self.clock.now()
        first = self._rng.random() < 0.5
        if first:
            self._tell(leg, "in-progress")
        self._ask(leg, leg.url)
        if not first:
            self._tell(leg, "in-progress")
        if leg.machine_callback is not None:
            self.at(4.0, lambda: self._tell_machine(leg))

    def _end(self, leg: Leg, status: str) -> None:
        if not leg.lives:
            return
        now = self.clock.now()
        leg.generation += 1
        leg.status, leg.ended_at = status, now
        del self.live[leg.sid]
        self._world.ended(leg)
        child, dial = leg.child, leg.dial
        if child is not None and child.lives:
            self._end(child, "completed" if child.status == "in-progress" else "canceled")
        self._tell(leg, status)
        for url in leg.recordings:
            self._no_sound(leg, url)
        self._queues.over(leg)
        if dial is not None and child is not None:
            self._dial_over(leg, child)
        parent = leg.parent
        if parent is not None and parent.lives and parent.child is leg:
            self._later(parent, 0.1, lambda: self._dial_over(parent, leg))

    # ---- documents --------------------------------------------------------------------------------
    def _ask(self, leg: Leg, url: str, **form: str) -> None:
        """Request a document and follow it, if somebody is still there to hear it."""
        document = self._fetch(leg, url, form)
        if leg.lives:
            leg.status = "in-progress"
            self._run(leg, document)

    def _fetch(self, leg: Leg, url: str, form: dict[str, str]) -> Document:
        leg.documents += 1
        if leg.documents > MOST_DOCUMENTS:
            raise NoEnd(f"a {leg.direction} call asked for {leg.documents} documents")
        whole = self._standard(leg) | form
        text = self._door.post(url, whole)
        if self._chaos.twice(self._rng):
            self._door.post(url, whole)
        return twiml.parse(text)

    def _run(self, leg: Leg, document: Document) -> None:
        leg.generation += 1
        after, heard = 0.0, list[Say]()
        for verb in document.verbs:
            match verb:
                case Say():
                    heard.append(verb)
                    after += spoken_s(verb)
                case twiml.Pause():
                    after += verb.length
                case twiml.StartRecording():
                    leg.recordings.append(verb.callback.url)
                    self.recorded.add(leg.sid)
                case twiml.StopRecording():
                    self.recorded.discard(leg.sid)  # its callback comes with the others, at the end of the call
                case Gather():
                    self._gather(leg, verb, [*heard, *(p for p in verb.prompts if isinstance(p, Say))], after)
                    return
                case Record():
                    self._record(leg, verb, heard, after, document)
                    return
                case Dial():
                    self._hears(leg, heard)
                    self._later(leg, after, lambda dial=verb: self._dial(leg, dial))  # type: ignore[misc]
                    return
                case twiml.Enqueue():
                    self._hears(leg, heard)
                    self._later(leg, after, lambda queue=verb: self._queues.enqueue(leg, queue))  # type: ignore[misc]
                    return
                case twiml.Redirect():
                    self._hears(leg, heard)
                    self._later(leg, after, lambda url=verb.url: self._ask(leg, url))  # type: ignore[misc]
                    return
                case twiml.Hangup():
                    break
                case _:
                    raise UnknownVerb(f"the simulated carrier does not know {type(verb).__name__}")
        self._hears(leg, heard)
        hung_up = any(isinstance(verb, twiml.Hangup) for verb in document.verbs)
        joins = leg.direction == "outbound-dial" and not hung_up
        self._later(leg, after + 0.2, lambda: self._bridge(leg) if joins else self._end(leg, "completed"))

    def _hears(self, leg: Leg, heard: Sequence[Say]) -> None:
        if leg.person is not None and heard:
            leg.person.hears(heard)

    def _gather(self, leg: Leg, verb: Gather, heard: list[Say], after: float) -> None:
        assert leg.person is not None
        after += sum(spoken_s(prompt) for prompt in verb.prompts if isinstance(prompt, Say))
        act = leg.person.keys(heard)
        if act.hangs_up:
            self._later(leg, max(after + act.after_s, 0.5), lambda: self._end(leg, "completed"))
            return
        digits, finished, wait = collected(act.keys, verb)
        assert verb.action is not None
        action = verb.action
        pressed_at = after + act.after_s + wait if digits or finished else after + verb.timeout

        def post() -> None:
            self._ask(leg, action, Digits=digits, FinishedOnKey=finished, msg="Gather End")
            if act.then is not None:
                act.then()

        self._later(leg, max(pressed_at, 0.3), post)

    def _record(self, leg: Leg, verb: Record, heard: list[Say], after: float, document: Document) -> None:
        assert leg.person is not None
        assert verb.action is not None
        action, spoken = verb.action, leg.person.speaks(heard)
        if verb.callback.url:
            leg.recordings.append(verb.callback.url)
        follows = [v for v in document.verbs if isinstance(v, twiml.Redirect)]
        if spoken == 0 and follows and self._rng.random() < 0.5:
            self._later(leg, after + verb.timeout, lambda: self._ask(leg, follows[-1].url))
            return
        seconds = min(abs(spoken), verb.max_length)
        sid = "RE" + leg.sid[2:30] + f"{leg.documents:04x}"
        form = {"RecordingUrl": f"{self._urls.api}/Recordings/{sid}", "RecordingSid": sid}
        form["RecordingDuration"] = str(int(seconds))
        if spoken < 0:
            self._later(leg, after + seconds, lambda: self._gone_recording(leg, action, form))
            return
        form["Digits"] = "#" if spoken else ""
        self._later(leg, after + (seconds or verb.timeout), lambda: self._ask(leg, action, **form))

    def _gone_recording(self, leg: Leg, action: str, form: dict[str, str]) -> None:
        """Hung up into a recording: the action is still requested, its answer ignored (docs/twilio.md 2.4)."""
        self._end(leg, "completed")
        self._ask(leg, action, **form, Digits="hangup")

    # ---- dialling -----------------------------------------------------------------------------------
    def _dial(self, leg: Leg, dial: Dial) -> None:
        if dial.queue is not None:
            self._queues.dial(leg, dial)
            return
        number = dial.numbers[0]
        child = Leg(self._sid("CA"), number.number, number.url, number.status_callback, int(dial.timeout),
                    self.clock.now(), direction="outbound-dial", number=number.number, parent=leg)  # fmt: skip
        child.events = tuple(number.status_callback_events)
        leg.child, leg.dial = child, dial
        self._begin(child, 0.1)

    def _bridge(self, child: Leg) -> None:
        parent = child.parent
        assert parent is not None
        assert child.person is not None
        assert parent.person is not None
        child.bridged = True
        seconds = min(child.person.talk_s, parent.person.talk_s)
        goes_first = child if self._rng.random() < 0.5 else parent
        self._later(child, seconds, lambda: self._end(goes_first, "completed"))

    def _dial_over(self, leg: Leg, child: Leg) -> None:
        dial, leg.dial, leg.child = leg.dial, None, None
        if dial is None or dial.action is None:
            return
        form = {
            "DialCallStatus": child.status,
            "DialCallSid": child.sid,
            "DialBridged": "true" if child.bridged else "false",
        }
        if child.answered_at is not None:
            form["DialCallDuration"] = str(int((self.clock.now() - child.answered_at).total_seconds()))
        self._ask(leg, dial.action, **form)

    # ---- what the service is told ---------------------------------------------------------------------
    def _standard(self, leg: Leg) -> dict[str, str]:
        """docs/twilio.md 2.2"""
        ours, theirs = self._urls.number, leg.number
        sender, to = (theirs, ours) if leg.direction == "inbound" else (ours, theirs)
        form = {
            "CallSid": leg.sid, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "Direction": leg.direction,
            "From": sender, "Caller": sender, "To": to, "Called": to, "CallStatus": leg.status,
        }  # fmt: skip
        return form if leg.parent is None else form | {"ParentCallSid": leg.parent.sid}

    def _tell(self, leg: Leg, word: str) -> None:
        """A status callback, if this step was asked for (docs/twilio.md 1.2, 2.6); of an inbound call only its end, and
        only if it is watched."""
        over = word not in STEPS
        sequence, leg.sequence = leg.sequence, leg.sequence + 1
        url = leg.status_callback or (self.watched.get(leg.sid, "") if over else "")
        if not url or STEPS.get(word, "completed") not in leg.events:
            return
        now = self.clock.now()
        form = self._standard(leg) | {
            "CallStatus": word, "SequenceNumber": str(sequence), "CallbackSource": "call-progress-events",
            "Timestamp": format_datetime(now),
        }  # fmt: skip
        if over:
            seconds = int((now - leg.answered_at).total_seconds()) if leg.answered_at else 0
            form |= {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))}
            form["SipResponseCode"] = SIP.get(word, "200")
        self._send(url, form)

    def _tell_machine(self, leg: Leg) -> None:
        """Asynchronous machine detection (docs/twilio.md 2.9): one callback, also after the end of the call."""
        assert leg.person is not None
        assert leg.machine_callback is not None
        verdict = {"machine": "machine_end_other", "silent": "unknown"}.get(leg.person.sounds_like, "human")
        form = {"CallSid": leg.sid, "AccountSid": ACCOUNT, "AnsweredBy": verdict, "MachineDetectionDuration": "4000"}
        self._send(leg.machine_callback, form)

    def _tell_message(self, message: MemoryMessage, word: str) -> None:
        message.status = word
        form = {"MessageSid": message.sid, "SmsSid": message.sid, "MessageStatus": word, "SmsStatus": word,
                "To": message.to, "From": self._urls.number, "AccountSid": ACCOUNT}  # fmt: skip
        if word == "undelivered":
            form["ErrorCode"] = "30003"
        self._send(message.status_callback, form)

    def _no_sound(self, leg: Leg, url: str) -> None:
        """The world has no sound: every recording turns out to be absent (docs/twilio.md 2.5)."""
        form = {"AccountSid": ACCOUNT, "CallSid": (leg.parent or leg).sid, "RecordingStatus": "absent"}
        self.at(2.0, lambda: self._send(url, form))

    def _send(self, url: str, form: dict[str, str]) -> None:
        for after_s in self._chaos.deliveries(self._rng):
            if after_s:
                self.at(after_s, lambda: self._post(url, form))
            else:
                self._post(url, form)

    def _post(self, url: str, form: dict[str, str]) -> None:
        self._door.post(url, form)
