"""Cohen's kappa, weighted or not: how far two raters agree beyond what chance would give. Pure.

    kappa = 1 - sum(w * observed) / sum(w * expected)

with w the disagreement between two categories: 0 or 1 unweighted, |i - j| linear, (i - j)^2 quadratic (Cohen 1960,
1968). The gates are docs/clinical.md section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

Weights = Literal["none", "linear", "quadratic"]

LEAST: Final = 30
"""Pairs below which a kappa is too uncertain to act on."""
REWRITE: Final = Fraction(4, 10)
FOR_PAY: Final = Fraction(6, 10)
FOR_FAILS: Final = Fraction(8, 10)


@dataclass(frozen=True)
class Agreement:
    """`agreed`: share of pairs with the same mark; `kappa`: None where it is not defined, because both raters gave one
    and the same mark to everything."""

    n: int
    agreed: Fraction | None
    kappa: Fraction | None


def agreement(pairs: Sequence[tuple[str, str]], order: Sequence[str], weights: Weights = "none") -> Agreement:
    """`pairs` of marks by the first and the second rater; `order` of the marks, which the weights go by. Exact."""
    place = {mark: number for number, mark in enumerate(order)}
    n = len(pairs)
    if n == 0:
        return Agreement(0, None, None)
    first = [sum(one == mark for one, _ in pairs) for mark in order]
    second = [sum(other == mark for _, other in pairs) for mark in order]
    agreed = Fraction(sum(one == other for one, other in pairs), n)
    seen = Fraction(sum(_apart(place[one], place[other], weights) for one, other in pairs), n)
    by_chance = Fraction(
        sum(_apart(i, j, weights) * first[i] * second[j] for i in range(len(order)) for j in range(len(order))),
        n * n,
    )
    return Agreement(n, agreed, None if by_chance == 0 else 1 - seen / by_chance)


def _apart(i: int, j: int, weights: Weights) -> int:
    match weights:
        case "none":
            return int(i != j)
        case "linear":
            return abs(i - j)
        case "quadratic":
            return (i - j) ** 2


def gate(found: Agreement, *, fails: bool) -> str:
    """What an item may be used for: rewrite | not_for_pay | not_for_fails | good; few | same: nothing can be said."""
    if found.n < LEAST:
        return "few"
    if found.kappa is None:
        return "same"
    if found.kappa < REWRITE:
        return "rewrite"
    if found.kappa < FOR_PAY:
        return "not_for_pay"
    return "not_for_fails" if fails and found.kappa < FOR_FAILS else "good"
