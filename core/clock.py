"""One clock. Everything inside the house gets `now` as an argument; only the outermost layer (a
webhook, a tick, a job, a command) reads it here.

Real time, unless `CARECALL_TEST_CLOCK=1`: then the single row of `test_clock` says what time it is, how
fast it runs, and can be moved, so that a test or the demo moves hours in a moment and its seconds stay
telephone seconds when the local carrier runs faster than life.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, mapped_column

from core.db import AwareDateTime, Base


class Clock(Protocol):
    def now(self) -> datetime: ...


class TestClockRow(Base):
    """The moved clock: at real time `real_at` it was `now_at`, and `rate` seconds pass per real one."""

    __tablename__ = "test_clock"
    __test__ = False

    id: Mapped[int] = mapped_column(primary_key=True)
    real_at: Mapped[datetime] = mapped_column(AwareDateTime)
    now_at: Mapped[datetime] = mapped_column(AwareDateTime)
    rate: Mapped[float]


class SystemClock:
    """Real time, UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovableClock:
    """Reads the row at every look, so that all processes agree. Honoured only with CARECALL_TEST_CLOCK=1."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self) -> datetime:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(TestClockRow.real_at, TestClockRow.now_at, TestClockRow.rate)).first()
        real = datetime.now(UTC)
        return real if row is None else row.now_at + (real - row.real_at) * row.rate

    def set(self, *, forward: timedelta = timedelta(0), to: datetime | None = None, rate: float | None = None) -> None:
        """Move on by `forward`, or to `to`, and run at `rate` from here. Never called by the service itself."""
        now = to if to is not None else self.now() + forward
        with self._engine.begin() as connection:
            old = connection.scalar(sa.select(TestClockRow.rate))
            going_on = 1.0 if old is None else old
            connection.execute(sa.delete(TestClockRow))
            connection.execute(
                sa.insert(TestClockRow).values(
                    id=1,
                    real_at=datetime.now(UTC),
                    now_at=now,
                    rate=rate if rate is not None else going_on,
                )
            )
