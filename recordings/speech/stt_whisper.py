"""faster-whisper, inside the child (stt_child.py). It has no grammar."""

import math
import os
from typing import Any

BEAM = 5
CALLED = {"zh-CN": "zh", "en": "en"}
"""Our languages as Whisper calls them. A language is told to the model, never guessed by it."""
TOKENS_A_SECOND, MORE_TOKENS, MOST_TOKENS = 8, 20, 224
"""The model writes at most 224 tokens in a window of 30 s, 7.5 a second; a short one may be denser."""
START = 3
"""Tokens that say language and task."""
REPEATS = 2.4
"""Text that packs better than this is one thing over and over (Whisper's own bound)."""
CIRCLES = 0.05
"""How sure a stretch may be over which the model ran in circles: it is 0.9 sure of the twentieth "2, 3, 2, 3"."""


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
        most = most_tokens(length)
        segments, _ = self._model.transcribe(
            sound,
            language=CALLED.get(language, language),
            task="transcribe",
            beam_size=BEAM,
            temperature=0.0,
            vad_filter=True,
            condition_on_previous_text=False,
            word_timestamps=True,
            max_new_tokens=2 * most - START,  # CTranslate2 takes half of all
        )
        return [
            {
                "start": float(segment.start),
                "end": min(float(segment.end), length),
                "text": segment.text.strip(),
                "confidence": min(math.exp(segment.avg_logprob), bound),
                "words": [
                    [float(word.start), min(float(word.end), length), word.word.strip(), min(word.probability, bound)]
                    for word in segment.words or ()
                    if word.word.strip()
                ],
            }
            for segment in segments
            if segment.text.strip()
            for bound in [surest(segment.compression_ratio, len(segment.tokens), most)]
        ]


def most_tokens(seconds: float) -> int:
    """Of one window: where the model runs in circles it stops here, and not after a minute of work over three
    seconds of sound."""
    return min(MOST_TOKENS, MORE_TOKENS + math.ceil(TOKENS_A_SECOND * seconds))


def surest(compression_ratio: float, tokens: int, most: int) -> float:
    """How sure the engine can be of a stretch with these figures, 0..1."""
    return CIRCLES if compression_ratio > REPEATS or tokens >= most - START else 1.0
