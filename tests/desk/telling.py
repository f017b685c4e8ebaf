"""What the tests of alarms and satisfaction calls are set in: a ward with heads of department, tickets as rows, and
the real webhooks for whoever picks up."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.house import House
from core.models import EventRow, Patient, new_id
from desk import alarms, surveys, ticket_facts, tickets
from desk.kinds import KINDS
from desk.models import Survey, Ticket, TicketAlarm, TicketClock
from desk.numbers import number_of
from dialer.models import Attempt, Call, Message
from ivr.service_desk import ServiceDesk
from scheduler.timetable import fire
from tests.dialer.ward import PATIENT_PHONE, Ward
from tests.house import OPERATOR
from tests.ivr.ivr_line import Line, Switch


class TicketDesk:
    """As much of the desk behind the hotline as is about tickets."""

    hotline_facts = staticmethod(ticket_facts.hotline_facts)
    find_ticket = staticmethod(ticket_facts.find_ticket)
    alarm_facts = staticmethod(ticket_facts.alarm_facts)
    satisfaction_facts = staticmethod(ticket_facts.satisfaction_facts)


def _on_ticket_wanted(session: Session, event: events.TicketWanted, now: datetime) -> None:
    call = session.get(Call, event.call_id) if event.call_id else None
    tickets.open_(session, event.kind, now, call=call, who="caller")


class Room(Ward):
    """A ward with tickets."""

    made: int = 0

    @staticmethod
    def open(house: House, toml: str = "") -> Room:
        ward = Ward.of(house)
        room = Room(house, ward.carrier)
        house.services.setdefault(ServiceDesk, TicketDesk())
        if events.TicketWanted not in house.bus.subscribers():
            house.bus.subscribe(events.TicketWanted, _on_ticket_wanted)
        room.settings(toml)
        return room

    def settings(self, toml: str) -> None:
        hospital = f'[hospital]\noperator = "{OPERATOR}"\nlive = true\n'
        super().settings(toml if "[hospital]" in toml else hospital + toml)

    # ---- tickets ------------------------------------------------------------------------------------
    def ticket(
        self,
        kind: str = "complaint_other",
        *,
        colour: str = "",
        department: str = "surgery",
        status: str = "open",
        contact: str = PATIENT_PHONE,
        patient: Patient | None = None,
        language: str = "en",
        words: str | None = None,
    ) -> Ticket:
        self.made += 1
        about, now = KINDS[kind], self.now
        done = now if status in ("resolved", "confirmed") else None
        with self.house.transaction() as session:
            ticket = Ticket(
                id=new_id(), number=number_of(900_000 + self.made), kind=kind, colour=colour or about.colour,
                medical=about.medical, link=about.link, problem=about.problem, nature=about.nature, channel="phone",
                department=department, language=language, contact=contact, words=words,
                contact_index=people.phone_index(contact) if contact else None,
                patient_id=patient.id if patient else None, status=status, preset="A", reopened=0, opened_at=now,
                resolved_at=done, told_at=done, told_how="call" if done else "",
            )  # fmt: skip
            session.add(ticket)
        return ticket

    def change(self, ticket: Ticket, **fields: object) -> None:
        with self.house.transaction() as session:
            row = session.get_one(Ticket, ticket.id)
            for name, value in fields.items():
                setattr(row, name, value)

    def ticket_now(self, ticket: Ticket) -> Ticket:
        with self.house.transaction() as session:
            return session.get_one(Ticket, ticket.id)

    def clock(self, ticket: Ticket, name: str = "solve", *, due_at: datetime | None = None, round_: int = 0) -> None:
        """One promise of this ticket."""
        with self.house.transaction() as session:
            clock = TicketClock(
                ticket_id=ticket.id, name=name, round=round_, rule={}, started_at=self.now,
                due_at=due_at or self.now, calendar="",
            )  # fmt: skip
            session.add(clock)

    # ---- alarms -------------------------------------------------------------------------------------
    def overdue(self, ticket: Ticket, name: str = "solve", round_: int = 0) -> None:
        """This clock of the ticket runs out now."""
        with self.house.transaction() as session:
            its = TicketClock.ticket_id == ticket.id, TicketClock.name == name, TicketClock.round == round_
            clock = session.scalar(sa.select(TicketClock).where(*its))
            if clock is None:
                clock = TicketClock(
                    ticket_id=ticket.id, name=name, round=round_, rule={}, started_at=self.now, due_at=self.now,
                    calendar="",
                )  # fmt: skip
                session.add(clock)
            clock.missed_at = self.now
            row = session.get_one(Ticket, ticket.id)
            row.overdue_at = row.overdue_at or self.now
            session.flush()
            alarms.on_overdue(session, row, clock, self.now)

    def medical(self, ticket: Ticket) -> None:
        with self.house.transaction() as session:
            alarms.on_medical(session, session.get_one(Ticket, ticket.id), self.now)

    def alarms(self) -> list[TicketAlarm]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(TicketAlarm).order_by(TicketAlarm.opened_at, TicketAlarm.id)))

    def tell(self) -> int:
        """The tick of the alarms, and what it defers."""
        done = fire(self.house, "tickets' alarms", alarms.due)
        self.work("send_alert", "place_routine", "place_escalation", "hang_up")
        return done

    def heads(self) -> list[Attempt]:
        return self.attempts(kind="head")

    def texts(self) -> list[Message]:
        with self.house.transaction() as session:
            query = sa.select(Message).where(Message.kind == "ticket_alert").order_by(Message.created_at, Message.id)
            return list(session.scalars(query))

    # ---- surveys ------------------------------------------------------------------------------------
    def plan(self, ticket: Ticket) -> Survey | None:
        with self.house.transaction() as session:
            return surveys.plan(session, session.get_one(Ticket, ticket.id), self.now)

    def ask(self) -> int:
        """The tick of the satisfaction calls, and what it defers."""
        done = fire(self.house, "satisfaction calls", surveys.due)
        self.work("place_routine")
        return done

    def surveys(self) -> list[Survey]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Survey).order_by(Survey.round, Survey.due_at)))

    def survey(self) -> Survey:
        (row,) = self.surveys()
        return row

    def surveying(self) -> list[Attempt]:
        return self.attempts(kind="satisfaction")

    # ---- on the telephone ---------------------------------------------------------------------------
    def pick_up(self, attempt: Attempt) -> Line:
        """Whoever is rung answers; `line.last` is what they hear."""
        switch = Switch(self.house)
        line = switch.line()
        line.sid = str(self.attempt(attempt.id).sid)
        line.answers(attempt)
        return line

    def told(self, subject_id: uuid.UUID) -> list[tuple[str, str]]:
        """The ledger of a ticket: what, and why."""
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(EventRow).where(EventRow.subject_id == subject_id).order_by(EventRow.id))
            return [(row.what, row.why) for row in rows]


