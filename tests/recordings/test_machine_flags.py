"""From the sound of an answer to the alarm: kept with the words, told once, or handed to a nurse."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from core.events import SpokenInto
from core.house import House
from core.models import EventRow
from dialer.models import Attempt, Call, Escalation
from recordings.findings import machine_flags
from recordings.findings.machine_flags import Sign
from recordings.models import FindingRow, Recording
from recordings.screen_models import MachineFlag
from recordings.sound.conversation import Line, Word
from recordings.speech.stt import EngineDied, Segment
from recordings.vault import retention
from recordings.vault.fetch import Broken, Listed, Media
from recordings.vault.files import FileStore
from scheduler.models import WorkItem
from scheduler.work_kinds import KINDS
from tests.dialer.ward import Ward
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, mono, said, tone
from tests.scheduler.clinic import hospital


@pytest.fixture
def ward(house: House) -> Ward:
    return Ward.of(house)


@pytest.fixture
def room(ward: Ward) -> Room:
    return Room(ward.house)


def spoken(room: Room, ward: Ward, text: str, purpose: str = "open_answer", **more: str) -> tuple[uuid.UUID, Call]:
    """A patient's answer is ready at the carrier, fetched, heard and screened; alarms are told."""
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, purpose, **more)
    room.carrier.files[sid(1)] = Media(mono(tone(4)))
    room.speech.texts = [text]
    assert room.done(recording, RecordingDuration="4", CallSid=str(call.sid)) == 204
    room.work()
    return recording, call


def every(room: Room, kind: type) -> list:
    with room.house.transaction() as session:
        return list(session.scalars(sa.select(kind)))


def work(room: Room) -> list[tuple[str, str]]:
    return [(item.kind, item.why) for item in every(room, WorkItem)]


@pytest.mark.parametrize(
    ("purpose", "language", "text"),
    [
        ("open_answer", "en", "The bleeding won't stop."),
        ("message", "en", "The bleeding won't stop."),
        ("open_answer", "zh-CN", "伤口一直在流血"),
    ],
)
def test_an_answer_with_words_of_warning_brings_a_doctor(
    room: Room, ward: Ward, purpose: str, language: str, text: str
) -> None:
    ward.doctor(1)
    recording, call = spoken(room, ward, text, purpose, language=language)
    [raised] = every(room, Escalation)
    assert (raised.made_by, raised.heard, raised.call_id) == ("machine", ["bleeding"], call.id)
    assert raised.said_at == room.row(recording).announced_at + timedelta(seconds=1)
    assert [one.kind for one in every(room, Attempt)] == ["doctor"]
    assert room.row(recording).keep_class in ("escalation", "record")
    [flag] = every(room, MachineFlag)
    assert (flag.level, flag.due_at, flag.told_at) == ("A", None, room.now)
    with room.house.transaction() as session:
        told = session.scalars(sa.select(EventRow.data).where(EventRow.what == "words of warning")).one()
    assert told == {"flag": "bleeding", "level": "A"}, "codes only"


def test_a_phrase_cut_by_a_pause_has_its_alarm_and_its_finding(room: Room, ward: Ward) -> None:
    ward.doctor(1)
    said = [Segment(1.0, 2.0, "I have chest", 0.9), Segment(3.5, 4.0, "pain since noon", 0.9)]
    room.speech.segments = said
    recording, _ = spoken(room, ward, "")
    [raised] = every(room, Escalation)
    assert (raised.heard, raised.said_at) == (["chest"], room.row(recording).announced_at + timedelta(seconds=1))
    [hit] = every(room, FindingRow)
    assert (hit.phrase, hit.start_s, hit.end_s, hit.severity) == ("chest pain", 1.0, 4.0, 3)


@pytest.mark.parametrize("text", ["There is no bleeding, I am fine.", "Thank you very much."])
def test_an_answer_without_them_rings_nobody(room: Room, ward: Ward, text: str) -> None:
    spoken(room, ward, text)
    assert every(room, Escalation) == every(room, MachineFlag) == []
    assert [kind for kind, _ in work(room)] == ["read_answer"]


def test_a_mild_sign_is_a_nurses_work_the_same_day(room: Room, ward: Ward) -> None:
    spoken(room, ward, "I have a fever.")
    assert every(room, Escalation) == []
    assert work(room) == [("red_flag", "machine_heard question=fever")]


def test_several_signs_and_the_same_words_in_the_whole_call_are_one_alarm(room: Room, ward: Ward) -> None:
    ward.doctor(1)
    _, call = spoken(room, ward, "I have chest pain and the bleeding won't stop.")
    with room.house.transaction() as session:
        session.get_one(Call, call.id).kind = "followup"
    whole = room.announce(call.id)
    room.carrier.files[sid(2)] = Media(dual(tone(4), tone(4)))
    room.speech.texts = ["I have chest pain.", "Is the wound bleeding?"]
    room.done(whole, RecordingDuration="4", RecordingSid=sid(2), CallSid=str(call.sid))
    room.work()
    [raised] = every(room, Escalation)
    assert raised.heard == ["chest", "bleeding"]
    assert len(every(room, MachineFlag)) == 3
    assert len(ward.attempts(kind="doctor")) == 1


def test_what_a_hotline_caller_says_to_an_agent_is_a_finding_and_no_alarm(room: Room, ward: Ward) -> None:
    spoken(room, ward, "The bleeding won't stop.", "call")
    assert every(room, Escalation) == []


def test_a_job_that_is_lost_or_runs_twice_tells_it_once(room: Room, ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, "open_answer")
    row = room.row(recording)
    with room.house.transaction() as session:
        machine_flags.keep(session, row, [machine_flags.Sign("chest", "A", 1.0)], room.now)
    ward.drop_jobs()
    assert every(room, Escalation) == []
    room.forward(seconds=9)
    with room.house.transaction() as session:
        assert machine_flags.due(session, room.now) == 0
    room.forward(seconds=1)
    with room.house.transaction() as session:
        assert machine_flags.due(session, room.now) == 1
    [flag] = every(room, MachineFlag)
    room.work()
    with room.house.transaction() as session:
        machine_flags.tell(session, flag.id, room.now)
        assert machine_flags.due(session, room.now + timedelta(days=1)) == 0
    assert len(every(room, Escalation)) == 1
    assert "another alarm joined" not in ward.ledger(every(room, Escalation)[0].id)


@pytest.mark.parametrize(("hours", "escalations", "items"), [(3, 1, 0), (12, 1, 0), (13, 0, 1)])
def test_words_of_hours_ago_ring_a_doctor_with_their_age_and_of_long_ago_a_nurse(
    room: Room, ward: Ward, hours: int, escalations: int, items: int
) -> None:
    """A model that comes a day late must not ring a doctor for every answer of the day."""
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, "open_answer")
    room.carrier.files[sid(1)] = Media(mono(tone(4)))
    room.speech.absent = {"en": "there is no model"}
    room.done(recording, RecordingDuration="4", CallSid=str(call.sid))
    room.work()
    room.forward(hours=hours, seconds=1)
    room.speech.absent, room.speech.texts = {}, ["I have chest pain."]
    room.tick()
    assert [one.said_at for one in every(room, Escalation)] == [room.now - timedelta(hours=hours)] * escalations
    assert len([1 for kind, _ in work(room) if kind == "red_flag"]) == items


def test_what_no_model_hears_a_nurse_listens_to_within_two_hours(room: Room, ward: Ward) -> None:
    room.speech.absent = {"zh-CN": "there is no model"}
    recording, call = spoken(room, ward, "", language="zh-CN")
    [item] = every(room, WorkItem)
    assert (item.kind, item.subject_id, item.patient_id) == ("listen", recording, call.patient_id)
    assert item.due_at == room.now + timedelta(hours=2)
    room.forward(minutes=10)
    room.tick()
    [item] = every(room, WorkItem)
    assert item.times == 1, "asked for once, however often it is looked for a model"


def test_what_the_engine_gives_up_or_cannot_be_fetched_is_listened_to_as_well(room: Room, ward: Ward) -> None:
    call = ward.inbound(patient=ward.patient())
    dies, lost, broken, ordinary = (room.announce(call.id, p) for p in ("message", "message", "message", "call"))
    room.carrier.files |= {
        sid(1): Media(mono(tone(4))), sid(2): Broken("it is too large", again=False), sid(3): Media(b"<html>"),
        sid(4): Broken("it is too large", again=False),
    }  # fmt: skip
    room.speech.texts = [EngineDied("it ended")] * 9
    for number, recording in enumerate((dies, lost, broken, ordinary), 1):
        room.done(recording, RecordingSid=sid(number), CallSid=str(call.sid))
    room.work()
    for _ in range(8):
        room.forward(minutes=5)
        room.tick()
    items = {item.subject_id: (item.kind, item.why) for item in every(room, WorkItem)}
    assert items == {
        dies: ("listen", "not_heard"),
        lost: ("not_recorded", "no_sound"),
        broken: ("not_recorded", "no_sound"),
    }


@pytest.mark.parametrize("purpose", ["open_answer", "message"])
@pytest.mark.parametrize("word", ["absent", "failed"])
def test_what_the_carrier_lost_is_asked_of_the_patient_once(room: Room, ward: Ward, purpose: str, word: str) -> None:
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, purpose)
    for _ in range(2):
        assert room.done(recording, word, CallSid=str(call.sid)) == 204
    [item] = every(room, WorkItem)
    assert (item.kind, item.subject_id, item.patient_id) == ("not_recorded", recording, call.patient_id)
    assert (item.times, item.due_at) == (1, room.now + timedelta(hours=2))
    assert set(KINDS[item.kind].words) == {"zh-CN", "en"}
    # it comes after all, and cannot be heard: the same loss, for which a nurse was asked already
    room.carrier.files[sid(1)] = Broken("it is too large", again=False)
    room.done(recording, CallSid=str(call.sid))
    room.work()
    assert room.row(recording).state == "failed"
    [item] = every(room, WorkItem)
    assert item.times == 1


def test_a_talk_the_carrier_lost_is_nobodys_work(room: Room, ward: Ward) -> None:
    call = ward.inbound(patient=ward.patient())
    room.done(room.announce(call.id), "absent", CallSid=str(call.sid))
    assert every(room, WorkItem) == []


@pytest.mark.parametrize(
    ("listed", "spoken_into", "items"),
    [("absent", False, 1), ("deleted", False, 1), (None, True, 1), (None, False, 0)],
)
def test_what_the_carriers_list_does_not_have_is_asked_of_the_patient_if_there_was_anything(
    room: Room, ward: Ward, listed: str | None, spoken_into: bool, items: int
) -> None:
    """Who hangs up before the beep leaves no trace at the carrier, and has said nothing."""
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, "message")
    if spoken_into:
        room.publish(SpokenInto(call.id))
    room.carrier.listed = [Listed(sid(1), "RecordVerb", listed, None, room.now)] if listed else []
    room.call_ended(call.id)
    for _ in range(12):
        room.forward(seconds=60)
        room.tick()
    assert room.row(recording).state == "absent"
    assert [(item.kind, item.times) for item in every(room, WorkItem)] == [("not_recorded", 1)] * items


def test_the_flow_hears_of_the_sound_after_the_carrier_has_lost_it(room: Room, ward: Ward) -> None:
    call = ward.inbound(patient=ward.patient())
    recording = room.announce(call.id, "open_answer")
    with room.house.transaction() as session:
        session.get_one(Recording, recording).state = "absent"
    for _ in range(2):
        room.publish(SpokenInto(call.id))
    assert [(item.kind, item.times) for item in every(room, WorkItem)] == [("not_recorded", 1)]


def test_a_voice_without_a_word_is_listened_to_and_silence_is_not(room: Room, ward: Ward) -> None:
    """A moan, or a language the model does not know: the machine has heard, and understood nothing."""
    call = ward.inbound(patient=ward.patient())
    sounds = {1: said("It hurts so much, please come quickly, it hurts."), 2: np.zeros(32_000, np.int16)}
    made = {number: room.announce(call.id, "open_answer", language="en") for number in sounds}
    for number, sound in sounds.items():
        room.carrier.files[sid(number)] = Media(mono(sound))
        seconds = str(round(len(sound) / 8000))
        form = {"RecordingSid": sid(number), "RecordingDuration": seconds, "CallSid": str(call.sid)}
        assert room.done(made[number], **form) == 204
    room.work()
    assert {room.row(one).state for one in made.values()} == {"kept"}
    assert [(item.kind, item.why, item.subject_id) for item in every(room, WorkItem)] == [
        ("listen", machine_flags.UNHEARD["no words"], made[1])
    ]


def sure(*confidences: float | None, words: bool = True) -> list[Segment]:
    """A few words the engine is so sure of; without `words` it tells of its lines alone."""
    made = [Segment(n, n + 1, "I'm fine thanks", one) for n, one in enumerate(confidences)]
    if not words:
        return made
    return [
        replace(one, confidence=0.99, words=(Word(one.start_s, one.end_s, "I'm fine thanks", one.confidence),))
        for one in made
    ]


@pytest.mark.parametrize(
    ("heard", "items"),
    [
        (sure(0.59), 1),
        (sure(0.61), 0),
        (sure(0.9, 0.2), 1),
        (sure(0.9, 0.4), 0),
        (sure(0.3, words=False), 1),
        (sure(0.8, words=False), 0),
        (sure(0.0, 0.0, words=False), 1),
        (sure(None, None, words=False), 0),  # an engine that does not tell (recordings.speech.stt_sherpa)
    ],
)
def test_words_the_engine_is_not_sure_of_are_listened_to_once(
    room: Room, ward: Ward, heard: list[Segment], items: int
) -> None:
    room.speech.segments = heard
    recording, call = spoken(room, ward, "")
    with room.house.transaction() as session:
        lines = [Line("patient", 0, 1, "I'm fine thanks", heard[0].confidence, heard[0].words)]
        machine_flags.not_understood(session, recording, lines * items, room.now)
    expected = ("listen", "not_sure", recording, call.patient_id, 1)
    assert [
        (item.kind, item.why, item.subject_id, item.patient_id, item.times) for item in every(room, WorkItem)
    ] == [expected] * items


def test_how_sure_is_sure_is_the_hospitals(room: Room, ward: Ward) -> None:
    hospital(room.house, speech={"en": {"listen_below": 0.0}})
    room.speech.segments = sure(0.1)
    spoken(room, ward, "", "message")
    assert every(room, WorkItem) == []


def test_words_in_an_ordinary_call_are_not_listened_to_for_that(room: Room, ward: Ward) -> None:
    room.speech.segments = sure(0.1)
    spoken(room, ward, "", "call")
    assert every(room, WorkItem) == []


def test_a_purge_takes_the_signs_with_the_words(room: Room, ward: Ward) -> None:
    ward.doctor(1)
    recording, _ = spoken(room, ward, "The bleeding won't stop.", "message")
    with room.house.transaction() as session:
        retention.end_now(session, recording, "it", "a test", room.now)
        retention.purge_due(session, room.now)
    room.work()
    assert room.row(recording).state == "purged"
    assert every(room, MachineFlag) == every(room, FindingRow) == []


def test_an_erasure_while_the_warning_is_told_costs_neither(room: Room, ward: Ward) -> None:
    """Telling holds the flag and comes to the recordings last; a purge holds the recording and deletes its flags. The
    purge of a recording whose warning is not told yet is put off, so neither waits for the other."""
    ward.doctor(1)
    recording, _ = spoken(room, ward, "Thank you very much.")
    with room.house.transaction() as session:
        row = session.get_one(Recording, recording)
        machine_flags.keep(session, row, [Sign("bleeding", "A", 1.0)], room.now)
        retention.end_now(session, recording, "officer", "erasure", room.now)
    files = room.house.service(FileStore)
    [flag] = every(room, MachineFlag)

    def purge() -> bool:
        with room.house.transaction() as session:
            return retention.purge(session, files, recording, room.now)

    with ThreadPoolExecutor(1) as other:
        with room.house.transaction() as session:
            assert machine_flags._LOCK(session, flag.id) is not None  # telling has begun
            purging = other.submit(purge)
            wait([purging], timeout=3)  # whoever waits for the flag's lock does so longer
            machine_flags.tell(session, flag.id, room.now)
        assert purging.result(timeout=10) is False
    assert [one.heard for one in every(room, Escalation)] == [["bleeding"]]
    with room.house.transaction() as session:  # an escalation's recording is kept longer; its time ends again
        retention.end_now(session, recording, "officer", "erasure", room.now)
    assert purge() is True
    assert every(room, MachineFlag) == []
