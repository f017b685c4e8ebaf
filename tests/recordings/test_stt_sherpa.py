"""sherpa-onnx itself, in the child process of the service, with models of a few kilobytes that have the shape of
SenseVoice and Paraformer (sherpa/make.py). They know no language: this proves words, times, cuts and what becomes of a
model that is none, and nothing about how well anybody is understood (docs/speech.md)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from recordings import sound_words, store
from recordings.models import SegmentRow
from recordings.sound import audio
from recordings.speech import stt_models
from recordings.speech.stt import Child, EngineDied, ModelMissing, Segment, Speech
from recordings.speech.stt_models import Model
from recordings.speech.stt_sherpa import stretch, words_of
from tests.recordings.room import Room
from tests.recordings.sounds import MEDICINE, mono, said
from tests.recordings.test_hearing import fetched
from tests.recordings.test_stt import Setting

MODELS = Path(__file__).with_name("sherpa")
STEP_S = 0.3
"""The models say one token in so much speech, from where the stretch begins."""
QUIET = np.zeros(3 * 8000, np.float32)


@pytest.fixture(scope="module")
def line() -> audio.Samples:
    """At 8 kHz: 4.1 s of speech, 3 s of silence, and the same again more softly."""
    _, (spoken,) = audio.channels(mono(said(MEDICINE)))
    return np.concatenate([spoken, QUIET, spoken * np.float32(0.1)])


@pytest.fixture(scope="module")
def speech() -> Iterator[Speech]:
    made = Speech(
        {"zh-CN": Setting("sherpa", str(MODELS / "paraformer")), "en": Setting("auto", str(MODELS / "sense-voice"))},
        MODELS / "none-fetched",
        at_once=2,
    )
    yield made
    made.close()


def stretches(heard: list[Segment], line: audio.Samples) -> None:
    """Where somebody speaks, and nowhere else."""
    first, second = heard
    loud = len(said(MEDICINE)) / 8000
    assert 0 <= first.start_s < first.end_s < loud + 1
    assert loud + 2 < second.start_s < second.end_s <= len(line) / 8000
    for one in heard:
        times = [(word.start_s, word.end_s) for word in one.words]
        assert times == sorted(times)
        assert all(one.start_s <= start < end <= one.end_s for start, end in times)


def test_sense_voice_joins_pieces_into_words_each_with_its_time(speech: Speech, line: audio.Samples) -> None:
    heard = speech.transcribe(line, "en", rate=8000)
    stretches(heard, line)
    for one in heard:
        assert one.text.startswith("hello my medicine hello my medicine")
        assert [word.text for word in one.words[:6]] == ["hello", "my", "medicine"] * 2
        starts = [word.start_s - one.start_s for word in one.words[:4]]
        assert starts == pytest.approx([n * STEP_S for n in (0, 2, 3, 6)], abs=0.001)
        ends = [word.end_s - one.start_s for word in one.words[:3]]
        assert ends == pytest.approx([n * STEP_S for n in (2, 3, 6)], abs=0.001), "a word lasts to its last piece's end"
        assert {one.confidence, *(word.confidence for word in one.words)} == {None}, "it does not tell how sure it is"


def test_paraformer_cuts_chinese_by_characters(speech: Speech, line: audio.Samples) -> None:
    heard = speech.transcribe(line, "zh-CN", rate=8000)
    stretches(heard, line)
    for one in heard:
        assert one.text.startswith("伤口疼 ct hello you 伤口疼")
        assert [word.text for word in one.words[:8]] == ["伤", "口", "疼", "ct", "hello", "you", "伤", "口"]
        starts = [word.start_s - one.start_s for word in one.words[:6]]
        assert starts == pytest.approx([n * STEP_S for n in (0, 1, 2, 3, 4, 6)], abs=0.001)


def test_both_models_stay_open_beside_each_other(speech: Speech, line: audio.Samples) -> None:
    for language in ("en", "zh-CN"):
        speech.transcribe(line, language, rate=8000)
    pids = set(speech.pids)
    for language in ("en", "zh-CN", "en"):
        speech.transcribe(line, language, rate=8000)
    assert set(speech.pids) == pids
    assert len(pids) == 2


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_silence_hiss_and_a_click_give_nothing(speech: Speech, language: str) -> None:
    hiss = np.random.default_rng(7).normal(0, 0.0005, 5 * 8000).astype(np.float32)
    for nothing in (QUIET, hiss, hiss[:400], np.ones(8, np.float32), np.zeros(0, np.float32)):
        assert speech.transcribe(nothing, language, rate=8000) == []


def test_sense_voice_is_told_the_language_of_the_call(line: audio.Samples) -> None:
    child = Child(stt_models.model("sherpa", MODELS / "sense-voice"))
    sound = audio.to_model(line, 8000)
    try:
        for language, first in (("zh-CN", "伤口疼 ct伤口疼"), ("en", "hello my medicine"), ("zh-CN", "伤口疼 ct")):
            heard = child.transcribe(sound, language)
            assert heard[0].text.startswith(first)
        assert [word.text for word in heard[0].words[:5]] == ["伤", "口", "疼", "ct", "伤"]
    finally:
        child.close()


def test_a_paraformer_that_tells_no_times_gives_stretches_without_words(line: audio.Samples) -> None:
    child = Child(stt_models.model("sherpa", MODELS / "paraformer-without-times"))
    try:
        heard = child.transcribe(audio.to_model(line, 8000), "zh-CN")
    finally:
        child.close()
    stretches(heard, line)
    assert [one.words for one in heard] == [(), ()]
    assert all(one.text.startswith("伤口疼 ct hello you") for one in heard)


# ---- what is no model -----------------------------------------------------------------------------------


def copied(tmp_path: Path, kind: str = "sense-voice") -> Path:
    return Path(shutil.copytree(MODELS / kind, tmp_path / "renamed"))


@pytest.mark.parametrize("kind", ["sense-voice", "paraformer", "paraformer-without-times"])
def test_which_model_it_is_the_model_says_whatever_the_folder_is_called(tmp_path: Path, kind: str) -> None:
    model = stt_models.model("sherpa", copied(tmp_path, kind))
    assert dict(model.options)["kind"] == ("sense_voice" if kind == "sense-voice" else "paraformer")
    shutil.copy(model.folder / "model.onnx", model.folder / "model.int8.onnx")
    model = stt_models.model("sherpa", model.folder)
    assert dict(model.options)["model"].endswith("model.int8.onnx")
    (model.folder / "other.int8.onnx").write_bytes(b"")
    with pytest.raises(ModelMissing, match=r"has several models \(model.int8.onnx, other.int8.onnx\)"):
        stt_models.model("sherpa", model.folder)


@pytest.mark.parametrize("kind", ["sense-voice", "paraformer"])
def test_what_is_no_model_is_missing_before_any_child(tmp_path: Path, kind: str) -> None:
    folder = copied(tmp_path, kind)
    whole, tokens = (folder / "model.onnx").read_bytes(), (folder / "tokens.txt").read_text(encoding="utf-8")
    for body in (b"", b"this is no model " * 40, whole[: len(whole) // 2], whole.replace(b"inv_stddev", b"inv_stddex")):
        (folder / "model.onnx").write_bytes(body)
        with pytest.raises(ModelMissing, match=r"is no SenseVoice or Paraformer model for sherpa-onnx"):
            stt_models.model("sherpa", folder)
    (folder / "model.onnx").write_bytes(whole)
    (folder / "tokens.txt").write_text("".join(tokens.splitlines(keepends=True)[:4]), encoding="utf-8")
    with pytest.raises(
        ModelMissing, match=r"tokens.txt has 4 of the 1[17] tokens of model.onnx: it is another model's"
    ):
        stt_models.model("sherpa", folder)
    (folder / "tokens.txt").unlink()
    with pytest.raises(ModelMissing, match=r"no sherpa-onnx model: it has no tokens.txt"):
        stt_models.model("sherpa", folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelMissing, match=r"no tokens.txt, no \*.onnx file"):
        stt_models.model("sherpa", folder)


@pytest.mark.parametrize("model", ["", "/no/such/folder", "no-such-name"])
def test_an_empty_or_wrong_setting_is_missing_before_any_child(tmp_path: Path, model: str) -> None:
    speech = Speech({"zh-CN": Setting("sherpa", model)}, tmp_path)
    assert "does not exist" in str(speech.missing("zh-CN"))
    with pytest.raises(ModelMissing, match="does not exist"):
        speech.transcribe(np.zeros(160, np.float32), "zh-CN")
    assert speech.pids == []


def test_a_model_the_library_says_no_to_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copied(tmp_path)
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes().replace(b"ReduceMean", b"ReduceMuch"))
    child = Child(stt_models.model("sherpa", folder))
    with pytest.raises(ModelMissing, match=r"does not open: RuntimeError: .*ReduceMuch"):
        child.transcribe(np.zeros(16_000, np.float32), "zh-CN")
    assert child.pid is None


def test_the_library_ending_its_process_keeps_the_recording_for_a_better_model(
    room: Room, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """sherpa-onnx calls exit(-1) over a token file it does not understand."""
    folder = copied(tmp_path)
    tokens = (folder / "tokens.txt").read_text(encoding="utf-8")
    (folder / "tokens.txt").write_text(tokens.replace("<blank> 0", "<blank> nought"), encoding="utf-8")
    speech = room.house.services[Speech] = Speech({"en": Setting("sherpa", str(folder))}, tmp_path)
    recording = fetched(room, 1, mono(said(MEDICINE)))
    room.work()
    row = room.row(recording)
    assert row.state == "waiting_for_model"
    told = sound_words.why(row.reason, "en")
    assert "does not open: it ended with code 255, and says why in the worker's error output" in told
    assert "nought" in capfd.readouterr().err
    assert speech.pids == []
    (folder / "tokens.txt").write_text(tokens, encoding="utf-8")
    room.forward(seconds=store.MODEL_LOOK.total_seconds() + 1)
    room.tick()
    assert room.row(recording).state == "kept"
    with room.house.transaction() as session:
        (row_,) = session.scalars(sa.select(SegmentRow)).all()
    assert row_.text.startswith("hello my medicine")
    assert row_.confidence == 0, "not told"
    assert row_.words is not None
    assert row_.words[0][2:] == ["hello", None]
    speech.close()


def test_the_library_ending_its_process_over_an_empty_path_is_no_more_than_that(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An empty path ends the process, too. No setting leads there; one would cost a child."""
    model = Model("sherpa", Path("/nowhere"), options=(("kind", "sense_voice"), ("model", ""), ("tokens", "")))
    with pytest.raises(ModelMissing, match=r"does not open: it ended with code"):
        Child(model).transcribe(np.zeros(16_000, np.float32), "zh-CN")


def test_tokens_that_the_file_does_not_have_are_a_death_of_the_engine(tmp_path: Path, line: audio.Samples) -> None:
    """Numbered wrongly, as many as the model knows: the library finds out when it wants to say one."""
    folder = copied(tmp_path)
    tokens = (folder / "tokens.txt").read_text(encoding="utf-8")
    (folder / "tokens.txt").write_text(tokens.replace("伤 7", "伤 70"), encoding="utf-8")
    child = Child(stt_models.model("sherpa", folder))
    with pytest.raises(EngineDied, match=r"failed \(IndexError\)"):
        child.transcribe(audio.to_model(line, 8000), "zh-CN")
    assert child.pid is None


# ---- tokens, as text ------------------------------------------------------------------------------------


def test_tokens_become_words_with_times() -> None:
    chinese = words_of(["<|zh|>", "伤", "口", "疼"], [0.0, 0.1, 0.3, 0.9], [], 10.0, 11.2, True)
    assert [(round(start, 2), round(end, 2), text) for start, end, text, _ in chinese] == [
        (10.1, 10.3, "伤"),
        (10.3, 10.7, "口"),
        (10.9, 11.2, "疼"),
    ]
    assert {confidence for *_, confidence in chinese} == {None}
    for blank in ("▁", " "):
        tokens = [f"{blank}he", "llo", blank, "ct", "好", "ab", f"{blank}x"]
        sense = words_of(tokens, [0.0, 0.1, 0.3, 0.4, 0.6, 0.8, 0.9], [-0.3, *[-0.1] * 6], 0.0, 2.0, True)
        assert [text for _, _, text, _ in sense] == ["hello", "ct", "好", "ab", "x"]
        assert sense[0][3] == pytest.approx(0.741, abs=0.001), "as sure as of its least piece"
        assert all(confidence == pytest.approx(0.905, abs=0.001) for *_, confidence in sense[1:])
    para = words_of(["hel@@", "lo", "you", "好", "ab"], [0.0, 0.1, 0.3, 0.6, 0.8], [], 0.0, 1.0, False)
    assert [text for _, _, text, _ in para] == ["hello", "you", "好", "ab"]
    assert words_of(["好"], [], [], 0.0, 1.0, False) == [], "without times no words"


def test_a_stretch_without_words_is_nothing() -> None:
    empty = SimpleNamespace(text=" ", tokens=[], timestamps=[], ys_log_probs=[])
    assert stretch(empty, 0.0, 1.0, True) is None
    said_ = SimpleNamespace(text="好", tokens=["好"], timestamps=[0.2], ys_log_probs=[-0.2])
    made = stretch(said_, 1.0, 2.0, True)
    assert made is not None
    assert made["words"][0][:3] == [1.2, 1.6, "好"]
    assert made["confidence"] == pytest.approx(0.819, abs=0.001)
