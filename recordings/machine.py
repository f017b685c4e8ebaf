"""A recording's life, pure: the transition table, and how long a file that is not there yet is waited for.

    announced -> fetched -> [waiting_for_model] -> transcribed -> screened -> kept -> purged
    or absent | unreadable | failed, each with its reason

Recordings only move forward (docs/design.md 4): what is not in the table, above all a late or repeated
callback, changes nothing. The two ways back, out of `failed` and `absent`, are for a person or for a file
that did come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

STATES: Final = (
    "announced",
    "fetched",
    "waiting_for_model",
    "transcribed",
    "screened",
    "kept",
    "purged",
    "absent",
    "unreadable",
    "failed",
)

MOVES: Final[dict[tuple[str, str], str]] = {
    # state, event -> state
    ("announced", "fetched"): "fetched",
    ("announced", "absent"): "absent",
    ("announced", "unreadable"): "unreadable",
    ("announced", "gave_up"): "failed",
    ("fetched", "no_model"): "waiting_for_model",
    ("fetched", "transcribed"): "transcribed",
    ("fetched", "unreadable"): "unreadable",
    ("fetched", "gave_up"): "failed",
    ("waiting_for_model", "transcribed"): "transcribed",
    ("waiting_for_model", "unreadable"): "unreadable",
    ("waiting_for_model", "gave_up"): "failed",
    ("transcribed", "screened"): "screened",
    ("screened", "kept"): "kept",
    # By hand, or because the carrier has the file after all.
    ("failed", "fetch_again"): "announced",
    ("absent", "fetch_again"): "announced",
    ("failed", "transcribe_again"): "fetched",
    # The end of the keeping time. Only what holds a file can be purged; see HOLDS_FILE.
    ("fetched", "purged"): "purged",
    ("waiting_for_model", "purged"): "purged",
    ("transcribed", "purged"): "purged",
    ("screened", "purged"): "purged",
    ("kept", "purged"): "purged",
    ("unreadable", "purged"): "purged",
    ("failed", "purged"): "purged",
}

EVENTS: Final = frozenset(event for _, event in MOVES)
HOLDS_FILE: Final = frozenset(state for state, event in MOVES if event == "purged")
TO_TRANSCRIBE: Final = frozenset({"fetched", "waiting_for_model"})
HEARD: Final = frozenset({"transcribed", "screened", "kept"})
"""States in which there is a transcript."""

CALLBACK: Final = {
    "in-progress": "in_progress",
    "completed": "completed",
    "absent": "absent",
    "failed": "failed",
}
"""The carrier's word for a recording (docs/twilio.md 2.5) to ours; a word not listed is an error, logged."""

FETCH_FOR: Final = timedelta(minutes=30)
"""The carrier announces a file some seconds before it can be had (docs/twilio.md 2.5); longer than this is
a fault."""
SPEECH_TRIES: Final = 5
"""How often one recording may end the speech engine before it is set aside."""

_FETCH_WAITS: Final = (1, 2, 4, 8, 16)
_FETCH_LONGEST: Final = 30
_SPEECH_WAITS: Final = (5, 15, 60, 300)


def step(state: str, event: str) -> str | None:
    """The state after `event`, or None: the event is late or repeated and changes nothing.

    A name that is in no table is a mistake of ours and raises.
    """
    if state not in STATES:
        raise ValueError(f"a recording has no state {state}")
    if event not in EVENTS:
        raise ValueError(f"a recording has no event {event}")
    return MOVES.get((state, event))


def fetch_wait(tries: int, waited: timedelta) -> timedelta | None:
    """How long to wait after the `tries`-th vain try, `waited` being the time since the first; None: give up.

    1, 2, 4, 8, 16, then every 30 seconds, for 30 minutes (docs/twilio.md pitfall 11).
    """
    if tries < 1:
        raise ValueError("a wait comes after a try")
    if waited >= FETCH_FOR:
        return None
    seconds = _FETCH_WAITS[tries - 1] if tries <= len(_FETCH_WAITS) else _FETCH_LONGEST
    return timedelta(seconds=seconds)


def speech_wait(tries: int) -> timedelta | None:
    """How long to wait after the engine died for the `tries`-th time over one recording; None: set it
    aside."""
    if tries < 1:
        raise ValueError("a wait comes after a try")
    if tries >= SPEECH_TRIES:
        return None
    return timedelta(seconds=_SPEECH_WAITS[min(tries, len(_SPEECH_WAITS)) - 1])


CLASSES: Final = ("ordinary", "escalation", "complaint", "record")
"""Why a recording is kept, in the order in which the later one wins where both are kept equally long."""


def keep_class(
    purpose: str, call_kind: str | None, *, escalated: bool, days: Mapping[str, int], complained: bool = False
) -> str:
    """Which keeping time applies (docs/clinical.md section 3, Recording): `escalation` if the call led to or served
    one, `complaint` if somebody complained in it, `record` for a spoken answer of a follow-up, else `ordinary`; of
    several the one that keeps longest by `days`."""
    fits = {"ordinary"}
    if escalated or purpose == "bridge" or call_kind in ("doctor", "patient"):
        fits.add("escalation")
    if complained:
        fits.add("complaint")
    if purpose == "open_answer" and call_kind == "followup":
        fits.add("record")
    return longest(fits, days)


def longest(classes: Collection[str], days: Mapping[str, int]) -> str:
    return max(classes, key=lambda name: (days[name], CLASSES.index(name)))


def delete_wait(tries: int) -> timedelta:
    """How long to wait after the `tries`-th vain try to delete the carrier's copy: 1, 2, 4 … minutes, at most 6 hours.
    It is never given up: a copy somewhere else is not forgotten."""
    if tries < 1:
        raise ValueError("a wait comes after a try")
    return min(timedelta(minutes=2 ** min(tries - 1, 9)), timedelta(hours=6))


def pause_wait(tries: int) -> timedelta | None:
    """How long to wait after the `tries`-th vain order to silence a recording or to let it go on; None: leave it.
    Seconds count, and the call is soon over."""
    if tries < 1:
        raise ValueError("a wait comes after a try")
    return None if tries >= PAUSE_TRIES else timedelta(seconds=min(tries, 5))


PAUSE_TRIES: Final = 10
