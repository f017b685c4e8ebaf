from __future__ import annotations

import pytest

from core.house import House
from tests.console.desk_room import DeskRoom
from tests.console.listening_room import ListeningRoom


@pytest.fixture
def desk(house: House) -> DeskRoom:
    return DeskRoom(house)


@pytest.fixture
def listening(house: House) -> ListeningRoom:
    return ListeningRoom(house)
