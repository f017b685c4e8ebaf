"""What a ticket may do next, and what is still missing for it. Pure.

open -> assigned -> in_progress -> resolved -> confirmed, or reopened. Nobody closes what whoever asked has not been
told the outcome of (docs/clinical.md WO4); a complaint that is not medical is resolved with a solution and a
compensation (CMP3).
"""

from __future__ import annotations

from dataclasses import dataclass

MOVES: dict[tuple[str, str], str] = {
    # (status, event): next status
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",
    ("in_progress", "assign"): "assigned",
    ("reopened", "assign"): "assigned",
    ("assigned", "start"): "in_progress",
    ("reopened", "start"): "in_progress",
    ("assigned", "resolve"): "resolved",
    ("in_progress", "resolve"): "resolved",
    ("reopened", "resolve"): "resolved",
    ("resolved", "confirm"): "confirmed",
    ("resolved", "reopen"): "reopened",
    ("confirmed", "reopen"): "reopened",
}
STATUSES = ("open", "assigned", "in_progress", "resolved", "confirmed", "reopened")
TOLD_HOW = ("call", "sms", "in_person", "letter", "chat", "nobody")
"""How whoever asked was told; `nobody`: they left no name and no number."""


@dataclass(frozen=True)
class Standing:
    """What the rules look at."""

    status: str
    medical: bool | None
    owner: str
    solution: bool
    compensation: bool
    told: bool
    calm_runs: bool
    """The calming call of a medical complaint has not been made, and there is time for it."""


def after(status: str, event: str) -> str | None:
    """The next status; None where the event has no place."""
    return MOVES.get((status, event))


def refusal(standing: Standing, event: str) -> str | None:
    """Why `event` cannot be, as one sentence; None if it can."""
    status = standing.status
    if event == "tell":
        return None if status == "resolved" else f"The ticket is {_said(status)}: only what came of it can be told."
    if after(status, event) is None:
        return _NO_MOVE.get((status, event)) or f"The ticket is {_said(status)}: {_DOES[event]} has no place here."
    if event == "resolve" and standing.medical is False:
        missing = [
            word
            for word, there in (("a solution", standing.solution), ("a compensation", standing.compensation))
            if not there
        ]
        if missing:
            return f"A complaint needs {' and '.join(missing)} before it is resolved."
    if event == "confirm" and not standing.told:
        return "Whoever asked must be told first what came of it."
    if event == "confirm" and standing.calm_runs:
        return "The calming call has not been made yet, and there is time for it."
    return None


def missing(standing: Standing) -> str:
    """What somebody has to do next, as a key of desk.words.NEXT; empty when the ticket is closed."""
    match standing.status:
        case "confirmed":
            return ""
        case "open":
            return "assign"
        case "resolved" if standing.told:
            return "calm" if standing.calm_runs else "confirm"
        case "resolved":
            return "tell"
        case _ if standing.calm_runs:
            return "calm"
        case _ if standing.medical is False and not (standing.solution and standing.compensation):
            return "propose"
        case "assigned" | "reopened":
            return "start"
        case _:
            return "solve"


def _said(status: str) -> str:
    return status.replace("_", " ")


_DOES = {
    "assign": "giving it to somebody",
    "start": "starting it",
    "resolve": "resolving it",
    "confirm": "closing it",
    "reopen": "opening it again",
}
_NO_MOVE = {
    ("open", "start"): "Nobody has the ticket yet: assign it first.",
    ("open", "resolve"): "Nobody has the ticket yet: assign it first.",
    ("open", "confirm"): "Nobody has seen to the ticket yet.",
    ("assigned", "confirm"): "The ticket is not resolved yet.",
    ("in_progress", "confirm"): "The ticket is not resolved yet.",
    ("reopened", "confirm"): "The ticket is not resolved yet.",
    ("confirmed", "confirm"): "The ticket is closed already.",
    ("resolved", "resolve"): "The ticket is resolved already.",
}
