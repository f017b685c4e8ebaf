"""The listening room for tests of its pages: recordings that came in by the real way, with sound in the store,
measures, words and findings; the carrier and the model of speech are told what to answer."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import House
from dialer.models import Agent
from recordings.call_facts import CallFact, CallFacts
from recordings.models import Play
from recordings.quality import reviews
from recordings.review_models import CoachingTask, QaNote, Review, ReviewMark, ScorecardRow
from recordings.speech.stt import Segment, Speech
from recordings.speech.stt_models import Model
from recordings.vault.fetch import Media
from tests.console.desk_room import DeskRoom, Screen
from tests.recordings import days
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
    """Stands for recordings.speech.stt.Speech: first channel the patient, second the hospital, as it is told."""

    said: list[Sequence[tuple[float, float, str]]] = field(default_factory=list)

    def missing(self, language: str) -> str | None:
        return None

    def model(self, language: str) -> Model:
        return Model("scripted", Path("nowhere"))

    def transcribe(self, sound: object, language: str, **_: object) -> list[Segment]:
        return [Segment(start, end, text, 0.9) for start, end, text in (self.said.pop(0) if self.said else ())]


class ListeningRoom(DeskRoom):
    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.room = Room(house)
        self._speech = Heard()
        house.services[Speech] = self._speech
        self._facts = Facts()
        house.services[CallFacts] = self._facts
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

    # ---- the day's reviews -------------------------------------------------------------------------
    def talker(self, login: str = "li.na") -> uuid.UUID:
        """An agent of the desk, who is on the recordings made from now on."""
        self.agent(login)
        with self.house.transaction() as session:
            self._facts.agent_id = session.scalars(sa.select(Agent.id).where(Agent.login == login)).one()
        return self._facts.agent_id

    def open_day(self) -> None:
        """Today's recordings are drawn and given to whoever may review."""
        today = self.now.astimezone(self.house.settings.hospital.timezone).date()
        with self.house.transaction() as session:
            days.draw_day(session, today, 7, self.now)
            reviews.open_day(session, today, self.now)

    def reviews(self) -> list[Review]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Review).order_by(Review.opened_at, Review.seat, Review.id)))

    def review(self, seat: int = 1) -> Review:
        return next(row for row in self.reviews() if row.seat == seat)

    def marks(self, review_id: uuid.UUID) -> dict[str, str]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(ReviewMark).where(ReviewMark.review_id == review_id))
            return {row.item: row.value for row in rows if not row.settled}

    def notes(self, review_id: uuid.UUID) -> dict[str, str]:
        with self.house.transaction() as session:
            return {row.kind: row.text for row in session.scalars(sa.select(QaNote).filter_by(review_id=review_id))}

    def first_task(self) -> uuid.UUID:
        return min(self.every(CoachingTask), key=lambda task: (task.opened_at, task.id)).id

    def items(self, *, hidden: bool = False) -> list[str]:
        """The keys of the card's items."""
        with self.house.transaction() as session:
            (card,) = session.scalars(sa.select(ScorecardRow)).all()
            return [
                key
                for part in card.body["dimensions"].values()
                for key, item in part["items"].items()
                if bool(item.get("hidden")) is hidden
            ]

    def form(self, review_id: uuid.UUID, **more: str) -> dict[str, str]:
        """All items of now marked "yes", but for what is said otherwise."""
        row = next(row for row in self.reviews() if row.id == review_id)
        marked = {f"mark.{item}": "yes" for item in self.items(hidden=row.state == "revealed")}
        return {"version": str(row.version), "comment": "", **marked, **more}

    def submitted(self, screen: Screen, review_id: uuid.UUID, **more: str) -> None:
        """A rater marks everything and hands it in, the hidden items too."""
        page = f"/reviews/{review_id}"
        screen.post(page, deed="submit", **self.form(review_id, **more))
        screen.post(page, deed="submit", **self.form(review_id))
        assert next(row for row in self.reviews() if row.id == review_id).state == "submitted", screen.text


@dataclass
class Facts:
    """Stands for desk.call_facts: one agent talked on every call."""

    agent_id: uuid.UUID | None = None

    def of(self, session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, CallFact]:
        known = CallFact(self.agent_id, reason="appointment", answer_s=4.0, talk_s=15.0, satisfaction=2)
        return {} if self.agent_id is None else dict.fromkeys(call_ids, known)

    def learned(self, session: Session, since: datetime, until: datetime) -> Collection[uuid.UUID]:
        return ()
