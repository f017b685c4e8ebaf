"""The invented population: who is operated when, which telephones they have, what is true about them.

Everything here is the ground truth the observer goes by; the service learns of it by import files and by key alone.
All choices come from one seeded generator, so that the same seed makes the same people.
"""

from __future__ import annotations

import bisect
import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from commands.simulate.options import Options

HOSPITAL_ZONE = ZoneInfo("Asia/Shanghai")
ABROAD = ("Asia/Tokyo", "Europe/London", "America/New_York", "Asia/Urumqi")
DEPARTMENTS = {
    "surgery": ("hernia repair", "gallbladder removal", "appendix removal"),
    "orthopaedics": ("knee replacement", "hip replacement", "wrist fixation"),
    "gynaecology": ("hysteroscopy", "laparoscopy"),
    "urology": ("stone removal", "prostate resection"),
}
SURNAMES_ZH = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_ZH = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
SURNAMES_EN = ("Example", "Sample", "Specimen", "Instance", "Model", "Pattern")
OPERATOR = "+861055550199"
HOTLINE = "+861055550100"


@dataclass(eq=False)
class Patient:
    """One invented patient. Times are UTC; None: it does not happen."""

    mrn: str
    name: str
    surname: str
    birth: date
    sex: str
    language: str
    zone: str
    numbers: list[str]
    ended_at: datetime
    department: str
    procedure: str
    consent: bool
    night: bool
    recording: bool
    guardian: str = ""
    dies_at: datetime | None = None
    readmitted_at: datetime | None = None
    cancelled_at: datetime | None = None
    status: str = "active"
    """What the hospital has told the service so far: active | deceased | readmitted | cancelled."""
    stopped_at: datetime | None = None
    """When the patient asked to be left alone and the service heard it."""
    wrong: set[str] = field(default_factory=set)
    """Numbers whose holder said, asked for this patient, that it is the wrong one."""

    def age(self, at: datetime) -> int:
        day = at.astimezone(ZoneInfo(self.zone)).date()
        return day.year - self.birth.year - ((day.month, day.day) < (self.birth.month, self.birth.day))

    @property
    def elderly(self) -> bool:
        return self.age(self.ended_at) >= 65

    @property
    def mmdd(self) -> str:
        return self.birth.strftime("%m%d")


@dataclass(eq=False)
class Telephone:
    """A number and what is true of it."""

    number: str
    kind: str
    """patient | doctor | operator"""
    owners: list[Patient] = field(default_factory=list)
    stranger: bool = False
    """It belongs to somebody nobody here knows."""
    dead: bool = False
    rung: int = 0
    expecting_until: datetime | None = None
    """A doctor's call has been promised until then."""


@dataclass
class Population:
    patients: list[Patient]
    """By the end of their operation."""
    telephones: dict[str, Telephone]


def invent(options: Options, rng: random.Random) -> Population:
    telephones: dict[str, Telephone] = {}
    patients: list[Patient] = []
    for number, ended_at in enumerate(_operations(options, rng), 1):
        patient = _patient(number, ended_at, options, rng)
        patient.numbers = _numbers(number, patients, options, rng)
        if patient.numbers[0] in telephones:
            patient.zone = telephones[patient.numbers[0]].owners[0].zone
        for one in patient.numbers:
            telephone = telephones.get(one)
            if telephone is None:
                stranger, dead = rng.random() < options.wrong_number, rng.random() < options.dead_number
                telephone = telephones[one] = Telephone(one, "patient", stranger=stranger, dead=dead)
            telephone.owners.append(patient)
        patients.append(patient)
    return Population(patients, telephones)


def _operations(options: Options, rng: random.Random) -> list[datetime]:
    """When the operations end: weekdays, most by day, some in the evening, few at night; no two at once."""
    days = [options.start + timedelta(days=n) for n in range(options.days)]
    upto = list(itertools.accumulate(1.0 if day.weekday() < 5 else options.weekend for day in days))
    ends: set[datetime] = set()
    while len(ends) < options.patients:
        # spread evenly: every day has its share of the list, luck moves an operation by little
        place = (len(ends) + rng.random()) / options.patients * upto[-1]
        day = days[min(bisect.bisect(upto, place), len(days) - 1)]
        kind = rng.random()
        if kind < options.evening:
            hour = rng.uniform(18, 23)
        elif kind < options.evening + options.night_operations:
            hour = rng.uniform(0, 7)
        else:
            hour = rng.triangular(9, 18, 13)
        local = datetime.combine(day, time(0), HOSPITAL_ZONE) + timedelta(seconds=round(hour * 3600))
        ends.add(local.astimezone(UTC))
    return sorted(ends)


def _patient(number: int, ended_at: datetime, options: Options, rng: random.Random) -> Patient:
    child = rng.random() < options.children
    old = not child and rng.random() < options.elderly
    years = rng.randint(2, 13) if child else rng.randint(65, 90) if old else rng.randint(18, 64)
    birth = ended_at.date() - timedelta(days=years * 365 + rng.randint(20, 340))
    english = rng.random() < options.english
    surname = rng.choice(SURNAMES_EN) if english else rng.choice(SURNAMES_ZH)
    name = f"Pat {surname}" if english else surname + rng.choice(GIVEN_ZH) + rng.choice(GIVEN_ZH)
    department = rng.choice(list(DEPARTMENTS))
    return Patient(
        mrn=f"S{number:05d}",
        name=name,
        surname=surname,
        birth=birth,
        sex=rng.choice("fm"),
        language="en" if english else "zh-CN",
        zone=rng.choice(ABROAD) if rng.random() < options.abroad else HOSPITAL_ZONE.key,
        numbers=[],
        ended_at=ended_at,
        department=department,
        procedure=rng.choice(DEPARTMENTS[department]),
        consent=rng.random() >= options.no_consent,
        night=rng.random() < options.night_consent,
        recording=rng.random() < 0.8,
        guardian="Parent" if child else "",
        dies_at=_sometime(ended_at, options.die, 80, rng),
        readmitted_at=_sometime(ended_at, options.readmitted, 40, rng),
        cancelled_at=_sometime(ended_at, options.cancelled, 3, rng),
    )


def _sometime(after: datetime, share: float, days: float, rng: random.Random) -> datetime | None:
    happens, when = rng.random() < share, after + timedelta(days=rng.uniform(0.2, days))
    return when if happens else None


def _numbers(number: int, before: list[Patient], options: Options, rng: random.Random) -> list[str]:
    """One number or two; now and then the one a relative who was operated earlier has given, too."""
    numbers = [f"+86138{number:07d}1", f"+86138{number:07d}2"]
    if before and rng.random() < options.shared:
        numbers[0] = rng.choice(before[-40:]).numbers[0]
    return numbers if rng.random() < options.two_numbers else numbers[:1]
