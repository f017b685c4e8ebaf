"""sherpa-onnx without a model, since none comes by pip: that a wrong folder is a sentence and no death, and how its
tokens become words. Recognition itself was never run here (docs/speech.md)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recordings import stt_models
from recordings.stt import Child, ModelMissing, Speech
from recordings.stt_models import Model
from recordings.stt_sherpa import stretch, words_of
from tests.recordings.test_stt import Setting


def folder(path: Path, name: str, tokens: str = "a 0\n", *models: str) -> Path:
    made = path / name
    made.mkdir()
    (made / "tokens.txt").write_text(tokens, encoding="utf-8")
    for model in models or ("model.int8.onnx",):
        (made / model).write_bytes(b"this is no model " * 20)
    return made


@pytest.mark.parametrize("kind", ["sense-voice", "paraformer"])
def test_a_model_that_does_not_open_is_missing(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    child = Child(stt_models.model("sherpa", folder(tmp_path, f"my-{kind}-model")))
    with pytest.raises(ModelMissing, match=r"does not open"):
        child.transcribe(np.zeros(16_000, np.float32), "zh-CN")
    assert child.pid is None


def test_the_engine_ending_its_process_is_no_more_than_that(capfd: pytest.CaptureFixture[str]) -> None:
    """sherpa-onnx ends the process it is in over an empty path. No setting leads there; one would cost a child."""
    model = Model("sherpa", Path("/nowhere"), options=(("kind", "sense_voice"), ("model", ""), ("tokens", "")))
    with pytest.raises(ModelMissing, match=r"does not open: it ended with code"):
        Child(model).transcribe(np.zeros(16_000, np.float32), "zh-CN")


@pytest.mark.parametrize("model", ["", "/no/such/folder", "no-such-name"])
def test_an_empty_or_wrong_setting_is_missing_before_any_child(tmp_path: Path, model: str) -> None:
    speech = Speech({"zh-CN": Setting("sherpa", model)}, tmp_path)
    assert "does not exist" in str(speech.missing("zh-CN"))
    with pytest.raises(ModelMissing, match="does not exist"):
        speech.transcribe(np.zeros(160, np.float32), "zh-CN")
    assert speech.pids == []


def test_which_model_it_is_by_name_or_tokens(tmp_path: Path) -> None:
    for made, kind in (
        (folder(tmp_path, "sherpa-onnx-sense-voice-zh"), "sense_voice"),
        (folder(tmp_path, "paraformer_zh"), "paraformer"),
        (folder(tmp_path, "renamed", "<|zh|> 1\n"), "sense_voice"),
    ):
        assert dict(stt_models.model("sherpa", made).options)["kind"] == kind
    both = stt_models.model("sherpa", folder(tmp_path, "sense-voice-2", "a 0\n", "model.onnx", "model.int8.onnx"))
    assert dict(both.options)["model"].endswith("model.int8.onnx")
    for made, words in (
        (folder(tmp_path, "anything"), "does not say what model it is"),
        (folder(tmp_path, "paraformer-3", "a 0\n", "encoder.onnx", "decoder.onnx"), "has several models"),
    ):
        with pytest.raises(ModelMissing, match=words):
            stt_models.model("sherpa", made)
    (tmp_path / "paraformer-4").mkdir()
    with pytest.raises(ModelMissing, match=r"no tokens.txt, no \*.onnx file"):
        stt_models.model("sherpa", tmp_path / "paraformer-4")


def test_tokens_become_words_with_times() -> None:
    chinese = words_of(["<|zh|>", "伤", "口", "疼"], [0.0, 0.1, 0.3, 0.9], [], 10.0, 11.2)
    assert [(round(start, 2), round(end, 2), text) for start, end, text, _ in chinese] == [
        (10.1, 10.3, "伤"),
        (10.3, 10.7, "口"),
        (10.9, 11.2, "疼"),
    ]
    assert {confidence for *_, confidence in chinese} == {0.0}, "an engine that does not tell is not sure"
    sense = words_of(["▁he", "llo", "▁", "ct", "好", "ab"], [0.0, 0.1, 0.3, 0.4, 0.6, 0.8], [-0.1] * 6, 0.0, 2.0)
    assert [text for _, _, text, _ in sense] == ["hello", "ct", "好", "ab"]
    assert all(confidence == pytest.approx(0.905, abs=0.001) for *_, confidence in sense)
    para = words_of(["hel@@", "lo", "you", "好", "ab"], [0.0, 0.1, 0.3, 0.6, 0.8], [], 0.0, 1.0)
    assert [text for _, _, text, _ in para] == ["hello", "you", "好", "ab"]
    assert words_of(["好"], [], [], 0.0, 1.0) == [], "without times no words"


def test_a_stretch_without_words_is_nothing() -> None:
    empty = SimpleNamespace(text=" ", tokens=[], timestamps=[], ys_log_probs=[])
    assert stretch(empty, 0.0, 1.0) is None
    said = SimpleNamespace(text="好", tokens=["好"], timestamps=[0.2], ys_log_probs=[-0.2])
    made = stretch(said, 1.0, 2.0)
    assert made is not None
    assert made["words"][0][:3] == [1.2, 1.6, "好"]
    assert made["confidence"] == pytest.approx(0.819, abs=0.001)
