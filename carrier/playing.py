"""Fetching the sound of a `<Play>`: which types and how much of it (docs/twilio.md 4.2 Play)."""

import requests

from carrier.sound import Clip, SoundError, read_wav
from carrier.webhooks import FetchError, Webhooks

WAV = frozenset({"audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"})
# What Twilio plays besides.
OTHERS = frozenset(f"audio/{name}" for name in ("mpeg", "aiff", "x-aiff", "x-aifc", "x-gsm", "gsm", "ulaw"))
# CARRIER: no maximum is documented; this is half an hour of 8 kHz, and more than any prompt.
LARGEST_SOUND = 32 * 1024 * 1024


def fetch_sound(webhooks: Webhooks, session: requests.Session, url: str, leg: str) -> Clip:
    """The WAV at `url`; raises FetchError with 13420 for what is no audio, or none this carrier can play."""
    reply = webhooks.fetch(session, url, "GET", {}, leg, most=LARGEST_SOUND + 1)
    kind = reply.content_type.split(";")[0].strip().lower()
    if kind not in WAV:
        needs = "this carrier plays WAV" if kind in OTHERS else "Play needs audio"
        raise FetchError(13420, f"{needs}, not {kind or 'nothing'}")
    if len(reply.body) > LARGEST_SOUND:
        raise FetchError(11750, "sound over 32 MB")
    try:
        return read_wav(reply.body)
    except SoundError as error:
        raise FetchError(13420, f"not a WAV file: {error}") from error
