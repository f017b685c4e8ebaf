"""Follow-ups as planned: made with the procedure, moved, held, cancelled, added. Only writer of their status.

What rings them is scheduler.ring; the rules are scheduler.machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, holidays, people
from core.db import RowLock, lock
from core.house import settings_of
from core.models import Patient, Procedure, new_id, record
from core.said import APART
from core.values import Wave
from dialer import attempt as attempts
from scheduler.machine import MOVES, OPEN, OVER, WAITING, deadline
from scheduler.models import FollowUp

OPERATION_CANCELLED = "the procedure was cancelled"
NOT_AT_HOME = ("readmitted", "deceased")
"""The gate's words for a stay in the hospital, and for a death that may have been a mistake of the file."""
MISSED = "its time passed while it was cancelled"
LATE = "planned late: rung at the next allowed time"
TOO_LATE = "planned too late for this wave"
NEXT = "next wave="
NOT_A_WAVE = "the procedure has no such wave any more"
BY_STAFF = "by a nurse"
AFTER_A_DOCTOR = "after a doctor's contact"
FURTHEST = timedelta(days=366)
"""How far ahead a wave may be moved or added."""


class PlanProblem(Exception):
    """What a nurse asked for cannot be done; `str()` is one sentence."""


# ---- planning -----------------------------------------------------------------------------------
def plan(session: Session, procedure: Procedure, now: datetime, *, new: bool = False) -> list[FollowUp]:
    """The waves of a procedure, those that exist already left alone; a `new` one has none.

    A wave whose time has passed and whose deadline has not is rung at the next allowed time; one whose deadline has
    passed is written down as expired. Both say so in `reason`: nothing vanishes.
    """
    planned = sa.select(FollowUp.wave).where(FollowUp.procedure_id == procedure.id)
    existing = set() if new else set(session.scalars(planned))
    made = []
    for wave in _waves(session, procedure):
        if wave.name not in existing:
            made.append(_new(session, procedure, wave.name, "plan", now))
            _set_times(session, made[-1], procedure, wave.after, now)
    for row in made:
        _expire_late(session, row, made, now)
    return made


def _waves(session: Session, procedure: Procedure) -> tuple[Wave, ...]:
    return settings_of(session).followup.waves_for(procedure.name)


def _new(
    session: Session, procedure: Procedure, wave: str, origin: str, now: datetime, who: str = "service"
) -> FollowUp:
    row = FollowUp(
        id=new_id(),
        procedure_id=procedure.id,
        patient_id=procedure.patient_id,
        wave=wave,
        status="planned",
        origin=origin,
        due_at=now,
        deadline_at=now,
        next_try_at=now,
    )
    session.add(row)
    record(session, "followup", row.id, "planned", now, to_state="planned", who=who, wave=wave)
    return row


def _set_times(session: Session, row: FollowUp, procedure: Procedure, after: timedelta, now: datetime) -> None:
    """Due, deadline and first try of a wave that comes `after` the operation's end."""
    row.due_at = row.next_try_at = procedure.ended_at + after
    row.deadline_at = deadline(row.due_at, after)
    row.reason = ""
    batch = settings_of(session).followup.batch_for(procedure.name)
    if batch is not None and after >= timedelta(hours=24):
        zone = session.get_one(Patient, row.patient_id).timezone
        row.next_try_at = calendar.next_at(row.due_at, batch, zone)
    if row.next_try_at < now < row.deadline_at:
        row.next_try_at = now
        row.reason = LATE


def expected_at(session: Session, row: FollowUp, now: datetime) -> datetime:
    """When a waiting follow-up is rung, as far as the calling hours say."""
    patient = session.get_one(Patient, row.patient_id)
    earliest = max(row.next_try_at, now)
    if people.has_consent(session, patient.id, "night"):
        return earliest
    return calendar.next_open(earliest, patient.timezone, holidays.hours(session))


def _expire_late(session: Session, row: FollowUp, others: Iterable[FollowUp], now: datetime) -> None:
    if row.deadline_at > now:
        return
    following = min((o for o in others if o.deadline_at > now), key=lambda o: o.due_at, default=None)
    also = [NEXT + following.wave] if following else []
    move(session, row, "expired", now, why=APART.join([TOO_LATE, *also]))


def replan(session: Session, procedure: Procedure, now: datetime) -> list[str]:
    """The operation's end, name or state was corrected: what has not been rung yet follows. One sentence a change."""
    offsets = {wave.name: wave.after for wave in _waves(session, procedure)}
    moved = dropped = 0
    for row in _rows(session, procedure.id, WAITING):
        if row.tries or row.origin != "plan":
            continue
        if row.wave not in offsets:
            dropped += move(session, row, "cancelled", now, why=NOT_A_WAVE)
        elif row.due_at != procedure.ended_at + offsets[row.wave]:
            _set_times(session, row, procedure, offsets[row.wave], now)
            record(session, "followup", row.id, "moved", now, why="the operation was corrected")
            _expire_late(session, row, (), now)
            moved += 1
    back = _reinstate(session, procedure, (TOO_LATE, NOT_A_WAVE), now)
    added = [row for row in plan(session, procedure, now) if row.status == "planned"]
    counted = ((moved, "moved"), (dropped, "dropped"), (back, "planned again"), (len(added), "added"))
    return [f"{count} follow-ups {what}" for count, what in counted if count]


def cancel(session: Session, procedure_id: uuid.UUID, why: str, now: datetime) -> int:
    """Everything still to come for this procedure is off; a ring already on its way is taken back."""
    cancelled = 0
    for row in _rows(session, procedure_id, OPEN):
        if row.status == "calling":
            for attempt in attempts.live_for(session, row.id, "followup"):
                attempts.take_back(session, attempt.id)
        else:
            cancelled += move(session, row, "cancelled", now, why=why)
    return cancelled


def reinstate(session: Session, procedure: Procedure, now: datetime) -> int:
    """A cancelled operation stands again: what its cancelling took away is planned anew. Returns how many."""
    back = _reinstate(session, procedure, (OPERATION_CANCELLED,), now)
    return back + sum(row.status == "planned" for row in plan(session, procedure, now))


def person_back(session: Session, patient: Patient, now: datetime) -> int:
    """A readmitted patient is at home again, or a death was entered by mistake: the waves that took away are planned
    again, those whose time has passed are a nurse's."""
    procedures = session.scalars(
        sa.select(Procedure).where(Procedure.patient_id == patient.id, Procedure.status == "active")
    )
    return sum(_reinstate(session, procedure, NOT_AT_HOME, now) for procedure in procedures)


def _reinstate(session: Session, procedure: Procedure, reasons: tuple[str, ...], now: datetime) -> int:
    """Put closed rows back that were closed for one of `reasons`; those whose deadline has passed meanwhile are
    expired, and a nurse hears of it. A nurse's own waves keep their times. Returns how many are planned again."""
    offsets = {wave.name: wave.after for wave in _waves(session, procedure)}
    back = 0
    for row in _rows(session, procedure.id, ("cancelled", "expired")):
        after = offsets.get(row.wave)
        if not row.reason.startswith(reasons) or (after is None and row.origin == "plan"):
            continue
        over = row.deadline_at if after is None else deadline(procedure.ended_at + after, after)
        if row.status == "expired" and over <= now:
            continue
        move(session, row, "reinstated", now, why="planned again")
        row.closed_at = None
        if after is not None:
            _set_times(session, row, procedure, after, now)
        if row.deadline_at <= now:
            move(session, row, "expired", now, why=MISSED)
        back += row.status == "planned"
    return back


def _rows(session: Session, procedure_id: uuid.UUID, states: Iterable[str]) -> list[FollowUp]:
    return list(
        session.scalars(
            sa.select(FollowUp)
            .where(FollowUp.procedure_id == procedure_id, FollowUp.status.in_(tuple(states)))
            .order_by(FollowUp.due_at)
            .with_for_update()
        )
    )


# ---- one patient's plan, by a nurse --------------------------------------------------------------
def hold(session: Session, followup_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """Not rung until `let_go`; its deadline runs on. Raises PlanProblem."""
    row = _changeable(session, followup_id)
    row.held = True
    _changed(session, row, "held", who, why, now)


def let_go(session: Session, followup_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """Rung again from the next allowed time on. Raises PlanProblem."""
    row = _changeable(session, followup_id)
    row.held = False
    _changed(session, row, "let go", who, why, now)


def move_to(session: Session, followup_id: uuid.UUID, at: datetime, who: str, why: str, now: datetime) -> None:
    """Ring it from `at` on; the deadline keeps its distance if that is later. Raises PlanProblem."""
    row = _changeable(session, followup_id)
    _sensible(at, now)
    room = row.deadline_at - row.due_at
    row.next_try_at = at
    row.deadline_at = max(row.deadline_at, at + room)
    _changed(session, row, "moved", who, why, now)


def cancel_one(session: Session, followup_id: uuid.UUID, who: str, why: str, now: datetime) -> None:
    """This wave is off. Raises PlanProblem."""
    row = _changeable(session, followup_id)
    row.note = why
    move(session, row, "cancelled", now, why=BY_STAFF, who=who)


def add_wave(
    session: Session,
    procedure_id: uuid.UUID,
    at: datetime,
    who: str,
    why: str,
    now: datetime,
    *,
    recheck_of: uuid.UUID | None = None,
) -> FollowUp:
    """One more wave for this patient, first rung at `at`: a nurse's, or the recheck after the doctor's contact of
    escalation `recheck_of`, which makes no sense after a day. Raises PlanProblem."""
    procedure = session.get(Procedure, procedure_id, with_for_update=True)
    if procedure is None or procedure.status != "active":
        raise PlanProblem("The operation is not on file, or was cancelled.")
    _sensible(at, now)
    lock(session, f"waves of {procedure_id}")
    taken = set(session.scalars(sa.select(FollowUp.wave).where(FollowUp.procedure_id == procedure_id)))
    word = "extra" if recheck_of is None else "recheck"
    name = next(f"{word}-{number}" for number in range(1, len(taken) + 2) if f"{word}-{number}" not in taken)
    row = _new(session, procedure, name, "staff" if recheck_of is None else "recheck", now, who)
    row.due_at = row.next_try_at = at
    offset = max(at - procedure.ended_at, timedelta(0)) if recheck_of is None else timedelta(0)
    row.deadline_at = deadline(at, offset)
    row.note, row.reason = why, BY_STAFF if recheck_of is None else AFTER_A_DOCTOR
    row.escalation_id = recheck_of
    return row


def _changed(session: Session, row: FollowUp, what: str, who: str, why: str, now: datetime) -> None:
    row.note = why
    record(session, "followup", row.id, what, now, who=who)


def _changeable(session: Session, followup_id: uuid.UUID) -> FollowUp:
    row = locked(session, followup_id)
    if row is None or row.status in OVER:
        raise PlanProblem("This follow-up is over, or not on file.")
    if row.status == "calling":
        raise PlanProblem("The patient is being rung for this follow-up right now: try again in a few minutes.")
    return row


def _sensible(at: datetime, now: datetime) -> None:
    if not now - timedelta(minutes=1) <= at <= now + FURTHEST:
        raise PlanProblem("The time must lie between now and a year ahead.")


# ---- the row ------------------------------------------------------------------------------------
def locked(session: Session, followup_id: uuid.UUID | None) -> FollowUp | None:
    return None if followup_id is None else _LOCK(session, followup_id)


_LOCK = RowLock(FollowUp)


def release_stuck(session: Session, row: FollowUp, now: datetime) -> bool:
    """A row that says it is being rung while no ring of its lives waits again. `row` is locked. True if it was so."""
    if row.status != "calling" or attempts.live_for(session, row.id, "followup"):
        return False
    row.next_try_at = now
    return move(session, row, "released", now, why="its ring was lost without a word")


def move(
    session: Session, row: FollowUp, event: str, now: datetime, *, why: str = "", who: str = "service", **data: object
) -> bool:
    """The only writer of a follow-up's status. False: no such move, nothing changed."""
    to_state = MOVES.get((row.status, event))
    if to_state is None:
        return False
    from_state, row.status = row.status, to_state
    row.reason = why or row.reason
    if to_state in OVER:
        row.closed_at = now
        # A wave that was already over when its operation was planned was never promised to anybody.
        if to_state in ("unreached", "partial") or (to_state == "expired" and not why.startswith(TOO_LATE)):
            events.publish(session, events.FollowUpUnreached(row.id, row.patient_id, why), now)
    record(
        session, "followup", row.id, event, now, from_state=from_state, to_state=to_state, why=why, who=who, data=data
    )
    return True
