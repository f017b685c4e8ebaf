"""The child process that speaks: espeak-ng by ctypes, one request at a time.

It is a process of its own because the library ends the process it lives in when its data path is too long or
its data are bad. Protocol on stdin/stdout: one JSON line `{"text", "voice", "rate", "pitch"}` in; out one
JSON line `{"rate": Hz, "bytes": n}` or `{"error": "..."}`, then n bytes of 16 bit little-endian mono samples.

Run by path with `python -I`, so it may import only the standard library and espeakng_loader.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import espeakng_loader

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
CHARS_UTF8 = 1
POS_CHARACTER = 1
RATE, PITCH = 1, 3
PR_SET_PDEATHSIG = 1
# The library keeps the data path in a fixed buffer of 160 bytes and ends the process when it does not fit.
LONGEST_PATH = 140

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when the carrier's voice thread is gone, however it went."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


class Espeak:
    """The library, opened once; `speak` is synchronous and must stay on one thread."""

    def __init__(self, data: str) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self.rate = int(self._lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), DONT_EXIT))
        if self.rate <= 0:
            raise SystemExit(f"espeak-ng did not start with the data in {data}")
        self._pieces: list[bytes] = []
        self._callback = Callback(self._collect)  # kept: the library holds a bare pointer to it
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    def speak(self, text: str, voice: str, rate: int, pitch: int) -> bytes:
        """The samples of `text`; raises ValueError for a voice the library does not have."""
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"no such voice: {voice}")
        self._lib.espeak_SetParameter(RATE, rate, 0)
        self._lib.espeak_SetParameter(PITCH, pitch, 0)
        self._pieces = []
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
        self._lib.espeak_Synchronize()
        return b"".join(self._pieces)


def data_path(scratch: str) -> str:
    """The library's data directory, through a short link when the installed path is too long."""
    installed = str(espeakng_loader.get_data_path())
    if len(installed.encode()) <= LONGEST_PATH:
        return installed
    link = Path(scratch) / "espeak-ng-data"
    link.symlink_to(installed)
    return str(link)


def main() -> None:
    die_with_parent(int(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="voice-") as scratch:
        espeak = Espeak(data_path(scratch))
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            samples = espeak.speak(request["text"], request["voice"], request["rate"], request["pitch"])
            answer: dict[str, int | str] = {"rate": espeak.rate, "bytes": len(samples)}
        except ValueError as error:
            samples, answer = b"", {"error": str(error)}
        out.write(json.dumps(answer).encode() + b"\n" + samples)
        out.flush()


if __name__ == "__main__":
    main()
