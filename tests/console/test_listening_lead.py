"""The page of what raters have in hand: handed over and dropped by a supervisor, blind."""

from __future__ import annotations

import pytest

from console.words import short_id
from tests.console.listening_room import ListeningRoom
from tests.console.test_listening_reviews import at


@pytest.fixture
def day(listening: ListeningRoom) -> ListeningRoom:
    listening.talker()
    listening.recording()
    listening.user("qa1", "qa", "en")
    listening.user("boss", "supervisor", "en")
    listening.open_day()
    return listening


def test_a_lead_hands_over_and_drops_with_a_reason(day: ListeningRoom) -> None:
    day.user("qa2", "qa", "en")
    review = day.review()
    boss = at(day, "boss")
    boss.get("/reviews")
    assert "All reviews in hand" in boss.text
    boss.get("/reviews/waiting")
    assert short_id(review.id) in boss.text
    assert "Name of" not in boss.text
    assert "li.na" not in boss.text
    path, on = f"/reviews/waiting/{review.id}", "/reviews/waiting"
    assert boss.post(path, on=on, deed="hand_over", to="qa2", why="  ").status_code == 422
    assert "Say why." in boss.text
    assert boss.post(path, on=on, deed="keep", why="x").status_code == 400
    boss.post(path, on=on, deed="hand_over", to="qa2", why="qa1 is ill")
    assert (day.review().rater, "qa2 has it now." in boss.text) == ("qa2", True)
    mine = at(day, "qa2")
    mine.get(f"/reviews/{review.id}")
    assert f"Tell a supervisor the number {short_id(review.id)}" in mine.text
    boss.post(path, on=on, deed="drop", why="nothing to hear")
    assert {row.state for row in day.reviews()} == {"dropped"}
    assert "No review waits." in boss.text
    assert "nothing to hear" in boss.text
    assert boss.post(path, on="/account", deed="drop", why="again").status_code == 422


def test_a_rater_who_is_gone_is_told_first(day: ListeningRoom) -> None:
    from console import users

    with day.house.transaction() as session:
        users.disable(session, "qa1", "boss", day.now)
    boss = at(day, "boss")
    boss.get("/reviews/waiting")
    assert "qa1 is not there any more" in boss.text
