"""A clinic whose visits are booked by telephone: doctors' sessions, and callers who press keys."""

from __future__ import annotations

import csv
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.events import TicketWanted
from core.house import House
from core.models import new_id
from core.tables import RowReport
from dialer import call as calls
from dialer.models import Call
from scheduler.booking import BuiltIn
from scheduler.models import Appointment, Booked, ClinicSession, VisitDraft
from scheduler.sessions import COLUMNS, import_sessions
from tests.house import MID_MORNING
from tests.scheduler.clinic import PHONE
from tests.scheduler.visits import Clinic

BIRTHDAY = "0506"
MORNING = MID_MORNING + timedelta(days=3, hours=-1)
"""Monday 10 March, 09:00 in Shanghai."""
HOUR = timedelta(hours=1)


class Desk(Clinic):
    """Sessions come from files; calls go through scheduler.booking.BuiltIn."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.booking = BuiltIn()
        self.tickets: list[TicketWanted] = []
        house.bus.subscribe(TicketWanted, lambda session, event, now: self.tickets.append(event))

    # ---- sessions --------------------------------------------------------------------------------
    def bring_sessions(self, folder: Path, *rows: dict[str, Any], dry_run: bool = False) -> list[RowReport]:
        path = folder / "sessions.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return import_sessions(self.house, path, self.now, dry_run=dry_run)

    def clinic(self, starts_at: datetime = MORNING, slots: int = 6, **more: Any) -> ClinicSession:
        """A session of three hours."""
        with self.house.transaction() as session:
            row = ClinicSession(
                id=new_id(),
                external_id=more.pop("external_id", f"C-{new_id().hex[-8:]}"),
                starts_at=starts_at,
                ends_at=more.pop("ends_at", starts_at + 3 * HOUR),
                slots=slots,
                **{"department": "surgery", "doctor": "Dr. Example", "place": "Building 2", "status": "open"} | more,
            )
            session.add(row)
        return row

    # ---- calls -----------------------------------------------------------------------------------
    def rings(self, phone: str = PHONE) -> uuid.UUID:
        with self.house.transaction() as session:
            call = calls.open_inbound(session, f"CA{new_id().hex}", phone, "appointments", self.now)
            return call.id

    def with_call(self, call_id: uuid.UUID, method: str, *words: str) -> Any:
        """One request: a method of the booking desk in a transaction of its own, the call locked as in a webhook."""
        with self.house.transaction() as session:
            call = calls.locked(session, call_id)
            assert call is not None
            return getattr(self.booking, method)(session, call, *words, self.now)

    def facts(self, call_id: uuid.UUID) -> dict[str, Any]:
        return dict(self.with_call(call_id, "facts"))

    def known(self, phone: str = PHONE, birthday: str = BIRTHDAY) -> uuid.UUID:
        """A call whose caller has shown who they are."""
        call_id = self.rings(phone)
        assert self.with_call(call_id, "identify", birthday)
        return call_id

    def picks(self, call_id: uuid.UUID, what: str, key: int) -> str:
        """Key `key` of the list that is read out; returns what was chosen."""
        value = str(self.facts(call_id)[f"{what}_values"][key - 1])
        if what == "departments":
            with self.house.transaction() as session:
                session.get_one(Call, call_id).department = value
        self.with_call(call_id, "picked", what, value)
        return value

    def books(self, phone: str = PHONE, key: int = 1) -> str:
        """A whole call; returns what came of it."""
        call_id = self.known(phone)
        self.picks(call_id, "departments", 1)
        self.picks(call_id, "slots", key)
        return self.settles(call_id, "book")

    def settles(self, call_id: uuid.UUID, action: str) -> str:
        self.with_call(call_id, "settle", action)
        return self.draft(call_id).result

    def draft(self, call_id: uuid.UUID) -> VisitDraft:
        with self.house.transaction() as session:
            return session.get_one(VisitDraft, call_id)

    # ---- what there is ---------------------------------------------------------------------------
    def visits(self) -> list[Appointment]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Appointment).order_by(Appointment.starts_at)))

    def seats(self) -> list[tuple[int, datetime]]:
        """(slot, hour of the visit in it) of every session."""
        query = sa.select(Booked.slot, Appointment.starts_at).join(Appointment, Appointment.id == Booked.appointment_id)
        with self.house.transaction() as session:
            return [(slot, at) for slot, at in session.execute(query.order_by(Appointment.starts_at, Booked.slot))]
