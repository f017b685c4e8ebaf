"""Campaigns: a named list of follow-ups that are rung from one fixed time on, paced like any other (docs/clinical.md
FUP10: the children of the day, every afternoon at 17:00)."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import calendar, holidays
from core.db import lock
from core.house import settings_of
from core.models import Procedure, new_id, record
from scheduler.models import Campaign, FollowUp
from scheduler.store import PlanProblem

AHEAD = timedelta(days=60)


def make(
    session: Session,
    title: str,
    starts_at: datetime,
    who: str,
    now: datetime,
    *,
    department: str | None = None,
    procedure: str | None = None,
    wave: str | None = None,
) -> int:
    """Put the follow-ups that are due on the day of `starts_at` (the hospital's), and those still waiting from before,
    on the list `title`: they are rung from `starts_at` on. Returns how many. Raises PlanProblem."""
    zone = settings_of(session).hospital.timezone
    if not now <= starts_at <= now + AHEAD:
        raise PlanProblem("A campaign starts between now and 60 days ahead.")
    if not calendar.in_window(starts_at, zone.key, holidays.hours(session)):
        raise PlanProblem(
            "A campaign starts within calling hours: [calling] window and holiday_window in hospital.toml."
        )
    lock(session, "campaigns")
    if session.scalar(sa.select(Campaign.id).where(Campaign.title == title)) is not None:
        raise PlanProblem(f"There is a campaign '{title}' already.")
    campaign = Campaign(id=new_id(), title=title, starts_at=starts_at, made_at=now, made_by=who)
    session.add(campaign)
    session.flush()
    rows = _due_by(session, _end_of_day(starts_at, zone), department, wave)
    chosen = [row for row in rows if procedure in (None, session.get_one(Procedure, row.procedure_id).name)]
    for row in chosen:
        row.campaign_id = campaign.id
        row.next_try_at = max([starts_at, *_not_before(session, row)])
        record(session, "followup", row.id, "put on a campaign", now, who=who, campaign=str(campaign.id))
    return len(chosen)


def _not_before(session: Session, row: FollowUp) -> list[datetime]:
    """The rules of trying again hold in a campaign too, and a wave of the first day does not come before it is due."""
    first_day = row.due_at - session.get_one(Procedure, row.procedure_id).ended_at < timedelta(hours=24)
    again = row.tries > 0 or row.status == "waiting"
    return [row.next_try_at] * again + [row.due_at] * first_day


def _end_of_day(moment: datetime, zone: ZoneInfo) -> datetime:
    day = moment.astimezone(zone).date()
    return calendar.at_wall(day + timedelta(days=1), datetime.min.time(), zone.key)


def _due_by(session: Session, until: datetime, department: str | None, wave: str | None) -> list[FollowUp]:
    """Open follow-ups whose next try lies before `until` and whose deadline does not, oldest first, locked."""
    query = (
        sa.select(FollowUp)
        .join(Procedure, Procedure.id == FollowUp.procedure_id)
        .where(
            FollowUp.status.in_(("planned", "waiting")),
            FollowUp.next_try_at < until,
            FollowUp.deadline_at > until,
            FollowUp.origin != "recheck",  # hours after the doctor's contact, and not when it suits a campaign
        )
        .order_by(FollowUp.due_at)
        .with_for_update(of=FollowUp)
    )
    if department is not None:
        query = query.where(Procedure.department == department)
    if wave is not None:
        query = query.where(FollowUp.wave == wave)
    return list(session.scalars(query))


def listed(session: Session) -> list[dict[str, object]]:
    """Every campaign with how far it is, newest first."""
    over = sa.func.count(FollowUp.id).filter(FollowUp.closed_at.is_not(None))
    rows = session.execute(
        sa.select(Campaign, sa.func.count(FollowUp.id), over)
        .outerjoin(FollowUp, FollowUp.campaign_id == Campaign.id)
        .group_by(Campaign.id)
        .order_by(Campaign.starts_at.desc())
    )
    return [
        {"campaign": row.title, "starts_at": row.starts_at, "by": row.made_by, "plans": count, "over": done}
        for row, count, done in rows
    ]
