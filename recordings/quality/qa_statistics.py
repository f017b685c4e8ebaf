"""What a sample says, and how surely: shares by Wilson's interval, means by Student's. Pure; 95 %.

Wilson's for shares, because the usual one is wrong at small n and at 0 or 100 %. Student's t for the mean of points: a
few per agent, a spread that has to be guessed from them; cut at 0 and 100, as there is nothing beyond. Points are
skewed, so with fewer than twenty the interval is a rough one, and the note says that it is not for comparing people.
Where all values are the same a t interval would be of no width, which is no certainty: none is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from recordings.quality.qa_shapes import Estimate

FEW: Final = 20
Z: Final = 1.959963984540054

_T: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t, two-sided 95 %, for 1 to 30 degrees of freedom; beyond, the table's next smaller row (wider)."""
_T_BEYOND: Final = ((120, 1.980), (60, 2.000), (40, 2.021), (30, 2.042))


def share(hits: int, n: int) -> Estimate:
    """`hits` of `n` with Wilson's interval; all from 0 to 1."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return Estimate(None, None, None, 0, "none", "empty")
    p = hits / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # at 0 and n the formula gives them exactly, but for the last digit
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == n else middle + half
    return Estimate(p, low, high, n, "wilson", "few" if n < FEW else "")


def mean(values: Sequence[float], least: float = 0.0, most: float = 100.0) -> Estimate:
    """The mean of values from `least` to `most` with Student's interval."""
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, "none", "empty")
    middle = math.fsum(values) / n
    if n == 1:
        return Estimate(middle, None, None, 1, "none", "one")
    if min(values) == max(values):
        return Estimate(middle, None, None, n, "none", "same")
    spread = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (n - 1))
    half = t(n - 1) * spread / math.sqrt(n)
    return Estimate(middle, max(least, middle - half), min(most, middle + half), n, "t", "few" if n < FEW else "")


def t(freedom: int) -> float:
    if freedom < 1:
        raise ValueError("one value has no spread")
    if freedom <= len(_T):
        return _T[freedom - 1]
    return next(value for least, value in _T_BEYOND if freedom >= least)
