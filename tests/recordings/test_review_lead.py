"""A lead gives a review to somebody else, or ends what nobody can judge; what hangs on it is settled."""

from __future__ import annotations

import uuid
from datetime import timedelta

import sqlalchemy as sa

from console.models import User
from core.models import EventRow
from recordings.models import DrawRow
from recordings.quality import agreement, coaching, qa_figures, review_lead, reviews
from recordings.review_models import CoachingTask, QaNote, ReviewMark
from recordings.sampling import sample
from tests.recordings.listeners import NO, Office
from tests.recordings.test_coaching import coached, daily, finish, rechecks, tasks
from tests.recordings.test_reviews import refused


def drop(office: Office, review_id: uuid.UUID, who: str = "boss", why: str = "nothing to hear") -> int:
    with office.transaction() as session:
        return review_lead.drop(session, review_id, who, why, office.now)


def hand_over(office: Office, review_id: uuid.UUID, to: str = "", why: str = "ill") -> str:
    with office.transaction() as session:
        return review_lead.hand_over(session, review_id, to, "boss", why, office.now)


# ---- another rater ------------------------------------------------------------------------------------------


def test_a_draft_of_who_is_ill_is_begun_anew_by_another_who_sees_nothing_of_it(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    with office.transaction() as session:
        reviews.save(session, review.id, review.rater, {"need_met": NO}, "she sounded ill", office.now, version=0)
    office.admit("chief", "supervisor")
    assert hand_over(office, review.id, "chief") == "chief"
    with office.transaction() as session:
        assert session.scalars(sa.select(ReviewMark)).all() == []
        assert [(note.kind, note.text) for note in session.scalars(sa.select(QaNote))] == [("handed over", "ill")]
        sheet = reviews.sheet(session, review.id, "chief")
        assert (sheet.state, sheet.comment) == ("drawn", "")
        with refused("not_yours"):  # a window that still stands open
            reviews.save(session, review.id, review.rater, {}, "", office.now, version=1)
        told = session.scalars(sa.select(EventRow).where(EventRow.what == "hand over")).one()
        assert (told.from_state, told.to_state, told.data["marks"]) == ("draft", "drawn", 1)


def test_it_goes_to_nobody_who_rates_or_speaks_there_and_needs_a_reason(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review, other = office.review_of(recording), office.review_of(recording, seat=2)
    for to, why, key in (
        ("amy", "ill", "no_rater"), (other.rater, "ill", "same_person"), (review.rater, "ill", "same_person"),
        ("", " ", "no_comment"),
    ):  # fmt: skip
        with refused(key):
            hand_over(office, review.id, to, why)
    assert (other.rater, hand_over(office, review.id)) == ("boss", "qa2"), "the only one who is left"
    with office.transaction() as session:
        session.execute(sa.update(User).where(User.login == review.rater).values(active=False))
    with refused("nobody_else"):
        hand_over(office, other.id)


def test_everything_of_one_rater_goes_at_once_and_what_nobody_can_take_stays(office: Office) -> None:
    for _ in range(6):
        office.record("amy")
    office.opened()
    mine = [row.id for row in office.rows() if row.rater == "qa1"]
    with office.transaction() as session:
        given, left = review_lead.hand_over_all(session, "qa1", "", "boss", "left us", office.now)
    assert (given + left, [row.id for row in office.rows() if row.rater == "qa1"]) == (len(mine), mine[:0])


# ---- what cannot be judged ----------------------------------------------------------------------------------


def test_with_a_call_go_all_ratings_of_it_and_the_draw_stays_as_it_was(office: Office) -> None:
    recordings = [office.record("amy") for _ in range(3)]
    office.opened()
    second = next(row for row in office.rows() if row.seat == 2)
    first = office.review_of(second.subject_id)
    assert drop(office, first.id) == 2
    assert {office.review_of(second.subject_id, seat).state for seat in (1, 2)} == {"dropped"}
    with office.transaction() as session:
        draw = session.scalars(sa.select(DrawRow)).one()
        assert len(sample.picks(session, draw)) == len(recordings)
        assert sample.draw_day(session, draw.day, 7, office.now).id == draw.id, "it replays"
        assert reviews.open_day(session, draw.day, office.now).opened == 0, "nothing in its place, and not again"
        (line, _) = review_lead.dropped(session, office.now - timedelta(days=1))
        assert (line.by, line.why) == ("boss", "nothing to hear")
        assert first.id not in {one.review_id for one in review_lead.in_hand(session)}
    for row in [row for row in office.rows() if row.state == "drawn"]:
        office.judge(row)
    finish(office)
    with office.transaction() as session:
        (amy,) = qa_figures.month(session, draw.day)
        assert amy.points.n == 2, "the interval is that of two calls"
        assert agreement.report(session, office.now - timedelta(days=30)) == [], "half a pair is none"


def test_a_rating_that_was_handed_in_stays_when_the_other_is_dropped(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording))
    assert drop(office, office.review_of(recording, seat=2).id) == 1
    assert office.review_of(recording).state == "submitted"
    with refused("closed"):
        drop(office, office.review_of(recording).id)


def test_nobody_drops_their_own_talk_or_without_a_reason(office: Office) -> None:
    office.hire("boss", role="supervisor")
    recording = office.record("boss")
    office.opened()
    review = office.review_of(recording)
    for who, why, key in (("boss", "noise", "own_talk"), ("qa1", "  ", "no_comment")):
        with refused(key):
            drop(office, review.id, who, why)
    with refused("no_review"):
        drop(office, uuid.uuid4())


def test_a_recheck_that_cannot_be_judged_gives_its_place_to_another_call(office: Office) -> None:
    """Three dropped re-checks once ended a task as if three calls had been good."""
    task = coached(office)
    for _ in range(3):
        office.record("amy")
    office.forward(minutes=1)
    daily(office)
    one, two, three = rechecks(office)
    drop(office, one.id)
    assert tasks(office)[0].state == "rechecking"
    office.judge(two)
    office.judge(three)
    finish(office)
    assert tasks(office)[0].rechecks == ("passed", "passed"), "two good calls are not three"
    office.record("amy")
    office.forward(minutes=1)
    daily(office)
    daily(office)
    (fourth,) = rechecks(office)
    late = office.record("amy")
    office.forward(minutes=1)
    drop(office, fourth.id)
    (fifth,) = rechecks(office)
    assert fifth.subject_id == late, "there was another already"
    office.judge(fifth)
    finish(office)
    with office.transaction() as session:
        assert session.get_one(CoachingTask, task.task_id).state == "held"


def test_what_the_machine_proposed_of_a_dropped_call_waits_for_a_person(office: Office) -> None:
    recordings = [office.record("amy") for _ in range(2)]
    for recording in recordings:
        office.hit(recording, "impatience")
    office.forward(minutes=1)
    office.opened()
    daily(office)
    for recording in recordings:
        drop(office, office.review_of(recording).id)
    (task,) = tasks(office)
    assert task.state == "proposed"
    with office.transaction() as session:
        coaching.dismiss(session, task.task_id, "boss", "nothing to hear", office.now)
    assert tasks(office) == []
