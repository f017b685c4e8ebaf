"""Which reminders there will be, and when: for a visit the day before it, before a break for the medicine at home."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, daily, holidays, people
from core.calendar import Hours
from core.house import settings_of
from core.models import Patient, Procedure, new_id, record
from dialer import attempt as attempts
from dialer import sms
from scheduler.models import Appointment, Reminder
from scheduler.reminders import OPEN, WAITING, move

CHANNELS: Final = {"sms": ("sms",), "call": ("call",), "both": ("sms", "call")}
ONE_DAY = timedelta(days=1)
LOOK_BACK: Final = 10
"""Days before a visit at most on which it is reminded of, when there are no calling hours on the last ones."""
RECENT: Final = timedelta(days=90)
"""Whose operation is not longer ago than this is taken to need medicine at home (docs/clinical.md REM4): the
hospital's file does not say who is chronically ill."""
LONG_BREAK: Final = 3
"""Days; before a shorter one nobody has to stock up."""


def due_time(visit: datetime, zone: str, at: time, hours: Hours, channel: str) -> datetime:
    """When a visit is reminded of, UTC: the day before at `at`, all on the patient's clock, moved to the next calling
    hours of that day or else to the first ones. A call goes back to the last day that has any."""
    eve = visit.astimezone(ZoneInfo(zone)).date() - ONE_DAY
    for back in range(LOOK_BACK if channel == "call" else 1):
        day = eve - back * ONE_DAY
        if hours(day):
            wanted = calendar.next_open(calendar.at_wall(day, at, zone), zone, hours)
            if wanted.astimezone(ZoneInfo(zone)).date() == day:
                return wanted
            return calendar.next_open(calendar.at_wall(day, time.min, zone), zone, hours)
    return calendar.at_wall(eve, at, zone)


# ---- visits -------------------------------------------------------------------------------------
def follow(session: Session, visit: Appointment, now: datetime) -> int:
    """Bring the reminders in line with a visit that is new, was moved or changed, cancelled, or stands again. Returns
    how many are planned, moved or cancelled. Call it only when something changed, holding the visit's lock."""
    rows = _rows(session, visit)
    if visit.status == "cancelled":
        return sum(_cancel(session, row, "the visit was cancelled", now) for row in rows)
    if visit.starts_at <= now:
        return sum(_cancel(session, row, "the visit is over", now) for row in rows if row.status in OPEN)
    if visit.status in ("move_wanted", "cancel_wanted"):
        return 0  # the patient has answered; a nurse settles it
    done = 0
    for channel in CHANNELS[settings_of(session).reminders.channel]:
        mine = [row for row in rows if row.channel == channel]
        waiting = next((row for row in mine if row.status in WAITING), None)
        if waiting is not None and waiting.deadline_at == visit.starts_at:
            continue  # what else has changed is read when it is said
        if waiting is not None:
            _set_times(session, waiting, visit)
            record(session, "reminder", waiting.id, "moved", now, why="the visit was moved")
        else:
            for row in mine:
                _cancel(session, row, "the visit was moved", now)
            _new(session, visit, channel, f"{visit.id}/{channel}/{len(mine) + 1}", now)
        done += 1
    return done


def withdraw(session: Session, visit: Appointment, why: str, now: datetime) -> int:
    """The visit does not take place as it stands, and nobody knows yet when it will: what has not been said of it is
    taken back. Returns how many."""
    return sum(_cancel(session, row, why, now) for row in _rows(session, visit))


def _rows(session: Session, visit: Appointment) -> list[Reminder]:
    return list(
        session.scalars(
            sa.select(Reminder)
            .where(Reminder.appointment_id == visit.id)
            .order_by(Reminder.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _cancel(session: Session, row: Reminder, why: str, now: datetime) -> bool:
    """Take back what has not been said yet: the row, its SMS before it leaves, its ring."""
    if row.status == "calling":
        for attempt in attempts.live_for(session, row.id, "reminder"):
            attempts.take_back(session, attempt.id)
        return True
    taken_back = [sms.cancel(session, row.id, kind, why, now) for kind in ("reminder", "reminder_child")]
    if row.status in WAITING or (row.status == "sent" and any(taken_back)):
        return move(session, row, "cancelled", now, why=why)
    return any(taken_back)


def _new(session: Session, visit: Appointment, channel: str, subject: str, now: datetime) -> Reminder:
    row = Reminder(
        id=new_id(),
        patient_id=visit.patient_id,
        appointment_id=visit.id,
        kind="appointment",
        subject=subject,
        channel=channel,
        status="planned",
    )
    _set_times(session, row, visit)
    session.add(row)
    session.flush()
    record(session, "reminder", row.id, "planned", now, to_state="planned", channel=channel)
    return row


def _set_times(session: Session, row: Reminder, visit: Appointment) -> None:
    zone = session.get_one(Patient, visit.patient_id).timezone
    at = settings_of(session).reminders.at
    row.due_at = row.next_try_at = due_time(visit.starts_at, zone, at, holidays.hours(session), row.channel)
    row.deadline_at = visit.starts_at


# ---- medicine before a break --------------------------------------------------------------------
def plan_medicine(session: Session, now: datetime) -> int:
    """Once a day: before a break of some days, one SMS to each recent patient who agreed to reminders, to look after
    the medicine at home (docs/clinical.md REM4). Returns how many were planned."""
    settings = settings_of(session)
    ahead = settings.reminders.medicine_days
    today = now.astimezone(settings.hospital.timezone).date()
    if not ahead or not daily.once(session, "medicine reminders", today, now):
        return 0
    pause = holidays.next_break(session, today + ONE_DAY, ahead - 1)
    if pause is None or (pause[1] - pause[0]).days + 1 < LONG_BREAK:
        return 0
    patients = session.scalars(_recent_patients(pause[0], now)).all()
    for patient in patients:
        _new_medicine(session, patient, pause[0], today, now)
    return len(patients)


def _recent_patients(first: date, now: datetime) -> sa.Select[Patient]:
    """Operated on lately, alive and at home, with consent to reminders, and not planned for this break yet."""
    operated = sa.exists().where(
        Procedure.patient_id == Patient.id,
        Procedure.status == "active",
        Procedure.ended_at > now - RECENT,
        Procedure.ended_at <= now,
    )
    agreed = people.consents_to(Patient.id, "reminder")
    planned = sa.exists().where(
        Reminder.patient_id == Patient.id, Reminder.kind == "medicine", Reminder.subject == first.isoformat()
    )
    return (
        sa.select(Patient)
        .where(Patient.status == "active", Patient.merged_into.is_(None), operated, agreed, ~planned)
        .order_by(Patient.id)
    )


def _new_medicine(session: Session, patient: Patient, first: date, today: date, now: datetime) -> None:
    zone, at = patient.timezone, settings_of(session).reminders.at
    wanted = max(now, calendar.at_wall(today, at, zone))
    row = Reminder(
        id=new_id(),
        patient_id=patient.id,
        appointment_id=None,
        kind="medicine",
        subject=first.isoformat(),
        channel="sms",
        due_at=wanted,
        next_try_at=wanted,
        deadline_at=calendar.at_wall(first, time.min, zone),
        status="planned",
    )
    session.add(row)
    session.flush()
    record(session, "reminder", row.id, "planned", now, to_state="planned", channel="sms")
