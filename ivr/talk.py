"""What the flow engine is told, what it answers, and what it remembers: plain values, no behaviour.

One turn of a call is `engine.step(flow, session, event, facts) -> Turn`. The engine is pure: it never
reads a clock, a database or a request. The webhook turns a carrier request into an Event, hands the
Effects to the house inside one transaction, and turns the Output into TwiML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Fact = str | int | bool | tuple[str, ...]
Facts = Mapping[str, Fact]
"""What the house knows for this turn: prompt variables (`sender`, `emergency`, `surname`, ...) and
what branches look at (`threshold`, `withheld`, `operator_on`). Never stored with the session."""


# ---- events: what the person on the line did ---------------------------------------------------
@dataclass(frozen=True)
class Started:
    """The call was answered; the first node has not been heard yet."""


@dataclass(frozen=True)
class Keys:
    """Keys pressed, terminator removed: `"7"`, `"*"`, `"0506"`. Never empty (that is Silence)."""

    digits: str


@dataclass(frozen=True)
class Silence:
    """The prompt ended and no key came in time, or only the terminator."""


@dataclass(frozen=True)
class Recorded:
    """A `take` node ended. `seconds` is 0 when nothing was said."""

    recording_sid: str
    seconds: int
    hung_up: bool = False


@dataclass(frozen=True)
class Connected:
    """A `connect` node ended after the two parties talked for `seconds`."""

    seconds: int


@dataclass(frozen=True)
class NotConnected:
    """A `connect` node ended without a talk."""

    reason: Literal["busy", "no_answer", "failed", "declined", "refused"]


@dataclass(frozen=True)
class Resumed:
    """A `hold` node's pause is over."""


@dataclass(frozen=True)
class Matched:
    """What was keyed at a number the house looks up (`birthday`, `holder`, `ticket`) is known: the house has linked
    the call."""


@dataclass(frozen=True)
class Left:
    """A `wait` or `queue` node ended: the talk is over, a person was asked for, the caller hung up, nobody is on the
    way to this caller (any more), or the wait broke off; in a queue also: the caller wants to be rung back, wants to
    leave a message, has waited long enough, or is to wait again (the agent who came was gone before they talked)."""

    why: Literal["bridged", "nurse", "hung_up", "closed", "error", "callback", "message", "overflow", "again"]


Event = Started | Keys | Silence | Recorded | Connected | NotConnected | Resumed | Matched | Left


# ---- effects: facts the house must store in the same transaction -------------------------------
@dataclass(frozen=True)
class Effect:
    """`name` is one of EFFECTS; `data` holds only what the flow itself knows."""

    name: str
    data: Mapping[str, Fact] = field(default_factory=dict)


EFFECTS: dict[str, str] = {
    "recording_declined": "the caller pressed star at the notice",
    "language_chosen": "data: language",
    "score_keyed": "data: question, score 0-10, raw (keys as pressed), tries; unconfirmed until score_confirmed",
    "score_confirmed": "data: question, score, raw; how = key | zero_after_one | band | unanswered (three failed"
    " read-backs,"
    " or the caller left the read-back for a person and now leaves a message or ends)",
    "score_withdrawn": "the caller chose to key it again",
    "number_given": "data: number (keys as pressed): where to call back when the number is withheld",
    "identity_confirmed": "birth month and day matched",
    "identity_failed": "two tries did not match",
    "who": "data: who = self | family | wrong_number | bad_time | stop",
    "respondent": "data: respondent = self | proxy: who answers from here on",
    "answer": "data: question, value, level (A | B | C, or empty) of a keyed closed question",
    "red_flag": "data: question, level: the answer just given is a warning sign (docs/clinical.md 2)",
    "question_skipped": "data: question: left unanswered, the next one is asked",
    "consent": "data: purpose, given: the patient's own yes or no",
    "work_wanted": "data: kind, why: somebody on the ward has to do something",
    "reminder_answered": "data: choice = confirmed | move | cancel | heard | not_patient | stop",
    "message_taken": "data: purpose, recording_sid, seconds",
    "open_answer": "data: question, recording_sid, seconds",
    "accepted": "the doctor pressed accept",
    "declined": "the doctor passed on",
    "no_key": "somebody or something answered and pressed nothing",
    "no_pin": "the doctor's PIN was wrong, or none came",
    "try_again": "the patient is to be rung again: the connects are counted afresh",
    "doctor_said": "data: what = call_later | a key of dialer.escalation.OUTCOMES",
    "next_wanted": "the doctor is to be asked about the next patient; the recording of this one's talk ends",
    "acknowledged": "somebody at the night target pressed the key",
    "test_confirmed": "somebody pressed the key at a test ring",
    "operator_wanted": "data: reason = asked | three_tries | not_understood",
    "reason": "data: reason (one of dialer.machine.REASONS): why the caller rings",
    "ticket_wanted": "data: kind (one of desk.kinds.KINDS)",
    "picked": "data: what, value: one of a list that was read out",
    "visit": "data: action = book | move | cancel: of the visit picked",
    "agent_accepted": "the agent takes the caller",
    "agent_declined": "the agent passes on",
    "agent_no_key": "somebody or something answered and pressed nothing",
    "agent_said": "data: what = solved | ticket | call_again",
    "pin_wrong": "a PIN was keyed that is not theirs",
    "agent_signed": "data: state = ready | paused | off",
    "satisfaction": "data: score 1-5, or 0: does not want to be asked",
    "outcome": "data: outcome = completed | handed_over | partial | not_patient | wrong_number | bad_time | declined"
    " | identity_failed",
}


# ---- outputs: what the caller hears next -------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """One spoken sentence in one language, variables already filled in."""

    text: str
    language: str
    prompt: str
    """The prompt's key in prompts/*.yaml, for logs and tests (the text may hold a name)."""
    slow: bool = False
    """Spoken more slowly (docs/clinical.md 2, Elderly)."""


@dataclass(frozen=True)
class Ask:
    """Speak and wait for keys. `max_digits` None means any number ended by `finish`."""

    lines: tuple[Line, ...]
    max_digits: int | None
    finish: str
    timeout_s: int


@dataclass(frozen=True)
class Take:
    """Speak, beep, and record what is said (its own recording, mono)."""

    lines: tuple[Line, ...]
    max_s: int
    silence_s: int
    purpose: str
    kind: Literal["message", "open_answer"] = "message"


@dataclass(frozen=True)
class Connect:
    """Speak, then join this leg with somebody: `target` is patient | operator | theme (whom the season's offer names) |
    caller (whom the agent has taken)."""

    lines: tuple[Line, ...]
    target: Literal["patient", "operator", "theme", "caller"]


@dataclass(frozen=True)
class Hold:
    """Speak, wait, and come back with Resumed."""

    lines: tuple[Line, ...]
    pause_s: int


@dataclass(frozen=True)
class Wait:
    """Speak, then let the caller wait with music until a doctor or an agent is there; `first` and `news` are heard
    meanwhile."""

    lines: tuple[Line, ...]
    first: tuple[Line, ...]
    news: tuple[Line, ...]
    whom: Literal["doctor", "agent"] = "doctor"


@dataclass(frozen=True)
class Join:
    """End of a screening document: the two legs are bridged."""


@dataclass(frozen=True)
class Continue:
    """Nothing is waited for: the same call goes on in another flow at `node`, after these lines."""

    lines: tuple[Line, ...]
    flow: str
    node: str


@dataclass(frozen=True)
class Bye:
    """Speak, then hang up. Never without a sentence, except when `lines` is empty on purpose for a
    leg that nobody is listening to."""

    lines: tuple[Line, ...]
    silent: bool = False
    """Marks the empty goodbye as meant; TwiML refuses an empty one that is not."""


Output = Ask | Take | Connect | Hold | Wait | Join | Continue | Bye


@dataclass(frozen=True)
class Session:
    """Where one call stands in its flow; stored encrypted with the call after every turn."""

    flow: str
    version: str
    node: str
    language: str
    turn: int = 0
    """Number of outputs given so far; the number rides in the action URL, so a repeated request is known."""
    tries: int = 0
    """Failures (wrong key or silence) at this node."""
    connects: int = 0
    """Tries to join somebody, over all `connect` nodes of this call, or since they are counted afresh."""
    proved: bool = False
    """The PIN was right."""
    score: int | None = None
    score_raw: str = ""
    score_confirmed: bool = False
    scored: str = "pain"
    """The question `score` answers."""
    band: bool = False
    """`score` was given as none, mild, moderate or severe."""
    question: str = ""
    """The closed question just asked."""
    done: tuple[str, ...] = ()
    """Questions answered or left in this call."""
    passed: int = 0
    """Questions left unanswered, one after the other, up to now."""
    respondent: Literal["self", "proxy"] = "self"
    nurse: bool = False
    """A nurse rings today: a score for the nurse, or a warning sign of level C."""
    person: Literal["", "wanted", "served"] = ""
    """Whether a person was asked for, and somebody or the answering machine has taken it."""
    slow: bool = False
    recording: Literal["off", "on", "declined"] = "off"
    ended: bool = False


@dataclass(frozen=True)
class Turn:
    session: Session
    effects: tuple[Effect, ...]
    output: Output
    start_recording: bool = False
    """True on the one turn after the notice, when it was not declined: record from here."""
    stop_recording: bool = False
    """True on the turn that leaves one patient for the next: his recording ends here."""


def with_lines(output: Output, lines: tuple[Line, ...]) -> Output:
    """The same output with other words; a Join has none."""
    return output if isinstance(output, Join) else replace(output, lines=lines)
