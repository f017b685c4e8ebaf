"""Byte ranges of HTTP, and which seconds were heard. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ONE: Final = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))")


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to, not including, `stop`; `partial`: as 206."""

    start: int
    stop: int
    partial: bool


def span_of(wanted: str | None, size: int, most: int | None = None) -> Span | None:
    """What to send for a Range header (RFC 9110, 14): None if it lies beyond the end.

    A header that is none, in another unit, or for several ranges is passed over: then the whole is sent. `most` cuts a
    range without an end, as a player's first request is; it asks on from where the answer ended.
    """
    found = _ONE.fullmatch((wanted or "").replace(" ", ""))
    if found is None:
        return Span(0, size, False)
    first, last, suffix = found.groups()
    if suffix is not None:
        return Span(max(0, size - int(suffix)), size, True) if int(suffix) and size else None
    start = int(first)
    if last and int(last) < start:
        return Span(0, size, False)
    if start >= size:
        return None
    if last:
        return Span(start, min(size, int(last) + 1), True)
    return Span(start, size if most is None else min(size, start + most), True)


def merged(spans: Sequence[Sequence[float]], near: float = 0.05) -> list[list[float]]:
    """The same seconds, in order and without overlap; gaps up to `near` are closed."""
    found: list[list[float]] = []
    for start, stop in sorted((one[0], one[1]) for one in spans):
        if stop <= start:
            continue
        if found and start <= found[-1][1] + near:
            found[-1][1] = max(found[-1][1], round(stop, 2))
        else:
            found.append([round(start, 2), round(stop, 2)])
    return found
