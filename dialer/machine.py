"""The dialer's rules, pure: which state may follow which, what the carrier's words mean, who is rung next.

Calls, attempts and messages only move forward: a late, repeated or reordered callback finds no move in its
table and changes nothing. Status is written by one store function per aggregate, through these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

QUIET = timedelta(seconds=30)
"""Longest silence about a live call before the carrier is asked."""
TALKING = timedelta(minutes=2)
"""The same while a doctor and a patient talk: the carrier has nothing to say about a talk for as long as it lasts. Lost
by it is only how soon a line is counted free again when the callbacks of its end were lost."""
ASK_AGAIN = timedelta(seconds=10)

# ---- an attempt: one ring of ours (docs/design.md section 5) ------------------------------------
ATTEMPT_MOVES: dict[tuple[str, str], str] = {
    # (state, event): next state
    ("placing", "accepted_by_carrier"): "placed",
    ("placing", "ringing"): "ringing",
    ("placing", "answered"): "answered",
    ("placing", "refused_by_carrier"): "ended",
    ("placing", "ended"): "ended",
    ("placing", "no_reply"): "in_doubt",
    ("placing", "cancelled"): "cancelled",
    ("in_doubt", "accepted_by_carrier"): "placed",
    ("in_doubt", "refused_by_carrier"): "ended",
    ("in_doubt", "found"): "placed",
    ("in_doubt", "ringing"): "ringing",
    ("in_doubt", "answered"): "answered",
    ("in_doubt", "ended"): "ended",
    ("in_doubt", "not_found"): "absent",
    ("placed", "ringing"): "ringing",
    ("placed", "answered"): "answered",
    ("placed", "ended"): "ended",
    ("ringing", "answered"): "answered",
    ("ringing", "ended"): "ended",
    ("answered", "ended"): "ended",
}
ATTEMPT_OVER = frozenset({"ended", "absent", "cancelled"})

# ---- a call: the carrier's states in our words --------------------------------------------------
CALL_MOVES: dict[tuple[str, str], str] = {
    ("ringing", "in_progress"): "in_progress",
    ("ringing", "completed"): "completed",
    ("ringing", "busy"): "busy",
    ("ringing", "no_answer"): "no_answer",
    ("ringing", "failed"): "failed",
    ("ringing", "cancelled"): "cancelled",
    ("in_progress", "completed"): "completed",
    ("in_progress", "failed"): "failed",
    # words for an unanswered call: a leg that was screened and never joined may end with one of them
    ("in_progress", "busy"): "busy",
    ("in_progress", "no_answer"): "no_answer",
    ("in_progress", "cancelled"): "cancelled",
}
CALL_OVER = frozenset({"completed", "busy", "no_answer", "failed", "cancelled"})

# ---- an SMS -------------------------------------------------------------------------------------
MESSAGE_MOVES: dict[tuple[str, str], str] = {
    ("planned", "posting"): "sending",
    ("planned", "cancelled"): "cancelled",
    # planned again because it was not in the carrier's list, and yet it had arrived there
    ("planned", "sent"): "sent",
    ("planned", "delivered"): "delivered",
    ("planned", "undelivered"): "undelivered",
    ("planned", "failed"): "failed",
    ("sending", "sent"): "sent",
    ("sending", "delivered"): "delivered",
    ("sending", "undelivered"): "undelivered",
    ("sending", "failed"): "failed",
    ("sending", "not_found"): "planned",
    ("sent", "delivered"): "delivered",
    ("sent", "undelivered"): "undelivered",
    ("sent", "failed"): "failed",
}

# ---- an escalation: from the key to the talk ----------------------------------------------------
ESCALATION_MOVES: dict[tuple[str, str], str] = {
    ("open", "ring"): "ringing",
    ("open", "exhausted"): "overdue",
    ("open", "accepted"): "accepted",
    ("ringing", "ring"): "ringing",
    ("ringing", "accepted"): "accepted",
    ("ringing", "exhausted"): "overdue",
    ("overdue", "ring"): "ringing",
    ("overdue", "accepted"): "accepted",
    ("overdue", "exhausted"): "overdue",
    ("accepted", "bridged"): "bridged",
    ("accepted", "lost_doctor"): "open",
    ("accepted", "later"): "open",
    ("bridged", "talked"): "closed",
    ("bridged", "too_short"): "accepted",
    ("bridged", "bridged"): "bridged",
    # the doctor's keypad or the console says what came of it
    ("open", "coded"): "closed",
    ("ringing", "coded"): "closed",
    ("overdue", "coded"): "closed",
    ("accepted", "coded"): "closed",
    ("bridged", "coded"): "closed",
}
OPEN_ESCALATION = frozenset({"open", "ringing", "accepted", "bridged", "overdue"})

# ---- carrier words (docs/twilio.md sections 1.2, 2.6, 1.5) --------------------------------------
CALL_WORDS: dict[str, str] = {
    "queued": "queued",
    "initiated": "queued",
    "ringing": "ringing",
    "in-progress": "in_progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "cancelled",
}
MESSAGE_WORDS: dict[str, str] = {
    "accepted": "sending",
    "scheduled": "sending",
    "queued": "sending",
    "sending": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
    "partially_delivered": "sent",
}
DIAL_WORDS: dict[str, Literal["busy", "no_answer", "failed", "declined"]] = {
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "no_answer",
    "completed": "declined",
    "answered": "declined",
}
"""What a Dial's end means when nobody was bridged: `completed` without a bridge is a callee who turned it down."""

QUEUE_WORDS: dict[str, Literal["bridged", "nurse", "hung_up", "error"]] = {
    "bridged": "bridged",
    "leave": "nurse",
    "hangup": "hung_up",
    "bridging-in-process": "hung_up",
    "redirected": "error",
    "redirected-from-bridged": "error",
    "queue-full": "error",
    "error": "error",
    "system-error": "error",
}
"""How a wait on the line ended (docs/twilio.md 2.8)."""

ANSWERED_BY_WORDS: dict[str, str] = {
    "human": "human",
    "machine_start": "machine",
    "machine_end_beep": "machine",
    "machine_end_silence": "machine",
    "machine_end_other": "machine",
    "fax": "fax",
    "unknown": "unknown",
}
"""Who the carrier believes answered (docs/twilio.md 2.9, 5); `unknown` is treated as a person."""

OUTCOMES: dict[str, str] = {
    "answered": "somebody or something picked up",
    "no_answer": "it rang out",
    "busy": "the line was busy",
    "failed_now": "the carrier could not put it through; it may later",
    "failed_for_good": "the number does not exist or must not be called",
    "not_placed": "the carrier never had it",
    "cancelled": "taken back before it was answered",
}

_FINAL_TO_OUTCOME = {
    "completed": "answered",
    "busy": "busy",
    "no_answer": "no_answer",
    "failed": "failed_now",
    "cancelled": "cancelled",
}
_DEAD_NUMBER_SIP = frozenset({"404", "410", "484", "604"})
_DEAD_NUMBER_CODES = frozenset({21201, 21211, 21214, 21215, 21216, 21217, 21401, 21614, 21610})


class UnknownWord(ValueError):
    """The carrier said a status we have no word for."""


def move(table: dict[tuple[str, str], str], state: str, event: str) -> str | None:
    """The next state, or None when the table has no such move: nothing changes."""
    return table.get((state, event))


def call_word(carrier_status: str) -> str:
    """Our word for a carrier call status. Raises UnknownWord."""
    try:
        return CALL_WORDS[carrier_status]
    except KeyError:
        raise UnknownWord(carrier_status) from None


def message_word(carrier_status: str) -> str:
    """Our word for a carrier message status. Raises UnknownWord."""
    try:
        return MESSAGE_WORDS[carrier_status]
    except KeyError:
        raise UnknownWord(carrier_status) from None


def answered_by_word(carrier_word: str) -> str:
    """Our word for what the carrier's machine detection says. Raises UnknownWord."""
    try:
        return ANSWERED_BY_WORDS[carrier_word]
    except KeyError:
        raise UnknownWord(carrier_word) from None


def final_outcome(call_status: str, *, answered: bool, sip_code: str = "") -> str:
    """The attempt's outcome when its call ended as `call_status` (one of CALL_OVER)."""
    if answered:
        return "answered"
    if call_status == "failed" and sip_code in _DEAD_NUMBER_SIP:
        return "failed_for_good"
    return _FINAL_TO_OUTCOME[call_status]


def refusal_outcome(code: int) -> str:
    """The attempt's outcome when the carrier answered the POST with error `code` (docs/twilio.md 1.7)."""
    return "failed_for_good" if code in _DEAD_NUMBER_CODES else "failed_now"


@dataclass(frozen=True)
class Look:
    """What to do about an attempt in doubt after looking into the carrier's list."""

    verdict: Literal["adopt", "absent", "again"]
    next_look_at: datetime | None = None


def after_look(*, found: bool, looks_before: int, now: datetime, list_lag_s: int) -> Look:
    """Found: adopt. Missing once: look again after the list's lag has surely passed. Missing twice: absent."""
    if found:
        return Look("adopt")
    if looks_before == 0:
        return Look("again", now + timedelta(seconds=list_lag_s))
    return Look("absent")


REASONS = (
    *("appointment", "postop", "theme", "services", "complaint_medical", "complaint_other", "progress"),
    *("department", "directions", "message", "operator"),
)
"""Why people ring the hotline, as they say by key (docs/clinical.md TEL11, TEL16)."""
