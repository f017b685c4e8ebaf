"""Who may do what in the console. Pure: roles are words of `console.models.User`, rights are words of this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ROLES: Final = ("agent", "nurse", "supervisor", "qa", "it")

MAY: Final[Mapping[str, frozenset[str]]] = {
    "account": frozenset(ROLES),
    # who waits, who answers, which promise runs out: numbers and words, nobody's name
    "board": frozenset({"agent", "nurse", "supervisor", "it"}),
    # a ticket's page, and what is done there; shown data of a patient are behind a reason, and logged
    "tickets": frozenset({"agent", "nurse", "supervisor"}),
    "answer": frozenset({"agent", "nurse", "supervisor"}),
    "others": frozenset({"supervisor"}),
    "worklist": frozenset({"nurse", "supervisor"}),
    # recordings and their words, masked, each for a reason that is written down; no list has a name
    "listen": frozenset({"qa", "supervisor"}),
    # the day's sample: who is on the recording is hidden from whoever scores it
    "review": frozenset({"qa", "supervisor"}),
    # one's own final reviews, disputes and coaching, and nobody else's
    "mine": frozenset({"agent", "nurse"}),
    "coach": frozenset({"agent", "nurse", "supervisor"}),
    # sound and words as they came; disputes, figures with names; holds, copies to take away, who heard what
    "original": frozenset({"supervisor"}),
    "settle": frozenset({"supervisor"}),
    "vault": frozenset({"supervisor"}),
}
"""Right -> roles that have it. The IT person sees no patient (docs/clinical.md section 3: least privilege), and the QA
listener sees no agent either (section 4: blind)."""

IN_THE_ROOM: Final[Mapping[str, str]] = {
    "listen": "listen",
    "original": "original",
    "held": "vault",
    "export": "vault",
    "approve": "vault",
}
"""Rights of recordings.vault.listening -> the right of this table that brings it."""


def may(role: str, right: str) -> bool:
    """KeyError for a right nobody has heard of: a page that asks for one is wrong."""
    return role in MAY[right]


def in_the_room(role: str) -> tuple[str, ...]:
    """What a role may do with recordings, in the words of recordings.vault.listening."""
    return tuple(right for right, ours in IN_THE_ROOM.items() if may(role, ours))


def with_a_permit(role: str) -> tuple[str, ...]:
    """What a permit somebody already holds may rest on: the same, and whoever has results of their own hears what
    those are about, by permits the pages of these results give."""
    return in_the_room(role) or (("listen",) if may(role, "mine") else ())
