"""The view log: a patient's data are shown to somebody who says why, for a while, and it is written down."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from console.models import View
from console.words import catalogue
from core.house import settings_of
from core.said import Said
from recordings.privacy.redact_text import masked

SHOWN_FOR = timedelta(minutes=10)
"""How long one reason holds for one subject; then the page is masked again."""
REASONS = ("ring", "handle", "check", "other")
LONGEST_WHY = 200
_DIGITS = re.compile(r"\d[\d -]{5,}\d")


class ViewProblem(Said):
    """No reason, or one that must not be kept."""

    SENTENCES = catalogue()


def look(
    session: Session,
    login: str,
    what: str,
    subject_id: uuid.UUID,
    reason: str,
    why: str,
    now: datetime,
    reasons: Collection[str] = REASONS,
) -> None:
    """Write down who looks, and why. `reason`: one of `reasons`; `why`: own words, needed with "other" and kept
    readable, so no number may stand in them, and what looks like a name is masked. Raises ViewProblem."""
    kept = masked(checked(reason, why, reasons), settings_of(session).hospital.languages[0])
    session.add(View(at=now, login=login, what=what, subject_id=subject_id, why=kept))
    session.flush()


def checked(reason: str, why: str, reasons: Collection[str] = REASONS) -> str:
    """A reason as it is kept: the code, and the own words behind it. Raises ViewProblem."""
    why = " ".join(why.split())
    if reason not in reasons:
        raise ViewProblem("view.reason_needed")
    if reason == "other" and not why:
        raise ViewProblem("view.words_needed")
    if len(why) > LONGEST_WHY:
        raise ViewProblem("view.too_long")
    if _DIGITS.search(why):
        raise ViewProblem("view.no_numbers")
    return f"{reason}: {why}" if why else reason


def open_of(session: Session, login: str, what: str, now: datetime) -> set[uuid.UUID]:
    """For which subjects a reason this person gave still holds: one question for a whole list."""
    rows = session.scalars(
        sa.select(View.subject_id).where(View.login == login, View.what == what, View.at > now - SHOWN_FOR)
    )
    return {subject_id for subject_id in rows if subject_id is not None}


def is_open(session: Session, login: str, what: str, subject_id: uuid.UUID, now: datetime) -> bool:
    """Whether a reason this person gave for this subject still holds."""
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    View.subject_id == subject_id, View.login == login, View.what == what, View.at > now - SHOWN_FOR
                )
            )
        )
    )
