"""What the desk's tests of agents and line are set in: agents, callers on the hotline, and the carrier's words."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.house import House
from core.models import Contact, EventRow, Patient, new_id
from desk import agents, put_through, queue, queue_due
from desk.models import QueueEntry, QueueOffer
from dialer import attempt as attempts
from dialer import call as calls
from dialer import gate
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Agent, Attempt, Call
from tests.conftest import StandingClock
from tests.scheduler.clinic import hospital

AGENT_PHONES = tuple(f"+8610555503{number:02}" for number in range(20))
CALLERS = tuple(f"+8610555504{number:02}" for number in range(40))


@dataclass
class Hall:
    """The desk, and time."""

    house: House
    tickets: list[events.TicketWanted] = field(default_factory=list)
    callers: int = 0
    agents: int = 0

    def __post_init__(self) -> None:
        hospital(self.house, calling={"lines": 60, "lines_reserved": 2})
        self.house.bus.subscribe(events.TicketWanted, lambda session, event, now: self.tickets.append(event))

    # ---- time --------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def forward(self, **delta: float) -> None:
        assert isinstance(self.house.clock, StandingClock)
        self.house.clock.at += timedelta(**delta)

    def tick(self) -> int:
        with self.house.transaction() as session:
            return queue_due.due(session, self.now)

    def publish(self, *told: object) -> None:
        with self.house.transaction() as session:
            for event in told:
                events.publish(session, event, self.now)

    # ---- people ------------------------------------------------------------------------------------
    def agent(
        self,
        login: str = "",
        *,
        languages: tuple[str, ...] = ("en",),
        skills: tuple[str, ...] = (),
        state: str = "ready",
        pin: str = "",
        phone: str = "",
    ) -> str:
        number, self.agents = self.agents, self.agents + 1
        login = login or f"agent{number}"
        phone = phone or AGENT_PHONES[number]
        with self.house.transaction() as session:
            session.add(
                Agent(
                    id=new_id(), login=login, name=f"Agent {number}", role="agent", phone=phone,
                    phone_index=people.phone_index(phone), languages=list(languages), skills=list(skills), pin=pin,
                    since=self.now,
                )
            )  # fmt: skip
            session.flush()
            if state != "off":
                agents.sign(session, login, state, "test", self.now)
        return login

    def who(self, login: str) -> Agent:
        with self.house.transaction() as session:
            return session.scalars(sa.select(Agent).where(Agent.login == login)).one()

    def rings(self, number: str = "", *, reason: str = "", department: str = "", language: str = "en") -> Call:
        """Somebody is on the line with the hotline."""
        self.callers += 1
        with self.house.transaction() as session:
            call = calls.open_inbound(session, f"CA{new_id().hex}", number, "hotline", self.now)
            call.session = {"flow": "hotline", "version": "", "node": "desk", "language": language}
            call.reason, call.department = reason, department
        return call

    def enters(self, number: str = "", **about: Any) -> QueueEntry:
        """Somebody stands in line."""
        call = self.rings(number, **about)
        with self.house.transaction() as session:
            locked = calls.locked(session, call.id)
            assert locked is not None
            entry = queue.enter(session, locked, self.now)
            assert entry is not None
        return entry

    # ---- what the carrier says ---------------------------------------------------------------------
    def hangs_up(self, entry: QueueEntry) -> None:
        """The caller's line is dead."""
        assert entry.call_id is not None
        with self.house.transaction() as session:
            call = calls.locked(session, entry.call_id)
            assert call is not None
            calls.carrier_says(session, call, "completed", self.now)

    def leaves(self, entry: QueueEntry, why: str) -> None:
        assert entry.call_id is not None
        self.publish(events.QueueLeft(entry.call_id, why))

    def ring_of(self, entry: QueueEntry) -> Attempt:
        """The ring at the agent who is asked about this caller."""
        fresh = self.fresh(entry)
        assert fresh.attempt_id is not None
        with self.house.transaction() as session:
            return session.get_one(Attempt, fresh.attempt_id)

    def posted(self, ring: Attempt) -> None:
        with self.house.transaction() as session:
            if attempts.may_post(session, ring.id, self.house.clock.now) is not None:
                attempts.posted(session, ring.id, f"CA{new_id().hex}", self.now)

    def answers(self, ring: Attempt) -> Call | None:
        self.posted(ring)
        with self.house.transaction() as session:
            attempt = session.get_one(Attempt, ring.id)
            if attempt.sid is None or attempts.may_speak(session, ring.id, attempt.sid) is None:
                return None
            attempts.carrier_says(session, attempt, "in_progress", self.now)
            return calls.for_attempt(session, ring.id) or calls.open_for(session, attempt, attempt.sid, self.now)

    def says(self, ring: Attempt, word: str) -> None:
        with self.house.transaction() as session:
            attempt = attempts.locked(session, ring.id)
            assert attempt is not None
            attempts.carrier_says(session, attempt, word, self.now)

    def accepts(self, ring: Attempt) -> Call:
        call = self.answers(ring)
        assert call is not None
        self.publish(events.AgentDecided(ring.id, "accepted"))
        return call

    def connects(self, agent_call: Call) -> Attempt | gate.Refused | object:
        with self.house.transaction() as session:
            call = calls.locked(session, agent_call.id)
            assert call is not None
            return put_through.connect(session, call, self.now)

    def talks(self, entry: QueueEntry, seconds: int = 60) -> Attempt:
        """The agent who is rung for this caller takes them, talks, and hangs up."""
        ring = self.ring_of(entry)
        self.connects(self.accepts(ring))
        self.publish(events.CallerTaken(entry.call_id, ring.id))
        self.forward(seconds=seconds)
        self.publish(events.AgentTalked(ring.id, seconds))
        self.says(ring, "completed")
        return ring

    # ---- what stands -------------------------------------------------------------------------------
    def fresh(self, entry: QueueEntry) -> QueueEntry:
        with self.house.transaction() as session:
            return session.get_one(QueueEntry, entry.id)

    def entries(self) -> list[QueueEntry]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(QueueEntry).order_by(QueueEntry.entered_at, QueueEntry.id)))

    def offers(self, session: Session | None = None) -> list[QueueOffer]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(QueueOffer).order_by(QueueOffer.id)))

    def ledger(self, subject_id: uuid.UUID) -> list[str]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(EventRow).where(EventRow.subject_id == subject_id).order_by(EventRow.id))
            return [row.what for row in rows]

    def live_rings(self, kind: str = "agent") -> list[Attempt]:
        with self.house.transaction() as session:
            live = sa.select(Attempt).where(Attempt.kind == kind, Attempt.status.in_(LIVE_ATTEMPT))
            return list(session.scalars(live.order_by(Attempt.created_at, Attempt.id)))

    def live_calls(self) -> list[Call]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Call).where(Call.status.in_(LIVE_CALL))))

    def patient(self, number: str, name: str = "Ann Example") -> Patient:
        with self.house.transaction() as session:
            patient = Patient(
                id=new_id(), mrn=f"T-{number[-4:]}", mrn_index=number[-4:].encode(), name=name, sex="f", language="en",
                timezone="Asia/Shanghai", created_at=self.now,
            )  # fmt: skip
            session.add(patient)
            session.flush()
            session.add(Contact(patient_id=patient.id, phone=number, phone_index=people.phone_index(number)))
        return patient

    def run_jobs(self, *names: str) -> None:
        """The hang-ups that were asked for, by the carrier's word that the ring ended so."""
        with self.house.transaction() as session:
            rows = session.execute(sa.text("SELECT id, task_name, args FROM procrastinate_jobs ORDER BY id")).all()
            session.execute(sa.text("DELETE FROM procrastinate_jobs"))
        for row in rows:
            if row.task_name == "hang_up":
                attempt_id = uuid.UUID(row.args["attempt_id"])
                with self.house.transaction() as session:
                    sid = attempts.unwanted(session, attempt_id, self.now)
                if sid is not None:
                    with self.house.transaction() as session:
                        attempt = attempts.locked(session, attempt_id)
                        assert attempt is not None
                        word = "completed" if attempt.answered_at else "cancelled"
                        attempts.carrier_says(session, attempt, word, self.now)
