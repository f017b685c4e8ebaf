"""The telephone carrier as the house sees it: five questions and orders, asked through the official SDK.

The same client speaks to Twilio, to a Twilio-compatible carrier and to the local one; only the base URL
differs (docs/twilio.md 7.1). Every request has a time-out, because the SDK has none of its own. An answer
that never came is not a failure: it is `InDoubt`, and the caller must look before acting again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from dialer.machine import CALL_OVER, call_word

TIMEOUT_S = 8.0
EVENTS = ("initiated", "ringing", "answered", "completed")
"""Every step of a ring, as a callback."""
ROUTINE_EVENTS = ("ringing", "completed")
"""Of a routine ring: that the carrier has it is the POST's own answer, and that somebody picked up is the request for
what to say. Where either is lost, one of these or the deadline's question settles it some seconds later, which a
routine ring can wait for and an escalation cannot."""

logging.getLogger("twilio.http_client").setLevel(logging.WARNING)  # its debug log prints numbers


class CarrierRefused(Exception):
    """The carrier answered and said no: nothing was placed. `code` is docs/twilio.md 1.7's."""

    def __init__(self, code: int, status: int) -> None:
        super().__init__(f"the carrier refused with code {code} (HTTP {status})")
        self.code = code
        self.status = status


class InDoubt(Exception):
    """No answer, or one that does not say: it may or may not have happened."""


@dataclass(frozen=True)
class Placed:
    sid: str


@dataclass(frozen=True)
class CarrierCall:
    sid: str
    status: str
    """The carrier's word (docs/twilio.md section 5)."""
    duration_s: int | None


@dataclass(frozen=True)
class CarrierMessage:
    sid: str
    status: str


class CarrierClient:
    """`base_url` empty means Twilio itself; `public_url` is where the carrier reaches us."""

    def __init__(
        self, account_sid: str, auth_token: str, sender: str, base_url: str = "", public_url: str = ""
    ) -> None:
        self._client = Client(
            account_sid, auth_token, http_client=TwilioHttpClient(timeout=TIMEOUT_S, pool_connections=True)
        )
        if base_url:
            self._client.api.base_url = base_url.rstrip("/")
        self.account_sid = account_sid
        self.sender = sender
        self._fallback_url = f"{public_url}/ivr/fallback"

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
        """Ring `to`; on answer the carrier asks `url` what to say; `status_callback` is told of `events`. With
        `machine_callback` it also listens whether a machine answered and tells that address, while the call goes on
        (docs/twilio.md 1.2, 2.9). Raises CarrierRefused, InDoubt."""
        detection = (
            {
                "machine_detection": "DetectMessageEnd",
                "async_amd": "true",
                "async_amd_status_callback": machine_callback,
                "async_amd_status_callback_method": "POST",
            }
            if machine_callback
            else {}
        )
        with _translated():
            call = self._client.calls.create(
                to=to,
                from_=self.sender,
                url=url,
                method="POST",
                fallback_url=self._fallback_url,
                status_callback=status_callback,
                status_callback_method="POST",
                status_callback_event=list(events),
                timeout=ring_s,
                **detection,
            )
        return Placed(_sid(call.sid))

    def look_up(self, sid: str) -> CarrierCall:
        """How the carrier sees this call now. Raises CarrierRefused (20404: unknown), InDoubt."""
        with _translated():
            call = self._client.calls(sid).fetch()
        return CarrierCall(sid, str(call.status), int(call.duration) if call.duration else None)

    def find_calls(self, *, to: str, since: datetime) -> list[CarrierCall]:
        """Calls from us to `to` that the carrier's list holds since a minute before `since`, newest first.

        Not filtered by StartTime at the carrier: a call that waits in its queue has none yet (docs/twilio.md 1.2).
        """
        after = since - timedelta(minutes=1)
        with _translated():
            calls = self._client.calls.list(to=to, from_=self.sender, limit=50)
        return [
            CarrierCall(_sid(c.sid), str(c.status), int(c.duration) if c.duration else None)
            for c in calls
            if c.date_created is None or c.date_created.astimezone(UTC) >= after
        ]

    def hang_up(self, sid: str) -> None:
        """End the call, whatever it is doing. A call that is already over is no error."""
        self._update(sid, status="completed")

    def say_and_hang_up(self, sid: str, twiml: str) -> bool:
        """Replace what the live call is hearing by a document of our own. False: it is over already."""
        return self._update(sid, twiml=twiml)

    def watch(self, sid: str, status_callback: str) -> bool:
        """Ask to be told when a live inbound call ends. False: it is over already, and nothing will be told."""
        return self._update(sid, status_callback=status_callback, status_callback_method="POST")

    def pause_recording(self, sid: str, *, paused: bool) -> bool:
        """Silence the recording that runs on this call, or let it go on; its length stays true. False: none runs (yet,
        or any more). Raises CarrierRefused, InDoubt."""
        change = {"status": "paused", "pause_behavior": "silence"} if paused else {"status": "in-progress"}
        try:
            with _translated():
                self._client.calls(sid).recordings("Twilio.CURRENT").update(**change)
        except CarrierRefused as refused:
            if refused.code not in (20404, 21220):
                raise
            return False
        return True

    def _update(self, sid: str, **change: str) -> bool:
        """Change a call. False if the carrier says that it is not alive, or knows no such call."""
        try:
            with _translated():
                call = self._client.calls(sid).update(**change)
        except CarrierRefused as refused:
            if refused.code not in (21220, 20404):
                raise
            return False
        return call_word(str(call.status)) not in CALL_OVER

    def send_sms(self, *, to: str, body: str, status_callback: str) -> Placed:
        """Raises CarrierRefused, InDoubt."""
        with _translated():
            message = self._client.messages.create(to=to, from_=self.sender, body=body, status_callback=status_callback)
        return Placed(_sid(message.sid))

    def find_message(
        self, *, to: str, body: str, since: datetime, besides: Collection[str] = ()
    ) -> CarrierMessage | None:
        """The newest message of ours to `to` with exactly this text since a minute before `since`, not one of the
        SIDs `besides`: a family that shares a phone gets the same words twice."""
        after = since - timedelta(minutes=1)
        with _translated():
            messages = self._client.messages.list(to=to, from_=self.sender, limit=50)
        for message in messages:
            if message.sid in besides:
                continue
            if message.body == body and (message.date_created is None or message.date_created >= after):
                return CarrierMessage(_sid(message.sid), str(message.status))
        return None

    def check(self) -> None:
        """One cheap question that needs the credentials. Raises CarrierRefused, InDoubt."""
        with _translated():
            self._client.api.accounts(self.account_sid).fetch()


class _translated:
    """SDK and network errors in our two words. 4xx: refused; anything else may have happened."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TwilioRestException) and 400 <= error.status < 500:
            raise CarrierRefused(error.code or error.status, error.status) from error
        if isinstance(error, (TwilioException, requests.RequestException)):
            raise InDoubt(type(error).__name__) from error


def _sid(value: str | None) -> str:
    if not value:
        raise InDoubt("the carrier answered without a SID")
    return value
