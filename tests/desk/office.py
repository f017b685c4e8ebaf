"""The desk in a test: callers, tickets, and a clock that is moved."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from core import events, people
from core.hospital import HospitalFile
from core.house import House
from core.models import EventRow
from desk import ticket_clocks, tickets
from desk.models import Ticket, TicketClock
from desk.ticket_rows import TicketRow
from dialer.models import Call
from tests.house import OPERATOR

CALLER = "+861055550131"
T = TypeVar("T")


@dataclass
class Office:
    house: House

    def settings(self, **tables: dict[str, Any]) -> None:
        """The house's hospital file, with these tables changed."""
        base: dict[str, Any] = {"hospital": {"operator": OPERATOR, "live": True}}
        for name, table in tables.items():
            base[name] = {**base.get(name, {}), **table}
        self.house.settings = dataclasses.replace(self.house.settings, file=HospitalFile.model_validate(base))

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    @now.setter
    def now(self, at: datetime) -> None:
        self.house.clock.at = at  # type: ignore[attr-defined]

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def do(self, what: Callable[..., T], *words: Any, **more: Any) -> T:
        """One function of a store, in a transaction of its own; `now` goes last."""
        with self.house.transaction() as session:
            return what(session, *words, self.now, **more)

    def refused(self, what: Callable[..., Any], *words: Any, **more: Any) -> str:
        """The sentence with which it is refused."""
        with pytest.raises(tickets.TicketProblem) as problem:
            self.do(what, *words, **more)
        return str(problem.value)

    def publish(self, event: Any) -> None:
        with self.house.transaction() as session:
            events.publish(session, event, self.now)

    def call(self, party: str = CALLER, *, department: str = "", patient: uuid.UUID | None = None) -> Call:
        with self.house.transaction() as session:
            made = Call(
                kind="hotline", status="completed", party=party, party_index=people.phone_index(party),
                patient_id=patient, department=department, session={"language": "en"},
                started_at=self.now, ended_at=self.now, deadline_at=self.now,
            )  # fmt: skip
            session.add(made)
            return made

    def open(self, kind: str = "message", **more: Any) -> uuid.UUID:
        return self.do(tickets.open_, kind, **{"contact": CALLER, **more}).id

    def all(self) -> list[Ticket]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Ticket).order_by(Ticket.serial)))

    def ticket(self, ticket_id: uuid.UUID) -> Ticket:
        with self.house.transaction() as session:
            return session.get_one(Ticket, ticket_id)

    def row(self, ticket_id: uuid.UUID) -> TicketRow:
        with self.house.transaction() as session:
            return next(row for row in tickets.rows(session, self.now, everything=True) if row.id == ticket_id)

    def clocks(self, ticket_id: uuid.UUID) -> dict[str, TicketClock]:
        """By name; the last round of each."""
        with self.house.transaction() as session:
            return {clock.name: clock for clock in ticket_clocks.of_ticket(session, ticket_id)}

    def ledger(self, ticket_id: uuid.UUID) -> list[EventRow]:
        with self.house.transaction() as session:
            rows = sa.select(EventRow).where(EventRow.kind == "ticket", EventRow.subject_id == ticket_id)
            return list(session.scalars(rows.order_by(EventRow.id)))

    def said(self, ticket_id: uuid.UUID) -> list[str]:
        return [row.what for row in self.ledger(ticket_id) if not row.what.startswith("clock")]

    def tick(self) -> int:
        with self.house.transaction() as session:
            return ticket_clocks.overdue(session, self.now)

    def solved(self, ticket_id: uuid.UUID, owner: str = "li") -> None:
        """All the way to the outcome told."""
        self.do(tickets.assign, ticket_id, owner, "boss")
        offered = "parking" if self.ticket(ticket_id).medical is False else None
        self.do(tickets.resolve, ticket_id, "seen to", owner, compensation=offered)
        self.do(tickets.tell, ticket_id, "call", owner)


def clear(house: House) -> None:
    """As it was before the first call."""
    with house.transaction() as session:
        of_tickets = ("surveys", "ticket_alarms", "ticket_clocks", "ticket_watchers", "tickets")
        for table in (*of_tickets, "calls", "events", "special_days"):
            session.execute(sa.text(f"DELETE FROM {table}"))
