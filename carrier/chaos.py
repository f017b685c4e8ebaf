"""Faults on demand, all off by default (control API: /control/chaos)."""

import threading
from dataclasses import asdict, dataclass, fields


@dataclass
class Faults:
    """`*_s` are lasting settings, the others count down: the next n of their kind.

    hold_create_s (real s): the 201 of a created call is held after the call was accepted and starts.
    lose_create: an accepted call gets no answer at all. recording_404_s (virtual s): new media answer 404.
    empty_recordings: files of 0 bytes. list_lag_s (virtual s): new calls are missing from lists. too_many:
    REST requests refused with 429/20429.
    """

    hold_create_s: float = 0.0
    lose_create: int = 0
    recording_404_s: float = 0.0
    empty_recordings: int = 0
    list_lag_s: float = 0.0
    drop_callbacks: int = 0
    duplicate_callbacks: int = 0
    too_many: int = 0


class Chaos:
    """The switched-on faults."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._changed = threading.Condition()
        self._cleared = 0

    def set(self, values: dict[str, float]) -> None:
        """Change some; raises ValueError for a name or a value that is none."""
        kinds = {field.name: type(getattr(Faults(), field.name)) for field in fields(Faults)}
        unknown = values.keys() - kinds.keys()
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        with self._changed:
            for name, value in values.items():
                setattr(self._faults, name, kinds[name](value))

    def clear(self) -> None:
        """All off; who is being held is let go."""
        with self._changed:
            self._faults = Faults()
            self._cleared += 1
            self._changed.notify_all()

    def show(self) -> dict[str, float]:
        with self._changed:
            return asdict(self._faults)

    def seconds(self, name: str) -> float:
        """A lasting setting."""
        with self._changed:
            return float(getattr(self._faults, name))

    def take(self, name: str) -> bool:
        """Whether this one is hit by a fault that counts down; counts it."""
        with self._changed:
            left = getattr(self._faults, name)
            if left > 0:
                setattr(self._faults, name, left - 1)
            return bool(left > 0)

    def copies(self) -> int:
        """How many times the next callback is sent: 0 dropped, 1, or 2 duplicated."""
        if self.take("drop_callbacks"):
            return 0
        return 2 if self.take("duplicate_callbacks") else 1

    def hold_create(self) -> None:
        """Hold the answer to a created call."""
        with self._changed:
            before = self._cleared
            self._changed.wait_for(lambda: self._cleared != before, self._faults.hold_create_s)
