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
    from carrier.webhooks import Outbox

SENT_AFTER_S = 0.5
DELIVERED_AFTER_S = 2.0
UNREACHABLE = 30003
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
    """One text message out of the hospital. Times are virtual seconds."""

    account: str
    to: str
    from_: str
    body: str
    created: float
    status_callback: str = ""
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
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": None,
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
        }
        return fields | {"at": iso(self.created)}


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

    def add(self, message: Message) -> None:
        """Take a message in, still unsent."""
        message.outbox = self._exchange.outbox(message.sid)
        self._exchange.work.begin()
        with self._lock:
            self._messages[message.sid] = message

    def send(self, message: Message) -> None:
        """Begin its way: queued, sent, then delivered, or undelivered to a phone that cannot be reached."""
        self._report(message)
        phone = self._exchange.phones.get(message.to)
        lost = phone is not None and phone.behaviours[0] == "unreachable"
        start = self._exchange.clock.seconds()
        self._exchange.timetable.at(start + SENT_AFTER_S, lambda: self._move(message, "sent"))
        last = "undelivered" if lost else "delivered"
        self._exchange.timetable.at(start + DELIVERED_AFTER_S, lambda: self._move(message, last, last=True))

    def _move(self, message: Message, status: str, last: bool = False) -> None:
        message.updated = self._exchange.clock.seconds()
        message.status = status
        if status == "sent":
            message.sent = message.updated
        elif status == "undelivered":
            message.error_code = UNREACHABLE
        self._report(message)
        if last:
            self._exchange.work.done()

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
        message.outbox.send(message.status_callback, "POST", parameters)
