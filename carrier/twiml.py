"""TwiML: from text to dataclasses (docs/twilio.md 4). Unknown attributes and verbs are skipped, as there."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

from carrier.amd import Detection
from carrier.ssml import pieces_of
from carrier.verbs import (
    ALL_KEYS,
    SILENT,
    Conference,
    Dial,
    Document,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Number,
    Pause,
    Play,
    Prompt,
    Queue,
    Record,
    RecordingCallback,
    Redirect,
    Reject,
    Say,
    StartRecording,
    StopRecording,
    Verb,
)

__all__ = [
    "SILENT",
    "Conference",
    "Dial",
    "Document",
    "Enqueue",
    "Gather",
    "Hangup",
    "Leave",
    "Number",
    "Pause",
    "Play",
    "Queue",
    "Record",
    "RecordingCallback",
    "Redirect",
    "Reject",
    "Say",
    "StartRecording",
    "StopRecording",
    "TwimlError",
    "Verb",
    "parse",
    "root_of",
]

LONGEST_DOCUMENT = 64 * 1024
MOST_LOOPS = 1000
LONGEST_QUEUE_NAME = 64
LONGEST_CONFERENCE_NAME = LONGEST_LABEL = 128
LARGEST_CONFERENCE = 250
CONFERENCE_EVENTS = frozenset(["start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"])


class TwimlError(ValueError):
    """A document the carrier cannot run; `code` is the debugger's (docs/twilio.md 1.7)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def root_of(text: bytes | str) -> ElementTree.Element:
    """The Response element of a document; raises TwimlError with the debugger code of what is wrong."""
    if not text or not text.strip():
        raise TwimlError(11770, "empty document")
    if len(text) > LONGEST_DOCUMENT:
        raise TwimlError(11750, "document over 64 kB")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"not XML: {error}") from error
    if root.tag != "Response":
        raise TwimlError(12102, "the root element is not Response")
    return root


def parse(text: bytes | str) -> Document:
    """Read one TwiML document of a call; raises TwimlError."""
    root = root_of(text)
    verbs: list[Verb] = []
    for element in root:
        if element.tag == "Start":
            verbs += [_start_recording(child) for child in element if child.tag == "Recording"]
        elif element.tag == "Stop":
            verbs += [StopRecording() for child in element if child.tag == "Recording"]
        elif element.tag in _VERBS:
            verbs.append(_VERBS[element.tag](element))
    return Document(tuple(verbs))


def _text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _flag(element: ElementTree.Element, name: str, default: bool) -> bool:
    value = element.get(name)
    return default if value is None else value.lower() == "true"


def _amount(element: ElementTree.Element, name: str, default: float, code: int) -> float:
    value = element.get(name)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError as error:
        raise TwimlError(code, f"{element.tag} {name} is not a number") from error
    if number < 0:
        raise TwimlError(code, f"{element.tag} {name} is negative")
    return number


def _loop(element: ElementTree.Element, code: int) -> int:
    return int(_amount(element, "loop", 1, code)) or MOST_LOOPS


def _method(element: ElementTree.Element, name: str = "method") -> str:
    return "GET" if element.get(name, "POST").upper() == "GET" else "POST"


def _say(element: ElementTree.Element) -> Say:
    voice = element.get("voice", "")
    chinese = "cmn" in voice.lower() or "zhiyu" in voice.lower()
    language = element.get("language") or ("cmn-CN" if chinese else "en-US")
    return Say(_text(element), language, _loop(element, 13510), pieces_of(element))


def _play(element: ElementTree.Element) -> Play:
    return Play(_text(element), element.get("digits", ""), _loop(element, 13410))


def _pause(element: ElementTree.Element) -> Pause:
    return Pause(_amount(element, "length", 1, 13910))


def _gather(element: ElementTree.Element) -> Gather:
    readers: dict[str, Callable[[ElementTree.Element], Prompt]] = {
        "Say": _say,
        "Play": _play,
        "Pause": _pause,
    }
    digits = element.get("numDigits")
    finish = element.get("finishOnKey", "#")
    if len(finish) > 1 or finish not in ("", *ALL_KEYS):
        raise TwimlError(13310, "finishOnKey is not one key")
    return Gather(
        prompts=tuple(readers[child.tag](child) for child in element if child.tag in readers),
        dtmf="dtmf" in element.get("input", "dtmf").split(),
        action=element.get("action"),
        method=_method(element),
        timeout=_timeout(element),
        finish_on_key=finish,
        num_digits=None if digits is None else max(1, int(_amount(element, "numDigits", 1, 13314))),
        action_on_empty_result=_flag(element, "actionOnEmptyResult", False),
        barge_in=_flag(element, "bargeIn", True),
    )


def _timeout(element: ElementTree.Element) -> float:
    return 5 if element.get("timeout") == "auto" else _amount(element, "timeout", 5, 13313)


def _recording_callback(element: ElementTree.Element) -> RecordingCallback:
    events = element.get("recordingStatusCallbackEvent", "completed").split()
    url = element.get("recordingStatusCallback", "")
    return RecordingCallback(url, _method(element, "recordingStatusCallbackMethod"), frozenset(events))


def _record(element: ElementTree.Element) -> Record:
    return Record(
        action=element.get("action"),
        method=_method(element),
        timeout=_amount(element, "timeout", 5, 13612),
        finish_on_key=element.get("finishOnKey", ALL_KEYS),
        max_length=_amount(element, "maxLength", 3600, 13611),
        play_beep=_flag(element, "playBeep", True),
        trim=element.get("trim", "trim-silence") == "trim-silence",
        callback=_recording_callback(element),
    )


def _start_recording(element: ElementTree.Element) -> StartRecording:
    return StartRecording(
        channels=2 if element.get("channels", "mono") == "dual" else 1,
        track=element.get("track", "both"),
        trim=element.get("trim", "do-not-trim") == "trim-silence",
        callback=_recording_callback(element),
    )


def _number(element: ElementTree.Element) -> Number:
    return Number(
        number=_text(element),
        url=element.get("url", ""),
        method=_method(element),
        send_digits=element.get("sendDigits", ""),
        status_callback=element.get("statusCallback", ""),
        status_callback_method=_method(element, "statusCallbackMethod"),
        # Separated by spaces here, repeated keys in the REST API (docs/twilio.md 4.2).
        status_callback_events=frozenset(element.get("statusCallbackEvent", "completed").split()),
        detection=_detection(element),
    )


def _detection(element: ElementTree.Element) -> Detection | None:
    """Detection on a dialled number, always asynchronous (docs/twilio.md 2.9)."""
    mode = element.get("machineDetection", "")
    if mode not in ("Enable", "DetectMessageEnd"):
        return None
    return Detection(
        to_the_end=mode == "DetectMessageEnd",
        asynchronous=True,
        timeout_s=_amount(element, "machineDetectionTimeout", 30, 21234),
        speech_s=_amount(element, "machineDetectionSpeechThreshold", 2400, 21234) / 1000,
        speech_end_s=_amount(element, "machineDetectionSpeechEndThreshold", 1200, 21234) / 1000,
        silence_s=_amount(element, "machineDetectionSilenceTimeout", 5000, 21234) / 1000,
        callback=element.get("amdStatusCallback", ""),
        callback_method=_method(element, "amdStatusCallbackMethod"),
    )


def _dial(element: ElementTree.Element) -> Dial:
    numbers = tuple(_number(child) for child in element if child.tag == "Number")
    plain = " ".join((element.text or "").split())
    queue = next((_queue(child) for child in element if child.tag == "Queue"), None)
    return Dial(
        numbers=numbers or ((Number(plain),) if plain else ()),
        queue=queue,
        conference=next((_conference(child) for child in element if child.tag == "Conference"), None),
        action=element.get("action"),
        method=_method(element),
        timeout=_amount(element, "timeout", 30, 13212),
        time_limit=_amount(element, "timeLimit", 14400, 13213),
        caller_id=element.get("callerId", ""),
        answer_on_bridge=_flag(element, "answerOnBridge", False),
        hangup_on_star=_flag(element, "hangupOnStar", False),
        sequential=_flag(element, "sequential", False),
    )


def _queue(element: ElementTree.Element) -> Queue:
    return Queue(_queue_name(element), element.get("url", ""), _method(element))


def _conference(element: ElementTree.Element) -> Conference:
    """docs/twilio.md 4.2 Conference: 16002 and 16023 for attributes that cannot be."""
    name, label, beep = _text(element), element.get("participantLabel", ""), element.get("beep", "true")
    most = _amount(element, "maxParticipants", LARGEST_CONFERENCE, 16002)
    events = frozenset(element.get("statusCallbackEvent", "").split())
    if not 0 < len(name) <= LONGEST_CONFERENCE_NAME:
        raise TwimlError(16002, f"Conference needs a name of up to {LONGEST_CONFERENCE_NAME} characters")
    if not 1 <= most <= LARGEST_CONFERENCE or events - CONFERENCE_EVENTS:
        raise TwimlError(16002, "Conference maxParticipants or statusCallbackEvent is not valid")
    if beep not in ("true", "false", "onEnter", "onExit"):
        raise TwimlError(16002, "Conference beep is true, false, onEnter or onExit")
    if len(label) > LONGEST_LABEL or "/" in label or re.fullmatch("CA[0-9a-f]{32}", label):
        raise TwimlError(16023, "Conference participantLabel is not valid")
    return Conference(
        name=name,
        muted=_flag(element, "muted", False),
        beep=beep,
        starts=_flag(element, "startConferenceOnEnter", True),
        ends=_flag(element, "endConferenceOnExit", False),
        wait_url=element.get("waitUrl"),
        wait_method=_method(element, "waitMethod"),
        most=int(most),
        label=label,
        status_callback=element.get("statusCallback", ""),
        status_callback_method=_method(element, "statusCallbackMethod"),
        events=events,
    )


def _queue_name(element: ElementTree.Element) -> str:
    name = _text(element)
    if not 0 < len(name) <= LONGEST_QUEUE_NAME:
        raise TwimlError(14201, f"{element.tag} needs a queue's name of up to {LONGEST_QUEUE_NAME} characters")
    return name


def _enqueue(element: ElementTree.Element) -> Enqueue:
    return Enqueue(
        name=_queue_name(element),
        action=element.get("action"),
        method=_method(element),
        wait_url=element.get("waitUrl"),
        wait_method=_method(element, "waitUrlMethod"),
        max_size=int(_amount(element, "maxQueueSize", 1000, 14201)),
    )


_VERBS: dict[str, Callable[[ElementTree.Element], Verb]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Gather": _gather,
    "Record": _record,
    "Dial": _dial,
    "Enqueue": _enqueue,
    "Leave": lambda element: Leave(),
    "Redirect": lambda element: Redirect(_text(element), _method(element)),
    "Hangup": lambda element: Hangup(),
    "Reject": lambda element: Reject(element.get("reason", "rejected")),
}
