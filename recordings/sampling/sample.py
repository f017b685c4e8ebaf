"""The day's draw in the database: who could be drawn, the seed, who was; and the same again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import daily, db
from core.house import settings_of
from core.models import DailyRun, new_id, record
from recordings.models import DrawPick, DrawRow, Recording
from recordings.sampling import draw, draw_agents, draw_pool
from recordings.sampling.draw import Candidate, Draw
from recordings.sampling.draw_pool import Pool

Kind = Literal["calls", "chats"]
KINDS: Final[tuple[Kind, ...]] = ("calls", "chats")
ALGORITHM: Final = 2
"""Of new draws. An algorithm is never changed: whoever needs another adds one, or old draws could not be replayed."""
ALGORITHMS: Final[Mapping[int, Callable[[Iterable[Candidate], int, int, float], Draw]]] = {
    1: draw.draw,
    2: draw_agents.draw,
}
LEFT_OUT: Final = ("arriving", "never came", "unheard", "no model", "drawn before", "purged", "day not over")
"""arriving: their sound was not here yet; never came: failed, unreadable or purged; unheard: drawn from, but the
machine had not listened yet; no model: nor ever will without one; drawn before; purged; day not over: 1 if so (in
old draws: none is made before the end of its day now)."""
NAME: Final = "qa draw"
WAIT_FOR: Final = timedelta(hours=5)
"""So long after the hour of the draw what is still arriving, or being heard by the machine, is waited for."""
LOOK_BACK: Final = 14
"""Days that were missed, because nothing ran here, are drawn later; so many."""


class ReplayDiffers(Exception):
    """A stored draw and the same draw made again are not the same: the record or the algorithm was
    changed."""


class DayNotOver(Exception):
    """A day that still runs, or has not come yet, cannot be drawn; one sentence."""


def draw_day(session: Session, day: date, seed: int | None, now: datetime, kind: Kind = "calls") -> DrawRow:
    """The draw of a local day of the hospital, which has to be over: who rings in its evening has the same chance.

    The same day and seed give the stored draw, checked by drawing it again. Without a seed, the day's
    newest draw; only if there is none, a new one with a seed of chance: nobody can draw until they like the
    result unseen. A second draw of a day is drawn from what was in none before: nothing is listened to twice.
    Raises DayNotOver.
    """
    db.lock(session, f"draw {kind}")
    stored = _stored(session, day, seed, kind)
    if stored is not None:
        _check(session, stored)
        return stored
    end = draw_pool.day_of(settings_of(session), day)[1]
    if now < end:
        raise DayNotOver(f"{day} is not over before {end:%Y-%m-%d %H:%M} ({end.tzinfo}): a day is drawn after its end.")
    qa = settings_of(session).qa
    chosen = seed if seed is not None else secrets.randbits(31)
    size = qa.draw if kind == "calls" else qa.chats
    pool = draw_pool.calls(session, day) if kind == "calls" else draw_pool.chats(session, day)
    result = ALGORITHMS[ALGORITHM](pool.candidates, chosen, size, qa.random_share)
    row = DrawRow(
        id=new_id(),
        kind=kind,
        day=day,
        seed=chosen,
        algorithm=ALGORITHM,
        size=size,
        random_share=qa.random_share,
        drawn_at=now,
        whole_day=result.whole_day,
        candidates=[_stored_as(candidate) for candidate in pool.candidates],
        left_out=pool.left_out,
    )
    session.add(row)
    session.flush()
    _store_picks(session, row, result, pool)
    told = {"picked": len(result.picked), "of": len(pool.candidates), "seed": chosen, "of_kind": kind}
    record(session, "draw", row.id, "drawn", now, data=told | pool.left_out)
    return row


def _store_picks(session: Session, row: DrawRow, result: Draw, pool: Pool) -> None:
    picked = [
        {
            "draw_id": row.id,
            "position": position,
            "subject_kind": "call" if row.kind == "calls" else "chat",
            "part": pick.part,
            "why": pick.why,
            **pool.subjects[pick.id]._asdict(),
        }
        for position, pick in enumerate(result.picked)
    ]
    if picked:
        session.execute(sa.insert(DrawPick), picked)


def again(row: DrawRow) -> Draw:
    """The stored draw, drawn anew from its seed and its candidates, with the algorithm of its time."""
    pool = [
        Candidate(c["id"], tuple(c["stratum"]), frozenset(c["risk"]), c.get("scored", True)) for c in row.candidates
    ]
    return ALGORITHMS[row.algorithm](pool, row.seed, row.size, row.random_share)


def picks(session: Session, row: DrawRow) -> Sequence[DrawPick]:
    return session.scalars(sa.select(DrawPick).where(DrawPick.draw_id == row.id).order_by(DrawPick.position)).all()


def strata(row: DrawRow) -> tuple[tuple[str, int, int], ...]:
    """Each stratum, how many of the day's were in it, and how many were picked at random. An agent is told by the end
    of their id: whoever listens is not to know whom they hear."""
    return tuple((_named(row, name), *counts) for name, counts in again(row).strata.items())


def _named(row: DrawRow, stratum: draw.Stratum) -> str:
    if row.algorithm == 1:
        return " / ".join(stratum)
    agent, *rest = stratum
    return " / ".join([f"agent {agent[-8:]}" if agent else "no agent", *(part or "-" for part in rest)])


def candidates(session: Session, day: date, kind: Kind = "calls") -> list[Candidate]:
    """Who could be drawn now (recordings.sampling.draw_pool)."""
    pool = draw_pool.calls(session, day) if kind == "calls" else draw_pool.chats(session, day)
    return sorted(pool.candidates, key=lambda candidate: candidate.id)


def _stored_as(candidate: Candidate) -> dict[str, object]:
    told: dict[str, object] = {
        "id": candidate.id, "stratum": list(candidate.stratum), "risk": sorted(candidate.risk),
    }  # fmt: skip
    return told if candidate.scored else told | {"scored": False}


def _stored(session: Session, day: date, seed: int | None, kind: Kind) -> DrawRow | None:
    query = sa.select(DrawRow).where(DrawRow.day == day, DrawRow.kind == kind)
    query = query.order_by(DrawRow.drawn_at.desc(), DrawRow.id)
    return session.scalar((query if seed is None else query.where(DrawRow.seed == seed)).limit(1))


def _check(session: Session, row: DrawRow) -> None:
    drawn = [(pick.id, pick.part, pick.why) for pick in again(row).picked]
    stored = [(str(pick.recording_id or pick.chat_id), pick.part, pick.why) for pick in picks(session, row)]
    if drawn != stored:
        raise ReplayDiffers(f"the draw of {row.day} with seed {row.seed} does not come out as it is stored")


# ---- by itself ------------------------------------------------------------------------------------------


def nightly(session: Session, now: datetime) -> int:
    """The tick: at [qa] draw_at on the hospital's clock the day that is over is drawn, calls and chats, once. What is
    still arriving is waited for some hours. Returns how many days were drawn (0 or 1)."""
    settings = settings_of(session)
    local = now.astimezone(settings.hospital.timezone)
    if local.time() < settings.qa.draw_at:
        return 0
    yesterday = local.date() - timedelta(days=1)
    newest = session.scalar(sa.select(sa.func.max(DailyRun.day)).where(DailyRun.name == NAME))
    if newest is not None and newest >= yesterday:
        return 0
    first = yesterday if newest is None else newest + timedelta(days=1)
    day = max(first, yesterday - timedelta(days=LOOK_BACK - 1))
    late = datetime.combine(local.date(), settings.qa.draw_at, settings.hospital.timezone) + WAIT_FOR
    if day == yesterday and now < late and _not_ready(session, day):
        return 0
    if not daily.once(session, NAME, day, now):
        return 0
    for kind in KINDS:
        draw_day(session, day, None, now, kind)
    return 1


def _not_ready(session: Session, day: date) -> bool:
    start, end = draw_pool.day_of(settings_of(session), day)
    waited_for = (*draw_pool.ARRIVING, *draw_pool.IN_WORK)
    found = sa.exists().where(
        Recording.announced_at >= start, Recording.announced_at < end, Recording.state.in_(waited_for)
    )
    return bool(session.scalar(sa.select(found)))
