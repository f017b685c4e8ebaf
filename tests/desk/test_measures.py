"""The figures of the desk, each worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from core import events, holidays
from desk import measures, tickets
from desk.models import QueueEntry
from dialer.models import Call
from tests.desk.desk_house import AGENT_PHONES, CALLERS, Hall
from tests.scheduler.clinic import hospital


def told(hall: Hall) -> measures.Report:
    """Of the whole span; every call is over."""
    for call in hall.live_calls():
        with hall.house.transaction() as session:
            from dialer import call as calls

            row = calls.locked(session, call.id)
            assert row is not None
            calls.carrier_says(session, row, "completed", hall.now)
    with hall.house.transaction() as session:
        return measures.report(session, hall.now - timedelta(days=30))[-1]


def served(hall: Hall, number: str, *, after: int, talk: int, reason: str = "theme") -> QueueEntry:
    """A caller joined with an agent `after` seconds in line, for `talk` seconds."""
    entry = hall.enters(number, reason=reason)
    hall.forward(seconds=after)
    hall.tick()
    hall.talks(entry, talk)
    hall.hangs_up(entry)
    hall.forward(seconds=30)
    hall.tick()
    return entry


def test_nothing_is_no_figure(hall: Hall) -> None:
    found = told(hall)
    assert (found.day, found.calls, found.entered) == ("all", 0, 0)
    assert found.within == {3: None, 10: None, 15: None}
    assert (found.abandonment, found.talk_s, found.contained, found.resolved_first) == (None, None, None, None)


def test_answered_in_time_counts_from_entering_the_line(hall: Hall) -> None:
    hall.agent()
    for number, after in enumerate((2, 9, 15, 16)):
        served(hall, CALLERS[number], after=after, talk=10)
    found = told(hall)
    assert (found.entered, found.answered) == (4, 4)
    assert found.within == {3: 0.25, 10: 0.5, 15: 0.75}


def test_who_hangs_up_is_abandoned_also_when_rung_back_later(hall: Hall) -> None:
    hall.agent()
    served(hall, CALLERS[0], after=1, talk=10)
    back = hall.enters(CALLERS[1])
    hall.forward(seconds=7)
    hall.hangs_up(back)
    hall.forward(seconds=6)
    hall.tick()
    ring = hall.ring_of(back)
    hall.connects(hall.accepts(ring))
    hall.publish(events.CallerTaken(None, ring.id), events.AgentTalked(ring.id, 20))
    hall.says(ring, "completed")
    short = hall.enters(CALLERS[2])
    hall.forward(seconds=2)
    hall.hangs_up(short)
    found = told(hall)
    assert (found.entered, found.abandoned, found.answered) == (3, 2, 2)
    assert found.abandonment == 0.667


def test_a_call_again_is_nobody_more_in_line(hall: Hall) -> None:
    hall.agent()
    served(hall, CALLERS[0], after=1, talk=10)
    hall.publish(events.AgentSaid(hall.offers()[-1].attempt_id, "call_again"))
    assert len(hall.entries()) == 2
    found = told(hall)
    assert (found.entered, found.answered, found.within[3]) == (1, 1, 1.0)


def test_the_average_talk_stands_beside_its_target(hall: Hall) -> None:
    hall.agent()
    for number, talk in enumerate((100, 250, 300)):
        served(hall, CALLERS[number], after=1, talk=talk)
    found = told(hall)
    assert (found.talk_s, found.talk_target_s) == (216.7, 200)


@pytest.mark.parametrize(
    ("days", "reason", "number", "resolved"),
    [(6, "theme", 0, 0.5), (8, "theme", 0, 1.0), (6, "services", 0, 1.0), (6, "theme", 2, 1.0)],
)
def test_who_rings_again_for_the_same_reason_was_not_helped(
    hall: Hall, days: int, reason: str, number: int, resolved: float
) -> None:
    hall.agent()
    served(hall, CALLERS[0], after=1, talk=10)
    served(hall, CALLERS[1], after=1, talk=10)
    hall.forward(days=days)
    hall.rings(CALLERS[number], reason=reason)
    assert told(hall).resolved_first == resolved


def test_who_hides_the_number_and_is_rung_back_is_not_judged(hall: Hall) -> None:
    hall.agent()
    entry = hall.enters("", reason="theme")
    hall.leaves(entry, "callback")
    with hall.house.transaction() as session:
        session.get_one(Call, entry.call_id).callback = CALLERS[0]
    hall.hangs_up(entry)
    hall.forward(seconds=21)
    hall.tick()
    hall.talks(entry)
    found = told(hall)
    assert (found.answered, found.resolved_first) == (1, None)


def test_what_the_menu_settles_alone_is_contained(hall: Hall) -> None:
    hall.agent()
    served(hall, CALLERS[0], after=1, talk=10)
    for number in range(1, 4):
        left_word = hall.rings(CALLERS[number])
    found = told(hall)
    assert (found.calls, found.contained) == (4, 0.75)
    with hall.house.transaction() as session:
        tickets.open_(session, "message", hall.now, call=session.get_one(Call, left_word.id))
    assert told(hall).contained == 0.5, "a message is somebody's work"


def test_an_agent_who_signs_in_is_no_caller_and_a_second_call_back_nobody_in_line(hall: Hall) -> None:
    hall.agent()
    signing = hall.rings(AGENT_PHONES[0])
    with hall.house.transaction() as session:
        session.get_one(Call, signing.id).flow = "agent_sign"
    told(hall)  # and hangs up
    entry = hall.enters(CALLERS[0])
    hall.tick()
    hall.publish(events.AgentSaid(hall.talks(entry, 10).id, "call_again"))
    assert len(hall.entries()) == 2
    found = told(hall)
    assert (found.calls, found.contained) == (1, 0.0)
    assert (found.entered, found.answered) == (1, 1)


def test_the_theme_key_leads_to_a_talk_a_ticket_or_a_visit(hall: Hall) -> None:
    from core.models import record

    hall.agent()
    chosen = [served(hall, CALLERS[0], after=1, talk=10).call_id, hall.rings(CALLERS[1]).id, hall.rings(CALLERS[2]).id]
    with hall.house.transaction() as session:
        for call_id in chosen:
            record(session, "call", call_id, "reason", hall.now, who="caller", reason="theme")
        record(session, "call", chosen[1], "reason", hall.now, who="caller", reason="operator")
    found = told(hall)
    assert (found.theme_chosen, found.theme_converted) == (3, 0.333)
    with hall.house.transaction() as session:
        booked = measures.report(session, hall.now - timedelta(days=1), {chosen[1]})[-1]  # type: ignore[arg-type]
    assert booked.theme_converted == 0.667


def test_by_day_on_the_hospitals_calendar(hall: Hall) -> None:
    hall.agent()
    served(hall, CALLERS[0], after=1, talk=10)
    hall.forward(hours=15)  # after midnight in Shanghai, the same day in UTC
    served(hall, CALLERS[1], after=20, talk=10)
    told(hall)
    with hall.house.transaction() as session:
        rows = measures.report(session, hall.now - timedelta(days=3))
    assert [(row.day, row.entered, row.within[15]) for row in rows] == [
        ("2031-03-07", 1, 1.0), ("2031-03-08", 1, 0.0), ("all", 2, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hour", "holiday", "required", "why"),
    [(10, False, 5, "day"), (10, True, 8, "day, holiday"), (22, False, 1, "night"), (22, True, 2, "night, holiday"),
     (7, False, 1, "night"), (8, False, 5, "day")],
)  # fmt: skip
def test_seats_by_day_by_night_and_on_holidays(hall: Hall, hour: int, holiday: bool, required: int, why: str) -> None:
    hospital(hall.house, desk={"seats": 5, "night_seats": 1})
    hall.forward(hours=hour - 10)
    hall.agent()
    hall.agent(state="paused")
    hall.agent(state="off")
    with hall.house.transaction() as session:
        if holiday:
            holidays.set_day(session, date(2031, 3, 7), "holiday", "for the test", "staff", hall.now)
        found = measures.seats(session, hall.now)
    assert (found.required, found.signed_in, found.why) == (required, 2, why)
    assert found.short == (required > 2)
