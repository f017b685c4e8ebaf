"""Callers in line for an agent, end to end: real carrier, real web, real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import agents
from desk.models import QueueEntry
from tests.house import HOTLINE
from tests.people import PATIENT, SECOND_PATIENT
from tests.stack import Stage, Step, hears, imported, no_errors, running

pytestmark = pytest.mark.alone

AGENT = "+861055550131"
PERSON: list[Step] = [
    {"on": "For English, press 8", "press": "8"},
    {"on": "A person, 0", "press": "0"},
]


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stage]:
    with running(tmp_path, database_url) as made:
        staff = made.home / "staff.csv"
        staff.write_text(f"login,name,role,phone,language\nkim,Kim Example,agent,{AGENT},en zh-CN\n", encoding="utf-8")
        imported(made, "staff", staff)
        with made.house.transaction() as session:
            agents.sign(session, "kim", "ready", "test", made.now())
        yield made
        no_errors(made)


def entry(stack: Stage, status: str, mode: str) -> QueueEntry:
    def found() -> QueueEntry | None:
        with stack.house.transaction() as session:
            return session.scalar(
                sa.select(QueueEntry).where(QueueEntry.status == status, QueueEntry.mode == mode).limit(1)
            )

    return stack.until(found, f"a caller ({mode}) is {status}")


def test_one_caller_waits_and_another_is_rung_back(stack: Stage) -> None:
    agent = stack.phone(AGENT).answers(
        {"on": "To take it, press 1", "press": "1"},
        {"on": "What came of it", "press": "1"},
        {"after": 30, "hangup": True},
        after=4,
    )
    caller = stack.phone(PATIENT.phone)
    ends: list[Step] = [
        {"on": "A staff member is on the line", "say": "Hello.", "after": 2},
        {"after": 12, "hangup": True},
    ]
    heard = caller.rings(HOTLINE, *PERSON, *ends)
    served = entry(stack, "served", "line")
    hears(heard, "You are in line", "/ivr/music.wav", "A staff member is on the line")
    assert caller.calls() == [], "who was on the line all the time must not be rung"
    assert served.talk_s is not None
    assert 0 < served.talk_s < 120
    assert served.joined_at is not None
    stack.until(lambda: outcome_of(stack, served) == "solved", "the agent has keyed what came of it")
    hears(stack.conversation(agent.calls()[0]), "a caller is waiting", "press 1", "Connecting", "Noted")

    second = stack.phone(SECOND_PATIENT.phone).answers(
        {"on": "To talk, press 1", "press": "1"}, {"after": 15, "hangup": True}
    )
    asked = second.rings(HOTLINE, *PERSON, {"on": "To be called back", "press": "1"})
    hears(asked, "You are in line", "We will call you back when it is your turn")
    back = entry(stack, "served", "callback")
    assert (back.origin, back.tries) == ("asked", 1)
    hears(stack.conversation(second.calls()[-1]), "the call back after your call to us", "press 1")
    hears(stack.conversation(agent.calls()[-1]), "a call back is due", "Ringing the caller")


def outcome_of(stack: Stage, served: QueueEntry) -> str:
    with stack.house.transaction() as session:
        return session.get_one(QueueEntry, served.id).outcome
