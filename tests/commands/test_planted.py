"""The proof of privacy: invented people are planted wherever people say who they are, and looked for in everything that
lies about afterwards: every table of the database, every log line, every export, every file of the house.

Mandarin is proven on text: what the speech engine would have heard is scripted."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import structlog

import app
from console import views
from core import db, logs, people, settings
from core.house import House
from core.models import Patient, new_id
from desk import tickets
from desk.models import Ticket
from dialer import inbound, sms
from dialer.models import Call
from recordings import reports
from recordings.privacy import redact
from recordings.vault import retention
from recordings.vault.fetch import Media
from scheduler import worklist
from tests import planted
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock
from tests.often import stories
from tests.planted import Planted, Search
from tests.recordings import days
from tests.recordings.room import Room, sid
from tests.recordings.sounds import mono, tone

SOUND = mono(tone(2))


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that is logged, as a service logs it, at the most talkative level; the set-up of before is put back."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.LEVELS}
    logs.configure(stream=stream, level="DEBUG", json=True)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)
    for name, least in levels.items():
        logging.getLogger(name).setLevel(least)


class Hospital:
    """Everything that can be told of a person is told, by the ways it is told."""

    def __init__(self, house: House, folder: Path, who: list[Planted], carecall: Carecall, log: io.StringIO) -> None:
        self.house, self.folder, self.who, self.carecall = house, folder, who, carecall
        self.log = log
        self.room = Room(house)
        self.now: datetime = house.clock.now()
        self.told: list[str] = []
        """What commands printed and wrote."""

    def run(self, *words: str) -> None:
        told = self.carecall(*words)
        logs.configure(stream=self.log, level="DEBUG", json=True)  # a command has its own
        assert told.code in (0, 1), (words, told.err)
        self.told += [told.out, told.err]

    def imports(self) -> None:
        ended = (self.now - timedelta(hours=30)).isoformat()
        self._csv(
            "patients.csv",
            ["mrn", "name", "phone", "birth_date", "language", "allergies", "consent_followup", "procedure_id",
             "procedure", "department", "surgeon", "surgery_end"],
            [[one.mrn, one.name, one.phone, one.birth_date, one.language, f"ask {one.name}", "yes", f"OP-{at}",
              f"hernia of {one.name}", "surgery", one.name, ended] for at, one in enumerate(self.who)],
        )  # fmt: skip
        self._csv(
            "feedback.csv", ["channel", "external_id", "words", "phone", "mrn"],
            [["web", str(at), planted.sentence(one, at), one.phone, one.mrn] for at, one in enumerate(self.who)],
        )  # fmt: skip
        self._csv(
            "staff.csv", ["login", "name", "role", "phone"],
            [[f"agent{at}", one.name, "agent", one.phone] for at, one in enumerate(self.who[:20])],
        )  # fmt: skip
        for what in ("patients", "feedback", "staff"):
            self.run("import", what, str(self.folder / f"{what}.csv"))
            (self.folder / f"{what}.csv").unlink()

    def _csv(self, name: str, head: list[str], rows: list[list[str]]) -> None:
        with (self.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])

    def calls(self) -> list[uuid.UUID]:
        """Each one rings, says who they are, and it goes through the real jobs: fetched, heard, screened, kept."""
        made = []
        for at, one in enumerate(self.who):
            with self.house.transaction() as session:
                patient_id = session.scalar(
                    sa.select(Patient.id).where(Patient.mrn_index == db.blind(one.mrn, people.MRN))
                )
                call = Call(
                    id=new_id(), sid=f"CA{at:032x}", kind="hotline", status="completed", party=one.phone,
                    party_index=people.phone_index(one.phone), patient_id=patient_id if at % 3 else None,
                    session={"said": planted.sentence(one, at)}, last_twiml=f"<Say>{one.name}</Say>",
                    started_at=self.now, ended_at=self.now, deadline_at=self.now,
                )  # fmt: skip
                session.add(call)
            recording = self.room.announce(call.id, "message" if at % 2 else "call", one.language)
            self.room.carrier.files[sid(at)] = Media(SOUND)
            self.room.speech.texts = [planted.sentence(one, at)]
            self.room.done(recording, CallSid=call.sid or "", RecordingSid=sid(at))
            made.append(recording)
        self.room.speech.texts = []
        return made

    def hear(self, recordings: list[uuid.UUID]) -> None:
        """The jobs, in the order they were asked for, each with its own words."""
        by_id = {
            recording: planted.sentence(one, at)
            for at, (recording, one) in enumerate(zip(recordings, self.who, strict=True))
        }
        from core import jobs

        while rows := self._waiting():
            for row in sorted(rows, key=lambda row: row.id):
                ids = {name: uuid.UUID(value) for name, value in row.args.items()}
                self.room.speech.texts = [by_id[ids["recording_id"]]] if ids.get("recording_id") in by_id else []
                jobs.handlers()[row.task_name](self.house, **ids)

    def _waiting(self) -> list[sa.Row[tuple[int, str, dict[str, str]]]]:
        with self.house.transaction() as session:
            took = sa.text(
                "DELETE FROM procrastinate_jobs WHERE status = 'todo'"
                " AND queue_name IN ('recordings', 'speech', 'answers') RETURNING id, task_name, args"
            )
            return list(session.execute(took).all())

    def writes(self) -> None:
        """Messages out and in, a nurse's notes, a ticket from opening to its end."""
        for at, one in enumerate(self.who):
            with self.house.transaction() as session:
                sms.plan(
                    session, kind="recovery", subject_id=new_id(), patient_id=None, to=one.phone,
                    body=planted.sentence(one, at), due_at=self.now + timedelta(days=1), now=self.now,
                )  # fmt: skip
                inbound.take(
                    session, inbound.Received(f"SM{at:032x}", one.phone, planted.sentence(one, at), 0, ""), self.now
                )
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(Ticket).order_by(Ticket.serial).limit(20)).all()
            for one, row in zip(self.who, rows, strict=False):
                tickets.assign(session, row.id, "agent1", "boss", self.now)
                tickets.start(session, row.id, "agent1", self.now)
                tickets.propose(session, row.id, f"rang {one.name}", f"a card for {one.name}", "agent1", self.now)
                tickets.resolve(session, row.id, f"told {one.name} {one.phone}", "agent1", self.now)
                views.look(session, "agent1", "ticket", row.id, "other", f"he said: 我叫{one.name}", self.now)
            for one in self.who[:10]:
                item = worklist.want(session, "other", None, new_id(), "to do", self.now)
                worklist.done(session, item.id, "nurse", f"spoke with {one.name}, {one.phone}", self.now)

    def listens(self, recordings: list[uuid.UUID]) -> None:
        for one, recording in zip(self.who[:10], recordings, strict=False):
            with self.house.transaction() as session:
                retention.hold(session, recording, "boss", f"a suit of {one.name}", self.now)
                redact.read_original(
                    session, recording, "qa", f"complaint of {one.name}", self.now, ("original", "held")
                )

    def breaks(self) -> None:
        """What goes wrong is logged with its traceback: what was to be written must not be in it."""
        for one in self.who[:10]:
            with self.house.transaction() as session:
                # a time without a zone: SQLAlchemy's error has all parameters, not yet enciphered
                wrong = Patient(
                    mrn=one.mrn, mrn_index=one.mrn.encode(), name=one.name, language="en", timezone="UTC",
                    created_at=datetime(2030, 1, 1),  # noqa: DTZ001
                )  # fmt: skip

                def write(wrong: Patient = wrong) -> None:
                    session.add(wrong)
                    session.flush()

                assert not db.survives(session, write, "a row could not be written", patient=one.name)
                session.expunge_all()
            with self.house.transaction() as session, contextlib.suppress(Exception):
                session.execute(sa.text("SELECT CAST(:name AS integer)"), {"name": one.name})
            try:
                with self.house.engine.connect() as connection:
                    connection.execute(sa.text("SELECT CAST(:name AS jsonb) -> :phone"), {"name": one.name, "phone": 1})
            except sa.exc.DBAPIError as error:
                logging.getLogger("a room").error("the database refused: %s", type(error).__name__)

    def exports(self, recordings: list[uuid.UUID]) -> None:
        self.run("tickets", "export", "--csv", str(self.folder / "tickets.csv"))
        self.run("tickets", "report", "--json")
        self.run("escalations", "export", "--csv", str(self.folder / "escalations.csv"))
        self.run("recordings", "--json")
        day = self.now.astimezone(self.house.settings.hospital.timezone).date()
        with self.house.transaction() as session:
            days.draw_day(session, day, 1, self.now)
        self.run("qa", "draw", "--seed", "1", "--date", day.isoformat())
        self.run("recordings", "transcript", str(recordings[0]), "--json")
        self.run("desk", "report", "--json")
        with self.house.transaction() as session:
            self.told.append(
                str(reports.as_json(reports.draw_report(session, days.draw_day(session, day, 7, self.now))))
            )
            for lines in reports.transcripts(session, recordings).values():
                self.told += [line.text for line in lines]


def dump(url: str) -> bytes:
    """Every row of every table there is, jobs and the migration's too, as PostgreSQL copies them out."""
    out = io.BytesIO()
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        names = cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN"
            " ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in names:
            with cursor.copy(f"COPY {name} TO STDOUT".encode()) as copy:
                for piece in copy:
                    out.write(piece)
    assert len(names) > 40
    return out.getvalue()


def proof(count: int, carecall: Carecall, folder: Path, written: io.StringIO) -> None:
    here = settings.load()
    house = app.open_house(here)
    house.clock = StandingClock(datetime.now(UTC))
    try:
        who = planted.people(count)
        hospital = Hospital(house, folder, who, carecall, written)
        hospital.imports()
        recordings = hospital.calls()
        hospital.hear(recordings)
        hospital.writes()
        hospital.listens(recordings)
        hospital.breaks()
        hospital.exports(recordings)
        exact = [text for one in who for text in (one.name, one.national, one.card, one.mrn)]
        said = [
            text
            for one in who
            for text in (planted.spoken(one.national, one.language), planted.spoken(one.card, one.language))
        ]
        search, masked = Search(exact), Search([*exact, *said])

        with house.transaction() as session:
            unmasked = reports.spoken.heard(session, recordings)
        told_before = "\n".join(line.text for lines in unmasked.values() for line in lines)
        in_words = search.found(told_before.encode())
        assert {one.name for one in who if one.language == "zh-CN"} <= set(in_words)
        assert len(in_words) > 2 * count, "they were really said, and the search finds them"

        table = dump(here.database_url or "")
        assert len(table) > 5_000 * count / 2
        assert search.found(table) == [], "in the database"
        log = written.getvalue()
        assert "a row could not be written" in log
        assert search.found(log.encode()) == [], "in the logs"
        assert masked.found("\n".join(hospital.told).encode()) == [], "in what commands print, and transcripts"
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                assert masked.found(path.read_bytes()) == [], path.suffix
                assert masked.found(path.name.encode()) == []
        assert len(list((house.settings.home / "recordings").rglob("*"))) >= count
    finally:
        house.engine.dispose()


def test_the_search_finds_every_spelling() -> None:
    one = planted.people(2)[1]
    search = Search([one.name, one.card])
    for at, form in enumerate(planted.spellings(one.name)):
        assert search.found(b"x" * at + form + b"yy") == [one.name]
    assert search.found(one.card.encode().hex().encode()) == [one.card]
    assert search.found(b"nothing of the kind") == []


@stories(20, 1000)
def test_planted_people_are_found_nowhere(
    at_work: Carecall, written: io.StringIO, tmp_path: Path, examples: int
) -> None:
    proof(examples, at_work, tmp_path, written)
