"""The timetable, on one screen: what looks for due work, and how often. Runs in every worker.

A firing takes the advisory lock of its name or does nothing, so any number of workers is harmless; what it finds
it claims by row and moves or defers, all in one transaction. The tables are the truth: APScheduler holds no
job anybody would miss (memory store; a late firing runs once, however many were missed).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from core.db import try_lock
from core.house import House

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)

Tick = tuple[str, float, Callable[[Session, datetime], int]]
"""Name, every so many seconds, what to do; the function returns how many rows it touched."""
MOST_ROUNDS = 200
AT_ONCE = 6
"""Firings at the same time, each with a database connection; they are short, and a late one runs a moment later."""


def fire(house: House, name: str, function: Callable[[Session, datetime], int]) -> int:
    """One firing: nothing if another worker is at it. Goes on, a transaction each, until nothing is due."""
    total = 0
    for _ in range(MOST_ROUNDS):
        with house.transaction() as session:
            touched = function(session, house.clock.now()) if try_lock(session, f"tick:{name}") else 0
        total += touched
        if not touched:
            break
    return total


def start(house: House, ticks: Sequence[Tick]) -> BackgroundScheduler:
    """Start firing. A tick that raises is logged and fires again at its next time."""
    # here: the web processes and the commands have no timetable
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(AT_ONCE)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    for name, seconds, function in ticks:
        scheduler.add_job(fire, "interval", seconds=seconds, args=(house, name, function), id=name)
    scheduler.start()
    return scheduler
