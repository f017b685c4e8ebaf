"""The run: whatever is to be done now is done, then the clock jumps to the next moment at which something is.

Jobs first, then the ticks of the timetable whose rows are due, then the world's next moment. What is due is one
query over the tables' timers (`DUE`); a tick with work once a day fires once a day, any other every so often.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
from flask import Flask
from sqlalchemy import event

from commands.simulate.carrier import Exchange
from commands.simulate.chaos import Chaos
from commands.simulate.door import Door
from commands.simulate.hospital import PUBLIC_URL, TOKEN, Hospital
from commands.simulate.leg import Urls
from commands.simulate.observer import Observer
from commands.simulate.options import Options
from commands.simulate.people import HOSPITAL_ZONE, HOTLINE, Population, invent
from commands.simulate.town import Town
from commands.simulate.words import Ear
from core import jobs
from core.house import House
from core.models import ids_from
from dialer.carrier import CarrierClient
from ivr.book import Book, spoken_only
from recordings.vault.fetch import Fetched, Fetcher, Listed, NotYet
from scheduler import reconcile, timetable
from scheduler.timetable import Tick

DUE = {
    # the name of a tick in app.TICKS: when its next row is due
    "escalation steps": "SELECT min(next_step_at) FROM escalations WHERE status <> 'closed'",
    "broken promises": "SELECT min(promise_at) FROM escalations WHERE status IN ('open','ringing','accepted','overdue')"
    " AND breached_at IS NULL AND bridged_at IS NULL",
    "night target": "SELECT min(night_step_at) FROM escalations WHERE status <> 'closed'",
    "attempts": "SELECT min(greatest(ring.deadline_at, talk.deadline_at)) FROM attempts ring"
    " LEFT JOIN calls talk ON talk.attempt_id = ring.id AND talk.status IN ('ringing','in_progress')"
    " WHERE ring.status IN ('placing','in_doubt','placed','ringing','answered')",
    "calls": "SELECT min(deadline_at) FROM calls WHERE status IN ('ringing','in_progress') AND attempt_id IS NULL",
    # a service that looks twice a second finds a place in the pace as soon as there is one; before, looking is in vain
    "follow-ups": "SELECT greatest(next_try_at, (SELECT next_at - interval '1 second' FROM pace)) FROM followups"
    " WHERE status IN ('planned','due','waiting') AND NOT held ORDER BY next_try_at LIMIT 1",
    "follow-ups out of time": "SELECT min(deadline_at) FROM followups WHERE status IN ('planned','due','waiting')",
    "reminders": "SELECT min(next_try_at) FROM reminders WHERE status IN ('planned','waiting')",
    "messages": "SELECT min(due_at) FROM messages WHERE status IN ('planned','sending')",
    "recordings": "SELECT least((SELECT min(next_fetch_at) FROM recordings WHERE state = 'announced'),"
    " (SELECT min(next_speech_at) FROM recordings WHERE state IN ('fetched','waiting_for_model')))",
    "recordings to pause": "SELECT min(due_at) FROM recording_pauses",
}
DUE_NOW: Any = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'todo'), " + ", ".join(
    f"({question})" for question in DUE.values()
)
NOW_AND_THEN = timedelta(hours=1)
"""How often a tick fires that neither DUE nor DAILY knows."""
DAILY = ("what nobody would ring", "reminders of medicine", "recordings to purge")
"""Ticks with work once a day: they fire when the last of them begins."""
NEVER = ("stalled jobs", "heartbeat", "test rings")
"""Nobody dies here, nobody outside listens, and nobody tests a telephone."""
IN_VAIN = (2.0, 8.0, 30.0)
"""Seconds until a tick is fired again that has rows due and could do nothing, unless something happens before."""


class Standing:
    """The clock of the simulated house: it says what it is told."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class NoSound(Fetcher):
    """The simulated carrier holds no recordings."""

    def __init__(self) -> None:
        super().__init__(None, "")

    def fetch(self, recording_sid: str, *, quick: bool = False) -> Fetched:
        return NotYet()

    def list_of_call(self, call_sid: str) -> Sequence[Listed]:
        return []


@dataclass
class _Idle:
    """A tick that had rows due and could do nothing with them."""

    again_at: datetime
    times: int = 0


@dataclass
class Simulation:
    """A house, and a world around it. `run` goes on to `until`; everything else is there to be looked at after."""

    house: House
    web: Callable[[House], Flask]
    ticks: Sequence[Tick]
    options: Options
    home: Path
    steps: int = 0
    jobs_run: int = 0
    _idle: dict[str, _Idle] = field(default_factory=dict)
    _due: dict[str, datetime | None] = field(default_factory=dict)
    _stale: bool = True
    """Something may have been committed since `_due` was read."""

    def __post_init__(self) -> None:
        options, house = self.options, self.house
        self.begins = datetime.combine(options.start, time(0), HOSPITAL_ZONE).astimezone(UTC)
        self.until = self.begins + timedelta(days=options.days)
        self.clock = Standing(self.begins)
        house.clock = self.clock
        # the invented people know our words, not our recordings
        house.services[Book] = spoken_only(house.service(Book))
        rng = random.Random(f"{options.seed} the world")
        self.population: Population = invent(options, rng)
        self.observer = Observer(house.settings.calling, self.population.telephones)
        self.door = Door(self.web(house), TOKEN)
        self.town = Town(self.population, options, self.clock, Ear(house.service(Book).prompts), self.observer)
        chaos = Chaos(frozenset(options.chaos), options.chaos_rate)
        line = random.Random(f"{options.seed} the line")
        urls = Urls(HOTLINE, f"{PUBLIC_URL}/ivr/voice")
        self.exchange = Exchange(self.clock, self.door, self.town, chaos, line, urls)
        self.town.exchange = self.exchange
        house.services |= {CarrierClient: self.exchange, Fetcher: NoSound()}
        known = [tick for tick in self.ticks if tick[0] in DUE]
        calling = house.settings.calling
        self._routine_lines = calling.lines - calling.lines_reserved
        self._known = {name: function for name, _, function in known}
        self._daily = [tick for tick in self.ticks if tick[0] in DAILY]
        self._daily_at = datetime.combine(options.start, reconcile.NOT_BEFORE, HOSPITAL_ZONE)
        self._others = [tick for tick in self.ticks if tick[0] not in (*DUE, *DAILY, *NEVER)]
        self._others_at = self.begins

    def run(self, tell: Callable[[datetime], None] = lambda now: None) -> None:
        """Raises what the service raises: a webhook or a job that fails ends the run."""
        event.listen(self.house.engine, "checkin", self._written)
        try:
            # rows that are due at the same moment go by their ids
            with ids_from(random.Random(f"{self.options.seed} the ids")), self._own_connection() as connection:
                hospital = Hospital(self.house, self.home, self.options, self.population.patients)
                hospital.opens(self.town.telephones, self.until + timedelta(days=1))
                hospital.plans(self.exchange.at_time)
                while (following := self._at_once(connection)) < self.until:
                    self.clock.at = following
                    self.steps += 1
                    tell(following)
        finally:
            event.remove(self.house.engine, "checkin", self._written)
        self.clock.at = self.until

    def _written(self, _connection: object, _record: object) -> None:
        """A transaction is over: a connection came back to the pool."""
        self._stale = True

    @contextmanager
    def _own_connection(self) -> Iterator[psycopg.Connection[Any]]:
        """For the two questions asked after every moment; without the ORM, which would cost more than they do."""
        borrowed = self.house.engine.raw_connection()
        try:
            connection = cast("psycopg.Connection[Any]", borrowed.driver_connection)
            connection.set_autocommit(True)
            yield connection
            connection.set_autocommit(False)
        finally:
            borrowed.close()

    def _at_once(self, connection: psycopg.Connection[Any]) -> datetime:
        """Everything that can be done now; returns the next moment."""
        over = self.town.over
        while True:
            due = self._run_what_waits(connection)
            something_happened = self.town.over != over
            over = self.town.over
            if self._fire(connection, due, something_happened=something_happened):
                continue
            following = self.exchange.next_at()
            if following is not None and following <= self.clock.at:
                self.exchange.step()
                continue
            return self._next(due)

    def _run_what_waits(self, connection: psycopg.Connection[Any]) -> dict[str, datetime | None]:
        """Run the jobs that wait, and tell when the next rows are due. Moments at which nothing was committed cost no
        question at all."""
        while self._stale:
            self._stale = False
            row = connection.execute(DUE_NOW, prepare=True).fetchone() or (False,)
            self._due = dict(zip(DUE, row[1:], strict=True))
            if row[0]:
                self.jobs_run += jobs.run_waiting(self.house, connection)
                self._stale = True
        return self._due

    def _fire(
        self, connection: psycopg.Connection[Any], due: dict[str, datetime | None], *, something_happened: bool
    ) -> bool:
        """Fire the ticks that have rows due now. True if one of them did something."""
        now, did = self.clock.at, False
        if now >= self._daily_at:
            self._daily_at += timedelta(days=1)
            did |= self._fire_all(self._daily)
        if self._others and now >= self._others_at:
            self._others_at = now + NOW_AND_THEN
            did |= self._fire_all(self._others)
        for name, moment in due.items():
            if moment is None or moment > now or name not in self._known:
                self._idle.pop(name, None)
                continue
            idle = self._idle.get(name)
            if idle is not None and now < idle.again_at and not something_happened:
                continue
            if name == "follow-ups" and len(self.exchange.live) >= self._routine_lines:
                # no line: the tick would only count them
                self._idle[name] = _Idle(now + timedelta(seconds=IN_VAIN[-1]), len(IN_VAIN))
                continue
            if self._fire_known(connection, name):
                did = True
                self._idle.pop(name, None)
            else:
                times = idle.times + 1 if idle is not None else 0
                wait = IN_VAIN[min(times, len(IN_VAIN) - 1)]
                self._idle[name] = _Idle(now + timedelta(seconds=wait), times)
        return did

    def _fire_all(self, ticks: Sequence[Tick]) -> bool:
        return sum(timetable.fire(self.house, name, function) for name, _, function in ticks) > 0

    def _fire_known(self, connection: psycopg.Connection[Any], name: str) -> bool:
        """As scheduler.timetable fires it, a transaction each until nothing is due; but nobody else is at it, and that
        nothing is due is asked of DUE, where it costs a tenth."""
        did, question = False, cast("Any", DUE[name])
        while True:
            with self.house.transaction() as session:
                if not self._known[name](session, self.clock.at):
                    return did
            did = True
            following = (connection.execute(question, prepare=True).fetchone() or (None,))[0]
            if following is None or following > self.clock.at:
                return did

    def _next(self, due: dict[str, Any]) -> datetime:
        moments = [self._daily_at, self.until, *([self._others_at] if self._others else [])]
        awaited = [name for name in due if name in self._known and name not in self._idle]
        moments += [moment for name in awaited if (moment := due[name]) is not None]
        moments += [idle.again_at for idle in self._idle.values()]
        following = self.exchange.next_at()
        return max(self.clock.at, min([*moments, following] if following is not None else moments))
