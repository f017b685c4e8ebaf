"""The parent's side of a child that hears: started when first needed, replaced when old, grown or dead."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from recordings.simplified import simplified
from recordings.sound.audio import Samples
from recordings.sound.conversation import Word
from recordings.speech.stt_models import SHERPA, VOSK, WHISPER, Model
from recordings.speech.weights import ModelMissing

RECYCLE_AFTER: Final = 50
GROWN: Final = 4
"""A child is replaced when it holds this many times what it held after its first file: it leaks. (Big Vosk models grew
from 0.5 to 1.9 GB in half an hour, docs/speech.md.)"""
GROWN_LEAST: Final = 1_200_000_000
"""Bytes below which nothing counts as grown: four times what Whisper base needs at its peak."""
START_LIMIT_S: Final = 120.0
ENDS_IN_S: Final = 5.0

_CHILD: Final = Path(__file__).with_name("stt_child.py")
_PASSED_ON: Final = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
"""The only variables the child gets: it has no business with DATA_KEY or the carrier's token. Nor with our locale:
where a comma is the decimal point, Vosk writes broken JSON."""
_LIBRARY: Final = {WHISPER: "faster_whisper", VOSK: "vosk", SHERPA: "sherpa_onnx"}
_NO_WORDS: Final = "NoWords"


class EngineDied(Exception):
    """The engine ended, hung or failed in the middle of a file. The next file gets a new one."""


class NoGrammar(Exception):
    """This engine or model cannot be limited to given words, or knows none of them."""


@dataclass(frozen=True)
class Segment:
    """Some words and when they were said, in seconds from the start of the sound; `confidence` 0..1, None where
    the engine does not tell; what it means, engine by engine: docs/speech.md."""

    start_s: float
    end_s: float
    text: str
    confidence: float | None
    words: tuple[Word, ...] = ()
    """Each word with its time, in order; empty where the engine does not tell."""


class Child:
    """One child process and the model in it."""

    def __init__(
        self,
        model: Model,
        *,
        threads: int = 1,
        recycle_after: int = RECYCLE_AFTER,
        grown: int | None = None,
        limit: Callable[[float], float] | None = None,
    ) -> None:
        self.model = model
        self._threads = threads
        self._recycle_after = recycle_after
        self._grown = grown
        self._limit = limit or time_limit
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._files = 0
        self._first = 0
        # PR_SET_PDEATHSIG follows the thread that made the child: a job's thread may end, this one stays.
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="speech-owner")

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def transcribe(self, sound: Samples, language: str, words: Sequence[str] | None = None) -> list[Segment]:
        """`sound` at the model's rate. One file at a time: a second thread waits. Raises EngineDied, NoGrammar, or
        ModelMissing if the model does not open."""
        if words is not None and not self.model.grammar:
            raise NoGrammar(f"{self.model.name} has no grammar")
        with self._lock:
            self._recycle()
            child = self._running()
            self._files += 1
            request = {"language": language, "words": list(words) if words is not None else None, "samples": len(sound)}
            answer = self._ask(child, request, sound, self._limit(len(sound) / self.model.rate))
            if self._first == 0:
                self._first = _resident(child.pid)
            if answer.get("error") == _NO_WORDS:
                raise NoGrammar(f"{self.model.name} knows none of these words")
            if "segments" not in answer:
                self._stop()
                raise EngineDied(f"the speech engine failed ({answer.get('error', 'unknown answer')})")
            return [_segment(one, language) for one in answer["segments"]]

    def start(self) -> None:
        """Open the model now, not with the first file. Raises as `transcribe`."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the child. The object stays usable: the next file starts another."""
        with self._lock:
            self._stop()

    def _recycle(self) -> None:
        pid = self.pid
        if pid is None:
            return
        most = self._grown if self._grown is not None else max(GROWN_LEAST, GROWN * self._first)
        if self._files >= self._recycle_after or _resident(pid) > most:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.pid is None:
            self._stop()
            if importlib.util.find_spec(_LIBRARY[self.model.engine]) is None:
                raise ModelMissing(f"the {self.model.engine} engine is not installed on this server")
            self._child = self._owner.submit(self._start).result()
            self._files = self._first = 0
            self._await_model(self._child)
        assert self._child is not None
        return self._child

    def _await_model(self, child: subprocess.Popen[bytes]) -> None:
        """Until the model is open. An engine that says no, or ends by itself, was given a model it cannot open; one
        that was killed (by us for being late, by the kernel for want of memory) may do better next time."""
        try:
            answer = self._ask(child, None, None, START_LIMIT_S)
        except EngineDied as died:
            if child.returncode is None or child.returncode < 0:
                raise EngineDied(f"the speech engine did not start: {died}") from None
            answer = {"error": f"it ended with code {child.returncode}, and says why in the worker's error output"}
        if not answer.get("ready"):
            self._stop()
            raise ModelMissing(f"the speech model {self.model.folder} does not open: {answer.get('error')}")

    def _start(self) -> subprocess.Popen[bytes]:
        told = {
            "engine": self.model.engine,
            "folder": str(self.model.folder),
            "threads": self._threads,
            "rate": self.model.rate,
            "options": dict(self.model.options),
            "parent": os.getpid(),
        }
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-I", str(_CHILD), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"LC_ALL": "C.UTF-8", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(self._threads)},
        )

    def _ask(
        self, child: subprocess.Popen[bytes], request: dict[str, Any] | None, sound: Samples | None, limit_s: float
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
                child.stdin.write(np.ascontiguousarray(sound, np.float32).tobytes())
                child.stdin.flush()
            return _read_frame(child.stdout)
        except (OSError, EOFError):
            # It has closed its pipe, so it is ending by itself: its code says how, if it is let.
            with suppress(subprocess.TimeoutExpired):
                child.wait(ENDS_IN_S)
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


def _segment(told: dict[str, Any], language: str) -> Segment:
    """Whatever script the engine chose, zh-CN is written in simplified characters."""
    written = simplified if language == "zh-CN" else str
    words = tuple(Word(start, end, written(text), sure) for start, end, text, sure in told["words"])
    return Segment(told["start"], told["end"], written(told["text"]), told["confidence"], words)


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
    """Resident memory in bytes; 0 if the process is gone or this system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def peak(pid: int) -> int:
    """The most memory a process ever held, in bytes; 0 if it is gone or this system does not tell."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0
