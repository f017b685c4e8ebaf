"""Who hears of a ticket without anyone's doing: the head of its department when one of its clocks ran out, medical
affairs at once when it is a complaint about treatment (docs/clinical.md CMP5, CMP13, WO13).

Somebody on the roster is written to, and rung until a key is pressed there: TRIES times, AGAIN apart, first at the tier
that is told first, then as often at the president's. An alarm is over when the key came, when the ticket is resolved,
or when all that was in vain; each end is a row of the ticket's ledger, and so is "nobody was on duty".

What waits for the same people is told in one ring: a head with thirty tickets overdue at eight in the morning is rung
once, hears of the oldest and how many more, and one key acknowledges them all. Red tickets and complaints about
treatment ring at any hour, everything else within [tickets] alarm: a wrong ring at night is a defect.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from core import calendar, events, people
from core.db import survives
from core.house import of, settings_of
from core.models import EventRow, new_id, record
from desk import ticket_words
from desk.models import Ticket, TicketAlarm, TicketClock
from dialer import attempt as attempts
from dialer import gate, roster, sms
from dialer.models import ATTEMPT_LIVES, Attempt

KIND = "head"
FLOW = "ticket_alarm"
MEDICAL = "medical"
FIRST: dict[str, tuple[str, ...]] = {MEDICAL: ("1", "head")}
"""By why: the tiers that are told first, in this order the first that has somebody on duty."""
HEAD = ("head",)
LAST = "president"
TRIES = 3
"""Rings at each of two tiers."""
AGAIN = timedelta(minutes=10)
SOON = timedelta(minutes=1)
"""After a ring that never went out."""
RING_S = 40
NOBODY_FOR = timedelta(days=7)
"""So long somebody is looked for where nobody is on duty: longer than any break."""
SMS_LASTS = timedelta(hours=1)
MOST_AT_ONCE = 100
NOBODY = "nobody on duty to be told"
NOT_HEARD = frozenset({"not_placed", "cancelled", "failed_for_good"})
"""Outcomes of a ring (dialer.machine.OUTCOMES) after which the next need not wait."""


# ---- raised ---------------------------------------------------------------------------------------
def on_overdue(session: Session, ticket: Ticket, clock: TicketClock, now: datetime) -> None:
    """A clock of this ticket (locked) ran out: its department's head hears of it. Once for each clock and round."""
    why = clock.name if clock.round == 0 else f"{clock.name} {clock.round}"
    _raise(session, ticket, why, ticket.department, ticket.colour == "red" or ticket.medical is True, now)


def on_medical(session: Session, ticket: Ticket, now: datetime) -> None:
    """A complaint about treatment: medical affairs hears of it at once, whatever the hour. Once for each ticket."""
    _raise(session, ticket, MEDICAL, settings_of(session).tickets.medical_affairs, True, now)


def _raise(session: Session, ticket: Ticket, why: str, department: str, any_hour: bool, now: datetime) -> None:
    row = postgresql.insert(TicketAlarm).values(
        id=new_id(), ticket_id=ticket.id, why=why, department=department, tier="", any_hour=any_hour, opened_at=now,
        tries=0, next_try_at=now if any_hour else _opening(session, now),
    )  # fmt: skip
    new = row.on_conflict_do_nothing(index_elements=["ticket_id", "why"]).returning(TicketAlarm.id)
    if session.scalar(new) is not None:
        record(session, "ticket", ticket.id, "alarm wanted", now, data={"clock": why.partition(" ")[0]})


def _opening(session: Session, moment: datetime) -> datetime:
    """`moment` if heads may be rung then, else when that begins."""
    settings = settings_of(session)
    span, zone = settings.tickets.alarm, settings.hospital.timezone.key
    return moment if calendar.within(moment, zone, span) else calendar.next_at(moment, span[0], zone)


# ---- told -----------------------------------------------------------------------------------------
def due(session: Session, now: datetime) -> int:
    """The tick: what waits for the same people, told in one ring. Returns how many alarms were seen to."""
    first = session.scalar(_due(now).limit(1))
    if first is None:
        return 0
    same = (
        TicketAlarm.id != first.id,
        TicketAlarm.department == first.department,
        TicketAlarm.tier == first.tier,
        (TicketAlarm.why == MEDICAL) == (first.why == MEDICAL),
        (TicketAlarm.tries >= TRIES) == (first.tries >= TRIES),
    )
    # what would be rung next within AGAIN comes along: tickets that ran out a minute apart are no ring a minute
    others = session.scalars(_due(now + AGAIN).where(*same, ~_BEING_TOLD).limit(MOST_AT_ONCE)).all()
    together = [first, *others]
    for alarm in together:
        alarm.next_try_at = now + SOON
    # what is wrong with these must not keep the others from being told
    survives(session, lambda: _tell(session, together, now), "a ticket's alarm could not be told", alarm=str(first.id))
    return len(together)


_BEING_TOLD = sa.exists().where(Attempt.id == TicketAlarm.attempt_id, ATTEMPT_LIVES)
"""Somebody listens just now, and may press the key."""


def _due(now: datetime) -> sa.Select[TicketAlarm]:
    return (
        sa.select(TicketAlarm)
        .where(TicketAlarm.next_try_at.is_not(None), TicketAlarm.next_try_at <= now)
        .order_by(TicketAlarm.next_try_at, TicketAlarm.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _tell(session: Session, together: Sequence[TicketAlarm], now: datetime) -> None:
    waiting = [
        alarm for alarm in together if not _is_over(session, alarm, now) and not _went_elsewhere(session, alarm, now)
    ]
    if not waiting:
        return
    opening = now if all(alarm.any_hour for alarm in waiting) else _opening(session, now)
    if opening > now:
        # at night only what may ring at any hour; the rest of them at the opening
        for alarm in waiting:
            if not alarm.any_hour:
                alarm.next_try_at = opening
        waiting = [alarm for alarm in waiting if alarm.any_hour]
    if waiting:
        _ring(session, waiting, now)


def _is_over(session: Session, alarm: TicketAlarm, now: datetime) -> bool:
    if is_wanted(session, alarm, session.get_one(Ticket, alarm.ticket_id)):
        return False
    _end(session, alarm, "alarm over", now, why="the ticket is resolved")
    return True


def _went_elsewhere(session: Session, alarm: TicketAlarm, now: datetime) -> bool:
    """The ticket was given to another department since: its head hears of it, from the beginning."""
    department = session.get_one(Ticket, alarm.ticket_id).department
    if alarm.why == MEDICAL or department == alarm.department:
        return False
    alarm.department, alarm.tier, alarm.tries, alarm.next_try_at = department, "", 0, now
    record(session, "ticket", alarm.ticket_id, "alarm goes to another department", now, why=department)
    return True


def is_wanted(session: Session, alarm: TicketAlarm, ticket: Ticket) -> bool:
    """Whether somebody still has to hear of it: not once the ticket is closed, was resolved since, or whoever asked was
    told, not once the clock's work was done late or it is no complaint about treatment after all. A calming call is
    owed whatever else was done (CMP7)."""
    if alarm.acknowledged_at is not None or ticket.status == "confirmed":
        return False
    if alarm.why == MEDICAL and not ticket.medical:
        return False  # classified anew since
    name, _, round_ = alarm.why.partition(" ")
    done = sa.exists().where(
        TicketClock.ticket_id == ticket.id,
        TicketClock.name == name,
        TicketClock.round == int(round_ or 0),
        TicketClock.met_at.is_not(None),
    )
    if session.scalar(sa.select(done)):
        return False
    if ticket.status != "resolved" or name == "calm":
        return True
    resolved_since = ticket.resolved_at is None or ticket.resolved_at >= alarm.opened_at
    return ticket.told_at is None and not resolved_since


def _ring(session: Session, together: Sequence[TicketAlarm], now: datetime) -> None:
    """All of these are with one department and at the same tier."""
    first, tiers = together[0], _turn(together[0])
    if not tiers:
        for alarm in together:
            _end(session, alarm, "alarm in vain", now, why="nobody pressed the key")
        return
    found = _whom(session, first, tiers, now)
    if found is None:
        _nobody(session, together, now)
        return
    tier, person, number = found
    for alarm in together:
        if alarm.tier != tier:
            alarm.tier, alarm.tries = tier, 0
    language = _language(session, person)
    _write(session, together, person, language, now)
    placed = attempts.place(
        session,
        gate.Ring(KIND, number, first.id, shift_id=person.shift_id),
        flow=FLOW,
        language=language,
        brief={},
        ring_s=RING_S,
        now=now,
    )
    for alarm in together:
        _placed(session, alarm, placed, now)


def _turn(alarm: TicketAlarm) -> tuple[str, ...]:
    """The tiers that may be rung now; none when each had its tries."""
    order = (*FIRST.get(alarm.why, HEAD), LAST)
    if not alarm.tier:
        return order
    if alarm.tries < TRIES:
        return order[order.index(alarm.tier) :]
    return () if alarm.tier == LAST else (LAST,)


def _whom(
    session: Session, alarm: TicketAlarm, tiers: Sequence[str], now: datetime
) -> tuple[str, roster.Doctor, str] | None:
    """The first of these tiers with somebody on duty, who it is, and the number to try: everybody's first one after
    the other, then everybody's second."""
    for tier in tiers:
        people_there = roster.on_duty(session, alarm.department, tier, now)
        most = max((len(person.numbers) for person in people_there), default=0)
        ways = [(p, p.numbers[place]) for place in range(most) for p in people_there if place < len(p.numbers)]
        if ways:
            person, number = ways[(alarm.tries if tier == alarm.tier else 0) % len(ways)]
            return tier, person, number
    return None


def _placed(session: Session, alarm: TicketAlarm, placed: Attempt | gate.Refused, now: datetime) -> None:
    if isinstance(placed, Attempt):
        alarm.attempt_id, alarm.tries, alarm.next_try_at = placed.id, alarm.tries + 1, now + AGAIN
        record(session, "ticket", alarm.ticket_id, "alarm rung", now, why=alarm.tier, attempt=str(placed.id))
    elif placed.again_at is not None:
        alarm.next_try_at = placed.again_at
    else:
        # a number nobody could ring, a duty that ended this moment: the next number, the next tier
        alarm.tries, alarm.next_try_at = alarm.tries + 1, now + SOON
        record(session, "ticket", alarm.ticket_id, "alarm not rung", now, why=placed.reason)


def _nobody(session: Session, together: Sequence[TicketAlarm], now: datetime) -> None:
    """Nobody is on duty who could be told: the ledger says so once, and whoever comes on duty is rung."""
    for alarm in together:
        if now >= alarm.opened_at + NOBODY_FOR:
            _end(session, alarm, "alarm in vain", now, why="nobody was on duty")
            continue
        alarm.next_try_at = now + AGAIN
        said = EventRow.kind == "ticket", EventRow.subject_id == alarm.ticket_id, EventRow.what == NOBODY
        if not session.scalar(sa.select(sa.exists().where(*said))):
            record(session, "ticket", alarm.ticket_id, NOBODY, now, why=alarm.department, alarm=str(alarm.id))


def _write(
    session: Session, together: Sequence[TicketAlarm], person: roster.Doctor, language: str, now: datetime
) -> None:
    """One SMS for each alarm and person, beside the first ring at them."""
    first, settings = together[0], settings_of(session)
    lasts_until = now + SMS_LASTS
    if not all(alarm.any_hour for alarm in together):
        closes = calendar.next_at(now, settings.tickets.alarm[1], settings.hospital.timezone.key)
        lasts_until = min(lasts_until, closes)
    ticket = session.get_one(Ticket, first.ticket_id)
    body = of(session).service(sms.Texts).text(
        settings,
        "ticket_medical" if first.why == MEDICAL else "ticket_alert",
        language,
        about=ticket_words.about(settings, ticket, first.why, language),
        more=str(len(together) - 1),
    )  # fmt: skip
    subject_id = uuid.uuid5(first.id, person.doctor_index.hex())
    sms.alert(
        session,
        kind="ticket_alert",
        subject_id=subject_id,
        to=person.numbers[0],
        body=body,
        now=now,
        give_up_at=lasts_until,
    )


def _language(session: Session, person: roster.Doctor) -> str:
    languages = settings_of(session).hospital.languages
    return person.language if person.language in languages else languages[0]


# ---- heard, or not --------------------------------------------------------------------------------
def on_acknowledged(session: Session, event: events.Acknowledged, now: datetime) -> None:
    """The key was pressed: whatever was told in this ring has been heard."""
    attempt = session.get_one(Attempt, event.attempt_id)
    if attempt.kind != KIND:
        return
    for alarm in _told_in(session, attempt.id):
        if alarm.acknowledged_at is None:
            alarm.acknowledged_at = now
            _end(session, alarm, "alarm acknowledged", now, who=alarm.tier, why=alarm.why)


def on_attempt_ended(session: Session, event: events.AttemptEnded, now: datetime) -> None:
    """A ring that never went out was no try; one at a number that does not exist need not be waited for."""
    if event.kind != KIND:
        return
    for alarm in _told_in(session, event.attempt_id):
        if alarm.next_try_at is None or event.outcome not in NOT_HEARD:
            continue
        alarm.next_try_at = now + SOON
        if event.outcome != "failed_for_good":
            alarm.tries = max(0, alarm.tries - 1)


def on_doctor_rung(session: Session, event: events.DoctorRung, now: datetime) -> None:
    """A patient waits for whoever holds this telephone: it must be free for that."""
    its = Attempt.to_index == people.phone_index(event.to), Attempt.kind == KIND, ATTEMPT_LIVES
    for attempt_id in session.scalars(sa.select(Attempt.id).where(*its)):
        attempts.take_back(session, attempt_id)


def told_now(session: Session, attempt_id: uuid.UUID) -> list[tuple[TicketAlarm, Ticket]]:
    """What somebody who picks up this ring has to hear, the oldest first."""
    rows = session.execute(
        sa.select(TicketAlarm, Ticket)
        .join(Ticket, Ticket.id == TicketAlarm.ticket_id)
        .where(TicketAlarm.attempt_id == attempt_id)
        .order_by(TicketAlarm.opened_at, TicketAlarm.id)
    )
    return [(alarm, ticket) for alarm, ticket in rows if is_wanted(session, alarm, ticket)]


def _told_in(session: Session, attempt_id: uuid.UUID) -> Sequence[TicketAlarm]:
    """Locked, in the order of their ids."""
    return session.scalars(
        sa.select(TicketAlarm)
        .where(TicketAlarm.attempt_id == attempt_id)
        .order_by(TicketAlarm.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _end(
    session: Session, alarm: TicketAlarm, what: str, now: datetime, *, why: str = "", who: str = "service"
) -> None:
    alarm.next_try_at = None
    record(session, "ticket", alarm.ticket_id, what, now, who=who, why=why, alarm=str(alarm.id))
