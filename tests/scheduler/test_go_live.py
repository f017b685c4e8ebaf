"""Nobody is rung by a box that is not live: not by a test box, not by a backup restored somewhere else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

import app
from core import events, jobs, pg, pgbinaries
from core.clock import Clock
from core.hospital import HospitalFile
from core.house import House
from core.models import new_id
from dialer import attempt as attempts
from dialer import call as calls
from dialer.models import Attempt, Message, Refusal, Shift
from tests.house import OPERATOR
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward

DOCTOR = "+861055550121"


def database(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def restored(ward: Ward, postgres: pg.Embedded) -> Iterator[House]:
    """The ward's database, dumped while live calls were due and restored beside it; the same keys, not live."""
    busy(ward)
    source = ward.house.engine.url.render_as_string(hide_password=False)
    name = f"restored_{uuid.uuid4().hex}"
    server = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    target = sa.make_url(source).set(database=name).render_as_string(hide_password=False)
    environment = os.environ | {"PATH": "/usr/bin:/bin"}
    dump = subprocess.run(
        [pgbinaries.tool("pg_dump"), "--format=custom", database(source)],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    subprocess.run(
        [pgbinaries.tool("pg_restore"), "--no-owner", f"--dbname={database(target)}"],
        env=environment, input=dump.stdout, check=True,
    )  # fmt: skip
    settings = dataclasses.replace(
        ward.house.settings,
        environment=ward.house.settings.environment.model_copy(update={"database_url": target}),
        file=HospitalFile.model_validate({"hospital": {"operator": OPERATOR}, "calling": {"lines": 10}}),
    )
    house = app.open_house(settings)
    house.clock = ward.house.clock
    yield house
    house.engine.dispose()
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def busy(ward: Ward) -> None:
    """Everything that rings or writes is about to: follow-ups due, one being placed, an SMS, a doctor's ring."""
    with ward.house.transaction() as session:
        session.add(
            Shift(
                id=new_id(), department="*", tier="1", position=1, doctor="Dr One", doctor_index=b"one", phone=DOCTOR,
                language="en", starts_at=ward.now - timedelta(days=1), ends_at=ward.now + timedelta(days=400),
            )
        )  # fmt: skip
    ward.operation(ward.patient(PHONE, mrn="L-1"), timedelta(hours=6))
    ward.rung()
    ward.operation(ward.patient(SECOND_PHONE, mrn="L-2"), timedelta(hours=6))
    with ward.house.transaction() as session:
        caller = calls.open_inbound(session, "CA" + "d" * 32, "+8613800000009", "hotline", ward.now)
        events.publish(session, events.ScoreStands(caller.id, 8, ward.now, "key"), ward.now)


def everything_due(house: House, clock: Clock) -> None:
    """What the worker does: every tick until nothing is due, every job that was queued."""
    for _name, _seconds, tick in app.TICKS:
        with house.transaction() as session:
            tick(session, clock.now())
    while True:
        with house.transaction() as session:
            row = session.execute(sa.text("SELECT id, task_name, args FROM procrastinate_jobs LIMIT 1")).first()
            if row is None:
                return
            session.execute(sa.text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": row.id})
        if row.task_name in (attempts.PLACE_ROUTINE.name, attempts.PLACE_ESCALATION.name, "send_message"):
            # No carrier is there to be asked: a POST would raise, and the claim before it is what is tested.
            jobs.handlers()[row.task_name](house, **{key: uuid.UUID(value) for key, value in row.args.items()})


def test_a_restored_backup_rings_nobody_and_writes_to_nobody(ward: Ward, restored: House) -> None:
    restored.services = {kind: one for kind, one in restored.services.items() if kind.__name__ != "CarrierClient"}
    for hours in (0, 1, 20, 24 * 30, 24 * 60):
        ward.forward(hours=hours)
        everything_due(restored, ward.house.clock)
    with restored.transaction() as session:
        posted = session.scalars(sa.select(Attempt).where(Attempt.posted_at.is_not(None))).all()
        sent = session.scalars(sa.select(Message).where(Message.posted_at.is_not(None))).all()
        reasons = set(session.scalars(sa.select(Refusal.reason)))
    assert posted == []
    assert sent == []
    assert "not_live" in reasons


def test_the_numbers_it_may_ring_are_rung(ward: Ward, restored: House) -> None:
    hospital = restored.settings.hospital.model_copy(update={"allow_numbers": (SECOND_PHONE,)})
    file = restored.settings.file.model_copy(update={"hospital": hospital})
    restored.settings = dataclasses.replace(restored.settings, file=file)
    ward.forward(minutes=1)
    with restored.transaction() as session:
        for _name, _seconds, tick in app.TICKS:
            tick(session, ward.now)
    with restored.transaction() as session:
        rung = session.scalars(sa.select(Attempt.to).where(Attempt.created_at == ward.now)).all()
    assert rung == [SECOND_PHONE]
