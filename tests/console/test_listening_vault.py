"""The player and the vault's pages: a reason first, ranges, a permit's word nowhere, holds, two people, the log."""

from __future__ import annotations

import logging
import re
import uuid

import pytest
import sqlalchemy as sa

from console import frame, listening_view
from console.listening import PERMIT
from console.models import User
from recordings.models import Recording
from tests.console.desk_room import Screen
from tests.console.listening_room import PATIENT_SAYS, ListeningRoom


def hear(screen: Screen, recording: uuid.UUID, reason: str = "check", **more: str) -> str:
    """Say why and come back to the page; the address of the sound."""
    page = f"/vault/{recording}"
    screen.post(f"/hear/{recording}", on=page, reason=reason, back=page, **more)
    assert screen.said is not None
    found = re.search(r'<audio[^>]* src="([^"#]+)', screen.said.get_data(as_text=True))
    assert found, screen.text
    return found[1]


# ---- a reason first ------------------------------------------------------------------------------------
def test_nothing_is_heard_or_read_before_a_reason(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen = listening.signed_in("qa")
    page = screen.get(f"/vault/{recording}").get_data(as_text=True)
    assert "<audio" not in page
    assert PATIENT_SAYS[0][2] not in page
    assert "hurry up" not in page
    assert listening.plays() == []
    hear(screen, recording, "other", why="a test of the line")
    assert PATIENT_SAYS[0][2] in screen.text
    assert [(row.login, row.why, row.original) for row in listening.plays()] == [
        ("qa1", "other: a test of the line", False)
    ]


@pytest.mark.parametrize(
    ("reason", "why", "answer"),
    [("", "", "choose a reason"), ("curious", "", "choose a reason"), ("other", " ", "say which"),
     ("other", "ring 1055 550111", "no number")],
)  # fmt: skip
def test_without_a_proper_reason_there_is_no_player(
    listening: ListeningRoom, reason: str, why: str, answer: str
) -> None:
    recording = listening.recording()
    screen, page = listening.signed_in("qa"), f"/vault/{recording}"
    screen.post(f"/hear/{recording}", on=page, reason=reason, why=why, back=page)
    assert answer in screen.text
    assert "<audio" not in screen.said.get_data(as_text=True)  # type: ignore[union-attr]
    assert listening.plays() == []


# ---- the sound over HTTP -------------------------------------------------------------------------------
def test_the_player_gets_ranges_and_they_are_written_down(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen = listening.signed_in("qa")
    sound = hear(screen, recording)
    whole = screen.client.get(sound)
    assert whole.status_code == 200
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Type"] == "audio/wav"
    assert whole.headers["Cache-Control"] == "no-store"
    data = whole.get_data()
    assert len(data) == int(whole.headers["Content-Length"]) == 44 + 20 * 32_000
    part = screen.client.get(sound, headers={"Range": "bytes=44-32043"})
    assert (part.status_code, part.get_data()) == (206, data[44:32044])
    assert part.headers["Content-Range"] == f"bytes 44-32043/{len(data)}"
    assert screen.client.get(sound, headers={"Range": "bytes=-100"}).get_data() == data[-100:]
    beyond = screen.client.get(sound, headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(data)}")
    assert listening.plays()[0].heard == [[0.0, 20.0]]


def test_head_tells_the_size_and_nothing_is_written_down_as_heard(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen = listening.signed_in("qa")
    said = screen.client.head(hear(screen, recording))
    assert (said.status_code, said.get_data()) == (200, b"")
    assert int(said.headers["Content-Length"]) == 44 + 20 * 32_000
    assert listening.plays()[0].heard == []


def test_a_permit_is_for_one_person_and_ends(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen, other = listening.signed_in("qa"), listening.signed_in("supervisor")
    sound = hear(screen, recording)
    cookie = screen.client.get_cookie(PERMIT, path=sound)
    assert cookie is not None
    assert other.client.get(sound).status_code == 404
    other.client.set_cookie(PERMIT, cookie.value, path=sound)
    assert other.client.get(sound).status_code == 404, "with the word, but not the person"
    assert listening.screen().client.get(sound).status_code == 302
    listening.forward(minutes=10, seconds=39)
    assert screen.client.get(sound).status_code == 200
    listening.forward(seconds=1)
    screen.sign_in("qa1")
    screen.client.set_cookie(PERMIT, cookie.value, path=sound)
    assert screen.client.get(sound).status_code == 404
    assert "<audio" not in screen.get(f"/vault/{recording}").get_data(as_text=True)


def test_a_permit_ends_when_a_hold_is_placed_or_the_role_is_another(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen, keeper = listening.signed_in("qa"), listening.signed_in("supervisor")
    sound, page = hear(screen, recording), f"/vault/{recording}"
    keeper.post(f"{page}/keep", on=page, deed="hold", why="case of the ward")
    assert screen.client.get(sound, headers={"Range": "bytes=44-99"}).status_code == 404
    assert "<audio" not in screen.get(page).get_data(as_text=True)
    keeper.post(f"{page}/keep", on=page, deed="release", why="the case is closed")
    assert screen.client.get(sound, headers={"Range": "bytes=44-99"}).status_code == 206
    assert "<audio" in screen.get(page).get_data(as_text=True)
    with listening.house.transaction() as session:
        session.execute(sa.update(User).where(User.login == "qa1").values(role="it"))
    assert screen.client.get(sound, headers={"Range": "bytes=44-99"}).status_code == 404


def test_the_word_of_a_permit_is_in_no_address_no_page_and_no_log_line(
    listening: ListeningRoom, caplog: pytest.LogCaptureFixture
) -> None:
    recording = listening.recording()
    screen = listening.signed_in("qa")
    with caplog.at_level(logging.DEBUG):
        sound = hear(screen, recording)
        page = screen.get(f"/vault/{recording}").get_data(as_text=True)
        screen.client.get(sound, headers={"Range": "bytes=0-"})
        screen.client.get(sound + "x")
    cookie = screen.client.get_cookie(PERMIT, path=sound)
    assert cookie is not None
    assert len(cookie.value) == 43
    assert cookie.http_only
    assert cookie.same_site == "Strict"
    for text in (sound, page, caplog.text, "".join(str(vars(record)) for record in caplog.records)):
        assert cookie.value not in text


def test_only_pages_with_a_player_may_load_sound_and_only_ours(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen = listening.signed_in("supervisor")
    for path in ("/", "/vault", "/heard", "/exports", f"/vault/{recording}", "/reviews"):
        policy = screen.get(path).headers["Content-Security-Policy"]
        assert ("media-src" in policy) is (path == f"/vault/{recording}"), path
        assert "unsafe" not in policy
    assert policy.count("'self'") > 3
    assert "; media-src 'self'" in screen.get(f"/vault/{recording}").headers["Content-Security-Policy"]
    assert {name.removeprefix("console.") for name in frame.SOUND} == {
        "recording", "recording_words", "review", "review_save", "my_review", "my_review_dispute", "dispute",
        "dispute_settle", "coaching_task", "coaching_deed", "worklist_sound", "worklist_hear",
    }  # fmt: skip


def test_a_listener_hears_no_original_and_reads_none(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen, page = listening.signed_in("qa"), f"/vault/{recording}"
    screen.post(f"/hear/{recording}", on=page, reason="check", original="yes", back=page)
    assert "You have no right to hear recordings unmasked." in screen.text
    assert screen.post(f"{page}/words", on=page, reason="check").status_code == 403
    assert listening.plays() == []
    supervisor = listening.signed_in("supervisor")
    hear(supervisor, recording, original="yes")
    supervisor.post(f"{page}/words", on=page, reason="complaint")
    assert PATIENT_SAYS[0][2] in supervisor.text
    assert [(row.kind, row.original) for row in listening.plays()] == [("listen", True), ("read", True)]
    assert "complaint" not in supervisor.get(page).headers.get("Location", "")


# ---- the list ------------------------------------------------------------------------------------------
def test_recordings_are_found_by_day_kind_and_state(listening: ListeningRoom) -> None:
    old = listening.recording()
    listening.forward(days=2)
    message = listening.recording(purpose="message")
    awaited = listening.room.announce(listening.room.call(call_sid="CA" + "f" * 32))
    screen = listening.signed_in("qa")

    def found(query: str) -> set[uuid.UUID]:
        page = screen.get(f"/vault?{query}").get_data(as_text=True)
        return {uuid.UUID(one) for one in re.findall(r'href="/vault/([0-9a-f-]{36})"', page)}

    assert found("") == {old, message, awaited}
    assert found("until=2031-03-07") == {old}
    assert found("since=2031-03-08") == {message, awaited}
    assert found("purpose=message") == {message}
    assert found("state=announced") == {awaited}
    assert found("language=zh-CN") == set()
    assert found("held=yes") == set()
    for wrong in ("since=yesterday", "purpose=song", "state=lost", "before=2031"):
        assert screen.get(f"/vault?{wrong}").status_code == 400, wrong


def test_a_list_of_many_costs_what_a_list_of_one_costs(listening: ListeningRoom) -> None:
    def asked(path: str) -> int:
        said: list[str] = []

        def note(conn: object, cursor: object, statement: str, *more: object) -> None:
            said.append(statement)

        sa.event.listen(listening.house.engine, "before_cursor_execute", note)
        screen.get(path)
        sa.event.remove(listening.house.engine, "before_cursor_execute", note)
        return len(said)

    screen = listening.signed_in("supervisor")
    first = listening.recording()
    hear(screen, first)
    paths = ("/vault", "/heard", "/exports", f"/vault/{first}")
    one = [asked(path) for path in paths]
    for _ in range(4):
        hear(screen, listening.recording())
    for _ in range(4):
        hear(screen, first)
    assert [asked(path) for path in paths] == one
    assert max(one) < 25


def test_older_ones_are_a_click_away(listening: ListeningRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_view, "MOST", 2)
    screen, made = listening.signed_in("supervisor"), []
    for _ in range(3):
        made.append(listening.recording(seconds=18))
        hear(screen, made[-1])
        listening.forward(minutes=1)
    for path, there in (("/vault?purpose=call", made[0]), ("/heard", made[0])):
        page = screen.get(path).get_data(as_text=True)
        assert str(there) not in page
        older = re.search(r'href="([^"]+before=[^"]+)"', page)
        assert older, path
        page = screen.get(older[1].replace("&amp;", "&")).get_data(as_text=True)
        assert str(there) in page
        assert str(made[1]) not in page
        assert ("purpose=call" in older[1]) is path.endswith("call")


# ---- holds, copies, the log ----------------------------------------------------------------------------
def test_a_hold_is_set_and_ended_with_a_reason(listening: ListeningRoom) -> None:
    recording = listening.recording()
    screen, page = listening.signed_in("supervisor"), f"/vault/{recording}"
    listener = listening.signed_in("qa")
    screen.post(f"{page}/keep", on=page, deed="hold", why="  ")
    assert "A hold needs a reason." in screen.text
    screen.post(f"{page}/keep", on=page, deed="hold", why="case of the ward")
    assert "Held by supervisor1" in screen.text
    assert "case of the ward" in screen.text
    listener.post(f"/hear/{recording}", on=page, reason="review", back=page)
    assert "legal hold" in listener.text
    assert str(recording) in screen.get("/vault?held=yes").get_data(as_text=True)
    screen.post(f"{page}/keep", on=page, deed="release", why="the case is closed")
    assert "Released by supervisor1" in screen.text
    hear(listener, recording)
    assert listener.post(f"{page}/keep", on=page, deed="hold", why="x").status_code == 403
    assert screen.post(f"{page}/keep", on=page, deed="burn", why="x").status_code == 400


def test_a_copy_is_approved_by_somebody_else_and_taken_once(listening: ListeningRoom) -> None:
    recording = listening.recording()
    page = f"/vault/{recording}"
    asker = listening.signed_in("supervisor", login="asker")
    second = listening.signed_in("supervisor", login="second")
    asker.post(f"{page}/keep", on=page, deed="export", reason="request", why="the court asks")
    (asked,) = listening.plays()
    assert "for somebody else to approve" in (asker.get("/exports"), asker.text)[1]
    asker.post(f"/exports/{asked.id}", on=page, deed="approve")
    assert "Somebody else has to approve" in asker.text
    second.post(f"/exports/{asked.id}", on="/exports", deed="approve")
    second.post(f"/exports/{asked.id}", on=page, deed="take")
    assert "Only who asked" in second.text
    said = asker.post(f"/exports/{asked.id}", on="/exports", deed="take")
    assert said.headers["Content-Disposition"] == 'attachment; filename="recording.wav"'
    assert len(said.get_data()) == 44 + 20 * 32_000
    asker.post(f"/exports/{asked.id}", on=page, deed="take")
    assert "taken already" in asker.text
    log = (second.get("/heard"), second.text)[1]
    assert "approved by second" in log
    assert "the court asks" in log


def test_the_log_says_who_heard_what_when_why_and_how_much(listening: ListeningRoom) -> None:
    recording = listening.recording()
    listener, supervisor = listening.signed_in("qa"), listening.signed_in("supervisor")
    sound = hear(listener, recording, "complaint", why="what was promised")
    listener.client.get(sound, headers={"Range": "bytes=44-320043"})
    log = (supervisor.get("/heard?login=qa1"), supervisor.text)[1]
    assert "10:00 qa1 listened a complaint: what was promised 0:10 / 0:20" in log
    assert "qa1 listened" not in (supervisor.get("/heard?login=nobody"), supervisor.text)[1]
    assert listener.get("/heard").status_code == 403
    assert str(recording) in supervisor.get("/heard").get_data(as_text=True)


@pytest.mark.parametrize("role", ["agent", "nurse", "it"])
def test_who_has_no_business_here_sees_nothing(listening: ListeningRoom, role: str) -> None:
    recording = listening.recording()
    screen = listening.signed_in(role)
    for path in ("/vault", f"/vault/{recording}", "/heard", "/exports", "/reviews", "/disputes", "/figures",
                 "/agreement"):  # fmt: skip
        assert screen.get(path).status_code == 403, path
    assert screen.post(f"/hear/{recording}", on="/account", reason="check", back="/").status_code == 403


def test_a_rater_is_not_told_that_a_call_was_a_complaint(listening: ListeningRoom) -> None:
    """The class of keeping says why a call was drawn: for the keeper of the vault only."""
    recording = listening.recording()
    with listening.house.transaction() as session:
        session.get_one(Recording, recording).keep_class = "complaint"
    listener, keeper = listening.signed_in("qa"), listening.signed_in("supervisor")
    listener.get("/vault")
    keeper.get("/vault")
    assert "complaint" in keeper.text
    assert "Call" in listener.text, "the recording is in the list"
    assert "complaint" not in listener.text


def test_a_name_in_a_reason_to_listen_is_not_kept(listening: ListeningRoom) -> None:
    """The log outlives the recording and an erasure: it is masked, as the view log is."""
    recording = listening.recording()
    hear(listening.signed_in("qa"), recording, "other", why="my name is Qarvonel Zickbaum, I was asked")
    (row,) = listening.plays()
    assert "Zickbaum" not in row.why
    assert row.why.startswith("other: ")
