"""Requests to the application: signed, with Twilio's headers, times and single retry (docs/twilio.md 2.1,
2.12, 3.1)."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import requests
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped, unused-ignore]
from urllib3.exceptions import NewConnectionError

from carrier.chaos import Chaos
from carrier.events import EventLog
from carrier.work import Work

log = logging.getLogger(__name__)

# Real seconds, at any speed of the clock: the network and the application are not virtual (docs/twilio.md
# 2.12).
CONNECT_S = 5.0
READ_S = 15.0
MOST_REDIRECTS = 10
DELIVERERS = 64


class FetchError(Exception):
    """A request that got no usable answer; `code` is the debugger's (docs/twilio.md 1.7)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Reply:
    """An answer of the application with a 2xx status."""

    url: str
    content_type: str
    body: bytes


class Webhooks:
    """Sends the carrier's requests. One `requests.Session` a call keeps that call's cookies (docs/twilio.md
    2.1)."""

    def __init__(self, token: str, events: EventLog) -> None:
        self._validator = RequestValidator(token)
        self._events = events

    def fetch(
        self,
        session: requests.Session,
        url: str,
        method: str,
        params: dict[str, str],
        leg: str,
        token: str = "",
    ) -> Reply:
        """Request `url` and return its 2xx answer; raises FetchError. Redirections lose the POST's
        parameters."""
        token = token or str(uuid.uuid4())
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(session, url, method, params, leg, token)
            if not answer.is_redirect:
                break
            url, method, params = urljoin(url, answer.headers["Location"]), "GET", {}
        else:
            raise FetchError(11215, "too many HTTP redirects")
        if not 200 <= answer.status_code < 300:
            raise FetchError(11200, f"HTTP status {answer.status_code}")
        return Reply(url, answer.headers.get("Content-Type", ""), answer.content)

    def _once(
        self, session: requests.Session, url: str, method: str, params: dict[str, str], leg: str, token: str
    ) -> requests.Response:
        """One HTTP exchange, repeated once if the connection could not be made."""
        prepared = self._prepare(session, url, method, params, token)
        start = time.monotonic()
        try:
            try:
                answer = session.send(prepared, timeout=(CONNECT_S, READ_S), allow_redirects=False)
            except requests.ConnectionError as error:
                if not _connect_failed(error):
                    raise
                answer = session.send(prepared, timeout=(CONNECT_S, READ_S), allow_redirects=False)
        except requests.RequestException as error:
            code = 11205 if isinstance(error, requests.ConnectionError) else 11200
            self._note(leg, url, None, start)
            raise FetchError(code, type(error).__name__) from error
        self._note(leg, url, answer.status_code, start)
        return answer

    def _prepare(
        self, session: requests.Session, url: str, method: str, params: dict[str, str], token: str
    ) -> requests.PreparedRequest:
        # The fragment carries Twilio's connection overrides: neither sent nor signed.
        url = urldefrag(url).url
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "Cache-Control": "max-age=259200",
            "I-Twilio-Idempotency-Token": token,
            # A connection kept for later may be closed by the application just as the next request leaves on
            # it.
            "Connection": "close",
        }
        body = None
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
            body = urlencode(params)
        elif params:
            url += ("&" if urlsplit(url).query else "?") + urlencode(params)
        prepared = session.prepare_request(requests.Request(method, url, headers=headers, data=body))
        # The prepared URL is what goes out on the wire, so it is what gets signed.
        signed = self._validator.compute_signature(prepared.url, params if method == "POST" else {})
        prepared.headers["X-Twilio-Signature"] = signed
        return prepared

    def _note(self, leg: str, url: str, status: int | None, start: float) -> None:
        ms = round((time.monotonic() - start) * 1000)
        self._events.add("webhook", leg, path=urlsplit(url).path, http_status=status, ms=ms)


def new_session() -> requests.Session:
    """A session for one call. The environment's proxies are not for the way to one's own hospital."""
    session = requests.Session()
    session.trust_env = False
    return session


def _connect_failed(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(getattr(cause, "reason", None), NewConnectionError)


class Post:
    """The post room: delivers callbacks without keeping anybody waiting."""

    def __init__(self, webhooks: Webhooks, work: Work, chaos: Chaos, events: EventLog) -> None:
        self._webhooks = webhooks
        self._chaos = chaos
        self._events = events
        self.work = work
        self.pool = ThreadPoolExecutor(DELIVERERS, thread_name_prefix="callback")

    def deliver(self, session: requests.Session, url: str, method: str, params: dict[str, str], leg: str) -> None:
        """One callback, as often as chaos says. Its failure is a line in the log, not a reason to try again
        (2.6)."""
        token = str(uuid.uuid4())
        for _ in range(self._chaos.copies()):
            try:
                self._webhooks.fetch(session, url, method, params, leg, token)
            except FetchError as error:
                log.warning("callback for %s failed: %s %s", leg, error.code, error)
                self._events.add("error", leg, code=15003, text=f"status callback: {error}")


class Outbox:
    """The callbacks of one call, or one message, delivered one after the other in the order they arose.

    Twilio sends them independently and they may arrive in any order; in order is the calm case, and the one
    that a test can repeat.
    """

    def __init__(self, post: Post, sid: str) -> None:
        self._post = post
        self._sid = sid
        self._session = new_session()
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False

    def send(self, url: str, method: str, params: dict[str, str]) -> None:
        """Queue one callback."""
        self.after(lambda: self._post.deliver(self._session, url, method, params, self._sid))

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
