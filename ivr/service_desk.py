"""The desk behind the hotline: what the flows ask of the people who answer and of their tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from sqlalchemy.orm import Session

from core.house import of
from dialer import gate
from dialer.doctor import Waiting
from dialer.models import Attempt, Call
from ivr.talk import Fact

Stay = Literal["yes", "overflow", "closed"]


class ServiceDesk(Protocol):
    """Kept by desk.service; app.py puts it among the house's services under this name."""

    def hotline_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """`agents_on` (somebody is signed in who can be waited for), `ahead` (callers before this one), `agent_known`
        (this number is an agent's), `ticket` (number of this call's ticket, spoken; absent without one), `progress_*`
        of a ticket that was looked up in this call."""

    def enter(self, session: Session, call: Call, now: datetime) -> str | Literal["closed"]:
        """Stand the caller in line; returns the carrier's queue they wait in, one for each caller."""

    def stays(self, session: Session, call: Call, now: datetime) -> Stay:
        """Asked whenever the caller is about to hear more music."""

    def lost_agent(self, session: Session, call: Call, now: datetime) -> bool:
        """The wait of this caller broke off. True: because the agent who took them is gone before they talked; they
        stand in line again, where they stood."""

    def picked_up(self, session: Session, attempt: Attempt, now: datetime) -> bool:
        """An agent's ring was answered. False: nobody waits for them any more, the call says nothing."""

    def agent_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]: ...

    def connect(self, session: Session, agent_call: Call, now: datetime) -> Attempt | Waiting | gate.Refused:
        """How the agent's Dial reaches the caller they accepted: out of the queue, or by a ring."""

    def caller_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """For flow caller_join: the ring at somebody who is rung back."""

    def find_ticket(self, session: Session, call: Call, digits: str, now: datetime) -> bool:
        """Whether the digits are a ticket's number with its check digits; the call then may ask for its progress."""

    def alarm_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        """For flow ticket_alarm: the ring at a head of department."""

    def satisfaction_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]: ...


def desk_of(session: Session) -> ServiceDesk:
    """The house's desk; only for what a house without one never comes to."""
    desk: ServiceDesk = of(session).services[ServiceDesk]
    return desk
