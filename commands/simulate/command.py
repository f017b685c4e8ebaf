"""`carecall simulate`: the run, its progress, its report."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from commands import database
from commands.joined import Joined
from commands.simulate import figures, options, report
from commands.simulate.figures import Figures
from commands.simulate.hospital import environment
from commands.simulate.options import Options
from commands.simulate.picture import draw
from commands.simulate.run import Simulation
from core import logs, pg
from core.settings import load

BAR = 30
EVERY_S = 0.5


def run(args: argparse.Namespace, joined: Joined) -> int:
    """0: every promise was kept. 1: the report names those that were not."""
    logs.configure(level="CRITICAL")
    chosen = options.read(args)
    home = Path(tempfile.mkdtemp(prefix="carecall-simulate-"))
    started = time.monotonic()
    try:
        with pg.Embedded.start(home / "var", durable=False) as server:
            database.upgrade(joined.root, server.url)
            found = simulate(chosen, joined, server.url, home, Bar(chosen, started).tell)
        server.destroy()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    took = time.monotonic() - started
    if args.csv is not None:
        report.write_csv(found, args.csv)
    if args.picture is not None:
        args.picture.write_text(draw(found), encoding="utf-8")
    if args.json:
        print(json.dumps({"options": report.told(chosen), "seconds": round(took, 1), **found.as_json()}, indent=1))
    else:
        print(report.text(found, chosen, took))
    return 1 if found.violations else 0


def simulate(
    chosen: Options, joined: Joined, database_url: str, home: Path, tell: Callable[[datetime], None] = lambda now: None
) -> Figures:
    """One whole run on the migrated, empty database at `database_url`; `home` takes the hospital's files."""
    house = joined.open_house(load(environment(home, database_url, chosen)))
    try:
        played = Simulation(house, joined.web, joined.ticks, chosen, home)
        played.run(tell)
        return figures.gather(played)
    finally:
        house.engine.dispose()


class Bar:
    """How far it is, on stderr, if anybody is looking."""

    def __init__(self, chosen: Options, started: float) -> None:
        self._chosen, self._started, self._next = chosen, started, 0.0
        self._looked_at = sys.stderr.isatty()
        self._day: object = None

    def tell(self, now: datetime) -> None:
        real = time.monotonic()
        if real < self._next:
            return
        self._next = real + EVERY_S
        day = (now.date() - self._chosen.start).days + 1
        took = real - self._started
        if self._looked_at:
            full = min(BAR, BAR * day // max(self._chosen.days, 1))
            bar = "#" * full + "." * (BAR - full)
            print(f"\r[{bar}] day {day} of {self._chosen.days}  {took:.0f} s ", end="", file=sys.stderr, flush=True)
        elif day != self._day and day % 10 == 0:
            print(f"day {day} of {self._chosen.days}, {took:.0f} s", file=sys.stderr, flush=True)
        self._day = day
