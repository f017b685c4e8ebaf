"""The embedded PostgreSQL: a server of our own under `home/pg`, without a system package.

The binaries come from an installed wheel; the launching is ours. The server listens on a unix socket only and
lets in only the operating-system user that started it (peer authentication). It is a child of this process
and stops cleanly when this process ends in whatever way. Which user it runs as when we are root, and where
its files are then, is in `core.pgplace`.

    home/pg/lock         held by the running server, which inherits it: free when the server is gone
    home/pg/elsewhere    where the rest is, if not here
    …/data  …/run        the cluster and its socket, owned by the server's user, 0700
    …/access             pg_hba.conf and pg_ident.conf, written at every start
    …/program            a copy of the binaries, only where the installed ones cannot be reached
    …/postgres.log       warnings and errors, without statements or values
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import quote

from core import pgbinaries
from core.pgplace import (
    ENVIRONMENT,
    Account,
    PgError,
    account_for,
    base_for,
    make_folder,
    own_name,
    recorded,
    temporary,
)

__all__ = ["DATABASE", "Embedded", "PgError", "running"]

DATABASE: Final = "carecall"
START_S: Final = 60.0
"""How long a start may take: after a power cut the server first replays its log."""

_SOCKET_DIR_MAX: Final = 85  # the kernel takes 107 bytes (macOS 103), of which PostgreSQL's file name is 15
_BUSY_S: Final = 3.0
_STOP_S: Final = 30.0
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and "Key (…)=(…)" details can hold patients' data: the log gets the bare message only.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
_INITDB: Final = (
    *("-U", DATABASE, "--auth=reject", "--no-instructions", "--encoding=UTF8"),
    # The built-in C.UTF-8 is the same on every system and never changes its order under an index.
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_NOT_DURABLE: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Becomes the server: drops root, asks the kernel to end it with its parent, leaves if that is already gone.
# A child program rather than preexec_fn, which may deadlock when other threads run.
_LAUNCH: Final = """
import ctypes, os, signal, sys
uid, gid, parent = map(int, sys.argv[1:4])
if uid >= 0:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
if os.getppid() != parent:
    sys.exit("the parent process is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


class Embedded:
    """A running server that this process started: see `start`. As a context manager it stops at the end."""

    def __init__(self, own: Path, base: Path, socket_dir: Path, process: "subprocess.Popen[bytes]") -> None:
        self.url = _url(socket_dir)
        self._own, self._base, self._socket_dir = own, base, socket_dir
        self._process, self._starter = process, os.getpid()
        atexit.register(self.stop)

    @classmethod
    def start(cls, home: Path, *, durable: bool = True) -> Self:
        """Start the server of `home` (made on first use) and return once it takes connections.

        `durable=False` is for tests: nothing is synced to the disk and a power cut may ruin the data. PgError
        if it cannot run, also when another process runs it already (see `running`).
        """
        own = home.absolute() / "pg"
        account = account_for(recorded(own) / "data")
        make_folder(own, account)
        with (own / "lock").open("a+b") as lock:
            _take(lock, own)
            base = base_for(own, account, durable=durable)
            bin_dir = _program(base, account)
            data = _cluster(base, bin_dir, account, durable=durable)
            socket_dir = _socket_dir(base, account)
            _write_access(base)
            settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | {
                "hba_file": str(base / "access" / "pg_hba.conf"),
                "ident_file": str(base / "access" / "pg_ident.conf"),
                "unix_socket_directories": str(socket_dir),
            }  # fmt: skip
            argv = [str(bin_dir / "postgres"), "-D", str(data)]
            argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            process = _launch(argv, account, base / "postgres.log", lock)
        _await_ready(process, data, base / "postgres.log")
        return cls(own, base, socket_dir, process)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is on disk. Idempotent."""
        atexit.unregister(self.stop)
        if os.getpid() != self._starter:
            return  # a forked copy of this object: the server is not this process's child
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)  # recovers from its log at the next start
                self._process.wait(_STOP_S)
        if self._socket_dir.parent != self._base:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def destroy(self) -> None:
        """Stop the server and delete all its data. For tests and demos."""
        self.stop()
        shutil.rmtree(self._base)
        shutil.rmtree(self._own, ignore_errors=self._own == self._base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running(home: Path) -> str | None:
    """The URL of the server that runs on `home`, whoever started it; None if none is ready."""
    own = home.absolute() / "pg"
    try:
        lock = (own / "lock").open("rb")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            lines = _pid_lines(recorded(own) / "data")
            return _url(Path(lines[4])) if lines[7:8] == ["ready"] else None
    return None


def _url(socket_dir: Path) -> str:
    return f"postgresql+psycopg://{DATABASE}@/{DATABASE}?host={quote(str(socket_dir), safe='/')}"


def _take(lock: IO[bytes], own: Path) -> None:
    """Take the lock; a server that is just stopping or starting is waited for, a ready one is an error."""
    begin, tick = time.monotonic(), threading.Event()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ready = _pid_lines(recorded(own) / "data")[7:8] == ["ready"]
            if time.monotonic() - begin > (_BUSY_S if ready else START_S):
                raise PgError(f"the database of {own.parent} is already run by another process") from None
            tick.wait(0.02)
        else:
            return


def _program(base: Path, account: Account) -> Path:
    """The folder of the binaries, copied under `base` if the server's user cannot run the installed ones."""
    try:
        installed = pgbinaries.find()
    except FileNotFoundError as error:
        raise PgError(str(error)) from None
    try:
        account.run([installed.bin_dir / "postgres", "--version"])
    except (PgError, PermissionError):
        return installed.copied_to(base / "program").bin_dir
    return installed.bin_dir


def _cluster(base: Path, bin_dir: Path, account: Account, *, durable: bool) -> Path:
    """The data folder, made once: built beside and renamed, so a crash half-way leaves nothing half-made."""
    data, fresh = base / "data", base / "data.new"
    if not data.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        account.own_folder(fresh)
        options: tuple[str, ...] = _INITDB if durable else (*_INITDB, "--no-sync")
        account.run([str(bin_dir / "initdb"), "-D", str(fresh), *options])
        single = [str(bin_dir / "postgres"), "--single", "-D", str(fresh), "postgres"]
        said = account.run(single, stdin=f"CREATE DATABASE {DATABASE}\n")
        if "ERROR:" in said or "FATAL:" in said:
            raise PgError(f"the database could not be created: {said.strip()}")
        fresh.rename(data)
    has, needs = (data / "PG_VERSION").read_text().strip(), pgbinaries.major(bin_dir)
    if has != needs:
        raise PgError(f"{data} is of PostgreSQL {has}, this program brings {needs}: back up with the old one first")
    return data


def _socket_dir(base: Path, account: Account) -> Path:
    note = base / "socket"
    if note.exists():
        shutil.rmtree(note.read_text(encoding="utf-8"), ignore_errors=True)
    run = base / "run"
    if len(os.fsencode(run)) <= _SOCKET_DIR_MAX:
        return account.own_folder(run)
    short = Path(tempfile.mkdtemp(prefix="cc-", dir=temporary(account)))
    if account.uid >= 0:
        os.chown(short, account.uid, account.gid)
    note.write_text(str(short), encoding="utf-8")
    return short


def _write_access(base: Path) -> None:
    """Only we, by our operating-system name, become the database's owner; nobody else becomes anything."""
    folder = base / "access"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    texts = {
        "pg_hba.conf": f"local {DATABASE},postgres,all {DATABASE} peer map=owner\n",
        "pg_ident.conf": f'owner "{own_name()}" {DATABASE}\n',
    }
    for name, text in texts.items():
        # It may be another user's file: we can be root one day and a service user the next.
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o644)


def _launch(argv: list[str], account: Account, log: Path, lock: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start the server from a thread that lives as long as it does.

    The kernel's "end with your parent" means the thread that made the child: a short-lived one would take the
    server with it. The server has its own session, so that Ctrl-C reaches only us and we can finish first.
    """
    if log.exists() and log.stat().st_size > 1_000_000:
        log.replace(log.with_suffix(".log.1"))
    made: list[subprocess.Popen[bytes]] = []
    failed: list[OSError] = []
    done = threading.Event()

    def keep() -> None:
        try:
            with log.open("ab") as output:
                helper = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(account.uid), str(account.gid)]
                process = subprocess.Popen(
                    [*helper, str(os.getpid()), *argv],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                    env=ENVIRONMENT, pass_fds=(lock.fileno(),), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            failed.append(error)
            done.set()
            return
        made.append(process)
        done.set()
        process.wait()

    threading.Thread(target=keep, name="embedded-postgres", daemon=True).start()
    done.wait()
    if failed:
        raise PgError(f"the database could not be started: {failed[0]}")
    return made[0]


def _await_ready(process: "subprocess.Popen[bytes]", data: Path, log: Path) -> None:
    end, tick = time.monotonic() + START_S, threading.Event()
    while True:
        lines = _pid_lines(data)
        if lines[:1] == [str(process.pid)] and lines[7:8] == ["ready"]:
            return
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            raise PgError(f"the database did not start, the end of {log} is: {' | '.join(tail)}")
        tick.wait(0.01)


def _pid_lines(data: Path) -> list[str]:
    """postmaster.pid: pid, data, start, port, socket folder, address, shared memory, status."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
