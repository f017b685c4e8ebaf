"""An open answer in which no sign was found is read by a nurse, unless it says that there is nothing to say."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from core import holidays
from core.house import House
from dialer.models import Escalation
from recordings import jobs
from recordings.findings import machine_flags
from recordings.findings.lexicon import load
from recordings.findings.nothing import is_said
from recordings.sound.conversation import Line
from recordings.speech.stt import Segment
from recordings.vault.fetch import Media
from scheduler.models import WorkItem
from scheduler.work_kinds import KINDS, due_at
from scheduler.worklist import open_items, want
from tests.dialer.ward import Ward
from tests.recordings.room import Room, sid
from tests.recordings.sounds import mono, tone
from tests.recordings.test_held_out import sentences

LISTS = {"en": load("en"), "zh-CN": load("zh-CN")}
SAID = yaml.safe_load(Path(__file__).with_name("nothing_said.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_says_that_there_is_nothing_to_say_and_what_does_not(language: str) -> None:
    assert [text for text in SAID["nothing"][language] if not is_said(text, LISTS[language])] == []
    assert [text for text in SAID["something"][language] if is_said(text, LISTS[language])] == []


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("which", ["first", "second", "third"])
def test_no_sentence_of_danger_is_nothing(which: str, language: str) -> None:
    """Each is told to somebody: by a sign, or because a nurse reads it."""
    for text in sentences(which, language, "danger"):
        lines = [Line("patient", 0, 1, text, 0.9)]
        found = machine_flags.signs(lines, LISTS[language])
        assert found or machine_flags.is_unread("open_answer", lines, found, LISTS[language]), text


@pytest.mark.parametrize(("language", "form"), [("en", "no "), ("zh-CN", "没有")])
def test_a_long_answer_takes_no_longer_a_word_than_a_short_one(language: str, form: str) -> None:
    def took(times: int) -> float:
        begun = time.perf_counter()
        assert not is_said(form * times + "xyz", LISTS[language])
        return time.perf_counter() - begun

    took(10)
    assert min(took(2000) for _ in range(3)) < 40 * min(took(200) for _ in range(3))


# ---- from the sound to the nurse ------------------------------------------------------------------------------
@pytest.fixture
def ward(house: House) -> Ward:
    return Ward.of(house)


@pytest.fixture
def room(ward: Ward) -> Room:
    return Room(ward.house)


def spoken(room: Room, ward: Ward, text: str, purpose: str = "open_answer", language: str = "en") -> uuid.UUID:
    """A patient's answer is ready at the carrier, fetched, heard and screened; alarms are told."""
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, purpose, language=language)
    room.carrier.files[sid(1)] = Media(mono(tone(4)))
    room.speech.texts = [text] * 2
    assert room.done(recording, RecordingDuration="4", CallSid=str(call.sid)) == 204
    room.work()
    return recording


def items(room: Room) -> list[WorkItem]:
    with room.house.transaction() as session:
        return list(session.scalars(sa.select(WorkItem)))


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "It is like walking on cotton wool."), ("zh-CN", "跟勒了根绳子似的"), ("en", "Thank you.")],
)
def test_an_answer_without_a_sign_is_read_by_a_nurse_the_same_day_once(
    room: Room, ward: Ward, language: str, text: str
) -> None:
    recording = spoken(room, ward, text, language=language)
    [item] = items(room)
    assert (item.kind, item.subject_id, item.why) == ("read_answer", recording, machine_flags.UNREAD["no sign"])
    assert item.patient_id is not None
    with room.house.transaction() as session:
        assert item.due_at == due_at("red_flag", room.now, "Asia/Shanghai", holidays.hours(session)), "the same day"
        assert session.scalar(sa.select(sa.func.count()).select_from(Escalation)) == 0
    for _ in range(2):  # a job that runs twice; and once more when the item is done
        jobs.transcribe_recording(room.house, recording)
        with room.house.transaction() as session:
            machine_flags.unread(session, recording, room.now)
            session.get_one(WorkItem, item.id).status = "done"
    assert [(one.id, one.times) for one in items(room)] == [(item.id, 1)]


def test_what_the_engine_gave_up_and_hears_by_hand_is_asked_for_once(room: Room, ward: Ward) -> None:
    """A nurse was asked to listen: she has heard it, whatever a machine makes of it afterwards."""
    room.speech.absent = {"en": "there is no model"}
    recording = spoken(room, ward, "It is like walking on cotton wool.")
    room.speech.absent = {}
    room.forward(hours=1)
    room.tick()
    assert room.row(recording).state == "kept"
    assert [(item.kind, item.times) for item in items(room)] == [("listen", 1)]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "No, thank you, I'm fine."), ("zh-CN", "没有了，挺好的，谢谢。"), ("en", "")]
)
def test_nothing_to_say_is_nobodys_work(room: Room, ward: Ward, language: str, text: str) -> None:
    spoken(room, ward, text, language=language)
    assert items(room) == []


def test_a_nothing_in_one_breath_and_more_in_the_next_is_read(room: Room, ward: Ward) -> None:
    room.speech.segments = [Segment(1.0, 1.5, "No.", 0.9), Segment(3.0, 3.5, "Only that I see spots.", 0.9)]
    spoken(room, ward, "")
    assert [item.kind for item in items(room)] == ["read_answer"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("I have a fever.", ["red_flag"]),
        ("The bleeding won't stop.", []),
        ("No bleeding, and I had a nice walk.", ["read_answer"]),
    ],
)
def test_a_sign_asks_somebody_already(room: Room, ward: Ward, text: str, kinds: list[str]) -> None:
    ward.doctor(1)
    spoken(room, ward, text)
    assert [item.kind for item in items(room)] == kinds


def test_a_sign_found_at_one_hearing_and_not_at_another_is_no_second_item(room: Room, ward: Ward) -> None:
    """A worker that lost its claim has heard it as well, and made other words of it."""
    recording = spoken(room, ward, "I have a fever.")
    with room.house.transaction() as session:
        machine_flags.unread(session, recording, room.now)
    assert [item.kind for item in items(room)] == ["red_flag"]


def test_what_the_engine_is_not_sure_of_is_listened_to_and_not_read_besides(room: Room, ward: Ward) -> None:
    room.speech.segments = [Segment(1.0, 2.0, "the moon is made of cheese", 0.3)]
    spoken(room, ward, "")
    assert [item.kind for item in items(room)] == ["listen"]


@pytest.mark.parametrize("purpose", ["message", "call"])
def test_a_message_has_its_ticket_and_a_call_was_heard(room: Room, ward: Ward, purpose: str) -> None:
    spoken(room, ward, "It is like walking on cotton wool.", purpose)
    assert items(room) == []


def test_what_is_to_be_read_comes_behind_warnings_and_has_words_in_both_languages(room: Room, ward: Ward) -> None:
    spoken(room, ward, "It is like walking on cotton wool.")
    room.forward(minutes=5)
    later = room.now + timedelta(minutes=1)
    with room.house.transaction() as session:
        patient = session.scalars(sa.select(WorkItem.patient_id)).one()
        want(session, "red_flag", patient, uuid.uuid4(), "fever", later)
        assert [item.kind for item in open_items(session, later)] == ["red_flag", "read_answer"]
    assert set(KINDS["read_answer"].words) == {"zh-CN", "en"}
