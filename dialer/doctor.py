"""The doctor on the phone: whom he is asked about, what he decides, how patient and doctor are joined.

An acceptance makes the doctor's ring the owner of the escalation, at once, before a PIN or a name is said; the other
doctors' rings are taken back. One call may serve several patients, one after the other (dialer.offers).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs
from core.models import record
from dialer import attempt as attempts
from dialer import call as calls
from dialer import escalation as escalations
from dialer import gate, offers
from dialer.escalation import OWNER_QUIET, move_on
from dialer.models import ALARM_OPEN, LIVE_CALL, Attempt, Call, Cover, Escalation, Offer, Shift

PATIENT_RING_S = 30
TALK_QUIET = timedelta(hours=1)
CALL_LATER = "call_later"


@dataclass(frozen=True)
class Waiting:
    """The patient stays on the line: the doctor's Dial takes them from this queue of the carrier's."""

    queue: str


def picked_up(session: Session, attempt: Attempt, now: datetime) -> bool:
    """A doctor's ring (locked) was answered: offer him who waits for him. False: he is not needed any more."""
    return (offers.current(session, attempt.id) or _offer_next(session, attempt, now)) is not None


def _offer_next(session: Session, attempt: Attempt, now: datetime) -> Offer | None:
    offer = offers.begin(session, attempt, now)
    if offer is not None and attempt.subject_id is not None and offer.escalation_id != attempt.subject_id:
        # a more urgent patient came first: the one this doctor was rung for need not wait for him
        rung_for = escalations.locked(session, attempt.subject_id)
        if rung_for is not None:
            escalations.drive(session, rung_for, now)
    return offer


def patient_of(session: Session, attempt_id: uuid.UUID) -> Escalation | None:
    """The patient the doctor on this ring was asked about last."""
    offer = offers.current(session, attempt_id)
    return session.get_one(Escalation, offer.escalation_id) if offer is not None else None


def pin_of(session: Session, attempt: Attempt) -> str:
    """The PIN of the person this ring was for, also after the shift or the cover has ended; empty for none."""
    cover_id = attempt.brief.get("cover")
    if cover_id is not None:
        return session.get_one(Cover, uuid.UUID(str(cover_id))).pin
    shift = session.get(Shift, attempt.shift_id) if attempt.shift_id else None
    return shift.pin if shift is not None else ""


def _owned(session: Session, attempt_id: uuid.UUID) -> Escalation | None:
    """The patient this ring's doctor has taken and not yet talked with to the end; locked."""
    return session.scalar(_OWNED, {"attempt_id": attempt_id})


_OWNED = (
    sa.select(Escalation)
    .where(Escalation.owner_attempt_id == sa.bindparam("attempt_id"), ALARM_OPEN)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


# ---- accept, pass on ----------------------------------------------------------------------------
def on_doctor_decided(session: Session, event: events.DoctorDecided, now: datetime) -> None:
    """A key was pressed, or none: accept, pass on at once, or treat as nobody."""
    attempt = session.get_one(Attempt, event.attempt_id)
    offer = offers.current(session, attempt.id) or _offer_next(session, attempt, now)
    escalation = escalations.locked(session, offer.escalation_id) if offer is not None else None
    if offer is None or escalation is None:
        return
    if event.decision == "accepted":
        _accepted(session, attempt, offer, escalation, now)
    elif escalation.status == "closed" and offer.decision == "accepted":
        return  # closed while he keyed his PIN: there is nothing to give back
    elif offers.decide(offer, event.decision, now):
        record(session, "escalation", escalation.id, event.decision, now, attempt=str(attempt.id))
        if escalation.owner_attempt_id == attempt.id:
            escalations.lose_doctor(session, escalation, now, event.decision)
        else:
            escalations.drive(session, escalation, now)


def _accepted(session: Session, attempt: Attempt, offer: Offer, escalation: Escalation, now: datetime) -> None:
    if escalation.owner_attempt_id == attempt.id or offer.decision not in (None, "accepted"):
        return  # what he decided first stands: the chain has gone on with it
    if not move_on(session, escalation, "accepted", now, attempt=str(attempt.id)):
        offers.decide(offer, "taken", now)  # somebody else was quicker, or it is over
        return
    offers.decide(offer, "accepted", now)
    escalation.owner_attempt_id = attempt.id
    escalation.accepted_at = escalation.accepted_at or now
    escalation.next_step_at = now + OWNER_QUIET
    escalations.take_back_rings(session, escalation, besides=attempt.id)
    for ring in attempts.unanswered_to(session, escalation.to, "routine"):
        # A follow-up of ours would make the patient's line busy for the doctor.
        attempts.take_back(session, ring.id)
    _let_go_of(session, escalation)


def _let_go_of(session: Session, escalation: Escalation) -> None:
    """The patient talks with our machine: it says the doctor is coming and hangs up. Also one who has rung again since
    the doctor accepted: when he tries once more, the line is free."""
    for live in calls.live_with_number(session, escalation.to):
        if live.id != escalation.waiting_call_id:
            jobs.defer(session, calls.INTERRUPT, call_id=live.id)


def on_next_wanted(session: Session, event: events.NextWanted, now: datetime) -> None:
    _offer_next(session, session.get_one(Attempt, event.attempt_id), now)


# ---- the patient --------------------------------------------------------------------------------
def connect_patient(session: Session, doctor_call: Call, now: datetime) -> Attempt | Waiting | gate.Refused:
    """How the doctor's own Dial reaches the patient: by a ring, for which the gate is asked like for any other, or on
    the line they wait on."""
    escalation = _owned(session, doctor_call.attempt_id) if doctor_call.attempt_id is not None else None
    if escalation is None:
        return gate.Refused("not_owner")
    escalation.next_step_at = now + timedelta(seconds=PATIENT_RING_S) + OWNER_QUIET
    if escalation.waiting_call_id is not None:
        held = session.get(Call, escalation.waiting_call_id)
        if held is not None and held.status in LIVE_CALL:
            return Waiting(queue_of(escalation.id))
        escalation.waiting_call_id = None
    leg = attempts.dial(
        session,
        gate.Ring("patient", escalation.to, escalation.id, patient_id=escalation.patient_id),
        parent=doctor_call,
        flow="patient_join",
        language=escalation.language,
        brief={"known": escalation.patient_id is not None},
        ring_s=PATIENT_RING_S,
        now=now,
    )
    if isinstance(leg, gate.Refused) and leg.reason == "number_in_use":
        _let_go_of(session, escalation)
    return leg


def queue_of(escalation_id: uuid.UUID) -> str:
    """The carrier's queue in which this escalation's patient waits."""
    return f"e-{escalation_id}"


def on_patient_joined(session: Session, event: events.PatientJoined, now: datetime) -> None:
    leg = session.get_one(Attempt, event.attempt_id)
    escalation = escalations.locked(session, leg.subject_id) if leg.subject_id else None
    doctor_call = session.get(Call, leg.parent_call_id) if leg.parent_call_id else None
    # the doctor whose Dial this leg belongs to may have lost the patient to another one
    if escalation is not None and doctor_call is not None and doctor_call.attempt_id == escalation.owner_attempt_id:
        _bridged(session, escalation, now)


def on_caller_joined(session: Session, event: events.CallerJoined, now: datetime) -> None:
    """The doctor's Dial took the caller from the line they waited on."""
    escalation = _owned(session, event.doctor_attempt_id)
    if escalation is not None and escalation.waiting_call_id == event.call_id:
        _bridged(session, escalation, now)


def _bridged(session: Session, escalation: Escalation, now: datetime) -> None:
    if move_on(session, escalation, "bridged", now):
        escalation.bridged_at = now
        escalation.next_step_at = now + TALK_QUIET
        if escalation.breached_at is None and escalation.promise_at <= now:
            escalations.breach(session, escalation, now)


def talk_ended(session: Session, doctor_attempt_id: uuid.UUID, seconds: int, now: datetime) -> None:
    """The joined call is over after `seconds` of talk."""
    escalation = _owned(session, doctor_attempt_id)
    if escalation is not None:
        escalations.talked(session, escalation, seconds, now)


# ---- on the line meanwhile ----------------------------------------------------------------------
def on_caller_waits(session: Session, event: events.CallerWaits, now: datetime) -> None:
    escalation = escalations.locked(session, event.escalation_id)
    if escalation is not None and escalation.status != "closed":
        escalation.waiting_call_id = event.call_id
        record(session, "escalation", escalation.id, "the caller waits on the line", now, call=str(event.call_id))


def on_caller_left(session: Session, event: events.CallerLeft, now: datetime) -> None:
    for escalation in session.scalars(
        sa.select(Escalation)
        .where(ALARM_OPEN, Escalation.waiting_call_id == event.call_id)
        .order_by(Escalation.id)
        .with_for_update(key_share=True)
    ):
        escalation.waiting_call_id = None
        record(session, "escalation", escalation.id, "the caller left the line", now, why=event.why)


# ---- what the doctor says of it -----------------------------------------------------------------
def on_doctor_said(session: Session, event: events.DoctorSaid, now: datetime) -> None:
    """After the talk, or instead of one: what came of it, or that he will try later."""
    offer = offers.current(session, event.attempt_id)
    if offer is None or offer.decision != "accepted":
        return
    if event.what != CALL_LATER:
        escalations.close(session, offer.escalation_id, event.what, "doctor", now)
        return
    escalation = escalations.locked(session, offer.escalation_id)
    if escalation is None or escalation.owner_attempt_id != event.attempt_id:
        return
    attempt = session.get_one(Attempt, event.attempt_id)
    if move_on(session, escalation, "later", now):
        escalation.owner_attempt_id = None
        later = timedelta(seconds=escalations.policy_of(session, escalation).later_s)
        waits = escalation.waiting_call_id is not None  # then there is nothing to wait for: the others, at once
        escalations.begin_round(
            session, escalation, now, now if waits else now + later, first=None if waits else attempt.shift_id
        )
        unreached = events.WorkWanted(
            "patient_unreached", escalation.patient_id, escalation.id, "doctor_later"
        )
        events.publish(session, unreached, now)
