from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from console import users
from core.house import House
from tests.console.desk_room import DeskRoom
from tests.console.listening_room import ListeningRoom

REAL_HASHER = users._hasher


@pytest.fixture(autouse=True, scope="session")
def _cheap_passwords() -> Iterator[None]:
    """Argon2 takes its time on purpose, and the tests sign in some hundred times."""
    users._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    users._nobodys.cache_clear()
    yield
    users._hasher = REAL_HASHER
    users._nobodys.cache_clear()


@pytest.fixture
def desk(house: House) -> DeskRoom:
    return DeskRoom(house)


@pytest.fixture
def listening(house: House) -> ListeningRoom:
    return ListeningRoom(house)
