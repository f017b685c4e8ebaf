"""The numbers the hospital owns at the carrier (docs/twilio.md 1.9)."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any

from carrier.calls import API_VERSION, new_sid, rfc2822


@dataclass(frozen=True)
class OwnedNumber:
    """A number that may be called from, and that rings `voice_url` when it is called."""

    number: str
    created: float
    voice_url: str = ""
    voice_fallback_url: str = ""
    status_callback: str = ""
    sms_url: str = ""
    sms_fallback_url: str = ""
    # Twilio's own answer to STOP and START, off unless it is switched on (docs/twilio.md 2.13).
    opt_out: bool = False
    voice_method: str = "POST"
    voice_fallback_method: str = "POST"
    status_callback_method: str = "POST"
    sms_method: str = "POST"
    sms_fallback_method: str = "POST"
    sid: str = field(default_factory=lambda: new_sid("PN"))

    def to_json(self, account: str) -> dict[str, Any]:
        """The IncomingPhoneNumber resource."""
        return {
            "sid": self.sid,
            "account_sid": account,
            "phone_number": self.number,
            "friendly_name": self.number,
            "voice_url": self.voice_url,
            "voice_method": self.voice_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_fallback_method": self.voice_fallback_method,
            "voice_application_sid": "",
            "voice_caller_id_lookup": False,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "sms_url": self.sms_url,
            "sms_method": self.sms_method,
            "sms_fallback_url": self.sms_fallback_url,
            "sms_fallback_method": self.sms_fallback_method,
            "sms_application_sid": "",
            "trunk_sid": None,
            "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
            "status": "in-use",
            "origin": "twilio",
            "type": "local",
            "beta": False,
            "api_version": API_VERSION,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.created),
            "uri": f"/{API_VERSION}/Accounts/{account}/IncomingPhoneNumbers/{self.sid}.json",
        }


class Numbers:
    """The owned numbers, by E.164."""

    def __init__(self) -> None:
        self._numbers: dict[str, OwnedNumber] = {}
        self._lock = threading.Lock()

    def put(self, number: OwnedNumber) -> OwnedNumber:
        """Own a number, or give it other addresses; its SID stays."""
        with self._lock:
            known = self._numbers.get(number.number)
            kept = replace(number, sid=known.sid, created=known.created) if known else number
            self._numbers[number.number] = kept
            return kept

    def get(self, number: str) -> OwnedNumber | None:
        with self._lock:
            return self._numbers.get(number)

    def by_sid(self, sid: str) -> OwnedNumber | None:
        return next((number for number in self.all() if number.sid == sid), None)

    def all(self) -> list[OwnedNumber]:
        with self._lock:
            return list(self._numbers.values())
