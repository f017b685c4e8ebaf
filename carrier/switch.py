"""The life of a call from the first ring to the end: placed by REST, or coming in from a phone
(docs/twilio.md 2.11)."""

from dataclasses import replace

from carrier.calls import Call, Source
from carrier.dial import ringing
from carrier.exchange import Exchange
from carrier.executor import Executor
from carrier.leg import Ended, Interrupted, Leg, PartyLeft, Redirected
from carrier.numbers import OwnedNumber
from carrier.pace import Ticket
from carrier.phoneleg import PhoneLeg
from carrier.phones import Step, Turn
from carrier.recording import Recording
from carrier.sound import digits_clip

WITHHELD = "anonymous"


def place(exchange: Exchange, call: Call, ticket: Ticket) -> None:
    """Let an admitted call by REST start when its turn in the queue comes."""
    exchange.pacer.place(ticket, lambda: exchange.run(call, lambda: outbound(exchange, call)))


def outbound(exchange: Exchange, call: Call) -> None:
    """A call placed by REST: initiated, ringing, answered, its documents, the end."""
    with call.lock:
        if call.over:
            return
        leg = exchange.open_leg(call, exchange.phones.take_turn(call.to, call.sid))
    if leg is None:
        return
    try:
        exchange.progress(call, "initiated")
        ring = leg.ring(call.timeout, lambda: ringing(exchange, call))
        if ring.status != "answered":
            exchange.finish(call, ring.status, ring.sip_code)
            return
        exchange.answer(call)
        converse(exchange, call, leg)
    except Interrupted as reason:
        close(exchange, call, reason)
    else:
        exchange.finish(call)


def converse(exchange: Exchange, call: Call, leg: Leg) -> None:
    """From the answer on: what the create asked for, then the documents."""
    if call.record_channels:
        start = exchange.clock.seconds()
        exchange.start_recording(
            Recording(call, "OutboundAPI", start, call.record_channels, callback=call.record_callback)
        )
    if call.send_digits:
        leg.play(digits_clip(call.send_digits), "")
    source = call.source
    if call.detection is not None and not call.detection.asynchronous:
        # Silence for the callee until the verdict, which comes with the first request (docs/twilio.md 2.9).
        try:
            leg.wait(lambda: call.answered_by is not None)
            source = replace(source, params=source.params | call.detected())
        except Redirected as order:
            source = order.source
    Executor(exchange, call, leg).run(source)


def close(exchange: Exchange, call: Call, reason: Interrupted) -> None:
    """End a call for what interrupted it."""
    if isinstance(reason, PartyLeft):
        exchange.finish(call, "no-answer", 487)  # before the answer: unconfirmed at Twilio; after it: completed
    elif isinstance(reason, Ended):
        exchange.finish(call, "canceled", 487)
    else:
        raise reason


def ring_hospital(exchange: Exchange, caller: str, number: OwnedNumber, script: list[Step], withheld: bool) -> Call:
    """A phone rings an owned number: the call, already on its way."""
    call = Call(
        account=exchange.account,
        to=number.number,
        from_=WITHHELD if withheld else caller,
        direction="inbound",
        created=exchange.clock.seconds(),
        source=Source(number.voice_url, number.voice_method),
        fallback=Source(number.voice_fallback_url, number.voice_fallback_method) if number.voice_fallback_url else None,
        status_callback=number.status_callback,
        status_callback_method=number.status_callback_method,
        number_callback=True,
        number_sid=number.sid,
    )
    exchange.admit(call)
    exchange.phones.note_call(caller, call.sid)
    leg = exchange.open_leg(call, Turn("person", tuple(script)))
    assert leg is not None  # nobody knows this call yet, so nobody can have cancelled it
    exchange.run(call, lambda: inbound(exchange, call, leg))
    return call


def inbound(exchange: Exchange, call: Call, leg: PhoneLeg) -> None:
    """A call into the hospital: its voice URL decides, while it rings, what becomes of it."""
    ringing(exchange, call)
    exchange.events.add("ringing", call.sid)
    if not call.source.url:
        exchange.finish(call, "failed", 404)
        return
    try:
        Executor(exchange, call, leg).run(call.source)
    except Interrupted as reason:
        close(exchange, call, reason)
    else:
        exchange.finish(call)
