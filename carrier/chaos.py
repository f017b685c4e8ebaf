"""Faults on demand, all off by default (control API: /control/chaos)."""

import threading
from dataclasses import asdict, dataclass, field, fields
from typing import Any

CALLBACK_KINDS = ("status", "recording", "amd", "message")
ANY = "any"
FOR_EVER = -1
Counts = dict[str, int]


@dataclass
class Faults:
    """`*_s` are lasting settings; the others count down, the next n of their kind, -1 for ever.

    hold_create_s (real s): the 201 of a created call is held after the call was accepted and starts.
    lose_create: an accepted call gets no answer at all. hold_message_s, lose_message: the same for messages.
    recording_404_s (virtual s): new media answer 404. empty_recordings: files of 0 bytes. list_lag_s (virtual
    s): new calls are missing from lists. too_many: REST requests refused with 429/20429.

    Callbacks take a count for any kind, or one for each kind of CALLBACK_KINDS, as `{"amd": 1}`.
    delay_callbacks_s (virtual s): how late those of delay_callbacks come, by default all of them.
    reorder_callbacks: each is held until the next one of the same call or message has gone out.
    """

    hold_create_s: float = 0.0
    lose_create: int = 0
    hold_message_s: float = 0.0
    lose_message: int = 0
    recording_404_s: float = 0.0
    empty_recordings: int = 0
    list_lag_s: float = 0.0
    too_many: int = 0
    drop_callbacks: Counts = field(default_factory=dict)
    duplicate_callbacks: Counts = field(default_factory=dict)
    delay_callbacks_s: float = 0.0
    delay_callbacks: Counts = field(default_factory=lambda: {ANY: FOR_EVER})
    reorder_callbacks: Counts = field(default_factory=dict)


@dataclass(frozen=True)
class Fate:
    """What becomes of one callback: how often it is sent (0: dropped), how late, and behind the next one or
    not."""

    copies: int = 1
    delay_s: float = 0.0
    held: bool = False


class Chaos:
    """The switched-on faults."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._changed = threading.Condition()
        self._cleared = 0

    def set(self, values: dict[str, Any]) -> None:
        """Change some; raises ValueError for a name, a kind or a value that is none, and changes nothing
        then."""
        now = {known.name: getattr(Faults(), known.name) for known in fields(Faults)}
        unknown = values.keys() - now.keys()
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        read = {name: _value(name, now[name], value) for name, value in values.items()}
        if "delay_callbacks_s" in read:
            read.setdefault("delay_callbacks", {ANY: FOR_EVER})
        with self._changed:
            for name, value in read.items():
                setattr(self._faults, name, value)

    def clear(self) -> None:
        """All off; who is being held is let go."""
        with self._changed:
            self._faults = Faults()
            self._cleared += 1
            self._changed.notify_all()

    def show(self) -> dict[str, Any]:
        """All faults as `set` takes them; a count for any kind is shown as the bare number."""
        with self._changed:
            shown = asdict(self._faults)
        for name, value in shown.items():
            if isinstance(value, dict) and not value.keys() - {ANY}:
                shown[name] = value.get(ANY, 0)
        return shown

    def seconds(self, name: str) -> float:
        """A lasting setting."""
        with self._changed:
            return float(getattr(self._faults, name))

    def take(self, name: str) -> bool:
        """Whether this one is hit by a fault that counts down; counts it."""
        with self._changed:
            left = int(getattr(self._faults, name))
            if left > 0:
                setattr(self._faults, name, left - 1)
            return left != 0

    def fate(self, kind: str, may_hold: bool) -> Fate:
        """What becomes of the next callback of a kind; counts it. `may_hold`: nothing else is being held."""
        with self._changed:
            if self._take_callback("drop_callbacks", kind):
                return Fate(copies=0)
            copies = 2 if self._take_callback("duplicate_callbacks", kind) else 1
            delay = self._faults.delay_callbacks_s
            if delay and self._take_callback("delay_callbacks", kind):
                return Fate(copies, delay)
            return Fate(copies, held=may_hold and self._take_callback("reorder_callbacks", kind))

    def _take_callback(self, name: str, kind: str) -> bool:
        counts: Counts = getattr(self._faults, name)
        for key in (kind, ANY):
            left = counts.get(key, 0)
            if left:
                counts[key] = left - 1 if left > 0 else left
                return True
        return False

    def hold(self, name: str) -> None:
        """Hold an answer for as long as the setting `name` says, or until all faults are cleared."""
        with self._changed:
            before = self._cleared
            self._changed.wait_for(lambda: self._cleared != before, float(getattr(self._faults, name)))


def _value(name: str, known: float | int | Counts, value: Any) -> float | int | Counts:
    """A value from the control API's JSON as the kind its fault takes; raises ValueError."""
    if isinstance(known, float):
        if not isinstance(value, int | float) or value < 0:
            raise ValueError(f"{name} takes a number of seconds from 0 on")
        return float(value)
    if isinstance(known, int):
        return _count(name, value)
    counts = value if isinstance(value, dict) else {ANY: value}
    unknown = counts.keys() - {ANY, *CALLBACK_KINDS}
    if unknown:
        raise ValueError(f"{name} knows no kind {', '.join(sorted(unknown))}; there are {', '.join(CALLBACK_KINDS)}")
    return {kind: _count(name, count) for kind, count in counts.items()}


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or value < FOR_EVER:
        raise ValueError(f"{name} takes a whole number from 0 on, or -1")
    return value
