"""What becomes of something we ring for when a ring has ended without an answer: tried again, or given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Next:
    """`event` of its own table of moves, and when it is tried again if that is `wait`."""

    event: str
    after: timedelta = timedelta(0)
    """The earliest next try, counted from the end of this one."""
    counts: bool = True
    """Whether this ring was one of the tries it has."""

    def uses_up(self, tries_before: int, most_tries: int) -> bool:
        """Whether this would wait for another try, and was the last it has."""
        return self.event == "wait" and self.counts and tries_before + 1 >= most_tries
