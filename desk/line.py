"""The line in front of the desk: who is rung for whom (docs/clinical.md CRM2, TEL3). Pure.

Callers in their order: the more urgent first, then who came first, also a call back with the place it had. For each the
agent who fits best, among those the one idle longest. Who waits is not kept for a specialist who is not there: after
`SAME_LANGUAGE` any agent of the language will do, after `ANYBODY` anybody.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SAME_LANGUAGE = timedelta(seconds=30)
ANYBODY = timedelta(seconds=60)
PRIORITY = {"postop": 2, "complaint_medical": 1}
"""By reason; everything else waits its turn."""
NO_SKILL = frozenset({"", "operator"})
"""Reasons that say nothing about who could help."""


@dataclass(frozen=True)
class Caller:
    """Somebody in line whose turn may come now."""

    id: uuid.UUID
    priority: int
    entered_at: datetime
    reason: str
    department: str
    language: str
    wanted: uuid.UUID | None = None
    """Only this agent."""
    passed: frozenset[uuid.UUID] = frozenset()
    """Agents who were asked for this caller a moment ago, and are not asked again so soon."""


@dataclass(frozen=True)
class Free:
    """An agent nobody is put through to."""

    id: uuid.UUID
    languages: frozenset[str]
    skills: frozenset[str]
    idle_since: datetime


def in_order(callers: Iterable[Caller]) -> list[Caller]:
    return sorted(callers, key=lambda caller: (-caller.priority, caller.entered_at, caller.id))


def fit(caller: Caller, agent: Free, now: datetime) -> int | None:
    """How well the agent fits this caller now: 0 best; None: not at all."""
    if agent.id in caller.passed or caller.wanted not in (None, agent.id):
        return None
    if caller.wanted == agent.id:
        return 0
    speaks = caller.language in agent.languages
    if speaks and _has_skill(caller, agent):
        return 0
    waited = now - caller.entered_at
    if speaks and waited >= SAME_LANGUAGE:
        return 1
    return 2 if waited >= ANYBODY else None


def _has_skill(caller: Caller, agent: Free) -> bool:
    asked = {caller.department, caller.reason} - NO_SKILL
    return not agent.skills or not asked or bool(asked & agent.skills)


def pairs(callers: Iterable[Caller], agents: Sequence[Free], now: datetime) -> list[tuple[Caller, Free]]:
    """Who is rung for whom, most urgent caller first; nobody twice."""
    free = {agent.id: agent for agent in agents}
    found = []
    for caller in in_order(callers):
        fits = [
            (how, agent.idle_since, agent.id) for agent in free.values() if (how := fit(caller, agent, now)) is not None
        ]
        if fits:
            found.append((caller, free.pop(min(fits)[2])))
    return found
