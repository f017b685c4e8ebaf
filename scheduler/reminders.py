"""Reminders: of a visit the day before, by call or SMS (docs/clinical.md REM1-3), and of medicine before a holiday
(REM4). Only writer of a reminder's status, by the tables below.

    planned -> calling -> confirmed | move_wanted | cancel_wanted | heard | unreached     (by call: two tries)
    planned -> sent                                                                       (by SMS)
    planned -> expired | cancelled

An SMS that did not arrive makes `sent` `unreached`; a call in vain is followed by an SMS. Both in vain is work for a
nurse. A visit that moves takes its waiting reminder with it; one that was reminded of already gets another.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, events, holidays, people
from core.db import RowLock, lock
from core.house import settings_of
from core.models import Patient, record
from core.said import APART
from dialer import attempt as attempts
from dialer import gate, lines, sms
from dialer.models import Attempt, Message
from dialer.retry import Next
from scheduler.models import Appointment, Reminder
from scheduler.reminder_words import brief, copy_to_family, may_remind, numbers, visit_of, write

ANSWERS: Final = ("confirmed", "move_wanted", "cancel_wanted", "heard")
MOVES: Final[dict[tuple[str, str], str]] = {
    ("planned", "ring"): "calling",
    ("waiting", "ring"): "calling",
    ("calling", "wait"): "waiting",
    ("planned", "wait"): "waiting",
    ("planned", "send"): "sent",
    ("waiting", "send"): "sent",
    **{("calling", answer): answer for answer in ANSWERS},
    # the carrier's word that the call is over overtook the key
    **{("waiting", answer): answer for answer in ANSWERS},
    ("calling", "unreached"): "unreached",
    ("planned", "unreached"): "unreached",
    ("waiting", "unreached"): "unreached",
    ("sent", "unreached"): "unreached",
    ("planned", "expired"): "expired",
    ("waiting", "expired"): "expired",
    ("planned", "cancelled"): "cancelled",
    ("waiting", "cancelled"): "cancelled",
    ("calling", "cancelled"): "cancelled",
    ("sent", "cancelled"): "cancelled",
}
WAITING: Final = ("planned", "waiting")
OPEN: Final = (*WAITING, "calling")
OVER: Final = frozenset({*ANSWERS, "sent", "unreached", "expired", "cancelled"})

MOST_TRIES: Final = 2


AFTER_OUTCOME: Final[dict[str, Next]] = {
    # the carrier's word on the ring (dialer.machine.OUTCOMES)
    "no_answer": Next("wait", timedelta(hours=2)),
    "busy": Next("wait", timedelta(minutes=15)),
    "failed_now": Next("wait", timedelta(minutes=20)),
    "failed_for_good": Next("unreached"),
    "not_placed": Next("wait", timedelta(minutes=1), counts=False),
    "cancelled": Next("wait", timedelta(minutes=5), counts=False),
    # picked up, and hung up before the reminder was said: a machine, a pocket
    "answered": Next("wait", timedelta(hours=2)),
}
AFTER_CHOICE: Final[dict[str, Next]] = {
    # what was keyed (core.events.ReminderAnswered)
    "confirmed": Next("confirmed"),
    "move": Next("move_wanted"),
    "cancel": Next("cancel_wanted"),
    "heard": Next("heard"),
    "not_patient": Next("wait", timedelta(hours=2)),
    "stop": Next("cancelled"),
}
CHANGES_THE_VISIT: Final = {"confirmed": "confirmed", "move": "move_wanted", "cancel": "cancel_wanted"}
WORK: Final = {"move": "move_visit", "cancel": "cancel_visit"}

CLAIM_LIMIT: Final = 20


def after_ring(outcome: str, choice: str | None, tries_before: int) -> Next:
    """The rule for a ring that ended with `outcome`; what was keyed wins over what the carrier says. Pure."""
    rule = AFTER_CHOICE[choice] if choice is not None else AFTER_OUTCOME[outcome]
    return Next("unreached") if rule.uses_up(tries_before, MOST_TRIES) else rule


# ---- what is due --------------------------------------------------------------------------------
def due(session: Session, now: datetime) -> int:
    """Send and ring what is due, and close what is too late. Returns how many rows moved or were put off."""
    done = 0
    for row in _claim(session, now, Reminder.deadline_at <= now):
        done += move(session, row, "expired", now, why="deadline_passed")
    for row in _claim(session, now, Reminder.channel == "sms"):
        _send(session, row, now)
        done += 1
    if lines.routine_may(session, now):
        for row in _claim(session, now, Reminder.channel == "call"):
            _ring(session, row, now)
            done += 1
            if not lines.routine_may(session, now):
                break
    return done


def _claim(session: Session, now: datetime, which: sa.ColumnElement[bool]) -> list[Reminder]:
    return list(
        session.scalars(
            sa.select(Reminder)
            .where(Reminder.status.in_(WAITING), Reminder.next_try_at <= now, which)
            .order_by(Reminder.next_try_at, Reminder.id)
            .limit(CLAIM_LIMIT)
            .with_for_update(skip_locked=True)
        )
    )


def _send(session: Session, row: Reminder, now: datetime) -> None:
    """By SMS: handed over now, sent when the gate and the quiet hours allow."""
    patient = session.get_one(Patient, row.patient_id)
    gone = gate.person(session, patient.id)
    if gone is not None or not may_remind(session, patient.id):
        move(session, row, "cancelled", now, why=gone.reason if gone is not None else "no_consent")
        return
    mine = numbers(session, patient, now)
    if not mine:
        move(session, row, "unreached", now, why="no_number")
        _nobody_knows(session, row, "no_number", now)
        return
    write(session, row, patient, mine[0], now)
    move(session, row, "send", now)
    copy_to_family(session, row, patient, now)


# ---- by telephone -------------------------------------------------------------------------------
def _ring(session: Session, row: Reminder, now: datetime) -> None:
    patient = session.get_one(Patient, row.patient_id)
    mine, visit = numbers(session, patient, now), visit_of(session, row)
    if not mine or visit is None:
        move(session, row, "unreached", now, why="no_number")
        _nobody_knows(session, row, "no_number", now)
        return
    first, number = row.tries == 0, mine[row.tries % len(mine)].phone
    placed = attempts.place(
        session,
        gate.Ring("reminder", number, row.id, patient_id=patient.id, deadline_at=row.deadline_at),
        flow="reminder",
        language=patient.language,
        brief={"appointment": brief(session, visit)},
        ring_s=settings_of(session).calling.ring_s,
        now=now,
    )
    if isinstance(placed, gate.Refused):
        _refused(session, row, placed, now)
        return
    row.interview, row.current_attempt_id = None, placed.id
    move(session, row, "ring", now, attempt=str(placed.id))
    if first and settings_of(session).reminders.channel == "call":
        copy_to_family(session, row, patient, now)


def _refused(session: Session, row: Reminder, refused: gate.Refused, now: datetime) -> None:
    if refused.again_at is not None:
        row.reason, row.next_try_at = refused.reason, min(refused.again_at, row.deadline_at)
        if refused.reason not in gate.HELD:
            move(session, row, "wait", now, why=refused.reason)
    elif refused.reason == "deadline_passed":
        move(session, row, "expired", now, why=refused.reason)
    elif refused.reason in ("no_consent", "do_not_call") or refused.reason in gate.PERSON_GONE:
        move(session, row, "cancelled", now, why=refused.reason)
    else:
        _in_vain(session, row, refused.reason, now)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    if event.kind != "reminder" or event.subject_id is None:
        return
    row = locked(session, event.subject_id)
    if row is None or row.status != "calling" or row.current_attempt_id != event.attempt_id:
        return
    following = after_ring(event.outcome, row.interview, row.tries)
    row.tries += 1 if following.counts else 0
    why, visit = row.interview or event.outcome, visit_of(session, row)
    if following.event not in ANSWERS and not _still_on(row, visit):
        move(session, row, "cancelled", now, why="the visit was cancelled or moved")
    elif following.event == "wait":
        _wait(session, row, now + following.after, why, now)
    elif following.event == "unreached":
        _in_vain(session, row, why, now)
    else:
        move(session, row, following.event, now, why=why)


def _wait(session: Session, row: Reminder, earliest: datetime, why: str, now: datetime) -> None:
    zone = session.get_one(Patient, row.patient_id).timezone
    again = calendar.next_open(earliest, zone, holidays.hours(session))
    if again < row.deadline_at:
        row.next_try_at = again
        move(session, row, "wait", now, why=why)
    else:
        _in_vain(session, row, f"{why}; no_time_left", now)


def _in_vain(session: Session, row: Reminder, why: str, now: datetime) -> None:
    """No ring reached anybody: an SMS in its place, unless one goes out anyway."""
    move(session, row, "unreached", now, why=why)
    if settings_of(session).reminders.channel == "both":
        _nobody_knows(session, row, why, now)
        return
    patient = session.get_one(Patient, row.patient_id)
    mine = numbers(session, patient, now)
    if mine and now < row.deadline_at:
        write(session, row, patient, mine[0], now)
    else:
        _nobody_knows(session, row, why, now)


def on_reminder_answered(session: Session, event: events.ReminderAnswered, now: datetime) -> None:
    """What was keyed is carried out at once; the reminder itself moves when the call is over."""
    attempt = session.get_one(Attempt, event.attempt_id)
    found = session.get(Reminder, attempt.subject_id) if attempt.kind == "reminder" else None
    if found is None or event.choice not in AFTER_CHOICE:
        return
    # The visit's lock comes before the reminder's, as in the import.
    visit = visit_of(session, found, lock=True)
    row = locked(session, found.id)
    assert row is not None
    if event.choice == "stop":
        people.set_consent(session, row.patient_id, "reminder", False, "keypad", now)
    if visit is not None and event.choice in CHANGES_THE_VISIT and _still_on(row, visit):
        visit.status = CHANGES_THE_VISIT[event.choice]
        record(session, "reminder", row.id, "keyed", now, who="patient", choice=event.choice)
        if event.choice in WORK:
            wanted = events.WorkWanted(WORK[event.choice], row.patient_id, visit.id, "keyed_reminder")
            events.publish(session, wanted, now)
    if row.current_attempt_id != event.attempt_id:
        return
    if row.status == "calling" and row.interview in (None, "heard"):
        row.interview = event.choice
    elif row.status == "waiting" and row.interview is None:
        row.interview = event.choice
        move(session, row, AFTER_CHOICE[event.choice].event, now, why=event.choice)


# ---- messages that did not arrive ---------------------------------------------------------------
def on_message_failed(session: Session, event: events.MessageFailed, now: datetime) -> None:
    """The SMS of a reminder did not arrive, or the gate would not have it sent."""
    if event.kind not in ("reminder", "medicine") or event.subject_id is None:
        return
    row, message = locked(session, event.subject_id), session.get_one(Message, event.message_id)
    if row is None:
        return
    if message.status in sms.FAILED or message.why in sms.CANNOT_ARRIVE:
        move(session, row, "unreached", now, why=message.why or message.status)
        _nobody_knows(session, row, message.why or message.status, now)
    else:
        move(session, row, "cancelled", now, why=message.why)


def _nobody_knows(session: Session, row: Reminder, why: str, now: datetime) -> None:
    """A visit nobody could be reminded of: work for a nurse, unless another reminder of it came through or still
    may."""
    if row.appointment_id is None:
        return
    lock(session, f"reminders of {row.appointment_id}")  # call and SMS may fail at the same moment: one must see both
    other = sa.exists().where(
        Reminder.appointment_id == row.appointment_id,
        Reminder.deadline_at == row.deadline_at,
        Reminder.status.in_((*ANSWERS, *OPEN, "sent")),
    )
    if not session.scalar(sa.select(other)):
        wanted = events.WorkWanted("unreached", row.patient_id, row.id, f"visit_reminder{APART}{why}")
        events.publish(session, wanted, now)


# ---- the row ------------------------------------------------------------------------------------
def _still_on(row: Reminder, visit: Appointment | None) -> bool:
    return visit is not None and visit.status != "cancelled" and visit.starts_at == row.deadline_at


locked = RowLock(Reminder)


def move(session: Session, row: Reminder, event: str, now: datetime, *, why: str = "", **data: object) -> bool:
    """The only writer of a reminder's status. False: no such move, nothing changed."""
    to_state = MOVES.get((row.status, event))
    if to_state is None:
        return False
    from_state, row.status = row.status, to_state
    row.reason = why or row.reason
    if to_state in OVER:
        row.closed_at = now
    record(session, "reminder", row.id, event, now, from_state=from_state, to_state=to_state, why=why, data=data)
    return True
