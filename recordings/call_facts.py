"""What the listening room asks about a call that other rooms know: who answered it, about what, and how it ended.

The desk implements `CallFacts` (desk/call_facts.py); app.py joins them.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session


@dataclass(frozen=True)
class CallFact:
    """Of one call; all fields are empty for a call no agent took part in."""

    agent_id: uuid.UUID | None = None
    """The agent who talked longest."""
    agent_since: datetime | None = None
    """When this agent first talked with a caller: the new ones are listened to more."""
    reason: str = ""
    """What the caller chose: a reason of desk/reasons.py, or empty."""
    answer_s: float | None = None
    """From entering the line to an agent's voice."""
    talk_s: float | None = None
    transfers: int = 0
    satisfaction: int | None = None
    """1 to 5, keyed after the ticket this call opened, if it was."""
    complaint: bool = False
    """The call led to a complaint, or was one."""


class CallFacts(Protocol):
    def of(self, session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, CallFact]:
        """For every call of `call_ids` that is known, in a fixed number of statements."""
        ...

    def learned(self, session: Session, since: datetime, until: datetime) -> Collection[uuid.UUID]:
        """Calls, however old, of which it became known from `since` on and before `until` that somebody complained
        about them or scored them low: such news is often younger than the day of the call."""
        ...
