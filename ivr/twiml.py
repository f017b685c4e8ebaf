"""An output of the engine as a TwiML document (docs/twilio.md 4). It refuses what would strand a caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, assert_never

from twilio.twiml.voice_response import Dial, Enqueue, Gather, Play, Say, Start, Stop, VoiceResponse

from ivr.prompts import Prompts
from ivr.talk import Ask, Bye, Connect, Continue, Hold, Join, Line, Output, Take, Wait


class TwimlError(Exception):
    """The document would strand a caller, or the webhook left something out."""


@dataclass(frozen=True)
class DialPlan:
    """Whom a Connect rings, or which `queue` it takes the waiting caller from, and where the carrier reports it; made
    by the webhook after the gate."""

    number: str
    caller_id: str
    screen_url: str
    """The `url` of the Number or Queue: what the callee hears before the legs are joined."""
    status_url: str
    queue: str = ""
    timeout_s: int = 25
    answer_on_bridge: bool = False
    """True lets an unanswered inbound call ring on; a caller who already hears us gains nothing."""


@dataclass(frozen=True)
class WaitPlan:
    """In which queue a Wait stands, and where what is heard there comes from."""

    queue: str
    wait_url: str


class _CanSay(Protocol):
    def append(self, verb: object) -> object: ...


SLOW_RATE = "85%"
"""docs/clinical.md 2, Elderly: 0.85 to 0.9 of the usual speed, not crawling."""


def render(
    output: Output,
    action_url: str,
    *,
    prompts: Prompts,
    start_recording: bool = False,
    stop_recording: bool = False,
    start_callback_url: str | None = None,
    take_callback_url: str | None = None,
    dial: DialPlan | None = None,
    wait: WaitPlan | None = None,
) -> str:
    """The document for one turn. The call's recording and a taken message report to their own URLs."""
    response = VoiceResponse()
    lines = () if isinstance(output, Join) else output.lines
    # a doctor hears "recorded" and is joined in one document: there the words come before the recording
    late = start_recording and isinstance(output, Connect)
    if stop_recording:
        _stop_recording(response)
    if start_recording and not late:
        _start_recording(response, start_callback_url)
    if isinstance(output, Ask):
        _ask(response, output, action_url, prompts)
        return str(response)
    _say(response, lines, prompts)
    if late:
        _start_recording(response, start_callback_url)
    match output:
        case Take():
            _take(response, output, action_url, take_callback_url)
        case Connect():
            _connect(response, action_url, dial)
        case Hold():
            response.pause(length=output.pause_s)
            response.redirect(action_url, method="POST")
        case Wait():
            _enqueue(response, action_url, wait)
        case Continue():
            raise TwimlError("a call that goes on in another flow has nothing to say yet")
        case Join():
            pass  # the end of a screening document joins the legs (docs/twilio.md 4.1)
        case Bye():
            if not lines and not output.silent:
                raise TwimlError("a goodbye without a word is a bare hang-up")
            response.hangup()
        case _:
            assert_never(output)
    return str(response)


def waiting(lines: tuple[Line, ...], music_url: str, action_url: str, *, prompts: Prompts) -> str:
    """What is heard in a queue: words, then music, a key at any time; the carrier asks for more at its end."""
    response = VoiceResponse()
    gather = Gather(input="dtmf", num_digits=1, finish_on_key="", timeout=1, action=action_url, method="POST")
    _say(gather, lines, prompts)
    gather.play(music_url)
    response.append(gather)
    return str(response)


def out_of_the_queue() -> str:
    """Ends a wait; the call goes on at the action of its Enqueue."""
    response = VoiceResponse()
    response.leave()
    return str(response)


def before_the_bridge(lines: tuple[Line, ...], *, prompts: Prompts) -> str:
    """What a waiting caller hears in the last moment; the end of the document joins the two."""
    response = VoiceResponse()
    _say(response, lines, prompts)
    return str(response)


def _enqueue(response: VoiceResponse, action_url: str, plan: WaitPlan | None) -> None:
    if plan is None:
        raise TwimlError("a wait without a queue is never found by a doctor")
    response.append(
        Enqueue(
            plan.queue, action=action_url, method="POST", wait_url=plan.wait_url, wait_url_method="POST",
            max_queue_size=1,
        )
    )  # fmt: skip
    # carriers without queues fall through here, and the end of the document hangs up
    response.redirect(action_url, method="POST")


def _say(verb: _CanSay, lines: tuple[Line, ...], prompts: Prompts) -> None:
    for line in lines:
        if url := prompts.sound_url(line):
            verb.append(Play(url))
            continue
        voice = prompts.voices.get(line.language)
        if voice is None:
            raise TwimlError(f"{line.prompt}: there is no voice for {line.language}")
        said = Say(None if line.slow else line.text, voice=voice.voice, language=voice.say_language)
        if line.slow:
            said.prosody(line.text, rate=SLOW_RATE)
        verb.append(said)


def _start_recording(response: VoiceResponse, callback_url: str | None) -> None:
    if not callback_url:
        raise TwimlError("a recording without a callback is never fetched")
    start = Start()
    start.recording(recording_status_callback=callback_url, channels="dual")
    response.append(start)


def _stop_recording(response: VoiceResponse) -> None:
    stop = Stop()
    stop.add_child("Recording")
    response.append(stop)


def _ask(response: VoiceResponse, ask: Ask, action_url: str, prompts: Prompts) -> None:
    if not ask.lines:
        raise TwimlError("a menu without a word cannot be answered")
    if ask.timeout_s < 1:
        raise TwimlError("a menu without time cannot be answered")
    if ask.max_digits is None and not ask.finish:
        raise TwimlError("keys without a number of digits and without an end key never arrive")
    if ask.max_digits is not None and ask.max_digits < 1:
        raise TwimlError("a menu that takes no keys cannot be answered")
    gather = Gather(
        input="dtmf",
        num_digits=ask.max_digits,
        finish_on_key=ask.finish,
        timeout=ask.timeout_s,
        action_on_empty_result=True,
        action=action_url,
        method="POST",
    )
    _say(gather, ask.lines, prompts)
    response.append(gather)
    # carriers without actionOnEmptyResult fall through here, and the end of the document hangs up
    response.redirect(action_url, method="POST")


def _take(response: VoiceResponse, take: Take, action_url: str, callback_url: str | None) -> None:
    if not take.lines:
        raise TwimlError("a beep without a word before it is not understood")
    response.record(
        action=action_url,
        method="POST",
        max_length=take.max_s,
        timeout=take.silence_s,
        finish_on_key="#",
        play_beep=True,
        trim="do-not-trim",
        recording_status_callback=callback_url,
    )
    # an empty recording reaches the next verb (docs/twilio.md 4.2 Record); it must not end the call
    response.redirect(action_url, method="POST")


def _connect(response: VoiceResponse, action_url: str, plan: DialPlan | None) -> None:
    if plan is None:
        raise TwimlError("a connect without a dial plan rings nobody")
    if not (plan.number or plan.queue) or not plan.screen_url:
        raise TwimlError("a dial without a number or without a screening document may join a voicemail")
    dial = Dial(
        action=action_url,
        method="POST",
        timeout=plan.timeout_s,
        caller_id=plan.caller_id,
        answer_on_bridge=plan.answer_on_bridge or None,
    )
    if plan.queue:
        dial.queue(plan.queue, url=plan.screen_url, method="POST")
        response.append(dial)
        return
    dial.number(
        plan.number,
        url=plan.screen_url,
        method="POST",
        status_callback=plan.status_url,
        status_callback_method="POST",
        # one attribute, space separated: a list would be joined by the SDK as well, but this is the wire form
        status_callback_event="initiated ringing answered completed",
    )
    response.append(dial)
