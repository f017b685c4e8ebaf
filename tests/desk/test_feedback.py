"""Feedback that does not come by telephone: one ledger, one identity, hints that only classify."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.db import blind
from core.house import House
from core.models import Patient, new_id
from desk import feedback, tickets
from desk.feedback import COLUMNS, Feedback, import_feedback, take
from desk.hints import hint
from desk.kinds import LINKS, NATURES, PROBLEMS
from desk.models import Ticket
from desk.tickets import TicketProblem
from tests.desk.office import Office

REVIEW = Feedback("review", "dp-1", "排队太久,护士态度差,我要投诉", phone="+861055550133")


@pytest.fixture
def office(house: House) -> Office:
    made = Office(house)
    made.settings()
    with house.transaction() as session:
        patient = Patient(
            id=new_id(), mrn="F-1", mrn_index=blind("F-1", people.MRN), name="Ann Example", language="en",
            timezone="Asia/Shanghai", allergies="", sex="f", created_at=made.now,
        )  # fmt: skip
        session.add(patient)
    return made


def test_a_review_is_a_ticket_once(office: Office) -> None:
    ticket, new = office.do(take, REVIEW)
    assert new
    assert (ticket.kind, ticket.link, ticket.problem, ticket.nature) == (
        "complaint_other",
        "registration",
        "attitude",
        "complaint",
    )
    assert (ticket.channel, ticket.contact, ticket.words) == ("review", "+861055550133", REVIEW.words)
    assert office.ledger(ticket.id)[-1].data == {"guessed": ["link", "problem", "nature"]}
    before = office.ledger(ticket.id)
    again, new = office.do(take, Feedback("review", "dp-1", "changed my mind"))
    assert (again.id, new) == (ticket.id, False)
    assert len(office.ledger(ticket.id)) == len(before)
    other, new = office.do(take, Feedback("web", "dp-1", "thank you"))
    assert (other.kind, other.nature, new) == ("feedback", "praise", True), "another sender's number"


def test_a_program_that_sends_feedback_watches_nothing(office: Office) -> None:
    sent, _ = office.do(take, Feedback("web", "1", "hello"), who="api:website")
    written, _ = office.do(take, Feedback("counter", "2", "hello"), who="li")
    with office.house.transaction() as session:
        assert tickets.watchers(session, sent.id) == []
        assert tickets.watchers(session, written.id) == ["li"]


def test_what_is_said_counts_more_than_what_is_guessed(office: Office) -> None:
    given = Feedback(
        "letter", "7", "我要投诉,太差了", mrn="F-1", link="billing", problem="process", nature="suggestion",
        department="x", at=office.now - timedelta(days=2),
    )  # fmt: skip
    ticket, _ = office.do(take, given)
    assert (ticket.kind, ticket.link, ticket.problem, ticket.nature) == ("feedback", "billing", "process", "suggestion")
    assert (ticket.department, ticket.language) == ("insurance office", "en")
    assert ticket.opened_at == office.now, "the clock begins when it reaches us"
    assert ticket.status == "open", "no word closes anything"


def test_a_complaint_about_treatment_is_medical(office: Office) -> None:
    ticket, _ = office.do(take, Feedback("web", "1", "手术后感染,要投诉"))
    assert (ticket.kind, ticket.medical, ticket.department) == ("complaint_medical", True, "medical affairs")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"channel": "pigeon"}, "channel must be one of"),
        ({"external_id": " "}, "external_id"),
        ({"external_id": "x" * 200}, "external_id"),
        ({"words": " "}, "words must not be empty."),
        ({"words": "x" * 5000}, "words are too long"),
        ({"phone": "12"}, "phone is not a telephone number"),
        ({"mrn": "nobody"}, "no patient with this record number"),
        ({"link": "kitchen"}, "link must be one of"),
        ({"problem": "weather"}, "problem must be one of"),
        ({"nature": "song"}, "nature must be one of"),
        ({"at": datetime(2090, 1, 1, tzinfo=UTC)}, "at lies in the future."),
        ({"at": datetime(2026, 1, 1)}, "at must say its offset from UTC."),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_taken_is_refused_whole(office: Office, wrong: dict[str, object], sentence: str) -> None:
    values = {"channel": "web", "external_id": "1", "words": "hello", **wrong}
    with pytest.raises(TicketProblem, match=sentence):
        office.do(take, Feedback(**values))  # type: ignore[arg-type]
    assert office.all() == []


def test_hints_are_classes_we_have() -> None:
    for words in ("挂号难", "护士态度", "医保报销慢,谢谢", "误诊", "厕所脏", "I suggest a lift", "thank you", ""):
        guess = hint(words)
        assert guess.link in ("", *LINKS)
        assert guess.problem in ("", *PROBLEMS)
        assert guess.nature in ("", *NATURES)
    assert (hint("挂号难").problem, hint("护士态度").problem) == ("process", "attitude")
    assert hint("") == hint("12345") == hint("天气")


@pytest.mark.parametrize(
    ("words", "link"),
    [("My discharge took all day", "admission"), ("An extra charge", "billing"), ("Looking forward to it", ""),
     ("I was embedded in a crowd", ""), ("出院时医保报销慢", "billing"), ("要看bill", "billing")],
)  # fmt: skip
def test_a_hint_goes_by_how_words_begin(words: str, link: str) -> None:
    assert hint(words).link == link


# ---- tables --------------------------------------------------------------------------------------------
ROWS = (
    {"channel": "web", "external_id": "1", "words": "thank you", "at": "2031-03-01T09:00"},
    {"channel": "counter", "external_id": "2", "words": "x" * 900, "mrn": "F-1", "phone": "010 5555 0133"},
    {"channel": "pigeon", "external_id": "3", "words": "coo"},
    {"channel": "web", "external_id": "4", "words": "late", "at": "yesterday"},
    {"channel": "web", "external_id": "1", "words": "thank you again"},
)


def table(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def test_a_table_is_taken_row_by_row_and_twice_is_once(office: Office, tmp_path: Path) -> None:
    path = table(tmp_path / "feedback.csv")
    expected = ["created", "created", "refused", "refused", "unchanged"]
    dry = import_feedback(office.house, path, office.now, dry_run=True)
    assert [report.result for report in dry] == expected
    assert office.all() == []
    reports = import_feedback(office.house, path, office.now)
    assert [report.result for report in reports] == expected
    assert "channel must be one of" in reports[2].detail
    assert reports[3].detail.startswith("at must be a time such as")
    assert [report.result for report in import_feedback(office.house, path, office.now)] == [
        "unchanged", "unchanged", "refused", "refused", "unchanged",
    ]  # fmt: skip
    assert len(office.all()) == 2
    assert office.all()[1].contact == "+861055550133", "a number of the hospital's country"


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_long_table_holds_no_lock_for_each_of_its_rows(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """A database has room for some ten thousand: years of reviews brought in at once were refused whole."""
    held: list[int] = []

    def watched(session: Session, *words: Any, **more: Any) -> tuple[Ticket, bool]:
        mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        held.append(session.scalars(sa.text(mine)).one())
        return take(session, *words, **more)

    monkeypatch.setattr(feedback, "take", watched)
    import_feedback(office.house, table(tmp_path / "feedback.csv"), office.now, dry_run=dry_run)
    assert held == [0, 0, 0, 0]


def test_a_workbook_is_the_same(office: Office, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["channel", "external_id", "words"])
    sheet.append(["wechat", "w-1", "could you open on Sunday"])
    book.save(tmp_path / "feedback.xlsx")
    [report] = import_feedback(office.house, tmp_path / "feedback.xlsx", office.now)
    assert (report.row, report.result) == (2, "created")
    assert [ticket.nature for ticket in office.all()] == ["suggestion"]
