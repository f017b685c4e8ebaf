"""Masked transcripts from the database: who is known of a call, the original with right and reason, and their cost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from core import people
from core.db import blind
from core.models import Contact, Patient, new_id
from dialer.models import Agent, Call
from recordings import reports, store
from recordings.findings.screen import Screened
from recordings.models import Play
from recordings.privacy import redact
from recordings.privacy.redact import ListeningProblem
from recordings.sound.conversation import Line
from recordings.vault import retention
from tests.recordings.room import Room

NAME, PHONE = "Qarvonel Zickbaum", "+8619100000001"


def recording(room: Room, said: str = "qarvonel rang, and Wemblotor answered; pain seven") -> uuid.UUID:
    made = room.announce(room.call(call_sid=None))
    with room.house.transaction() as session:
        row = session.get_one(store.Recording, made)
        row.state = "fetched"
        session.get_one(Call, row.call_id).party_index = people.phone_index(PHONE)
        store.transcribed(session, made, [Line("patient", 0, 1, said, 0.9)], Screened((), "en-1", "normal"), room.now)
    return made


@pytest.fixture
def known(room: Room) -> Room:
    """A patient who owns the number that rings, and an agent."""
    with room.house.transaction() as session:
        one = Patient(
            id=new_id(), mrn="PX-1", mrn_index=blind("PX-1", people.MRN), name=NAME, language="en",
            timezone="Asia/Shanghai", created_at=room.now,
        )  # fmt: skip
        session.add(one)
        session.flush()
        session.add(Contact(patient_id=one.id, phone=PHONE, phone_index=people.phone_index(PHONE)))
        session.add(Agent(login="w", name="Wemblotor Throssfitch", role="agent", since=room.now))
    return room


def test_who_has_the_number_and_the_staff_are_masked_unasked(known: Room) -> None:
    made = recording(known)
    with known.house.transaction() as session:
        [line] = reports.transcript(session, made)
        assert line.text == "[name] rang, and [name] answered; pain seven"
        [line] = reports.transcript(session, made, language="zh-CN")
        assert line.text == "【姓名】 rang, and 【姓名】 answered; pain seven"
        assert known.row(made).call_id is not None
        assert PHONE in redact.known_of_call(session, known.row(made).call_id).phones


@contextmanager
def counted(room: Room) -> Iterator[list[str]]:
    said: list[str] = []

    def one(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    sa.event.listen(room.house.engine, "before_cursor_execute", one)
    yield said
    sa.event.remove(room.house.engine, "before_cursor_execute", one)


def test_many_transcripts_cost_as_many_statements_as_two(known: Room) -> None:
    made = [recording(known) for _ in range(9)]
    costs = []
    for some in (made[:2], made):
        with known.house.transaction() as session, counted(known) as said:
            assert len(reports.transcripts(session, some)) == len(some)
        costs.append(len(said))
    assert costs[0] == costs[1] <= 12


@pytest.mark.parametrize(
    ("rights", "why", "held", "sentence"),
    [
        (("listen",), "a complaint", False, "no right to read"),
        (("original",), "  ", False, "Say why"),
        (("original",), "a complaint", True, "legal hold"),
    ],
)
def test_the_original_needs_a_right_and_a_reason(
    known: Room, rights: tuple[str, ...], why: str, held: bool, sentence: str
) -> None:
    made = recording(known)
    with known.house.transaction() as session:
        if held:
            retention.hold(session, made, "boss", "a suit", known.now)
        with pytest.raises(ListeningProblem, match=sentence):
            redact.read_original(session, made, "qa", why, known.now, rights)
        assert session.scalar(sa.select(sa.func.count()).select_from(Play)) == 0


def test_the_original_is_written_down(known: Room) -> None:
    made = recording(known)
    with known.house.transaction() as session:
        [line] = redact.read_original(session, made, "qa", "a complaint", known.now, ("original",))
        assert line.text.startswith("qarvonel")
        play = session.scalars(sa.select(Play)).one()
        assert (play.kind, play.login, play.why, play.token) == ("read", "qa", "a complaint", None)
    assert known.ledger(made)[-1] == "words read unmasked"


def test_there_is_no_original_of_nothing(known: Room) -> None:
    with known.house.transaction() as session, pytest.raises(ListeningProblem, match="no such recording"):
        redact.read_original(session, new_id(), "qa", "a complaint", known.now, ("original",))
