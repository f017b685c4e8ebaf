"""Who can be drawn: the calls and the chats of a day, with stratum and risks (docs/clinical.md section 4, Sampling).

One candidate is one conversation. Of several recordings of a call the talk itself stands for it, else the one in which
most was found; risks of any of them are risks of the call.

For scores: conversations, by agent, reason, shift and channel; those without an agent form strata of their own.
Not for scores, drawn by risk alone:
- messages and open answers: nobody of ours speaks in them, so there is nobody to score, but what a patient says into a
  machine may need an ear;
- talks of a doctor with a patient: the scorecard is the desk's, a doctor's judgement is no service item;
- calls of earlier days of which it became known on this day that somebody complained, or scored them low. The random
  part is a sample of this day, and these are not of it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.calendar import within
from core.house import of as house_of
from core.house import settings_of
from core.settings import Settings
from dialer.models import Agent, Call, Escalation
from recordings.call_facts import CallFact, CallFacts
from recordings.chat_models import Chat, ChatFinding
from recordings.models import DrawPick, FindingRow, Recording
from recordings.review_models import Review
from recordings.sampling.draw import Candidate

AUDIBLE: Final = ("fetched", "waiting_for_model", "transcribed", "screened", "kept")
"""What a listener can listen to; a transcript helps and is not needed."""
ARRIVING: Final = ("announced",)
IN_WORK: Final = ("fetched", "transcribed", "screened")
"""Audible, and the machine is not done: what it would find is not known yet."""
SHORT_S: Final = 10.0
LONG_S: Final = 600.0
CHAT_LONG_S: Final = 3600.0
CHAT_SHORT_LINES: Final = 3
"""Fewer lines are no conversation."""
LOW: Final = 2
MANY_TRANSFERS: Final = 2


Row = Any
"""One row of the statements below, by their columns' names."""


class Subject(NamedTuple):
    """What a candidate's id stands for."""

    recording_id: uuid.UUID | None
    chat_id: uuid.UUID | None
    conversation_id: uuid.UUID


@dataclass(frozen=True)
class Pool:
    candidates: list[Candidate]
    subjects: Mapping[str, Subject]
    left_out: dict[str, int] = field(default_factory=dict)
    """How many of the day's are no candidates, or candidates not yet heard by the machine; by why (sample.LEFT_OUT)."""


def day_of(settings: Settings, day: date) -> tuple[datetime, datetime]:
    """When a day of the hospital's begins and ends; on some days there are 23 or 25 hours between."""
    zone = settings.hospital.timezone
    return datetime.combine(day, time.min, zone), datetime.combine(day + timedelta(days=1), time.min, zone)


# ---- calls ----------------------------------------------------------------------------------------------


def calls(session: Session, day: date) -> Pool:
    """A fixed number of statements, however many calls."""
    start, end = day_of(settings_of(session), day)
    facts: CallFacts = house_of(session).services[CallFacts]
    late = facts.learned(session, start, end)
    rows = session.execute(_RECORDINGS, {"start": start, "end": end, "late": sorted(late)}).all()
    audible = [row for row in rows if row.state in AUDIBLE]
    hits = _hits(session, [row.id for row in audible])
    known = facts.of(session, {row.call_id for row in audible if row.call_id is not None})
    conversations: dict[uuid.UUID, list[Row]] = {}
    for row in audible:
        conversations.setdefault(row.call_id or row.id, []).append(row)
    drawn = {row.call_id or row.id for row in rows if row.drawn} | _drawn(session, conversations)
    settings, candidates, subjects = settings_of(session), [], {}
    for conversation_id, of_it in conversations.items():
        if conversation_id in drawn:
            continue
        best = max(of_it, key=lambda row: (_is_talk(row), len(hits.get(row.id, ())), row.seconds or 0.0, row.id.hex))
        candidate = _call(settings, best, of_it, hits, known.get(conversation_id, CallFact()), start)
        candidates.append(candidate)
        subjects[candidate.id] = Subject(best.id, None, conversation_id)
    left_out = {
        "arriving": sum(row.state in ARRIVING and row.announced_at >= start for row in rows),
        "never came": sum(row.state in ("failed", "unreadable", "purged") for row in rows if row.announced_at >= start),
        "unheard": sum(row.state in IN_WORK for row in audible if (row.call_id or row.id) not in drawn),
        "no model": sum(row.state == "waiting_for_model" for row in audible),
        "drawn before": len(drawn & conversations.keys()),
    }
    return Pool(candidates, subjects, {why: count for why, count in left_out.items() if count})


def _is_talk(row: Row) -> bool:
    return bool(row.purpose == "call" or (row.purpose == "bridge" and row.kind == "agent"))


def _call(
    settings: Settings,
    best: Row,
    of_it: Sequence[Row],
    hits: Mapping[uuid.UUID, Collection[str]],
    fact: CallFact,
    start: datetime,
) -> Candidate:
    night = within(best.announced_at, settings.hospital.timezone.key, settings.hotline.night)
    risk = {f"phrase: {category}" for row in of_it for category in hits.get(row.id, ())}
    risk |= {row.keep_class for row in of_it if row.keep_class in ("escalation", "complaint")}
    risk |= {"escalation"} if best.escalated else set()
    risk |= {"complaint"} if fact.complaint else set()
    risk |= _of_people(settings, best.announced_at, fact.agent_since, fact.satisfaction, fact.transfers)
    if night:
        risk.add("night")
    if _is_talk(best) and best.seconds is not None:
        risk |= {"very short"} if best.seconds < SHORT_S else {"very long"} if best.seconds > LONG_S else set()
    agent = str(fact.agent_id) if fact.agent_id is not None else ""
    stratum = (agent, fact.reason or best.reason or "", "night" if night else "day", best.kind or "unknown")
    return Candidate(str(best.id), stratum, frozenset(risk), _is_talk(best) and best.announced_at >= start)


def _of_people(
    settings: Settings, at: datetime, agent_since: datetime | None, satisfaction: int | None, transfers: int
) -> set[str]:
    risk = set()
    if satisfaction is not None and satisfaction <= LOW:
        risk.add("low satisfaction")
    if transfers >= MANY_TRANSFERS:
        risk.add("transferred")
    if agent_since is not None and at < agent_since + timedelta(days=settings.qa.new_agent_days):
        risk.add("new agent")
    return risk


def _hits(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    return {row.recording_id: row.categories for row in session.execute(_HITS, {"ids": ids})}


def _drawn(session: Session, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Conversations that were drawn already, on whatever day."""
    return {one for one in session.scalars(_DRAWN, {"ids": sorted(ids)}) if one is not None}


_IDS: Final = sa.bindparam("ids", type_=ARRAY(sa.Uuid))
_START = sa.bindparam("start", type_=sa.DateTime(timezone=True))
_END = sa.bindparam("end", type_=sa.DateTime(timezone=True))
_RECORDINGS: Final = (
    sa.select(
        Recording.id, Recording.call_id, Recording.purpose, Recording.state, Recording.announced_at, Recording.seconds,
        Recording.keep_class, Call.kind, Call.reason,
        sa.exists().where(Escalation.call_id == Recording.call_id).label("escalated"),
        sa.or_(
            # of draws from before conversations were written down
            sa.exists().where(DrawPick.recording_id == Recording.id),
            # listened to already, to see whether coaching helped
            sa.exists().where(Review.subject_kind == "call", Review.subject_id == Recording.id),
        ).label("drawn"),
    )
    .outerjoin(Call, Call.id == Recording.call_id)
    .where(
        sa.or_(
            sa.and_(Recording.announced_at >= _START, Recording.announced_at < _END),
            sa.and_(
                Recording.call_id == sa.any_(sa.bindparam("late", type_=ARRAY(sa.Uuid))),
                Recording.announced_at < _START,
            ),
        )
    )
    .order_by(Recording.announced_at, Recording.id)
)  # fmt: skip
_HITS: Final = (
    sa.select(
        FindingRow.recording_id,
        sa.func.array_agg(sa.distinct(FindingRow.category), type_=ARRAY(sa.String)).label("categories"),
    )
    .where(FindingRow.recording_id == sa.any_(_IDS))
    .group_by(FindingRow.recording_id)
)
_DRAWN: Final = sa.select(DrawPick.conversation_id).where(DrawPick.conversation_id == sa.any_(_IDS))


# ---- chats ----------------------------------------------------------------------------------------------


def chats(session: Session, day: date) -> Pool:
    """The chats that were handed in on this day: many systems do so only on the next, and every chat is to have its
    chance."""
    settings = settings_of(session)
    start, end = day_of(settings, day)
    rows = session.execute(_CHATS, {"start": start, "end": end}).all()
    since = {
        row.id: row.since
        for row in session.execute(_CHAT_AGENTS, {"ids": sorted({row.agent_id for row in rows if row.agent_id})})
    }
    drawn = _drawn(session, [row.id for row in rows])
    here = [row for row in rows if row.id not in drawn and row.purged_at is None]
    candidates = [_chat(settings, row, since.get(row.agent_id)) for row in here]
    subjects = {str(row.id): Subject(None, row.id, row.id) for row in here}
    left_out = Counter(
        "drawn before" if row.id in drawn else "purged" for row in rows if row.id in drawn or row.purged_at is not None
    )
    return Pool(candidates, subjects, dict(left_out))


def _chat(settings: Settings, row: Row, since: datetime | None) -> Candidate:
    night = within(row.started_at, settings.hospital.timezone.key, settings.hotline.night)
    risk = {f"phrase: {category}" for category in row.categories or ()}
    risk |= {name for name, is_so in (("complaint", row.complaint), ("escalation", row.escalated)) if is_so}
    risk |= _of_people(settings, row.started_at, since, row.satisfaction, row.transfers)
    if night:
        risk.add("night")
    seconds = (row.ended_at - row.started_at).total_seconds()
    if row.written < CHAT_SHORT_LINES:
        risk.add("very short")
    elif seconds > CHAT_LONG_S:
        risk.add("very long")
    agent = str(row.agent_id) if row.agent_id is not None else ""
    return Candidate(str(row.id), (agent, row.reason, "night" if night else "day", row.channel), frozenset(risk))


_CHATS: Final = (
    sa.select(
        Chat.id, Chat.agent_id, Chat.reason, Chat.channel, Chat.started_at, Chat.ended_at, Chat.written,
        Chat.satisfaction, Chat.transfers, Chat.complaint, Chat.escalated, Chat.purged_at,
        sa.select(sa.func.array_agg(sa.distinct(ChatFinding.category), type_=ARRAY(sa.String)))
        .where(ChatFinding.chat_id == Chat.id)
        .scalar_subquery()
        .label("categories"),
    )
    .where(Chat.taken_at >= _START, Chat.taken_at < _END)
    .order_by(Chat.taken_at, Chat.id)
)  # fmt: skip
_CHAT_AGENTS: Final = sa.select(
    Agent.id,
    sa.select(Chat.started_at)
    .where(Chat.agent_id == Agent.id)
    .order_by(Chat.started_at)
    .limit(1)
    .scalar_subquery()
    .label("since"),
).where(Agent.id == sa.any_(_IDS))
