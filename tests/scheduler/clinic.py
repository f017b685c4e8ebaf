"""A ward for tests of the scheduler: patients with operations, and rings that end as told."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.events import FollowUpUnreached, InterviewEnded
from core.hospital import HospitalFile
from core.house import House
from core.models import Contact, EventRow, Patient, Procedure, new_id
from dialer import attempt as attempts
from dialer import call as calls
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Message, Refusal
from ivr.models import Answer
from scheduler import ring, store
from scheduler.models import FollowUp
from tests.house import OPERATOR

PHONE = "+8613800000001"
SECOND_PHONE = "+8613800000002"


def hospital(house: House, **tables: dict[str, Any]) -> None:
    """The house's hospital file, with these tables changed."""
    base: dict[str, Any] = {
        "hospital": {"operator": OPERATOR, "live": True},
        "calling": {"calls_per_second": 30.0, "lines": 10, "lines_reserved": 2},
    }
    for name, table in tables.items():
        base[name] = {**base.get(name, {}), **table}
    house.settings = dataclasses.replace(house.settings, file=HospitalFile.model_validate(base))


@dataclass
class Ward:
    house: House
    unreached: list[FollowUpUnreached] = field(default_factory=list)
    _sid: int = 0

    def __post_init__(self) -> None:
        hospital(self.house)
        self.house.bus.subscribe(FollowUpUnreached, lambda session, event, now: self.unreached.append(event))

    # ---- time --------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    @now.setter
    def now(self, at: datetime) -> None:
        self.house.clock.at = at  # type: ignore[attr-defined]

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    # ---- people ------------------------------------------------------------------------------------
    def patient(
        self,
        *phones: str,
        mrn: str = "S-1",
        consent: bool = True,
        language: str = "en",
        zone: str = "Asia/Shanghai",
        status: str = "active",
    ) -> uuid.UUID:
        with self.house.transaction() as session:
            patient = Patient(
                id=new_id(),
                mrn=mrn,
                mrn_index=mrn.encode(),
                name="Ann Example",
                birth_date="1961-05-06",
                sex="f",
                language=language,
                timezone=zone,
                status=status,
                created_at=self.now,
            )
            session.add(patient)
            session.flush()
            for position, phone in enumerate(phones or (PHONE,)):
                session.add(
                    Contact(
                        patient_id=patient.id, phone=phone, phone_index=people.phone_index(phone), position=position
                    )
                )
            if consent:
                people.set_consent(session, patient.id, "followup", True, "import", self.now)
            return patient.id

    def operation(
        self, patient_id: uuid.UUID, ago: timedelta, *, name: str = "", external_id: str = "OP-1"
    ) -> uuid.UUID:
        """An operation with its waves planned."""
        with self.house.transaction() as session:
            procedure = Procedure(
                id=new_id(),
                patient_id=patient_id,
                external_id=external_id,
                name=name,
                department="surgery",
                ended_at=self.now - ago,
                status="active",
            )
            session.add(procedure)
            session.flush()
            store.plan(session, procedure, self.now)
            return procedure.id

    def due_patient(self, *phones: str, **more: Any) -> uuid.UUID:
        """A patient whose 6h wave is due now; returns the procedure."""
        return self.operation(self.patient(*phones, **more), timedelta(hours=6))

    # ---- what there is -----------------------------------------------------------------------------
    def waves(self, procedure_id: uuid.UUID) -> dict[str, FollowUp]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(FollowUp).where(FollowUp.procedure_id == procedure_id))
            return {row.wave: row for row in rows}

    def first(self, procedure_id: uuid.UUID) -> FollowUp:
        return self.waves(procedure_id)["6h"]

    def ledger(self, followup: FollowUp) -> list[str]:
        with self.house.transaction() as session:
            return list(
                session.scalars(
                    sa.select(EventRow.what)
                    .where(EventRow.kind == "followup", EventRow.subject_id == followup.id)
                    .order_by(EventRow.id)
                )
            )

    def refusals(self, followup: FollowUp) -> list[tuple[str, int]]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(Refusal).where(Refusal.subject_id == followup.id).order_by(Refusal.id))
            return [(row.reason, row.times) for row in rows]

    def live(self) -> list[Attempt]:
        with self.house.transaction() as session:
            return list(
                session.scalars(sa.select(Attempt).where(Attempt.status.in_(LIVE_ATTEMPT)).order_by(Attempt.created_at))
            )

    def messages(self) -> list[Message]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Message)))

    # ---- what happens ------------------------------------------------------------------------------
    def tick(self) -> int:
        with self.house.transaction() as session:
            ring.run_out(session, self.now)
            return ring.ring_due(session, self.now)

    def rung(self) -> Attempt:
        """One tick, exactly one ring."""
        assert self.tick() == 1
        return self.live()[-1]

    def post(self, attempt: Attempt) -> None:
        """The place job: the carrier takes it."""
        self._sid += 1
        with self.house.transaction() as session:
            assert attempts.may_post(session, attempt.id, self.house.clock.now) is not None
        with self.house.transaction() as session:
            attempts.posted(session, attempt.id, f"CA{self._sid:032x}", self.now)

    def hang_up(self, attempt: Attempt) -> None:
        """The hang_up job's own transaction."""
        with self.house.transaction() as session:
            attempts.unwanted(session, attempt.id, self.now)

    def hear(self, attempt: Attempt, word: str, sip_code: str = "") -> None:
        with self.house.transaction() as session:
            row = attempts.locked(session, attempt.id)
            assert row is not None
            attempts.carrier_says(session, row, word, self.now, sip_code=sip_code)

    def answer(self, attempt: Attempt) -> uuid.UUID:
        """The phone is picked up and a conversation begins."""
        self.hear(attempt, "in_progress")
        with self.house.transaction() as session:
            row = session.get_one(Attempt, attempt.id)
            return calls.open_for(session, row, str(row.sid), self.now).id

    def interview(self, attempt: Attempt, call_id: uuid.UUID, outcome: str) -> None:
        with self.house.transaction() as session:
            events.publish(session, InterviewEnded(call_id, attempt.id, outcome), self.now)

    def score(self, call_id: uuid.UUID, score: int) -> None:
        with self.house.transaction() as session:
            session.add(
                Answer(call_id=call_id, question="pain", value=str(score), keyed_at=self.now, confirmed_at=self.now)
            )
            events.publish(session, events.ScoreStands(call_id, score, self.now, "key"), self.now)

    def ends(self, attempt: Attempt, outcome: str, interview: str | None = None) -> None:
        """The whole life of a placed ring, from the POST to its end."""
        if outcome == "not_placed":
            self._lost(attempt)
            return
        self.post(attempt)
        if outcome == "answered":
            call_id = self.answer(attempt)
            if interview is not None:
                self.interview(attempt, call_id, interview)
            self.hear(attempt, "completed")
        else:
            word = {"failed_now": "failed", "failed_for_good": "failed"}.get(outcome, outcome)
            self.hear(attempt, word, "404" if outcome == "failed_for_good" else "")

    def _lost(self, attempt: Attempt) -> None:
        """The carrier never answers the POST, and its list shows nothing in two looks."""
        with self.house.transaction() as session:
            assert attempts.may_post(session, attempt.id, self.house.clock.now) is not None
        with self.house.transaction() as session:
            attempts.post_in_doubt(session, attempt.id, self.now)
        for _ in range(2):
            with self.house.transaction() as session:
                attempts.looked(session, attempt.id, [], 60, self.now)
            self.forward(seconds=61)


def call_of(session: Session, attempt_id: uuid.UUID) -> Call:
    return session.scalars(sa.select(Call).where(Call.attempt_id == attempt_id)).one()
