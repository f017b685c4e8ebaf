"""What a caller hears when this server cannot answer: the emergency sentence, then the operator.

The same document is printed by `carecall fallback`, to be pasted at the carrier for the hour in which nothing
of ours runs at all; so it needs no database, and its Dial asks no gate beyond `live` / `allow_numbers`.
"""

from __future__ import annotations

from twilio.twiml.voice_response import VoiceResponse

from core.settings import Settings
from ivr.prompts import Prompts


def document(settings: Settings, prompts: Prompts) -> str:
    response = VoiceResponse()
    hospital = settings.hospital
    may_ring = bool(hospital.operator) and (hospital.live or hospital.operator in hospital.allow_numbers)
    for language in hospital.languages:
        voice = prompts.voices[language]
        values = {"emergency": " ".join(hospital.emergency)}
        for key in ("emergency", "fallback_operator" if may_ring else "fallback_sorry"):
            response.say(prompts.line(key, language, values).text, voice=voice.voice, language=voice.say_language)
    if may_ring:
        response.dial(hospital.operator, timeout=60)
    response.hangup()
    return str(response)
