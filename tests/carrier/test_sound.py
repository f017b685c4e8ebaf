"""Sound and voice by themselves: lengths, pitches, and where things stand on a timeline."""

from collections.abc import Iterator

import numpy as np
import pytest

from carrier import sound
from carrier.sound import Bridge, Clip, Placed, Timeline
from carrier.voice import Voice, voice_name


def pitches(clip: Clip) -> set[int]:
    """The two loudest frequencies, in Hz."""
    spectrum = np.abs(np.fft.rfft(clip.astype(float), 8000))
    return {int(f) for f in np.argsort(spectrum)[-2:]}


@pytest.fixture(scope="module")
def voice() -> Iterator[Voice]:
    voice = Voice()
    yield voice
    voice.close()


def test_a_key_is_its_two_tones() -> None:
    (low, high) = sorted(pitches(np.tile(sound.key_tone("7"), 1)))
    assert abs(low - 852) < 15
    assert abs(high - 1209) < 15


def test_resampling_keeps_length_and_pitch() -> None:
    t = np.arange(22050) / 22050
    clip = (8000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
    lower = sound.resample(clip, 22050)
    assert len(lower) == 8000
    assert 1000 in pitches(lower)
    assert sound.seconds(sound.resample(clip[:0], 22050)) == 0


def test_wav_there_and_back() -> None:
    clip = sound.beep()
    assert np.array_equal(sound.read_wav(sound.write_wav([clip])), clip)
    with pytest.raises(sound.SoundError):
        sound.read_wav(b"not a file")
    with pytest.raises(sound.SoundError):
        sound.channel_of(sound.write_wav([clip]), 2)


def test_a_timeline_mixes_what_was_heard_where_it_was() -> None:
    tone = sound.beep()
    mine, other = Timeline(), Timeline()
    mine.played.append(Placed(101.0, tone, 101.25))  # cut off in the middle
    other.said.append(Placed(103.0, tone, 103.5))
    mine.bridges.append(Bridge(103.25, other))  # joined while the other spoke
    heard = np.abs(mine.render_heard(100.0, 105.0).astype(int))
    assert len(heard) == 5 * 8000
    loud = np.flatnonzero(heard > 100) / 8000
    assert abs(loud.min() - 1.0) < 0.01
    assert not ((loud > 1.26) & (loud < 3.24)).any()
    assert abs(loud.max() - 3.5) < 0.01
    assert not mine.render_said(100.0, 105.0).any()


def test_trim_keeps_what_is_between_the_silences() -> None:
    clip = np.concatenate([np.zeros(8000, np.int16), sound.beep(), np.zeros(4000, np.int16)])
    assert abs(sound.seconds(sound.trim(clip)) - sound.BEEP_S) < 0.02
    assert len(sound.trim(np.zeros(800, np.int16))) == 800


def test_the_voice_speaks_both_languages_and_remembers(voice: Voice) -> None:
    english, chinese = voice.speak("Please press seven", "en-US"), voice.speak("请按七", "zh-CN")
    assert 0.8 < sound.seconds(english.result(10)) < 3
    assert np.abs(chinese.result(10).astype(int)).max() > 2000
    assert voice.speak("Please press seven", "en-GB") is english


def test_the_voice_comes_back_after_its_child_died(voice: Voice) -> None:
    voice.speak("first", "en").result(10)
    assert voice._child is not None
    voice._child.kill()
    voice._child.wait(5)
    assert sound.seconds(voice.speak("second", "en").result(10)) > 0.2


@pytest.mark.parametrize(
    ("language", "name"),
    [("zh-CN", "cmn"), ("cmn-Hans-CN", "cmn"), ("yue-HK", "yue"), ("en-US", "en-us"), ("fr", "en-us")],
)
def test_voices(language: str, name: str) -> None:
    assert voice_name(language) == name
