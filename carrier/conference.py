"""The Dial of a conference, on the thread of the call that dials (docs/twilio.md 4.2 Conference)."""

from typing import TYPE_CHECKING

from carrier.conferences import ADD_FAILED, BY_API, HUNG_UP, Changed, Conference, Participant
from carrier.enqueue import Broken, Outcome
from carrier.leg import Interrupted, Redirected
from carrier.twiml import Conference as Noun
from carrier.twiml import Dial

if TYPE_CHECKING:
    from carrier.executor import Executor


def confer(executor: "Executor", verb: Dial, noun: Noun) -> Outcome:
    """Be in the conference until it or this part of it is over; nothing is raised that has not been put down."""
    exchange, now = executor.exchange, executor.exchange.clock.seconds()
    me = Participant(
        executor.call,
        executor.leg,
        noun.label,
        noun.starts,
        noun.ends,
        noun.muted,
        noun.beep,
        waits=executor.source(noun.wait_url, noun.wait_method) if noun.wait_url else None,
        since=now,
        updated=now,
    )
    room = exchange.conferences.join(noun, me, executor.absolute_url(noun.status_callback))
    if isinstance(room, int):
        executor.error(room, "the conference is full or the label is taken")
        return Outcome({"DialCallStatus": "failed"})
    why, status, gone = HUNG_UP, "answered", None
    try:
        _stay(executor, verb, room, me)
    except Broken:
        why, status = ADD_FAILED, "failed"
    except Interrupted as order:
        why, gone = BY_API if isinstance(order, Redirected) else HUNG_UP, order
    finally:
        exchange.conferences.leave(room, me, why)
        executor.leg.take_summons()
    return Outcome({"DialCallStatus": status}, gone)


def _stay(executor: "Executor", verb: Dial, room: Conference, me: Participant) -> None:
    """The others, or what is heard instead of them, until this one is out or leaves by a star."""
    beside = executor.beside("conference", lambda: {"ConferenceSid": room.sid, "FriendlyName": room.name})
    while not me.left:
        document = room.plays(me)
        try:
            if document is not None:
                beside.run(document)
                executor.exchange.conferences.played_out(me, document)
            else:
                with executor.leg.watch_keys() as pressed:
                    executor.leg.wait(lambda: verb.hangup_on_star and "*" in pressed)
                break
        except Changed:
            pass
        except Broken:
            if not me.hold:
                raise
            me.holds = None
