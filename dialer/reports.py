"""Escalations as a manager reads them: the clocks of each, the percentiles of all."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow
from dialer.models import Escalation

CLOCKS = ("stored", "first_ring", "accepted", "bridged", "closed")
"""Seconds from the pressed key to each of these moments."""


def escalations(
    session: Session, patient_id: uuid.UUID | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """One row per escalation, newest first; times in seconds from the key, empty while not reached."""
    query = sa.select(Escalation).order_by(Escalation.keyed_at.desc())
    if patient_id is not None:
        query = query.where(Escalation.patient_id == patient_id)
    if since is not None:
        query = query.where(Escalation.keyed_at >= since)
    return [_row(escalation) for escalation in session.scalars(query)]


def _row(escalation: Escalation) -> dict[str, Any]:
    clocks = {name: _after(escalation, getattr(escalation, f"{name}_at")) for name in CLOCKS}
    return {
        "escalation": str(escalation.id),
        "keyed_at": escalation.keyed_at,
        "department": escalation.department,
        "score": escalation.score,
        "status": escalation.status,
        **{f"{name}_s": seconds for name, seconds in clocks.items()},
        "talk_s": escalation.talk_s,
        "late": "LATE" if escalation.breached_at else "",
    }


def _after(escalation: Escalation, moment: datetime | None) -> float | None:
    return None if moment is None else round((moment - escalation.keyed_at).total_seconds(), 1)


def clocks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """p50, p95 and p99 of every clock over `rows` of `escalations`, with how many reached it."""
    report = []
    for name in CLOCKS:
        values = sorted(row[f"{name}_s"] for row in rows if row[f"{name}_s"] is not None)
        report.append(
            {"clock": f"key to {name.replace('_', ' ')}", "count": len(values)}
            | {f"p{p}_s": percentile(values, p) for p in (50, 95, 99)}
        )
    report.append({"clock": "promise broken", "count": sum(bool(row["late"]) for row in rows)})
    return [dict.fromkeys(("clock", "count", "p50_s", "p95_s", "p99_s")) | row for row in report]


def percentile(values: Sequence[float], p: int) -> float | None:
    """The smallest of the sorted `values` that at least p % do not exceed; None of nothing."""
    return values[max(0, math.ceil(len(values) * p / 100) - 1)] if values else None


def timeline(session: Session, escalation: Escalation) -> list[dict[str, Any]]:
    """What happened to one escalation, in order, in seconds from the key."""
    rows = session.scalars(
        sa.select(EventRow)
        .where(EventRow.kind == "escalation", EventRow.subject_id == escalation.id)
        .order_by(EventRow.id)
    )
    return [
        {
            "after_s": round((row.at - escalation.keyed_at).total_seconds(), 1),
            "what": row.what,
            "state": row.to_state or "",
            "why": row.why,
            **{key: row.data[key] for key in ("step", "tier", "score", "seconds") if key in row.data},
        }
        for row in rows
    ]
