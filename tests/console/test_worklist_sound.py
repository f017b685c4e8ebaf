"""A nurse hears and reads the recording an open item of hers is about, for a reason, and no other."""

from __future__ import annotations

import re
import uuid

import pytest

from scheduler import worklist
from tests.console.listening_room import PATIENT_SAYS, ListeningRoom


def wanted(listening: ListeningRoom, kind: str, recording: uuid.UUID) -> uuid.UUID:
    with listening.house.transaction() as session:
        return worklist.want(session, kind, None, recording, "no sign", listening.now).id


@pytest.mark.parametrize("kind", ["read_answer", "listen"])
def test_the_item_leads_to_the_words_and_the_player(listening: ListeningRoom, kind: str) -> None:
    recording = listening.recording()
    item = wanted(listening, kind, recording)
    nurse = listening.signed_in("nurse")
    page = f"/worklist/{item}/hear"
    assert f'href="{page}"' in nurse.get("/worklist").get_data(as_text=True)
    before = nurse.get(page).get_data(as_text=True)
    assert "<audio" not in before
    assert PATIENT_SAYS[0][2] not in before
    nurse.post(page, on=page, reason="", why="")
    assert listening.plays() == []
    nurse.post(page, on=page, reason="check", why="", original="yes")
    assert listening.plays() == [], "the original is a supervisor's"
    nurse.post(page, on=page, reason="check", why="")
    after = nurse.get(page).get_data(as_text=True)
    assert PATIENT_SAYS[0][2] in after
    found = re.search(r'<audio[^>]* src="([^"#]+)', after)
    assert found
    assert nurse.client.get(found[1]).status_code in (200, 206)


def test_no_other_recording_and_none_when_the_item_is_done(listening: ListeningRoom) -> None:
    recording = listening.recording()
    item, other = wanted(listening, "read_answer", recording), wanted(listening, "red_flag", recording)
    nurse = listening.signed_in("nurse")
    assert nurse.get(f"/worklist/{other}/hear").status_code == 404
    assert f"/worklist/{other}/hear" not in nurse.get("/worklist").get_data(as_text=True)
    assert nurse.get(f"/vault/{recording}").status_code == 403
    with listening.house.transaction() as session:
        worklist.done(session, item, "nurse1", "rung", listening.now)
    assert nurse.get(f"/worklist/{item}/hear").status_code == 404
    assert listening.signed_in("agent").get(f"/worklist/{item}/hear").status_code == 403
    assert listening.plays() == []
