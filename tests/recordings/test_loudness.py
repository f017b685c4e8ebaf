"""What is played is about as loud on every recording, and never too loud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.sound import loudness, masking
from recordings.sound.loudness import CEILING, gain, levelled
from recordings.sound.wav import InMemory
from recordings.vault.measures import measure
from recordings.vault.sounding import BLOCK_S, Sounding
from tests.recordings.keys import Wave, key, level
from tests.recordings.sounds import dual, said, wav
from tests.recordings.test_masking import noise


@pytest.mark.parametrize(
    ("voice", "quiet", "expected"),
    [
        (-20.0, -70.0, 0.0),
        (-35.0, -70.0, 15.0),
        (-50.0, -90.0, 20.0),  # limited
        (-5.0, -70.0, -12.0),
        (-35.0, -55.0, 10.0),  # the noise would come too near
        (-35.0, -30.0, 0.0),  # it is there already
        (None, -30.0, 0.0),
        (None, -120.0, 0.0),
    ],
)
def test_the_gain(voice: float | None, quiet: float, expected: float) -> None:
    assert gain(voice, quiet) == expected


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    rate=st.sampled_from([4000, 8000, 11_025, 44_100]),
    decibels=st.floats(-12, 20),
    loud=st.floats(0.001, 1),
)
def test_no_peak_rises_over_the_ceiling(seed: int, rate: int, decibels: float, loud: float) -> None:
    draw = np.random.default_rng(seed)
    sound = (draw.uniform(-loud, loud, rate // 2) * (draw.random(rate // 2) < 0.1)).astype(np.float32)
    played = levelled(sound, rate, decibels)
    assert np.abs(played).max(initial=0) <= max(CEILING, np.abs(sound).max(initial=0) if not decibels else 0) + 1e-6
    assert (np.sign(played) == np.sign(sound))[np.abs(sound) > 1e-6].all(), "nothing is folded over"


def test_what_is_not_too_loud_is_multiplied_and_nothing_else() -> None:
    sound = (0.05 * np.sin(np.arange(8000) / 5)).astype(np.float32)
    np.testing.assert_allclose(levelled(sound, 8000, 6.0), sound * 10 ** (6 / 20), rtol=1e-5)
    assert levelled(sound, 8000, 0.0) is sound


def spoken(dbfs: float) -> Wave:
    clip = said("I am calling about my medicine. Please call me back in the morning.") / 32768
    return np.asarray(np.tile(clip / level(clip[np.abs(clip) > 0.01]) * 10 ** (dbfs / 20), 8))


def pcm(wave: Wave) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.asarray(np.clip(np.rint(wave * 32768), -32768, 32767)).astype("<i2")  # type: ignore[no-any-return]


def test_two_sides_of_a_call_come_to_one_loudness_and_hiss_stays_hiss() -> None:
    quiet, loud = spoken(-38), spoken(-12)
    data = dual(pcm(quiet), pcm(loud))
    gains = [channel.gain for channel in measure(InMemory(data)).channels]
    heard = Sounding(InMemory(data), masking.masked, gains)
    after = measure(InMemory(heard.read(0, heard.size)))
    for channel in after.channels:
        assert channel.loudness == pytest.approx(loudness.TARGET_DBFS, abs=1.5)
    hiss = pcm(noise(30, 8000, -40))
    only = measure(InMemory(dual(hiss, pcm(spoken(-30))[: len(hiss)])))
    assert only.channels[0].gain == 0.0
    assert only.channels[0].loudness is None
    assert only.channels[1].gain > 5


@pytest.fixture(scope="module")
def long() -> tuple[Sounding, bytes]:
    """Three blocks of two channels, and all that is heard of them."""
    one, two = (spoken(dbfs)[: (2 * BLOCK_S + 2) * 8000] for dbfs in (-38, -8))
    data = wav(np.stack([pcm(one + noise(len(one) / 8000, 8000, -70)), pcm(two)], axis=1).tobytes(), channels=2)
    heard = Sounding(InMemory(data), masking.masked, (17.5, -11.0))
    assert heard.seconds > 2 * BLOCK_S
    return heard, heard.read(0, heard.size)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_piece_of_what_is_played_is_the_slice_of_the_whole(
    long: tuple[Sounding, bytes], data: st.DataObject
) -> None:
    heard, whole = long
    start = data.draw(st.integers(0, heard.size))
    stop = data.draw(st.integers(start, heard.size))
    assert heard.read(start, stop) == whole[start:stop]


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100])
def test_there_is_no_seam_between_two_blocks(rate: int) -> None:
    """The same as the whole sound at once, limiter and mask included."""
    sound = noise(2 * BLOCK_S + 3, rate, -14)
    at = round((BLOCK_S - 0.02) * rate)
    sound[at : at + round(0.05 * rate)] += key("7", 0.05, rate, -4)[: round(0.05 * rate)]
    data = wav(pcm(sound).tobytes(), rate=rate)
    heard = Sounding(InMemory(data), masking.masked, (9.0,))
    played = np.frombuffer(heard.read(44, heard.size), "<i2")
    once = levelled(masking.masked((pcm(sound) / 32768).astype(np.float32), rate), rate, 9.0)
    assert np.abs(played - np.clip(np.rint(once * 32768), -32768, 32767)).max() <= 1
    assert not played[at : at + round(0.05 * rate)].any()
