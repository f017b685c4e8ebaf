"""The detector at work on one answered call: it decides once, tells the call and the application
(docs/twilio.md 2.9)."""

from typing import TYPE_CHECKING

from carrier.amd import MACHINE_END, Detection, FarEnd, judge

if TYPE_CHECKING:
    from carrier.calls import Call
    from carrier.exchange import Exchange

MESSAGE_ENDS = MACHINE_END[:2]


class Detector:
    """Listens from the answer on. A call that ends before it has decided was answered by `unknown`
    (unconfirmed at Twilio)."""

    def __init__(self, exchange: "Exchange", call: "Call", asked: Detection, far: FarEnd) -> None:
        self._exchange, self._call, self._asked = exchange, call, asked
        self._began = exchange.clock.seconds()
        verdict = judge(asked, far)

        def decide() -> None:
            self._decide(verdict.answered_by, verdict.after_s)

        def decide_behind_the_greeting() -> None:
            """The end of a message is not found before it has been heard, however late its player runs."""
            if call.leg is not None:
                call.leg.after_greeting(decide)

        heard_out = verdict.answered_by in MESSAGE_ENDS and far.belief.after_s is None
        exchange.timetable.at(self._began + verdict.after_s, decide_behind_the_greeting if heard_out else decide)
        if asked.asynchronous and not asked.callback:
            exchange.events.add("error", call.sid, code=21262, text="No AMD status callback URL provided")

    def call_over(self) -> None:
        """The call has ended: nothing more will be heard."""
        self._decide("unknown", self._exchange.clock.seconds() - self._began)

    def _decide(self, answered_by: str, after_s: float) -> None:
        call = self._call
        with call.lock:
            if call.answered_by is not None:
                return
            call.answered_by, call.detection_ms = answered_by, round(after_s * 1000)
        self._exchange.events.add("amd", call.sid, text=answered_by, ms=call.detection_ms)
        if call.leg is not None:
            with call.leg.changed:
                call.leg.changed.notify_all()
        if self._asked.asynchronous and self._asked.callback and call.outbox is not None:
            parameters = {"CallSid": call.sid, "AccountSid": call.account} | call.detected()
            call.outbox.send(self._asked.callback, self._asked.callback_method, parameters, "amd")
