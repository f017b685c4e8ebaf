"""One night, with real processes: doctor 1 does not answer, doctor 2 passes on, doctor 3's voicemail answers, the head
takes the patient; and what a manager reads of it the next morning (`-s` shows it)."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialer import reports
from dialer.models import Attempt, Escalation
from tests.house import HOSPITAL_UNHEARD, HOTLINE
from tests.people import PATIENT, Doctor, file_of_doctors, file_of_patients
from tests.stack import Stage, hears, imported, no_errors, running
from tests.test_conversations import hotline_pain

pytestmark = pytest.mark.alone

FIRST, SECOND, THIRD, HEAD = DOCTORS = (
    Doctor("Dr One", "+861055550121", "1", "*"),
    Doctor("Dr Two", "+861055550122", "1", "*"),
    Doctor("Dr Three", "+861055550123", "1", "*"),
    Doctor("Dr Head", "+861055550124", "head", "*"),
)
SPEED = 6.0
NIGHT = "+861055550190"
HOSPITAL = HOSPITAL_UNHEARD.replace("live = true", f'live = true\nnight_target = "{NIGHT}"') + """
[calling]
lines = 6
lines_reserved = 2

[escalation]
ring_s = 35
"""
"""With the three lines of a small hospital nobody is rung beside the front: one is kept for the patient."""
PROMISE_S = 300


def test_the_head_takes_the_patient_when_nobody_else_does(tmp_path: Path, database_url: str) -> None:
    with running(tmp_path, database_url, hospital=HOSPITAL, speed=SPEED) as made:
        imported(made, "roster", file_of_doctors(made, *DOCTORS))
        a_night(made)
        told = the_closed_one(made)
        rows = rings(made)
        print(f"\n{made.carecall('escalations', 'timeline', told['escalation'], '--language', 'en').stdout}")
        no_errors(made)
    seconds = [told[f"{clock}_s"] for clock in ("stored", "first_ring", "accepted", "bridged", "closed")]
    print(dict(zip(("stored", "first ring", "accepted", "bridged", "closed"), seconds, strict=True)))
    assert seconds == sorted(seconds)
    assert told["late"] == ""
    assert told["bridged_s"] < PROMISE_S
    first_rung = {phone: min(row["at"] for row in rows if row["to"] == phone) for phone in phones()}
    assert sorted(first_rung, key=first_rung.__getitem__) == phones()
    assert [row["to"] for row in rows].count(SECOND.phone) == 1, "who passed on is left alone"
    assert [row["to"] for row in rows].count(FIRST.phone) == 2, "who missed a ring is rung again, beside the others"
    for phone in phones():
        own = [row for row in rows if row["to"] == phone]
        assert all(one["ended"] <= two["at"] for one, two in pairwise(own)), "rung twice at once"


def phones() -> list[str]:
    return [doctor.phone for doctor in DOCTORS]


def a_night(made: Stage) -> None:
    imported(made, "patients", file_of_patients(made, PATIENT, operated=timedelta(hours=30), consent="no"))
    made.phone(FIRST.phone).does_not_answer()
    made.phone(SECOND.phone).answers({"on": "press 1", "press": "2"}, after=20)
    machine = {"behaviour": "machine", "answer_after": 24, "greeting": "Leave a message after the tone."}
    made.carrier("PUT", f"/control/phones/{THIRD.phone}", json=machine)
    head = made.phone(HEAD.phone).answers(
        {"on": "press 1", "press": "1"}, {"on": "Hello, doctor", "say": "Good evening."}, {"after": 25, "hangup": True},
        after=33,
    )  # fmt: skip
    patient = made.phone(PATIENT.phone).answers(
        {"on": "press 1", "press": "1"}, {"say": "Hello, doctor.", "after": 6}, after=5
    )
    keyed = patient.rings(HOTLINE, *hotline_pain("8"), {"after": 1, "hangup": True})
    hears(keyed, "You entered 8")
    made.until(lambda: the_closed_one(made, asked=True), "the escalation is closed", patience_s=120)
    hears(made.conversation(head.calls()[-1]), "pain 8", "press 1", "Example")


def the_closed_one(made: Stage, *, asked: bool = False) -> dict[str, Any]:
    """Empty while it is open, if only `asked`."""
    with made.house.transaction() as session:
        rows = [row for row in reports.escalations(session) if row["status"] == "closed"]
    assert rows or asked
    return dict(rows[0]) if rows else {}


def rings(made: Stage) -> list[dict[str, Any]]:
    """The doctors' rings, in order, in seconds from the key."""
    with made.house.transaction() as session:
        keyed = session.scalars(sa.select(Escalation.keyed_at)).one()
        return [
            {
                "to": row.to,
                "at": (row.created_at - keyed).total_seconds(),
                "ended": ((row.ended_at or made.now()) - keyed).total_seconds(),
            }
            for row in session.scalars(sa.select(Attempt).where(Attempt.kind == "doctor").order_by(Attempt.created_at))
        ]
