"""Visits arranged by telephone: what flow `appointments` asks of whoever keeps the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy.orm import Session

from dialer.models import Call
from ivr.talk import Fact

FLOW: Final = "appointments"
OTHERS: Final = "others"
"""In place of a time: the caller wants to hear other ones."""

NOTHING: Final[Mapping[str, Fact]] = {
    **{"known_number": False, "identified": False},
    **{"departments": (), "slots": (), "visits": ()},
    **{"slot": "", "when": ""},
    **{"visit_own": False, "visit_stands": False},
    **{"visit_done": False, "visit_noted": False, "visit_taken": False, "reminded": False},
}
"""What the flow is told when nobody keeps a calendar, and what holds before a caller has said who they are."""


class Booking(Protocol):
    """Kept by scheduler.booking; app.py puts it among the house's services under this name."""

    def facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """What flow `appointments` is told (flows/appointments.yaml says what each means); what is left out is as in
        NOTHING. Of visits and of the patient nothing before `identify` was right in this call."""

    def identify(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        """Whether the caller's number and this birthday are one patient's; the call then is about them."""

    def picked(self, session: Session, call: Call, what: str, value: str, now: datetime) -> None:
        """One of a list was chosen: `what` = departments | slots | visits; of slots also OTHERS."""

    def settle(self, session: Session, call: Call, action: str, now: datetime) -> None:
        """book | move | cancel what was picked; facts then say whether it went well."""
