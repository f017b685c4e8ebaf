"""`carecall tickets` and `carecall ticket`: the list with its clocks, one ticket's story, every step by hand, feedback
from the counter, the export and the departments' figures."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of, login
from commands.escalations import write_csv
from commands.joined import Joined
from commands.show import rows_out
from console import desk_view
from core.house import House
from core.models import record
from core.tables import FileProblem, RowProblem, phone
from core.values import KNOWN_LANGUAGES
from desk import ticket_rows, tickets, words
from desk.kinds import CHANNELS, COLOURS, KINDS, LINKS, NATURES, PROBLEMS
from desk.models import Ticket
from desk.ticket_machine import TOLD_HOW
from desk.ticket_rows import TicketRow
from desk.tickets import TicketProblem
from recordings.privacy.redact_text import masked

Command = Callable[[argparse.Namespace, Joined], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]
_NUMBER = re.compile(r"[0-9][0-9 -]*")
MEDICAL = {"yes": True, "no": False}


def spelled(argv: list[str]) -> list[str]:
    """`ticket NUMBER` means `ticket show NUMBER`."""
    if len(argv) > 1 and argv[0] == "ticket" and _NUMBER.fullmatch(argv[1]):
        return ["ticket", "show", *argv[1:]]
    return argv


def add_commands(add: Add) -> None:
    """The words of this file; `add` is commands.cli's."""
    listed = add("tickets", show_list, "Tickets by due time with states, reasons and clocks; export, report.")
    listed.add_argument("--patient", metavar="MRN")
    listed.add_argument("--department")
    listed.add_argument("--all", action="store_true", help="also what is closed")
    listed.add_argument("--language", choices=KNOWN_LANGUAGES, help="default: the hospital's first")
    _since(listed)
    listed.add_argument("--json", action="store_true")
    words = listed.add_subparsers(metavar="[what]")
    for name, command, text in (
        ("export", export, "The ledger of all tickets, without names, numbers or what was said."),
        ("report", report, "Per department and clock: kept, missed, running."),
    ):
        made = words.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        made.set_defaults(command=command)
        _since(made)
        made.add_argument("--until", metavar="TIME", help="ISO 8601, not included")
        if command is export:
            made.add_argument("--csv", metavar="FILE", type=Path, required=True)
        else:
            made.add_argument("--json", action="store_true")
    listed.set_defaults(until=None)
    _one_ticket(add("ticket", _nothing, "One ticket: `carecall ticket NUMBER`, or what is to be done with it."))


def _since(made: argparse.ArgumentParser) -> None:
    made.add_argument("--since", metavar="TIME", help="ISO 8601; opened from then on")


def _one_ticket(made: argparse.ArgumentParser) -> None:
    words = made.add_subparsers(required=True, metavar="NUMBER | what")

    def sub(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        one = words.add_parser(name, help=text, description=text)
        one.set_defaults(command=command)
        one.add_argument("number", metavar="NUMBER")
        return one

    one = sub("show", story, "What it is about, its clocks, its story.")
    one.add_argument("--language", choices=KNOWN_LANGUAGES, help="default: the hospital's first")
    one.add_argument("--json", action="store_true")
    one = sub("assign", assign, "give it to somebody")
    one.add_argument("--to", metavar="LOGIN", required=True)
    one.add_argument("--department", help="default: the same")
    sub("start", start, "somebody is at it")
    sub("respond", respond, "whoever asked has had a first answer")
    one = sub("classify", classify, "its classes, and whether a complaint is medical")
    one.add_argument("--link", choices=LINKS)
    one.add_argument("--problem", choices=PROBLEMS)
    one.add_argument("--nature", choices=NATURES)
    one.add_argument("--medical", choices=list(MEDICAL))
    one = sub("propose", propose, "a solution and a compensation are offered")
    one.add_argument("--solution", required=True)
    one.add_argument("--compensation", required=True)
    one = sub("resolve", resolve, "it is solved; a complaint that is not medical needs solution and compensation")
    one.add_argument("--solution", default="")
    one.add_argument("--compensation")
    one = sub("tell", tell, "whoever asked was told what came of it")
    one.add_argument("--how", choices=TOLD_HOW, required=True)
    sub("confirm", confirm, "close it")
    one = sub("reopen", reopen, "it was not solved after all")
    one.add_argument("--why", required=True, help="for the ledger; no names, no numbers")
    _new(words.add_parser("new", help="take in a request or a complaint at the counter or on the telephone"))


def _new(made: argparse.ArgumentParser) -> None:
    made.set_defaults(command=new)
    made.add_argument("--kind", choices=list(KINDS), required=True)
    made.add_argument("--words", default="", help="what was said")
    made.add_argument("--phone", help="where they can be rung")
    made.add_argument("--patient", metavar="MRN")
    made.add_argument("--channel", choices=CHANNELS, default="counter")
    made.add_argument("--department")
    made.add_argument("--colour", choices=COLOURS)
    made.add_argument("--link", choices=LINKS)
    made.add_argument("--problem", choices=PROBLEMS)
    made.add_argument("--nature", choices=NATURES)
    made.add_argument("--language", choices=KNOWN_LANGUAGES)


def _nothing(args: argparse.Namespace, joined: Joined) -> int:
    raise AssertionError("a number or a word after `ticket` is required")


# ---- the list -------------------------------------------------------------------------------------------
def show_list(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now, zone = house.clock.now(), house.settings.hospital.timezone
    with house.transaction() as session:
        found = tickets.rows(
            session,
            now,
            everything=args.all,
            patient_id=ask.patient(session, args.patient).id if args.patient else None,
            department=args.department,
            since=ask.moment(house, "--since", args.since) if args.since else None,
        )
    if args.json:
        rows_out([_plain(row, zone) for row in found], as_json=True)
        return 0
    language = args.language or house.settings.hospital.languages[0]
    for row in found:
        for line in _lines(row, language, zone):
            print(line)
    late = sum(row.late for row in found)
    print(f"{sum(row.status != 'confirmed' for row in found)} open, {late} late")
    return 0


def _plain(row: TicketRow, zone: ZoneInfo) -> dict[str, Any]:
    """As JSON has it: times as the hospital's clocks show them."""

    def wall(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(zone).isoformat()
        if isinstance(value, list):
            return [wall(one) for one in value]
        return {name: wall(one) for name, one in value.items()} if isinstance(value, dict) else value

    return {name: wall(value) for name, value in asdict(row).items()} | {"says": dict(KINDS[row.kind].words)}


def _lines(row: TicketRow, language: str, zone: ZoneInfo) -> list[str]:
    due = f"due {_wall(row.due_at, zone)}" if row.due_at is not None else "-"
    parts = [row.number, words.COLOUR[language][row.colour], due, *(["LATE"] if row.late else [])]
    parts += [words.STATUS[language][row.status], row.department, row.owner or "-", *([row.mrn] if row.mrn else [])]
    says = [ticket_rows.says(row, language)]
    says += [words.NEXT[language][row.next]] if row.next else []
    says += [f"{words.STATUS[language]['reopened']}: {row.why}"] if row.why else []
    return ["  ".join(parts), f"    {' · '.join(says)}", *_clocks(row, language, zone)]


def _clocks(row: TicketRow, language: str, zone: ZoneInfo) -> list[str]:
    return [
        f"    {words.CLOCK[language][one.name]}: {_wall(one.due_at, zone)} {words.CLOCK_STATE[language][one.state]}"
        for one in row.clocks
    ]


def _wall(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def export(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        write_csv(args.csv, ticket_rows.exported(session, *_span(house, args)))
    return 0


def report(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        found = ticket_rows.breaches(session, *_span(house, args))
    rows_out(found, as_json=args.json)
    return 0


def _span(house: House, args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    since = ask.moment(house, "--since", args.since) if args.since else None
    return since, ask.moment(house, "--until", args.until) if args.until else None


# ---- one ticket -----------------------------------------------------------------------------------------
def story(args: argparse.Namespace, joined: Joined) -> int:
    """Shows what was said: whoever reads it is in the ledger."""
    house = house_of(joined)
    now, zone = house.clock.now(), house.settings.hospital.timezone
    language = args.language or house.settings.hospital.languages[0]
    with house.transaction() as session:
        ticket = _one(session, args.number)
        row = ticket_rows.row(session, ticket, now)
        steps = tickets.history(session, ticket.id)
        watchers = tickets.watchers(session, ticket.id)
        record(session, "ticket", ticket.id, "read", now, who=login())
    texts = {name: getattr(ticket, name) for name in ("words", "solution", "compensation", "contact")}
    if args.json:
        told = [asdict(step) | {"at": step.at.astimezone(zone).isoformat()} for step in steps]
        rows_out([_plain(row, zone) | texts | {"watchers": watchers, "story": told}], as_json=True)
        return 0
    for line in _lines(row, language, zone):
        print(line)
    for name, text in texts.items():
        if text:
            print(f"    {name}: {text}")
    if watchers:
        print(f"    watchers: {', '.join(watchers)}")
    for step in steps:
        why = f" ({step.why})" if step.why else ""
        print(f"{_wall(step.at, zone)}  {step.who}: {words.step(step.what, step.data, language)}{why}")
    return 0


def _one(session: Session, number: str) -> Ticket:
    ticket = tickets.find(session, number)
    if ticket is None:
        raise FileProblem(f"{number!r} is not the number of a ticket: take it from `carecall tickets`, whole.")
    return ticket


def new(args: argparse.Namespace, joined: Joined) -> int:
    """docs/clinical.md WO1, WO22: one command, and somebody has to see to it."""
    house = house_of(joined)
    with house.transaction() as session:
        try:
            contact = phone({"phone": args.phone}, "phone", house.settings.twilio_from) if args.phone else ""
            ticket = tickets.open_(
                session,
                args.kind,
                house.clock.now(),
                patient_id=ask.patient(session, args.patient).id if args.patient else None,
                contact=contact,
                language=args.language,
                words=args.words or None,
                channel=args.channel,
                department=args.department,
                colour=args.colour,
                link=args.link,
                problem=args.problem,
                nature=args.nature,
                who=login(),
            )
        except RowProblem as problem:
            raise FileProblem(f"--phone: {problem}.") from problem
        except TicketProblem as problem:
            raise FileProblem(str(problem)) from problem
        number, department = ticket.number, ticket.department
    print(f"ticket {number} for {department}")
    return 0


def _step(do: Callable[[Session, Ticket, argparse.Namespace, str, datetime], Ticket]) -> Command:
    """A command that does one thing with one ticket, and says how it stands then."""

    def command(args: argparse.Namespace, joined: Joined) -> int:
        house = house_of(joined)
        with house.transaction() as session:
            try:
                ticket = do(session, _one(session, args.number), args, login(), house.clock.now())
            except TicketProblem as problem:
                raise FileProblem(str(problem)) from problem
            number, status, due = ticket.number, ticket.status, ticket.due_at
        until = f", due {_wall(due, house.settings.hospital.timezone)}" if due is not None else ""
        print(f"ticket {number}: {words.STATUS['en'][status]}{until}")
        return 0

    return command


assign = _step(
    lambda session, ticket, args, who, now: desk_view.give(
        session, ticket, args.to, who, now, department=args.department
    )
)
start = _step(lambda session, ticket, args, who, now: tickets.start(session, ticket.id, who, now))
respond = _step(lambda session, ticket, args, who, now: tickets.respond(session, ticket.id, who, now))
classify = _step(
    lambda session, ticket, args, who, now: tickets.classify(
        session,
        ticket.id,
        who,
        now,
        link=args.link,
        problem=args.problem,
        nature=args.nature,
        medical=MEDICAL[args.medical] if args.medical else None,
    )
)
propose = _step(
    lambda session, ticket, args, who, now: tickets.propose(
        session, ticket.id, args.solution, args.compensation, who, now
    )
)
resolve = _step(
    lambda session, ticket, args, who, now: tickets.resolve(
        session, ticket.id, args.solution, who, now, args.compensation
    )
)
tell = _step(lambda session, ticket, args, who, now: tickets.tell(session, ticket.id, args.how, who, now))
confirm = _step(lambda session, ticket, args, who, now: tickets.confirm(session, ticket.id, who, now))
reopen = _step(
    lambda session, ticket, args, who, now: tickets.reopen(
        session, ticket.id, masked(args.why, ticket.language), who, now
    )
)
