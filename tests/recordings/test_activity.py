"""Who speaks when, from loudness: voices of the offline voice, and what is no voice."""

from __future__ import annotations

import numpy as np
import pytest

from recordings.sound import activity
from recordings.sound.activity import Cells, Flags, cell_of, decibels, interruptions, powers, voice
from recordings.sound.wav import InMemory, Samples, locate
from tests.recordings.keys import Wave, level
from tests.recordings.sounds import said, wav
from tests.recordings.test_masking import at_rate, noise

SENTENCES = (
    "I am calling about my medicine. Please call me back in the morning.",
    "The wound is red and it hurts when I walk.",
    "Thank you very much, goodbye.",
)


def cells(samples: Samples | Wave, rate: int = 8000) -> Cells:
    whole, band = powers(samples.astype(np.float32), rate)
    return Cells(cell_of(rate) / rate, decibels(whole), decibels(band), np.zeros(len(whole), bool))


@pytest.fixture(scope="module")
def talk() -> tuple[Wave, Flags]:
    """Sentences two seconds apart at -20 dBFS, and in which cells of 20 ms one is spoken."""
    sound, truth = [np.zeros(16_000)], [np.zeros(16_000, bool)]
    for text in SENTENCES:
        clip = said(text) / 32768
        heard = np.flatnonzero(np.abs(clip) > 0.003)
        clip = clip[heard[0] : heard[-1] + 1]
        sound += [clip, np.zeros(16_000)]
        truth += [np.ones(len(clip), bool), np.zeros(16_000, bool)]
    wave, spoken = np.concatenate(sound), np.concatenate(truth)
    whole = len(spoken) // 160 * 160
    return wave / level(wave[spoken]) * 0.1, spoken[:whole].reshape(-1, 160).mean(axis=1) > 0.5


def found(wave: Wave, truth: Flags, rate: int = 8000) -> tuple[float, float]:
    """The part of the speech that was found, and the part of the rest that was taken for speech."""
    heard = voice(cells(wave, rate))[: len(truth)]
    truth = truth[: len(heard)]
    return float((heard & truth).sum() / truth.sum()), float((heard & ~truth).sum() / (~truth).sum())


@pytest.mark.parametrize("quieter_db", [0, 20])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_sentences_are_found_and_the_silence_between_is_not(
    talk: tuple[Wave, Flags], rate: int, quieter_db: int
) -> None:
    wave, truth = talk
    hit, false = found(at_rate(wave, rate) * 10 ** (-quieter_db / 20), truth, rate)
    assert hit > 0.85  # the rest are the pauses within a sentence
    assert false < 0.01


@pytest.mark.parametrize(("below_db", "least"), [(30, 0.85), (20, 0.8), (15, 0.7), (10, 0.5)])
def test_in_noise_the_threshold_rises_with_it(talk: tuple[Wave, Flags], below_db: int, least: float) -> None:
    wave, truth = talk
    hit, false = found(wave + noise(len(wave) / 8000, 8000, -20 - below_db)[: len(wave)], truth)
    assert hit > least
    assert false < 0.01


def test_over_a_loud_hum(talk: tuple[Wave, Flags]) -> None:
    wave, truth = talk
    t = np.arange(len(wave)) / 8000
    hum = sum(
        part * np.sin(2 * np.pi * f * t) for f, part in ((50, 1.0), (100, 0.5), (150, 0.7), (250, 0.3), (350, 0.2))
    )
    hit, false = found(wave + hum / level(hum) * 0.05, truth)
    assert hit > 0.75
    assert false < 0.01


def test_in_mu_law(talk: tuple[Wave, Flags]) -> None:
    wave, truth = talk
    codes = InMemory(wav(bytes(range(256)), bits=8, codec=7))
    layout = locate(codes)
    assert not hasattr(layout, "reason")
    (values,) = layout.read(codes, 0, 256)  # type: ignore[union-attr]
    order = np.sort(values)
    coded = order[np.clip(np.searchsorted(order, wave + noise(len(wave) / 8000, 8000, -70)[: len(wave)]), 0, 255)]
    hit, false = found(coded, truth)
    assert hit > 0.85
    assert false < 0.01


T = np.arange(8000 * 40) / 8000
NO_VOICE = {
    "digital silence": np.zeros(len(T)),
    "faint noise": noise(40, 8000, -60),
    "noise": noise(40, 8000, -30),
    "loud noise": noise(40, 8000, -15),
    "noise that comes and goes": noise(40, 8000, -26) * (T % 6 < 3),
    "noise that swells": noise(40, 8000, -30) * 10 ** (0.3 * np.sin(2 * np.pi * T / 20)),
    "hum": 0.1 * np.sin(2 * np.pi * 50 * T) + 0.05 * np.sin(2 * np.pi * 300 * T),
    "dial tone": 0.2 * np.sin(2 * np.pi * 450 * T),
    "ring-back": 0.2 * np.sin(2 * np.pi * 450 * T) * (T % 5 < 1),
    "clicks": 0.5 * (T % 1 < 0.0025),
}


@pytest.mark.parametrize("name", list(NO_VOICE))
def test_what_is_no_voice(name: str) -> None:
    assert not voice(cells(NO_VOICE[name])).any()


def flags(text: str) -> Flags:
    """One sign a second: # is a voice."""
    return np.repeat(np.array([sign == "#" for sign in text]), 50)


def test_the_longest_pause_lies_between_the_first_voice_and_the_last() -> None:
    assert activity.longest_pause([flags("      ##  #   "), flags("    #      #  ")], 0.02) == pytest.approx(2)
    assert activity.longest_pause([flags("   "), flags("   ")], 0.02) == 0


@pytest.mark.parametrize(
    ("mine", "theirs", "count"),
    [
        # I begin in the middle of their turn and they stop; but not if...
        ([(5, 9)], [(2, 6)], 1),
        ([(5, 9)], [(2, 20)], 0),  # they talk on
        ([(5, 9)], [(2, 7.5)], 0),  # they end in their own time
        ([(5, 5.4)], [(2, 5.3)], 0),  # it was a "mhm"
        ([(5, 9)], [(2, 5.1)], 0),  # they were at the end anyway
        ([(5, 9)], [(4.8, 6)], 0),  # they had only begun themselves
        ([(5, 9)], [(2, 6), (6.2, 8)], 0),  # they only take breath
        ([(5, 5.9)], [(2, 6)], 0),  # I gave up first
        ([(5, 9)], [(1, 4), (10, 12)], 0),  # they were silent
        ([(5, 9), (15, 19)], [(2, 6), (12, 16), (21, 22)], 2),
        ([], [(1, 2)], 0),
        ([(1, 2)], [], 0),
    ],
)
def test_what_is_an_interruption(
    mine: list[tuple[float, float]], theirs: list[tuple[float, float]], count: int
) -> None:
    assert interruptions(mine, theirs) == count
