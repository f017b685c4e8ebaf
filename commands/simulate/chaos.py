"""What goes wrong between the carrier and us: callbacks twice, lost, late, out of order; lost answers; a slow list."""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS = ("duplicate", "drop", "delay", "reorder", "timeout", "lag")
LATEST_LIST_S = 45.0
"""A call is missing from the carrier's list for so long; less than `list_lag_s` of hospital.toml (60)."""


@dataclass(frozen=True)
class Chaos:
    """`rate` is the share of requests each kind that is on befalls."""

    kinds: frozenset[str] = frozenset()
    rate: float = 0.05

    def deliveries(self, rng: random.Random) -> list[float]:
        """After how many seconds one status callback arrives: usually once and at once; [] is lost."""
        if not self.kinds:
            return [0.0]
        after = 0.0
        if self._happens("drop", rng):
            return []
        if self._happens("delay", rng):
            after = rng.uniform(2, 25)
        if "reorder" in self.kinds and rng.random() < 0.3:
            after += rng.uniform(0, 4)
        return [after, after + rng.uniform(0.2, 8)] if self._happens("duplicate", rng) else [after]

    def twice(self, rng: random.Random) -> bool:
        """A request for a document is made again: a connection that broke after we had answered."""
        return self._happens("duplicate", rng)

    def lost_answer(self, rng: random.Random) -> str:
        """ "" | accepted | unseen: what became of a create whose answer never came."""
        if not self._happens("timeout", rng):
            return ""
        return "unseen" if rng.random() < 0.2 else "accepted"

    @property
    def list_lag_s(self) -> float:
        return LATEST_LIST_S if "lag" in self.kinds else 0.0

    def _happens(self, kind: str, rng: random.Random) -> bool:
        return kind in self.kinds and rng.random() < self.rate
