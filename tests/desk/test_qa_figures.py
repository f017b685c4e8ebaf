"""What the desk tells quality review of agents' talks."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from core.models import new_id
from desk import ticket_opening
from desk.models import Survey
from desk.qa_figures import Figures
from dialer.models import Call
from tests.desk.desk_house import CALLERS, Hall
from tests.desk.test_measures import served


def test_talks_and_calls_by_agent(hall: Hall) -> None:
    hall.agent()
    since = hall.now
    first = served(hall, CALLERS[0], after=2, talk=30)
    hall.forward(minutes=10)
    between = hall.now
    second = served(hall, CALLERS[1], after=2, talk=30)
    left = hall.enters(CALLERS[2])
    hall.forward(seconds=3)
    hall.hangs_up(left)
    with hall.house.transaction() as session:
        figures, until = Figures(), hall.now + timedelta(minutes=1)
        agent_id = hall.fresh(first).agent_id
        assert agent_id is not None
        assert figures.talks(session, since, until) == {agent_id: 2}, "who hung up was not talked with"
        assert figures.talks(session, between, until) == {agent_id: 1}
        assert figures.talks(session, until, until + timedelta(days=1)) == {}
        assert figures.calls_of(session, agent_id, since, until) == [first.call_id, second.call_id]
        assert figures.calls_of(session, agent_id, between, until) == [second.call_id]
        assert figures.calls_of(session, new_id(), since, until) == []


def test_low_scores_by_the_agent_who_talked(hall: Hall) -> None:
    hall.agent()
    entries = [served(hall, number, after=2, talk=30) for number in CALLERS[:3]]
    since = hall.now
    with hall.house.transaction() as session:
        for entry, score in zip(entries, (2, 3, 1), strict=True):
            ticket = ticket_opening.open_(session, "message", hall.now, call=session.get_one(Call, entry.call_id))
            hall.forward(minutes=1)
            session.add(
                Survey(
                    ticket_id=ticket.id, round=0, due_at=hall.now, deadline_at=hall.now, next_try_at=hall.now,
                    status="scored", score=score, closed_at=hall.now,
                )
            )  # fmt: skip
    with hall.house.transaction() as session:
        agent_id = hall.fresh(entries[0]).agent_id
        low = Figures().unhappy(session, since, hall.now + timedelta(minutes=1), 2)
        assert [(agent, call, score) for agent, call, _, score in low] == [
            (agent_id, entries[0].call_id, 2),
            (agent_id, entries[2].call_id, 1),
        ]
        assert session.scalar(sa.select(sa.func.count()).select_from(Survey)) == 3
        assert Figures().unhappy(session, since - timedelta(days=2), since, 2) == []


def test_who_rang_again_for_the_same_reason_was_not_helped_at_once(hall: Hall) -> None:
    hall.agent()
    began = hall.now
    first = served(hall, CALLERS[0], after=2, talk=30)
    served(hall, CALLERS[1], after=2, talk=30)
    hall.forward(days=1)
    served(hall, CALLERS[0], after=2, talk=30)  # again
    days = hall.house.settings.desk.repeat_days
    with hall.house.transaction() as session:
        agent_id, figures = hall.fresh(first).agent_id, Figures()
        assert agent_id is not None
        assert list(figures.first_talks(session)) == [agent_id]
        assert began < figures.first_talks(session)[agent_id] < began + timedelta(minutes=1)
        span, later = timedelta(days=30), hall.now + timedelta(days=days, hours=1)
        assert figures.first_contact(session, later, span) == {agent_id: (2, 3)}
        assert figures.first_contact(session, hall.now, span) == {}, "nobody knows yet whether they will ring again"
