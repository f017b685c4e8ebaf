"""The queue of created calls: started one by one, `cps` of them a virtual second (docs/twilio.md 1.8)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from carrier.calls import Call
from carrier.clock import Clock, Timetable


@dataclass(eq=False)
class Ticket:
    """A call's place in the queue. `start` is set when the answer to its create is on its way; before that it
    does not ring."""

    call: Call
    start: Callable[[], None] | None = None


class Pacer:
    """Two calls never start nearer to each other than 1/`cps` virtual seconds, however late a thread runs; at
    0 there is no limit. A call that was cancelled in the queue takes nobody's turn."""

    def __init__(self, clock: Clock, timetable: Timetable, cps: float) -> None:
        self._clock, self._timetable, self._cps = clock, timetable, cps
        self._queue: list[Ticket] = []
        self._last = 0.0
        self._armed: float | None = None
        self._lock = threading.Lock()

    def show(self) -> dict[str, float]:
        """The rate, and how many wait."""
        with self._lock:
            return {"cps": self._cps, "queued": len(self._queue)}

    def set(self, cps: float) -> None:
        """Another rate, from the next call on; raises ValueError below 0."""
        if cps < 0:
            raise ValueError("cps must be 0 (no limit) or more")
        with self._lock:
            self._cps = cps
        self.turn()

    def join(self, call: Call) -> Ticket:
        """Take the last place; the call's `queue_ms` says how long that will probably last."""
        ticket = Ticket(call)
        now = self._clock.seconds()
        with self._lock:
            if self._cps > 0:
                before = sum(not other.call.over for other in self._queue)
                call.queue_ms = round((max(0.0, self._due() - now) + before / self._cps) * 1000)
            self._queue.append(ticket)
        return ticket

    def place(self, ticket: Ticket, start: Callable[[], None]) -> None:
        """Let a call ring when its turn comes."""
        with self._lock:
            ticket.start = start
        self.turn()

    def turn(self) -> None:
        """Start what may start now, and come back when the next may. Calls that were cancelled go on at
        once: their lives end where they begin."""
        with self._lock:
            started = [ticket for ticket in self._queue if ticket.start and ticket.call.over]
            self._queue = [ticket for ticket in self._queue if ticket not in started]
            while (ticket := next((t for t in self._queue if t.start), None)) is not None:
                now = self._clock.seconds()
                if self._due() > now:
                    self._come_back(self._due())
                    break
                self._queue.remove(ticket)
                self._last = now
                ticket.call.started = now
                if ticket.call.queue_ms:
                    ticket.call.queue_ms = round((now - ticket.call.created) * 1000)
                started.append(ticket)
        for ticket in started:
            assert ticket.start is not None
            ticket.start()

    def _due(self) -> float:
        return self._last + 1 / self._cps if self._cps > 0 else self._last

    def _come_back(self, moment: float) -> None:
        """Look again at a moment, for which one entry in the timetable is enough."""
        if moment != self._armed:
            self._armed = moment
            self._timetable.at(moment, self.turn)
