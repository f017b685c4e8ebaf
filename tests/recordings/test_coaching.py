"""Coaching: what opens a task, once; who sees it; and three later calls that decide."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.models import EventRow
from recordings.models import Recording
from recordings.quality import coaching, reviews
from recordings.quality.qa_shapes import Mark, TaskLine
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_day import Assignment, open_review
from recordings.review_models import CoachingTask, Review
from recordings.sampling import subjects
from tests.recordings.listeners import DAY, NO, YES, Office
from tests.recordings.test_reviews import refused

PROCESS = Mark("no", "process")


def tasks(office: Office, login: str | None = None) -> list[TaskLine]:
    with office.transaction() as session:
        return coaching.open_tasks(session, login, now=office.now)


def daily(office: Office) -> None:
    with office.transaction() as session:
        coaching.daily(session, office.now)


def reviewed(office: Office, login: str = "amy", **marks: Mark) -> Review:
    recording = office.record(login)
    office.opened()
    office.judge(office.review_of(recording), **marks)
    office.admit("chief", "supervisor")  # who was given nothing to rate
    return office.review_of(recording)


# ---- causes -------------------------------------------------------------------------------------------------


def test_below_the_pass_opens_a_task_with_the_clip_and_the_wording(office: Office) -> None:
    review = reviewed(office, need_met=Mark("no", "agent", "", 10.0, 20.0), answered_in_time=YES)
    (task,) = tasks(office)
    assert (task.cause, task.about, task.agent, task.state) == ("score", "need_met", "amy", "open")
    assert (task.subject_kind, task.subject_id, task.start_s, task.end_s) == ("call", review.subject_id, 10.0, 20.0)
    assert "rung back by four" in task.expected["en"]
    assert "四点前" in task.expected["zh-CN"]
    assert task.due_at == office.now + timedelta(days=3)
    assert tasks(office, "amy") == [task]
    assert tasks(office, "ben") == []


def test_ninety_is_enough_and_an_automatic_fail_never_is(office: Office) -> None:
    reviewed(office, own_name=NO)  # 95
    assert tasks(office) == []


def test_an_automatic_fail_opens_one_whatever_the_points(office: Office) -> None:
    review = reviewed(office, identity_first=NO)
    (task,) = tasks(office)
    assert (task.cause, task.about, review.passed) == ("auto_fail", "identity_first", False)
    assert review.points is not None
    assert review.points > 90


def test_a_process_goes_to_who_owns_it_and_no_agent_is_blamed(office: Office) -> None:
    review = reviewed(office, recording_notice=PROCESS)
    (task,) = tasks(office)
    assert (task.cause, task.agent, task.owner) == ("process", "", "service centre")
    assert (review.passed, review.failed_items) == (True, [])
    assert tasks(office, "amy") == []
    with office.transaction() as session:
        coaching.done(session, task.task_id, "boss", "the notice is played again", office.now)
    assert tasks(office) == []
    with office.transaction() as session:
        coaching.draw_rechecks(session, office.now)
        assert session.get_one(CoachingTask, task.task_id).state == "held", "nobody's calls are drawn for a process"


def test_two_phrases_of_a_kind_in_seven_days_are_proposed_once(office: Office) -> None:
    office.hit(office.record("amy"), "impatience")
    office.forward(days=6)
    office.hit(office.record("amy"), "evasion", "not my job")
    daily(office)
    assert tasks(office) == [], "one of each"
    newest = office.record("amy")
    office.hit(newest, "impatience", start_s=3.0)
    daily(office)
    daily(office)
    (task,) = tasks(office)
    assert (task.cause, task.about, task.state, task.subject_id) == ("phrases", "impatience", "proposed", newest)
    assert (task.start_s, task.end_s) == (0.0, 13.0)
    assert task.expected["en"] == "Take your time.", "the wording of the item that category belongs to"
    assert tasks(office, "amy") == [], "no agent sees what no person has agreed with"
    office.forward(hours=1)
    office.hit(office.record("amy"), "impatience")
    daily(office)
    assert len(tasks(office)) == 1, "one more is no second cause"
    office.forward(hours=1)
    office.hit(office.record("amy"), "impatience")
    daily(office)
    assert len(tasks(office)) == 2


def test_phrases_eight_days_apart_or_of_the_patient_open_nothing(office: Office) -> None:
    office.hit(office.record("amy"), "impatience")
    office.forward(days=8)
    office.hit(office.record("amy"), "impatience")
    for _ in range(3):
        office.hit(office.record("amy"), "red_flag")
        office.hit(office.record("ben"), "missing", "own_name")
        office.hit(office.record(None), "impatience")
    daily(office)
    assert tasks(office) == []


def test_two_low_scores_are_proposed_once(office: Office) -> None:
    recordings = [office.record("amy") for _ in range(3)]
    with office.transaction() as session:
        calls = [session.get_one(Recording, one).call_id for one in recordings]

    def keyed(call: uuid.UUID | None, score: int) -> None:
        assert call is not None
        office.desk.low.append((office.agents["amy"], call, office.now, score))

    keyed(calls[0], 2)
    keyed(calls[1], 3)
    office.forward(days=1)
    daily(office)
    assert tasks(office) == []
    keyed(calls[2], 1)
    office.forward(hours=1)
    daily(office)
    daily(office)
    (task,) = tasks(office)
    assert (task.cause, task.state, task.subject_id) == ("satisfaction", "proposed", recordings[2])


# ---- what people do -----------------------------------------------------------------------------------------


def test_a_proposed_task_is_confirmed_or_dismissed_by_a_person(office: Office) -> None:
    for login in ("amy", "ben"):
        for _ in range(2):
            office.hit(office.record(login), "impatience")
    daily(office)
    first, second = tasks(office)
    with office.transaction() as session:
        with refused("task_state"):
            coaching.done(session, first.task_id, "boss", "talked", office.now)
        with refused("own_coach"):
            coaching.confirm(session, first.task_id, first.agent, office.now)
        coaching.confirm(session, first.task_id, "boss", office.now)
        with refused("no_comment"):
            coaching.dismiss(session, second.task_id, "boss", "", office.now)
        coaching.dismiss(session, second.task_id, "boss", "the patient was quoted", office.now)
        with refused("no_task"):
            coaching.confirm(session, uuid.uuid4(), "boss", office.now)
    (left,) = tasks(office)
    assert (left.task_id, left.state) == (first.task_id, "open")
    daily(office)
    assert len(tasks(office)) == 1, "what was dismissed does not come back"


def test_a_settled_dispute_takes_its_task_along(office: Office) -> None:
    review = reviewed(office, need_met=NO)
    (task,) = tasks(office)
    with office.transaction() as session:
        reviews.dispute(session, review.id, "amy", "agreed for four", office.now)
        reviews.settle(session, review.id, "chief", {"need_met": YES}, "so it was", office.now)
    assert tasks(office) == []
    with office.transaction() as session:
        assert session.get_one(CoachingTask, task.task_id).state == "cancelled"


def test_a_dispute_that_lays_it_to_a_process_moves_the_task_to_its_owner(office: Office) -> None:
    review = reviewed(office, recording_notice=NO)
    with office.transaction() as session:
        reviews.dispute(session, review.id, "amy", "the line plays it", office.now)
        reviews.settle(session, review.id, "chief", {"recording_notice": PROCESS}, "it was off", office.now)
    (task,) = tasks(office)
    assert (task.cause, task.owner, task.agent) == ("process", "service centre", "")


def test_a_dispute_that_changes_nothing_leaves_its_task_and_opens_no_second(office: Office) -> None:
    review = reviewed(office, need_met=NO)
    with office.transaction() as session:
        reviews.dispute(session, review.id, "amy", "agreed for four", office.now)
        reviews.settle(session, review.id, "chief", {}, "no time was named", office.now)
    assert [(task.cause, task.state) for task in tasks(office)] == [("score", "open")]


# ---- the re-check -------------------------------------------------------------------------------------------


def coached(office: Office) -> TaskLine:
    reviewed(office, need_met=NO)
    (task,) = tasks(office)
    with office.transaction() as session:
        coaching.done(session, task.task_id, "boss", "practised the words", office.now)
    office.forward(hours=1)
    return task


def rechecks(office: Office) -> list[Review]:
    return [row for row in office.rows() if row.part == "recheck" and row.state == "drawn"]


def finish(office: Office) -> None:
    office.forward(days=4)
    office.tick()


def test_three_later_calls_end_it(office: Office) -> None:
    task = coached(office)
    for _ in range(2):
        office.record("amy")
        office.record("ben")
    office.forward(minutes=1)
    daily(office)
    assert rechecks(office) == [], "two are not three"
    for _ in range(4):
        office.record("amy")
    office.forward(minutes=1)
    daily(office)
    daily(office)
    drawn = rechecks(office)
    assert len(drawn) == 3
    assert {row.agent_id for row in drawn} == {office.agents["amy"]}
    assert all(row.happened_at > task.opened_at for row in drawn)
    assert tasks(office)[0].rechecks == ("waiting",) * 3
    for row in drawn:
        office.judge(row)
    finish(office)
    assert tasks(office) == []
    with office.transaction() as session:
        assert session.get_one(CoachingTask, task.task_id).state == "held"
        moves = session.scalars(
            sa.select(EventRow.what).where(EventRow.subject_id == task.task_id).order_by(EventRow.id)
        ).all()
    assert moves == ["opened", "coach", "recheck", "hold"]


def test_what_was_listened_to_again_is_not_drawn_once_more(office: Office) -> None:
    """Nothing is listened to twice: a call of today's that was re-checked stays out of today's draw."""
    from recordings.sampling import sample

    recording = office.record("amy")
    with office.transaction() as session:
        before = sample.candidates(session, DAY)
        known = subjects.found(session, [("call", recording)])
        open_review(session, Assignment(session), known[("call", recording)], "recheck", office.now)
        session.flush()
        assert [one.id for one in before] == [str(recording)]
        assert sample.candidates(session, DAY) == []


def test_one_that_fails_begins_again_with_three_others(office: Office) -> None:
    coached(office)
    for _ in range(3):
        office.record("amy")
    office.forward(minutes=1)
    daily(office)
    first = rechecks(office)
    office.judge(first[0], need_met=NO)
    for row in first[1:]:
        office.judge(row)
    finish(office)
    (task,) = tasks(office)
    assert (task.state, task.round, task.rechecks) == ("open", 2, ())
    assert task.due_at == office.now + timedelta(days=3)
    with office.transaction() as session:
        coaching.done(session, task.task_id, "boss", "once more", office.now)
    office.forward(hours=1)
    for _ in range(3):
        office.record("amy")
    office.forward(minutes=1)
    daily(office)
    again = rechecks(office)
    assert len(again) == 3
    assert not {row.subject_id for row in again} & {row.subject_id for row in first}


def test_nobody_coaches_themselves(office: Office) -> None:
    reviewed(office, need_met=NO)
    (task,) = tasks(office)
    with office.transaction() as session, pytest.raises(ReviewProblem) as raised:
        coaching.done(session, task.task_id, "amy", "I talked with myself", office.now)
    assert raised.value.said("zh-CN") == "不能自己辅导自己。"
