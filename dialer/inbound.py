"""SMS that somebody sends us: "stop" and "start" are carried out, everything else is work for a nurse.

The one automatic answer to any other message says that it was passed on and where to ring in an emergency, once per
number and day: two machines that answer each other come to an end. Nothing is understood beyond the whole-message
words below and a few that make the nurse's work urgent; a text is never read as a score or an answer.
"""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import Response, request
from sqlalchemy.orm import Session
from twilio.twiml.messaging_response import MessagingResponse

from core import events, people
from core.db import lock
from core.house import of, settings_of
from core.models import DoNotCall, Patient, new_id, record
from core.values import e164
from core.webhook import house, signed_blueprint
from dialer import sms
from dialer.models import InboundMessage, Message

log = logging.getLogger(__name__)

blueprint = signed_blueprint("inbound", __name__)

STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "t", "td", "退订", "退訂", "取消", "停止"})
START = frozenset({"start", "unstop", "yes", "恢复", "恢復", "订阅", "訂閱"})
LIFTED_BY_START = ("sms", "keypad")
"""Sources of a do-not-call that the person who holds the number may take back; not the hospital's own, nor a
wrong number's: whoever lives there is not our patient."""
URGENT = (
    *("chest pain", "breath", "bleed", "blood", "unconscious", "faint", "suicid", "kill myself", "emergency"),
    *("胸痛", "胸闷", "喘", "呼吸", "气短", "出血", "流血", "昏", "晕倒", "抽搐", "自杀", "不想活", "救命"),
)
"""Anywhere in a message: the nurse reads it now. A hint and no triage, so it errs towards too often."""
A_REMINDER_LATELY = timedelta(days=2)
AN_ALERT_LATELY = timedelta(days=1)


@dataclass(frozen=True)
class Received:
    """An SMS as the carrier tells it (docs/twilio.md 2.11)."""

    sid: str
    sender: str
    """E.164, or what else stands there: a short code, a word."""
    body: str
    media: int = 0
    """Pictures and the like that came with it; they are not fetched."""
    opt_out: str = ""
    """STOP | START | HELP when the carrier has understood and answered it by itself."""


@blueprint.post("/dialer/sms")
def received() -> Response:
    """The number's SmsUrl. Every message is taken in once, by its SID; a repeated request answers nothing."""
    form = request.form
    message = Received(
        sid=form.get("MessageSid") or form.get("SmsSid", ""),
        sender=form.get("From", ""),
        body=form.get("Body", ""),
        media=int(form.get("NumMedia", "0")) if form.get("NumMedia", "0").isdecimal() else 0,
        opt_out=form.get("OptOutType", "").upper(),
    )
    reply = None
    if message.sid:
        with house().transaction() as session:
            reply = take(session, message, house().clock.now())
    else:
        log.warning("an SMS without a SID was left alone")
    answer = MessagingResponse()
    if reply is not None:
        answer.message(reply)
    return Response(str(answer), mimetype="text/xml")


def take(session: Session, message: Received, now: datetime) -> str | None:
    """Keep it and do what it says. Returns the text to answer with, if any."""
    index = people.phone_index(message.sender)
    lock(session, f"sms from {index.hex()}")  # two at once from one number: one after the other
    if session.scalar(sa.select(sa.exists().where(InboundMessage.sid == message.sid))):
        return None
    known = people.patients_with_number(session, message.sender) if _is_a_telephone(session, message.sender) else None
    row = InboundMessage(
        id=new_id(),
        sid=message.sid,
        sender=message.sender,
        sender_index=index,
        body=message.body,
        patient_id=known[0].id if known is not None and len(known) == 1 else None,
        meaning="text",
        at=now,
    )
    meant = message.opt_out.lower() if message.opt_out in ("STOP", "START") else meaning(message.body)
    if known is None:
        key = None  # a service number or a machine: nobody to answer, and nobody of ours
    elif meant == "stop":
        row.meaning = "stop"
        key = _stop(session, row, now)
    elif meant == "start" and _lift(session, row, now):
        row.meaning = "start"
        key = "start_done"
    else:
        key = _pass_on(session, row, message, now)
    session.add(row)
    record(session, "message", row.id, "received", now, who="sender", meaning=row.meaning, reply=key or "")
    if key is None or message.opt_out:
        return None
    return of(session).service(sms.Texts).text(settings_of(session), key, _language(session, known or []))


def meaning(body: str) -> str:
    """stop | start | text: only a message that is nothing but the word counts (docs/twilio.md 2.11). Letter case,
    full-width letters, and whatever stands around the word that is no letter are ignored."""
    word = unicodedata.normalize("NFKC", body).casefold()
    kept = [position for position, letter in enumerate(word) if letter.isalnum()]
    word = word[kept[0] : kept[-1] + 1] if kept else ""
    return "stop" if word in STOP else "start" if word in START else "text"


def _is_a_telephone(session: Session, sender: str) -> bool:
    try:
        return e164(sender) == sender and sender != settings_of(session).twilio_from
    except ValueError:
        return False


def _stop(session: Session, row: InboundMessage, now: datetime) -> str | None:
    """The number is left alone from now on; a person settles with the patient how to go on. Said twice, it is
    answered once."""
    sms.cancel_to(session, row.sender, "the number asked us to stop", now)
    if not people.add_do_not_call(session, row.sender, "sms", now):
        return None
    why = "by_sms"
    if _alerted(session, row, now):
        why = "by_sms_staff"
    elif _reminded(session, row, now):
        # CANCEL and 取消 mean "stop" to every carrier, and may have meant the visit.
        why = "by_sms_reminded"
    events.publish(session, events.WorkWanted("sms_stop", row.patient_id, row.id, why), now)
    return "stop_done"


def _alerted(session: Session, row: InboundMessage, now: datetime) -> bool:
    """Whether this number lately got a message for staff, and no patient is known by it."""
    lately = sa.exists().where(
        Message.to_index == row.sender_index, Message.kind.in_(sms.ALERTS), Message.posted_at > now - AN_ALERT_LATELY
    )
    return row.patient_id is None and bool(session.scalar(sa.select(lately)))


def _reminded(session: Session, row: InboundMessage, now: datetime) -> bool:
    lately = sa.exists().where(
        Message.to_index == row.sender_index,
        Message.kind.in_(("reminder", "reminder_child")),
        Message.posted_at > now - A_REMINDER_LATELY,
    )
    return bool(session.scalar(sa.select(lately)))


def _lift(session: Session, row: InboundMessage, now: datetime) -> bool:
    """Take back a "stop" of the same person; False if there is none, and the word means something else."""
    entry = session.get(DoNotCall, row.sender_index)
    if entry is None or entry.ended_at is not None or entry.source not in LIFTED_BY_START:
        return False
    return people.lift_do_not_call(session, row.sender, "sms", now)


def _pass_on(session: Session, row: InboundMessage, message: Received, now: datetime) -> str | None:
    """A nurse reads it; the sender is told so, once a day."""
    folded = unicodedata.normalize("NFKC", message.body).casefold()
    why = "urgent_words" if any(word in folded for word in URGENT) else ""
    staff = _alerted(session, row, now)
    if staff:
        # A doctor who writes "cannot come" must learn at once that only the telephone passes the patient on.
        why = "staff_answered"
    if not why and message.media:
        why = "with_media"
    events.publish(session, events.WorkWanted("sms_reply", row.patient_id, row.id, why), now)
    today = now.astimezone(settings_of(session).hospital.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    answered = sa.exists().where(
        InboundMessage.sender_index == row.sender_index, InboundMessage.meaning == "text", InboundMessage.at >= today
    )
    if session.scalar(sa.select(answered)):
        return None
    return "alert_reply" if staff else "sms_passed_on"


def _language(session: Session, known: list[Patient]) -> str:
    """The patient's; of a family with several languages, or a stranger, the hospital's first."""
    languages = {patient.language for patient in known}
    return languages.pop() if len(languages) == 1 else settings_of(session).hospital.languages[0]
