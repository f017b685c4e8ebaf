"""The voice: text to 8 kHz sound, spoken by espeak-ng in a child process of the carrier."""

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import numpy as np

from carrier.sound import Clip, resample
from carrier.ssml import NORMAL, Piece

log = logging.getLogger(__name__)

WORDS_PER_MINUTE = 150
CARRIER_PITCH = 50
PARTY_PITCH = 70  # the people on the phones sound different from the prompts, so a recording can be told apart
REMEMBERED = 2000
SLOWEST_WPM, FASTEST_WPM = 80, 450  # what espeak-ng can do
Key = tuple[str, str, int, int]


class VoiceError(RuntimeError):
    """The speaking child answered that it cannot say this, or died twice over the same text."""


def voice_name(language: str) -> str:
    """The espeak-ng voice for a Say language; anything not Chinese is read by the American English voice."""
    head = language.lower()
    if head.startswith(("zh-hk", "yue")):
        return "yue"
    return "cmn" if head.startswith(("zh", "cmn")) else "en-us"


class Voice:
    """Speaks texts one after the other and remembers what it said.

    One thread owns the child for the carrier's whole life: the kernel's parent-death signal is tied to the
    thread that made the child, so a child made by a call's thread would be killed with the call.
    """

    def __init__(self) -> None:
        self._said: OrderedDict[Key, Future[Clip]] = OrderedDict()
        self._lock = threading.Lock()
        self._wanted: queue.SimpleQueue[tuple[Key, Future[Clip]]] = queue.SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._work, name="voice", daemon=True).start()

    def say(self, pieces: tuple[Piece, ...], language: str) -> "list[Future[Clip]]":
        """The sounds of a prompt's pieces, each at its speed."""
        return [self.speak(piece.text, language, rate=piece.rate) for piece in pieces]

    def speak(self, text: str, language: str, party: bool = False, rate: int = NORMAL) -> "Future[Clip]":
        """The sound of `text`, at once if it was said before. `party`: in the voice of a person on a
        phone. `rate`: percent of the normal speed."""
        words = min(max(round(WORDS_PER_MINUTE * rate / NORMAL), SLOWEST_WPM), FASTEST_WPM)
        key = (text, voice_name(language), PARTY_PITCH if party else CARRIER_PITCH, words)
        with self._lock:
            known = self._said.get(key)
            if known is not None:
                self._said.move_to_end(key)
                return known
            future: Future[Clip] = Future()
            self._said[key] = future
            if len(self._said) > REMEMBERED:
                self._said.popitem(last=False)
        self._wanted.put((key, future))
        return future

    def close(self) -> None:
        """End the child; the next text would start another."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with contextlib.suppress(BrokenPipeError):  # closing sends what the dead child did not take
                    if pipe is not None:
                        pipe.close()

    def _work(self) -> None:
        while True:
            key, future = self._wanted.get()
            try:
                future.set_result(self._once_more(key))
            except Exception as error:  # every failure belongs to the waiting call, which speaks its apology
                log.exception("the voice failed")
                with self._lock:
                    self._said.pop(key, None)
                future.set_exception(error)

    def _once_more(self, key: Key) -> Clip:
        """Ask the child, with one fresh child if this one has died."""
        try:
            return self._ask(key)
        except (OSError, EOFError):
            log.warning("the speaking child died; starting another")
            self.close()
            try:
                return self._ask(key)
            except (OSError, EOFError) as error:
                raise VoiceError("the speaking child died twice over one text") from error

    def _ask(self, key: Key) -> Clip:
        text, voice, pitch, words = key
        if self._child is None:
            self._child = self._start()
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None
        assert stdout is not None
        request = {"text": text, "voice": voice, "rate": words, "pitch": pitch}
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        answer = json.loads(_line(stdout))
        if "error" in answer:
            raise VoiceError(answer["error"])
        samples = stdout.read(answer["bytes"])
        if len(samples) < answer["bytes"]:
            raise EOFError
        return resample(np.frombuffer(samples, dtype="<i2"), answer["rate"])

    @staticmethod
    def _start() -> "subprocess.Popen[bytes]":
        child = Path(__file__).with_name("espeak_child.py")
        return subprocess.Popen(
            [sys.executable, "-I", str(child), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def _line(stdout: IO[bytes]) -> bytes:
    line = stdout.readline()
    if not line:
        raise EOFError
    return line
