"""The words inside a `<Say>`, with the speed they are spoken at (docs/twilio.md 4.2 Say).

Only `<prosody rate>` is heard; the other SSML elements are read as the words they hold.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

NORMAL = 100
SLOWEST, FASTEST = 20, 200
# CARRIER: the presets in percent of the normal speed; Polly only calls them approximate.
PRESETS = {"x-slow": 50, "slow": 75, "medium": NORMAL, "default": NORMAL, "fast": 125, "x-fast": 150}


@dataclass(frozen=True)
class Piece:
    """Words in one speed, in percent of the normal one."""

    text: str
    rate: int = NORMAL


def pieces_of(element: ElementTree.Element) -> tuple[Piece, ...]:
    """The words of an element in order, neighbours of one speed together."""
    pieces: list[Piece] = []
    for text, rate in _walk(element, NORMAL):
        if pieces and pieces[-1].rate == rate:
            text = pieces.pop().text + text
        pieces.append(Piece(text, rate))
    tidy = (Piece(" ".join(piece.text.split()), piece.rate) for piece in pieces)
    return tuple(piece for piece in tidy if piece.text)


def _walk(element: ElementTree.Element, rate: int) -> Iterator[tuple[str, int]]:
    yield element.text or "", rate
    for child in element:
        inner = _rate(child.get("rate", ""), rate) if child.tag == "prosody" else rate
        yield from _walk(child, inner)
        yield child.tail or "", rate


def _rate(value: str, outer: int) -> int:
    """`85%` of the normal speed, or a preset; anything else changes nothing, as a schema warning does (4.1)."""
    found = re.fullmatch(r"(\d+)(?:\.\d+)?%", value.strip())
    if found is None:
        return PRESETS.get(value.strip(), outer)
    return min(max(int(found[1]), SLOWEST), FASTEST)
