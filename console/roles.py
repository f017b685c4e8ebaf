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
}
"""Right -> roles that have it. The IT person sees no patient (docs/clinical.md section 3: least privilege); the QA
listener's own pages come with the listening room."""


def may(role: str, right: str) -> bool:
    """KeyError for a right nobody has heard of: a page that asks for one is wrong."""
    return role in MAY[right]
