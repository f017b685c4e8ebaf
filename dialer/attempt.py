"""Attempts: the placing protocol of docs/design.md section 4, step by step, and the only writer of their status.

1. `place` commits the row (`placing`, own UUID, a deadline) and defers the job, in one transaction.
2. `may_post` re-runs the gate, takes the turn in the pace and stamps `posted_at`; only then the job POSTs.
3. `posted` commits the SID; `post_refused` and `post_in_doubt` the two other endings.
4. `overdue` turns silence into doubt, `looked` settles doubt from the carrier's own list.
5. The voice webhook asks `may_speak`: an attempt that is over, or a second call for one attempt, never does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, jobs, people
from core.db import RowLock
from core.house import of, settings_of
from core.models import EventRow, new_id, record
from dialer import call, gate, giving_way, lines
from dialer.machine import (
    ASK_AGAIN,
    ATTEMPT_MOVES,
    ATTEMPT_OVER,
    CALL_OVER,
    QUIET,
    TALKING,
    after_look,
    final_outcome,
    move,
    refusal_outcome,
)
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Escalation

PLACE_ROUTINE = jobs.declare("place_routine", "calls")
PLACE_ESCALATION = jobs.declare("place_escalation", "escalation", priority=10)
LOOK_ROUTINE = jobs.declare("look_routine", "calls")
LOOK_ESCALATION = jobs.declare("look_escalation", "escalation")
ASK = jobs.declare("ask_attempt", "calls")
HANG_UP = jobs.declare("hang_up", "escalation", priority=5)
LEAVE_WORD = jobs.declare("leave_word", "calls")

POST_GRACE = timedelta(seconds=12)
"""A POST times out after 8 s; four more and it is in doubt."""
JOB_GRACE = timedelta(seconds=5)
"""A placing row no job has seen to by then gets its job again."""
TOO_MANY_REQUESTS = 20429
"""The carrier's code for a request it did not even look at (docs/twilio.md 1.8)."""
TOO_MANY_AGAIN = timedelta(seconds=1)
IN_VAIN = "looked for in vain"


def place(
    session: Session,
    ring: gate.Ring,
    *,
    flow: str,
    language: str,
    brief: Mapping[str, Any],
    ring_s: int,
    now: datetime,
) -> Attempt | gate.Refused:
    """Step 1. The gate decides; if it passes, the row and its job are part of the caller's transaction."""
    lines.hold_the_count(session)
    refused = _refused(session, ring, now)
    if refused is not None:
        return refused
    turn = lines.routine_turn(session, now) if ring.lane == "routine" else lines.escalation_turn(session, now)
    if turn is None:
        return gate.Refused("pace", now + lines.HORIZON)
    waits = turn > now  # `overdue` sees to it then
    attempt = _new(
        session, ring, "api", flow, language, brief, ring_s, now, deadline_at=turn if waits else now + JOB_GRACE
    )
    if not waits:
        _defer_place(session, attempt)
    giving_way.free_the_number(session, ring.kind, ring.to)
    return attempt


def _refused(session: Session, ring: gate.Ring, now: datetime) -> gate.Refused | None:
    """The gate's word, the count held. For want of a line an alarm makes others give way, and is asked for again."""
    refused = gate.may_dial(session, ring, now)
    if refused is not None and refused.reason == "no_line":
        giving_way.make_room(session, ring.kind)
    return refused


def dial(
    session: Session,
    ring: gate.Ring,
    *,
    parent: Call,
    flow: str,
    language: str,
    brief: Mapping[str, Any],
    ring_s: int,
    now: datetime,
) -> Attempt | gate.Refused:
    """The same for a leg that a Dial in the webhook's own answer will ring: committed before the TwiML leaves."""
    lines.hold_the_count(session)
    refused = _refused(session, ring, now)
    if refused is not None:
        return refused
    deadline_at = now + timedelta(seconds=ring_s) + QUIET
    return _new(
        session, ring, "dial", flow, language, brief, ring_s, now,
        deadline_at=deadline_at, posted_at=now, parent_call_id=parent.id,
    )  # fmt: skip


def rang_back(
    session: Session,
    inbound: Call,
    ring: gate.Ring,
    *,
    flow: str,
    language: str,
    brief: Mapping[str, Any],
    now: datetime,
) -> Attempt:
    """A patient rang us instead: their call `inbound` (locked, alive) stands for the ring from here on, and ends as
    its call ends. No gate: nobody is rung."""
    attempt = _new(session, ring, "inbound", flow, language, brief, 0, now, deadline_at=now + QUIET)
    learn_sid(session, attempt, inbound.sid or "")
    _move(session, attempt, "answered", now)
    attempt.answered_at = now
    inbound.attempt_id = attempt.id
    inbound.kind = ring.kind
    inbound.patient_id = ring.patient_id
    return attempt


def _new(
    session: Session,
    ring: gate.Ring,
    via: str,
    flow: str,
    language: str,
    brief: Mapping[str, Any],
    ring_s: int,
    now: datetime,
    *,
    deadline_at: datetime,
    posted_at: datetime | None = None,
    parent_call_id: uuid.UUID | None = None,
) -> Attempt:
    attempt = Attempt(
        id=new_id(),
        kind=ring.kind,
        lane=ring.lane,
        via=via,
        subject_id=ring.subject_id,
        patient_id=ring.patient_id,
        to=ring.to,
        to_index=people.phone_index(ring.to),
        flow=flow,
        language=language,
        brief=dict(brief),
        status="placing",
        ring_s=ring_s,
        shift_id=ring.shift_id,
        give_up_at=ring.deadline_at,
        created_at=now,
        deadline_at=deadline_at,
        posted_at=posted_at,
        parent_call_id=parent_call_id,
    )
    session.add(attempt)
    session.flush()
    record(session, "attempt", attempt.id, "placing", now, to_state="placing", ring=ring.kind, via=via)
    return attempt


locked = RowLock(Attempt)


@dataclass(frozen=True)
class Owners:
    """By kind of ring, how a room above locks the row it is for: a refusal just before the POST is told to that row,
    whose lock comes before the count's. Handed in by app.py."""

    locks: Mapping[str, Callable[[Session, uuid.UUID], object]] = field(default_factory=dict)


def may_post(session: Session, attempt_id: uuid.UUID, clock: Callable[[], datetime]) -> Attempt | None:
    """Step 2, in the transaction just before the POST: the row, if it is still placing, was never posted and was not
    taken back, the gate still agrees, and its turn in the pace has come. `posted_at` is stamped then.

    `clock` is read when the locks are held: the wait for them may be long, the gate's answer must be of now, and the
    pace counts real moments.
    """
    attempt = locked(session, attempt_id)
    if attempt is None or attempt.status != "placing" or attempt.posted_at is not None:
        return None
    if attempt.unwanted:
        _move(session, attempt, "cancelled", clock(), outcome="cancelled", why="taken back")
        return None
    if attempt.kind == "doctor":
        # A refusal below is told to the escalation: its lock comes before the count's, as everywhere.
        session.execute(_ITS_ESCALATION, {"escalation_id": attempt.subject_id})
    owner = of(session).services.get(Owners, Owners()).locks.get(attempt.kind)
    if owner is not None and attempt.subject_id is not None:
        owner(session, attempt.subject_id)
    lines.hold_the_count(session)
    now = clock()
    refused = _refused(session, _ring_of(attempt), now)
    if refused is not None:
        _move(session, attempt, "cancelled", now, outcome="not_placed", why=refused.reason)
        return None
    now = clock()  # the gate took its time, and from here to the wire there is only JITTER
    leaves_at = lines.may_leave(session, "routine" if attempt.kind == "agent" else attempt.lane, now)
    if leaves_at > now:
        attempt.deadline_at = leaves_at  # `overdue` asks again then
        return None
    attempt.posted_at = now
    attempt.deadline_at = now + POST_GRACE
    return attempt


def _ring_of(attempt: Attempt) -> gate.Ring:
    return gate.Ring(
        kind=attempt.kind,
        to=attempt.to,
        subject_id=attempt.subject_id,
        patient_id=attempt.patient_id,
        deadline_at=attempt.give_up_at,
        shift_id=attempt.shift_id,
        attempt_id=attempt.id,
    )


_ITS_ESCALATION = (
    sa.select(Escalation.id).where(Escalation.id == sa.bindparam("escalation_id")).with_for_update(key_share=True)
)


def posted(session: Session, attempt_id: uuid.UUID, sid: str, now: datetime) -> None:
    """Step 3: the carrier has it. A callback may have said so already."""
    attempt = locked(session, attempt_id)
    if attempt is not None:
        learn_sid(session, attempt, sid)
        _move(session, attempt, "accepted_by_carrier", now)


def post_refused(session: Session, attempt_id: uuid.UUID, code: int, now: datetime) -> None:
    attempt = locked(session, attempt_id)
    if attempt is None:
        return
    if code == TOO_MANY_REQUESTS and attempt.status == "placing":
        # Nothing to do with the callee, and surely not placed: the same ring again, from the gate on.
        attempt.posted_at = None
        attempt.deadline_at = now + TOO_MANY_AGAIN
        record(session, "attempt", attempt.id, "carrier is busy", now, why=f"carrier code {code}")
    else:
        _move(session, attempt, "refused_by_carrier", now, outcome=refusal_outcome(code), why=f"carrier code {code}")


def post_in_doubt(session: Session, attempt_id: uuid.UUID, now: datetime) -> None:
    """No answer to the POST. The list is searched at once, and again when its lag has passed."""
    attempt = locked(session, attempt_id)
    if attempt is not None and _move(session, attempt, "no_reply", now):
        _in_doubt(session, attempt, now)


def _in_doubt(session: Session, attempt: Attempt, now: datetime) -> None:
    attempt.deadline_at = now + ASK_AGAIN
    _defer_look(session, attempt)
    events.publish(session, events.AttemptInDoubt(attempt.id, attempt.kind, attempt.subject_id), now)


def _defer_place(session: Session, attempt: Attempt) -> None:
    job = PLACE_ROUTINE if attempt.lane == "routine" else PLACE_ESCALATION
    jobs.defer(session, job, attempt_id=attempt.id)


def _defer_look(session: Session, attempt: Attempt) -> None:
    jobs.defer(session, LOOK_ROUTINE if attempt.lane == "routine" else LOOK_ESCALATION, attempt_id=attempt.id)


def looked(
    session: Session, attempt_id: uuid.UUID, candidates: list[tuple[str, str]], list_lag_s: int, now: datetime
) -> None:
    """Step 4. `candidates`: (SID, our word) of calls to this number in the carrier's list, newest first.

    The list shows no UUID, so a call belongs to this attempt when nobody else here claims its SID. `now` is when the
    list was read: a second look counts only when the lag has passed since the first, however often the job runs.
    """
    attempt = locked(session, attempt_id)
    if attempt is None or attempt.status != "in_doubt":
        return
    taken = set(session.scalars(sa.select(Attempt.sid).where(Attempt.sid.in_([sid for sid, _ in candidates]))))
    found = next(((sid, word) for sid, word in candidates if sid not in taken), None)
    first = _first_look(session, attempt)
    if found is None and first is not None and now < first + timedelta(seconds=list_lag_s):
        return
    look = after_look(found=found is not None, looks_before=attempt.looks, now=now, list_lag_s=list_lag_s)
    if found is not None:
        learn_sid(session, attempt, found[0])
        _move(session, attempt, "found", now, why="found in the carrier's list")
        carrier_says(session, attempt, found[1], now)
        return
    attempt.looks += 1
    record(session, "attempt", attempt.id, IN_VAIN, now, looks=attempt.looks)
    if look.verdict == "absent":
        _move(session, attempt, "not_found", now, outcome="not_placed", why="not in the carrier's list twice")
    else:
        assert look.next_look_at is not None
        attempt.deadline_at = look.next_look_at


def _first_look(session: Session, attempt: Attempt) -> datetime | None:
    """When the carrier's list was first read without finding it."""
    return session.scalar(
        sa.select(sa.func.min(EventRow.at)).where(
            EventRow.kind == "attempt", EventRow.subject_id == attempt.id, EventRow.what == IN_VAIN
        )
    )


def overdue(session: Session, now: datetime, limit: int = 1) -> int:
    """Live attempts whose deadline has passed, and that of their conversation: doubt, a look, or a question to the
    carrier. Returns how many.

    One at a time, because each may drive an escalation: see the order of locks in docs/design.md section 3.
    """
    rows = session.scalars(
        sa.select(Attempt)
        .where(Attempt.status.in_(LIVE_ATTEMPT), Attempt.deadline_at <= now, ~call.talks(now))
        .order_by(Attempt.deadline_at, Attempt.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    for attempt in rows:
        if attempt.status == "placing" and attempt.posted_at is None:
            attempt.deadline_at = now + JOB_GRACE
            _defer_place(session, attempt)
        elif attempt.status == "placing" and attempt.via == "api":
            _move(session, attempt, "no_reply", now)
            _in_doubt(session, attempt, now)
        elif attempt.status == "in_doubt":
            attempt.deadline_at = now + ASK_AGAIN
            _defer_look(session, attempt)
        elif attempt.sid is None:
            # A Dial leg of which nothing was ever heard: its parent's Dial is long over.
            _move(session, attempt, "ended", now, outcome="failed_now", why="no sign of the leg")
        else:
            attempt.deadline_at = now + ASK_AGAIN
            jobs.defer(session, ASK, attempt_id=attempt.id)
            if attempt.unwanted:
                jobs.defer(session, HANG_UP, attempt_id=attempt.id)
    return len(rows)


def may_speak(session: Session, attempt_id: uuid.UUID, sid: str) -> Attempt | None:
    """Step 5. The attempt, locked, if the answered call `sid` is really its call and it is not over."""
    attempt = locked(session, attempt_id)
    if attempt is None or attempt.status in ATTEMPT_OVER:
        return None
    learn_sid(session, attempt, sid)
    if _is_for_patient(attempt) and gate.person(session, attempt.patient_id) is not None:
        # A death or a readmission was imported while it rang.
        return None
    return attempt if attempt.sid == sid and not attempt.unwanted else None


def _is_for_patient(attempt: Attempt) -> bool:
    """A satisfaction call may be for somebody who is on no file of ours."""
    return attempt.kind in gate.CONSENT or (attempt.kind == "satisfaction" and attempt.patient_id is not None)


def carrier_says(
    session: Session, attempt: Attempt, word: str, now: datetime, *, seq: int | None = None, sip_code: str = ""
) -> None:
    """A status of the carrier's, in our words. Late and repeated ones find no move and change nothing."""
    if seq is not None and seq <= attempt.last_seq:
        return
    if word in CALL_OVER and attempt.status not in ATTEMPT_OVER:
        # before the row is touched: what follows reads much, and would have it written twice
        _end_conversation(session, attempt, word, now)
    if seq is not None:
        attempt.last_seq = seq
    if attempt.status in ATTEMPT_OVER:
        return
    if word in CALL_OVER:
        outcome = final_outcome(word, answered=attempt.answered_at is not None, sip_code=sip_code)
        _move(session, attempt, "ended", now, outcome=outcome)
        return
    attempt.deadline_at = now + _quiet(session, attempt, word, now)
    if word == "queued":
        _move(session, attempt, "accepted_by_carrier", now)
    elif word == "ringing":
        if _move(session, attempt, "ringing", now):
            attempt.ringing_at = now
            events.publish(session, events.AttemptRinging(attempt.id, attempt.kind, attempt.subject_id), now)
    elif word == "in_progress" and _move(session, attempt, "answered", now):
        attempt.answered_at = now


def _quiet(session: Session, attempt: Attempt, word: str, now: datetime) -> timedelta:
    """How long nothing need be heard of it after the carrier's `word`."""
    if word != "in_progress":
        return timedelta(seconds=attempt.ring_s) + QUIET
    if attempt.lane != "escalation" or attempt.status != "answered":
        return QUIET
    # Only once it has lasted long enough to count as a talk: until then its end is what rings the next doctor.
    a_talk = now - timedelta(seconds=settings_of(session).escalation.talk_s)
    talks = session.scalar(_BRIDGED_BEFORE, {"escalation_id": attempt.subject_id, "moment": a_talk})
    return TALKING if talks else QUIET


_BRIDGED_BEFORE = sa.select(
    sa.exists().where(
        Escalation.id == sa.bindparam("escalation_id"),
        Escalation.status == "bridged",
        Escalation.bridged_at <= sa.bindparam("moment"),
    )
)


def answered_by(session: Session, attempt: Attempt, word: str, now: datetime) -> None:
    """The machine detection's verdict, kept once. Nobody pressed a key on a machine: it is left a word and let go."""
    if attempt.answered_by is not None:
        return
    attempt.answered_by = word
    record(session, "attempt", attempt.id, "machine detection", now, who="carrier", word=word)
    if word == "machine" and attempt.status == "answered":
        jobs.defer(session, LEAVE_WORD, attempt_id=attempt.id)


def conversation_says(session: Session, conversation: Call, word: str, now: datetime) -> None:
    """A status of an inbound call (locked, after its attempt if it has one). The ring that a patient who rang back
    stands for ends as the call ends."""
    ring = session.get(Attempt, conversation.attempt_id) if conversation.attempt_id is not None else None
    if ring is not None:
        carrier_says(session, ring, word, now)
    else:
        call.carrier_says(session, conversation, word, now)


def _end_conversation(session: Session, attempt: Attempt, word: str, now: datetime) -> None:
    conversation = call.of_attempt(session, attempt.id)
    if conversation is not None:
        call.carrier_says(session, conversation, word, now)


def take_back(session: Session, attempt_id: uuid.UUID) -> None:
    """We no longer want this ring. A job sees to it, because the row may be locked by a callback that waits for us."""
    jobs.defer(session, HANG_UP, attempt_id=attempt_id)


def unwanted(session: Session, attempt_id: uuid.UUID, now: datetime, *, unless_answered: bool = False) -> str | None:
    """Mark the ring as taken back: cancelled if the carrier never had it. Returns the SID to hang up, if any.
    `unless_answered`: whoever has picked up is left alone."""
    attempt = locked(session, attempt_id)
    if attempt is None or attempt.status == "ended" or (unless_answered and attempt.status == "answered"):
        return None
    attempt.unwanted = True
    if attempt.status == "placing" and attempt.posted_at is None:
        _move(session, attempt, "cancelled", now, outcome="cancelled", why="taken back")
        return None
    return attempt.sid


def sid_to_ask_for(session: Session, attempt_id: uuid.UUID) -> str | None:
    """The carrier's name of a ring that is not known to be over."""
    return session.scalar(_SID_TO_ASK_FOR, {"attempt_id": attempt_id})


_SID_TO_ASK_FOR = sa.select(Attempt.sid).where(Attempt.id == sa.bindparam("attempt_id"), Attempt.ended_at.is_(None))


def ask_legs(session: Session, parent: Call, sid: str = "") -> None:
    """A Dial of `parent` is over: any leg of it whose end was not told yet is asked for now, so that its number is
    not held in use by a lost callback. `sid`: the leg the Dial told of, whose every callback may have been lost."""
    if sid and not session.scalar(sa.select(sa.exists().where(Attempt.sid == sid))):
        _learn_of_leg(session, parent, sid)
    legs = sa.select(Attempt.id).where(
        Attempt.parent_call_id == parent.id, Attempt.status.in_(LIVE_ATTEMPT), Attempt.sid.is_not(None)
    )
    for attempt_id in session.scalars(legs.order_by(Attempt.created_at, Attempt.id)):
        jobs.defer(session, ASK, attempt_id=attempt_id)


def _learn_of_leg(session: Session, parent: Call, sid: str) -> None:
    """Without waiting for the leg (docs/decisions/0004): whoever holds it is told the SID as well."""
    leg = session.scalar(
        sa.select(Attempt)
        .where(Attempt.parent_call_id == parent.id, Attempt.status.in_(LIVE_ATTEMPT), Attempt.sid.is_(None))
        .order_by(Attempt.created_at.desc(), Attempt.id)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if leg is not None:
        learn_sid(session, leg, sid)
        session.flush()


def live_for(session: Session, subject_id: uuid.UUID, kind: str) -> list[Attempt]:
    return list(
        session.scalars(
            sa.select(Attempt)
            .where(Attempt.subject_id == subject_id, Attempt.kind == kind, Attempt.status.in_(LIVE_ATTEMPT))
            .order_by(Attempt.created_at, Attempt.id)
        )
    )


def unanswered_to(session: Session, e164: str, lane: str) -> list[Attempt]:
    """Rings of a lane to this number that nobody has picked up."""
    return list(
        session.scalars(
            sa.select(Attempt)
            .where(
                Attempt.to_index == people.phone_index(e164),
                Attempt.lane == lane,
                Attempt.status.in_(LIVE_ATTEMPT),
                Attempt.status != "answered",
            )
            .order_by(Attempt.created_at, Attempt.id)
        )
    )


def learn_sid(session: Session, attempt: Attempt, sid: str) -> None:
    """The carrier's name for this ring, from whoever hears it first. One that was taken back or given up before
    it had a name must not ring on."""
    if attempt.sid is None and sid:
        attempt.sid = sid
        if attempt.unwanted or attempt.status in ("absent", "cancelled"):
            jobs.defer(session, HANG_UP, attempt_id=attempt.id)


def _move(
    session: Session, attempt: Attempt, event: str, now: datetime, *, outcome: str | None = None, why: str = ""
) -> bool:
    """The only writer of an attempt's status. False: no such move, nothing changed."""
    to_state = move(ATTEMPT_MOVES, attempt.status, event)
    if to_state is None:
        return False
    from_state, attempt.status = attempt.status, to_state
    if why:
        attempt.why = why
    record(session, "attempt", attempt.id, event, now, from_state=from_state, to_state=to_state, why=why)
    if to_state in ATTEMPT_OVER:
        attempt.ended_at = now
        attempt.outcome = outcome or "cancelled"
        events.publish(session, events.AttemptEnded(attempt.id, attempt.kind, attempt.subject_id, attempt.outcome), now)
    return True
