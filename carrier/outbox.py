"""The callbacks of calls, recordings and messages: delivered in order and in time, but for what chaos does."""

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from carrier.chaos import Chaos
from carrier.clock import Timetable
from carrier.events import EventLog
from carrier.webhooks import FetchError, Webhooks, new_session
from carrier.work import Work

log = logging.getLogger(__name__)

DELIVERERS = 64
# A callback that is held for the one behind it goes out alone after this many virtual seconds.
LONGEST_HOLD_S = 10.0


@dataclass(frozen=True)
class Letter:
    """One callback to deliver, `copies` times. `kind`: status, recording, amd or message."""

    url: str
    method: str
    params: dict[str, str]
    kind: str
    copies: int = 1


class Post:
    """The post room: delivers callbacks without keeping anybody waiting."""

    def __init__(self, webhooks: Webhooks, work: Work, chaos: Chaos, events: EventLog, timetable: Timetable) -> None:
        self._webhooks = webhooks
        self._events = events
        self.chaos = chaos
        self.work = work
        self.timetable = timetable
        self.pool = ThreadPoolExecutor(DELIVERERS, thread_name_prefix="callback")

    def deliver(self, session: requests.Session, letter: Letter, leg: str) -> None:
        """One callback, as often as it is to be sent. Its failure is a line in the log, not a reason to try
        again (docs/twilio.md 2.6)."""
        token = str(uuid.uuid4())
        for _ in range(letter.copies):
            try:
                self._webhooks.fetch(session, letter.url, letter.method, letter.params, leg, token)
            except FetchError as error:
                log.warning("callback for %s failed: %s %s", leg, error.code, error)
                self._events.add("error", leg, code=15003, text=f"{letter.kind} callback: {error}")

    def note(self, leg: str, kind: str, what: str) -> None:
        """A line about what chaos did to a callback."""
        self._events.add("chaos", leg, text=f"{kind} callback {what}")


class Outbox:
    """The callbacks of one call, or one message, delivered one after the other in the order they arose.

    Twilio sends them independently and they may arrive in any order; in order is the calm case, and the one
    that a test can repeat. Chaos drops, doubles, delays or reorders them (`carrier/chaos.py`).
    """

    def __init__(self, post: Post, sid: str) -> None:
        self._post = post
        self._sid = sid
        self._session = new_session()
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False
        self._held: Letter | None = None

    def send(self, url: str, method: str, params: dict[str, str], kind: str) -> None:
        """Queue one callback."""
        fate = self._post.chaos.fate(kind, may_hold=self._held is None)
        letter = Letter(url, method, params, kind, fate.copies)
        if not fate.copies:
            self._post.note(self._sid, kind, "dropped")
        elif fate.delay_s:
            self._post.note(self._sid, kind, f"delayed by {fate.delay_s:g} s")
            self._later(fate.delay_s, lambda: self._queue(letter))
        elif fate.held and self._hold(letter):
            self._post.note(self._sid, kind, "held for the next one")
            self._later(LONGEST_HOLD_S, lambda: self._release(letter))
        else:
            self._queue(letter)
            self._release(self._held)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something so many virtual seconds from now; until then it is work under way."""
        self._post.work.begin()

        def then() -> None:
            try:
                action()
            finally:
                self._post.work.done()

        self._post.timetable.after(seconds, then)

    def _hold(self, letter: Letter) -> bool:
        """Keep a callback back; False when another one is."""
        with self._lock:
            if self._held is not None:
                return False
            self._held = letter
            return True

    def _release(self, letter: Letter | None) -> None:
        """Let a held callback go out, once."""
        with self._lock:
            if letter is None or self._held is not letter:
                return
            self._held = None
        self._queue(letter)

    def _queue(self, letter: Letter) -> None:
        self.after(lambda: self._post.deliver(self._session, letter, self._sid))

    def after(self, action: Callable[[], None]) -> None:
        """Run `action` when everything queued before it is done."""
        self._post.work.begin()
        with self._lock:
            self._waiting.append(action)
            if self._running:
                return
            self._running = True
        self._post.pool.submit(self._drain)

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                action = self._waiting.popleft()
            try:
                action()
            except Exception:  # the callbacks behind it must still go out
                log.exception("a callback of %s failed", self._sid)
            finally:
                self._post.work.done()
