"""A call's sound in numbers, from the file to the row, and what is played from it."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from recordings.models import SoundMeasuresRow
from recordings.sound import audio
from recordings.sound.conversation import Line, Word
from recordings.sound.wav import InMemory
from recordings.vault import listening, measures, retention
from recordings.vault.fetch import Media
from tests.recordings.keys import Wave, decoded, key, level
from tests.recordings.room import Room, sid
from tests.recordings.sounds import Clip, dual, mono, said, wav
from tests.recordings.test_masking import noise

RATE = 8000
MAY = ("listen", "original", "export")


def placed(seconds: float, *clips: tuple[float, Wave]) -> Wave:
    wave = noise(seconds, RATE, -75)
    for at, clip in clips:
        start = round(at * RATE)
        wave[start : start + len(clip)] += clip
    return wave


def spoken(seconds: float, dbfs: float = -20) -> Wave:
    """A voice without a pause for this long."""
    clip = said("my wound is red and warm and I am worrying about my medicine") / 32768
    loud = np.flatnonzero(np.abs(clip) > 0.01)
    clip = np.resize(clip[loud[0] : loud[-1] + 1], round(seconds * RATE))
    return np.asarray(clip / level(clip) * 10 ** (dbfs / 20))


def pcm(wave: Wave) -> Clip:
    return np.asarray(np.rint(np.clip(wave, -1, 1) * 32767).astype("<i2"))


PATIENT = placed(40, (2, spoken(6, -34)), (20, spoken(4, -34)), (30, spoken(5, -34)))
LINE = placed(40, (9, spoken(8)), (23, spoken(6)), (36, key("4", 0.1, RATE, -12)), (37, key("2", 0.1, RATE, -12)))
"""The line begins at 23 s while the patient speaks until 24: the patient gives way."""
CALL = dual(pcm(PATIENT), pcm(LINE))


def fetched(room: Room, data: bytes, seconds: int, *, kind: str = "hotline", purpose: str = "call") -> uuid.UUID:
    recording = room.announce(room.call(kind), purpose)
    room.carrier.files[sid(1)] = Media(data)
    room.done(recording, RecordingDuration=str(seconds))
    room.work()
    return recording


def of(room: Room, recording: uuid.UUID) -> measures.SoundMeasures:
    with room.house.transaction() as session:
        found = measures.of_recording(session, recording)
    assert found is not None
    return found


def test_two_sides_of_a_call(room: Room) -> None:
    found = of(room, fetched(room, CALL, 40))
    patient, line = found.channels
    assert (patient.speaker, line.speaker) == ("patient", "line")
    assert patient.talk_s == pytest.approx(15, abs=0.7)
    assert line.talk_s == pytest.approx(14, abs=0.7)
    assert patient.share == pytest.approx(15 / 29, abs=0.03)
    assert line.share is not None
    assert patient.share + line.share == pytest.approx(1, abs=0.002)
    assert found.overlap_s == pytest.approx(1, abs=0.3)
    assert found.silence_s == pytest.approx(40 - 28, abs=1)
    assert found.longest_pause_s == pytest.approx(3, abs=0.3)
    assert found.interruptions == {"patient": 0, "line": 1}
    assert patient.loudness == pytest.approx(-34, abs=1)
    assert line.loudness == pytest.approx(-20, abs=1)
    assert patient.gain == pytest.approx(14, abs=1)
    assert (patient.tones, line.tones) == (0, 2)
    assert patient.first_s == pytest.approx(2, abs=0.1)
    assert [pytest.approx(span, abs=0.2) for span in [(2, 8), (20, 24), (30, 35)]] == [
        (patient.talk[0][0], max(stop for _, stop in patient.talk if stop < 15)),
        (min(start for start, _ in patient.talk if start > 15), max(stop for _, stop in patient.talk if stop < 28)),
        (min(start for start, _ in patient.talk if start > 28), patient.talk[-1][1]),
    ]


def test_on_a_call_to_a_doctor_the_sides_are_the_other_way_round(room: Room) -> None:
    found = of(room, fetched(room, CALL, 40, kind="doctor"))
    assert [channel.speaker for channel in found.channels] == ["line", "patient"]
    assert found.interruptions == {"line": 0, "patient": 1}


def test_one_channel_does_not_pretend(room: Room) -> None:
    found = of(room, fetched(room, mono(pcm(PATIENT + LINE)), 40))
    [both] = found.channels
    assert (both.speaker, both.share, found.overlap_s, found.interruptions) == ("both", None, None, {})
    assert both.talk_s == pytest.approx(28, abs=1.5)
    assert found.longest_pause_s == pytest.approx(3, abs=0.3)


def test_a_message_is_the_patients_alone(room: Room) -> None:
    [patient] = of(room, fetched(room, mono(pcm(PATIENT)), 40, purpose="message")).channels
    assert (patient.speaker, patient.share) == ("patient", 1.0)


def test_silence_and_hum_have_no_speaker(room: Room) -> None:
    hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(20 * RATE) / RATE)
    found = of(room, fetched(room, dual(pcm(np.zeros(20 * RATE)), pcm(hum)), 20))
    for channel in found.channels:
        assert (channel.talk_s, channel.share, channel.loudness, channel.gain, channel.first_s, channel.talk) == (
            0, None, None, 0.0, None, (),
        )  # fmt: skip
    assert (found.silence_s, found.longest_pause_s, found.overlap_s) == (20, 0, 0)


def test_the_words_are_added_when_they_are_known(room: Room) -> None:
    recording = fetched(room, CALL, 40)
    words = tuple(Word(2 + n / 5, 2.1 + n / 5, f"w{n}", 0.9) for n in range(30))
    lines = [Line("patient", 2, 8, "…", 0.9, words), Line("line", 9, 17, "no times here", 0.9)]
    with room.house.transaction() as session:
        measures.heard(session, recording, lines)
    patient, line = of(room, recording).channels
    assert patient.words == 30
    assert patient.words_a_minute == pytest.approx(120, abs=8)
    assert (line.words, line.words_a_minute) == (None, None)
    assert patient.talk_s == pytest.approx(15, abs=0.7), "the rest stays"


def test_what_is_played_is_levelled_and_without_keys_and_the_original_as_it_came(room: Room) -> None:
    recording = fetched(room, CALL, 40)

    def heard(original: bool) -> bytes:
        with room.house.transaction() as session:
            permit = listening.play(
                session, recording, "qa1", "a test", room.now, original=original, rights=("listen", "original")
            )
        return b"".join(listening.answer(room.house, permit.token, "qa1", None, MAY).body)

    assert heard(True) == CALL
    patient, line = measures.measure(InMemory(heard(False))).channels
    assert patient.loudness == pytest.approx(-20, abs=1.5)
    assert line.loudness == pytest.approx(-20, abs=1.5)
    assert line.tones == 0
    assert decoded(audio.channels(CALL)[1][1], RATE) == "42"
    assert decoded(audio.channels(heard(False))[1][1], RATE) == ""


def test_a_copy_to_take_away_is_masked_but_as_loud_as_it_came(room: Room) -> None:
    recording = fetched(room, CALL, 40)
    with room.house.transaction() as session:
        asked = listening.ask_export(session, recording, "qa1", "a test", room.now)
        listening.approve_export(session, asked, "officer", room.now)
        permit = listening.export(session, asked, "qa1", room.now)
    patient, line = measures.measure(
        InMemory(b"".join(listening.answer(room.house, permit.token, "qa1", None, MAY).body))
    ).channels
    assert (patient.loudness, line.tones) == (pytest.approx(-34, abs=1), 0)


def test_what_was_taken_in_before_is_measured_when_somebody_listens_and_not_under_their_ears(room: Room) -> None:
    recording = fetched(room, CALL, 40)
    with room.house.transaction() as session:
        session.execute(sa.delete(SoundMeasuresRow))
    with room.house.transaction() as session:
        permit = listening.play(session, recording, "qa1", "a test", room.now)
    first = b"".join(listening.answer(room.house, permit.token, "qa1", "bytes=0-99999", MAY).body)
    room.forward(seconds=5)
    assert room.work() == ["measure_recording"]
    assert of(room, recording).channels[0].gain > 10
    rest = b"".join(listening.answer(room.house, permit.token, "qa1", "bytes=100000-", MAY).body)
    played = measures.measure(InMemory(first + rest))
    assert played.channels[0].loudness == pytest.approx(-34, abs=1), "one permit, one sound"
    with room.house.transaction() as session:
        listening.play(session, recording, "qa1", "a test", room.now)
    assert room.work() == []


def test_measures_end_with_the_recording_and_are_made_once(room: Room) -> None:
    recording = fetched(room, CALL, 40)
    before = of(room, recording)
    with room.house.transaction() as session:
        measures.keep(session, recording, measures.measure(InMemory(mono(pcm(PATIENT)))), room.now)
    assert of(room, recording) == before
    room.forward(days=200)
    with room.house.transaction() as session:
        assert retention.purge_due(session, room.now) == 1
    room.work()
    with room.house.transaction() as session:
        assert measures.of_recording(session, recording) is None
        measures.keep(session, recording, before, room.now)
        assert measures.of_recording(session, recording) is None


def test_many_are_read_by_one_statement(room: Room) -> None:
    recording = fetched(room, CALL, 40)
    seen: list[str] = []

    def note(_c: object, _cu: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(room.house.engine, "before_cursor_execute", note)
    with room.house.transaction() as session:
        found = measures.of_recordings(session, [recording, uuid.uuid4()])
    event.remove(room.house.engine, "before_cursor_execute", note)
    assert list(found) == [recording]
    assert len(seen) == 1


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_the_same_call_at_another_rate_has_the_same_measures(rate: int) -> None:
    from tests.recordings.test_masking import at_rate

    body = np.stack([pcm(at_rate(PATIENT, rate)), pcm(at_rate(LINE, rate))], axis=1).tobytes()
    mine, plain = (measures.measure(InMemory(data)) for data in (wav(body, rate=rate, channels=2), CALL))
    assert mine.interruptions == plain.interruptions
    for one, other in zip(mine.channels, plain.channels, strict=True):
        assert one.talk_s == pytest.approx(other.talk_s, abs=0.5)
        assert one.loudness == pytest.approx(other.loudness, abs=0.5)
        assert one.tones == other.tones


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measures.measure(InMemory(CALL))
    monkeypatch.setattr(measures, "PIECE_CELLS", 150)  # three seconds
    assert asdict(measures.measure(InMemory(CALL))) == asdict(whole)


def test_an_hour_takes_seconds() -> None:
    """13 s of one processor for an hour of two people talking without a pause; a tenth of that is asked for here."""
    data = dual(np.tile(pcm(PATIENT), 9), np.tile(pcm(LINE), 9))
    began = time.process_time()
    assert measures.measure(InMemory(data)).seconds == 360
    assert time.process_time() - began < 12
