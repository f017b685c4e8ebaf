"""What cannot be done with a ticket is said in one sentence; and the checks everybody makes who writes one."""

from __future__ import annotations

from collections.abc import Sequence

from desk.problems import WHAT, DeskProblem

LONGEST_WORDS = 4000
"""Characters of what somebody said or wrote, of a solution, of a compensation."""
LONGEST_WHY = 200
LONGEST_LOGIN = 64


class TicketProblem(DeskProblem):
    """It cannot be done with a ticket."""


def known(**codes: tuple[str | None, Sequence[str]]) -> None:
    """Raise TicketProblem for a code that is not one of those allowed; None is none."""
    for name, (code, allowed) in codes.items():
        if code is not None and code not in allowed:
            raise TicketProblem("code", name=name, allowed=", ".join(allowed), given=code)


def not_too_long(text: str, what: str, most: int = LONGEST_WORDS) -> None:
    """Raise TicketProblem for a text nobody reads; `what` is a key of desk.problems.WHAT."""
    if len(text) > most:
        raise TicketProblem("too_long", what=WHAT[what], has=len(text), most=most)
