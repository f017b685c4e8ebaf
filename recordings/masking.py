"""What QA must not hear: the tones of keys. (Builder R2 writes the real one; this is its place.)"""

from __future__ import annotations

from recordings.audio import Samples


def masked(samples: Samples, rate: int) -> Samples:
    return samples
