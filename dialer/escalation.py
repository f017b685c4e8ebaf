"""Escalations: a patient with pain at or above the threshold, and the chain that brings a doctor to the phone.

    open -> ringing -> accepted -> bridged -> closed          (dialer.machine.ESCALATION_MOVES)
               |  exhausted -> overdue -> ringing (next round) ...
               |  breached: the next tier is rung beside, the night target is called in (dialer.night)

It opens in dialer.alarm, in the transaction in which the score stands (docs/clinical.md FUP6-7). Whom to ring is
decided by dialer.chain; every timer is the row's `next_step_at`, found by a tick and watched by dialer.watchdog, so
nothing depends on a job that may be lost. The first doctor to press accept owns it (dialer.doctor); closed means
talked for at least `talk_s`, or an outcome somebody has coded.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.db import RowLock
from core.house import settings_of
from core.models import record
from core.said import kept
from dialer import attempt as attempts
from dialer import chain, gate, lines, night, offers, roster
from dialer.machine import ESCALATION_MOVES, move
from dialer.models import ALARM_OPEN, LIVE_ATTEMPT, Attempt, Escalation, Shift

OWNER_QUIET = timedelta(seconds=60)
"""How long an accepted escalation may show no progress before its doctor is looked for."""
NOT_THE_DOCTORS_FAULT = ("no_line", "paused")
"""Refusals of a ring after which the same doctor is rung, not the next."""
UNOWNED = offers.WAITING

OUTCOMES: dict[str, str] = {
    # what came of it, as the doctor keys it after the talk or the ward enters it
    "advice": "advice on the telephone",
    "come_in": "the patient comes to the hospital",
    "emergency": "the emergency service was called",
    "handed_over": "a colleague or the ward goes on from here",
    "reached_otherwise": "reached by other means",
    "no_need": "there was no need",
}


# ---- the chain ----------------------------------------------------------------------------------
def drive(session: Session, escalation: Escalation, now: datetime, *, hurry: bool = False) -> None:
    """Ring whoever is to be rung now. Called when it opens, when a ring ends without an accept, when a step is due.
    `hurry`: the promise is broken."""
    if escalation.status not in UNOWNED:
        return
    if escalation.round_at is not None and now < escalation.round_at:
        if not hurry:
            # a doctor who took and lost the patient in the pause has moved the timer
            escalation.next_step_at = escalation.round_at
            return
        escalation.round_at = now
    policy = policy_of(session, escalation)
    rings = _rings(session, escalation)
    tiers = [str(step["tier"]) for step in escalation.chain]
    looks: list[datetime] = []
    busy = front_waits = False
    while True:
        plan = chain.decide(tiers, escalation.step, rings, policy, now, hurry=hurry)
        hurry = False
        if plan.over and not looks:
            _round_over(session, escalation, now, busy=busy)
            return
        wanted = [*plan.beside, *([plan.front] if plan.front is not None else [])]
        if not wanted:
            break
        for step in wanted:
            rung = _ring(session, escalation, step, rings, policy, now, beside=step != plan.front)
            if isinstance(rung, gate.Refused) and rung.reason in NOT_THE_DOCTORS_FAULT and rung.again_at is not None:
                looks.append(rung.again_at)
                front_waits = front_waits or step == plan.front
            elif isinstance(rung, gate.Refused):
                busy = busy or rung.reason == "number_in_use"
                record(session, "escalation", escalation.id, "step skipped", now, why=rung.reason, step=step)
            # whoever was refused is not asked for again in this moment
            rings.append(chain.Ring(step, now, live=False, declined=True) if isinstance(rung, gate.Refused) else rung)
        if front_waits:
            break  # no line for the front: the same doctor then
        if plan.front is not None:
            escalation.step = plan.front
    escalation.next_step_at = min(looks + ([plan.look_at] if plan.look_at is not None else []))


def ring_now(session: Session, escalation: Escalation, now: datetime) -> None:
    """The patient has been heard of again: the next round, if one is waited for, begins."""
    if escalation.status in UNOWNED and escalation.round_at is not None and now < escalation.round_at:
        escalation.round_at = now
        drive(session, escalation, now)


def policy_of(session: Session, escalation: Escalation) -> chain.Policy:
    rules = settings_of(session).escalation.of_department(escalation.department)
    return chain.Policy.stored(escalation.policy, rules)


def _rings(session: Session, escalation: Escalation) -> list[chain.Ring]:
    """The rings of this round, as the chain's rules see them."""
    since = escalation.round_at or escalation.stored_at
    decided = offers.decisions_on(session, escalation.id, since)
    its_own = (Attempt.subject_id == escalation.id) & (Attempt.created_at >= since)
    rows = session.execute(
        sa.select(
            *(Attempt.id, Attempt.shift_id, Attempt.status, Attempt.created_at, Attempt.answered_at, Attempt.ended_at)
        )
        .where(Attempt.kind == "doctor", its_own | Attempt.id.in_(list(decided)))
        .order_by(Attempt.created_at, Attempt.id)
    ).all()
    step_of = _step_of(session, escalation, {row.shift_id for row in rows if row.shift_id is not None})
    elsewhere = offers.busy_with_others(session, [row.id for row in rows if row.status in LIVE_ATTEMPT], escalation.id)
    return [
        chain.Ring(
            step=step_of[row.shift_id],
            at=row.created_at,
            live=row.status in LIVE_ATTEMPT,
            doubtful=row.status == "in_doubt",
            answered_at=row.answered_at,
            ended_at=row.ended_at,
            decided=decided.get(row.id) is not None or row.id in elsewhere,
            declined=decided.get(row.id) in offers.PASSED_ON,
        )
        for row in rows
        if row.shift_id in step_of
    ]


def _step_of(session: Session, escalation: Escalation, shifts: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Where in the chain the doctor of each shift stands. On a ring for another department's patient he may have been
    asked by another of his shifts."""
    own = {uuid.UUID(step["shift"]): index for index, step in enumerate(escalation.chain)}
    if shifts <= own.keys():
        return own
    rows = session.execute(sa.select(Shift.id, Shift.doctor_index).where(Shift.id.in_(shifts | own.keys()))).all()
    doctor = {row.id: row.doctor_index for row in rows}
    place = {doctor[shift]: index for shift, index in own.items() if shift in doctor}
    strange = shifts & doctor.keys() - own.keys()
    return own | {shift: place[doctor[shift]] for shift in strange if doctor[shift] in place}


def _ring(
    session: Session,
    escalation: Escalation,
    step: int,
    rings: list[chain.Ring],
    policy: chain.Policy,
    now: datetime,
    *,
    beside: bool,
) -> chain.Ring | gate.Refused:
    """Ring chain[step], at the next of the doctor's numbers; `beside` the front only if a line stays free besides."""
    if beside and any(ring.live and not ring.decided for ring in rings) and not lines.has_spare(session, 2):
        return gate.Refused("no_line", now + gate.NO_LINE_AGAIN)
    doctor = roster.doctor_of(session, escalation.chain[step], now)
    if doctor is None:
        return gate.Refused("off_duty")
    before = sum(ring.step == step for ring in rings)
    number = doctor.numbers[before % len(doctor.numbers)]
    placed = attempts.place(
        session,
        gate.Ring("doctor", number, escalation.id, shift_id=doctor.shift_id),
        flow="doctor",
        language=doctor.language,
        brief={"step": step, "cover": escalation.chain[step].get("cover")},
        ring_s=policy.ring_s,
        now=now,
    )
    if isinstance(placed, gate.Refused):
        return placed
    tier = escalation.chain[step]["tier"]
    move_on(session, escalation, "ring", now, step=step, tier=tier, time=before + 1, attempt=str(placed.id))
    if before == 0 and escalation.round <= chain.QUICK_ROUNDS:  # not every three minutes all night
        events.publish(session, events.DoctorRung(placed.id, escalation.id, number, doctor.language), now)
    return chain.Ring(step, now)


def _round_over(session: Session, escalation: Escalation, now: datetime, *, busy: bool) -> None:
    """Nobody in this round took it: overdue, and the chain starts again from whoever is on duty then. The night target
    hears of it, unless a doctor only speaks with another patient: he is offered this one as soon as he is done."""
    move_on(session, escalation, "exhausted", now, why=f"round {escalation.round}", doctors=len(escalation.chain))
    if not busy or escalation.round > 1:
        night.call_in(session, escalation, now, kept("nobody_took_it", round=escalation.round))
    begin_round(session, escalation, now, now + chain.pause_after(escalation.round))


def begin_round(
    session: Session, escalation: Escalation, now: datetime, at: datetime, first: uuid.UUID | None = None
) -> None:
    """A further round at `at`, with who is on duty now; the doctor of the shift `first` before all others."""
    escalation.chain = roster.chain(session, escalation.department, policy_of(session, escalation).chain, now)
    leads = _step_of(session, escalation, {first}).get(first) if first is not None else None
    if leads is not None:
        escalation.chain = [escalation.chain[leads], *escalation.chain[:leads], *escalation.chain[leads + 1 :]]
    escalation.round += 1
    escalation.step = -1
    escalation.round_at = escalation.next_step_at = at


# ---- the promise -----------------------------------------------------------------------------
def breach(session: Session, escalation: Escalation, now: datetime) -> None:
    escalation.breached_at = now
    record(session, "escalation", escalation.id, "promise broken", now, status=escalation.status)


# ---- rings of doctors ---------------------------------------------------------------------------
def on_attempt_ringing(session: Session, event: events.AttemptRinging, now: datetime) -> None:
    if event.kind == "doctor" and event.subject_id is not None:
        escalation = locked(session, event.subject_id)
        if escalation is not None and escalation.first_ring_at is None:
            escalation.first_ring_at = now


def on_attempt_in_doubt(session: Session, event: events.AttemptInDoubt, now: datetime) -> None:
    """An escalation does not wait for the truth about a doubtful ring: the next doctor, at once."""
    if event.kind == "doctor" and event.subject_id is not None:
        escalation = locked(session, event.subject_id)
        if escalation is not None:
            drive(session, escalation, now)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    """A doctor's call is over. Patients he was asked about and did not take go to the next; one he owned, see below."""
    if event.kind != "doctor":
        return
    for escalation in _touched_by(session, event.attempt_id, event.subject_id):
        if escalation.owner_attempt_id == event.attempt_id:
            check_owner(session, escalation, now)
    offers.leave(session, event.attempt_id, now)
    for escalation in _touched_by(session, event.attempt_id, event.subject_id):
        drive(session, escalation, now)


def _touched_by(session: Session, attempt_id: uuid.UUID, subject_id: uuid.UUID | None) -> list[Escalation]:
    """The patient the ring was for, and those the doctor was offered in it; locked, always in one order."""
    offered = offers.asked_in(attempt_id)
    return list(
        session.scalars(
            sa.select(Escalation)
            .where(ALARM_OPEN, (Escalation.id == subject_id) | Escalation.id.in_(offered))
            .order_by(Escalation.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def locked(session: Session, escalation_id: uuid.UUID) -> Escalation | None:
    return _LOCK(session, escalation_id)


_LOCK = RowLock(Escalation)


def check_owner(session: Session, escalation: Escalation, now: datetime) -> None:
    """The accepted doctor's call is over, or quiet for long: was there a talk?"""
    owner = session.get(Attempt, escalation.owner_attempt_id) if escalation.owner_attempt_id else None
    if owner is not None and owner.ended_at is None:
        escalation.next_step_at = now + OWNER_QUIET
        return
    if escalation.status == "bridged" and escalation.bridged_at is not None and owner is not None:
        ended = owner.ended_at or now
        talked(session, escalation, int((ended - escalation.bridged_at).total_seconds()), now)
    if escalation.status == "accepted":
        lose_doctor(session, escalation, now, "the doctor's call ended without a talk")


def lose_doctor(session: Session, escalation: Escalation, now: datetime, why: str) -> None:
    """Not talked: the next doctor in the chain is rung, and the clock runs on."""
    if move_on(session, escalation, "lost_doctor", now, why=why):
        escalation.owner_attempt_id = escalation.accepted_at = None
        # a promise that broke while he had the patient called nobody else
        hurry = escalation.breached_at is not None and escalation.night_at is None
        drive(session, escalation, now, hurry=hurry)
        if hurry:
            night.call_in(session, escalation, now, "promise_broken")


# ---- talked, closed -----------------------------------------------------------------------------
def talked(session: Session, escalation: Escalation, seconds: int, now: datetime) -> None:
    """The joined call is over after `seconds`: closed if that was a talk; if not the doctor, while he is on the line,
    may try again."""
    if escalation.bridged_at is not None:
        # The carrier counts a leg from its answer; the talk begins when the patient has pressed the key.
        seconds = min(seconds, int((now - escalation.bridged_at).total_seconds()))
    if seconds >= policy_of(session, escalation).talk_s:
        if escalation.status == "bridged":
            escalation.talk_s = seconds
            _close(session, escalation, "talked", now, seconds=seconds)
    elif move_on(session, escalation, "too_short", now, seconds=seconds):
        escalation.bridged_at = None
        escalation.next_step_at = now + OWNER_QUIET


def close(session: Session, escalation_id: uuid.UUID, outcome: str, who: str, now: datetime, why: str = "") -> bool:
    """Somebody says what came of it (`outcome` of OUTCOMES; `who` = doctor | staff): closed, if it was not. False:
    there is no such escalation, or its outcome is known already."""
    escalation = locked(session, escalation_id)
    if escalation is None or outcome not in OUTCOMES or escalation.outcome is not None:
        return False
    escalation.outcome, escalation.outcome_by = outcome, who
    if escalation.status == "closed":
        record(session, "escalation", escalation.id, "outcome", now, who=who, why=why, outcome=outcome)
        _tell_closed(session, escalation, "coded", now)
    else:
        _close(session, escalation, "coded", now, who=who, why=why, outcome=outcome)
    return True


def _close(
    session: Session,
    escalation: Escalation,
    event: str,
    now: datetime,
    *,
    who: str = "service",
    why: str = "",
    **data: object,
) -> None:
    move_on(session, escalation, event, now, who=who, why=why, **data)
    escalation.closed_at = now
    escalation.next_step_at = escalation.night_step_at = None
    take_back_rings(session, escalation, besides=escalation.owner_attempt_id)
    _tell_closed(session, escalation, event, now)


def _tell_closed(session: Session, escalation: Escalation, how: str, now: datetime) -> None:
    closed = events.EscalationClosed(escalation.id, escalation.patient_id, escalation.procedure_id, how)
    events.publish(session, closed, now)


def take_back_rings(session: Session, escalation: Escalation, *, besides: uuid.UUID | None) -> None:
    """Nobody else need come to the phone for this patient. A doctor who speaks with another one on a ring placed for
    this, or whom another one waits for, is left alone."""
    rings = attempts.live_for(session, escalation.id, "doctor")
    busy = offers.busy_with_others(session, [ring.id for ring in rings], escalation.id)
    for ring in rings:
        if ring.id != besides and ring.id not in busy and not offers.others_wait(session, ring):
            attempts.take_back(session, ring.id)
    for ring in attempts.live_for(session, escalation.id, "night"):
        attempts.take_back(session, ring.id)


def move_on(
    session: Session,
    escalation: Escalation,
    event: str,
    now: datetime,
    *,
    who: str = "service",
    why: str = "",
    **data: object,
) -> bool:
    """The only writer of an escalation's status. False: no such move, nothing changed."""
    to_state = move(ESCALATION_MOVES, escalation.status, event)
    if to_state is None:
        return False
    from_state, escalation.status = escalation.status, to_state
    record(
        session, "escalation", escalation.id, event, now, from_state=from_state, to_state=to_state,
        who=who, why=why, data=data,
    )  # fmt: skip
    return True
