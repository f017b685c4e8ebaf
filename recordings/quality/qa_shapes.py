"""What the pages of quality review show and hand in: plain values, no rows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

Words = Mapping[str, str]
"""{language: text}"""


@dataclass(frozen=True)
class Mark:
    """A person's decision on one item. `value`: yes | no | na; `cause` of a "no": agent | process. The seconds say
    where in the recording; the note is for the agent to read."""

    value: str
    cause: str = "agent"
    note: str = ""
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Suggestion:
    """What a measure says of an item. Never counted: a person marks. `source`: answer_time | findings | missing |
    satisfaction, with `values` for its sentence (qa_words.source)."""

    value: str
    source: str
    values: Mapping[str, object]
    start_s: float | None = None


@dataclass(frozen=True)
class SheetItem:
    key: str
    text: Words
    example: Words
    """When it is a yes and when a no."""
    fails: bool
    """A "no" of the agent's fails the whole call."""
    points: int
    closed: bool
    """Not to be marked now: hidden until the blind marks are closed, or closed already."""
    suggestion: Suggestion | None
    mark: Mark | None


@dataclass(frozen=True)
class SheetPart:
    """A dimension of the card."""

    key: str
    name: Words
    weight: int
    items: tuple[SheetItem, ...]


@dataclass(frozen=True)
class Sheet:
    """What a rater works on: no agent, no earlier score, no satisfaction, not why it was drawn, nor which rating it
    is."""

    review_id: uuid.UUID
    version: int
    """To be handed back with every save."""
    state: str
    subject_kind: str
    subject_id: uuid.UUID
    day: date
    language: str
    card: str
    """Such as "A-1"."""
    card_name: Words
    parts: tuple[SheetPart, ...]
    comment: str
    points: float | None
    """Once submitted."""
    passed: bool | None


@dataclass(frozen=True)
class ReviewLine:
    """One line of a rater's list; blind."""

    review_id: uuid.UUID
    state: str
    subject_kind: str
    subject_id: uuid.UUID
    day: date
    language: str
    seconds: float | None
    """Of the recording."""
    marked: int
    items: int


@dataclass(frozen=True)
class AgentReview:
    """A review as its agent sees it, with every "no" and what should have been said instead."""

    review_id: uuid.UUID
    state: str
    subject_kind: str
    subject_id: uuid.UUID
    happened_at: datetime
    points: float | None
    passed: bool | None
    counts: bool
    """It is of the random part, which feeds scores."""
    dispute_until: datetime | None
    may_dispute: bool
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Fault:
    item: str
    text: Words
    say: Words
    """The wording that is expected."""
    fails: bool
    cause: str
    note: str
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True)
class Disputed:
    """What a supervisor has to settle."""

    review_id: uuid.UUID
    version: int
    subject_kind: str
    subject_id: uuid.UUID
    happened_at: datetime
    agent: str
    rater: str
    points: float | None
    why: str
    disputed_at: datetime


@dataclass(frozen=True)
class TaskLine:
    """A coaching task. `expected` and `text` are empty where no item of a card is meant."""

    task_id: uuid.UUID
    cause: str
    """score | auto_fail | phrases | satisfaction | repeated | first_contact | new_agent | lowest | process"""
    about: str
    agent: str
    """Login; empty for a process."""
    owner: str
    subject_kind: str
    subject_id: uuid.UUID | None
    start_s: float | None
    end_s: float | None
    state: str
    round: int
    opened_at: datetime
    due_at: datetime
    overdue: bool
    text: Words
    expected: Words
    rechecks: tuple[str, ...]
    """States of the re-check reviews: "passed", "failed" once decided, else "waiting"."""


@dataclass(frozen=True)
class Estimate:
    """A figure from a sample with its 95 % interval. `low` and `high` are None where nothing can be said; `method`:
    wilson | t | none; `note`: "" | few | one | same | empty (qa_words.note)."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    note: str


@dataclass(frozen=True)
class AgentMonth:
    """One agent's month. Only the random part of the draw feeds `points`, `passed` and `dimensions`."""

    agent_id: uuid.UUID
    login: str
    name: str
    month: date
    points: Estimate
    """Mean of 0 to 100."""
    passed: Estimate
    """Share of 0 to 1."""
    dimensions: Mapping[str, Estimate]
    """Mean of 0 to 100 by dimension of the card."""
    na_share: float | None
    fails: int
    """Random calls with an automatic fail."""
    watched: int
    """Calls reviewed for safety or as a re-check: counted here, averaged nowhere."""
    watched_fails: int
    disputes: int
    overturned: int
    talks: int
    volume: int | None
    """`talks`, if the month's quality is above the floor; None: it does not count (PERF5)."""
    veto: str
    """"" | upheld | appealed | stands: a complaint found right (PERF21)."""
    lowest_twice: bool
    """Lowest of all in this month and the one before, for a manager to look at (QA12)."""


@dataclass(frozen=True)
class ListLine:
    login: str
    name: str
    points: Estimate
    fails: int
    money: int
    """Yuan; 0 while [qa] money is off."""


@dataclass(frozen=True)
class Lists:
    """The red and the black list of one day, with the sentence that has to stand beside them."""

    day: date
    red: tuple[ListLine, ...]
    black: tuple[ListLine, ...]
    warning: Words


@dataclass(frozen=True)
class ItemAgreement:
    """How far two raters agree on one item. `gate`: rewrite | not_for_pay | not_for_fails | good | few | same |
    measured (qa_words.gate)."""

    item: str
    text: Words
    fails: bool
    n: int
    agreed: float | None
    """Share of pairs with the same mark."""
    kappa: float | None
    gate: str


@dataclass(frozen=True)
class Rater:
    """Somebody who may review. `role`: qa | supervisor."""

    login: str
    role: str


class Raters(Protocol):
    """Who may review; the console knows (console/raters.py), app.py joins them."""

    def now(self, session: Session) -> list[Rater]: ...


Unhappy = tuple[uuid.UUID, uuid.UUID, datetime, int]
"""(agent, call, when it was keyed, score): a call after which a low score was keyed. A plain tuple: the desk, which
makes it, knows nothing of this room."""


class DeskFigures(Protocol):
    """What quality review asks the desk about agents (desk/qa_figures.py)."""

    def talks(self, session: Session, since: datetime, until: datetime) -> Mapping[uuid.UUID, int]:
        """Talks by agent that ended in the span."""
        ...

    def unhappy(self, session: Session, since: datetime, until: datetime, at_most: int) -> list[Unhappy]:
        """Calls whose satisfaction keyed in the span is `at_most` or lower, oldest first."""
        ...

    def calls_of(self, session: Session, agent_id: uuid.UUID, since: datetime, until: datetime) -> list[uuid.UUID]:
        """Calls this agent talked on, ended in the span."""
        ...

    def first_talks(self, session: Session) -> Mapping[uuid.UUID, datetime]:
        """When each agent first talked with a caller."""
        ...

    def first_contact(self, session: Session, now: datetime, span: timedelta) -> Mapping[uuid.UUID, tuple[int, int]]:
        """{agent: (settled at once, talks)} of the newest `span` of which it is known whether the caller rang again."""
        ...
