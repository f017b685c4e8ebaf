"""What each flow is told about its call: read fresh for every turn, never stored with the session."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people, spoken
from core.house import settings_of
from core.models import Patient
from dialer import alarm, doctor, night, offers, roster
from dialer.escalation import policy_of
from dialer.models import Attempt, Call, Escalation, Offer
from ivr import briefing, hotline, shelf
from ivr.briefing import Told
from ivr.models import Answer
from ivr.prompts import Voice
from ivr.service_desk import desk_of
from ivr.talk import Fact


def facts(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    """The facts the call's flow declares in flows/*.yaml."""
    build = {
        "hotline": _hotline,
        "followup": _followup,
        "reminder": _reminder,
        "doctor": _doctor,
        "patient": _patient_join,
        "operator": _operator_join,
        "theme": _operator_join,
        "night": _night,
        "test": _test_ring,
        "agent": _agent,
        "caller": _caller_join,
        "head": _head,
        "satisfaction": _satisfaction,
    }[call.kind]
    return build(session, call, now)


def _house(session: Session, *, roster_on: bool, now: datetime) -> dict[str, Fact]:
    settings = settings_of(session)
    return {
        "emergency": settings.hospital.emergency,
        "recording_on": True,
        "roster_on": roster_on,
        "minutes": math.ceil(settings.escalation.promise_s / 60),
        "operator_on": bool(hotline.operator(settings, now)),
    }


def _on_duty(session: Session, department: str, now: datetime) -> dict[str, Any]:
    """What roster.ANYBODY asks for: a doctor whom an alarm of this department would ring."""
    return roster.asked(department, settings_of(session).escalation.of_department(department).chain, now)


def _in_each_language(session: Session, name: str) -> dict[str, Fact]:
    """`hospital`/`sender` with one text per language: the engine prefers `name.<language>`."""
    hospital = settings_of(session).hospital
    spoken = hospital.spoken_name if name == "hospital" else hospital.spoken_alias
    by_language: dict[str, Fact] = {f"{name}.{language}": spoken(language) for language in hospital.languages}
    return {name: spoken(hospital.languages[0]), **by_language}


def _hotline(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    who = hotline.caller(session, call, _on_duty(session, alarm.department_of(session, call), now), now)
    voices = shelf.of_call(session, call).prompts.voices
    return {
        **_house(session, roster_on=who.roster_on, now=now),
        **_in_each_language(session, "hospital"),
        **hotline.told(session, call, who, voices, now),
    }


@dataclass(frozen=True)
class _Asked:
    """What the store knows of a call of ours to a patient, asked in one question: a person waits for the answer. No
    more of the patient than is told, as every column more is decrypted."""

    name: str
    birth_date: str | None
    sex: str
    timezone: str
    roster_on: bool
    recording_on: bool
    """The consent."""
    relatives: bool
    """A number of a relative is on file."""
    family_on: bool
    told_before: bool
    """An earlier call of the same follow-up has answers."""


_QUESTION = sa.select(
    Patient.name,
    Patient.birth_date,
    Patient.sex,
    Patient.timezone,
    roster.ANYBODY,
    people.consents_to(Patient.id, "recording"),
    people.has_relatives(Patient.id),
    people.consents_to(Patient.id, "family"),
    sa.exists().where(Answer.subject_id == sa.bindparam("subject_id"), Answer.call_id != sa.bindparam("call_id")),
).where(Patient.id == sa.bindparam("patient_id"))


def _ask(session: Session, call: Call, attempt: Attempt, now: datetime) -> _Asked:
    on_duty = _on_duty(session, str(attempt.brief.get("department") or roster.EVERYWHERE), now)
    ids = {"patient_id": call.patient_id, "subject_id": attempt.subject_id, "call_id": call.id}
    # by columns, past the rows of this transaction: none of these is changed by a turn before it is asked
    return _Asked(*session.connection().execute(_QUESTION, {**on_duty, **ids}).one())


def _called(session: Session, attempt: Attempt, known: _Asked, now: datetime) -> dict[str, Fact]:
    """What every call of ours to a patient is told: whom it is for, and who we are to a stranger."""
    today = people.today(known, now)
    guardian = bool(attempt.brief.get("guardian", people.is_minor(session, known, today)))
    return {
        **_house(session, roster_on=known.roster_on, now=now),
        **_in_each_language(session, "sender"),
        "recording_on": known.recording_on,
        "hotline": _as_dialled(settings_of(session).twilio_from),
        "surname": people.surname(known.name),
        "sex": people.sex(known.sex),
        "birth_mmdd": people.birth_mmdd(known) or "",
        "guardian": guardian,
        "slow": bool(attempt.brief.get("slow", people.is_old(session, known, today))),
    }


def _followup(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    known = _ask(session, call, attempt, now)
    brief = attempt.brief
    threshold = int(brief["threshold"])
    told = _called(session, attempt, known, now)
    listed = brief.get("questions")
    book = shelf.of_call(session, call)
    asked = listed if listed is not None else book.questions.of_wave(str(brief.get("wave", "")))
    return {
        **told,
        "threshold": threshold,
        "nurse_from": int(brief.get("nurse_from", threshold)),
        # a relative is registered, and the patient agreed to it or is a child (docs/clinical.md 2, Proxy)
        "relative_ok": known.relatives and (bool(told["guardian"]) or known.family_on),
        "questions": " ".join(str(key) for key in asked),
        **_told_before(_answers_before(session, call, attempt) if known.told_before else [], attempt, threshold),
    }


def _answers_before(session: Session, call: Call, attempt: Attempt) -> Sequence[Answer]:
    return session.scalars(
        sa.select(Answer).where(
            Answer.subject_id == attempt.subject_id,
            Answer.subject_id.is_not(None),
            Answer.call_id != call.id,
            Answer.replaced_at.is_(None),
        )
    ).all()


def _told_before(rows: Sequence[Answer], attempt: Attempt, threshold: int) -> dict[str, Fact]:
    """What earlier calls of this follow-up have answered: it is not asked again."""
    keys = {row.question for row in rows}
    nurse_from = int(attempt.brief.get("nurse_from", threshold))
    return {
        "answered": " ".join(sorted(keys - {"pain", "message", "open"})),
        "pain_known": "pain" in keys,
        "nurse_due": any(row.level == "C" or _is_for_nurse(row, nurse_from, threshold) for row in rows),
        "resumed": bool(keys - {"message", "open"}),
    }


def _is_for_nurse(row: Answer, nurse_from: int, threshold: int) -> bool:
    return row.question in ("pain", "pain_moving") and nurse_from <= int(row.value) < threshold


def _reminder(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    visit: dict[str, Any] = attempt.brief["appointment"]
    told = _called(session, attempt, _ask(session, call, attempt, now), now)
    day, at = date.fromisoformat(str(visit["day"])), time.fromisoformat(str(visit["time"]))
    for language in settings_of(session).hospital.languages:
        told[f"day.{language}"], told[f"time.{language}"] = spoken.day(day, language), spoken.time(at, language)
    return {
        **told,
        "day": day.isoformat(),
        "time": at.isoformat("minutes"),
        "dept": str(visit.get("department") or ""),
        "place": str(visit.get("place") or ""),
        "fasting": bool(visit.get("fasting")),
    }


# ---- the doctor's phone --------------------------------------------------------------------------
_LAST_OFFER = sa.select(Offer).where(Offer.attempt_id == sa.bindparam("attempt_id")).order_by(Offer.id.desc()).limit(1)
_OFFERED_TO = _LAST_OFFER.with_only_columns(Offer.escalation_id).scalar_subquery()
_OFFERED = (
    sa.select(Escalation, Patient, _LAST_OFFER.with_only_columns(Offer.decision).scalar_subquery())
    .outerjoin(Patient, Patient.id == Escalation.patient_id)
    # a ring answered before anything was offered is about its own patient
    .where(Escalation.id == sa.func.coalesce(_OFFERED_TO, sa.bindparam("subject_id", type_=sa.Uuid)))
)
"""The patient the doctor on a ring was offered last, and what he decided."""


def _doctor(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    """Who somebody is, and what they answered, only once this ring's doctor has taken them."""
    attempt = session.get_one(Attempt, call.attempt_id)
    ids = {"attempt_id": attempt.id, "subject_id": attempt.subject_id}
    raised, patient, decision = session.execute(_OFFERED, ids).one()
    taken = raised.owner_attempt_id == attempt.id
    told: dict[str, Fact] = {
        **_alarm(session, call, raised, now),
        "waits": decision is None,
        "mine": taken and raised.status != "closed",
        "talked": taken and raised.status == "closed",
        "more": offers.others_wait(session, attempt),
        "later": math.ceil(policy_of(session, raised).later_s / 60),
        "recording_on": raised.record_on,
    }
    if raised.hours is not None and raised.hours >= 0:
        told["hours"] = raised.hours
    if pin := doctor.pin_of(session, attempt):
        told["pin"] = pin
    if taken:
        told |= _person(patient, now) | _answered(session, call, raised)
    return told


def _alarm(session: Session, call: Call, raised: Escalation, now: datetime) -> dict[str, Fact]:
    """Why somebody is rung; nothing of who it is. What only a machine heard is told apart, with how long ago it was
    said."""
    keyed = [flag for flag in raised.flags if flag not in raised.heard]
    ago = int((now - raised.said_at).total_seconds() // 60) if raised.said_at is not None else 0
    return {
        "known": raised.patient_id is not None,
        **({"score": raised.score} if raised.score is not None else {}),
        **_in_words(session, call, "signs", lambda voice: briefing.sign_words(keyed, voice)),
        **_in_words(session, call, "heard", lambda voice: briefing.sign_words(raised.heard, voice)),
        **_in_words(session, call, "ago", lambda voice: briefing.ago_words(ago, voice.language)),
        "dept": "" if raised.department == roster.EVERYWHERE else raised.department,
    }


def _person(patient: Patient | None, now: datetime) -> dict[str, Fact]:
    if patient is None:
        return {}
    years = people.age(patient, people.today(patient, now))
    age: dict[str, Fact] = {} if years is None else {"age": years}
    sex = people.sex(patient.sex)
    return {"surname": people.surname(patient.name), "sex": sex, "allergy": patient.allergies, **age}


def _answered(session: Session, call: Call, raised: Escalation) -> dict[str, Fact]:
    """The whole interview, also what an earlier call of it told; signs the alarm does not name are among them."""
    rows = session.execute(_INTERVIEW, {"call_id": raised.call_id, "patient_id": raised.patient_id}).all()
    answers = [Told(row.question, row.value, row.level) for row in rows]
    signs = briefing.signs([flag for flag in raised.flags if flag not in raised.heard], answers)
    moving = [int(told.value) for told in answers if told.question == "pain_moving"]
    return {
        **({"moving": moving[-1]} if moving else {}),
        **_in_words(session, call, "signs", lambda voice: briefing.sign_words(signs, voice)),
        **_in_words(
            session,
            call,
            "answers",
            lambda voice: briefing.answer_words(answers, briefing.sign_words(signs, voice), voice),
        ),
    }


_INTERVIEW = (
    sa.select(Answer.question, Answer.value, Answer.level)
    .where(
        Answer.replaced_at.is_(None),
        # answers that were put right as another person's are not this patient's
        Answer.patient_id.is_not_distinct_from(sa.bindparam("patient_id", type_=sa.Uuid)),
        (Answer.call_id == sa.bindparam("call_id"))
        | (
            Answer.subject_id
            == sa.select(Attempt.subject_id)
            .join(Call, Call.attempt_id == Attempt.id)
            .where(Call.id == sa.bindparam("call_id"))
            .scalar_subquery()
        ),
    )
    .order_by(Answer.keyed_at, Answer.id)
)


def _in_words(session: Session, call: Call, name: str, words: Callable[[Voice], str]) -> dict[str, Fact]:
    """A fact with one text per language of the call's book; none when there is nothing to say."""
    voices = shelf.of_call(session, call).prompts.voices
    said: dict[str, Fact] = {f"{name}.{language}": words(voice) for language, voice in voices.items()}
    first = next(iter(said.values()))
    return {name: first, **said} if first else {}


def _night(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    attempt = session.get_one(Attempt, call.attempt_id)
    raised = session.get_one(Escalation, attempt.subject_id)
    patient = session.get(Patient, raised.patient_id) if raised.patient_id else None
    return {
        **_alarm(session, call, raised, now),
        **_person(patient, now),
        "minutes": int((now - raised.keyed_at).total_seconds() // 60),
        "number": _as_dialled_here(raised.to, settings_of(session).twilio_from),
        "waits": night.wants(session, attempt),
    }


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


# ---- the desk --------------------------------------------------------------------------------------
def _agent(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return desk_of(session).agent_facts(session, call, now)


def _caller_join(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    told = desk_of(session).caller_facts(session, call, now)
    return {**_in_each_language(session, "sender"), **told}


def _head(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return desk_of(session).alarm_facts(session, call, now)


def _satisfaction(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    """Who we are to a stranger, and the day as it is spoken."""
    settings = settings_of(session)
    told = dict(desk_of(session).satisfaction_facts(session, call, now))
    told_on = date.fromisoformat(str(told["day"]))
    for language in settings.hospital.languages:
        told[f"day.{language}"] = spoken.day(told_on, language)
    return {
        **_in_each_language(session, "sender"),
        "hotline": _as_dialled(settings.twilio_from),
        "operator_on": bool(hotline.operator(settings, now)),
        **told,
    }


def _test_ring(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return _in_each_language(session, "hospital")


@lru_cache
def _as_dialled(e164: str | None) -> str:
    """Our number as a caller in our own country dials it, digits only."""
    if not e164:
        return ""
    national = phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(character for character in national if character.isdigit())


def _as_dialled_here(e164: str, ours: str | None) -> str:
    """A patient's number as it is dialled where our own number is, digits only: from abroad with the prefix for it."""
    region = phonenumbers.region_code_for_number(phonenumbers.parse(ours)) if ours else None
    here = phonenumbers.format_out_of_country_calling_number(phonenumbers.parse(e164), region or "CN")
    return "".join(character for character in here if character.isdigit())
