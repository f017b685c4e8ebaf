"""Documents played into a live call from outside its flow: a doctor is on the phone; a machine answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from dialer.jobs import Interruption
from dialer.models import Call
from ivr import shelf
from ivr.facts import facts
from ivr.prompts import Prompts
from ivr.talk import Bye, Facts
from ivr.twiml import render


def words() -> Interruption:
    """The dialer plays these: finished documents in the words of the call's own book."""

    def doctor_is_coming(session: Session, call: Call) -> str:
        prompts, language = _spoken(session, call)
        return render(Bye((prompts.line("doctor_coming", language, {}),)), "", prompts=prompts)

    def on_machine(session: Session, call: Call, now: datetime) -> str:
        prompts, language = _spoken(session, call)
        return voicemail(prompts, language, facts(session, call, now))

    return Interruption(doctor_is_coming, on_machine)


def _spoken(session: Session, call: Call) -> tuple[Prompts, str]:
    prompts = shelf.of_call(session, call).prompts
    return prompts, str((call.session or {}).get("language") or prompts.languages[0])


def voicemail(prompts: Prompts, language: str, told: Facts) -> str:
    """Who rang and where to ring back, and nothing about health (docs/clinical.md section 2, Voicemail/AMD)."""
    values = prompts.values(language, told, frozenset({"hotline"}), None)
    key = "voicemail" if told.get("surname") else "voicemail_unnamed"
    return render(Bye((prompts.line(key, language, values),)), "", prompts=prompts)
