"""The schema: Alembic, driven from our own commands so that there is one way to run it.

Alembic is loaded by who uses it: most of our processes and commands never do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from core.db import make_engine

if TYPE_CHECKING:
    from alembic.config import Config


def config(root: Path) -> Config:
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(root / "migrations"))
    return settings


def upgrade(root: Path, url: str) -> None:
    """Bring the database at `url` to the newest schema. One process at a time (advisory lock in env.py)."""
    from alembic import command

    engine = make_engine(url, pool_size=1)
    try:
        with engine.begin() as connection:
            settings = config(root)
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    finally:
        engine.dispose()


def is_current(root: Path, engine: Engine) -> bool:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_revision()
    return here == ScriptDirectory.from_config(config(root)).get_current_head()
