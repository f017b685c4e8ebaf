"""Where the carrier says how a recording ended (docs/twilio.md 2.5): check, translate, step, commit, answer.

The address holds our own id of the recording, made before the TwiML left, so a callback finds its row however
early or late it comes. Nothing is fetched here.
"""

from __future__ import annotations

import logging
import uuid

from flask import request

from core.models import record
from core.said import kept
from core.webhook import house, signed_blueprint
from recordings import store
from recordings.machine import CALLBACK
from recordings.vault.fetch import is_recording_sid

log = logging.getLogger(__name__)

blueprint = signed_blueprint("recordings", __name__)

Answer = tuple[str, int]
NOTHING_TO_SAY: Answer = ("", 204)


@blueprint.post("/recordings/<uuid:recording_id>/done")
def recording_done(recording_id: uuid.UUID) -> Answer:
    """recordingStatusCallback: completed, absent, failed (in-progress is told too, and changes nothing)."""
    word = CALLBACK.get(request.form.get("RecordingStatus", ""))
    sid = request.form.get("RecordingSid", "")
    if word is None:
        return _unknown_word(recording_id)
    if word == "in_progress":
        return NOTHING_TO_SAY
    if not is_recording_sid(sid) and (sid or word == "completed"):
        log.error("a recording callback without a usable SID", extra={"recording": str(recording_id)})
        return "RecordingSid is RE and 32 hexadecimal digits.\n", 400
    now = house().clock.now()
    call_sid = request.form.get("CallSid", "")
    with house().transaction() as session:
        if word == "completed":
            seconds = _whole(request.form.get("RecordingDuration", ""))
            store.carrier_completed(session, recording_id, sid, call_sid, seconds, now)
        else:
            store.carrier_without(session, recording_id, sid, call_sid, _why(word), now)
    return NOTHING_TO_SAY


def _unknown_word(recording_id: uuid.UUID) -> Answer:
    """Logged and counted in the ledger, and answered 204: the carrier cannot mend it."""
    given = request.form.get("RecordingStatus", "")[:40]
    word = given if given.replace("-", "").replace("_", "").isalpha() else "not a word"
    extra = {"recording": str(recording_id), "status": word}
    log.error("the carrier used a recording status we do not know", extra=extra)
    with house().transaction() as session:
        now = house().clock.now()
        record(session, "recording", recording_id, "unknown carrier word", now, who="carrier", word=word)
    return NOTHING_TO_SAY


def _whole(text: str) -> int | None:
    """RecordingDuration; "-1" or nothing when the carrier does not know it."""
    return int(text) if text.isdecimal() and len(text) < 7 else None


def _why(word: str) -> str:
    """A code of recordings.sound_words; the carrier's number of the error, if it gives one."""
    code = request.form.get("ErrorCode", "")
    return kept(f"{word}_code", code=code) if code.isdecimal() and code != "0" else word
