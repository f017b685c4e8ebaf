"""No key can be read off what QA hears, and hardly any word is lost for it."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from recordings.sound import audio, masking
from recordings.sound.masking import CONTEXT_S, masked, tones
from recordings.sound.wav import InMemory, Samples
from recordings.vault.sounding import Sounding
from tests.recordings.keys import KEYS, Wave, decoded, key, keyed, laid, level, read_off
from tests.recordings.sounds import speech, ulaw, wav

RATES = (8000, 16_000, 44_100, 48_000)
PIN = "135790#*ABCD2468"


def noise(seconds: float, rate: int, dbfs: float, seed: int = 1) -> Wave:
    return np.asarray(np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), round(seconds * rate)))


def at_rate(wave: Wave, rate: int) -> Wave:
    """A wave of 8 kHz at a higher rate, exactly."""
    spectrum = np.fft.rfft(wave)
    size = round(len(wave) * rate / 8000)
    wide = np.zeros(size // 2 + 1, complex)
    wide[: len(spectrum)] = spectrum
    return np.asarray(np.fft.irfft(wide, size) * size / len(wave))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("dbfs", [-3, -20, -40])
@pytest.mark.parametrize(("off", "twist_db"), [(0.0, 0.0), (0.015, -6.0), (-0.015, 4.0)])
def test_every_key_is_silenced_at_every_rate_and_level(rate: int, dbfs: float, off: float, twist_db: float) -> None:
    pressed = [key(one, 0.04, rate, dbfs, off=off, twist_db=twist_db) for one in PIN]
    sound = laid(noise(0.2 * len(PIN) + 1, rate, -90), rate, 0.2, pressed)
    found = masked(sound, rate)
    if not off:  # the decoder of the test is not as forgiving as ours
        assert decoded(sound, rate) == PIN
    assert decoded(found, rate) == ""
    for n in range(len(PIN)):
        first = round((0.3 + 0.2 * n) * rate)
        assert level(found[first : first + round(0.04 * rate)]) == 0.0
    assert len(tones(sound, rate)) == len(PIN)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [0.04, 0.1, 0.3])
def test_keys_in_noise_ten_decibels_below_are_silenced(rate: int, seconds: float) -> None:
    sound = laid(noise(6, rate, -30), rate, 0.35, [key(one, seconds, rate, -20) for one in PIN])
    assert decoded(sound, rate) == PIN
    found = masked(sound, rate)
    assert decoded(found, rate) == ""
    assert level(found[: round(0.2 * rate)]) == pytest.approx(10 ** (-30 / 20), rel=0.1), "the noise itself stays"


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_keys_over_a_voice_are_silenced(language: str, rate: int) -> None:
    talk = speech(language, True, 100)[: 8000 * 10]
    loud = 10 ** (-27 / 20) / level(talk[np.abs(talk) > 0.01])
    pressed = [key(KEYS[n % 16], (0.04, 0.07, 0.1)[n % 3], rate, -15) for n in range(30)]
    alone = at_rate(talk, rate) * loud
    sound = laid(alone, rate, 0.31, pressed)
    assert len(decoded(sound, rate)) >= 27, "they can be read before"
    # this decoder takes a syllable here and there for a key; nothing is left but what the voice itself says
    taken_for_keys = Counter(decoded(alone.astype(np.float32), rate))
    assert taken_for_keys.total() <= 3
    assert Counter(decoded(masked(sound, rate), rate)) - taken_for_keys == Counter()
    covered = np.zeros(len(sound), bool)
    for start, stop in tones(sound, rate):
        covered[start:stop] = True
    missed = [
        n for n in range(30) if not covered[round((0.32 + 0.31 * n) * rate) : round((0.33 + 0.31 * n) * rate)].any()
    ]
    assert missed == []


def test_a_key_held_for_seconds_is_silenced_whole_across_blocks() -> None:
    for rate in RATES:
        sound = noise(20, rate, -60)
        sound[13 * rate : 18 * rate] += key("5", 5, rate, -12)
        data = wav(np.rint(sound * 32767).astype("<i2").tobytes(), rate=rate)
        heard = Sounding(InMemory(data), masking.masked)
        _, (found,) = audio.channels(heard.read(0, heard.size))
        assert level(found[13 * rate : 18 * rate]) == 0.0
        assert decoded(found, rate) == ""


def test_both_channels_are_masked_each_by_itself() -> None:
    first = laid(noise(40, 8000, -60, 1), 8000, 2.9, [key(one, 0.06, 8000, -15) for one in "123456789*0#"])
    second = laid(noise(40, 8000, -60, 2), 8000, 4.9, [key(one, 0.06, 8000, -15) for one in "ABCD55"])
    body = (np.stack([first, second], axis=1) * 32767).astype("<i2").tobytes()
    heard = Sounding(InMemory(wav(body, channels=2)), masking.masked)
    _, (one, two) = audio.channels(heard.read(0, heard.size))
    assert (decoded(first, 8000), decoded(second, 8000)) == ("123456789*0#", "ABCD55")
    assert (decoded(one, 8000), decoded(two, 8000)) == ("", "")
    pressed = round(5.2 * 8000)  # the second channel's; the first says nothing then, and loses nothing
    assert level(one[pressed : pressed + 480]) > 0
    assert level(two[pressed : pressed + 480]) == 0


@pytest.mark.parametrize("codec", [7, 6], ids=["mu-law", "A-law"])
def test_keys_in_telephone_codes_are_silenced(codec: int) -> None:
    sound = laid(noise(5, 8000, -60), 8000, 0.2, [key(one, 0.05, 8000, -20) for one in PIN])
    codes = np.arange(256, dtype=np.uint8).tobytes()
    _, (values,) = audio.channels(wav(codes, codec=codec, bits=8))
    order = np.argsort(values)
    nearest = order[np.clip(np.searchsorted(values[order], sound), 0, 255)]
    data = wav(nearest.astype(np.uint8).tobytes(), codec=codec, bits=8)
    _, (heard,) = audio.channels(data)
    assert decoded(heard, 8000) == PIN
    assert decoded(masked(heard, 8000), 8000) == ""


def test_a_piece_with_its_surroundings_is_masked_as_the_whole_is() -> None:
    draw, talk = np.random.default_rng(3), speech("en", True, 70)[: 8000 * 40]
    sound = (talk / 4).astype(np.float32)
    at = 0.3
    while at < 39:  # alone, in runs, and in between
        tone = key(draw.choice(list(KEYS)), draw.uniform(0.04, 0.3), 8000, -22)
        sound[round(at * 8000) : round(at * 8000) + len(tone)] += tone[: len(sound) - round(at * 8000)]
        at += 0.4 + draw.exponential(1.2)
    whole = masked(sound, 8000)
    for second in range(40):
        before = min(second, CONTEXT_S)
        piece = masked(sound[(second - before) * 8000 : (second + 1 + CONTEXT_S) * 8000], 8000)
        own = piece[before * 8000 : (before + 1) * 8000]
        np.testing.assert_array_equal(own, whole[second * 8000 : (second + 1) * 8000])


def still_read(voice_db: float, talks: list[Wave], seed: int) -> tuple[int, int, int]:
    """How many keys of numbers were read before the mask, how many after it, and how many there were."""
    before = after = count = 0
    for n, talk in enumerate(talks):
        sound, pressed = keyed(talk, voice_db, seed + n)
        sound = ulaw(sound)
        before += read_off(sound, 8000, pressed)
        after += read_off(masked(sound, 8000), 8000, pressed)
        count += len(pressed)
    return before, after, count


def test_numbers_keyed_under_a_voice_as_loud_are_not_to_be_read() -> None:
    before, after, count = still_read(
        0.0, [speech(one, party, 100) for one in ("en", "zh-CN") for party in (True, False)], 40
    )
    assert count > 150
    assert before > 0.9 * count, "they can be read before"
    assert after / count < 0.005


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("voice_db", "most"), [(-12, 0.0), (-6, 0.002), (-3, 0.005), (0, 0.005), (3, 0.005), (6, 0.005)]
)
def test_numbers_keyed_under_any_voice(voice_db: int, most: float) -> None:
    before, after, count = still_read(voice_db, [*all_speech(), *all_speech()], 100)
    print(f"{voice_db:+} dB: of {count} keys {before} could be read, {after} still can")
    assert count > 900
    assert after / count <= most


def test_what_a_run_of_keys_hides_is_the_run() -> None:
    """How many there were is not to be heard either; what is said before and after stays."""
    sound = laid(noise(20, 8000, -50), 8000, 0.6, [key(one, 0.1, 8000, -20) for one in PIN])
    silent = masked(sound, 8000) == 0
    first, last = round(0.3 * 8000), round((0.3 + 15 * 0.6 + 0.1) * 8000)
    assert silent[first:last].all()
    assert silent[: round(0.25 * 8000)].mean() < 0.01
    assert silent[last + 400 :].mean() < 0.01


def test_two_keys_seconds_apart_are_two_and_the_words_between_stay() -> None:
    sound = laid(noise(20, 8000, -50), 8000, 3.0, [key(one, 0.1, 8000, -20) for one in "12"])
    assert (masked(sound, 8000) == 0).sum() / 8000 == pytest.approx(2 * (0.1 + 0.04 + 0.04), abs=0.06)


def all_speech() -> list[Wave]:
    """Both languages, both of the offline voices, slow and fast: seven minutes."""
    return [speech(*one) for one in itertools.product(("zh-CN", "en"), (False, True), (70, 100, 140))]


def falsely_silent(talks: list[Wave]) -> float:
    """Seconds a minute of speech without keys, as the line codes it."""
    lost = total = 0
    for talk in talks:
        sound = ulaw(talk / level(talk) * 0.08)
        lost += int(((masked(sound, 8000) == 0) & (sound != 0)).sum())
        total += len(talk)
    assert total / 8000 > 120
    return 60 * lost / total


def test_hardly_any_speech_is_taken_for_a_key() -> None:
    assert falsely_silent([speech(one, party, 100) for one in ("en", "zh-CN") for party in (True, False)]) < 0.5


@pytest.mark.slow
def test_hardly_any_speech_of_any_speed_is_taken_for_a_key() -> None:
    """0.1 s a minute when this was written."""
    assert falsely_silent(all_speech()) < 0.3


def ringing(rate: int) -> dict[str, Samples]:
    """What sounds on telephone lines and is no key."""
    t = np.arange(3 * rate) / rate
    sines = {
        "Chinese dial tone": (450,), "American dial tone": (350, 440), "American ring-back": (440, 480),
        "beep": (1000,), "fax": (1100,), "fax answer": (2100,), "special information": (950,), "coin": (1700, 2200),
        "two low": (697, 941), "two high": (1209, 1633), "one low": (770,), "too far off": (697 * 1.035, 1209 * 1.035),
    }  # fmt: skip
    return {
        name: sum(0.2 * np.sin(2 * np.pi * f * t) for f in of).astype(np.float32)  # type: ignore[union-attr]
        for name, of in sines.items()
    }


@pytest.mark.parametrize("name", list(ringing(8000)))
def test_other_tones_of_a_line_stay(name: str) -> None:
    for rate in RATES:
        sound = ringing(rate)[name]
        assert masked(sound, rate) is sound


def music(seconds: int, seed: int) -> Samples:
    """Chords of four notes out of three octaves with six harmonics each, half a second long."""
    draw, t = np.random.default_rng(seed), np.arange(4000) / 8000
    bars = []
    for _ in range(2 * seconds):
        notes = 220 * 2 ** (draw.integers(0, 36, 4) / 12)
        waves = (np.sin(2 * np.pi * note * h * t) / h for note in notes for h in range(1, 7) if note * h < 3800)
        bars.append(sum(waves) * np.exp(-3 * t) * 0.1)
    return np.concatenate(bars).astype(np.float32)


def test_music_of_full_notes_mostly_stays() -> None:
    """A chord may well contain both sines of a key, purer than any voice: nobody can tell. 4 % when written, and 7 %
    with what is silenced around them."""
    sound = music(120, 1)
    assert sum(stop - start for start, stop in tones(sound, 8000)) / len(sound) < 0.05
    assert (masked(sound, 8000) == 0).mean() < 0.1


def test_nothing_and_too_little_have_no_tones() -> None:
    for rate in (4000, 8000, 11_025, 192_000):
        for length in (0, 1, 10, rate // 50):
            silence = np.zeros(length, np.float32)
            assert masked(silence, rate) is silence
