"""A chat drawn is a review like a call: prefilled from what is known of it, scored by the same card."""

from __future__ import annotations

from datetime import timedelta

from core.models import new_id
from recordings.chat_models import Chat, ChatFinding
from recordings.quality import reviews
from recordings.sampling import chats
from tests.recordings import days
from tests.recordings.listeners import DAY, NO, Office
from tests.recordings.test_reviews import items


def test_chats_are_reviewed_like_calls(office: Office) -> None:
    with office.transaction() as session:
        chat = Chat(
            id=new_id(),
            external_id="c-1",
            digest=b"1",
            channel="web",
            agent_id=office.agents["amy"],
            language="en",
            started_at=office.now,
            ended_at=office.now + timedelta(minutes=3),
            taken_at=office.now,
            written=4,
            lines=[[0.0, "patient", "hello"]],
            answer_s=40.0,
            satisfaction=2,
            keep_class="ordinary",
            keep_until=office.now + timedelta(days=180),
        )
        session.add(chat)
        session.flush()
        session.add(
            ChatFinding(
                chat_id=chat.id, category="impatience", phrase="x", speaker="line", start_s=3.0, severity=2, lexicon="t"
            )
        )
    with office.transaction() as session:
        days.draw_day(session, DAY, 5, office.now, kind="chats")
        assert reviews.open_day(session, DAY, office.now, "chats").opened == 1
    review = office.review_of(chat.id)
    assert (review.subject_kind, review.agent_id) == ("chat", office.agents["amy"])
    with office.transaction() as session:
        sheet = reviews.sheet(session, review.id, review.rater)
        assert items(sheet)["patient_tone"].suggestion.value == "no"
        assert items(sheet)["answered_in_time"].suggestion.value == "no"
    office.judge(review, patient_tone=NO)
    with office.transaction() as session:
        assert reviews.of_agent(session, "amy", office.now)[0].subject_kind == "chat"


def test_a_chat_that_is_emptied_is_nobodys_work_any_more(office: Office) -> None:
    with office.transaction() as session:
        session.add(
            Chat(
                id=new_id(), external_id="c-2", digest=b"2", channel="web", agent_id=office.agents["amy"],
                language="en", started_at=office.now, ended_at=office.now, taken_at=office.now, written=1,
                lines=[[0.0, "patient", "hello"]], keep_class="ordinary", keep_until=office.now,
            )
        )  # fmt: skip
    with office.transaction() as session:
        days.draw_day(session, DAY, 5, office.now, kind="chats")
        assert reviews.open_day(session, DAY, office.now, "chats").opened == 1
    raters = [row.rater for row in office.rows()]
    with office.transaction() as session:
        assert chats.purge_due(session, office.now) == 1
        assert [line for rater in raters for line in reviews.waiting(session, rater, office.now)] == []
    assert {row.state for row in office.rows()} == {"dropped"}
