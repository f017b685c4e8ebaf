"""What the review pages ask of quality review beside its own functions: a day's progress, and what a form says.

Blind by construction: nothing here reads an agent, a score or why something was drawn (docs/clinical.md QA13).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recordings.models import DrawRow, Recording
from recordings.privacy.spoken import Spoken
from recordings.quality.qa_shapes import Mark, Sheet
from recordings.quality.review_machine import COUNTED
from recordings.review_models import Review
from recordings.sampling import chats

VALUES: Final = ("yes", "no", "na")
CAUSES: Final = ("agent", "process")
DECISIONS: Final[Mapping[str, Mark]] = {
    # what a supervisor can decide on an item: also a "no" that no agent could have helped (docs/clinical.md PERF16)
    "yes": Mark("yes"),
    "no": Mark("no"),
    "process": Mark("no", cause="process"),
    "na": Mark("na"),
}
LONGEST_NOTE: Final = 2000
CLIP_S: Final = 10.0
_STAMP: Final = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,5})(?:[.,](\d))?")


@dataclass(frozen=True)
class Progress:
    """One day's reviews of one rater."""

    day: date
    subject_kind: str
    total: int
    done: int
    whole_day: bool
    """There was no more that day than places: all of it was drawn."""


def progress(session: Session, rater: str, days: int = 3) -> list[Progress]:
    """The newest days this rater has reviews of; what was dropped is nobody's work."""
    rows = session.execute(
        sa.select(
            Review.day,
            Review.subject_kind,
            sa.func.count(),
            sa.func.count().filter(Review.state.in_(COUNTED)),
            sa.func.bool_or(DrawRow.whole_day),
        )
        .outerjoin(DrawRow, DrawRow.id == Review.draw_id)
        .where(Review.rater == rater, Review.state != "dropped")
        .group_by(Review.day, Review.subject_kind)
        .order_by(Review.day.desc(), Review.subject_kind)
        .limit(days)
    )
    return [Progress(day, kind, total, done, bool(whole)) for day, kind, total, done, whole in rows]


# ---- what a form says ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Typed:
    """One item as it stands in the form, whether it can be kept or not."""

    value: str = ""
    cause: str = "agent"
    note: str = ""
    start: str = ""
    end: str = ""

    @property
    def has_more(self) -> bool:
        return bool(self.note or self.start or self.end or self.cause != "agent")


@dataclass(frozen=True)
class Filled:
    """A review's form: what was typed, what of it can be kept, and what cannot (item -> a key of the words)."""

    typed: Mapping[str, Typed]
    comment: str
    marks: Mapping[str, Mark]
    wrong: Mapping[str, str]


def as_kept(sheet: Sheet) -> Filled:
    """The form of what is in the database."""
    marks = {item.key: item.mark for part in sheet.parts for item in part.items if item.mark is not None}
    typed = {
        key: Typed(mark.value, mark.cause, mark.note, stamp(mark.start_s), stamp(mark.end_s))
        for key, mark in marks.items()
    }
    return Filled(typed, sheet.comment, marks, {})


def filled(sheet: Sheet, form: Mapping[str, str], longest: float | None) -> Filled:
    """The form as it was sent. Items that may not be marked now are passed over. `longest`: seconds of the sound; a
    mark with a beginning only is a clip of CLIP_S from there."""
    typed: dict[str, Typed] = {}
    marks: dict[str, Mark] = {}
    wrong: dict[str, str] = {}
    for item in (item for part in sheet.parts for item in part.items):
        if item.closed:
            continue
        one = _typed(item.key, form)
        typed[item.key] = one
        fault = _fault(one, longest)
        if fault:
            wrong[item.key] = fault
        elif one.value:
            cause = one.cause if one.value == "no" else "agent"
            marks[item.key] = Mark(one.value, cause, one.note, *_clip(one, longest))
    comment = form.get("comment", "").strip()
    if len(comment) > LONGEST_NOTE:
        wrong["comment"] = "review.too_long"
    return Filled(typed, comment, marks, wrong)


def _typed(key: str, form: Mapping[str, str]) -> Typed:
    value, cause = form.get(f"mark.{key}", ""), form.get(f"cause.{key}", "agent")
    return Typed(
        value if value in VALUES else "",
        cause if cause in CAUSES else "agent",
        form.get(f"note.{key}", "").strip(),
        form.get(f"from.{key}", "").strip(),
        form.get(f"to.{key}", "").strip(),
    )


def _clip(one: Typed, longest: float | None) -> tuple[float | None, float | None]:
    start, end = seconds(one.start), seconds(one.end)
    if start is not None and end is None:
        end = start + CLIP_S if longest is None else min(start + CLIP_S, longest)
    return start, end


def _fault(one: Typed, longest: float | None) -> str:
    if len(one.note) > LONGEST_NOTE:
        return "review.too_long"
    try:
        start, end = seconds(one.start), seconds(one.end)
    except ValueError:
        return "review.no_time"
    if end is not None and (start is None or end <= start):
        return "review.ends_before"
    if longest is not None and ((start is not None and start >= longest) or (end is not None and end > longest + 1)):
        return "review.beyond"
    if not one.value and (one.note or start is not None):
        return "review.note_without_mark"
    return ""


def seconds(text: str) -> float | None:
    """Seconds of 75, 1:15, 1:15.5 or 1:01:15; None for an empty field, ValueError for anything else."""
    if not text:
        return None
    found = _STAMP.fullmatch(text.replace("：", ":"))
    if found is None:
        raise ValueError(text)
    hours, minutes, rest, tenth = (int(part or 0) for part in found.groups())
    if (found[2] and rest > 59) or (found[1] and minutes > 59):
        raise ValueError(text)
    return hours * 3600 + minutes * 60 + rest + tenth / 10


def stamp(second: float | None) -> str:
    """The same the other way: "1:15.5"."""
    if second is None:
        return ""
    tenths = round(second * 10)
    minutes, rest = divmod(tenths // 10, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return text + (f".{tenths % 10}" if tenths % 10 else "")


def chat_lines(session: Session, chat_id: uuid.UUID, language: str) -> list[Spoken]:
    """A chat as it is read: masked, whoever wrote it in the words of the talk bar."""
    lines = chats.transcript(session, chat_id, language=language)
    return [Spoken(line.speaker, line.start_s, line.text, 1.0) for line in lines]


def length(session: Session, sheet: Sheet) -> float | None:
    """Seconds of what is reviewed; None for a chat."""
    recording_id = recording_of(sheet.subject_kind, sheet.subject_id)
    return session.scalar(sa.select(Recording.seconds).where(Recording.id == recording_id)) if recording_id else None


def recording_of(subject_kind: str, subject_id: uuid.UUID | None) -> uuid.UUID | None:
    """What is heard of a subject: a chat has no sound."""
    return subject_id if subject_kind == "call" else None
