"""An agent's month, and the red and the black list of a day.

Only final reviews of the random part of the draw are averaged: what was listened to because something stood out, or to
see whether coaching helped, would say nothing true of anybody's usual call (docs/clinical.md section 4, Sampling). It
is counted beside. A review in dispute waits; a second rating is for agreement and counts nowhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of, settings_of
from dialer.models import Agent
from recordings.quality import qa_statistics, review_rows, scorecard_rows, scorecards
from recordings.quality.qa_shapes import AgentMonth, DeskFigures, Estimate, ListLine, Lists
from recordings.quality.qa_words import DAY_IS_NOISE
from recordings.review_models import Review, Veto

BEST: Final = 3
"""Places on the red list; those with the same points share one."""
SCORED: Final = "random"


def month(session: Session, first: date) -> list[AgentMonth]:
    """One line for every agent with a review or a talk in the month `first` is in, by login."""
    first = first.replace(day=1)
    since, until = _span(session, first)
    by_agent = _final(session, since, until)
    dimensions = _dimensions(session, [row for rows in by_agent.values() for row in rows if row.part == SCORED])
    desk: DeskFigures = of(session).service(DeskFigures)  # type: ignore[type-abstract]
    talks = desk.talks(session, since, until)
    vetoes = _vetoes(session, first)
    lowest = _lowest(by_agent) & _lowest(_of_month_before(session, first))
    agents = _agents(session, {*by_agent, *talks, *vetoes})
    return [
        _of_agent(
            session, agent, first, by_agent.get(agent.id, []), dimensions, talks.get(agent.id, 0),
            vetoes.get(agent.id, ""), agent.id in lowest,
        )
        for agent in agents
    ]  # fmt: skip


def lowest_twice(session: Session, first: date) -> set[uuid.UUID]:
    """Whoever had the lowest mean of all in the month that begins with `first` and in the one before (QA12)."""
    return _lowest(_final(session, *_span(session, first))) & _lowest(_of_month_before(session, first))


def _of_month_before(session: Session, first: date) -> dict[uuid.UUID, list[Review]]:
    return _final(session, *_span(session, first - timedelta(days=1)))


def _of_agent(
    session: Session,
    agent: Agent,
    first: date,
    rows: Sequence[Review],
    dimensions: Mapping[uuid.UUID, Mapping[str, float]],
    talks: int,
    veto: str,
    lowest_twice: bool,
) -> AgentMonth:
    scored = [row for row in rows if row.part == SCORED]
    watched = [row for row in rows if row.part != SCORED]
    points = qa_statistics.mean([row.points for row in scored if row.points is not None])
    decided = [row for row in scored if row.passed is not None]
    by_dimension: dict[str, list[float]] = {}
    for row in scored:
        for key, value in dimensions.get(row.id, {}).items():
            by_dimension.setdefault(key, []).append(value)
    shares = [row.na_share for row in scored if row.na_share is not None]
    floor = settings_of(session).qa.pass_mark
    return AgentMonth(
        agent_id=agent.id,
        login=agent.login,
        name=agent.name,
        month=first,
        points=points,
        passed=qa_statistics.share(sum(row.passed is True for row in decided), len(decided)),
        dimensions={key: qa_statistics.mean(values) for key, values in sorted(by_dimension.items())},
        na_share=sum(shares) / len(shares) if shares else None,
        fails=sum(bool(row.failed_items) for row in scored),
        watched=len(watched),
        watched_fails=sum(bool(row.failed_items) for row in watched),
        disputes=sum(row.disputed_at is not None for row in rows),
        overturned=sum(row.overturned for row in rows),
        talks=talks,
        volume=talks if points.value is not None and points.value >= floor else None,
        veto=veto,
        lowest_twice=lowest_twice,
    )


def _final(session: Session, since: datetime, until: datetime) -> dict[uuid.UUID, list[Review]]:
    rows = session.scalars(
        sa.select(Review)
        .where(
            Review.happened_at >= since,
            Review.happened_at < until,
            Review.seat == 1,
            Review.state == "final",
            Review.agent_id.is_not(None),
        )
        .order_by(Review.happened_at, Review.id)
    )
    found: dict[uuid.UUID, list[Review]] = {}
    for row in rows:
        assert row.agent_id is not None  # the query asks for it
        found.setdefault(row.agent_id, []).append(row)
    return found


def _dimensions(session: Session, rows: Sequence[Review]) -> dict[uuid.UUID, dict[str, float]]:
    """{review: {dimension: 0 to 100}} of what applied."""
    marks = review_rows.marks(session, [row.id for row in rows])
    cards = scorecard_rows.cards(session, {row.card_id for row in rows})
    found = {}
    for row in rows:
        held = {key: (mark.value, mark.cause) for key, mark in marks[row.id].items()}
        by_part = scorecards.score(cards[row.card_id], held).dimensions
        found[row.id] = {key: float(value) for key, value in by_part.items() if value is not None}
    return found


def _lowest(by_agent: Mapping[uuid.UUID, Sequence[Review]]) -> set[uuid.UUID]:
    """Who has the lowest mean of the month; nobody where fewer than two were scored, or all the same."""
    means = {}
    for agent_id, rows in by_agent.items():
        points = [row.points for row in rows if row.part == SCORED and row.points is not None]
        if points:
            means[agent_id] = sum(points) / len(points)
    if len(means) < 2 or min(means.values()) == max(means.values()):
        return set()
    return {agent_id for agent_id, value in means.items() if value == min(means.values())}


def _vetoes(session: Session, first: date) -> dict[uuid.UUID, str]:
    """The gravest that is not lifted: one that stands goes before one that may still fall."""
    order = ("upheld", "appealed", "stands")
    found: dict[uuid.UUID, str] = {}
    for agent_id, state in session.execute(
        sa.select(Veto.agent_id, Veto.state).where(Veto.month == first, Veto.state.in_(order))
    ):
        found[agent_id] = max(found.get(agent_id, state), state, key=order.index)
    return found


def _agents(session: Session, ids: Collection[uuid.UUID]) -> Sequence[Agent]:
    return session.scalars(sa.select(Agent).where(Agent.id.in_(ids)).order_by(Agent.login)).all()


def _span(session: Session, day: date) -> tuple[datetime, datetime]:
    """The month `day` is in, on the hospital's clocks."""
    zone = settings_of(session).hospital.timezone
    first = day.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return datetime.combine(first, time.min, zone), datetime.combine(after, time.min, zone)


# ---- a day ------------------------------------------------------------------------------------------------


def lists(session: Session, day: date) -> Lists:
    """Red: everything passed, and among the three best means. Black: a mean below the pass, or an automatic fail. Of
    the day's random calls that are submitted and not disputed (docs/clinical.md QA6)."""
    rows = session.scalars(
        sa.select(Review).where(
            Review.day == day,
            Review.seat == 1,
            Review.part == SCORED,
            Review.state.in_(("submitted", "final")),
            Review.agent_id.is_not(None),
        )
    ).all()
    by_agent: dict[uuid.UUID, list[Review]] = {}
    for row in rows:
        if row.agent_id is not None and row.points is not None:
            by_agent.setdefault(row.agent_id, []).append(row)
    qa = settings_of(session).qa
    red, black = [], []
    for agent in _agents(session, by_agent):
        its = by_agent[agent.id]
        points = qa_statistics.mean([row.points for row in its if row.points is not None])
        fails = sum(bool(row.failed_items) for row in its)
        if fails or (points.value is not None and points.value < qa.pass_mark):
            black.append(ListLine(agent.login, agent.name, points, fails, -qa.money))
        elif all(row.passed for row in its):
            red.append(ListLine(agent.login, agent.name, points, 0, qa.money))
    return Lists(day, tuple(_best(red)), tuple(sorted(black, key=_points)), DAY_IS_NOISE)


def _points(line: ListLine) -> tuple[float, str]:
    return (_value(line.points), line.login)


def _value(estimate: Estimate) -> float:
    return -1.0 if estimate.value is None else estimate.value


def _best(lines: Sequence[ListLine]) -> list[ListLine]:
    """The best three, and whoever has the third's points too."""
    order = sorted(lines, key=lambda line: (-_value(line.points), line.login))
    if len(order) <= BEST:
        return order
    least = _value(order[BEST - 1].points)
    return [line for line in order if _value(line.points) >= least]
