"""What the listening room asks of agents' talks: recordings.quality.qa_shapes.DeskFigures, joined in app.py."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.house import settings_of
from desk.measures import BY_THE_DESK
from desk.models import QueueEntry, Survey, Ticket
from dialer.models import Agent, Call


class Figures:
    """Talks are places in line an agent was joined with."""

    def talks(self, session: Session, since: datetime, until: datetime) -> dict[uuid.UUID, int]:
        """By agent, of callers who came into the line in the span."""
        rows = session.execute(
            sa.select(QueueEntry.agent_id, sa.func.count())
            .where(
                QueueEntry.entered_at >= since,
                QueueEntry.entered_at < until,
                QueueEntry.joined_at.is_not(None),
                QueueEntry.agent_id.is_not(None),
            )
            .group_by(QueueEntry.agent_id)
        )
        return {agent_id: count for agent_id, count in rows if agent_id is not None}

    def unhappy(
        self, session: Session, since: datetime, until: datetime, at_most: int
    ) -> list[tuple[uuid.UUID, uuid.UUID, datetime, int]]:
        """(agent, call, when, score) of satisfaction calls in the span with `at_most` or less, oldest first. The agent
        is who talked longest with the caller whose ticket it was about."""
        latest = (
            sa.select(Survey.id, QueueEntry.agent_id, Ticket.call_id, Survey.closed_at, Survey.score)
            .join(Ticket, Ticket.id == Survey.ticket_id)
            .join(QueueEntry, QueueEntry.call_id == Ticket.call_id)
            .where(
                Survey.score <= at_most,
                Survey.closed_at >= since,
                Survey.closed_at < until,
                QueueEntry.joined_at.is_not(None),
                QueueEntry.agent_id.is_not(None),
            )
            .ext(distinct_on(Survey.id))
            .order_by(Survey.id, QueueEntry.talk_s.desc().nulls_last(), QueueEntry.joined_at)
            .subquery()
        )
        rows = session.execute(sa.select(latest).order_by(latest.c.closed_at, latest.c.id))
        return [(row.agent_id, row.call_id, row.closed_at, row.score) for row in rows]

    def calls_of(self, session: Session, agent_id: uuid.UUID, since: datetime, until: datetime) -> list[uuid.UUID]:
        """Calls this agent was joined with in the span, oldest first."""
        rows = session.scalars(
            sa.select(QueueEntry.call_id)
            .where(
                QueueEntry.agent_id == agent_id,
                QueueEntry.joined_at >= since,
                QueueEntry.joined_at < until,
                QueueEntry.call_id.is_not(None),
            )
            .order_by(QueueEntry.joined_at)
        )
        return [call_id for call_id in rows if call_id is not None]

    def first_talks(self, session: Session) -> dict[uuid.UUID, datetime]:
        """When each agent was first joined with a caller."""
        first = (
            sa.select(QueueEntry.joined_at)
            .where(QueueEntry.agent_id == Agent.id, QueueEntry.joined_at.is_not(None))
            .order_by(QueueEntry.joined_at)
            .limit(1)
            .scalar_subquery()
        )
        rows = session.execute(sa.select(Agent.id, first))
        return {agent_id: at for agent_id, at in rows if at is not None}

    def first_contact(self, session: Session, now: datetime, span: timedelta) -> dict[uuid.UUID, tuple[int, int]]:
        """{agent: (settled at once, talks)} of the newest `span` of which it is known: whoever talked with the caller
        settled it if the number did not ring again for the same reason in [desk] repeat_days (as desk.measures counts).
        Nothing is known of hidden numbers, and of who said no reason."""
        days = timedelta(days=settings_of(session).desk.repeat_days)
        within, until = sa.literal(days, sa.Interval), now - days
        again = sa.exists().where(
            Call.kind == "hotline", Call.started_at >= until - span, Call.party_index == QueueEntry.party_index,
            Call.reason == QueueEntry.reason, Call.started_at > QueueEntry.joined_at,
            Call.started_at <= QueueEntry.joined_at + within, Call.id != QueueEntry.call_id,
        )  # fmt: skip
        rows = session.execute(
            sa.select(QueueEntry.agent_id, sa.func.count().filter(~again), sa.func.count())
            .where(
                QueueEntry.status == "served",
                QueueEntry.origin.not_in(BY_THE_DESK),
                QueueEntry.agent_id.is_not(None),
                QueueEntry.joined_at >= until - span,
                QueueEntry.joined_at < until,
                QueueEntry.call_id.is_not(None),
                QueueEntry.party_index.is_not(None),
                QueueEntry.reason != "",
            )
            .group_by(QueueEntry.agent_id)
        )
        return {agent_id: (settled, talks) for agent_id, settled, talks in rows if agent_id is not None}
