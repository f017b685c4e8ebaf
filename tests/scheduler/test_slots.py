"""Slots of a session, and which of them are read out: the pure rules."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from scheduler import slots
from scheduler.slots import Slot
from tests.house import MID_MORNING

ZONE = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)
NINE = MID_MORNING + timedelta(hours=23)
"""Tomorrow, 09:00 in Shanghai."""


def clock(found: list[Slot]) -> list[str]:
    return [f"{slot.at.astimezone(ZONE):%d %H:%M}" for slot in found]


def all_free(starts_at: datetime, hours: int, count: int, session_id: uuid.UUID = ONE) -> list[Slot]:
    return slots.free(session_id, starts_at, starts_at + hours * HOUR, count, [], MID_MORNING)


def test_slots_are_equal_and_begin_on_whole_minutes() -> None:
    assert [f"{at.astimezone(ZONE):%H:%M:%S}" for at in slots.grid(NINE, NINE + HOUR, 7)] == [
        *("09:00:00", "09:08:00", "09:17:00", "09:25:00", "09:34:00", "09:42:00", "09:51:00")
    ]


def test_what_is_taken_too_soon_or_too_far_is_not_free() -> None:
    starts_at = MID_MORNING + HOUR
    assert clock(slots.free(ONE, starts_at, starts_at + 3 * HOUR, 3, {2}, MID_MORNING)) == []
    assert clock(slots.free(ONE, starts_at, starts_at + 3 * HOUR, 6, {3}, MID_MORNING)) == ["07 13:00", "07 13:30"]
    far = MID_MORNING + slots.FURTHEST
    assert len(slots.free(ONE, far - HOUR, far + HOUR, 2, [], MID_MORNING)) == 2
    assert len(slots.free(ONE, far, far + HOUR, 2, [], MID_MORNING)) == 1


def test_offers_are_spread_over_half_days_and_sessions() -> None:
    morning, long_day = all_free(NINE, 3, 12), all_free(NINE + timedelta(days=1), 8, 16, TWO)
    assert clock(slots.spread([*long_day, *morning], ZONE)) == ["08 09:00", "09 09:00", "09 12:00"]


def test_others_are_those_not_heard_yet_until_there_are_none() -> None:
    free, heard, pages = all_free(NINE, 4, 4), [], []
    while page := slots.spread(free, ZONE, heard):
        pages.append(clock(page))
        heard += [slot.key for slot in page]
    assert pages == [["08 09:00", "08 12:00"], ["08 10:00"], ["08 11:00"]]


@given(st.integers(1, 600), st.integers(1, 600))
def test_slots_lie_inside_and_never_at_one_time(minutes: int, count: int) -> None:
    ends_at = NINE + timedelta(minutes=max(minutes, count))
    times = slots.grid(NINE, ends_at, count)
    assert len(set(times)) == count
    assert times == sorted(times)
    assert times[0] == NINE
    assert times[-1] < ends_at


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 12), st.integers(1, 40)), max_size=12),
    st.integers(0, 40),
)
def test_an_offer_is_short_in_order_and_never_what_was_heard(
    sessions: list[tuple[int, int, int]], heard_count: int
) -> None:
    free = [
        slot
        for number, (ahead, hours, count) in enumerate(sessions)
        for slot in all_free(NINE + ahead * HOUR, hours, count, uuid.UUID(int=number))
    ]
    heard = [slot.key for slot in free[:heard_count]]
    page = slots.spread(free, ZONE, heard)
    assert len(page) <= slots.MOST_OFFERED
    assert page == sorted(page, key=lambda slot: slot.at)
    assert not {slot.key for slot in page} & set(heard)
    assert bool(page) == (len(free) > heard_count)


def test_a_key_names_the_slot_and_the_hour_that_was_heard() -> None:
    [slot] = all_free(NINE, 1, 1)
    assert Slot.of(slot.key) == slot


@given(st.integers(1, 30), st.integers(1, 30), st.integers(-3, 3), st.data())
def test_what_is_taken_keeps_its_hour_or_is_lost(before: int, after: int, later: int, data: st.DataObject) -> None:
    old = slots.grid(NINE, NINE + 3 * HOUR, before)
    new = slots.grid(NINE + later * HOUR, NINE + (3 + later) * HOUR, after)
    numbers = data.draw(st.sets(st.integers(0, before - 1)))
    placed, lost = slots.moved([(number, old[number]) for number in numbers], new)
    assert placed.keys() | set(lost) == numbers
    assert not placed.keys() & set(lost)
    assert all(new[there] == old[number] for number, there in placed.items())
    assert len(set(placed.values())) == len(placed)
    assert not {old[number] for number in lost} & set(new)
