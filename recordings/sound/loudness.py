"""Loudness of what is played to a listener: each channel's voice brought to one level, without clipping. Pure.

One gain for a whole channel, decided once (`gain`), so that any piece of the sound is the same however it is asked for.
What would then be too loud is pressed down softly within five milliseconds around the peak (`levelled`).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from recordings.sound.wav import Samples, even_step

TARGET_DBFS: Final = -20.0
"""Mean level of a voice while it speaks: 6 dB over the nominal level of a digital line (ITU-T G.111: -26 dBov as
ITU-T P.56 measures it), because a listener has other things around him."""
MOST_DB: Final = 20.0
LEAST_DB: Final = -12.0
NOISE_UP_TO_DBFS: Final = -45.0
"""Noise is never lifted over this."""
CEILING: Final = 10 ** (-1 / 20)
_CELL_S: Final = 0.005


def gain(voice_dbfs: float | None, noise_dbfs: float) -> float:
    """By how many dB a channel is to be played louder (softer: below 0). `voice_dbfs`: its mean level while somebody
    speaks; None: nobody does, and it stays as it is."""
    if voice_dbfs is None:
        return 0.0
    wanted = min(max(TARGET_DBFS - voice_dbfs, LEAST_DB), MOST_DB)
    return round(min(wanted, max(0.0, NOISE_UP_TO_DBFS - noise_dbfs)), 1)


def levelled(samples: Samples, rate: int, decibels: float) -> Samples:
    """`samples` with that gain, no peak over -1 dBFS where it was not there before. What a moment becomes depends on
    the fifteen milliseconds around it only, if `samples` begins at a whole number of seconds."""
    if not decibels or not len(samples):
        return samples
    louder: Samples = samples * np.float32(10 ** (decibels / 20))
    cell = even_step(rate, round(rate * _CELL_S))
    count = -(-len(samples) // cell)
    padded = np.zeros(count * cell, np.float32)
    padded[: len(samples)] = np.abs(louder)
    needed = np.minimum(1, CEILING / np.maximum(padded.reshape(count, cell).max(axis=1), 1e-9))
    if needed.min() >= 1:
        return louder
    # a cell presses down its neighbours too; between the middles of two cells the line lies below what both need
    around = np.concatenate([needed[:1], needed, needed[-1:]])
    least = np.minimum(np.minimum(around[:-2], around[1:-1]), around[2:])
    middles = (np.arange(count) + 0.5) * cell
    curve = np.interp(np.arange(len(samples)), middles, least)
    pressed: Samples = (louder * curve).astype(np.float32)
    return pressed
