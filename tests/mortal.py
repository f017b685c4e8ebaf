"""A service that can be killed at any COMMIT: one process does all its work, this one holds the telephone world.

The service is forked, so that it is up in a moment. It is told the time, posted the carrier's requests, and told to
work (jobs as a worker takes them, and what the timetable looks at); the carrier it orders rings from is on this side
of a pipe and outlives it. `Service.dies_at` names the COMMIT before or after which it ends by SIGKILL.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import re
import signal
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import sqlalchemy as sa

import app
from carrier.twiml import Say
from commands.simulate.carrier import Exchange
from commands.simulate.chaos import Chaos
from commands.simulate.door import Door
from commands.simulate.leg import Act, Leg, Person, Reaction, Urls
from commands.simulate.memory import MemoryMessage
from core import jobs
from core.house import House
from dialer.carrier import CarrierClient
from ivr.prompts import Prompts
from scheduler import timetable
from tests.conftest import StandingClock
from tests.house import HOTLINE, OPERATOR, TOKEN

DUE = {
    # what the chain needs of app.TICKS: when its next row is due
    "escalation steps": "SELECT min(next_step_at) FROM escalations WHERE status <> 'closed'",
    "broken promises": "SELECT min(promise_at) FROM escalations WHERE status NOT IN ('closed', 'bridged')"
    " AND breached_at IS NULL AND bridged_at IS NULL",
    "night target": "SELECT min(night_step_at) FROM escalations WHERE status <> 'closed'",
    "attempts": "SELECT min(greatest(ring.deadline_at, talk.deadline_at)) FROM attempts ring"
    " LEFT JOIN calls talk ON talk.attempt_id = ring.id AND talk.status IN ('ringing','in_progress')"
    " WHERE ring.status IN ('placing','in_doubt','placed','ringing','answered')",
    "calls": "SELECT min(deadline_at) FROM calls WHERE status IN ('ringing','in_progress') AND attempt_id IS NULL",
}
MOVED = """
SELECT coalesce(string_agg(kind || ' ' || what, ', ' ORDER BY id), '') FROM events
WHERE xmin = pg_current_xact_id()::xid
"""
DUE_NOW = sa.text("SELECT " + ", ".join(f"({question})" for question in DUE.values()))
SWEEP = "stalled jobs"
HANG_UP = "<Response><Hangup/></Response>"
FOUND_DEAD = timedelta(seconds=jobs.STALLED_AFTER_S)


@dataclass(frozen=True)
class Edge:
    """One COMMIT of the story, counted from 1, and on which side of it the process ends."""

    commit: int
    after: bool
    lost: bool = False
    """A request of the carrier's that is cut by it is never repeated."""

    def __str__(self) -> str:
        lost = ", its request lost" if self.lost else ""
        return f"{'after' if self.after else 'before'} commit {self.commit}{lost}"


# ---- the process that is killed --------------------------------------------------------------------
class _Remote:
    """The carrier as the service sees it: every order goes through the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def order(*args: Any, **words: Any) -> Any:
            self._pipe.send(("order", name, args, words))
            answer, error = self._pipe.recv()
            if error is not None:
                raise error[0](*error[1])
            return answer

        return order


class _Inside:
    """What runs in the forked process."""

    def __init__(self, house: House, clock: StandingClock, pipe: Connection, dies_at: Edge | None) -> None:
        self.house, self.clock, self.pipe, self.dies_at = house, clock, pipe, dies_at
        house.engine.dispose(close=False)  # the connections are the other process's
        house.services[CarrierClient] = _Remote(pipe)
        self.door = Door(app.web(house), TOKEN)
        self.ticks = {name: function for name, _, function in app.TICKS}
        with house.engine.begin() as connection:
            self.worker = connection.scalar(sa.text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        # from here on: that a worker registers is no part of the story
        self.commits: list[str] = []
        self._commit = house.engine.dialect.do_commit
        house.engine.dialect.do_commit = self._mortal_commit  # type: ignore[method-assign]

    def _mortal_commit(self, connection: Any) -> None:
        """Only a transaction that wrote something counts: to die beside one that only read changes nothing."""
        wrote = connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()[0]
        if wrote:
            self.commits.append(connection.execute(MOVED).fetchone()[0])
        dies = wrote and self.dies_at is not None and self.dies_at.commit == len(self.commits)
        if dies and not self.dies_at.after:  # type: ignore[union-attr]
            os.kill(os.getpid(), signal.SIGKILL)
        self._commit(connection)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    def serve(self) -> None:
        while True:
            what, now, *more = self.pipe.recv()
            self.clock.at = now
            answer = self.door.post(*more) if what == "post" else self.work()
            self.pipe.send(("done", answer, self.commits))

    def work(self) -> datetime | None:
        """All that can be done now; when there is more to do."""
        while True:
            did = self._one_job() or self._sweep()
            with self.house.transaction() as session:
                due = dict(zip(DUE, session.execute(DUE_NOW).one(), strict=True))
            for name, moment in due.items():
                if moment is not None and moment <= self.clock.at:
                    did |= timetable.fire(self.house, name, self.ticks[name]) > 0
            if not did:
                waiting = [moment for moment in due.values() if moment is not None]
                return max(min(waiting), self.clock.at + timedelta(seconds=1)) if waiting else None

    def _one_job(self) -> bool:
        """As Procrastinate's worker: taken in one transaction, run, finished in another."""
        with self.house.engine.begin() as connection:
            taken = sa.text("SELECT id, task_name, args FROM procrastinate_fetch_job_v2(:queues, :worker)")
            job = connection.execute(taken, {"queues": list(jobs.QUEUES), "worker": self.worker}).one()
        if job.id is None:
            return False
        jobs.handlers()[job.task_name](self.house, **{key: uuid.UUID(value) for key, value in job.args.items()})
        with self.house.engine.begin() as connection:
            connection.execute(sa.text("SELECT procrastinate_finish_job_v1(:id, 'succeeded', true)"), {"id": job.id})
        return True

    def _sweep(self) -> bool:
        return timetable.fire(self.house, SWEEP, self.ticks[SWEEP]) > 0


def _live(house: House, clock: StandingClock, pipe: Connection, dies_at: Edge | None) -> NoReturn:
    try:
        _Inside(house, clock, pipe, dies_at).serve()
    except EOFError:
        os._exit(0)
    except BaseException:
        pipe.send(("broken", traceback.format_exc(), []))
    os._exit(1)


# ---- the world that goes on ------------------------------------------------------------------------
class Broken(AssertionError):
    """The service raised."""


class Hand:
    """Somebody who presses these keys where these prompts (by their name in prompts/*.yaml) are heard; elsewhere
    hangs up, or waits."""

    talk_s = 40.0
    sounds_like = "human"

    def __init__(self, prompts: Prompts, presses: Mapping[str, str], *, leaves: bool = False) -> None:
        self.leaves = leaves
        self.presses = [
            (_shape(voice.prompts[name]), keys) for name, keys in presses.items() for voice in prompts.voices.values()
        ]

    def hears(self, heard: Sequence[Say]) -> None:
        return None

    def speaks(self, heard: Sequence[Say]) -> float:
        return 0.0

    def keys(self, heard: Sequence[Say]) -> Act:
        for say in reversed(heard):
            for shape, keys in self.presses:
                if shape.fullmatch(say.text):
                    return Act(keys, after_s=1.0)
        return Act(hangs_up=True, after_s=1.0) if self.leaves else Act()


def _shape(prompt: str) -> re.Pattern[str]:
    parts = re.split(r"\{[a-z_0-9]+\}", " ".join(prompt.split()))
    return re.compile(".*".join(re.escape(part) for part in parts))


@dataclass
class Telephones:
    """Who holds which telephone, and what the carrier saw: no number twice at once, no ring POSTed twice."""

    phones: dict[str, Callable[[], Reaction]]
    live: Counter[str] = field(default_factory=Counter)
    twice_at_once: list[str] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)

    def rings(self, leg: Leg) -> Reaction:
        return self.phones[leg.number]()

    def gets_message(self, message: MemoryMessage) -> bool:
        return True

    def begun(self, leg: Leg) -> None:
        self.legs.append(leg)
        self.live[leg.number] += 1
        if self.live[leg.number] > 1:
            self.twice_at_once.append(leg.number)

    def ended(self, leg: Leg) -> None:
        self.live[leg.number] -= 1

    def posts(self) -> Counter[str]:
        """Rings the service ordered, by attempt."""
        return Counter(leg.url.rpartition("/")[2] for leg in self.legs if leg.direction == "outbound-api")


class Service:
    """The carrier's way in, and whoever is alive behind it: a `Door` for the exchange."""

    def __init__(self, house: House, telephones: Telephones, dies_at: Edge | None) -> None:
        assert isinstance(house.clock, StandingClock)
        self.house, self.clock, self.dies_at = house, house.clock, dies_at
        urls = Urls(HOTLINE, f"{house.settings.public_url}/ivr/voice")
        self.exchange = Exchange(self.clock, self, telephones, Chaos(), _Steady(), urls)  # type: ignore[arg-type]
        self.deaths = 0
        self.cut: str | None = None
        """What the carrier asked for when the service died; None: it died at its own work."""
        self.fallbacks = 0
        self.commits: list[str] = []
        """What moved in each of its COMMITs."""
        self._busy = False
        self._begin(dies_at)

    def _begin(self, dies_at: Edge | None) -> None:
        here, there = mp.Pipe()
        self.pid = os.fork()
        if not self.pid:
            here.close()
            _live(self.house, self.clock, there, dies_at)
        there.close()
        self.pipe = here

    def end(self) -> None:
        self.pipe.close()
        os.waitpid(self.pid, 0)

    # ---- Door -------------------------------------------------------------------------------------
    def post(self, url: str, form: Mapping[str, str]) -> str:
        if self._busy:  # an order of the service's own brought this about: it is told when it has its answer
            self.exchange.at(0.2, lambda: self.post(url, form))
            return "<Response/>"
        answer = self._ask("post", url, dict(form))
        if answer is not None:
            return str(answer)
        self.cut = url
        if self.dies_at is None or not self.dies_at.lost:
            return str(self._ask("post", url, dict(form)))
        if "/ivr/" not in url:
            return ""
        if form["Direction"] != "outbound-dial":  # a leg of a Dial has no fallback
            self.fallbacks += 1
            document = str(self._ask("post", f"{self.house.settings.public_url}/ivr/fallback", dict(form)))
            assert OPERATOR in document
        return HANG_UP

    def work(self) -> datetime | None:
        """Raises Broken."""
        deaths = self.deaths
        answer = self._ask("work")
        if self.deaths > deaths:
            return self.clock.at
        return answer if isinstance(answer, datetime) else None

    def _ask(self, what: str, *more: object) -> object:
        """None if it died over it."""
        try:
            self.pipe.send((what, self.clock.at, *more))
            while True:
                kind, *told = self.pipe.recv()
                if kind == "done":
                    self.commits = told[1]
                    return told[0]
                if kind == "broken":
                    raise Broken(told[0])
                self.pipe.send(self._order(*told))
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self._died()
            return None

    def _order(self, name: str, args: tuple[Any, ...], words: dict[str, Any]) -> tuple[Any, Any]:
        self._busy = True
        try:
            return getattr(self.exchange, name)(*args, **words), None
        except Exception as error:
            return None, (type(error), error.args)
        finally:
            self._busy = False

    def _died(self) -> None:
        """The next one is up at once; that the jobs of the dead one are nobody's shows only when its heartbeat is
        old, as on the day."""
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSIGNALED(status), "it ended by itself"
        self.pipe.close()
        self.deaths += 1
        with self.house.engine.begin() as connection:
            dead = connection.scalar(sa.text("SELECT max(id) FROM procrastinate_workers"))
        self.exchange.at(FOUND_DEAD.total_seconds(), lambda: self._is_silent(dead))
        self._begin(None)

    def _is_silent(self, worker: int) -> None:
        old = "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => :s) WHERE id = :id"
        with self.house.engine.begin() as connection:
            connection.execute(sa.text(old), {"s": jobs.STALLED_AFTER_S + 1, "id": worker})

    # ---- the story --------------------------------------------------------------------------------
    def go_on(self, over: Callable[[], bool], patience: timedelta) -> bool:
        """Let time pass until `over` and the carrier is at rest; False when patience ends first."""
        until = self.clock.at + patience
        while self.clock.at < until:
            moment = self.work()
            following = self.exchange.next_at()
            if following is None and over():
                return True
            self.clock.at = max(self.clock.at, min(one for one in (moment, following, until) if one is not None))
            while (at := self.exchange.next_at()) is not None and at <= self.clock.at:
                self.exchange.step()
        return False


class _Steady:
    """The carrier's luck, always the same."""

    def random(self) -> float:
        return 0.75


def answers(person: Person, after_s: float = 3.0) -> Callable[[], Reaction]:
    return lambda: Reaction("answer", after_s, person)


def never_answers() -> Reaction:
    return Reaction("no-answer")
