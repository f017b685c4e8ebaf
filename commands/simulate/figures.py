"""What came of a run, in figures: one row per number, so that a CSV, a report and a drawing show the same."""

from __future__ import annotations

import statistics
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands.simulate import ending
from commands.simulate.observer import Violation
from commands.simulate.people import HOSPITAL_ZONE, Patient
from commands.simulate.run import Simulation
from core.models import Patient as PatientRow
from dialer.models import Attempt, Escalation, Message, Refusal
from scheduler.machine import OVER
from scheduler.models import FollowUp, WorkItem

REACHED = ("completed", "partial")
ENDS = ("completed", "partial", "unreached", "declined", "expired", "cancelled")


@dataclass(frozen=True)
class Row:
    figure: str
    key: str
    measure: str
    value: float


@dataclass
class Figures:
    rows: list[Row] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def add(self, figure: str, key: object, **measures: float | None) -> None:
        for measure, value in measures.items():
            if value is not None:
                self.rows.append(Row(figure, str(key), measure, round(value, 3)))

    def of(self, figure: str) -> dict[str, dict[str, float]]:
        """{key: {measure: value}} in the order added."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for row in self.rows:
            if row.figure == figure:
                found[row.key][row.measure] = row.value
        return dict(found)

    def as_json(self) -> dict[str, Any]:
        names = dict.fromkeys(row.figure for row in self.rows)
        broken = Counter(violation.rule for violation in self.violations)
        return {"figures": {name: self.of(name) for name in names}, "violations": dict(broken)}


def gather(played: Simulation) -> Figures:
    found = Figures()
    with played.house.transaction() as session:
        patients = _patients(session, played)
        _reach(session, found, patients)
        _rings(session, found, played, patients)
        _escalations(session, found, played)
        _counts(session, found)
        waves = len(played.house.settings.followup.waves)
        known = {k: p for k, p in patients.items() if ending.planned_at_latest(p) < played.until}
        found.violations = played.observer.violations + ending.check(
            session, known, waves, played.until, not played.exchange.live
        )
    found.add(
        "work of the run", "all", webhooks=played.door.requests, jobs=played.jobs_run, steps=played.steps,
        operations=len(patients), busiest_lines=played.observer.busiest, violations=len(found.violations),
    )  # fmt: skip
    return found


def _patients(session: Session, played: Simulation) -> dict[uuid.UUID, Patient]:
    """The invented patients by the service's own ids, those whose operation it was told of."""
    by_mrn = {one.mrn: one for one in played.population.patients}
    return {row.id: by_mrn[row.mrn] for row in session.execute(sa.select(PatientRow.id, PatientRow.mrn))}


def _reach(session: Session, found: Figures, patients: dict[uuid.UUID, Patient]) -> None:
    counted = sa.select(Attempt.subject_id, sa.func.count()).group_by(Attempt.subject_id)
    counted = counted.where(Attempt.kind == "followup", Attempt.posted_at.is_not(None))
    rung: dict[uuid.UUID | None, int] = {row[0]: row[1] for row in session.execute(counted)}
    by_wave: dict[str, list[FollowUp]] = defaultdict(list)
    by_age: dict[str, list[FollowUp]] = defaultdict(list)
    for row in session.scalars(sa.select(FollowUp).order_by(FollowUp.deadline_at - FollowUp.due_at, FollowUp.due_at)):
        by_wave[row.wave].append(row)
        by_age["65 and more" if patients[row.patient_id].elderly else "under 65"].append(row)
    for figure, groups in (("reach by wave", by_wave), ("reach by age", by_age)):
        for key, rows in groups.items():
            ended = Counter(row.status if row.status in OVER else "open" for row in rows)
            over = [row for row in rows if rung.get(row.id) and row.status in OVER]
            reached = sum(row.status in REACHED for row in over)
            found.add(
                figure, key, planned=len(rows), rung=sum(row.id in rung for row in rows),
                reached_share=reached / len(over) if over else None,
                rings=sum(rung.get(row.id, 0) for row in rows), **{one: ended[one] for one in (*ENDS, "open")},
            )  # fmt: skip


def _rings(session: Session, found: Figures, played: Simulation, patients: dict[uuid.UUID, Patient]) -> None:
    each = [played.town.rung_numbers[n] for one in patients.values() for n in one.numbers]
    placed = sa.select(Attempt.patient_id, sa.func.count()).group_by(Attempt.patient_id)
    placed = placed.where(Attempt.kind == "followup", Attempt.posted_at.is_not(None), Attempt.via == "api")
    by_patient: dict[uuid.UUID | None, int] = {row[0]: row[1] for row in session.execute(placed)}
    counts = [by_patient.get(patient_id, 0) for patient_id in patients]
    if counts:
        found.add("rings per patient", "all", mean=statistics.fmean(counts), most=max(counts))
        found.add("rings per number", "all", mean=statistics.fmean(each), most=max(each))
    for outcome, n in sorted(played.town.came.items()):
        found.add("rings by outcome", outcome, n=n)
    hours = played.options.days * 3600
    for hour in range(24):
        busy, most = played.town.meter.busy_s[hour] / hours, played.town.meter.most[hour]
        found.add("lines by hour", f"{hour:02d}", mean=busy, most=most, rings=played.town.rings_by_hour[hour])


def _escalations(session: Session, found: Figures, played: Simulation) -> None:
    rows = session.scalars(sa.select(Escalation).order_by(Escalation.keyed_at)).all()
    days = [(played.begins + timedelta(days=n)).astimezone(HOSPITAL_ZONE).date() for n in range(played.options.days)]
    by_day = Counter(row.keyed_at.astimezone(HOSPITAL_ZONE).date() for row in rows)
    for day in days:
        found.add("escalations by day", day, n=by_day[day])
    waits = sorted((row.bridged_at - row.keyed_at).total_seconds() for row in rows if row.bridged_at is not None)
    late = sum(row.breached_at is not None for row in rows)
    found.add(
        "escalations", "all", n=len(rows), bridged=len(waits), promise_broken=late,
        closed=sum(row.status == "closed" for row in rows), night=sum(row.night_at is not None for row in rows),
        per_day=len(rows) / played.options.days, **_spread(waits, "s_to_bridged"),
    )  # fmt: skip


def _spread(values: Sequence[float], name: str) -> dict[str, float]:
    if not values:
        return {}
    return {f"{part}_{name}": values[min(len(values) - 1, int(len(values) * share))]
            for part, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))}  # fmt: skip


def _counts(session: Session, found: Figures) -> None:
    for figure, key, n in _grouped(session):
        found.add(figure, key, n=n)


def _grouped(session: Session) -> Iterator[tuple[str, str, float]]:
    refusals = sa.select(Refusal.reason, sa.func.sum(Refusal.times)).group_by(Refusal.reason).order_by(Refusal.reason)
    for reason, n in session.execute(refusals):
        yield "refusals", reason, float(n)
    messages = sa.select(Message.kind, Message.status, sa.func.count()).group_by(Message.kind, Message.status)
    for kind, status, n in session.execute(messages.order_by(Message.kind, Message.status)):
        yield "messages", f"{kind}, {status}", float(n)
    work = sa.select(WorkItem.kind, sa.func.count()).group_by(WorkItem.kind).order_by(WorkItem.kind)
    for kind, n in session.execute(work):
        yield "work for nurses", kind, float(n)
    reasons = sa.select(FollowUp.status, FollowUp.reason, sa.func.count()).where(
        FollowUp.status.in_(("unreached", "partial", "expired"))
    )
    for status, reason, n in session.execute(
        reasons.group_by(FollowUp.status, FollowUp.reason).order_by(FollowUp.status, FollowUp.reason)
    ):
        yield "not reached", f"{status}: {reason}", float(n)
