"""sherpa-onnx with a SenseVoice or Paraformer model of the hospital's, inside the child (stt_child.py).

These models hear a stretch of speech at once, so the sound is cut into stretches by the voice detector that comes with
faster-whisper; where nobody speaks nothing is heard. They have no grammar. No model that knows a language comes by pip,
so the library was run with small ones that only look like SenseVoice and Paraformer (docs/speech.md).
"""

import math
from typing import Any

LONGEST_S = 25
CALLED = {"zh-CN": "zh", "en": "en"}
BEGINS = ("\u2581", " ")
"""Before a SenseVoice token that begins a word. The file has the first, the library gives the second."""
SHORTEST_S = 0.1
"""Of what is shorter the library makes frames out of memory that is not sound."""
LAST_S = 0.4
"""How long a word may last when the engine says only when it begins."""


class Engine:
    def __init__(self, folder: str, threads: int, rate: int, options: dict[str, Any]) -> None:
        """`options`: kind (sense_voice | paraformer), model, tokens (files)."""
        import sherpa_onnx

        self._sherpa = sherpa_onnx.OfflineRecognizer
        self._options, self._threads, self._rate = options, threads, rate
        self._by_language: dict[str, Any] = {}
        self._recognizer("zh")  # a model that does not open says so now; most are brought for Chinese

    def hear(self, sound: Any, language: str, words: list[str] | None) -> list[dict[str, Any]]:
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        recognizer, heard = self._recognizer(CALLED.get(language, "")), []
        limits = VadOptions(max_speech_duration_s=LONGEST_S, min_silence_duration_ms=500)
        marked = self._options["kind"] == "sense_voice"
        for span in get_speech_timestamps(sound, limits):
            if span["end"] - span["start"] < SHORTEST_S * self._rate:
                continue
            stream = recognizer.create_stream()
            stream.accept_waveform(self._rate, sound[span["start"] : span["end"]])
            recognizer.decode_stream(stream)
            segment = stretch(stream.result, span["start"] / self._rate, span["end"] / self._rate, marked)
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


def stretch(result: Any, start_s: float, end_s: float, marked: bool) -> dict[str, Any] | None:
    """One stretch of speech as a segment, None if nothing was heard in it. Confidence is None where the engine does
    not tell, which is so of SenseVoice and Paraformer in sherpa-onnx 2.0.1."""
    text = result.text.strip()
    if not text:
        return None
    told = list(result.ys_log_probs)
    words = words_of(list(result.tokens), list(result.timestamps), told, start_s, end_s, marked)
    sure = [word[3] for word in words if word[3] is not None]
    confidence = sum(sure) / len(sure) if sure else None
    return {"start": start_s, "end": end_s, "text": text, "confidence": confidence, "words": words}


def words_of(
    tokens: list[str], starts: list[float], log_probs: list[float], start_s: float, end_s: float, marked: bool
) -> list[list[Any]]:
    """Words out of the model's tokens: each Chinese character is one; pieces of a word of letters are joined. `marked`:
    a blank stands before a token that begins a word (SenseVoice); else @@ behind one that goes on (Paraformer). Empty
    without a time for each."""
    if len(starts) != len(tokens):
        return []
    told = len(log_probs) == len(tokens)
    words: list[list[Any]] = []
    goes_on = False
    for number, (token, at) in enumerate(zip(tokens, starts, strict=True)):
        if token.startswith("<|"):
            continue  # language and mood, which SenseVoice tells as tokens
        sure = math.exp(min(0.0, log_probs[number])) if told else None
        goes_on = goes_on and not (marked and token.startswith(BEGINS))
        piece = token.lstrip("".join(BEGINS)).removesuffix("@@").strip()
        if piece and goes_on and piece.isascii() and words[-1][2].isascii():
            _, _, before, least = words[-1]
            words[-1][1:] = [start_s + at, before + piece, None if sure is None else min(least, sure)]
        elif piece:
            words.append([start_s + at, start_s + at, piece, sure])
        goes_on = bool(words) and (token.endswith("@@") or (marked and bool(piece)))
    return _ended(words, end_s)


def _ended(words: list[list[Any]], end_s: float) -> list[list[Any]]:
    """The engine says when a token begins: what stands as a word's end is the beginning of its last."""
    for word, after in zip(words, [*(following[0] for following in words[1:]), end_s], strict=True):
        word[1] = max(word[0], min(word[1] + LAST_S, after, end_s))
    return words
