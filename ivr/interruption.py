"""Documents played into a live call from outside its flow: a doctor is on the phone; a machine answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from dialer.jobs import Interruption
from dialer.models import Call
from ivr.facts import facts
from ivr.prompts import Prompts
from ivr.talk import Bye, Facts
from ivr.twiml import render


def words(prompts: Prompts) -> Interruption:
    """The dialer plays these: one finished document per language for a patient who is wanted by a doctor, and a
    function that makes the one for an answering machine."""

    def on_machine(session: Session, call: Call, now: datetime) -> str:
        language = str((call.session or {}).get("language") or prompts.languages[0])
        return voicemail(prompts, language, facts(session, call, now))

    return Interruption(
        {
            language: render(Bye((prompts.line("doctor_coming", language, {}),)), "", prompts=prompts)
            for language in prompts.languages
        },
        on_machine,
    )


def voicemail(prompts: Prompts, language: str, told: Facts) -> str:
    """Who rang and where to ring back, and nothing about health (docs/clinical.md section 2, Voicemail/AMD)."""
    values = prompts.values(language, told, frozenset({"hotline"}), None)
    key = "voicemail" if told.get("surname") else "voicemail_unnamed"
    return render(Bye((prompts.line(key, language, values),)), "", prompts=prompts)
