"""What a ticket may do next, and what is still missing for it. Pure.

open -> assigned -> in_progress -> resolved -> confirmed, or reopened. Nobody closes what whoever asked has not been
told the outcome of (docs/clinical.md WO4); a complaint that is not medical is resolved with a solution and a
compensation (CMP3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.said import Words
from desk.problems import COMPENSATION, SOLUTION, SOLUTION_AND_COMPENSATION, STATES, STEPS

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


@dataclass(frozen=True)
class WhyNot:
    """A key of desk.problems.SENTENCES and its values."""

    key: str
    values: Mapping[str, Words] = field(default_factory=dict)


def refusal(standing: Standing, event: str) -> WhyNot | None:
    """Why `event` cannot be; None if it can."""
    status = standing.status
    if event == "tell":
        return None if status == "resolved" else WhyNot("only_told", {"status": STATES[status]})
    if after(status, event) is None:
        known = _NO_MOVE.get((status, event))
        return WhyNot(known) if known else WhyNot("no_place", {"status": STATES[status], "step": STEPS[event]})
    if event == "resolve" and standing.medical is False:
        missing = _MISSING.get((standing.solution, standing.compensation))
        if missing is not None:
            return WhyNot("complaint_needs", {"missing": missing})
    if event == "confirm" and not standing.told:
        return WhyNot("tell_first")
    if event == "confirm" and standing.calm_runs:
        return WhyNot("calm_first")
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


_MISSING = {
    # (there is a solution, there is a compensation): what a complaint still needs
    (False, False): SOLUTION_AND_COMPENSATION,
    (False, True): SOLUTION,
    (True, False): COMPENSATION,
}
_NO_MOVE = {
    # (status, event): the sentence for it, a key of desk.problems.SENTENCES
    ("open", "start"): "nobody_has_it",
    ("open", "resolve"): "nobody_has_it",
    ("open", "confirm"): "nobody_saw",
    ("assigned", "confirm"): "not_resolved",
    ("in_progress", "confirm"): "not_resolved",
    ("reopened", "confirm"): "not_resolved",
    ("confirmed", "confirm"): "closed_already",
    ("resolved", "resolve"): "resolved_already",
}
