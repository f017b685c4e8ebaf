"""The verbs of TwiML as values (docs/twilio.md 4.2); `carrier.twiml` reads them."""

from dataclasses import dataclass, field

from carrier.amd import Detection
from carrier.ssml import Piece

ALL_KEYS = "1234567890*#"


@dataclass(frozen=True)
class Say:
    text: str
    language: str = "en-US"
    loop: int = 1
    pieces: tuple[Piece, ...] = ()

    @property
    def spoken(self) -> tuple[Piece, ...]:
        """The text with its speeds; plain words are one piece."""
        return self.pieces or (Piece(self.text),)


@dataclass(frozen=True)
class Play:
    url: str = ""
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True)
class Pause:
    length: float = 1


Prompt = Say | Play | Pause


@dataclass(frozen=True)
class Gather:
    prompts: tuple[Prompt, ...] = ()
    dtmf: bool = True
    action: str | None = None
    method: str = "POST"
    timeout: float = 5
    finish_on_key: str = "#"
    num_digits: int | None = None
    action_on_empty_result: bool = False
    barge_in: bool = True


@dataclass(frozen=True)
class RecordingCallback:
    """Where a recording reports (docs/twilio.md 2.5)."""

    url: str = ""
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})


# A recording that reports to nobody.
SILENT = RecordingCallback()


@dataclass(frozen=True)
class Record:
    action: str | None = None
    method: str = "POST"
    timeout: float = 5
    finish_on_key: str = ALL_KEYS
    max_length: float = 3600
    play_beep: bool = True
    trim: bool = True
    callback: RecordingCallback = SILENT


@dataclass(frozen=True)
class StartRecording:
    channels: int = 1
    track: str = "both"
    trim: bool = False
    callback: RecordingCallback = SILENT


@dataclass(frozen=True)
class StopRecording:
    pass


@dataclass(frozen=True)
class Number:
    number: str
    url: str = ""
    method: str = "POST"
    send_digits: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_events: frozenset[str] = frozenset({"completed"})
    detection: Detection | None = None


@dataclass(frozen=True)
class Queue:
    """The noun of a Dial: whoever waits longest in the queue `name`; `url` is played to that caller before the two are
    joined."""

    name: str
    url: str = ""
    method: str = "POST"


@dataclass(frozen=True)
class Conference:
    """The noun of a Dial: the room `name`. `wait_url` None is the carrier's own music, which here is silence like an
    empty one; `events`: the words of `statusCallbackEvent`."""

    name: str
    muted: bool = False
    beep: str = "true"
    starts: bool = True
    ends: bool = False
    wait_url: str | None = None
    wait_method: str = "POST"
    most: int = 250
    label: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    events: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dial:
    numbers: tuple[Number, ...] = ()
    queue: Queue | None = None
    conference: Conference | None = None
    action: str | None = None
    method: str = "POST"
    timeout: float = 30
    time_limit: float = 14400
    caller_id: str = ""
    answer_on_bridge: bool = False
    hangup_on_star: bool = False
    sequential: bool = False


@dataclass(frozen=True)
class Enqueue:
    """`wait_url` None is the carrier's own music, which here is silence like an empty one."""

    name: str
    action: str | None = None
    method: str = "POST"
    wait_url: str | None = None
    wait_method: str = "POST"
    max_size: int = 1000


@dataclass(frozen=True)
class Leave:
    pass


@dataclass(frozen=True)
class Redirect:
    url: str
    method: str = "POST"


@dataclass(frozen=True)
class Hangup:
    pass


@dataclass(frozen=True)
class Reject:
    reason: str = "rejected"


Verb = (
    Say | Play | Pause | Gather | Record | StartRecording | StopRecording | Dial | Enqueue | Leave | Redirect | Hangup
    | Reject
)  # fmt: skip


@dataclass(frozen=True)
class Document:
    verbs: tuple[Verb, ...] = field(default=())
