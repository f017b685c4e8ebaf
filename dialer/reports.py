"""Escalations as a manager reads them: the clocks of each, the percentiles of all. The story of one: dialer.story."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dialer.models import Escalation

CLOCKS = ("stored", "first_ring", "accepted", "bridged", "closed")
"""Seconds from the pressed key to each of these moments."""
OTHER_CLOCKS = ("promise", "breached", "night", "acknowledged")
ALL = "(all)"

# no number and no name: what a report does not need is not decrypted
_COLUMNS = (
    *(Escalation.id, Escalation.keyed_at, Escalation.department, Escalation.score, Escalation.flags),
    *(Escalation.made_by, Escalation.heard, Escalation.said_at),
    *(Escalation.status, Escalation.round, Escalation.talk_s, Escalation.outcome, Escalation.outcome_by),
    *(getattr(Escalation, f"{name}_at") for name in (*CLOCKS, *OTHER_CLOCKS)),
)


def asked(
    patient_id: uuid.UUID | None = None, since: datetime | None = None, until: datetime | None = None
) -> sa.Select[Any]:
    """The escalations whose key was pressed in [since, until), newest first."""
    query = sa.select(*_COLUMNS).order_by(Escalation.keyed_at.desc())
    if patient_id is not None:
        query = query.where(Escalation.patient_id == patient_id)
    if since is not None:
        query = query.where(Escalation.keyed_at >= since)
    if until is not None:
        query = query.where(Escalation.keyed_at < until)
    return query


def escalations(
    session: Session,
    patient_id: uuid.UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """One row per escalation, newest first; times in seconds from the key, empty while not reached."""
    return [_row(escalation) for escalation in session.execute(asked(patient_id, since, until))]


def _row(escalation: Any) -> dict[str, Any]:
    return {
        "escalation": str(escalation.id),
        "keyed_at": escalation.keyed_at,
        "department": escalation.department,
        "score": escalation.score,
        "by": escalation.made_by,
        "unconfirmed": len(escalation.heard),
        "status": escalation.status,
        **{f"{name}_s": _after(escalation, name) for name in CLOCKS},
        "talk_s": escalation.talk_s,
        "outcome": escalation.outcome or "",
        "night": "called" if escalation.night_at else "",
        "late": "LATE" if escalation.breached_at else "",
    }


def exported(
    session: Session, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Every clock of every escalation, without names and numbers."""
    for one in session.execute(asked(None, since, until).execution_options(yield_per=1000)):
        yield {
            "escalation": str(one.id),
            "keyed_at": one.keyed_at,
            "department": one.department,
            "score": one.score,
            "warning_signs": len(one.flags),
            "made_by": one.made_by,
            "heard_by_machine": len(one.heard),
            "said_s": _after(one, "said"),
            "status": one.status,
            "rounds": one.round,
            **{f"{name}_s": _after(one, name) for name in (*CLOCKS, *OTHER_CLOCKS)},
            "talk_s": one.talk_s,
            "outcome": one.outcome or "",
            "outcome_by": one.outcome_by,
        }


def _after(escalation: Any, name: str) -> float | None:
    moment = getattr(escalation, f"{name}_at")
    return None if moment is None else round((moment - escalation.keyed_at).total_seconds(), 1)


# ---- all together -------------------------------------------------------------------------------
def clocks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over `rows` of `escalations`, in all and per department: p50, p95 and p99 of every clock with how many reached
    it, broken promises, how they were closed, how often the night target was called in."""
    departments = sorted({row["department"] for row in rows})
    report = _group(ALL, rows)
    if len(departments) > 1:
        for department in departments:
            report += _group(department, [row for row in rows if row["department"] == department])
    return report


def _group(department: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    report = []
    for name in CLOCKS:
        values = sorted(row[f"{name}_s"] for row in rows if row[f"{name}_s"] is not None)
        report.append(
            {"clock": f"key to {name.replace('_', ' ')}", "count": len(values)}
            | {f"p{p}_s": percentile(values, p) for p in (50, 95, 99)}
        )
    closed = [row for row in rows if row["status"] == "closed"]
    counts = {
        "escalations": len(rows),
        "promise broken": sum(bool(row["late"]) for row in rows),
        "closed by talk": sum(not row["outcome"] or row["talk_s"] is not None for row in closed),
        "closed by code": sum(bool(row["outcome"]) and row["talk_s"] is None for row in closed),
        "not closed": len(rows) - len(closed),
        "night call-ins": sum(bool(row["night"]) for row in rows),
    }
    report += [{"clock": what, "count": count} for what, count in counts.items()]
    heads = ("clock", "count", "p50_s", "p95_s", "p99_s")
    return [{"department": department, **dict.fromkeys(heads), **row} for row in report]


def percentile(values: Sequence[float], p: int) -> float | None:
    """The smallest of the sorted `values` that at least p % do not exceed; None of nothing."""
    return values[max(0, math.ceil(len(values) * p / 100) - 1)] if values else None
