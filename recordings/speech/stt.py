"""Speech to text: the interface, and the engine and model that a language is given by setting.

`[speech.en] engine` is "auto" (a Vosk model of the language if one has been fetched, else Whisper base from the
installed weights), "whisper", "vosk", "sherpa" or "none"; `model` a folder, or the name of one that was fetched. What
cannot be heard says why: ModelMissing leaves a recording waiting, EngineDied has the job tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from core.hospital import processors
from recordings.sound import audio
from recordings.sound.audio import MODEL_RATE, Samples
from recordings.speech import stt_models, weights
from recordings.speech.models_store import LANGUAGES, fetched
from recordings.speech.stt_models import VOSK, WHISPER, Model
from recordings.speech.stt_pool import Pool
from recordings.speech.stt_process import RECYCLE_AFTER, Child, EngineDied, NoGrammar, Segment, time_limit
from recordings.speech.weights import ModelMissing

__all__ = ["Child", "EngineDied", "ModelMissing", "NoGrammar", "Segment", "Speech", "Transcriber", "time_limit"]

MOST_THREADS: Final = 4
"""Of one child: more do not make one file faster by as much."""


class Transcriber(Protocol):
    """What hears. `language` is one of the hospital's."""

    def missing(self, language: str) -> str | None:
        """Why this language cannot be heard, or None if it can; cheap enough to ask before a file is opened."""

    def has_grammar(self, language: str) -> bool:
        """Whether `transcribe` takes a grammar in this language."""

    def transcribe(
        self,
        sound: Samples,
        language: str,
        grammar: Sequence[str] | None = None,
        *,
        rate: int = MODEL_RATE,
        first: bool = False,
    ) -> list[Segment]:
        """`sound` is mono in -1..1 at `rate` Hz. With `grammar` nothing but these words (`grammars`) is
        heard. `first`: it waits for no ordinary recording. Raises ModelMissing, EngineDied, or NoGrammar."""


class SpeechSetting(Protocol):
    """`[speech."zh-CN"]` of hospital.toml."""

    @property
    def engine(self) -> str: ...
    @property
    def model(self) -> str: ...


class Speech:
    """The engines of a hospital: one Transcriber that picks by language. Thread-safe; `at_once` files are heard at the
    same time, by a child each; one more child is kept for what a patient said to the machine alone."""

    def __init__(
        self,
        settings: Mapping[str, SpeechSetting],
        models: Path,
        *,
        at_once: int = 1,
        recycle_after: int = RECYCLE_AFTER,
    ) -> None:
        self._settings = settings
        self._models = models
        threads = max(1, min(MOST_THREADS, processors() // at_once))
        self._pool = Pool(at_once, lambda model: Child(model, threads=threads, recycle_after=recycle_after))
        self._lock = threading.Lock()
        self._checked: Path | None = None

    def missing(self, language: str) -> str | None:
        try:
            self.model(language)
        except ModelMissing as reason:
            return str(reason)
        return None

    def has_grammar(self, language: str) -> bool:
        return self.model(language).grammar

    def transcribe(
        self,
        sound: Samples,
        language: str,
        grammar: Sequence[str] | None = None,
        *,
        rate: int = MODEL_RATE,
        first: bool = False,
    ) -> list[Segment]:
        model = self.model(language)
        if grammar is not None and not model.grammar:
            raise NoGrammar(f"{model.name} has no grammar")
        with self._pool.child(model, first=first) as child:
            return child.transcribe(audio.to_model(sound, rate, model.rate), language, grammar)

    def model(self, language: str) -> Model:
        """What a language is heard with; the one place that knows what the settings mean. Raises ModelMissing."""
        setting = self._settings.get(language)
        if setting is None or language not in LANGUAGES:
            raise ModelMissing(f"there is no speech engine for the language {language}")
        engine = "whisper" if setting.engine == "faster-whisper" else setting.engine
        if engine == "none":
            raise ModelMissing(f"speech to text is switched off for {language} (hospital.toml, engine)")
        if engine == "auto":
            return self._auto(language, setting.model)
        if setting.model:
            return stt_models.model(engine, self._folder(setting.model))
        if engine == WHISPER:
            return Model(WHISPER, self._whisper_base())
        here = fetched(self._models, language, engine) if engine in stt_models.ENGINES else []
        if not here and engine == VOSK:
            raise ModelMissing(f"there is no Vosk model for {language} here: carecall models fetch {language}")
        # Without a folder this says that there is no such engine, or that its model is not there.
        return stt_models.model(engine, here[0] if here else Path())

    @property
    def pids(self) -> list[int]:
        """Of the children that live."""
        return self._pool.pids

    def close(self) -> None:
        self._pool.close()

    def _auto(self, language: str, setting: str) -> Model:
        if setting:
            folder = self._folder(setting)
            return stt_models.model(stt_models.engine_of(folder) or WHISPER, folder)
        here = fetched(self._models, language, VOSK)
        return stt_models.model(VOSK, here[0]) if here else Model(WHISPER, self._whisper_base())

    def _folder(self, setting: str) -> Path:
        """A name is that of a fetched model; anything with a slash is a folder of the hospital's."""
        named = self._models / setting
        return named if "/" not in setting and named.is_dir() else Path(setting).expanduser()

    def _whisper_base(self) -> Path:
        # The weights are checked once per process: 145 MB of SHA-256.
        with self._lock:
            if self._checked is None:
                self._checked = weights.whisper_base(self._models)
            return self._checked
