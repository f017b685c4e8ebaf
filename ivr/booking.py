"""Visits arranged by telephone: what flow `appointments` asks of whoever keeps the calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from dialer.models import Call
from ivr.talk import Fact


class Booking(Protocol):
    """Kept by scheduler.booking; app.py puts it among the house's services under this name."""

    def facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """What flow `appointments` is told: departments that can be booked, free times, the caller's own visits."""

    def identify(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        """Whether the caller's number and this birthday are one patient's; the call then is about them."""

    def picked(self, session: Session, call: Call, what: str, value: str, now: datetime) -> None:
        """One of a list was chosen: `what` = slots | visits."""

    def settle(self, session: Session, call: Call, action: str, now: datetime) -> None:
        """book | move | cancel what was picked; facts then say whether it went well."""
