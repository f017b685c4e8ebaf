"""Answering machine detection: what was asked for, what is at the far end, and what the detector makes of it
(docs/twilio.md 1.2, 2.9, 5). Pure: no clock, no line."""

from dataclasses import dataclass
from typing import Any

# What each mode can answer (docs/twilio.md 5).
ANY_MODE = ("human", "fax", "unknown")
MACHINE_START = "machine_start"
MACHINE_END = ("machine_end_beep", "machine_end_silence", "machine_end_other")
BELIEFS = (*ANY_MODE, "machine", MACHINE_START, *MACHINE_END)
# CARRIER: how long a person says hello, a machine's beep lasts, and a fax is listened to, in seconds.
HELLO_S = 0.8
BEEP_S = 0.5
FAX_S = 1.5


@dataclass(frozen=True)
class Detection:
    """What a create (or a `<Number>`) asks for. `to_the_end`: DetectMessageEnd."""

    to_the_end: bool = False
    asynchronous: bool = False
    timeout_s: float = 30.0
    speech_s: float = 2.4
    speech_end_s: float = 1.2
    silence_s: float = 5.0
    callback: str = ""
    callback_method: str = "POST"


@dataclass(frozen=True)
class Belief:
    """What a test wants the detector to believe, whoever answered, and after how many seconds."""

    answered_by: str = ""
    after_s: float | None = None

    @classmethod
    def read(cls, data: Any) -> "Belief":
        """A word, `{"answered_by", "after_s"}`, or null for the detector's own opinion; raises ValueError."""
        fields = data if isinstance(data, dict) else {"answered_by": data}
        word, after = fields.get("answered_by") or "", fields.get("after_s")
        if (word and word not in BELIEFS) or fields.keys() - {"answered_by", "after_s"}:
            raise ValueError(f"amd is one of {', '.join(BELIEFS)}")
        return cls(word, None if after is None else float(after))


@dataclass(frozen=True)
class FarEnd:
    """Who answered: a person, or a machine whose greeting takes `greeting_s` seconds."""

    machine: bool = False
    greeting_s: float = 0.0
    beeps: bool = True
    belief: Belief = Belief()


@dataclass(frozen=True)
class Verdict:
    """AnsweredBy, and the seconds from the answer to it."""

    answered_by: str
    after_s: float


def judge(asked: Detection, far: FarEnd) -> Verdict:
    """The verdict on a far end, or on what the belief makes of it."""
    found = _opinion(asked, far)
    if far.belief.after_s is not None:
        return Verdict(found.answered_by, far.belief.after_s)
    if found.after_s <= asked.timeout_s:
        return found
    # Out of time: a greeting that goes on is a machine's, otherwise nothing is known.
    known = asked.to_the_end and found.answered_by in MACHINE_END
    return Verdict(MACHINE_END[2] if known else "unknown", asked.timeout_s)


def _opinion(asked: Detection, far: FarEnd) -> Verdict:
    word = far.belief.answered_by
    if word == "fax":
        return Verdict("fax", FAX_S)
    if word == "unknown":
        return Verdict("unknown", asked.silence_s)
    if word == "human" or (not word and not far.machine):
        return Verdict("human", HELLO_S + asked.speech_end_s)
    if not word and far.greeting_s <= asked.speech_s:
        # As short as a person's: that is how the real one errs, and what its speech threshold is for.
        return Verdict("human", far.greeting_s + asked.speech_end_s)
    return _machine(asked, far, word)


def _machine(asked: Detection, far: FarEnd, word: str) -> Verdict:
    """A machine, in the words of the mode; a word of the other mode counts as `machine`."""
    if not asked.to_the_end:
        return Verdict(MACHINE_START, asked.speech_s)
    if word not in MACHINE_END:
        word = MACHINE_END[0] if far.machine and far.beeps else MACHINE_END[1]
    voice = max(far.greeting_s, asked.speech_s)
    after = {MACHINE_END[0]: voice + BEEP_S, MACHINE_END[1]: voice + asked.speech_end_s}
    return Verdict(word, after.get(word, asked.timeout_s))
