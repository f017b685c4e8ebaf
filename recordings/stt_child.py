"""The child process that hears: faster-whisper, one file at a time.

A process of its own, because a model's memory creeps and a decoder that hangs must be killed without taking
the worker along (docs/measured.md section 5). Frames on the pipes: 4 bytes of length (big-endian), then
JSON. A request `{"language": "en", "samples": n}` is followed by n 32-bit floats of 16 kHz mono sound; the
first frame back is `{"ready": true}`, then one `{"segments": [...]}` or `{"error": "TypeName"}` per
request. Nothing that was said is ever written anywhere but into that answer.

Run by path with `python -I`: it imports the standard library, numpy and faster-whisper only.
Arguments: model folder, threads, process id of the parent.
"""

import ctypes
import json
import math
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

PR_SET_PDEATHSIG = 1
BEAM = 5


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when the worker is gone, however it went."""
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


def hear(model: Any, language: str, sound: bytes) -> list[dict[str, Any]]:
    """The segments. Greedy in temperature: re-tries at higher ones took 32 s over 8 s of sound, and invent
    words."""
    import numpy as np

    segments, _ = model.transcribe(
        np.frombuffer(sound, np.float32),
        language=language,
        task="transcribe",
        beam_size=BEAM,
        temperature=0.0,
        vad_filter=True,
        condition_on_previous_text=False,
    )
    return [
        {
            "start": float(segment.start),
            "end": float(segment.end),
            "text": segment.text.strip(),
            "confidence": min(1.0, math.exp(segment.avg_logprob)),
        }
        for segment in segments
        if segment.text.strip()
    ]


def main() -> None:
    folder, threads, parent = sys.argv[1:]
    die_with_parent(int(parent))
    out = own_pipe()
    # No weight is ever fetched: what is not in the folder is not there.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=int(threads), local_files_only=True)
    send(out, {"ready": True})
    while True:
        (length,) = struct.unpack(">I", read_exactly(sys.stdin.buffer, 4))
        request = json.loads(read_exactly(sys.stdin.buffer, length))
        sound = read_exactly(sys.stdin.buffer, 4 * request["samples"])
        try:
            answer: dict[str, Any] = {"segments": hear(model, request["language"], sound)}
        except Exception as error:  # handed on whole to the parent, which treats it as a death of the engine
            answer = {"error": type(error).__name__}
        send(out, answer)


if __name__ == "__main__":
    main()
