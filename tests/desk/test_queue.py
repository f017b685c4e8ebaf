"""The line in front of the desk: rung agents, callers put through, call backs, and that nobody is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from core import calendar, events
from core.house import House
from desk import agents, queue, queue_due
from desk.models import QueueEntry, QueueOffer, Ticket
from desk.service import Desk
from dialer import attempt as attempts
from dialer import gate
from dialer.doctor import Waiting
from dialer.models import Agent, Attempt, Call, Refusal
from tests.desk.desk_house import AGENT_PHONES, CALLERS, Hall
from tests.scheduler.clinic import hospital
from tests.scheduler.test_scans import on_file

ONE, TWO = CALLERS[0], CALLERS[1]


def standing(hall: Hall, entry: QueueEntry) -> tuple[str, str, str]:
    fresh = hall.fresh(entry)
    return fresh.status, fresh.mode, fresh.origin


# ---- put through ---------------------------------------------------------------------------------
def test_a_caller_is_offered_to_an_agent_taken_and_served(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE, reason="theme")
    hall.tick()
    ring = hall.ring_of(entry)
    assert (ring.to, ring.flow, ring.kind, ring.subject_id) == (AGENT_PHONES[0], "agent", "agent", entry.id)
    assert hall.who("kim").status == "ringing"
    call = hall.accepts(ring)
    assert hall.connects(call) == Waiting(f"d-{entry.id}")
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    assert hall.who("kim").status == "talking"
    hall.forward(seconds=90)
    hall.publish(events.AgentTalked(ring.id, 90), events.AgentSaid(ring.id, "solved"))
    hall.leaves(entry, "served")
    hall.says(ring, "completed")
    served = hall.fresh(entry)
    assert (served.status, served.talk_s, served.outcome) == ("served", 90, "solved")
    assert hall.who("kim").status == "wrap_up"
    hall.forward(seconds=20)
    hall.tick()
    assert hall.who("kim").status == "ready"


def test_an_agent_who_passes_on_or_does_not_answer_gives_the_caller_to_the_next(hall: Hall) -> None:
    for _ in range(3):
        hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    first = hall.ring_of(entry)
    hall.answers(first)
    hall.publish(events.AgentDecided(first.id, "declined"))
    hall.tick()
    second = hall.ring_of(entry)
    hall.posted(second)
    hall.says(second, "no_answer")
    hall.tick()
    third = hall.ring_of(entry)
    assert len({first.to, second.to, third.to}) == 3
    assert [offer.decision for offer in hall.offers()] == ["declined", "no_answer", None]


def test_an_agent_who_passed_on_is_asked_again_only_after_a_minute(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.answers(ring)
    hall.publish(events.AgentDecided(ring.id, "declined"))
    hall.says(ring, "completed")
    hall.forward(seconds=59)
    hall.tick()
    assert hall.live_rings() == []
    hall.forward(seconds=2)
    hall.tick()
    assert len(hall.live_rings()) == 1


def test_a_voicemail_that_answers_takes_nobody(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.answers(ring)
    hall.publish(events.AgentDecided(ring.id, "no_key"))
    hall.says(ring, "completed")
    assert standing(hall, entry)[0] == "waiting"
    assert hall.who("kim").misses == 1


def test_nobody_is_taken_without_an_acceptance(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    call = hall.answers(hall.ring_of(entry))
    assert call is not None
    assert hall.connects(call) == gate.Refused("not_owner")


def test_an_agent_who_hangs_up_after_accepting_loses_nobody(hall: Hall) -> None:
    hall.agent()
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.accepts(ring)
    hall.publish(events.AgentDecided(ring.id, "hung_up"))
    hall.says(ring, "completed")
    hall.tick()
    assert hall.ring_of(entry).to != ring.to


def test_a_caller_who_hangs_up_in_the_moment_of_the_joining_is_rung_back(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.forward(seconds=8)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    hall.leaves(entry, "hung_up")
    hall.publish(events.AgentTalked(ring.id, 0))
    hall.says(ring, "completed")
    assert standing(hall, entry) == ("waiting", "callback", "abandoned")


def test_a_caller_whose_line_died_in_the_moment_of_the_joining_is_rung_back_as_well(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.forward(seconds=8)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    hall.hangs_up(entry)
    hall.publish(events.AgentTalked(ring.id, 0))
    assert standing(hall, entry) == ("waiting", "callback", "abandoned")


def test_a_talk_that_is_cut_short_is_a_talk_all_the_same(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    hall.forward(seconds=60)
    hall.leaves(entry, "error")  # redirected-from-bridged: their doctor is on the telephone
    hall.publish(events.AgentTalked(ring.id, 60), events.AgentSaid(ring.id, "ticket"))
    hall.says(ring, "completed")
    fresh = hall.fresh(entry)
    assert (fresh.status, fresh.talk_s, fresh.outcome) == ("served", 60, "ticket")
    assert [wanted.kind for wanted in hall.tickets] == ["agent_followup"]


def test_the_end_of_a_talk_nobody_told_is_found(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    with hall.house.transaction() as session:  # the callbacks were lost, and with them whoever listens to them
        session.execute(sa.update(Attempt).where(Attempt.id == ring.id).values(status="ended", outcome="answered"))
    hall.forward(hours=2)
    hall.tick()
    assert standing(hall, entry)[0] == "served"
    assert hall.who("kim").status == "wrap_up"


def test_an_agent_whose_telephone_must_not_ring_keeps_nobody_waiting(hall: Hall) -> None:
    hall.agent("kim")
    hall.forward(seconds=10)
    hall.agent("lee")
    hospital(hall.house, hospital={"live": False, "allow_numbers": [AGENT_PHONES[1]]}, calling={"lines": 60})
    entry = hall.enters(ONE)
    hall.tick()
    assert hall.ring_of(entry).to == AGENT_PHONES[1]


# ---- out of the line -----------------------------------------------------------------------------
def test_who_asks_to_be_rung_back_keeps_the_place_and_the_agent_is_rung_first(hall: Hall) -> None:
    hall.agent(state="paused")
    hall.agent("kim", skills=("theme",))  # for somebody else, so that both wait
    entry = hall.enters(ONE, reason="postop")
    entered = entry.entered_at
    hall.forward(seconds=10)
    other = hall.enters(TWO, reason="postop")
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    assert standing(hall, entry) == ("waiting", "callback", "asked")
    hall.forward(seconds=51)
    hall.tick()
    ring = hall.ring_of(entry)
    assert hall.fresh(entry).entered_at == entered
    assert hall.fresh(other).status == "waiting", "who came later is behind"
    leg = hall.connects(hall.accepts(ring))
    assert isinstance(leg, Attempt)
    assert (leg.kind, leg.to, leg.flow, leg.parent_call_id) == ("caller", ONE, "caller_join", leg.parent_call_id)
    hall.publish(events.CallerTaken(None, ring.id), events.AgentTalked(ring.id, 30))
    hall.says(ring, "completed")
    assert hall.fresh(entry).status == "served"


def test_who_does_not_answer_is_rung_again_after_ten_minutes_and_then_becomes_a_ticket(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    for tries in (1, 2):
        hall.forward(seconds=599)
        hall.tick()
        if tries == 2:
            assert hall.live_rings() == [], "not before ten minutes are over"
        hall.forward(seconds=1)
        hall.tick()
        ring = hall.ring_of(entry)
        leg = hall.connects(hall.accepts(ring))
        assert isinstance(leg, Attempt)
        hall.says(leg, "no_answer")
        hall.publish(events.AgentTalked(ring.id, 0))
        hall.says(ring, "completed")
        assert hall.fresh(entry).tries == tries
    assert hall.fresh(entry).status == "unreached"
    [wanted] = hall.tickets
    assert (wanted.kind, wanted.call_id, wanted.subject_id) == ("call_back", entry.call_id, entry.id)


def asked_and_taken(hall: Hall, entry: QueueEntry) -> tuple[Attempt, Attempt]:
    """The agent took somebody who is to be rung, and a Dial was ordered: the agent's ring, and the leg."""
    hall.tick()
    ring = hall.ring_of(entry)
    leg = hall.connects(hall.accepts(ring))
    assert isinstance(leg, Attempt)
    return ring, leg


def hangs_up_before_the_dial(hall: Hall, ring: Attempt) -> None:
    hall.publish(events.AgentDecided(ring.id, "hung_up"))
    hall.says(ring, "completed")


def test_a_dial_the_carrier_never_made_is_no_try(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    for _ in range(3):
        hall.forward(minutes=10)
        ring, leg = asked_and_taken(hall, entry)
        hangs_up_before_the_dial(hall, ring)
        hall.forward(minutes=2)
        with hall.house.transaction() as session:
            assert attempts.overdue(session, hall.now) == 1
            assert session.get_one(Attempt, leg.id).why == "no sign of the leg"
        assert (hall.fresh(entry).status, hall.fresh(entry).tries) == ("waiting", 0)
    assert hall.tickets == []


def test_a_last_ring_the_carrier_tells_of_late_was_the_last(hall: Hall) -> None:
    hospital(hall.house, desk={"callback_tries": 1})
    hall.agent()
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    ring, leg = asked_and_taken(hall, entry)
    hangs_up_before_the_dial(hall, ring)
    assert hall.fresh(entry).status == "waiting"
    hall.says(leg, "no_answer")
    hall.forward(minutes=10)
    hall.tick()
    assert hall.live_rings() == []
    assert (hall.fresh(entry).status, hall.fresh(entry).tries) == ("unreached", 1)
    assert [wanted.kind for wanted in hall.tickets] == ["call_back"]


def test_an_engaged_line_is_no_try(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    call = hall.accepts(hall.ring_of(entry))
    hall.rings(ONE)  # on the hotline again, in a menu
    refused = hall.connects(call)
    assert isinstance(refused, gate.Refused)
    assert refused.reason == "number_in_use"
    fresh = hall.fresh(entry)
    assert (fresh.status, fresh.tries) == ("waiting", 0)
    assert fresh.next_step_at is not None
    assert fresh.next_step_at > hall.now


@pytest.mark.parametrize(
    ("waited", "number", "left"),
    [(5, ONE, ("waiting", "callback", "abandoned")), (4, ONE, ("abandoned", "line", "caller")),
     (60, "", ("abandoned", "line", "caller"))],
)  # fmt: skip
def test_who_hangs_up_while_waiting_is_rung_back(
    hall: Hall, waited: int, number: str, left: tuple[str, str, str]
) -> None:
    hall.agent(state="ready")
    entry = hall.enters(number)
    hall.forward(seconds=waited)
    hall.hangs_up(entry)
    assert standing(hall, entry) == left


def test_the_agent_who_is_rung_is_let_go_when_the_caller_hangs_up(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.posted(ring)
    hall.forward(seconds=6)
    hall.hangs_up(entry)
    hall.run_jobs()
    assert hall.live_rings() == []
    assert (hall.who("kim").status, hall.who("kim").misses) == ("ready", 0)
    assert [offer.decision for offer in hall.offers()] == ["gone"]


def test_an_agent_who_presses_the_key_too_late_is_told(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    call = hall.answers(ring)
    hall.forward(seconds=6)
    hall.hangs_up(entry)
    assert call is not None
    hall.publish(events.AgentDecided(ring.id, "accepted"))
    with hall.house.transaction() as session:
        told = Desk().agent_facts(session, session.get_one(Call, call.id), hall.now)
    assert (told["waits"], told["mine"], told["talked"]) == (False, False, False)
    assert "surname" not in told


def test_who_gave_up_is_rung_at_once_or_in_the_morning_but_not_at_night(hall: Hall) -> None:
    hall.agent(state="paused")
    hall.agent("kim", state="ready")
    zone = hall.house.settings.hospital.timezone.key
    hall.forward(hours=13)  # 23:00
    soon, late = hall.enters(ONE), hall.enters(TWO)
    hall.forward(seconds=30)
    for entry in (soon, late):
        hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    assert hall.fresh(soon).status == "offered"
    hall.talks(soon)
    hall.forward(minutes=11)
    hall.tick()
    fresh = hall.fresh(late)
    assert fresh.status == "waiting"
    assert hall.live_rings() == []
    assert fresh.next_step_at is not None
    assert calendar.part_of_day(fresh.next_step_at, zone) == "morning"
    hall.forward(seconds=(fresh.next_step_at - hall.now).total_seconds())
    hall.tick()
    assert hall.fresh(late).status == "offered"


@pytest.mark.parametrize("why", ["asked", "abandoned"])
def test_a_number_somebody_else_may_have_keyed_is_not_rung_at_night(hall: Hall, why: str) -> None:
    """Whoever hides their own number can key anybody's."""
    hall.agent("kim")
    zone = hall.house.settings.hospital.timezone.key
    hall.forward(hours=13)  # 23:00
    entry = hall.enters("")
    assert entry.call_id is not None
    with hall.house.transaction() as session:
        session.get_one(Call, entry.call_id).callback = ONE
    hall.forward(seconds=10)
    if why == "asked":
        hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    fresh = hall.fresh(entry)
    assert (fresh.status, fresh.origin, fresh.party) == ("waiting", why, ONE)
    assert hall.live_rings() == []
    assert fresh.next_step_at is not None
    assert calendar.part_of_day(fresh.next_step_at, zone) == "morning"
    hall.forward(seconds=(fresh.next_step_at - hall.now).total_seconds())
    hall.tick()
    assert hall.fresh(entry).status == "offered", "and not given up: in the morning they are rung"


def test_pain_is_rung_back_at_any_hour_wherever_the_number_came_from(hall: Hall) -> None:
    hall.agent("kim")
    hall.forward(hours=13)
    entry = hall.enters("", reason="postop")
    assert entry.call_id is not None
    with hall.house.transaction() as session:
        session.get_one(Call, entry.call_id).callback = ONE
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    assert hall.fresh(entry).status == "offered"


def test_a_number_that_was_shown_is_rung_at_night_by_who_asked_for_it(hall: Hall) -> None:
    hall.agent("kim")
    hall.forward(hours=13)
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    assert hall.fresh(entry).status == "offered"


@pytest.mark.parametrize("how", ["line broke", "asked"])
def test_who_rings_in_again_soon_has_the_place_they_had(hall: Hall, how: str) -> None:
    hall.agent(skills=("theme",), languages=("zh-CN",))
    first = hall.enters(ONE, reason="postop")
    hall.forward(seconds=10)
    second = hall.enters(TWO, reason="postop")
    if how == "asked":
        hall.leaves(first, "callback")
    hall.hangs_up(first)
    hall.forward(minutes=4)
    again = hall.enters(ONE)  # not a word about the pain this time
    assert hall.fresh(first).status == "cancelled"
    with hall.house.transaction() as session:
        assert [waiting.id for waiting in queue.board(session, hall.now)] == [again.id, second.id]
        assert queue.ahead(session, session.get_one(QueueEntry, again.id), again.priority, hall.now) == 0
        call = session.get_one(Call, again.call_id)
        assert Desk().stays(session, call, hall.now) == "yes", "their four minutes elsewhere are no wait on the line"
    hall.forward(seconds=181)
    with hall.house.transaction() as session:
        assert Desk().stays(session, session.get_one(Call, again.call_id), hall.now) == "overflow"


def test_who_rings_in_again_later_stands_at_the_end(hall: Hall) -> None:
    hall.agent(skills=("theme",), languages=("zh-CN",))
    first = hall.enters(ONE)
    hall.forward(seconds=10)
    second = hall.enters(TWO)
    hall.hangs_up(first)
    hall.forward(minutes=6)
    again = hall.enters(ONE)
    with hall.house.transaction() as session:
        assert [waiting.id for waiting in queue.board(session, hall.now)] == [second.id, again.id]


def test_a_hidden_number_that_was_keyed_takes_nobodys_place(hall: Hall) -> None:
    hall.agent(skills=("theme",), languages=("zh-CN",))
    first = hall.enters(ONE)
    hall.forward(seconds=10)
    hall.hangs_up(first)
    hall.forward(seconds=20)
    call = hall.rings("")
    with hall.house.transaction() as session:
        session.get_one(Call, call.id).callback = ONE
    with hall.house.transaction() as session:
        entry = queue.enter(session, session.get_one(Call, call.id), hall.now)
        assert entry is not None
        assert entry.entered_at == hall.now


def statements(hall: Hall) -> list[str]:
    """What one look at the line asks the database."""
    asked: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    sa.event.listen(hall.house.engine, "before_cursor_execute", hear)
    try:
        hall.tick()
    finally:
        sa.event.remove(hall.house.engine, "before_cursor_execute", hear)
    return asked


def waits_to_be_rung(hall: Hall, number: str) -> QueueEntry:
    entry = hall.enters(number)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    return entry


def test_while_nobody_is_free_a_long_list_asks_no_more_than_a_short_one(hall: Hall) -> None:
    hall.agent(state="ready")
    with hall.house.transaction() as session:
        session.execute(sa.update(Agent).values(status="talking"))
    waits_to_be_rung(hall, CALLERS[0])
    hall.forward(seconds=6)
    hall.tick()
    short = len(statements(hall))
    for number in CALLERS[1:20]:
        waits_to_be_rung(hall, number)
    hall.forward(seconds=6)
    hall.tick()
    assert len(statements(hall)) <= short


def test_only_whose_turn_it_is_is_asked_about(hall: Hall) -> None:
    """One agent is free and twenty wait: the gate is asked about the first, not about all of them every second."""
    hall.agent("kim")
    entries = [waits_to_be_rung(hall, number) for number in CALLERS[:20]]
    hall.forward(seconds=6)
    hall.tick()
    assert hall.fresh(entries[0]).status == "offered"
    asked = statements(hall)
    assert sum("refusals" in statement for statement in asked) == 0
    assert len(asked) < 20


def test_a_call_back_without_a_line_is_asked_about_once_in_a_while(hall: Hall) -> None:
    hall.agent("kim")
    entry = waits_to_be_rung(hall, ONE)
    hospital(hall.house, calling={"lines": 3, "lines_reserved": 2})
    others = [hall.rings(number) for number in CALLERS[5:8]]
    for _ in range(30):
        hall.forward(seconds=1)
        hall.tick()
    with hall.house.transaction() as session:
        refused = session.scalars(sa.select(Refusal).where(Refusal.subject_id == entry.id)).all()
    assert [(row.kind, row.reason) for row in refused] == [("caller", "no_line")]
    assert refused[0].times <= 3
    with hall.house.transaction() as session:
        session.execute(sa.update(Call).where(Call.id.in_([call.id for call in others])).values(status="completed"))
    hall.forward(seconds=10)
    hall.tick()
    assert hall.fresh(entry).status == "offered"


def test_who_waits_on_the_line_while_ours_are_full_does_not_lose_the_place(hall: Hall) -> None:
    hall.agent("kim")
    first = hall.enters(ONE)
    hospital(hall.house, calling={"lines": 1, "lines_reserved": 0})
    for _ in range(10):
        hall.forward(seconds=1)
        hall.tick()
    with hall.house.transaction() as session:
        refused = session.scalars(sa.select(Refusal).where(Refusal.subject_id == first.id)).all()
        assert [row.reason for row in refused] == ["no_line"]
        assert refused[0].times <= 6
        assert queue.ahead(session, None, 0, hall.now) == 1
    hospital(hall.house, calling={"lines": 9, "lines_reserved": 0})
    hall.forward(seconds=2)
    hall.tick()
    assert hall.fresh(first).status == "offered"


def test_who_may_not_be_rung_now_makes_way_for_the_next(hall: Hall) -> None:
    hall.agent("kim")
    busy, next_one = waits_to_be_rung(hall, ONE), waits_to_be_rung(hall, TWO)
    hall.rings(ONE)  # on the line with us again, in a menu
    hall.forward(seconds=6)
    hall.tick()
    assert hall.fresh(busy).status == "waiting"
    assert hall.fresh(next_one).status == "offered"


def test_hours_until_a_lost_end_is_noticed_are_nobodys_talk(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(entry.call_id, ring.id))
    hall.forward(seconds=90)
    with hall.house.transaction() as session:  # the end came, and whoever listens for it did not hear
        session.execute(
            sa.update(Attempt)
            .where(Attempt.id == ring.id)
            .values(status="ended", outcome="answered", ended_at=hall.now)
        )
    hall.forward(hours=2)
    hall.tick()
    fresh = hall.fresh(entry)
    assert (fresh.status, fresh.talk_s) == ("served", 90)


def test_who_rings_in_again_is_taken_off_the_list(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=6)
    hall.tick()
    ring = hall.ring_of(entry)
    hall.posted(ring)
    again = hall.enters(ONE)
    assert hall.fresh(entry).status == "cancelled"
    hall.run_jobs()
    hall.tick()
    assert hall.fresh(again).status == "offered"


def test_who_rings_in_again_and_hangs_up_at_once_is_still_rung_back(hall: Hall) -> None:
    hall.agent(skills=("theme",))
    entry = hall.enters(ONE, reason="postop")
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=20)
    again = hall.enters(ONE, reason="postop")
    hall.forward(seconds=3)
    hall.hangs_up(again)
    assert standing(hall, entry)[0] == "cancelled"
    assert standing(hall, again) == ("waiting", "callback", "abandoned")


def test_who_asked_to_be_rung_back_and_comes_again_in_the_same_call_waits_again(hall: Hall) -> None:
    hall.agent(state="ready", skills=("theme",))
    entry = hall.enters(ONE, reason="postop")
    hall.leaves(entry, "callback")
    with hall.house.transaction() as session:
        call = session.get_one(Call, entry.call_id)
        again = queue.enter(session, call, hall.now)
    assert again is not None
    assert again.id == entry.id
    assert standing(hall, entry) == ("waiting", "line", "caller")


def test_a_withheld_number_keyed_after_the_key_is_the_one_rung(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters("")
    hall.leaves(entry, "callback")
    with hall.house.transaction() as session:
        session.get_one(Call, entry.call_id).callback = ONE
    hall.hangs_up(entry)
    hall.forward(seconds=21)
    hall.tick()
    assert isinstance(hall.connects(hall.accepts(hall.ring_of(entry))), Attempt)


def test_without_any_number_nobody_can_be_rung(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters("")
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    hall.forward(seconds=21)
    hall.tick()
    assert hall.fresh(entry).status == "abandoned"


@pytest.mark.parametrize("why", ["message", "overflow", "closed", "error"])
@pytest.mark.parametrize("ticket", [True, False])
def test_who_was_sent_to_a_message_and_left_none_is_rung_back(hall: Hall, why: str, ticket: bool) -> None:
    hall.agent()
    entry = hall.enters(ONE)
    hall.forward(seconds=40)
    hall.leaves(entry, why)
    assert hall.fresh(entry).status == ("message" if why in ("message", "overflow") else "cancelled")
    hall.forward(seconds=25)
    hall.tick()
    assert hall.fresh(entry).mode == "line", "still on the telephone"
    if ticket:
        with hall.house.transaction() as session:
            session.add(
                Ticket(
                    number="00000117", kind="message", colour="blue", link="other", problem="other", nature="request",
                    channel="phone", language="en", call_id=entry.call_id, status="open", opened_at=hall.now,
                    preset="A", due_at=hall.now, department="", contact=ONE, first_owner="", owner="", told_how="",
                )
            )  # fmt: skip
    hall.hangs_up(entry)
    hall.forward(seconds=25)
    hall.tick()
    fresh = hall.fresh(entry)
    assert (fresh.mode, fresh.origin) == (("line", "caller") if ticket else ("callback", "abandoned"))
    assert (fresh.ended_at is None) == (not ticket)


def test_overflow_and_an_empty_desk_end_the_wait(hall: Hall) -> None:
    login = hall.agent(skills=("theme",))
    entry = hall.enters(ONE, reason="postop", language="zh-CN")
    desk = Desk()

    def stays() -> str:
        with hall.house.transaction() as session:
            return desk.stays(session, session.get_one(Call, entry.call_id), hall.now)

    assert stays() == "yes"
    hall.forward(seconds=179)
    assert stays() == "yes"
    hall.forward(seconds=1)
    assert stays() == "overflow"
    hall.tick()
    assert stays() == "yes", "somebody is being rung for them"
    hall.run_jobs()
    with hall.house.transaction() as session:
        agents.sign(session, login, "off", "test", hall.now)
    hall.run_jobs()
    assert hall.fresh(entry).status == "waiting"
    assert stays() == "closed"


def test_nobody_signed_in_is_nothing_to_wait_for(hall: Hall) -> None:
    hall.agent(state="paused")
    call = hall.rings(ONE)
    with hall.house.transaction() as session:
        assert Desk().enter(session, session.get_one(Call, call.id), hall.now) == "closed"
    assert hall.entries() == []


def test_a_call_back_nobody_can_make_becomes_a_ticket(hall: Hall) -> None:
    hall.agent("kim")
    entry = hall.enters(ONE)
    hall.leaves(entry, "callback")
    hall.hangs_up(entry)
    with hall.house.transaction() as session:
        agents.sign(session, "kim", "off", "test", hall.now)
    hall.forward(minutes=121)
    hall.tick()
    hall.tick()
    assert hall.fresh(entry).status == "unreached"
    assert [wanted.kind for wanted in hall.tickets] == ["call_back"]


# ---- what the agent says of it -------------------------------------------------------------------
def test_the_agents_keys_after_the_talk(hall: Hall) -> None:
    hall.agent()
    first = hall.enters(ONE)
    hall.tick()
    ring = hall.talks(first)
    hall.publish(events.AgentSaid(ring.id, "ticket"), events.AgentSaid(ring.id, "solved"))
    assert hall.fresh(first).outcome == "ticket", "the first key stands"
    assert [(wanted.kind, wanted.subject_id) for wanted in hall.tickets] == [("agent_followup", first.id)]
    hall.forward(seconds=21)
    hall.tick()
    second = hall.enters(TWO)
    hall.tick()
    hall.publish(events.AgentSaid(hall.talks(second).id, "call_again"))
    later = hall.entries()[-1]
    assert (later.status, later.mode, later.party) == ("waiting", "callback", TWO)
    assert later.next_step_at == hall.now + timedelta(minutes=10)


def test_a_call_again_of_the_evening_is_made_in_the_morning(hall: Hall) -> None:
    hall.agent()
    hall.forward(hours=10, minutes=50)  # 20:50
    first = hall.enters(ONE)
    hall.tick()
    hall.publish(events.AgentSaid(hall.talks(first).id, "call_again"))
    hall.hangs_up(first)
    later = hall.entries()[-1]
    assert later.next_step_at is not None
    assert later.next_step_at - hall.now > timedelta(hours=11)
    with hall.house.transaction() as session:
        assert [row.waited_s for row in queue.board(session, hall.now)] == [0]
    hall.forward(seconds=(later.next_step_at - hall.now).total_seconds())
    hall.tick()
    hall.tick()
    assert hall.fresh(later).status == "offered"
    assert hall.tickets == []


def test_a_call_again_nobody_could_make_before_night_waits_for_the_morning(hall: Hall) -> None:
    hall.agent("kim")
    hall.forward(hours=10, minutes=30)  # 20:30
    first = hall.enters(ONE)
    hall.tick()
    hall.publish(events.AgentSaid(hall.talks(first).id, "call_again"))
    hall.hangs_up(first)
    later = hall.entries()[-1]
    hall.forward(minutes=45)
    hall.tick()
    hall.tick()
    assert hall.live_rings() == []
    waits = hall.fresh(later).next_step_at
    assert waits is not None
    assert waits > hall.now + timedelta(hours=9)


# ---- a call the desk itself wants ----------------------------------------------------------------
def a_ticket(hall: Hall, contact: str = ONE) -> Ticket:
    with hall.house.transaction() as session:
        ticket = Ticket(
            number="00000217", kind="complaint_medical", colour="red", link="other", problem="other",
            nature="complaint", channel="phone", language="en", status="open", opened_at=hall.now, preset="A",
            due_at=hall.now, department="", contact=contact, first_owner="", owner="", told_how="",
        )  # fmt: skip
        session.add(ticket)
    return ticket


def test_the_desk_rings_somebody_about_a_ticket(hall: Hall) -> None:
    hall.agent("kim")
    hall.agent("lee")
    ticket = a_ticket(hall)
    with hall.house.transaction() as session:
        entry = queue.want_call(session, ticket, "lee", hall.now)
    hall.tick()
    ring = hall.ring_of(entry)
    assert ring.to == AGENT_PHONES[1]
    call = hall.accepts(ring)
    with hall.house.transaction() as session:
        assert Desk().agent_facts(session, session.get_one(Call, call.id), hall.now)["ticket"] == ticket.number
    assert isinstance(hall.connects(call), Attempt)
    hall.publish(events.CallerTaken(None, ring.id), events.AgentTalked(ring.id, 33))
    hall.says(ring, "completed")
    assert hall.fresh(entry).status == "served"
    assert "talked" in hall.ledger(ticket.id)


def test_a_call_about_a_ticket_is_refused_with_a_sentence(hall: Hall) -> None:
    hall.agent("kim")
    hall.agent("lee", state="off")
    ticket, nobody = a_ticket(hall), "max"
    for login, words in ((nobody, "no telephone"), ("lee", "not signed in")):
        with hall.house.transaction() as session, pytest.raises(queue.QueueProblem, match=words):
            queue.want_call(session, ticket, login, hall.now)
    with hall.house.transaction() as session:
        queue.want_call(session, ticket, "kim", hall.now)
    with hall.house.transaction() as session, pytest.raises(queue.QueueProblem, match="under way"):
        queue.want_call(session, ticket, "kim", hall.now)


def test_two_people_who_want_the_same_call_at_once_ring_once(hall: Hall) -> None:
    logins = [hall.agent() for _ in range(4)]
    ticket, together = a_ticket(hall), Barrier(4)

    def wants(login: str) -> bool:
        together.wait()
        try:
            with hall.house.transaction() as session:
                queue.want_call(session, session.get_one(Ticket, ticket.id), login, hall.now)
        except queue.QueueProblem:
            return False
        return True

    with ThreadPoolExecutor(4) as people:
        assert sum(people.map(wants, logins)) == 1
    assert len(hall.entries()) == 1


def test_an_agent_who_does_not_want_to_ring_is_asked_three_times(hall: Hall) -> None:
    hall.agent("kim")
    with hall.house.transaction() as session:
        entry = queue.want_call(session, a_ticket(hall), "kim", hall.now)
    for _ in range(3):
        hall.tick()
        ring = hall.ring_of(entry)
        hall.answers(ring)
        hall.publish(events.AgentDecided(ring.id, "declined"))
        hall.says(ring, "completed")
        hall.forward(seconds=61)
    hall.tick()
    assert hall.fresh(entry).status == "unreached"
    assert hall.tickets == [], "the ticket is there already"


# ---- reading -------------------------------------------------------------------------------------
def test_the_place_in_line_counts_who_is_before(hall: Hall) -> None:
    hall.agent(skills=("theme",))
    desk = Desk()
    first = hall.enters(ONE, reason="department")
    hall.forward(seconds=1)
    second = hall.enters(TWO, reason="department")
    hall.forward(seconds=1)
    urgent = hall.enters(CALLERS[2], reason="postop")
    hall.leaves(urgent, "callback")
    hall.hangs_up(urgent)

    def ahead(entry: QueueEntry) -> object:
        with hall.house.transaction() as session:
            return desk.hotline_facts(session, session.get_one(Call, entry.call_id), hall.now)["ahead"]

    assert (ahead(first), ahead(second)) == (0, 1)
    hall.forward(seconds=6)
    assert (ahead(first), ahead(second)) == (1, 2), "the more urgent call back is due now"
    with hall.house.transaction() as session:
        rows = queue.board(session, hall.now)
    assert [row.id for row in rows] == [urgent.id, first.id, second.id]
    assert [row.place for row in rows] == [1, 2, 3]
    assert rows[1].waited_s == 8


def test_the_agent_hears_why_and_for_how_long_and_the_name_only_afterwards(hall: Hall) -> None:
    hospital(
        hall.house, hotline={"departments": [{"name": "surgery", "say": {"zh-CN": "外科", "en": "Surgery"}}]},
        calling={"lines": 60},
    )  # fmt: skip
    hall.patient(ONE)
    hall.agent()
    hall.agent(state="paused")
    entry = hall.enters(ONE, reason="complaint_medical", department="surgery")
    hall.forward(seconds=130)
    hall.tick()
    ring = hall.ring_of(entry)
    call = hall.answers(ring)
    assert call is not None

    def told() -> dict[str, object]:
        with hall.house.transaction() as session:
            return dict(Desk().agent_facts(session, session.get_one(Call, call.id), hall.now))

    before = told()
    assert before["reason.en"] == "a complaint about treatment"
    assert (before["dept.en"], before["dept.zh-CN"]) == ("Surgery", "外科")
    assert (before["tongue.en"], before["minutes"], before["back"]) == ("English", 2, False)
    assert "surname" not in before
    hall.publish(events.AgentDecided(ring.id, "accepted"))
    assert (told()["surname"], told()["sex"]) == ("Example", "female")


# ---- two workers ---------------------------------------------------------------------------------
def test_two_workers_ring_one_agent_once_and_give_a_caller_one_agent(hall: Hall) -> None:
    for _ in range(4):
        hall.agent()
    for number in range(3):
        hall.enters(CALLERS[number])
    together = Barrier(4)

    def work(_: int) -> None:
        together.wait()
        for _ in range(5):
            hall.tick()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    offers = hall.offers()
    assert len(offers) == 3
    assert len({offer.agent_id for offer in offers}) == len({offer.entry_id for offer in offers}) == 3
    assert len({ring.to for ring in hall.live_rings()}) == 3


@pytest.mark.parametrize("twice", ["entry_id", "agent_id"])
def test_the_database_itself_refuses_a_second_ring_for_a_caller_or_at_an_agent(hall: Hall, twice: str) -> None:
    hall.agent()
    hall.agent()
    hall.enters(ONE)
    hall.enters(TWO)
    hall.tick()
    first, second = hall.offers()
    with pytest.raises(sa.exc.IntegrityError), hall.house.transaction() as session:
        session.execute(sa.update(QueueOffer).where(QueueOffer.id == second.id).values({twice: getattr(first, twice)}))


def test_a_tick_that_cannot_ring_for_one_rings_for_the_others(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        hall.agent()
    broken, fine = hall.enters(ONE), hall.enters(TWO)
    place = queue_due._ring

    def stumbles(session: object, entry: QueueEntry, *rest: object) -> None:
        if entry.id == broken.id:
            raise RuntimeError("for the test")
        place(session, entry, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(queue_due, "_ring", stumbles)
    hall.tick()
    assert (hall.fresh(broken).status, hall.fresh(fine).status) == ("waiting", "offered")


def test_the_tick_goes_by_index_whatever_years_have_left_behind(house: House) -> None:
    hall = Hall(house)
    hall.agent()
    hall.enters(ONE)
    with house.transaction() as session:
        session.execute(
            sa.text(
                "INSERT INTO queue_entries (id, party, reason, department, language, priority, mode, origin, status,"
                " why, tries, entered_at, outcome) SELECT md5('q' || n)::uuid, 'x', '', '', 'en', 0, 'line', 'caller',"
                " 'served', '', 0, '2030-01-01', '' FROM generate_series(1, 20000) n"
            )
        )
        on_file(session, 20_000)
        session.execute(sa.text("ANALYZE queue_entries"))
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    sa.event.listen(house.engine, "before_cursor_execute", note)
    try:
        assert hall.tick() == 1
    finally:
        sa.event.remove(house.engine, "before_cursor_execute", note)
    with house.engine.connect() as connection:
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
            plan = "\n".join(str(row) for row in rows)
            for table in ("queue_entries", "calls", "attempts"):
                assert f"Seq Scan on {table}" not in plan, f"{statement}\n{plan}"
