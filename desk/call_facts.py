"""What the desk knows of a call, for the listening room: keeps the promises of recordings.call_facts.CallFacts, which
this room does not see; app.py joins them, and a test holds the two together.

A talk on the line is in the recording of the hotline call. A talk with somebody who was rung back is in the recording
of the agent's own call (flows/agent.yaml), and is found by the offer made on that ring.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.house import settings_of
from desk.measures import BY_THE_DESK
from desk.models import QueueEntry, QueueOffer, Survey, Ticket
from dialer.models import Agent, Attempt, Call

PASSED_ON: Final = ("operator", "theme")
"""Kinds of rings that give a caller to another person by a Dial of the same call."""


Row = Any
"""One row of the statements below, by their columns' names."""


@dataclass(frozen=True)
class Known:
    """As recordings.call_facts.CallFact: the rooms beside each other do not import one another."""

    agent_id: uuid.UUID | None = None
    agent_since: datetime | None = None
    reason: str = ""
    answer_s: float | None = None
    talk_s: float | None = None
    transfers: int = 0
    satisfaction: int | None = None
    complaint: bool = False


@dataclass
class _Told:
    """What was found of one call so far."""

    reason: str
    talks: list[Row] = field(default_factory=list)
    others: int = 0
    """People besides agents who talked with the caller."""
    scores: list[int] = field(default_factory=list)
    complaint: bool = False


class DeskFacts:
    def of(self, session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Known]:
        """Five statements, however many calls."""
        ids = sorted(set(call_ids))
        told = {row.id: _Told(row.reason) for row in session.execute(_CALLS, {"ids": ids})}
        for talk in session.execute(_TALKS, {"ids": ids}):
            told[talk.of_call].talks.append(talk)
        for row in session.execute(_OTHERS, {"ids": ids}):
            told[row.parent_call_id].others += row.people
        for row in session.execute(_TICKETS, {"ids": ids}):
            one = told[row.call_id]
            one.complaint |= row.complaint
            one.scores += [score for score in (row.lowest, row.satisfaction) if score is not None]
        since = _since(session, [talk.agent_id for one in told.values() for talk in one.talks])
        return {call_id: _known(one, since) for call_id, one in told.items()}

    def learned(self, session: Session, since: datetime, until: datetime) -> Collection[uuid.UUID]:
        low = settings_of(session).tickets.low
        return set(session.scalars(_LEARNED, {"since": since, "until": until, "low": low}))


def _known(one: _Told, since: Mapping[uuid.UUID, datetime]) -> Known:
    length: dict[uuid.UUID, float] = {}
    for talk in one.talks:
        length[talk.agent_id] = length.get(talk.agent_id, 0.0) + _talked_s(talk)
    # of equally long ones who came first
    agent_id = max(length, key=lambda agent: length[agent]) if length else None
    complained = one.complaint or one.reason.startswith("complaint")
    return Known(
        agent_id=agent_id,
        agent_since=since.get(agent_id) if agent_id is not None else None,
        reason=one.reason or next((talk.reason for talk in one.talks if talk.reason), ""),
        answer_s=_waited_s(one.talks),
        talk_s=sum(length.values()) if length else None,
        transfers=max(0, len(one.talks) + one.others - 1),
        # asked several times, the lowest: it is looked for what went wrong
        satisfaction=min(one.scores, default=None),
        complaint=complained or any(talk.reason.startswith("complaint") for talk in one.talks),
    )


def _talked_s(talk: Row) -> float:
    if talk.talk_s is not None:
        return float(talk.talk_s)
    return (talk.ended_at - talk.joined_at).total_seconds() if talk.ended_at is not None else 0.0


def _waited_s(talks: Sequence[Row]) -> float | None:
    """Until the first agent. Nobody stood in line for a call the desk itself wanted (as desk.measures counts)."""
    first = next((talk for talk in talks if talk.origin not in BY_THE_DESK), None)
    if first is None:
        return None
    return max(0.0, float((first.joined_at - first.entered_at) / timedelta(seconds=1)))


def _since(session: Session, agents: Iterable[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    return {row.id: row.since for row in session.execute(_SINCE, {"ids": sorted(set(agents))}) if row.since is not None}


_IDS: Final = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
"""All ids in one parameter: ten thousand of them are one statement of one shape."""
_CALLS: Final = sa.select(Call.id, Call.reason).where(Call.id == sa.any_(_IDS))
_WHO = (
    QueueEntry.agent_id, QueueEntry.reason, QueueEntry.origin, QueueEntry.entered_at, QueueEntry.joined_at,
    QueueEntry.ended_at, QueueEntry.talk_s,
)  # fmt: skip
_JOINED = (QueueEntry.joined_at.is_not(None), QueueEntry.agent_id.is_not(None))
_ON_THE_LINE = sa.select(QueueEntry.call_id.label("of_call"), *_WHO).where(
    QueueEntry.call_id == sa.any_(_IDS), QueueEntry.mode == "line", *_JOINED
)
_RUNG_BACK = (
    sa.select(Call.id.label("of_call"), *_WHO)
    .join(QueueOffer, QueueOffer.attempt_id == Call.attempt_id)
    .join(QueueEntry, sa.and_(QueueEntry.id == QueueOffer.entry_id, QueueEntry.attempt_id == QueueOffer.attempt_id))
    .where(Call.id == sa.any_(_IDS), QueueEntry.mode == "callback", *_JOINED)
)
_BOTH = sa.union_all(_ON_THE_LINE, _RUNG_BACK).subquery()
_TALKS: Final = sa.select(_BOTH).order_by(_BOTH.c.joined_at, _BOTH.c.agent_id)
_OTHERS: Final = (
    sa.select(Attempt.parent_call_id, sa.func.count().label("people"))
    .where(Attempt.parent_call_id == sa.any_(_IDS), Attempt.kind.in_(PASSED_ON), Attempt.outcome == "answered")
    .group_by(Attempt.parent_call_id)
)
_IS_COMPLAINT = sa.or_(Ticket.nature == "complaint", Ticket.kind.startswith("complaint", autoescape=True))
_TICKETS: Final = (
    sa.select(
        Ticket.call_id,
        Ticket.satisfaction,
        _IS_COMPLAINT.label("complaint"),
        sa.select(sa.func.min(Survey.score)).where(Survey.ticket_id == Ticket.id).scalar_subquery().label("lowest"),
    )
    .where(Ticket.call_id == sa.any_(_IDS))
    .order_by(Ticket.serial)
)
_FIRST = (
    sa.select(QueueEntry.joined_at)
    .where(QueueEntry.agent_id == Agent.id, QueueEntry.joined_at.is_not(None))
    .order_by(QueueEntry.joined_at)
    .limit(1)
    .scalar_subquery()
)
_SINCE: Final = sa.select(Agent.id, _FIRST.label("since")).where(Agent.id == sa.any_(_IDS))
_FROM, _UNTIL = (
    sa.bindparam("since", type_=sa.DateTime(timezone=True)),
    sa.bindparam("until", type_=sa.DateTime(timezone=True)),
)
_LEARNED: Final = sa.union(
    sa.select(Ticket.call_id)
    .join(Survey, Survey.ticket_id == Ticket.id)
    .where(
        Survey.score.is_not(None), Survey.closed_at >= _FROM, Survey.closed_at < _UNTIL,
        Survey.score <= sa.bindparam("low", type_=sa.Integer), Ticket.call_id.is_not(None),
    ),
    sa.select(Ticket.call_id).where(
        Ticket.opened_at >= _FROM, Ticket.opened_at < _UNTIL, Ticket.call_id.is_not(None), _IS_COMPLAINT
    ),
)  # fmt: skip
