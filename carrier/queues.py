"""Queues: who waits in which, and how a waiting call and a Dial of its queue meet (docs/twilio.md 2.8).

The waiting call runs on its own thread and so does the call that dials. A `Meeting` is what the two share from the
moment the waiting one is taken out of the queue to the end of their talk.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from carrier.calls import API_VERSION, Call, Source, new_sid, rfc2822
from carrier.leg import Interrupted, Leg


class Summoned(Interrupted):
    """Somebody dials the queue in which this call waits, and it is the first of it."""

    def __init__(self, meeting: "Meeting") -> None:
        super().__init__()
        self.meeting = meeting


@dataclass(eq=False)
class Meeting:
    """A call taken out of its queue and the call that took it. `announcement`: the document of the Queue's `url`."""

    waiting: Leg
    taker: Leg
    announcement: Source | None
    joined_at: float | None = None
    over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def join(self, now: float) -> bool:
        """Bridge the two; False when the one that dialled is gone."""
        with self._lock:
            if self.over or self.taker.gone:
                return False
            self.joined_at = now
            self.waiting.bridge(self.taker)
        with self.taker.changed:
            self.taker.changed.notify_all()  # its time limit runs from now on
        return True

    def end(self) -> None:
        """Part them, whichever leaves first; the other one's wait is over."""
        with self._lock:
            if self.over:
                return
            self.over = True
            self.waiting.unbridge()
        for leg in (self.waiting, self.taker):
            with leg.changed:
                leg.changed.notify_all()


@dataclass(eq=False)
class Member:
    """One call in a queue."""

    call: Call
    leg: Leg
    since: float

    @property
    def sid(self) -> str:
        return self.call.sid


class Queue:
    """A named line of waiting calls, the longest waiting first."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name, self.sid = name, new_sid("QU")
        self.max_size = 0
        self._clock = clock
        self.created = self.updated = clock()
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._dialling: list[Leg] = []

    def join(self, member: Member, max_size: int) -> bool:
        """Stand at the end of the queue; False when it is full."""
        with self._lock:
            self.max_size = max_size
            if len(self._members) >= max_size:
                return False
            self._members.append(member)
            self.updated = self._clock()
            dialling = list(self._dialling)
        for leg in dialling:
            with leg.changed:
                leg.changed.notify_all()
        return True

    def leave(self, member: Member) -> None:
        """Out of the queue; one that was taken out of it has left before."""
        self.take_out(member)

    def take_out(self, member: Member) -> bool:
        """Whether it was still in the queue."""
        with self._lock:
            if member not in self._members:
                return False
            self._members.remove(member)
            self.updated = self._clock()
            return True

    def dial(self, taker: Leg, announcement: Source | None, until: float) -> Meeting | None:
        """Take the first out of the queue, waiting for one up to the moment `until`. Raises Interrupted."""
        meeting: list[Meeting] = []

        def taken() -> bool:
            with self._lock:
                if not self._members:
                    return False
                first = self._members.pop(0).leg
                meeting.append(Meeting(first, taker, announcement))
                # within the lock: a call that leaves at this moment finds the summons when it has got the lock
                first.summon(Summoned(meeting[0]))
                return True

        with self._lock:
            self._dialling.append(taker)
        try:
            taker.wait(taken, until)
        finally:
            with self._lock:
                self._dialling.remove(taker)
        return meeting[0] if meeting else None

    # As REST shows it (docs/twilio.md 1.6).

    def members(self) -> list[Member]:
        with self._lock:
            return list(self._members)

    def member(self, who: str) -> Member | None:
        """By the SID of its call; `Front` is whoever waits longest."""
        found = self.members()
        if who == "Front":
            return found[0] if found else None
        return next((member for member in found if member.sid == who), None)

    def to_json(self, account: str) -> dict[str, Any]:
        members, now = self.members(), self._clock()
        path = f"/{API_VERSION}/Accounts/{account}/Queues/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": account,
            "friendly_name": self.name,
            "current_size": len(members),
            "average_wait_time": int(sum(now - member.since for member in members) / len(members)) if members else 0,
            "max_size": self.max_size,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "uri": f"{path}.json",
            "subresource_uris": {"members": f"{path}/Members.json"},
        }

    def member_json(self, member: Member, account: str) -> dict[str, Any]:
        return {
            "call_sid": member.sid,
            "queue_sid": self.sid,
            "date_enqueued": rfc2822(member.since),
            "position": int(self.told(member)["QueuePosition"]),
            "wait_time": int(self._clock() - member.since),
            "uri": f"/{API_VERSION}/Accounts/{account}/Queues/{self.sid}/Members/{member.sid}.json",
        }

    # What requests say.

    def told(self, member: Member) -> dict[str, str]:
        """What a request to the waitUrl says of the queue besides the standard parameters."""
        now = self._clock()
        with self._lock:
            waits = [now - other.since for other in self._members]
            position = self._members.index(member) + 1 if member in self._members else 0
            return {
                "QueuePosition": str(position),
                "QueueSid": self.sid,
                "QueueTime": str(int(now - member.since)),
                "AvgQueueTime": str(int(sum(waits) / len(waits)) if waits else 0),
                "CurrentQueueSize": str(len(waits)),
                "MaxQueueSize": str(self.max_size),
            }


class QueueBook:
    """All queues of the account, each made by its first Enqueue and there for ever."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}

    def open(self, name: str) -> Queue:
        with self._lock:
            return self._queues.setdefault(name, Queue(name, self._clock))

    def get(self, name: str) -> Queue | None:
        with self._lock:
            return self._queues.get(name)

    def all(self) -> list[Queue]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._queues.values()))

    def by_sid(self, sid: str) -> Queue | None:
        return next((queue for queue in self.all() if queue.sid == sid), None)
