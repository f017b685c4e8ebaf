"""The virtual clock: real time by a factor, movable forward; and the timetable of things to do at a virtual
moment."""

import heapq
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

log = logging.getLogger(__name__)


class _Anchor(NamedTuple):
    virtual: float
    real: float
    speed: float


class Clock:
    """`now = anchor + (monotonic - anchor_real) * speed`. Virtual seconds are seconds since the Unix epoch.

    Who waits for a virtual moment does so on his own condition through `wait`; a moved clock wakes all of
    them.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._anchor = _Anchor(time.time(), time.monotonic(), speed)
        self._change = threading.Lock()
        self._waiting: weakref.WeakSet[threading.Condition] = weakref.WeakSet()

    @property
    def speed(self) -> float:
        return self._anchor.speed

    def seconds(self) -> float:
        """Now, in virtual seconds since the epoch."""
        anchor = self._anchor  # one read: the tuple is replaced as a whole, never changed
        return anchor.virtual + (time.monotonic() - anchor.real) * anchor.speed

    def move(self, forward_s: float = 0.0, speed: float | None = None, to: datetime | None = None) -> None:
        """Jump forward and/or change the speed. Raises ValueError for a step back or a speed that is not
        positive."""
        with self._change:
            now = self.seconds()
            target = now + forward_s if to is None else to.timestamp()
            if target < now:
                raise ValueError("the clock only moves forward")
            if speed is not None and speed <= 0:
                raise ValueError("speed must be above 0")
            self._anchor = _Anchor(target, time.monotonic(), speed or self._anchor.speed)
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def condition(self) -> threading.Condition:
        """A condition that is also woken when the clock is moved."""
        condition = threading.Condition()
        with self._change:
            self._waiting.add(condition)
        return condition

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """Wait, holding `condition`, for a notification or the virtual moment `until`; callers loop on their
        reason."""
        if until is None:
            condition.wait()
            return
        anchor = self._anchor
        real = anchor.real + (until - anchor.virtual) / anchor.speed - time.monotonic()
        if real > 0:
            condition.wait(min(real, threading.TIMEOUT_MAX))


class Timetable:
    """Runs functions at virtual moments, one after the other, on one thread. They must be quick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._condition = clock.condition()
        threading.Thread(target=self._run, name="timetable", daemon=True).start()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Run `action` at the virtual second `moment`, or at once if that is past."""
        with self._condition:
            heapq.heappush(self._due, (moment, next(self._number), action))
            self._condition.notify_all()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` so many virtual seconds from now."""
        self.at(self._clock.seconds() + seconds, action)

    def _run(self) -> None:
        while True:
            action = self._next()
            try:
                action()
            except Exception:  # one failed action must not stop the timetable for everybody else
                log.exception("an action of the timetable failed")

    def _next(self) -> Callable[[], None]:
        with self._condition:
            while not self._due or self._due[0][0] > self._clock.seconds():
                self._clock.wait(self._condition, self._due[0][0] if self._due else None)
            return heapq.heappop(self._due)[2]
