"""Feedback that does not come by telephone: from the API, from a table, from the counter. It enters the same ledger;
who sent it is known by channel and the sender's own number, and taking it twice changes nothing (docs/clinical.md WO17,
WO21, WO22)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people, sheets, tables
from core.db import blind
from core.house import House, settings_of
from core.models import Patient, record
from core.tables import RowProblem, RowReport
from core.values import e164
from desk import tickets
from desk.hints import hint
from desk.kinds import CHANNELS, LINKS, NATURES, PROBLEMS
from desk.models import Ticket
from desk.tickets import TicketProblem

COLUMNS = ("channel", "external_id", "at", "words", "phone", "mrn", "link", "problem", "nature", "department")
REQUIRED = ("channel", "external_id", "words")
LONGEST_ID = 100
CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the sender's clock may be."""


@dataclass(frozen=True)
class Feedback:
    """What somebody wrote or said elsewhere; `at`: when, if the sender knows."""

    channel: str
    external_id: str
    words: str
    phone: str = ""
    mrn: str = ""
    link: str = ""
    problem: str = ""
    nature: str = ""
    department: str = ""
    at: datetime | None = None


def take(session: Session, feedback: Feedback, now: datetime, *, who: str = "import") -> tuple[Ticket, bool]:
    """The ticket of this feedback, and whether it is new. A complaint is one about treatment when its problem is the
    quality of it. Classes nobody gave are guessed by the words. Raises TicketProblem."""
    _check(feedback, now)
    identity = f"{feedback.channel}:{feedback.external_id}"
    known = session.scalar(sa.select(Ticket).where(Ticket.external_id == identity))
    if known is not None:
        return known, False
    guess = hint(feedback.words)
    nature = feedback.nature or guess.nature or "suggestion"
    problem = feedback.problem or guess.problem or None
    kind = "feedback" if nature != "complaint" else tickets.COMPLAINTS[problem == "quality"]
    patient = _patient(session, feedback.mrn) if feedback.mrn else None
    ticket = tickets.open_(
        session,
        kind,
        now,
        patient_id=patient.id if patient is not None else None,
        contact=_phone(session, feedback.phone),
        words=feedback.words,
        channel=feedback.channel,
        department=feedback.department or None,
        external_id=identity,
        link=feedback.link or guess.link or None,
        problem=problem,
        nature=nature,
        who=who,
    )
    given = [name for name in ("link", "problem", "nature") if getattr(feedback, name)]
    guessed = [name for name in ("link", "problem", "nature") if name not in given and getattr(guess, name)]
    data = {"guessed": guessed, **({"said_at": feedback.at.isoformat()} if feedback.at is not None else {})}
    record(session, "ticket", ticket.id, "taken in", now, who=who, data=data)
    return ticket, True


def _check(feedback: Feedback, now: datetime) -> None:
    if feedback.channel not in CHANNELS:
        raise TicketProblem("code", name="channel", allowed=", ".join(CHANNELS), given=feedback.channel)
    if not feedback.external_id.strip() or len(feedback.external_id) > LONGEST_ID:
        raise TicketProblem("external_id", most=LONGEST_ID)
    if not feedback.words.strip():
        raise TicketProblem("words_empty")
    if len(feedback.words) > tickets.LONGEST_WORDS:
        raise TicketProblem("words_too_long", most=tickets.LONGEST_WORDS)
    for name, given, allowed in (
        ("link", feedback.link, LINKS),
        ("problem", feedback.problem, PROBLEMS),
        ("nature", feedback.nature, NATURES),
    ):
        if given and given not in allowed:
            raise TicketProblem("code", name=name, allowed=", ".join(allowed), given=given)
    if feedback.at is not None and feedback.at.tzinfo is None:
        raise TicketProblem("at_offset")
    if feedback.at is not None and feedback.at > now + CLOCK_SKEW:
        raise TicketProblem("at_future")


def _patient(session: Session, mrn: str) -> Patient:
    found = session.scalar(sa.select(Patient).where(Patient.mrn_index == blind(mrn, people.MRN)))
    if found is not None and found.merged_into is not None:
        found = session.get(Patient, found.merged_into)
    if found is None:
        raise TicketProblem("mrn_unknown")
    return found


def _phone(session: Session, text: str) -> str:
    if not text:
        return ""
    ours = settings_of(session).twilio_from
    region = phonenumbers.region_code_for_number(phonenumbers.parse(ours)) if ours else None
    try:
        return e164(text, region)
    except ValueError:
        raise TicketProblem("phone_wrong") from None


def import_feedback(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """`carecall import feedback`: a CSV file or a workbook (sheet "feedback"). A report per row. Raises FileProblem."""
    read = sheets.read_table(path, COLUMNS, REQUIRED, "feedback")
    seen: set[tuple[str, str]] = set()

    def row(session: Session, values: dict[str, str]) -> tuple[sheets.Result, str]:
        feedback = _from_row(house, values)
        try:
            _, new = take(session, feedback, now)
        except TicketProblem as problem:
            raise RowProblem(str(problem).removesuffix(".")) from problem
        identity = (feedback.channel, feedback.external_id)
        again = identity in seen  # in a dry run nothing but this knows of the row before
        seen.add(identity)
        return ("created" if new and not again else "unchanged"), ""

    return sheets.row_by_row(house, read, row, dry_run=dry_run)


def _from_row(house: House, values: dict[str, str]) -> Feedback:
    tables.refuse_ragged(values)
    tables.refuse_long({name: text for name, text in values.items() if name != "words"})
    tables.needed(values, *REQUIRED)
    zone = house.settings.hospital.timezone
    at = tables.moment(values, "at", zone) if values["at"] else None
    return Feedback(at=at, **{name: text for name, text in values.items() if name in COLUMNS and name != "at"})
