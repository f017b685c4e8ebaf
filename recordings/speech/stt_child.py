"""The child process that hears, whatever the engine: one model, one piece of sound at a time.

A process of its own, because a model's memory creeps, because engines end the process they live in (Vosk over a name
it does not know, sherpa-onnx over an empty path), and because a decoder that hangs must be killed without taking the
worker along. Frames on the pipes: 4 bytes of length (big-endian), then JSON. The first frame back is
`{"ready": true}` or `{"error": "sentence"}`. A request `{"language": "en", "words": null | [...], "samples": n}` is
followed by n 32-bit floats of mono sound at the model's rate; back comes one `{"segments": [...]}` or
`{"error": "TypeName"}`. A segment is `{"start", "end", "text", "confidence", "words": [[start, end, text,
confidence], ...]}`, in seconds. Nothing that was said is ever written anywhere but into that answer.

Run by path with `python -I`: it imports the standard library, numpy and its engine only. One argument, JSON:
`{"engine": "whisper" | "vosk" | "sherpa", "folder", "threads", "rate", "parent", "options"}`.
"""

import ctypes
import importlib.util
import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

PR_SET_PDEATHSIG = 1
NICER = 5
"""Hearing gives way to the calls: it has minutes, they have milliseconds."""


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when the worker is gone, however it went. (Elsewhere than on Linux the closed
    pipe does it, at the end of the piece that is being heard.)"""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def own_pipe() -> BinaryIO:
    """The answers' pipe, kept away from whatever a library may print: that goes to stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb")


def send(out: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode()
    out.write(struct.pack(">I", len(body)) + body)
    out.flush()


def read_exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        sys.exit(0)  # the parent closed the pipe: our work is over
    return data


def engine_module(name: str) -> Any:
    """`stt_<name>.py` beside this file, found without putting our folder on the path: its names (`models`, `files`)
    are not for an engine's imports to find."""
    spec = importlib.util.spec_from_file_location(f"stt_{name}", Path(__file__).with_name(f"stt_{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    told = json.loads(sys.argv[1])
    die_with_parent(told["parent"])
    out = own_pipe()
    os.nice(NICER)
    import numpy as np

    try:
        engine = engine_module(told["engine"]).Engine(told["folder"], told["threads"], told["rate"], told["options"])
    except Exception as error:  # the parent says it to the hospital's IT; a model's path is no secret
        send(out, {"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    send(out, {"ready": True})
    while True:
        (length,) = struct.unpack(">I", read_exactly(sys.stdin.buffer, 4))
        request = json.loads(read_exactly(sys.stdin.buffer, length))
        sound = np.frombuffer(read_exactly(sys.stdin.buffer, 4 * request["samples"]), np.float32)
        try:
            answer: dict[str, Any] = {"segments": engine.hear(sound, request["language"], request["words"])}
        except Exception as error:  # its name goes to the parent, which treats it as a death of the engine
            answer = {"error": type(error).__name__}
        send(out, answer)


if __name__ == "__main__":
    main()
