"""The Call resource: its fields, its states, and the book of all calls (docs/twilio.md 1.2, 1.3, 5)."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from carrier.amd import Detection
from carrier.clock import Clock
from carrier.twiml import SILENT, RecordingCallback

if TYPE_CHECKING:
    from carrier.detector import Detector
    from carrier.leg import Leg
    from carrier.outbox import Outbox

API_VERSION = "2010-04-01"
TERMINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
# Only forward: a call never leaves a terminal state, and is answered once.
MOVES: dict[str, frozenset[str]] = {
    "queued": TERMINAL | {"ringing", "in-progress"},
    "ringing": TERMINAL | {"in-progress"},
    "in-progress": frozenset({"completed"}),
}
SUBRESOURCES = (
    "notifications", "recordings", "payments", "events", "siprec", "streams", "transcriptions",
    "user_defined_messages", "user_defined_message_subscriptions",
)  # fmt: skip


def new_sid(prefix: str) -> str:
    """Two letters and 32 hex digits (docs/twilio.md 1.1)."""
    return prefix + secrets.token_hex(16)


def rfc2822(moment: float | None) -> str | None:
    """A virtual moment as the API writes it, always `+0000` (docs/twilio.md 1.1)."""
    return None if moment is None else format_datetime(datetime.fromtimestamp(int(moment), UTC))


@dataclass(frozen=True)
class Source:
    """Where the next document comes from: a URL with the parameters to add, or the document itself."""

    url: str = ""
    method: str = "POST"
    params: dict[str, str] = field(default_factory=dict)
    twiml: str = ""


@dataclass
class Call:
    """One call, in, out or dialled. Times are virtual seconds; `lock` guards its state."""

    account: str
    to: str
    from_: str
    direction: str
    created: float
    source: Source = field(default_factory=Source)
    fallback: Source | None = None
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_events: frozenset[str] = frozenset({"completed"})
    # Set while the callback is the number's own (inbound): one request at the end, without progress fields
    # (2.6).
    number_callback: bool = False
    timeout: float = 60
    time_limit: float = 14400
    parent: "Call | None" = None
    number_sid: str | None = None
    send_digits: str = ""
    record_channels: int = 0
    record_callback: RecordingCallback = SILENT
    detection: Detection | None = None
    sid: str = field(default_factory=lambda: new_sid("CA"))
    status: str = "queued"
    queue_ms: int = 0
    started: float | None = None
    answered: float | None = None
    ended: float | None = None
    updated: float = 0.0
    sip_code: int = 200
    sequence: int = 0
    answered_by: str | None = None
    detection_ms: int = 0
    detector: "Detector | None" = None
    leg: "Leg | None" = None
    outbox: "Outbox | None" = None
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __post_init__(self) -> None:
        self.updated = self.created

    @property
    def over(self) -> bool:
        return self.status in TERMINAL

    def move(self, status: str, now: float) -> bool:
        """Go to a later state; False (and no change) if the call is not in a state that leads there."""
        with self.lock:
            if status not in MOVES.get(self.status, frozenset()):
                return False
            self.status = status
            self.updated = now
            if status == "ringing":
                self.started = self.started or now
            elif status == "in-progress":
                self.answered = now
                self.started = self.started or now
            if self.over:
                self.ended = now
            return True

    def next_sequence(self) -> str:
        """The next SequenceNumber; every progress event takes one, subscribed or not (docs/twilio.md 2.6)."""
        with self.lock:
            number = self.sequence
            self.sequence += 1
            return str(number)

    def duration(self) -> int:
        """Whole seconds from answer to end; 0 if it was never answered."""
        if self.answered is None or self.ended is None:
            return 0
        return round(self.ended - self.answered)

    def to_json(self) -> dict[str, Any]:
        """The Call resource (docs/twilio.md 1.2)."""
        base = f"/{API_VERSION}/Accounts/{self.account}/Calls/{self.sid}"
        ended = self.over
        return {
            "sid": self.sid,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "parent_call_sid": self.parent.sid if self.parent else None,
            "account_sid": self.account,
            "to": self.to,
            "to_formatted": self.to,
            "from": self.from_,
            "from_formatted": self.from_,
            "phone_number_sid": self.number_sid,
            "status": self.status,
            "start_time": rfc2822(self.started),
            "end_time": rfc2822(self.ended),
            "duration": str(self.duration()) if ended else None,
            "price": None,
            "price_unit": "USD",
            "direction": self.direction,
            "answered_by": self.answered_by,
            "api_version": API_VERSION,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": str(self.queue_ms),
            "trunk_sid": None,
            "uri": f"{base}.json",
            "subresource_uris": {name: f"{base}/{name.title().replace('_', '')}.json" for name in SUBRESOURCES},
        }

    def detected(self) -> dict[str, str]:
        """What answering machine detection found, if it has (docs/twilio.md 2.9)."""
        if self.answered_by is None:
            return {}
        return {"AnsweredBy": self.answered_by, "MachineDetectionDuration": str(self.detection_ms)}

    def moments(self) -> dict[str, float | None]:
        """Its virtual moments to the millisecond, as the control API shows them: of the create request, of
        the dialling, the answer and the end."""
        known = {"created": self.created, "started": self.started, "answered": self.answered, "ended": self.ended}
        return {name: None if moment is None else round(moment, 3) for name, moment in known.items()}

    def standard_parameters(self) -> dict[str, str]:
        """The parameters of every request about this call; places are empty, not absent (docs/twilio.md
        2.2)."""
        parameters = {
            "CallSid": self.sid,
            "AccountSid": self.account,
            "From": self.from_,
            "To": self.to,
            "Caller": self.from_,
            "Called": self.to,
            "CallStatus": self.status,
            "ApiVersion": API_VERSION,
            "Direction": self.direction,
        }
        for party in ("From", "To", "Caller", "Called"):
            for place in ("City", "State", "Zip", "Country"):
                parameters[party + place] = ""
        if self.parent is not None:
            parameters["ParentCallSid"] = self.parent.sid
        return parameters


class CallBook:
    """All calls of the carrier's life, newest last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, Call] = {}

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls[call.sid] = call

    def get(self, sid: str) -> Call | None:
        with self._lock:
            return self._calls.get(sid)

    def remove(self, sid: str) -> None:
        with self._lock:
            del self._calls[sid]

    def family(self, call: Call) -> list[Call]:
        """A call and the calls it dialled."""
        return [call, *self.select(lambda other: other.parent is call)]

    def select(self, wanted: Callable[[Call], bool]) -> list[Call]:
        """The calls that are wanted, newest first (docs/twilio.md 1.3)."""
        with self._lock:
            calls = list(self._calls.values())
        return [call for call in reversed(calls) if wanted(call)]
