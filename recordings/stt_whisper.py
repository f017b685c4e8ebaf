"""faster-whisper, inside the child (stt_child.py). It has no grammar."""

import math
import os
from typing import Any

BEAM = 5
CALLED = {"zh-CN": "zh", "en": "en"}
"""Our languages as Whisper calls them. A language is told to the model, never guessed by it."""


class Engine:
    def __init__(self, folder: str, threads: int, rate: int, options: dict[str, Any]) -> None:
        # No weight is ever fetched: what is not in the folder is not there.
        os.environ["HF_HUB_OFFLINE"] = "1"
        from faster_whisper import WhisperModel

        self._model = WhisperModel(
            folder, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )

    def hear(self, sound: Any, language: str, words: list[str] | None) -> list[dict[str, Any]]:
        """Greedy in temperature: tries again at higher ones took 32 s over 8 s of sound, and invent words."""
        length = len(sound) / 16_000
        segments, _ = self._model.transcribe(
            sound,
            language=CALLED.get(language, language),
            task="transcribe",
            beam_size=BEAM,
            temperature=0.0,
            vad_filter=True,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        return [
            {
                "start": float(segment.start),
                "end": min(float(segment.end), length),
                "text": segment.text.strip(),
                "confidence": min(1.0, math.exp(segment.avg_logprob)),
                "words": [
                    [float(word.start), min(float(word.end), length), word.word.strip(), float(word.probability)]
                    for word in segment.words or ()
                    if word.word.strip()
                ],
            }
            for segment in segments
            if segment.text.strip()
        ]
