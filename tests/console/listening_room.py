"""The listening room for tests of its pages: recordings that came in by the real way, with sound in the store,
measures, words and findings; the carrier and the model of speech are told what to answer."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa

from core.house import House
from recordings.fetch import Media
from recordings.models import Play
from recordings.stt import Segment, Speech
from tests.console.desk_room import DeskRoom
from tests.recordings.room import Room, sid
from tests.recordings.sounds import Clip, dual

PATIENT_SAYS = ((1.0, 4.0, "I had an operation last week and my wound hurts"), (14.0, 17.0, "thank you"))
AGENT_SAYS = ((5.0, 9.0, "hurry up please what do you want"), (10.0, 13.0, "I guarantee it will be fine tomorrow"))


def bursts(seconds: float, spans: Sequence[tuple[float, float, str]], seed: int = 1) -> Clip:
    """Noise where somebody speaks, silence elsewhere, at 8 kHz."""
    sound = np.zeros(int(seconds * 8000), "<i2")
    noise = np.random.default_rng(seed).integers(-9000, 9000, len(sound)).astype("<i2")
    for start, end, _text in spans:
        sound[int(start * 8000) : int(end * 8000)] = noise[int(start * 8000) : int(end * 8000)]
    return sound


@dataclass
class Heard:
    """Stands for recordings.stt.Speech: first channel the patient, second the hospital, as it is told."""

    said: list[Sequence[tuple[float, float, str]]] = field(default_factory=list)

    def missing(self, language: str) -> str | None:
        return None

    def transcribe(self, sound: object, language: str) -> list[Segment]:
        return [Segment(start, end, text, 0.9) for start, end, text in (self.said.pop(0) if self.said else ())]


class ListeningRoom(DeskRoom):
    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.room = Room(house)
        self._speech = Heard()
        house.services[Speech] = self._speech
        self._count = 0

    def recording(
        self,
        seconds: float = 20.0,
        patient: Sequence[tuple[float, float, str]] = PATIENT_SAYS,
        agent: Sequence[tuple[float, float, str]] = AGENT_SAYS,
        *,
        purpose: str = "call",
        language: str = "en",
    ) -> uuid.UUID:
        """One call of the hotline, recorded, fetched, measured, transcribed and screened."""
        self._count += 1
        call_sid = f"CA{self._count:032x}"
        made = self.room.announce(self.room.call(call_sid=call_sid), purpose, language)
        self.room.carrier.files[sid(self._count)] = Media(dual(bursts(seconds, patient), bursts(seconds, agent, 2)))
        self._speech.said = [patient, agent]
        self.room.done(
            made, RecordingSid=sid(self._count), CallSid=call_sid, RecordingDuration=str(int(seconds))
        )  # fmt: skip
        self.room.work()
        assert self.room.row(made).state in ("screened", "kept", "transcribed"), self.room.row(made).reason
        return made

    def plays(self) -> list[Play]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Play).order_by(Play.at, Play.id)))
