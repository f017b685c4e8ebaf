"""The `carecall` command line: what it understands, and who does it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from psycopg.errors import UndefinedColumn, UndefinedTable
from sqlalchemy.exc import OperationalError, ProgrammingError

from commands import (
    admin,
    campaign,
    demo,
    desk,
    downtime,
    escalations,
    flows,
    keys,
    lexicon,
    models,
    qa,
    qa_lead,
    qa_room,
    reports,
    rights,
    roster,
    service,
    tickets,
    users,
    vault,
    visits,
    ward,
)
from commands.joined import Joined
from commands.simulate import command as simulate_command
from commands.simulate import options as simulate_options
from core import logs
from core.crypto import DecryptError
from core.house import House
from core.jobs import QUEUES
from core.settings import Settings, SettingsError
from core.tables import FileProblem
from ivr.flow import FlowError
from scheduler import texts

Command = Callable[[argparse.Namespace, Joined], int]


def run(argv: list[str], joined: Joined) -> int:
    args = _understood(argv)
    logs.configure(level="WARNING" if args.quiet_logs else "INFO")
    command: Command = args.command
    opened: list[House] = []

    def open_house(settings: Settings) -> House:
        opened.append(joined.open_house(settings))
        return opened[-1]

    try:
        texts.load()
        return command(args, replace(joined, open_house=open_house))
    except (SettingsError, FileProblem, FlowError, DecryptError) as problem:
        sentence = str(problem)
    except OperationalError:
        sentence = "The database does not answer: is it running, and is DATABASE_URL right?"
    except ProgrammingError as error:
        if not isinstance(error.orig, (UndefinedTable, UndefinedColumn)):
            raise
        sentence = "The database has no schema or an old one: run `carecall db upgrade`."
    finally:
        for house in opened:
            house.engine.dispose()
    print(sentence, file=sys.stderr)
    return 2


def _understood(argv: list[str]) -> argparse.Namespace:
    """The words; those after `carrier` are the local carrier's own (`python -m carrier --help`)."""
    top = parser()
    args, rest = top.parse_known_args(tickets.spelled(argv))
    if rest and argv[0] != "carrier":
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    return args


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="carecall", description="The hospital's telephone service.")
    words = top.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Command, text: str, *, quiet: bool = True) -> argparse.ArgumentParser:
        made = words.add_parser(name, help=text, description=text)
        made.set_defaults(command=command, quiet_logs=quiet)
        return made

    tell = add("demo", demo.run, "The whole story on this machine, checked step by step.")
    tell.add_argument("--keep", action="store_true", help="leave everything running at the end")
    tell.add_argument("--home", type=Path, help="keep the demo's files here (default: a temporary folder)")
    play = add("simulate", simulate_command.run, "Months of follow-ups in minutes: our service, an invented world.")
    simulate_options.add_arguments(play)
    add("up", service.up, "Single-box service: database, schema, web and worker.", quiet=False)
    serve = add("serve", service.serve, "The web process.", quiet=False)
    serve.add_argument("--host")
    serve.add_argument("--port", type=int)
    worker = add("worker", service.worker, "The worker process.", quiet=False)
    worker.add_argument("--queues", nargs="+", choices=QUEUES, default=list(QUEUES))
    add("carrier", service.carrier, "The local carrier, with virtual phones.", quiet=False)

    for name, command, text in (
        ("followups", reports.followups, "Follow-ups with states, reasons and times."),
        ("reminders", reports.reminders, "Reminders of visits and before holidays, with states, reasons and times."),
    ):
        report = add(name, command, text)
        report.add_argument("--patient", metavar="MRN")
        report.add_argument("--since", metavar="TIME", help="ISO 8601")
        report.add_argument("--json", action="store_true")
    escalations.add_commands(add)
    downtime.add_commands(add)

    check = add("check", admin.check, "Configuration, database, carrier, models, roster: one line each.")
    check.add_argument("--json", action="store_true")
    imports = add("import", admin.import_file, "Bring in patients, rosters, visits, staff, feedback … from a table.")
    imports.add_argument("what", choices=list(admin.IMPORTERS))
    imports.add_argument("file", type=Path)
    imports.add_argument("--dry-run", action="store_true", help="try everything, keep nothing")
    imports.add_argument("--json", action="store_true")
    flows.add_arguments(add("flows", flows.run, "Validate, draw, or walk what callers hear."))
    models.add_commands(add)
    sample = add("qa", qa.run, "Quality review: the day's sample, its findings, reviews, scorecards, exports.")
    sample.add_argument("what", choices=["draw", "strict", "rescreen", *qa_room.WORDS, *qa_lead.WORDS])
    sample.add_argument("--date", help="ISO date, on the hospital's calendar (default: yesterday)")
    sample.add_argument("--seed", type=int, help="the draw with this seed; default: the day's own")
    sample.add_argument("--chats", action="store_true", help="of written chats instead of calls")
    sample.add_argument("--json", action="store_true")
    lexicon.add_arguments(sample)
    qa_room.add_arguments(sample)
    qa_lead.add_arguments(sample)
    pause = add("pause", admin.pause, "Stop outbound calls.")
    pause.add_argument("--lane", choices=["routine", "all"], default="routine")
    pause.add_argument("--reason", required=True)
    add("resume", admin.resume, "Start outbound calls again.")
    add("fallback", admin.fallback, "The static TwiML to paste at the carrier for when this server is down.")
    add("key", admin.key, "Make a DATA_KEY or SECRET_KEY.")
    keys.add_arguments(add("keys", keys.run, "Change DATA_KEY while the service runs."))
    vault.add_commands(add)
    ward.add_commands(add)
    campaign.add_commands(add)
    roster.add_commands(add)
    rights.add_commands(add)
    desk.add_commands(add)
    tickets.add_commands(add)
    visits.add_commands(add)
    users.add_commands(add)
    database = add("db", admin.database, "The database schema.")
    database.add_argument("what", choices=["upgrade"])
    return top
