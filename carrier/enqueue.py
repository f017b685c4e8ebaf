"""Waiting in a queue: the Enqueue of the call that waits, the Dial of the one that takes it (docs/twilio.md 2.8)."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrier.calls import Source
from carrier.leg import Ended, Interrupted, PartyLeft, Redirected
from carrier.queues import Meeting, Member, Queue, Summoned
from carrier.twiml import Dial, Enqueue

if TYPE_CHECKING:
    from carrier.executor import Executor


class LeftQueue(Exception):
    """A Leave in the wait document."""


class Broken(Exception):
    """A document for a waiting call could not be had or not be run: the debugger has been told."""


@dataclass
class Outcome:
    """What the action is told. `gone`: what ended or moved the call, if the document of the action cannot be run."""

    parameters: dict[str, str] = field(default_factory=dict)
    gone: Exception | None = None


def wait_in_queue(executor: "Executor", verb: Enqueue) -> Outcome:
    """Stand in the queue until it is over, one way or another; nothing is raised that has not been put down."""
    exchange = executor.exchange
    queue = exchange.queues.open(verb.name)
    member = Member(executor.call, executor.leg, exchange.clock.seconds())
    gone: Exception | None = None
    if not queue.join(member, verb.max_size):
        executor.error(14207, "the queue is full")
        return Outcome({"QueueResult": "queue-full", "QueueSid": queue.sid, "QueueTime": "0"})
    exchange.events.add("enqueued", executor.call.sid, text="")
    try:
        result = _stand(executor, verb, queue, member)
    except Summoned as order:
        result, gone = _meet(executor, order.meeting, queue, member)
    except (PartyLeft, Ended) as order:
        result, gone = "hangup", order
    except Redirected as order:
        result, gone = "redirected", order
    finally:
        queue.leave(member)
        # whoever took the call out of the queue in the very moment it ended must not wait for it
        summons = executor.leg.take_summons()
        if isinstance(summons, Summoned):
            summons.meeting.end()
    exchange.events.add("dequeued", executor.call.sid, text=result)
    return Outcome({"QueueResult": result, "QueueSid": queue.sid, "QueueTime": queue.told(member)["QueueTime"]}, gone)


def _stand(executor: "Executor", verb: Enqueue, queue: Queue, member: Member) -> str:
    """The wait document, over and over; silence where there is none."""
    if not verb.wait_url:
        executor.leg.wait(lambda: False)
    waiting = executor.beside("waiting", lambda: queue.told(member))
    source = executor.source(verb.wait_url, verb.wait_method)
    try:
        while waiting.run(source):
            pass
    except LeftQueue:
        return "leave"
    except Broken:
        return "error"
    raise Ended  # a Hangup in the wait document


def _meet(executor: "Executor", meeting: Meeting, queue: Queue, member: Member) -> tuple[str, Exception | None]:
    """From being called out of the queue to the end of the talk."""
    try:
        if meeting.announcement is not None:
            told = {"QueueSid": queue.sid, "QueueTime": queue.told(member)["QueueTime"]}
            executor.beside("called", lambda: told).run(meeting.announcement)
        if not meeting.join(executor.exchange.clock.seconds()):
            return "error", None
        executor.leg.wait(lambda: meeting.over)
    except Broken:
        return "error", None
    except (PartyLeft, Ended) as order:
        return ("bridged" if meeting.joined_at is not None else "bridging-in-process"), order
    except Redirected as order:
        return "redirected-from-bridged", order
    finally:
        meeting.end()
    return "bridged", None


def dial_queue(executor: "Executor", verb: Dial) -> Outcome:
    """Take the first caller of a queue and talk. CARRIER: which fields describe it is not documented beyond those of
    any Dial; DialCallSid is the call that waited."""
    noun, exchange, leg = verb.queue, executor.exchange, executor.leg
    assert noun is not None
    queue = exchange.queues.get(noun.name)
    if queue is None:
        executor.error(12200, "there is no queue of this name")
        return Outcome({"DialCallStatus": "failed", "DialBridged": "false"})
    announcement = None
    if noun.url:
        found = executor.source(noun.url, noun.method)
        announcement = Source(found.url, found.method, {"DequeingCallSid": executor.call.sid})
    gone: Interrupted | None = None
    meeting: Meeting | None = None
    try:
        meeting = queue.dial(leg, announcement, exchange.clock.seconds() + verb.timeout)
        if meeting is not None:
            leg.wait(lambda: meeting.over, lambda: _time_limit(verb, meeting))
    except Interrupted as order:
        gone = order
    finally:
        if meeting is not None:
            meeting.end()
    return Outcome(_described(executor, meeting), gone)


def _time_limit(verb: Dial, meeting: Meeting) -> float:
    return float("inf") if meeting.joined_at is None else meeting.joined_at + verb.time_limit


def _described(executor: "Executor", meeting: Meeting | None) -> dict[str, str]:
    if meeting is None or meeting.joined_at is None:
        return {"DialCallStatus": "no-answer", "DialBridged": "false"}
    seconds = executor.exchange.clock.seconds() - meeting.joined_at
    return {
        "DialCallStatus": "completed",
        "DialCallSid": meeting.waiting.sid,
        "DialCallDuration": str(round(seconds)),
        "DialBridged": "true",
    }
