"""Messages into the hospital: the request to the number's address, and what its answer sends back
(docs/twilio.md 2.13)."""

import logging
import threading
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin

from carrier.calls import API_VERSION
from carrier.messages import OPTED_OUT, Message, segments
from carrier.numbers import OwnedNumber
from carrier.sms_twiml import SmsDocument, SmsReply, parse_sms
from carrier.twiml import TwimlError
from carrier.webhooks import FetchError, new_session

if TYPE_CHECKING:
    from carrier.exchange import Exchange

log = logging.getLogger(__name__)

XML_TYPES = ("text/xml", "application/xml", "text/html")
MOST_DOCUMENTS = 10
PLACES = ("City", "State", "Zip", "Country")
STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
START = frozenset({"START", "YES", "UNSTOP"})
HELP = frozenset({"HELP", "INFO"})
STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)
STARTED = "You have successfully been re-subscribed to messages from this number."
HELPED = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."


class OptOuts:
    """Who has told which number to stop."""

    def __init__(self) -> None:
        self._pairs: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def stopped(self, number: str, phone: str) -> bool:
        with self._lock:
            return (number, phone) in self._pairs

    def hear(self, number: str, phone: str, body: str) -> str:
        """Take one message's word, which counts only alone; the carrier's own answer to it, or nothing."""
        word = body.strip().upper()
        with self._lock:
            if word in STOP:
                self._pairs.add((number, phone))
                return STOPPED
            if word in START:
                self._pairs.discard((number, phone))
                return STARTED
            return HELPED if word in HELP and (number, phone) not in self._pairs else ""


class Inbox:
    """Takes messages in and hands them to the application."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self.opt_outs = OptOuts()

    def receive(self, sender: str, number: OwnedNumber, body: str) -> Message:
        """A message from a phone to an owned number; the application is asked on a thread of its own."""
        now = self._exchange.clock.seconds()
        message = Message(self._exchange.account, number.number, sender, body, now, direction="inbound")
        message.status, message.sent = "received", now
        self._exchange.messages.keep(message)
        if number.opt_out:
            answer = self.opt_outs.hear(number.number, sender, body)
            if answer:
                self._send(Message(message.account, sender, number.number, answer, now, direction="outbound-reply"))
        if number.sms_url:
            self._exchange.work.begin()
            name = f"message {message.sid}"
            threading.Thread(target=self._ask, args=(message, number), name=name, daemon=True).start()
        return message

    def _ask(self, message: Message, number: OwnedNumber) -> None:
        try:
            self._follow(message, number)
        except Exception:  # a fault of ours is this message's alone
            log.exception("message %s broke", message.sid)
            self._exchange.events.add("error", message.sid, code=12400, text="internal")
        finally:
            self._exchange.work.done()

    def _follow(self, message: Message, number: OwnedNumber) -> None:
        """The number's document, and where its Redirects lead."""
        session, parameters = new_session(), inbound_parameters(message)

        def read(url: str, method: str, more: dict[str, str]) -> tuple[str, SmsDocument]:
            reply = self._exchange.webhooks.fetch(session, url, method, parameters | more, message.sid)
            return reply.url, _document(reply.content_type, reply.body)

        url, method = number.sms_url, number.sms_method
        for _ in range(MOST_DOCUMENTS):
            try:
                page, document = read(url, method, {})
            except (FetchError, TwimlError) as error:
                self._error(message, error.code, str(error))
                if not number.sms_fallback_url or url == number.sms_fallback_url:
                    return
                failed = {"ErrorCode": str(error.code), "ErrorUrl": url}
                url, method, parameters = number.sms_fallback_url, number.sms_fallback_method, parameters | failed
                continue
            for reply in document.replies:
                self._answer(message, reply, page)
            if document.redirect is None:
                return
            url, method = _absolute(page, document.redirect), document.redirect_method
        self._error(message, 14106, "too many redirects")

    def _answer(self, message: Message, reply: SmsReply, page: str) -> None:
        """One `<Message>`: a message out, or one that failed because the recipient had stopped the number."""
        answer = Message(
            message.account,
            reply.to or message.from_,
            reply.from_ or message.to,
            reply.body,
            self._exchange.clock.seconds(),
            _absolute(page, reply.status_callback) if reply.status_callback else "",
            "outbound-reply",
        )
        if not answer.body:
            self._error(message, 14103, "a Message without a body")
        elif self._exchange.numbers.get(answer.from_) is None:
            self._error(message, 21606, "a Message from a number that is not owned")
        elif self.opt_outs.stopped(answer.from_, answer.to):
            answer.status, answer.error_code = "failed", OPTED_OUT
            self._exchange.messages.keep(answer)
        else:
            self._send(answer)

    def _send(self, message: Message) -> None:
        self._exchange.messages.add(message)
        self._exchange.messages.send(message)

    def _error(self, message: Message, code: int, text: str) -> None:
        self._exchange.events.add("error", message.sid, code=code, text=text)


def _document(content_type: str, body: bytes) -> SmsDocument:
    """What an application's answer says. Plain text is a reply; an answer without a body is none."""
    kind = content_type.split(";")[0].strip().lower()
    if not body.strip():
        return SmsDocument()
    if kind in XML_TYPES:
        return parse_sms(body)
    if kind == "text/plain":
        return SmsDocument((SmsReply(body.decode("utf-8", "replace").strip()),))
    raise TwimlError(12300, f"content type {kind or 'missing'}")


def _absolute(page: str, url: str) -> str:
    return urldefrag(urljoin(page, url)).url


def inbound_parameters(message: Message) -> dict[str, str]:
    """The parameters of the request about a received message (docs/twilio.md 2.13)."""
    parameters = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "SmsStatus": "received",
        "AccountSid": message.account,
        "ApiVersion": API_VERSION,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "NumMedia": "0",
        "NumSegments": str(segments(message.body)),
    }
    return parameters | {f"{party}{place}": "" for party in ("From", "To") for place in PLACES}
