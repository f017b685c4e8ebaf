"""The house: what every process of Carecall holds once it is running. Built by app.py, nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker

from core.clock import Clock
from core.db import session_maker
from core.events import Bus
from core.settings import Settings, SettingsError

T = TypeVar("T")


@dataclass
class House:
    settings: Settings
    engine: Engine
    clock: Clock
    bus: Bus
    services: dict[type[Any], Any] = field(default_factory=dict)
    """What reaches outside, by type: the carrier client, the file store, the transcriber."""

    def __post_init__(self) -> None:
        self._sessions: sessionmaker[Session] = session_maker(self.engine, house=self)
        for change in ("loaded_as_persistent", "pending_to_persistent"):
            event.listen(self._sessions, change, _keep)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._sessions.begin() as session:
            yield session

    def service(self, kind: type[T]) -> T:
        """Raises SettingsError when this process was not given what reaches outside."""
        if kind not in self.services:
            raise SettingsError([f"{kind.__name__}: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set."])
        return self.services[kind]  # type: ignore[no-any-return]


def _keep(session: Session, row: object) -> None:
    """A session forgets a row nobody holds and reads it again; one that is held for the length of the transaction is
    read once, however many rules look at it."""
    session.info.setdefault("rows", []).append(row)


def of(session: Session) -> House:
    """The house a session belongs to."""
    return session.info["house"]  # type: ignore[no-any-return]


def settings_of(session: Session) -> Settings:
    return of(session).settings
