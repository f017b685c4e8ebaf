"""The one gate. `may_dial(session, ring, now)` runs immediately before every outbound ring, first tries and
retries alike, whoever asked, also before a webhook hands out a Dial. It asks the tables one question; every rule is a
pure function of the ring, the answer, the settings and the hour, and the first that refuses gives the reason.

Rules by kind of ring (docs/design.md section 1):
- routine (follow-up, reminder, SMS): patient alive and at home, consent to this kind, do-not-call, a number of
  theirs, deadline, pause; a ring also window and holidays, caps of the day, lines; an SMS quiet hours
- to a patient who raised the alarm: number, lines
- to a doctor: on duty, number, lines; the operator, the night target: number, lines
- to a head of department about a ticket: the same as to a doctor, with the lines of the routine lane
- a satisfaction call: as routine, but whoever asked for an answer may be on no file of ours, and only an explicit no
  to it counts (docs/decisions/0009); nobody waits for a doctor
- a test ring: nobody waits for a doctor, number, lines of the routine lane
- to an agent: signed in, number, lines; to a caller an agent has taken: no doctor on the way to them, number, lines;
  a department's or an offer's own number (theme): number, lines. While anybody waits for a doctor, all three leave
  free what a doctor and a patient need
- an SMS to staff: nothing more
- all: `live` / `allow_numbers`, premium prefixes, a pause of all lanes

Every refusal leaves a row with its reason; `again_at` says when asking again makes sense (None: never).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import cast

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays, people
from core.calendar import Hours
from core.db import AwareDateTime
from core.house import settings_of
from core.models import Patient, Pause
from core.settings import Settings
from dialer import lines, roster
from dialer.models import (
    AGENT_ANSWERS,
    ALARM_OPEN,
    ATTEMPT_LIVES,
    CALL_LIVES,
    Agent,
    Attempt,
    Call,
    Escalation,
    Refusal,
)

NO_LINE_AGAIN = timedelta(seconds=2)
PAUSED_AGAIN = timedelta(seconds=30)
NUMBER_BUSY_AGAIN = timedelta(seconds=30)
ALARM_AGAIN = timedelta(minutes=1)
A_TALK = 2
"""Lines a doctor and a patient need to be joined."""
LONGEST_DAY = timedelta(hours=48)
"""A local day never began longer ago than this, whatever clocks and date lines do."""


@dataclass(frozen=True)
class Ring:
    """A ring (or SMS) somebody wants to make. `subject_id` is what it is for; `attempt_id` is set once the
    attempt's row exists, so that it is not counted against itself."""

    kind: str
    """followup | reminder | sms | alert (an SMS to staff), and the other kinds of Attempt.kind"""
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
        return self.kind in CONSENT or self.kind == "satisfaction"

    @property
    def lane(self) -> str:
        """A test ring, or one about a ticket, is nobody's follow-up, and must not take a line from a doctor's."""
        return "routine" if self.routine or self.kind in ("test", "head") else "escalation"


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
GIVING_WAY = ["test", "head", "agent"]
"""Kinds of ring an alarm does not wait for the end of: they are being hung up (dialer.test_rings, desk.alarms,
dialer.giving_way). An agent who has picked up talks with a caller, and is engaged."""
ON_THE_ROSTER = ("doctor", "head")
"""Kinds of ring that belong to a shift of the roster, and end with it."""
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
    "number_in_use": "this number, or another one of this doctor's, is being rung or is on the line with us",
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
    "not_signed_in": "no agent who is signed in and free has this number",
}


@dataclass(frozen=True)
class Person:
    """What the rules ask of a patient's file."""

    status: str
    merged: bool
    zone: str
    birth_date: str | None
    words: Mapping[str, bool]
    """The newest word of the consent ledger by purpose; a purpose without a line is not in it."""
    relations: Sequence[str]
    """Who the number is to the patient; empty if it is none, or not any more one, of theirs."""


@dataclass(frozen=True)
class Facts:
    """All that the rules ask of the tables, read in one question."""

    paused: Sequence[str]
    """The lanes that are paused."""
    person: Person | None
    left_alone: bool
    rung: Sequence[Sequence[datetime]]
    """When the patient was rung of late, and when the number was."""
    alarm: bool
    """The patient, or somebody at the number, waits for a doctor."""
    any_alarm: bool
    on_duty: bool
    signed_in: bool
    """The number is that of an agent who answers callers now."""
    number_in_use: bool
    busy_lines: int
    hours: Hours


def may_dial(session: Session, ring: Ring, now: datetime) -> Refused | None:
    """None: ring. Otherwise the reason, already written down."""
    facts, settings = _facts(session, ring, now), settings_of(session)
    for rule in _rules(ring):
        refused = rule(ring, facts, settings, now)
        if refused is not None:
            _write_down(session, ring, refused.reason, now)
            return refused
    return None


def unringable(session: Session, to: str, now: datetime) -> Refused | None:
    """Why this number would never be rung, whoever asked; nothing is written down."""
    return _bad_number(to) or _not_live(to, settings_of(session), now)


Rule = Callable[[Ring, Facts, Settings, datetime], Refused | None]


def _rules(ring: Ring) -> list[Rule]:
    rules: list[Rule] = [_number, _live, _pause]
    if ring.kind == "satisfaction":
        rules += [*([_patient] if ring.patient_id else []), _not_refused, _do_not_call, _deadline]
    elif ring.routine:
        rules += [_patient, _consent, _do_not_call, _their_number, _deadline]
    if ring.kind == "alert":
        return rules
    if ring.kind == "sms":
        return rules if ring.any_hour else [*rules, _quiet]
    if ring.routine:
        rules += [_window, _rings_today, _no_alarm]
    if ring.kind in ON_THE_ROSTER:
        rules.append(_on_duty)
    if ring.kind in ("test", "satisfaction"):
        rules.append(_quiet_house)
    if ring.kind == "agent":
        rules += [_signed_in, _doctor_first]
    if ring.kind == "caller":
        rules += [_no_alarm, _doctor_first]
    if ring.kind == "theme":
        rules.append(_doctor_first)
    return [*rules, _number_free, _line]


def _number(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return _bad_number(ring.to)


def _bad_number(to: str) -> Refused | None:
    try:
        number = phonenumbers.parse(to)
    except phonenumbers.NumberParseException:
        return Refused("bad_number")
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return Refused("bad_number")
    if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        return Refused("premium_number")
    return None


def _live(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return _not_live(ring.to, settings, now)


def _not_live(to: str, settings: Settings, now: datetime) -> Refused | None:
    hospital = settings.hospital
    if hospital.live or to in hospital.allow_numbers:
        return None
    return Refused("not_live", now + PAUSED_AGAIN)


def _pause(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    lanes = {"routine", "all"} if ring.routine else {"all"}
    return None if lanes.isdisjoint(facts.paused) else Refused("paused", now + PAUSED_AGAIN)


def _patient(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    if facts.person is None:
        return Refused("no_patient")
    return _gone(facts.person.status, merged=facts.person.merged)


def person(session: Session, patient_id: uuid.UUID | None) -> Refused | None:
    """Whether a routine call may speak to this patient at all; asked again when the ring is answered."""
    patient = session.get(Patient, patient_id) if patient_id else None
    return Refused("no_patient") if patient is None else _gone(patient.status, merged=patient.merged_into is not None)


def _gone(status: str, *, merged: bool) -> Refused | None:
    if merged:
        return Refused("merged")
    return Refused(status) if status in ("deceased", "readmitted") else None


def _known(facts: Facts) -> Person:
    """The patient, for the rules that come after `_patient`."""
    assert facts.person is not None
    return facts.person


def _consent(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    words = _known(facts).words
    given = next((words[purpose] for purpose in ring.purposes or CONSENT[ring.kind] if purpose in words), False)
    return None if given else Refused("no_consent")


def _not_refused(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """Whoever asked us for something is asked what came of it, unless they said that they do not want that."""
    refused = facts.person is not None and facts.person.words.get("survey") is False
    return Refused("no_consent") if refused else None


def _do_not_call(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return Refused("do_not_call") if facts.left_alone else None


def _their_number(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    patient = _known(facts)
    minor = people.is_under(patient.birth_date, calendar.day_of(now, patient.zone), settings.followup.guardian_age)
    family_no = patient.words.get("family") is False
    theirs = any(people.is_respondent(who, minor=minor, family_no=family_no) for who in patient.relations)
    return None if theirs else Refused("not_their_number")


def _deadline(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return Refused("deadline_passed") if ring.deadline_at is not None and now >= ring.deadline_at else None


def _window(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    zone = _zone(facts, settings)
    if ring.kind == "followup" and _known(facts).words.get("night", False):
        return None
    if calendar.in_window(now, zone, facts.hours):
        return None
    return Refused("outside_window", calendar.next_open(now, zone, facts.hours))


def _zone(facts: Facts, settings: Settings) -> str:
    """Where whoever is rung looks at the clock; somebody on no file of ours, as far as we know, where we are."""
    return facts.person.zone if facts.person is not None else settings.hospital.timezone.key


def _quiet(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    zone, quiet = _known(facts).zone, settings.sms.quiet
    if not calendar.within(now, zone, quiet):
        return None
    return Refused("quiet_hours", calendar.next_at(now, quiet[1], zone))


def _rings_today(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """So many rings a day for one patient, whatever the plan, and for one number, whoever shares it
    (docs/clinical.md section 2, Retries). A ring the carrier never had is none."""
    zone = _zone(facts, settings)
    day = calendar.day_of(now, zone)
    midnight = calendar.at_wall(day, time.min, zone)
    if max(sum(moment >= midnight for moment in rung) for rung in facts.rung) < settings.calling.rings_per_day:
        return None
    tomorrow = calendar.at_wall(day + timedelta(days=1), time.min, zone)
    return Refused("rings_per_day", calendar.next_open(tomorrow, zone, facts.hours))


def _no_alarm(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """Who waits for a doctor is not rung for anything else: the telephone must be free."""
    return Refused("doctor_coming", now + ALARM_AGAIN) if facts.alarm else None


def _quiet_house(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """No telephone of ours is tested while anybody waits for a doctor: it must be free."""
    return Refused("alarm_open", now + ALARM_AGAIN) if facts.any_alarm else None


def _on_duty(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """The shift runs, and this number is one of whoever serves it now: somebody may cover."""
    return None if facts.on_duty else Refused("off_duty")


def _signed_in(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return None if facts.signed_in else Refused("not_signed_in")


def _doctor_first(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """While anybody waits for a doctor, the desk leaves free the lines on which the two can be joined."""
    if not facts.any_alarm or facts.busy_lines + 1 + A_TALK <= settings.calling.lines:
        return None
    return Refused("no_line", now + NO_LINE_AGAIN)


def _number_free(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    """Nobody is rung while they are on the line with us, or by two of our rings at once, be it at two telephones."""
    return Refused("number_in_use", now + NUMBER_BUSY_AGAIN) if facts.number_in_use else None


def _line(ring: Ring, facts: Facts, settings: Settings, now: datetime) -> Refused | None:
    return None if lines.has_free(settings, ring.lane, facts.busy_lines) else Refused("no_line", now + NO_LINE_AGAIN)


# ---- what is asked, and what is written down ------------------------------------------------------
_PATIENT = sa.bindparam("patient_id", type_=sa.Uuid)
_NUMBER = sa.bindparam("number", type_=sa.LargeBinary)
_MYSELF = sa.bindparam("besides", type_=sa.Uuid)
_NOW = sa.bindparam("now", type_=AwareDateTime)


def _rung(whose: sa.ColumnElement[bool]) -> sa.ColumnElement[list[datetime]]:
    went_out = sa.select(Attempt.created_at).where(
        whose,
        Attempt.created_at >= sa.bindparam("rung_since"),
        Attempt.lane == "routine",
        Attempt.posted_at.is_not(None),
        Attempt.status != "absent",
        Attempt.id.is_distinct_from(_MYSELF),
    )
    return sa.func.array(went_out.scalar_subquery(), type_=sa.ARRAY(sa.DateTime(timezone=True)))


# Every part goes by an index, also in the plan of a prepared statement that knows no values: no OR over two of them.
_FACTS = sa.select(
    sa.func.array(
        sa.select(Pause.lane).where(Pause.ended_at.is_(None)).scalar_subquery(), type_=sa.ARRAY(sa.String)
    ).label("paused"),
    Patient.status,
    Patient.merged_into,
    Patient.timezone,
    Patient.birth_date,
    people.last_words(_PATIENT).label("words"),
    people.relations(_PATIENT, _NUMBER).label("relations"),
    people.left_alone(_NUMBER).label("left_alone"),
    _rung(Attempt.patient_id == _PATIENT).label("patient_rung"),
    _rung(Attempt.to_index == _NUMBER).label("number_rung"),
    (
        sa.exists().where(ALARM_OPEN, Escalation.patient_id == _PATIENT)
        | sa.exists().where(ALARM_OPEN, Escalation.to_index == _NUMBER)
    ).label("alarm"),
    sa.exists().where(ALARM_OPEN).label("any_alarm"),
    sa.exists().where(Agent.phone_index == _NUMBER, AGENT_ANSWERS).label("signed_in"),
    (
        sa.exists().where(
            ATTEMPT_LIVES,
            Attempt.to_index == _NUMBER,
            Attempt.id.is_distinct_from(_MYSELF),
            (Attempt.kind != sa.all_(sa.bindparam("giving_way", type_=sa.ARRAY(sa.String))))
            | ((Attempt.kind == sa.literal_column("'agent'")) & (Attempt.status == sa.literal_column("'answered'"))),
        )
        | sa.exists().where(CALL_LIVES, Call.party_index == _NUMBER, Call.attempt_id.is_(None))
    ).label("number_in_use"),
    lines.IN_USE.label("busy_lines"),
    holidays.SPECIAL.label("special"),
).select_from(sa.select(sa.literal_column("1")).subquery("ring").outerjoin(Patient, Patient.id == _PATIENT))


def _facts(session: Session, ring: Ring, now: datetime) -> Facts:
    special = holidays.about(now.date())
    asked = {
        "patient_id": ring.patient_id,
        "number": people.phone_index(ring.to),
        "besides": ring.attempt_id,
        "giving_way": GIVING_WAY if ring.kind in ("doctor", "night") else [],
        "rung_since": now - LONGEST_DAY,
        **special,
    }
    row = session.execute(_FACTS, asked).one()
    doctor = _doctor(session, ring, now)
    holidays.learn(session, special, row.special)
    on_file = row.status is not None
    return Facts(
        paused=row.paused,
        person=Person(
            row.status, row.merged_into is not None, row.timezone, row.birth_date, row.words or {}, row.relations
        )
        if on_file
        else None,
        left_alone=row.left_alone,
        rung=(row.patient_rung, row.number_rung),
        alarm=row.alarm,
        any_alarm=row.any_alarm,
        on_duty=doctor is not None,
        signed_in=row.signed_in,
        number_in_use=row.number_in_use or (doctor is not None and _rung_elsewhere(session, doctor, ring)),
        busy_lines=row.busy_lines,
        hours=holidays.hours(session),
    )


def _doctor(session: Session, ring: Ring, now: datetime) -> roster.Doctor | None:
    """Who serves the shift this ring is for, if the number is one of theirs."""
    doctor = roster.on_shift(session, ring.shift_id, now) if ring.kind in ON_THE_ROSTER else None
    return doctor if doctor is not None and ring.to in doctor.numbers else None


def _rung_elsewhere(session: Session, doctor: roster.Doctor, ring: Ring) -> bool:
    """Whether another telephone of theirs rings, or is on the line, for a patient or about a ticket: one person, one
    ring."""
    others = [people.phone_index(number) for number in doctor.numbers if number != ring.to]
    # a doctor's ring does not wait for one about a ticket, which is being hung up (desk.alarms)
    kinds = ["doctor"] if ring.kind == "doctor" else list(ON_THE_ROSTER)
    asked = {"others": others, "kinds": kinds, "besides": ring.attempt_id}
    return bool(others) and bool(session.scalar(_ELSEWHERE, asked))


_ELSEWHERE = sa.select(
    sa.exists().where(
        ATTEMPT_LIVES,
        Attempt.to_index.in_(sa.bindparam("others", expanding=True)),
        Attempt.kind.in_(sa.bindparam("kinds", expanding=True)),
        Attempt.id.is_distinct_from(_MYSELF),
    )
)


# A repeat of the last reason is counted; anything else is a row of its own. (No parameter is called like a column:
# the update would set it.)
_REFUSALS = cast("sa.Table", Refusal.__table__)
_LAST = (
    sa.select(Refusal.id, Refusal.reason)
    .where(Refusal.subject_id == sa.bindparam("ring_for"), Refusal.kind == sa.bindparam("ring_kind"))
    .order_by(Refusal.id.desc())
    .limit(1)
    .cte("last")
)
_AGAIN = (
    sa.update(_REFUSALS)
    .where(_REFUSALS.c.id == _LAST.c.id, _LAST.c.reason == sa.bindparam("refused_for"))
    .values(last_at=_NOW, times=_REFUSALS.c.times + 1)
    .returning(_REFUSALS.c.id)
    .cte("again")
)
_WRITE_DOWN = sa.insert(_REFUSALS).from_select(
    ["kind", "subject_id", "reason", "first_at", "last_at", "times"],
    sa.select(
        sa.bindparam("ring_kind", type_=sa.String),
        sa.bindparam("ring_for", type_=sa.Uuid),
        sa.bindparam("refused_for", type_=sa.String),
        _NOW,
        _NOW,
        sa.literal_column("1"),
    ).where(~sa.exists(sa.select(_AGAIN.c.id))),
    include_defaults=False,
)


def _write_down(session: Session, ring: Ring, reason: str, now: datetime) -> None:
    words = {"ring_kind": ring.kind, "ring_for": ring.subject_id, "refused_for": reason, "now": now}
    session.connection().execute(_WRITE_DOWN, words)
