"""Byte ranges and heard seconds: pure."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.vault.ranges import Span, merged, span_of


@pytest.mark.parametrize(
    ("wanted", "most", "expected"),
    [
        (None, None, Span(0, 1000, False)),
        ("bytes=0-99", None, Span(0, 100, True)),
        ("bytes=0-99", 10, Span(0, 100, True)),
        ("bytes=0-", None, Span(0, 1000, True)),
        ("bytes=0-", 300, Span(0, 300, True)),
        ("bytes=900-", 300, Span(900, 1000, True)),
        ("bytes=990-5000", None, Span(990, 1000, True)),
        ("bytes=-10", None, Span(990, 1000, True)),
        ("bytes=-5000", None, Span(0, 1000, True)),
        ("bytes=1000-", None, None),
        ("bytes=-0", None, None),
        ("bytes=9-8", None, Span(0, 1000, False)),
        ("bytes=0-1,5-6", None, Span(0, 1000, False)),
        ("lines=0-1", None, Span(0, 1000, False)),
        ("bytes=" + "9" * 400 + "-", None, Span(0, 1000, False)),
        ("bytes=\u0663-", None, Span(0, 1000, False)),
    ],
)
def test_what_a_range_header_asks_for(wanted: str | None, most: int | None, expected: Span | None) -> None:
    assert span_of(wanted, 1000, most) == expected


@given(wanted=st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True),
       size=st.integers(0, 3000), most=st.none() | st.integers(1, 500))  # fmt: skip
def test_whatever_is_asked_the_span_lies_in_the_file(wanted: str, size: int, most: int | None) -> None:
    found = span_of(wanted, size, most)
    if found is not None:
        assert 0 <= found.start <= found.stop <= size
        assert found.start < found.stop or not found.partial


TIMES = st.integers(0, 2000).map(lambda n: n / 10)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=20))
def test_heard_seconds_are_in_order_and_none_is_lost_or_invented(spans: list[tuple[float, float]]) -> None:
    found = merged(spans, near=0.0)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(found))

    def inside(pieces: list[list[float]] | list[tuple[float, float]], at: float) -> bool:
        return any(start <= at < stop for start, stop in pieces)

    for tenth in range(2001):
        at = tenth / 10 + 0.05
        assert inside(found, at) == inside(spans, at)
    assert merged(found, near=0.0) == found
