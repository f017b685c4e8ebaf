"""Whatever the carrier sends in place of a recording has one clear end: kept and heard, or a state and a sentence. The
table of docs/sound.md says the same. Each file goes through the real job, and a person tries to listen to each."""

from __future__ import annotations

import random
import resource
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import sound_words
from recordings.sound import audio, masking
from recordings.sound.wav import InMemory
from recordings.vault import listening, measures
from recordings.vault.fetch import Media
from recordings.vault.files import FileStore
from recordings.vault.listening import ListeningProblem
from recordings.vault.sounding import NoSound, Sounding
from tests.recordings.room import Room, sid
from tests.recordings.sounds import tone, wav

SECOND = tone(1).tobytes()
GOOD = wav(SECOND * 2)


def floats(width: int) -> bytes:
    values = tone(2).astype(f"<f{width}") / 32768
    values[10:14] = [np.nan, np.inf, -np.inf, 7.5]
    return wav(values.tobytes(), bits=8 * width, codec=3)


def wide(bits: int) -> bytes:
    """PCM of more than 16 bits: what is added below is zero."""
    shifted = tone(2).astype("<i4") << (bits - 16)
    return wav(b"".join(int(value).to_bytes(bits // 8, "little", signed=True) for value in shifted), bits=bits)


def extensible(data: bytes) -> bytes:
    form = data[20:36]
    longer = struct.pack("<H", 0xFFFE) + form[2:] + struct.pack("<HHI", 22, 16, 4) + form[:2] + b"\0\0\0\0\x10\0" + (
        b"\x80\0\0\xaa\0\x38\x9b\x71"
    )  # fmt: skip
    return data[:16] + struct.pack("<I", len(longer)) + longer + data[36:]


def rf64(data: bytes, name: bytes = b"RF64") -> bytes:
    size = len(data) - 44
    longs = struct.pack("<4sIQQQI", b"ds64", 28, len(data) + 36 - 8, size, size // 2, 0)
    return name + b"\xff" * 4 + b"WAVE" + longs + data[12:40] + b"\xff" * 4 + data[44:]


def parted(data: bytes) -> bytes:
    """With parts that others write: of an odd size before the sound, and one after it."""
    bext = b"bext" + struct.pack("<I", 603) + bytes(604)
    after = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 13) + b"Lavf60.16.100" + b"\0"
    return data[:12] + bext + b"JUNK" + struct.pack("<I", 0) + data[12:] + after


STEREO = np.stack([tone(2), tone(2, level=100)], axis=1).tobytes()
RATE_44 = wav(tone(2, rate=44_100).tobytes(), rate=44_100)

GOOD_ONES = {
    "8 kHz, 16 bits": GOOD,
    "stereo": wav(STEREO, channels=2),
    "44.1 kHz": RATE_44,
    "48 kHz stereo": wav(STEREO * 6, channels=2, rate=48_000),
    "mu-law": wav(bytes(range(256)) * 63, bits=8, codec=7),
    "A-law": wav(bytes(range(256)) * 63, bits=8, codec=6),
    "8 bits": wav(bytes(range(256)) * 63, bits=8),
    "24 bits": wide(24),
    "32 bits": wide(32),
    "float of 32 bits, with NaN": floats(4),
    "float of 64 bits": floats(8),
    "extensible header": extensible(GOOD),
    "RF64": rf64(GOOD),
    "BW64": rf64(GOOD, b"BW64"),
    "other parts, of odd sizes": parted(GOOD),
    "size of the sound 0": wav(SECOND * 2, size=0),
    "size of the sound unknown": wav(SECOND * 2, size=0xFFFFFFFF),
    "half a sample at the end": wav(SECOND * 2 + b"\1", size=32_001),
    "digital silence": wav(bytes(32_000)),
    "wrong size of the whole": GOOD[:4] + b"\x07\0\0\0" + GOOD[8:],
}

BAD_ONES = {
    "empty": (b"", "the file is empty"),
    "one byte": (b"R", "the file is not a WAV file"),
    "web page": (b"<!DOCTYPE html><html><body>502 Bad Gateway", "the file is not a WAV file but HTML"),
    "JSON": (b'{"code": 20404, "message": "not found"}', "the file is not a WAV file but JSON"),
    "MP3 with a tag": (b"ID3\x04" + bytes(2000), "the file is not a WAV file but MP3"),
    "MP3": (b"\xff\xfb\x90\x64" + bytes(2000), "the file is not a WAV file but MP3"),
    "Ogg": (b"OggS" + bytes(2000), "the file is not a WAV file but Ogg"),
    "truncated": (GOOD[:20_000], "the file is cut off: 19956 of 32000 bytes of sound are there"),
    "truncated in its header": (GOOD[:30], "the file is cut off in its header"),
    "truncated before its sound": (GOOD[:36], "the file is cut off before its sound begins"),
    "RF64, truncated": (rf64(GOOD)[:-9], "the file is cut off: 31991 of 32000 bytes of sound are there"),
    "no sound": (wav(b""), "the file holds no sound"),
    "wrong rate in its header": (
        wav(SECOND * 2, rate=16_000),
        "the file lasts 1.0 s, but the carrier announced 4 s",
    ),
    "no rate": (wav(SECOND, rate=0), "the file's sampling rate of 0 Hz is not one of a telephone"),
    "three channels": (wav(SECOND * 3, channels=3), "the file has 3 channels; one or two were expected"),
    "no channels": (wav(SECOND, channels=0), "the file has 0 channels; one or two were expected"),
    "ADPCM": (wav(SECOND, codec=0x11, bits=4), "the sound is coded in a way we do not read (format 17, 4 bits)"),
    "12 bits": (wav(SECOND, bits=12), "the sound is coded in a way we do not read (format 1, 12 bits)"),
    "sound before its form": (
        b"RIFF\0\0\0\0WAVEdata\x10\0\0\0" + bytes(16), "the file does not say how its sound is coded",
    ),
    "parts without end": (b"RIFF\0\0\0\0WAVE" + bytes(20_000), "the file's header does not end"),
    "a part larger than the file": (
        b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\x7f" + bytes(99), "the file is cut off in its header",
    ),
}  # fmt: skip


def taken_in(room: Room, data: bytes, announced_s: int, number: int = 1, call_id: uuid.UUID | None = None) -> uuid.UUID:
    recording = room.announce(call_id or room.call())
    room.carrier.files[sid(number)] = Media(data)
    room.done(recording, RecordingSid=sid(number), RecordingDuration=str(announced_s))
    room.work()
    return recording


def listened(room: Room, recording: uuid.UUID) -> bytes | str:
    """What a person hears, or is told."""
    try:
        with room.house.transaction() as session:
            permit = listening.play(session, recording, "qa1", "a test", room.now)
    except ListeningProblem as problem:
        return str(problem)
    answer = listening.answer(room.house, permit.token, "qa1", None, ("listen",))
    assert answer.status == 200
    return b"".join(answer.body)


def test_a_reasonable_file_is_taken_in_heard_and_measured(room: Room, subtests: pytest.Subtests) -> None:
    call_id = room.call()
    for number, (name, data) in enumerate(GOOD_ONES.items(), 1):
        with subtests.test(name):
            recording = taken_in(room, data, 2, number, call_id)
            row = room.row(recording)
            assert (row.state, row.reason) == ("kept", "")
            assert row.seconds == pytest.approx(2, abs=0.1)
            played = listened(room, recording)
            assert isinstance(played, bytes)
            assert isinstance(audio.check_wav(played, 2), audio.Sound)
            with room.house.transaction() as session:
                found = measures.of_recording(session, recording)
            assert found is not None
            assert len(found.channels) == row.channels
            assert found.seconds == pytest.approx(2, abs=0.1)
            if name in ("8 kHz, 16 bits", "24 bits", "32 bits", "RF64", "BW64", "extensible header"):
                assert played == GOOD, "the same sound, as plain 16 bits"


def test_a_file_that_is_no_recording_says_why(room: Room, subtests: pytest.Subtests) -> None:
    call_id = room.call()
    for number, (name, (data, words)) in enumerate(BAD_ONES.items(), 1):
        with subtests.test(name):
            recording = taken_in(room, data, 4 if name == "wrong rate in its header" else 2, number, call_id)
            row = room.row(recording)
            assert (row.state, sound_words.why(row.reason, "en")) == ("unreadable", words)
            kept = room.house.service(FileStore).exists(recording)
            assert kept is bool(data), "what there was is kept for a person"
            told = listened(room, recording)
            if name == "wrong rate in its header":
                assert isinstance(told, bytes)  # sound there is
            elif data:
                assert told == f"The sound of this recording cannot be read: {words}."
            else:
                assert told == "There is nothing to hear: this recording is unreadable."
            with room.house.transaction() as session:
                assert measures.of_recording(session, recording) is None


def test_the_documented_outcomes_are_these() -> None:
    said = (Path(__file__).parents[2] / "docs" / "sound.md").read_text(encoding="utf-8")
    for name in GOOD_ONES:
        assert f"| {name} | kept | |" in said, name
    for name, (_, words) in BAD_ONES.items():
        assert f"| {name} | unreadable | {words} |" in said, name


def spoilt() -> Iterator[bytes]:
    """Good files in which some bytes were changed, pieces are missing, or are there twice."""
    draw = random.Random(6)
    for _ in range(40):
        data = bytearray(draw.choice([*GOOD_ONES.values()])[:6000])
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(min(60, len(data)))] = draw.randrange(256)
        cut = draw.randrange(len(data))
        yield bytes(data if draw.random() < 0.5 else data[:cut] + data[cut // 2 :])


def test_spoilt_files_end_in_a_state_each(room: Room) -> None:
    ends, call_id = [], room.call()
    for number, data in enumerate(spoilt(), 1):
        recording = taken_in(room, data, 0, number, call_id)
        row = room.row(recording)
        assert row.state in ("kept", "unreadable"), row.reason
        assert bool(row.reason) is (row.state == "unreadable")
        assert listened(room, recording)
        ends.append(row.state)
    assert len(set(ends)) == 2


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=600)
    | st.binary(max_size=600).map(lambda tail: b"RIFF\0\0\0\0WAVE" + tail)
    | st.tuples(st.binary(min_size=1, max_size=60), st.integers(0, 60)).map(
        lambda change: GOOD[: change[1]] + change[0] + GOOD[change[1] + len(change[0]) : 4000]
    )
)
def test_any_bytes_are_a_sound_or_a_reason_and_never_an_error(data: bytes) -> None:
    checked = audio.check_wav(data, None)
    if isinstance(checked, audio.Unreadable):
        assert sound_words.why(checked.reason, "en").startswith(("the file", "the sound"))
        with pytest.raises(NoSound):
            Sounding(InMemory(data), None)
        with pytest.raises(measures.NotSound):
            measures.measure(InMemory(data))
        return
    heard = Sounding(InMemory(data), masking.masked, (6.0,) * checked.channels)
    assert len(heard.read(0, heard.size)) == heard.size
    found = measures.measure(InMemory(data))
    assert found.seconds == pytest.approx(checked.seconds, abs=0.01)
    for channel in found.channels:
        assert np.isfinite([channel.level, channel.noise, channel.gain]).all()


HOUR = 8000 * 3600


def test_longer_than_the_setting_allows_is_left_with_the_carrier(room: Room) -> None:
    recording = taken_in(room, b"", 7260)
    assert (room.row(recording).state, room.row(recording).reason) == (
        "failed", "too_long minutes=121 most=120",
    )  # fmt: skip
    assert room.carrier.asked == [], "it is not even fetched"


@pytest.mark.slow
def test_two_hours_are_taken_in_measured_and_heard(room: Room) -> None:
    draw = np.random.default_rng(1)
    minute = draw.integers(240, 256, 8000 * 60, dtype=np.uint8)  # mu-law's faint noise
    minute[8000 * 20 : 8000 * 30] = draw.integers(0, 256, 8000 * 10, dtype=np.uint8)
    data = wav(minute.tobytes() * 120, bits=8, codec=7)
    recording = taken_in(room, data, 7200)
    assert (room.row(recording).state, room.row(recording).seconds) == ("kept", 7200.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with room.house.service(FileStore).open(recording) as reader:
        found = measures.measure(reader)
        heard = Sounding(reader, masking.masked, (3.0,))
        assert len(heard.read(heard.size - 100_000, heard.size)) == 100_000
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert found.seconds == 7200
    assert grown_mb < 100
