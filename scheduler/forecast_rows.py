"""What a forecast is reckoned from: the open follow-ups by hour, the ended ones by wave. One grouped query each."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import settings_of
from core.models import Consent, Patient
from dialer.models import Attempt, Call, Escalation
from scheduler.forecast import Load, Measured
from scheduler.machine import OPEN
from scheduler.models import FollowUp, WorkItem

MEASURED_OVER = timedelta(days=365)


def loads(session: Session, first: date, days: int, now: datetime) -> list[Load]:
    """Open follow-ups that will be rung from `first` on (the hospital's dates). What is overdue today counts today;
    held ones, the dead and those who have not agreed are not rung."""
    zone = settings_of(session).hospital.timezone
    begin = datetime.combine(first, time.min, zone)
    today = first <= now.astimezone(zone).date()
    start = max(begin, now) if today else begin
    hour = sa.func.date_trunc("hour", sa.func.timezone(zone.key, sa.func.greatest(FollowUp.next_try_at, start)))
    agreed = (
        sa.select(Consent.given)
        .where(Consent.patient_id == FollowUp.patient_id, Consent.purpose == "followup")
        .order_by(Consent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(FollowUp.wave, FollowUp.tries, hour.label("hour"), sa.func.count().label("rows"))
        .join(Patient, Patient.id == FollowUp.patient_id)
        .where(
            FollowUp.status.in_(OPEN),
            FollowUp.held.is_(False),
            FollowUp.next_try_at < begin + timedelta(days=days),
            Patient.status == "active",
            Patient.merged_into.is_(None),
            agreed,
        )
        .group_by(FollowUp.wave, FollowUp.tries, hour)
    )
    if not today:
        query = query.where(FollowUp.next_try_at >= begin)
    return [Load(row.wave, row.hour, row.tries, row.rows) for row in session.execute(query)]


def measured(session: Session, now: datetime) -> dict[str, Measured]:
    """The last year's ended follow-ups, by wave. Reached: a conversation took place, whole or not."""
    since = now - MEASURED_OVER
    talks = (
        sa.select(
            Attempt.subject_id.label("followup"),
            sa.func.sum(sa.extract("epoch", Call.ended_at - Call.answered_at)).label("talk_s"),
            sa.func.bool_or(Escalation.id.is_not(None)).label("doctor"),
        )
        .join(Call, Call.attempt_id == Attempt.id)
        .outerjoin(Escalation, Escalation.call_id == Call.id)
        .where(Attempt.kind == "followup", Attempt.created_at >= since)
        .group_by(Attempt.subject_id)
        .cte("talks")
    )
    nurse = sa.select(WorkItem.subject_id).where(WorkItem.kind == "nurse_score").distinct().cte("nurse")
    reached = FollowUp.status.in_(("completed", "partial"))
    query = (
        sa.select(
            FollowUp.wave,
            sa.func.count().label("ended"),
            sa.func.count().filter(reached).label("reached"),
            sa.func.avg(talks.c.talk_s).filter(reached).label("talk_s"),
            sa.func.count().filter(reached, talks.c.doctor).label("doctor"),
            sa.func.count().filter(reached, nurse.c.subject_id.is_not(None)).label("nurse"),
        )
        .outerjoin(talks, talks.c.followup == FollowUp.id)
        .outerjoin(nurse, nurse.c.subject_id == FollowUp.id)
        .where(
            FollowUp.status.in_(("completed", "partial", "unreached")),
            FollowUp.closed_at >= since,
            FollowUp.tries > 0,
        )
        .group_by(FollowUp.wave)
    )
    return {
        row.wave: Measured(
            row.ended, row.reached, float(row.talk_s) if row.talk_s is not None else None, row.doctor, row.nurse
        )
        for row in session.execute(query)
    }
