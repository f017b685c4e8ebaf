"""The real weights, joined once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.house import House
from recordings.speech.weights import whisper_base
from tests.recordings.listeners import Office
from tests.recordings.room import Room


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_base(tmp_path_factory.mktemp("models"))


@pytest.fixture
def room(house: House) -> Room:
    return Room(house)


@pytest.fixture
def office(house: House) -> Iterator[Office]:
    """Two agents, two QA listeners, a supervisor. What a test sets in [qa] ends with it: tests share the settings."""
    qa = vars(house.settings.file.qa)
    before = dict(qa)
    made = Office(house)
    for login in ("amy", "ben"):
        made.hire(login)
    for login, role in (("qa1", "qa"), ("qa2", "qa"), ("boss", "supervisor")):
        made.admit(login, role)
    yield made
    qa.update(before)
