"""Makes the models beside this file, which the real sherpa-onnx opens and runs: `pip install onnx`, then run it here.

They have the inputs, outputs and metadata of SenseVoice and Paraformer and know nothing of speech. Where the sound is
loud they tell a fixed list of tokens over and over, one a STEP of frames, the louder the surer; where it is quiet
nothing. So what the engine makes of tokens, times and probabilities can be said beforehand (test_stt_sherpa.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

HERE = Path(__file__).parent
WINDOW, SHIFT, MELS = 7, 6, 80
"""Frames of 10 ms laid side by side, and how far to the next: 60 ms."""
STEP = 5
"""One token in 0.3 s."""
LOUD = 3.0
"""Mean log energy of a frame beyond which somebody speaks."""
PEAKS = 3
"""Paraformer tells times three times as finely."""

SENSE_TOKENS = (
    "<blank>", "<|zh|>", "<|en|>", "<|NEUTRAL|>", "<|Speech|>", "<|woitn|>", "<|withitn|>",
    "伤", "口", "疼", "▁ct", "▁he", "llo", "▁my", "▁me", "di", "cine",
)  # fmt: skip
SENSE_SAYS = {"zh": ("伤", "口", "疼", "▁ct"), "en": ("▁he", "llo", "▁my", "▁me", "di", "cine")}
PARA_TOKENS = ("<blank>", "<s>", "</s>", "<unk>", "伤", "口", "疼", "ct", "hel@@", "lo", "you")
PARA_SAYS = ("伤", "口", "疼", "ct", "hel@@", "lo", "you")
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12}


class Graph:
    """Nodes and numbers, each under the name it is called by."""

    def __init__(self) -> None:
        self.nodes, self.numbers = [], []

    def number(self, value: object, kind: type = np.int64) -> str:
        name = f"n{len(self.numbers)}"
        self.numbers.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def __call__(self, op: str, *inputs: str, to: str | None = None, **attributes: object) -> str:
        to = to or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [to], **attributes))
        return to

    def cast(self, value: str, kind: int, to: str | None = None) -> str:
        to = to or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node("Cast", [value], [to], to=kind))
        return to

    def loudness(self, sound: str) -> tuple[str, str]:
        """Of each frame the loudest within 0.6 s, [T]; and T."""
        mean = self("Unsqueeze", self("ReduceMean", sound, axes=[2], keepdims=0), self.number([1]))
        near = self("MaxPool", mean, kernel_shape=[21], pads=[10, 10])
        return self("Reshape", near, self.number([-1])), self("Gather", self("Shape", sound), self.number(1))

    def count(self, upto: str) -> str:
        return self("Range", self.number(0), upto, self.number(1))

    def said(self, at: str, vocabulary: tuple[str, ...], tokens: tuple[str, ...]) -> str:
        """The tokens at these places of the endless list."""
        ids = self.number([vocabulary.index(token) for token in tokens])
        return self("Gather", ids, self("Mod", at, self.number(len(tokens))))

    def logits(self, ids: str, size: int, sure: str) -> str:
        """[1, places, size]: `sure` for the token, 0 for every other."""
        hot = self("OneHot", ids, self.number(size), self.number([0, 1], np.float32))
        return self("Mul", self("Unsqueeze", hot, self.number([0])), sure)


def sense_voice() -> None:
    made = Graph()
    loud, frames = made.loudness("x")
    places = made.count(frames)
    is_en = made("Equal", "language", made.number([LANGUAGES["en"]], np.int32))
    step = made("Div", places, made.number(STEP))
    token = made(
        "Where", is_en, made.said(step, SENSE_TOKENS, SENSE_SAYS["en"]), made.said(step, SENSE_TOKENS, SENSE_SAYS["zh"])
    )
    first = made("Equal", made("Mod", places, made.number(STEP)), made.number(0))
    tells = made("And", first, made("Greater", loud, made.number(LOUD, np.float32)))
    ids = made("Where", tells, token, made.number(0))
    sure = made("Max", loud, made.number(1.0, np.float32))
    heard = made.logits(ids, len(SENSE_TOKENS), made("Unsqueeze", sure, made.number([0, 2])))
    is_plain = made("Equal", "text_norm", made.number([15], np.int32))
    index = SENSE_TOKENS.index
    head = made(
        "Concat",
        made("Where", is_en, made.number([index("<|en|>")]), made.number([index("<|zh|>")])),
        made.number([index("<|NEUTRAL|>"), index("<|Speech|>")]),
        made("Where", is_plain, made.number([index("<|woitn|>")]), made.number([index("<|withitn|>")])),
        axis=0,
    )
    told = made.logits(head, len(SENSE_TOKENS), made.number(20.0, np.float32))
    made("Concat", told, heard, to="logits", axis=1)
    whole = {"normalize_samples": 0, "with_itn": 14, "without_itn": 15, "comment": "says a fixed list, knows no speech"}
    whole |= {f"lang_{name}": number for name, number in LANGUAGES.items()}
    write(
        "sense-voice", made, SENSE_TOKENS, whole,
        [("x", TensorProto.FLOAT, [1, "T", MELS * WINDOW])]
        + [(name, TensorProto.INT32, [1]) for name in ("x_length", "language", "text_norm")],
        [("logits", TensorProto.FLOAT, [1, "T4", len(SENSE_TOKENS)])],
    )  # fmt: skip


def paraformer(folder: str, *, times: bool) -> None:
    made = Graph()
    loud, frames = made.loudness("speech")
    loudest = made("ReduceMax", loud, axes=[0], keepdims=1)
    some = made.cast(made("Greater", loudest, made.number([LOUD], np.float32)), TensorProto.INT64)
    number = made("Mul", made("Div", frames, made.number([STEP])), some)
    made.cast(number, TensorProto.INT32, "token_num")
    places = made.count(made("Squeeze", number))
    sure = made("Max", loudest, made.number([1.0], np.float32))
    made("Identity", made.logits(made.said(places, PARA_TOKENS, PARA_SAYS), len(PARA_TOKENS), sure), to="logits")
    outputs = [("logits", TensorProto.FLOAT, [1, "L", len(PARA_TOKENS)]), ("token_num", TensorProto.INT32, [1])]
    if times:
        # a peak where each token begins, and one more at the end
        fine = made.count(made("Mul", frames, made.number(PEAKS)))
        starts = made("Equal", made("Mod", fine, made.number(PEAKS * STEP)), made.number(0))
        wanted = made("LessOrEqual", made("Div", fine, made.number(PEAKS * STEP)), number)
        peaks = made.cast(made("And", starts, wanted), TensorProto.FLOAT)
        made("Unsqueeze", peaks, made.number([0]), to="us_alphas")
        made("Identity", "us_alphas", to="us_cif_peak")
        outputs += [(name, TensorProto.FLOAT, [1, "T3"]) for name in ("us_alphas", "us_cif_peak")]
    write(
        folder, made, PARA_TOKENS, {},
        [("speech", TensorProto.FLOAT, [1, "T", MELS * WINDOW]), ("speech_lengths", TensorProto.INT32, [1])],
        outputs,
    )  # fmt: skip


def write(folder: str, made: Graph, tokens: tuple[str, ...], more: dict, inputs: list, outputs: list) -> None:
    graph = helper.make_graph(
        made.nodes, folder, [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs], made.numbers,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    size = MELS * WINDOW
    told = {"vocab_size": len(tokens), "lfr_window_size": WINDOW, "lfr_window_shift": SHIFT}
    told |= {"neg_mean": ",".join(["0"] * size), "inv_stddev": ",".join(["1"] * size), **more}
    helper.set_model_props(model, {key: str(value) for key, value in told.items()})
    checker.check_model(model, full_check=True)
    (HERE / folder).mkdir(exist_ok=True)
    save(model, HERE / folder / "model.onnx")
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(tokens))
    (HERE / folder / "tokens.txt").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    sense_voice()
    paraformer("paraformer", times=True)
    paraformer("paraformer-without-times", times=False)
