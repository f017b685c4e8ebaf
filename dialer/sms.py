"""SMS: planned rows with an hour, sent once. Only writer of a message's status.

A message of a treatment that cannot be delivered becomes work for a nurse, once; whoever planned it is told too.

A message to staff (`alert`) goes ahead of everything else, asks no patient's consent, and is given up within minutes:
an alarm that arrives late sends somebody to a patient who has long been helped.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs, people
from core.db import RowLock
from core.house import of, settings_of
from core.models import new_id, record
from core.said import kept
from core.settings import Settings
from dialer import gate, roster
from dialer.machine import MESSAGE_MOVES, move
from dialer.models import Escalation, Message

SEND = jobs.declare("send_message", "sms")
SEND_ALERT = jobs.declare("send_alert", "sms", priority=10)
LOOK = jobs.declare("look_message", "sms")

POST_GRACE = timedelta(seconds=20)
TOO_MANY_REQUESTS = 20429
OPTED_OUT = 21610
"""The carrier's code for a number that answered STOP (docs/twilio.md 1.7)."""
ANY_HOUR = frozenset({"night_notice"})
"""Kinds that must not wait for the end of the quiet hours."""
PURPOSES: dict[str, tuple[str, ...]] = {
    # kind of message: the consents that allow it (gate.Ring.purposes); the rest belong to the follow-up
    "reminder": ("reminder", "followup"),
    "medicine": ("reminder",),
    "reminder_child": ("family",),
}
ALERTS = frozenset({"doctor_alert", "night_alert", "roster_alarm", "ticket_alert"})
"""Kinds that go to staff."""
ALERT_LASTS = timedelta(minutes=5)
ABOUT = {
    # per language: a score, an alarm without one, how long ago the operation was
    "zh-CN": ("疼痛{}分", "危险信号", "术后{}小时"),
    "en": ("pain {}", "a warning sign", "{} h after surgery"),
}
LONGEST_DEPARTMENT = 40
FAILED = frozenset({"failed", "undelivered"})
CANNOT_ARRIVE = frozenset({"bad_number", "premium_number", "not_their_number", "deadline_passed"})
"""The gate's refusals that mean a message did not arrive, and not that the patient wants none."""
GATE_GIVES_UP = timedelta(days=2)
"""A message whose hour passed this long ago is not sent any more: it would only confuse."""


class Texts:
    """The words of an SMS: (settings, key, language, **values) -> text. They belong to the scheduler, so app.py hands
    them in."""

    def __init__(self, text: Callable[..., str]) -> None:
        self._text = text

    def text(self, settings: Settings, key: str, language: str, **values: str) -> str:
        return self._text(settings, key, language, **values)


def plan(
    session: Session,
    *,
    kind: str,
    subject_id: uuid.UUID,
    patient_id: uuid.UUID | None,
    to: str,
    body: str,
    due_at: datetime,
    now: datetime,
    clinical: bool = False,
    give_up_at: datetime | None = None,
) -> Message:
    """One message of this kind per subject: planning it again changes nothing. `clinical`: part of a treatment, so
    that a nurse is told when it cannot be delivered. Not sent after `give_up_at` (default: GATE_GIVES_UP)."""
    existing = _planned(session, subject_id, kind)
    if existing is not None:
        return existing
    message = Message(
        id=new_id(),
        kind=kind,
        subject_id=subject_id,
        patient_id=patient_id,
        to=to,
        to_index=people.phone_index(to),
        body=body,
        status="planned",
        due_at=due_at,
        created_at=now,
        clinical=clinical,
        give_up_at=give_up_at,
    )
    session.add(message)
    session.flush()
    record(session, "message", message.id, "planned", now, to_state="planned", message=kind)
    return message


def _planned(session: Session, subject_id: uuid.UUID, kind: str) -> Message | None:
    return session.scalar(sa.select(Message).where(Message.subject_id == subject_id, Message.kind == kind))


# ---- to staff -----------------------------------------------------------------------------------
def alert(
    session: Session,
    *,
    kind: str,
    subject_id: uuid.UUID,
    to: str,
    body: str,
    now: datetime,
    give_up_at: datetime | None = None,
) -> Message:
    """One message of this kind (ALERTS) to staff per subject, sent at once. `body` names no patient: a telephone lies
    on a table. Not sent after `give_up_at` (default: ALERT_LASTS)."""
    if kind not in ALERTS:
        raise ValueError(f"{kind} is no kind of message to staff")
    existing = _planned(session, subject_id, kind)
    if existing is not None:
        return existing
    message = plan(
        session,
        kind=kind,
        subject_id=subject_id,
        patient_id=None,
        to=to,
        body=body,
        due_at=now + POST_GRACE,  # the tick's turn, should the job be lost
        now=now,
        give_up_at=give_up_at or now + ALERT_LASTS,
    )
    jobs.defer(session, SEND_ALERT, message_id=message.id)
    return message


def on_doctor_rung(session: Session, event: events.DoctorRung, now: datetime) -> None:
    """The message beside a doctor's first ring of a round, if the hospital wants it ([escalation] sms)."""
    if settings_of(session).escalation.sms:
        body = doctor_words(session, session.get_one(Escalation, event.escalation_id), event.language)
        alert(session, kind="doctor_alert", subject_id=event.attempt_id, to=event.to, body=body, now=now)


def on_night_called_in(session: Session, event: events.NightCalledIn, now: datetime) -> None:
    """The message beside the night target's rings: one per call-in."""
    language = settings_of(session).hospital.languages[0]
    body = night_words(session, session.get_one(Escalation, event.escalation_id), language, now)
    alert(session, kind="night_alert", subject_id=event.escalation_id, to=event.to, body=body, now=now)


def doctor_words(session: Session, escalation: Escalation, language: str) -> str:
    """What a doctor's message says: how strong the pain is or that there is a warning sign, how long ago the
    operation was, the department. Not who."""
    return (
        of(session)
        .service(Texts)
        .text(settings_of(session), "doctor_alert", language, about=_about(escalation, language))
    )


def night_words(session: Session, escalation: Escalation, language: str, now: datetime) -> str:
    """What the night target's message says: the same, and how long the patient has waited."""
    minutes = str(int((now - escalation.keyed_at) / timedelta(minutes=1)))
    return (
        of(session)
        .service(Texts)
        .text(settings_of(session), "night_alert", language, about=_about(escalation, language), minutes=minutes)
    )


def _about(escalation: Escalation, language: str) -> str:
    pain, sign, hours = ABOUT[language]
    department = "" if escalation.department == roster.EVERYWHERE else escalation.department[:LONGEST_DEPARTMENT]
    parts = (
        pain.format(escalation.score) if escalation.score is not None else sign,
        hours.format(escalation.hours) if escalation.hours is not None else "",
        department,
    )
    return (", " if language == "en" else "，").join(part for part in parts if part)


# ---- taken back, sent ---------------------------------------------------------------------------
def cancel(session: Session, subject_id: uuid.UUID, kind: str, why: str, now: datetime) -> bool:
    """Take back a message that has not left; False if there is none, or it is too late."""
    wanted = Message.subject_id == subject_id, Message.kind == kind
    return _cancel(session, wanted, why, now) > 0


def cancel_to(session: Session, number: str, why: str, now: datetime) -> int:
    """Take back everything that has not left for this number. Returns how many."""
    return _cancel(session, (Message.to_index == people.phone_index(number),), why, now)


def cancel_of(session: Session, ids: Collection[uuid.UUID], why: str, now: datetime) -> int:
    """Take back those of these messages that have not left. Returns how many."""
    return _cancel(session, (Message.id.in_(ids),), why, now)


def _cancel(session: Session, wanted: tuple[sa.ColumnElement[bool], ...], why: str, now: datetime) -> int:
    rows = sa.select(Message).where(*wanted, Message.status == "planned").order_by(Message.id)
    planned = session.scalars(rows.with_for_update(key_share=True)).all()
    return sum(_move(session, message, "cancelled", now, why=why) for message in planned)


def due(session: Session, now: datetime, limit: int = 100) -> int:
    """Messages whose hour has come, and those whose sending was never answered. Returns how many."""
    rows = session.scalars(
        sa.select(Message)
        .where(Message.status.in_(("planned", "sending")), Message.due_at <= now)
        .order_by(Message.due_at, Message.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    for message in rows:
        message.due_at = now + POST_GRACE
        send = SEND_ALERT if message.kind in ALERTS else SEND
        jobs.defer(session, send if message.status == "planned" else LOOK, message_id=message.id)
    return len(rows)


def claim(session: Session, message_id: uuid.UUID, now: datetime) -> Message | None:
    """The row, if this job may send it now: still planned, and the gate agrees."""
    message = _locked(session, message_id)
    if message is None or message.status != "planned":
        return None
    give_up_at = message.give_up_at or message.created_at + GATE_GIVES_UP
    if now >= give_up_at:
        # Asked before the gate, whose `not_live` and `paused` would hold it for ever.
        _move(session, message, "cancelled", now, why="deadline_passed")
        _did_not_arrive(session, message, now, work=True)
        return None
    ring = gate.Ring(
        "alert" if message.kind in ALERTS else "sms",
        message.to,
        message.id,
        patient_id=message.patient_id,
        deadline_at=give_up_at,
        any_hour=message.kind in ANY_HOUR,
        purposes=PURPOSES.get(message.kind, ("followup",)),
    )
    refused = gate.may_dial(session, ring, now)
    if refused is None:
        _move(session, message, "posting", now)
        message.posted_at = now
        message.due_at = now + POST_GRACE
        return message
    if refused.again_at is None:
        _move(session, message, "cancelled", now, why=refused.reason)
        _did_not_arrive(session, message, now, work=refused.reason in CANNOT_ARRIVE)
    else:
        message.due_at = refused.again_at
    return None


def may_send(session: Session, message_id: uuid.UUID, claimed_at: datetime | None, now: datetime) -> bool:
    """Asked just before the POST by the job that claimed it at `claimed_at`: one that was held up meanwhile must not
    send what was looked for, or planned anew, without it."""
    message = _locked(session, message_id)
    return (
        message is not None and message.status == "sending" and message.posted_at == claimed_at and now < message.due_at
    )


def posted(session: Session, message_id: uuid.UUID, sid: str, now: datetime) -> None:
    message = _locked(session, message_id)
    if message is not None:
        message.sid = message.sid or sid
        _move(session, message, "sent", now)


def refused(session: Session, message_id: uuid.UUID, code: int, now: datetime) -> None:
    message = _locked(session, message_id)
    if message is None:
        return
    if code == TOO_MANY_REQUESTS and message.status == "sending":
        # The carrier did not even look at it (docs/twilio.md 1.8): the same again a little later.
        _move(session, message, "not_found", now, why=kept("carrier_code", code=code))
        message.due_at = now + POST_GRACE
    else:
        _carrier_moves(session, message, "failed", now, code)


def looked(session: Session, message_id: uuid.UUID, sid: str | None, word: str | None, now: datetime) -> None:
    """The carrier's list was read at `now`: adopted if it is there, planned again if it is not, which is only
    known when the list's lag has passed."""
    message = _locked(session, message_id)
    if message is None or message.status != "sending" or message.posted_at is None:
        return
    surely_listed = message.posted_at + POST_GRACE + timedelta(seconds=settings_of(session).calling.list_lag_s)
    if sid is None and message.sid is not None:
        _move(session, message, "sent", now, why="a status callback named it")
    elif sid is None and now < surely_listed:
        message.due_at = surely_listed
    elif sid is None:
        _move(session, message, "not_found", now, why="not_in_list")
        message.due_at = now
    else:
        message.sid = sid
        event = "sent" if word == "sending" else str(word)
        _carrier_moves(session, message, event, now, why="found in the carrier's list")


def sids_to(session: Session, to_index: bytes) -> set[str]:
    """What the carrier calls the messages to this number that are known to have been sent."""
    known = sa.select(Message.sid).where(Message.to_index == to_index, Message.sid.is_not(None))
    return {sid for sid in session.scalars(known) if sid}


def carrier_says(
    session: Session, message_id: uuid.UUID, sid: str, word: str, now: datetime, code: int | None = None
) -> None:
    """A status callback, in our words; `code` is its ErrorCode, the reason of a failure (docs/twilio.md 1.5)."""
    message = _locked(session, message_id)
    if message is not None:
        message.sid = message.sid or sid
        _carrier_moves(session, message, word, now, code)


def _carrier_moves(
    session: Session, message: Message, event: str, now: datetime, code: int | None = None, why: str = ""
) -> None:
    """A move the carrier caused. A failure is told once, because no move leads out of one."""
    moved = _move(session, message, event, now, why=why or (kept("carrier_code", code=code) if code else ""))
    if not moved or message.status not in FAILED:
        return
    if code == OPTED_OUT:
        # Whoever holds this number told the carrier to stop, and no message of ours will ever get through.
        people.add_do_not_call(session, message.to, "sms", now)
        cancel_to(session, message.to, "the number has opted out", now)
    _did_not_arrive(session, message, now, work=True)


def _did_not_arrive(session: Session, message: Message, now: datetime, *, work: bool) -> None:
    """Tell whoever planned it; a nurse too, if it was part of a treatment."""
    failed = events.MessageFailed(message.id, message.kind, message.subject_id, message.patient_id, message.clinical)
    events.publish(session, failed, now)
    if work and message.clinical:
        wanted = events.WorkWanted("sms_failed", message.patient_id, message.subject_id, message.why or message.status)
        events.publish(session, wanted, now)


_locked = RowLock(Message)


def _move(session: Session, message: Message, event: str, now: datetime, *, why: str = "") -> bool:
    to_state = move(MESSAGE_MOVES, message.status, event)
    if to_state is None:
        return False
    from_state, message.status = message.status, to_state
    message.why = why or message.why
    record(session, "message", message.id, event, now, from_state=from_state, to_state=to_state, why=why)
    return True
