"""The lives of a review, of a coaching task and of a complaint's veto, pure.

    review    drawn -> draft -> revealed -> submitted -> final, or submitted -> disputed -> final
    coaching  [proposed ->] open -> coached -> rechecking -> held, or back to open; cancelled
    veto      upheld -> stands, or upheld -> appealed -> stands | lifted

`revealed`: the rater's blind marks are closed, and only now are the patient's satisfaction and what else was hidden
shown and marked (docs/clinical.md section 4, Blind). `proposed`: made by the machine, of hits and keys; no agent sees
it before a person has agreed (section 4, Lexicon use: show hits to human, never auto-punish).
"""

from __future__ import annotations

from typing import Final

REVIEW: Final[dict[tuple[str, str], str]] = {
    # (state, event): state
    ("drawn", "save"): "draft",
    ("draft", "save"): "draft",
    ("draft", "reveal"): "revealed",
    ("revealed", "save"): "revealed",
    # of a card on which nothing is hidden
    ("draft", "submit"): "submitted",
    ("revealed", "submit"): "submitted",
    ("submitted", "dispute"): "disputed",
    ("submitted", "stand"): "final",
    ("disputed", "settle"): "final",
    # its rater has left or is ill: whoever takes it begins anew, and sees nothing of what was marked
    ("drawn", "hand over"): "drawn",
    ("draft", "hand over"): "drawn",
    ("revealed", "hand over"): "drawn",
    # there is nothing to hear, or nothing to judge
    ("drawn", "drop"): "dropped",
    ("draft", "drop"): "dropped",
    ("revealed", "drop"): "dropped",
}
TO_MARK: Final = ("drawn", "draft", "revealed")
COUNTED: Final = ("submitted", "disputed", "final")
"""States with points."""
TOLD: Final = COUNTED
"""States in which the agent may see it: what cannot be seen cannot be disputed."""

COACHING: Final[dict[tuple[str, str], str]] = {
    ("proposed", "confirm"): "open",
    ("proposed", "dismiss"): "cancelled",
    ("open", "coach"): "coached",
    ("coached", "recheck"): "rechecking",
    ("rechecking", "hold"): "held",
    ("rechecking", "again"): "open",
    # a process is mended and nobody's calls are drawn for it
    ("open", "mend"): "held",
    # the review was overturned
    ("proposed", "overturn"): "cancelled",
    ("open", "overturn"): "cancelled",
    ("coached", "overturn"): "cancelled",
    ("rechecking", "overturn"): "cancelled",
}
COACHING_OVER: Final = ("held", "cancelled")

VETO: Final[dict[tuple[str, str], str]] = {
    ("upheld", "appeal"): "appealed",
    ("upheld", "stand"): "stands",
    ("appealed", "keep"): "stands",
    ("appealed", "lift"): "lifted",
}


def step(moves: dict[tuple[str, str], str], state: str, event: str) -> str | None:
    """The next state; None: the event has no place there. ValueError for a word that is in no row of the table."""
    if state not in {old for old, _ in moves} | set(moves.values()):
        raise ValueError(f"there is no state {state}")
    if event not in {word for _, word in moves}:
        raise ValueError(f"there is no event {event}")
    return moves.get((state, event))
