"""A recording's sound in numbers: who spoke how long, overlap, pauses, interruptions, levels. Stored once, and once
more when the words are known.

Measured piece by piece: a file of two hours takes the memory of a minute and two numbers for each fiftieth of a second.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import jobs
from core.house import House
from dialer.models import Call
from recordings.machine import HOLDS_FILE
from recordings.models import Recording, SoundMeasuresRow
from recordings.sound import activity, audio, loudness, masking
from recordings.sound.activity import Cells, Flags
from recordings.sound.conversation import BOTH, Line, speakers
from recordings.sound.wav import Layout, Readable, Samples, Unreadable, locate
from recordings.vault.files import FileProblem, FileStore

log = logging.getLogger(__name__)

MEASURE: Final = jobs.declare("measure_recording", "recordings")

PIECE_CELLS: Final = 3000
"""A minute at a time."""


@dataclass(frozen=True)
class ChannelMeasure:
    """One channel. Levels in dBFS, times in seconds from the start."""

    speaker: str
    """patient | line | both (everybody on one channel)"""
    talk_s: float
    share: float | None
    """This side's part of all the talk, 0..1; None where nobody spoke, or where everybody is on one channel."""
    loudness: float | None
    """Mean level while somebody speaks; None: nobody does."""
    noise: float
    """Level of the quietest tenth."""
    level: float
    """Mean level of all of it."""
    gain: float
    """dB by which it is played louder to a listener."""
    tones: int
    """Tones of keys in it: how many, never which."""
    first_s: float | None
    """When it is first heard."""
    talk: tuple[tuple[float, float], ...]
    """[from, to] of each stretch of voice."""
    words: int | None = None
    """Words heard by the speech engine (of Chinese: as the engine cuts them); None: not heard yet."""
    words_a_minute: float | None = None
    """Of its own talk; None where it is too little to tell (under 3 s) or the engine does not tell words apart."""


@dataclass(frozen=True)
class SoundMeasures:
    """All channels together. With one channel on which several people may speak nothing is known of who spoke when:
    `overlap_s` is None and `interruptions` empty, not zero."""

    seconds: float
    channels: tuple[ChannelMeasure, ...]
    overlap_s: float | None
    silence_s: float
    """Nobody speaks."""
    longest_pause_s: float
    """The longest silence between the first voice and the last."""
    interruptions: Mapping[str, int]
    """By speaker: how often this side cut the other off (recordings.sound.activity.interruptions)."""

    @property
    def levels(self) -> list[float]:
        return [channel.level for channel in self.channels]


# ---- measuring ------------------------------------------------------------------------------------------


class NotSound(ValueError):
    """The file is none that audio.check_wav accepts."""


def measure(source: Readable) -> SoundMeasures:
    """The measures of a WAV file, its channels named as in a caller's own call (`keep` knows better). Raises
    NotSound."""
    layout = locate(source)
    if isinstance(layout, Unreadable):
        raise NotSound(layout.reason)
    cells, tones = _cells(source, layout)
    flags = [activity.voice(channel) for channel in cells]
    talk_s = sum(float(flag.sum()) for flag in flags) * cells[0].seconds
    names = speakers("call", None, layout.channels)
    channels = tuple(_channel(*one, talk_s) for one in zip(names, cells, flags, tones, strict=True))
    return _together(layout, channels, flags, cells[0].seconds)


def _channel(name: str, cells: Cells, voiced: Flags, tones: int, all_talk_s: float) -> ChannelMeasure:
    power = 10 ** (cells.whole.astype(np.float64) / 10)
    loud = _rounded(power[voiced].mean()) if voiced.any() else None
    quiet = float(np.percentile(cells.whole, 10))
    talk_s = float(voiced.sum()) * cells.seconds
    talk = tuple(activity.spans(voiced, cells.seconds))
    return ChannelMeasure(
        speaker=name,
        talk_s=round(talk_s, 2),
        share=round(talk_s / all_talk_s, 3) if all_talk_s and name != BOTH else None,
        loudness=loud,
        noise=round(quiet, 1),
        level=_rounded(power.mean()),
        gain=loudness.gain(loud, quiet),
        tones=tones,
        first_s=talk[0][0] if talk else None,
        talk=talk,
    )


def _together(layout: Layout, channels: tuple[ChannelMeasure, ...], flags: list[Flags], cell_s: float) -> SoundMeasures:
    alone = len(channels) == 1
    silent = ~np.logical_or.reduce(flags)
    cut: dict[str, int] = {}
    if not alone:
        first, second = channels
        cut = {
            first.speaker: activity.interruptions(first.talk, second.talk),
            second.speaker: activity.interruptions(second.talk, first.talk),
        }
    return SoundMeasures(
        seconds=round(layout.seconds, 2),
        channels=channels,
        overlap_s=None if alone else round(float((flags[0] & flags[1]).sum()) * cell_s, 2),
        silence_s=round(float(silent.sum()) * cell_s, 2),
        longest_pause_s=round(activity.longest_pause(flags, cell_s), 2),
        interruptions=cut,
    )


def _cells(source: Readable, layout: Layout) -> tuple[list[Cells], list[int]]:
    rate, cell = layout.rate, activity.cell_of(layout.rate)
    found: list[list[tuple[Samples, Samples, Flags]]] = [[] for _ in range(layout.channels)]
    tones = [0] * layout.channels
    for piece in audio.pieces(source, layout, PIECE_CELLS * cell, rate):
        for n, channel in enumerate(piece.channels):
            whole, band = activity.powers(piece.own(channel), rate)
            flags = np.zeros(len(whole), bool)
            for start, stop in masking.tones(channel, rate):
                begins, ends = start - piece.before, stop - piece.before
                flags[max(0, begins // cell) : max(0, -(-ends // cell))] = True
                tones[n] += 0 <= begins < piece.last - piece.first
            found[n].append((whole, band, flags))
    made = []
    for parts in found:
        whole, band, flags = (np.concatenate(column) for column in zip(*parts, strict=True))
        made.append(Cells(cell / rate, activity.decibels(whole), activity.decibels(band), flags))
    return made, tones


def _rounded(power: float) -> float:
    return round(max(audio.SILENCE_DBFS, 10 * float(np.log10(max(power, 1e-12)))), 1)


# ---- storing --------------------------------------------------------------------------------------------


def keep(session: Session, recording_id: uuid.UUID, found: SoundMeasures, now: datetime) -> None:
    """Store what was measured, each channel under who is on it; what is stored already stays, because what is played
    must not change under a listener."""
    row = session.get(Recording, recording_id)
    if row is None or row.state not in HOLDS_FILE:
        return
    call = session.get(Call, row.call_id) if row.call_id else None
    names = speakers(row.purpose, call.kind if call else None, len(found.channels))
    of = dict(zip((one.speaker for one in found.channels), names, strict=True))
    channels = [replace(one, speaker=of[one.speaker]) for one in found.channels]
    if len(channels) == 1:
        alone = channels[0]
        channels = [replace(alone, share=1.0 if alone.talk_s and alone.speaker != BOTH else None)]
    values = {
        "recording_id": recording_id,
        "measured_at": now,
        "seconds": found.seconds,
        "overlap_s": found.overlap_s,
        "silence_s": found.silence_s,
        "longest_pause_s": found.longest_pause_s,
        "interruptions": {of[name]: count for name, count in found.interruptions.items()},
        "channels": [asdict(one) for one in channels],
    }
    session.execute(insert(SoundMeasuresRow).values(values).on_conflict_do_nothing())


def heard(session: Session, recording_id: uuid.UUID, lines: Sequence[Line]) -> None:
    """The words are known: how many each side said, and how fast."""
    row = session.get(SoundMeasuresRow, recording_id, with_for_update=True)
    if row is None:
        return
    row.channels = [channel | _spoken(channel, lines) for channel in row.channels]


def _spoken(channel: Mapping[str, object], lines: Sequence[Line]) -> dict[str, object]:
    mine = [line for line in lines if line.speaker == channel["speaker"]]
    if any(line.text.strip() and not line.words for line in mine):
        return {"words": None, "words_a_minute": None}  # this engine does not tell words apart
    words, talk_s = sum(len(line.words) for line in mine), float(str(channel["talk_s"]))
    return {"words": words, "words_a_minute": round(60 * words / talk_s, 1) if talk_s >= 3 else None}


def of_recording(session: Session, recording_id: uuid.UUID) -> SoundMeasures | None:
    """What was measured; None: it has no sound, or it was not measured yet."""
    row = session.get(SoundMeasuresRow, recording_id)
    return None if row is None else _of_row(row)


def of_recordings(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, SoundMeasures]:
    """The same of many, by one statement."""
    rows = session.scalars(sa.select(SoundMeasuresRow).where(SoundMeasuresRow.recording_id.in_(ids)))
    return {row.recording_id: _of_row(row) for row in rows}


def gains(session: Session, recording_id: uuid.UUID, at: datetime) -> tuple[float, ...]:
    """The dB by which each channel is played louder under a permission given at `at`; empty: it had not been measured
    then. What is measured later does not change a sound that somebody may be in the middle of."""
    row = session.get(SoundMeasuresRow, recording_id)
    if row is None or row.measured_at > at:
        return ()
    return tuple(float(channel["gain"]) for channel in row.channels)


def _of_row(row: SoundMeasuresRow) -> SoundMeasures:
    channels = tuple(
        ChannelMeasure(**(channel | {"talk": tuple((start, stop) for start, stop in channel["talk"])}))
        for channel in row.channels
    )
    return SoundMeasures(
        row.seconds, channels, row.overlap_s, row.silence_s, row.longest_pause_s, dict(row.interruptions)
    )


# ---- what was taken in before there were measures -------------------------------------------------------


def want(session: Session, recording_id: uuid.UUID) -> None:
    """Somebody looks at a recording that has no measures: they are made."""
    if session.get(SoundMeasuresRow, recording_id) is None:
        jobs.defer(session, MEASURE, recording_id=recording_id)


@jobs.handles(MEASURE)
def measure_recording(house: House, recording_id: uuid.UUID) -> None:
    try:
        with house.service(FileStore).open(recording_id) as reader:
            found = measure(reader)
    except (FileProblem, NotSound) as why:  # purged meanwhile, or kept although it is no sound
        log.info("a recording was not measured", extra={"recording": str(recording_id), "why": str(why)})
        return
    with house.transaction() as session:
        keep(session, recording_id, found, house.clock.now())
