"""The day's draw becomes reviews: one for every pick, a second for a tenth of them, given to raters fairly.

Who rates is decided by nobody: the first of those with the fewest reviews in hand, by login. Which picks get a second
rater follows from the draw's seed alone, so that it can be worked out again and nobody can choose.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from core import db
from core.house import of, settings_of
from core.models import new_id, record
from dialer.models import Agent
from recordings.models import DrawPick, DrawRow
from recordings.quality import scorecard_rows
from recordings.quality.qa_shapes import Rater, Raters
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_machine import TO_MARK
from recordings.review_models import Review
from recordings.sampling import sample, subjects
from recordings.sampling.subjects import Key, Subject


class Opened(NamedTuple):
    """`without_second`: picks that should have had a second rater, and nobody else was there to be one."""

    opened: int
    second: int
    without_second: int


def open_day(session: Session, day: date, now: datetime, kind: str = "calls") -> Opened:
    """Reviews of the newest draw of `day` (`kind`: calls | chats); asked again, only of what is missing. Raises
    ReviewProblem when nothing was drawn, or when another draw of that day is being reviewed."""
    db.lock(session, f"reviews {kind} {day}")
    draws = [row for row in _draws(session, day) if row.kind == kind]
    if not draws:
        raise ReviewProblem("no_draw", day=day)
    reviewed = session.scalars(
        sa.select(Review.draw_id).where(Review.draw_id.in_([row.id for row in draws])).distinct()
    ).all()
    draw = draws[0]
    if any(other != draw.id for other in reviewed):
        raise ReviewProblem("other_draw", day=day)
    return _open(session, draw, now)


def unopened(session: Session, today: date, now: datetime) -> list[tuple[date, str]]:
    """Days before `today` with what was drawn of them (calls | chats) lately, and no review of it yet; the oldest
    first."""
    other = aliased(DrawRow)
    reviewed = (
        sa.select(Review.id)
        .join(other, other.id == Review.draw_id)
        .where(other.day == DrawRow.day, other.kind == DrawRow.kind)
        .exists()
    )
    rows = session.execute(
        sa.select(DrawRow.day, DrawRow.kind)
        .where(
            DrawRow.day < today,
            DrawRow.drawn_at > now - timedelta(days=sample.LOOK_BACK),
            sa.exists().where(DrawPick.draw_id == DrawRow.id),
            ~reviewed,
        )
        .distinct()
        .order_by(DrawRow.day, DrawRow.kind)
    )
    return [(day, kind) for day, kind in rows]


def _draws(session: Session, day: date) -> Sequence[DrawRow]:
    return session.scalars(
        sa.select(DrawRow).where(DrawRow.day == day).order_by(DrawRow.drawn_at.desc(), DrawRow.id)
    ).all()


def _open(session: Session, draw: DrawRow, now: datetime) -> Opened:
    picks = {_key(pick): pick for pick in sample.picks(session, draw)}
    there = set(session.execute(sa.select(Review.subject_kind, Review.subject_id).where(Review.draw_id == draw.id)))
    missing = blind_order(draw.seed, [key for key in picks if key not in {(kind, one) for kind, one in there}])
    known = subjects.found(session, missing)
    share = settings_of(session).qa.second_share
    twice = second_rated(draw.seed, [subject_id for _, subject_id in picks], share)
    desk = Assignment(session)
    opened = second = without = 0
    for key in missing:
        subject = known.get(key)
        if subject is None:
            continue  # erased between the draw and now
        first = open_review(session, desk, subject, picks[key].part, now, draw_id=draw.id)
        opened += 1
        if subject.id in twice:
            if open_review(session, desk, subject, picks[key].part, now, draw_id=draw.id, after=first) is not None:
                second += 1
            else:
                without += 1
    session.flush()
    if opened:
        record(session, "draw", draw.id, "reviews opened", now, opened=opened, second=second, without_second=without)
    return Opened(opened, second, without)


def _key(pick: DrawPick) -> Key:
    subject = pick.recording_id or pick.chat_id
    assert subject is not None, "a pick is of one of the two (draw_picks.one_subject)"
    return (pick.subject_kind, subject)


def second_rated(seed: int, ids: Collection[uuid.UUID], share: float) -> set[uuid.UUID]:
    """Those a second person rates: the first `share` of them in an order that only the seed knows. At least one, so
    that a short day says something of agreement too. Pure."""
    count = int(len(ids) * Fraction(str(share)) + Fraction(1, 2))
    if share > 0 and ids:
        count = max(count, 1)
    return set(sorted(ids, key=lambda one: hashlib.sha256(f"second {seed} {one}".encode()).digest())[:count])


def blind_order(seed: int, keys: Iterable[Key]) -> list[Key]:
    """The order reviews are made in. A draw lists its random part first: made in that order, ids and lists of raters
    would say which call was picked for its risk (docs/clinical.md section 4). Pure."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"order {seed} {key[1]}".encode()).digest())


class Assignment:
    """Raters with what they have in hand; read once for a batch of new reviews."""

    def __init__(self, session: Session) -> None:
        raters: Raters = of(session).service(Raters)  # type: ignore[type-abstract]
        self.raters = {rater.login: rater for rater in raters.now(session)}
        in_hand = session.execute(
            sa.select(Review.rater, sa.func.count())
            .where(Review.state.in_(TO_MARK), Review.rater != "")
            .group_by(Review.rater)
        )
        self._in_hand: Counter[str] = Counter(dict(in_hand.all()))
        self.logins = dict(session.execute(sa.select(Agent.id, Agent.login)).all())
        self._cards: dict[date, uuid.UUID] = {}

    def card(self, session: Session, day: date, now: datetime) -> uuid.UUID:
        """The card calls of that day are reviewed with."""
        if day not in self._cards:
            self._cards[day] = scorecard_rows.in_force(session, day, now)[0].id
        return self._cards[day]

    def first(self, agent_id: uuid.UUID | None) -> str:
        """A QA listener; where the house has none, a supervisor; empty: nobody is there."""
        listeners = [rater for rater in self.raters.values() if rater.role == "qa"]
        return self._least(listeners or self.raters.values(), {self._login(agent_id)})

    def second(self, agent_id: uuid.UUID | None, first: str) -> str:
        """Anybody who may review but the first; empty: there is nobody else."""
        return self._least(self.raters.values(), {self._login(agent_id), first}) if first else ""

    def instead(self, agent_id: uuid.UUID | None, taken: set[str], *, second: bool) -> str:
        """Somebody who rates the same call in no other seat; empty: there is nobody."""
        but = {self._login(agent_id), *taken}
        listeners = [rater for rater in self.raters.values() if rater.role == "qa" and not second]
        return self._least(listeners, but) or self._least(self.raters.values(), but)

    def _login(self, agent_id: uuid.UUID | None) -> str:
        return "" if agent_id is None else self.logins[agent_id]

    def _least(self, raters: Iterable[Rater], but: set[str]) -> str:
        """Nobody rates their own talk."""
        able = [rater.login for rater in raters if rater.login not in but]
        if not able:
            return ""
        chosen = min(able, key=lambda login: (self._in_hand[login], login))
        self._in_hand[chosen] += 1
        return chosen


def open_review(
    session: Session,
    desk: Assignment,
    subject: Subject,
    part: str,
    now: datetime,
    *,
    draw_id: uuid.UUID | None = None,
    after: Review | None = None,
) -> Review | None:
    """A new review; with `after` a second one of the same subject by somebody else, None if there is nobody. A first
    one is made in any case: without a rater it waits for one."""
    rater = desk.first(subject.agent_id) if after is None else desk.second(subject.agent_id, after.rater)
    if after is not None and not rater:
        return None
    day = subject.happened_at.astimezone(settings_of(session).hospital.timezone).date()
    card_id = after.card_id if after is not None else desk.card(session, day, now)
    row = Review(
        id=new_id(),
        subject_kind=subject.kind,
        subject_id=subject.id,
        draw_id=draw_id,
        day=day,
        happened_at=subject.happened_at,
        part=part,
        seat=1 if after is None else 2,
        card_id=card_id,
        language=subject.language,
        agent_id=subject.agent_id,
        rater=rater,
        state="drawn",
        version=0,
        opened_at=now,
        failed_items=[],
    )
    session.add(row)
    record(session, "review", row.id, "opened", now, to_state="drawn", part=part, seat=row.seat)
    return row


def assign_waiting(session: Session, now: datetime) -> int:
    """Give reviews nobody has begun, of nobody or of somebody who may not review any more, to whoever is there now; how
    many were given."""
    desk, given = Assignment(session), 0
    if not desk.raters:
        return 0
    rows = session.scalars(
        sa.select(Review)
        .where(Review.state == "drawn", Review.rater.not_in(desk.raters))
        .order_by(Review.opened_at, Review.id)
        .limit(500)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return 0
    others: dict[Key, set[str]] = {}
    for one in session.scalars(sa.select(Review).where(Review.subject_id.in_({row.subject_id for row in rows}))):
        if one not in rows:
            others.setdefault((one.subject_kind, one.subject_id), set()).add(one.rater)
    for row in rows:
        taken = others.setdefault((row.subject_kind, row.subject_id), set())
        to = desk.instead(row.agent_id, taken, second=row.seat == 2)
        if to:
            was, row.rater, row.version = row.rater, to, row.version + 1
            taken.add(to)
            given += 1
            record(session, "review", row.id, "given", now, data={"from": was, "to": to})
    return given
