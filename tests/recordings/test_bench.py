"""The bench: how it counts, and a real model on real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import cli
from commands.joined import Joined
from core import settings
from recordings.errors import distance, units
from recordings.speech import bench, stt_models
from recordings.speech.bench import BenchProblem
from tests.house import ROOT, variables
from tests.recordings.sounds import MEDICINE, dual, mono, said, tone
from tests.recordings.test_stt import SMALL


@pytest.mark.parametrize(
    ("language", "text", "counted"),
    [
        ("en", "It's Dr. Example’s “fever” — 38.5!", ["it's", "dr", "example's", "fever", "38", "5"]),
        ("en", "  ", []),
        ("en", "'quoted' rock 'n' roll", ["quoted", "rock", "n", "roll"]),
        ("zh-CN", "伤口疼，怎么办？ CT３８度", list("伤口疼怎么办ct38度")),
        ("zh-CN", "你 好", ["你", "好"]),
    ],
)
def test_what_is_counted(language: str, text: str, counted: list[str]) -> None:
    assert units(text, language) == counted


@pytest.mark.parametrize(
    ("said_", "heard", "errors"),
    [("kitten", "sitting", 3), ("abc", "", 3), ("", "ab", 2), ("", "", 0), ("abc", "abc", 0), ("ab", "ba", 2)],
)
def test_the_fewest_changes(said_: str, heard: str, errors: int) -> None:
    assert distance(list(said_), list(heard)) == errors


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_it_is_the_distance_of_the_textbook(one: list[str], other: list[str]) -> None:
    table = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            )
    assert distance(one, other) == distance(other, one) == table[-1][-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clips"
    made.mkdir()
    (made / "a.wav").write_bytes(mono(said(MEDICINE)))
    (made / "a.txt").write_text(MEDICINE + "\n", encoding="utf-8")
    (made / "b.WAV").write_bytes(mono(said("Call me back.")))
    (made / "b.txt").write_text("Nobody said any of these seven words", encoding="utf-8")
    (made / "no-text.wav").write_bytes(mono(tone(1)))
    (made / "two.wav").write_bytes(dual(tone(1), tone(1)))
    (made / "two.txt").write_text("x")
    (made / "broken.wav").write_bytes(b"RIFF")
    (made / "broken.txt").write_text("x")
    return made


def test_pairs_are_found_and_what_is_left_out_is_said(folder: Path, tmp_path: Path) -> None:
    found, left_out = bench.clips(folder, "en")
    assert [(clip.path.name, len(clip.said)) for clip in found] == [("a.wav", 13), ("b.WAV", 7)]
    assert [line.partition(":")[0] for line in left_out] == ["broken.wav", "no-text.wav", "two.wav"]
    for empty, words in ((tmp_path / "none", "is not a folder"), (tmp_path, "no WAV file of one channel")):
        with pytest.raises(BenchProblem, match=words):
            bench.clips(empty, "en")


def test_a_model_that_does_not_open_is_a_result_too(folder: Path, tmp_path: Path, capfd: object) -> None:
    broken = shutil.copytree(SMALL, tmp_path / "broken") / "model.onnx"
    broken.write_bytes(broken.read_bytes().replace(b"ReduceMean", b"ReduceMuch"))
    model = stt_models.model("sherpa", broken.parent)
    result = bench.measure(model, "en", bench.clips(folder, "en")[0], threads=1)
    assert "does not open" in result.problem
    assert (result.error_rate, result.real_time_factor, result.peak_mb) == (None, None, None)


def test_whisper_on_files_by_command(
    folder: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(tmp_path, "").items():
        monkeypatch.setenv(name, value)
    assert settings.load(require_keys=False)
    joined = Joined(ROOT, lambda _: None, [], lambda _: None)  # type: ignore[arg-type, return-value]

    def carecall(*words: str) -> tuple[int, str]:
        return cli.run(["models", "bench", *words], joined), capsys.readouterr().out

    code, printed = carecall(str(folder), "--model", str(weights), "--json")
    assert code == 0
    told = json.loads(printed)
    (result,) = told["results"]
    assert (result["engine"], result["clips"], result["failed"], result["unit"], result["units"]) == (
        "whisper",
        2,
        0,
        "WER",
        20,
    )
    # the second text was never said: all its words are wrong, and what was said is added
    assert 7 <= result["errors"] <= 26
    assert result["error_rate"] == round(100 * result["errors"] / 20, 2)
    assert 0 < result["real_time_factor"] < 60
    assert 100 < result["peak_mb"] < 2000
    assert len(told["left_out"]) == 3
    code, printed = carecall(str(folder), "--model", str(SMALL))
    assert code == 0
    assert "sense-voice" in printed
    assert "2 files" in printed
    assert "left out: two.wav" in printed
    assert carecall(str(tmp_path / "nowhere"))[0] == 2
