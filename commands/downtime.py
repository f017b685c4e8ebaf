"""`carecall downtime`: the down-time sheet now, not at the next hour."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from commands.admin import house_of, login
from commands.joined import Joined
from core.models import record
from core.page import html
from core.tables import FileProblem
from scheduler import downtime


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("downtime", run, "Write the down-time sheet now: who is on duty, who waits, whom to ring.")
    made.add_argument("--stdout", action="store_true", help="print the page instead of writing its file")


def run(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    if not args.stdout:
        try:
            print(f"{downtime.write(house)} is written; only you can read it")
        except OSError as error:
            folder = house.service(downtime.Sheets).folder
            raise FileProblem(f"{folder}: the sheet cannot be written: {error.strerror}.") from error
        return 0
    now = house.clock.now()
    with house.transaction() as session:
        page = html(downtime.sheet(session, now))
        # Written down before it is shown: it names everybody who waits.
        record(session, "patient", None, "down-time sheet read", now, who=login())
    print(page)
    return 0
