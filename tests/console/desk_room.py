"""A desk for tests: its house, its users, somebody at a screen, and tickets of invented patients."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import app
from console import tokens, users
from console.models import View
from core import people
from core.db import Row, blind
from core.house import House
from core.models import Contact, EventRow, Patient, new_id
from desk import tickets
from desk.models import QueueEntry, Ticket
from dialer.models import Agent
from scheduler import worklist
from scheduler.models import WorkItem

PASSWORD = "a horse that rings twice"
NAME, MRN, PHONE = "Ann Example", "T-000123", "+861055550111"
WORDS = "The bill was wrong and nobody listened."


class Screen:
    """A browser: it keeps its cookie, and sends the hidden word of the page it is on."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.said: TestResponse | None = None

    def get(self, path: str, **words: Any) -> TestResponse:
        self.said = self.client.get(path, **words)
        return self.said

    def post(self, path: str, *, on: str | None = None, **form: str) -> TestResponse:
        """Send a form that stands on page `on` (default: the page it goes to), and follow to where it leads."""
        page = self.client.get(on or path)
        word = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
        assert word, f"no form on {on or path}: {page.status}"
        self.said = self.client.post(path, data={"csrf_token": word[1], **form}, follow_redirects=True)
        return self.said

    def sign_in(self, login: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/sign-in", login=login, password=password)

    @property
    def text(self) -> str:
        """What is to be read, without the marks."""
        assert self.said is not None
        plain = re.sub(r"<[^>]*>", " ", self.said.get_data(as_text=True))
        return unescape(" ".join(plain.split()))

    @property
    def at(self) -> str:
        assert self.said is not None
        return urlsplit(self.said.request.url).path


class DeskRoom:
    def __init__(self, house: House) -> None:
        self.house = house
        self.app = app.web(house)

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def forward(self, **delta: float) -> None:
        self.house.clock.at += timedelta(**delta)  # type: ignore[attr-defined]

    # ---- who ---------------------------------------------------------------------------------------
    def screen(self) -> Screen:
        return Screen(self.app.test_client())

    def user(self, login: str, role: str = "agent", language: str = "en") -> str:
        with self.house.transaction() as session:
            users.add(session, login, role, f"The {role}", language, PASSWORD, "tests", self.now)
        return login

    def signed_in(
        self, role: str = "agent", language: str = "en", login: str | None = None, at: str | None = None
    ) -> Screen:
        """The screen of a new user of this role; `at`: where it has led them."""
        screen = self.screen()
        said = screen.sign_in(self.user(login or f"{role}1", role, language))
        assert said.status_code == 200, said.status
        assert screen.at == (at or ("/reviews" if role == "qa" else "/"))
        return screen

    def agent(self, login: str, status: str = "off", **more: Any) -> None:
        number = "+861055550131"
        with self.house.transaction() as session:
            session.add(
                Agent(
                    login=login,
                    name=f"Name of {login}",
                    role="agent",
                    phone=number,
                    phone_index=people.phone_index(number),
                    languages=["en"],
                    status=status,
                    since=self.now,
                    idle_since=self.now if status == "ready" else None,
                    **more,
                )
            )

    def token(self, *scopes: str) -> dict[str, str]:
        """Headers of a program with a token."""
        with self.house.transaction() as session:
            token = tokens.add(session, f"program for {' '.join(scopes)}", scopes, "tests", self.now)
        return {"Authorization": f"Bearer {token}"}

    # ---- what there is -----------------------------------------------------------------------------
    def patient(self, name: str = NAME, mrn: str = MRN) -> uuid.UUID:
        with self.house.transaction() as session:
            patient = Patient(
                id=new_id(), mrn=mrn, mrn_index=blind(mrn, people.MRN), name=name, birth_date="1961-05-06",
                language="en", timezone="Asia/Shanghai", created_at=self.now,
            )  # fmt: skip
            session.add(patient)
            session.flush()
            session.add(Contact(patient_id=patient.id, phone=PHONE, phone_index=people.phone_index(PHONE), position=0))
            return patient.id

    def ticket(self, kind: str = "complaint_other", **more: Any) -> str:
        """Its number."""
        given = {"contact": PHONE, "words": WORDS, "language": "en", **more}
        with self.house.transaction() as session:
            return tickets.open_(session, kind, self.now, **given).number

    def waiting(self, **more: Any) -> None:
        with self.house.transaction() as session:
            session.add(
                QueueEntry(
                    **{"party": PHONE, "language": "en", "reason": "postop", "mode": "callback", "origin": "asked",
                       "status": "waiting", "entered_at": self.now, "next_step_at": self.now} | more
                )
            )  # fmt: skip

    def work(self, patient_id: uuid.UUID, kind: str = "unreached") -> uuid.UUID:
        with self.house.transaction() as session:
            return worklist.want(session, kind, patient_id, None, "no answer", self.now).id

    # ---- what became of it -------------------------------------------------------------------------
    def row(self, number: str) -> Ticket:
        with self.house.transaction() as session:
            return session.scalars(sa.select(Ticket).where(Ticket.number == number)).one()

    def every(self, entity: type[Row]) -> list[Row]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(entity)))

    def views(self) -> list[tuple[str, str, uuid.UUID | None, str]]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(View).order_by(View.id)).all()
            return [(row.login, row.what, row.subject_id, row.why) for row in rows]

    def ledger(self, kind: str) -> list[tuple[str, str]]:
        """(what, who) in order."""
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(EventRow).where(EventRow.kind == kind).order_by(EventRow.id)).all()
            return [(row.what, row.who) for row in rows]

    def worklist(self) -> list[WorkItem]:
        return self.every(WorkItem)
