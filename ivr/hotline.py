"""What the hotline's flows are told about their caller, the hour and the house; and whom its Dials ring.

One statement asks the tables; what callers are told of departments, offers and services is in hospital.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays, people
from core.db import AwareDateTime
from core.hospital import OWN_WORDS_ON_THE_LINE, Theme
from core.house import of, settings_of
from core.models import Contact, Patient, Procedure
from core.settings import Settings
from dialer import roster
from dialer.models import Call
from ivr import booking
from ivr.prompts import Voice
from ivr.ringback import RingBack
from ivr.service_desk import ServiceDesk
from ivr.talk import Fact

NOBODY_AT_THE_DESK: dict[str, Fact] = {
    "agents_on": False, "ahead": 0, "agent_known": False, "agent_ready": False, "agent_paused": False,
}  # fmt: skip
GENERAL = "services_name"
"""The prompt that names key 3 while there is no offer."""


# ---- the hour, and whom a Dial rings ---------------------------------------------------------------
def is_night(settings: Settings, now: datetime) -> bool:
    return calendar.within(now, settings.hospital.timezone.key, settings.hotline.night)


def today(settings: Settings, now: datetime) -> date:
    return calendar.day_of(now, settings.hospital.timezone.key)


def operator(settings: Settings, now: datetime) -> str:
    """Where key 0 leads, E.164; empty for nowhere. At night whoever is up, if there is no operator."""
    hospital = settings.hospital
    return hospital.operator or (hospital.night_target if is_night(settings, now) else "")


def own_number(session: Session, call: Call, now: datetime) -> str:
    """The number of what the caller chose: of their department, else of the season's offer. Empty: the desk's."""
    hotline = settings_of(session).hotline
    if call.reason == "department":
        department = hotline.department(call.department)
        return department.target if department else ""
    theme = hotline.theme_on(today(settings_of(session), now))
    return theme.target if theme else ""


# ---- the facts -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Caller:
    """What the tables say of a hotline call."""

    roster_on: bool
    known: bool
    """Tomorrow's recovery tips may be promised: the gate of the SMS will ask the same."""
    slow: bool
    postop: bool
    """Somebody with this number was operated on lately."""


def caller(session: Session, call: Call, on_duty: Mapping[str, Any], now: datetime) -> Caller:
    """`on_duty`: what roster.ANYBODY asks for. The special days of the calendar come along."""
    settings = settings_of(session)
    patient = session.get(Patient, call.patient_id) if call.patient_id else None
    special = holidays.about(today(settings, now))
    asked = {
        "patient_id": call.patient_id,
        "phone_index": call.party_index or b"",
        "operated_since": now - timedelta(days=settings.hotline.postop_days),
        "until": now,
    }
    row = session.execute(_CALLER, {**on_duty, **asked, **special}).one()
    holidays.learn(session, special, row.special)
    return Caller(
        roster_on=row.roster_on,
        known=patient is not None and row.agreed and not row.left_alone,
        slow=patient is not None and people.is_old(session, patient, people.today(patient, now)),
        postop=row.postop,
    )


_NUMBER = sa.bindparam("phone_index", type_=sa.LargeBinary)
# The family may share the number, and the patient be any of them: it changes only which sentence comes first.
_OPERATED = sa.exists().where(
    Contact.phone_index == _NUMBER,
    Contact.wrong_at.is_(None),
    Patient.id == Contact.patient_id,
    Patient.status != "deceased",
    Procedure.patient_id == Contact.patient_id,
    Procedure.status == "active",
    Procedure.ended_at > sa.bindparam("operated_since", type_=AwareDateTime),
    Procedure.ended_at <= sa.bindparam("until", type_=AwareDateTime),
)
_CALLER = sa.select(
    roster.ANYBODY.label("roster_on"),
    people.consents_to(sa.bindparam("patient_id", type_=sa.Uuid), "followup").label("agreed"),
    people.left_alone(_NUMBER).label("left_alone"),
    _OPERATED.label("postop"),
    holidays.SPECIAL.label("special"),
)


def told(session: Session, call: Call, who: Caller, voices: Mapping[str, Voice], now: datetime) -> dict[str, Fact]:
    """All that is particular to the hotline, and what the desk and the calendar of visits add."""
    settings = settings_of(session)
    desk = NOBODY_AT_THE_DESK | _desk(session, call, now)
    person = bool(operator(settings, now))
    holiday = holidays.is_holiday(session, today(settings, now))
    facts: dict[str, Fact] = {
        "threshold": settings.followup.threshold,
        "withheld": not call.party,
        "callback_on": bool(call.party or call.callback),
        "known": who.known,
        "slow": who.slow,
        "ring_back": _may_ring_back(session, call, now),
        "person_on": person or desk["agents_on"] is True,
        "next_up": desk["ahead"] == 0,
        "night": is_night(settings, now),
        "holiday": holiday,
        "postop_first": who.postop,
    }
    said = _spoken(settings, call, voices, now, holiday=holiday)
    return {**facts, **desk, **said, **_visits(session, call, now)}


def _may_ring_back(session: Session, call: Call, now: datetime) -> bool:
    """Whether this number missed a ring of ours. Asked only while the offer can still be made: at the beginning."""
    keeper = of(session).services.get(RingBack)
    return keeper is not None and bool(call.party) and call.turn <= 2 and bool(keeper.waiting(session, call.party, now))


def _desk(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    desk = of(session).services.get(ServiceDesk)
    return dict(desk.hotline_facts(session, call, now)) if desk is not None else {}


def _visits(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    """Asked only by the flow that arranges visits: free times are not looked up for everybody who rings."""
    if call.flow != booking.FLOW:
        return {}
    keeper = of(session).services.get(booking.Booking)
    return {**booking.NOTHING, **(keeper.facts(session, call, now) if keeper is not None else {})}


def _spoken(
    settings: Settings, call: Call, voices: Mapping[str, Voice], now: datetime, *, holiday: bool
) -> dict[str, Fact]:
    """What hospital.toml gives to say: key 3, the departments, general information, the word on a holiday."""
    hotline = settings.hotline
    theme = hotline.theme_on(today(settings, now))
    chosen = hotline.department(call.department)
    facts: dict[str, Fact] = {
        "theme_on": theme is not None,
        "theme_number": theme is not None and bool(theme.target),
        "department_number": chosen is not None and bool(chosen.target),
        "departments_values": tuple(department.name for department in hotline.departments),
        **_each("theme", voices, lambda language: _theme(theme, voices[language])),
        **_each("departments", voices, lambda language: tuple(one.spoken(language) for one in hotline.departments)),
    }
    for key in OWN_WORDS_ON_THE_LINE if holiday else OWN_WORDS_ON_THE_LINE[1:]:
        facts |= _each(key, voices, partial(hotline.own_words, key))
    return facts


def _theme(theme: Theme | None, voice: Voice) -> str:
    return theme.spoken(voice.language) if theme else voice.prompts[GENERAL]


def _each(name: str, languages: Iterable[str], words: Callable[[str], Fact]) -> dict[str, Fact]:
    """A fact with one text per language; the plain one is the first language's."""
    said: dict[str, Fact] = {f"{name}.{language}": words(language) for language in languages}
    return {name: next(iter(said.values())), **said}
