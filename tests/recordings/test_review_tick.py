"""The timetable of quality review."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from console.models import User
from recordings.quality import review_tick
from recordings.quality.vetoes import Complaint
from recordings.sampling import sample
from tests.recordings import days
from tests.recordings.listeners import DAY, Office


def tick(office: Office) -> None:
    """As the running service does (app.TICKS)."""
    with office.transaction() as session:
        sample.nightly(session, office.now)
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
    from recordings.quality import coaching, reviews

    for _ in range(3):
        office.hit(office.record("amy"), "impatience")
    with office.transaction() as session:
        days.draw_day(session, DAY, 1, office.now)
        reviews.open_day(session, DAY, office.now)
    office.forward(hours=15)
    with office.transaction() as session:
        days.draw_day(session, DAY, 2, office.now)  # opening that day again is refused
    office.house.clock.at = datetime(2031, 3, 7, 23, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    tick(office)
    with office.transaction() as session:
        assert [task.cause for task in coaching.open_tasks(session, now=office.now)] == ["phrases"]


def test_disputes_and_appeals_end_by_the_tick(office: Office) -> None:
    from recordings.quality import vetoes

    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording))
    with office.transaction() as session:
        veto = vetoes.uphold(session, "amy", Complaint("1234-58"), DAY, "boss", "heard", office.now)
    office.house.clock.at += timedelta(days=3)  # type: ignore[attr-defined]
    tick(office)
    assert office.review_of(recording).state == "final"
    with office.transaction() as session:
        from recordings.review_models import Veto

        assert session.get_one(Veto, veto).state == "stands"


def test_days_that_were_drawn_late_after_down_time_are_reviewed_too(office: Office) -> None:
    """Three days nobody ran the service: the draw catches up a day a minute, and each day gets its reviews."""
    first = office.record("amy")
    office.forward(days=1)
    tick(office)  # 2031-03-08 10:00: the service has run here before, and then not for two days
    assert office.review_of(first)
    missed = [office.record("ben"), *(office.record("ben", at=office.now + timedelta(days=day)) for day in (1, 2))]
    office.forward(days=3)
    for _ in range(4):
        tick(office)
        office.forward(minutes=1)
    assert {row.subject_id for row in office.rows() if row.seat == 1} == {first, *missed}


def test_a_late_hour_of_the_draw_still_gives_reviews(office: Office) -> None:
    """[qa] draw_at = 08:00: what is drawn at eight is reviewed, and at six nothing was drawn behind its back."""
    from datetime import time

    object.__setattr__(office.house.settings.file.qa, "draw_at", time(8))
    recording = office.record("amy")
    office.house.clock.at = datetime(2031, 3, 7, 22, 30, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    tick(office)  # 06:30
    assert office.rows() == []
    office.forward(hours=2)
    tick(office)
    assert office.review_of(recording).day == DAY


def test_what_a_rater_left_unbegun_goes_to_another_who_rates_it_in_no_other_seat(office: Office) -> None:
    object.__setattr__(office.house.settings.file.qa, "second_share", 1.0)
    recording = office.record("amy")
    office.opened()
    gone = office.review_of(recording).rater
    other = office.review_of(recording, seat=2).rater
    with office.transaction() as session:
        session.execute(sa.update(User).where(User.login == gone).values(active=False))
    tick(office)
    first = office.review_of(recording)
    assert first.rater not in (gone, other, "")
    assert first.version == 1, "an old window cannot keep marks"


def test_without_a_rater_reviews_wait_for_the_first_who_comes(office: Office) -> None:
    with office.transaction() as session:
        session.execute(sa.update(User).values(active=False))
    recording = office.record("amy")
    office.opened()
    tick(office)
    assert office.review_of(recording).rater == ""
    office.admit("new", "qa")
    tick(office)
    assert office.review_of(recording).rater == "new"
