"""The follow-up's rules, pure: its states, when its waves are due, and what comes after each outcome.

planned -> due -> calling -> waiting -> due ... -> completed | partial | unreached | declined | cancelled | expired
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

MOVES: dict[tuple[str, str], str] = {
    ("planned", "due"): "due",
    ("waiting", "due"): "due",
    ("due", "ring"): "calling",
    ("due", "wait"): "waiting",
    ("calling", "wait"): "waiting",
    ("calling", "completed"): "completed",
    ("calling", "partial"): "partial",
    ("calling", "unreached"): "unreached",
    ("calling", "declined"): "declined",
    ("calling", "cancelled"): "cancelled",
    ("due", "declined"): "declined",
    ("due", "unreached"): "unreached",
    ("due", "expired"): "expired",
    ("planned", "cancelled"): "cancelled",
    ("due", "cancelled"): "cancelled",
    ("waiting", "cancelled"): "cancelled",
    ("waiting", "expired"): "expired",
    ("planned", "expired"): "expired",
    # the carrier's word that the call is over overtook the last answer of a whole interview
    ("waiting", "completed"): "completed",
    # a cancelled operation stands again
    ("cancelled", "reinstated"): "planned",
}
OPEN = ("planned", "due", "waiting", "calling")
OVER = frozenset({"completed", "partial", "unreached", "declined", "cancelled", "expired"})

MOST_TRIES = 3
"""Rings per wave (docs/clinical.md section 2, Retries: three attempts over two parts of the day)."""


def deadline(due_at: datetime, offset: timedelta) -> datetime:
    """Until when a wave still makes sense: a day, or a quarter of its distance from the operation if that is more."""
    return due_at + max(timedelta(hours=24), offset / 4)


@dataclass(frozen=True)
class Next:
    """What a follow-up does after a ring: `event` of MOVES, and when to try again if it waits."""

    event: Literal["wait", "completed", "partial", "unreached", "declined"]
    after: timedelta = timedelta(0)
    counts: bool = True
    """Whether this ring was one of the MOST_TRIES."""


AFTER_OUTCOME: dict[str, Next] = {
    # the carrier's word on the ring (dialer.machine.OUTCOMES)
    "no_answer": Next("wait", timedelta(hours=3)),
    "busy": Next("wait", timedelta(minutes=15)),
    "failed_now": Next("wait", timedelta(minutes=20)),
    "failed_for_good": Next("unreached"),
    "not_placed": Next("wait", timedelta(minutes=1), counts=False),
    "cancelled": Next("wait", timedelta(minutes=5), counts=False),
    # picked up, and not one key pressed: a machine, a pocket
    "answered": Next("wait", timedelta(hours=3)),
}
AFTER_INTERVIEW: dict[str, Next] = {
    # how the conversation went (core.events.InterviewEnded)
    "completed": Next("completed"),
    "partial": Next("wait", timedelta(minutes=30)),
    "bad_time": Next("wait", timedelta(hours=3)),
    "not_patient": Next("wait", timedelta(hours=3)),
    "identity_failed": Next("unreached"),
    "declined": Next("declined"),
}


def after_ring(outcome: str, interview: str | None, tries_before: int) -> Next:
    """The rule for a ring that ended with `outcome`; what the conversation said wins over what the carrier said.

    When the tries are used up the follow-up ends: partial if it was begun, else unreached, which is work for a
    nurse and never silence.
    """
    rule = AFTER_INTERVIEW[interview] if interview is not None else AFTER_OUTCOME[outcome]
    if rule.event != "wait" or not rule.counts or tries_before + 1 < MOST_TRIES:
        return rule
    return Next("partial" if interview == "partial" else "unreached")
