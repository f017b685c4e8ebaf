from __future__ import annotations

import pytest

from core.house import House
from tests.console.desk_room import DeskRoom
from tests.scheduler.kept import database_url, kept_database

__all__ = ["database_url", "kept_database"]


@pytest.fixture
def desk(house: House) -> DeskRoom:
    return DeskRoom(house)
