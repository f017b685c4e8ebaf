"""The stage of commands/stage.py with what a test asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError

import app
from commands import stage
from commands.admin import IMPORTERS
from commands.stage import Conversation, Phone, Stage, Step
from core.clock import TestClockRow
from core.db import Base
from tests.house import HOSPITAL_UNHEARD, HOTLINE, MID_MORNING, ROOT

__all__ = [
    "LOGGING",
    "Conversation",
    "Phone",
    "Stage",
    "Step",
    "begin_again",
    "hears",
    "imported",
    "no_errors",
    "running",
]

SPEED = 20.0
LOGGING = ("web", "worker")


@contextmanager
def running(
    home: Path, database_url: str, *, hospital: str = HOSPITAL_UNHEARD, speed: float = SPEED, at: datetime = MID_MORNING
) -> Iterator[Stage]:
    """Everything up, both clocks at `at`; everything down again at the end."""
    file = home / "hospital.toml"
    file.write_text(hospital, encoding="utf-8")
    environment = stage.environment(home, database_url, file, HOTLINE)
    with stage.standing(ROOT, home, environment, app.open_house, at=at, speed=speed) as made:
        yield made


def begin_again(made: Stage) -> None:
    """An empty house on the morning of the next Friday, and telephones nobody has rung: the processes stay up, so that
    a conversation need not wait for four programs to start. It waits for calls and jobs that were left behind."""
    made.quiet()
    made.until(lambda: not _jobs(made), "every job is done")
    made.carrier("DELETE", "/control/chaos")
    for phone in made.carrier("GET", "/control/phones"):
        made.carrier("DELETE", f"/control/phones/{phone['number']}")
    made.until(lambda: _emptied(made), "the tables are emptied between two moves of the worker")
    weeks = (made.now() - MID_MORNING) // timedelta(weeks=1) + 1
    made.set_clock(MID_MORNING + timedelta(weeks=weeks), SPEED)


def _jobs(made: Stage) -> int:
    with made.house.engine.connect() as connection:
        left = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        return connection.execute(sa.text(left)).scalar_one()


def _emptied(made: Stage) -> bool:
    """Give way to the worker's ticks, well before the database would end one of them to undo a deadlock."""
    tables = [table.name for table in Base.metadata.sorted_tables if table.name != TestClockRow.__tablename__]
    try:
        with made.house.engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '200ms'"))
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            for name in (*tables, "procrastinate_jobs"):
                connection.execute(sa.text(f"DELETE FROM {name}"))
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    return True


def imported(made: Stage, what: str, file: Path) -> None:
    """What `carecall import` does, in this process."""
    reports = IMPORTERS[what](made.house, file, made.now())
    refused = [report for report in reports if report.result == "refused"]
    assert reports, f"{file} has no rows"
    assert not refused, refused


def hears(conversation: Conversation, *texts: str) -> None:
    """Assert the texts were spoken to this phone, in this order."""
    missing = conversation.missing(*texts)
    heard = "\n".join(conversation.heard())
    assert missing is None, f"{missing!r} was not heard, or not in its place, in:\n{heard}"


def no_errors(made: Stage, since: Mapping[str, int] | None = None) -> None:
    """Nothing was logged as an error by any of our processes, after the first `since[name]` characters of each log."""
    for name in LOGGING:
        log = made.log(name)[(since or {}).get(name, 0) :]
        wrong = [line for line in log.splitlines() if '"level": "error"' in line]
        assert not wrong, f"{name} logged an error: {wrong[0][:2000]}"
