"""Invented patients and doctors; numbers from ranges nobody has."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stack import Stage


@dataclass(frozen=True)
class Person:
    mrn: str
    name: str
    phone: str
    birth_date: str
    language: str = "en"

    @property
    def mmdd(self) -> str:
        return self.birth_date[5:7] + self.birth_date[8:10]

    @property
    def surname(self) -> str:
        return self.name.split()[-1]


@dataclass(frozen=True)
class Doctor:
    name: str
    phone: str
    tier: str
    department: str
    language: str = "en"


PATIENT = Person("T-0001", "Ann Example", "+861055550111", "1961-05-06")
SECOND_PATIENT = Person("T-0002", "Ben Sample", "+861055550112", "1975-11-30")
DOCTORS = (
    Doctor("Dr One", "+861055550121", "1", "*"),
    Doctor("Dr Two", "+861055550122", "1", "*"),
    Doctor("Dr Head", "+861055550123", "head", "*"),
)

PATIENT_COLUMNS = (
    *("mrn", "name", "phone", "birth_date", "sex", "language", "consent_followup", "consent_recording"),
    *("allergies", "procedure_id", "procedure", "department", "surgery_end"),
)


def file_of_patients(stack: Stage, *people: Person, operated: timedelta, consent: str = "yes") -> Path:
    path = stack.home / "patients.csv"
    ended = (stack.now() - operated).isoformat()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(PATIENT_COLUMNS)
        for person in people:
            writer.writerow(
                [
                    person.mrn,
                    person.name,
                    person.phone,
                    person.birth_date,
                    "f",
                    person.language,
                    consent,
                    "yes",
                    "penicillin",
                    "OP-1",
                    "hernia repair",
                    "surgery",
                    ended,
                ]
            )
    return path


def file_of_doctors(stack: Stage, *doctors: Doctor) -> Path:
    path = stack.home / "roster.csv"
    start, end = (stack.now() + timedelta(days=days) for days in (-1, 200))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["department", "tier", "doctor", "phone", "language", "start", "end"])
        for doctor in doctors or DOCTORS:
            writer.writerow(
                [
                    doctor.department,
                    doctor.tier,
                    doctor.name,
                    doctor.phone,
                    doctor.language,
                    start.isoformat(),
                    end.isoformat(),
                ]
            )
    return path
