"""What the party gives: the keys of a Gather, the message of a Record (docs/twilio.md 2.3, 2.4, 4.2)."""

import math
from typing import TYPE_CHECKING

from carrier.calls import Source
from carrier.leg import Interrupted, Leg, PartyLeft
from carrier.recording import Recording
from carrier.sound import beep
from carrier.twiml import Gather, Record

if TYPE_CHECKING:
    from carrier.executor import Executor


def collect(leg: Leg, verb: Gather) -> tuple[str, str]:
    """The entry, and the key that finished it; each key gives the next one `timeout` seconds."""
    digits = ""
    until = leg.clock.seconds() + verb.timeout
    while True:
        pressed = leg.next_key(until)
        if pressed is None:
            return digits, ""
        moment, key = pressed
        if not verb.dtmf:
            continue
        if key == verb.finish_on_key:
            return digits, key
        digits += key
        if verb.num_digits is not None and len(digits) >= verb.num_digits:
            return digits, ""
        until = moment + verb.timeout


def _until_recorded(leg: Leg, verb: Record, start: float) -> str:
    """Wait for the end of a message; the key that ended it, or nothing."""
    with leg.watch_keys() as pressed:

        def finished() -> bool:
            return any(key in verb.finish_on_key for key in pressed)

        def end() -> float:
            last = max((placed.end for placed in leg.timeline.said), default=start)
            quiet = max(last, start) + verb.timeout if verb.timeout else math.inf
            return min(quiet, start + verb.max_length)

        leg.wait(finished, end)
        return next((key for key in pressed if key in verb.finish_on_key), "")


def take_message(executor: "Executor", verb: Record) -> Source | None:
    """A message of the party: ends by key, silence, length or hang-up."""
    if verb.play_beep:
        executor.leg.play(beep(), "beep", beep=True)
    recording = Recording(
        executor.call,
        "RecordVerb",
        executor.exchange.clock.seconds(),
        party_only=True,
        trimmed=verb.trim,
        callback=executor.absolute(verb.callback),
    )
    executor.exchange.start_recording(recording)
    try:
        key = _until_recorded(executor.leg, verb, recording.start)
    except PartyLeft:
        executor.exchange.stop_recording(recording)
        executor.exchange.finish(executor.call)
        executor.ask_and_ignore(verb.action, verb.method, _recorded(executor, recording, "hangup"))
        raise
    except Interrupted:
        executor.exchange.stop_recording(recording)
        raise
    executor.exchange.stop_recording(recording)
    return executor.source(verb.action, verb.method, _recorded(executor, recording, key))


def _recorded(executor: "Executor", recording: Recording, key: str) -> dict[str, str]:
    return {
        "RecordingUrl": recording.url(executor.exchange.base_url),
        "RecordingSid": recording.sid,
        "RecordingDuration": str(recording.duration),
        "Digits": key,
    }
