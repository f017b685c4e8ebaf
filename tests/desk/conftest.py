from __future__ import annotations

import pytest

from core.house import House
from tests.desk.desk_house import Hall
from tests.scheduler.kept import database_url, kept_database

__all__ = ["database_url", "hall", "kept_database"]


@pytest.fixture
def hall(house: House) -> Hall:
    return Hall(house)
