"""The slots of a doctor's session, and which free ones a caller is offered. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

LEAST_AHEAD: Final = timedelta(hours=2)
"""A visit is booked at least so long before it begins."""
FURTHEST: Final = timedelta(days=60)
"""And at most so long."""
MOST_OFFERED: Final = 5
"""More is not remembered."""
SHORTEST: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Slot:
    session_id: uuid.UUID
    number: int
    """0 is the session's first."""
    at: datetime
    """UTC."""

    @property
    def key(self) -> str:
        """What a caller chose, with the hour that was heard: if the session moves meanwhile, it is another slot."""
        return f"{self.session_id}/{self.number}/{int(self.at.timestamp())}"

    @classmethod
    def of(cls, key: str) -> Self:
        session_id, number, at = key.split("/")
        return cls(uuid.UUID(session_id), int(number), datetime.fromtimestamp(int(at), UTC))


def grid(starts_at: datetime, ends_at: datetime, slots: int) -> list[datetime]:
    """When each slot begins: equal lengths, on whole minutes."""
    length = (ends_at - starts_at) / slots
    return [(starts_at + number * length).replace(second=0, microsecond=0) for number in range(slots)]


def free(
    session_id: uuid.UUID, starts_at: datetime, ends_at: datetime, slots: int, taken: Collection[int], now: datetime
) -> list[Slot]:
    """What a session still has for somebody who rings at `now`, in order of time."""
    times = enumerate(grid(starts_at, ends_at, slots))
    earliest, latest = now + LEAST_AHEAD, now + FURTHEST
    return [Slot(session_id, number, at) for number, at in times if number not in taken and earliest < at <= latest]


def spread(slots: Iterable[Slot], zone: ZoneInfo, heard: Collection[str] = ()) -> list[Slot]:
    """What is read out: the first free time of each session's morning and afternoon, the next ones first, so that
    five offers are not five of the same half hour. `heard`: keys of those that did not suit."""
    found: dict[tuple[uuid.UUID, str], Slot] = {}
    for slot in sorted(slots, key=lambda one: (one.at, one.session_id, one.number)):
        local = slot.at.astimezone(zone)
        if slot.key not in heard:
            found.setdefault((slot.session_id, f"{local:%F %p}"), slot)
    return list(found.values())[:MOST_OFFERED]


def moved(taken: Iterable[tuple[int, datetime]], times: list[datetime]) -> tuple[dict[int, int], list[int]]:
    """Which slot of new `times` each taken one is, by its hour; and those whose hour there is none of any more."""
    there = {at: number for number, at in enumerate(times)}
    placed = {number: there[at] for number, at in taken if at in there}
    return placed, [number for number, at in taken if at not in there]
