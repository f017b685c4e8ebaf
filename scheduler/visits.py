"""Visits in the built-in calendar: a slot taken, changed for another, given back. Only writer of what a telephone call
or a session of a doctor does to a visit's status, by the table below.

    booked | confirmed | move_wanted | cancel_wanted -> booked          (into another slot)
                                                     -> cancelled
    booked | confirmed | cancel_wanted -> move_wanted, booked | confirmed | move_wanted -> cancel_wanted
                                                                        (a visit of another system: a nurse does it)

Locks, in this order: the session of the slot, the visit, its reminders. One slot has one visit, whatever happens: who
takes one holds the session, and the table refuses a second row (docs/clinical.md TEL12, TEL15).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.db import RowLock
from core.models import new_id, record
from scheduler import reminder_plan, slots
from scheduler.models import Appointment, Booked, ClinicSession
from scheduler.slots import Slot

STANDS: Final = ("booked", "confirmed")
NOT_OVER: Final = (*STANDS, "move_wanted", "cancel_wanted")
MOVES: Final[dict[tuple[str, str], str]] = {
    **{(status, "another slot"): "booked" for status in NOT_OVER},
    **{(status, "cancelled"): "cancelled" for status in NOT_OVER},
    **{(status, "move wanted"): "move_wanted" for status in NOT_OVER},
    **{(status, "cancel wanted"): "cancel_wanted" for status in NOT_OVER},
    # nobody can go there any more: a nurse finds another time, unless the patient does not want one
    **{(status, "session cancelled"): "move_wanted" for status in (*STANDS, "move_wanted")},
    ("cancel_wanted", "session cancelled"): "cancel_wanted",
}
WORK: Final = {"move_wanted": "move_visit", "cancel_wanted": "cancel_visit"}
OURS: Final = "tel-"
"""How the number of a visit begins that was booked here."""
LONGEST_SESSION: Final = timedelta(days=1)
MOST_SESSIONS: Final = 40
"""With free slots, looked at for one offer."""

locked = RowLock(Appointment)
session_locked = RowLock(ClinicSession)


# ---- what is free -------------------------------------------------------------------------------
_OF_SESSION = Booked.session_id == ClinicSession.id
_TAKEN = sa.func.array(sa.select(Booked.slot).where(_OF_SESSION).scalar_subquery(), type_=sa.ARRAY(sa.Integer))
_HAS_ROOM = sa.select(sa.func.count()).select_from(Booked).where(_OF_SESSION).scalar_subquery() < ClinicSession.slots
_BOOKABLE = (
    ClinicSession.status == "open",
    ClinicSession.starts_at > sa.bindparam("from"),
    ClinicSession.starts_at <= sa.bindparam("until"),
    ClinicSession.ends_at > sa.bindparam("earliest"),
    _HAS_ROOM,
)
# the statements of every call are built once: building one costs as much as running it
FREE: Final = (
    sa.select(
        ClinicSession.id, ClinicSession.starts_at, ClinicSession.ends_at, ClinicSession.slots, _TAKEN.label("taken")
    )
    .where(ClinicSession.department == sa.bindparam("department"), *_BOOKABLE)
    .order_by(ClinicSession.starts_at, ClinicSession.id)
    .limit(MOST_SESSIONS)
)
DEPARTMENTS: Final = sa.select(ClinicSession.department).where(*_BOOKABLE).distinct().order_by(ClinicSession.department)
_AHEAD = Appointment.starts_at > sa.bindparam("now"), Appointment.status.in_(NOT_OVER)
UPCOMING: Final = (
    sa.select(Appointment)
    .where(Appointment.patient_id == sa.bindparam("patient_id"), *_AHEAD)
    .order_by(Appointment.starts_at, Appointment.id)
)


def _span(now: datetime) -> dict[str, Any]:
    return {
        "from": now - LONGEST_SESSION,
        "until": now + slots.FURTHEST,
        "earliest": now + slots.LEAST_AHEAD,
    }


def departments(session: Session, now: datetime) -> Sequence[str]:
    """Those with an open session ahead that is not full."""
    return session.scalars(DEPARTMENTS, _span(now)).all()


def free(session: Session, department: str, now: datetime) -> list[Slot]:
    """Every slot of the department's next sessions that a caller may have."""
    rows = session.execute(FREE, {"department": department, **_span(now)})
    return [slot for row in rows for slot in slots.free(*row, now)]


def upcoming(session: Session, patient_id: uuid.UUID, now: datetime) -> Sequence[Appointment]:
    return session.scalars(UPCOMING, {"patient_id": patient_id, "now": now}).all()


def is_ours(session: Session, visit: Appointment) -> bool:
    """Whether the calendar here has the last word on it: it has a slot, or lost it when the session was cancelled."""
    return seat(session, visit) is not None or (visit.external_id.startswith(OURS) and visit.status == "move_wanted")


def seat(session: Session, visit: Appointment) -> Booked | None:
    return session.scalar(sa.select(Booked).where(Booked.appointment_id == visit.id))


# ---- taking and giving back ---------------------------------------------------------------------
def _room(session: Session, slot: Slot, now: datetime) -> ClinicSession | None:
    """The session of this slot, locked, if the slot is still one of it, is free, and is not too soon."""
    clinic = session_locked(session, slot.session_id)
    if clinic is None or clinic.status != "open":
        return None
    taken = session.scalars(sa.select(Booked.slot).where(Booked.session_id == clinic.id)).all()
    left = slots.free(clinic.id, clinic.starts_at, clinic.ends_at, clinic.slots, taken, now)
    return clinic if slot in left else None


def take(session: Session, slot: Slot, patient_id: uuid.UUID, who: str, now: datetime) -> Appointment | None:
    """A new visit in this slot, with its reminders planned; None when somebody else was quicker."""
    clinic = _room(session, slot, now)
    if clinic is None:
        return None
    visit = Appointment(
        id=new_id(),
        patient_id=patient_id,
        external_id="",
        starts_at=slot.at,
        department=clinic.department,
        place=clinic.place,
        status="booked",
    )
    visit.external_id = f"{OURS}{visit.id.hex[-12:]}"
    session.add(visit)
    session.flush()
    _sit(session, slot, visit, now)
    record(session, "appointment", visit.id, "booked", now, to_state="booked", who=who, clinic=str(clinic.id))
    reminder_plan.follow(session, visit, now)
    return visit


def change(session: Session, visit_id: uuid.UUID, slot: Slot, who: str, now: datetime) -> str:
    """Our own visit goes into another slot: `moved`, `taken` when somebody else was quicker, `gone` when it is no
    visit of ours any more."""
    clinic = _room(session, slot, now)
    visit = locked(session, visit_id)
    if visit is None or visit.starts_at <= now or not is_ours(session, visit):
        return "gone"
    if clinic is None:
        return "taken"
    if not move(session, visit, "another slot", who, now, clinic=str(clinic.id)):
        return "gone"
    release(session, visit)
    visit.starts_at, visit.department, visit.place = slot.at, clinic.department, clinic.place
    _sit(session, slot, visit, now)
    reminder_plan.follow(session, visit, now)
    return "moved"


def cancel(session: Session, visit_id: uuid.UUID, who: str, now: datetime) -> str:
    """`cancelled`, or `gone` when it is no visit of ours any more; the slot is free again."""
    visit = locked(session, visit_id)
    if visit is None or visit.starts_at <= now or not is_ours(session, visit):
        return "gone"
    if not move(session, visit, "cancelled", who, now):
        return "gone"
    release(session, visit)
    reminder_plan.follow(session, visit, now)
    return "cancelled"


def wish(session: Session, visit_id: uuid.UUID, event: str, why: str, who: str, now: datetime) -> str:
    """Another system owns this visit: the wish stands with it, and a nurse carries it out."""
    visit = locked(session, visit_id)
    if visit is None or visit.starts_at <= now or not move(session, visit, event, who, now):
        return "gone"
    events.publish(session, events.WorkWanted(WORK[visit.status], visit.patient_id, visit.id, why), now)
    return "noted"


def lose_seats(session: Session, clinic: ClinicSession, numbers: Iterable[int], why: str, now: datetime) -> int:
    """These slots of a session (locked) will not be: each visit in one is freed, not reminded of any more, and work
    for a nurse. Returns how many. A visit that is over stays as it was."""
    lost = 0
    rows = sa.select(Booked.appointment_id).where(Booked.session_id == clinic.id, Booked.slot.in_(list(numbers)))
    for visit_id in session.scalars(rows.order_by(Booked.slot)).all():
        visit = locked(session, visit_id)
        mine = sa.delete(Booked).where(Booked.appointment_id == visit_id, Booked.session_id == clinic.id)
        if visit is None or visit.starts_at <= now or not session.scalar(mine.returning(Booked.id)):
            continue  # over, or moved away while we waited for it
        move(session, visit, "session cancelled", "import", now, why=why)
        reminder_plan.withdraw(session, visit, why, now)
        events.publish(session, events.WorkWanted(WORK[visit.status], visit.patient_id, visit.id, why), now)
        lost += 1
    return lost


def release(session: Session, visit: Appointment) -> None:
    """The slot of a visit (locked) is free again; nothing happens to one without a slot."""
    session.execute(sa.delete(Booked).where(Booked.appointment_id == visit.id))


def _sit(session: Session, slot: Slot, visit: Appointment, now: datetime) -> None:
    session.add(Booked(id=new_id(), session_id=slot.session_id, slot=slot.number, appointment_id=visit.id, at=now))
    session.flush()


def move(
    session: Session, visit: Appointment, event: str, who: str, now: datetime, *, why: str = "", **data: object
) -> bool:
    """One step of a visit (locked) by the table. False: no such step, nothing changed."""
    to_state = MOVES.get((visit.status, event))
    if to_state is None:
        return False
    from_state, visit.status = visit.status, to_state
    record(
        session, "appointment", visit.id, event, now,
        from_state=from_state, to_state=to_state, who=who, why=why, data=data,
    )  # fmt: skip
    return True
