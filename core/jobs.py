"""Deferred work: Procrastinate in our own database, told only "do it now".

A job is deferred in the transaction that changes the state, with ids only as arguments, so both happen or
neither does. Times are never Procrastinate's (its clock is the server's): a retry is a row with a due time
that a tick finds. What Procrastinate does not do is run the jobs of a killed worker again; `sweep_stalled`
does that, and because a job may therefore run twice, every handler begins by claiming its row.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
import sqlalchemy as sa
from procrastinate import psycopg_connector
from sqlalchemy.orm import Session

from core.house import House

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
STALLED_AFTER_S = 4.0
"""A worker silent for this long is dead to us; its jobs run again on another (or on its successor)."""
MAX_RUNS = 20
"""A job that has been picked up this often and never finished stays failed, loudly."""

SPARE = 2
"""Threads and connections beyond one for each slot: the store's own housekeeping."""
QUEUES = ("escalation", "calls", "sms", "answers", "slow_answers", "recordings", "speech")


@dataclass(frozen=True)
class Job:
    """A kind of work: its name in the store, its queue, and where in the queue it stands."""

    name: str
    queue: str
    priority: int = 0


JOBS: dict[str, Job] = {}
_handlers: dict[str, Callable[..., None]] = {}
_app = procrastinate.App(connector=psycopg_connector.PsycopgConnector())
_house: House | None = None


def declare(name: str, queue: str, priority: int = 0) -> Job:
    """Name a kind of work, once, beside the state change that asks for it."""
    if queue not in QUEUES:
        raise ValueError(f"job {name}: no queue {queue}")
    if name in JOBS:
        raise ValueError(f"job {name} is declared twice")
    JOBS[name] = Job(name, queue, priority)
    return JOBS[name]


def handles(job: Job) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Join a function `(house, **ids)` to a kind of work. It runs in a worker's thread, outside any transaction."""

    def join(function: Callable[..., None]) -> Callable[..., None]:
        if job.name in _handlers:
            raise ValueError(f"job {job.name} has two handlers")
        _handlers[job.name] = function

        @_app.task(name=job.name, queue=job.queue)
        def run(**ids: str) -> None:
            if _house is None:
                raise RuntimeError("a job ran in a process without a house")
            function(_house, **{key: uuid.UUID(value) for key, value in ids.items()})

        return function

    return join


def handlers() -> dict[str, Callable[..., None]]:
    return dict(_handlers)


def defer(session: Session, job: Job, **ids: uuid.UUID) -> None:
    """Put the job into the store on this session's own transaction.

    By the function Procrastinate itself defers with (its schema is pinned by a test); its Python layers cost more than
    the rest of a short webhook together.
    """
    args = json.dumps({key: str(value) for key, value in ids.items()})
    session.connection().execute(_DEFER, {"queue": job.queue, "name": job.name, "priority": job.priority, "args": args})


_DEFER = sa.text(
    """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW(:queue, :name, :priority, NULL, NULL, CAST(:args AS jsonb), NULL)::procrastinate_job_to_defer_v1])
    """
)


def under_way(session: Session, job: Job) -> bool:
    """Whether one of this kind waits or runs: for work that must not pile up while nobody does it."""
    return bool(session.scalar(_UNDER_WAY, {"name": job.name}))


_UNDER_WAY = sa.text(
    "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = :name AND status IN ('todo', 'doing'))"
)


def run_waiting(house: House, connection: psycopg.Connection[Any]) -> int:
    """Run everything that waits, and what that defers, in this thread: for a process that is web and worker at once
    (the simulation). The most urgent queue first, in it as a worker would. `connection` commits by itself. Returns
    how many ran; raises what a handler raises, its job gone."""
    ran = 0
    while (job := connection.execute(_TAKE_NEXT, [list(QUEUES)], prepare=True).fetchone()) is not None:
        name, ids = job
        _handlers[name](house, **{key: uuid.UUID(value) for key, value in ids.items()})
        ran += 1
    return ran


_TAKE_NEXT = """
    DELETE FROM procrastinate_jobs WHERE id = (
        SELECT id FROM procrastinate_jobs WHERE status = 'todo'
         ORDER BY array_position(%s::text[], queue_name::text), priority DESC, id
         LIMIT 1)
    RETURNING task_name, args
"""


def sweep_stalled(session: Session) -> int:
    """Give the jobs of dead workers back to the queue; returns how many.

    Runs every second in every worker. A job over MAX_RUNS is failed instead of going round for ever.
    """
    dead = session.execute(
        sa.text(
            """
            SELECT job.id, job.attempts FROM procrastinate_jobs job
              LEFT JOIN procrastinate_workers w ON w.id = job.worker_id
             WHERE job.status = 'doing'
               AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => :after))
             FOR UPDATE OF job SKIP LOCKED
            """
        ),
        {"after": STALLED_AFTER_S},
    ).all()
    for row in dead:
        if row.attempts >= MAX_RUNS:
            session.execute(sa.text("SELECT procrastinate_finish_job_v1(:id, 'failed', false)"), {"id": row.id})
            log.error("job given up", extra={"job_id": row.id, "attempts": row.attempts})
        else:
            session.execute(sa.text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)"), {"id": row.id})
            log.warning("job of a dead worker runs again", extra={"job_id": row.id})
    return len(dead)


def schema_sql() -> str:
    """Procrastinate's own schema, for the first migration and for the wiring test that compares them."""
    return procrastinate.schema.SchemaManager.get_schema()


def _conninfo(house: House) -> str:
    url = house.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def served(queues: Iterable[str]) -> set[str]:
    """The queues a worker asked for `queues` works at: whoever hears recordings hears answers too, also where the list
    in a service file is older than that queue."""
    wanted = set(queues)
    return wanted | {"answers", "slow_answers"} if "speech" in wanted else wanted


async def run_workers(house: House, queues: Iterable[str]) -> None:
    """Work until stopped: the escalation queue has its own slots, so that nothing routine is ever ahead of it."""
    global _house
    import asyncio

    _house = house
    wanted = served(queues)
    groups = [
        (("escalation",), 6),
        (("calls", "sms"), 4),
        # what a patient said to nobody but the machine: fetched and heard beside all other recordings
        (("answers",), 2),
        # those whose sound comes slowly, so that the next one is not behind them
        (("slow_answers",), 2),
        (("recordings",), 2),
        (("speech",), 1),
    ]
    # speech: one slot for each recording that this machine may hear at once
    at_once = {"speech": house.settings.recordings.at_once}
    groups = [(names, at_once.get(names[0], slots)) for names, slots in groups]
    total = sum(slots for _, slots in groups)
    # The loop's own executor has few threads (processors + 4), shared by all queues: a slot without a thread is none.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(total + SPARE, thread_name_prefix="job"))
    # each group listens on a connection of its own
    connector = psycopg_connector.PsycopgConnector(
        conninfo=_conninfo(house), min_size=2, max_size=total + len(groups) + SPARE
    )
    with _app.replace_connector(connector) as app:
        async with app.open_async():
            runs = []
            for names, slots in groups:
                mine = [name for name in names if name in wanted]
                if mine:
                    runs.append(
                        app.run_worker_async(
                            queues=mine,
                            name="-".join(mine),
                            concurrency=slots,
                            fetch_job_polling_interval=1.0,
                            update_heartbeat_interval=HEARTBEAT_S,
                            stalled_worker_timeout=STALLED_AFTER_S,
                            delete_jobs="successful",
                            shutdown_graceful_timeout=5.0,
                            install_signal_handlers=False,
                        )
                    )
            await asyncio.gather(*runs)
