from __future__ import annotations

import pytest

from core.house import House
from tests.desk.desk_house import Hall


@pytest.fixture
def hall(house: House) -> Hall:
    return Hall(house)
