"""Reviews: opened from the day's draw, marked blind, disputed, settled. (Signatures; the bodies follow.)"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from recordings.qa_shapes import AgentReview, Disputed, Mark, ReviewLine, Sheet


class ReviewProblem(Exception):
    """What cannot be done, in both languages: `problem.said("zh-CN")`; `str()` is English. `key` and `values` too."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values

    def said(self, language: str) -> str:
        raise NotImplementedError


class Opened(NamedTuple):
    opened: int
    second: int
    without_second: int


def open_day(session: Session, day: date, now: datetime, kind: str = "calls") -> Opened:
    """Reviews of the newest draw of `day`; again: only what is missing. Raises ReviewProblem."""
    raise NotImplementedError


def waiting(session: Session, rater: str, now: datetime) -> list[ReviewLine]:
    raise NotImplementedError


def sheet(session: Session, review_id: uuid.UUID, rater: str) -> Sheet:
    raise NotImplementedError


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
    """Keep a draft; the new version. Raises ReviewProblem: "stale" when somebody saved since `version`."""
    raise NotImplementedError


def submit(session: Session, review_id: uuid.UUID, rater: str, now: datetime, *, version: int) -> str:
    """Close the blind marks; the new state. `revealed`: the hidden items are shown now, mark them (save) and submit
    once more; `submitted`: done."""
    raise NotImplementedError


def of_agent(session: Session, login: str, now: datetime) -> list[AgentReview]:
    """What an agent may see: their own reviews once submitted."""
    raise NotImplementedError


def dispute(session: Session, review_id: uuid.UUID, agent_login: str, why: str, now: datetime) -> None:
    raise NotImplementedError


def disputed(session: Session) -> list[Disputed]:
    raise NotImplementedError


def settle(
    session: Session, review_id: uuid.UUID, supervisor: str, marks: Mapping[str, Mark], why: str, now: datetime
) -> None:
    """`marks`: only what is decided otherwise; empty: the review stands."""
    raise NotImplementedError


def hand_over(session: Session, review_id: uuid.UUID, to: str, who: str, now: datetime) -> None:
    """Give an untouched review to another rater."""
    raise NotImplementedError
