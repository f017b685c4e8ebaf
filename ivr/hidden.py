"""Where the recording of a call is silenced: while somebody keys what proves who they are."""

from __future__ import annotations

from ivr.flow import Flow
from ivr.nodes import Number
from ivr.talk import Session

PROOFS = ("month_day", "birthday", "holder", "pin")
"""Kinds of Number that are not for a listener's ears: their tones can be read off the sound."""


def is_keyed_unheard(flow: Flow, told: Session) -> bool:
    """Whether the call stands at such a place, and is recorded."""
    node = flow.nodes.get(told.node)
    return told.recording == "on" and not told.ended and isinstance(node, Number) and node.kind in PROOFS
