"""Status callbacks: what the carrier tells us of our rings, of inbound calls, of messages.

Check, translate, step, commit, answer. A word we do not know is logged and counted in the ledger, and answered
204 all the same: the carrier cannot mend it.
"""

from __future__ import annotations

import logging
import uuid

from flask import Response, request

from core.models import record
from core.webhook import house, signed_blueprint
from dialer import attempt as attempts
from dialer import call as calls
from dialer import sms
from dialer.machine import UnknownWord, answered_by_word, call_word, message_word

log = logging.getLogger(__name__)

blueprint = signed_blueprint("dialer", __name__)

NOTHING_TO_SAY = ("", 204)


@blueprint.post("/dialer/attempt/<uuid:attempt_id>")
def attempt_status(attempt_id: uuid.UUID) -> Response | tuple[str, int]:
    """Call progress of a ring of ours, placed by the API or by a Dial (docs/twilio.md 2.6)."""
    word = _word(attempt_id, request.form.get("CallStatus", ""))
    if word is None:
        return NOTHING_TO_SAY
    now = house().clock.now()
    with house().transaction() as session:
        attempt = attempts.locked(session, attempt_id)
        if attempt is None:
            log.warning("status for an attempt that is not ours", extra={"attempt": str(attempt_id)})
            return NOTHING_TO_SAY
        sid = request.form.get("CallSid", "")
        attempts.learn_sid(session, attempt, sid)
        if attempt.sid != sid:
            # A second call for one attempt: it will be hung up when it speaks; its progress is not ours.
            record(session, "attempt", attempt.id, "status of a stray call", now, who="carrier", stray=sid)
            return NOTHING_TO_SAY
        attempts.carrier_says(
            session,
            attempt,
            word,
            now,
            seq=_number(request.form.get("SequenceNumber")),
            sip_code=request.form.get("SipResponseCode", ""),
        )
    return NOTHING_TO_SAY


@blueprint.post("/dialer/amd/<uuid:attempt_id>")
def machine_detected(attempt_id: uuid.UUID) -> Response | tuple[str, int]:
    """What the carrier believes answered a ring of ours (docs/twilio.md 2.9). A hint: it never ends a call in which
    a key was pressed, and nothing clinical depends on it."""
    try:
        word = answered_by_word(request.form.get("AnsweredBy", ""))
    except UnknownWord:
        _count_unknown(attempt_id, request.form.get("AnsweredBy", ""))
        return NOTHING_TO_SAY
    with house().transaction() as session:
        attempt = attempts.locked(session, attempt_id)
        if attempt is not None and attempt.sid in (None, request.form.get("CallSid")):
            attempts.answered_by(session, attempt, word, house().clock.now())
    return NOTHING_TO_SAY


@blueprint.post("/dialer/call/<uuid:call_id>")
def call_status(call_id: uuid.UUID) -> Response | tuple[str, int]:
    """The end of an inbound call we asked to be told of."""
    word = _word(call_id, request.form.get("CallStatus", ""))
    if word is not None:
        with house().transaction() as session:
            call = calls.locked(session, call_id)
            if call is not None and call.sid == request.form.get("CallSid"):
                attempts.conversation_says(session, call, word, house().clock.now())
    return NOTHING_TO_SAY


@blueprint.post("/dialer/message/<uuid:message_id>")
def message_status(message_id: uuid.UUID) -> Response | tuple[str, int]:
    """Delivery of an SMS (docs/twilio.md 1.5)."""
    try:
        word = message_word(request.form.get("MessageStatus", ""))
    except UnknownWord:
        _count_unknown(message_id, request.form.get("MessageStatus", ""))
        return NOTHING_TO_SAY
    with house().transaction() as session:
        code = _number(request.form.get("ErrorCode"))
        sms.carrier_says(session, message_id, request.form.get("MessageSid", ""), word, house().clock.now(), code)
    return NOTHING_TO_SAY


def _word(subject_id: uuid.UUID, status: str) -> str | None:
    try:
        return call_word(status)
    except UnknownWord:
        _count_unknown(subject_id, status)
        return None


def _count_unknown(subject_id: uuid.UUID, status: str) -> None:
    word = status[:40] if status.replace("-", "").replace("_", "").isalpha() else "not a word"
    log.error("the carrier used a status we do not know", extra={"subject": str(subject_id), "status": word})
    with house().transaction() as session:
        record(session, "call", subject_id, "unknown carrier word", house().clock.now(), who="carrier", word=word)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
