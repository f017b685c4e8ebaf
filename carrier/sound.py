"""Sound as arrays: 8 kHz, 16 bit, mono clips; what was said and heard on a line; the mix of it into a WAV."""

import io
import wave
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE = 8000
Clip = npt.NDArray[np.int16]

KEY_S = 0.1
BEEP_S = 0.5
_TONES = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "A": (697, 1633),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477), "B": (770, 1633),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "C": (852, 1633),
    "*": (941, 1209), "0": (941, 1336), "#": (941, 1477), "D": (941, 1633),
}  # fmt: skip


class SoundError(ValueError):
    """The bytes are not a WAV file that can be played."""


def seconds(clip: Clip) -> float:
    """Length of a clip in seconds."""
    return len(clip) / RATE


def tone(frequencies: tuple[int, ...], length_s: float, level: int = 6000) -> Clip:
    """Sines added up, for keys and beeps."""
    t = np.arange(round(length_s * RATE)) / RATE
    waves = np.sin(2 * np.pi * np.outer(np.array(frequencies), t))
    return np.asarray(level * waves.sum(axis=0), dtype=np.float64).astype(np.int16)


def key_tone(key: str) -> Clip:
    """The DTMF tone of one key (`0-9 * # A-D`)."""
    return tone(_TONES[key], KEY_S)


def digits_clip(digits: str) -> Clip:
    """Tones of `<Play digits>`: 0.1 s a key, 0.1 s between; `w` waits 0.5 s, `W` 1 s (docs/twilio.md 1.2)."""
    waits = {"w": 0.5, "W": 1.0}
    parts = [silence(waits[d]) if d in waits else np.concatenate([key_tone(d), silence(0.1)]) for d in digits]
    return np.concatenate(parts) if parts else silence(0.0)


def beep() -> Clip:
    """The tone before a `<Record>`."""
    return tone((1000,), BEEP_S, 8000)


def silence(length_s: float) -> Clip:
    """Nothing, for `length_s` seconds."""
    return np.zeros(round(length_s * RATE), dtype=np.int16)


def fit(clip: Clip, length_s: float) -> Clip:
    """The clip cut off, or said again and again, until it is `length_s` seconds long."""
    if len(clip) == 0:
        return silence(length_s)
    return np.resize(clip, round(length_s * RATE))


def resample(clip: Clip, rate: int) -> Clip:
    """The clip at 8 kHz. Cutting the spectrum is an exact low-pass, so nothing folds back as hiss."""
    if rate == RATE or len(clip) == 0:
        return clip.astype(np.int16)
    length = round(len(clip) * RATE / rate)
    spectrum = np.fft.rfft(clip.astype(np.float64))
    kept = np.zeros(length // 2 + 1, dtype=np.complex128)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    samples = np.fft.irfft(kept, length) * (length / len(clip))
    return np.clip(samples, -32768, 32767).astype(np.int16)


def read_wav(data: bytes) -> Clip:
    """A fetched WAV (8 or 16 bit PCM, or mu-law; any rate, any number of channels) as a clip; raises SoundError."""
    law = _is_mu_law(data)
    try:
        # the module reads no mu-law, but its samples lie in the file like those of 8 bit PCM
        with wave.open(io.BytesIO(data[:20] + b"\x01\x00" + data[22:] if law else data)) as source:
            width, channels, rate = source.getsampwidth(), source.getnchannels(), source.getframerate()
            frames = source.readframes(source.getnframes())
    except (wave.Error, EOFError) as error:
        raise SoundError(str(error)) from error
    if law:
        samples = _MU_LAW[np.frombuffer(frames, dtype=np.uint8)]
    elif width == 1:
        samples = (np.frombuffer(frames, dtype=np.uint8).astype(np.int16) - 128) * 256
    elif width == 2:
        samples = np.frombuffer(frames, dtype="<i2")
    else:
        raise SoundError(f"{width * 8} bit samples")
    mixed = samples.reshape(-1, channels).astype(np.int32).mean(axis=1).astype(np.int16)
    return resample(mixed, rate)


def _is_mu_law(data: bytes) -> bool:
    """WAV's format tag 7, in a file whose first chunk is its format."""
    return data[12:16] == b"fmt " and data[20:22] == b"\x07\x00"


def _mu_law() -> Clip:
    """The 256 levels of G.711 mu-law."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << ((code >> 4) & 0x07)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


_MU_LAW = _mu_law()


def write_wav(channels: list[Clip]) -> bytes:
    """One or two clips of equal length as an 8 kHz 16 bit PCM WAV (docs/twilio.md 1.4)."""
    data = io.BytesIO()
    with wave.open(data, "wb") as target:
        target.setnchannels(len(channels))
        target.setsampwidth(2)
        target.setframerate(RATE)
        target.writeframes(np.stack(channels, axis=1).astype("<i2").tobytes())
    return data.getvalue()


def channel_of(data: bytes, channel: int) -> bytes:
    """One channel (1 or 2) of a WAV made by `write_wav`, as a mono WAV; raises SoundError if it has no such
    one."""
    with wave.open(io.BytesIO(data)) as source:
        count = source.getnchannels()
        samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2").reshape(-1, count)
    if channel > count:
        raise SoundError(f"the recording has {count} channel")
    return write_wav([samples[:, channel - 1].astype(np.int16)])


def mix(clips: list[Clip]) -> Clip:
    """Clips of equal length added up, held within 16 bits."""
    total = np.zeros(len(clips[0]), dtype=np.int32)
    for clip in clips:
        total += clip
    return np.clip(total, -32768, 32767).astype(np.int16)


def trim(clip: Clip, level: int = 200) -> Clip:
    """The clip without silence at both ends (`trim-silence`); a clip that is all silence stays as it is."""
    loud = np.flatnonzero(np.abs(clip.astype(np.int32)) > level)
    return clip if len(loud) == 0 else clip[loud[0] : loud[-1] + 1]


@dataclass
class Placed:
    """A clip on a line: it sounds from `start` to `end` (virtual seconds); `end` comes earlier when it is cut
    off."""

    start: float
    clip: Clip
    end: float


@dataclass
class Bridge:
    """The time in which this line heard another line's party; `end` is None while it lasts."""

    start: float
    other: "Timeline"
    end: float | None = None


@dataclass
class Timeline:
    """Everything that sounded on one leg: what its party said (and keyed), what was played to it, who it was
    joined to.

    Entries are only appended and their ends only shortened, so a mix may be made while the call goes on.
    """

    said: list[Placed] = field(default_factory=list)
    played: list[Placed] = field(default_factory=list)
    bridges: list[Bridge] = field(default_factory=list)

    def render_said(self, start: float, end: float) -> Clip:
        """What the party said between two moments."""
        canvas = np.zeros(max(0, round((end - start) * RATE)), dtype=np.int32)
        _paint(canvas, start, self.said, start, end)
        return np.clip(canvas, -32768, 32767).astype(np.int16)

    def render_heard(self, start: float, end: float) -> Clip:
        """What the party heard between two moments: the carrier's prompts and the people it was joined to."""
        canvas = np.zeros(max(0, round((end - start) * RATE)), dtype=np.int32)
        _paint(canvas, start, self.played, start, end)
        for bridge in list(self.bridges):
            until = end if bridge.end is None else min(end, bridge.end)
            _paint(canvas, start, bridge.other.said, max(start, bridge.start), until)
        return np.clip(canvas, -32768, 32767).astype(np.int16)


def _paint(canvas: npt.NDArray[np.int32], origin: float, entries: list[Placed], start: float, end: float) -> None:
    """Add the entries' samples between `start` and `end` to a canvas whose first sample is at `origin`."""
    for entry in list(entries):
        first, last = max(entry.start, start), min(entry.end, end)
        if last <= first:
            continue
        skip = round((first - entry.start) * RATE)
        at = round((first - origin) * RATE)
        count = min(round((last - first) * RATE), len(entry.clip) - skip, len(canvas) - at)
        if count > 0:
            canvas[at : at + count] += entry.clip[skip : skip + count]
