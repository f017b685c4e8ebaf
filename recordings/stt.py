"""Speech to text: the interface, and the engines that a language may be given by setting.

`[speech.en] engine` is "auto" (Whisper base from the installed weights), "faster-whisper", "vosk" or
"none". What cannot be heard says why: ModelMissing leaves a recording waiting, EngineDied has the job tried
again.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np

from recordings import weights
from recordings.audio import MODEL_RATE, Samples
from recordings.conversation import Word
from recordings.weights import ModelMissing

__all__ = ["EngineDied", "ModelMissing", "Segment", "Speech", "Transcriber", "WhisperChild", "time_limit"]

WHISPER_LANGUAGE: Final[Mapping[str, str]] = {"zh-CN": "zh", "en": "en"}
"""Our languages as Whisper calls them. A language is told to the model, never guessed by it."""

THREADS: Final = 2
RECYCLE_AFTER: Final = 50
GROWN_BYTES: Final = 1_200_000_000
"""Four times what the model needs at its peak (docs/measured.md section 5): beyond that it leaks."""
START_LIMIT_S: Final = 120.0

_CHILD: Final = Path(__file__).with_name("stt_child.py")
_PASSED_ON: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""The only variables the child gets: it has no business with DATA_KEY or the carrier's token."""


class EngineDied(Exception):
    """The engine ended, hung or failed in the middle of a file. The next file gets a new one."""


@dataclass(frozen=True)
class Segment:
    """Some words and when they were said, in seconds from the start of the sound; `confidence` 0..1."""

    start_s: float
    end_s: float
    text: str
    confidence: float
    words: tuple[Word, ...] = ()
    """Each word with its time, in order; empty where the engine does not tell."""


class Transcriber(Protocol):
    """What hears. `sound` is 16 kHz mono in -1..1; `language` one of the hospital's."""

    def missing(self, language: str) -> str | None:
        """Why this language cannot be heard, or None if it can; cheap enough to ask before a file is
        opened."""

    def transcribe(self, sound: Samples, language: str) -> list[Segment]:
        """Raises ModelMissing or EngineDied."""


class SpeechSetting(Protocol):
    """`[speech."zh-CN"]` of hospital.toml."""

    @property
    def engine(self) -> str: ...
    @property
    def model(self) -> str: ...


class Speech:
    """The engines of a hospital: one Transcriber that picks by language. Thread-safe."""

    def __init__(
        self, settings: Mapping[str, SpeechSetting], models: Path, *, recycle_after: int = RECYCLE_AFTER
    ) -> None:
        self._settings = settings
        self._models = models
        self._recycle_after = recycle_after
        self._lock = threading.Lock()
        self._children: dict[Path, WhisperChild] = {}
        self._checked: Path | None = None

    def missing(self, language: str) -> str | None:
        try:
            self._folder(language)
        except ModelMissing as reason:
            return str(reason)
        return None

    def transcribe(self, sound: Samples, language: str) -> list[Segment]:
        folder = self._folder(language)
        with self._lock:
            child = self._children.setdefault(folder, WhisperChild(folder, recycle_after=self._recycle_after))
        return child.transcribe(sound, language)

    def close(self) -> None:
        with self._lock:
            for child in self._children.values():
                child.close()
            self._children.clear()

    def _folder(self, language: str) -> Path:
        """The model folder for a language; the one place that knows the engines' names."""
        setting = self._settings.get(language)
        if setting is None or language not in WHISPER_LANGUAGE:
            raise ModelMissing(f"there is no speech engine for the language {language}")
        match setting.engine:
            case "none":
                raise ModelMissing(f"speech to text is switched off for {language} (hospital.toml, engine)")
            case "vosk":
                raise ModelMissing("the Vosk engine is not installed on this server")
            case "auto" | "whisper" | "faster-whisper":
                return weights.own_model(setting.model) if setting.model else self._whisper_base()
            case other:
                raise ModelMissing(f"there is no speech engine called {other} (hospital.toml, engine)")

    def _whisper_base(self) -> Path:
        # The weights are checked once per process: 145 MB of SHA-256.
        with self._lock:
            if self._checked is None:
                self._checked = weights.whisper_base(self._models)
            return self._checked


class WhisperChild:
    """One child process and the model in it: started when first needed, replaced when old, grown or dead."""

    def __init__(
        self,
        folder: Path,
        *,
        recycle_after: int = RECYCLE_AFTER,
        grown: int = GROWN_BYTES,
        limit: Callable[[float], float] | None = None,
    ) -> None:
        self._folder = folder
        self._recycle_after = recycle_after
        self._grown = grown
        self._limit = limit or time_limit
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._files = 0
        # PR_SET_PDEATHSIG follows the thread that made the child: a job's thread may end, this one stays.
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="speech-owner")

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def transcribe(self, sound: Samples, language: str) -> list[Segment]:
        """One file at a time: a second thread waits. Raises EngineDied."""
        with self._lock:
            self._recycle()
            child = self._running()
            self._files += 1
            request = {"language": WHISPER_LANGUAGE[language], "samples": len(sound)}
            answer = self._ask(child, request, sound, self._limit(len(sound) / MODEL_RATE))
            if "segments" not in answer:
                self._stop()
                raise EngineDied(f"the speech engine failed ({answer.get('error', 'unknown answer')})")
            return [Segment(s["start"], s["end"], s["text"], s["confidence"]) for s in answer["segments"]]

    def close(self) -> None:
        """End the child. The object stays usable: the next file starts another."""
        with self._lock:
            self._stop()

    def _recycle(self) -> None:
        pid = self.pid
        if pid is not None and (self._files >= self._recycle_after or _resident(pid) > self._grown):
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.pid is None:
            self._stop()
            self._child = self._owner.submit(self._start).result()
            self._files = 0
            if not self._ask(self._child, None, None, START_LIMIT_S).get("ready"):
                self._stop()
                raise EngineDied("the speech engine did not start")
        assert self._child is not None
        return self._child

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), str(self._folder), str(THREADS), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)},
        )

    def _ask(
        self,
        child: subprocess.Popen[bytes],
        request: dict[str, Any] | None,
        sound: Samples | None,
        limit_s: float,
    ) -> dict[str, Any]:
        """Send the request, if any, and read one answer; whatever takes longer than the limit is killed."""
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Event()

        def end_it() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(limit_s, end_it)
        timer.start()
        try:
            if request is not None and sound is not None:
                body = json.dumps(request).encode()
                child.stdin.write(struct.pack(">I", len(body)) + body)
                child.stdin.write(sound.astype(np.float32, copy=False).tobytes())
                child.stdin.flush()
            return _read_frame(child.stdout)
        except (OSError, EOFError):
            self._stop()
            why = f"took over {limit_s:.0f} s and was ended" if late.is_set() else "ended in the middle of a file"
            raise EngineDied(f"the speech engine {why}") from None
        finally:
            timer.cancel()

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                _close(pipe)


def time_limit(seconds: float) -> float:
    """How long one file may take: three times its length, at least a minute."""
    return max(60.0, 3 * seconds)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        # Closing flushes; what was still in our buffer was meant for a child that is gone.
        return


def _read_frame(pipe: IO[bytes]) -> dict[str, Any]:
    head = pipe.read(4)
    if len(head) < 4:
        raise EOFError
    (length,) = struct.unpack(">I", head)
    body = pipe.read(length)
    if len(body) < length:
        raise EOFError
    frame: dict[str, Any] = json.loads(body)
    return frame


def _resident(pid: int) -> int:
    """Resident memory in bytes; 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
