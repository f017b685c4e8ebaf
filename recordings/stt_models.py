"""What a model folder must hold for each engine, and what the engine has to be told of it. Nothing is loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recordings.weights import ModelMissing, own_model

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


def _sherpa(folder: Path) -> Model:
    """SenseVoice or Paraformer, told apart by the folder's name or SenseVoice's tokens; the int8 file goes first."""
    tokens = folder / "tokens.txt"
    files = sorted(folder.glob("*.int8.onnx")) or sorted(folder.glob("*.onnx"))
    lacking = ["tokens.txt"] * (not tokens.is_file()) + ["*.onnx file"] * (not files)
    if lacking:
        raise ModelMissing(f"the folder {folder} is no sherpa-onnx model: it has no {', no '.join(lacking)}")
    name = folder.name.lower().replace("-", "").replace("_", "")
    if "sensevoice" in name:
        kind = "sense_voice"
    elif "paraformer" in name:
        kind = "paraformer"
    else:
        words = tokens.read_text(encoding="utf-8", errors="replace")
        if "<|zh|>" not in words:
            raise ModelMissing(
                f"the folder {folder} does not say what model it is: have sense-voice or paraformer in its name"
            )
        kind = "sense_voice"
    if len(files) > 1:
        raise ModelMissing(f"the folder {folder} has several models ({', '.join(f.name for f in files)}): leave one")
    options = (("kind", kind), ("model", str(files[0])), ("tokens", str(tokens)))
    return Model(SHERPA, folder, RATE, False, options)
