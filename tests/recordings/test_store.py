"""A recording from announcement to purge, on the real database."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.events import ReasonGiven, Transcribed
from core.house import House
from core.said import kept
from dialer.models import Call
from recordings import jobs, reports, store
from recordings.findings.screen import Screened
from recordings.models import FindingRow, SegmentRow, Transcript
from recordings.sound.conversation import Line
from recordings.speech.stt import EngineDied, Speech
from recordings.vault import retention
from recordings.vault.fetch import Broken, Denied, Listed, Media, NotYet
from recordings.vault.files import FileStore
from tests.recordings.room import Room, sid
from tests.recordings.sounds import MEDICINE, dual, mono, said, tone

SOUND = dual(tone(4), tone(4))
TOLD = {"RecordingDuration": "4"}


def announced(room: Room, **more: str) -> uuid.UUID:
    return room.announce(room.call(), **more)


def test_the_whole_road(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.speech.texts = ["I have a high fever.", "I guarantee you'll be fine."]
    assert room.done(recording, **TOLD) == 204
    assert room.work() == ["fetch_recording", "transcribe_recording"]
    row = room.row(recording)
    assert (row.state, row.reason, row.channels, row.rate, row.seconds) == ("kept", "", 2, 8000, 4.0)
    assert row.size == len(SOUND)
    assert len(row.levels) == 2
    assert room.house.service(FileStore).get(recording) == SOUND
    assert room.ledger(recording) == [
        "announced",
        "completed at the carrier",
        "fetched",
        "transcribed",
        "screened",
        "kept",
    ]
    with room.house.transaction() as session:
        assert [(said.speaker, said.text) for said in reports.transcript(session, recording)] == [
            ("patient", "I have a high fever."),
            ("line", "I guarantee you'll be fine."),
        ]
        assert [hit.category for hit in reports.findings(session, [recording])[recording]] == [
            "red_flag",
            "over_promise",
            "over_promise",
        ]


def test_repeated_and_reordered_callbacks_change_nothing(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    for _ in range(3):
        room.done(recording, **TOLD)
    room.done(recording, "in-progress")
    assert room.work().count("fetch_recording") == 1
    before = room.ledger(recording)
    for status in ("completed", "absent", "failed", "in-progress"):
        assert room.done(recording, status, **TOLD) == 204
    assert room.work() == []
    assert room.ledger(recording) == before
    assert room.carrier.asked == [sid(1)]


def test_an_unsigned_request_is_refused(room: Room) -> None:
    recording = announced(room)
    assert room.done(recording, token="a guess") == 403
    assert room.row(recording).sid is None


@pytest.mark.parametrize("wrong", ["", "RE", "../../etc/passwd", "CA" + "0" * 32])
def test_a_callback_without_a_usable_sid_is_told_so(room: Room, wrong: str) -> None:
    recording = announced(room)
    assert room.done(recording, RecordingSid=wrong) == 400
    assert room.deferred() == []


def test_a_word_we_do_not_know_is_counted(room: Room) -> None:
    recording = announced(room)
    assert room.done(recording, "exploded") == 204
    assert room.ledger(recording) == ["announced", "unknown carrier word"]


@pytest.mark.parametrize(("status", "more"), [("absent", {"ErrorCode": "16102"}), ("failed", {})])
def test_the_carrier_has_nothing(room: Room, status: str, more: dict[str, str]) -> None:
    recording = announced(room)
    assert room.done(recording, status, **more) == 204
    row = room.row(recording)
    assert row.state == "absent"
    assert row.reason == (f"{status}_code code=16102" if more else status)


def test_a_file_that_is_404_for_some_seconds_is_waited_out(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = [NotYet(), NotYet(), NotYet(), Media(SOUND)]
    room.done(recording, **TOLD)
    room.work()
    for seconds in (1, 2, 4):
        assert room.row(recording).reason == "not_yet"
        room.forward(seconds=seconds - 0.5)
        assert room.tick() == []
        room.forward(seconds=0.5)
        assert "fetch_recording" in room.tick()
    assert room.row(recording).state == "kept"
    assert room.row(recording).reason == ""


def test_after_half_an_hour_it_failed_with_its_reason_and_a_person_can_ask_again(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Denied(401)
    room.done(recording, **TOLD)
    room.work()
    for _ in range(70):
        room.forward(seconds=30)
        room.tick()
    row = room.row(recording)
    assert (row.state, row.reason) == ("failed", "denied status=401")
    assert 60 < row.fetch_tries < 70
    assert room.done(recording, **TOLD) == 204, "a late callback"
    assert room.row(recording).state == "failed"
    room.carrier.files[sid(1)] = Media(SOUND)
    with room.house.transaction() as session:
        assert store.fetch_by_hand(session, recording, "ward clerk", room.now)
    room.work()
    assert room.row(recording).state == "kept"
    with room.house.transaction() as session:
        assert not store.fetch_by_hand(session, recording, "ward clerk", room.now)


def test_what_cannot_end_better_is_not_tried_again(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Broken("too_large most=200", again=False)
    room.done(recording)
    room.work()
    assert (room.row(recording).state, room.row(recording).reason) == ("failed", "too_large most=200")


@pytest.mark.parametrize(
    ("data", "words", "kept"),
    [
        (b"", "empty", False),
        (b"<html>", "no_wav_but other=HTML", True),
        (mono(tone(1)), "length seconds=1.0 announced=4", True),
    ],
)
def test_a_file_that_is_no_recording(room: Room, data: bytes, words: str, kept: bool) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(data)
    room.done(recording, **TOLD)
    assert room.work() == ["fetch_recording"]
    assert (room.row(recording).state, room.row(recording).reason) == ("unreadable", words)
    assert room.house.service(FileStore).path(recording).exists() is kept


def test_a_language_without_a_model_waits_and_says_so_until_there_is_one(room: Room) -> None:
    recording = announced(room, language="zh-CN")
    room.carrier.files[sid(1)] = Media(SOUND)
    missing = "speech to text is switched off for zh-CN"
    room.speech.absent = {"zh-CN": missing}
    room.done(recording, **TOLD)
    room.work()
    for _ in range(2):
        row = room.row(recording)
        assert (row.state, row.reason) == ("waiting_for_model", kept("no_speech_model", detail=missing))
        room.forward(minutes=10)
        room.tick()
    assert room.ledger(recording).count("no_model") == 1
    assert room.speech.heard == []
    room.speech.absent = {}
    room.speech.texts = ["伤口出血", ""]
    room.forward(minutes=10)
    room.tick()
    assert room.row(recording).state == "kept"
    with room.house.transaction() as session:
        assert [hit.phrase for hit in reports.findings(session, [recording])[recording]] == ["出血"]


def test_an_engine_that_dies_is_tried_again_and_set_aside_in_the_end(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.speech.texts = [EngineDied("the speech engine ended in the middle of a file")]
    room.done(recording, **TOLD)
    room.work()
    assert room.row(recording).state == "fetched"
    room.forward(seconds=5)
    room.speech.texts = [EngineDied("it ended")] * 9
    for _ in range(8):
        room.tick()
        room.forward(minutes=5)
    row = room.row(recording)
    assert (row.state, row.reason, row.speech_tries) == ("failed", "engine detail=it%20ended", 5)
    room.speech.texts = ["hello", "hello"]
    with room.house.transaction() as session:
        assert store.transcribe_by_hand(session, recording, "IT", room.now)
    room.work()
    assert room.row(recording).state == "kept"


def test_a_stored_file_that_was_changed_is_a_failure_with_its_reason(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(recording, **TOLD)
    jobs.fetch_recording(room.house, recording)
    room.house.service(FileStore).path(recording).write_bytes(b"CCREC1" + b"x" * 500)
    room.work()
    assert room.row(recording).state == "failed"
    assert "does%20not%20open" in room.row(recording).reason


def test_a_job_that_runs_twice_does_its_work_once(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(recording, **TOLD)
    for _ in range(2):
        jobs.fetch_recording(room.house, recording)
        jobs.transcribe_recording(room.house, recording)
    assert room.carrier.asked == [sid(1)]
    assert len(room.speech.heard) == 2, "two channels, once"


def test_work_of_a_dead_worker_is_found_again_and_its_late_result_is_dropped(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(recording, **TOLD)
    with room.house.transaction() as session:
        lost = store.claim_fetch(session, recording, room.now)
    assert lost is not None
    assert room.work() == ["fetch_recording"]
    assert room.row(recording).state == "announced", "somebody seems to be at it"
    room.forward(minutes=6)
    room.tick()
    assert room.row(recording).state == "kept"
    with room.house.transaction() as session:
        store.fetch_in_vain(session, recording, lost.claim, "late", False, room.now)
    assert room.row(recording).state == "kept"


def test_good_work_slower_than_its_lease_still_counts_once(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(recording, **TOLD)
    jobs.fetch_recording(room.house, recording)
    with room.house.transaction() as session:
        assert store.claim_speech(session, recording, room.now) is not None
    room.forward(hours=1)
    with room.house.transaction() as session:
        assert store.claim_speech(session, recording, room.now) is not None, "taken over"
    for words in ("first", "second"):
        with room.house.transaction() as session:
            heard = [Line("patient", 0, 1, words, 1.0)]
            store.transcribed(session, recording, heard, Screened((), "en-1", "normal"), room.now)
    with room.house.transaction() as session:
        assert [line.text for line in reports.transcript(session, recording)] == ["first"]


def test_a_second_file_for_one_promise_and_a_file_nobody_announced_are_kept(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    recording = announced(room)
    room.carrier.files |= {sid(n): Media(SOUND) for n in (1, 2, 3)}
    room.done(recording, **TOLD)
    room.done(recording, RecordingSid=sid(2), **TOLD)
    room.done(uuid.uuid4(), RecordingSid=sid(3), CallSid="CA" + "f" * 32, **TOLD)
    room.work()
    rows = room.rows()
    assert {row.sid for row in rows} == {sid(1), sid(2), sid(3)}
    assert {row.state for row in rows} == {"kept"}
    assert [row.call_id is None for row in sorted(rows, key=lambda row: str(row.sid))] == [False, False, True]
    assert "nobody announced" in caplog.text


def test_a_lost_callback_is_made_up_for_from_the_carriers_list(room: Room) -> None:
    call = room.call("followup")
    whole = room.announce(call)
    room.forward(seconds=20)
    answers = [room.announce(call, "open_answer"), room.announce(call, "open_answer")]
    silent = room.announce(call, "message")
    at = room.now
    room.carrier.listed = [
        Listed(sid(3), "RecordVerb", "completed", 4, at + timedelta(seconds=30)),
        Listed(sid(2), "RecordVerb", "completed", 4, at + timedelta(seconds=20)),
        Listed(sid(1), "StartCallRecordingTwiML", "completed", 4, at),
    ]
    room.carrier.files |= {sid(n): Media(SOUND) for n in (1, 2, 3)}
    room.call_ended(call)
    assert room.tick() == [], "the callbacks still have a minute"
    room.forward(seconds=60)
    assert "look_for_recording" in room.tick()
    assert room.row(whole).sid == sid(1)
    taken = {room.row(one).sid for one in [*answers, silent]}
    assert taken == {sid(2), sid(3), None}
    for _ in range(12):
        room.forward(seconds=30)
        room.tick()
    states = sorted(room.row(one).state for one in [whole, *answers, silent])
    assert states == ["absent", "kept", "kept", "kept"]


def test_a_list_that_cannot_be_read_is_asked_again_until_it_is_given_up(room: Room) -> None:
    call = room.call()
    recording = room.announce(call)
    room.carrier.listed = Broken("status status=500%20when%20asked%20for%20its%20list")
    room.call_ended(call)
    for _ in range(70):
        room.forward(seconds=30)
        room.tick()
    assert (room.row(recording).state, room.row(recording).reason) == (
        "failed",
        "status status=500%20when%20asked%20for%20its%20list",
    )
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(recording, **TOLD)
    room.work()
    assert room.row(recording).state == "kept", "the carrier had it after all"


def test_what_led_to_an_escalation_is_kept_as_long_as_one(room: Room) -> None:
    call = room.call()
    before, other = room.announce(call), room.announce(room.call(call_sid=None))
    room.escalate(call)
    after = room.announce(call, "message")
    days = room.house.settings.recordings.keep_days
    for recording, kind, kept_days in ((before, "escalation", days.escalation), (after, "escalation", days.escalation)):
        assert room.row(recording).keep_class == kind
        assert room.row(recording).keep_until == room.row(recording).announced_at + timedelta(days=kept_days)
    assert room.row(other).keep_class == "ordinary"


def test_a_complaint_is_kept_as_long_as_one(room: Room) -> None:
    call = room.call()
    before, other = room.announce(call), room.announce(room.call(call_sid=None))
    for reason in ("services", "complaint_other"):
        with room.house.transaction() as session:
            session.get_one(Call, call).reason = reason
        room.publish(ReasonGiven(call, reason))
    after = room.announce(call, "message")
    days = room.house.settings.recordings.keep_days
    for recording in (before, after):
        assert room.row(recording).keep_class == "complaint"
        assert room.row(recording).keep_until == room.row(recording).announced_at + timedelta(days=days.complaint)
    assert room.row(other).keep_class == "ordinary"
    room.escalate(call)
    assert room.row(before).keep_class == "complaint", "one long time is enough"


def test_the_callers_words_are_told_when_they_are_known(room: Room) -> None:
    told: list[Transcribed] = []
    room.house.bus.subscribe(Transcribed, lambda session, event, now: told.append(event))
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.speech.texts = ["The lift is broken.", "Thank you for your message."]
    room.done(recording, **TOLD)
    room.work()
    call = room.row(recording).call_id
    assert call is not None
    assert told == [Transcribed(recording, call, "call", "The lift is broken.")], "not what the machine said"


def test_at_the_end_of_its_time_the_sound_and_the_words_are_gone_and_the_row_stays(room: Room) -> None:
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.speech.texts = ["I have a high fever."]
    room.done(recording, **TOLD)
    room.work()
    room.forward(days=room.house.settings.recordings.keep_days.ordinary)
    with room.house.transaction() as session:
        assert retention.purge_due(session, room.now) == 1
    room.work()
    assert room.row(recording).state == "purged"
    assert not room.house.service(FileStore).path(recording).exists()
    with room.house.transaction() as session:
        for table in (Transcript, SegmentRow, FindingRow):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert retention.purge_due(session, room.now) == 0


def test_words_are_encrypted_at_rest_and_in_no_log(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    recording = announced(room)
    room.carrier.files[sid(1)] = Media(SOUND)
    room.speech.texts = ["my wound is bleeding", EngineDied("it ended")]
    room.done(recording, **TOLD)
    room.work()
    room.speech.texts = ["my wound is bleeding", ""]
    room.forward(seconds=5)
    room.tick()
    with room.house.transaction() as session:
        stored = session.scalars(sa.text("SELECT text FROM segments")).all()
        ledger = session.scalars(sa.text("SELECT data::text || why FROM events")).all()
    assert len(stored) == 1
    assert b"wound" not in bytes(stored[0])
    assert "wound" not in caplog.text + "".join(ledger)


def test_real_sound_real_model(house: House) -> None:
    """The one proof from sound to words through the whole room; in English, as no model understands the offline
    voice's Mandarin."""
    real = house.service(Speech)
    room = Room(house)
    house.services[Speech] = real
    recording = announced(room)
    data = dual(said(MEDICINE), tone(1, level=0))
    room.carrier.files[sid(1)] = Media(data)
    try:
        room.done(recording)
        room.work()
    finally:
        real.close()
    assert room.row(recording).state == "kept"
    with house.transaction() as session:
        told = reports.transcript(session, recording)
    assert {line.speaker for line in told} == {"patient"}
    assert "call me back" in " ".join(line.text for line in told).lower()
