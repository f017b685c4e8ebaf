"""sherpa-onnx with a SenseVoice or Paraformer model of the hospital's, inside the child (stt_child.py).

These models hear a stretch of speech at once, so the sound is cut into stretches by the voice detector that comes with
faster-whisper; where nobody speaks nothing is heard. They have no grammar. Not run with a model so far: no model comes
by pip (docs/speech.md).
"""

import math
from typing import Any

LONGEST_S = 25
CALLED = {"zh-CN": "zh", "en": "en"}
BEGINS = "\u2581"
LAST_S = 0.4
"""How long a word may last when the engine says only when it begins."""


class Engine:
    def __init__(self, folder: str, threads: int, rate: int, options: dict[str, Any]) -> None:
        """`options`: kind (sense_voice | paraformer), model, tokens (files)."""
        import sherpa_onnx

        self._sherpa = sherpa_onnx.OfflineRecognizer
        self._options, self._threads, self._rate = options, threads, rate
        self._by_language: dict[str, Any] = {}
        self._recognizer("")  # a model that does not open says so now

    def hear(self, sound: Any, language: str, words: list[str] | None) -> list[dict[str, Any]]:
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        recognizer, heard = self._recognizer(CALLED.get(language, "")), []
        limits = VadOptions(max_speech_duration_s=LONGEST_S, min_silence_duration_ms=500)
        for span in get_speech_timestamps(sound, limits):
            stream = recognizer.create_stream()
            stream.accept_waveform(self._rate, sound[span["start"] : span["end"]])
            recognizer.decode_stream(stream)
            segment = stretch(stream.result, span["start"] / self._rate, span["end"] / self._rate)
            if segment is not None:
                heard.append(segment)
        return heard

    def _recognizer(self, language: str) -> Any:
        """SenseVoice is told its language when it is opened; the last one is kept."""
        key = language if self._options["kind"] == "sense_voice" else ""
        if key not in self._by_language:
            self._by_language.clear()
            files = {"tokens": self._options["tokens"], "num_threads": self._threads}
            if self._options["kind"] == "sense_voice":
                made = self._sherpa.from_sense_voice(model=self._options["model"], language=key, use_itn=False, **files)
            else:
                made = self._sherpa.from_paraformer(paraformer=self._options["model"], **files)
            self._by_language[key] = made
        return self._by_language[key]


def stretch(result: Any, start_s: float, end_s: float) -> dict[str, Any] | None:
    """One stretch of speech as a segment, None if nothing was heard in it. Confidence is 0 where the engine does not
    tell."""
    text = result.text.strip()
    if not text:
        return None
    words = words_of(list(result.tokens), list(result.timestamps), list(result.ys_log_probs), start_s, end_s)
    told = [word[3] for word in words]
    confidence = sum(told) / len(told) if told else 0.0
    return {"start": start_s, "end": end_s, "text": text, "confidence": confidence, "words": words}


def words_of(
    tokens: list[str], starts: list[float], log_probs: list[float], start_s: float, end_s: float
) -> list[list[Any]]:
    """Words out of the model's tokens: each Chinese character is one; pieces of a word of letters are joined
    (SenseVoice marks where a word begins, Paraformer with @@ that it goes on). Empty without a time for each."""
    if len(starts) != len(tokens):
        return []
    sure = [math.exp(min(0.0, one)) for one in log_probs] if len(log_probs) == len(tokens) else [0.0] * len(tokens)
    marked = any(token.startswith(BEGINS) for token in tokens)
    words: list[list[Any]] = []
    begins = True
    for token, at, prob in zip(tokens, starts, sure, strict=True):
        if token.startswith("<|"):
            continue  # language and mood, which SenseVoice tells as tokens
        piece = token.replace(BEGINS, "").removesuffix("@@").strip()
        begins = begins or token.startswith(BEGINS) or not (piece.isascii() and words and words[-1][2].isascii())
        if piece and begins:
            words.append([start_s + at, end_s, piece, prob])
        elif piece:
            words[-1][2] += piece
            words[-1][3] = min(words[-1][3], prob)
        begins = (begins and not piece) or (not marked and not token.endswith("@@"))
    for word, after in zip(words, [*(following[0] for following in words[1:]), end_s], strict=True):
        word[1] = max(word[0], min(word[0] + LAST_S, after, end_s))
    return words
