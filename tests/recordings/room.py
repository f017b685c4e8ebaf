"""The recordings room in a test: a call, a carrier that answers as told, a worker that does what is deferred."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator

from core import jobs
from core.events import CallEnded, EscalationOpened, RecordingAnnounced, publish
from core.house import House
from core.models import EventRow, new_id
from dialer.models import Call, Escalation
from recordings import webhooks
from recordings.models import Recording
from recordings.sound.audio import Samples
from recordings.speech.stt import Segment, Speech
from recordings.speech.stt_models import Model
from recordings.vault.fetch import Broken, Denied, Fetched, Fetcher, Gone, Listed, NotYet
from tests.house import TOKEN

CALL_SID = "CA" + "1" * 32


def sid(number: int) -> str:
    return f"RE{number:032x}"


@dataclass
class ScriptedCarrier:
    """Stands for recordings.vault.fetch.Fetcher, which has its own tests against a real server."""

    files: dict[str, Fetched | list[Fetched]] = field(default_factory=dict)
    listed: Sequence[Listed] | Denied | Broken = ()
    asked: list[str] = field(default_factory=list)
    deletes: list[Gone | Denied | Broken] = field(default_factory=list)
    """Answers to the next deletions; then each is done."""
    deleted: list[str] = field(default_factory=list)

    def delete(self, recording_sid: str) -> Gone | Denied | Broken:
        answer = self.deletes.pop(0) if self.deletes else Gone()
        if isinstance(answer, Gone):
            self.deleted.append(recording_sid)
        return answer

    def fetch(self, recording_sid: str, *, quick: bool = False) -> Fetched:
        self.asked.append(recording_sid)
        answer = self.files.get(recording_sid, NotYet())
        return answer.pop(0) if isinstance(answer, list) else answer

    def list_of_call(self, call_sid: str) -> Sequence[Listed] | Denied | Broken:
        self.asked.append(call_sid)
        return self.listed


@dataclass
class ScriptedSpeech:
    """Stands for recordings.speech.stt.Speech: says one text per channel it is given, or raises."""

    texts: list[str | Exception] = field(default_factory=list)
    absent: Mapping[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    """What every channel says, instead of texts."""
    heard: list[tuple[int, str]] = field(default_factory=list)

    def missing(self, language: str) -> str | None:
        return self.absent.get(language)

    def model(self, language: str) -> Model:
        return Model("scripted", Path("nowhere"))

    def transcribe(
        self,
        sound: Samples,
        language: str,
        grammar: Sequence[str] | None = None,
        *,
        rate: int = 16_000,
        first: bool = False,
    ) -> list[Segment]:
        self.heard.append((len(sound), language))
        if self.segments:
            return list(self.segments)
        text = self.texts.pop(0) if self.texts else ""
        if isinstance(text, Exception):
            raise text
        return [Segment(1.0, 2.0, text, 0.9)] if text else []


@dataclass
class Room:
    house: House
    carrier: ScriptedCarrier = field(default_factory=ScriptedCarrier)
    speech: ScriptedSpeech = field(default_factory=ScriptedSpeech)

    def __post_init__(self) -> None:
        self.house.services[Fetcher] = self.carrier
        self.house.services[Speech] = self.speech
        flask = Flask("test")
        flask.extensions["carecall"] = self.house
        flask.register_blueprint(webhooks.blueprint)
        self.client: FlaskClient = flask.test_client()

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def forward(self, **span: float) -> None:
        self.house.clock.at += timedelta(**span)  # type: ignore[attr-defined]

    def call(self, kind: str = "hotline", call_sid: str | None = CALL_SID) -> uuid.UUID:
        with self.house.transaction() as session:
            made = Call(
                id=new_id(),
                sid=call_sid,
                kind=kind,
                status="in_progress",
                started_at=self.now,
                deadline_at=self.now + timedelta(hours=1),
            )
            session.add(made)
        return made.id

    def announce(self, call_id: uuid.UUID, purpose: str = "call", language: str = "en") -> uuid.UUID:
        recording_id = new_id()
        self.publish(RecordingAnnounced(recording_id, call_id, purpose, language))
        return recording_id

    def call_ended(self, call_id: uuid.UUID) -> None:
        # Only this room's part: the others have their own tests.
        from recordings import store

        with self.house.transaction() as session:
            store.on_call_ended(session, CallEnded(call_id), self.now)

    def escalate(self, call_id: uuid.UUID) -> None:
        with self.house.transaction() as session:
            opened = Escalation(
                id=new_id(),
                call_id=call_id,
                to="+8613900000000",
                to_index=b"x",
                language="en",
                department="*",
                score=7,
                record_on=True,
                status="open",
                chain=[],
                keyed_at=self.now,
                stored_at=self.now,
                promise_at=self.now,
            )
            session.add(opened)
            session.flush()
            from recordings import store

            store.on_escalation_opened(session, EscalationOpened(opened.id, call_id), self.now)

    def publish(self, event: Any) -> None:
        with self.house.transaction() as session:
            publish(session, event, self.now)

    def done(self, recording_id: uuid.UUID, status: str = "completed", token: str = TOKEN, **form: str) -> int:
        """The carrier's callback; returns the HTTP status."""
        path = f"/recordings/{recording_id}/done"
        body = {"CallSid": CALL_SID, "RecordingSid": sid(1), "RecordingStatus": status, **form}
        signature = RequestValidator(token).compute_signature(f"{self.house.settings.public_url}{path}", body)
        return self.client.post(path, data=body, headers={"X-Twilio-Signature": signature}).status_code

    def deferred(self) -> list[str]:
        with self.house.transaction() as session:
            query = "SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
            return list(session.scalars(sa.text(query)))

    def work(self) -> list[str]:
        """Do everything that is deferred, and what that defers; the names of what was done."""
        done: list[str] = []
        while True:
            with self.house.transaction() as session:
                rows = session.execute(
                    sa.text("DELETE FROM procrastinate_jobs WHERE status = 'todo' RETURNING id, task_name, args")
                ).all()
            if not rows:
                return done
            for row in sorted(rows, key=lambda row: row.id):
                ids = {name: uuid.UUID(value) for name, value in row.args.items()}
                jobs.handlers()[row.task_name](self.house, **ids)
                done.append(row.task_name)

    def tick(self) -> list[str]:
        from recordings import store

        with self.house.transaction() as session:
            store.due(session, self.now)
        return self.work()

    def row(self, recording_id: uuid.UUID) -> Recording:
        with self.house.transaction() as session:
            return session.get_one(Recording, recording_id)

    def rows(self) -> list[Recording]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Recording).order_by(Recording.announced_at, Recording.id)))

    def ledger(self, recording_id: uuid.UUID) -> list[str]:
        with self.house.transaction() as session:
            query = sa.select(EventRow.what).where(EventRow.subject_id == recording_id).order_by(EventRow.id)
            return list(session.scalars(query))
