"""What the desk's tables say after a storm: who stood in line, who was asked for them, what they were left with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow
from desk.models import QueueEntry, QueueOffer, Ticket
from dialer.models import Attempt, Call

NOT_OVER = ("waiting", "offered", "joined")


@dataclass(frozen=True)
class Stood:
    id: uuid.UUID
    sid: str
    """Of the call that brought them; empty for none."""
    entered: float
    wants: tuple[int, str, str, str]
    """priority, reason, department, language"""
    status: str
    moves: Sequence[tuple[float, str]]
    """Statuses by the ledger, and since when."""

    def status_at(self, moment: float) -> str:
        return next((status for since, status in reversed(self.moves) if since <= moment), "")

    def since(self, moment: float) -> float:
        """Since when it was so."""
        return next((since for since, _ in reversed(self.moves) if since <= moment), moment)


@dataclass(frozen=True)
class Asked:
    """One ring at one agent for one caller."""

    entry: uuid.UUID
    agent: uuid.UUID
    sid: str
    at: float
    decision: str
    decided: float | None


@dataclass(frozen=True)
class Tables:
    stood: Mapping[uuid.UUID, Stood]
    offers: Sequence[Asked]
    """In the order they were made."""
    tickets: Mapping[str, Sequence[str]]
    """Kinds, by the SID of the call they came of."""

    @classmethod
    def read(cls, session: Session) -> Tables:
        sids = {call.id: call.sid or "" for call in session.scalars(sa.select(Call))}
        rings = {ring.id: ring.sid or "" for ring in session.scalars(sa.select(Attempt))}
        moved: dict[uuid.UUID, list[tuple[float, str]]] = {}
        ledger = sa.select(EventRow).where(EventRow.kind == "queue", EventRow.to_state.is_not(None))
        for row in session.scalars(ledger.order_by(EventRow.id)):
            if row.subject_id is not None and row.to_state:
                moved.setdefault(row.subject_id, []).append((row.at.timestamp(), row.to_state))
        tickets: dict[str, list[str]] = {}
        for ticket in session.scalars(sa.select(Ticket).where(Ticket.call_id.is_not(None))):
            if ticket.call_id is not None:
                tickets.setdefault(sids[ticket.call_id], []).append(ticket.kind)
        stood = {
            entry.id: Stood(
                entry.id, sids.get(entry.call_id, "") if entry.call_id is not None else "",
                entry.entered_at.timestamp(), (entry.priority, entry.reason, entry.department, entry.language),
                entry.status, moved.get(entry.id, []),
            )
            for entry in session.scalars(sa.select(QueueEntry).order_by(QueueEntry.entered_at))
        }  # fmt: skip
        offers = [
            Asked(
                offer.entry_id, offer.agent_id, rings[offer.attempt_id], offer.at.timestamp(), offer.decision or "",
                offer.decided_at.timestamp() if offer.decided_at is not None else None,
            )
            for offer in session.scalars(sa.select(QueueOffer).order_by(QueueOffer.at, QueueOffer.id))
        ]  # fmt: skip
        return cls(stood, offers, tickets)

    @staticmethod
    def owed(session: Session) -> list[datetime | None]:
        """When something is to be done next for each entry that is not over, or is to be looked at again."""
        rows = sa.select(QueueEntry.next_step_at).where(
            QueueEntry.status.in_(NOT_OVER) | QueueEntry.next_step_at.is_not(None)
        )
        return list(session.scalars(rows))

    def unfinished(self) -> list[str]:
        return [entry.status for entry in self.stood.values() if entry.status in NOT_OVER]

    def tickets_of(self, sid: str) -> Sequence[str]:
        return self.tickets.get(sid, ())
