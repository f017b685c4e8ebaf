"""A house with agents, listeners and recorded calls of a day, for the tests of quality review."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from console.models import User
from core.house import House
from core.models import new_id
from dialer.models import Agent, Call
from recordings.call_facts import CallFact, CallFacts
from recordings.models import FindingRow, Recording
from recordings.quality import reviews
from recordings.quality.qa_shapes import DeskFigures, Mark, Unhappy
from recordings.quality.review_day import Opened
from recordings.review_models import Review
from tests.house import MID_MORNING
from tests.recordings import days

DAY = MID_MORNING.date()
YES, NO, NA = Mark("yes"), Mark("no"), Mark("na")
BLIND = (
    "answered_in_time", "need_met", "information_right", "red_flag_seen", "patient_tone", "own_name", "not_hung_up",
    "recording_notice", "identity_first", "no_medical_advice", "no_guarantee",
)  # fmt: skip
"""Items of preset A but the hidden one."""


@dataclass
class Facts:
    """What the desk would know; desk/call_facts.py has tests of its own."""

    known: dict[uuid.UUID, CallFact] = field(default_factory=dict)
    asked: int = 0

    def of(self, session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, CallFact]:
        self.asked += 1
        return {call_id: self.known[call_id] for call_id in call_ids if call_id in self.known}

    def learned(self, session: Session, since: datetime, until: datetime) -> Collection[uuid.UUID]:
        return ()


@dataclass
class Desk:
    """The desk's figures as told; desk/qa_figures.py has tests of its own."""

    of_month: dict[uuid.UUID, int] = field(default_factory=dict)
    low: list[Unhappy] = field(default_factory=list)
    calls: dict[uuid.UUID, list[tuple[datetime, uuid.UUID]]] = field(default_factory=dict)
    first: dict[uuid.UUID, datetime] = field(default_factory=dict)
    settled: dict[uuid.UUID, tuple[int, int]] = field(default_factory=dict)

    def talks(self, session: Session, since: datetime, until: datetime) -> Mapping[uuid.UUID, int]:
        return self.of_month

    def unhappy(self, session: Session, since: datetime, until: datetime, at_most: int) -> list[Unhappy]:
        return sorted(
            (one for one in self.low if since <= one[2] < until and one[3] <= at_most), key=lambda one: one[2]
        )

    def calls_of(self, session: Session, agent_id: uuid.UUID, since: datetime, until: datetime) -> list[uuid.UUID]:
        return [call for at, call in sorted(self.calls.get(agent_id, [])) if since <= at < until]

    def first_talks(self, session: Session) -> Mapping[uuid.UUID, datetime]:
        return self.first

    def first_contact(self, session: Session, now: datetime, span: timedelta) -> Mapping[uuid.UUID, tuple[int, int]]:
        return self.settled


@dataclass
class Office:
    house: House
    facts: Facts = field(default_factory=Facts)
    desk: Desk = field(default_factory=Desk)
    agents: dict[str, uuid.UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.house.services[CallFacts] = self.facts
        self.house.services[DeskFigures] = self.desk

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def forward(self, **span: float) -> None:
        self.house.clock.at += timedelta(**span)  # type: ignore[attr-defined]

    def transaction(self) -> AbstractContextManager[Session]:
        return self.house.transaction()

    def hire(self, login: str, role: str = "agent") -> uuid.UUID:
        with self.transaction() as session:
            row = Agent(
                id=new_id(), login=login, name=f"Example {login}", role=role, languages=["en"], skills=[],
                since=self.now,
            )  # fmt: skip
            session.add(row)
        self.agents[login] = row.id
        return row.id

    def admit(self, login: str, role: str, *, active: bool = True) -> None:
        """A user of the console."""
        with self.transaction() as session:
            session.add(
                User(
                    login=login, name=f"Example {login}", role=role, language="en", password="-", session_key="-",
                    active=active, made_at=self.now,
                )
            )  # fmt: skip

    def record(
        self, login: str | None, *, at: datetime | None = None, state: str = "kept", **fact: object
    ) -> uuid.UUID:
        """A recorded talk of agent `login`; the recording's id."""
        at = at or self.now
        with self.transaction() as session:
            call = Call(
                id=new_id(), kind="hotline", status="completed", started_at=at, deadline_at=at + timedelta(hours=1)
            )
            session.add(call)
            session.flush()
            row = Recording(
                id=new_id(), call_id=call.id, purpose="call", language="en", state=state, announced_at=at, seconds=90.0,
                keep_class="ordinary", keep_until=at + timedelta(days=180),
            )  # fmt: skip
            session.add(row)
        if login is not None:
            agent_id = self.agents[login]
            self.facts.known[call.id] = replace(CallFact(agent_id=agent_id), **fact)  # type: ignore[arg-type]
            self.desk.calls.setdefault(agent_id, []).append((at, call.id))
        return row.id

    def hit(self, recording_id: uuid.UUID, category: str, phrase: str = "hurry up", start_s: float = 12.0) -> None:
        with self.transaction() as session:
            session.add(
                FindingRow(
                    recording_id=recording_id, category=category, phrase=phrase, speaker="line", start_s=start_s,
                    severity=2, lexicon="test",
                )
            )  # fmt: skip

    def opened(self, day: date = DAY, seed: int = 7) -> Opened:
        with self.transaction() as session:
            days.draw_day(session, day, seed, self.now)
            return reviews.open_day(session, day, self.now)

    def rows(self) -> Sequence[Review]:
        import sqlalchemy as sa

        with self.transaction() as session:
            return session.scalars(sa.select(Review).order_by(Review.opened_at, Review.id)).all()

    def review_of(self, recording_id: uuid.UUID, seat: int = 1) -> Review:
        (found,) = [row for row in self.rows() if (row.subject_id, row.seat) == (recording_id, seat)]
        return found

    def judge(self, review: Review, satisfied: Mark = YES, **other: Mark) -> None:
        """The rater marks everything yes but `other`, and submits."""
        with self.transaction() as session:
            version = reviews.save(
                session, review.id, review.rater, {key: other.get(key, YES) for key in BLIND}, "", self.now, version=0
            )
            assert reviews.submit(session, review.id, review.rater, self.now, version=version) == "revealed"
            version = reviews.save(
                session, review.id, review.rater, {"caller_content": satisfied}, "", self.now, version=version + 1
            )
            assert reviews.submit(session, review.id, review.rater, self.now, version=version) == "submitted"

    def tick(self) -> None:
        with self.transaction() as session:
            reviews.due(session, self.now)
