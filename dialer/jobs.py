"""The dialer's deferred work: everything that speaks to the carrier. No database connection is held meanwhile."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core import jobs
from core.house import House
from dialer import attempt as attempts
from dialer import call as calls
from dialer import gate, giving_way, sms
from dialer.carrier import EVENTS, ROUTINE_EVENTS, CarrierClient, CarrierRefused, InDoubt
from dialer.machine import UnknownWord, call_word, message_word
from dialer.models import LIVE_CALL, Attempt, Call, Message

log = logging.getLogger(__name__)


@jobs.handles(attempts.PLACE_ROUTINE)
@jobs.handles(attempts.PLACE_ESCALATION)
def place(house: House, attempt_id: uuid.UUID) -> None:
    """Steps 2 and 3 of the placing protocol."""
    with house.transaction() as session:
        attempt = attempts.may_post(session, attempt_id, house.clock.now)
    if attempt is None or house.clock.now() >= attempt.deadline_at:
        # Held up since it was stamped (a machine that slept): the gate's answer is stale, and the row is in doubt.
        return
    base = house.settings.public_url
    try:
        placed = house.service(CarrierClient).place(
            to=attempt.to,
            url=f"{base}/ivr/call/{attempt.id}",
            status_callback=f"{base}/dialer/attempt/{attempt.id}",
            ring_s=attempt.ring_s,
            machine_callback=_machine_callback(house, attempt),
            events=ROUTINE_EVENTS if attempt.lane == "routine" else EVENTS,
        )
    except CarrierRefused as refused:
        with house.transaction() as session:
            attempts.post_refused(session, attempt_id, refused.code, house.clock.now())
    except InDoubt:
        with house.transaction() as session:
            attempts.post_in_doubt(session, attempt_id, house.clock.now())
    else:
        with house.transaction() as session:
            attempts.posted(session, attempt_id, placed.sid, house.clock.now())


def _machine_callback(house: House, attempt: Attempt) -> str | None:
    """Rings to patients listen for machines if the hospital wants it; a doctor's phone is asked for a key anyway."""
    wanted = attempt.kind in gate.CONSENT and house.settings.followup.machine_detection
    return f"{house.settings.public_url}/dialer/amd/{attempt.id}" if wanted else None


@jobs.handles(attempts.LEAVE_WORD)
def leave_word(house: House, attempt_id: uuid.UUID) -> None:
    """A machine answered a routine ring: say who rang and where to ring back, nothing else, and hang up. Not if
    somebody has pressed a key after all."""
    with house.transaction() as session:
        attempt = session.get(Attempt, attempt_id)
        call = calls.for_attempt(session, attempt_id)
        if attempt is None or call is None or call.status not in LIVE_CALL or calls.somebody_is_there(session, call):
            return
        twiml = house.service(Interruption).voicemail(session, call, house.clock.now())
    if call.sid is not None and not house.service(CarrierClient).say_and_hang_up(call.sid, twiml):
        _settle(house, call)


@jobs.handles(attempts.LOOK_ROUTINE)
@jobs.handles(attempts.LOOK_ESCALATION)
def look(house: House, attempt_id: uuid.UUID) -> None:
    """Step 4: search the carrier's own list for a ring in doubt. An unreachable carrier is no look."""
    with house.transaction() as session:
        attempt = session.get(Attempt, attempt_id)
    if attempt is None or attempt.status != "in_doubt" or attempt.posted_at is None:
        return
    read_at = house.clock.now()
    try:
        found = house.service(CarrierClient).find_calls(to=attempt.to, since=attempt.posted_at)
        candidates = [(call.sid, call_word(call.status)) for call in found]
    except (CarrierRefused, InDoubt, UnknownWord) as error:
        log.warning("the carrier's list could not be read", extra={"attempt": str(attempt_id), "why": str(error)})
        return
    with house.transaction() as session:
        attempts.looked(session, attempt_id, candidates, house.settings.calling.list_lag_s, read_at)


@jobs.handles(attempts.ASK)
def ask_attempt(house: House, attempt_id: uuid.UUID) -> None:
    """No callback for too long: how does the carrier see this call?"""
    with house.transaction() as session:
        sid = attempts.sid_to_ask_for(session, attempt_id)
    word = None if sid is None else _ask(house, sid)
    if word is not None:
        with house.transaction() as session:
            row = attempts.locked(session, attempt_id)
            if row is not None:
                attempts.carrier_says(session, row, word, house.clock.now())


@jobs.handles(calls.ASK_CALL)
def ask_call(house: House, call_id: uuid.UUID) -> None:
    with house.transaction() as session:
        call = session.get(Call, call_id)
    if call is None or call.sid is None or call.status not in LIVE_CALL:
        return
    word = _ask(house, call.sid)
    if word is not None:
        with house.transaction() as session:
            row = calls.locked(session, call_id)
            if row is not None:
                attempts.conversation_says(session, row, word, house.clock.now())


def _ask(house: House, sid: str) -> str | None:
    """Our word for the call's state at the carrier; a call the carrier does not know has failed."""
    try:
        return call_word(house.service(CarrierClient).look_up(sid).status)
    except CarrierRefused as refused:
        if refused.code == 20404:
            return "failed"
        log.warning("the carrier would not say", extra={"sid": sid, "code": refused.code})
    except (InDoubt, UnknownWord) as error:
        log.warning("the carrier did not say", extra={"sid": sid, "why": str(error)})
    return None


@jobs.handles(attempts.HANG_UP)
def hang_up(house: House, attempt_id: uuid.UUID) -> None:
    """End a ring nobody wants any more."""
    with house.transaction() as session:
        sid = attempts.unwanted(session, attempt_id, house.clock.now())
    if sid is not None:
        house.service(CarrierClient).hang_up(sid)


@jobs.handles(giving_way.GIVE_WAY)
def give_way(house: House, attempt_id: uuid.UUID) -> None:
    """End an agent's ring for an alarm's sake, unless somebody has picked it up meanwhile."""
    with house.transaction() as session:
        sid = attempts.unwanted(session, attempt_id, house.clock.now(), unless_answered=True)
    if sid is not None:
        house.service(CarrierClient).hang_up(sid)


@jobs.handles(calls.WATCH)
def watch_call(house: House, call_id: uuid.UUID) -> None:
    """Ask the carrier to tell us when this inbound call ends."""
    with house.transaction() as session:
        call = session.get(Call, call_id)
    if call is None or call.sid is None or call.status not in LIVE_CALL:
        return
    if not house.service(CarrierClient).watch(call.sid, f"{house.settings.public_url}/dialer/call/{call_id}"):
        _settle(house, call)


@jobs.handles(calls.INTERRUPT)
def interrupt_call(house: House, call_id: uuid.UUID) -> None:
    """A doctor is on the phone for somebody who still talks with our machine: say so and hang up."""
    with house.transaction() as session:
        call = session.get(Call, call_id)
        if call is None or call.status not in LIVE_CALL or call.kind not in ("hotline", "followup"):
            return
        twiml = house.service(Interruption).doctor_is_coming(session, call)
    if call.sid is not None and not house.service(CarrierClient).say_and_hang_up(call.sid, twiml):
        _settle(house, call)


def _settle(house: House, call: Call) -> None:
    """The carrier says a call that lives here is over: learn how it ended now. Until we do, its number counts as in
    use, and a doctor who has accepted would be told that the patient is engaged."""
    if call.attempt_id is not None:
        ask_attempt(house, call.attempt_id)
    else:
        ask_call(house, call.id)


@dataclass(frozen=True)
class Interruption:
    """Words for a caller who is cut short; the prompts belong to ivr, so app.py hands them in."""

    doctor_is_coming: Callable[[Session, Call], str]
    """The document for a patient whose doctor is on the telephone."""
    voicemail: Callable[[Session, Call, datetime], str]
    """The document for the machine that answered this call."""


@jobs.handles(sms.SEND_ALERT)
@jobs.handles(sms.SEND)
def send_message(house: House, message_id: uuid.UUID) -> None:
    """Claim, POST, commit; an SMS without an answer is looked for before it is ever sent again."""
    with house.transaction() as session:
        message = sms.claim(session, message_id, house.clock.now())
    if message is None:
        return
    with house.transaction() as session:
        if not sms.may_send(session, message_id, message.posted_at, house.clock.now()):
            return
    carrier = house.service(CarrierClient)
    try:
        sent = carrier.send_sms(
            to=message.to,
            body=message.body,
            status_callback=f"{house.settings.public_url}/dialer/message/{message.id}",
        )
    except CarrierRefused as refused:
        with house.transaction() as session:
            sms.refused(session, message_id, refused.code, house.clock.now())
    except InDoubt as doubt:
        # The row stays `sending`; its due time brings `look_message`.
        log.warning("an SMS is in doubt", extra={"message_id": str(message_id), "why": str(doubt)})
    else:
        with house.transaction() as session:
            sms.posted(session, message_id, sent.sid, house.clock.now())


@jobs.handles(sms.LOOK)
def look_message(house: House, message_id: uuid.UUID) -> None:
    with house.transaction() as session:
        message = session.get(Message, message_id)
        others = sms.sids_to(session, message.to_index) if message is not None else set()
    if message is None or message.status != "sending" or message.posted_at is None:
        return
    carrier = house.service(CarrierClient)
    read_at = house.clock.now()
    try:
        found = carrier.find_message(to=message.to, body=message.body, since=message.posted_at, besides=others)
        word = message_word(found.status) if found else None
    except (CarrierRefused, InDoubt, UnknownWord) as error:
        log.warning(
            "the carrier's messages could not be read", extra={"message_id": str(message_id), "why": str(error)}
        )
        return
    with house.transaction() as session:
        sms.looked(session, message_id, found.sid if found else None, word, read_at)
