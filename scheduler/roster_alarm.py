"""Once a day, early enough to find somebody: is the roster whole, and can everybody on it be reached?

At [escalation] roster_alarm on the hospital's clock; work for the ward, and an SMS to whoever takes the calls.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from core import daily, events
from core.house import settings_of
from core.models import new_id, record
from core.said import APART, kept
from dialer import roster_gaps, sms
from scheduler import texts

NAME = "roster alarm"
SUBJECT = uuid.UUID("6f1ad2c8-5d0e-4f5f-9a57-3a7c1d8e9b10")
"""What the ward's work is about: the roster, of which there is one. So one open item, however long it is wrong."""
MOST_NAMED = 5


def daily_look(session: Session, now: datetime) -> int:
    """The tick. Returns how many looks were taken (0 or 1)."""
    settings = settings_of(session)
    local = now.astimezone(settings.hospital.timezone)
    if local.time() < settings.escalation.roster_alarm or not daily.once(session, NAME, local.date(), now):
        return 0
    look(session, now)
    return 1


def look(session: Session, now: datetime) -> bool:
    """Tell of what is wrong; True if something is. One ledger row with the counts."""
    gaps, faults = roster_gaps.wrong(session, roster_gaps.spans_to_watch(session, now))
    record(session, "shift", None, "roster looked at", now, data={"gaps": len(gaps), "unreachable": len(faults)})
    if not gaps and not faults:
        return False
    events.publish(session, events.WorkWanted("roster_gap", None, SUBJECT, _why(session, gaps, len(faults))), now)
    hospital = settings_of(session).hospital
    to = hospital.operator or hospital.night_target
    if to:
        zone, language = hospital.timezone, hospital.languages[0]
        first = min((gap.starts_at for gap in gaps), default=now).astimezone(zone)
        body = texts.written(
            settings_of(session),
            "roster_alarm" if gaps else "roster_unreachable",
            language,
            gaps=str(len(gaps)),
            people=str(len({fault.doctor for fault in faults})),
            day=texts.day_words(first.date(), language),
            time=f"{first:%H:%M}",
        )
        sms.alert(session, kind="roster_alarm", subject_id=new_id(), to=to, body=body, now=now)
    return True


def _why(session: Session, gaps: Sequence[roster_gaps.Gap], faults: int) -> str:
    """Departments, tiers and hours; no names: the list of work is read on the ward."""
    zone = settings_of(session).hospital.timezone
    told = [
        kept(
            "gap",
            department=gap.department,
            tier=gap.tier or "-",
            start=f"{gap.starts_at.astimezone(zone):%m-%d %H:%M}",
            end=f"{gap.ends_at.astimezone(zone):%m-%d %H:%M}",
        )
        for gap in gaps[:MOST_NAMED]
    ]
    more = [kept("gaps_more", count=len(gaps) - MOST_NAMED)] if len(gaps) > MOST_NAMED else []
    return APART.join([*told, *more, *([kept("unreachable", people=faults)] if faults else [])])
