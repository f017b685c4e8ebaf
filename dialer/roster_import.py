"""`carecall import roster`: who is on duty when (columns: docs/design.md section 6). `*` serves all departments."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import sheets, tables
from core.db import blind
from core.house import House, settings_of
from core.models import new_id, record
from core.tables import RowProblem, RowReport
from core.values import KNOWN_LANGUAGES
from dialer.models import Shift

COLUMNS = ["department", "tier", "doctor", "phone", "phone2", "pin", "language", "start", "end"]
REQUIRED = ("department", "tier", "doctor", "phone", "start", "end")


def import_roster(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; the same shift imported again is updated or left. Raises FileProblem."""
    reports = []
    for position, (number, values) in enumerate(sheets.read_table(path, COLUMNS, REQUIRED, "roster")):
        try:
            with house.transaction() as session:
                report = _row(session, number, position, values, now)
                if dry_run:
                    session.rollback()
            reports.append(report)
        except RowProblem as problem:
            reports.append(RowReport(number, "refused", str(problem)))
    return reports


def _row(session: Session, number: int, position: int, values: dict[str, str], now: datetime) -> RowReport:
    tables.refuse_ragged(values)
    tables.refuse_long(values)
    tables.needed(values, *REQUIRED)
    settings = settings_of(session)
    starts_at = tables.moment(values, "start", settings.hospital.timezone)
    ends_at = tables.moment(values, "end", settings.hospital.timezone)
    if ends_at <= starts_at:
        raise RowProblem("end must be after start")
    tier = values["tier"]
    refuse_tier(tier)
    fields = {
        "position": position,
        "phone": tables.phone(values, "phone", settings_of(session).twilio_from),
        "phone2": tables.phone(values, "phone2", settings_of(session).twilio_from) if values["phone2"] else "",
        "pin": values["pin"],
        "language": tables.one_of(values, "language", KNOWN_LANGUAGES, settings.hospital.languages[0]),
        "ends_at": ends_at,
    }
    index = blind(values["doctor"], "doctor")
    shift = session.scalar(
        sa.select(Shift).where(
            Shift.department == values["department"],
            Shift.tier == tier,
            Shift.doctor_index == index,
            Shift.starts_at == starts_at,
        )
    )
    if shift is None:
        shift = Shift(
            id=new_id(),
            department=values["department"],
            tier=tier,
            doctor=values["doctor"],
            doctor_index=index,
            starts_at=starts_at,
            **fields,
        )
        session.add(shift)
        session.flush()
        record(session, "shift", shift.id, "imported", now, who="import")
        return RowReport(
            number, "created", "" if tier in settings.escalation.chain else "this tier is not in the chain"
        )
    changed = [name for name, value in fields.items() if getattr(shift, name) != value]
    for name in changed:
        setattr(shift, name, fields[name])
    return RowReport(number, "updated" if changed else "unchanged")


def refuse_tier(tier: str) -> None:
    """Raise RowProblem for a word that is no tier."""
    if tier not in ("head", "president") and not (tier.isascii() and tier.isdigit()):
        raise RowProblem(f"tier must be 1, 2, …, head or president, not {tier!r}")
