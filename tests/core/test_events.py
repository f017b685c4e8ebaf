"""The bus: told in order, inside the transaction, all or nothing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events
from core.house import House
from core.models import EventRow, record


@dataclass(frozen=True)
class Rang:
    subject: uuid.UUID


def test_listeners_are_told_in_the_order_in_which_they_were_joined(house: House) -> None:
    told: list[str] = []
    house.bus.subscribe(Rang, lambda session, event, now: told.append("first"))
    house.bus.subscribe(Rang, lambda session, event, now: told.append("second"))
    with house.transaction() as session:
        events.publish(session, Rang(uuid.uuid4()), house.clock.now())
    assert told == ["first", "second"]


def test_an_event_nobody_listens_to_is_no_error(house: House) -> None:
    with house.transaction() as session:
        events.publish(session, Rang(uuid.uuid4()), house.clock.now())


def test_a_listener_that_fails_takes_everything_with_it(house: House) -> None:
    def write(session: Session, event: Rang, now: datetime) -> None:
        record(session, "call", event.subject, "heard", now)

    def fail(session: Session, event: Rang, now: datetime) -> None:
        raise ZeroDivisionError

    house.bus.subscribe(Rang, write)
    house.bus.subscribe(Rang, fail)

    def happens() -> None:
        with house.transaction() as session:
            record(session, "call", None, "caused", house.clock.now())
            events.publish(session, Rang(uuid.uuid4()), house.clock.now())

    with pytest.raises(ZeroDivisionError):
        happens()
    with house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(EventRow)) == 0


def test_the_ledger_keeps_who_what_from_to_when_and_why(house: House) -> None:
    subject, now = uuid.uuid4(), house.clock.now()
    with house.transaction() as session:
        record(
            session, "attempt", subject, "ended", now, from_state="ringing", to_state="ended", who="carrier",
            why="busy", data={"step": 1}, tier="head",
        )  # fmt: skip
    with house.transaction() as session:
        row = session.scalars(sa.select(EventRow)).one()
    assert (row.kind, row.subject_id, row.what, row.at) == ("attempt", subject, "ended", now)
    assert (row.from_state, row.to_state, row.who, row.why) == ("ringing", "ended", "carrier", "busy")
    assert row.data == {"step": 1, "tier": "head"}
