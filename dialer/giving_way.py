"""What gives way to a patient in pain: an agent's telephone that only rings.

Rings at agents share the lane of the alarms, and those placed before an alarm opened may hold the last lines; or the
doctor on duty answers callers too, and one of those rings holds their telephone. Either ring ends at once: its caller
keeps their place and is offered to the next agent (desk.put_through). An agent who has picked up is left alone: a
talk is not cut off, and the chain goes on to the next doctor.

Nothing is locked here: whoever asks holds the count of lines already, and rings come before it (docs/decisions/0004).
A job asks each ring again, under its lock, whether it still only rings.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import jobs, people
from dialer.models import ATTEMPT_LIVES, Attempt

GIVE_WAY = jobs.declare("give_way", "escalation", priority=8)
"""Above a mere hang-up, below the ring it is done for."""

NEEDED: dict[str, int] = {"doctor": 2, "patient": 1, "night": 1}
"""By kind of ring of an alarm: the lines it takes to go on from here. A doctor who has one needs the patient's next."""

_ONLY_RINGS = (
    ATTEMPT_LIVES,
    Attempt.kind == sa.literal_column("'agent'"),
    Attempt.status != sa.literal_column("'answered'"),
)


def make_room(session: Session, kind: str) -> None:
    """An alarm's ring of this kind had no line (the count is held): as many agents' rings as are needed end, the
    youngest first; the oldest is the likeliest to be picked up. Other kinds wait until a line is free."""
    needed = NEEDED.get(kind, 0)
    if not needed:
        return
    rings = session.execute(
        sa.select(Attempt.id, Attempt.unwanted)
        .where(*_ONLY_RINGS)
        .order_by(Attempt.created_at.desc(), Attempt.id.desc())
    ).all()
    needed -= sum(ring.unwanted for ring in rings)  # asked already; the carrier has not told yet
    for ring in [ring for ring in rings if not ring.unwanted][: max(0, needed)]:
        jobs.defer(session, GIVE_WAY, attempt_id=ring.id)


def free_the_number(session: Session, kind: str, to: str) -> None:
    """A ring of this kind goes out to `to` (E.164): an agent's ring at the same telephone ends."""
    if kind not in NEEDED:
        return
    its = Attempt.to_index == people.phone_index(to), ~Attempt.unwanted
    for attempt_id in session.scalars(sa.select(Attempt.id).where(*_ONLY_RINGS, *its)):
        jobs.defer(session, GIVE_WAY, attempt_id=attempt_id)
