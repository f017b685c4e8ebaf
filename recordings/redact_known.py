"""What is known of the people a call is about: names, numbers and dates that are masked wherever they stand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Known:
    """Of one call; see `redact.known_of_call`. Hashable, so that what is worked out from it is worked out once."""

    names: frozenset[str] = frozenset()
    """As on file: of the patient, of staff; Chinese or Latin letters."""
    phones: frozenset[str] = frozenset()
    """E.164, or as on file."""
    ids: frozenset[str] = frozenset()
    """Record numbers, identity numbers."""
    births: frozenset[str] = frozenset()
    """ISO dates."""


NOBODY: Final = Known()
