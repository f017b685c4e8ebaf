"""Reviews on the real database: opened from the draw, blind both ways, disputed, settled, final."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core.house import House
from core.models import EventRow
from recordings.quality import review_day, review_lead, reviews, scorecard_rows, scorecards
from recordings.quality.qa_shapes import Mark, Sheet, SheetItem
from recordings.quality.qa_words import PROBLEMS, ReviewProblem
from recordings.quality.review_day import Opened, second_rated
from recordings.quality.scorecards import ScorecardError
from recordings.review_models import QaNote, Review, ReviewMark
from recordings.vault import retention
from recordings.vault.files import FileStore
from tests.recordings import days
from tests.recordings.listeners import BLIND, DAY, NA, NO, YES, Office


@contextmanager
def refused(key: str) -> Iterator[None]:
    with pytest.raises(ReviewProblem) as raised:
        yield
    assert raised.value.key == key


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    seen: list[str] = []

    def hear(_c: object, _u: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", hear)
    yield seen
    event.remove(house.engine, "before_cursor_execute", hear)


def items(sheet: Sheet) -> dict[str, SheetItem]:
    return {item.key: item for part in sheet.parts for item in part.items}


def test_no_order_a_rater_sees_parts_the_random_from_the_risky(office: Office) -> None:
    """Neither the list nor the ids in the addresses, which are made in order of time."""
    for number in range(60):
        recording = office.record("amy" if number % 2 else "ben")
        if number % 2:
            office.hit(recording, "impatience")
    office.opened()
    parts = {row.id: row.part for row in office.rows()}
    assert set(parts.values()) == {"random", "risk"}
    with office.transaction() as session:
        mine = [line.review_id for line in reviews.waiting(session, "qa1", office.now)]
    for order in (mine, sorted(parts)):
        told = [parts[one] for one in order]
        changes = sum(left != right for left, right in pairwise(told))
        assert changes > 3, told


# ---- opening ------------------------------------------------------------------------------------------------


def test_the_days_draw_becomes_reviews_shared_out_fairly(office: Office) -> None:
    for number in range(30):
        office.record("amy" if number % 2 else "ben")
    assert office.opened() == Opened(30, 3, 0)
    rows = office.rows()
    firsts = [row for row in rows if row.seat == 1]
    load = Counter(row.rater for row in rows)
    assert {row.rater for row in firsts} == {"qa1", "qa2"}, "listeners rate first"
    assert abs(load["qa1"] - load["qa2"]) <= 3
    assert all(row.state == "drawn" and row.day == DAY for row in rows)
    assert office.opened() == Opened(0, 0, 0), "asked again, nothing is missing"


def test_who_is_rated_twice_follows_from_the_seed(office: Office) -> None:
    ids = [office.record("amy") for _ in range(20)]
    office.opened(seed=7)
    rows = {row.subject_id: row.rater for row in office.rows() if row.seat == 1}
    second = {row.subject_id: row.rater for row in office.rows() if row.seat == 2}
    assert set(second) == second_rated(7, ids, 0.1) == second_rated(7, ids[::-1], 0.1)
    assert all(rows[subject] != rater for subject, rater in second.items()), "another person"
    assert second_rated(8, ids, 0.1) != second_rated(7, ids, 0.1)
    assert len(second_rated(7, ids[:3], 0.1)) == 1, "a short day says something of agreement too"
    assert second_rated(7, ids, 0.0) == second_rated(7, [], 0.1) == set()


def test_nobody_rates_their_own_talk(office: Office) -> None:
    office.hire("qa1", role="qa")  # the same login answers callers
    recordings = [office.record("qa1") for _ in range(6)]
    office.opened()
    assert all(office.review_of(one).rater == "qa2" for one in recordings)


def test_a_house_with_one_listener_says_that_nobody_rated_twice(house: House) -> None:
    office = Office(house)
    office.hire("amy")
    office.admit("qa1", "qa")
    office.admit("gone", "qa", active=False)
    for _ in range(10):
        office.record("amy")
    assert office.opened() == Opened(10, 0, 1)
    with office.transaction() as session:
        told = session.scalars(sa.select(EventRow.data).where(EventRow.what == "reviews opened")).one()
    assert told["without_second"] == 1


def test_without_any_rater_reviews_wait_for_one(house: House) -> None:
    office = Office(house)
    office.hire("amy")
    office.record("amy")
    assert office.opened().opened == 1
    with office.transaction() as session:
        assert review_day.assign_waiting(session, office.now) == 0
    office.admit("boss", "supervisor")
    with office.transaction() as session:
        assert review_day.assign_waiting(session, office.now) == 1
        assert [line.rater for line in session.scalars(sa.select(Review))] == ["boss"]


def test_one_draw_a_day_is_reviewed(office: Office) -> None:
    with office.transaction() as session, refused("no_draw"):
        reviews.open_day(session, DAY, office.now)
    for _ in range(3):
        office.record("amy")
    office.opened(seed=1)
    office.forward(days=1)
    with office.transaction() as session:
        days.draw_day(session, DAY, 2, office.now)  # somebody draws until they like it
    with office.transaction() as session, refused("other_draw"):
        reviews.open_day(session, DAY, office.now)


def test_opening_a_day_takes_a_fixed_number_of_questions(office: Office) -> None:
    asked = []
    for day, count in ((DAY, 3), (DAY + timedelta(days=1), 13)):
        for _ in range(count):
            office.record("amy")
        with office.transaction() as session:
            days.draw_day(session, day, 5, office.now)
        office.facts.asked = 0
        with statements(office.house) as seen, office.transaction() as session:
            reviews.open_day(session, day, office.now)
        reads = [text for text in seen if text.lstrip().upper().startswith("SELECT") and "pg_advisory" not in text]
        asked.append((len(reads), office.facts.asked))
        office.forward(days=1)
    # the card is stored at its first use
    assert asked[1][0] <= asked[0][0]
    assert asked[1][1] == asked[0][1] == 1


# ---- blind --------------------------------------------------------------------------------------------------


def test_the_rater_sees_no_agent_no_score_no_satisfaction(office: Office) -> None:
    recording = office.record("amy", satisfaction=2, answer_s=40.0)
    office.hit(recording, "impatience")
    office.opened()
    review = office.review_of(recording)
    with office.transaction() as session:
        sheet = reviews.sheet(session, review.id, review.rater)
        (line,) = reviews.waiting(session, review.rater, office.now)
    shown = repr(sheet) + repr(line)
    for secret in ("amy", str(office.agents["amy"]), "random", "'score'", "part=", "seat"):
        assert secret not in shown
    assert (line.marked, line.items) == (0, 12)
    hidden = items(sheet)["caller_content"]
    assert (hidden.closed, hidden.suggestion, hidden.mark) == (True, None, None)
    late = items(sheet)["answered_in_time"].suggestion
    assert late is not None
    assert (late.value, late.source, late.values["answer_s"]) == ("no", "answer_time", 40.0)
    tone = items(sheet)["patient_tone"].suggestion
    assert tone is not None
    assert (tone.value, tone.source, tone.start_s) == ("no", "findings", 12.0)
    assert items(sheet)["no_guarantee"].suggestion is None, "that nothing was found proves nothing"


def test_satisfaction_is_shown_when_the_blind_marks_are_closed(office: Office) -> None:
    recording = office.record("amy", satisfaction=2)
    office.opened()
    review = office.review_of(recording)
    with office.transaction() as session, refused("not_now"):
        reviews.save(session, review.id, review.rater, {"caller_content": YES}, "", office.now, version=0)
    with office.transaction() as session:
        reviews.save(session, review.id, review.rater, dict.fromkeys(BLIND, YES), "", office.now, version=0)
        assert reviews.submit(session, review.id, review.rater, office.now, version=1) == "revealed"
        sheet = reviews.sheet(session, review.id, review.rater)
        suggestion = items(sheet)["caller_content"].suggestion
        assert suggestion is not None
        assert (suggestion.value, suggestion.values) == ("no", {"score": 2})
        assert items(sheet)["patient_tone"].closed
        with refused("not_now"):
            reviews.save(session, review.id, review.rater, {"patient_tone": NO}, "", office.now, version=2)
        with refused("unmarked"):  # a suggestion is no mark
            reviews.submit(session, review.id, review.rater, office.now, version=2)


def test_a_suggestion_is_never_counted(office: Office) -> None:
    recording = office.record("amy", satisfaction=1, answer_s=99.0)
    office.hit(recording, "over_promise")
    office.opened()
    review = office.review_of(recording)
    with office.transaction() as session, refused("unmarked"):
        reviews.submit(session, review.id, review.rater, office.now, version=0)
    office.judge(review)  # a person heard it otherwise
    assert (office.review_of(recording).points, office.review_of(recording).failed_items) == (100.0, [])


def test_the_agent_sees_nothing_before_it_is_submitted(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    with office.transaction() as session:
        assert reviews.of_agent(session, "amy", office.now) == []
    office.judge(office.review_of(recording), need_met=Mark("no", "agent", "sent away", 10.0, 20.0))
    with office.transaction() as session:
        (told,) = reviews.of_agent(session, "amy", office.now)
        assert reviews.of_agent(session, "ben", office.now) == []
    (fault,) = told.faults
    assert (fault.item, fault.note, fault.start_s) == ("need_met", "sent away", 10.0)
    assert "rung back" in fault.say["en"]
    assert (told.points, told.passed, told.may_dispute) == (87.5, False, True)
    assert "qa1" not in repr(told)
    assert "qa2" not in repr(told)


def test_of_two_raters_neither_sees_the_others_marks(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    first, second = office.review_of(recording), office.review_of(recording, seat=2)
    office.judge(first, need_met=NO)
    with office.transaction() as session:
        theirs = reviews.sheet(session, second.id, second.rater)
        assert all(item.mark is None for item in items(theirs).values())
        with refused("not_yours"):
            reviews.sheet(session, first.id, second.rater)
        with refused("not_yours"):
            reviews.save(session, first.id, second.rater, {}, "", office.now, version=0)
        assert reviews.of_agent(session, "amy", office.now)[0].review_id == first.id
    office.judge(second)
    with office.transaction() as session:
        assert len(reviews.of_agent(session, "amy", office.now)) == 1, "a second rating is for agreement only"


# ---- saving -------------------------------------------------------------------------------------------------


def test_two_windows_do_not_write_over_each_other(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    with office.transaction() as session:
        assert reviews.save(session, review.id, review.rater, {"need_met": NO}, "one", office.now, version=0) == 1
    with office.transaction() as session, refused("stale"):
        reviews.save(session, review.id, review.rater, {"need_met": YES}, "two", office.now, version=0)
    with office.transaction() as session, refused("stale"):
        reviews.submit(session, review.id, review.rater, office.now, version=0)
    with office.transaction() as session:
        sheet = reviews.sheet(session, review.id, review.rater)
    mark = items(sheet)["need_met"].mark
    assert mark is not None
    assert (mark.value, sheet.comment, sheet.version) == ("no", "one", 1)


def test_of_two_saves_at_the_same_moment_one_counts(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    both, ends = threading.Barrier(2), []

    def one(value: Mark) -> None:
        with office.transaction() as session:
            session.get(Review, review.id)  # both have read version 0
            both.wait()
            try:
                reviews.save(session, review.id, review.rater, {"need_met": value}, "", office.now, version=0)
                ends.append("saved")
            except ReviewProblem as problem:
                ends.append(problem.key)

    threads = [threading.Thread(target=one, args=(value,)) for value in (YES, NO)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["saved", "stale"]


@pytest.mark.parametrize(
    ("item", "mark", "key"),
    [
        ("nonsense", YES, "no_item"),
        ("need_met", Mark("perhaps"), "value"),
        ("need_met", Mark("no", "weather"), "cause"),
        ("need_met", Mark("yes", "process"), "cause"),
        ("need_met", Mark("no", start_s=5.0), "clip"),
        ("need_met", Mark("no", start_s=9.0, end_s=5.0), "clip"),
        ("need_met", Mark("no", start_s=80.0, end_s=95.0), "clip"),
        ("need_met", Mark("no", note="x" * 2001), "long"),
    ],
)
def test_a_wrong_mark_is_refused_and_nothing_is_kept(office: Office, item: str, mark: Mark, key: str) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    with refused(key), office.transaction() as session:
        reviews.save(session, review.id, review.rater, {"patient_tone": NO, item: mark}, "", office.now, version=0)
    with office.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ReviewMark)) == 0
    assert office.review_of(recording).state == "drawn"


def test_every_problem_is_said_in_both_languages() -> None:
    import string

    for key, words in PROBLEMS.items():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in words.values()]
        assert set(words) == {"zh-CN", "en"}, key
        assert fields[0] == fields[1], key


def test_a_state_is_said_in_the_language_of_the_sentence(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    office.judge(review)
    with office.transaction() as session, pytest.raises(ReviewProblem) as refusal:
        reviews.save(session, review.id, review.rater, {}, "", office.now, version=9)
    assert refusal.value.said("zh-CN") == "这条记录现在是“已提交”，不能再改。"
    assert str(refusal.value) == "This review is submitted and cannot be changed any more."


# ---- dispute ------------------------------------------------------------------------------------------------


def test_a_second_rater_settles_nothing_before_their_own_marks_are_in(office: Office) -> None:
    """Else they would see the first rater's marks, and agree with them."""
    recording = office.record("amy")
    office.opened()
    first, second = office.review_of(recording), office.review_of(recording, seat=2)
    assert second.rater == "boss"
    office.judge(first, need_met=NO)
    with office.transaction() as session:
        reviews.dispute(session, first.id, "amy", "not so", office.now)
        with refused("mark_first"):
            reviews.settle(session, first.id, "boss", {}, "because", office.now)
    with office.transaction() as session:
        review_lead.drop(session, second.id, "boss", "noise only", office.now)
        reviews.settle(session, first.id, "boss", {}, "because", office.now)


def test_a_dispute_is_settled_by_somebody_else_and_both_marks_stay(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    office.judge(review, need_met=NO)
    office.admit("chief", "supervisor")
    with office.transaction() as session:
        with refused("not_agents"):
            reviews.dispute(session, review.id, "ben", "it was so", office.now)
        with refused("no_comment"):
            reviews.dispute(session, review.id, "amy", " ", office.now)
        reviews.dispute(session, review.id, "amy", "a call back at four was agreed", office.now)
        (waits,) = reviews.disputed(session)
        assert (waits.agent, waits.why, waits.points) == ("amy", "a call back at four was agreed", 87.5)
        for who, key in ((review.rater, "own_judge"), ("amy", "own_judge"), ("qa1", "no_rater"), ("x", "no_rater")):
            if who != review.rater or key == "own_judge":
                with refused(key):
                    reviews.settle(session, review.id, who, {}, "because", office.now)
        reviews.settle(session, review.id, "chief", {"need_met": YES}, "heard at 0:50", office.now)
    settled = office.review_of(recording)
    assert (settled.state, settled.points, settled.passed, settled.settled_by) == ("final", 100.0, True, "chief")
    with office.transaction() as session:
        held = session.execute(
            sa.select(ReviewMark.settled, ReviewMark.value, ReviewMark.by)
            .where(ReviewMark.item == "need_met")
            .order_by(ReviewMark.settled)
        ).all()
        assert [tuple(row) for row in held] == [(False, "no", review.rater), (True, "yes", "chief")]
        with refused("not_disputed"):
            reviews.settle(session, review.id, "chief", {}, "again", office.now)
        with refused("not_disputable"):
            reviews.dispute(session, review.id, "amy", "again", office.now)


def test_what_nobody_disputes_in_time_is_final(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording))
    office.forward(days=3, seconds=-1)
    office.tick()
    assert office.review_of(recording).state == "submitted"
    office.forward(seconds=1)
    with office.transaction() as session, refused("too_late"):
        reviews.dispute(session, office.review_of(recording).id, "amy", "late", office.now)
    office.tick()
    office.tick()
    final = office.review_of(recording)
    assert (final.state, final.final_at) == ("final", office.now)
    with office.transaction() as session:
        moves = session.scalars(
            sa.select(EventRow.what).where(EventRow.subject_id == final.id).order_by(EventRow.id)
        ).all()
    assert moves == ["opened", "save", "reveal", "save", "submit", "stand"]


# ---- cards --------------------------------------------------------------------------------------------------


def test_an_old_review_shows_the_card_it_was_made_with(office: Office) -> None:
    old = office.record("amy")
    office.opened()
    card_b = next(card for card in scorecards.folder() if card.key == "B")
    with office.transaction() as session:
        with pytest.raises(ScorecardError, match="has passed"):
            scorecard_rows.use(session, card_b, DAY - timedelta(days=1), DAY, "boss", office.now)
        scorecard_rows.use(session, card_b, DAY + timedelta(days=1), DAY, "boss", office.now)
    office.forward(days=1)
    new = office.record("amy")
    with office.transaction() as session:
        days.draw_day(session, DAY + timedelta(days=1), 3, office.now)
        reviews.open_day(session, DAY + timedelta(days=1), office.now)
    before, after = office.review_of(old), office.review_of(new)
    with office.transaction() as session:
        assert reviews.sheet(session, before.id, before.rater).card == "A-1"
        shown = reviews.sheet(session, after.id, after.rater)
    assert (shown.card, [part.weight for part in shown.parts]) == ("B-1", [30, 30, 40])


def test_a_used_card_is_never_changed(office: Office) -> None:
    card_a = next(card for card in scorecards.folder() if card.key == "A")
    with office.transaction() as session:
        scorecard_rows.store(session, card_a, office.now)
        body = {**card_a.body, "name": {"zh-CN": "别的", "en": "other"}}
        with pytest.raises(ScorecardError, match="give the changed card version 2"):
            scorecard_rows.store(session, scorecards.card(body, "A-1.yaml"), office.now)


# ---- the words about a recording ----------------------------------------------------------------------------


def test_what_was_written_about_a_recording_goes_with_it_and_the_points_stay(office: Office) -> None:
    from recordings.vault import retention

    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording), need_met=Mark("no", note="she said her name"))
    assert QaNote.recording_id in retention.GONE_WITH_IT
    with office.transaction() as session:
        stored = session.scalar(sa.text("SELECT text FROM qa_notes WHERE kind = 'item need_met'"))
        assert b"name" not in bytes(stored), "free words are encrypted"
        for column in retention.GONE_WITH_IT:
            session.execute(sa.delete(column.class_).where(column == recording))
    assert office.review_of(recording).points == 87.5
    with office.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(QaNote)) == 0


def test_lists_ask_a_fixed_number_of_questions(office: Office) -> None:
    counts = []
    for total in (4, 24):
        for _ in range(total - (0 if total == 4 else 4)):
            office.record("amy")
        office.opened(seed=total, day=DAY) if total == 4 else None
        if total == 24:
            office.forward(days=1)
            for _ in range(20):
                office.record("amy")
            with office.transaction() as session:
                days.draw_day(session, DAY + timedelta(days=1), 4, office.now)
                reviews.open_day(session, DAY + timedelta(days=1), office.now)
        for row in [row for row in office.rows() if row.state == "drawn" and row.seat == 1][: total // 2]:
            office.judge(row, need_met=NO, own_name=NA)
        with statements(office.house) as seen, office.transaction() as session:
            for rater in ("qa1", "qa2"):
                reviews.waiting(session, rater, office.now)
            reviews.of_agent(session, "amy", office.now)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_scans_use_their_indexes(office: Office) -> None:
    with office.transaction() as session:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for query, index in (
            ("SELECT id FROM reviews WHERE state = 'submitted' AND dispute_until <= now()", "ix_reviews_timer"),
            ("SELECT id FROM reviews WHERE rater = 'x' AND state IN ('drawn','draft','revealed')", "ix_reviews_rater"),
            ("SELECT id FROM vetoes WHERE state = 'upheld' AND appeal_until <= now()", "ix_vetoes_timer"),
            ("SELECT id FROM coaching_tasks WHERE closed_at IS NULL ORDER BY due_at", "ix_coaching_tasks_open"),
        ):
            plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {query}")))
            assert index in plan, plan


def test_what_was_purged_leaves_the_lists_with_a_reason_and_results_stay(office: Office) -> None:
    drawn, begun, marked = (office.record("amy") for _ in range(3))
    office.opened()
    review = office.review_of(begun)
    rater = review.rater
    with office.transaction() as session:
        reviews.save(session, review.id, rater, {"need_met": YES}, "not my words", office.now, version=0)
    office.judge(office.review_of(marked))
    before = {row.id: (row.state, row.points) for row in office.rows() if row.subject_id == marked and row.seat == 1}
    files = office.house.service(FileStore)
    for recording in (drawn, begun, marked):
        with office.transaction() as session:
            retention.end_now(session, recording, "officer", "erasure", office.now)
        with office.transaction() as session:
            assert retention.purge(session, files, recording, office.now)
    with office.transaction() as session:
        assert [line for rater in ("qa1", "qa2", "boss") for line in reviews.waiting(session, rater, office.now)] == []
        told = session.execute(
            sa.select(EventRow.subject_id, EventRow.data, EventRow.to_state).where(EventRow.what == "drop")
        ).all()
        notes = session.scalars(sa.select(QaNote)).all()
    gone = {row.id for row in office.rows() if row.state == "dropped"}
    assert gone >= {office.review_of(drawn).id, office.review_of(begun).id}
    assert {row.subject_id for row in told} == gone
    assert all((row.data, row.to_state) == ({"why": "purged"}, "dropped") for row in told)
    assert {row.id: (row.state, row.points) for row in office.rows() if row.id in before} == before
    assert notes == [], "what a listener wrote ends with the words it was about"
    with office.transaction() as session, refused("closed"):
        reviews.save(session, office.review_of(begun).id, rater, {"need_met": NO}, "", office.now, version=2)
