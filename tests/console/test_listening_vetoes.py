"""Complaints found right: upheld by a supervisor, appealed by the agent alone, decided by another supervisor."""

from __future__ import annotations

import pytest

from recordings.review_models import Veto
from tests.console.listening_room import ListeningRoom

WHY = {"zh-CN": "认定有责", "en": "Found right"}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_complaint_is_upheld_appealed_and_lifted(listening: ListeningRoom, language: str) -> None:
    listening.talker()
    number, other = listening.ticket(), listening.ticket("call_back")
    boss = listening.signed_in("supervisor", language, at="/")
    assert WHY[language] in (boss.get("/vetoes"), boss.text)[1]
    typed = {"login": "li.na", "ticket": number, "day": "2031-03-07", "why": "rude, heard at 1:10"}
    for wrong in ({"ticket": other}, {"ticket": "nothing"}, {"day": "2031-13-01"}, {"day": "2031-03-08"}, {"why": " "}):
        boss.post("/vetoes", on="/vetoes", **typed | wrong)
        assert listening.every(Veto) == [], wrong
        assert "li.na" in boss.text
    boss.post("/vetoes", on="/vetoes", **typed)
    (veto,) = listening.every(Veto)
    assert (veto.state, veto.ticket, veto.upheld_by) == ("upheld", number, "supervisor1")

    stranger = listening.signed_in("agent", language, login="other")
    assert number not in (stranger.get("/my-vetoes"), stranger.text)[1]
    assert stranger.post(f"/my-vetoes/{veto.id}", on="/my-vetoes", why="mine").status_code == 404
    assert stranger.get("/vetoes").status_code == 403
    agent = listening.signed_in("agent", language, login="li.na")
    assert "rude, heard at 1:10" in (agent.get("/my-vetoes"), agent.text)[1]
    assert agent.post(f"/my-vetoes/{veto.id}", on="/my-vetoes", why=" ").status_code == 422
    agent.post(f"/my-vetoes/{veto.id}", on="/my-vetoes", why="another caller")
    assert listening.every(Veto)[0].state == "appealed"

    page = f"/vetoes/{veto.id}"
    boss.post(page, on="/vetoes", deed="keep", why="no")
    assert listening.every(Veto)[0].state == "appealed", "nobody judges in their own cause"
    chief = listening.signed_in("supervisor", language, login="chief", at="/")
    assert "another caller" in (chief.get("/vetoes"), chief.text)[1]
    chief.post(page, on="/vetoes", deed="lift", why="another caller indeed")
    (veto,) = listening.every(Veto)
    assert (veto.state, veto.decided_by) == ("lifted", "chief")
