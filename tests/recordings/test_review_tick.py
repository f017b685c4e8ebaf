"""The timetable of quality review."""

from __future__ import annotations

from datetime import datetime, timedelta

from recordings import review_tick
from tests.recordings.listeners import DAY, Office


def tick(office: Office) -> None:
    with office.transaction() as session:
        review_tick.due(session, office.now)


def test_yesterday_is_opened_once_from_six_on(office: Office) -> None:
    recording = office.record("amy")
    office.house.clock.at = datetime(2031, 3, 7, 21, 59, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    tick(office)  # 05:59 in Shanghai
    assert office.rows() == []
    office.forward(minutes=1)
    tick(office)
    first = office.review_of(recording)
    assert (first.day, first.opened_at, first.state) == (DAY, office.now, "drawn")
    count = len(office.rows())
    office.forward(minutes=1)
    tick(office)
    assert len(office.rows()) == count


def test_coaching_is_looked_for_also_when_the_day_cannot_be_opened(office: Office) -> None:
    from recordings import coaching, reviews, sample

    for _ in range(3):
        office.hit(office.record("amy"), "impatience")
    with office.transaction() as session:
        sample.draw_day(session, DAY, 1, office.now)
        reviews.open_day(session, DAY, office.now)
    office.forward(minutes=1)
    with office.transaction() as session:
        sample.draw_day(session, DAY, 2, office.now)  # opening that day again is refused
    office.house.clock.at = datetime(2031, 3, 7, 23, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    tick(office)
    with office.transaction() as session:
        assert [task.cause for task in coaching.open_tasks(session, now=office.now)] == ["phrases"]


def test_disputes_and_appeals_end_by_the_tick(office: Office) -> None:
    from recordings import vetoes

    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording))
    with office.transaction() as session:
        veto = vetoes.uphold(session, "amy", "1234-58", DAY, "boss", "heard", office.now)
    office.house.clock.at += timedelta(days=3)  # type: ignore[attr-defined]
    tick(office)
    assert office.review_of(recording).state == "final"
    with office.transaction() as session:
        from recordings.review_models import Veto

        assert session.get_one(Veto, veto).state == "stands"
