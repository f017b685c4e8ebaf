"""A ward for every test that asks. These tests are many and small: they share one database, emptied for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import app
from core import db
from core.house import House
from core.settings import Settings
from tests.conftest import StandingClock
from tests.dialer.ward import Ward, clear
from tests.house import MID_MORNING, environment


@pytest.fixture(scope="module")
def shared(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Settings]]:
    settings = environment(tmp_path_factory.mktemp("dialer"), module_database_url)
    house = app.open_house(settings)
    yield house, settings
    house.engine.dispose()


@pytest.fixture
def house(shared: tuple[House, Settings]) -> House:
    """A whole house as tests/conftest.py makes it, with the settings it began with."""
    house, settings = shared
    house.settings = settings
    house.clock = StandingClock(MID_MORNING)
    db.use_keyring(settings.keyring)
    clear(house)
    return house


@pytest.fixture
def ward(house: House) -> Ward:
    return Ward.of(house)
