"""Reviews: marked blind, submitted, disputed, settled.

The rater sees no agent, no earlier score, no satisfaction and not why a call was drawn; the agent sees nothing before
a review is submitted; of two raters neither sees the other's marks. The table of states is in review_machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import of, settings_of
from dialer.models import Agent
from recordings.models import Recording
from recordings.quality import coaching, review_rows, scorecard_rows, scorecards
from recordings.quality.qa_shapes import Mark, Raters, ReviewLine
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_day import Opened, open_day
from recordings.quality.review_machine import TO_MARK
from recordings.quality.review_pages import disputed, of_agent, sheet
from recordings.quality.review_rows import move
from recordings.quality.scorecards import CAUSES, VALUES, Card, tenth
from recordings.review_models import Review, ReviewMark

__all__ = [
    "Opened", "ReviewProblem", "dispute", "disputed", "due", "of_agent", "open_day",
    "rates_too", "save", "settle", "sheet", "submit", "waiting",
]  # fmt: skip

BATCH = 100
SLACK_S = 1.0
"""A clip may end so long after the recording's own end, which is rounded."""


def waiting(session: Session, rater: str, now: datetime) -> list[ReviewLine]:
    """What this rater has in hand, the oldest first: a list that says nothing of the agent."""
    marked = sa.select(sa.func.count()).where(ReviewMark.review_id == Review.id).correlate(Review).scalar_subquery()
    rows = session.execute(
        sa.select(Review, Recording.seconds, marked)
        .outerjoin(Recording, sa.and_(Recording.id == Review.subject_id, Review.subject_kind == "call"))
        .where(Review.rater == rater, Review.state.in_(TO_MARK), Review.opened_at <= now)
        .order_by(Review.opened_at, Review.id)
    ).all()
    cards = scorecard_rows.cards(session, {row.card_id for row, _, _ in rows})
    return [
        ReviewLine(
            row.id, row.state, row.subject_kind, row.subject_id, row.day, row.language, seconds, count,
            len(cards[row.card_id].items),
        )
        for row, seconds, count in rows
    ]  # fmt: skip


# ---- the rater ----------------------------------------------------------------------------------------------


def save(
    session: Session,
    review_id: uuid.UUID,
    rater: str,
    marks: Mapping[str, Mark],
    comment: str,
    now: datetime,
    *,
    version: int,
) -> int:
    """Keep marks and comment as a draft; the new version. Items not in `marks` stay as they are. Raises ReviewProblem;
    nothing is kept then. "stale": saved by another window since `version`."""
    row, card = _in_hand(session, review_id, rater, version)
    for item in marks:
        if item not in card.items:
            raise ReviewProblem("no_item", item=item)
        if card.items[item].hidden != (row.state == "revealed"):
            raise ReviewProblem("not_now", item=item)
    _check_marks(session, row, marks)
    move(session, row, "save", now, who=rater, marks=len(marks))
    review_rows.put_marks(session, row, marks, rater, now)
    review_rows.put_notes(session, row, {"comment": comment}, rater, now)
    row.version += 1
    return row.version


def submit(session: Session, review_id: uuid.UUID, rater: str, now: datetime, *, version: int) -> str:
    """Close what is marked; the new state. `revealed`: the hidden items are shown now, to be marked and submitted once
    more. `submitted`: it has points, and its agent may see it. Raises ReviewProblem while an item is unmarked."""
    row, card = _in_hand(session, review_id, rater, version)
    held = review_rows.marks(session, [row.id])[row.id]
    hidden = [key for key, item in card.items.items() if item.hidden]
    needed = hidden if row.state == "revealed" else [key for key in card.items if key not in hidden]
    unmarked = [key for key in needed if key not in held]
    if unmarked:
        raise ReviewProblem("unmarked", count=len(unmarked), items=", ".join(unmarked))
    row.version += 1
    if row.state == "draft" and hidden:
        move(session, row, "reveal", now, who=rater)
        return row.state
    _count(session, row, card)
    row.submitted_at = now
    # a second rating has no consequence for anybody, so nobody disputes it
    days = settings_of(session).qa.dispute_days if row.seat == 1 else 0
    row.dispute_until = now + timedelta(days=days)
    move(session, row, "submit", now, who=rater, points=row.points, passed=row.passed, fails=len(row.failed_items))
    if row.seat == 1:
        coaching.of_review(session, row, card, now)
    return row.state


def _in_hand(session: Session, review_id: uuid.UUID, rater: str, version: int) -> tuple[Review, Card]:
    row = review_rows.of_id(session, review_id)
    if row.rater != rater:
        raise ReviewProblem("not_yours")
    if row.state not in TO_MARK:
        raise ReviewProblem("closed", state=row.state)
    if row.version != version:
        raise ReviewProblem("stale")
    return row, scorecard_rows.cards(session, [row.card_id])[row.card_id]


def _check_marks(session: Session, row: Review, marks: Mapping[str, Mark]) -> None:
    seconds = None
    if row.subject_kind == "call":
        seconds = session.scalar(sa.select(Recording.seconds).where(Recording.id == row.subject_id))
    for item, mark in marks.items():
        if mark.value not in VALUES:
            raise ReviewProblem("value", item=item, value=mark.value)
        if mark.cause not in CAUSES or (mark.cause == "process" and mark.value != "no"):
            raise ReviewProblem("cause", item=item)
        start_s, end_s = mark.start_s, mark.end_s
        if (start_s is None) != (end_s is None):
            raise ReviewProblem("clip", item=item)
        if start_s is not None and end_s is not None:
            within = seconds is None or end_s <= seconds + SLACK_S
            if not (0 <= start_s < end_s and within):
                raise ReviewProblem("clip", item=item)


def _count(session: Session, row: Review, card: Card) -> None:
    """Write down what the marks come to."""
    held = review_rows.marks(session, [row.id])[row.id]
    score = scorecards.score(card, {key: (mark.value, mark.cause) for key, mark in held.items()})
    row.points = None if score.points is None else tenth(score.points)
    row.passed = score.passed(settings_of(session).qa.pass_mark)
    row.failed_items = list(score.failed)
    row.na_share = float(score.na_share)


# ---- the agent and the supervisor ---------------------------------------------------------------------------


def dispute(session: Session, review_id: uuid.UUID, agent_login: str, why: str, now: datetime) -> None:
    """The agent says, in [qa] dispute_days, what is wrong with it (docs/clinical.md PERF6). Raises ReviewProblem."""
    row = review_rows.of_id(session, review_id)
    if not why.strip():
        raise ReviewProblem("no_comment")
    if row.seat != 1 or _login(session, row.agent_id) != agent_login:
        raise ReviewProblem("not_agents")
    if row.state == "submitted" and row.dispute_until is not None and now >= row.dispute_until:
        raise ReviewProblem("too_late", until=_clock(session, row.dispute_until))
    if not move(session, row, "dispute", now, who=agent_login):
        raise ReviewProblem("not_disputable", state=row.state)
    row.disputed_at = now
    review_rows.put_notes(session, row, {"dispute": why}, agent_login, now)


def settle(
    session: Session, review_id: uuid.UUID, supervisor: str, marks: Mapping[str, Mark], why: str, now: datetime
) -> None:
    """A supervisor who neither rated it nor is its agent decides; `marks` holds only what is decided otherwise. The
    rater's marks stay beside them, and the review is final. Raises ReviewProblem."""
    row = review_rows.of_id(session, review_id)
    if row.state != "disputed":
        raise ReviewProblem("not_disputed")
    if not why.strip():
        raise ReviewProblem("no_comment")
    _no_judge_in_own_cause(session, row, supervisor)
    card = scorecard_rows.cards(session, [row.card_id])[row.card_id]
    for item in marks:
        if item not in card.items:
            raise ReviewProblem("no_item", item=item)
    _check_marks(session, row, marks)
    before, passed = row.points, row.passed
    held = review_rows.marks(session, [row.id])[row.id]
    marks = {item: _where_it_was(mark, held.get(item)) for item, mark in marks.items()}
    review_rows.put_marks(session, row, marks, supervisor, now, settled=True)
    review_rows.put_notes(session, row, {"settled": why}, supervisor, now)
    _count(session, row, card)
    row.settled_by, row.version = supervisor, row.version + 1
    row.overturned = passed is False and row.passed is not False
    move(session, row, "settle", now, who=supervisor, changed=len(marks), before=before, points=row.points)
    row.final_at = now
    coaching.settled(session, row, card, now)
    coaching.final(session, row, now)


def _where_it_was(mark: Mark, rated: ReviewMark | None) -> Mark:
    """A "no" laid to somebody else is heard where the rater heard it: whoever mends the process gets the clip."""
    if rated is None or mark.start_s is not None or mark.value != "no":
        return mark
    return replace(mark, start_s=rated.start_s, end_s=rated.end_s)


def _no_judge_in_own_cause(session: Session, row: Review, supervisor: str) -> None:
    if supervisor in (row.rater, _login(session, row.agent_id)):
        raise ReviewProblem("own_judge")
    if rates_too(session, row.subject_kind, row.subject_id, supervisor):
        raise ReviewProblem("mark_first")
    if _raters(session).get(supervisor) != "supervisor":
        raise ReviewProblem("no_rater", login=supervisor)


def rates_too(session: Session, subject_kind: str, subject_id: uuid.UUID | None, login: str) -> bool:
    """Has this person marks of their own to make of the same call? Who sees the other's first is no second rater."""
    mine = sa.exists().where(
        Review.subject_kind == subject_kind, Review.subject_id == subject_id, Review.rater == login,
        Review.state.in_(TO_MARK),
    )  # fmt: skip
    return bool(session.scalar(sa.select(mine)))


def _raters(session: Session) -> dict[str, str]:
    raters: Raters = of(session).service(Raters)  # type: ignore[type-abstract]
    return {rater.login: rater.role for rater in raters.now(session)}


def _login(session: Session, agent_id: uuid.UUID | None) -> str:
    return "" if agent_id is None else session.get_one(Agent, agent_id).login


def _clock(session: Session, at: datetime) -> str:
    return at.astimezone(settings_of(session).hospital.timezone).strftime("%Y-%m-%d %H:%M")


# ---- the timer ----------------------------------------------------------------------------------------------


def due(session: Session, now: datetime) -> int:
    """What nobody disputed in time becomes final; how many did."""
    rows = session.scalars(
        sa.select(Review)
        .where(Review.state == "submitted", Review.dispute_until <= now)
        .order_by(Review.dispute_until, Review.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        if move(session, row, "stand", now):
            row.final_at = now
            coaching.final(session, row, now)
    return len(rows)
