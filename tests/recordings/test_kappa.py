"""Agreement of two raters: values from textbooks, and what has no value."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction

import pytest

from recordings.quality.kappa import LEAST, Agreement, agreement, gate


def pairs(table: list[list[int]]) -> list[tuple[str, str]]:
    return [(str(i), str(j)) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]


MAMMOGRAMS = [[21, 12, 0, 0], [4, 17, 1, 0], [3, 9, 15, 2], [0, 0, 0, 1]]
"""Altman, Practical Statistics for Medical Research (1991), 85 films read twice: kappa 0.47, linearly weighted 0.57."""


def test_a_textbooks_values() -> None:
    assert float(agreement(pairs(MAMMOGRAMS), "0123").kappa or 0) == pytest.approx(0.473, abs=0.0005)
    assert float(agreement(pairs(MAMMOGRAMS), "0123", "linear").kappa or 0) == pytest.approx(0.57, abs=0.005)
    assert agreement(pairs(MAMMOGRAMS), "0123").agreed == Fraction(54, 85)
    # the usual two by two of 50: 0.7 agreed, 0.5 by chance
    two = agreement(pairs([[20, 5], [10, 15]]), "01")
    assert (two.agreed, two.kappa) == (Fraction(7, 10), Fraction(2, 5))


def test_with_two_marks_weights_change_nothing() -> None:
    two = pairs([[20, 5], [10, 15]])
    assert agreement(two, "01", "linear") == agreement(two, "01", "quadratic") == agreement(two, "01")


def test_quadratic_weights_are_a_correlation_where_both_raters_have_one_spread() -> None:
    """Fleiss and Cohen (1973): with the same mean and variance it is Pearson's r."""
    luck = random.Random(11)
    first = [luck.randrange(4) for _ in range(200)]
    second = first[:]
    luck.shuffle(second)  # the same marks in another order: the same mean and variance
    mixed = list(zip(first[:150], first[:150], strict=True)) + list(zip(first[150:], first[150:][::-1], strict=True))
    for one in (list(zip(first, second, strict=True)), mixed):
        found = agreement([(str(a), str(b)) for a, b in one], "0123", "quadratic").kappa
        assert found is not None
        assert float(found) == pytest.approx(statistics.correlation(*zip(*one, strict=True)))


def test_what_has_no_kappa_says_so() -> None:
    assert agreement([], "01") == Agreement(0, None, None)
    same = agreement([("1", "1")] * 40, "01")
    assert (same.agreed, same.kappa) == (1, None)
    assert gate(same, fails=False) == "same", "everything right is no proof that a wrong one would be seen"
    one_sided = agreement([("1", "1")] * 39 + [("1", "0")], "01")
    assert one_sided.kappa == 0, "98 % agreed, and none of it beyond chance"


@pytest.mark.parametrize(
    ("kappa", "fails", "said"),
    [
        (Fraction(399, 1000), False, "rewrite"),
        (Fraction(4, 10), False, "not_for_pay"),
        (Fraction(599, 1000), True, "not_for_pay"),
        (Fraction(6, 10), False, "good"),
        (Fraction(6, 10), True, "not_for_fails"),
        (Fraction(799, 1000), True, "not_for_fails"),
        (Fraction(8, 10), True, "good"),
        (Fraction(-1, 2), False, "rewrite"),
    ],
)
def test_gates(kappa: Fraction, fails: bool, said: str) -> None:
    assert gate(Agreement(LEAST, Fraction(9, 10), kappa), fails=fails) == said
    assert gate(Agreement(LEAST - 1, Fraction(9, 10), kappa), fails=fails) == "few"


def test_a_mark_that_is_not_on_the_list_is_no_agreement() -> None:
    with pytest.raises(KeyError):
        agreement([("1", "perhaps")], "01")
