"""Three agents, twenty callers and a carrier in bad weather, end to end: real carrier, real web, real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk.models import QueueEntry
from dialer.machine import ATTEMPT_OVER
from dialer.models import LIVE_CALL, Attempt, Call
from tests.house import HOSPITAL_UNHEARD
from tests.stack import Stage, no_errors, running
from tests.storm import HOSPITAL_OF_THE_STORM, STAFF, Storm
from tests.storm_record import Record

pytestmark = pytest.mark.alone


def calmed(storm: Storm) -> bool:
    """Nothing is owed any more. While nobody is on a telephone, both clocks go on to the next moment at which something
    is."""
    storm.goes_on()
    stage = storm.stage
    with stage.house.transaction() as session:
        alive = session.scalar(
            sa.select(
                sa.exists().where(Call.status.in_(LIVE_CALL))
                | sa.exists().where(Attempt.status.not_in(tuple(ATTEMPT_OVER)))
            )
        )
        owed = session.execute(
            sa.select(QueueEntry.status, QueueEntry.next_step_at).where(
                QueueEntry.status.in_(("waiting", "offered", "joined")) | QueueEntry.next_step_at.is_not(None)
            )
        ).all()
    if alive or not stage.carrier("GET", "/control/idle?timeout=0")["idle"]:
        return False
    moments = [row.next_step_at for row in owed]
    if moments and None not in moments and min(moments) > stage.now():
        stage.forward(min(moments) - stage.now())
    return not owed


def weathered(stage: Stage, seed: int) -> tuple[Storm, Record]:
    storm = Storm.gathers(stage, seed)
    storm.passes()
    stage.until(lambda: calmed(storm), "nobody is in line any more", patience_s=90)
    rang = {sid: one.number for one in storm.people for sid in one.rang}
    return storm, Record.read(stage, {one.phone for one in STAFF}, rang)


@pytest.fixture
def stack(tmp_path: Path, database_url: str) -> Iterator[Stage]:
    with running(tmp_path, database_url, hospital=HOSPITAL_UNHEARD + HOSPITAL_OF_THE_STORM) as made:
        yield made
        no_errors(made)


def test_look(stack: Stage) -> None:
    import time
    t = time.monotonic()
    storm, record = weathered(stack, 1)
    print("took", time.monotonic() - t)
    t0 = storm.began.timestamp()
    for leg in sorted(record.legs.values(), key=lambda l: l.began):
        print(f"{leg.began-t0:7.0f} {leg.ended-t0:7.0f} {leg.number} {leg.direction} {leg.status} {leg.waited and [round(x-t0) for x in leg.waited]} {leg.last_word('dequeued')} {leg.last_word('heard')[:60]}")
    for talk in record.talks:
        print(talk.agent.number, talk.caller.number, talk.caller.direction, round(talk.began-t0), round(talk.seconds))
    with stack.house.transaction() as session:
        for e in session.scalars(sa.select(QueueEntry).order_by(QueueEntry.entered_at)):
            print(e.party, e.priority, e.reason, e.department, e.language, e.mode, e.origin, e.status, e.why, e.tries, e.talk_s, e.outcome, e.joined_at and (e.joined_at-e.entered_at).total_seconds())
        print(storm.people)
    print(stack.carecall("desk", "report", "--json").stdout)
    assert 0
