"""Complaints found right, set against an agent's month of experience bonus (docs/clinical.md PERF21).

That somebody complained is no veto: a person has to find the complaint right and say why. The agent may appeal in
[qa] dispute_days, somebody else decides, and only then does it stand or fall. Money is for the hospital's payroll: here
is a flag.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import db
from core.house import settings_of
from core.models import new_id, record
from dialer.models import Agent
from recordings.models import Recording
from recordings.quality import review_rows
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_machine import VETO, step
from recordings.review_models import QaNote, Veto

BATCH: Final = 100
SHOWN: Final = 200

locked = db.RowLock(Veto)


@dataclass(frozen=True)
class Complaint:
    """The ticket a complaint is. `call_id`: of the talk it is about; a complaint that came in writing has none."""

    number: str
    id: uuid.UUID | None = None
    call_id: uuid.UUID | None = None


def uphold(
    session: Session, login: str, complaint: Complaint, day: date, who: str, why: str, now: datetime
) -> uuid.UUID:
    """`who` has found this complaint, about agent `login` on `day`, to be right. Raises ReviewProblem."""
    ticket = complaint.number
    agent_id = session.scalar(sa.select(Agent.id).where(Agent.login == login))
    if agent_id is None:
        raise ReviewProblem("no_agent", login=login)
    if login == who:
        raise ReviewProblem("own_veto")
    if not why.strip() or not ticket.strip():
        raise ReviewProblem("no_comment")
    if day > now.astimezone(settings_of(session).hospital.timezone).date():
        raise ReviewProblem("veto_day")
    db.lock(session, f"veto {ticket} {agent_id}")
    if session.scalar(sa.select(Veto.id).where(Veto.ticket == ticket, Veto.agent_id == agent_id)) is not None:
        raise ReviewProblem("veto_twice", ticket=ticket, login=login)
    row = Veto(
        id=new_id(),
        agent_id=agent_id,
        month=day.replace(day=1),
        ticket=ticket,
        ticket_id=complaint.id,
        recording_id=_talk(session, complaint.call_id),
        state="upheld",
        upheld_by=who,
        at=now,
        appeal_until=now + timedelta(days=settings_of(session).qa.dispute_days),
    )
    session.add(row)
    session.flush()
    record(session, "veto", row.id, "uphold", now, to_state="upheld", who=who)
    _note(session, row, "upheld", why, who, now)
    return row.id


def _talk(session: Session, call_id: uuid.UUID | None) -> uuid.UUID | None:
    """The recording of it: the talk before a message of the same call."""
    if call_id is None:
        return None
    return session.scalar(
        sa.select(Recording.id)
        .where(Recording.call_id == call_id, Recording.state.not_in(("purged", "absent")))
        .order_by((Recording.purpose == "call").desc(), Recording.announced_at.desc(), Recording.id)
        .limit(1)
    )


def appeal(session: Session, veto_id: uuid.UUID, agent_login: str, why: str, now: datetime) -> None:
    """The agent says why it was not so. Raises ReviewProblem."""
    row = _row(session, veto_id)
    if not why.strip():
        raise ReviewProblem("no_comment")
    if session.get_one(Agent, row.agent_id).login != agent_login:
        raise ReviewProblem("not_agents")
    if row.state == "upheld" and now >= row.appeal_until:
        zone = settings_of(session).hospital.timezone
        raise ReviewProblem("too_late", until=row.appeal_until.astimezone(zone).strftime("%Y-%m-%d %H:%M"))
    _must(session, row, "appeal", now, agent_login)
    _note(session, row, "appeal", why, agent_login, now)


def decide(session: Session, veto_id: uuid.UUID, who: str, why: str, now: datetime, *, lift: bool) -> None:
    """Another person than who upheld it, and not the agent. Raises ReviewProblem."""
    row = _row(session, veto_id)
    if not why.strip():
        raise ReviewProblem("no_comment")
    if who in (row.upheld_by, session.get_one(Agent, row.agent_id).login):
        raise ReviewProblem("own_veto")
    _must(session, row, "lift" if lift else "keep", now, who)
    row.decided_by, row.decided_at = who, now
    _note(session, row, "decided", why, who, now)


def due(session: Session, now: datetime) -> int:
    """What nobody appealed against in time stands; how many."""
    rows = session.scalars(
        sa.select(Veto)
        .where(Veto.state == "upheld", Veto.appeal_until <= now)
        .order_by(Veto.appeal_until, Veto.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _move(session, row, "stand", now, "service")
    _end_words(session, now)
    return len(rows)


def _end_words(session: Session, now: datetime) -> None:
    """What was written of complaints without a recording ends when a complaint's recording would (docs/clinical.md
    section 3): the veto stays, for the figures of its month."""
    over = now - timedelta(days=settings_of(session).recordings.keep_days.complaint)
    session.execute(
        sa.delete(QaNote).where(
            QaNote.recording_id.is_(None), QaNote.veto_id.in_(sa.select(Veto.id).where(Veto.at <= over))
        )
    )


# ---- as they are shown --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VetoLine:
    """`words`: what people wrote, by kind (upheld | appeal | decided)."""

    veto_id: uuid.UUID
    agent: str
    ticket: str
    month: date
    state: str
    at: datetime
    appeal_until: datetime
    may_appeal: bool
    upheld_by: str
    decided_by: str
    words: Mapping[str, str]


def lines(session: Session, now: datetime, login: str | None = None) -> list[VetoLine]:
    """The newest first, those in appeal before all others; with `login`, this agent's own."""
    query = (
        sa.select(Veto, Agent.login)
        .join(Agent, Agent.id == Veto.agent_id)
        .order_by((Veto.state == "appealed").desc(), Veto.at.desc(), Veto.id)
        .limit(SHOWN)
    )
    rows = session.execute(query if login is None else query.where(Agent.login == login)).all()
    words: dict[uuid.UUID | None, dict[str, str]] = {}
    for note in session.scalars(
        sa.select(QaNote).where(QaNote.veto_id.in_([row.id for row, _ in rows])).order_by(QaNote.id)
    ):
        words.setdefault(note.veto_id, {})[note.kind] = note.text
    return [
        VetoLine(
            row.id, agent, row.ticket, row.month, row.state, row.at, row.appeal_until,
            row.state == "upheld" and now < row.appeal_until, row.upheld_by, row.decided_by, words.get(row.id, {}),
        )
        for row, agent in rows
    ]  # fmt: skip


def agents(session: Session) -> list[tuple[str, str]]:
    """(login, name) of whom a complaint can be about: also those who have left."""
    return [(login, name) for login, name in session.execute(sa.select(Agent.login, Agent.name).order_by(Agent.login))]


def _row(session: Session, veto_id: uuid.UUID) -> Veto:
    row = locked(session, veto_id)
    if row is None:
        raise ReviewProblem("no_veto")
    return row


def _must(session: Session, row: Veto, event: str, now: datetime, who: str) -> None:
    if not _move(session, row, event, now, who):
        raise ReviewProblem("veto_state", state=row.state)


def _move(session: Session, row: Veto, event: str, now: datetime, who: str) -> bool:
    """The only writer of its state."""
    to_state = step(VETO, row.state, event)
    if to_state is None:
        return False
    from_state, row.state = row.state, to_state
    record(session, "veto", row.id, event, now, from_state=from_state, to_state=to_state, who=who)
    return True


def _note(session: Session, row: Veto, kind: str, text: str, who: str, now: datetime) -> None:
    if len(text) > review_rows.LONGEST:
        raise ReviewProblem("long", most=review_rows.LONGEST)
    recording_id = row.recording_id
    if recording_id is not None and not review_rows.words_may_stay(session, recording_id):
        return  # its time is over, and that of all words about it
    session.add(QaNote(veto_id=row.id, recording_id=recording_id, kind=kind, text=text.strip(), by=who, at=now))
    session.flush()
