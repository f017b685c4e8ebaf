from __future__ import annotations

import pytest

from core.house import House
from tests.scheduler.clinic import Ward


@pytest.fixture
def ward(house: House) -> Ward:
    return Ward(house)
