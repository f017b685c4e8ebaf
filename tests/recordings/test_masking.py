"""No key can be read off what QA hears, and hardly any word is lost for it."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from carrier.voice import Voice
from recordings import audio, masking
from recordings.masking import masked, tones
from recordings.sounding import Sounding
from recordings.wav import InMemory, Samples
from tests.recordings.keys import KEYS, Wave, decoded, key, laid, level
from tests.recordings.sounds import wav

RATES = (8000, 16_000, 44_100, 48_000)
PIN = "135790#*ABCD2468"

ZH = (
    "您好，这里是医院随访中心，请问您今天感觉怎么样？", "伤口有没有红肿、渗液或者疼痛加重的情况？",
    "如果体温超过三十八度五，请马上拨打我们的值班电话。", "我已经吃了两天药了，还是有点头晕，晚上睡不好觉。",
    "您的复诊时间是下周三上午九点，请带好身份证和医保卡。", "您稍等一下，我帮您转接护士站。",
)  # fmt: skip
EN = (
    "Good morning, this is the hospital follow-up service. How are you feeling today?",
    "Is there any redness, swelling or fluid around the wound?",
    "If your temperature goes above thirty eight point five, please call our duty line at once.",
    "I have been taking the medicine for two days but I still feel dizzy and I cannot sleep.",
    "The car park is at the north gate; turn left after you come in.",
    "One moment please, I will put you through to the nurses.",
)


@pytest.fixture(scope="module")
def speech() -> dict[str, Wave]:
    """Both languages, both of the offline voices, slow and fast, at 8 kHz."""
    voice = Voice()
    try:
        return {
            f"{language} {'party' if party else 'prompt'} {rate}": np.concatenate(
                [voice.speak(text, language, party=party, rate=rate).result() for text in texts]
            )
            / 32768
            for (language, texts), party, rate in itertools.product(
                (("zh-CN", ZH), ("en", EN)), (False, True), (70, 100, 140)
            )
        }
    finally:
        voice.close()


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
def test_keys_over_a_voice_are_silenced(speech: dict[str, Wave], language: str, rate: int) -> None:
    talk = speech[f"{language} party 100"][: 8000 * 10]
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


def test_a_piece_with_its_surroundings_is_masked_as_the_whole_is(speech: dict[str, Wave]) -> None:
    talk = speech["en party 100"][: 8000 * 30]
    sound = laid(talk, 8000, 0.37, [key(KEYS[n % 16], 0.05, 8000, -12) for n in range(70)])
    whole = masked(sound, 8000)
    for second in range(1, 25):
        piece = masked(sound[(second - 1) * 8000 : (second + 2) * 8000], 8000)
        np.testing.assert_array_equal(piece[8000:16000], whole[second * 8000 : (second + 1) * 8000])


def test_hardly_any_speech_is_taken_for_a_key(speech: dict[str, Wave]) -> None:
    """0.08 % of dense speech when this was written (both languages, two voices, three speeds); one word in thousands
    loses a twentieth of a second."""
    lost = total = 0.0
    for talk in speech.values():
        lost += sum(stop - start for start, stop in tones(talk.astype(np.float32), 8000))
        total += len(talk)
    assert total / 8000 > 300
    assert lost / total < 0.002


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
    """A chord may well contain both sines of a key, purer than any voice: nobody can tell. 3 % when written."""
    sound = music(120, 1)
    lost = sum(stop - start for start, stop in tones(sound, 8000)) / len(sound)
    assert lost < 0.05


def test_nothing_and_too_little_have_no_tones() -> None:
    for rate in (4000, 8000, 11_025, 192_000):
        for length in (0, 1, 10, rate // 50):
            silence = np.zeros(length, np.float32)
            assert masked(silence, rate) is silence
