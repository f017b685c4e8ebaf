"""Intervals: published values, and where there is none."""

from __future__ import annotations

import random
import statistics

import pytest

from recordings.quality.qa_statistics import mean, share, t


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    found = share(hits, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (found.method, found.n) == ("wilson", n)
    other = share(n - hits, n)
    assert (other.low, other.high) == (pytest.approx(1 - high, abs=5e-5), pytest.approx(1 - low, abs=5e-5))


def test_a_mean_by_student() -> None:
    found = mean([1, 2, 3, 4, 5])
    assert (found.value, found.low, found.high) == (
        3,
        pytest.approx(3 - 1.963, abs=5e-4),
        pytest.approx(4.963, abs=5e-4),
    )
    assert (found.method, found.note) == ("t", "few")
    assert mean([float(v) for v in range(40, 61)]).note == ""


def test_nothing_beyond_0_and_100() -> None:
    found = mean([100, 100, 100, 40])
    assert found.high == 100
    assert found.low is not None
    assert found.low > 0
    assert mean([0, 0, 60]).low == 0


def test_where_there_is_no_interval() -> None:
    assert mean([]).note == share(0, 0).note == "empty"
    assert (mean([90]).value, mean([90]).low, mean([90]).note) == (90, None, "one")
    same = mean([100.0] * 8)
    assert (same.value, same.low, same.high, same.note) == (100, None, None, "same"), "no width is not certainty"
    with pytest.raises(ValueError, match="no share"):
        share(4, 3)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Points as they come: most near 100, some far below; six calls and forty."""
    luck = random.Random(3)
    population = [luck.choice((100, 100, 92.5, 85, 77.5, 62.5)) for _ in range(5000)]
    truth = statistics.fmean(population)
    for n, least in ((6, 0.85), (40, 0.92)):
        inside = 0
        for _ in range(2000):
            found = mean(luck.choices(population, k=n))
            inside += found.low is not None and found.high is not None and found.low <= truth <= found.high
        assert least <= inside / 2000 <= 0.975


def test_student_is_never_narrower_than_it_should_be() -> None:
    assert (t(1), t(4), t(30), t(35), t(45), t(100), t(500)) == (12.706, 2.776, 2.042, 2.042, 2.021, 2.0, 1.98)
    assert [t(n) for n in range(1, 200)] == sorted((t(n) for n in range(1, 200)), reverse=True)
