"""Words for a patient who still talks with our machine when a doctor is on the phone for them."""

from __future__ import annotations

from dialer.jobs import Interruption
from ivr.prompts import Prompts
from ivr.talk import Bye
from ivr.twiml import render


def words(prompts: Prompts) -> Interruption:
    """One finished document per language; the dialer plays it into the live call."""
    return Interruption(
        {
            language: render(Bye((prompts.line("doctor_coming", language, {}),)), "", prompts=prompts)
            for language in prompts.languages
        }
    )
