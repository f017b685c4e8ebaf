"""What a model folder must hold for each engine, and what the engine has to be told of it. Nothing is loaded here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from recordings.speech.weights import ModelMissing, own_model

WHISPER: Final = "whisper"
VOSK: Final = "vosk"
SHERPA: Final = "sherpa"
ENGINES: Final = (WHISPER, VOSK, SHERPA)

RATE: Final = 16_000
"""Of every model but a Vosk one that says another."""


@dataclass(frozen=True)
class Model:
    """A model that can be opened, and by what."""

    engine: str
    folder: Path
    rate: int = RATE
    """Of the sound it wants, in Hz."""
    grammar: bool = False
    """Whether it can be limited to given words."""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.engine} {self.folder.name}"


def model(engine: str, folder: Path) -> Model:
    """The model in `folder`. Raises ModelMissing with what is lacking."""
    match engine:
        case "whisper":
            return Model(WHISPER, own_model(str(folder)))
        case "vosk":
            return _vosk(_there(folder))
        case "sherpa":
            return _sherpa(_there(folder))
        case _:
            raise ModelMissing(f"there is no speech engine called {engine} (hospital.toml, engine)")


def engine_of(folder: Path) -> str | None:
    """Which engine's model lies in the folder, by its files; None: nobody's."""
    if (folder / "model.bin").is_file():
        return WHISPER
    if (folder / "am" / "final.mdl").is_file():
        return VOSK
    if (folder / "tokens.txt").is_file() and any(folder.glob("*.onnx")):
        return SHERPA
    return None


def _there(folder: Path) -> Path:
    # An empty name would be the folder we stand in, and sherpa-onnx ends its process over one.
    if str(folder) in ("", ".") or not folder.is_dir():
        raise ModelMissing(f"the speech model folder {folder} (hospital.toml, model) does not exist")
    return folder.resolve()


def _vosk(folder: Path) -> Model:
    lacking = [name for name in ("am/final.mdl", "conf/mfcc.conf", "graph") if not (folder / name).exists()]
    if lacking:
        raise ModelMissing(f"the folder {folder} is no Vosk model: it has no {', no '.join(lacking)}")
    # A model whose graph is made anew for each list of words comes in two halves; the big ones have it in one piece.
    grammar = all((folder / "graph" / name).is_file() for name in ("HCLr.fst", "Gr.fst"))
    return Model(VOSK, folder, _vosk_rate(folder / "conf" / "mfcc.conf"), grammar)


def _vosk_rate(conf: Path) -> int:
    """`--sample-frequency` of the model's own features; Kaldi's default is 16 kHz."""
    for line in conf.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition("#")[0].strip().partition("=")
        if name.strip() == "--sample-frequency":
            try:
                rate = int(float(value))
            except ValueError:
                rate = 0
            if not 4_000 <= rate <= 48_000:
                raise ModelMissing(f"{conf} names a sampling rate nobody records at: {value.strip()}")
            return rate
    return RATE


_SENSE_VOICE: Final = ("lfr_window_size", "normalize_samples", "with_itn", "lang_zh", "neg_mean", "inv_stddev")
_PARAFORMER: Final = ("lfr_window_size", "neg_mean", "inv_stddev")
"""What sherpa-onnx wants to read in a model of either kind; where one is lacking it ends its process."""


def _sherpa(folder: Path) -> Model:
    """SenseVoice or Paraformer, told apart by what the model says of itself; the int8 file goes first."""
    tokens = folder / "tokens.txt"
    files = sorted(folder.glob("*.int8.onnx")) or sorted(folder.glob("*.onnx"))
    lacking = ["tokens.txt"] * (not tokens.is_file()) + ["*.onnx file"] * (not files)
    if lacking:
        raise ModelMissing(f"the folder {folder} is no sherpa-onnx model: it has no {', no '.join(lacking)}")
    if len(files) > 1:
        raise ModelMissing(f"the folder {folder} has several models ({', '.join(f.name for f in files)}): leave one")
    kind, size = _sherpa_kind(files[0])
    with tokens.open("rb") as file:
        has = sum(1 for line in file if line.strip())
    if has < size:
        raise ModelMissing(f"{tokens} has {has} of the {size} tokens of {files[0].name}: it is another model's")
    options = (("kind", kind), ("model", str(files[0])), ("tokens", str(tokens)))
    return Model(SHERPA, folder, RATE, False, options)


def _sherpa_kind(model: Path) -> tuple[str, int]:
    """What kind of model it is and how many tokens it knows. What a model says of itself are pairs of texts at the end
    of its file: 0x0a, length, name, 0x12, length, value."""
    if model.stat().st_size > 0:
        with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as told:

            def says(name: str) -> int:
                return told.rfind(b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12")

            at = says("vocab_size")
            size = re.match(rb"\x0a\x0avocab_size\x12.(\d+)", told[at : at + 32], re.DOTALL) if at >= 0 else None
            for kind, names in (("sense_voice", _SENSE_VOICE), ("paraformer", _PARAFORMER)):
                if size is not None and all(says(name) >= 0 for name in names):
                    return kind, int(size[1])
    raise ModelMissing(f"{model} is no SenseVoice or Paraformer model for sherpa-onnx, or only a part of one")
