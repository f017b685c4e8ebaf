"""A patient who missed our ring and rings the hotline: what the hotline asks of the rest of the house."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from dialer.models import Call


class RingBack(Protocol):
    """Kept by scheduler.ringback; app.py puts it among the house's services under this name."""

    def waiting(self, session: Session, party: str, now: datetime) -> bool:
        """Whether somebody with the number `party` (E.164) missed a ring of an interview that is still open."""

    def begin(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        """Give the caller the interview of the one patient with this number and birthday: `call` becomes a follow-up
        call with an attempt of its own. False when nobody matches, or it is being given on another line now."""
