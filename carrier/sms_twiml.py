"""What an application answers to a message: `<Message>` and `<Redirect>` (docs/twilio.md 2.13)."""

from dataclasses import dataclass

from carrier.twiml import root_of


@dataclass(frozen=True)
class SmsReply:
    """A message to send. Empty `to` and `from_` mean back to the sender, from the number he wrote to."""

    body: str
    to: str = ""
    from_: str = ""
    status_callback: str = ""


@dataclass(frozen=True)
class SmsDocument:
    """The messages of one document, and the address of the next one (None: there is none)."""

    replies: tuple[SmsReply, ...] = ()
    redirect: str | None = None
    redirect_method: str = "POST"


def parse_sms(text: bytes | str) -> SmsDocument:
    """Read one document of a message; what follows a Redirect is not reached. Raises TwimlError."""
    replies: list[SmsReply] = []
    for element in root_of(text):
        if element.tag == "Redirect":
            method = "GET" if element.get("method", "").upper() == "GET" else "POST"
            return SmsDocument(tuple(replies), (element.text or "").strip(), method)
        if element.tag != "Message":
            continue
        bodies = element.findall("Body")
        body = "".join("".join(part.itertext()) for part in bodies) if bodies else element.text or ""
        # `action` is the newer name of the place that is told the status.
        callback = element.get("action", "") or element.get("statusCallback", "")
        replies.append(SmsReply(body.strip(), element.get("to", ""), element.get("from", ""), callback))
    return SmsDocument(tuple(replies))
