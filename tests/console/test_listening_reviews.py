"""A rater's day, an agent's results, settling and coaching: blind, nothing typed is lost, nobody sees another's."""

from __future__ import annotations

import io
import re
import uuid

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from console import review_view
from recordings.models import DrawPick
from recordings.quality import coaching, review_rows, reviews
from recordings.review_models import CoachingTask, ReviewMark
from tests.console.desk_room import Screen
from tests.console.listening_room import AGENT_SAYS, PATIENT_SAYS, ListeningRoom


@pytest.fixture
def day(listening: ListeningRoom) -> ListeningRoom:
    """One call of li.na's, drawn and given to the only listener."""
    listening.talker()
    listening.recording()
    listening.user("qa1", "qa")
    listening.open_day()
    return listening


def at(listening: ListeningRoom, login: str) -> Screen:
    """Somebody's screen, who is a user already."""
    screen = listening.screen()
    assert screen.sign_in(login).status_code == 200
    return screen


def html(screen: Screen) -> str:
    assert screen.said is not None
    return screen.said.get_data(as_text=True)


# ---- blind ---------------------------------------------------------------------------------------------
def test_the_list_and_the_review_say_nothing_of_agent_score_or_why_it_was_drawn(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    with day.house.transaction() as session:
        (why,) = session.scalars(sa.select(DrawPick.why)).all()
    assert why
    page = f"/reviews/{review.id}"
    screen.post(f"/hear/{review.subject_id}", on=page, reason="review", back=page)
    assert "<audio" in html(screen)
    for path in ("/reviews", page):
        said = screen.get(path).get_data(as_text=True)
        assert "li.na" not in said, path
        assert "Name of" not in said, path
        assert why not in said, path
        assert "keyed 2" not in said, "the satisfaction of the caller"
    assert "A short day" in (screen.get("/reviews"), screen.text)[1]
    assert "0 / 1 Call" in screen.text


def test_satisfaction_is_shown_only_after_the_blind_marks_are_closed(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    page = f"/reviews/{review.id}"
    screen.get(page)
    assert "Shown after the other items are handed in." in screen.text
    screen.post(page, deed="submit", **day.form(review.id))
    assert "the patient keyed 2" in screen.text
    assert day.review().state == "revealed"
    (hidden,) = day.items(hidden=True)
    screen.post(page, deed="submit", **day.form(review.id, **{f"mark.{hidden}": "no"}))
    assert "Submitted." in screen.text
    assert day.review().state == "submitted"
    assert day.marks(review.id)[hidden] == "no"


# ---- the form ------------------------------------------------------------------------------------------
def test_a_draft_keeps_marks_notes_and_times(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    item = day.items()[0]
    said = {
        f"mark.{item}": "no", f"note.{item}": "said it too late", f"from.{item}": "0:05", f"to.{item}": "0:09.5",
        f"cause.{item}": "process", "comment": "a good call else",
    }  # fmt: skip
    screen.post(f"/reviews/{review.id}", deed="save", version="0", **said)
    assert "The draft is kept." in screen.text
    page = html(screen)
    assert "said it too late</textarea>" in page
    assert 'value="0:05"' in page
    assert 'value="0:09.5"' in page
    assert '<option value="process" selected>' in page
    assert "a good call else</textarea>" in page
    assert re.search(rf'name="mark.{item}" value="no" checked', page)
    assert day.marks(review.id) == {item: "no"}


def test_a_hint_is_shown_apart_and_marks_nothing(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    screen.get(f"/reviews/{review.id}")
    assert "Suggested No: 1 hits of the phrase list (Impatience)" in screen.text
    assert not re.search(r"<input[^>]* checked", html(screen))


def test_what_cannot_be_handed_in_is_kept_and_said_by_the_items_words(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    first, *rest = day.items()
    said = screen.post(f"/reviews/{review.id}", deed="submit", version="0", **{f"mark.{first}": "yes"})
    assert said.status_code == 422
    assert f"{len(rest)} items are not marked yet: 2. " in screen.text
    assert not [item for item in rest if f"{item}," in screen.text]
    assert day.marks(review.id) == {first: "yes"}
    screen.post(f"/reviews/{review.id}", deed="submit", **day.form(review.id))
    assert day.review().state == "revealed"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [({"from": "soon"}, "A time is written as 1:05."), ({"from": "0:09", "to": "0:05"}, "It ends before it begins"),
     ({"from": "0:99"}, "A time is written as 1:05."), ({"from": "5:00"}, "behind the end of the recording"),
     ({"mark": "", "note": "too late"}, "has to be marked, too"), ({"note": "x" * 2001}, "2000 characters")],
)  # fmt: skip
def test_a_slip_loses_nothing_that_was_typed(day: ListeningRoom, typed: dict[str, str], answer: str) -> None:
    screen, review = at(day, "qa1"), day.review()
    first, second, *_ = day.items()
    form = {f"mark.{first}": "no", f"mark.{second}": "na", "comment": "words that matter"}
    form |= {f"{name}.{first}": text for name, text in typed.items()}
    said = screen.post(f"/reviews/{review.id}", deed="save", version="0", **form)
    assert said.status_code == 422
    assert answer in screen.text
    page = html(screen)
    assert "words that matter</textarea>" in page
    assert re.search(rf'name="mark.{second}" value="na" checked', page)
    for name, text in typed.items():
        assert name == "mark" or text in page
    assert day.marks(review.id) == {}


def test_who_saves_an_older_page_gets_both_and_loses_neither(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    item, page = day.items()[0], f"/reviews/{day.review().id}"
    screen.post(page, deed="save", version="0", **{f"mark.{item}": "yes", "comment": "from the first window"})
    said = screen.post(page, deed="save", version="0", **{f"mark.{item}": "no", "comment": "from the second window"})
    assert said.status_code == 409
    assert "Kept meanwhile: Yes" in screen.text
    assert "from the second window</textarea>" in html(screen)
    assert day.marks(review.id) == {item: "yes"}
    version = re.search(r'name="version" value="(\d+)"', html(screen))
    assert version
    screen.post(page, deed="save", version=version[1], **{f"mark.{item}": "no", "comment": "from the second window"})
    assert day.marks(review.id) == {item: "no"}


def test_a_time_mark_without_the_script_keeps_the_draft_and_comes_back_there(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    page, item = f"/reviews/{review.id}", day.items()[0]
    screen.post(f"/hear/{review.subject_id}", on=page, reason="review", back=page)
    assert 'form="review" name="t" value="5.0"' in html(screen)
    screen.post(page, t="5.0", version="0", **{f"mark.{item}": "yes"})
    assert "#t=5.0" in html(screen)
    assert day.marks(review.id) == {item: "yes"}
    assert screen.post(page, t="late", version="1").status_code == 400


def test_the_script_keeps_drafts_and_is_told_what_is_wrong(day: ListeningRoom) -> None:
    screen, review = at(day, "qa1"), day.review()
    page, item = f"/reviews/{review.id}", day.items()[0]
    said = screen.post(f"{page}/draft", on=page, version="0", **{f"mark.{item}": "yes"})
    assert (said.status_code, said.get_json()) == (200, {"version": 1, "problem": ""})
    stale = screen.post(f"{page}/draft", on=page, version="0", **{f"mark.{item}": "no"})
    assert stale.status_code == 409
    assert stale.get_json()["problem"]
    wrong = screen.post(f"{page}/draft", on=page, version="1", **{f"mark.{item}": "no", f"from.{item}": "x"})
    assert wrong.status_code == 422
    assert day.marks(review.id) == {item: "yes"}


def test_nobody_opens_or_saves_somebody_elses_review(day: ListeningRoom) -> None:
    review = day.review()
    other = day.signed_in("supervisor", login="other")
    other.get(f"/reviews/{review.id}", follow_redirects=True)
    assert other.said is not None
    assert "This review is not given to you." in other.text
    other.post(f"/reviews/{review.id}", on="/account", deed="save", version="0", **{f"mark.{day.items()[0]}": "yes"})
    assert day.marks(review.id) == {}
    other.get(f"/reviews/{uuid.uuid4()}", follow_redirects=True)
    assert "There is no such review." in other.text


@pytest.mark.parametrize(
    ("text", "second"),
    [("75", 75.0), ("1:15", 75.0), ("1:15.5", 75.5), ("1：15", 75.0), ("1:01:15", 3675.0), ("", None)],
)
def test_a_time_is_read_as_people_write_it(text: str, second: float | None) -> None:
    assert review_view.seconds(text) == second
    assert review_view.seconds(review_view.stamp(second)) == second


@pytest.mark.parametrize("text", ["1:75", "-1", "soon", "1:2:3:4", "1:61:00", "1.55"])
def test_what_is_no_time_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        review_view.seconds(text)


# ---- the agent -----------------------------------------------------------------------------------------
def test_an_agent_sees_their_own_result_and_no_sample_before(day: ListeningRoom) -> None:
    rater, review = at(day, "qa1"), day.review()
    agent, other = day.signed_in(login="li.na"), day.signed_in(login="wang.wu")
    assert str(review.id) not in agent.get("/my-reviews").get_data(as_text=True)
    assert agent.get(f"/my-reviews/{review.id}").status_code == 404
    for path in ("/reviews", f"/reviews/{review.id}", "/vault", "/agreement"):
        assert agent.get(path).status_code == 403
    item = day.items()[0]
    day.submitted(rater, review.id, **{f"mark.{item}": "no", f"note.{item}": "too slow", f"from.{item}": "0:05"})
    agent.get(f"/my-reviews/{review.id}")
    assert "too slow" in agent.text
    assert "Better:" in agent.text
    assert "qa1" not in agent.text, "who rated it"
    assert "<audio" not in html(agent)
    agent.post(f"/my-reviews/{review.id}/hear", on=f"/my-reviews/{review.id}")
    assert "<audio" in html(agent)
    assert AGENT_SAYS[0][2] in agent.text
    assert [(row.login, row.why) for row in day.plays()] == [("li.na", "dispute")]
    assert other.get(f"/my-reviews/{review.id}").status_code == 404
    assert other.post(f"/my-reviews/{review.id}/hear", on="/account").status_code == 404
    assert other.post(f"/my-reviews/{review.id}", on="/account", why="mine").status_code == 404
    assert len(day.plays()) == 1


def test_a_dispute_is_settled_by_a_supervisor_with_a_reason(day: ListeningRoom) -> None:
    rater, review = at(day, "qa1"), day.review()
    agent, supervisor = day.signed_in(login="li.na"), day.signed_in("supervisor")
    item = day.items()[0]
    day.submitted(rater, review.id, **{f"mark.{item}": "no"})
    page = f"/my-reviews/{review.id}"
    assert agent.post(page, why="  ").status_code == 422
    assert "Say why." in agent.text
    agent.post(page, why="I answered at once, listen again")
    assert "a supervisor settles it" in agent.text
    assert "Disputes to be settled: 1" in (supervisor.get("/reviews"), supervisor.text)[1]
    settle = f"/disputes/{review.id}"
    supervisor.get(settle)
    assert "I answered at once, listen again" in supervisor.text
    assert "li.na" in supervisor.text
    refused = supervisor.post(settle, why=" ", **{f"mark.{item}": "yes"})
    assert refused.status_code == 422
    assert re.search(rf'name="mark.{item}" value="yes" checked', html(supervisor))
    supervisor.post(settle, why="the clock was wrong", **{f"mark.{item}": "yes", f"mark.{day.items()[1]}": ""})
    assert "Settled." in supervisor.text
    assert (day.review().state, day.review().settled_by) == ("final", "supervisor1")
    assert day.review().points is not None
    assert supervisor.get(settle).status_code == 404
    assert agent.get("/disputes").status_code == rater.get("/disputes").status_code == 403


def test_a_supervisor_can_settle_that_it_was_no_but_the_process(day: ListeningRoom) -> None:
    rater, review = at(day, "qa1"), day.review()
    agent, supervisor = day.signed_in(login="li.na"), day.signed_in("supervisor")
    item = day.items()[0]
    note = {f"note.{item}": "forty seconds of music", f"from.{item}": "0:05", f"to.{item}": "0:09"}
    day.submitted(rater, review.id, **{f"mark.{item}": "no"}, **note)
    agent.post(f"/my-reviews/{review.id}", why="the line was full, nobody could")
    settle = f"/disputes/{review.id}"
    supervisor.get(settle)
    assert "No, but the process was at fault (not the agent)" in supervisor.text
    assert supervisor.post(settle, why=" ", **{f"mark.{item}": "process"}).status_code == 422
    assert re.search(rf'name="mark.{item}" value="process" checked', html(supervisor))
    supervisor.post(settle, why="two of us were ill", **{f"mark.{item}": "process"})
    assert (day.review().state, day.review().passed) == ("final", True)
    with day.house.transaction() as session:
        [mark] = session.scalars(sa.select(ReviewMark).where(ReviewMark.item == item, ReviewMark.settled))
        kept = review_rows.notes(session, [review.id])[review.id]
        [task] = session.scalars(sa.select(CoachingTask).where(CoachingTask.cause == "process"))
    assert (mark.value, mark.cause, mark.start_s, mark.end_s) == ("no", "process", 5.0, 9.0)
    assert (kept[review_rows.of_item(item)], kept["settled"]) == ("forty seconds of music", "two of us were ill")
    assert (task.agent_id, task.start_s, task.end_s) == (None, 5.0, 9.0)


def test_a_failed_review_is_coached_with_its_clip(day: ListeningRoom) -> None:
    rater, review = at(day, "qa1"), day.review()
    agent, other = day.signed_in(login="li.na"), day.signed_in(login="wang.wu")
    supervisor = day.signed_in("supervisor")
    failed = {f"mark.{item}": "no" for item in day.items()[:4]}
    day.submitted(rater, review.id, **failed, **{f"from.{day.items()[0]}": "0:05", f"to.{day.items()[0]}": "0:09"})
    (task, *_) = day.every(CoachingTask)
    page = f"/coaching/{task.id}"
    with day.house.transaction() as session:
        assert [one.task_id for one in coaching.open_tasks(session, "wang.wu", now=day.now)] == []
    for screen, code in ((agent, 200), (supervisor, 200), (other, 404), (rater, 403)):
        assert screen.get(page).status_code == code
    agent.get("/coaching")
    agent.post(f"{page}/hear", on=page)
    assert "<audio" in html(agent)
    assert agent.post(page, deed="done", note="I did it").status_code == 403
    assert supervisor.post(page, on=page, deed="done", note=" ").status_code == 422
    supervisor.post(page, on=page, deed="done", note="say the name first")
    assert "Later calls are checked." in supervisor.text
    assert day.every(CoachingTask)[0].state in ("coached", "rechecking")
    assert other.post(f"{page}/hear", on="/account").status_code == 404
    assert [(row.login, row.why) for row in day.plays()] == [("li.na", "coaching")]


# ---- figures -------------------------------------------------------------------------------------------
def test_figures_say_how_little_a_few_calls_say(day: ListeningRoom) -> None:
    rater, supervisor = at(day, "qa1"), day.signed_in("supervisor")
    day.submitted(rater, day.review().id)
    day.forward(days=30)  # nobody has disputed it
    with day.house.transaction() as session:
        reviews.due(session, day.now)
    rater, supervisor = at(day, "qa1"), at(day, "supervisor1")
    page = (supervisor.get("/figures?month=2031-03"), supervisor.text)[1]
    assert "Name of li.na" in page
    assert "n=1" in page
    assert "one call only: no interval" in page
    supervisor.get("/figures/day?day=2031-03-07")
    assert "mostly chance" in supervisor.text
    supervisor.get("/agreement")
    for path in ("/figures", "/figures/day", "/figures/2031-03.csv", "/figures/2031-03.xlsx"):
        assert rater.get(path).status_code == 403, path
    assert rater.get("/agreement").status_code == 200
    nonsense = (("/figures?month=2031-13", 404), ("/figures/day?day=x", 400), ("/figures/2031.csv", 404))
    beyond = (("/figures?month=9999-12", 404), ("/figures/day?day=9999-12-31", 400), ("/vault?until=9999-12-31", 400))
    for path, code in (*nonsense, *beyond):
        assert supervisor.get(path).status_code == code, path


def test_the_pages_cost_the_same_for_one_review_and_for_many(day: ListeningRoom) -> None:
    def asked(screen: Screen, path: str) -> int:
        said: list[str] = []

        def note(conn: object, cursor: object, statement: str, *more: object) -> None:
            said.append(statement)

        sa.event.listen(day.house.engine, "before_cursor_execute", note)
        assert screen.get(path).status_code == 200
        sa.event.remove(day.house.engine, "before_cursor_execute", note)
        return len(said)

    rater, agent, supervisor = at(day, "qa1"), day.signed_in(login="li.na"), day.signed_in("supervisor")
    first = day.review()
    pages = [(rater, "/reviews"), (rater, f"/reviews/{first.id}"), (agent, "/my-reviews"), (supervisor, "/disputes"),
             (supervisor, "/coaching"), (supervisor, "/figures?month=2031-03"), (supervisor, "/agreement")]  # fmt: skip
    failed = {f"mark.{item}": "no" for item in day.items()[:4]}
    page = f"/hear/{first.subject_id}"
    rater.post(page, on=f"/reviews/{first.id}", reason="review", back="/reviews")
    day.submitted(rater, first.id, **failed)
    one = [asked(screen, path) for screen, path in pages]
    day.forward(days=1)
    for _ in range(3):
        day.recording()
    day.open_day()
    rater, agent, supervisor = at(day, "qa1"), at(day, "li.na"), at(day, "supervisor1")
    pages = [(screen, path) for screen, (_old, path) in zip(
        (rater, rater, agent, supervisor, supervisor, supervisor, supervisor), pages, strict=True)]  # fmt: skip
    waiting = [row for row in day.reviews() if row.rater == "qa1" and row.state == "drawn"]
    for row in waiting[1:]:
        day.submitted(rater, row.id, **failed)
    many = [asked(screen, path) for screen, path in pages]
    assert [path for (_, path), was, is_ in zip(pages, one, many, strict=True) if is_ > was + 2] == [], (one, many)


def test_words_of_the_patient_are_masked_on_every_page(listening: ListeningRoom) -> None:
    listening.talker()
    said = ((1.0, 4.0, "my number is one three eight zero zero one three eight zero zero zero"), *PATIENT_SAYS[1:])
    listening.recording(patient=said)
    listening.user("qa1", "qa")
    listening.open_day()
    screen, review = at(listening, "qa1"), listening.review()
    page = f"/reviews/{review.id}"
    screen.post(f"/hear/{review.subject_id}", on=page, reason="review", back=page)
    assert "thank you" in screen.text
    assert "one three eight" not in screen.text


def test_the_months_pack_and_its_csv_are_taken_by_a_supervisor_and_noted(day: ListeningRoom) -> None:
    supervisor = day.signed_in("supervisor")
    day.submitted(at(day, "qa1"), day.review().id)
    csv = supervisor.get("/figures/2031-03.csv")
    assert (csv.status_code, csv.mimetype) == (200, "text/csv")
    assert csv.headers["Content-Disposition"] == 'attachment; filename="quality-2031-03.csv"'
    pack = supervisor.get("/figures/2031-03.xlsx")
    assert pack.status_code == 200
    assert load_workbook(io.BytesIO(pack.get_data())).sheetnames
    assert day.ledger("figures") == [("taken away", "supervisor1")] * 2
