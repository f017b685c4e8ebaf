"""Text messages: the resource and its way from queued to delivered (docs/twilio.md 1.5)."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from carrier.calls import API_VERSION, new_sid, rfc2822
from carrier.events import iso

if TYPE_CHECKING:
    from carrier.exchange import Exchange
    from carrier.outbox import Outbox

SENDING_AFTER_S = 0.25
SENT_AFTER_S = 0.5
DELIVERED_AFTER_S = 2.0
OPTED_OUT = 21610
# What goes with an error code (docs/twilio.md 1.7).
ERRORS = {
    OPTED_OUT: "Attempt to send to unsubscribed recipient",
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
}
GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)


def segments(body: str) -> int:
    """How many messages it takes on the air: 160 GSM-7 characters, 153 when split; 70 and 67 for other
    scripts."""
    whole, part = (160, 153) if set(body) <= GSM7 else (70, 67)
    return 1 if len(body) <= whole else math.ceil(len(body) / part)


@dataclass
class Message:
    """One text message, out of the hospital or into it. Times are virtual seconds."""

    account: str
    to: str
    from_: str
    body: str
    created: float
    status_callback: str = ""
    direction: str = "outbound-api"
    sid: str = field(default_factory=lambda: new_sid("SM"))
    status: str = "queued"
    error_code: int | None = None
    updated: float = 0.0
    sent: float | None = None
    outbox: "Outbox | None" = None

    def to_json(self) -> dict[str, Any]:
        """The Message resource."""
        path = f"/{API_VERSION}/Accounts/{self.account}/Messages/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": rfc2822(self.created),
            "date_sent": rfc2822(self.sent),
            "date_updated": rfc2822(self.updated or self.created),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None if self.error_code is None else ERRORS.get(self.error_code, "Unknown error"),
            "from": self.from_,
            "to": self.to,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "status": self.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "uri": f"{path}.json",
        }

    def brief(self) -> dict[str, Any]:
        """What the control API shows of it."""
        fields = {
            "sid": self.sid,
            "to": self.to,
            "from": self.from_,
            "body": self.body,
            "status": self.status,
            "direction": self.direction,
            "error_code": self.error_code,
        }
        return fields | {"at": iso(self.created), "created": round(self.created, 3)}


# Seconds after the create, the status, and its error code.
Step = tuple[float, str, int | None]


class MessageBook:
    """All messages; each moves on by the timetable."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._messages: dict[str, Message] = {}
        self._lock = threading.Lock()

    def get(self, sid: str) -> Message | None:
        with self._lock:
            return self._messages.get(sid)

    def select(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """The messages that are wanted, newest first."""
        with self._lock:
            messages = list(self._messages.values())
        return [message for message in reversed(messages) if wanted(message)]

    def keep(self, message: Message) -> None:
        """Take a message in that goes nowhere any more: received, or failed at once."""
        with self._lock:
            self._messages[message.sid] = message
        self._exchange.events.add("sms", message.sid, status=message.status, text=message.body)

    def add(self, message: Message) -> None:
        """Take a message in, still unsent."""
        message.outbox = self._exchange.outbox(message.sid)
        self._exchange.work.begin()
        with self._lock:
            self._messages[message.sid] = message

    def send(self, message: Message) -> None:
        """Begin its way: queued, sending, sent, then delivered, or what its phone is set to (1.5)."""
        self._report(message)
        fate = self._exchange.phones.take_sms(message.to)
        way: list[Step] = [(SENDING_AFTER_S, "sending", None), (SENT_AFTER_S, "sent", None)]
        if fate.status == "failed":
            way[1:] = [(SENT_AFTER_S, "failed", fate.error_code)]
        elif fate.status != "sent":
            way.append((DELIVERED_AFTER_S, fate.status, fate.error_code))
        self._go(message, self._exchange.clock.seconds(), way)

    def _go(self, message: Message, start: float, way: list[Step]) -> None:
        """Take the next step of a way at its moment, and the others after it."""
        (after, status, error_code), *rest = way

        def step() -> None:
            self._move(message, status, error_code)
            if rest:
                self._go(message, start, rest)
            else:
                self._exchange.work.done()

        self._exchange.timetable.at(start + after, step)

    def _move(self, message: Message, status: str, error_code: int | None) -> None:
        message.updated = self._exchange.clock.seconds()
        message.status, message.error_code = status, error_code
        if status == "sent":
            message.sent = message.updated
        self._report(message)

    def _report(self, message: Message) -> None:
        """Its status callback (docs/twilio.md 1.5)."""
        self._exchange.events.add("sms", message.sid, status=message.status, text=message.body)
        if not message.status_callback or message.outbox is None:
            return
        parameters = {
            "AccountSid": message.account,
            "ApiVersion": API_VERSION,
            "From": message.from_,
            "To": message.to,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": message.status,
            "SmsStatus": message.status,
        }
        if message.error_code is not None:
            parameters["ErrorCode"] = str(message.error_code)
        if message.status == "delivered":
            parameters["RawDlrDoneDate"] = datetime.fromtimestamp(message.updated, UTC).strftime("%y%m%d%H%M")
        message.outbox.send(message.status_callback, "POST", parameters, "message")
