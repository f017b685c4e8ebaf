"""`carecall escalations`: listed, reported, told, exported, and closed by a person with a coded outcome."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of
from commands.handover import write_private
from commands.handover_words import Speech
from commands.joined import Joined
from commands.show import rows_out
from core import tables
from core.house import House
from core.models import record
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES
from dialer import escalation as escalations
from dialer import reports
from dialer.models import Escalation
from dialer.story import story
from ivr.flow import load_questions
from ivr.prompts import load_prompts
from ivr.questions import Questionnaire

Command = Callable[[argparse.Namespace, Joined], int]
LONGEST_WHY = 500


def add_commands(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    made = add("escalations", listed, "Escalations with their clocks; report, timeline, export, close.")
    made.add_argument("--patient", metavar="MRN")
    _span(made)
    made.add_argument("--json", action="store_true")
    words = made.add_subparsers(metavar="what", dest="what")

    def sub(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        # What was said before the word stays said: `escalations --since … report`.
        one = words.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        one.set_defaults(command=command)
        return one

    one = sub("report", report, "p50/p95/p99 of the clocks, in all and per department, with counts.")
    one.add_argument("--patient", metavar="MRN")
    _span(one)
    one.add_argument("--json", action="store_true")
    one.add_argument("--csv", metavar="FILE", type=Path, default=None)
    one = sub("timeline", timeline, "What happened to one escalation, a line per happening.")
    one.add_argument("id")
    one.add_argument("--names", action="store_true", default=False, help="name the doctors")
    one.add_argument("--language", choices=KNOWN_LANGUAGES, default=None, help="default: the hospital's first")
    one.add_argument("--json", action="store_true")
    one = sub("export", export, "Every clock per escalation, without names or numbers.")
    _span(one)
    one.add_argument("--csv", metavar="FILE", type=Path, required=True)
    one = sub("close", close, "A patient was helped by other means: close the escalation with a coded outcome.")
    one.add_argument("id")
    one.add_argument("--outcome", choices=list(escalations.OUTCOMES), required=True)
    one.add_argument("--who", metavar="LOGIN", required=True)
    one.add_argument("--why", default="", help="for the ledger; no names, no numbers")


def _span(made: argparse.ArgumentParser) -> None:
    made.add_argument("--since", metavar="TIME", help="ISO 8601")
    made.add_argument("--until", metavar="TIME", help="ISO 8601, not included")


def listed(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    rows_out(_rows(house, args), as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def report(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    rows = reports.clocks(_rows(house, args))
    if args.csv is None:
        rows_out(rows, as_json=args.json)
        return 0
    write_csv(args.csv, rows)
    return 0


def timeline(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    language = args.language or house.settings.hospital.languages[0]
    asked = load_questions(joined.root / "flows") or Questionnaire()
    say = Speech(language, load_prompts(joined.root / "prompts", (language,)), asked)
    with house.transaction() as session:
        told = story(session, _one(session, args.id), language, names=args.names, flag=say.question)
    if args.json:
        rows_out([{"after_s": line.after_s, "what": line.words} for line in told], as_json=True)
        return 0
    for line in told:
        print(f"{line.after_s:8.1f} s  {line.words}")
    return 0


def export(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    since, until = _moments(house, args)
    with house.transaction() as session:
        write_csv(args.csv, reports.exported(session, since, until))
    return 0


def close(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    if not args.who.strip():
        raise FileProblem("--who: who closes it?")
    if len(args.why) > LONGEST_WHY:
        raise FileProblem(f"--why: {LONGEST_WHY} characters are the most.")
    now = house.clock.now()
    with house.transaction() as session:
        row = _one(session, args.id)
        done = escalations.close(session, row.id, args.outcome, "staff", now, args.why)
        if done:
            record(session, "escalation", row.id, "closed by hand", now, who=args.who, why=args.why)
    print(f"closed: {args.outcome}" if done else "its outcome is known already; nothing is changed")
    return 0 if done else 1


def _rows(house: House, args: argparse.Namespace) -> list[dict[str, Any]]:
    since, until = _moments(house, args)
    with house.transaction() as session:
        patient_id = ask.patient(session, args.patient).id if args.patient is not None else None
        return reports.escalations(session, patient_id, since, until)


def _moments(house: House, args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    since = ask.moment(house, "--since", args.since) if args.since is not None else None
    until = ask.moment(house, "--until", args.until) if args.until is not None else None
    return since, until


def _one(session: Session, text: str) -> Escalation:
    row = session.get(Escalation, ask.row_id(text))
    if row is None:
        raise FileProblem("There is no such escalation: take its id from `carecall escalations`, whole.")
    return row


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A table every spreadsheet opens; times in ISO 8601, UTC."""
    out = io.StringIO()
    writer = csv.writer(out)
    count = 0
    for row in rows:
        if not count:
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
        count += 1
    write_private(path, out.getvalue(), "--csv")
    print(f"{path} is written, {count} rows; only you can read it")


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    # A department is text of somebody else's: a spreadsheet must not take it for a formula.
    return tables.no_formula(value) if isinstance(value, str) else value
