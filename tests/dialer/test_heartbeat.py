"""The heartbeat outward: it beats while everything works, stops for each thing that fails, and comes back."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from core.clock import SystemClock
from core.house import House
from core.models import EventRow
from dialer import heartbeat
from dialer.carrier import CarrierClient
from dialer.models import Escalation
from tests.dialer.test_escalation import opened
from tests.dialer.test_gate import pause
from tests.dialer.ward import Ward
from tests.house import MID_MORNING


class Watcher(HTTPServer):
    """Somebody outside who waits for us."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.heard: list[str] = []
        self.status = 200
        self.location = ""
        self.url = f"http://127.0.0.1:{self.server_port}/ping/a-secret"


class _Door(BaseHTTPRequestHandler):
    server: Watcher

    def do_GET(self) -> None:
        self.server.heard.append(self.path)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's terminal."""


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    server = Watcher()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def alive(ward: Ward, watcher: Watcher) -> Ward:
    """A ward whose clock is the real one, and that knows its watcher."""
    watch(ward, watcher.url)
    ward.house.clock = SystemClock()
    with ward.house.transaction() as session:
        session.execute(sa.delete(EventRow).where(EventRow.kind == heartbeat.KIND))
    return ward


def watch(ward: Ward, url: str | None) -> None:
    environment = ward.house.settings.environment.model_copy(update={"heartbeat_url": url})
    ward.house.settings = dataclasses.replace(ward.house.settings, environment=environment)


def beats(ward: Ward) -> None:
    with ward.house.transaction() as session:
        heartbeat.tick(session, ward.now)
    ward.work(heartbeat.BEAT.name)


def told(ward: Ward) -> list[tuple[str, str]]:
    with ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.kind == heartbeat.KIND).order_by(EventRow.id))
        return [(row.what, row.why) for row in rows]


def test_it_asks_for_what_was_set_and_nothing_more(alive: Ward, watcher: Watcher) -> None:
    beats(alive)
    beats(alive)
    assert watcher.heard == ["/ping/a-secret", "/ping/a-secret"]
    assert told(alive) == []  # nothing has changed


def test_without_an_address_nothing_is_asked_for(alive: Ward, watcher: Watcher) -> None:
    watch(alive, None)
    with alive.house.transaction() as session:
        heartbeat.tick(session, alive.now)
    assert alive.queued() == []


def test_beats_do_not_pile_up_while_no_worker_takes_them(alive: Ward) -> None:
    for _ in range(5):
        with alive.house.transaction() as session:
            heartbeat.tick(session, alive.now)
    assert alive.queued() == ["heartbeat"]


def stuck(ward: Ward, **change: object) -> Escalation:
    escalation = opened(ward)
    with ward.house.transaction() as session:
        session.execute(sa.update(Escalation).values(**{"next_step_at": ward.now + timedelta(seconds=30), **change}))
    return escalation


@pytest.mark.parametrize(
    "change",
    [
        {"next_step_at": None},
        {"next_step_at": MID_MORNING - timedelta(days=9000)},
        {"failures": 3},
        {"night_step_at": MID_MORNING - timedelta(days=9000)},
    ],
    ids=["no next step", "long overdue", "given up", "nobody rings the night target"],
)
def test_a_stuck_escalation_stops_it_and_its_end_brings_it_back(
    alive: Ward, watcher: Watcher, change: dict[str, object]
) -> None:
    stuck(alive, **change)
    beats(alive)
    beats(alive)
    assert watcher.heard == []
    with alive.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="closed"))
    beats(alive)
    assert len(watcher.heard) == 1
    assert told(alive) == [("stopped", "escalations"), ("beats again", "")]


def test_an_escalation_that_goes_its_way_does_not_stop_it(alive: Ward, watcher: Watcher) -> None:
    stuck(alive)
    with alive.house.transaction() as session:
        session.execute(sa.update(Escalation).values(next_step_at=alive.now - timedelta(seconds=30)))
    beats(alive)
    assert len(watcher.heard) == 1


@pytest.mark.parametrize(("lane", "beaten"), [("all", 0), ("routine", 1)])
def test_a_pause_of_everything_stops_it_while_somebody_waits_for_a_doctor(
    alive: Ward, watcher: Watcher, lane: str, beaten: int
) -> None:
    pause(alive, lane)
    beats(alive)
    assert len(watcher.heard) == 1, "nobody waits"
    stuck(alive)  # so they call it; it has its next step in time
    beats(alive)
    assert len(watcher.heard) == 1 + beaten


@pytest.mark.parametrize("fault", ["unreachable", "too_many"])
def test_a_carrier_that_does_not_answer_stops_it(alive: Ward, watcher: Watcher, fault: str) -> None:
    setattr(alive.carrier, fault, 1)
    beats(alive)
    assert watcher.heard == []
    alive.carrier.unreachable = False
    beats(alive)
    assert len(watcher.heard) == 1
    assert told(alive) == [("stopped", "carrier"), ("beats again", "")]


def test_no_credentials_for_the_carrier_stop_it(alive: Ward, watcher: Watcher) -> None:
    del alive.house.services[CarrierClient]
    beats(alive)
    assert watcher.heard == []


@pytest.mark.parametrize("wrong_by", [timedelta(seconds=6), timedelta(seconds=-6)])
def test_a_clock_that_is_wrong_stops_it(alive: Ward, watcher: Watcher, wrong_by: timedelta) -> None:
    class Wrong:
        def now(self) -> datetime:
            return SystemClock().now() + wrong_by

    alive.house.clock = Wrong()
    beats(alive)
    assert watcher.heard == []
    alive.house.clock = SystemClock()
    beats(alive)
    assert len(watcher.heard) == 1
    assert told(alive) == [("stopped", "clock"), ("beats again", "")]


def test_a_database_that_takes_no_write_stops_it(
    alive: Ward, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    with alive.house.transaction() as session:
        name = session.scalar(sa.text("SELECT current_database()"))
        session.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    alive.house.engine.dispose()
    try:
        heartbeat.beat(alive.house)
        assert watcher.heard == []
        assert any(record.__dict__.get("check") == "database" for record in caplog.records)
    finally:
        with alive.house.engine.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.commit()
            connection.execute(sa.text(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'))
            connection.commit()
        alive.house.engine.dispose()
    heartbeat.beat(alive.house)
    assert len(watcher.heard) == 1


def test_the_probe_of_the_database_leaves_nothing(alive: Ward) -> None:
    beats(alive)
    assert told(alive) == []


def test_another_fault_on_top_is_told_once(alive: Ward, watcher: Watcher) -> None:
    stuck(alive, next_step_at=None)
    beats(alive)
    alive.carrier.unreachable = True
    beats(alive)
    beats(alive)
    assert told(alive) == [("stopped", "escalations"), ("stopped", "carrier, escalations")]


def test_a_redirect_is_not_followed(alive: Ward, watcher: Watcher, caplog: pytest.LogCaptureFixture) -> None:
    watcher.status, watcher.location = 302, f"http://127.0.0.1:{watcher.server_port}/elsewhere"
    with caplog.at_level(logging.WARNING):
        beats(alive)
    assert watcher.heard == ["/ping/a-secret"]
    assert any(record.__dict__.get("status") == 302 for record in caplog.records)


def test_a_watcher_that_is_away_is_a_line_in_the_log_without_its_address(
    alive: Ward, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    watch(alive, "http://127.0.0.1:9/ping/a-secret")
    with caplog.at_level(logging.WARNING):
        beats(alive)
    assert any("did not answer" in record.message for record in caplog.records)
    assert "a-secret" not in caplog.text
    assert not any("a-secret" in str(record.__dict__) for record in caplog.records)


def test_the_job_of_a_dead_worker_does_not_block_the_next_beat_for_ever(alive: Ward, house: House) -> None:
    """A beat that ended badly is out of the way."""
    with alive.house.transaction() as session:
        heartbeat.tick(session, alive.now)
        session.execute(sa.text("UPDATE procrastinate_jobs SET status = 'failed'"))
        heartbeat.tick(session, alive.now)
    assert alive.queued() == ["heartbeat", "heartbeat"]
