"""What the dialer's tests are set in: patients, doctors on duty, a fake carrier, and the worker's work done by hand."""

from __future__ import annotations

import dataclasses
import tomllib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs, people
from core.db import blind
from core.hospital import HospitalFile
from core.house import House
from core.models import Contact, EventRow, Patient, Procedure, new_id
from dialer import attempt as attempts
from dialer import call as calls
from dialer import gate
from dialer.carrier import CarrierClient
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Escalation, Refusal, Shift
from tests.conftest import StandingClock
from tests.dialer.fakes import FakeCall, FakeCarrier
from tests.house import HOTLINE, MID_MORNING, OPERATOR

PATIENT_PHONE = "+861055550111"
TABLES = (
    *("ticket_watchers", "ticket_clocks", "ticket_alarms", "surveys", "queue_offers", "queue_entries", "tickets"),
    "agents",
    *("inbound_messages", "work_items", "followups", "offers", "covers", "test_rings", "daily_runs", "special_days"),
    *("messages", "escalations", "calls", "attempts", "shifts", "refusals", "pace", "pauses", "do_not_call"),
    *("consents", "contacts", "procedures", "patients", "events", "procrastinate_jobs"),
)
DOCTOR_PHONES = tuple(f"+8610555502{number:02}" for number in range(20))


@dataclass
class Ward:
    house: House
    carrier: FakeCarrier
    patients: int = 0
    shifts: int = 0
    strays: list[str] = field(default_factory=list)

    @staticmethod
    def of(house: House) -> Ward:
        carrier = FakeCarrier(house.clock)
        house.services[CarrierClient] = carrier
        ward = Ward(house, carrier)
        ward.settings(f'[hospital]\noperator = "{OPERATOR}"\nlive = true')
        return ward

    # ---- time and settings --------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def clock(self) -> datetime:
        return self.now

    def at(self, moment: datetime) -> None:
        assert isinstance(self.house.clock, StandingClock)
        self.house.clock.at = moment

    def forward(self, **delta: float) -> None:
        self.at(self.now + timedelta(**delta))

    def settings(self, toml: str) -> None:
        """The hospital file says this from now on; `live`, and no waiting for the pace, unless it says otherwise."""
        tables = tomllib.loads(toml if "live" in toml else f"[hospital]\nlive=true\n{toml}")
        tables.setdefault("calling", {}).setdefault("calls_per_second", 30.0)
        file = HospitalFile.model_validate(tables)
        self.house.settings = dataclasses.replace(self.house.settings, file=file)

    # ---- people -------------------------------------------------------------------------------------
    def patient(
        self,
        phone: str = PATIENT_PHONE,
        *,
        zone: str = "Asia/Shanghai",
        consents: str = "followup",
        department: str = "",
    ) -> Patient:
        self.patients += 1
        mrn = f"T-{self.patients}"
        with self.house.transaction() as session:
            patient = Patient(
                id=new_id(), mrn=mrn, mrn_index=blind(mrn, people.MRN), name="Ann Example", birth_date="1961-05-06",
                language="en", timezone=zone, created_at=self.now,
            )  # fmt: skip
            session.add(patient)
            session.flush()
            session.add(Contact(patient_id=patient.id, phone=phone, phone_index=people.phone_index(phone)))
            for purpose in consents.split():
                people.set_consent(session, patient.id, purpose, True, "import", self.now)
            if department:
                session.add(
                    Procedure(
                        patient_id=patient.id,
                        external_id="OP-1",
                        department=department,
                        ended_at=self.now - timedelta(hours=48),
                    )
                )
        return patient

    def doctor(
        self,
        number: int,
        tier: str = "1",
        department: str = "*",
        *,
        name: str = "",
        starts: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=30),
    ) -> Shift:
        self.shifts += 1
        name = name or f"Dr {number}"
        with self.house.transaction() as session:
            shift = Shift(
                id=new_id(), department=department, tier=tier, position=self.shifts, doctor=name,
                doctor_index=blind(name, "doctor"), phone=DOCTOR_PHONES[number], language="en",
                starts_at=self.now + starts, ends_at=self.now + ends,
            )  # fmt: skip
            session.add(shift)
        return shift

    # ---- rings --------------------------------------------------------------------------------------
    def ring(self, kind: str = "followup", to: str = PATIENT_PHONE, **words: object) -> gate.Ring:
        return gate.Ring(kind, to, words.pop("subject_id", None) or new_id(), **words)  # type: ignore[arg-type]

    def place(self, ring: gate.Ring) -> Attempt | gate.Refused:
        with self.house.transaction() as session:
            return self.place_in(session, ring)

    def place_in(self, session: Session, ring: gate.Ring) -> Attempt | gate.Refused:
        return attempts.place(
            session, ring, flow="followup", language="en", brief={"threshold": 4}, ring_s=30, now=self.now
        )

    def placed(self, ring: gate.Ring) -> Attempt:
        attempt = self.place(ring)
        assert isinstance(attempt, Attempt), attempt
        return attempt

    def says(self, attempt_id: uuid.UUID, word: str, *, seq: int | None = None, sip: str = "") -> None:
        with self.house.transaction() as session:
            attempt = attempts.locked(session, attempt_id)
            assert attempt is not None
            attempts.carrier_says(session, attempt, word, self.now, seq=seq, sip_code=sip)

    def attempt(self, attempt_id: uuid.UUID) -> Attempt:
        with self.house.transaction() as session:
            return session.get_one(Attempt, attempt_id)

    def attempts(self, *, live: bool = False, kind: str = "") -> list[Attempt]:
        query = sa.select(Attempt).order_by(Attempt.created_at, Attempt.posted_at.nulls_last())
        if live:
            query = query.where(Attempt.status.in_(LIVE_ATTEMPT))
        if kind:
            query = query.where(Attempt.kind == kind)
        with self.house.transaction() as session:
            return list(session.scalars(query))

    def refusals(self) -> list[Refusal]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Refusal).order_by(Refusal.id)))

    def ledger(self, subject_id: uuid.UUID) -> list[str]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(EventRow).where(EventRow.subject_id == subject_id).order_by(EventRow.id))
            return [row.what for row in rows]

    # ---- calls --------------------------------------------------------------------------------------
    def inbound(self, party: str = PATIENT_PHONE, patient: Patient | None = None) -> Call:
        """Somebody is on the line with the hotline."""
        with self.house.transaction() as session:
            sid = f"CA{new_id().hex}"
            self.carrier.inbound.append(FakeCall(sid, HOTLINE, "", "", 0, self.now, status="in-progress"))
            call = calls.open_inbound(session, sid, party, "hotline", self.now)
            if patient is not None:
                call.patient_id = patient.id
        return call

    def answers(self, attempt_id: uuid.UUID) -> Call | None:
        """The voice webhook's part when this ring is picked up; None if it may not speak."""
        with self.house.transaction() as session:
            sid = session.get_one(Attempt, attempt_id).sid or f"CA{new_id().hex}"
            attempt = attempts.may_speak(session, attempt_id, sid)
            if attempt is None:
                return None
            attempts.carrier_says(session, attempt, "in_progress", self.now)
            return calls.for_attempt(session, attempt_id) or calls.open_for(session, attempt, sid, self.now)

    def score(self, score: int, call: Call, *, keyed_at: datetime | None = None) -> Escalation | None:
        """A score stands; the newest escalation there is afterwards."""
        with self.house.transaction() as session:
            events.publish(session, events.ScoreStands(call.id, score, keyed_at or self.now, "key"), self.now)
        return self.escalation()

    def escalation(self) -> Escalation | None:
        with self.house.transaction() as session:
            return session.scalar(sa.select(Escalation).order_by(Escalation.keyed_at.desc(), Escalation.id))

    def publish(self, event: object) -> None:
        with self.house.transaction() as session:
            events.publish(session, event, self.now)

    # ---- the worker ---------------------------------------------------------------------------------
    def queued(self) -> list[str]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.text("SELECT task_name FROM procrastinate_jobs ORDER BY id")))

    def work(self, *only: str) -> int:
        """Run the queued jobs, and those they defer, until none (of these kinds) is left. Returns how many ran."""
        ran = 0
        while True:
            with self.house.transaction() as session:
                rows = session.execute(
                    sa.text("SELECT id, task_name, args FROM procrastinate_jobs ORDER BY priority DESC, id")
                ).all()
                row = next((row for row in rows if not only or row.task_name in only), None)
                if row is not None:
                    session.execute(sa.text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": row.id})
            if row is None:
                return ran
            ids = {key: uuid.UUID(value) for key, value in row.args.items()}
            jobs.handlers()[row.task_name](self.house, **ids)
            ran += 1

    def drop_jobs(self) -> None:
        """The queue is lost, or its worker died with what it held."""
        with self.house.transaction() as session:
            session.execute(sa.text("DELETE FROM procrastinate_jobs"))


def clear(house: House) -> None:
    """An empty house again, at mid-morning: for examples of one test that share a database."""
    with house.transaction() as session:
        session.execute(sa.text("; ".join(f"DELETE FROM {table}" for table in TABLES)))
    assert isinstance(house.clock, StandingClock)
    house.clock.at = MID_MORNING
