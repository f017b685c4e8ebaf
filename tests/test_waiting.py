"""A hotline caller who stays on the line for the doctor, end to end: real carrier, real web, real worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from dialer import reports
from dialer.models import Attempt
from recordings.models import Recording
from tests.house import HOTLINE, OPERATOR
from tests.people import DOCTORS, PATIENT, file_of_doctors
from tests.stack import LOGGING, Conversation, Phone, Stage, Step, begin_again, hears, imported, no_errors, running

pytestmark = pytest.mark.alone

PAIN: list[Step] = [
    {"on": "For English, press 8", "press": "8"},
    {"on": "Pain or problems after surgery", "press": "2"},
    {"on": "Rate your pain", "press": "8#"},
    {"on": "You entered 8", "press": "1"},
]
STAYS: Step = {"on": "To stay on the line for the doctor", "press": "1"}


@pytest.fixture(scope="module")
def shared(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(tmp_path_factory.mktemp("stage"), module_database_url) as made:
        yield made


@pytest.fixture
def stack(shared: Stage) -> Iterator[Stage]:
    """The shared processes as if they had just been started."""
    begin_again(shared)
    imported(shared, "roster", file_of_doctors(shared))
    written = {name: len(shared.log(name)) for name in LOGGING}
    yield shared
    no_errors(shared, since=written)


def closed(stack: Stage) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        with stack.house.transaction() as session:
            return next((row for row in reports.escalations(session) if row["status"] == "closed"), None)

    return stack.until(found, "the escalation is closed")


def rings_of(stack: Stage, kind: str) -> int:
    with stack.house.transaction() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Attempt).where(Attempt.kind == kind)) or 0


def rung_back(stack: Stage, caller: Phone) -> None:
    """After the call of his own, the telephone rang and the doctor was on it."""
    rings = [stack.conversation(sid) for sid in caller.calls()[1:]]
    assert any(ring.missing("the duty doctor is on the line") is None for ring in rings), rings


def kinds(conversation: Conversation) -> list[str]:
    return [event["kind"] for event in conversation.events]


def test_who_stays_on_the_line_hears_music_and_then_the_doctor(stack: Stage) -> None:
    doctor = stack.phone(DOCTORS[0].phone).answers(
        {"on": "press 1", "press": "1"},
        {"on": "It hurts a lot", "say": "I am listening. Tell me where it hurts."},
        {"after": 25, "hangup": True},
        after=15,
    )
    caller = stack.phone(PATIENT.phone)
    heard = caller.rings(
        HOTLINE, *PAIN, STAYS, {"on": "The doctor is on the line", "say": "Doctor, it hurts a lot.", "after": 2}
    )
    escalation = closed(stack)
    hears(
        heard, "You entered 8", "To stay on the line", "We are calling the duty doctors", "/ivr/music.wav",
        "The doctor is on the line", "The call with the doctor is over",
    )  # fmt: skip
    steps = ["enqueued", "bridged", "unbridged"]
    assert [kind for kind in kinds(heard) if kind in steps] == steps
    [accepted] = doctor.calls()
    told = stack.conversation(accepted)
    hears(told, "pain 8", "press 1", "Connecting")
    assert "bridged" in kinds(told)
    assert caller.calls() == [], "who was on the line all the time must not be rung"
    assert rings_of(stack, "patient") == 0
    assert 0 < escalation["accepted_s"] <= escalation["bridged_s"] < 300
    assert escalation["talk_s"] >= 15
    with stack.house.transaction() as session:
        assert "bridge" in session.scalars(sa.select(Recording.purpose)).all()


def test_who_waits_and_presses_zero_gets_a_person_and_is_rung_by_the_doctor_all_the_same(stack: Stage) -> None:
    stack.phone(DOCTORS[0].phone).does_not_answer()
    stack.phone(DOCTORS[1].phone).answers({"on": "press 1", "press": "1"}, {"after": 60, "hangup": True}, after=8)
    operator = stack.phone(OPERATOR).answers({"on": "press 1", "press": "1"}, {"after": 3, "hangup": True})
    caller = stack.phone(PATIENT.phone).answers({"on": "press 1", "press": "1"}, {"after": 60, "hangup": True})
    heard = caller.rings(HOTLINE, *PAIN, STAYS, {"on": "For a person, press 0", "press": "0"})
    hears(heard, "We are calling the duty doctors", "Connecting you to a person")
    assert len(operator.calls()) == 1
    closed(stack)
    rung_back(stack, caller)


def test_who_hangs_up_while_waiting_is_rung_back(stack: Stage) -> None:
    stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"}, {"after": 60, "hangup": True}, after=15)
    caller = stack.phone(PATIENT.phone).answers({"on": "press 1", "press": "1"}, {"after": 40, "hangup": True})
    caller.rings(HOTLINE, *PAIN, STAYS, {"on": "/ivr/music.wav", "at": "start", "after": 2, "hangup": True})
    closed(stack)
    rung_back(stack, caller)
