"""Getting a recording's sound from the carrier.

The address is built from the base URL, the account and the recording's SID, never taken from a form
(docs/twilio.md 7.1; a stored address fetched with credentials would be a hole). Credentials go to that one
host only: a redirect is not followed with them, and without them only to a host on the allow-list.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from core.said import kept

TWILIO: Final = "https://api.twilio.com"
BYTES_A_SECOND: Final = 32_000
"""Two channels of 8 kHz and 16 bits: the most a telephone recording holds."""
DEFAULT_LIMIT: Final = 120 * 60 * BYTES_A_SECOND
CONNECT_S: Final = 5.0
READ_S: Final = 30.0
TOTAL_S: Final = 300.0
"""The whole download. The read time-out alone would let a dripping server hold a worker for ever."""
QUICK_S: Final = 15.0
"""The first try at an answer (docs/design.md 5, words of warning): a minute of speech is 1 MB, which half a megabit a
second brings in this time. What is slower is fetched once more, with all the time there is, where nothing waits behind
it: two stalled downloads must not hold the two slots of the queue of answers while a third patient's words wait."""
QUICK_READ_S: Final = 5.0

_ACCOUNT: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_RECORDING: Final = re.compile(r"RE[0-9a-f]{32}")
_CALL: Final = re.compile(r"CA[0-9a-f]{32}")
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Media:
    """The file."""

    data: bytes


@dataclass(frozen=True)
class NotYet:
    """404: announced, but not to be had yet."""


@dataclass(frozen=True)
class Gone:
    """It was deleted there, or is not there (any more)."""


@dataclass(frozen=True)
class Denied:
    """The carrier does not accept our account or token, or does not let us have this file."""

    status: int


@dataclass(frozen=True)
class Broken:
    """Anything else. `again`: whether a later try could end better."""

    reason: str
    """A code of recordings.sound_words."""
    again: bool = True
    slow: bool = False
    """It may come, given more time."""


NOT_SET: Final = Broken("no_account")
Fetched = Media | NotYet | Denied | Broken


@dataclass(frozen=True)
class Listed:
    """One recording in the carrier's own list."""

    sid: str
    source: str
    status: str
    seconds: int | None
    started_at: datetime | None


class Fetcher:
    """The carrier's recordings, by Basic authentication. Holds no connection between calls; thread-safe."""

    def __init__(
        self,
        account_sid: str | None,
        auth_token: str,
        base_url: str | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        redirect_hosts: frozenset[str] = frozenset(),
        timeout: tuple[float, float] = (CONNECT_S, READ_S),
        total_s: float = TOTAL_S,
        quick_s: float = QUICK_S,
    ) -> None:
        if account_sid and not _ACCOUNT.fullmatch(account_sid):
            raise ValueError("the carrier account is not AC and 32 hexadecimal digits")
        self._base = (base_url or TWILIO).rstrip("/")
        self._account = account_sid or ""
        self._token = auth_token
        self._limit = limit
        self._redirect_hosts = redirect_hosts
        self._timeout = timeout
        self._total_s = total_s
        self._quick_s = quick_s

    def __repr__(self) -> str:
        return f"Fetcher({self._base}, {self._account})"

    def media_url(self, recording_sid: str) -> str:
        """Where the WAV of a recording is; ValueError for a SID that is none (docs/twilio.md 1.4)."""
        if not is_recording_sid(recording_sid):
            raise ValueError("a recording SID is RE and 32 hexadecimal digits")
        return f"{self._base}/2010-04-01/Accounts/{self._account}/Recordings/{recording_sid}.wav"

    def fetch(self, recording_sid: str, *, quick: bool = False) -> Fetched:
        """The file, or why not; `quick`: within QUICK_S or not at all. Raises only for a malformed SID."""
        url = self.media_url(recording_sid)
        if not (self._account and self._token):
            return NOT_SET
        total_s, (connect_s, read_s) = self._total_s, self._timeout
        if quick:
            total_s, read_s = min(total_s, self._quick_s), min(read_s, QUICK_READ_S, self._quick_s)
        ends, patience = time.monotonic() + total_s, (connect_s, read_s)
        try:
            with self._session(url) as session:
                response = self._get(session, url, with_credentials=True, timeout=patience)
                if response.is_redirect:
                    target = urljoin(url, response.headers["location"])
                    response.close()
                    if not self._may_follow(target):
                        return Broken("redirected", again=False)
                    response = self._get(session, target, with_credentials=False, timeout=patience)
                with response:
                    return self._read(response, ends)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            return Broken("timeout", slow=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The type only: the text of a requests error holds the address.
            return Broken(kept("unreached", error=type(error).__name__))

    def delete(self, recording_sid: str) -> Gone | Denied | Broken:
        """Delete the carrier's copy (docs/twilio.md 1.4). One that is not there counts as deleted. Raises only for a
        malformed SID."""
        url = self.media_url(recording_sid).removesuffix(".wav") + ".json"
        if not (self._account and self._token):
            return NOT_SET
        try:
            with (
                self._session(url) as session,
                session.delete(
                    url, auth=(self._account, self._token), allow_redirects=False, timeout=self._timeout
                ) as response,
            ):
                status = response.status_code
        except requests.RequestException as error:
            return Broken(kept("unreached", error=type(error).__name__))
        if status in (204, 404):
            return Gone()
        return Denied(status) if status in (401, 403) else Broken(kept("status", status=status))

    def list_of_call(self, call_sid: str) -> Sequence[Listed] | Denied | Broken:
        """What the carrier itself says was recorded of a call: for a callback that never came."""
        if not _CALL.fullmatch(call_sid):
            return Broken("no_call_sid", again=False)
        if not (self._account and self._token):
            return NOT_SET
        url = f"{self._base}/2010-04-01/Accounts/{self._account}/Recordings.json"
        try:
            with self._session(url) as session:
                response = self._get(session, url, with_credentials=True, params={"CallSid": call_sid})
                if response.status_code in (401, 403):
                    return Denied(response.status_code)
                if response.status_code != 200:
                    return Broken(kept("list_status", status=response.status_code))
                return _listed(response.json())
        except requests.RequestException as error:
            return Broken(kept("unreached", error=type(error).__name__))

    def _session(self, url: str) -> requests.Session:
        session = requests.Session()
        # A proxy from the environment is for the world outside, not for a carrier on this machine.
        session.trust_env = not _is_loopback(urlsplit(url).hostname or "")
        return session

    def _get(
        self,
        session: requests.Session,
        url: str,
        *,
        with_credentials: bool,
        params: Mapping[str, str] | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> requests.Response:
        return session.get(
            url,
            params=params,
            auth=(self._account, self._token) if with_credentials else _NoAuth(),
            allow_redirects=False,
            stream=True,
            timeout=timeout or self._timeout,
            headers={"Accept-Encoding": "identity"},
        )

    def _may_follow(self, target: str) -> bool:
        parts = urlsplit(target)
        return parts.scheme == "https" and parts.hostname in self._redirect_hosts and parts.username is None

    def _read(self, response: requests.Response, ends: float) -> Fetched:
        status = response.status_code
        if status == 404:
            return NotYet()
        if status in (401, 403):
            return Denied(status)
        if status != 200:
            return Broken(kept("status", status=status), again=status >= 500 or status in (408, 429))
        too_large = Broken(kept("too_large", most=self._limit // (1024 * 1024)), again=False)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            return too_large
        if response.headers.get("content-encoding", "identity") != "identity":
            # not asked for, and small packed bodies can be huge ones
            return Broken("packed", again=False)
        data = bytearray()
        # as much as one look at the line gives: waiting for a whole piece, a drop at a time would never reach the clock
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            data += chunk
            if len(data) > self._limit:
                return too_large
            if time.monotonic() > ends:
                return Broken("too_slow", slow=True)
        if announced.isdigit() and len(data) != int(announced):
            return Broken("broke_off")
        return Media(bytes(data))


class _NoAuth(requests.auth.AuthBase):
    """Says "no credentials" to requests, which would otherwise look for some in ~/.netrc."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


def is_recording_sid(text: str) -> bool:
    return _RECORDING.fullmatch(text) is not None


def _listed(body: Any) -> Sequence[Listed] | Broken:
    """The carrier's list page (docs/twilio.md 1.4); entries with a malformed SID are left out."""
    rows = body.get("recordings") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return Broken("list_unread")
    return [
        Listed(
            sid=str(row.get("sid", "")),
            source=str(row.get("source", "")),
            status=str(row.get("status", "")),
            seconds=_whole(row.get("duration")),
            started_at=_moment(row.get("start_time") or row.get("date_created")),
        )
        for row in rows
        if isinstance(row, dict) and is_recording_sid(str(row.get("sid", "")))
    ]


def _whole(value: object) -> int | None:
    """Numbers come as text, and durations as "-1" or null until they are known."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def _moment(value: object) -> datetime | None:
    """RFC 2822, always UTC (docs/twilio.md 1.1)."""
    try:
        return parsedate_to_datetime(str(value))
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
