"""The clock that can be moved: all processes read the same row, and it goes on at its rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.clock import MovableClock, SystemClock
from core.clock import TestClockRow as Row
from core.house import House

SOON = timedelta(seconds=2)
NEXT_YEAR = datetime(2032, 2, 29, 23, 59, tzinfo=UTC)


def _set_back(house: House, real: timedelta) -> None:
    """As if the clock had been set `real` earlier."""
    with house.transaction() as session:
        session.execute(sa.update(Row).values(real_at=datetime.now(UTC) - real))


def test_real_time_is_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < SOON


def test_until_it_is_moved_it_tells_real_time(house: House) -> None:
    assert abs(MovableClock(house.engine).now() - datetime.now(UTC)) < SOON


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0, 60.0])
def test_it_goes_on_from_where_it_was_put_at_its_rate(house: House, rate: float) -> None:
    clock = MovableClock(house.engine)
    clock.set(to=NEXT_YEAR, rate=rate)
    _set_back(house, timedelta(minutes=10))
    assert abs(clock.now() - (NEXT_YEAR + timedelta(minutes=10) * rate)) < SOON * max(1, rate)


def test_moving_it_forward_keeps_its_rate_and_another_process_sees_it(house: House) -> None:
    clock = MovableClock(house.engine)
    clock.set(to=NEXT_YEAR, rate=60.0)
    before = clock.now()
    clock.set(forward=timedelta(hours=36))
    assert timedelta(0) <= MovableClock(house.engine).now() - before - timedelta(hours=36) < SOON * 60
    _set_back(house, timedelta(minutes=1))
    assert clock.now() - before > timedelta(hours=36, minutes=59)


def test_a_clock_that_stands_still_does_so_after_it_was_moved(house: House) -> None:
    clock = MovableClock(house.engine)
    clock.set(to=NEXT_YEAR, rate=0.0)
    clock.set(forward=timedelta(hours=1))
    _set_back(house, timedelta(hours=5))
    assert clock.now() == NEXT_YEAR + timedelta(hours=1)


def test_there_is_one_row_however_often_it_is_moved(house: House) -> None:
    clock = MovableClock(house.engine)
    for _ in range(3):
        clock.set(forward=timedelta(days=1))
    with house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Row)) == 1
    assert abs(clock.now() - datetime.now(UTC) - timedelta(days=3)) < SOON
