"""What was said in a recording, as the database has it: for the modules that mask it and that print it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recordings.models import SegmentRow, Transcript


@dataclass(frozen=True)
class Spoken:
    speaker: str
    start_s: float
    text: str
    confidence: float | None


def heard(session: Session, recording_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Spoken]]:
    """The words as they were heard, unmasked, by recording and in their order, in one statement. Only for who masks
    them next, or has a right and a reason (`redact.read_original`)."""
    found: dict[uuid.UUID, list[Spoken]] = {recording_id: [] for recording_id in recording_ids}
    rows = session.execute(
        sa.select(Transcript.recording_id, SegmentRow)
        .join(Transcript, Transcript.id == SegmentRow.transcript_id)
        .where(Transcript.recording_id.in_(found))
        .order_by(Transcript.recording_id, SegmentRow.position)
    )
    for recording_id, row in rows:
        found[recording_id].append(Spoken(row.speaker, row.start_s, row.text, row.confidence or None))
    return found
