"""A patient who missed our ring and rings the hotline is offered the interview there and then.

The race with a ring of ours in flight is decided here, under the follow-up's lock: one that nobody has answered yet is
taken back and the patient's own call wins; one that is being answered keeps the interview, and the caller is not
offered it. Either way the row waits for the end of one call only (`current_attempt_id`).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.models import Patient, Procedure
from dialer import attempt as attempts
from dialer import gate
from dialer.models import Attempt, Call
from scheduler import ring
from scheduler.machine import WAITING
from scheduler.models import FollowUp
from scheduler.store import locked, move


class RingBack:
    """What the hotline asks (ivr.ringback.RingBack)."""

    def waiting(self, session: Session, party: str, now: datetime) -> bool:
        """Whether somebody with the number `party` (E.164) missed a ring of a follow-up that is still open."""
        return bool(_missed(session, party, now))

    def begin(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        """The caller of `call` (locked) keyed a birth month and day: give them the interview that waits.

        False when nobody with this number and birthday has one, or it is being given on another line right now.
        """
        for followup in _missed(session, call.party, now):
            patient = session.get_one(Patient, followup.patient_id)
            if people.birth_mmdd(patient) != birth_mmdd or gate.person(session, patient.id) is not None:
                continue
            row = locked(session, followup.id)
            if row is not None and _free(session, row):
                _take(session, row, patient, call, now)
                return True
        return False


def _missed(session: Session, party: str, now: datetime) -> list[FollowUp]:
    """Open follow-ups that were rung in vain at least once, of everybody with this number; the oldest first."""
    if not party:
        return []
    owners = [
        patient.id
        for patient in people.patients_with_number(session, party)
        if people.is_rung_at(session, patient, party, people.today(patient, now))
    ]
    if not owners:
        return []
    rung = (FollowUp.tries > 0) | (FollowUp.status == "calling")
    rows = session.scalars(
        sa.select(FollowUp)
        .join(Procedure, Procedure.id == FollowUp.procedure_id)
        .where(
            Procedure.status == "active",
            FollowUp.patient_id.in_(owners),
            FollowUp.status.in_((*WAITING, "calling")),
            FollowUp.deadline_at > now,
            rung,
        )
        .order_by(FollowUp.due_at)
    )
    return [row for row in rows if _free(session, row)]


def _free(session: Session, row: FollowUp) -> bool:
    """Whether nobody gives this interview on another line now."""
    if row.status in WAITING:
        return True
    return row.status == "calling" and not any(
        attempt.status == "answered" for attempt in attempts.live_for(session, row.id, "followup")
    )


def _take(session: Session, row: FollowUp, patient: Patient, call: Call, now: datetime) -> None:
    for live in attempts.live_for(session, row.id, "followup"):
        attempts.take_back(session, live.id)
    attempt: Attempt = attempts.rang_back(
        session,
        call,
        gate.Ring("followup", call.party, row.id, patient_id=patient.id, deadline_at=row.deadline_at),
        flow="followup",
        language=str((call.session or {}).get("language") or patient.language),
        brief=ring.brief(session, row, patient, now),
        now=now,
    )
    row.interview = None
    row.current_attempt_id = attempt.id
    move(session, row, "rang_back", now, attempt=str(attempt.id))
