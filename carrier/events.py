"""The carrier's log of everything that happened, in one order, for the control API and the page."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from carrier.clock import Clock

Event = dict[str, Any]


class EventLog:
    """Events `{"n", "at", "leg", "kind", ...}`, numbered from 1. It lives in memory for the life of the
    carrier."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[Event] = []
        self._changed = threading.Condition()

    def add(self, kind: str, leg: str | None = None, **fields: Any) -> None:
        """Append one event at the virtual now. `leg` is the SID of the call it happened on."""
        moment = self._clock.seconds()
        with self._changed:
            event = {
                "n": len(self._events) + 1,
                "at": iso(moment),
                "moment": moment,
                "leg": leg,
                "kind": kind,
            }
            self._events.append(event | fields)
            self._changed.notify_all()

    def after(self, number: int, timeout_s: float) -> list[Event]:
        """Events numbered above `number`, waiting up to `timeout_s` real seconds for the first."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > number, timeout_s)
            return [_public(event) for event in self._events[max(0, number) :]]

    def of(self, legs: set[str], since: float) -> list[Event]:
        """Events of some calls, each with `t`, its virtual seconds since the moment `since`."""
        with self._changed:
            found = [event for event in self._events if event["leg"] in legs]
        return [_public(event) | {"t": round(event["moment"] - since, 3)} for event in found]

    def wait_for(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait up to `timeout_s` real seconds until `predicate()` is true; it is asked again after each
        event.

        The lock is not held while it is asked: a predicate may take the locks of calls, which log while
        holding them.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._changed:
                seen = len(self._events)
            if predicate():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                if len(self._events) == seen:
                    self._changed.wait(left)


def iso(moment: float) -> str:
    """A virtual moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _public(event: Event) -> Event:
    return {name: value for name, value in event.items() if name != "moment"}
