"""One embedded PostgreSQL for the session, a migrated and empty database for each test that asks."""

from __future__ import annotations

import ipaddress
import logging
import socket
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from argon2 import PasswordHasher

import app
from commands import database
from console import users
from core import pg
from core.house import House
from tests import fresh
from tests.house import MID_MORNING, ROOT, environment

_real_connect = socket.socket.connect
HEAVY: Final = (
    "test_kill_edges",
    "test_simulate",
    "test_stt",
    "test_stt_vosk",
    "test_pg",
    "test_qa_figures",
    "test_conference",
    "test_listening_vault",
    "test_many_patients",
    "test_queue_any_order",
    "test_sessions",
    "test_planted",
    "test_sample",
)
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A process runs whole files: the last to begin must not be one that takes long."""
    turn = {name: number for number, name in enumerate(HEAVY)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))


@pytest.fixture(autouse=True, scope="session")
def _network_shut() -> Iterator[None]:
    """Nothing in a test reaches beyond this machine."""

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if host != "localhost" and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
                raise AssertionError(f"a test tried to reach {host}")
        return _real_connect(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = _real_connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _cheap_passwords() -> Iterator[None]:
    """Argon2 takes its time on purpose, and the tests sign in some hundred times."""
    real, users._hasher = users._hasher, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    users._nobodys.cache_clear()
    yield
    users._hasher = real
    users._nobodys.cache_clear()


@pytest.fixture(autouse=True)
def _log_level_kept() -> Iterator[None]:
    """A command sets how much is logged: the next test, whichever it is, begins with what was before."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pg.Embedded]:
    """A server for tests: our own launcher, not durable."""
    server = pg.Embedded.start(tmp_path_factory.mktemp("pg"), durable=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: pg.Embedded) -> str:
    """The name of a migrated, empty database."""
    fresh.run(postgres, "CREATE DATABASE template_carecall")
    database.upgrade(ROOT, fresh.url_of(postgres, "template_carecall"))
    return "template_carecall"


@pytest.fixture(scope="session")
def _fresh(postgres: pg.Embedded, template: str) -> Iterator[fresh.Fresh]:
    made = fresh.Fresh(postgres, template, "t")
    yield made
    made.drop()


@pytest.fixture
def database_url(_fresh: fresh.Fresh) -> Iterator[str]:
    """The URL of a database that is this test's own while it runs."""
    yield _fresh.url
    _fresh.give_back()


@pytest.fixture(scope="module")
def module_database_url(postgres: pg.Embedded, template: str) -> Iterator[str]:
    """The URL of a database that all tests of a module share."""
    made = fresh.Fresh(postgres, template, f"m_{uuid.uuid4().hex}")
    yield made.url
    made.drop()


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """A whole house on its own database, with a clock that stands still until it is moved."""
    made = app.open_house(environment(tmp_path, database_url))
    made.clock = StandingClock(MID_MORNING)
    yield made
    made.engine.dispose()


class StandingClock:
    """A clock for tests of one process: it says what it is told."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at
