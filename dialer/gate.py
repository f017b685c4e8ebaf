"""The one gate. `may_dial(session, ring, now)` runs immediately before every outbound ring, first tries and
retries alike, whoever asked, also before a webhook hands out a Dial.

Rules by kind of ring (docs/design.md section 1):
- routine (follow-up, reminder, SMS): patient alive and at home, consent to this kind, do-not-call, a number of
  theirs, deadline, pause; a ring also window and holidays, caps of the day, lines; an SMS quiet hours
- to a patient who raised the alarm: number, lines
- to a doctor or the operator: on duty, number, lines
- a test ring: nobody waits for a doctor, number, lines of the routine lane
- all: `live` / `allow_numbers`, premium prefixes, a pause of all lanes

Every refusal leaves a row with its reason; `again_at` says when asking again makes sense (None: never).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays, people
from core.house import settings_of
from core.models import Patient, Pause
from dialer import lines, roster
from dialer.models import LIVE_ATTEMPT, LIVE_CALL, Attempt, Call, Escalation, Refusal

NO_LINE_AGAIN = timedelta(seconds=2)
PAUSED_AGAIN = timedelta(seconds=30)
NUMBER_BUSY_AGAIN = timedelta(seconds=30)
ALARM_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Ring:
    """A ring (or SMS) somebody wants to make. `subject_id` is what it is for; `attempt_id` is set once the
    attempt's row exists, so that it is not counted against itself."""

    kind: str
    """followup | reminder | sms | doctor | patient | operator | test"""
    to: str
    """E.164"""
    subject_id: uuid.UUID | None
    patient_id: uuid.UUID | None = None
    deadline_at: datetime | None = None
    shift_id: uuid.UUID | None = None
    attempt_id: uuid.UUID | None = None
    any_hour: bool = False
    """An SMS that must not wait for the morning."""
    purposes: tuple[str, ...] = ()
    """The consents that allow it, if not those of its kind (CONSENT)."""

    @property
    def routine(self) -> bool:
        return self.kind in CONSENT

    @property
    def lane(self) -> str:
        """A test ring is nobody's follow-up, and must not take a line from a doctor's."""
        return "routine" if self.routine or self.kind == "test" else "escalation"


@dataclass(frozen=True)
class Refused:
    reason: str
    again_at: datetime | None = None


CONSENT: dict[str, tuple[str, ...]] = {
    # kind of routine ring: the purposes that allow it; the first the ledger has a word on decides
    "followup": ("followup",),
    "reminder": ("reminder", "followup"),
    "sms": ("followup", "reminder"),
}
PERSON_GONE = frozenset({"deceased", "readmitted", "no_patient", "merged"})
"""Refusals that say this record is not to be rung at all."""
HELD = frozenset({"no_line", "pace", "paused", "not_live", "number_in_use", "doctor_coming"})
"""Refusals that say nothing about the patient: what is due stays due and is asked about again. No move, so that a lane
paused for a day does not fill the ledger; each refusal has its own row with a count."""

REASONS: dict[str, str] = {
    "not_live": "the service is not live and the number is not in allow_numbers",
    "bad_number": "the number cannot be a telephone number",
    "premium_number": "the number is a premium-rate one",
    "paused": "outbound calls are paused",
    "no_line": "no line is free for this lane",
    "number_in_use": "this number is being rung or is on the line with us",
    "deceased": "the patient has died",
    "readmitted": "the patient is in the hospital again",
    "merged": "the record was merged into another one",
    "no_patient": "the patient is not on file any more",
    "no_consent": "the patient has not agreed to calls of this kind",
    "do_not_call": "the number asked not to be called",
    "not_their_number": "the number is not, or not any more, one this patient is rung at",
    "deadline_passed": "too late for this one",
    "outside_window": "outside calling hours where the patient is",
    "quiet_hours": "quiet hours where the patient is",
    "doctor_coming": "the patient, or somebody at this number, waits for a doctor",
    "alarm_open": "somebody waits for a doctor",
    "rings_per_day": "the patient or the number was rung often enough today",
    "off_duty": "the shift is over or has not begun",
}


def may_dial(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """None: ring. Otherwise the reason, already written down."""
    refused = _first_refusal(session, ring, now)
    if refused is not None:
        _write_down(session, ring, refused.reason, now)
    return refused


def unringable(session: Session, to: str, now: datetime) -> Refused | None:
    """Why this number would never be rung, whoever asked; nothing is written down."""
    ring = Ring("test", to, None)
    return _number(session, ring, now) or _live(session, ring, now)


def _first_refusal(session: Session, ring: Ring, now: datetime) -> Refused | None:
    for rule in _rules(ring):
        refused = rule(session, ring, now)
        if refused is not None:
            return refused
    return None


Rule = Callable[[Session, Ring, datetime], Refused | None]


def _rules(ring: Ring) -> list[Rule]:
    rules: list[Rule] = [_number, _live, _pause]
    if ring.routine:
        rules += [_patient, _consent, _do_not_call, _their_number, _deadline]
    if ring.kind == "sms":
        return rules if ring.any_hour else [*rules, _quiet]
    if ring.routine:
        rules += [_window, _rings_today, _no_alarm]
    if ring.kind == "doctor":
        rules.append(_on_duty)
    if ring.kind == "test":
        rules.append(_quiet_house)
    return [*rules, _number_free, _line]


def _number(session: Session, ring: Ring, now: datetime) -> Refused | None:
    try:
        number = phonenumbers.parse(ring.to)
    except phonenumbers.NumberParseException:
        return Refused("bad_number")
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return Refused("bad_number")
    if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        return Refused("premium_number")
    return None


def _live(session: Session, ring: Ring, now: datetime) -> Refused | None:
    hospital = settings_of(session).hospital
    if hospital.live or ring.to in hospital.allow_numbers:
        return None
    return Refused("not_live", now + PAUSED_AGAIN)


def _pause(session: Session, ring: Ring, now: datetime) -> Refused | None:
    lanes = ("routine", "all") if ring.routine else ("all",)
    paused = session.scalar(sa.select(sa.exists().where(Pause.ended_at.is_(None), Pause.lane.in_(lanes))))
    return Refused("paused", now + PAUSED_AGAIN) if paused else None


def _patient(session: Session, ring: Ring, now: datetime) -> Refused | None:
    return person(session, ring.patient_id)


def person(session: Session, patient_id: uuid.UUID | None) -> Refused | None:
    """Whether a routine call may speak to this patient at all; asked again when the ring is answered."""
    patient = session.get(Patient, patient_id) if patient_id else None
    if patient is None:
        return Refused("no_patient")
    if patient.merged_into is not None:
        return Refused("merged")
    return Refused(patient.status) if patient.status in ("deceased", "readmitted") else None


def _consent(session: Session, ring: Ring, now: datetime) -> Refused | None:
    assert ring.patient_id is not None
    for purpose in ring.purposes or CONSENT[ring.kind]:
        word = people.last_word(session, ring.patient_id, purpose)
        if word is not None:
            return None if word[0] else Refused("no_consent")
    return Refused("no_consent")


def _do_not_call(session: Session, ring: Ring, now: datetime) -> Refused | None:
    return Refused("do_not_call") if people.on_do_not_call(session, ring.to) else None


def _deadline(session: Session, ring: Ring, now: datetime) -> Refused | None:
    return Refused("deadline_passed") if ring.deadline_at is not None and now >= ring.deadline_at else None


def _their_number(session: Session, ring: Ring, now: datetime) -> Refused | None:
    patient = session.get_one(Patient, ring.patient_id)
    theirs = people.is_rung_at(session, patient, ring.to, people.today(patient, now))
    return None if theirs else Refused("not_their_number")


def _window(session: Session, ring: Ring, now: datetime) -> Refused | None:
    patient = session.get_one(Patient, ring.patient_id)
    if ring.kind == "followup" and people.has_consent(session, patient.id, "night"):
        return None
    hours = holidays.hours(session)
    if calendar.in_window(now, patient.timezone, hours):
        return None
    return Refused("outside_window", calendar.next_open(now, patient.timezone, hours))


def _quiet(session: Session, ring: Ring, now: datetime) -> Refused | None:
    zone = session.get_one(Patient, ring.patient_id).timezone
    quiet = settings_of(session).sms.quiet
    if not calendar.within(now, zone, quiet):
        return None
    return Refused("quiet_hours", calendar.next_at(now, quiet[1], zone))


def _rings_today(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """So many rings a day for one patient, whatever the plan, and for one number, whoever shares it
    (docs/clinical.md section 2, Retries). A ring the carrier never had is none."""
    patient = session.get_one(Patient, ring.patient_id)
    zone, day = patient.timezone, people.today(patient, now)
    mine = Attempt.patient_id == ring.patient_id
    this_number = Attempt.to_index == people.phone_index(ring.to)
    rung = sa.select(sa.func.count().filter(mine), sa.func.count().filter(this_number)).where(
        mine | this_number,
        Attempt.created_at >= calendar.at_wall(day, time.min, zone),
        Attempt.lane == "routine",
        Attempt.posted_at.is_not(None),
        Attempt.status != "absent",
    )
    if ring.attempt_id is not None:
        rung = rung.where(Attempt.id != ring.attempt_id)
    if max(session.execute(rung).one()) < settings_of(session).calling.rings_per_day:
        return None
    tomorrow = calendar.at_wall(day + timedelta(days=1), time.min, zone)
    return Refused("rings_per_day", calendar.next_open(tomorrow, zone, holidays.hours(session)))


def _no_alarm(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """Who waits for a doctor is not rung for anything else: the telephone must be free."""
    waits = (Escalation.patient_id == ring.patient_id) | (Escalation.to_index == people.phone_index(ring.to))
    if session.scalar(sa.select(sa.exists().where(Escalation.status != "closed", waits))):
        return Refused("doctor_coming", now + ALARM_AGAIN)
    return None


def _quiet_house(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """No telephone of ours is tested while anybody waits for a doctor: it must be free."""
    waits = session.scalar(sa.select(sa.exists().where(Escalation.status != "closed")))
    return Refused("alarm_open", now + ALARM_AGAIN) if waits else None


def _on_duty(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """The shift runs, and this number is one of whoever serves it now: somebody may cover."""
    person = roster.on_shift(session, ring.shift_id, now)
    return None if person is not None and ring.to in person.numbers else Refused("off_duty")


def _number_free(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """Nobody is rung while they are on the line with us, or by two of our rings at once."""
    index = people.phone_index(ring.to)
    ringing = sa.select(Attempt.id).where(Attempt.to_index == index, Attempt.status.in_(LIVE_ATTEMPT))
    if ring.attempt_id is not None:
        ringing = ringing.where(Attempt.id != ring.attempt_id)
    if ring.kind == "doctor":
        # An alarm does not wait for the end of a test: that is being hung up (dialer.test_rings).
        ringing = ringing.where(Attempt.kind != "test")
    talking = sa.select(Call.id).where(Call.party_index == index, Call.status.in_(LIVE_CALL), Call.attempt_id.is_(None))
    if session.scalar(sa.select(ringing.exists() | talking.exists())):
        return Refused("number_in_use", now + NUMBER_BUSY_AGAIN)
    return None


def _line(session: Session, ring: Ring, now: datetime) -> Refused | None:
    if lines.has_free(session, ring.lane, besides=ring.attempt_id):
        return None
    return Refused("no_line", now + NO_LINE_AGAIN)


def _write_down(session: Session, ring: Ring, reason: str, now: datetime) -> None:
    last = session.scalar(
        sa.select(Refusal)
        .where(Refusal.subject_id == ring.subject_id, Refusal.kind == ring.kind)
        .order_by(Refusal.id.desc())
        .limit(1)
    )
    if last is not None and last.reason == reason:
        last.last_at = now
        last.times += 1
        return
    session.add(Refusal(kind=ring.kind, subject_id=ring.subject_id, reason=reason, first_at=now, last_at=now))
