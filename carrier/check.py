"""What the REST API accepts for calls and messages, and how it refuses the rest (docs/twilio.md 1.2, 1.5,
1.7)."""

import re
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict

from carrier.amd import Detection
from carrier.calls import Call, Source
from carrier.errors import ApiError, bad
from carrier.exchange import Exchange
from carrier.messages import ERRORS, OPTED_OUT, Message
from carrier.twiml import RecordingCallback

E164 = re.compile(r"\+[1-9]\d{6,14}")
MAGIC = "+1500555000"
# Twilio's numbers for tests: what a call or a message to (or from) them is refused with (docs/twilio.md 1.7).
MAGIC_FROM_OK = MAGIC + "6"
MAGIC_CALL_TO = {"1": 21217, "2": 21214, "3": 21215, "4": 21216}
MAGIC_SMS_TO = {"1": 21211, "2": 21612, "3": 21408, "4": 21610, "9": 21614}
MAGIC_SMS_FROM = {"1": 21212, "7": 21606, "8": 21611}
LONGEST_BODY = 1600
LONGEST_TWIML = 4000
Form = MultiDict[str, str]


def call_of(exchange: Exchange, form: Form) -> Call:
    """The call a create asks for; raises the ApiError Twilio would answer."""
    to, from_ = form.get("To", ""), form.get("From", "")
    if not to:
        raise bad(21201, "No 'To' number is specified")
    if not from_:
        raise bad(21213, "No 'From' number is specified")
    _callable(to)
    _call_from(exchange, from_)
    owned = exchange.numbers.get(from_)
    recorded = form.get("Record", "false").lower() == "true"
    send_digits = _send_digits(form)
    return Call(
        account=exchange.account,
        to=to,
        from_=from_,
        direction="outbound-api",
        created=exchange.clock.seconds(),
        source=source_of(form),
        fallback=fallback_of(form),
        status_callback=url_of(form, "StatusCallback", 21609),
        status_callback_method=method_of(form, "StatusCallbackMethod"),
        status_callback_events=frozenset(form.getlist("StatusCallbackEvent") or ["completed"]),
        timeout=seconds_of(form, "Timeout", 60, 21208),
        time_limit=seconds_of(form, "TimeLimit", 14400, 20422),
        number_sid=owned.sid if owned else None,
        send_digits=send_digits,
        # With SendDigits there is no detection (docs/twilio.md 1.2).
        detection=None if send_digits else detection_of(form),
        record_channels=0 if not recorded else 2 if form.get("RecordingChannels") == "dual" else 1,
        record_callback=recording_callback_of(form),
    )


def message_of(exchange: Exchange, form: Form) -> Message:
    """The message a create asks for; raises the ApiError Twilio would answer."""
    to, from_, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not to:
        raise bad(21604, "A 'To' phone number is required.")
    if not from_:
        raise bad(21603, "A 'From' phone number is required.")
    if not body:
        raise bad(21602, "Message body is required.")
    if len(body) > LONGEST_BODY:
        raise bad(21617, "The concatenated message body exceeds the 1600 character limit.")
    if to.startswith(MAGIC) and to[len(MAGIC) :] in MAGIC_SMS_TO:
        raise _refused_message(MAGIC_SMS_TO[to[len(MAGIC) :]], to, from_)
    if from_.startswith(MAGIC) and from_[len(MAGIC) :] in MAGIC_SMS_FROM:
        raise _refused_message(MAGIC_SMS_FROM[from_[len(MAGIC) :]], to, from_)
    if not E164.fullmatch(to):
        raise _refused_message(21211, to, from_)
    if from_ != MAGIC_FROM_OK and exchange.numbers.get(from_) is None:
        raise _refused_message(21606, to, from_)
    if exchange.inbox.opt_outs.stopped(from_, to):
        raise _refused_message(OPTED_OUT, to, from_)
    callback = url_of(form, "StatusCallback", 21609)
    return Message(exchange.account, to, from_, body, exchange.clock.seconds(), callback)


def _refused_message(code: int, to: str, from_: str) -> ApiError:
    texts = {
        21211: f"Invalid 'To' Phone Number: {to}",
        21212: f"Invalid 'From' Phone Number: {from_}",
        21408: f"Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}.",
        21606: f"The 'From' phone number provided ({from_}) is not a valid message-capable Twilio phone number for "
        "this destination/account",
        OPTED_OUT: ERRORS[OPTED_OUT],
        21611: f"This 'From' number {from_} has exceeded the maximum number of queued messages",
        21612: f"Message cannot be sent with the current combination of 'To' ({to}) and/or 'From' ({from_}) parameters",
        21614: f"'To' number: {to}, is not a mobile number",
    }
    return bad(code, texts[code])


def detection_of(form: Form) -> Detection | None:
    """`MachineDetection` and its fellows; 21234 for a value that is none or out of its range (1.2)."""
    mode = form.get("MachineDetection", "")
    if not mode:
        return None
    if mode not in ("Enable", "DetectMessageEnd"):
        raise bad(21234, f"Invalid MachineDetection value: {mode}")
    asynchronous = form.get("AsyncAmd", "false").lower()
    if asynchronous not in ("true", "false"):
        raise bad(21234, f"Invalid AsyncAmd value: {asynchronous}")

    def tuned(name: str, lowest: int, highest: int, default: int) -> float:
        value = form.get(f"MachineDetection{name}", str(default))
        if not value.isdigit() or not lowest <= int(value) <= highest:
            raise bad(21234, f"MachineDetection{name} must be between {lowest} and {highest}: {value}")
        return float(value)

    return Detection(
        to_the_end=mode == "DetectMessageEnd",
        asynchronous=asynchronous == "true",
        timeout_s=tuned("Timeout", 3, 59, 30),
        speech_s=tuned("SpeechThreshold", 1000, 6000, 2400) / 1000,
        speech_end_s=tuned("SpeechEndThreshold", 500, 5000, 1200) / 1000,
        silence_s=tuned("SilenceTimeout", 2000, 10000, 5000) / 1000,
        callback=url_of(form, "AsyncAmdStatusCallback", 21609),
        callback_method=method_of(form, "AsyncAmdStatusCallbackMethod"),
    )


def source_of(form: Form) -> Source:
    """`Url` or `Twiml`; with both, `Twiml` is ignored (docs/twilio.md 1.2)."""
    url, text = url_of(form, "Url", 21205), form.get("Twiml", "")
    if not url and not text:
        raise bad(21205, "Url parameter is required.")
    if len(text) > LONGEST_TWIML:
        raise bad(20422, f"Invalid Parameter: Twiml is longer than {LONGEST_TWIML} characters")
    return Source(url, method_of(form, "Method")) if url else Source(twiml=text)


def fallback_of(form: Form) -> Source | None:
    """`FallbackUrl` and its method, if given."""
    url = url_of(form, "FallbackUrl", 21205)
    return Source(url, method_of(form, "FallbackMethod")) if url else None


def recording_callback_of(form: Form) -> RecordingCallback:
    """`RecordingStatusCallback`, its method and its repeated events."""
    url = url_of(form, "RecordingStatusCallback", 21609)
    events = frozenset(form.getlist("RecordingStatusCallbackEvent") or ["completed"])
    return RecordingCallback(url, method_of(form, "RecordingStatusCallbackMethod"), events)


def url_of(form: Form, name: str, code: int) -> str:
    """An absolute http(s) URL whose host has no underscore, or nothing. This carrier does reach localhost."""
    url = form.get(name, "")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise bad(code, f"{name} is not a valid URL: {url}")
    return url


def method_of(form: Form, name: str, default: str = "POST") -> str:
    """GET or POST."""
    method = form.get(name, default).upper()
    if method not in ("GET", "POST"):
        raise bad(21209, f"{name} is not a valid HTTP method: {method}")
    return method


def seconds_of(form: Form, name: str, default: float, code: int) -> float:
    """A whole number of seconds above 0."""
    value = form.get(name, "")
    if not value:
        return default
    if not value.isdigit() or int(value) < 1:
        raise bad(code, f"{name} is not a valid number of seconds: {value}")
    return float(value)


def _send_digits(form: Form) -> str:
    digits = form.get("SendDigits", "")
    if not re.fullmatch(r"[0-9A-D#*wW]{0,32}", digits):
        raise bad(21206, "SendDigits is not valid")
    return digits


def _callable(to: str) -> None:
    if to.startswith(MAGIC) and to[len(MAGIC) :] in MAGIC_CALL_TO:
        raise _refused_to(MAGIC_CALL_TO[to[len(MAGIC) :]], to)
    if not re.fullmatch(r"\+?[\d\s().-]{5,}", to):
        raise _refused_to(21217, to)
    if not E164.fullmatch(to):
        raise _refused_to(21211, to)


def _refused_to(code: int, to: str) -> ApiError:
    texts = {
        21211: f"Invalid 'To' Phone Number: {to}",
        21214: f"'To' phone number cannot be reached: {to}",
        21215: f"Account not authorized to call {to}. Perhaps you need to enable some international "
        "permissions: https://www.twilio.com/console/voice/calls/geo-permissions/low-risk",
        21216: f"Call blocked by Twilio blocklist: {to}",
        21217: f"Phone number: {to} does not look like a phone number.",
    }
    return bad(code, texts[code])


def _call_from(exchange: Exchange, from_: str) -> None:
    if from_ == MAGIC + "1":
        raise bad(21212, f"Invalid 'From' Phone Number: {from_}")
    if from_ != MAGIC_FROM_OK and exchange.numbers.get(from_) is None:
        raise bad(
            21210,
            f"The source phone number provided, {from_}, is not yet verified for your account. "
            "You may only make calls from phone numbers that you've verified or purchased from Twilio.",
        )
