"""How a `<Say>` is spoken, and what a `<Play>` fetches (docs/twilio.md 4.2)."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from twilio.twiml.voice_response import Say, VoiceResponse
from werkzeug.wrappers import Response

from carrier.sound import fit, read_wav, seconds, silence, trim
from carrier.ssml import Piece, pieces_of
from carrier.voice import Voice
from tests.carrier.conftest import Carrier, Hospital, texts
from tests.carrier.test_twiml import wav

WORDS = "Please take your time and listen to all of the questions before you answer"

SAID: list[tuple[str, list[tuple[str, int]]]] = [
    ("plain  words", [("plain words", 100)]),
    ('<prosody rate="85%">slow words</prosody>', [("slow words", 85)]),
    ('one <prosody rate="50%">two</prosody> three', [("one", 100), ("two", 50), ("three", 100)]),
    ('<prosody rate="x-slow">a</prosody><prosody rate="fast">b</prosody>', [("a", 50), ("b", 125)]),
    ('<prosody rate="85%">a <emphasis>b</emphasis> c</prosody>', [("a b c", 85)]),
    ('<prosody rate="85%">a <prosody rate="100%">b</prosody></prosody>', [("a", 85), ("b", 100)]),
    ('<prosody rate="1%">a</prosody><prosody rate="900%">b</prosody>', [("a", 20), ("b", 200)]),
    ('<prosody volume="loud">a</prosody> <prosody rate="quick">b</prosody>', [("a b", 100)]),
    ('a<break time="1s"/> b', [("a b", 100)]),
    ("", []),
]


@pytest.mark.parametrize(("inside", "pieces"), SAID, ids=[said[0] for said in SAID])
def test_words_and_their_speeds(inside: str, pieces: list[tuple[str, int]]) -> None:
    element = ElementTree.fromstring(f"<Say>{inside}</Say>")
    assert pieces_of(element) == tuple(Piece(*piece) for piece in pieces)


@pytest.fixture
def voice() -> Iterator[Voice]:
    voice = Voice()
    yield voice
    voice.close()


@pytest.mark.parametrize(("words", "language"), [(WORDS, "en-US"), ("请您慢慢听完所有的问题再回答", "cmn-CN")])
def test_slower_words_take_longer(voice: Voice, words: str, language: str) -> None:
    lengths = [seconds(voice.speak(words, language, rate=rate).result(10)) for rate in (100, 85, 70)]
    assert 1.08 < lengths[1] / lengths[0] < 1.3
    assert 1.25 < lengths[2] / lengths[0] < 1.7


def spoken(recording: bytes) -> float:
    """Seconds from the first sound of a recording to the last."""
    return seconds(trim(read_wav(recording)))


def test_a_slow_say_on_a_call(carrier: Carrier, hospital: Hospital) -> None:
    lengths = []
    for rate in (100, 85):
        answer, say = VoiceResponse(), Say()
        say.prosody(WORDS, rate=f"{rate}%")
        answer.append(say)
        sid = carrier.call(carrier.phone(), twiml=str(answer), record=True)
        story = carrier.ended(sid)
        heard = [(event["text"], event["rate"]) for event in story["events"] if event["kind"] == "heard"]
        assert heard == [(WORDS, rate)]
        lengths.append(spoken(carrier.media(story["recordings"][0]).content))
    assert 1.08 < lengths[1] / lengths[0] < 1.3


def test_a_clip_is_made_to_fit() -> None:
    assert len(fit(silence(1.0), 2.5)) == 20000
    assert len(fit(silence(3.0), 2.5)) == 20000
    assert len(fit(silence(0.0), 1.0)) == 8000


# Play: what the address answers, and the code in the log; None: it is played.
SOUNDS: list[tuple[str, dict[str, Any], int | None]] = [
    ("wav", {"response": wav(1.0), "mimetype": "audio/x-wav"}, None),
    ("not audio", {"response": wav(1.0), "mimetype": "application/octet-stream"}, 13420),
    ("another kind of audio", {"response": b"ID3", "mimetype": "audio/mpeg"}, 13420),
    ("broken", {"response": b"RIFF", "mimetype": "audio/wav"}, 13420),
    ("missing", {"response": b"", "status": 404}, 11200),
    ("too large", {"response": b"x" * (32 * 1024 * 1024 + 1), "mimetype": "audio/wav"}, 11750),
]


@pytest.mark.parametrize(("answer", "code"), [sound[1:] for sound in SOUNDS], ids=[sound[0] for sound in SOUNDS])
def test_play_takes_sound_and_skips_the_rest(
    carrier: Carrier, hospital: Hospital, answer: dict[str, Any], code: int | None
) -> None:
    hospital.pages["/sound"] = lambda form: Response(**answer)
    url = hospital.document("/v", "<Play>/sound</Play><Say>After</Say>")
    story = carrier.ended(carrier.call(carrier.phone(), url))
    assert texts(story) == (["/sound", "After"] if code is None else ["After"])
    assert [event["code"] for event in story["events"] if event["kind"] == "error"] == ([] if code is None else [code])
