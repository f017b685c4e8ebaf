"""The schema: Alembic, driven from our own commands so that there is one way to run it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from core.db import make_engine


def config(root: Path) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(root / "migrations"))
    return settings


def upgrade(root: Path, url: str) -> None:
    """Bring the database at `url` to the newest schema. One process at a time (advisory lock in env.py)."""
    engine = make_engine(url, pool_size=1)
    try:
        with engine.begin() as connection:
            settings = config(root)
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    finally:
        engine.dispose()


def is_current(root: Path, engine: Engine) -> bool:
    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_revision()
    return here == ScriptDirectory.from_config(config(root)).get_current_head()
