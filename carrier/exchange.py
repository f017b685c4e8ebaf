"""The exchange: everything the carrier holds, and what happens to calls and recordings in it."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from carrier.calls import Call, CallBook, rfc2822
from carrier.chaos import Chaos
from carrier.clock import Clock, Timetable
from carrier.conferences import ConferenceBook
from carrier.detector import Detector
from carrier.events import EventLog
from carrier.inbox import Inbox
from carrier.leg import Ended, Leg
from carrier.messages import MessageBook
from carrier.numbers import Numbers
from carrier.outbox import Outbox, Post
from carrier.pace import Pacer
from carrier.phoneleg import PhoneLeg
from carrier.phones import PhoneBook, Turn
from carrier.queues import QueueBook
from carrier.recording import Recording, RecordingStore
from carrier.sound import Clip
from carrier.voice import Voice
from carrier.webhooks import Webhooks
from carrier.work import Work

log = logging.getLogger(__name__)


class Exchange:
    """The one object the HTTP side and the calls share. `base_url` is known once the server listens."""

    def __init__(self, account: str, token: str, data: Path, speed: float = 1.0, cps: float = 0.0) -> None:
        self.account, self.token = account, token
        self.base_url = ""
        self.clock = Clock(speed)
        self.timetable = Timetable(self.clock)
        self.events = EventLog(self.clock)
        self.work = Work()
        self.chaos = Chaos()
        self.voice = Voice()
        self.phones = PhoneBook()
        self.numbers = Numbers()
        self.calls = CallBook(self.clock)
        self.queues = QueueBook(self.clock.seconds)
        self.conferences = ConferenceBook(account, self.clock.seconds, self.outbox, self.events)
        self.recordings = RecordingStore(data, self.chaos)
        self.webhooks = Webhooks(token, self.events)
        self.messages = MessageBook(self)
        self.inbox = Inbox(self)
        self.pacer = Pacer(self.clock, self.timetable, cps)
        self._post = Post(self.webhooks, self.work, self.chaos, self.events, self.timetable)

    def outbox(self, sid: str) -> Outbox:
        """A place for the callbacks of one call or message."""
        return Outbox(self._post, sid)

    # Calls.

    def admit(self, call: Call) -> None:
        """Take a new call in: it is in the book, counts as work, and rings nobody yet."""
        call.outbox = self.outbox(call.sid)
        self.work.begin()
        self.calls.add(call)
        self.events.add("call-created", call.sid, direction=call.direction, **{"to": call.to, "from": call.from_})

    def run(self, call: Call, life: Callable[[], None]) -> None:
        """Run a call's life on a thread of its own, ended whatever happens; `admit` came before."""

        def whole() -> None:
            try:
                life()
            except Exception:  # a fault of ours ends this call as a carrier's fault, and no other
                log.exception("call %s broke", call.sid)
                self.events.add("error", call.sid, code=12400, text="internal")
            finally:
                self.finish(call, "failed", 500)
                self.work.done()

        threading.Thread(target=whole, name=f"call {call.sid}", daemon=True).start()

    def open_leg(self, call: Call, turn: Turn) -> PhoneLeg | None:
        """The line for a call that starts now; None if it was cancelled while it was queued."""
        leg = PhoneLeg(call.sid, self.clock, self.events, self.voice, turn)
        with call.lock:
            if call.over:
                return None
            call.leg = leg
            call.started = call.started or self.clock.seconds()
        return leg

    def answer(self, call: Call) -> None:
        """The call is answered: its time runs, the far end may speak."""
        leg = call.leg
        if leg is None or not call.move("in-progress", self.clock.seconds()):
            return
        leg.limit(self.clock.seconds() + call.time_limit)
        self.progress(call, "answered")
        if call.detection is not None:
            call.detector = Detector(self, call, call.detection, leg.far_end())
        leg.connected()

    def progress(self, call: Call, event: str) -> None:
        """Log a status and send its callback if it was asked for (docs/twilio.md 2.6)."""
        word = "initiated" if event == "initiated" else call.status
        self.events.add("status", call.sid, status=word, text=word)
        sequence = call.next_sequence()
        if not call.status_callback or event not in call.status_callback_events or call.outbox is None:
            return
        parameters = call.standard_parameters() | {"CallStatus": word}
        if not call.number_callback:
            parameters["Timestamp"] = rfc2822(self.clock.seconds()) or ""
            parameters["CallbackSource"] = "call-progress-events"
            parameters["SequenceNumber"] = sequence
        if event == "completed":
            parameters["CallDuration"] = str(call.duration())
            parameters["Duration"] = str(-(-call.duration() // 60))
            if call.answered_by is not None:
                parameters["AnsweredBy"] = call.answered_by
            if not call.number_callback:
                parameters["SipResponseCode"] = str(call.sip_code)
        call.outbox.send(call.status_callback, call.status_callback_method, parameters, "status")

    def finish(self, call: Call, status: str = "completed", sip_code: int = 200) -> None:
        """End a call once: line down, terminal state, its callback, then its recordings. Later ends change
        nothing.

        A call that was answered ends as `completed`, whatever ended it (docs/twilio.md 5)."""
        with call.lock:
            final = status if call.answered is None else "completed"
            if call.over:
                return
            call.sip_code = 200 if final == "completed" else sip_code
            call.move(final, self.clock.seconds())
        if call.leg is not None:
            call.leg.unbridge()
            call.leg.hang_up()
        if call.detector is not None:
            call.detector.call_over()
        self.progress(call, "completed")
        for recording in self.recordings.select(lambda r: r.call is call and r.running):
            self.stop_recording(recording)

    def end(self, call: Call, status: str) -> bool:
        """Order by REST to end a call: `canceled` only before the answer, `completed` always (docs/twilio.md
        1.3)."""
        with call.lock:
            if call.over:
                return status == "canceled"
            leg = call.leg
            if leg is None:
                # Still in the queue: it ends without a single callback (docs/twilio.md 1.3).
                call.move("canceled", self.clock.seconds())
                self.events.add("status", call.sid, status="canceled", text="canceled")
            elif call.status != "in-progress" or status != "canceled":
                leg.interrupt(Ended("completed" if call.answered is not None else "canceled"))
        self.pacer.turn()
        return True

    # Recordings.

    def start_recording(self, recording: Recording) -> None:
        """Begin a recording of the call's leg."""
        self.recordings.add(recording)
        self.events.add("recording-started", recording.call.sid, recording=recording.sid)
        self._report(recording, "in-progress")

    def stop_recording(self, recording: Recording) -> list[Clip] | None:
        """End a recording: mix it, write its file, then report it. Does nothing the second time."""
        leg: Leg | None = recording.call.leg
        if leg is None or recording.call.outbox is None:
            return None
        channels = self.recordings.close(recording, leg, self.clock.seconds())
        if channels is None:
            return None
        self.events.add("recording-stopped", recording.call.sid, recording=recording.sid)

        def write() -> None:
            self.recordings.write(recording, channels, self.clock.seconds())

        # In the call's outbox, so the file comes after the call's own completed callback and before its own.
        recording.call.outbox.after(write)
        self._report(recording, "completed")
        return channels

    def _report(self, recording: Recording, status: str) -> None:
        callback, outbox = recording.callback, recording.call.outbox
        if callback.url and status in callback.events and outbox is not None:
            outbox.send(callback.url, callback.method, recording.parameters(self.base_url, status), "recording")
