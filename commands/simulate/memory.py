"""A carrier in memory: the same questions and orders as `dialer.carrier.CarrierClient`, answered from lists.

tests/dialer/test_carrier_contract.py runs the same cases against it, against the simulation's own carrier that is
built on it, and against the real client with the local carrier, so that none of them drifts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.clock import Clock
from dialer.carrier import EVENTS, CarrierCall, CarrierMessage, CarrierRefused, InDoubt, Placed

REFUSED_CALLS = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
REFUSED_MESSAGES = {"+15005550001": 21211, "+15005550002": 21612, "+15005550004": 21610}
LIVE = ("queued", "ringing", "in-progress")


@dataclass
class MemoryCall:
    sid: str
    to: str
    url: str
    status_callback: str
    ring_s: int
    created: datetime
    status: str = "queued"
    machine_callback: str | None = None
    """Where the verdict on who answered is wanted; None: no machine detection."""
    events: Sequence[str] = EVENTS
    """What `status_callback` is told of."""


@dataclass
class MemoryMessage:
    sid: str
    to: str
    body: str
    created: datetime
    status: str = "queued"
    status_callback: str = ""


@dataclass
class MemoryCarrier:
    """What it was told is in `calls`, `messages`, `hung_up`, `said` and `watched`, in order."""

    clock: Clock
    calls: list[MemoryCall] = field(default_factory=list)
    inbound: list[MemoryCall] = field(default_factory=list)
    """Calls somebody else made to us: known by their SID, not among those we placed."""
    messages: list[MemoryMessage] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    watched: dict[str, str] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    """Calls on which a recording runs."""
    paused: list[tuple[str, bool]] = field(default_factory=list)
    lose_answers: int = 0
    """So many of the next POSTs are accepted, and their answers lost."""
    too_many: int = 0
    """So many of the next requests are refused unseen."""
    unreachable: bool = False
    list_lag_s: float = 0.0
    while_posting: Callable[[], None] | None = None
    """Something that happens elsewhere while a POST is under way; once."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def place(
        self,
        *,
        to: str,
        url: str,
        status_callback: str,
        ring_s: int,
        machine_callback: str | None = None,
        events: Sequence[str] = EVENTS,
    ) -> Placed:
        self._admit()
        if to in REFUSED_CALLS:
            raise CarrierRefused(REFUSED_CALLS[to], 400)
        call = self._accept(to, url, status_callback, ring_s)
        call.machine_callback, call.events = machine_callback, events
        self._meanwhile()
        self._lose()
        return Placed(call.sid)

    def look_up(self, sid: str) -> CarrierCall:
        self._admit()
        call = self.call(sid)
        if call is None:
            raise CarrierRefused(20404, 404)
        return CarrierCall(sid, call.status, None if call.status in LIVE else 0)

    def find_calls(self, *, to: str, since: datetime) -> list[CarrierCall]:
        self._admit()
        listed = [c for c in self._calls_to(to) if c.to == to and self._listed(c.created, since)]
        return [CarrierCall(c.sid, c.status, None) for c in listed]

    def hang_up(self, sid: str) -> None:
        self._admit()
        call = self.call(sid)
        self.hung_up.append(sid)
        if call is not None and call.status in LIVE:
            self._hang_up(call)

    def say_and_hang_up(self, sid: str, twiml: str) -> bool:
        self._admit()
        self.said[sid] = twiml
        call = self.call(sid)
        return call is not None and call.status in LIVE and self._say(call, twiml)

    def watch(self, sid: str, status_callback: str) -> bool:
        self._admit()
        self.watched[sid] = status_callback
        call = self.call(sid)
        return call is not None and call.status in LIVE

    def pause_recording(self, sid: str, *, paused: bool) -> bool:
        self._admit()
        call = self.call(sid)
        if call is None or call.status not in LIVE or sid not in self.recorded:
            return False
        self.paused.append((sid, paused))
        return True

    def send_sms(self, *, to: str, body: str, status_callback: str) -> Placed:
        self._admit()
        if to in REFUSED_MESSAGES:
            raise CarrierRefused(REFUSED_MESSAGES[to], 400)
        message = self._accept_sms(to, body, status_callback)
        self._meanwhile()
        self._lose()
        return Placed(message.sid)

    def find_message(
        self, *, to: str, body: str, since: datetime, besides: Collection[str] = ()
    ) -> CarrierMessage | None:
        self._admit()
        for message in self._messages_to(to):
            mine = message.to == to and message.body == body and message.sid not in besides
            if mine and self._listed(message.created, since):
                return CarrierMessage(message.sid, message.status)
        return None

    def check(self) -> None:
        self._admit()

    # ---- what a test knows and does ---------------------------------------------------------------
    def call(self, sid: str) -> MemoryCall | None:
        return next((call for call in [*self.calls, *self.inbound] if call.sid == sid), None)

    def rung(self) -> list[str]:
        """The numbers that were rung, in order."""
        return [call.to for call in self.calls]

    # ---- what a carrier with a world behind it does otherwise ------------------------------------------
    def _accept(self, to: str, url: str, status_callback: str, ring_s: int) -> MemoryCall:
        call = MemoryCall(self._sid("CA"), to, url, status_callback, ring_s, self.clock.now())
        self.calls.append(call)
        return call

    def _accept_sms(self, to: str, body: str, status_callback: str) -> MemoryMessage:
        message = MemoryMessage(self._sid("SM"), to, body, self.clock.now(), status_callback=status_callback)
        self.messages.append(message)
        return message

    def _calls_to(self, to: str) -> Iterable[MemoryCall]:
        """Newest first; others among them do no harm."""
        return reversed(self.calls)

    def _messages_to(self, to: str) -> Iterable[MemoryMessage]:
        return reversed(self.messages)

    def _hang_up(self, call: MemoryCall) -> None:
        call.status = "completed" if call.status == "in-progress" else "canceled"

    def _say(self, call: MemoryCall, twiml: str) -> bool:
        """Whether the live call takes another document now."""
        return True

    def _admit(self) -> None:
        if self.unreachable:
            raise InDoubt("ConnectionError")
        if self.too_many:
            self.too_many -= 1
            raise CarrierRefused(20429, 429)

    def _meanwhile(self) -> None:
        happening, self.while_posting = self.while_posting, None
        if happening is not None:
            happening()

    def _lose(self) -> None:
        if self.lose_answers:
            self.lose_answers -= 1
            raise InDoubt("ConnectionError")

    def _listed(self, created: datetime, since: datetime) -> bool:
        old_enough = created + timedelta(seconds=self.list_lag_s) <= self.clock.now()
        return old_enough and created >= since - timedelta(minutes=1)

    def _sid(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):032x}"
