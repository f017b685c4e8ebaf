from __future__ import annotations

from tests.scheduler.kept import database_url, kept_database

__all__ = ["database_url", "kept_database"]
