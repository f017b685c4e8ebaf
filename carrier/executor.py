"""The TwiML executor: one call, one document after the other, one verb at a time (docs/twilio.md 4).

It reads like the specification: each verb is a method that takes as long as the verb does and returns where
the next document comes from, or None to go on with the next verb. What comes from outside (a hang-up, an
order by REST) is raised by the leg's waits as `Interrupted`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from urllib.parse import urldefrag, urljoin, urlsplit

import numpy as np

from carrier import twiml
from carrier.calls import Call, Source
from carrier.conference import confer
from carrier.dial import Dialling
from carrier.enqueue import Broken, LeftQueue, Outcome, dial_queue, wait_in_queue
from carrier.entry import collect, take_message
from carrier.exchange import Exchange
from carrier.leg import Leg, PartyLeft, Redirected
from carrier.playing import fetch_sound
from carrier.recording import Recording
from carrier.sound import digits_clip
from carrier.voice import VoiceError
from carrier.webhooks import FetchError, new_session

MOST_SILENT_DOCUMENTS = 100
APOLOGY = "We are sorry, an application error has occurred. Goodbye."
TWIML_TYPES = ("text/xml", "application/xml", "text/html")


Place = Literal["call", "screening", "waiting", "called", "conference"]
"""Whose documents these are: the call's own, a dialled leg's before it is bridged (docs/twilio.md 4.2 Number), those of
a call in a queue, what a call hears that has just been taken out of one (2.8), and what is heard in a conference that
has not begun, or on hold in it (4.2 Conference)."""
ALLOWED: dict[Place, tuple[type, ...]] = {
    "waiting": (
        twiml.Say, twiml.Play, twiml.Pause, twiml.Gather, twiml.Redirect, twiml.Hangup, twiml.Leave
    ),
    "called": (twiml.Say, twiml.Play, twiml.Pause, twiml.Redirect),
    "conference": (twiml.Say, twiml.Play, twiml.Pause, twiml.Redirect),
}  # fmt: skip
"""Documents beside the call's own, in which only these verbs may stand, and which REST's new document ends."""


class HungUp(Exception):
    """The document hung up, or could not be run: the leg's life ends here."""


@dataclass(frozen=True)
class Page:
    """A document and the URL its relative addresses start from (empty for inline TwiML)."""

    document: twiml.Document
    url: str


class Executor:
    """Runs documents on one leg. `told`: what every request says besides the standard parameters."""

    def __init__(
        self, exchange: Exchange, call: Call, leg: Leg, place: Place = "call", told: Callable[[], dict[str, str]] = dict
    ) -> None:
        self.exchange, self.call, self.leg = exchange, call, leg
        self._place, self._told = place, told
        self._session = new_session()
        self._page = Page(twiml.Document(), "")
        self._silent = 0
        self._verbs: dict[type, Callable[[Any], Source | None]] = {
            twiml.Say: self._say,
            twiml.Play: self._play,
            twiml.Pause: self._pause,
            twiml.Gather: self._gather,
            twiml.Record: self._record,
            twiml.StartRecording: self._start_recording,
            twiml.StopRecording: self._stop_recording,
            twiml.Dial: self._dial,
            twiml.Enqueue: self._enqueue,
            twiml.Leave: self._leave,
            twiml.Redirect: self._redirect,
            twiml.Hangup: self._hangup,
            twiml.Reject: self._reject,
        }

    def run(self, source: Source) -> bool:
        """Run documents until one ends. True when it ran out, False when it hung up. Raises PartyLeft and
        Ended."""
        following: Source | None = source
        while following is not None:
            try:
                self.leg.check()
                self._page = self._fetch(following)
                self.leg.check()
                following = self._perform(self._page.document)
            except Redirected as order:
                if self._place in ALLOWED:
                    raise
                following = order.source
            except HungUp:
                return False
        return True

    def beside(self, place: Place, told: Callable[[], dict[str, str]]) -> "Executor":
        """For documents that run on this leg while its own document waits; the cookies are the same."""
        other = Executor(self.exchange, self.call, self.leg, place, told)
        other._session = self._session
        return other

    def _perform(self, document: twiml.Document) -> Source | None:
        self._silent += 1
        if self._silent > MOST_SILENT_DOCUMENTS:
            self.error(12400, "too many documents without a sound")
            self._apologise()
        self._prepare_voice(document)
        for verb in document.verbs:
            if not isinstance(verb, ALLOWED.get(self._place, object)):
                self.error(12200, f"{type(verb).__name__} has no place in a document for one who waits")
                raise Broken
            self._answer_for(verb)
            following = self._verbs[type(verb)](verb)
            if following is not None:
                return following
            self.leg.check()
        self._answer()  # an empty document answers the call, then ends it (4.1)
        return None

    def _answer_for(self, verb: twiml.Verb) -> None:
        """An inbound call is answered by its first verb, but for Reject, a leading Pause, and answerOnBridge
        (2.11)."""
        waits = isinstance(verb, twiml.Reject | twiml.Pause) or (isinstance(verb, twiml.Dial) and verb.answer_on_bridge)
        if not waits:
            self._answer()

    def _answer(self) -> None:
        if self.call.status == "ringing":
            self.exchange.answer(self.call)

    def _prepare_voice(self, document: twiml.Document) -> None:
        """Let every text of the document be spoken while its first one plays."""
        for verb in document.verbs:
            for prompt in verb.prompts if isinstance(verb, twiml.Gather) else (verb,):
                if isinstance(prompt, twiml.Say) and prompt.text:
                    self.exchange.voice.say(prompt.spoken, prompt.language)

    # Documents.

    def _fetch(self, source: Source) -> Page:
        """The next document; on a failure the fallback's, else an apology and the end (docs/twilio.md
        2.12)."""
        try:
            return self._read(source)
        except (FetchError, twiml.TwimlError) as error:
            self.error(error.code, str(error))
            fallback = self.call.fallback
            if fallback is not None and self._place == "call":
                failed = {"ErrorCode": str(error.code), "ErrorUrl": source.url}
                try:
                    return self._read(Source(fallback.url, fallback.method, source.params | failed))
                except (FetchError, twiml.TwimlError) as second:
                    self.error(second.code, str(second))
            self._apologise()

    def _read(self, source: Source) -> Page:
        if source.twiml:
            return Page(twiml.parse(source.twiml), "")
        params = self.call.standard_parameters() | self._told() | source.params
        reply = self.exchange.webhooks.fetch(self._session, source.url, source.method, params, self.call.sid)
        kind = reply.content_type.split(";")[0].strip().lower()
        if kind in TWIML_TYPES:
            return Page(twiml.parse(reply.body), reply.url)
        if kind.startswith("audio/"):
            end = () if self._place in ALLOWED else (twiml.Hangup(),)
            return Page(twiml.Document((twiml.Play(reply.url), *end)), reply.url)
        if kind == "text/plain":
            try:
                return Page(twiml.parse(reply.body), reply.url)
            except twiml.TwimlError:
                words = reply.body.decode("utf-8", "replace")
                return Page(twiml.Document((twiml.Say(words), twiml.Hangup())), reply.url)
        raise twiml.TwimlError(12300, f"content type {kind or 'missing'}")

    def source(self, url: str | None, method: str, params: dict[str, str] | None = None) -> Source:
        """Where an `action` or Redirect leads: relative to this document, or this document itself."""
        target = urldefrag(urljoin(self._page.url, url or self._page.url)).url
        if urlsplit(target).scheme not in ("http", "https"):
            self.error(15004, "a relative address in a document that has none itself")
            self._apologise()
        return Source(target, method, params or {})

    def ask_and_ignore(self, url: str | None, method: str, params: dict[str, str]) -> None:
        """The action of a Record or Dial whose caller has hung up: requested, its document is not run (2.4,
        2.7)."""
        source = self.source(url, method, params)
        everything = self.call.standard_parameters() | source.params
        try:
            self.exchange.webhooks.fetch(self._session, source.url, source.method, everything, self.call.sid)
        except FetchError as error:
            self.error(error.code, str(error))

    def error(self, code: int, text: str) -> None:
        self.exchange.events.add("error", self.call.sid, code=code, text=text)

    def _apologise(self) -> NoReturn:
        """Tell the party, then end the call (docs/twilio.md 2.12). CARRIER: a call in a queue or
        a conference only leaves it."""
        if self._place in ALLOWED:
            raise Broken
        self._answer()
        self.leg.play(self.exchange.voice.speak(APOLOGY, "en-US").result(), APOLOGY, "en-US")
        raise HungUp

    # Verbs.

    def _say(self, verb: twiml.Say, barge_in: bool = False) -> None:
        self._silent = 0
        if not verb.text:
            return
        try:
            clip = np.concatenate([part.result() for part in self.exchange.voice.say(verb.spoken, verb.language)])
        except VoiceError as error:
            self.error(13520, str(error))
            self._apologise()
        slowest = min(piece.rate for piece in verb.spoken)
        for _ in range(verb.loop):
            if not self.leg.play(clip, verb.text, verb.language, barge_in, rate=slowest):
                return

    def _play(self, verb: twiml.Play, barge_in: bool = False) -> None:
        self._silent = 0
        if verb.digits:
            clip, name = digits_clip(verb.digits), ""
        else:
            url = urldefrag(urljoin(self._page.url, verb.url)).url
            name = urlsplit(url).path
            try:
                clip = fetch_sound(self.exchange.webhooks, self._session, url, self.call.sid)
            except FetchError as error:
                # A file that cannot be played is skipped: whether Twilio ends the call here is unconfirmed.
                self.error(error.code, str(error))
                return
        for _ in range(verb.loop):
            if not self.leg.play(clip, name, "", barge_in):
                return

    def _pause(self, verb: twiml.Pause, barge_in: bool = False) -> None:
        self._silent = 0
        self.leg.wait(lambda: barge_in and bool(self.leg.keys), self.exchange.clock.seconds() + verb.length)

    def _gather(self, verb: twiml.Gather) -> Source | None:
        """Keys, from the first prompt to the end of the entry (docs/twilio.md 4.2 Gather)."""
        self._silent = 0
        with self.leg.listening():
            for prompt in verb.prompts:
                if isinstance(prompt, twiml.Say):
                    self._say(prompt, verb.barge_in and verb.dtmf)
                elif isinstance(prompt, twiml.Play):
                    self._play(prompt, verb.barge_in and verb.dtmf)
                else:
                    self._pause(prompt, verb.barge_in and verb.dtmf)
            digits, finished_on = collect(self.leg, verb)
        if not digits and not verb.action_on_empty_result:
            return None
        entry = {"Digits": digits, "FinishedOnKey": finished_on, "msg": "Gather End"}
        return self.source(verb.action, verb.method, entry)

    def _record(self, verb: twiml.Record) -> Source | None:
        self._silent = 0
        return take_message(self, verb)

    def _start_recording(self, verb: twiml.StartRecording) -> None:
        self.exchange.start_recording(
            Recording(
                self.call,
                "StartCallRecordingAPI",
                self.exchange.clock.seconds(),
                verb.channels,
                verb.track,
                verb.trim,
                callback=self.absolute(verb.callback),
            )
        )

    def _stop_recording(self, verb: twiml.StopRecording) -> None:
        mine = self.exchange.recordings.select(lambda r: r.call is self.call and r.running)
        if mine:
            self.exchange.stop_recording(mine[0])

    def absolute(self, callback: twiml.RecordingCallback) -> twiml.RecordingCallback:
        return twiml.RecordingCallback(self.absolute_url(callback.url), callback.method, callback.events)

    def absolute_url(self, url: str) -> str:
        """A callback's address, which may be relative to this document; empty stays empty."""
        return urldefrag(urljoin(self._page.url, url)).url if url else ""

    def _dial(self, verb: twiml.Dial) -> Source | None:
        self._silent = 0
        if self.call.parent is not None:
            self.error(13201, "Dial inside a dialled leg")
            self._apologise()
        if verb.queue is not None:
            self._answer()
            return self._after(verb.action, verb.method, dial_queue(self, verb))
        if verb.conference is not None:
            self._answer()
            return self._after(verb.action, verb.method, confer(self, verb, verb.conference))
        outcome = Dialling(self.exchange, self.call, self.leg, verb, self._page.url).run()
        if outcome.caller_left:
            if verb.action is not None:
                self.ask_and_ignore(verb.action, verb.method, outcome.parameters)
            raise PartyLeft
        return None if verb.action is None else self.source(verb.action, verb.method, outcome.parameters)

    def _enqueue(self, verb: twiml.Enqueue) -> Source | None:
        self._silent = 0
        if self.call.parent is not None:
            self.error(12200, "Enqueue in a dialled leg")
            self._apologise()
        outcome = wait_in_queue(self, verb)
        if isinstance(outcome.gone, Redirected) and verb.action is not None:
            self.ask_and_ignore(verb.action, verb.method, outcome.parameters)
        return self._after(verb.action, verb.method, outcome)

    def _after(self, action: str | None, method: str, outcome: Outcome) -> Source | None:
        """To the action, the next verb, or the end; who has hung up is told of, and not answered."""
        if outcome.gone is None:
            return None if action is None else self.source(action, method, outcome.parameters)
        if not isinstance(outcome.gone, Redirected):
            self.exchange.finish(self.call)
            if action is not None:
                self.ask_and_ignore(action, method, outcome.parameters)
        raise outcome.gone

    def _leave(self, verb: twiml.Leave) -> None:
        if self._place == "waiting":
            raise LeftQueue
        self.error(12200, "Leave outside of a queue")

    def _redirect(self, verb: twiml.Redirect) -> Source:
        return self.source(verb.url, verb.method)

    def _hangup(self, verb: twiml.Hangup) -> None:
        raise HungUp

    def _reject(self, verb: twiml.Reject) -> None:
        """Ends the call unanswered; after the answer it is a hang-up (docs/twilio.md 4.2 Reject)."""
        status, sip_code = ("busy", 486) if verb.reason == "busy" else ("no-answer", 603)
        self.exchange.finish(self.call, status, sip_code)
        raise HungUp
