"""Patients who were erased: remembered by a keyed hash of their record number, so that no file brings them back unless
a person has said so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import Erasure, record


def remember(session: Session, mrn_indexes: Collection[bytes], now: datetime) -> int:
    """These record numbers (as blind indexes) are nobody's any more. Returns how many that is news of."""
    known = {bytes(row.mrn_index): row for row in _rows(session, mrn_indexes)}
    count = 0
    for index in sorted(mrn_indexes):
        row = known.get(index)
        if row is None:
            session.add(Erasure(mrn_index=index, at=now))
        elif row.ended_at is not None:
            row.at, row.ended_at, row.ended_by = now, None, ""
        else:
            continue
        count += 1
    session.flush()
    return count


def standing(session: Session, mrn_indexes: Collection[bytes]) -> dict[bytes, Erasure]:
    """Those of these record numbers whose patients were erased and not let back."""
    rows = session.scalars(_STANDING, {"indexes": list(mrn_indexes)})
    return {bytes(row.mrn_index): row for row in rows}


def refused(session: Session, row: Erasure, now: datetime) -> None:
    """A file would have brought this patient back: written down, without anything of the file."""
    record(session, "erasure", row.id, "import refused", now, who="import")


def let_back(session: Session, mrn_index: bytes, who: str, now: datetime) -> Erasure | None:
    """Files may bring this patient back from now on; None if nobody by this number was erased."""
    row = next(iter(_rows(session, [mrn_index])), None)
    if row is None or row.ended_at is not None:
        return None
    row.ended_at, row.ended_by = now, who
    session.flush()
    record(session, "erasure", row.id, "let back", now, who=who)
    return row


def _rows(session: Session, mrn_indexes: Collection[bytes]) -> list[Erasure]:
    found = sa.select(Erasure).where(Erasure.mrn_index.in_(mrn_indexes)).order_by(Erasure.mrn_index)
    return list(session.scalars(found.with_for_update()))


_STANDING = sa.select(Erasure).where(
    Erasure.mrn_index.in_(sa.bindparam("indexes", expanding=True)), Erasure.ended_at.is_(None)
)
