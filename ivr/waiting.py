"""The waiting line: a hotline caller who stays on the telephone until the doctor, or an agent, is there
(docs/twilio.md 2.8).

    POST /ivr/wait/<call>              what the caller hears meanwhile, asked for again and again
    POST /ivr/queue-joined/<call>      the doctor's or agent's call takes the caller: in a moment they talk
    GET  /ivr/music.wav                our music, for anybody

One escalation has one queue, as has each caller of the desk, and one call stands in it. However a wait ends, the caller
hears words: nobody is left with music and nobody on the way.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Literal, cast

import sqlalchemy as sa
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from core import events, people
from core.house import of, settings_of
from core.models import EventRow, record
from core.webhook import house, signed_blueprint
from dialer import alarm, offers
from dialer import call as calls
from dialer import doctor as on_phone
from dialer.machine import CALL_OVER, QUEUE_WORDS
from dialer.models import ALARM_OPEN, LIVE_CALL, Call, Escalation
from ivr import engine, music, nodes, shelf, store, talk, twiml
from ivr.book import Book
from ivr.facts import facts
from ivr.service_desk import ServiceDesk

log = logging.getLogger(__name__)

LeftFor = Literal["callback", "message", "closed", "overflow"]

blueprint = signed_blueprint("waiting", __name__)
open_blueprint = Blueprint("music", __name__)

PERSON_KEY = "0"
DESK_KEYS: dict[str, LeftFor] = {"1": "callback", "2": "message"}
"""In line for an agent: be rung back at one's place, or leave a message."""
JOINED = "waiting caller joined"
LEAVES = "leaves the line"
"""Why a caller was led out of the line: the action of the Enqueue says only that they were."""
JUST_COME_S = 3
"""Until so many seconds in the queue the first words are for somebody who has just come."""
DIAL_S = 10
"""How long the doctor's Dial looks for the caller, who stands in the queue already."""


# ---- the carrier's requests ---------------------------------------------------------------------
@blueprint.post("/ivr/wait/<uuid:call_id>")
def wait(call_id: uuid.UUID) -> Response:
    """Words and music for one who waits; a key, or no doctor on the way any more, leads out of the queue."""
    here = house()
    now = here.clock.now()
    with here.transaction() as session:
        call = calls.locked(session, call_id)
        told = store.load(call) if call is not None else None
        if call is None or told is None or call.sid != request.form.get("CallSid"):
            log.warning("a wait of no call of ours", extra={"call": str(call_id)})
            return _xml(twiml.out_of_the_queue())
        book = shelf.of_call(session, call)
        words = engine.while_waiting(book.flows[call.flow], told, facts(session, call, now), book.prompts)
        if words is None or _is_led_out(session, call, words, now):
            return _xml(twiml.out_of_the_queue())
        calls.alive(call, now)
        base = here.settings.public_url
        return _xml(
            twiml.waiting(
                words.first if _has_just_come() else words.news,
                f"{base}/ivr/music.wav",
                f"{base}/ivr/wait/{call.id}",
                prompts=book.prompts,
            )
        )


def _is_led_out(session: Session, call: Call, wait: talk.Wait, now: datetime) -> bool:
    """A key, or that nobody can be waited for any more, ends the wait; of the desk's it is noted why."""
    key = request.form.get("Digits", "")
    if wait.whom == "doctor":
        return key == PERSON_KEY or _awaited(session, call) is None
    desk = of(session).services.get(ServiceDesk)
    stays = desk.stays(session, call, now) if desk is not None else "closed"
    why = DESK_KEYS.get(key) or (None if stays == "yes" else stays)
    if why is None:
        return False
    record(session, "call", call.id, LEAVES, now, who="caller" if key in DESK_KEYS else "service", why=why)
    return True


@blueprint.post("/ivr/queue-joined/<uuid:doctor_call_id>")
def joined(doctor_call_id: uuid.UUID) -> Response:
    """The last thing the waiting caller hears of us; at its end the two are bridged (docs/twilio.md 2.8)."""
    here = house()
    now = here.clock.now()
    with here.transaction() as session:
        doctor = calls.locked(session, doctor_call_id)
        caller = calls.by_sid(session, request.form.get("CallSid", ""))
        told = store.load(caller) if caller is not None else None
        if doctor is None or doctor.attempt_id is None or caller is None or told is None:
            log.warning("a joining of no calls of ours", extra={"call": str(doctor_call_id)})
            return _xml(twiml.before_the_bridge((), prompts=here.service(Book).prompts))
        if doctor.status in LIVE_CALL and caller.status in LIVE_CALL:
            for call in (doctor, caller):
                record(session, "call", call.id, JOINED, now, doctor=str(doctor.id), caller=str(caller.id))
            if doctor.kind == "agent":
                events.publish(session, events.CallerTaken(caller.id, doctor.attempt_id), now)
            else:
                events.publish(session, events.CallerJoined(caller.id, doctor.attempt_id), now)
        book = shelf.of_call(session, caller)
        line = book.prompts.line("line_joined" if doctor.kind == "agent" else "wait_joined", told.language, {})
        return _xml(twiml.before_the_bridge((line,), prompts=book.prompts))


@open_blueprint.get("/ivr/music.wav")
def music_file() -> Response:
    answer = Response(music.wav(), mimetype="audio/wav")
    answer.headers["Cache-Control"] = "public, max-age=86400"
    return answer


# ---- the turns before and after the wait ----------------------------------------------------------
def begin(session: Session, call: Call, wait: talk.Wait, now: datetime) -> twiml.WaitPlan | talk.Left:
    """Where this caller is to wait, told to the house; or why there is nothing to wait for."""
    if wait.whom == "agent":
        desk = of(session).services.get(ServiceDesk)
        queue = desk.enter(session, call, now) if desk is not None else "closed"
        return talk.Left("closed") if queue == "closed" else _plan(session, call, queue)
    raised = _awaited(session, call)
    if raised is None:
        return talk.Left("closed")
    if _somebody_else_waits(session, raised, call):
        return talk.Left("error")
    events.publish(session, events.CallerWaits(call.id, raised.id), now)
    return _plan(session, call, on_phone.queue_of(raised.id))


def _plan(session: Session, call: Call, queue: str) -> twiml.WaitPlan:
    return twiml.WaitPlan(queue, f"{settings_of(session).public_url}/ivr/wait/{call.id}")


def line_ended(session: Session, call: Call, now: datetime) -> talk.Left:
    """The same as `ended` for a caller who waited for an agent."""
    word = _result()
    why = _led_out_for(session, call) if word == "nurse" else word
    desk = of(session).services.get(ServiceDesk)
    if why == "error" and desk is not None and desk.lost_agent(session, call, now):
        return talk.Left("again")
    events.publish(session, events.QueueLeft(call.id, "served" if why == "bridged" else why), now)
    return talk.Left(why)


def _led_out_for(session: Session, call: Call) -> LeftFor | Literal["error"]:
    told = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == LEAVES
    why = session.scalar(sa.select(EventRow.why).where(*told).order_by(EventRow.id.desc()).limit(1))
    return cast("LeftFor", why) if why is not None else "error"


def ended(session: Session, call: Call, now: datetime) -> talk.Left:
    """What the action of the Enqueue says; without a QueueResult the carrier knows no queues."""
    why: Literal["bridged", "nurse", "hung_up", "closed", "error"] = _result()
    if why == "nurse" and _awaited(session, call) is None:
        why = "closed"
    events.publish(session, events.CallerLeft(call.id, why), now)
    return talk.Left(why)


def _result() -> Literal["bridged", "nurse", "hung_up", "error"]:
    said = request.form.get("QueueResult", "error")
    if said not in QUEUE_WORDS:
        log.error("the carrier used a status we do not know", extra={"status": said[:40]})
    return QUEUE_WORDS.get(said, "error")


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """The line is dead while the caller waits: the action of the Enqueue may come late, or never."""
    call = session.get_one(Call, event.call_id)
    told = store.load(call)
    if told is None or told.ended:
        return
    flow = shelf.of_call(session, call).flows.get(call.flow)
    if flow is not None and isinstance(flow.nodes.get(told.node), nodes.Wait):
        why = "hung_up" if _joined_at(session, call) is None else "bridged"
        events.publish(session, events.CallerLeft(call.id, why), now)


def talked_s(session: Session, doctor_call: Call, now: datetime) -> int | None:
    """Seconds since the patient he was offered last was taken from the waiting line to this doctor; None if not so. An
    agent has one caller in a call."""
    if doctor_call.kind == "agent":
        joined_at = _joined_at(session, doctor_call)
        return None if joined_at is None else int((now - joined_at).total_seconds())
    offer = offers.current(session, doctor_call.attempt_id) if doctor_call.attempt_id is not None else None
    at = _joined_at(session, doctor_call)
    return None if at is None or offer is None or at < offer.offered_at else int((now - at).total_seconds())


def _joined_at(session: Session, call: Call) -> datetime | None:
    told = EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == JOINED
    return session.scalar(sa.select(EventRow.at).where(*told).order_by(EventRow.id.desc()).limit(1))


def _awaited(session: Session, call: Call) -> Escalation | None:
    """The open escalation this caller waits for: the one of this call, else the one it joined, which is about the same
    patient or is to ring the same number."""
    own = Escalation.call_id == call.id
    same = own | Escalation.to_index.in_([people.phone_index(number) for number in _numbers(call)])
    return session.scalar(
        sa.select(Escalation)
        .where(ALARM_OPEN, alarm.concerns(call.patient_id, same))
        .order_by(own.desc(), Escalation.keyed_at)
        .limit(1)
    )


def _numbers(call: Call) -> list[str]:
    return [number for number in (call.callback, call.party) if number]


def _somebody_else_waits(session: Session, raised: Escalation, call: Call) -> bool:
    if raised.waiting_call_id in (None, call.id):
        return False
    other = session.get(Call, raised.waiting_call_id)
    return other is not None and other.status not in CALL_OVER


def _has_just_come() -> bool:
    seconds = request.form.get("QueueTime", "")
    return "Digits" not in request.form and (not seconds.isdecimal() or int(seconds) < JUST_COME_S)


def _xml(document: str) -> Response:
    return Response(document, mimetype="text/xml")
