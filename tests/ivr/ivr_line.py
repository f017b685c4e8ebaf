"""A telephone line for tests: really signed requests to the real routes, and what the documents say."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

import app
from core import people
from core.house import House
from core.models import Contact, Patient, Procedure, new_id
from dialer import attempt as attempts
from dialer import gate
from dialer.models import Attempt, Call, Escalation, Shift
from ivr.models import Answer
from recordings.models import Recording
from tests.house import TOKEN

CALLER = "+8613800000001"
DOCTOR = "+8613800000021"


class Document:
    """A TwiML answer."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = ElementTree.fromstring(text)

    @property
    def said(self) -> str:
        return " ".join("".join(say.itertext()) for say in self.root.iter("Say"))

    @property
    def verbs(self) -> list[str]:
        return [verb.tag for verb in self.root]

    def find(self, tag: str) -> ElementTree.Element:
        found = self.root.find(f".//{tag}")
        assert found is not None, f"no {tag} in {self.text}"
        return found

    @property
    def action(self) -> str:
        for tag in ("Gather", "Record", "Dial"):
            found = self.root.find(tag)
            if found is not None:
                return found.attrib["action"]
        return self.find("Redirect").text or ""

    @property
    def hangs_up_at_once(self) -> bool:
        return self.verbs == ["Hangup"]


class Line:
    """One call as the carrier sees it."""

    def __init__(self, switch: Switch, number: int) -> None:
        self.switch = switch
        self.sid = f"CA{number:032x}"
        self.last: Document | None = None

    def ask(self, url: str, **form: str) -> Document:
        answer = self.switch.post(url, {"CallSid": self.sid, "CallStatus": "in-progress"} | form)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        self.last = Document(answer.text)
        return self.last

    def rings(self, caller: str = CALLER) -> Document:
        return self.ask("/ivr/voice", From=caller, CallStatus="ringing")

    def answers(self, attempt: Attempt) -> Document:
        return self.ask(f"/ivr/call/{attempt.id}")

    def does(self, **form: str) -> Document:
        """Post to where the last document leads."""
        assert self.last is not None
        return self.ask(self.last.action, **form)

    def press(self, *keys: str) -> Document:
        for key in keys:
            document = self.does(Digits=key)
        return document

    def english(self) -> Document:
        return self.press("8")

    def hangs_up(self) -> None:
        """The carrier's word that the call is over."""
        with self.switch.house.transaction() as session:
            call = session.scalars(sa.select(Call).where(Call.sid == self.sid)).one()
            path = f"/dialer/attempt/{call.attempt_id}" if call.attempt_id else f"/dialer/call/{call.id}"
        answer = self.switch.post(path, {"CallSid": self.sid, "CallStatus": "completed", "CallDuration": "20"})
        assert answer.status_code == 204


class Switch:
    """The carrier's side of the house."""

    def __init__(self, house: House) -> None:
        self.house = house
        flask = Flask("test")
        flask.extensions["carecall"] = house
        for blueprint in app.BLUEPRINTS:
            flask.register_blueprint(blueprint)
        self.client: FlaskClient = flask.test_client()
        self._lines = 0

    def post(self, url: str, form: dict[str, str], *, token: str = TOKEN) -> TestResponse:
        path = urlsplit(url).path
        signature = RequestValidator(token).compute_signature(f"{self.house.settings.public_url}{path}", form)
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    def line(self) -> Line:
        self._lines += 1
        return Line(self, self._lines)

    # ---- what is stored ----------------------------------------------------------------------------
    def all(self, table: type[Any]) -> list[Any]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(table)))

    def scores(self) -> list[tuple[str, str]]:
        """(score, how it stands or does not), in the order keyed."""
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(Answer).where(Answer.question == "pain")).all()
        return sorted((row.value, "replaced" if row.replaced_at else row.how) for row in rows)

    def escalations(self) -> list[tuple[int, str]]:
        return [(row.score, row.to) for row in self.all(Escalation)]

    def stored(self) -> dict[str, int]:
        """How many rows each table holds that a turn may write to."""
        tables = (Call, Attempt, Answer, Escalation, Recording)
        with self.house.transaction() as session:
            return {t.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables} | {
                name: session.scalar(sa.text(f"SELECT count(*) FROM {name}")) or 0
                for name in ("events", "procrastinate_jobs")
            }

    # ---- who there is ------------------------------------------------------------------------------
    def patient(
        self, *consents: str, status: str = "active", sex: str = "f", birth: str | None = "1961-05-06"
    ) -> uuid.UUID:
        now = self.house.clock.now()
        with self.house.transaction() as session:
            patient = Patient(
                id=new_id(), mrn="T-0001", mrn_index=b"T-0001", name="Ann Example", birth_date=birth, sex=sex,
                language="en", timezone="Asia/Shanghai", allergies="penicillin", status=status, created_at=now,
            )  # fmt: skip
            session.add(patient)
            session.flush()
            index = people.phone_index(CALLER)
            session.add(Contact(patient_id=patient.id, phone=CALLER, phone_index=index))
            session.add(
                Procedure(
                    patient_id=patient.id, external_id="OP-1", department="surgery", ended_at=now, status="active"
                )
            )
            for purpose in consents:
                people.set_consent(session, patient.id, purpose, True, "import", now)
            return patient.id

    def doctor_on_duty(self, pin: str = "") -> None:
        now = self.house.clock.now()
        with self.house.transaction() as session:
            session.add(
                Shift(
                    department="*",
                    tier="1",
                    position=0,
                    doctor="Dr One",
                    doctor_index=b"1",
                    phone=DOCTOR,
                    pin=pin,
                    language="en",
                    starts_at=now,
                    ends_at=now.replace(year=now.year + 1),
                )
            )

    def followup_ring(self, patient_id: uuid.UUID) -> Attempt:
        """A follow-up's ring, posted."""
        now = self.house.clock.now()
        with self.house.transaction() as session:
            placed = attempts.place(
                session,
                gate.Ring("followup", CALLER, new_id(), patient_id=patient_id),
                flow="followup",
                language="en",
                brief={"wave": "6h", "department": "surgery", "threshold": 4},
                ring_s=30,
                now=now,
            )
            assert isinstance(placed, Attempt), placed
            return self.posted(session, placed)

    def doctor_ring(self) -> Attempt:
        """The ring at the doctor that an escalation has just asked for, posted."""
        with self.house.transaction() as session:
            placed = session.scalars(sa.select(Attempt).where(Attempt.kind == "doctor")).one()
            return self.posted(session, placed)

    def posted(self, session: Session, attempt: Attempt) -> Attempt:
        now = self.house.clock.now()
        assert attempts.may_post(session, attempt.id, self.house.clock.now) is not None
        self._lines += 1
        attempts.posted(session, attempt.id, f"CA{self._lines:032x}", now)
        return attempt

    def line_of(self, attempt: Attempt) -> Line:
        line = Line(self, 0)
        line.sid = str(attempt.sid)
        return line
