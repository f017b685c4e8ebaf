"""Every way a file can be no recording, and the arithmetic of sound."""

import hashlib
import struct

import numpy as np
import pytest

from recordings import sound_words
from recordings.sound import audio
from recordings.sound.audio import Sound, Unreadable, channels, check_wav, level, to_model
from tests.recordings.sounds import mono, tone, wav

SECOND = tone(1).tobytes()


def test_a_good_file() -> None:
    data = wav(SECOND * 3)
    assert check_wav(data, 3) == Sound(8000, 1, 3.0, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"RIFF", "not a WAV"),
        (b"<html>404 not found</html>", "not a WAV"),
        (b"ID3\x03mp3 mp3 mp3 mp3", "not a WAV"),
        (wav(SECOND)[:20], "cut off in its header"),
        (wav(SECOND)[:36], "cut off before its sound"),
        (wav(SECOND)[:-100], "cut off: 15900 of 16000 bytes"),
        (wav(b""), "no sound"),
        (wav(b"\0"), "no sound"),
        (wav(SECOND, codec=0x55), "coded in a way we do not read"),
        (wav(SECOND, bits=12), "coded in a way we do not read"),
        (wav(SECOND, channels=6), "6 channels"),
        (wav(SECOND, channels=0), "0 channels"),
        (wav(SECOND, rate=0), "sampling rate"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "does not say how"),
        (b"RIFF\0\0\0\0WAVE" + b"\xff" * 40, "cut off in its header"),
    ],
)
def test_a_broken_file_is_told_in_plain_words(data: bytes, words: str) -> None:
    found = check_wav(data, None)
    assert isinstance(found, Unreadable)
    assert words in sound_words.why(found.reason, "en")


def test_any_cut_of_a_file_is_unreadable_or_shorter_and_never_an_error() -> None:
    data = wav(tone(0.05).tobytes())
    for length in range(len(data)):
        assert isinstance(check_wav(data[:length], 0), Unreadable)


@pytest.mark.parametrize(("announced", "good"), [(5, True), (3, True), (7, True), (2, False), (8, False), (0, False)])
def test_the_length_must_be_about_the_announced_one(announced: int, good: bool) -> None:
    assert isinstance(check_wav(wav(SECOND * 5), announced), Sound) is good


def test_a_length_the_writer_did_not_know_is_taken_from_the_file() -> None:
    found = check_wav(wav(SECOND * 2, size=0xFFFFFFFF), 2)
    assert isinstance(found, Sound)
    assert found.seconds == 2.0


def test_other_chunks_are_passed_over() -> None:
    data = wav(SECOND)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert isinstance(check_wav(data[:12] + extra + data[12:], 1), Sound)


def test_channels_are_taken_apart() -> None:
    both = np.stack([tone(1, level=10000), tone(1, level=100)], axis=1).tobytes()
    rate, (first, second) = channels(wav(both, channels=2))
    assert rate == 8000
    assert level(first) == pytest.approx(-13.3, abs=0.1)
    assert level(second) == pytest.approx(-53.3, abs=0.1)


def test_levels() -> None:
    assert level(np.ones(100, np.float32)) == 0
    assert level(np.zeros(100, np.float32)) == level(np.zeros(0, np.float32)) == -120


def test_to_16_khz_keeps_length_pitch_and_loudness() -> None:
    rate, (samples,) = channels(wav(tone(2).tobytes()))
    wide = to_model(samples, rate)
    assert wide.dtype == np.float32
    assert len(wide) == pytest.approx(32000, abs=200)
    peak = int(np.argmax(np.abs(np.fft.rfft(wide[:16000]))))
    assert peak == pytest.approx(440, abs=2)
    assert level(wide) == pytest.approx(level(samples), abs=0.3)


def test_16_khz_and_nothing_pass_through() -> None:
    samples = np.zeros(10, np.float32)
    assert to_model(samples, audio.MODEL_RATE) is samples
    assert len(to_model(np.zeros(0, np.float32), 8000)) == 0


@pytest.mark.parametrize(
    ("codec", "codes", "values"),
    [
        # G.711's own tables: the largest, the smallest and the middle of a segment, of both signs.
        (7, [0x00, 0x80, 0x7F, 0xFF], [-32124, 32124, 0, 0]),
        (6, [0x2A, 0xAA, 0x55, 0xD5], [-32256, 32256, -8, 8]),
    ],
)
def test_telephone_codes(codec: int, codes: list[int], values: list[int]) -> None:
    _, (samples,) = channels(wav(bytes(codes), codec=codec, bits=8))
    assert [round(float(sample) * 32768) for sample in samples] == values


def test_a_file_of_the_local_carrier_is_good() -> None:
    assert isinstance(check_wav(mono(tone(2)), 2), Sound)


def sine(frequency: float, rate: int, seconds: float = 2.0) -> audio.Samples:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def spectrum_dbfs(samples: audio.Samples) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The sound's middle second at 16 kHz: level of each Hertz, 0 for a full-scale sine."""
    middle = samples[8000:24_000].astype(np.float64) * np.hanning(16_000)
    return np.asarray(20 * np.log10(np.abs(np.fft.rfft(middle)) / 4000 + 1e-12))


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("frequency", [300, 1000, 2000, 3000, 3400])
def test_on_the_way_to_16_khz_a_telephones_band_is_kept_and_nothing_is_mirrored(frequency: int, rate: int) -> None:
    found = spectrum_dbfs(to_model(sine(frequency, rate), rate))
    assert found[frequency] == pytest.approx(-6, abs=0.5)
    found[frequency - 20 : frequency + 21] = -240
    assert found.max() < -6 - 50, "no image of it, no fold, no hum of the pieces"


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("frequency", [9000, 10_000, 12_600, 15_000, 19_000])
def test_what_16_khz_cannot_hold_is_left_out_and_not_folded_back(frequency: int, rate: int) -> None:
    assert spectrum_dbfs(to_model(sine(frequency, rate), rate)).max() < -6 - 50


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_a_long_sound_is_resampled_in_pieces_without_seams(rate: int) -> None:
    wide = to_model(sine(1000, rate, 25), rate)
    assert len(wide) == pytest.approx(25 * 16_000, abs=100)
    expected = sine(1000, 16_000, 25)
    middle = slice(16_000, 24 * 16_000)
    assert np.abs(wide[middle] - expected[middle]).max() < 0.01


def test_pieces_are_the_sound() -> None:
    data = wav(tone(10).tobytes())
    layout = audio.locate(audio.InMemory(data))
    assert not isinstance(layout, Unreadable)
    _, (whole,) = channels(data)
    parts = list(audio.pieces(audio.InMemory(data), layout, 24_000, 800))
    assert [(one.first, one.last, one.before) for one in parts] == [
        (0, 24_000, 0), (24_000, 48_000, 800), (48_000, 72_000, 800), (72_000, 80_000, 800),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([one.own(one.channels[0]) for one in parts]), whole)
