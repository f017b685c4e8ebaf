from __future__ import annotations

import pytest

from core.house import House
from tests.scheduler.clinic import Ward
from tests.scheduler.kept import database_url, kept_database

__all__ = ["database_url", "kept_database"]


@pytest.fixture
def ward(house: House) -> Ward:
    return Ward(house)
