"""Which model hears a hospital's own recordings best: error rate, speed and memory on a folder of WAV and text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.said import ENGLISH
from recordings import sound_words
from recordings.errors import UNIT, distance, units
from recordings.sound import audio
from recordings.sound.audio import Samples, Unreadable
from recordings.speech.stt_models import Model
from recordings.speech.stt_process import Child, EngineDied, peak
from recordings.speech.weights import ModelMissing


class BenchProblem(Exception):
    """There is nothing to measure; one sentence."""


@dataclass(frozen=True)
class Clip:
    """One channel of sound and what was said in it."""

    path: Path
    seconds: float
    said: Sequence[str]


@dataclass(frozen=True)
class Result:
    """What one model made of all clips. Rates are None where nothing was measured."""

    model: str
    engine: str
    language: str
    clips: int
    failed: int
    """Clips over which the engine died; their units count as not heard."""
    sound_s: float
    unit: str
    """CER or WER"""
    units: int
    errors: int
    error_rate: float | None
    """Errors in a hundred units; more than 100 if much was made up."""
    real_time_factor: float | None
    """Seconds of work in one second of sound, one file at a time, the loading of the model left out."""
    load_s: float
    peak_mb: float | None
    """The most memory of the child, model included; None where this system does not tell."""
    threads: int
    problem: str = ""
    """Why nothing was measured."""


def clips(folder: Path, language: str) -> tuple[list[Clip], list[str]]:
    """The pairs in the folder, by name, and a sentence for each file that is left out. Raises BenchProblem."""
    if not folder.is_dir():
        raise BenchProblem(f"{folder} is not a folder")
    found, left_out = [], []
    for path in sorted(one for one in folder.iterdir() if one.suffix.lower() == ".wav"):
        text = path.with_suffix(".txt")
        if not text.is_file():
            left_out.append(f"{path.name}: there is no {text.name} with what was said")
            continue
        sound = audio.check_wav(path.read_bytes(), None)
        if isinstance(sound, Unreadable):
            left_out.append(f"{path.name}: {sound_words.why(sound.reason, ENGLISH)}")
        elif sound.channels != 1:
            left_out.append(f"{path.name}: it has {sound.channels} channels, and a text says the words of one")
        else:
            said = units(text.read_text(encoding="utf-8-sig"), language)
            found.append(Clip(path, sound.seconds, said))
    if not found:
        raise BenchProblem(f"in {folder} is no WAV file of one channel with a text file of the same name beside it")
    return found, left_out


def measure(
    model: Model, language: str, on: Sequence[Clip], *, threads: int, tell: Callable[[str], None] = lambda line: None
) -> Result:
    """One child hears every clip, one after the other."""
    child = Child(model, threads=threads, recycle_after=len(on) + 1)
    began = time.monotonic()
    try:
        child.start()
    except (ModelMissing, EngineDied) as problem:
        return _result(model, language, [], threads, 0.0, 0, str(problem))
    load_s, most, heard = time.monotonic() - began, 0, []
    try:
        for clip in on:
            heard.append(_one(child, language, clip))
            most = max(most, peak(child.pid) if child.pid is not None else 0)
            tell(f"{model.name}: {clip.path.name}")
    finally:
        child.close()
    return _result(model, language, heard, threads, load_s, most, "")


@dataclass(frozen=True)
class _Heard:
    clip: Clip
    errors: int
    took_s: float
    failed: bool


def _one(child: Child, language: str, clip: Clip) -> _Heard:
    sound = _sound(clip.path, child.model.rate)
    began = time.monotonic()
    try:
        segments = child.transcribe(sound, language)
    except EngineDied:
        return _Heard(clip, len(clip.said), time.monotonic() - began, failed=True)
    took_s = time.monotonic() - began
    text = " ".join(segment.text for segment in segments)
    return _Heard(clip, distance(clip.said, units(text, language)), took_s, failed=False)


def _sound(path: Path, rate: int) -> Samples:
    has, (samples,) = audio.channels(path.read_bytes())
    return audio.to_model(samples, has, rate)


def _result(
    model: Model, language: str, heard: Sequence[_Heard], threads: int, load_s: float, most: int, problem: str
) -> Result:
    said, errors = sum(len(one.clip.said) for one in heard), sum(one.errors for one in heard)
    # a clip over which the engine died says nothing of its speed
    timed = [one for one in heard if not one.failed]
    sound_s = sum(one.clip.seconds for one in timed)
    return Result(
        model=model.folder.name,
        engine=model.engine,
        language=language,
        clips=len(heard),
        failed=len(heard) - len(timed),
        sound_s=round(sum(one.clip.seconds for one in heard), 1),
        unit=UNIT[language],
        units=said,
        errors=errors,
        error_rate=round(100 * errors / said, 2) if said else None,
        real_time_factor=round(sum(one.took_s for one in timed) / sound_s, 4) if sound_s else None,
        load_s=round(load_s, 2),
        peak_mb=round(most / 1e6, 1) if most else None,
        threads=threads,
        problem=problem,
    )


def notes(language: str, left_out: Sequence[str]) -> Iterator[str]:
    """What must be read beside the figures."""
    what = "characters" if UNIT[language] == "CER" else "words"
    yield f"{UNIT[language]}: wrong, missing and added {what} in a hundred. Digits are not the number in words"
    yield from (f"left out: {line}" for line in left_out)
