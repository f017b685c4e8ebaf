"""What the tests of reminders are set in: a ward whose patients have visits."""

from __future__ import annotations

import csv
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core import events, people
from core.db import blind
from core.events import ReminderAnswered, WorkWanted
from core.house import House
from core.models import Contact, Patient, new_id
from core.tables import RowReport
from dialer import sms
from dialer.models import Attempt, Message
from scheduler import reminder_plan, reminders
from scheduler.appointments import import_appointments
from scheduler.models import Appointment, Reminder
from tests.house import MID_MORNING
from tests.scheduler.clinic import Ward

MRN = "V-1"
VISIT = MID_MORNING + timedelta(days=3, hours=-1)
"""Monday 10 March, 09:00 in Shanghai."""
CHILD_PHONE = "+8613800000009"
HEADER = ("mrn", "appointment_id", "starts_at", "department", "place", "fasting", "status")


class Clinic(Ward):
    """A ward with visits; what the house wants done is in `work`."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.work: list[WorkWanted] = []
        house.bus.subscribe(WorkWanted, lambda session, event, now: self.work.append(event))

    # ---- people ------------------------------------------------------------------------------------
    def visitor(
        self, *phones: str, mrn: str = MRN, consents: str = "reminder", born: str = "1990-05-06", **more: Any
    ) -> uuid.UUID:
        patient_id = self.patient(*phones, mrn=mrn, consent=False, **more)
        with self.house.transaction() as session:
            patient = session.get_one(Patient, patient_id)
            patient.mrn_index, patient.birth_date = blind(mrn, people.MRN), born
            for purpose in consents.split():
                people.set_consent(session, patient_id, purpose, True, "import", self.now)
        return patient_id

    def relative(self, patient_id: uuid.UUID, phone: str = CHILD_PHONE, relation: str = "daughter") -> None:
        with self.house.transaction() as session:
            index = people.phone_index(phone)
            session.add(Contact(patient_id=patient_id, phone=phone, phone_index=index, relation=relation, position=9))

    def visit(self, patient_id: uuid.UUID, starts_at: datetime, **more: Any) -> Appointment:
        """A visit with its reminders planned."""
        with self.house.transaction() as session:
            visit = Appointment(
                id=new_id(),
                patient_id=patient_id,
                external_id=more.pop("external_id", "A-1"),
                starts_at=starts_at,
                **{"department": "oncology", "place": "Building 2, hall", "status": "booked"} | more,
            )
            session.add(visit)
            session.flush()
            reminder_plan.follow(session, visit, self.now)
        return visit

    def change(self, visit: Appointment, **fields: Any) -> int:
        with self.house.transaction() as session:
            row = session.get_one(Appointment, visit.id, with_for_update=True)
            for name, value in fields.items():
                setattr(row, name, value)
            return reminder_plan.follow(session, row, self.now)

    def bring(self, path: Path, *rows: tuple[str, ...], dry_run: bool = False) -> list[RowReport]:
        """Import a file of visits."""
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows])
        return import_appointments(self.house, path, self.now, dry_run=dry_run)

    # ---- what there is -----------------------------------------------------------------------------
    def rows(self, **where: Any) -> list[Reminder]:
        with self.house.transaction() as session:
            query = sa.select(Reminder).filter_by(**where)
            return sorted(session.scalars(query), key=lambda row: (row.channel, row.subject))

    def row(self, **where: Any) -> Reminder:
        [row] = self.rows(**where)
        return row

    def booked(self, visit: Appointment) -> str:
        with self.house.transaction() as session:
            return session.get_one(Appointment, visit.id).status

    def sent(self, kind: str = "reminder") -> list[Message]:
        return [message for message in self.messages() if message.kind == kind]

    # ---- what happens ------------------------------------------------------------------------------
    def remind(self) -> int:
        """One firing of the reminders."""
        with self.house.transaction() as session:
            return reminders.due(session, self.now)

    def call_out(self) -> Attempt:
        """One firing, exactly one ring."""
        self.remind()
        [attempt] = [a for a in self.live() if a.kind == "reminder"]
        return attempt

    def keys(self, attempt: Attempt, *choices: str, over: bool = True) -> None:
        """The phone is answered and the reminder said; these are keyed."""
        self.post(attempt)
        call_id = self.answer(attempt)
        for choice in choices:
            self.says(attempt, call_id, choice)
        if over:
            self.hear(attempt, "completed")

    def says(self, attempt: Attempt, call_id: uuid.UUID, choice: str) -> None:
        with self.house.transaction() as session:
            events.publish(session, ReminderAnswered(call_id, attempt.id, choice), self.now)

    def lost(self, message: Message, code: int = 30003) -> None:
        """The carrier could not deliver it."""
        with self.house.transaction() as session:
            row = session.get_one(Message, message.id)
            row.status = "sending" if row.status == "planned" else row.status
            sms.carrier_says(session, message.id, f"SM{message.id.hex}", "undelivered", self.now, code)

    def eve(self, visit: Appointment, hour: int = 16) -> datetime:
        """That hour on the day before, in Shanghai."""
        midnight = (visit.starts_at + timedelta(hours=8)).replace(hour=0, minute=0) - timedelta(hours=8)
        return midnight - timedelta(hours=24 - hour)
