"""What each flow is told about its call: read fresh for every turn, never stored with the session."""

from __future__ import annotations

import math
from datetime import date, datetime
from zoneinfo import ZoneInfo

import phonenumbers
from sqlalchemy.orm import Session

from core import people
from core.house import settings_of
from core.models import Patient
from dialer import roster
from dialer.models import Attempt, Call, Escalation
from ivr.talk import Fact

SEXES = {"m": "male", "male": "male", "男": "male", "f": "female", "female": "female", "女": "female"}


def facts(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    """The facts the call's flow declares in flows/*.yaml."""
    build = {
        "hotline": _hotline,
        "followup": _followup,
        "doctor": _doctor,
        "patient": _patient_join,
        "operator": _operator_join,
    }[call.kind]
    return build(session, call, now)


def _house(session: Session, department: str, now: datetime) -> dict[str, Fact]:
    settings = settings_of(session)
    return {
        "emergency": settings.hospital.emergency,
        "recording_on": True,
        "roster_on": roster.anybody_on_duty(session, department, settings.escalation.chain, now),
        "minutes": math.ceil(settings.escalation.promise_s / 60),
        "operator_on": bool(settings.hospital.operator),
    }


def _in_each_language(session: Session, name: str) -> dict[str, Fact]:
    """`hospital`/`sender` with one text per language: the engine prefers `name.<language>`."""
    hospital = settings_of(session).hospital
    spoken = hospital.spoken_name if name == "hospital" else hospital.spoken_alias
    by_language: dict[str, Fact] = {f"{name}.{language}": spoken(language) for language in hospital.languages}
    return {name: spoken(hospital.languages[0]), **by_language}


def _hotline(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return {
        **_house(session, roster.EVERYWHERE, now),
        **_in_each_language(session, "hospital"),
        "threshold": settings_of(session).followup.threshold,
        "withheld": not call.party,
        "known": _gets_messages(session, call),
    }


def _gets_messages(session: Session, call: Call) -> bool:
    """Whether tomorrow's recovery tips may be promised: the gate of the SMS will ask the same."""
    return (
        call.patient_id is not None
        and people.has_consent(session, call.patient_id, "followup")
        and not people.on_do_not_call(session, call.party)
    )


def _followup(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    patient = session.get_one(Patient, call.patient_id)
    department = str(attempt.brief.get("department") or roster.EVERYWHERE)
    return {
        **_house(session, department, now),
        **_in_each_language(session, "sender"),
        "recording_on": people.has_consent(session, patient.id, "recording"),
        "hotline": _as_dialled(settings_of(session).twilio_from),
        "surname": people.surname(patient.name),
        "sex": _sex(patient),
        "birth_mmdd": people.birth_mmdd(patient) or "",
        "threshold": int(attempt.brief["threshold"]),
    }


def _doctor(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    raised = session.get_one(Escalation, attempt.subject_id)
    told: dict[str, Fact] = {
        "known": raised.patient_id is not None,
        "score": raised.score,
        "dept": "" if raised.department == roster.EVERYWHERE else raised.department,
        "recording_on": raised.record_on,
    }
    if raised.hours is not None and raised.hours >= 0:
        told["hours"] = raised.hours
    patient = session.get(Patient, raised.patient_id) if raised.patient_id else None
    if patient is not None:
        told |= {"surname": people.surname(patient.name), "sex": _sex(patient), "allergy": patient.allergies}
        years = people.age(patient, _today(patient, now))
        if years is not None:
            told["age"] = years
    return told


def _patient_join(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    raised = session.get_one(Escalation, attempt.subject_id)
    return {
        **_in_each_language(session, "sender"),
        "known": raised.patient_id is not None,
        "recording_on": raised.record_on,
    }


def _operator_join(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    parent = session.get_one(Call, attempt.parent_call_id)
    return {"recording_on": parent.recording_on}


def _as_dialled(e164: str | None) -> str:
    """Our number as a caller in our own country dials it, digits only."""
    if not e164:
        return ""
    national = phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(character for character in national if character.isdigit())


def _sex(patient: Patient) -> str:
    return SEXES.get(patient.sex.lower(), "")


def _today(patient: Patient, now: datetime) -> date:
    return now.astimezone(ZoneInfo(patient.timezone)).date()
