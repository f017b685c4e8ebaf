"""The follow-up's rules, pure: its states, when its waves are due, and what comes after each outcome.

planned -> due -> calling -> waiting -> due ... -> completed | partial | unreached | declined | cancelled | expired
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from dialer import retry

MOVES: dict[tuple[str, str], str] = {
    ("planned", "due"): "due",
    ("waiting", "due"): "due",
    ("due", "ring"): "calling",
    ("due", "wait"): "waiting",
    ("calling", "wait"): "waiting",
    # a patient who rings us after a missed ring gives the interview on that call
    ("planned", "rang_back"): "calling",
    ("due", "rang_back"): "calling",
    ("waiting", "rang_back"): "calling",
    ("calling", "rang_back"): "calling",
    # a ring that was lost without a word about its end
    ("calling", "released"): "waiting",
    ("calling", "completed"): "completed",
    ("calling", "partial"): "partial",
    ("calling", "unreached"): "unreached",
    ("calling", "declined"): "declined",
    ("calling", "cancelled"): "cancelled",
    ("due", "declined"): "declined",
    ("due", "unreached"): "unreached",
    ("due", "partial"): "partial",
    ("waiting", "unreached"): "unreached",
    ("waiting", "partial"): "partial",
    # rung before its operation was cancelled and stood again
    ("planned", "unreached"): "unreached",
    ("planned", "partial"): "partial",
    ("planned", "cancelled"): "cancelled",
    ("due", "cancelled"): "cancelled",
    ("waiting", "cancelled"): "cancelled",
    ("planned", "expired"): "expired",
    ("due", "expired"): "expired",
    ("waiting", "expired"): "expired",
    # the carrier's word that the call is over overtook the last answer of a whole interview
    ("waiting", "completed"): "completed",
    # a cancelled operation stands again, a readmitted patient is at home again, an operation's end was moved forward
    ("cancelled", "reinstated"): "planned",
    ("expired", "reinstated"): "planned",
}
OPEN = ("planned", "due", "waiting", "calling")
WAITING = ("planned", "due", "waiting")
"""Open, and not on the telephone now."""
OVER = frozenset({"completed", "partial", "unreached", "declined", "cancelled", "expired"})


def deadline(due_at: datetime, offset: timedelta) -> datetime:
    """Until when a wave still makes sense: a day, or a quarter of its distance from the operation if that is more."""
    return due_at + max(timedelta(hours=24), offset / 4)


@dataclass(frozen=True)
class Next(retry.Next):
    """What a follow-up does after a ring: `event` of MOVES, and when and where it is tried again if it waits."""

    event: Literal["wait", "completed", "partial", "unreached", "declined"]
    other_part: bool = False
    """Next time at another part of the day, if there is one before the deadline."""
    next_number: bool = False
    """Next time at the patient's next number."""
    number_dead: bool = False
    """This number is not rung for this wave again."""


APART = timedelta(hours=2)
"""Two rings of one wave are never nearer (docs/clinical.md section 2, Retries)."""

AFTER_OUTCOME: dict[str, Next] = {
    # the carrier's word on the ring (dialer.machine.OUTCOMES)
    "no_answer": Next("wait", APART, other_part=True, next_number=True),
    "busy": Next("wait", APART),
    "failed_now": Next("wait", timedelta(minutes=20), counts=False),
    "failed_for_good": Next("wait", timedelta(minutes=10), number_dead=True),
    "not_placed": Next("wait", timedelta(minutes=1), counts=False),
    "cancelled": Next("wait", timedelta(minutes=5), counts=False),
    # picked up, and not one key pressed: hung up early, a pocket
    "answered": Next("wait", APART, other_part=True, next_number=True),
    # the same, and the carrier believes it was a machine
    "machine": Next("wait", APART, other_part=True, next_number=True),
}
AFTER_INTERVIEW: dict[str, Next] = {
    # how the conversation went (core.events.InterviewEnded)
    "completed": Next("completed"),
    "handed_over": Next("completed"),
    "partial": Next("wait", timedelta(minutes=30)),
    "bad_time": Next("wait", APART, other_part=True),
    "not_patient": Next("wait", APART, other_part=True),
    "wrong_number": Next("wait", timedelta(minutes=10), number_dead=True),
    "identity_failed": Next("unreached"),
    "declined": Next("declined"),
}


def after_ring(outcome: str, interview: str | None, tries_before: int, most_tries: int, *, begun: bool = False) -> Next:
    """The rule for a ring that ended with `outcome`; what the conversation said wins over what the carrier said.

    When the tries are used up the follow-up ends: partial if it was begun, now or in an earlier call, else unreached,
    which is work for a nurse and never silence.
    """
    rule = AFTER_INTERVIEW[interview] if interview is not None else AFTER_OUTCOME[outcome]
    if not rule.uses_up(tries_before, most_tries):
        return rule
    return replace(rule, event="partial" if begun or interview == "partial" else "unreached")


def given_up(begun: bool, tries: int) -> str:
    """The last event of a follow-up whose time ran out while it waited."""
    if begun:
        return "partial"
    return "unreached" if tries else "expired"


def doctor_from(policy_score: int, last_score: int | None, rise: int) -> int:
    """From which score the doctor is rung: as the policy says, or earlier when the pain has risen by `rise` since
    the last wave (docs/clinical.md section 2, B; 0 turns that off)."""
    if rise == 0 or last_score is None:
        return policy_score
    return max(1, min(policy_score, last_score + rise))
