"""Vosk, inside the child (stt_child.py). Words with times and confidence; a small model takes a grammar.

The model is opened by `model_path` alone: with a name, the library fetches over the network without a checksum and ends
the process over one it does not know. The recognizer is told the rate of the sound, which is the model's own: at
another it refuses, or hears nonsense without a word.
"""

import json
import re
from typing import Any

import numpy as np

CHUNK_S = 0.4
UNKNOWN = ("[unk]", "<unk>", "<UNK>")
"""How models call what is in none of their words: it rejects in a grammar, and is never told as something said."""
_BETWEEN_HAN = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")


class NoWords(Exception):
    """The model knows not one of the words it was limited to."""


class Engine:
    def __init__(self, folder: str, threads: int, rate: int, options: dict[str, Any]) -> None:
        import vosk

        vosk.SetLogLevel(-1)
        self._rate = rate
        self._new = vosk.KaldiRecognizer
        self._model: Any = vosk.Model(model_path=folder)

    def hear(self, sound: Any, language: str, words: list[str] | None) -> list[dict[str, Any]]:
        """What is said, utterance by utterance. The library gives one at every pause it notices, and the rest at the
        end: both are kept."""
        recognizer = self._new(self._model, self._rate, *self._grammar(words))
        recognizer.SetWords(True)
        pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()
        step = 2 * int(CHUNK_S * self._rate)
        told = []
        for at in range(0, len(pcm), step):
            if recognizer.AcceptWaveform(pcm[at : at + step]):
                told.append(recognizer.Result())
        told.append(recognizer.FinalResult())
        length = len(sound) / self._rate
        return [segment for one in told if (segment := utterance(json.loads(one), length)) is not None]

    def _grammar(self, phrases: list[str] | None) -> tuple[str, ...]:
        if phrases is None:
            return ()
        known = [phrase for phrase in phrases if all(self._knows(word) for word in phrase.split())]
        if not known:
            raise NoWords
        known += [word for word in UNKNOWN if self._knows(word)]
        return (json.dumps(known, ensure_ascii=False),)

    def _knows(self, word: str) -> bool:
        return int(self._model.vosk_model_find_word(word)) >= 0


def utterance(result: dict[str, Any], length_s: float) -> dict[str, Any] | None:
    """One result of the library as a segment; None if nothing was said. The library sets blanks between Chinese
    words too."""
    words: list[list[Any]] = [
        [float(word["start"]), min(float(word["end"]), length_s), str(word["word"]), min(1.0, float(word["conf"]))]
        for word in result.get("result", ())
        if word["word"] not in UNKNOWN
    ]
    if not words:
        return None
    return {
        "start": words[0][0],
        "end": words[-1][1],
        "text": _BETWEEN_HAN.sub("", " ".join(word[2] for word in words)),
        "confidence": sum(word[3] for word in words) / len(words),
        "words": words,
    }
