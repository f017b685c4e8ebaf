"""Where the embedded PostgreSQL's files are and which user its server runs as.

PostgreSQL refuses to run as root. When we are root it runs as the owner of the existing data, else as
`carecall`, `postgres` or `nobody`, whichever exists first. Folders above our own are never changed: if that
user cannot reach `home/pg`, what it must reach goes to /var/lib/carecall; `home/pg/elsewhere` says where.
"""

import hashlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ELSEWHERE: Final = Path("/var/lib/carecall")
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All that PostgreSQL's programs see: none of our keys, and no PG… variable that would mislead them."""

_CURE: Final = "let it pass (chmod o+x) through the folders above"


class PgError(Exception):
    """The embedded database cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The user the server runs as; `uid` -1 means our own."""

    name: str
    uid: int
    gid: int

    def run(self, argv: Sequence[str | Path], *, stdin: str = "") -> str:
        """Run a program as this user in `/` and return its output; PgError with it if it fails."""
        who: dict[str, int | list[int]] = {}
        if self.uid >= 0:
            who = {"user": self.uid, "group": self.gid, "extra_groups": []}
        done = subprocess.run(
            [str(part) for part in argv], input=stdin, capture_output=True, text=True, cwd="/", check=False,
            env=ENVIRONMENT, **who,  # type: ignore[call-overload]
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise PgError(f"{Path(argv[0]).name} failed ({done.returncode}): {said}")
        return str(done.stdout + done.stderr)

    def reaches(self, folder: Path) -> bool:
        """Whether this user can enter `folder` (which exists)."""
        try:
            self.run(["/bin/sh", "-c", 'cd "$1"', "sh", folder])
        except PgError:
            return False
        return True

    def own_folder(self, folder: Path) -> Path:
        """`folder`, made if absent, owned by this user alone."""
        if not folder.exists():
            folder.mkdir(mode=0o700)
            if self.uid >= 0:
                os.chown(folder, self.uid, self.gid)
        return folder


def account_for(data: Path) -> Account:
    if os.getuid() != 0:
        if data.exists() and data.stat().st_uid != os.getuid():
            raise PgError(f"{data} belongs to another user: run as root or as the user who made it")
        return Account(own_name(), -1, -1)
    if data.exists() and data.stat().st_uid != 0:
        # An account added to the machine later must not change who owns existing data.
        owner = data.stat()
        return Account(f"{owner.st_uid}", owner.st_uid, owner.st_gid)
    for name in ("carecall", "postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise PgError("PostgreSQL does not run as root, and there is no user carecall, postgres or nobody")


def own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise PgError(f"user id {os.getuid()} has no name in /etc/passwd, which PostgreSQL needs") from None


def make_folder(folder: Path, account: Account) -> Path:
    """Our own folder: closed to others, except that the server's user may pass through."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o700 if account.uid < 0 else 0o711)
    return folder


def recorded(own: Path) -> Path:
    try:
        return Path((own / "elsewhere").read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return own


def base_for(own: Path, account: Account, *, durable: bool) -> Path:
    """The folder for all that the server's user must reach: never a new, empty one where data exists."""
    base = recorded(own)
    if base == own:
        if account.reaches(own):
            return own
        if (own / "data").exists():
            raise PgError(f"user {account.name} can no longer enter {own}: {_CURE}")
        base = _elsewhere(own, account, durable=durable)
        (own / "elsewhere").write_text(f"{base}\n", encoding="utf-8")
    elif not base.exists():
        if durable:
            raise PgError(f"the database folder {base}, named in {own}/elsewhere, is missing: restore it first")
        make_folder(base, account)
    if not account.reaches(base):
        raise PgError(f"user {account.name} cannot enter {base}: {_CURE}")
    return base


def _elsewhere(own: Path, account: Account, *, durable: bool) -> Path:
    if durable:
        mark = hashlib.sha256(os.fsencode(own)).hexdigest()[:12]
        return make_folder(make_folder(ELSEWHERE, account) / mark, account)
    base = Path(tempfile.mkdtemp(prefix="carecall-pg-", dir=temporary(account)))
    base.chmod(0o711)
    return base


def temporary(account: Account) -> Path:
    folders = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    found = next((folder for folder in folders if folder.is_dir() and account.reaches(folder)), None)
    if found is None:
        raise PgError(f"user {account.name} can enter none of {', '.join(map(str, folders))}")
    return found
