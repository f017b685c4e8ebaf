"""What the carrier saw of a storm: who was rung when, who talked with whom, how each wait ended. Read from its record
alone; nothing of the code under test is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.stack import Stage

Event = dict[str, Any]
A_TALK_S = 0.5
"""A shorter joining out of a queue is none: the carrier tells whole seconds, and one of the two was gone in that
moment. Of a leg it tells more, the seconds since it was picked up."""


@dataclass(frozen=True)
class Leg:
    """One call, ours or theirs. Moments are the carrier's seconds."""

    sid: str
    number: str
    """Whose telephone it is."""
    direction: str
    status: str
    parent: str
    began: float
    answered: float | None
    ended: float
    events: Sequence[Event] = field(repr=False)

    def first(self, kind: str, *texts: str) -> float | None:
        found = (event["s"] for event in self.events if event["kind"] == kind and (not texts or event["text"] in texts))
        return next(found, None)

    def last_word(self, kind: str) -> str:
        return next((str(event["text"]) for event in reversed(self.events) if event["kind"] == kind), "")

    @property
    def waited(self) -> tuple[float, float] | None:
        """From when to when it stood in a queue, until it was joined or left."""
        came = self.first("enqueued")
        gone = self.first("bridged") or self.first("dequeued")
        return None if came is None else (came, gone if gone is not None else self.ended)


@dataclass(frozen=True)
class Talk:
    agent: Leg
    caller: Leg
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def is_one(self) -> bool:
        return self.caller.direction == "outbound-dial" or self.seconds >= A_TALK_S


@dataclass(frozen=True)
class Record:
    legs: Mapping[str, Leg]
    agents: Collection[str]
    talks: Sequence[Talk]

    @classmethod
    def read(cls, stage: Stage, agents: Collection[str], rang: Mapping[str, str]) -> Record:
        """`rang`: whose telephone made which call, also where the number was hidden from us."""
        happened: dict[str, list[Event]] = defaultdict(list)
        for event in stage.carrier("GET", "/control/events?after=0&timeout=0")["events"]:
            happened[event["leg"]].append(event | {"s": seconds(event["at"])})
        legs = {}
        for call in stage.carrier("GET", "/control/calls"):
            sid = call["sid"]
            assert call["ended"] is not None, f"a call to {call['to']} is not over"
            number = rang.get(sid, call["from"]) if call["direction"] == "inbound" else call["to"]
            legs[sid] = Leg(
                sid, number, call["direction"], call["status"], call["parent_sid"] or "", call["created"],
                call["answered"], call["ended"], happened[sid],
            )  # fmt: skip
        return cls(legs, agents, [talk for talk in _talks(legs, agents) if talk.is_one])

    def of(self, number: str, *directions: str) -> list[Leg]:
        """Every call of this telephone, in order."""
        found = (leg for leg in self.legs.values() if leg.number == number)
        wanted = (leg for leg in found if not directions or leg.direction in directions)
        return sorted(wanted, key=lambda leg: leg.began)

    def rings(self, number: str) -> list[Leg]:
        """Those we made."""
        return self.of(number, "outbound-api", "outbound-dial")

    def story(self, began: float) -> str:
        """All calls, one a line, to read after a failure; seconds since `began`."""

        def line(leg: Leg) -> str:
            heard = " | ".join(str(event["text"])[:24] for event in leg.events if event["kind"] in ("heard", "pressed"))
            waited = "" if leg.waited is None else "in line {:.0f}-{:.0f} {}".format(
                *(moment - began for moment in leg.waited), leg.last_word("dequeued")
            )  # fmt: skip
            span = f"{leg.began - began:6.0f} {leg.ended - began:6.0f}"
            return f"{span} {leg.number[-4:]} {leg.direction} {leg.status} {waited} {heard[-300:]}"

        return "\n".join(line(leg) for leg in sorted(self.legs.values(), key=lambda leg: leg.began))


def _talks(legs: Mapping[str, Leg], agents: Collection[str]) -> Iterable[Talk]:
    for leg in legs.values():
        if leg.number not in agents:
            continue
        joined = [event for event in leg.events if event["kind"] in ("bridged", "unbridged")]
        for began, ended in zip(joined[::2], joined[1::2], strict=True):
            assert (began["kind"], ended["kind"]) == ("bridged", "unbridged")
            yield Talk(leg, legs[began["peer"]], began["s"], ended["s"])


def overlaps(legs: Iterable[Leg]) -> list[tuple[Leg, Leg]]:
    """Calls of one telephone that lived at the same time."""
    ordered = sorted(legs, key=lambda leg: leg.began)
    return [(one, two) for one, two in pairwise(ordered) if two.began < one.ended]


def seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
