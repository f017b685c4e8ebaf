"""Requests to the application: signed, with Twilio's headers, times and single retry (docs/twilio.md 2.1,
2.12, 3.1)."""

import time
import uuid
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import requests
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped, unused-ignore]
from urllib3.exceptions import NewConnectionError

from carrier.events import EventLog

# Real seconds, at any speed of the clock: the network and the application are not virtual (docs/twilio.md
# 2.12).
CONNECT_S = 5.0
READ_S = 15.0
MOST_REDIRECTS = 10
# One byte more than a document may have, so that a longer one is seen to be longer (docs/twilio.md 2.12).
ENOUGH_OF_A_DOCUMENT = 64 * 1024 + 1
PIECE = 64 * 1024


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
        most: int = ENOUGH_OF_A_DOCUMENT,
    ) -> Reply:
        """Request `url` and return its 2xx answer, of which no more than `most` bytes are read; raises
        FetchError. Redirections lose the POST's parameters."""
        token = token or str(uuid.uuid4())
        for _ in range(MOST_REDIRECTS + 1):
            answer, body = self._once(session, self._prepare(session, url, method, params, token), leg, most)
            if not answer.is_redirect:
                break
            url, method, params = urljoin(url, answer.headers["Location"]), "GET", {}
        else:
            raise FetchError(11215, "too many HTTP redirects")
        if not 200 <= answer.status_code < 300:
            raise FetchError(11200, f"HTTP status {answer.status_code}")
        return Reply(url, answer.headers.get("Content-Type", ""), body)

    def _once(
        self, session: requests.Session, prepared: requests.PreparedRequest, leg: str, most: int
    ) -> tuple[requests.Response, bytes]:
        """One HTTP exchange, repeated once if the connection could not be made; the answer and its body."""
        url, start = prepared.url or "", time.monotonic()
        try:
            try:
                answer = session.send(prepared, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True)
            except requests.ConnectionError as error:
                if not _connect_failed(error):
                    raise
                answer = session.send(prepared, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True)
            with answer:
                body = _read(answer, most)
        except requests.RequestException as error:
            code = 11205 if isinstance(error, requests.ConnectionError) else 11200
            self._note(leg, url, None, start)
            raise FetchError(code, type(error).__name__) from error
        self._note(leg, url, answer.status_code, start)
        return answer, body

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


def _read(answer: requests.Response, most: int) -> bytes:
    """The first `most` bytes of a body."""
    body = bytearray()
    for piece in answer.iter_content(PIECE):
        body += piece
        if len(body) >= most:
            break
    return bytes(body[:most])


def _connect_failed(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(getattr(cause, "reason", None), NewConnectionError)
