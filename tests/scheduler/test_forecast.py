"""What the plans ask of the lines: by hand first, then with anything."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.calendar import always
from scheduler import forecast
from scheduler.forecast import Lane, Load, Measured, Rates

FIRST = date(2031, 3, 7)
ORDINARY = ((time(8, 30), time(12)), (time(14), time(20, 30)))
HOURS = always(*ORDINARY)
CERTAIN = Rates((1.0,), talk_s=108, doctor=0.5, nurse=0.25, source="test")
"""Reached by the only ring, two minutes on the line."""
LANE = Lane(lines=1, ring_s=30)


def at(day: int, hour: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), time(hour))


def test_by_hand() -> None:
    loads = [Load("48h", at(0, 10), 0, 15), Load("48h", at(0, 3), 0, 30)]
    [day] = forecast.expected(loads, FIRST, 1, {"48h": CERTAIN}, LANE, HOURS)
    assert (day.followups, day.rings, day.reached) == (45, 45, 45)
    assert (day.doctor, day.nurse) == (22.5, 11.25)
    assert day.busy_s == 45 * 120
    assert day.open_s == 10 * 3600
    # thirty of the night in the half hour from 8:30 on: 3600 s in 1800 s
    assert (day.busiest, day.lines_needed, day.over) == (time(8), 2, False)


def test_a_day_that_cannot_be_done_is_over() -> None:
    fits, more = (
        forecast.expected([Load("48h", at(0, 10), 0, count)], FIRST, 1, {"48h": CERTAIN}, LANE, HOURS)[0]
        for count in (300, 301)
    )
    assert (fits.over, more.over) == (False, True)
    two = Lane(2, 30)
    assert not forecast.expected([Load("48h", at(0, 10), 0, 301)], FIRST, 1, {"48h": CERTAIN}, two, HOURS)[0].over


@pytest.mark.parametrize(
    ("wanted", "day", "hour"),
    [((0, 3), 0, 8), ((0, 8), 0, 8), ((0, 9), 0, 9), ((0, 12), 0, 14), ((0, 20), 0, 20), ((0, 21), 2, 9)],
)
def test_what_falls_outside_calling_hours_waits_for_the_next(wanted: tuple[int, int], day: int, hour: int) -> None:
    def hours(local: date) -> tuple[tuple[time, time], ...]:
        closed, short = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
        return {closed: (), short: ((time(9, 30), time(12)),)}.get(local, ORDINARY)

    days = forecast.expected([Load("7d", at(*wanted), 0, 1)], FIRST, 4, {"7d": CERTAIN}, LANE, hours)
    assert [one.followups for one in days] == [int(number == day) for number in range(4)]
    assert days[day].busiest == time(hour)
    assert days[1].open_s == 0


def test_without_calling_hours_nothing_is_expected() -> None:
    [day] = forecast.expected([Load("7d", at(0, 9), 0, 5)], FIRST, 1, {"7d": CERTAIN}, LANE, always())
    assert (day.followups, day.busiest, day.over) == (0, None, False)


def test_expected_rings_and_reach() -> None:
    rates = forecast.default_rates("48h", 3, 4, 4)
    assert rates.rings(0) == pytest.approx(1 + 0.55 + 0.35)
    assert rates.reach(0) == pytest.approx(0.70)
    assert rates.rings(2) == pytest.approx(1)
    assert rates.reach(2) == pytest.approx(0.05 / 0.35)
    assert rates.rings(9) == rates.rings(2), "a row with more tries than the settings allow has one left"


@pytest.mark.parametrize(
    ("wave", "threshold", "doctor_from", "doctor", "nurse"),
    [
        ("48h", 4, 4, 0.55, 0.0),
        ("7d", 4, 4, 0.43, 0.0),
        ("48h", 4, 7, 0.55 / 3, 0.55 * 2 / 3),
        ("48h", 7, 7, 0.55 / 3, 0.0),
        ("extra-1", 4, 4, forecast.OTHER_WAVE, 0.0),
    ],
)
def test_alarms_by_the_book(wave: str, threshold: int, doctor_from: int, doctor: float, nurse: float) -> None:
    rates = forecast.default_rates(wave, 3, threshold, doctor_from)
    assert (rates.doctor, rates.nurse) == (pytest.approx(doctor), pytest.approx(nurse))


def test_own_numbers_from_a_hundred_on() -> None:
    book = forecast.default_rates("48h", 3, 4, 4)
    assert forecast.with_measured(book, None) == book
    assert forecast.with_measured(book, Measured(99, 99, 60.0, 50, 0)) == book
    reach_only = forecast.with_measured(book, Measured(100, 80, 60.0, 50, 0))
    assert (reach_only.reach(0), reach_only.doctor, reach_only.talk_s) == (pytest.approx(0.8), 0.55, 180)
    assert reach_only.source == "measured on 100"
    own = forecast.with_measured(book, Measured(200, 160, 60.0, 40, 20))
    assert (own.doctor, own.nurse, own.talk_s) == (0.25, 0.125, 60)
    assert forecast.with_measured(book, Measured(200, 200, None, 0, 0)).reach(0) == pytest.approx(1, abs=0.01)


def test_total() -> None:
    loads = [Load("48h", at(day, 10), 0, 10 * (day + 1)) for day in range(3)]
    days = forecast.expected(loads, FIRST, 3, {"48h": CERTAIN}, LANE, HOURS)
    total = forecast.total(days)
    assert (total.followups, total.doctor, total.busy_s) == (60, 30, 7200)
    assert total.lines_needed == max(day.lines_needed for day in days)


shares = st.floats(0.01, 1)


@given(
    st.lists(st.builds(Load, st.just("w"), st.integers(0, 24 * 9).map(lambda n: at(0, 0) + timedelta(hours=n)),
                       st.integers(0, 6), st.integers(1, 500)), max_size=30),
    shares, st.integers(1, 10), st.integers(1, 10), st.integers(0, 6),
)  # fmt: skip
@example([Load("w", at(0, 0), 3, 1)], 1.0, 4, 1, 0)
def test_nothing_is_lost_and_everything_adds_up(
    loads: list[Load], reach: float, tries: int, threshold: int, band: int
) -> None:
    rates = forecast.default_rates("w", tries, threshold, min(10, threshold + band))
    rates = forecast.with_reach(rates, reach, "given")
    days = forecast.expected(loads, FIRST, 12, {"w": rates}, LANE, HOURS)
    assert sum(day.followups for day in days) == sum(load.count for load in loads)
    for day in days:
        assert 0 <= day.reached <= day.followups + 1e-6
        assert day.followups - 1e-6 <= day.rings <= day.followups * tries + 1e-6
        assert 0 <= day.doctor + day.nurse <= day.reached + 1e-6
        assert day.over == (day.busy_s > day.open_s)
        assert (day.lines_needed > 0) == (day.followups > 0)
        assert sum(day.first_s.values()) <= day.busy_s + 1e-6


@given(shares)
def test_fewer_have_the_higher_score(four_up: float) -> None:
    found = [forecast.score_share(four_up, score) for score in range(11)]
    assert found == sorted(found, reverse=True)
    assert found[4] == pytest.approx(four_up)
