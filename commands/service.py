"""The processes: web, worker, the local carrier, and `up`, which keeps one of each on one box."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import NoReturn

from commands import database
from commands.joined import Joined
from core import jobs, pg, settings
from core.house import House
from core.settings import Settings, SettingsError
from dialer.watchdog import Watchdog
from scheduler import timetable

WEB_PROCESSES = 2
WEB_THREADS = 4
RESTART_PAUSE_S = 1.0
SWITCH_S = 0.0005
"""The loop that picks up jobs asks the store several times for each: every time it would wait 5 ms (Python's own value)
behind each thread that computes."""
STOP_S = 6.0


def serve(args: argparse.Namespace, joined: Joined) -> int:
    """Granian in front of `app.create_app`, a few processes of a few threads (docs/design.md section 2)."""
    from granian import Granian
    from granian.constants import Interfaces

    here = settings.load()
    _reachable(here, token=False)
    _die_with_parent()
    Granian(
        "app:create_app",
        factory=True,
        interface=Interfaces.WSGI,
        address=args.host or here.host,
        port=args.port if args.port is not None else here.port,
        workers=WEB_PROCESSES,
        blocking_threads=WEB_THREADS,
        respawn_failed_workers=True,
        websockets=False,
        log_access=False,
    ).serve()
    return 0


def worker(args: argparse.Namespace, joined: Joined) -> int:
    """The timetable and the jobs of the named queues, until SIGTERM or Ctrl-C."""
    _die_with_parent()
    here = settings.load()
    _reachable(here, token=True)
    sys.setswitchinterval(SWITCH_S)
    house = joined.open_house(here)
    scheduler = timetable.start(house, joined.ticks)
    guard = Watchdog(house)
    guard.start()
    print("worker ready", flush=True)
    try:
        asyncio.run(_work(house, args.queues))
    finally:
        guard.stop()
        scheduler.shutdown(wait=False)
    return 0


def _reachable(here: Settings, *, token: bool) -> None:
    """What a process cannot do its work without. A web process without a token runs and refuses the carrier (403)."""
    needed = {
        "PUBLIC_URL": here.public_url,
        "TWILIO_ACCOUNT_SID": here.account_sid,
        "TWILIO_FROM": here.twilio_from,
        **({"TWILIO_AUTH_TOKEN": here.webhooks_open} if token else {}),
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise SettingsError([f"{name} is not set: without it no call can be placed or answered." for name in missing])


async def _work(house: House, queues: list[str]) -> None:
    work = asyncio.ensure_future(jobs.run_workers(house, queues))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        work.cancel()
        # A file being heard may take minutes. Whatever does not end by itself is cut off: every job can run again.
        loop.call_later(STOP_S, os._exit, 0)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await work
    except asyncio.CancelledError:
        return


def carrier(args: argparse.Namespace, joined: Joined) -> NoReturn:
    """The local carrier has options of its own and needs no settings of ours."""
    from carrier import main as local_carrier

    _die_with_parent()
    local_carrier.main(args.rest)


def up(args: argparse.Namespace, joined: Joined) -> int:
    """Database (if none is set), schema, web, worker. A process that falls is started again."""
    here = settings.load()
    _reachable(here, token=True)
    embedded = None if here.database_url else pg.Embedded.start(here.home)
    url = here.database_url or (embedded.url if embedded else "")
    try:
        database.upgrade(joined.root, url)
        return _keep_running({"web": ["serve"], "worker": ["worker"]}, os.environ | {"DATABASE_URL": url})
    finally:
        if embedded is not None:
            embedded.stop()


def _keep_running(programs: dict[str, list[str]], environment: dict[str, str]) -> int:
    # A plain word, not a threading.Event: its lock is held while waiting, and a handler that then sets it hangs.
    stopping = False
    code = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for child in children.values():
            child.terminate()

    children: dict[str, subprocess.Popen[bytes]] = {}
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for name, words in programs.items():
        children[name] = spawn(words, environment)
    while children:
        pid, _status = os.wait()
        fallen = [name for name, child in children.items() if child.pid == pid]
        if not fallen:
            # The only other child is the embedded database: without it nothing works, so all of us end.
            if not stopping:
                print("the database ended", file=sys.stderr, flush=True)
                code = 1
                stop(signal.SIGTERM, None)
            continue
        name = fallen[0]
        children.pop(name).returncode = 0
        if not stopping:
            print(f"{name} ended and is started again", file=sys.stderr, flush=True)
            time.sleep(RESTART_PAUSE_S)
        if not stopping:
            children[name] = spawn(programs[name], environment)
    return code


def spawn(words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """One of our own commands as a child that ends when we do."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", *words], env=environment | {"CARECALL_PARENT": str(os.getpid())}
    )


def _die_with_parent() -> None:
    """Started by `up` or the demo: a parent that is killed takes us with it (Linux; elsewhere it must stop us)."""
    parent = os.environ.get("CARECALL_PARENT")
    if parent is None or not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if str(os.getppid()) != parent:
        sys.exit("the process that started this one is gone")
