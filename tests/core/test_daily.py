"""Once a day, whoever asks first."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from core import daily
from core.house import House

DAY = date(2031, 3, 7)


def test_one_caller_a_day_and_name(house: House) -> None:
    now = house.clock.now()
    with house.transaction() as session:
        assert daily.last_run(session, "sweep") is None
        assert daily.once(session, "sweep", DAY, now)
        assert not daily.once(session, "sweep", DAY, now)
    with house.transaction() as session:
        assert not daily.once(session, "sweep", DAY, now)
        assert daily.once(session, "sweep", DAY + timedelta(days=1), now + timedelta(days=1))
        assert daily.once(session, "other", DAY, now)
    with house.transaction() as session:
        assert daily.last_run(session, "sweep") == now + timedelta(days=1)


def test_a_run_that_failed_leaves_the_day_to_the_next(house: House) -> None:
    now = house.clock.now()
    with pytest.raises(ZeroDivisionError):
        _fails(house, now)
    with house.transaction() as session:
        assert daily.once(session, "sweep", DAY, now)


def _fails(house: House, now: datetime) -> None:
    with house.transaction() as session:
        assert daily.once(session, "sweep", DAY, now)
        raise ZeroDivisionError
