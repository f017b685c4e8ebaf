"""Sound for the tests: WAV files good and bad, and the offline voice as a patient on an 8 kHz line."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from carrier import espeak_child, sound
from carrier.voice import Voice
from recordings.sound import audio

Clip = npt.NDArray[np.int16]

MEDICINE = "I am calling about my medicine. Please call me back in the morning."
"""A sentence of which the model understands the offline voice well."""


ZH = (
    "您好，这里是医院随访中心，请问您今天感觉怎么样？", "伤口有没有红肿、渗液或者疼痛加重的情况？",
    "如果体温超过三十八度五，请马上拨打我们的值班电话。", "我已经吃了两天药了，还是有点头晕，晚上睡不好觉。",
    "您的复诊时间是下周三上午九点，请带好身份证和医保卡。", "您稍等一下，我帮您转接护士站。",
)  # fmt: skip
EN = (
    "Good morning, this is the hospital follow-up service. How are you feeling today?",
    "Is there any redness, swelling or fluid around the wound?",
    "If your temperature goes above thirty eight point five, please call our duty line at once.",
    "I have been taking the medicine for two days but I still feel dizzy and I cannot sleep.",
    "The car park is at the north gate; turn left after you come in.",
    "One moment please, I will put you through to the nurses.",
)


def wav(
    body: bytes,
    *,
    rate: int = 8000,
    channels: int = 1,
    bits: int = 16,
    codec: int = 1,
    size: int | None = None,
) -> bytes:
    """A WAV file by hand, so that it can also be a wrong one."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", codec, channels, rate, rate * block, block, bits)
    data = b"data" + struct.pack("<I", len(body) if size is None else size) + body
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def tone(seconds: float, rate: int = 8000, level: int = 8000) -> Clip:
    return (level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype("<i2")


@cache
def said(text: str) -> Clip:
    """The text in English, at 8 kHz, as a person on a virtual phone says it."""
    voice = Voice()
    try:
        return voice.speak(text, "en", party=True).result()
    finally:
        voice.close()


@cache
def speech(language: str, party: bool, rate: int) -> npt.NDArray[np.float64]:
    """Half a minute of one of the offline voices at a speed, at 8 kHz, in -1..1."""
    voice = Voice()
    try:
        texts = [voice.speak(text, language, party=party, rate=rate) for text in (ZH if language == "zh-CN" else EN)]
        return np.concatenate([text.result() for text in texts]) / 32768
    finally:
        voice.close()


def ulaw(sound: npt.NDArray[np.floating]) -> audio.Samples:
    """As it comes out of a telephone line that codes in mu-law."""
    _, (values,) = audio.channels(wav(bytes(range(256)), bits=8, codec=7))
    values = np.sort(values)
    return values[np.searchsorted((values[1:] + values[:-1]) / 2, sound)]


def dual(first: Clip, second: Clip) -> bytes:
    """Two channels of a call, the shorter one padded with silence."""
    length = max(len(first), len(second))
    return sound.write_wav([np.pad(clip, (0, length - len(clip))) for clip in (first, second)])


def mono(clip: Clip) -> bytes:
    return sound.write_wav([clip])


KOREAN_16K = ("오후", "예약", "다시", "있습니다", "수요일", "상담원", "여덟", "검사")
KOREAN_8K = ("허리", "예약", "여덟", "아니요", "월요일", "예약 확인")
"""Words that the Korean test model tells apart when the offline voice says them, at the rate of the line. With our own
way from 8 to 16 kHz three words of a longer list (일요일 수요일 치과) are taken for others and are not in it."""


@cache
def korean(text: str, rate: int) -> audio.Samples:
    """The text in Korean, in -1..1: the one language besides English that the offline voice speaks and a model by pip
    understands. 0.4 s before and 0.6 s behind it are silent."""
    child = subprocess.Popen(
        [sys.executable, "-I", str(Path(espeak_child.__file__)), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    out, _ = child.communicate(json.dumps({"text": text, "voice": "ko", "rate": 130, "pitch": 50}).encode() + b"\n")
    head, _, body = out.partition(b"\n")
    told = json.loads(head)
    spoken = np.frombuffer(body, "<i2", told["bytes"] // 2).astype(np.float32) / 65536
    at_rate = audio.to_model(spoken, told["rate"], rate)
    return np.concatenate([np.zeros(int(0.4 * rate), np.float32), at_rate, np.zeros(int(0.6 * rate), np.float32)])
